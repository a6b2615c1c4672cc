//! Objects seen through their schema: is it valid, which fields has it, what changed, merge, remove.

mod compare;
mod fields;
mod merge;
mod remove;
mod validate;

pub(super) use compare::{Comparison, compare};
pub(super) use fields::field_set;
pub(super) use merge::merge;
pub(super) use remove::remove;
pub(super) use validate::validate;
