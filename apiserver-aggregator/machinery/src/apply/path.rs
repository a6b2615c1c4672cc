//! Steps of a path into an object, as managed fields name them.

use std::{cmp::Ordering, fmt};

use serde_json::{Map, Value};

/// A JSON value with a total order, so that it can stand in a path. Whole and fractional numbers compare by value.
#[derive(Clone, Debug)]
pub struct Literal(pub Value);

impl Literal {
    fn rank(&self) -> u8 {
        match self.0 {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Number(_) => 2,
            Value::String(_) => 3,
            Value::Array(_) => 4,
            Value::Object(_) => 5,
        }
    }
}

impl Ord for Literal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => a.as_f64().unwrap_or(f64::NAN).total_cmp(&b.as_f64().unwrap_or(f64::NAN)),
            },
            (Value::Array(_) | Value::Object(_), Value::Array(_) | Value::Object(_)) => {
                self.0.to_string().cmp(&other.0.to_string())
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Literal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Literal {}

/// One step: a field, an item of a list told by its keys or its value, or an index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement {
    /// A field of an object or a key of a map.
    Field(String),
    /// An item of a list of objects, by the values of its keys, sorted by key.
    Key(Vec<(String, Literal)>),
    /// An item of a set.
    Value(Literal),
    /// An item by its place.
    Index(i64),
}

impl PathElement {
    /// A field.
    pub fn field(name: impl Into<String>) -> Self {
        Self::Field(name.into())
    }

    /// The key under which `fieldsV1` names the step: `f:name`, `k:{"a":1}`, `v:"x"`, `i:0`.
    pub fn to_key(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(fields) => {
                let map: Map<String, Value> = fields.iter().map(|(k, v)| (k.clone(), v.0.clone())).collect();
                format!("k:{}", Value::Object(map))
            }
            Self::Value(value) => format!("v:{}", value.0),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// Parses a key of `fieldsV1`. `Ok(None)` for kinds of steps that are not known, which are to be ignored.
    pub fn from_key(key: &str) -> Result<Option<Self>, String> {
        let Some((kind, rest)) = key.split_at_checked(2) else {
            return Ok(None);
        };
        Ok(Some(match kind {
            "f:" => Self::Field(rest.to_owned()),
            "v:" => Self::Value(Literal(serde_json::from_str(rest).map_err(|e| e.to_string())?)),
            "i:" => Self::Index(rest.parse().map_err(|e: std::num::ParseIntError| e.to_string())?),
            "k:" => {
                let map: Map<String, Value> = serde_json::from_str(rest).map_err(|e| e.to_string())?;
                Self::Key(map.into_iter().map(|(k, v)| (k, Literal(v))).collect())
            }
            _ => return Ok(None),
        }))
    }
}

impl fmt::Display for PathElement {
    /// As conflicts and errors print it: `.name`, `[a="x",b=1]`, `[="x"]`, `[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                let texts: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={}", v.0)).collect();
                write!(f, "[{}]", texts.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", value.0),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Prints a whole path.
pub fn display_path(path: &[PathElement]) -> String {
    path.iter().map(PathElement::to_string).collect()
}
