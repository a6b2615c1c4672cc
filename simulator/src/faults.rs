//! Faults that a test or a demo injects.

use serde_json::Value;

use crate::values;

/// An annotation on a Pod (or its template) that makes it misbehave; its values are those of [`Fault`].
pub const FAULT_ANNOTATION: &str = "simulator.karmada.io/fault";

/// Images whose name starts with this are never pulled: their Pods stay Pending with reason ImagePullBackOff.
pub const FAKE_IMAGE_PREFIX: &str = "fake/";

/// How a Pod misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `image`: the image cannot be pulled.
    ImagePull,
    /// `crash`: the containers end again and again.
    CrashLoop,
    /// `unready`: it runs but never becomes ready.
    Unready,
    /// `fail`: it ends in phase Failed.
    Fail,
}

/// The fault of a Pod, if it has one. An unknown value of the annotation is no fault.
pub fn of(pod: &Value) -> Option<Fault> {
    match values::annotation(pod, FAULT_ANNOTATION) {
        Some("image") => return Some(Fault::ImagePull),
        Some("crash") => return Some(Fault::CrashLoop),
        Some("unready") => return Some(Fault::Unready),
        Some("fail") => return Some(Fault::Fail),
        _ => {}
    }
    let fake = |container: &Value| {
        container.get("image").and_then(Value::as_str).is_some_and(|image| image.starts_with(FAKE_IMAGE_PREFIX))
    };
    values::array(pod, "/spec/containers").iter().any(fake).then_some(Fault::ImagePull)
}
