//! `karmada up` as a process: ready, killed under load and started again, and what it says when it cannot start.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kube::{Client, Config, config::KubeConfigOptions, config::Kubeconfig};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A `karmada up` on a data directory and ports of its own.
struct Up {
    folder: PathBuf,
    port: u16,
    members: u16,
    pull: u16,
    child: Option<Child>,
}

/// The first of `count` ports in a row that are free now.
fn free_ports(count: u16) -> u16 {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let Some(last) = first.checked_add(count - 1) else { continue };
        let all: Result<Vec<TcpListener>, _> =
            (first..=last).map(|port| TcpListener::bind(("127.0.0.1", port))).collect();
        if all.is_ok() {
            return first;
        }
    }
    panic!("there are no {count} free ports in a row");
}

fn karmada() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_karmada"));
    command.env_remove("KUBECONFIG_PATH").env_remove("KARMADA_DATA_DIR").stdin(Stdio::null());
    command
}

impl Up {
    fn new(folder: &Path, members: u16, pull: u16) -> Self {
        Self { folder: folder.to_owned(), port: free_ports(members + 1), members, pull, child: None }
    }

    fn command(&self) -> Command {
        let mut command = karmada();
        command
            .arg("up")
            .args(["--data-dir".into(), self.folder.join("data")])
            .args(["--kubeconfig-path".into(), self.folder.join("kube")])
            .args(["--secure-port", &self.port.to_string()])
            .args(["--members", &self.members.to_string(), "--pull-members", &self.pull.to_string()]);
        command
    }

    /// Starts it and waits until it is ready.
    fn start(&mut self) {
        let log = self.folder.join("log");
        let file = std::fs::File::create(&log).unwrap();
        let child = self.command().stdout(Stdio::null()).stderr(file).spawn().unwrap();
        let child = self.child.insert(child);
        let end = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(&log).unwrap();
            if text.contains("all is ready") {
                return;
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("it has ended with {status}:\n{}", std::fs::read_to_string(&log).unwrap());
            }
            assert!(Instant::now() < end, "it is not ready in time:\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn kill(&mut self) {
        // On Unix this is SIGKILL.
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to end, as `hack/local-down.sh` does, and expects that it ends well.
    fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let asked = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(asked.success());
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "it ended with {status}");
                return;
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    async fn client(&self, context: &str) -> Client {
        // The provider is process-wide; a second installation would only fail.
        drop(rustls::crypto::ring::default_provider().install_default());
        let kubeconfig = Kubeconfig::read_from(self.folder.join("kube/karmada.config")).unwrap();
        let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
        Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap()).unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

async fn send(client: &Client, method: &str, path: &str, body: &Value) -> Result<Value, kube::Error> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request =
        http::Request::builder().method(method).uri(path).header("content-type", "application/json").body(body);
    client.request(request.unwrap()).await
}

async fn get(client: &Client, path: &str) -> Result<Value, kube::Error> {
    send(client, "GET", path, &Value::Null).await
}

async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(Instant::now() < end, "not so in time: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn revision(list: &Value) -> u64 {
    list["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const NGINX: &str = "/apis/apps/v1/namespaces/default/deployments/nginx";

/// Creates the objects of a sample.
async fn create_sample(client: &Client) {
    let folder = format!("{}/../samples/nginx", env!("CARGO_MANIFEST_DIR"));
    for (file, collection) in [
        ("deployment", "/apis/apps/v1/namespaces/default/deployments"),
        ("overridepolicy", "/apis/policy.karmada.io/v1alpha1/namespaces/default/overridepolicies"),
        ("propagationpolicy", "/apis/policy.karmada.io/v1alpha1/namespaces/default/propagationpolicies"),
    ] {
        let text = std::fs::read_to_string(format!("{folder}/{file}.yaml")).unwrap();
        let request =
            http::Request::post(collection).header("content-type", "application/yaml").body(text.into_bytes());
        let _created: Value = client.request(request.unwrap()).await.unwrap();
    }
}

async fn sample_is_ready(up: &Up, client: &Client) -> BTreeMap<String, String> {
    eventually("nginx is 4/4", async || {
        let template = get(client, NGINX).await.ok()?;
        (template["status"]["readyReplicas"] == 4).then_some(())
    })
    .await;
    let mut uids = BTreeMap::new();
    for (member, replicas) in [("member1", 2), ("member2", 1), ("member3", 1)] {
        let client = up.client(member).await;
        let copy = get(&client, NGINX).await.unwrap();
        assert_eq!(copy["spec"]["replicas"], replicas, "{member}");
        uids.insert(member.to_owned(), copy["metadata"]["uid"].as_str().unwrap().to_owned());
        for pod in get(&client, "/api/v1/namespaces/default/pods").await.unwrap()["items"].as_array().unwrap() {
            let name = pod["metadata"]["name"].as_str().unwrap();
            uids.insert(format!("{member}/{name}"), pod["metadata"]["uid"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(uids.len(), 7, "three copies and four pods: {uids:?}");
    uids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_it_is_killed_under_load() {
    const WRITERS: usize = 32;
    let folder = tempfile::tempdir().unwrap();
    let mut up = Up::new(folder.path(), 3, 1);
    up.start();
    let client = up.client("karmada-apiserver").await;
    create_sample(&client).await;
    let before = sample_is_ready(&up, &client).await;

    // Writers create as fast as they can, and the process is killed in the midst of it.
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (client, acknowledged) = (client.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let mut names = Vec::new();
                for index in 0.. {
                    let name = format!("load-{writer}-{index}");
                    let object = json!({
                        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"x": "y".repeat(500)},
                    });
                    match send(&client, "POST", CONFIG_MAPS, &object).await {
                        Ok(created) => names.push((name, created["metadata"]["uid"].clone())),
                        Err(_) => return names,
                    }
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                names
            })
        })
        .collect();
    eventually("a thousand objects are created", async || {
        (acknowledged.load(Ordering::Relaxed) >= 1_000).then_some(())
    })
    .await;
    let revision_before = revision(&get(&client, &format!("{CONFIG_MAPS}?limit=1")).await.unwrap());
    up.kill();
    let mut names = Vec::new();
    for writer in writers {
        names.extend(writer.await.unwrap());
    }
    assert!(names.len() >= 1_000);

    up.start();
    let client = up.client("karmada-apiserver").await;
    let list = get(&client, CONFIG_MAPS).await.unwrap();
    let present: BTreeMap<&str, &Value> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| (object["metadata"]["name"].as_str().unwrap(), &object["metadata"]["uid"]))
        .collect();
    for (name, uid) in &names {
        assert_eq!(present.get(name.as_str()), Some(&uid), "{name} was acknowledged and is lost");
    }
    // At most what was under way is there besides.
    let load = present.keys().filter(|name| name.starts_with("load-")).count();
    assert!(load <= names.len() + WRITERS, "{load} objects, {} acknowledged", names.len());
    assert!(revision(&list) >= revision_before, "revisions go on");
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "after"}});
    let created = send(&client, "POST", CONFIG_MAPS, &object).await.unwrap();
    assert!(revision(&created) > revision(&list), "revisions go on");

    // No workload was made anew.
    assert_eq!(sample_is_ready(&up, &client).await, before);
    up.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_restart_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = Up::new(folder.path(), 3, 1);
    up.start();
    let client = up.client("karmada-apiserver").await;
    create_sample(&client).await;
    let before = sample_is_ready(&up, &client).await;
    // What is in flight arrives.
    let versions = eventually("it comes to rest", async || {
        let one = versions(&client).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        (versions(&client).await == one).then_some(one)
    })
    .await;
    up.stop();
    assert!(!folder.path().join("data/karmada.pid").exists(), "the process id is left behind");
    up.start();
    let client = up.client("karmada-apiserver").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(self::versions(&client).await, versions);
    assert_eq!(sample_is_ready(&up, &client).await, before);
    up.stop();
}

/// The resourceVersions of all that the chain writes; of clusters, the conditions.
async fn versions(client: &Client) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for path in [
        "/apis/cluster.karmada.io/v1alpha1/clusters",
        "/apis/work.karmada.io/v1alpha2/resourcebindings",
        "/apis/work.karmada.io/v1alpha1/works",
        "/apis/policy.karmada.io/v1alpha1/propagationpolicies",
        "/apis/apps/v1/deployments",
        "/api/v1/namespaces",
        "/api/v1/secrets",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    ] {
        let list = get(client, path).await.unwrap();
        for object in list["items"].as_array().unwrap() {
            let metadata = &object["metadata"];
            let name = format!("{path} {} {}", metadata["namespace"], metadata["name"]);
            // What is free in a cluster is reported now and then; its conditions are the decisions.
            let state = match object["status"].get("conditions").filter(|_| path.ends_with("/clusters")) {
                Some(conditions) => conditions.to_string(),
                None => metadata["resourceVersion"].to_string(),
            };
            found.insert(name, state);
        }
    }
    found
}

/// Runs a `karmada up` that must fail at once, and returns what it says.
fn refused(mut command: Command) -> String {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() >= end {
            child.kill().unwrap();
            panic!("it does not fail: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && output.status.code().is_some(), "{}: {text}", output.status);
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn a_second_instance_on_the_same_data_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Up::new(folder.path(), 0, 0);
    first.start();
    let second = Up::new(folder.path(), 0, 0);
    let text = refused(second.command());
    assert!(text.contains("Error: open the store in") && text.contains("another process"), "{text}");
    // It did no harm.
    assert!(first.child.as_mut().unwrap().try_wait().unwrap().is_none());
    assert!(folder.path().join("data/karmada.pid").exists());
    first.stop();
}

#[test]
fn a_port_in_use_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut up = Up::new(folder.path(), 0, 0);
    up.port = taken.local_addr().unwrap().port();
    let text = refused(up.command());
    assert!(text.contains(&up.port.to_string()) && text.contains("in use"), "{text}");
    // A member's port as well.
    let mut up = Up::new(folder.path(), 1, 0);
    let mut command = up.command();
    command.args(["--member-port", &taken.local_addr().unwrap().port().to_string()]);
    let text = refused(command);
    assert!(text.contains("in use"), "{text}");
    up.child = None;
}

#[test]
fn a_data_folder_that_cannot_be_used_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::new(folder.path(), 0, 0);
    std::fs::write(folder.path().join("data"), "a file in place of the folder").unwrap();
    let text = refused(up.command());
    assert!(text.contains("Error: use the data directory"), "{text}");

    // Data that are no data.
    std::fs::remove_file(folder.path().join("data")).unwrap();
    let mut once = Up::new(folder.path(), 0, 0);
    once.start();
    once.stop();
    for file in std::fs::read_dir(folder.path().join("data/control-plane/store")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            std::fs::write(&path, "nonsense".repeat(1_000)).unwrap();
        }
    }
    let text = refused(up.command());
    assert!(text.contains("Error: open the store in"), "{text}");
}

#[test]
fn flags_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::new(folder.path(), 1, 2);
    assert!(refused(up.command()).contains("--pull-members 2 is more than --members 1"));
    let mut up = Up::new(folder.path(), 0, 0);
    for (flag, expect) in [
        ("--feature-gates=Nonsense=true", "Nonsense"),
        ("--controller-manager-flag=--no-such-flag=1", "--no-such-flag"),
        ("--scheduler-flag=--plugins=Nope", "Nope"),
        ("--no-such-flag", "--no-such-flag"),
    ] {
        let mut command = up.command();
        command.arg(flag);
        let text = refused(command);
        assert!(text.contains(expect), "{flag}: {text}");
    }
    up.child = None;
}
