//! The built-in kinds: their resources, defaults, validation and strategies.

pub mod names;
