//! What a path and a method ask for, read exactly as kube-apiserver reads them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::{access::Attributes, query::Query};

/// Subresources of namespaces: `/namespaces/<name>/<this>` is about the namespace, not about a resource inside it.
const NAMESPACE_SUBRESOURCES: &[&str] = &["status", "finalize"];

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// Whether the path names a resource; otherwise only `verb` and `path` are set.
    pub resource_request: bool,
    /// The decoded path.
    pub path: String,
    /// get, list, watch, create, update, patch, delete, deletecollection; for other paths the lower-case method.
    pub verb: &'static str,
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Namespace of the path, or empty.
    pub namespace: String,
    /// Plural resource.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Name of the object, or empty.
    pub name: String,
    /// Segments after the subresource (the path of a proxy request).
    pub rest: Vec<String>,
    /// Whether the path is of the old form `/api/v1/watch/…`.
    pub watch_path: bool,
}

fn plain_verb(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "get",
        http::Method::POST => "post",
        http::Method::PUT => "put",
        http::Method::PATCH => "patch",
        http::Method::DELETE => "delete",
        http::Method::HEAD => "head",
        http::Method::OPTIONS => "options",
        _ => "unknown",
    }
}

impl RequestInfo {
    /// Reads a request's method, path and query.
    pub fn parse(method: &http::Method, path: &str, query: &Query) -> Self {
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        let mut info = Self { path: decoded.clone().into_owned(), verb: plain_verb(method), ..Self::default() };
        let parts: Vec<&str> = decoded.trim_matches('/').split('/').collect();
        let mut parts = parts.as_slice();
        // A group version needs at least three segments of the core group (`api/v1/pods`), four of another.
        match parts.first() {
            Some(&"api") if parts.len() >= 3 => {
                info.version = parts[1].to_owned();
                parts = &parts[2..];
            }
            Some(&"apis") if parts.len() >= 4 => {
                info.group = parts[1].to_owned();
                info.version = parts[2].to_owned();
                parts = &parts[3..];
            }
            _ => return info,
        }
        info.resource_request = true;
        info.verb = match *method {
            http::Method::POST => "create",
            http::Method::GET | http::Method::HEAD => "get",
            http::Method::PUT => "update",
            http::Method::PATCH => "patch",
            http::Method::DELETE => "delete",
            _ => "",
        };
        if parts[0] == "watch" && parts.len() > 1 {
            info.watch_path = true;
            info.verb = "watch";
            parts = &parts[1..];
        }
        if parts[0] == "namespaces" && parts.len() > 1 {
            info.namespace = parts[1].to_owned();
            if parts.len() > 2 && !NAMESPACE_SUBRESOURCES.contains(&parts[2]) {
                parts = &parts[2..];
            }
        }
        info.resource = parts[0].to_owned();
        if let Some(name) = parts.get(1) {
            info.name = (*name).to_owned();
        }
        if let Some(subresource) = parts.get(2) {
            info.subresource = (*subresource).to_owned();
            info.rest = parts[3..].iter().map(|&s| s.to_owned()).collect();
        }
        if info.name.is_empty() {
            match info.verb {
                "get" => {
                    info.verb = if query.flag("watch") { "watch" } else { "list" };
                }
                "delete" => info.verb = "deletecollection",
                _ => {}
            }
        }
        info
    }

    /// As authorization sees it. The user is filled in by the caller.
    pub fn attributes(&self, query: &Query) -> Attributes {
        let mut name = self.name.clone();
        if name.is_empty()
            && matches!(self.verb, "list" | "watch" | "deletecollection")
            && let Some(named) = query.get("fieldSelector").and_then(single_name)
        {
            name = named.into_owned();
        }
        Attributes {
            verb: self.verb.to_owned(),
            group: self.group.clone(),
            version: self.version.clone(),
            resource: self.resource.clone(),
            subresource: self.subresource.clone(),
            namespace: self.namespace.clone(),
            name,
            path: self.path.clone(),
            resource_request: self.resource_request,
            ..Attributes::default()
        }
    }

    /// Whether the request may last long and therefore is not counted against the limits of requests in flight.
    pub fn long_running(&self) -> bool {
        self.verb == "watch"
            || matches!(self.subresource.as_str(), "proxy" | "exec" | "attach" | "portforward")
            || (self.subresource == "log" && self.verb == "get")
    }

    /// Whether the request changes something.
    pub fn mutating(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch" | "head" | "options")
    }
}

/// The name that a field selector demands, if it demands one: access to one name then suffices for the whole list.
fn single_name(selector: &str) -> Option<Cow<'_, str>> {
    selector.split(',').find_map(|term| {
        let value = term.strip_prefix("metadata.name==").or_else(|| term.strip_prefix("metadata.name="))?;
        let fits = !value.is_empty() && !value.contains(['/', '%', '\\', '=']);
        fits.then_some(Cow::Borrowed(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_kube_apiserver_does() {
        // method, path, expected: verb group/version namespace resource name subresource
        let cases = [
            ("GET", "/api/v1/namespaces", "list /v1  namespaces  "),
            ("GET", "/api/v1/namespaces/a", "get /v1 a namespaces a "),
            ("PUT", "/api/v1/namespaces/a/finalize", "update /v1 a namespaces a finalize"),
            ("GET", "/api/v1/namespaces/a/pods", "list /v1 a pods  "),
            ("GET", "/api/v1/namespaces/a/pods/p/log", "get /v1 a pods p log"),
            ("GET", "/api/v1/pods?watch=1", "watch /v1  pods  "),
            ("GET", "/api/v1/watch/namespaces/a/pods/p", "watch /v1 a pods p "),
            ("DELETE", "/apis/apps/v1/namespaces/a/deployments", "deletecollection apps/v1 a deployments  "),
            ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", "patch apps/v1 a deployments d scale"),
            ("GET", "/apis/apps/v1", "get /    "),
            ("GET", "/api/v1", "get /    "),
            ("POST", "/healthz", "post /    "),
            (
                "GET",
                "/apis/cluster.karmada.io/v1alpha1/clusters/m1/proxy/api/v1/pods",
                "get cluster.karmada.io/v1alpha1  clusters m1 proxy",
            ),
        ];
        for (method, path, expect) in cases {
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let info = RequestInfo::parse(&method.parse().unwrap(), path, &Query::parse(query));
            let got = format!(
                "{} {}/{} {} {} {} {}",
                info.verb, info.group, info.version, info.namespace, info.resource, info.name, info.subresource
            );
            assert_eq!(got, expect, "{method} {path}");
        }
    }
}
