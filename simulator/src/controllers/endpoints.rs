//! EndpointSlices of Services, and addresses of load balancers.

use karmada_runtime::patcher::DeleteOptions;
use karmada_runtime::{Error, ObjectKey, Outcome};
use serde_json::{Value, json};

use crate::controllers::{BY_SERVICE, Context, is_finished, is_ready};
use crate::{resources, values};

/// The label that names an EndpointSlice's Service.
pub(crate) const SERVICE_LABEL: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";

/// Writes the Service's slice, or removes the slices of a Service that is gone.
pub(crate) async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let own: Vec<_> = ctx
        .caches
        .slices
        .by_index(BY_SERVICE, &key.to_string())
        .into_iter()
        .filter(|(_, slice)| values::label(slice, MANAGED_BY) == Some(MANAGER))
        .collect();
    let service = ctx.caches.services.get(key);
    let selector = service.as_ref().and_then(|s| s.pointer("/spec/selector")).filter(|s| s.is_object()).cloned();
    let external = service.as_ref().is_some_and(|s| values::text(s, "/spec/type") == "ExternalName");
    let (Some(service), Some(selector), false) = (service, selector, external) else {
        for (slice, _) in own {
            ctx.patcher
                .delete(&resources::endpoint_slices(), &slice.namespace, &slice.name, &DeleteOptions::background())
                .await?;
        }
        return Ok(Outcome::Done);
    };
    if values::is_deleting(&service) {
        return Ok(Outcome::Done);
    }
    let wanted = slice(ctx, key, &service, &selector);
    match own.first() {
        None => {
            let stored = match ctx.patcher.create(&resources::endpoint_slices(), &key.namespace, &wanted).await {
                Ok(stored) => stored,
                Err(error) if error.is_already_exists() || error.is_not_found() => return Ok(Outcome::Done),
                Err(error) => return Err(error),
            };
            ctx.caches.slices.observe(&stored);
        }
        Some((slice_key, current)) => {
            let same = ["endpoints", "ports", "addressType"].iter().all(|f| current.get(f) == wanted.get(f));
            if !same {
                let mut next = wanted;
                next["metadata"]["name"] = (&*slice_key.name).into();
                next["metadata"]["resourceVersion"] = values::text(current, "/metadata/resourceVersion").into();
                let resource = resources::endpoint_slices();
                let stored = ctx.patcher.update(&resource, &key.namespace, &slice_key.name, "", &next).await?;
                ctx.caches.slices.observe(&stored);
            }
        }
    }
    if values::text(&service, "/spec/type") == "LoadBalancer"
        && values::array(&service, "/status/loadBalancer/ingress").is_empty()
    {
        let address = format!("172.19.{}.{}", rand::random_range(0..255u8), rand::random_range(2..255u8));
        let status = json!({"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}});
        ctx.write_status(&ctx.caches.services, &service, status).await?;
    }
    Ok(Outcome::Done)
}

fn slice(ctx: &Context, key: &ObjectKey, service: &Value, selector: &Value) -> Value {
    let mut pods: Vec<_> = ctx
        .caches
        .pods
        .list_namespace(&key.namespace)
        .into_iter()
        .map(|(_, pod)| pod)
        .filter(|p| {
            values::plain_selector_matches(Some(selector), p.pointer("/metadata/labels"))
                && !values::text(p, "/status/podIP").is_empty()
                && !is_finished(p)
        })
        .collect();
    pods.sort_by(|a, b| values::text(a, "/metadata/name").cmp(values::text(b, "/metadata/name")));
    let publish_unready = service.pointer("/spec/publishNotReadyAddresses").and_then(Value::as_bool) == Some(true);
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| {
            let terminating = values::is_deleting(pod);
            let serving = is_ready(pod);
            json!({
                "addresses": [values::text(pod, "/status/podIP")],
                "conditions": {
                    "ready": publish_unready || (serving && !terminating),
                    "serving": serving,
                    "terminating": terminating,
                },
                "nodeName": values::text(pod, "/spec/nodeName"),
                "targetRef": {
                    "kind": "Pod",
                    "namespace": &*key.namespace,
                    "name": values::text(pod, "/metadata/name"),
                    "uid": values::text(pod, "/metadata/uid"),
                },
            })
        })
        .collect();
    let ports: Vec<Value> = values::array(service, "/spec/ports")
        .iter()
        .map(|port| {
            json!({
                "name": values::text(port, "/name"),
                "port": target_port(port, pods.first().map(AsRef::as_ref)),
                "protocol": match values::text(port, "/protocol") { "" => "TCP", protocol => protocol },
            })
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{}-{}", key.name, values::random_suffix()),
            "namespace": &*key.namespace,
            "labels": values::with_label(
                Some(&json!({SERVICE_LABEL: &*key.name})), MANAGED_BY, MANAGER),
            "ownerReferences": values::owned_by(service, "v1", "Service"),
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    })
}

/// The number that a Service's port leads to; a name is looked up in the first Pod.
fn target_port(port: &Value, pod: Option<&Value>) -> i64 {
    let own = values::int(port, "/port");
    match port.get("targetPort") {
        Some(Value::Number(n)) => n.as_i64().filter(|n| *n != 0).unwrap_or(own),
        Some(Value::String(name)) => pod
            .into_iter()
            .flat_map(|p| values::array(p, "/spec/containers"))
            .flat_map(|c| values::array(c, "/ports"))
            .find(|p| values::text(p, "/name") == name)
            .map_or(own, |p| values::int(p, "/containerPort")),
        _ => own,
    }
}
