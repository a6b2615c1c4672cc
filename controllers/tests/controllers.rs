//! The manager's controllers against a control plane in process, without members: each test starts both.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::Parser as _;
use karmada_api::cluster::Cluster;
use karmada_controllers::{Manager, ManagerArgs};
use karmada_fleet::{Connect, ConnectError};
use karmada_runtime::patcher::PatchKind;
use karmada_runtime::{Patcher, Resource};
use karmada_test_support::TestServer;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// No member can be reached.
struct Nobody;

#[async_trait]
impl Connect for Nobody {
    async fn connect(&self, cluster: &Cluster) -> Result<kube::Client, ConnectError> {
        Err(ConnectError::NoEndpoint { cluster: cluster.metadata.name.clone().unwrap_or_default() })
    }
}

struct Plane {
    server: TestServer,
    control: Patcher,
    stop: CancellationToken,
    _manager: Manager,
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn resource(api_version: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced,
    }
}

fn clusters() -> Resource {
    resource("cluster.karmada.io/v1alpha1", "Cluster", "clusters", false)
}

fn bindings() -> Resource {
    resource("work.karmada.io/v1alpha2", "ResourceBinding", "resourcebindings", true)
}

fn quotas() -> Resource {
    resource("policy.karmada.io/v1alpha1", "FederatedResourceQuota", "federatedresourcequotas", true)
}

impl Plane {
    /// A plane whose members m1 and m2 are pull members that nobody speaks for: nothing touches their status.
    async fn start(flags: &[&str]) -> Self {
        let server = TestServer::control_plane().await.unwrap();
        let stop = CancellationToken::new();
        let all = ["manager", "--feature-gates=AllAlpha=true,AllBeta=true", "--cluster-startup-grace-period=1h"];
        let args = ManagerArgs::parse_from(all.iter().chain(flags));
        let manager = Manager::start(server.client(), &args, Some(Arc::new(Nobody)), &stop).unwrap();
        let control = Patcher::new(server.client(), "test");
        let plane = Self { server, control, stop, _manager: manager };
        for name in ["m1", "m2"] {
            let cluster = json!({"metadata": {"name": name}, "spec": {"syncMode": "Pull"}});
            plane.create(&clusters(), "", cluster).await;
            plane.condition(name, "Ready", "True").await;
        }
        plane
    }

    async fn create(&self, resource: &Resource, namespace: &str, mut object: Value) -> Value {
        object["apiVersion"] = resource.api_version().into();
        object["kind"] = resource.kind.clone().into();
        self.control.create(resource, namespace, &object).await.unwrap()
    }

    async fn patch(&self, resource: &Resource, namespace: &str, name: &str, sub: &str, patch: Value) {
        self.control.patch(resource, namespace, name, sub, PatchKind::Merge, &patch).await.unwrap();
    }

    async fn condition(&self, cluster: &str, kind: &str, status: &str) {
        // Controllers write the cluster as well: against the version that was read, and again if that was too old.
        for _ in 0..20 {
            let found = self.control.get(&clusters(), "", cluster).await.unwrap().unwrap();
            let mut conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.retain(|condition| condition["type"] != kind);
            conditions.push(json!({
                "type": kind, "status": status, "reason": "Test", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }));
            let patch = json!({
                "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
                "status": {"conditions": conditions},
            });
            let written = self.control.patch(&clusters(), "", cluster, "status", PatchKind::Merge, &patch).await;
            if written.is_ok() {
                return;
            }
        }
        panic!("cannot set condition {kind} of {cluster}");
    }

    /// A binding of a Deployment whose template is not there, which no controller therefore renders.
    async fn binding(&self, name: &str, more: Value) {
        let mut binding = json!({
            "metadata": {"name": format!("{name}-deployment"), "namespace": "default"},
            "spec": {
                "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": name},
                "replicas": 2, "clusters": [{"name": "m1", "replicas": 2}],
                "replicaRequirements": {"resourceRequest": {"cpu": "100m"}},
            },
        });
        for (key, value) in more.as_object().unwrap() {
            binding["spec"][key] = value.clone();
        }
        self.create(&bindings(), "default", binding).await;
    }

    async fn healths(&self, binding: &str, healths: &[(&str, &str)]) {
        let items: Vec<Value> = healths
            .iter()
            .map(|(cluster, health)| json!({"clusterName": cluster, "health": health, "applied": true}))
            .collect();
        self.patch(&bindings(), "default", binding, "status", json!({"status": {"aggregatedStatus": items}})).await;
    }

    async fn until(
        &self,
        what: &str,
        resource: &Resource,
        namespace: &str,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        for _ in 0..600 {
            last = self.control.get(resource, namespace, name).await.unwrap().unwrap_or(Value::Null);
            if holds(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what}: {last:#}");
    }

    async fn saw_event(&self, namespace: &str, reason: &str, message: &str) {
        for _ in 0..200 {
            let (_, events) = self.server.get(&format!("/api/v1/namespaces/{namespace}/events")).await.unwrap();
            let found = events["items"]
                .as_array()
                .is_some_and(|list| list.iter().any(|e| e["reason"] == reason && e["message"] == message));
            if found {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no event {reason}: {message}");
    }
}

#[tokio::test]
async fn a_rebalancer_triggers_once_and_goes_after_its_time() {
    let plane = Plane::start(&[]).await;
    let rebalancers = resource("apps.karmada.io/v1alpha1", "WorkloadRebalancer", "workloadrebalancers", false);
    plane.binding("web", json!({})).await;
    let workload =
        |name: &str| json!({"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": name});
    let spec = json!({"workloads": [workload("web"), workload("none")], "ttlSecondsAfterFinished": 2});
    let made = plane.create(&rebalancers, "", json!({"metadata": {"name": "r"}, "spec": spec})).await;
    let done = plane.until("finished", &rebalancers, "", "r", |r| r["status"]["finishTime"].is_string()).await;
    let status = &done["status"]["observedWorkloads"];
    assert_eq!(
        status[0],
        json!({"workload": workload("none"), "result": "Failed", "reason": "ReferencedBindingNotFound"})
    );
    assert_eq!(status[1], json!({"workload": workload("web"), "result": "Successful"}));
    let binding = plane.control.get(&bindings(), "default", "web-deployment").await.unwrap().unwrap();
    assert_eq!(binding["spec"]["rescheduleTriggeredAt"], made["metadata"]["creationTimestamp"]);
    plane.until("gone", &rebalancers, "", "r", Value::is_null).await;
}

#[tokio::test]
async fn taints_and_remedies_follow_conditions() {
    let plane = Plane::start(&[]).await;
    let policies = resource("policy.karmada.io/v1alpha1", "ClusterTaintPolicy", "clustertaintpolicies", false);
    let on = |status: &str| json!([{"conditionType": "Disk", "operator": "In", "statusValues": [status]}]);
    let spec = json!({
        "targetClusters": {"clusterNames": ["m2"]}, "addOnConditions": on("False"), "removeOnConditions": on("True"),
        "taints": [{"key": "disk", "value": "bad", "effect": "NoSchedule"}],
    });
    plane.create(&policies, "", json!({"metadata": {"name": "p"}, "spec": spec})).await;
    let remedies = resource("remedy.karmada.io/v1alpha1", "Remedy", "remedies", false);
    let spec = json!({
        "clusterAffinity": {"clusterNames": ["m2"]}, "actions": ["TrafficControl"],
        "decisionMatches": [{"clusterConditionMatch":
            {"conditionType": "Disk", "operator": "Equal", "conditionStatus": "False"}}],
    });
    plane.create(&remedies, "", json!({"metadata": {"name": "r"}, "spec": spec})).await;
    plane.condition("m2", "Disk", "False").await;
    plane
        .until("tainted", &clusters(), "", "m2", |c| {
            c["spec"]["taints"][0]["key"] == "disk" && c["status"]["remedyActions"] == json!(["TrafficControl"])
        })
        .await;
    let text =
        "Update Cluster(m2) with taints(cluster now has taints([{Key:disk,Value:bad,Effect:NoSchedule}])) succeed";
    plane.saw_event("default", "TaintClusterSucceed", text).await;
    plane.condition("m2", "Disk", "True").await;
    plane
        .until("untainted", &clusters(), "", "m2", |c| {
            c["spec"]["taints"].as_array().is_none_or(Vec::is_empty) && c["status"]["remedyActions"].is_null()
        })
        .await;
    let other = plane.control.get(&clusters(), "", "m1").await.unwrap().unwrap();
    assert!(other["spec"]["taints"].as_array().is_none_or(Vec::is_empty), "{other}");
}

#[tokio::test]
async fn a_tainted_cluster_loses_workloads_but_not_their_last_healthy_copy() {
    let flags =
        ["--enable-no-execute-taint-eviction=true", "--resource-eviction-rate=100", "--graceful-eviction-timeout=1s"];
    let plane = Plane::start(&flags).await;
    plane.binding("web", json!({})).await;
    plane.healths("web-deployment", &[("m1", "Healthy")]).await;
    let taints = json!({"spec": {"taints": [{"key": "maint", "effect": "NoExecute"}]}});
    plane.patch(&clusters(), "", "m1", "", taints).await;
    let evicted = plane
        .until("evicted", &bindings(), "default", "web-deployment", |b| {
            b["spec"]["gracefulEvictionTasks"][0]["creationTimestamp"].is_string()
        })
        .await;
    let task = &evicted["spec"]["gracefulEvictionTasks"][0];
    assert_eq!(
        (&task["fromCluster"], &task["reason"], &task["producer"], &task["purgeMode"], &task["replicas"]),
        (&json!("m1"), &json!("TaintUntolerated"), &json!("TaintManager"), &json!("Gracefully"), &json!(2))
    );
    assert!(evicted["spec"]["clusters"].is_null());

    // The time is over, but nothing has taken the workload in: the healthy copy stays.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let waiting = plane.control.get(&bindings(), "default", "web-deployment").await.unwrap().unwrap();
    assert_eq!(waiting["spec"]["gracefulEvictionTasks"].as_array().map(Vec::len), Some(1));

    let placed = json!({"spec": {"clusters": [{"name": "m2", "replicas": 2}]}});
    plane.patch(&bindings(), "default", "web-deployment", "", placed).await;
    plane.healths("web-deployment", &[("m1", "Healthy"), ("m2", "Unhealthy")]).await;
    plane
        .until("purged", &bindings(), "default", "web-deployment", |b| b["spec"]["gracefulEvictionTasks"].is_null())
        .await;
    plane.saw_event("default", "EvictWorkloadFromClusterSucceed", "Evict from cluster m1 succeed.").await;
}

#[tokio::test]
async fn a_lost_cluster_evicts_nothing() {
    let flags = ["--enable-no-execute-taint-eviction=true", "--resource-eviction-rate=100"];
    let plane = Plane::start(&flags).await;
    let failover = json!({"application": {"decisionConditions": {"tolerationSeconds": 0}, "purgeMode": "Directly"}});
    plane.binding("web", json!({"propagateDeps": true, "failover": failover})).await;
    plane.healths("web-deployment", &[("m1", "Unknown")]).await;
    plane.condition("m1", "Ready", "Unknown").await;
    plane.until("tainted", &clusters(), "", "m1", |c| c["spec"]["taints"][0]["effect"] == "NoSchedule").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let binding = plane.control.get(&bindings(), "default", "web-deployment").await.unwrap().unwrap();
    assert_eq!(binding["spec"]["clusters"], json!([{"name": "m1", "replicas": 2}]));
    assert!(binding["spec"]["gracefulEvictionTasks"].is_null());
}

#[tokio::test]
async fn an_unhealthy_application_fails_over() {
    let plane = Plane::start(&[]).await;
    let failover = json!({"application": {"decisionConditions": {"tolerationSeconds": 1}, "purgeMode": "Never"}});
    plane.binding("web", json!({"propagateDeps": true, "failover": failover})).await;
    plane.healths("web-deployment", &[("m1", "Unhealthy")]).await;
    let evicted = plane
        .until("evicted", &bindings(), "default", "web-deployment", |b| {
            b["spec"]["gracefulEvictionTasks"][0]["creationTimestamp"].is_string()
        })
        .await;
    let mut task = evicted["spec"]["gracefulEvictionTasks"][0].clone();
    task.as_object_mut().unwrap().remove("creationTimestamp");
    let expect = json!({
        "fromCluster": "m1", "producer": "resource-binding-application-failover-controller", "purgeMode": "Never",
        "reason": "ApplicationFailure", "replicas": 2, "suppressDeletion": true,
    });
    assert_eq!(task, expect);
}

#[tokio::test]
async fn a_quota_is_shared_out_and_summed_up() {
    let plane = Plane::start(&[]).await;
    let works = resource("work.karmada.io/v1alpha1", "Work", "works", true);
    let spaces = resource("v1", "Namespace", "namespaces", false);
    plane.until("space", &spaces, "", "karmada-es-m1", |n| !n.is_null()).await;
    let spec = json!({
        "overall": {"cpu": "1"}, "staticAssignments": [{"clusterName": "m1", "hard": {"cpu": "500m"}}],
    });
    plane.create(&quotas(), "default", json!({"metadata": {"name": "q", "namespace": "default"}, "spec": spec})).await;
    plane.saw_event("default", "SyncWorkSucceed", "Sync works for FederatedResourceQuota(default/q) succeed.").await;
    let listed = plane.control.list(&works, "karmada-es-m1", "").await.unwrap();
    let quota_work = listed.iter().find(|w| w["spec"]["workload"]["manifests"][0]["kind"] == "ResourceQuota").unwrap();
    assert_eq!(quota_work["spec"]["workload"]["manifests"][0]["spec"]["hard"], json!({"cpu": "500m"}));

    plane.binding("web", json!({})).await;
    plane.until("used", &quotas(), "default", "q", |q| q["status"]["overallUsed"]["cpu"] == "200m").await;
    let text = "Collect status of FederatedResourceQuota(default/q) succeed.";
    plane.saw_event("default", "CollectOverallStatusSucceed", text).await;

    let name = quota_work["metadata"]["name"].as_str().unwrap().to_owned();
    plane.control.delete(&quotas(), "default", "q", &Default::default()).await.unwrap();
    plane
        .until("work removed", &works, "karmada-es-m1", &name, |w| {
            w.is_null() || w["metadata"]["deletionTimestamp"].is_string()
        })
        .await;
}

#[tokio::test]
async fn a_propagated_autoscaler_marks_its_target() {
    let plane = Plane::start(&["--controllers=*,hpaScaleTargetMarker"]).await;
    let deployments = resource("apps/v1", "Deployment", "deployments", true);
    let autoscalers = resource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true);
    let labels = json!({"app": "web"});
    plane
        .create(
            &deployments,
            "default",
            json!({
                "metadata": {"name": "web", "namespace": "default"},
                "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {
                    "metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
            }),
        )
        .await;
    plane
        .create(&autoscalers, "default", json!({
            "metadata": {"name": "h", "namespace": "default", "labels": {"propagationpolicy.karmada.io/permanent-id": "x"}},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
        }))
        .await;
    let marked = |d: &Value| d["metadata"]["labels"]["resourcetemplate.karmada.io/retain-replicas"] == "true";
    plane.until("marked", &deployments, "default", "web", marked).await;
    plane.control.delete(&autoscalers, "default", "h", &Default::default()).await.unwrap();
    plane.until("unmarked", &deployments, "default", "web", |d| !d.is_null() && !marked(d)).await;
}

/// A certificate request in PEM, in base64.
fn certificate_request(organization: &str, name: &str, alternative: bool) -> String {
    let mut params =
        rcgen::CertificateParams::new(if alternative { vec!["x.example".to_owned()] } else { vec![] }).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, organization);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let pem = params.serialize_request(&rcgen::KeyPair::generate().unwrap()).unwrap().pem().unwrap();
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem)
}

#[tokio::test]
async fn only_agents_requests_are_approved() {
    let plane = Plane::start(&[]).await;
    let requests = resource("certificates.k8s.io/v1", "CertificateSigningRequest", "certificatesigningrequests", false);
    let cases = [
        ("stranger", certificate_request("strangers", "system:karmada:agent:m9", false)),
        ("alternatives", certificate_request("system:karmada:agents", "system:karmada:agent:m9", true)),
        ("nameless", certificate_request("system:karmada:agents", "system:karmada:agent:", false)),
        ("agent", certificate_request("system:karmada:agents", "system:karmada:agent:m9", false)),
    ];
    for (name, request) in &cases {
        let spec = json!({
            "signerName": "kubernetes.io/kube-apiserver-client", "request": request,
            "usages": ["digital signature", "client auth"],
        });
        plane.create(&requests, "", json!({"metadata": {"name": name}, "spec": spec})).await;
    }
    let approved =
        plane.until("approved", &requests, "", "agent", |r| r["status"]["conditions"][0]["type"] == "Approved").await;
    assert_eq!(approved["status"]["conditions"][0]["reason"], "AutoApproved");
    tokio::time::sleep(Duration::from_millis(300)).await;
    for (name, _) in &cases[..3] {
        let request = plane.control.get(&requests, "", name).await.unwrap().unwrap();
        assert!(request["status"]["conditions"].is_null(), "{name}: {request}");
    }
}
