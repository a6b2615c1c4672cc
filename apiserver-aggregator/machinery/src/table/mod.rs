//! Table output: columns and cells.

use jiff::Timestamp;
use serde_json::Value;

/// A column of a Table, as `columnDefinitions` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The header.
    pub name: String,
    /// JSON type: string, integer, number, boolean, date.
    pub kind: String,
    /// `name` for the first column; otherwise mostly empty.
    pub format: String,
    /// Description.
    pub description: String,
    /// 0 for columns always shown, 1 for those of `-o wide`.
    pub priority: i32,
}

/// How objects of one resource are printed in a Table.
pub trait TableConvertor: Send + Sync {
    /// The columns.
    fn columns(&self) -> &[Column];

    /// The cells of one object, one a column. Ages are relative to `now`.
    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value>;
}
