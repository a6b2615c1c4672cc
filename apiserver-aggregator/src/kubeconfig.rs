//! Kubeconfig files: clusters, users and contexts with embedded certificates.

use std::{net::SocketAddr, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::pki::{self, Identity};

/// How a user of a kubeconfig proves who they are.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A client certificate.
    Certificate(Identity),
    /// A bearer token.
    Token(String),
}

/// A kubeconfig in the making. The first context added is the current one unless another is chosen.
#[derive(Clone, Debug, Default)]
pub struct Kubeconfig {
    clusters: Vec<Value>,
    users: Vec<Value>,
    contexts: Vec<Value>,
    current: Option<String>,
}

impl Kubeconfig {
    /// An empty kubeconfig.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a cluster, a user and a context, all called `name`. A context of that name is replaced.
    #[must_use]
    pub fn context(mut self, name: &str, server: &str, ca_pem: &str, credential: &Credential) -> Self {
        for list in [&mut self.clusters, &mut self.users, &mut self.contexts] {
            list.retain(|entry| entry["name"] != name);
        }
        self.clusters.push(json!({
            "name": name,
            "cluster": {"server": server, "certificate-authority-data": STANDARD.encode(ca_pem)},
        }));
        let user = match credential {
            Credential::Certificate(identity) => json!({
                "client-certificate-data": STANDARD.encode(&identity.certificate),
                "client-key-data": STANDARD.encode(&identity.key),
            }),
            Credential::Token(token) => json!({"token": token}),
        };
        self.users.push(json!({"name": name, "user": user}));
        self.contexts.push(json!({"name": name, "context": {"cluster": name, "user": name}}));
        self
    }

    /// Makes `name` the current context.
    #[must_use]
    pub fn current(mut self, name: &str) -> Self {
        self.current = Some(name.to_owned());
        self
    }

    /// The file's content. JSON is YAML, so kubectl and client-go read it.
    pub fn to_value(&self) -> Value {
        let current = self.current.as_deref().or_else(|| self.contexts.first().and_then(|c| c["name"].as_str()));
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "preferences": {},
            "clusters": self.clusters,
            "users": self.users,
            "contexts": self.contexts,
            "current-context": current.unwrap_or_default(),
        })
    }

    /// The file's text, in YAML as people expect it.
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        write_yaml(&self.to_value(), 0, &mut text);
        text
    }

    /// Writes the file, whole or not at all, readable by its owner only.
    pub fn write(&self, path: &Path) -> Result<(), pki::Error> {
        pki::write_private(path, self.to_yaml().as_bytes())
    }
}

/// Block-style YAML of the shapes a kubeconfig has: maps, lists of maps, strings. Strings are written as JSON strings,
/// which YAML reads as double-quoted scalars, where a plain one might be read as something else.
fn write_yaml(value: &Value, indent: usize, out: &mut String) {
    let pad = "  ".repeat(indent);
    match value {
        Value::Object(map) => {
            for (key, item) in map {
                match item {
                    Value::Object(inner) if !inner.is_empty() => {
                        out.push_str(&format!("{pad}{key}:\n"));
                        write_yaml(item, indent + 1, out);
                    }
                    Value::Array(items) if !items.is_empty() => {
                        out.push_str(&format!("{pad}{key}:\n"));
                        for entry in items {
                            let mut inner = String::new();
                            write_yaml(entry, indent + 1, &mut inner);
                            let trimmed = inner.trim_start();
                            out.push_str(&format!("{pad}- {trimmed}"));
                        }
                    }
                    other => out.push_str(&format!("{pad}{key}: {}\n", scalar(other))),
                }
            }
        }
        other => out.push_str(&format!("{pad}{}\n", scalar(other))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text)
            if !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:+=".contains(&b))
                && text.as_bytes()[0].is_ascii_alphabetic()
                && !text.ends_with(':')
                && !matches!(
                    text.to_ascii_lowercase().as_str(),
                    "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
                ) =>
        {
            text.clone()
        }
        other => other.to_string(),
    }
}

/// The URL of a server that listens on `address`; unspecified addresses are reached through loopback.
pub fn server_url(address: SocketAddr) -> String {
    let port = address.port();
    match address.ip() {
        ip if ip.is_unspecified() => format!("https://127.0.0.1:{port}"),
        std::net::IpAddr::V6(ip) => format!("https://[{ip}]:{port}"),
        ip @ std::net::IpAddr::V4(_) => format!("https://{ip}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_written_as_block_yaml_and_read_back() {
        let identity = Identity { certificate: "CERT".to_owned(), key: "KEY".to_owned() };
        let config = Kubeconfig::new()
            .context("a", "https://127.0.0.1:5443", "CA", &Credential::Certificate(identity))
            .context("b", "https://[::1]:1", "CA", &Credential::Token("t: #x".to_owned()))
            .context("b", "https://[::1]:2", "CA", &Credential::Token("t: #x".to_owned()))
            .current("b");
        let parsed = kube::config::Kubeconfig::from_yaml(&config.to_yaml()).unwrap();
        assert_eq!(parsed.current_context.as_deref(), Some("b"));
        assert_eq!(parsed.clusters.len(), 2);
        assert_eq!(parsed.clusters[1].cluster.as_ref().unwrap().server.as_deref(), Some("https://[::1]:2"));
        assert!(config.to_yaml().contains("- name: b\n") || config.to_yaml().contains("  name: b\n"));
    }

    #[test]
    fn urls_avoid_unspecified_addresses() {
        assert_eq!(server_url("0.0.0.0:5443".parse().unwrap()), "https://127.0.0.1:5443");
        assert_eq!(server_url("[::1]:5443".parse().unwrap()), "https://[::1]:5443");
    }
}
