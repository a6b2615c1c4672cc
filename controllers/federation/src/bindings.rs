//! What several controllers do with bindings: write a changed specification, and report on a binding and its template.

use k8s_openapi::api::core::v1::ObjectReference;
use karmada_api::work::v1alpha2::ResourceBindingSpec;
use karmada_runtime::Resource;
use karmada_runtime::events::{EventType, reference_typed};
use karmada_runtime::patcher::{PatchKind, merge_diff};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Error;
use crate::kinds::Binding;

/// Writes what differs between a binding and a new specification, against the version that was read. Returns false if
/// nothing differs or the binding is gone.
pub(crate) async fn write_spec<B: Binding>(
    ctx: &Context,
    binding: &B,
    spec: &ResourceBindingSpec,
) -> Result<bool, Error> {
    let encode = |spec: &ResourceBindingSpec| serde_json::to_value(spec).map_err(Error::Requirements);
    let Some(change) = merge_diff(&encode(binding.spec())?, &encode(spec)?) else { return Ok(false) };
    let meta = binding.meta();
    let patch = json!({"metadata": {"resourceVersion": meta.resource_version}, "spec": change});
    let (namespace, name) = (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
    let written = ctx.control.patch(&Resource::of::<B>(), namespace, name, "", PatchKind::Merge, &patch).await;
    match written {
        Ok(stored) => {
            B::informer(ctx).observe(&stored);
            Ok(true)
        }
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Reports on a binding and on its template.
pub(crate) fn report<B: Binding>(ctx: &Context, binding: &B, kind: EventType, reason: &'static str, message: &str) {
    ctx.recorder.event(reference_typed(binding), kind, reason, message);
    let template = &binding.spec().resource;
    let about = ObjectReference {
        api_version: Some(template.api_version.clone()),
        kind: Some(template.kind.clone()),
        namespace: (!template.namespace.is_empty()).then(|| template.namespace.clone()),
        name: Some(template.name.clone()),
        uid: (!template.uid.is_empty()).then(|| template.uid.clone()),
        ..ObjectReference::default()
    };
    ctx.recorder.event(about, kind, reason, message);
}

/// A text in an object.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
