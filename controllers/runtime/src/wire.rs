//! The shapes of lists and watch events, read without decoding the objects in them.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::key::ObjectKey;

#[derive(Deserialize)]
pub(crate) struct Meta<'a> {
    #[serde(borrow, default)]
    pub(crate) metadata: MetaFields<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetaFields<'a> {
    #[serde(borrow, default)]
    pub(crate) name: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) namespace: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) resource_version: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
pub(crate) struct List<'a> {
    #[serde(default)]
    pub(crate) metadata: ListMeta,
    #[serde(borrow, default)]
    pub(crate) items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListMeta {
    #[serde(default)]
    pub(crate) resource_version: String,
    #[serde(default, rename = "continue")]
    pub(crate) token: String,
}

#[derive(Deserialize)]
pub(crate) struct Event<'a> {
    pub(crate) r#type: &'a str,
    #[serde(borrow)]
    pub(crate) object: &'a RawValue,
}

#[derive(Deserialize)]
pub(crate) struct ErrorStatus {
    #[serde(default)]
    pub(crate) code: u16,
    #[serde(default)]
    pub(crate) message: String,
}

/// Key and resourceVersion of an object's JSON text; `None` if it is no object.
pub(crate) fn meta_of(text: &str) -> Option<(ObjectKey, Box<str>)> {
    let meta: Meta<'_> = serde_json::from_str(text).ok()?;
    let fields = meta.metadata;
    Some((ObjectKey::new(&fields.namespace, &fields.name), fields.resource_version.into()))
}

/// A resourceVersion as a number; 0 if it is none.
pub(crate) fn number(version: &str) -> u64 {
    version.parse().unwrap_or_default()
}
