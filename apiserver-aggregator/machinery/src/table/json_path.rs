//! JSON paths of printer columns, scale paths and selectable fields: `.spec.items[*].name`, `.status.conditions[?(@.type=="Ready")].status`.
//!
//! Fields (also escaped, quoted and wildcards), indices, slices, filters with one comparison, and recursive descent. No
//! templates around a path, no `range`.

use std::cmp::Ordering;

use serde_json::Value;

/// Steps of one path, at most; more cannot be meant.
const MAX_STEPS: usize = 256;

/// Values found at once, at most: repeated recursive descent would find each value over and over.
const MAX_FOUND: usize = 10_000;

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Wildcard,
    Recursive,
    Slice {
        start: Option<i64>,
        end: Option<i64>,
        step: i64,
    },
    Index(i64),
    Filter {
        left: Operand,
        comparison: Option<(Comparison, Operand)>,
    },
    /// `['a','b']` and `[0,2]`.
    Union(Vec<Step>),
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Path(JsonPath),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A parsed path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

impl JsonPath {
    /// Parses a path, with or without braces around it and a `$` before it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text).trim();
        let text = text.strip_prefix(['$', '@']).unwrap_or(text);
        let mut parser = Parser { rest: text };
        let mut steps = Vec::new();
        while !parser.rest.is_empty() {
            parser.step(&mut steps)?;
            if steps.len() > MAX_STEPS {
                return Err("the path is too long".to_owned());
            }
        }
        Ok(Self { steps })
    }

    /// All values at the path, in order; none where something is missing or of another type.
    pub fn find<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![value];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                step.select(value, &mut next);
                if next.len() >= MAX_FOUND {
                    next.truncate(MAX_FOUND);
                    break;
                }
            }
            found = next;
        }
        found
    }
}

impl Step {
    fn select<'v>(&self, value: &'v Value, out: &mut Vec<&'v Value>) {
        match self {
            Self::Field(name) => out.extend(value.get(name.as_str())),
            Self::Wildcard => match value {
                Value::Array(items) => out.extend(items),
                Value::Object(map) => out.extend(map.values()),
                _ => {}
            },
            Self::Recursive => {
                // The value itself, then everything below it, parents first.
                let mut stack = vec![value];
                while let Some(value) = stack.pop() {
                    match value {
                        Value::Array(items) => {
                            out.push(value);
                            stack.extend(items.iter().rev());
                        }
                        Value::Object(map) => {
                            out.push(value);
                            stack.extend(map.values().rev());
                        }
                        _ => {}
                    }
                }
            }
            Self::Index(index) => {
                let Value::Array(items) = value else { return };
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let at = if *index < 0 { index.saturating_add(length) } else { *index };
                out.extend(usize::try_from(at).ok().and_then(|at| items.get(at)));
            }
            Self::Slice { start, end, step } => {
                let Value::Array(items) = value else { return };
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let bound = |bound: Option<i64>, default: i64| {
                    let bound = bound.unwrap_or(default);
                    (if bound < 0 { bound.saturating_add(length) } else { bound }).clamp(0, length)
                };
                let mut at = bound(*start, 0);
                let end = bound(*end, length);
                while at < end {
                    out.extend(usize::try_from(at).ok().and_then(|at| items.get(at)));
                    at = at.saturating_add((*step).max(1));
                }
            }
            Self::Filter { left, comparison } => {
                let Value::Array(items) = value else { return };
                out.extend(items.iter().filter(|item| keep(item, left, comparison.as_ref())));
            }
            Self::Union(steps) => steps.iter().for_each(|step| step.select(value, out)),
        }
    }
}

fn keep(item: &Value, left: &Operand, comparison: Option<&(Comparison, Operand)>) -> bool {
    let value_of = |operand: &Operand| match operand {
        Operand::Path(path) => path.find(item).first().map(|v| (*v).clone()),
        Operand::Literal(value) => Some(value.clone()),
    };
    let left = value_of(left);
    let Some((comparison, right)) = comparison else {
        return left.is_some();
    };
    let (Some(left), Some(right)) = (left, value_of(right)) else {
        return false;
    };
    let order = match (&left, &right) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().unwrap_or(f64::NAN).partial_cmp(&b.as_f64().unwrap_or(f64::NAN))
        }
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    };
    match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order.is_some_and(Ordering::is_ne),
        Comparison::Less => order.is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
        Comparison::Greater => order.is_some_and(Ordering::is_gt),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn step(&mut self, steps: &mut Vec<Step>) -> Result<(), String> {
        if let Some(rest) = self.rest.strip_prefix("..") {
            self.rest = rest;
            steps.push(Step::Recursive);
            if !self.rest.starts_with('[') {
                steps.push(self.field()?);
            }
        } else if let Some(rest) = self.rest.strip_prefix('.') {
            self.rest = rest;
            // A dot alone is the value itself, and one before a bracket says nothing.
            if !self.rest.is_empty() && !self.rest.starts_with('[') {
                steps.push(self.field()?);
            }
        } else if self.rest.starts_with('[') {
            let content = self.bracket()?;
            steps.push(bracket_step(content)?);
        } else {
            // The first field may stand without a dot.
            steps.push(self.field()?);
        }
        Ok(())
    }

    fn field(&mut self) -> Result<Step, String> {
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        let mut end = self.rest.len();
        let mut wildcard = false;
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => {
                    if let Some((_, escaped)) = chars.next() {
                        name.push(escaped);
                    }
                }
                '.' | '[' => {
                    end = at;
                    break;
                }
                '{' | '}' | '(' | ')' | ']' | '"' | '\'' | '|' => {
                    return Err(format!("unexpected {c:?} in path"));
                }
                c => {
                    wildcard |= c == '*';
                    name.push(c);
                }
            }
        }
        self.rest = &self.rest[end..];
        match name.as_str() {
            "*" if wildcard => Ok(Step::Wildcard),
            "" => Err("a field without a name".to_owned()),
            _ => Ok(Step::Field(name)),
        }
    }

    /// What stands between brackets; brackets and quotes within are balanced.
    fn bracket(&mut self) -> Result<&'a str, String> {
        let (mut depth, mut quote, mut escaped) = (0, None, false);
        for (at, c) in self.rest.char_indices() {
            match (quote, c) {
                _ if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(q), c) if q == c => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(c),
                (None, '[') => depth += 1,
                (None, ']') => {
                    depth -= 1;
                    if depth == 0 {
                        let content = &self.rest[1..at];
                        self.rest = &self.rest[at + 1..];
                        return Ok(content.trim());
                    }
                }
                _ => {}
            }
        }
        Err("unterminated array".to_owned())
    }
}

fn quoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            plain.extend(chars.next());
        } else if c == quote {
            return None;
        } else {
            plain.push(c);
        }
    }
    Some(plain)
}

fn bracket_step(content: &str) -> Result<Step, String> {
    if let Some(condition) = content.strip_prefix("?(").and_then(|c| c.strip_suffix(')')) {
        return filter(condition.trim());
    }
    if content == "*" {
        return Ok(Step::Wildcard);
    }
    if let Some(name) = quoted(content) {
        return Ok(Step::Field(name));
    }
    if content.contains(',') {
        let parts: Result<Vec<Step>, String> = content.split(',').map(|part| bracket_step(part.trim())).collect();
        return Ok(Step::Union(parts?));
    }
    let number = |text: &str| -> Result<Option<i64>, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| format!("invalid array index {content}"))
    };
    let parts: Vec<&str> = content.split(':').collect();
    match parts.as_slice() {
        [index] => number(index)?.map(Step::Index).ok_or_else(|| "empty array index".to_owned()),
        [start, end] => Ok(Step::Slice { start: number(start)?, end: number(end)?, step: 1 }),
        [start, end, step] => {
            Ok(Step::Slice { start: number(start)?, end: number(end)?, step: number(step)?.unwrap_or(1) })
        }
        _ => Err(format!("invalid array index {content}")),
    }
}

fn filter(condition: &str) -> Result<Step, String> {
    const OPERATORS: [(&str, Comparison); 6] = [
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    let mut quote = None;
    for (at, c) in condition.char_indices() {
        match quote {
            Some(q) if q == c => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => {
                let rest = &condition[at..];
                if let Some((text, comparison)) = OPERATORS.iter().find(|(text, _)| rest.starts_with(text)) {
                    let left = operand(condition[..at].trim())?;
                    let right = operand(rest[text.len()..].trim())?;
                    return Ok(Step::Filter { left, comparison: Some((*comparison, right)) });
                }
            }
        }
    }
    Ok(Step::Filter { left: operand(condition)?, comparison: None })
}

fn operand(text: &str) -> Result<Operand, String> {
    if let Some(path) = text.strip_prefix(['@', '$']) {
        // Filters within filters would need more than one comparison; nobody writes them.
        if path.contains("?(") {
            return Err("nested filters are not supported".to_owned());
        }
        return JsonPath::parse(path).map(Operand::Path);
    }
    if let Some(literal) = quoted(text) {
        return Ok(Operand::Literal(literal.into()));
    }
    match text {
        "true" => Ok(Operand::Literal(true.into())),
        "false" => Ok(Operand::Literal(false.into())),
        _ => match serde_json::from_str::<Value>(text) {
            Ok(number @ Value::Number(_)) => Ok(Operand::Literal(number)),
            _ => Err(format!("unrecognized operand {text:?}")),
        },
    }
}
