//! OpenAPI v2 and v3 documents, made on demand from the resources that are served.
//!
//! Nothing here is kept: a document is built when a client asks for it, from the compressed built-in definitions and from
//! the documents that the schemas of custom resources keep. Callers cache the encoded bytes or their hash.

mod definitions;
mod paths;
mod protobuf;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use crate::discovery::GIT_VERSION;
use crate::gvk::GroupVersion;
use crate::resource::ResourceInfo;
use definitions::Definitions;

pub use protobuf::encode_v2;

/// The form of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    V2,
    V3,
}

impl Form {
    /// What a reference to a definition looks like.
    pub(crate) fn reference(self, name: &str) -> Value {
        match self {
            Self::V2 => json!({"$ref": format!("#/definitions/{name}")}),
            Self::V3 => json!({"$ref": format!("#/components/schemas/{name}")}),
        }
    }
}

/// The path of a group version's v3 document below `/openapi/v3/`: `api/v1` or `apis/apps/v1`.
pub fn v3_path(group_version: &GroupVersion) -> String {
    if group_version.group.is_empty() {
        format!("api/{}", group_version.version)
    } else {
        format!("apis/{}/{}", group_version.group, group_version.version)
    }
}

/// The hash of an encoded document, as ETags and the index carry it.
pub fn hash(document: &[u8]) -> String {
    Sha512::digest(document).iter().map(|b| format!("{b:02X}")).collect()
}

/// `/openapi/v3`: paths as of [`v3_path`] with the hashes of their documents.
pub fn v3_index<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let paths: Map<String, Value> = documents
        .into_iter()
        .map(|(path, hash)| (path.to_owned(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")})))
        .collect();
    json!({"paths": paths})
}

/// `/openapi/v3/<path>`: the document of one group version.
pub fn v3<'a>(group_version: &GroupVersion, resources: impl IntoIterator<Item = &'a ResourceInfo>) -> Value {
    let own: Vec<&ResourceInfo> = resources
        .into_iter()
        .filter(|i| i.gvr.group == group_version.group && i.gvr.version == group_version.version)
        .collect();
    let mut definitions = Definitions::new(Form::V3);
    let mut all = BTreeMap::new();
    all.insert(
        format!("/{}/", v3_path(group_version)),
        paths::group_version(Form::V3, group_version, &mut definitions),
    );
    for info in &own {
        definitions.add_kind(info);
        paths::resource(Form::V3, info, &mut definitions, &mut all);
    }
    json!({
        "openapi": "3.0.0",
        "info": info_of("1.36"),
        "paths": all,
        "components": {
            "schemas": definitions.finish(std::slice::from_ref(group_version)),
            "securitySchemes": {"BearerToken": bearer()},
        },
    })
}

/// The document of `/version` in v3.
pub fn v3_version() -> Value {
    let definitions = Definitions::new(Form::V3);
    let all = paths::version(Form::V3);
    json!({
        "openapi": "3.0.0",
        "info": info_of("1.36"),
        "paths": all,
        "components": {
            "schemas": definitions.finish(&[]),
            "securitySchemes": {"BearerToken": bearer()},
        },
    })
}

/// `/openapi/v2`: the document of everything.
pub fn v2<'a>(resources: impl IntoIterator<Item = &'a ResourceInfo>) -> Value {
    let mut definitions = Definitions::new(Form::V2);
    let mut all = paths::version(Form::V2);
    let mut group_versions: Vec<GroupVersion> = Vec::new();
    for info in resources {
        let group_version = GroupVersion::new(&info.gvr.group, &info.gvr.version);
        if !group_versions.contains(&group_version) {
            let path = format!("/{}/", v3_path(&group_version));
            all.insert(path, paths::group_version(Form::V2, &group_version, &mut definitions));
            group_versions.push(group_version);
        }
        definitions.add_kind(info);
        paths::resource(Form::V2, info, &mut definitions, &mut all);
    }
    json!({
        "swagger": "2.0",
        "info": info_of(GIT_VERSION),
        "paths": all,
        "definitions": definitions.finish(&group_versions),
        "securityDefinitions": {"BearerToken": bearer()},
        "security": [{"BearerToken": []}],
    })
}

fn info_of(version: &str) -> Value {
    json!({"title": "Kubernetes", "version": version})
}

fn bearer() -> Value {
    json!({
        "description": "Bearer Token authentication",
        "type": "apiKey",
        "name": "authorization",
        "in": "header",
    })
}
