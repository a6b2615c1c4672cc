//! Which format a client wants, and how a body is encoded in it.

use http::{HeaderMap, header};
use karmada_machinery::{Reason, StatusError};

/// The encoding of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `application/json`.
    #[default]
    Json,
    /// `application/yaml`.
    Yaml,
}

impl Format {
    /// The `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// The shape of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// The object itself.
    #[default]
    Object,
    /// A Table of this version of meta.k8s.io.
    Table(String),
    /// Metadata only, of this version of meta.k8s.io.
    Metadata(String),
    /// Metadata of a list only.
    MetadataList(String),
}

/// What the client accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The encoding.
    pub format: Format,
    /// The shape.
    pub view: View,
    /// Whether JSON is indented.
    pub pretty: bool,
}

/// One clause of an `Accept` header.
#[derive(Debug)]
pub(crate) struct Clause<'a> {
    pub(crate) media: &'a str,
    pub(crate) params: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl Clause<'_> {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }
}

/// The clauses of an `Accept` header, best first.
pub(crate) fn clauses(headers: &HeaderMap) -> Vec<Clause<'_>> {
    let mut found = Vec::new();
    for value in headers.get_all(header::ACCEPT) {
        let Ok(text) = value.to_str() else { continue };
        for part in text.split(',') {
            let mut pieces = part.split(';').map(str::trim);
            let media = pieces.next().unwrap_or_default();
            if media.is_empty() {
                continue;
            }
            let mut clause = Clause { media, params: Vec::new(), quality: 1.0 };
            for piece in pieces {
                let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
                if name == "q" {
                    clause.quality = value.parse().unwrap_or(1.0);
                } else {
                    clause.params.push((name, value));
                }
            }
            found.push(clause);
        }
    }
    // A stable sort keeps the client's order among equals.
    found.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    found
}

/// What a path can answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Objects and lists of a resource: JSON and YAML, and the Table and metadata views.
    Resource,
    /// A watch: JSON frames only, with the views.
    Stream,
    /// A plain document: JSON and YAML without views.
    Document,
}

/// 406: none of the accepted types is on offer.
pub fn not_acceptable() -> StatusError {
    StatusError::new(
        406,
        Reason::NotAcceptable,
        "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )
}

/// Picks what the client likes best of what is on offer.
pub fn accept(headers: &HeaderMap, offer: Offer, pretty: Option<&str>) -> Result<Accepted, StatusError> {
    let wants_pretty = |format: Format| {
        format == Format::Json
            && match pretty {
                Some(text) => !(text == "0" || text.eq_ignore_ascii_case("false")),
                None => browser(headers),
            }
    };
    let clauses = clauses(headers);
    if clauses.is_empty() {
        return Ok(Accepted { pretty: wants_pretty(Format::Json), ..Accepted::default() });
    }
    for clause in &clauses {
        let format = match clause.media {
            "application/json" | "*/*" => Format::Json,
            "application/*" if offer == Offer::Document => Format::Json,
            "application/yaml" if offer != Offer::Stream => Format::Yaml,
            _ => continue,
        };
        if clause.param("stream").is_some_and(|s| s != "watch") {
            continue;
        }
        let Some(view) = view(clause, offer) else { continue };
        return Ok(Accepted { format, view, pretty: wants_pretty(format) });
    }
    Err(not_acceptable())
}

/// The wanted view; `None` when it is not on offer.
fn view(clause: &Clause<'_>, offer: Offer) -> Option<View> {
    let Some(kind) = clause.param("as") else { return Some(View::Object) };
    let version = clause.param("v").unwrap_or_default();
    let known =
        offer != Offer::Document && clause.param("g") == Some("meta.k8s.io") && matches!(version, "v1" | "v1beta1");
    match kind {
        _ if !known => None,
        "Table" => Some(View::Table(version.to_owned())),
        "PartialObjectMetadata" => Some(View::Metadata(version.to_owned())),
        "PartialObjectMetadataList" => Some(View::MetadataList(version.to_owned())),
        _ => None,
    }
}

/// Curl and browsers get indented JSON unless they say otherwise.
fn browser(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|agent| ["curl", "Wget", "Mozilla/5.0"].iter().any(|p| agent.starts_with(p)))
}

/// The format of an error: what the client accepts, JSON where that is nothing we can write.
pub fn error_format(headers: &HeaderMap) -> Format {
    match clauses(headers).first() {
        Some(clause) if clause.media == "application/yaml" && clause.param("as").is_none() => Format::Yaml,
        _ => Format::Json,
    }
}

/// The media type of a request body without its parameters, lower case; empty where there is none.
pub fn content_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .map(|v| v.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .unwrap_or_default()
}

/// Whether the client takes gzip.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok()).any(|v| {
        v.split(',').any(|part| {
            let (coding, rest) = part.split_once(';').unwrap_or((part, ""));
            coding.trim() == "gzip" && rest.trim() != "q=0"
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !accept.is_empty() {
            headers.insert(header::ACCEPT, accept.parse().unwrap());
        }
        headers
    }

    #[test]
    fn negotiation_follows_the_record() {
        let json = Some((Format::Json, View::Object));
        let table = Some((Format::Json, View::Table("v1".into())));
        for (accept_header, expect) in [
            ("", json.clone()),
            ("*/*", json.clone()),
            ("application/json", json.clone()),
            ("application/json;as=Table;v=v1;g=meta.k8s.io", table.clone()),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", table),
            ("application/json;as=Nonsense;v=v1;g=meta.k8s.io,application/json", json.clone()),
            ("application/json;as=Nonsense;v=v1;g=meta.k8s.io", None),
            ("application/json;stream=watch", json.clone()),
            ("application/yaml", Some((Format::Yaml, View::Object))),
            ("application/json;q=0.5, application/yaml", Some((Format::Yaml, View::Object))),
            ("application/vnd.kubernetes.protobuf", None),
            ("application/vnd.kubernetes.protobuf, application/json", json),
            ("application/*", None),
            ("application/cbor", None),
            ("text/html", None),
        ] {
            let got = accept(&headers(accept_header), Offer::Resource, None).ok().map(|a| (a.format, a.view));
            assert_eq!(got, expect, "{accept_header}");
        }
    }
}
