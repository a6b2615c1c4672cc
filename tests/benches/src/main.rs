//! Load generators against a running control plane, over TLS as any client. The figures in docs/performance.md come from
//! here; each is printed with what was asked for, so that a line of output can be repeated.
#![expect(clippy::print_stdout, reason = "a command line tool prints its figures")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use futures::future::try_join_all;
use karmada_runtime::{Informer, InformerSpec, ObjectKey, Patcher, Resource};
use kube::Client;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(about = "Measures a running control plane")]
struct Args {
    /// The kubeconfig that `karmada up` wrote.
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Durable creates a second: writers that create ConfigMaps one after another.
    Creates {
        /// Writers at once, each with a connection of its own.
        #[arg(long, default_value_t = 64)]
        writers: usize,
        /// How many objects in all.
        #[arg(long, default_value_t = 30_000)]
        objects: usize,
        /// Bytes of data in each.
        #[arg(long, default_value_t = 1024)]
        size: usize,
    },
    /// Time from the creation of a Deployment and its policy until the Deployment is in the members.
    Propagate {
        /// How many Deployments, each with a policy of its own.
        #[arg(long, default_value_t = 500)]
        workloads: usize,
        /// How many are under way at once; 1 measures the latency of one at a time.
        #[arg(long, default_value_t = 500)]
        at_once: usize,
        /// The members.
        #[arg(long, value_delimiter = ',', default_value = "member1,member2")]
        members: Vec<String>,
    },
}

async fn client(kubeconfig: &PathBuf, context: &str) -> Result<Client> {
    let config = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let options = kube::config::KubeConfigOptions { context: Some(context.to_owned()), ..Default::default() };
    Ok(Client::try_from(kube::Config::from_custom_kubeconfig(config, &options).await?)?)
}

fn resource(group: &str, version: &str, kind: &str, plural: &str) -> Resource {
    Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced: true,
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let Args { kubeconfig, what } = Args::parse();
    match what {
        What::Creates { writers, objects, size } => creates(&kubeconfig, writers, objects, size).await,
        What::Propagate { workloads, at_once, members } => propagate(&kubeconfig, workloads, at_once, &members).await,
    }
}

/// The value below which this part of the sorted samples lies.
fn percentile(sorted: &[Duration], part: f64) -> Duration {
    let index = ((sorted.len() as f64 - 1.0) * part).round();
    sorted.get(index as usize).copied().unwrap_or_default()
}

fn print(name: &str, mut samples: Vec<Duration>, took: Duration) {
    samples.sort();
    let ms = |d: Duration| d.as_secs_f64() * 1000.0;
    println!(
        "{name}: {:.0}/s, P50 {:.1} ms, P90 {:.1} ms, P99 {:.1} ms, max {:.1} ms ({} in {:.2} s)",
        samples.len() as f64 / took.as_secs_f64(),
        ms(percentile(&samples, 0.5)),
        ms(percentile(&samples, 0.9)),
        ms(percentile(&samples, 0.99)),
        ms(percentile(&samples, 1.0)),
        samples.len(),
        took.as_secs_f64(),
    );
}

async fn namespace(control: &Patcher, name: &str) -> Result<()> {
    let namespaces = Resource { namespaced: false, ..resource("", "v1", "Namespace", "namespaces") };
    let object = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": {"namespace.karmada.io/skip-auto-propagation": "true"}},
    });
    match control.create(&namespaces, "", &object).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_already_exists() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn creates(kubeconfig: &PathBuf, writers: usize, objects: usize, size: usize) -> Result<()> {
    let run = format!("bench-{:x}", std::process::id());
    namespace(&Patcher::new(client(kubeconfig, "karmada-apiserver").await?, "bench"), &run).await?;
    let next = Arc::new(AtomicUsize::new(0));
    let data = "x".repeat(size);
    let mut tasks = Vec::new();
    for _ in 0..writers {
        // A client of its own is a connection of its own.
        let patcher = Patcher::new(client(kubeconfig, "karmada-apiserver").await?, "bench");
        let (next, run, data) = (Arc::clone(&next), run.clone(), data.clone());
        tasks.push(tokio::spawn(async move {
            let maps = resource("", "v1", "ConfigMap", "configmaps");
            let mut samples = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= objects {
                    return anyhow::Ok(samples);
                }
                let object = json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": format!("cm-{index}"), "namespace": run}, "data": {"data": data},
                });
                let started = Instant::now();
                patcher.create(&maps, &run, &object).await?;
                samples.push(started.elapsed());
            }
        }));
    }
    let started = Instant::now();
    let mut samples = Vec::new();
    for result in try_join_all(tasks).await? {
        samples.extend(result?);
    }
    print(&format!("creates of {size} B ConfigMaps by {writers} writers"), samples, started.elapsed());
    Ok(())
}

fn deployment(name: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "nginx:1.29"}]},
            },
        },
    })
}

fn policy(name: &str, namespace: &str, members: &[String]) -> Value {
    json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name}],
            "placement": {"clusterAffinity": {"clusterNames": members}},
        },
    })
}

/// Watches the Deployments of one member and notes when each appears.
async fn watch_member(
    kubeconfig: &PathBuf,
    member: &str,
    namespace: &str,
    seen: tokio::sync::mpsc::UnboundedSender<(ObjectKey, Instant)>,
    stop: &CancellationToken,
) -> Result<()> {
    let spec = InformerSpec::all(resource("apps", "v1", "Deployment", "deployments")).in_namespace(namespace);
    let informer: Arc<Informer<()>> = Informer::new(client(kubeconfig, member).await?, spec, |_| Ok(()));
    informer.add_handler(move |change| {
        if change.old.is_none() {
            // The receiver ends with the measurement.
            drop(seen.send((change.key.clone(), Instant::now())));
        }
    });
    let (running, stop) = (Arc::clone(&informer), stop.clone());
    tokio::spawn(async move { running.run(stop).await });
    informer.wait_synced().await;
    Ok(())
}

async fn propagate(kubeconfig: &PathBuf, workloads: usize, at_once: usize, members: &[String]) -> Result<()> {
    let run = format!("bench-{:x}", std::process::id());
    let control = Patcher::new(client(kubeconfig, "karmada-apiserver").await?, "bench");
    let namespaces = Resource { namespaced: false, ..resource("", "v1", "Namespace", "namespaces") };
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": run}});
    control.create(&namespaces, "", &object).await?;
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    for member in members {
        watch_member(kubeconfig, member, &run, sender.clone(), &stop).await?;
    }
    // The namespace and the caches of the kind settle before the clock starts.
    let warm = "warm-up".to_owned();
    create_pair(&control, &warm, &run, members).await?;
    for _ in members {
        tokio::time::timeout(Duration::from_secs(30), seen.recv()).await.context("the warm-up did not arrive")?;
    }
    let window = Arc::new(tokio::sync::Semaphore::new(at_once));
    let mut started_at = std::collections::HashMap::new();
    let mut arrivals: std::collections::HashMap<ObjectKey, usize> = std::collections::HashMap::new();
    let mut samples = Vec::new();
    let began = Instant::now();
    let mut index = 0;
    let mut creations = tokio::task::JoinSet::new();
    while samples.len() < workloads {
        tokio::select! {
            permit = Arc::clone(&window).acquire_owned(), if index < workloads => {
                permit?.forget();
                let name = format!("w-{index}");
                index += 1;
                started_at.insert(ObjectKey::new(&run, &name), Instant::now());
                let (control, run, members) = (control.clone(), run.clone(), members.to_vec());
                creations.spawn(async move { create_pair(&control, &name, &run, &members).await });
            }
            Some(created) = creations.join_next() => created??,
            arrival = tokio::time::timeout(Duration::from_secs(60), seen.recv()) => {
                let Ok(Some((key, at))) = arrival else { bail!("{} of {workloads} arrived, then none for 60 s", samples.len()) };
                let Some(started) = started_at.get(&key) else { continue };
                let count = arrivals.entry(key).or_default();
                *count += 1;
                if *count == members.len() {
                    samples.push(at.duration_since(*started));
                    window.add_permits(1);
                }
            }
        }
    }
    print(
        &format!("{workloads} Deployments with a policy each to {} members, {at_once} at once", members.len()),
        samples,
        began.elapsed(),
    );
    stop.cancel();
    Ok(())
}

async fn create_pair(control: &Patcher, name: &str, namespace: &str, members: &[String]) -> Result<()> {
    let policies = resource("policy.karmada.io", "v1alpha1", "PropagationPolicy", "propagationpolicies");
    let deployments = resource("apps", "v1", "Deployment", "deployments");
    control.create(&policies, namespace, &policy(name, namespace, members)).await?;
    control.create(&deployments, namespace, &deployment(name, namespace)).await?;
    Ok(())
}
