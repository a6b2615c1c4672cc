//! Conditions: setting one without touching the others, and without moving its time when nothing changed.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// A condition as it should be, without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Type.
    pub kind: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Reason.
    pub reason: String,
    /// Message.
    pub message: String,
}

impl Wanted {
    /// A condition that holds or doesn't.
    pub fn new(kind: &'static str, holds: bool, reason: impl Into<String>, message: impl Into<String>) -> Self {
        let status = if holds { "True" } else { "False" };
        Self { kind, status, reason: reason.into(), message: message.into() }
    }
}

/// Sets a condition among others; says whether anything changed. The time of transition moves only with the status.
pub fn set(conditions: &mut Vec<Condition>, wanted: &Wanted, now: Timestamp) -> bool {
    let Wanted { kind, status, reason, message } = wanted;
    // Times in objects have whole seconds.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let Some(condition) = conditions.iter_mut().find(|condition| condition.type_ == *kind) else {
        conditions.push(Condition {
            type_: (*kind).to_owned(),
            status: (*status).to_owned(),
            reason: reason.clone(),
            message: message.clone(),
            last_transition_time: Time(now),
            observed_generation: None,
        });
        return true;
    };
    if condition.status == *status && condition.reason == *reason && condition.message == *message {
        return false;
    }
    if condition.status != *status {
        (*status).clone_into(&mut condition.status);
        condition.last_transition_time = Time(now);
    }
    condition.reason.clone_from(reason);
    condition.message.clone_from(message);
    true
}

/// The condition of a type.
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}
