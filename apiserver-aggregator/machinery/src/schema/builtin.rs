//! The schemas of built-in kinds, from the checked-in assets that `hack/schemagen` writes.

use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};

use super::build::Builder;
use super::node::{Arena, Node, NodeId};
use super::{Flavor, Schema};
use crate::gvk::GroupVersionKind;

static SCHEMAS: &[u8] = include_bytes!("../../assets/builtin-schemas.json.gz");
static DESCRIPTIONS: &[u8] = include_bytes!("../../assets/builtin-descriptions.json.gz");

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

fn inflate(bytes: &[u8]) -> Map<String, Value> {
    let mut text = Vec::new();
    // The assets are part of the binary: they were written by our own tool and are read in a test.
    GzDecoder::new(bytes).read_to_end(&mut text).expect("the embedded asset is a gzip stream");
    serde_json::from_slice(&text).expect("the embedded asset is a JSON object")
}

/// Compresses a document that is rarely read.
pub(super) fn deflate(document: &Value) -> Option<Arc<[u8]>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(document.to_string().as_bytes()).ok()?;
    Some(encoder.finish().ok()?.into())
}

/// The reverse of [`deflate`].
pub(super) fn inflate_value(bytes: &[u8]) -> Option<Value> {
    serde_json::from_reader(GzDecoder::new(bytes)).ok()
}

fn arena() -> &'static Arc<Arena> {
    static ARENA: OnceLock<Arc<Arena>> = OnceLock::new();
    ARENA.get_or_init(|| {
        let definitions = inflate(SCHEMAS);
        let mut builder = Builder::new(Flavor::Typed);
        builder.definitions(&definitions);
        Arc::new(builder.finish())
    })
}

/// The name of a built-in kind's definition, such as `io.k8s.api.apps.v1.Deployment`.
pub fn definition_name(gvk: &GroupVersionKind) -> String {
    let (group, version, kind) = (gvk.group.as_str(), gvk.version.as_str(), gvk.kind.as_str());
    match group {
        "" if matches!(
            kind,
            "DeleteOptions" | "Status" | "APIGroup" | "APIGroupList" | "APIResourceList" | "APIVersions" | "WatchEvent"
        ) =>
        {
            format!("{META}.{kind}")
        }
        "" => format!("io.k8s.api.core.{version}.{kind}"),
        "apiextensions.k8s.io" => format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind}"),
        "apiregistration.k8s.io" => format!("io.k8s.kube-aggregator.pkg.apis.apiregistration.{version}.{kind}"),
        _ => format!("io.k8s.api.{}.{version}.{kind}", group.split('.').next().unwrap_or_default()),
    }
}

/// The schema of a built-in kind.
pub fn builtin(gvk: &GroupVersionKind) -> Option<Arc<Schema>> {
    builtin_definition(&definition_name(gvk))
}

/// The schema of a built-in definition, such as `io.k8s.api.core.v1.PodSpec`.
pub fn builtin_definition(name: &str) -> Option<Arc<Schema>> {
    let root: NodeId = arena().definition(name)?;
    Some(Arc::new(Schema { arena: Arc::clone(arena()), root, document: None }))
}

/// `apiVersion`, `kind` or `metadata` of any resource.
pub(crate) fn resource_field(name: &str) -> Option<Node<'static>> {
    static META_NODES: OnceLock<Option<(NodeId, NodeId)>> = OnceLock::new();
    let arena = arena();
    let (metadata, text) = (*META_NODES.get_or_init(|| {
        let metadata = arena.definition(&format!("{META}.ObjectMeta"))?;
        let config_map = arena.node(arena.definition("io.k8s.api.core.v1.ConfigMap")?);
        Some((metadata, config_map.own_field_id("kind")?))
    }))?;
    Some(arena.node(if name == "metadata" { metadata } else { text }))
}

/// All built-in definitions as OpenAPI documents without descriptions, references as bare names. Parsed anew at each call:
/// only documents for clients are made of it.
pub fn builtin_documents() -> Map<String, Value> {
    inflate(SCHEMAS)
}

/// The descriptions of all built-in definitions: by definition, then by property; the definition's own under the empty
/// name. Decompressed anew at each call.
pub fn builtin_descriptions() -> Map<String, Value> {
    inflate(DESCRIPTIONS)
}
