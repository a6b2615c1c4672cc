//! What can be asked of an interpreter, and about which kind.

use std::fmt;

use karmada_api::gvk::Gvk;
use serde_json::Value;

/// An operation of the interpreter, named as in webhook rules and customizations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// How many replicas an object wants and what one of them needs.
    InterpretReplica,
    /// Of which components a workload with several pod templates consists.
    InterpretComponent,
    /// Set the number of replicas.
    ReviseReplica,
    /// What of the member's object must be kept when the desired object replaces it.
    Retain,
    /// Sum up the members' statuses in the template.
    AggregateStatus,
    /// Which part of the member's status is reported.
    InterpretStatus,
    /// Whether the member's object is healthy.
    InterpretHealth,
    /// Which other objects the template needs beside it.
    InterpretDependency,
}

impl Operation {
    /// All operations, in the order in which Karmada documents them.
    pub const ALL: [Self; 8] = [
        Self::InterpretReplica,
        Self::InterpretComponent,
        Self::ReviseReplica,
        Self::Retain,
        Self::AggregateStatus,
        Self::InterpretStatus,
        Self::InterpretHealth,
        Self::InterpretDependency,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InterpretReplica => "InterpretReplica",
            Self::InterpretComponent => "InterpretComponent",
            Self::ReviseReplica => "ReviseReplica",
            Self::Retain => "Retain",
            Self::AggregateStatus => "AggregateStatus",
            Self::InterpretStatus => "InterpretStatus",
            Self::InterpretHealth => "InterpretHealth",
            Self::InterpretDependency => "InterpretDependency",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of an object; what it doesn't say is empty.
pub fn kind_of(object: &Value) -> Gvk {
    Gvk::of_object(object).unwrap_or_default()
}
