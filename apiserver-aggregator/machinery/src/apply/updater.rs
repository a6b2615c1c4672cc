//! How ownership moves when an object changes.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    conflict::Conflicts,
    managed::{Entry, ManagerId, Managers, Operation},
    set::FieldSet,
    shape::Type,
    typed::{self, Comparison},
};
use crate::schema::Schema;

/// Converts objects to the versions that managers used.
pub trait Versions: Send + Sync {
    /// The object in the version, with its schema; `None` if the version is not served any more, whose managers are then
    /// forgotten.
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, Arc<Schema>)>;
}

/// What ownership is reckoned by.
pub(super) struct Updater<'a> {
    pub(super) schema: &'a Schema,
    pub(super) api_version: &'a str,
    /// Fields that a write through this endpoint cannot change.
    pub(super) ignored: &'a FieldSet,
    /// `None` if all versions have the same schema.
    pub(super) versions: Option<&'a dyn Versions>,
}

/// An object in some version, with the schema of the version.
struct InVersion<'a> {
    object: Cow<'a, Value>,
    schema: Cow<'a, Schema>,
}

impl InVersion<'_> {
    fn ty(&self) -> Type<'_> {
        Type::Declared(self.schema.root())
    }

    fn fields(&self) -> FieldSet {
        typed::field_set(self.ty(), &self.object)
    }

    fn named(&self, set: &FieldSet) -> FieldSet {
        set.with_named_fields(Some(self.ty()))
    }

    fn without(&self, fields: &FieldSet) -> Value {
        typed::remove(self.ty(), &self.object, fields).unwrap_or(Value::Null)
    }
}

impl<'a> Updater<'a> {
    fn ty(&self) -> Type<'_> {
        Type::Declared(self.schema.root())
    }

    fn in_version<'o>(&'o self, object: &'o Value, api_version: &str) -> Option<InVersion<'o>> {
        match self.versions {
            Some(versions) if api_version != self.api_version => {
                let (object, schema) = versions.convert(object, api_version)?;
                Some(InVersion { object: Cow::Owned(object), schema: Cow::Owned((*schema).clone()) })
            }
            _ => Some(InVersion { object: Cow::Borrowed(object), schema: Cow::Borrowed(self.schema) }),
        }
    }

    /// Adapts what was written before a schema changed.
    fn follow_schema(&self, object: &Value, managers: &mut Managers) {
        for entry in managers.values_mut() {
            if let Some(version) = self.in_version(object, &entry.api_version) {
                entry.fields = entry.fields.under_schema(version.ty());
            }
        }
    }

    /// Takes changed and removed fields from everybody but the one who writes. Without force, a changed field that
    /// somebody else manages is a conflict. Gives what changed.
    fn transfer(
        &self,
        old: &Value,
        new: &Value,
        managers: &mut Managers,
        writer: Option<&ManagerId>,
        force: bool,
    ) -> Result<Comparison, Conflicts> {
        let own = typed::compare(self.ty(), old, new).without(self.ignored);
        let mut by_version: BTreeMap<String, Option<Comparison>> = BTreeMap::new();
        by_version.insert(self.api_version.to_owned(), Some(own.clone()));
        let mut conflicts = Conflicts::default();
        let mut forgotten = Vec::new();
        for (id, entry) in managers.iter().filter(|(id, _)| Some(*id) != writer) {
            let comparison = by_version.entry(entry.api_version.clone()).or_insert_with(|| {
                let old = self.in_version(old, &entry.api_version)?;
                let new = self.in_version(new, &entry.api_version)?;
                Some(typed::compare(new.ty(), &old.object, &new.object).without(self.ignored))
            });
            match comparison {
                None => forgotten.push(id.clone()),
                Some(comparison) => {
                    let contested = entry.fields.intersection(&comparison.changed());
                    if !contested.is_empty() {
                        conflicts.0.insert(id.clone(), contested);
                    }
                }
            }
        }
        if !force && !conflicts.0.is_empty() {
            return Err(conflicts);
        }
        for id in forgotten {
            managers.remove(&id);
        }
        for (id, contested) in &conflicts.0 {
            if let Some(entry) = managers.get_mut(id) {
                entry.fields = entry.fields.difference(contested);
            }
        }
        for (_, entry) in managers.iter_mut().filter(|(id, _)| Some(*id) != writer) {
            if let Some(Some(comparison)) = by_version.get(&entry.api_version)
                && !comparison.removed.is_empty()
            {
                entry.fields = entry.fields.difference(&comparison.removed);
            }
        }
        managers.retain(|_, entry| !entry.fields.is_empty());
        Ok(own)
    }

    /// Ownership after a create, update or patch: whoever changed a field has it. Gives the fields that the writer took.
    pub(super) fn update(&self, old: &Value, new: &Value, managers: &mut Managers) -> FieldSet {
        self.follow_schema(old, managers);
        match self.transfer(old, new, managers, None, true) {
            Ok(comparison) => comparison.changed(),
            // Cannot be: conflicts are forced.
            Err(conflicts) => conflicts.fields(),
        }
    }

    /// Merges what is applied into the live object, removes what the applier no longer applies and nobody else manages,
    /// and moves ownership. Gives the new object.
    pub(super) fn apply(
        &self,
        live: &Value,
        applied: &Value,
        managers: &mut Managers,
        applier: &ManagerId,
        force: bool,
    ) -> Result<Value, Conflicts> {
        self.follow_schema(live, managers);
        let merged = typed::merge(self.ty(), live, applied);
        let fields = typed::field_set(self.ty(), applied).recursive_difference(self.ignored);
        let entry = Entry { fields, api_version: self.api_version.to_owned(), time: None };
        let last = managers.insert(applier.clone(), entry);
        if let Some(last) = &last
            && let Some(entry) = managers.get_mut(applier)
        {
            entry.time.clone_from(&last.time);
        }
        let pruned = match last {
            // Merging again brings back objects that are applied empty and became empty only now.
            Some(last) if !last.fields.is_empty() => {
                typed::merge(self.ty(), &self.prune(&merged, managers, &last), applied)
            }
            _ => merged,
        };
        self.transfer(live, &pruned, managers, Some(applier), force)?;
        Ok(pruned)
    }

    /// Back in the version of the request.
    fn back(&self, object: Value, api_version: &str) -> Option<Value> {
        match self.versions {
            Some(versions) if api_version != self.api_version => {
                versions.convert(&object, self.api_version).map(|(object, _)| object)
            }
            _ => Some(object),
        }
    }

    /// Removes what was applied last time, then adds back what somebody manages, then what the applier never had. Objects
    /// that cannot be converted are left as they are.
    fn prune(&self, merged: &Value, managers: &Managers, last: &Entry) -> Value {
        self.try_prune(merged, managers, last).unwrap_or_else(|| merged.clone())
    }

    fn try_prune(&self, merged: &Value, managers: &Managers, last: &Entry) -> Option<Value> {
        let in_last = self.in_version(merged, &last.api_version)?;
        let last_named = in_last.named(&last.fields);
        let mut pruned = self.back(in_last.without(&last_named), &last.api_version)?;

        let mut managed: BTreeMap<&str, FieldSet> = BTreeMap::new();
        for entry in managers.values() {
            managed.entry(&entry.api_version).or_default().extend(&entry.fields);
        }
        // The version pruned in comes first: what it misses might not convert.
        let first = managed.remove(last.api_version.as_str()).map(|set| (last.api_version.as_str(), set));
        for (api_version, owned) in first.into_iter().chain(managed) {
            let (Some(whole), Some(part)) =
                (self.in_version(merged, api_version), self.in_version(&pruned, api_version))
            else {
                continue;
            };
            let gone = whole.named(&whole.fields()).difference(&part.named(&part.fields()).union(&whole.named(&owned)));
            let kept = whole.without(&gone);
            drop(part);
            pruned = self.back(kept, api_version)?;
        }

        let part = self.in_version(&pruned, &last.api_version)?;
        let missing = in_last.named(&in_last.fields()).difference(&part.named(&part.fields()));
        self.back(in_last.without(&missing.intersection(&last_named)), &last.api_version)
    }
}

/// Managers by create and update, at most; older ones are merged.
pub(super) const MAX_UPDATE_MANAGERS: usize = 10;

/// The manager that stands for those merged away.
const ANCIENT_CHANGES: &str = "ancient-changes";

/// Merges the oldest managers of the Update kind until few enough are left.
pub(super) fn cap_update_managers(managers: &mut Managers) {
    let mut updaters: Vec<(Option<String>, ManagerId)> = managers
        .iter()
        .filter(|(id, _)| id.operation == Operation::Update)
        .map(|(id, entry)| (entry.time.clone(), id.clone()))
        .collect();
    let mut left = updaters.len();
    updaters.sort();
    let mut first_of_version: BTreeMap<String, ManagerId> = BTreeMap::new();
    for (_, id) in updaters {
        if left <= MAX_UPDATE_MANAGERS {
            break;
        }
        let Some(entry) = managers.get(&id).cloned() else {
            continue;
        };
        let Some(first) = first_of_version.get(&entry.api_version) else {
            first_of_version.insert(entry.api_version, id);
            continue;
        };
        let bucket = ManagerId::new(ANCIENT_CHANGES, Operation::Update, &entry.api_version, "");
        if !managers.contains_key(&bucket)
            && let Some(moved) = managers.remove(first)
        {
            managers.insert(bucket.clone(), moved);
        }
        if let Some(ancient) = managers.get_mut(&bucket) {
            ancient.fields.extend(&entry.fields);
            ancient.time = entry.time;
        }
        managers.remove(&id);
        left -= 1;
    }
}
