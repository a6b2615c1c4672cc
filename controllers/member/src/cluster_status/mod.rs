//! placeholder
/// Placeholder.
pub struct Health;
