//! The resource interpreter's pure part: what a template means, from value to value.
