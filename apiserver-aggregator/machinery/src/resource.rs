//! What a resource is: its names, what can be done with it, and what happens to its objects on the way into the store.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::field::FieldErrors;
use crate::gvk::{GroupResource, GroupVersion, GroupVersionKind, GroupVersionResource};
use crate::schema::Schema;
use crate::status::StatusError;

/// A resource as one group version serves it.
///
/// All versions of a resource share one place in the store: the objects are stored in `storage_version` and converted by
/// `conversion` on the way in and out.
#[derive(Clone)]
pub struct ResourceInfo {
    /// Group, version and plural name: the request path.
    pub gvr: GroupVersionResource,
    /// Kind of one object.
    pub kind: String,
    /// Kind of a list of objects.
    pub list_kind: String,
    /// Singular name, lower case.
    pub singular: String,
    /// Short names that kubectl accepts.
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    pub categories: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Verbs as discovery shows them: create, delete, deletecollection, get, list, patch, update, watch.
    pub verbs: Vec<String>,
    /// Subresources, in discovery's order.
    pub subresources: Vec<SubresourceInfo>,
    /// The structure of the objects in this version.
    pub schema: Arc<Schema>,
    /// Defaults, validation and bookkeeping.
    pub strategy: Arc<dyn Strategy>,
    /// Columns and cells of the Table output.
    pub table: Arc<dyn crate::table::TableConvertor>,
    /// Fields that field selectors may name besides `metadata.name` and `metadata.namespace`, such as `spec.nodeName`,
    /// with how their value is read.
    pub selectable_fields: Vec<SelectableField>,
    /// Whether `metadata.generation` counts changes of everything but metadata and status.
    pub tracks_generation: bool,
    /// Where the objects of all versions are stored.
    pub storage: StorageInfo,
    /// How versions are converted into one another.
    pub conversion: Conversion,
}

/// Where a resource's objects are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageInfo {
    /// The group resource whose objects these are; differs from the served one for events.k8s.io/events, which are the
    /// core group's events.
    pub resource: GroupResource,
    /// The key prefix as kube-apiserver lays it out, without a trailing slash: `/registry/deployments`,
    /// `/registry/services/specs`, `/registry/<group>/<plural>` for custom resources.
    pub prefix: String,
    /// The version objects are encoded in.
    pub version: GroupVersion,
    /// The kind objects are encoded in.
    pub kind: String,
    /// How long an object lives before the store removes it, in seconds (events).
    pub ttl_seconds: Option<u64>,
}

/// A subresource as discovery shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubresourceInfo {
    /// The name after the slash, such as `scale`.
    pub name: String,
    /// The kind of its requests, which may be of another group (`autoscaling/v1, Scale`).
    pub gvk: GroupVersionKind,
    /// Its verbs.
    pub verbs: Vec<String>,
    /// For `scale`: where the numbers are.
    pub scale: Option<ScalePaths>,
}

/// JSON paths of the scale subresource, as in a CRD (`.spec.replicas`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    /// Path of the wanted replicas.
    pub spec_replicas: String,
    /// Path of the observed replicas.
    pub status_replicas: String,
    /// Path of the selector: a string, or a LabelSelector object for built-in kinds.
    pub label_selector: Option<String>,
}

/// A field that a field selector may name.
#[derive(Clone)]
pub struct SelectableField {
    /// The name in the selector, such as `status.phase`.
    pub name: String,
    /// Reads its value; the empty string where absent.
    pub get: fn(&Value, &str) -> String,
}

/// How the versions of a resource are converted into one another.
#[derive(Clone)]
pub enum Conversion {
    /// Only `apiVersion` (and for events the kind's group) changes.
    Rename,
    /// A pure function from an object and the wanted group version.
    Function(fn(Value, &GroupVersion) -> Result<Value, StatusError>),
    /// A conversion webhook with this `spec.conversion.webhook` of the CRD; the caller does the I/O.
    Webhook(Arc<Value>),
}

/// What a strategy may know of the request.
pub struct RequestContext<'a> {
    /// The time of the request.
    pub now: Timestamp,
    /// The requester's name.
    pub user: &'a str,
    /// The subresource written through, if any.
    pub subresource: Option<&'a str>,
    /// Fresh random UUIDs, in text form.
    pub new_uuid: &'a (dyn Fn() -> String + Sync),
}

/// What happens to an object on its way into the store, beyond what its schema says.
///
/// The generic path already does what holds for all kinds: names and metadata rules, schema defaults, pruning and schema
/// validation, resetting status on create and on writes of the main resource (where there is a status subresource),
/// restoring spec on status writes, generation, and managed fields.
pub trait Strategy: Send + Sync {
    /// Fills defaults that a schema cannot express (values derived from other fields). Runs after schema defaulting, on
    /// requests of every version and before validation; must be idempotent.
    fn default_object(&self, _object: &mut Value) {}

    /// Drops or fills fields before an object is created.
    fn prepare_for_create(&self, _object: &mut Value, _ctx: &RequestContext<'_>) {}

    /// Drops or fills fields before an object is updated, through the main resource or `ctx.subresource`.
    fn prepare_for_update(&self, _object: &mut Value, _old: &Value, _ctx: &RequestContext<'_>) {}

    /// Everything wrong with a new object.
    fn validate(&self, _object: &Value) -> FieldErrors {
        Vec::new()
    }

    /// Everything wrong with a changed object, or with the change.
    fn validate_update(&self, object: &Value, _old: &Value, _ctx: &RequestContext<'_>) -> FieldErrors {
        self.validate(object)
    }

    /// How `metadata.name` is checked: `None` if it is fine, else the text of the field error.
    fn validate_name(&self, name: &str) -> Option<String> {
        crate::kinds::names::dns_subdomain(name)
    }

    /// Texts for `Warning` headers about an accepted object.
    fn warnings(&self, _object: &Value, _old: Option<&Value>) -> Vec<String> {
        Vec::new()
    }

    /// Whether a PUT may create the object.
    fn allow_create_on_update(&self) -> bool {
        false
    }

    /// Whether a PUT without resourceVersion is allowed.
    fn allow_unconditional_update(&self) -> bool {
        true
    }

    /// Grace period that a deletion gets when the caller names none, in seconds; `None` for kinds without graceful
    /// deletion. Only pods have one.
    fn graceful_deletion_seconds(&self, _object: &Value, _requested: Option<i64>) -> Option<i64> {
        None
    }

    /// Whether the resource behaves as one that is defined by a CRD: its lists name the kind of every item, its bodies must
    /// name their kind, a PUT needs a resourceVersion. True for custom resources and for Karmada's kinds, which are CRDs
    /// on an upstream server.
    fn custom_resource(&self) -> bool {
        false
    }

    /// Whether a deletion answers with the deleted object instead of a Status (pods, services, service accounts, …).
    fn returns_deleted_object(&self) -> bool {
        false
    }

    /// Whether dependents are orphaned when a deletion says nothing about them (replication controllers, jobs).
    fn orphans_dependents_by_default(&self) -> bool {
        false
    }

    /// The text of a `Warning` header that every request to this version gets.
    fn deprecation_warning(&self) -> Option<&str> {
        None
    }
}

/// A strategy that adds nothing to the generic path.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainStrategy;

impl Strategy for PlainStrategy {}

impl ResourceInfo {
    /// Group, version and kind of one object.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(&self.gvr.group, &self.gvr.version, &self.kind)
    }

    /// The resource without its version, as errors name it.
    pub fn group_resource(&self) -> GroupResource {
        self.gvr.group_resource()
    }

    /// The subresource of this name.
    pub fn subresource(&self, name: &str) -> Option<&SubresourceInfo> {
        self.subresources.iter().find(|s| s.name == name)
    }

    /// Whether there is a status subresource, so that writes of the main resource keep the status.
    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// Whether discovery shows the verb.
    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }
}
