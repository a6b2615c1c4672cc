//! The query string and the options that it carries.

use karmada_machinery::{FieldError, StatusError};
use serde_json::{Map, Value, json};

/// A decoded query string, in order.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a query string.
    pub fn parse(query: &str) -> Self {
        if query.is_empty() {
            return Self::default();
        }
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A boolean parameter: there, and neither `false` nor `0`.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(as_bool)
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    fn optional_bool(&self, name: &str) -> Option<bool> {
        self.get(name).map(as_bool)
    }

    fn optional_int(&self, name: &str) -> Result<Option<i64>, StatusError> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => parse_int(text).map(Some),
        }
    }
}

fn as_bool(text: &str) -> bool {
    !(text == "0" || text.eq_ignore_ascii_case("false"))
}

fn parse_int(text: &str) -> Result<i64, StatusError> {
    text.parse::<i64>()
        .map_err(|_| StatusError::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))
}

/// Go's complaint about a resource version that is no number.
pub fn parse_uint(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(number) if digits => Ok(number),
        _ if digits => Err(format!("strconv.ParseUint: parsing {text:?}: value out of range")),
        _ => Err(format!("strconv.ParseUint: parsing {text:?}: invalid syntax")),
    }
}

/// How `resourceVersion` of a list is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionMatch {
    /// Not said.
    Unset,
    /// Exactly this version.
    Exact,
    /// This version or a newer one.
    NotOlderThan,
}

/// ListOptions.
#[derive(Clone, Debug)]
pub struct ListOptions {
    /// Label selector, unparsed.
    pub label_selector: String,
    /// Field selector, unparsed.
    pub field_selector: String,
    /// Resource version, unparsed.
    pub resource_version: String,
    /// How the resource version is meant.
    pub version_match: VersionMatch,
    /// Page size; 0 is no limit.
    pub limit: u64,
    /// Continue token.
    pub continue_token: String,
    /// Seconds after which a watch ends.
    pub timeout_seconds: Option<i64>,
    /// Whether a watch wants bookmarks.
    pub allow_bookmarks: bool,
    /// Whether a watch starts with the current state.
    pub send_initial_events: Option<bool>,
}

impl ListOptions {
    /// Reads and checks the options of a list, watch or deletecollection.
    pub fn parse(query: &Query, watch: bool) -> Result<Self, StatusError> {
        if query.flag("export") || query.flag("exact") {
            return Err(export_refused());
        }
        let match_text = query.text("resourceVersionMatch");
        let limit = query.optional_int("limit")?.unwrap_or(0);
        let options = Self {
            label_selector: query.text("labelSelector"),
            field_selector: query.text("fieldSelector"),
            resource_version: query.text("resourceVersion"),
            version_match: match match_text.as_str() {
                "Exact" => VersionMatch::Exact,
                "NotOlderThan" => VersionMatch::NotOlderThan,
                _ => VersionMatch::Unset,
            },
            limit: u64::try_from(limit).unwrap_or(0),
            continue_token: query.text("continue"),
            timeout_seconds: query.optional_int("timeoutSeconds")?,
            allow_bookmarks: query.flag("allowWatchBookmarks"),
            send_initial_events: query.optional_bool("sendInitialEvents"),
        };
        let errors = options.errors(&match_text, watch);
        if errors.is_empty() {
            Ok(options)
        } else {
            Err(StatusError::invalid("meta.k8s.io", "ListOptions", "", &errors))
        }
    }

    fn errors(&self, match_text: &str, watch: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let forbid = |text: &str| FieldError::forbidden("resourceVersionMatch", text);
        if watch {
            if self.send_initial_events.is_some() && match_text != "NotOlderThan" {
                errors.push(forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
            }
            if !match_text.is_empty() {
                if self.send_initial_events.is_none() {
                    errors.push(forbid(
                        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                    ));
                }
                if match_text != "NotOlderThan" {
                    errors.push(FieldError::not_supported("resourceVersionMatch", match_text, &["NotOlderThan"]));
                }
            }
            if !self.continue_token.is_empty() {
                errors.push(forbid("resourceVersionMatch is forbidden when continue is provided"));
            }
            return errors;
        }
        if !match_text.is_empty() {
            if self.resource_version.is_empty() {
                errors.push(forbid("resourceVersionMatch is forbidden unless resourceVersion is provided"));
            }
            if !self.continue_token.is_empty() {
                errors.push(forbid("resourceVersionMatch is forbidden when continue is provided"));
            }
            if self.version_match == VersionMatch::Unset {
                errors.push(FieldError::not_supported(
                    "resourceVersionMatch",
                    match_text,
                    &["Exact", "NotOlderThan", ""],
                ));
            }
            if self.version_match == VersionMatch::Exact && self.resource_version == "0" {
                errors.push(forbid("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
            }
        }
        if self.send_initial_events.is_some() {
            errors.push(FieldError::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
        }
        errors
    }
}

/// The answer to the long gone `export` parameter.
pub fn export_refused() -> StatusError {
    StatusError::bad_request("the export parameter, deprecated since v1.14, is no longer supported")
}

/// What happens to fields that the schema does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Dropped silently.
    Ignore,
    /// Dropped with a warning.
    #[default]
    Warn,
    /// Refused.
    Strict,
}

/// The longest field manager name.
const FIELD_MANAGER_MAX: usize = 128;

/// CreateOptions, UpdateOptions and PatchOptions.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Whether nothing is to be stored.
    pub dry_run: bool,
    /// The field manager, where the request names one.
    pub field_manager: String,
    /// What happens to unknown fields.
    pub field_validation: FieldValidation,
    /// Whether an apply takes conflicting fields over.
    pub force: Option<bool>,
    /// The options as an object: what admission sees.
    pub kind: &'static str,
}

impl WriteOptions {
    /// Reads and checks the options of a write. `kind` is CreateOptions, UpdateOptions or PatchOptions; `apply` tells
    /// whether the request is a server-side apply.
    pub fn parse(query: &Query, kind: &'static str, apply: bool) -> Result<Self, StatusError> {
        let mut errors = Vec::new();
        if kind == "PatchOptions" {
            if apply {
                if query.get("fieldManager").unwrap_or_default().is_empty() {
                    errors.push(FieldError::required("fieldManager", "is required for apply patch"));
                }
            } else if query.get("force").is_some() {
                errors.push(FieldError::forbidden("force", "may not be specified for non-apply patch"));
            }
        }
        check_field_manager(query.get("fieldManager").unwrap_or_default(), &mut errors);
        let dry_run = check_dry_run(query.all("dryRun"), &mut errors);
        let field_validation = match query.get("fieldValidation").unwrap_or_default() {
            "" | "Warn" => FieldValidation::Warn,
            "Strict" => FieldValidation::Strict,
            "Ignore" => FieldValidation::Ignore,
            other => {
                errors.push(FieldError::not_supported("fieldValidation", other, &["", "Ignore", "Strict", "Warn"]));
                FieldValidation::Warn
            }
        };
        if !errors.is_empty() {
            return Err(StatusError::invalid("meta.k8s.io", kind, "", &errors));
        }
        Ok(Self {
            dry_run,
            field_manager: query.text("fieldManager"),
            field_validation,
            force: query.optional_bool("force"),
            kind,
        })
    }

    /// The options as admission webhooks see them.
    pub fn to_value(&self) -> Value {
        let mut object = Map::new();
        object.insert("kind".into(), self.kind.into());
        object.insert("apiVersion".into(), "meta.k8s.io/v1".into());
        if self.dry_run {
            object.insert("dryRun".into(), json!(["All"]));
        }
        if !self.field_manager.is_empty() {
            object.insert("fieldManager".into(), self.field_manager.clone().into());
        }
        if let Some(force) = self.force {
            object.insert("force".into(), force.into());
        }
        Value::Object(object)
    }
}

fn check_dry_run<'a>(values: impl Iterator<Item = &'a str>, errors: &mut Vec<FieldError>) -> bool {
    let values: Vec<&str> = values.collect();
    if values.iter().any(|v| *v != "All") {
        errors.push(FieldError::not_supported("dryRun", json!(values), &["All"]));
    }
    !values.is_empty()
}

fn check_field_manager(manager: &str, errors: &mut Vec<FieldError>) {
    if manager.len() > FIELD_MANAGER_MAX {
        errors.push(FieldError::too_long("fieldManager", FIELD_MANAGER_MAX));
    }
    for (position, character) in manager.chars().enumerate() {
        if character.is_control() {
            let text = format!("invalid character U+{:04X} (at position {position})", character as u32);
            errors.push(FieldError::invalid("fieldManager", manager, text));
        }
    }
}

/// What becomes of an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They lose their owner and stay.
    Orphan,
    /// They go first.
    Foreground,
    /// They go afterwards.
    Background,
}

/// DeleteOptions.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Wanted grace period.
    pub grace_period_seconds: Option<i64>,
    /// The uid that the object must have.
    pub uid: Option<String>,
    /// The resource version that the object must have.
    pub resource_version: Option<String>,
    /// The old way of asking for orphans.
    pub orphan_dependents: Option<bool>,
    /// What becomes of dependents.
    pub propagation: Option<Propagation>,
    /// Whether nothing is to be stored.
    pub dry_run: bool,
    /// The options as an object: what admission sees.
    pub raw: Value,
}

impl DeleteOptions {
    /// Reads the options of a query string.
    pub fn from_query(query: &Query) -> Result<Self, StatusError> {
        let mut object = Map::new();
        if let Some(seconds) = query.optional_int("gracePeriodSeconds")? {
            object.insert("gracePeriodSeconds".into(), seconds.into());
        }
        if let Some(orphan) = query.optional_bool("orphanDependents") {
            object.insert("orphanDependents".into(), orphan.into());
        }
        if let Some(policy) = query.get("propagationPolicy") {
            object.insert("propagationPolicy".into(), policy.into());
        }
        let dry_run: Vec<&str> = query.all("dryRun").collect();
        if !dry_run.is_empty() {
            object.insert("dryRun".into(), json!(dry_run));
        }
        Self::from_value(object)
    }

    /// Reads and checks decoded options.
    pub fn from_value(mut object: Map<String, Value>) -> Result<Self, StatusError> {
        let mut errors = Vec::new();
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let orphan_dependents = object.get("orphanDependents").and_then(Value::as_bool);
        let propagation = match text("propagationPolicy") {
            None => None,
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Background") => Some(Propagation::Background),
            Some(other) => {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                errors.push(FieldError::not_supported("propagationPolicy", other, &supported));
                None
            }
        };
        if orphan_dependents.is_some() && object.contains_key("propagationPolicy") {
            errors.insert(
                0,
                FieldError::invalid(
                    "propagationPolicy",
                    object.get("propagationPolicy").cloned().unwrap_or_default(),
                    "orphanDependents and deletionPropagation cannot be both set",
                ),
            );
        }
        let dry_run = check_dry_run(
            object.get("dryRun").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str),
            &mut errors,
        );
        if !errors.is_empty() {
            return Err(StatusError::invalid("meta.k8s.io", "DeleteOptions", "", &errors));
        }
        let precondition = |name: &str| {
            object.get("preconditions").and_then(|p| p.get(name)).and_then(Value::as_str).map(str::to_owned)
        };
        let (uid, resource_version) = (precondition("uid"), precondition("resourceVersion"));
        let grace_period_seconds = object.get("gracePeriodSeconds").and_then(Value::as_i64);
        object.insert("kind".into(), "DeleteOptions".into());
        object.insert("apiVersion".into(), "meta.k8s.io/v1".into());
        Ok(Self {
            grace_period_seconds,
            uid,
            resource_version,
            orphan_dependents,
            propagation,
            dry_run,
            raw: Value::Object(object),
        })
    }
}
