//! `karmada apiserver` as a process would run it: data directory, kubeconfig, restart, clear errors.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::{path::Path, time::Duration};

use clap::Parser as _;
use karmada_apiserver_aggregator::apiserver::{Args, KUBECONFIG_FILE, RunError};
use tokio_util::sync::CancellationToken;

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

fn args(data: &Path, port: u16) -> Args {
    let (data, port) = (data.to_str().unwrap(), port.to_string());
    let flags = ["x", "--data-dir", data, "--bind-address", "127.0.0.1", "--secure-port", &port];
    Command::parse_from(flags).args
}

struct Running {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), RunError>>,
    client: kube::Client,
    port: u16,
}

async fn run(data: &Path) -> Running {
    let kubeconfig = data.join(KUBECONFIG_FILE);
    let _ = std::fs::remove_file(&kubeconfig);
    let stop = CancellationToken::new();
    let task = tokio::spawn(args(data, 0).run(stop.clone()));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !kubeconfig.exists() {
        assert!(!task.is_finished() && tokio::time::Instant::now() < deadline, "the server did not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let parsed = kube::config::Kubeconfig::read_from(&kubeconfig).unwrap();
    let server = parsed.clusters[0].cluster.as_ref().unwrap().server.clone().unwrap();
    let port = server.rsplit(':').next().unwrap().parse().unwrap();
    let config = kube::Config::from_custom_kubeconfig(parsed, &Default::default()).await.unwrap();
    Running { stop, task, client: kube::Client::try_from(config).unwrap(), port }
}

impl Running {
    async fn end(self) {
        drop(self.client);
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_survives_and_errors_are_clear() {
    use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
    use kube::{Api, api::PostParams};

    let directory = tempfile::tempdir().unwrap();
    let first = run(directory.path()).await;
    let maps: Api<ConfigMap> = Api::namespaced(first.client.clone(), "default");
    let mut map = ConfigMap::default();
    map.metadata.name = Some("kept".to_owned());
    let made = maps.create(&PostParams::default(), &map).await.unwrap();

    let taken = args(&directory.path().join("other"), first.port).run(CancellationToken::new()).await.unwrap_err();
    assert!(taken.to_string().contains("the port is in use"), "{taken}");
    let second = args(directory.path(), 0).run(CancellationToken::new()).await.unwrap_err();
    assert!(matches!(second, RunError::Store { .. }), "{second}");
    first.end().await;

    let again = run(directory.path()).await;
    let maps: Api<ConfigMap> = Api::namespaced(again.client.clone(), "default");
    let found = maps.get("kept").await.unwrap();
    assert_eq!(found.metadata.uid, made.metadata.uid);
    assert_eq!(found.metadata.resource_version, made.metadata.resource_version);
    let namespaces: Api<Namespace> = Api::all(again.client.clone());
    assert!(namespaces.get("karmada-cluster").await.is_ok());
    again.end().await;

    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let unusable = args(&file, 0).run(CancellationToken::new()).await.unwrap_err();
    assert!(unusable.to_string().contains("file"), "{unusable}");
}
