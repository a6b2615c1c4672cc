//! The state of a plane, for the message of a failed test.

use std::fmt::Write as _;

use serde_json::Value;

use crate::plane::Plane;
use crate::{Api, at, text};

const LIMIT: usize = 30;

fn conditions(object: &Value) -> String {
    let mut out = String::new();
    for condition in at(object, "/status/conditions").as_array().into_iter().flatten() {
        let _ = write!(out, " {}={}", text(condition, "/type"), text(condition, "/status"));
        if text(condition, "/status") != "True" {
            let _ = write!(out, "({}: {})", text(condition, "/reason"), text(condition, "/message"));
        }
    }
    out
}

fn named(object: &Value) -> String {
    let deleting = if at(object, "/metadata/deletionTimestamp").is_null() { "" } else { " DELETING" };
    match text(object, "/metadata/namespace") {
        "" => format!("{}{deleting}", text(object, "/metadata/name")),
        namespace => format!("{namespace}/{}{deleting}", text(object, "/metadata/name")),
    }
}

async fn section(out: &mut String, api: &Api, kind: &str, line: impl Fn(&Value) -> String) {
    let objects = match api.try_list(kind, "", "").await {
        Ok(objects) => objects,
        Err(error) => {
            let _ = writeln!(out, "  {kind}: {error:#}");
            return;
        }
    };
    for object in objects.iter().take(LIMIT) {
        let _ = writeln!(out, "  {kind} {}: {}", named(object), line(object));
    }
    if objects.len() > LIMIT {
        let _ = writeln!(out, "  … and {} more", objects.len() - LIMIT);
    }
}

fn workload(object: &Value) -> String {
    format!("spec.replicas={} status={}", at(object, "/spec/replicas"), at(object, "/status"))
}

pub(crate) async fn dump(plane: &Plane) -> String {
    let control = plane.control();
    let mut out = String::from("control plane\n");
    section(&mut out, control, "cluster.karmada.io/v1alpha1/Cluster", conditions).await;
    for kind in ["ResourceBinding", "ClusterResourceBinding"] {
        section(&mut out, control, &format!("work.karmada.io/v1alpha2/{kind}"), |binding| {
            format!(
                "replicas={} clusters={} aggregated={}{}",
                at(binding, "/spec/replicas"),
                at(binding, "/spec/clusters"),
                at(binding, "/status/aggregatedStatus"),
                conditions(binding)
            )
        })
        .await;
    }
    section(&mut out, control, "work.karmada.io/v1alpha1/Work", |work| {
        let manifest = at(work, "/spec/workload/manifests/0");
        format!("{} {}{}", text(manifest, "/kind"), named(manifest), conditions(work))
    })
    .await;
    section(&mut out, control, "apps/v1/Deployment", workload).await;
    section(&mut out, control, "v1/Event", |event| {
        let kind = text(event, "/involvedObject/kind");
        let name = text(event, "/involvedObject/name");
        format!("{kind} {name}: {} {}", text(event, "/reason"), text(event, "/message"))
    })
    .await;
    for member in plane.members() {
        let _ = writeln!(out, "member {}", member.name());
        section(&mut out, member.api(), "apps/v1/Deployment", workload).await;
        section(&mut out, member.api(), "v1/Pod", |pod| text(pod, "/status/phase").to_owned()).await;
    }
    out
}
