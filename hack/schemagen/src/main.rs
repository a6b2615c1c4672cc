//! Generates `apiserver-aggregator/machinery/assets/builtin-*.json.gz`: the structure of every built-in kind, from
//! k8s-openapi's types, combined with the list types, merge keys and Go facts of `go-types.json` and `list-keys.json`.
//!
//! Two assets come out:
//! - `builtin-schemas.json.gz`: definitions without descriptions; what the server keeps parsed in memory;
//! - `builtin-descriptions.json.gz`: the descriptions, which only OpenAPI documents need.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use k8s_openapi::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

macro_rules! add {
    ($generator:expr, $($ty:ty),* $(,)?) => {
        $( let _ = $generator.subschema_for::<$ty>(); )*
    };
}

fn roots(g: &mut SchemaGenerator) {
    add!(
        g,
        api::core::v1::Binding,
        api::core::v1::ComponentStatus,
        api::core::v1::ConfigMap,
        api::core::v1::Endpoints,
        api::core::v1::Event,
        api::core::v1::LimitRange,
        api::core::v1::Namespace,
        api::core::v1::Node,
        api::core::v1::PersistentVolumeClaim,
        api::core::v1::PersistentVolume,
        api::core::v1::Pod,
        api::core::v1::PodTemplate,
        api::core::v1::ReplicationController,
        api::core::v1::ResourceQuota,
        api::core::v1::Secret,
        api::core::v1::ServiceAccount,
        api::core::v1::Service,
        apiregistration::v1::APIService,
        api::apps::v1::ControllerRevision,
        api::apps::v1::DaemonSet,
        api::apps::v1::Deployment,
        api::apps::v1::ReplicaSet,
        api::apps::v1::StatefulSet,
        api::events::v1::Event,
        api::authentication::v1::SelfSubjectReview,
        api::authentication::v1::TokenReview,
        api::authentication::v1::TokenRequest,
        api::authorization::v1::LocalSubjectAccessReview,
        api::authorization::v1::SelfSubjectAccessReview,
        api::authorization::v1::SelfSubjectRulesReview,
        api::authorization::v1::SubjectAccessReview,
        api::autoscaling::v1::HorizontalPodAutoscaler,
        api::autoscaling::v1::Scale,
        api::autoscaling::v2::HorizontalPodAutoscaler,
        api::batch::v1::CronJob,
        api::batch::v1::Job,
        api::certificates::v1::CertificateSigningRequest,
        api::networking::v1::IngressClass,
        api::networking::v1::Ingress,
        api::networking::v1::IPAddress,
        api::networking::v1::NetworkPolicy,
        api::networking::v1::ServiceCIDR,
        api::policy::v1::PodDisruptionBudget,
        api::policy::v1::Eviction,
        api::rbac::v1::ClusterRoleBinding,
        api::rbac::v1::ClusterRole,
        api::rbac::v1::RoleBinding,
        api::rbac::v1::Role,
        api::storage::v1::CSIDriver,
        api::storage::v1::CSINode,
        api::storage::v1::CSIStorageCapacity,
        api::storage::v1::StorageClass,
        api::storage::v1::VolumeAttachment,
        api::storage::v1::VolumeAttributesClass,
        api::admissionregistration::v1::MutatingAdmissionPolicy,
        api::admissionregistration::v1::MutatingAdmissionPolicyBinding,
        api::admissionregistration::v1::MutatingWebhookConfiguration,
        api::admissionregistration::v1::ValidatingAdmissionPolicy,
        api::admissionregistration::v1::ValidatingAdmissionPolicyBinding,
        api::admissionregistration::v1::ValidatingWebhookConfiguration,
        apiextensions::v1::CustomResourceDefinition,
        api::scheduling::v1::PriorityClass,
        api::coordination::v1::Lease,
        api::node::v1::RuntimeClass,
        api::discovery::v1::EndpointSlice,
        api::resource::v1::DeviceClass,
        api::resource::v1::ResourceClaim,
        api::resource::v1::ResourceClaimTemplate,
        api::resource::v1::ResourceSlice,
        api::flowcontrol::v1::FlowSchema,
        api::flowcontrol::v1::PriorityLevelConfiguration,
        meta::v1::DeleteOptions,
        meta::v1::Status,
        meta::v1::ObjectMeta,
        meta::v1::ListMeta,
        meta::v1::APIGroup,
        meta::v1::APIGroupList,
        meta::v1::APIResource,
        meta::v1::APIResourceList,
        meta::v1::APIVersions,
        meta::v1::Patch,
        meta::v1::Condition,
        meta::v1::WatchEvent<k8s_openapi::apimachinery::pkg::runtime::RawExtension>,
    );
}

/// Puts descriptions aside, shortens references, and drops what JSON Schema has and Kubernetes' documents have not.
fn clean(schema: &Value, descriptions: &mut Map<String, Value>, path: &str) -> Value {
    let Value::Object(map) = schema else { return schema.clone() };
    let mut out = Map::new();
    for (key, value) in map {
        match key.as_str() {
            "description" => {
                descriptions.insert(path.to_owned(), value.clone());
            }
            "$ref" => {
                let name = value.as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
                out.insert("$ref".into(), name.into());
            }
            "properties" => {
                let mut properties = Map::new();
                for (name, property) in value.as_object().into_iter().flatten() {
                    properties.insert(name.clone(), clean(property, descriptions, name));
                }
                out.insert(key.clone(), Value::Object(properties));
            }
            "items" | "additionalProperties" => {
                // Descriptions of items have no place in Kubernetes' documents.
                out.insert(key.clone(), clean(value, &mut Map::new(), ""));
            }
            "allOf" if value.as_array().is_some_and(|a| a.len() == 1) => {
                if let Value::Object(inner) = clean(&value[0], &mut Map::new(), "") {
                    out.extend(inner);
                }
            }
            "title" | "$schema" | "nullable" => {}
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}

fn merge_facts(properties: &mut Map<String, Value>, facts: &Value) {
    for (name, extra) in facts.as_object().into_iter().flatten() {
        if let Some(Value::Object(property)) = properties.get_mut(name) {
            for (key, value) in extra.as_object().into_iter().flatten() {
                property.insert(format!("x-kubernetes-{key}"), value.clone());
            }
        } else {
            eprintln!("no property {name}");
        }
    }
}

fn write_gz(path: &Path, value: &Value) -> Result<(), Box<dyn Error>> {
    let text = serde_json::to_vec(value)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&text)?;
    let bytes = encoder.finish()?;
    println!("{}: {} bytes, {} compressed", path.display(), text.len(), bytes.len());
    fs::write(path, bytes)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let list_keys: Value = serde_json::from_slice(&fs::read(here.join("list-keys.json"))?)?;

    // How Go holds a field: "pointer" (an empty value is kept) or "always" (written even if absent). Everything else is a
    // value with omitempty if it is optional, and always written if it is required.
    let go_types: Value = serde_json::from_slice(&fs::read(here.join("go-types.json"))?)?;

    let mut generator = SchemaSettings::openapi3().with(|s| s.inline_subschemas = false).into_generator();
    roots(&mut generator);
    let raw: BTreeMap<String, Value> = generator.take_definitions(false).into_iter().collect();

    let mut definitions = Map::new();
    let mut descriptions = Map::new();
    for (name, schema) in &raw {
        let mut texts = Map::new();
        let mut cleaned = clean(schema, &mut texts, "");
        if let Some(object) = cleaned.as_object_mut() {
            if let Some(facts) = list_keys["properties"].get(name) {
                if let Some(Value::Object(properties)) = object.get_mut("properties") {
                    merge_facts(properties, facts);
                }
            }
            if let Some(facts) = go_types.get(name).and_then(Value::as_object) {
                for (property, kind) in facts {
                    if let Some(Value::Object(slot)) = object.get_mut("properties").and_then(|p| p.get_mut(property)) {
                        slot.insert("x-go".into(), kind.clone());
                    }
                }
            }
            if let Some(facts) = list_keys["types"].get(name).and_then(Value::as_object) {
                for (key, value) in facts {
                    if key.starts_with("x-kubernetes-") {
                        object.insert(key.clone(), value.clone());
                    }
                }
            }
            for property in list_keys["rawProperties"].get(name).and_then(Value::as_array).into_iter().flatten() {
                let property = property.as_str().unwrap_or_default();
                if let Some(slot) = object.get_mut("properties").and_then(|p| p.get_mut(property)) {
                    if slot.get("$ref").is_none() {
                        *slot = json!({});
                    }
                }
            }
        }
        definitions.insert(name.clone(), cleaned);
        descriptions.insert(name.clone(), Value::Object(texts));
    }
    let assets = here.join("../../apiserver-aggregator/machinery/assets");
    fs::create_dir_all(&assets)?;
    println!("{} definitions", definitions.len());
    write_gz(&assets.join("builtin-schemas.json.gz"), &Value::Object(definitions))?;
    write_gz(&assets.join("builtin-descriptions.json.gz"), &Value::Object(descriptions))?;
    Ok(())
}
