//! Why an interpretation failed.

use karmada_api::gvk::Gvk;

use crate::Operation;

/// Why an interpretation failed. Texts are Karmada's, for they end in events and conditions that users match on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterpretError {
    /// No layer answers this operation for this kind.
    #[error("{}", not_found(*operation, kind))]
    NotFound {
        /// The operation that was asked for.
        operation: Operation,
        /// The kind that it was asked about.
        kind: Gvk,
    },
    /// The object, or a status in it, is not what its kind says it is.
    #[error("{0}")]
    Malformed(String),
    /// A script failed: its own error, a wrong type of answer, or a limit that it exceeded.
    #[error("{0}")]
    Script(String),
}

/// The text for an unanswered operation. Karmada words it by the name of the function, and differently for
/// dependencies and components.
fn not_found(operation: Operation, kind: &Gvk) -> String {
    let function = match operation {
        Operation::InterpretDependency => {
            return format!("default interpreter for operation {operation} not found");
        }
        Operation::InterpretComponent => return "no plan to implement this method yet".to_owned(),
        Operation::InterpretReplica => "GetReplicas",
        Operation::ReviseReplica => "ReviseReplica",
        Operation::Retain => "Retain",
        Operation::AggregateStatus => "AggregateStatus",
        Operation::InterpretStatus => "ReflectStatus",
        Operation::InterpretHealth => "InterpretHealth",
    };
    format!("default {function} interpreter for \"{kind}\" not found")
}

impl InterpretError {
    /// A malformed object, from anything that prints.
    pub fn malformed(message: impl ToString) -> Self {
        Self::Malformed(message.to_string())
    }
}
