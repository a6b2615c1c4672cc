//! Real kubectl against a real socket: TLS, certificates, RBAC, discovery, apply, namespaces, garbage.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use karmada_apiserver_aggregator::{Server, ServerConfig};
use karmada_storage::MemoryStore;

/// kubectl with a home of its own. `None` where there is no kubectl.
struct Kubectl {
    directory: tempfile::TempDir,
    kubeconfig: std::path::PathBuf,
}

impl Kubectl {
    fn new(kubeconfig: &karmada_apiserver_aggregator::kubeconfig::Kubeconfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        kubeconfig.write(&path).unwrap();
        Self { directory, kubeconfig: path }
    }

    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("kubectl")
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.directory.path())
            .args(arguments)
            .output()
            .unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), text)
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let (good, text) = self.run(arguments);
        assert!(good, "kubectl {arguments:?}: {text}");
        text
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], expect: &str) {
        let (good, text) = self.run(arguments);
        assert!(!good && text.contains(expect), "kubectl {arguments:?}: {text}");
    }

    fn manifest(&self, text: &str) -> String {
        let path = self.directory.path().join("manifest.yaml");
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn has_kubectl() -> bool {
    let found = Path::new("/usr/bin/kubectl").exists() || Command::new("kubectl").arg("version").output().is_ok();
    if !found {
        #[expect(clippy::print_stderr, reason = "a skipped test must say so")]
        {
            eprintln!("skipped: there is no kubectl");
        }
    }
    found
}

async fn start() -> (Server, Kubectl) {
    let server = Server::start(ServerConfig::control_plane(Arc::new(MemoryStore::default()))).await.unwrap();
    let address = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let kubectl = Kubectl::new(&server.kubeconfig("karmada-apiserver", address));
    (server, kubectl)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_works_with_kubectl() {
    if !has_kubectl() {
        return;
    }
    let (server, kubectl) = start().await;
    blocking(move || {
        assert!(kubectl.ok(&["version"]).contains("v1.36"));
        let resources = kubectl.ok(&["api-resources"]);
        for name in ["deployments", "configmaps", "clusterroles", "customresourcedefinitions"] {
            assert!(resources.contains(name), "{name} in {resources}");
        }
        assert!(kubectl.ok(&["auth", "whoami"]).contains("system:admin"));
        assert!(kubectl.ok(&["auth", "can-i", "delete", "nodes"]).contains("yes"));
        assert!(kubectl.ok(&["auth", "can-i", "--list"]).contains("*.*"));
        assert!(kubectl.ok(&["get", "namespaces"]).contains("karmada-system"));
        assert!(kubectl.ok(&["get", "svc", "kubernetes", "-o", "yaml"]).contains("10.96.0.1"));
        let deployment = kubectl.manifest(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: nginx, labels: {app: nginx}}\nspec:\n  replicas: 2\n  selector: {matchLabels: {app: nginx}}\n  template:\n    metadata: {labels: {app: nginx}}\n    spec: {containers: [{name: nginx, image: nginx}]}\n",
        );
        assert!(kubectl.ok(&["apply", "-f", &deployment]).contains("created"));
        assert!(kubectl.ok(&["apply", "-f", &deployment]).contains("unchanged"));
        kubectl.ok(&["scale", "deploy/nginx", "--replicas=5"]);
        kubectl.ok(&["set", "image", "deploy/nginx", "nginx=nginx:2"]);
        let spec = kubectl.ok(&["get", "deploy", "nginx", "-o", "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image} {.metadata.generation}"]);
        assert_eq!(spec, "5 nginx:2 3");
        assert!(kubectl.ok(&["explain", "deployment.spec.replicas"]).contains("replicas"));
        assert!(kubectl.ok(&["apply", "--server-side", "--force-conflicts", "-f", &deployment]).contains("serverside-applied"));
        let strict = kubectl.manifest("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndatas: {}\n");
        kubectl.fails(&["apply", "--validate=strict", "-f", &strict], "unknown field");
        kubectl.ok(&["label", "deploy/nginx", "tier=web"]);
        assert!(kubectl.ok(&["get", "deploy", "-l", "tier=web"]).contains("nginx"));
        let lost = kubectl.manifest("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: missing}\n");
        kubectl.fails(&["create", "-f", &lost], "namespaces \"missing\" not found");
        kubectl.fails(&["delete", "ns", "kube-system"], "this namespace may not be deleted");
        let services = kubectl.ok(&["get", "apiservices"]);
        assert!(services.contains("v1.apps") && services.contains("v1alpha1.cluster.karmada.io"), "{services}");
        typed_creations(&kubectl);
        kubectl.ok(&["create", "ns", "team"]);
        kubectl.ok(&["create", "configmap", "a", "-n", "team", "--from-literal=k=v"]);
        kubectl.ok(&["delete", "ns", "team", "--timeout=20s"]);
        kubectl.fails(&["get", "ns", "team"], "not found");
        kubectl.ok(&["delete", "deploy", "nginx"]);
    })
    .await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_may_do_what_their_roles_say() {
    if !has_kubectl() {
        return;
    }
    let (server, kubectl) = start().await;
    let address = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let alice = server.client_certificate("alice", &["dev"]).unwrap();
    let ca = server.ca_pem();
    blocking(move || {
        use karmada_apiserver_aggregator::kubeconfig::{Credential, Kubeconfig, server_url};
        let url = server_url(address);
        let alice = Kubectl::new(&Kubeconfig::new().context("a", &url, &ca, &Credential::Certificate(alice)));
        let team = kubectl.manifest(
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a, namespace: team}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}\nsubjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: dev}]\n",
        );
        let mine = alice.manifest("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine, namespace: team}\n");
        alice.fails(&["get", "configmaps", "-n", "team"], "User \"alice\" cannot list resource \"configmaps\"");
        kubectl.ok(&["create", "-f", &team]);
        // The aggregated role is filled by a controller.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !alice.run(&["get", "configmaps", "-n", "team"]).0 {
            assert!(std::time::Instant::now() < deadline, "the edit role is not filled");
            std::thread::sleep(Duration::from_millis(50));
        }
        alice.ok(&["create", "-f", &mine]);
        alice.fails(&["get", "nodes"], "cannot list resource \"nodes\"");
        alice.fails(&["get", "secrets", "-A"], "cannot list resource \"secrets\"");
        alice.fails(
            &["create", "role", "r", "-n", "team", "--verb=get", "--resource=pods"],
            "cannot create resource \"roles\"",
        );
        assert!(kubectl.ok(&["get", "cm", "-n", "team", "--as=alice", "--as-group=dev"]).contains("mine"));
        alice.fails(&["get", "cm", "-n", "team", "--as=bob"], "cannot impersonate resource \"users\"");

        let nonsense =
            Kubectl::new(&Kubeconfig::new().context("n", &url, &ca, &Credential::Token("nonsense".to_owned())));
        nonsense.fails(&["get", "cm"], "must be logged in");
        assert_eq!(kubectl.ok(&["get", "--raw", "/readyz"]), "ok");
        assert!(kubectl.ok(&["get", "--raw", "/livez?verbose"]).contains("[+]ping ok"));
        assert!(kubectl.ok(&["get", "--raw", "/openid/v1/jwks"]).contains("ES256"));
    })
    .await;
    server.shutdown().await;
}

/// kubectl creates these through typed clients, in protobuf.
fn typed_creations(kubectl: &Kubectl) {
    for command in [
        "create deployment web --image=nginx --replicas=0",
        "create job once --image=busybox",
        "create cronjob often --image=busybox --schedule=@hourly",
        "create secret generic s --from-literal=a=b",
        "create quota q --hard=cpu=1,pods=2",
        "create role r --verb=get,list --resource=pods",
        "create rolebinding rb --role=r --user=u",
        "create clusterrole cr --verb=get --non-resource-url=/x",
        "create service clusterip web --tcp=80:8080",
        "create service nodeport web2 --tcp=80",
        "create ingress i --rule=a.example/b=web:80",
        "create poddisruptionbudget p --selector=app=web --min-available=1",
        "create priorityclass pc --value=5",
        "create serviceaccount robot",
        "create token robot",
        "run pod --image=nginx",
        "autoscale deployment web --max=3",
        "expose deployment web --port=80 --name=web3",
    ] {
        kubectl.ok(&command.split(' ').collect::<Vec<_>>());
    }
    let web = kubectl.ok(&[
        "get",
        "deploy",
        "web",
        "-o",
        "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}",
    ]);
    assert_eq!(web, "0 nginx");
    let service = kubectl.ok(&["get", "svc", "web", "-o", "jsonpath={.spec.ports[0].targetPort} {.spec.selector.app}"]);
    assert_eq!(service, "8080 web");
    assert_eq!(kubectl.ok(&["get", "secret", "s", "-o", "jsonpath={.data.a}"]), "Yg==");
    assert_eq!(kubectl.ok(&["get", "quota", "q", "-o", "jsonpath={.spec.hard.cpu}"]), "1");
}
