//! The paths of a document, with their operations.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::definitions::Definitions;
use super::{Form, v3_path};
use crate::gvk::{GroupVersion, GroupVersionKind};
use crate::resource::{ResourceInfo, SubresourceInfo};

type Paths = BTreeMap<String, Value>;

const MEDIA: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const PATCHES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/apply-patch+cbor",
];
/// Kinds that are, or could be, defined by a CRD have no strategic merge patch; kubectl chooses its patch by this list.
const CUSTOM_PATCHES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
    "application/apply-patch+cbor",
];

const DRY_RUN: &str = "When present, indicates that modifications should not be persisted. An invalid or unrecognized dryRun directive will result in an error response and no further processing of the request. Valid values are: - All: all dry run stages will be processed";
const FIELD_MANAGER: &str = "fieldManager is a name associated with the actor or entity that is making these changes. The value must be less than or 128 characters long, and only contain printable characters, as defined by https://golang.org/pkg/unicode/#IsPrint.";
const FIELD_VALIDATION: &str = "fieldValidation instructs the server on how to handle objects in the request (POST/PUT/PATCH) containing unknown or duplicate fields. Valid values are: - Ignore: This will ignore any unknown fields that are silently dropped from the object, and will ignore all but the last duplicate field that the decoder encounters. - Warn: This will send a warning via the standard warning response header for each unknown field that is dropped from the object, and for each duplicate field that is encountered. The request will still succeed if there are no other errors, and will only persist the last of any duplicate fields. This is the default. - Strict: This will fail the request with a BadRequest error if any unknown fields would be dropped from the object, or if any duplicate fields are present. The error returned from the server will contain all unknown and duplicate fields encountered.";
const FORCE: &str = "Force is going to \"force\" Apply requests. It means user will re-acquire conflicting fields owned by other people. Force flag must be unset for non-apply patch requests.";

/// A query parameter: name, type, description.
type Query = (&'static str, &'static str, &'static str);

const PRETTY: Query = ("pretty", "string", "If 'true', then the output is pretty printed.");
const WRITE: &[Query] = &[
    ("dryRun", "string", DRY_RUN),
    ("fieldManager", "string", FIELD_MANAGER),
    ("fieldValidation", "string", FIELD_VALIDATION),
];
const PATCH: &[Query] = &[
    ("dryRun", "string", DRY_RUN),
    ("fieldManager", "string", FIELD_MANAGER),
    ("fieldValidation", "string", FIELD_VALIDATION),
    ("force", "boolean", FORCE),
];
const LIST: &[Query] = &[
    ("allowWatchBookmarks", "boolean", "allowWatchBookmarks requests watch events with type \"BOOKMARK\"."),
    ("continue", "string", "The continue option should be set when retrieving more results from the server."),
    (
        "fieldSelector",
        "string",
        "A selector to restrict the list of returned objects by their fields. Defaults to everything.",
    ),
    (
        "labelSelector",
        "string",
        "A selector to restrict the list of returned objects by their labels. Defaults to everything.",
    ),
    ("limit", "integer", "limit is a maximum number of responses to return for a list call."),
    (
        "resourceVersion",
        "string",
        "resourceVersion sets a constraint on what resource versions a request may be served from.",
    ),
    ("resourceVersionMatch", "string", "resourceVersionMatch determines how resourceVersion is applied to list calls."),
    ("sendInitialEvents", "boolean", "`sendInitialEvents=true` may be set together with `watch=true`."),
    ("timeoutSeconds", "integer", "Timeout for the list/watch call."),
    (
        "watch",
        "boolean",
        "Watch for changes to the described resources and return them as a stream of add, update, and remove notifications.",
    ),
];
const DELETE: &[Query] = &[
    ("dryRun", "string", DRY_RUN),
    ("gracePeriodSeconds", "integer", "The duration in seconds before the object should be deleted."),
    (
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "boolean",
        "if set to true, it will trigger an unsafe deletion of the resource in case the normal deletion flow fails with a corrupt object error.",
    ),
    (
        "orphanDependents",
        "boolean",
        "Deprecated: please use the PropagationPolicy. Should the dependent objects be orphaned.",
    ),
    ("propagationPolicy", "string", "Whether and how garbage collection will be performed."),
];
const DELETE_COLLECTION: &[Query] = &[
    ("continue", "string", "The continue option should be set when retrieving more results from the server."),
    ("dryRun", "string", DRY_RUN),
    (
        "fieldSelector",
        "string",
        "A selector to restrict the list of returned objects by their fields. Defaults to everything.",
    ),
    ("gracePeriodSeconds", "integer", "The duration in seconds before the object should be deleted."),
    (
        "labelSelector",
        "string",
        "A selector to restrict the list of returned objects by their labels. Defaults to everything.",
    ),
    ("limit", "integer", "limit is a maximum number of responses to return for a list call."),
    (
        "orphanDependents",
        "boolean",
        "Deprecated: please use the PropagationPolicy. Should the dependent objects be orphaned.",
    ),
    ("propagationPolicy", "string", "Whether and how garbage collection will be performed."),
    (
        "resourceVersion",
        "string",
        "resourceVersion sets a constraint on what resource versions a request may be served from.",
    ),
    ("resourceVersionMatch", "string", "resourceVersionMatch determines how resourceVersion is applied to list calls."),
    ("timeoutSeconds", "integer", "Timeout for the list/watch call."),
];

/// `rbac.authorization.k8s.io/v1` → `RbacAuthorizationV1`; the core group is `CoreV1`.
fn operation_group(gv: &GroupVersion) -> String {
    let group = match gv.group.as_str() {
        "" => "core",
        group => group.strip_suffix(".k8s.io").unwrap_or(group),
    };
    let parts = group.split(['.', '-']).chain([gv.version.as_str()]);
    parts
        .map(|part| {
            let mut chars = part.chars();
            chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect::<String>()
        })
        .collect()
}

/// `apps_v1`, `core_v1`, `rbacAuthorization_v1`.
fn tag(gv: &GroupVersion) -> String {
    let name = operation_group(&GroupVersion::new(&gv.group, ""));
    let mut chars = name.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    let group: String = first.into_iter().chain(chars).collect();
    format!("{group}_{}", gv.version)
}

/// Writes operations in the form of one document.
struct Writer<'a> {
    form: Form,
    gv: &'a GroupVersion,
    namespaced: bool,
    /// The media types of patches that the resource takes.
    patches: &'static [&'static str],
}

/// What one operation is.
struct Operation<'a> {
    description: String,
    id: String,
    action: &'a str,
    gvk: Option<&'a GroupVersionKind>,
    query: &'a [Query],
    /// Body, media types it may have, and whether it is required.
    body: Option<(Value, &'a [&'a str], bool)>,
    /// Codes besides 401, all with the same schema.
    codes: &'a [&'a str],
    answer: Option<Value>,
}

fn query_parameter(form: Form, query: &Query) -> Value {
    let (name, kind, description) = *query;
    match form {
        Form::V2 => json!({"in": "query", "name": name, "type": kind, "uniqueItems": true, "description": description}),
        Form::V3 => {
            json!({"in": "query", "name": name, "schema": {"type": kind, "uniqueItems": true}, "description": description})
        }
    }
}

fn path_parameter(form: Form, name: &str, description: &str) -> Value {
    match form {
        Form::V2 => json!({
            "in": "path", "name": name, "required": true, "type": "string", "uniqueItems": true, "description": description,
        }),
        Form::V3 => json!({
            "in": "path", "name": name, "required": true, "schema": {"type": "string", "uniqueItems": true},
            "description": description,
        }),
    }
}

impl Writer<'_> {
    fn operation(&self, operation: Operation<'_>) -> Value {
        let mut parameters: Vec<Value> = operation.query.iter().map(|q| query_parameter(self.form, q)).collect();
        let mut out = json!({
            "description": operation.description,
            "operationId": operation.id,
            "tags": [tag(self.gv)],
        });
        if !operation.action.is_empty() {
            out["x-kubernetes-action"] = operation.action.into();
        }
        if let Some(gvk) = operation.gvk {
            out["x-kubernetes-group-version-kind"] =
                json!({"group": gvk.group, "version": gvk.version, "kind": gvk.kind});
        }
        let words = |code: &str| match code {
            "201" => "Created",
            "202" => "Accepted",
            _ => "OK",
        };
        let mut responses = Map::new();
        for code in operation.codes {
            let mut response = json!({"description": words(code)});
            if let Some(answer) = &operation.answer {
                match self.form {
                    Form::V2 => response["schema"] = answer.clone(),
                    Form::V3 => {
                        let content: Map<String, Value> =
                            MEDIA.iter().map(|m| ((*m).to_owned(), json!({"schema": answer}))).collect();
                        response["content"] = Value::Object(content);
                    }
                }
            }
            responses.insert((*code).to_owned(), response);
        }
        responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
        out["responses"] = Value::Object(responses);
        if self.form == Form::V2 {
            out["schemes"] = json!(["https"]);
            out["produces"] = json!(MEDIA);
            out["consumes"] = json!(["*/*"]);
        }
        if let Some((schema, media, required)) = operation.body {
            match self.form {
                Form::V2 => {
                    let mut body = json!({"in": "body", "name": "body", "schema": schema});
                    if required {
                        body["required"] = true.into();
                    }
                    parameters.insert(0, body);
                    if media == PATCHES || media == CUSTOM_PATCHES {
                        out["consumes"] = json!(media);
                    }
                }
                Form::V3 => {
                    let content: Map<String, Value> =
                        media.iter().map(|m| ((*m).to_owned(), json!({"schema": schema}))).collect();
                    out["requestBody"] = json!({"content": content});
                    if required {
                        out["requestBody"]["required"] = true.into();
                    }
                }
            }
        }
        if !parameters.is_empty() {
            out["parameters"] = parameters.into();
        }
        out
    }

    /// The parameters of all operations of a path.
    fn shared(&self, name: Option<&str>, namespace: bool) -> Value {
        let mut parameters = Vec::new();
        if let Some(kind) = name {
            parameters.push(path_parameter(self.form, "name", &format!("name of the {kind}")));
        }
        if namespace {
            let text = "object name and auth scope, such as for teams and projects";
            parameters.push(path_parameter(self.form, "namespace", text));
        }
        parameters.push(query_parameter(self.form, &PRETTY));
        parameters.into()
    }

    fn id(&self, verb: &str, rest: &str) -> String {
        format!("{verb}{}{rest}", operation_group(self.gv))
    }

    fn scope(&self) -> &'static str {
        if self.namespaced { "Namespaced" } else { "" }
    }
}

/// The discovery path of a group version.
pub(super) fn group_version(form: Form, gv: &GroupVersion, definitions: &mut Definitions) -> Value {
    let writer = Writer { form, gv, namespaced: false, patches: PATCHES };
    let answer = definitions.meta("APIResourceList");
    json!({"get": writer.operation(Operation {
        description: "get available resources".to_owned(),
        id: writer.id("get", "APIResources"),
        action: "",
        gvk: None,
        query: &[],
        body: None,
        codes: &["200"],
        answer: Some(answer),
    })})
}

/// The path of the version.
pub(super) fn version(form: Form) -> Paths {
    let answer = json!({
        "type": "object",
        "required": ["major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"],
        "properties": {
            "major": {"type": "string"}, "minor": {"type": "string"}, "gitVersion": {"type": "string"},
            "gitCommit": {"type": "string"}, "gitTreeState": {"type": "string"}, "buildDate": {"type": "string"},
            "goVersion": {"type": "string"}, "compiler": {"type": "string"}, "platform": {"type": "string"},
        },
    });
    let response = match form {
        Form::V2 => json!({"description": "OK", "schema": answer}),
        Form::V3 => json!({"description": "OK", "content": {"application/json": {"schema": answer}}}),
    };
    let mut operation = json!({
        "description": "get the version information for this server",
        "operationId": "getCodeVersion",
        "tags": ["version"],
        "responses": {"200": response, "401": {"description": "Unauthorized"}},
    });
    if form == Form::V2 {
        operation["schemes"] = json!(["https"]);
        operation["produces"] = json!(["application/json"]);
        operation["consumes"] = json!(["application/json"]);
    }
    Paths::from([("/version/".to_owned(), json!({"get": operation}))])
}

/// The paths of one resource and its subresources.
pub(super) fn resource(form: Form, info: &ResourceInfo, definitions: &mut Definitions, out: &mut Paths) {
    let gv = GroupVersion::new(&info.gvr.group, &info.gvr.version);
    let patches = if info.strategy.custom_resource() { CUSTOM_PATCHES } else { PATCHES };
    let writer = Writer { form, gv: &gv, namespaced: info.namespaced, patches };
    let base = format!("/{}", v3_path(&gv));
    let prefix = if info.namespaced { format!("{base}/namespaces/{{namespace}}") } else { base.clone() };
    let collection_path = format!("{prefix}/{}", info.gvr.resource);
    let gvk = info.gvk();
    let Some(object) = definitions.kind(&gvk) else { return };
    let (kind, scope) = (info.kind.as_str(), writer.scope());

    let mut collection = Map::new();
    let list_answer = info.has_verb("list").then(|| {
        let name = definitions.list_name(info);
        definitions.reference(&name)
    });
    let list = |id: String| {
        writer.operation(Operation {
            description: format!("list or watch objects of kind {kind}"),
            id,
            action: "list",
            gvk: Some(&gvk),
            query: LIST,
            body: None,
            codes: &["200"],
            answer: list_answer.clone(),
        })
    };
    if info.has_verb("list") {
        collection.insert("get".to_owned(), list(writer.id("list", &format!("{scope}{kind}"))));
        if info.namespaced {
            let all = list(writer.id("list", &format!("{kind}ForAllNamespaces")));
            out.insert(
                format!("{base}/{}", info.gvr.resource),
                json!({"get": all, "parameters": writer.shared(None, false)}),
            );
        }
    }
    if info.has_verb("create") {
        let operation = Operation {
            description: format!("create {} {kind}", article(kind)),
            id: writer.id("create", &format!("{scope}{kind}")),
            action: "post",
            gvk: Some(&gvk),
            query: WRITE,
            body: Some((object.clone(), &["*/*"], true)),
            codes: &["200", "201", "202"],
            answer: Some(object.clone()),
        };
        collection.insert("post".to_owned(), writer.operation(operation));
    }
    let status = definitions.meta("Status");
    let options = definitions.meta("DeleteOptions");
    if info.has_verb("deletecollection") {
        let operation = Operation {
            description: format!("delete collection of {kind}"),
            id: writer.id("delete", &format!("Collection{scope}{kind}")),
            action: "deletecollection",
            gvk: Some(&gvk),
            query: DELETE_COLLECTION,
            body: Some((options.clone(), &["*/*"], false)),
            codes: &["200"],
            answer: Some(status.clone()),
        };
        collection.insert("delete".to_owned(), writer.operation(operation));
    }
    if !collection.is_empty() {
        collection.insert("parameters".to_owned(), writer.shared(None, info.namespaced));
        out.insert(collection_path.clone(), Value::Object(collection));
    }

    let item_path = format!("{collection_path}/{{name}}");
    let mut item = Map::new();
    let suffix = format!("{scope}{kind}");
    for verb in ["get", "update", "patch"] {
        if info.has_verb(verb) {
            let (method, operation) = item_operation(&writer, verb, kind, "", &suffix, &gvk, &object, definitions);
            item.insert(method.to_owned(), operation);
        }
    }
    if info.has_verb("delete") {
        let answer = if info.strategy.returns_deleted_object() { object.clone() } else { status };
        let operation = Operation {
            description: format!("delete {} {kind}", article(kind)),
            id: writer.id("delete", &suffix),
            action: "delete",
            gvk: Some(&gvk),
            query: DELETE,
            body: Some((options, &["*/*"], false)),
            codes: &["200", "202"],
            answer: Some(answer),
        };
        item.insert("delete".to_owned(), writer.operation(operation));
    }
    if !item.is_empty() {
        item.insert("parameters".to_owned(), writer.shared(Some(kind), info.namespaced));
        out.insert(item_path.clone(), Value::Object(item));
    }
    for sub in &info.subresources {
        subresource(&writer, info, sub, &item_path, definitions, out);
    }
}

fn article(kind: &str) -> &'static str {
    if kind.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" }
}

/// Read, replace or patch one object or subresource; returns the method.
#[expect(clippy::too_many_arguments, reason = "each names one part of the text")]
fn item_operation(
    writer: &Writer<'_>,
    verb: &str,
    kind: &str,
    sub: &str,
    suffix: &str,
    gvk: &GroupVersionKind,
    object: &Value,
    definitions: &mut Definitions,
) -> (&'static str, Value) {
    let what = if sub.is_empty() { "the specified".to_owned() } else { format!("{sub} of the specified") };
    let (method, word, words, query, body, codes): (_, _, _, &[Query], _, &[&str]) = match verb {
        "update" => {
            let body = Some((object.clone(), &["*/*"] as &[&str], true));
            ("put", "replace", format!("replace {what} {kind}"), WRITE, body, &["200", "201"])
        }
        "patch" => {
            let body = Some((definitions.meta("Patch"), writer.patches, true));
            ("patch", "patch", format!("partially update {what} {kind}"), PATCH, body, &["200", "201"])
        }
        _ => ("get", "read", format!("read {what} {kind}"), &[], None, &["200"]),
    };
    let operation = writer.operation(Operation {
        description: words,
        id: writer.id(word, suffix),
        action: method,
        gvk: Some(gvk),
        query,
        body,
        codes,
        answer: Some(object.clone()),
    });
    (method, operation)
}

fn subresource(
    writer: &Writer<'_>,
    info: &ResourceInfo,
    sub: &SubresourceInfo,
    item_path: &str,
    definitions: &mut Definitions,
    out: &mut Paths,
) {
    // Connections have options instead of a body; their answer is a text.
    let schema = definitions.kind(&sub.gvk);
    let mut capital = sub.name.chars();
    let title: String = capital.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(capital).collect();
    let suffix = format!("{}{}{title}", writer.scope(), info.kind);
    let mut item = Map::new();
    for verb in &sub.verbs {
        match (verb.as_str(), &schema) {
            ("get" | "update" | "patch", Some(schema)) if sub.name != "log" => {
                let (method, operation) =
                    item_operation(writer, verb, &info.kind, &sub.name, &suffix, &sub.gvk, schema, definitions);
                item.insert(method.to_owned(), operation);
            }
            ("create", Some(schema)) => {
                let operation = Operation {
                    description: format!("create {} of {} {}", sub.name, article(&info.kind), info.kind),
                    id: writer.id("create", &suffix),
                    action: "post",
                    gvk: Some(&sub.gvk),
                    query: WRITE,
                    body: Some((schema.clone(), &["*/*"], true)),
                    codes: &["200", "201", "202"],
                    answer: Some(schema.clone()),
                };
                item.insert("post".to_owned(), writer.operation(operation));
            }
            (verb, _) => {
                let method = match verb {
                    "create" => "post",
                    "update" => "put",
                    other => other,
                };
                let action = if sub.name == "log" { "get" } else { "connect" };
                let mut operation = writer.operation(Operation {
                    description: format!("{action} {method} requests to {} of {}", sub.name, info.kind),
                    id: writer.id(&format!("{action}{}", capitalized(method)), &suffix),
                    action,
                    gvk: Some(&sub.gvk),
                    query: &[],
                    body: None,
                    codes: &["200"],
                    answer: None,
                });
                let text = json!({"type": "string"});
                match writer.form {
                    Form::V2 => operation["responses"]["200"]["schema"] = text,
                    Form::V3 => operation["responses"]["200"]["content"] = json!({"*/*": {"schema": text}}),
                }
                item.insert(method.to_owned(), operation);
            }
        }
    }
    if !item.is_empty() {
        item.insert("parameters".to_owned(), writer.shared(Some(&sub.gvk.kind), info.namespaced));
        out.insert(format!("{item_path}/{}", sub.name), Value::Object(item));
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
}
