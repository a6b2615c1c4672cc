//! JSON documents that keep the order of keys and the text of numbers, as documents inside of string fields must: what
//! an overrider doesn't touch stays as its author wrote it.

use serde_json::{Map, Number, Value};

/// Nesting beyond this is refused rather than risking the stack.
const MAX_DEPTH: usize = 128;

/// A JSON value with ordered keys and numbers as text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Doc {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl From<&Value> for Doc {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Number(go_number(number)),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(map) => {
                Self::Object(map.iter().map(|(key, value)| (key.clone(), Self::from(value))).collect())
            }
        }
    }
}

impl From<Doc> for Value {
    fn from(doc: Doc) -> Self {
        match doc {
            Doc::Null => Self::Null,
            Doc::Bool(flag) => Self::Bool(flag),
            Doc::Number(text) => text.parse::<Number>().map_or(Self::Null, Self::Number),
            Doc::Text(text) => Self::String(text),
            Doc::List(items) => Self::Array(items.into_iter().map(Into::into).collect()),
            Doc::Object(entries) => {
                Self::Object(entries.into_iter().map(|(key, value)| (key, value.into())).collect::<Map<_, _>>())
            }
        }
    }
}

/// The number as Go prints it: without an exponent below 10²¹.
fn go_number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.abs() >= 1e-6 && float.abs() < 1e21 => float.to_string(),
        _ => number.to_string(),
    }
}

impl Doc {
    /// What a JSON decoder calls such a value.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Parses a JSON text; nothing if it isn't one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { bytes: text.as_bytes(), text, at: 0 };
        let doc = parser.value(0)?;
        parser.space();
        (parser.at == text.len()).then_some(doc)
    }

    /// Prints compact JSON with Go's escapes of `<`, `>`, `&` and the Unicode line separators.
    pub(super) fn print(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => print_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.print(out);
                }
                out.push(']');
            }
            Self::Object(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    print_text(key, out);
                    out.push(':');
                    value.print(out);
                }
                out.push('}');
            }
        }
    }
}

impl std::fmt::Display for Doc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.print(&mut text);
        f.write_str(&text)
    }
}

fn print_text(text: &str, out: &mut String) {
    // Serializing a string cannot fail; its quotes and escapes are serde's, the rest of Go's escapes follow.
    let quoted = serde_json::to_string(text).unwrap_or_default();
    for c in quoted.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn space(&mut self) {
        while self.bytes.get(self.at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str, doc: Doc) -> Option<Doc> {
        self.text.get(self.at..)?.starts_with(word).then(|| {
            self.at += word.len();
            doc
        })
    }

    fn value(&mut self, depth: usize) -> Option<Doc> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.space();
        match self.bytes.get(self.at)? {
            b'n' => self.word("null", Doc::Null),
            b't' => self.word("true", Doc::Bool(true)),
            b'f' => self.word("false", Doc::Bool(false)),
            b'"' => self.string().map(Doc::Text),
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                if self.take(b']') {
                    return Some(Doc::List(items));
                }
                loop {
                    items.push(self.value(depth + 1)?);
                    if self.take(b']') {
                        return Some(Doc::List(items));
                    }
                    if !self.take(b',') {
                        return None;
                    }
                }
            }
            b'{' => {
                self.at += 1;
                let mut entries: Vec<(String, Doc)> = Vec::new();
                if self.take(b'}') {
                    return Some(Doc::Object(entries));
                }
                loop {
                    self.space();
                    let key = self.string()?;
                    if !self.take(b':') {
                        return None;
                    }
                    let value = self.value(depth + 1)?;
                    // The last of equal keys counts, in the place of the first.
                    match entries.iter_mut().find(|(name, _)| *name == key) {
                        Some(entry) => entry.1 = value,
                        None => entries.push((key, value)),
                    }
                    if self.take(b'}') {
                        return Some(Doc::Object(entries));
                    }
                    if !self.take(b',') {
                        return None;
                    }
                }
            }
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Option<Doc> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = self.text.get(start..self.at)?;
        text.parse::<Number>().ok()?;
        Some(Doc::Number(text.to_owned()))
    }

    /// A string, decoded by the JSON library.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        if self.bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        self.at += 1;
        loop {
            match self.bytes.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return serde_json::from_str(self.text.get(start..self.at)?).ok();
                }
                _ => self.at += 1,
            }
        }
    }
}
