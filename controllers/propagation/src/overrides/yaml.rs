//! YAML 1.1 documents in fields: read as upstream's library reads them (`yes` is true, the first document counts) and
//! printed in its form: keys sorted, lists at the level of their key, text quoted only where it would mean something
//! else.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::Write;
use std::iter::Peekable;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::doc::Doc;

/// Nesting beyond this is refused rather than risking the stack.
const MAX_DEPTH: usize = 100;
/// Aliases may repeat what they name; beyond this many nodes a document is taken for an attack.
const MAX_NODES: usize = 1_000_000;

/// Reads the first document of a YAML text; nothing in it is null.
pub(super) fn parse(text: &str) -> Result<Doc, String> {
    let mut events = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| format!("yaml: {error}"))?;
        let is_end = matches!(event, Event::DocumentEnd | Event::StreamEnd);
        events.push(event);
        if is_end {
            break;
        }
    }
    let mut builder = Builder { anchors: HashMap::new(), nodes: 0 };
    let mut events = events.into_iter().peekable();
    while matches!(events.peek(), Some(Event::Nothing | Event::StreamStart | Event::DocumentStart(_))) {
        events.next();
    }
    match events.peek() {
        None | Some(Event::StreamEnd | Event::DocumentEnd) => Ok(Doc::Null),
        Some(_) => builder.node(&mut events, 0),
    }
}

struct Builder {
    anchors: HashMap<usize, (Doc, usize)>,
    nodes: usize,
}

impl Builder {
    fn node<'a>(
        &mut self,
        events: &mut Peekable<impl Iterator<Item = Event<'a>>>,
        depth: usize,
    ) -> Result<Doc, String> {
        let before = self.nodes;
        self.count(1)?;
        if depth > MAX_DEPTH {
            return Err("yaml: document is nested too deeply".to_owned());
        }
        let (doc, anchor) = match events.next() {
            Some(Event::Alias(anchor)) => {
                let (doc, size) = self.anchors.get(&anchor).cloned().ok_or("yaml: unknown anchor")?;
                self.count(size)?;
                return Ok(doc);
            }
            Some(Event::Scalar(text, style, anchor, tag)) => {
                let is_text = tag.is_some_and(|tag| tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !is_text;
                (if plain { resolve(&text) } else { Doc::Text(text.into_owned()) }, anchor)
            }
            Some(Event::SequenceStart(anchor, _)) => {
                let mut items = Vec::new();
                while !matches!(events.peek(), None | Some(Event::SequenceEnd)) {
                    items.push(self.node(events, depth + 1)?);
                }
                events.next();
                (Doc::List(items), anchor)
            }
            Some(Event::MappingStart(anchor, _)) => (self.mapping(events, depth)?, anchor),
            _ => return Err("yaml: unexpected end of document".to_owned()),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (doc.clone(), self.nodes - before));
        }
        Ok(doc)
    }

    fn mapping<'a>(
        &mut self,
        events: &mut Peekable<impl Iterator<Item = Event<'a>>>,
        depth: usize,
    ) -> Result<Doc, String> {
        let mut entries: Vec<(String, Doc)> = Vec::new();
        let mut merged: Vec<(String, Doc)> = Vec::new();
        while !matches!(events.peek(), None | Some(Event::MappingEnd)) {
            let is_merge = matches!(events.peek(), Some(Event::Scalar(text, ScalarStyle::Plain, _, _)) if text == "<<");
            let key = match self.node(events, depth + 1)? {
                Doc::Text(text) | Doc::Number(text) => text,
                Doc::Bool(flag) => flag.to_string(),
                Doc::Null => "null".to_owned(),
                Doc::List(_) | Doc::Object(_) => return Err("yaml: invalid map key".to_owned()),
            };
            let value = self.node(events, depth + 1)?;
            match value {
                Doc::Object(base) if is_merge => merged.extend(base),
                Doc::List(bases) if is_merge => {
                    for base in bases {
                        if let Doc::Object(base) = base {
                            merged.extend(base);
                        }
                    }
                }
                value => match entries.iter_mut().find(|(name, _)| *name == key) {
                    Some(entry) => entry.1 = value,
                    None => entries.push((key, value)),
                },
            }
        }
        events.next();
        for (key, value) in merged {
            if !entries.iter().any(|(name, _)| *name == key) {
                entries.push((key, value));
            }
        }
        Ok(Doc::Object(entries))
    }

    fn count(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err("yaml: document contains excessive aliasing".to_owned());
        }
        Ok(())
    }
}

/// What a plain scalar means in YAML 1.1.
fn resolve(text: &str) -> Doc {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Doc::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Doc::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Doc::Bool(false);
        }
        _ => {}
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if numeric {
        let plain = text.replace('_', "");
        if let Some(whole) = integer(&plain) {
            return Doc::Number(whole.to_string());
        }
        if is_float(&plain)
            && let Ok(float) = plain.parse::<f64>()
            && float.is_finite()
        {
            return Doc::Number(shortest(float));
        }
    }
    Doc::Text(text.to_owned())
}

fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let radix =
        |prefix: &str, radix| digits.strip_prefix(prefix).and_then(|rest| i128::from_str_radix(rest, radix).ok());
    let value = if digits.len() > 1 && digits.starts_with('0') {
        radix("0x", 16)
            .or_else(|| radix("0X", 16))
            .or_else(|| radix("0b", 2))
            .or_else(|| radix("0o", 8))
            .or_else(|| radix("0", 8))?
    } else {
        digits.parse().ok()?
    };
    let value = sign * value;
    // Numbers that fit neither a signed nor an unsigned 64-bit integer are floats.
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(value)
}

fn is_float(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    (!whole.is_empty() || !fraction.is_empty())
        && all_digits(whole)
        && all_digits(fraction)
        && !exponent.is_empty()
        && all_digits(exponent)
}

/// The shortest text of a float, with an exponent for very large and very small ones.
fn shortest(float: f64) -> String {
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        let text = format!("{float:e}");
        // Go writes at least two digits and a sign.
        if let Some((mantissa, exponent)) = text.split_once('e') {
            let (sign, digits) = exponent.strip_prefix('-').map_or(("+", exponent), |digits| ("-", digits));
            return format!("{mantissa}e{sign}{digits:0>2}");
        }
        return text;
    }
    float.to_string()
}

/// Prints a document.
pub(super) fn print(doc: &Doc) -> String {
    let mut out = String::new();
    block(doc, 0, false, &mut out);
    out
}

/// Prints a value on its own lines, or, `inline`, beginning on the current line after a dash.
fn block(doc: &Doc, indent: usize, inline: bool, out: &mut String) {
    match doc {
        Doc::Object(entries) if !entries.is_empty() => {
            let mut sorted: Vec<&(String, Doc)> = entries.iter().collect();
            sorted.sort_by(|left, right| natural(&left.0, &right.0));
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 || !inline {
                    pad(indent, out);
                }
                scalar_text(key, indent, out);
                out.push(':');
                match value {
                    Doc::Object(inner) if !inner.is_empty() => {
                        out.push('\n');
                        block(value, indent + 2, false, out);
                    }
                    Doc::List(items) if !items.is_empty() => {
                        out.push('\n');
                        block(value, indent, false, out);
                    }
                    _ => {
                        out.push(' ');
                        leaf(value, indent + 2, out);
                    }
                }
            }
        }
        Doc::List(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 || !inline {
                    pad(indent, out);
                }
                out.push_str("- ");
                block(item, indent + 2, true, out);
            }
        }
        _ => leaf(doc, indent, out),
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn leaf(doc: &Doc, indent: usize, out: &mut String) {
    match doc {
        Doc::Null => out.push_str("null"),
        Doc::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Doc::Number(text) => match resolve(text) {
            Doc::Number(canonical) => out.push_str(&canonical),
            _ => out.push_str(text),
        },
        Doc::Text(text) => scalar_text(text, indent, out),
        Doc::List(_) => out.push_str("[]"),
        Doc::Object(_) => out.push_str("{}"),
    }
    out.push('\n');
    // A literal block has ended its last line itself.
    if matches!(doc, Doc::Text(text) if is_literal(text)) {
        out.pop();
    }
}

/// Whether text is printed as a literal block: it has several lines, all of them printable and without trailing blanks.
fn is_literal(text: &str) -> bool {
    text.contains('\n')
        && text.chars().all(|c| c == '\n' || is_printable(c))
        && !text.lines().any(|line| line.ends_with(' '))
}

fn is_printable(c: char) -> bool {
    !c.is_control() && c != '\u{feff}' && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{85}')
}

fn scalar_text(text: &str, indent: usize, out: &mut String) {
    if is_literal(text) {
        out.push('|');
        if text.starts_with([' ', '\n']) {
            out.push('2');
        }
        if !text.ends_with('\n') {
            out.push('-');
        } else if text.ends_with("\n\n") || text == "\n" {
            out.push('+');
        }
        out.push('\n');
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            if !line.is_empty() {
                pad(indent.max(2), out);
                out.push_str(line);
            }
            out.push('\n');
        }
    } else if !text.chars().all(is_printable) || !matches!(resolve(text), Doc::Text(_)) || looks_like_time(text) {
        double_quoted(text, out);
    } else if is_plain(text) {
        out.push_str(text);
    } else {
        let _ = write!(out, "'{}'", text.replace('\'', "''"));
    }
}

fn double_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) <= 0xff => {
                let _ = write!(out, "\\x{:02X}", u32::from(c));
            }
            c if u32::from(c) <= 0xffff => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
}

/// Dates are text to us and times to YAML 1.1.
fn looks_like_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 8
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && text[5..].starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"-:.TtZz +".contains(&byte))
}

/// Whether text may stand without quotes.
fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let (Some(first), second) = (chars.next(), chars.next()) else { return false };
    let blank = |c: Option<char>| c.is_none_or(|c| c == ' ');
    let indicator = match first {
        '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => true,
        '-' | '?' | ':' => blank(second),
        _ => false,
    };
    !indicator
        && !text.starts_with(' ')
        && !text.ends_with([' ', ':'])
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !text.contains(": ")
        && !text.contains(" #")
}

/// The order of keys: letters after everything else, numbers by value.
fn natural(left: &str, right: &str) -> Ordering {
    let (mut a, mut b) = (left.chars().peekable(), right.chars().peekable());
    loop {
        match (a.peek().copied(), b.peek().copied()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let number = |chars: &mut Peekable<std::str::Chars<'_>>| {
                    let mut digits = String::new();
                    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                        digits.push(digit);
                    }
                    (digits.trim_start_matches('0').len(), digits.trim_start_matches('0').to_owned(), digits.len())
                };
                match number(&mut a).cmp(&number(&mut b)) {
                    Ordering::Equal => {}
                    order => return order,
                }
            }
            (Some(x), Some(y)) if x == y => {
                a.next();
                b.next();
            }
            (Some(x), Some(y)) => {
                return x.is_alphabetic().cmp(&y.is_alphabetic()).then(x.cmp(&y));
            }
        }
    }
}
