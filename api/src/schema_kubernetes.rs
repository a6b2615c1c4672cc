//! Schemas of Kubernetes' own types inside of Karmada's kinds, in our words.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerStatus, MetricSpec,
};
use k8s_openapi::api::core::v1::{LoadBalancerStatus, NodeSelector};
use k8s_openapi::api::networking::v1::{IngressLoadBalancerStatus, IngressSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::meta::{LabelSelector, SelectorRequirement};
use crate::quantity::Quantity;
use crate::schema::{S, Schema, go_field};

/// A qualified name: an optional DNS subdomain and a name.
const QUALIFIED_NAME: &str =
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";

fn text(doc: &str) -> S {
    String::schema().describe(&[doc])
}

fn number(doc: &str) -> S {
    i32::schema().describe(&[doc])
}

fn quantity(doc: &str) -> S {
    Quantity::schema().describe(&[doc])
}

/// Quantities may be written as numbers; Go writes them as strings.
fn quantity_as_text(object: &mut serde_json::Value, field: &str) {
    if let Some(value) = object.get_mut(field).filter(|v| v.is_number()) {
        *value = value.to_string().into();
    }
}

fn list(items: S, doc: &str) -> S {
    S::list_of(items).describe(&[doc])
}

impl Schema for Condition {
    fn schema() -> S {
        S::object(&["One aspect of the object's state."])
            .property("type", true, text("Name of the aspect.").max_length(316).pattern(QUALIFIED_NAME))
            .property("status", true, text("True, False or Unknown.").values(&["True", "False", "Unknown"]))
            .property(
                "observedGeneration",
                false,
                i64::schema().min(0).describe(&["The generation of the object that the condition is about."]),
            )
            .property(
                "lastTransitionTime",
                true,
                Time::schema().describe(&["When the status last became another one."]),
            )
            .property(
                "reason",
                true,
                text("Why, in one word.")
                    .min_length(1)
                    .max_length(1024)
                    .pattern("^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
            )
            .property("message", true, text("Why, for people.").max_length(32768))
    }
}

impl Schema for NodeSelector {
    fn schema() -> S {
        let requirements = |doc| list(SelectorRequirement::schema(), doc).atomic_list();
        let term = S::object(&["Conditions on a node; all must hold."])
            .atomic_map()
            .property("matchExpressions", false, requirements("Conditions on labels of the node."))
            .property("matchFields", false, requirements("Conditions on fields of the node."));
        S::object(&["Selects nodes that match at least one of the terms."]).atomic_map().property(
            "nodeSelectorTerms",
            true,
            list(term, "The terms.").atomic_list(),
        )
    }
}

/// Addresses of a load balancer; Services have one field more than Ingresses.
fn load_balancer(with_mode: bool) -> S {
    let port = S::object(&["State of one port."])
        .property(
            "error",
            true,
            text("Why the port doesn't work, in one word.").max_length(316).pattern(QUALIFIED_NAME),
        )
        .property("port", true, number("Number of the port."))
        .property("protocol", true, text("TCP, UDP or SCTP."));
    let point = S::object(&["One address."])
        .property("hostname", false, text("Host name, for balancers with DNS."))
        .property("ip", false, text("IP address."))
        .property("ports", false, list(port, "State of the ports.").atomic_list());
    let point = if with_mode {
        point.property("ipMode", false, text("How traffic reaches the address: VIP or Proxy."))
    } else {
        point
    };
    S::object(&["Addresses of a load balancer."]).property(
        "ingress",
        false,
        list(point, "The addresses.").atomic_list(),
    )
}

impl Schema for LoadBalancerStatus {
    fn schema() -> S {
        load_balancer(true)
    }
}

impl Schema for IngressLoadBalancerStatus {
    fn schema() -> S {
        load_balancer(false)
    }
}

impl Schema for IngressSpec {
    fn schema() -> S {
        let backend = |doc: &str| {
            let port = S::object(&["Port of the Service, by name or by number."])
                .atomic_map()
                .property("name", false, text("Name of the port."))
                .property("number", false, number("Number of the port."));
            S::object(&[doc])
                .property(
                    "resource",
                    false,
                    S::object(&["A resource in the same namespace; excludes service."])
                        .atomic_map()
                        .property("apiGroup", false, text("API group; empty for the core group."))
                        .property("kind", true, text("Kind."))
                        .property("name", true, text("Name.")),
                )
                .property(
                    "service",
                    false,
                    S::object(&["A Service in the same namespace; excludes resource."])
                        .property("name", true, text("Name of the Service."))
                        .property("port", false, port),
                )
        };
        let path = S::object(&["A path and where its requests go."])
            .property("backend", true, backend("Where the requests go."))
            .property("path", false, text("The path."))
            .property("pathType", true, text("How the path matches: Exact, Prefix or ImplementationSpecific."));
        let rule = S::object(&["Paths of one host."])
            .property("host", false, text("Name of the host; empty means every host."))
            .property(
                "http",
                false,
                S::object(&["The paths."]).property("paths", true, list(path, "The paths.").atomic_list()),
            );
        let tls = S::object(&["Hosts and their certificate."])
            .property("hosts", false, list(String::schema(), "Names in the certificate.").atomic_list())
            .property("secretName", false, text("Secret with the certificate."));
        S::object(&["Rules of an Ingress."])
            .property("defaultBackend", false, backend("Where requests go that no rule matches."))
            .property("ingressClassName", false, text("The class that serves the Ingress."))
            .property("rules", false, list(rule, "Rules by host.").atomic_list())
            .property("tls", false, list(tls, "Certificates.").atomic_list())
    }
}

impl Schema for CrossVersionObjectReference {
    fn schema() -> S {
        S::object(&["Refers to an object."])
            .property("apiVersion", false, text("Group and version."))
            .property("kind", true, text("Kind."))
            .property("name", true, text("Name."))
    }

    fn go_form(value: &mut serde_json::Value) {
        go_field::<String>(value, "kind", true);
        go_field::<String>(value, "name", true);
    }
}

/// Which metric.
fn metric() -> S {
    S::object(&["The metric."]).property("name", true, text("Name of the metric.")).property(
        "selector",
        false,
        LabelSelector::schema().atomic_map().describe(&["Condition on labels of the metric."]),
    )
}

/// The five sources of metrics, each with `part` as its last field: the target in a spec, the current value in a status.
fn metric_sources(part: &str, value: &S, doc: &str) -> S {
    let with = |s: S| s.property(part, true, value.clone());
    S::object(&[doc])
        .property("type", true, text("Which source: Resource, ContainerResource, Pods, Object or External."))
        .property(
            "resource",
            false,
            with(S::object(&["Use of a resource by the pods."]).property("name", true, text("Name of the resource."))),
        )
        .property(
            "containerResource",
            false,
            with(
                S::object(&["Use of a resource by one container of the pods."])
                    .property("container", true, text("Name of the container."))
                    .property("name", true, text("Name of the resource.")),
            ),
        )
        .property("pods", false, with(S::object(&["A metric of each pod."]).property("metric", true, metric())))
        .property(
            "object",
            false,
            with(
                S::object(&["A metric of one object."])
                    .property("describedObject", true, CrossVersionObjectReference::schema().describe(&["The object."]))
                    .property("metric", true, metric()),
            ),
        )
        .property(
            "external",
            false,
            with(S::object(&["A metric from outside of Kubernetes."]).property("metric", true, metric())),
        )
}

impl Schema for MetricSpec {
    fn schema() -> S {
        let target = S::object(&["The value to hold."])
            .property("type", true, text("Utilization, Value or AverageValue."))
            .property("averageUtilization", false, number("Average over the pods, in percent of their requests."))
            .property("averageValue", false, quantity("Average over the pods."))
            .property("value", false, quantity("The value as it is."));
        metric_sources("target", &target, "A metric and the value to hold.")
    }

    fn go_form(value: &mut serde_json::Value) {
        for source in ["resource", "containerResource", "pods", "object", "external"] {
            if let Some(target) = value.get_mut(source).and_then(|s| s.get_mut("target")) {
                ["value", "averageValue"].into_iter().for_each(|field| quantity_as_text(target, field));
            }
        }
    }
}

impl Schema for HorizontalPodAutoscalerBehavior {
    fn schema() -> S {
        let policy = S::object(&["A bound on the change."])
            .property("type", true, text("Pods or Percent."))
            .property("value", true, number("How many, or how many percent."))
            .property("periodSeconds", true, number("Within how many seconds."));
        let rules = |doc: &str| {
            S::object(&[doc])
                .property("policies", false, list(policy.clone(), "Bounds on the change.").atomic_list())
                .property("selectPolicy", false, text("Which bound counts: Max, Min or Disabled."))
                .property(
                    "stabilizationWindowSeconds",
                    false,
                    number("For how many seconds earlier recommendations count."),
                )
                .property("tolerance", false, quantity("The deviation that changes nothing."))
        };
        S::object(&["How fast the number of replicas may change."])
            .property("scaleDown", false, rules("When it falls."))
            .property("scaleUp", false, rules("When it rises."))
    }

    fn go_form(value: &mut serde_json::Value) {
        for direction in ["scaleDown", "scaleUp"] {
            if let Some(rules) = value.get_mut(direction) {
                quantity_as_text(rules, "tolerance");
            }
        }
    }
}

impl Schema for HorizontalPodAutoscalerStatus {
    fn schema() -> S {
        let condition = S::object(&["One aspect of the autoscaler's state."])
            .property("type", true, text("Name of the aspect."))
            .property("status", true, text("True, False or Unknown."))
            .property(
                "lastTransitionTime",
                false,
                Time::schema().describe(&["When the status last became another one."]),
            )
            .property("reason", false, text("Why, in one word."))
            .property("message", false, text("Why, for people."));
        let current = S::object(&["The value now."])
            .property("averageUtilization", false, number("Average over the pods, in percent of their requests."))
            .property("averageValue", false, quantity("Average over the pods."))
            .property("value", false, quantity("The value as it is."));
        S::object(&["State of an autoscaler."])
            .property("conditions", false, list(condition, "Conditions of the autoscaler.").map_list("type"))
            .property(
                "currentMetrics",
                false,
                list(metric_sources("current", &current, "A metric as it was last read."), "The metrics.")
                    .atomic_list(),
            )
            .property("currentReplicas", false, number("Replicas at the last look."))
            .property("desiredReplicas", true, number("Replicas that are wanted."))
            .property(
                "lastScaleTime",
                false,
                Time::schema().describe(&["When the number of replicas was last changed."]),
            )
            .property(
                "observedGeneration",
                false,
                i64::schema().describe(&["The generation that the status is about."]),
            )
    }
}
