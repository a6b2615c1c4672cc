//! The paths that state preservation uses: kubectl's JSONPath, as far as it names one value.

use serde_json::Value;

/// The text of the value that a path names: `{.status.items[0].name}`, `.a['b.c']`. Strings stand as they are, other
/// values as JSON.
///
/// # Errors
/// A path of another form, or one that leads nowhere.
pub fn text_at(value: &Value, path: &str) -> Result<String, String> {
    let inner = path.trim();
    let inner = inner.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(inner).trim();
    let mut rest = inner.strip_prefix('$').unwrap_or(inner);
    let mut current = value;
    while !rest.is_empty() {
        let (step, after) = step(rest).ok_or_else(|| format!("unrecognized path {path:?}"))?;
        current = match step {
            Step::Key(key) => current.get(key).ok_or_else(|| format!("{key} is not found"))?,
            Step::Index(index) => at(current, index).ok_or_else(|| format!("array index out of bounds: {index}"))?,
            Step::Here => current,
        };
        rest = after;
    }
    Ok(match current {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

enum Step<'a> {
    Key(&'a str),
    Index(i64),
    Here,
}

fn at(value: &Value, index: i64) -> Option<&Value> {
    let list = value.as_array()?;
    let length = i64::try_from(list.len()).ok()?;
    let index = if index < 0 { index + length } else { index };
    list.get(usize::try_from(index).ok()?)
}

fn step(rest: &str) -> Option<(Step<'_>, &str)> {
    if let Some(inside) = rest.strip_prefix('[') {
        let (content, after) = match inside.chars().next()? {
            quote @ ('\'' | '"') => {
                let text = &inside[1..];
                let end = text.find(quote)?;
                return Some((Step::Key(&text[..end]), text[end + 1..].strip_prefix(']')?));
            }
            _ => inside.split_once(']')?,
        };
        return Some((Step::Index(content.trim().parse().ok()?), after));
    }
    let text = rest.strip_prefix('.').unwrap_or(rest);
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (key, after) = text.split_at(end);
    if key.is_empty() {
        // A lone dot means the value itself; a dot before a bracket may be left out.
        return (after.is_empty() || after.starts_with('[')).then_some((Step::Here, after));
    }
    (!key.contains(['*', '?', '(', '@', ' '])).then_some((Step::Key(key), after))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_name_one_value() {
        let value = json!({"a": {"b.c": [1, {"d": "x"}]}, "n": 3});
        assert_eq!(text_at(&value, "{.n}").unwrap(), "3");
        assert_eq!(text_at(&value, "{.a['b.c'][1].d}").unwrap(), "x");
        assert_eq!(text_at(&value, "{ $.a[\"b.c\"][-1].d }").unwrap(), "x");
        assert_eq!(text_at(&value, ".a['b.c'][0]").unwrap(), "1");
        assert_eq!(text_at(&value, "{.missing}").unwrap_err(), "missing is not found");
        for bad in ["{.a[}", "{.a[*]}", "{..n}", "{.a['b.c'}", "{.n[0]}", "[\u{e9}]", "['"] {
            assert!(text_at(&value, bad).is_err(), "{bad}");
        }
    }
}
