//! The stack of interpreters, and who answers what.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use karmada_api::gvk::Gvk;
use serde_json::Value;

use crate::answer::{Component, Dependency, Replicas, StatusItem};
use crate::error::InterpretError;
use crate::native::Native;
use crate::operation::{Operation, kind_of};

/// One source of interpretations. A method is only called when [`Layer::enabled`] said yes for its operation and the
/// object's kind; its default answers that nobody interprets this.
pub trait Layer: Send + Sync {
    /// Whether this layer answers the operation for the kind.
    fn enabled(&self, kind: &Gvk, operation: Operation) -> bool;

    /// The number of replicas and what each needs.
    fn get_replicas(&self, object: &Value) -> Result<Replicas, InterpretError> {
        Err(unanswered(Operation::InterpretReplica, object))
    }

    /// The components of a workload with several pod templates.
    fn get_components(&self, object: &Value) -> Result<Vec<Component>, InterpretError> {
        Err(unanswered(Operation::InterpretComponent, object))
    }

    /// The object with this number of replicas.
    fn revise_replica(&self, object: &Value, replicas: i64) -> Result<Value, InterpretError> {
        let _ = replicas;
        Err(unanswered(Operation::ReviseReplica, object))
    }

    /// The desired object with what must be kept of the observed one.
    fn retain(&self, desired: &Value, observed: &Value) -> Result<Value, InterpretError> {
        let _ = observed;
        Err(unanswered(Operation::Retain, desired))
    }

    /// The template with a status that sums up what the members report.
    fn aggregate_status(&self, object: &Value, items: &[StatusItem], now: Timestamp) -> Result<Value, InterpretError> {
        let _ = (items, now);
        Err(unanswered(Operation::AggregateStatus, object))
    }

    /// The part of the status that is worth reporting; nothing if there is none.
    fn reflect_status(&self, object: &Value) -> Result<Option<Value>, InterpretError> {
        Err(unanswered(Operation::InterpretStatus, object))
    }

    /// Whether the object is healthy.
    fn interpret_health(&self, object: &Value) -> Result<bool, InterpretError> {
        Err(unanswered(Operation::InterpretHealth, object))
    }

    /// The objects that this one needs beside it.
    fn get_dependencies(&self, object: &Value) -> Result<Vec<Dependency>, InterpretError> {
        Err(unanswered(Operation::InterpretDependency, object))
    }
}

/// A layer whose content can be replaced while it is in use: a call that is under way keeps what it started with. Cheap
/// to clone; all clones share the content.
#[derive(Debug)]
pub struct Swap<L>(Arc<RwLock<Arc<L>>>);

impl<L> Clone for Swap<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: Default> Default for Swap<L> {
    fn default() -> Self {
        Self::new(L::default())
    }
}

impl<L> Swap<L> {
    /// A layer with this content.
    pub fn new(layer: L) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(layer))))
    }

    /// Replaces the content.
    pub fn replace(&self, layer: L) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(layer);
    }

    /// The content as it is now.
    pub fn current(&self) -> Arc<L> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<L: Layer> Layer for Swap<L> {
    fn enabled(&self, kind: &Gvk, operation: Operation) -> bool {
        self.current().enabled(kind, operation)
    }

    fn get_replicas(&self, object: &Value) -> Result<Replicas, InterpretError> {
        self.current().get_replicas(object)
    }

    fn get_components(&self, object: &Value) -> Result<Vec<Component>, InterpretError> {
        self.current().get_components(object)
    }

    fn revise_replica(&self, object: &Value, replicas: i64) -> Result<Value, InterpretError> {
        self.current().revise_replica(object, replicas)
    }

    fn retain(&self, desired: &Value, observed: &Value) -> Result<Value, InterpretError> {
        self.current().retain(desired, observed)
    }

    fn aggregate_status(&self, object: &Value, items: &[StatusItem], now: Timestamp) -> Result<Value, InterpretError> {
        self.current().aggregate_status(object, items, now)
    }

    fn reflect_status(&self, object: &Value) -> Result<Option<Value>, InterpretError> {
        self.current().reflect_status(object)
    }

    fn interpret_health(&self, object: &Value) -> Result<bool, InterpretError> {
        self.current().interpret_health(object)
    }

    fn get_dependencies(&self, object: &Value) -> Result<Vec<Dependency>, InterpretError> {
        self.current().get_dependencies(object)
    }
}

fn unanswered(operation: Operation, object: &Value) -> InterpretError {
    InterpretError::NotFound { operation, kind: kind_of(object) }
}

/// A stack of layers; for each operation the first enabled one answers.
#[derive(Clone)]
pub struct Interpreter {
    layers: Arc<[Arc<dyn Layer>]>,
}

impl std::fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interpreter").field("layers", &self.layers.len()).finish()
    }
}

impl Default for Interpreter {
    fn default() -> Self {
        Self::native()
    }
}

impl Interpreter {
    /// Only the native interpretations.
    pub fn native() -> Self {
        Self::new([Arc::new(Native) as Arc<dyn Layer>])
    }

    /// Everything that needs no configuration: the third-party kinds' scripts, then the native interpretations.
    pub fn built_in() -> Self {
        Self::new([Arc::new(crate::thirdparty::layer()) as Arc<dyn Layer>, Arc::new(Native)])
    }

    /// Layers in order of precedence.
    pub fn new(layers: impl IntoIterator<Item = Arc<dyn Layer>>) -> Self {
        Self { layers: layers.into_iter().collect() }
    }

    /// The first layer that answers the operation for the kind.
    pub fn layer(&self, kind: &Gvk, operation: Operation) -> Option<&dyn Layer> {
        self.layers.iter().find(|layer| layer.enabled(kind, operation)).map(AsRef::as_ref)
    }

    /// Whether any layer answers the operation for the kind.
    pub fn hook_enabled(&self, kind: &Gvk, operation: Operation) -> bool {
        self.layer(kind, operation).is_some()
    }

    fn answering(&self, object: &Value, operation: Operation) -> Result<&dyn Layer, InterpretError> {
        self.layer(&kind_of(object), operation).ok_or_else(|| unanswered(operation, object))
    }

    /// See [`Layer::get_replicas`].
    pub fn get_replicas(&self, object: &Value) -> Result<Replicas, InterpretError> {
        self.answering(object, Operation::InterpretReplica)?.get_replicas(object)
    }

    /// See [`Layer::get_components`].
    pub fn get_components(&self, object: &Value) -> Result<Vec<Component>, InterpretError> {
        self.answering(object, Operation::InterpretComponent)?.get_components(object)
    }

    /// See [`Layer::revise_replica`].
    pub fn revise_replica(&self, object: &Value, replicas: i64) -> Result<Value, InterpretError> {
        self.answering(object, Operation::ReviseReplica)?.revise_replica(object, replicas)
    }

    /// See [`Layer::retain`].
    pub fn retain(&self, desired: &Value, observed: &Value) -> Result<Value, InterpretError> {
        self.answering(desired, Operation::Retain)?.retain(desired, observed)
    }

    /// See [`Layer::aggregate_status`].
    pub fn aggregate_status(
        &self,
        object: &Value,
        items: &[StatusItem],
        now: Timestamp,
    ) -> Result<Value, InterpretError> {
        self.answering(object, Operation::AggregateStatus)?.aggregate_status(object, items, now)
    }

    /// See [`Layer::reflect_status`].
    pub fn reflect_status(&self, object: &Value) -> Result<Option<Value>, InterpretError> {
        self.answering(object, Operation::InterpretStatus)?.reflect_status(object)
    }

    /// See [`Layer::interpret_health`].
    pub fn interpret_health(&self, object: &Value) -> Result<bool, InterpretError> {
        self.answering(object, Operation::InterpretHealth)?.interpret_health(object)
    }

    /// See [`Layer::get_dependencies`].
    pub fn get_dependencies(&self, object: &Value) -> Result<Vec<Dependency>, InterpretError> {
        self.answering(object, Operation::InterpretDependency)?.get_dependencies(object)
    }
}
