//! The field manager of one endpoint: what every write does to `metadata.managedFields`.

use std::{collections::BTreeMap, sync::OnceLock};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    conflict::Conflicts,
    managed::{self, Entry, ManagerId, Managers, Operation},
    set::FieldSet,
    shape::Type,
    typed,
    updater::{Updater, Versions, cap_update_managers},
};
use crate::{
    gvk::GroupVersionKind,
    meta,
    resource::ResourceInfo,
    schema::{self, Flavor, Schema},
    status::{Reason, StatusError},
};

/// The annotation in which client-side apply keeps what it applied last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The manager name under which kubectl applies on the server.
const KUBECTL: &str = "kubectl";

/// The manager of all that was there before the first apply to an object without managed fields.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// The longest manager name.
const MAX_NAME_BYTES: usize = 128;

/// All annotations together, at most.
const MAX_ANNOTATIONS_BYTES: usize = 256 * 1024;

/// The manager of a request: its `fieldManager`, or the start of its `User-Agent`.
pub fn manager_name(field_manager: &str, user_agent: &str) -> String {
    if !field_manager.is_empty() {
        return field_manager.to_owned();
    }
    let mut name = String::new();
    for c in user_agent.split('/').next().unwrap_or_default().chars() {
        if name.len() + c.len_utf8() > MAX_NAME_BYTES {
            break;
        }
        if !c.is_control() {
            name.push(c);
        }
    }
    name
}

/// Fields that everybody sets and nobody manages.
fn never_managed() -> &'static FieldSet {
    static SET: OnceLock<FieldSet> = OnceLock::new();
    SET.get_or_init(|| {
        let paths: [&[&str]; 12] = [
            &["apiVersion"],
            &["kind"],
            &["metadata"],
            &["metadata", "name"],
            &["metadata", "namespace"],
            &["metadata", "creationTimestamp"],
            &["metadata", "selfLink"],
            &["metadata", "uid"],
            &["metadata", "clusterName"],
            &["metadata", "generation"],
            &["metadata", "managedFields"],
            &["metadata", "resourceVersion"],
        ];
        FieldSet::of_fields(paths)
    })
}

/// Fields that a write through an endpoint of the resource cannot change, and so does not own.
pub fn reset_fields(info: &ResourceInfo, subresource: &str) -> FieldSet {
    let resource = (info.gvr.group.as_str(), info.gvr.resource.as_str());
    match subresource {
        "" if info.has_status() => FieldSet::of_fields([["status"].as_slice()]),
        "status" => match resource {
            ("apps", "deployments") => FieldSet::of_fields([["spec"].as_slice(), &["metadata", "labels"]]),
            ("", "pods") => FieldSet::of_fields([
                ["spec"].as_slice(),
                &["metadata", "deletionTimestamp"],
                &["metadata", "ownerReferences"],
            ]),
            ("apiextensions.k8s.io", _) => FieldSet::of_fields([["spec"].as_slice(), &["metadata"]]),
            _ if info.schema.flavor() == Flavor::Structural => {
                FieldSet::of_fields([["spec"].as_slice(), &["metadata"]])
            }
            _ => FieldSet::of_fields([["spec"].as_slice()]),
        },
        _ => FieldSet::default(),
    }
}

/// Follows the writes through one endpoint: a kind in one version, and a subresource.
pub struct FieldManager<'a> {
    kind: GroupVersionKind,
    schema: &'a Schema,
    subresource: &'a str,
    ignored: FieldSet,
    versions: Option<&'a dyn Versions>,
}

impl<'a> FieldManager<'a> {
    /// For a resource and one of its subresources, or the empty text.
    pub fn new(info: &'a ResourceInfo, subresource: &'a str) -> Self {
        Self::with(info.gvk(), &info.schema, subresource, reset_fields(info, subresource))
    }

    /// For a kind with this schema; `ignored` are fields that a write through the endpoint cannot change.
    pub fn with(kind: GroupVersionKind, schema: &'a Schema, subresource: &'a str, ignored: FieldSet) -> Self {
        Self { kind, schema, subresource, ignored, versions: None }
    }

    /// With other versions whose schemas differ. Without it, managers of other versions are taken to see the same fields.
    #[must_use]
    pub fn with_versions(mut self, versions: &'a dyn Versions) -> Self {
        self.versions = Some(versions);
        self
    }

    fn root(&self) -> Type<'_> {
        Type::Declared(self.schema.root())
    }

    fn updater<'u>(&'u self, api_version: &'u str) -> Updater<'u> {
        Updater { schema: self.schema, api_version, ignored: &self.ignored, versions: self.versions }
    }

    /// Follows a creation. `new` is the object as the client sent it, with defaults; managed fields in it are ignored.
    pub fn create(&self, mut new: Value, manager: &str, now: Timestamp) -> Value {
        // Nobody can create an object that is being deleted already.
        for field in ["managedFields", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            meta::remove(&mut new, field);
        }
        self.track(&Value::Null, new, Managers::new(), manager, now)
    }

    /// Follows an update or a patch that is no apply. `new` is the object as it would replace `live`, before fields are
    /// reset; managed fields in it replace the live ones if the client changed them with sense.
    pub fn update(&self, live: &Value, mut new: Value, manager: &str, now: Timestamp) -> Value {
        let stored = || managed::decode(managed::of(live)).unwrap_or_default();
        let sent = managed::of(&new);
        let managers = if !self.subresource.is_empty() {
            // Managed fields cannot be changed through a subresource.
            stored()
        } else if managed::is_reset(sent) {
            Managers::new()
        } else {
            match managed::decode(sent) {
                Ok(managers) if !managers.is_empty() => managers,
                _ => stored(),
            }
        };
        meta::remove(&mut new, "managedFields");
        if managers.is_empty() {
            // Nothing is tracked of an object whose managed fields were forgotten, until the next apply.
            return new;
        }
        self.track(live, new, managers, manager, now)
    }

    fn track(&self, live: &Value, mut new: Value, mut managers: Managers, manager: &str, now: Timestamp) -> Value {
        let api_version = self.kind.api_version();
        self.record(live, &new, &mut managers, &api_version, manager, now);
        cap_update_managers(&mut managers);
        managed::put(&mut new, managers);
        new
    }

    fn record(
        &self,
        live: &Value,
        new: &Value,
        managers: &mut Managers,
        api_version: &str,
        manager: &str,
        now: Timestamp,
    ) {
        let (old, current) = (self.comparable(live), self.comparable(new));
        let taken = self.updater(api_version).update(&old, &current, managers).difference(never_managed());
        if taken.is_empty() {
            return;
        }
        let id = ManagerId::new(manager, Operation::Update, api_version, self.subresource);
        let entry = managers.entry(id).or_insert_with(|| Entry {
            fields: FieldSet::default(),
            api_version: api_version.to_owned(),
            time: None,
        });
        entry.fields.extend(&taken);
        entry.time = Some(whole_seconds(now));
    }

    /// The object as the comparison sees it: without managed fields, and as Go would write it, with all its structs.
    fn comparable(&self, object: &Value) -> Value {
        let mut object = if object.is_object() { object.clone() } else { Value::Object(Map::new()) };
        meta::remove(&mut object, "managedFields");
        schema::normalize(self.schema, &mut object);
        object
    }

    /// Applies an object. `live` is the stored object in this version, or `None` to create it. Gives the object to store,
    /// without defaults; it is equal to `live` if nothing changed.
    pub fn apply(
        &self,
        live: Option<&Value>,
        applied: &Value,
        manager: &str,
        force: bool,
        now: Timestamp,
    ) -> Result<Value, StatusError> {
        let text = |name: &str| applied.get(name).and_then(Value::as_str).unwrap_or_default();
        let api_version = self.kind.api_version();
        if text("apiVersion") != api_version || text("kind") != self.kind.kind {
            let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
            let found = GroupVersionKind::new(group, version, text("kind"));
            return Err(StatusError::bad_request(format!("invalid object type: {found}")));
        }
        if managed::of(applied).is_some_and(|fields| !fields.is_null()) {
            return Err(StatusError::bad_request("metadata.managedFields must be nil"));
        }
        let errors = typed::validate(self.root(), applied);
        if !errors.is_empty() {
            let errors = match errors.as_slice() {
                [only] => only.clone(),
                _ => format!("errors:\n  {}", errors.join("\n  ")),
            };
            return Err(StatusError::new(
                500,
                Reason::Unknown,
                format!(
                    "failed to create typed patch object ({}/{}; {}): {errors}",
                    meta::namespace(applied).unwrap_or_default(),
                    meta::name(applied).unwrap_or_default(),
                    self.kind
                ),
            ));
        }
        let mut managers = match live {
            None => Managers::new(),
            Some(live) => managed::decode(managed::of(live)).map_err(|error| {
                StatusError::new(500, Reason::Unknown, format!("failed to decode managed fields: {error}"))
            })?,
        };
        let empty = Value::Object(Map::new());
        let mut base = live.unwrap_or(&empty).clone();
        meta::remove(&mut base, "managedFields");
        if managers.is_empty() && live.is_some() {
            self.record(&Value::Null, &base, &mut managers, &api_version, BEFORE_FIRST_APPLY, now);
        }

        let id = ManagerId::new(manager, Operation::Apply, &api_version, self.subresource);
        let updater = self.updater(&api_version);
        let mut attempt = managers.clone();
        let outcome = match updater.apply(&base, applied, &mut attempt, &id, force) {
            Err(conflicts) if manager == KUBECTL => {
                let rest = conflicts.without(&self.client_side_applied(&base));
                if rest.0.is_empty() {
                    attempt.clone_from(&managers);
                    updater.apply(&base, applied, &mut attempt, &id, true)
                } else {
                    Err(rest)
                }
            }
            outcome => outcome,
        };
        let mut object = outcome.map_err(|conflicts: Conflicts| conflicts.to_status())?;
        if let Some(entry) = attempt.get_mut(&id) {
            entry.fields = entry.fields.difference(never_managed());
            if object != base {
                entry.time = Some(whole_seconds(now));
            }
            if entry.fields.is_empty() {
                attempt.remove(&id);
            }
        }
        if manager == KUBECTL && meta::annotation(&object, LAST_APPLIED).is_some() {
            sync_last_applied(&mut object, applied);
        }
        managed::put(&mut object, attempt);
        Ok(object)
    }

    /// Fields whose live value is what client-side apply last set: kubectl may take them over without a conflict.
    fn client_side_applied(&self, live: &Value) -> FieldSet {
        let Some(last) = meta::annotation(live, LAST_APPLIED).and_then(|text| serde_json::from_str::<Value>(text).ok())
        else {
            return FieldSet::default();
        };
        let same_kind = last.get("apiVersion").and_then(Value::as_str) == Some(self.kind.api_version().as_str())
            && last.get("kind").and_then(Value::as_str) == Some(self.kind.kind.as_str());
        if !same_kind || !typed::validate(self.root(), &last).is_empty() {
            return FieldSet::default();
        }
        let comparison = typed::compare(self.root(), &last, live);
        typed::field_set(self.root(), &last)
            .difference(&comparison.modified)
            .difference(&comparison.added)
            .difference(&comparison.removed)
    }
}

/// Keeps the annotation of client-side apply in step, so that users can go back to it.
fn sync_last_applied(object: &mut Value, applied: &Value) {
    let mut last = applied.clone();
    meta::remove(&mut last, "managedFields");
    if let Some(annotations) =
        last.get_mut("metadata").and_then(|m| m.get_mut("annotations")).and_then(Value::as_object_mut)
    {
        annotations.remove(LAST_APPLIED);
    }
    let Some(annotations) =
        object.get_mut("metadata").and_then(|m| m.get_mut("annotations")).and_then(Value::as_object_mut)
    else {
        return;
    };
    annotations.insert(LAST_APPLIED.to_owned(), format!("{last}\n").into());
    let size: usize = annotations.iter().map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
    if size > MAX_ANNOTATIONS_BYTES {
        annotations.remove(LAST_APPLIED);
    }
}

/// Times of managed fields are written in whole seconds.
fn whole_seconds(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// Restores the times of managed fields if nothing else differs between the objects, so that a write that changes nothing
/// is seen as such.
pub fn keep_times(new: &mut Value, old: &Value) {
    let (Some(new_fields), Some(old_fields)) =
        (managed::of(new).and_then(Value::as_array), managed::of(old).and_then(Value::as_array))
    else {
        return;
    };
    let without_time = |entry: &Value| {
        let mut entry = entry.clone();
        if let Value::Object(map) = &mut entry {
            map.remove("time");
        }
        entry
    };
    let key = |entry: &Value| without_time(entry).to_string();
    let times: BTreeMap<String, Option<Value>> =
        old_fields.iter().map(|entry| (key(entry), entry.get("time").cloned())).collect();
    let mut restored = new_fields.clone();
    for entry in &mut restored {
        let Some(time) = times.get(&key(entry)) else {
            return;
        };
        if let Value::Object(map) = entry {
            match time {
                Some(time) => map.insert("time".to_owned(), time.clone()),
                None => map.remove("time"),
            };
        }
    }
    if restored.len() != old_fields.len() {
        return;
    }
    let mut candidate = new.clone();
    // The order follows times, so that the old list as a whole is what a comparison must see.
    meta::set(&mut candidate, "managedFields", old_fields.clone());
    if candidate == *old {
        *new = candidate;
    }
}
