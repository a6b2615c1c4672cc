//! Printer columns of custom resources.

use jiff::Timestamp;
use serde_json::Value;

use super::text;
use crate::table::{Column, TableConvertor};

/// Prints the name and the columns that the definition states; the age if it states none.
#[derive(Debug)]
pub(super) struct CustomColumns {
    columns: Vec<Column>,
    paths: Vec<Vec<Step>>,
}

impl CustomColumns {
    pub(super) fn new(stated: &[Value]) -> Self {
        let mut columns = vec![Column {
            name: "Name".to_owned(),
            kind: "string".to_owned(),
            format: "name".to_owned(),
            description: NAME.to_owned(),
            priority: 0,
        }];
        let mut paths = Vec::new();
        for column in stated {
            columns.push(Column {
                name: text(column, "name").to_owned(),
                kind: text(column, "type").to_owned(),
                format: text(column, "format").to_owned(),
                description: match text(column, "description") {
                    "" => {
                        format!("Custom resource definition column (in JSONPath format): {}", text(column, "jsonPath"))
                    }
                    given => given.to_owned(),
                },
                priority: column["priority"].as_i64().and_then(|p| i32::try_from(p).ok()).unwrap_or_default(),
            });
            paths.push(parse(text(column, "jsonPath")));
        }
        if stated.is_empty() {
            columns.push(Column {
                name: "Age".to_owned(),
                kind: "date".to_owned(),
                format: String::new(),
                description: AGE.to_owned(),
                priority: 0,
            });
            paths.push(parse(".metadata.creationTimestamp"));
        }
        Self { columns, paths }
    }
}

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const AGE: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

impl TableConvertor for CustomColumns {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let name = object.get("metadata").and_then(|m| m.get("name")).cloned().unwrap_or_default();
        let mut cells = vec![name];
        for (column, path) in self.columns.iter().skip(1).zip(&self.paths) {
            cells.push(first(object, path).map_or(Value::Null, |value| cell(&column.kind, value, now)));
        }
        cells
    }
}

fn cell(kind: &str, value: &Value, now: Timestamp) -> Value {
    match (kind, value) {
        (_, Value::Null) => Value::Null,
        ("integer", Value::Number(n)) => n.as_i64().or_else(|| n.as_f64().map(|f| f as i64)).into(),
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) | ("string", Value::String(_)) => value.clone(),
        ("date", Value::String(time)) => match time.parse::<Timestamp>() {
            Ok(time) => human_duration(now.as_second() - time.as_second()).into(),
            Err(_) => "<invalid>".into(),
        },
        ("string", other) => other.to_string().into(),
        _ => Value::Null,
    }
}

/// An age as kubectl shows it: two units while they matter, then one.
pub(crate) fn human_duration(seconds: i64) -> String {
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |big: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{rest}{small}") }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(days, "d", hours % 24, "h"),
        () if hours < 24 * 365 * 2 => format!("{days}d"),
        () if hours < 24 * 365 * 8 => two(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

/// A step of a JSON path.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
    All,
    /// `[?(@.key=="value")]`
    Equals(Vec<String>, String),
}

/// Parses the JSON paths that printer columns use; what cannot be parsed finds nothing.
fn parse(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path.trim().trim_start_matches('{').trim_end_matches('}');
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let (key, next) = key(after);
            if !key.is_empty() {
                steps.push(Step::Key(key));
            }
            rest = next;
        } else if let Some(after) = rest.strip_prefix('[') {
            let Some((inside, next)) = bracket(after) else { return vec![Step::Key(String::new())] };
            match subscript(inside) {
                Some(step) => steps.push(step),
                None => return vec![Step::Key(String::new())],
            }
            rest = next;
        } else {
            let (key, next) = key(rest);
            if key.is_empty() {
                return vec![Step::Key(String::new())];
            }
            steps.push(Step::Key(key));
            rest = next;
        }
    }
    steps
}

/// A key up to the next unescaped dot or bracket.
fn key(text: &str) -> (String, &str) {
    let mut key = String::new();
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => {
                key.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '.' | '[' => return (key, &text[index..]),
            _ => key.push(c),
        }
    }
    (key, "")
}

/// What stands before the matching bracket, quotes respected.
fn bracket(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut depth = 0;
    for (index, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some((&text[..index], &text[index + 1..])),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn subscript(inside: &str) -> Option<Step> {
    let inside = inside.trim();
    if inside == "*" {
        return Some(Step::All);
    }
    if let Ok(index) = inside.parse() {
        return Some(Step::Index(index));
    }
    if let Some(name) = unquote(inside) {
        return Some(Step::Key(name.to_owned()));
    }
    let filter = inside.strip_prefix("?(")?.strip_suffix(')')?;
    let (left, right) = filter.split_once("==")?;
    let keys = left.trim().strip_prefix('@')?.trim_start_matches('.').split('.').map(str::to_owned).collect();
    Some(Step::Equals(keys, unquote(right.trim())?.to_owned()))
}

fn unquote(text: &str) -> Option<&str> {
    ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
}

/// The first value that the path finds.
fn first<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    let Some((step, rest)) = path.split_first() else { return Some(value) };
    match step {
        Step::Key(key) => first(value.get(key)?, rest),
        Step::Index(index) => first(value.get(index)?, rest),
        Step::All => match value {
            Value::Array(items) => items.iter().find_map(|item| first(item, rest)),
            Value::Object(map) => map.values().find_map(|item| first(item, rest)),
            _ => None,
        },
        Step::Equals(keys, wanted) => value.as_array()?.iter().find_map(|item| {
            let found = keys.iter().try_fold(item, |v, key| v.get(key))?;
            if found.as_str() == Some(wanted) { first(item, rest) } else { None }
        }),
    }
}
