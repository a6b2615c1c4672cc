//! Real kubectl over TLS against a control plane with members. Skipped, with a message, where there is no kubectl.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use anyhow::ensure;
use karmada_e2e::{kinds::*, kubectl::Kubectl, ready};
use karmada_test_harness::{Harness, Plane, at};

async fn started() -> Option<(Plane, Kubectl)> {
    let plane = Harness::builder().push("member1").push("member2").pull("member3").start().await;
    let address = plane.server().listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let kubectl = Kubectl::new(&plane.server().kubeconfig("karmada-apiserver", address).to_yaml()).await?;
    Some((plane, kubectl))
}

fn samples(name: &str) -> String {
    format!("{}/../../samples/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The cells of the table that kubectl printed, without the header.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect()
}

fn header(table: &str) -> Vec<&str> {
    table.lines().next().unwrap_or_default().split_whitespace().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sample_runs_from_apply_to_delete() {
    let Some((plane, kubectl)) = started().await else { return };
    let nginx = samples("nginx");
    let applied = kubectl.ok(&format!("apply -f {nginx}")).await;
    for line in [
        "deployment.apps/nginx created",
        "overridepolicy.policy.karmada.io/nginx created",
        "propagationpolicy.policy.karmada.io/nginx created",
    ] {
        assert!(applied.contains(line), "{line}: {applied}");
    }
    ready(&plane, "default/nginx", 4).await;

    let clusters = kubectl.ok("get clusters").await;
    assert_eq!(header(&clusters), ["NAME", "VERSION", "MODE", "READY", "AGE"]);
    let cells: Vec<Vec<&str>> = rows(&clusters).into_iter().map(|row| vec![row[0], row[2], row[3]]).collect();
    assert_eq!(cells, [["member1", "Push", "True"], ["member2", "Push", "True"], ["member3", "Pull", "True"]]);
    let deployments = kubectl.ok("get deploy").await;
    assert_eq!(header(&deployments), ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
    assert_eq!(&rows(&deployments)[0][..4], ["nginx", "4/4", "4", "4"]);
    let wide = kubectl.ok("get deploy nginx -o wide").await;
    assert!(wide.contains("nginx:1.29") && wide.contains("app=nginx"), "{wide}");
    let both = kubectl.ok("get rb,work -A").await;
    assert!(both.contains("nginx-deployment"), "{both}");
    for member in ["member1", "member2", "member3"] {
        assert!(both.contains(&format!("karmada-es-{member}")), "{both}");
    }
    let binding = kubectl.ok("get rb nginx-deployment").await;
    assert_eq!(&rows(&binding)[0][..3], ["nginx-deployment", "True", "True"]);

    // Again: nothing changes. (kubectl sends a patch for the policies, whose selectors were given a namespace; it has no
    // effect.)
    let versions = kubectl.ok("get deploy,pp,op -o jsonpath={.items[*].metadata.resourceVersion}").await;
    let applied = kubectl.ok(&format!("apply -f {nginx}")).await;
    assert!(applied.contains("deployment.apps/nginx unchanged"), "{applied}");
    assert_eq!(kubectl.ok("get deploy,pp,op -o jsonpath={.items[*].metadata.resourceVersion}").await, versions);
    assert!(!kubectl.ok(&format!("diff -f {nginx}")).await.contains("nginx"));

    kubectl.ok("scale deploy/nginx --replicas=3").await;
    kubectl.ok("set image deploy/nginx nginx=nginx:1.30").await;
    ready(&plane, "default/nginx", 3).await;
    kubectl.ok("label cluster member1 tier=gold").await;
    assert!(kubectl.ok("get clusters -l tier=gold -o name").await.contains("/member1"));
    kubectl.ok("wait --for=condition=Ready cluster/member1 --timeout=20s").await;
    kubectl.ok("wait --for=condition=FullyApplied rb/nginx-deployment --timeout=20s").await;
    let described = kubectl.ok("describe deploy nginx").await;
    assert!(described.contains("3 desired"), "{described}");

    kubectl.ok(&format!("delete -f {nginx} --timeout=30s")).await;
    karmada_e2e::absent(&plane, DEPLOYMENT, "default/nginx", &["member1", "member2", "member3"]).await;
    plane
        .eventually("kubectl finds nothing of it any more", async || {
            let left = kubectl.ok("get rb,deploy,pp,op -A -o name").await;
            ensure!(left.trim().is_empty(), "{left}");
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guestbook_runs() {
    let Some((plane, kubectl)) = started().await else { return };
    let guestbook = samples("guestbook");
    kubectl.ok(&format!("apply -f {guestbook}")).await;
    plane
        .eventually("the guestbook runs", async || {
            let deployments = kubectl.ok("get deploy -n guestbook").await;
            // The store is in both members with all its replicas; the frontend's are divided.
            let cells: Vec<(&str, &str)> = rows(&deployments).into_iter().map(|row| (row[0], row[1])).collect();
            ensure!(cells == [("frontend", "4/4"), ("redis", "2/1")], "{deployments}");
            for member in ["member1", "member2"] {
                for (kind, name) in [("v1/Service", "redis"), ("v1/Service", "frontend"), (CONFIG_MAP, "frontend")] {
                    plane.member(member).find(kind, &format!("guestbook/{name}")).await?;
                }
            }
            Ok(())
        })
        .await;
    kubectl.ok("delete namespace guestbook --timeout=60s").await;
    karmada_e2e::absent(&plane, NAMESPACE, "guestbook", &["member1", "member2"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_finds_its_way_around() {
    let Some((plane, kubectl)) = started().await else { return };
    let resources = kubectl.ok("api-resources").await;
    for line in
        ["deployments", "propagationpolicies", "resourcebindings", "clusters", "works", "customresourcedefinitions"]
    {
        assert!(resources.lines().any(|l| l.starts_with(line)), "{line}: {resources}");
    }
    assert!(kubectl.ok("api-versions").await.contains("cluster.karmada.io/v1alpha1"));
    assert!(kubectl.ok("version").await.contains("Server Version: v1.36"));
    assert!(kubectl.ok("cluster-info").await.contains("is running at"));
    let explained = kubectl.ok("explain deployment.spec.replicas").await;
    assert!(explained.contains("Number of desired pods"), "{explained}");
    let explained = kubectl.ok("explain propagationpolicy.spec.placement.clusterAffinity").await;
    assert!(explained.contains("clusterNames"), "{explained}");
    assert!(kubectl.ok("auth can-i create deployments").await.contains("yes"));
    assert!(kubectl.ok("get --raw /readyz").await.contains("ok"));

    kubectl.ok("create configmap settings --from-literal=key=value").await;
    let json: serde_json::Value = serde_json::from_str(&kubectl.ok("get cm settings -o json").await).unwrap();
    assert_eq!(at(&json, "/data/key"), "value");
    assert!(kubectl.ok("get cm settings -o yaml").await.contains("  key: value"));
    assert_eq!(kubectl.ok("get cm settings -o jsonpath={.data.key}").await, "value");
    kubectl.ok("annotate cm settings note=here").await;
    kubectl.ok("patch cm settings --type=json -p [{\"op\":\"add\",\"path\":\"/data/more\",\"value\":\"x\"}]").await;
    let applied = kubectl.ok_with(
        "apply --server-side --force-conflicts -f -",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {key: applied}\n",
    );
    assert!(applied.await.contains("serverside-applied"));
    assert_eq!(kubectl.ok("get cm settings -o jsonpath={.data}").await, "{\"key\":\"applied\",\"more\":\"x\"}");
    kubectl.ok("create namespace team").await;
    karmada_e2e::present(&plane, NAMESPACE, "team", &["member1", "member2", "member3"]).await;
    kubectl.ok("delete cm settings").await;
    kubectl.fails_with("get cm settings", "", "configmaps \"settings\" not found").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_input_is_refused_clearly() {
    let Some((_plane, kubectl)) = started().await else { return };
    let good = std::fs::read_to_string(samples("nginx/deployment.yaml")).unwrap();
    let unknown = good.replace("  replicas: 4", "  replicas: 4\n  replicsa: 4");
    for (arguments, input, expect) in [
        ("apply -f -", "apiVersion: v1\nkind: ConfigMap\n metadata: {", "error"),
        ("apply --validate=strict -f -", unknown.as_str(), "unknown field \"spec.replicsa\""),
        ("create --validate=strict -f -", unknown.as_str(), "unknown field \"spec.replicsa\""),
        (
            "apply -f -",
            "apiVersion: nonsense/v1\nkind: Nothing\nmetadata: {name: x}\n",
            "no matches for kind \"Nothing\"",
        ),
        ("apply -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name}\n", "Invalid value: \"Bad_Name\""),
        (
            "create -f -",
            "apiVersion: policy.karmada.io/v1alpha1\nkind: PropagationPolicy\nmetadata: {name: bad}\nspec:\n  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]\n  placement:\n    clusterAffinity: {clusterNames: [m1]}\n    clusterAffinities: [{affinityName: a, clusterNames: [m1]}]\n",
            "clusterAffinities cannot co-exist with clusterAffinity",
        ),
        (
            "create -f -",
            "apiVersion: policy.karmada.io/v1alpha1\nkind: PropagationPolicy\nmetadata: {name: bad}\nspec:\n  resourceSelectors: []\n",
            "resourceSelectors",
        ),
        (
            "create -f -",
            "apiVersion: policy.karmada.io/v1alpha1\nkind: PropagationPolicy\nmetadata: {name: bad}\nspec:\n  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]\n  conflictResolution: Perhaps\n",
            "Unsupported value: \"Perhaps\"",
        ),
        ("delete ns kube-system", "", "forbidden"),
        ("scale deploy/missing --replicas=1", "", "\"missing\" not found"),
    ] {
        kubectl.fails_with(arguments, input, expect).await;
    }
    let left = kubectl.ok("get deploy,pp -o name").await;
    assert!(left.trim().is_empty(), "{left}");
}
