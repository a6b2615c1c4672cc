//! Karmada's kinds on a server in process: rules, conversion, protection, the proxy to a member.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use karmada_apiserver_aggregator::{Server, ServerConfig};
use karmada_rest::access::UserInfo;
use karmada_storage::MemoryStore;
use serde_json::{Value, json};

async fn control_plane() -> Server {
    Server::start(ServerConfig::control_plane(Arc::new(MemoryStore::default()))).await.unwrap()
}

/// Sends a request through the router and returns code and body.
async fn send(client: &kube::Client, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let body = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = http::Request::builder().method(method).uri(path).header("content-type", kind).body(body.into());
    let response = client.send(request.unwrap()).await.unwrap();
    let code = response.status().as_u16();
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes))))
}

fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "nginx"}],
            "placement": {"clusterAffinity": {"clusterNames": ["member1"]}},
        },
    })
}

#[tokio::test]
async fn policies_get_their_id_and_bad_ones_are_refused() {
    let server = control_plane().await;
    let client = server.client();
    let path = "/apis/policy.karmada.io/v1alpha1/namespaces/default/propagationpolicies";
    let (code, made) = send(&client, "POST", path, Some(&policy("p"))).await;
    assert_eq!(code, 201, "{made}");
    let id = made["metadata"]["labels"]["propagationpolicy.karmada.io/permanent-id"].clone();
    assert!(id.is_string(), "{made}");
    assert_eq!(made["spec"]["resourceSelectors"][0]["namespace"], "default");
    assert_eq!(made["metadata"]["finalizers"][0], "karmada.io/propagation-policy-controller");
    let patch = json!({"metadata": {"labels": {"propagationpolicy.karmada.io/permanent-id": "other"}}});
    let (code, refused) = send(&client, "PATCH", &format!("{path}/p"), Some(&patch)).await;
    assert_eq!(code, 403, "{refused}");
    let mut bad = policy("bad");
    bad["spec"]["placement"]["clusterAffinities"] = json!([{"affinityName": "a"}]);
    let (code, refused) = send(&client, "POST", path, Some(&bad)).await;
    assert_eq!(code, 403, "{refused}");
    assert!(
        refused["message"].as_str().unwrap().starts_with("admission webhook \"propagationpolicy.karmada.io\" denied")
    );
    server.shutdown().await;
}

#[tokio::test]
async fn protected_objects_stay_and_clusters_are_canonical() {
    let server = control_plane().await;
    let client = server.client();
    let maps = "/api/v1/namespaces/default/configmaps";
    let object =
        json!({"metadata": {"name": "x", "labels": {"resourcetemplate.karmada.io/deletion-protected": "Always"}}});
    assert_eq!(send(&client, "POST", maps, Some(&object)).await.0, 201);
    let (code, refused) = send(&client, "DELETE", &format!("{maps}/x"), None).await;
    assert_eq!(code, 403, "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("This resource is protected"));

    let clusters = "/apis/cluster.karmada.io/v1alpha1/clusters";
    let cluster = json!({
        "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "m1"},
        "spec": {"syncMode": "Push", "zone": "z"},
    });
    let (code, made) = send(&client, "POST", clusters, Some(&cluster)).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(made["spec"]["zones"], json!(["z"]));
    assert_eq!(made["spec"]["resourceModels"].as_array().unwrap().len(), 9);
    let (code, refused) = send(
        &client,
        "POST",
        clusters,
        Some(&json!({"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "m2"}, "spec": {}})),
    )
    .await;
    assert_eq!(code, 422, "{refused}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_reach_members_through_the_proxy_as_themselves() {
    let server = control_plane().await;
    let admin = server.client();
    let mut config = ServerConfig::member(Arc::new(MemoryStore::default()));
    let impersonator =
        UserInfo { name: "impersonator".to_owned(), groups: vec!["system:masters".to_owned()], ..UserInfo::default() };
    config.static_tokens.insert("secret-token".to_owned(), impersonator);
    let member = Server::start(config).await.unwrap();
    let address = member.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();

    let secret = json!({
        "metadata": {"name": "m1"},
        "data": {"token": STANDARD.encode("secret-token"), "caBundle": STANDARD.encode(member.ca_pem())},
    });
    let path = "/api/v1/namespaces/karmada-cluster/secrets";
    assert_eq!(send(&admin, "POST", path, Some(&secret)).await.0, 201);
    let reference = json!({"namespace": "karmada-cluster", "name": "m1"});
    let cluster = json!({
        "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "m1"},
        "spec": {"syncMode": "Push", "apiEndpoint": format!("https://{address}"), "secretRef": reference, "impersonatorSecretRef": reference},
    });
    let clusters = "/apis/cluster.karmada.io/v1alpha1/clusters";
    let (code, made) = send(&admin, "POST", clusters, Some(&cluster)).await;
    assert_eq!(code, 201, "{made}");

    let base = format!("{clusters}/m1/proxy");
    let masters = server.client_as(UserInfo {
        name: "root".to_owned(),
        groups: vec!["system:masters".to_owned()],
        ..UserInfo::default()
    });
    let (code, list) = send(&masters, "GET", &format!("{base}/api/v1/namespaces?limit=1"), None).await;
    assert_eq!((code, list["kind"].as_str()), (200, Some("NamespaceList")), "{list}");
    let map = json!({"metadata": {"name": "through"}});
    let (code, made) =
        send(&masters, "POST", &format!("{base}/api/v1/namespaces/default/configmaps"), Some(&map)).await;
    assert_eq!(code, 201, "{made}");
    let (code, _) = send(&member.client(), "GET", "/api/v1/namespaces/default/configmaps/through", None).await;
    assert_eq!(code, 200);

    // Alice may use the proxy, but the member knows her and gives her nothing.
    let role = json!({"metadata": {"name": "proxy"}, "rules": [{"verbs": ["*"], "apiGroups": ["cluster.karmada.io"], "resources": ["clusters/proxy"]}]});
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let alice = server.client_as(UserInfo {
        name: "alice".to_owned(),
        groups: vec!["system:authenticated".to_owned()],
        ..UserInfo::default()
    });
    assert_eq!(send(&alice, "GET", &format!("{base}/api/v1/pods"), None).await.0, 403);
    assert_eq!(send(&admin, "POST", &format!("{rbac}/clusterroles"), Some(&role)).await.0, 201);
    let binding = json!({
        "metadata": {"name": "proxy"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "proxy"},
        "subjects": [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}],
    });
    assert_eq!(send(&admin, "POST", &format!("{rbac}/clusterrolebindings"), Some(&binding)).await.0, 201);
    let (code, refused) = send(&alice, "GET", &format!("{base}/api/v1/pods"), None).await;
    assert_eq!(code, 403);
    assert_eq!(
        refused["message"],
        "pods is forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\" at the cluster scope"
    );
    let (code, _) = send(&admin, "GET", &format!("{clusters}/none/proxy/api"), None).await;
    assert_eq!(code, 404);
    member.shutdown().await;
    let (code, gone) = send(&masters, "GET", &format!("{base}/api"), None).await;
    assert_eq!(code, 503, "{gone}");
    server.shutdown().await;
}

async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !check().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn garbage_follows_its_owners() {
    let server = control_plane().await;
    let client = server.client();
    let maps = "/api/v1/namespaces/default/configmaps";
    let make = async |name: &str, owner: Option<&Value>| {
        let mut object = json!({"metadata": {"name": name}});
        if let Some(owner) = owner {
            object["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
                "blockOwnerDeletion": true,
            }]);
        }
        let (code, made) = send(&client, "POST", maps, Some(&object)).await;
        assert_eq!(code, 201, "{made}");
        made
    };
    let exists = async |name: &str| send(&client, "GET", &format!("{maps}/{name}"), None).await.0 == 200;
    // Background, over two levels.
    let a = make("a", None).await;
    let b = make("b", Some(&a)).await;
    make("c", Some(&b)).await;
    send(&client, "DELETE", &format!("{maps}/a"), None).await;
    until("dependents go", async || !exists("b").await && !exists("c").await).await;
    // Foreground: the owner goes last.
    let d = make("d", None).await;
    make("e", Some(&d)).await;
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"});
    send(&client, "DELETE", &format!("{maps}/d"), Some(&options)).await;
    until("both go", async || !exists("d").await && !exists("e").await).await;
    // Orphan: the dependent stays and has no owner any more.
    let f = make("f", None).await;
    make("g", Some(&f)).await;
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan"});
    send(&client, "DELETE", &format!("{maps}/f"), Some(&options)).await;
    until("the owner goes", async || !exists("f").await).await;
    let (code, g) = send(&client, "GET", &format!("{maps}/g"), None).await;
    assert_eq!(code, 200);
    assert!(g["metadata"].get("ownerReferences").is_none(), "{g}");
    // An owner that never was.
    let ghost = json!({"metadata": {"name": "ghost", "uid": "00000000-0000-0000-0000-000000000000"}});
    make("h", Some(&ghost)).await;
    until("nobody's dependent goes", async || !exists("h").await).await;
    server.shutdown().await;
}

#[tokio::test]
async fn custom_resources_come_and_go_with_their_definition() {
    let server = control_plane().await;
    let client = server.client();
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}}}}],
        },
    });
    let (code, made) = send(&client, "POST", definitions, Some(&definition)).await;
    assert_eq!(code, 201, "{made}");
    let widgets = "/apis/example.com/v1/namespaces/default/widgets";
    until("the kind is served", async || send(&client, "GET", widgets, None).await.0 == 200).await;
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"a": "x", "b": 1}});
    let (code, made) = send(&client, "POST", widgets, Some(&widget)).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["spec"], json!({"a": "x"}));
    send(&client, "DELETE", &format!("{definitions}/widgets.example.com"), None).await;
    let gone = format!("{definitions}/widgets.example.com");
    until("the definition goes", async || send(&client, "GET", &gone, None).await.0 == 404).await;
    until("the kind goes", async || send(&client, "GET", widgets, None).await.0 == 404).await;
    // Its instances are gone for good.
    assert_eq!(send(&client, "POST", definitions, Some(&definition)).await.0, 201);
    until("the kind is served again", async || send(&client, "GET", widgets, None).await.0 == 200).await;
    assert_eq!(send(&client, "GET", widgets, None).await.1["items"], json!([]));
    server.shutdown().await;
}

#[tokio::test]
async fn members_have_service_accounts_and_tokens() {
    let server = Server::start(ServerConfig::member(Arc::new(MemoryStore::default()))).await.unwrap();
    let client = server.client();
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    until("the default account is made", async || {
        send(&client, "GET", &format!("{accounts}/default"), None).await.0 == 200
    })
    .await;
    let ca = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt";
    until("the authority is published", async || send(&client, "GET", ca, None).await.0 == 200).await;
    let secret = json!({
        "metadata": {"name": "t", "annotations": {"kubernetes.io/service-account.name": "default"}},
        "type": "kubernetes.io/service-account-token",
    });
    let secrets = "/api/v1/namespaces/default/secrets";
    let (code, made) = send(&client, "POST", secrets, Some(&secret)).await;
    assert_eq!(code, 201, "{made}");
    until("the secret is filled", async || {
        let (_, secret) = send(&client, "GET", &format!("{secrets}/t"), None).await;
        secret["data"]["token"].is_string() && secret["data"]["ca.crt"].is_string()
    })
    .await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_quiet_restart_writes_nothing() {
    let store = Arc::new(MemoryStore::default());
    use karmada_storage::Store as _;
    let first = Server::start(ServerConfig::control_plane(store.clone())).await.unwrap();
    // Until the aggregated roles are filled.
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = store.current_revision().await.unwrap();
        if now == before {
            break;
        }
        before = now;
    }
    drop(first);
    let second = Server::start(ServerConfig::control_plane(store.clone())).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(store.current_revision().await.unwrap(), before);
    second.shutdown().await;
}
