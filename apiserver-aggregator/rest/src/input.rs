//! From a request's body to an object of the expected kind.

use karmada_machinery::{FieldError, GroupVersion, ResourceInfo, StatusError, meta, protobuf, schema};
use serde_json::Value;

use crate::{
    call::WarningSink,
    decode::{self, Decoded},
    query::FieldValidation,
    shape,
};

/// So much of a body is shown in errors.
const SUMMARY_LENGTH: usize = 30;

fn summary(body: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let shown = &body[..body.len().min(SUMMARY_LENGTH)];
    let tail = if body.len() > SUMMARY_LENGTH { " ..." } else { "" };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{tail}", String::from_utf8_lossy(shown)),
        Some(_) => format!("{}{tail}", hex(shown)),
    }
}

/// 400: the body is nothing that can be read.
pub(crate) fn unrecognized(kind: &str, why: &str, body: &[u8]) -> StatusError {
    StatusError::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): {why} ({})",
        summary(body)
    ))
}

/// Decodes the body by its media type.
fn parse(media_type: &str, kind: &str, body: &[u8]) -> Result<Decoded, StatusError> {
    match media_type {
        "" | "application/json" => decode::json(body)
            .map_err(|e| unrecognized(kind, &format!("couldn't get version/kind; json parse error: {e}"), body)),
        "application/yaml" => decode::yaml(body).map_err(|e| unrecognized(kind, &e, body)),
        decode::PROTOBUF => match protobuf::decode(body) {
            Ok(value) => Ok(Decoded { value, duplicates: Vec::new() }),
            Err(protobuf::Error::UnknownKind(_)) => Err(decode::unsupported_media_type()),
            Err(error) => Err(unrecognized(kind, &error.to_string(), body)),
        },
        _ => Err(decode::unsupported_media_type()),
    }
}

/// Decodes an object of the resource's kind; unknown and duplicate fields become warnings or errors, and the result has
/// defaults.
pub(crate) fn object(
    media_type: &str,
    body: &[u8],
    info: &ResourceInfo,
    validation: FieldValidation,
    warnings: &WarningSink,
) -> Result<Value, StatusError> {
    let Decoded { mut value, duplicates } = parse(media_type, &info.kind, body)?;
    if value.is_null() {
        value = Value::Object(serde_json::Map::new());
    }
    if !value.is_object() {
        let type_name = crate::shape::json_type(&value);
        let why = format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {type_name} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
        );
        return Err(unrecognized(&info.kind, &why, body));
    }
    check_kind(&mut value, info, body)?;
    let json = matches!(media_type, "" | "application/json").then_some(body);
    refine(&mut value, info, validation, duplicates, json, warnings)?;
    Ok(value)
}

/// Types, unknown fields and defaults of a decoded object.
pub(crate) fn refine(
    value: &mut Value,
    info: &ResourceInfo,
    validation: FieldValidation,
    duplicates: Vec<String>,
    json: Option<&[u8]>,
    warnings: &WarningSink,
) -> Result<(), StatusError> {
    let handled = |why: &str| StatusError::bad_request(handled_as(info, &info.kind, &info.gvr.version, why));
    let unknown = shape::decode(value, info).map_err(|why| handled(&why))?;
    if !(unknown.is_empty() && duplicates.is_empty()) && validation != FieldValidation::Ignore {
        let strict = validation == FieldValidation::Strict;
        let complaints = match json {
            // Errors and warnings come in the order of the document.
            Some(json) => schema::strict_findings(&info.schema, json),
            None => {
                // The lines of duplicate keys in YAML have a heading in errors only.
                let heading = |text: String| if strict { format!("yaml: unmarshal errors:\n  {text}") } else { text };
                let unknown = unknown.into_iter().map(|path| format!("unknown field \"{path}\""));
                duplicates.into_iter().map(heading).chain(unknown).collect()
            }
        };
        if strict && !complaints.is_empty() {
            return Err(handled(&format!("strict decoding error: {}", complaints.join(", "))));
        }
        complaints.into_iter().for_each(|text| warnings.add(text));
    }
    shape::default_object(value, info);
    Ok(())
}

fn handled_as(info: &ResourceInfo, kind: &str, version: &str, why: &str) -> String {
    format!("{kind} in version {version:?} cannot be handled as a {}: {why}", info.kind)
}

/// The name of the package of a group's internal types, as Go prints it.
fn go_package(group: &str) -> &str {
    if group.is_empty() { "core" } else { group.split('.').next().unwrap_or(group) }
}

/// Checks apiVersion and kind, and fills them in where they may be left out.
pub(crate) fn check_kind(value: &mut Value, info: &ResourceInfo, body: &[u8]) -> Result<(), StatusError> {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text(value, "apiVersion"), text(value, "kind"));
    let expected = info.gvk();
    let expected_version = expected.api_version();
    if info.strategy.custom_resource() {
        if kind.is_empty() {
            let shown = String::from_utf8_lossy(body);
            let why = format!("Object 'Kind' is missing in '{shown}'");
            return Err(unrecognized(&info.kind, &why, body));
        }
        if api_version != expected_version {
            return Err(StatusError::bad_request(format!(
                "the API version in the data ({api_version}) does not match the expected API version ({expected_version})"
            )));
        }
        if kind != info.kind {
            let error = FieldError::invalid("kind", kind.as_str(), format!("must be {}", info.kind));
            return Err(StatusError::invalid(&info.gvr.group, &kind, meta::name(value).unwrap_or_default(), &[error]));
        }
        return Ok(());
    }
    let given = if api_version.is_empty() {
        expected.group_version()
    } else {
        GroupVersion::parse(&api_version)
            .ok_or_else(|| unrecognized(&info.kind, &format!("unexpected GroupVersion string: {api_version}"), body))?
    };
    let kind = if kind.is_empty() { info.kind.clone() } else { kind };
    if kind != info.kind {
        let why = format!(
            "converting ({}.{kind}) to ({}.{}): unknown conversion",
            given.version,
            go_package(&info.gvr.group),
            info.kind
        );
        return Err(StatusError::bad_request(handled_as(info, &kind, &given.version, &why)));
    }
    if given != expected.group_version() {
        return Err(StatusError::bad_request(format!(
            "the API version in the data ({given}) does not match the expected API version ({expected_version})"
        )));
    }
    if let Some(map) = value.as_object_mut() {
        map.insert("apiVersion".into(), expected_version.into());
        map.insert("kind".into(), kind.into());
    }
    Ok(())
}
