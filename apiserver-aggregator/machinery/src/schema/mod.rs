//! The structural schema: one model for custom resources, Karmada's kinds and built-in kinds.

/// A structural schema of one kind.
#[derive(Clone, Debug, Default)]
pub struct Schema {}
