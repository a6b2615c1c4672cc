//! The protobuf form of a v2 document (gnostic's `openapi.v2.Document`), which kubectl asks for.

use serde_json::Value;

/// Encodes a v2 document.
pub fn encode_v2(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, &document["swagger"]);
    out.message(2, |info| {
        info.text(1, &document["info"]["title"]);
        info.text(2, &document["info"]["version"]);
    });
    out.message(8, |paths| {
        for (name, item) in fields(&document["paths"]) {
            paths.named(2, name, |out| path_item(out, item));
        }
    });
    out.message(9, |definitions| {
        for (name, definition) in fields(&document["definitions"]) {
            definitions.named(1, name, |out| schema(out, definition));
        }
    });
    for requirement in items(&document["security"]) {
        out.message(12, |out| {
            for (name, scopes) in fields(requirement) {
                out.named(1, name, |out| {
                    for scope in items(scopes) {
                        out.text(1, scope);
                    }
                });
            }
        });
    }
    out.message(13, |out| {
        for (name, definition) in fields(&document["securityDefinitions"]) {
            out.named(1, name, |out| {
                // The second of the forms: an API key.
                out.message(2, |key| {
                    key.text(1, &definition["type"]);
                    key.text(2, &definition["name"]);
                    key.text(3, &definition["in"]);
                    key.text(4, &definition["description"]);
                });
            });
        }
    });
    out.0
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A message being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u32, write: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// A pair of name and value, as maps are encoded.
    fn named(&mut self, field: u32, name: &str, write: impl FnOnce(&mut Message)) {
        self.message(field, |out| {
            out.bytes(1, name.as_bytes());
            out.message(2, write);
        });
    }

    fn text(&mut self, field: u32, value: &Value) {
        if let Some(text) = value.as_str().filter(|t| !t.is_empty()) {
            self.bytes(field, text.as_bytes());
        }
    }

    fn texts(&mut self, field: u32, value: &Value) {
        for item in items(value) {
            self.text(field, item);
        }
    }

    fn truth(&mut self, field: u32, value: &Value) {
        if value == &Value::Bool(true) {
            self.varint(u64::from(field) << 3);
            self.varint(1);
        }
    }

    fn count(&mut self, field: u32, value: &Value) {
        if let Some(number) = value.as_u64().filter(|n| *n != 0) {
            self.varint(u64::from(field) << 3);
            self.varint(number);
        }
    }

    fn double(&mut self, field: u32, value: &Value) {
        if let Some(number) = value.as_f64().filter(|n| *n != 0.0) {
            self.varint(u64::from(field) << 3 | 1);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Any value as YAML, of which JSON is a part.
    fn any(&mut self, field: u32, value: &Value) {
        self.message(field, |out| out.bytes(2, format!("{value}\n").as_bytes()));
    }

    fn extensions(&mut self, field: u32, value: &Value) {
        for (name, extension) in fields(value).filter(|(name, _)| name.starts_with("x-")) {
            self.message(field, |out| {
                out.bytes(1, name.as_bytes());
                out.any(2, extension);
            });
        }
    }
}

fn path_item(out: &mut Message, item: &Value) {
    for (field, method) in
        [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (6, "options"), (7, "head"), (8, "patch")]
    {
        if let Some(value) = item.get(method) {
            out.message(field, |out| operation(out, value));
        }
    }
    for parameter_value in items(&item["parameters"]) {
        out.message(9, |out| parameter(out, parameter_value));
    }
}

fn operation(out: &mut Message, value: &Value) {
    out.texts(1, &value["tags"]);
    out.text(3, &value["description"]);
    out.text(5, &value["operationId"]);
    out.texts(6, &value["produces"]);
    out.texts(7, &value["consumes"]);
    for parameter_value in items(&value["parameters"]) {
        out.message(8, |out| parameter(out, parameter_value));
    }
    out.message(9, |out| {
        for (code, response) in fields(&value["responses"]) {
            out.named(1, code, |out| {
                out.message(1, |out| {
                    out.text(1, &response["description"]);
                    if let Some(body) = response.get("schema") {
                        out.message(2, |out| out.message(1, |out| schema(out, body)));
                    }
                });
            });
        }
    });
    out.texts(10, &value["schemes"]);
    out.extensions(13, value);
}

/// A parameter in the body, the query or the path.
fn parameter(out: &mut Message, value: &Value) {
    out.message(1, |out| match value["in"].as_str() {
        Some("body") => out.message(1, |out| {
            out.text(1, &value["description"]);
            out.text(2, &value["name"]);
            out.text(3, &value["in"]);
            out.truth(4, &value["required"]);
            out.message(5, |out| schema(out, &value["schema"]));
        }),
        Some("path") => out.message(2, |out| {
            out.message(4, |out| {
                out.truth(1, &value["required"]);
                out.text(2, &value["in"]);
                out.text(3, &value["description"]);
                out.text(4, &value["name"]);
                out.text(5, &value["type"]);
                out.truth(18, &value["uniqueItems"]);
            });
        }),
        _ => out.message(2, |out| {
            out.message(3, |out| {
                out.truth(1, &value["required"]);
                out.text(2, &value["in"]);
                out.text(3, &value["description"]);
                out.text(4, &value["name"]);
                out.text(6, &value["type"]);
                out.truth(19, &value["uniqueItems"]);
            });
        }),
    });
}

fn schema(out: &mut Message, value: &Value) {
    out.text(1, &value["$ref"]);
    out.text(2, &value["format"]);
    out.text(3, &value["title"]);
    out.text(4, &value["description"]);
    if let Some(default) = value.get("default") {
        out.any(5, default);
    }
    out.double(6, &value["multipleOf"]);
    out.double(7, &value["maximum"]);
    out.truth(8, &value["exclusiveMaximum"]);
    out.double(9, &value["minimum"]);
    out.truth(10, &value["exclusiveMinimum"]);
    out.count(11, &value["maxLength"]);
    out.count(12, &value["minLength"]);
    out.text(13, &value["pattern"]);
    out.count(14, &value["maxItems"]);
    out.count(15, &value["minItems"]);
    out.truth(16, &value["uniqueItems"]);
    out.count(17, &value["maxProperties"]);
    out.count(18, &value["minProperties"]);
    out.texts(19, &value["required"]);
    for allowed in items(&value["enum"]) {
        out.any(20, allowed);
    }
    match value.get("additionalProperties") {
        Some(Value::Bool(on)) => out.message(21, |out| {
            out.varint(2 << 3);
            out.varint(u64::from(*on));
        }),
        Some(inner @ Value::Object(_)) => out.message(21, |out| out.message(1, |out| schema(out, inner))),
        _ => {}
    }
    if let Some(kind) = value["type"].as_str() {
        out.message(22, |out| out.bytes(1, kind.as_bytes()));
    }
    if let Some(inner) = value.get("items") {
        out.message(23, |out| out.message(1, |out| schema(out, inner)));
    }
    for inner in items(&value["allOf"]) {
        out.message(24, |out| schema(out, inner));
    }
    if let Some(properties) = value.get("properties") {
        out.message(25, |out| {
            for (name, property) in fields(properties) {
                out.named(1, name, |out| schema(out, property));
            }
        });
    }
    out.extensions(31, value);
}
