//! Image references: taking them apart, changing one part, putting them together.

use std::sync::LazyLock;

use regex::Regex;

/// An image reference. A digest next to a tag is dropped when the reference is put together, as upstream does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Image {
    registry: String,
    repository: String,
    tag: String,
    digest: String,
}

const TAG: &str = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
const DIGEST: &str = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";

static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    let host = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let domain = format!(r"(?:{host}(?:\.{host})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?");
    let component = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*";
    let reference = format!(r"^((?:{domain}/)?{component}(?:/{component})*)(?::({TAG}))?(?:@({DIGEST}))?$");
    Regex::new(&reference).expect("the pattern is constant")
});
static WHOLE_TAG: LazyLock<Regex> = LazyLock::new(|| Regex::new(&format!("^{TAG}$")).expect("the pattern is constant"));
static WHOLE_DIGEST: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("^{DIGEST}$")).expect("the pattern is constant"));

/// The longest name of a repository.
const MAX_NAME: usize = 255;

impl Image {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(parts) = REFERENCE.captures(text) else {
            return Err(if text.is_empty() {
                "repository name must have at least one component"
            } else if REFERENCE.is_match(&text.to_lowercase()) {
                "repository name must be lowercase"
            } else {
                "invalid reference format"
            });
        };
        let part = |index| parts.get(index).map_or("", |part| part.as_str());
        let name = part(1);
        if name.len() > MAX_NAME {
            return Err("repository name must not be more than 255 characters");
        }
        let (registry, repository) = match name.split_once('/') {
            // The first word is a registry if it looks like a host.
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => ("", name),
        };
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: part(2).to_owned(),
            digest: part(3).to_owned(),
        })
    }

    pub(super) fn change(&mut self, component: &str, operator: &str, value: &str) -> Result<(), String> {
        let current = match component {
            "Registry" => &mut self.registry,
            "Repository" => &mut self.repository,
            "Tag" => return self.change_tag(operator, value),
            other => return Err(format!("unsupported image component({other})")),
        };
        match operator {
            "add" => current.push_str(value),
            "replace" => value.clone_into(current),
            "remove" => current.clear(),
            other => return Err(unsupported(other)),
        }
        Ok(())
    }

    /// A tag and a digest stand in each other's place; text that is neither changes nothing.
    fn change_tag(&mut self, operator: &str, value: &str) -> Result<(), String> {
        let text = match operator {
            "add" => {
                let current = if self.tag.is_empty() { &self.digest } else { &self.tag };
                format!("{current}{value}")
            }
            "replace" => value.to_owned(),
            "remove" => {
                self.tag.clear();
                self.digest.clear();
                return Ok(());
            }
            other => return Err(unsupported(other)),
        };
        if WHOLE_TAG.is_match(&text) {
            self.tag = text;
            self.digest.clear();
        } else if WHOLE_DIGEST.is_match(&text) {
            self.digest = text;
            self.tag.clear();
        }
        Ok(())
    }
}

fn unsupported(operator: &str) -> String {
    format!("unsupported operator({operator})")
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.registry.is_empty() {
            write!(f, "{}/", self.registry)?;
        }
        f.write_str(&self.repository)?;
        if !self.tag.is_empty() {
            write!(f, ":{}", self.tag)
        } else if !self.digest.is_empty() {
            write!(f, "@{}", self.digest)
        } else {
            Ok(())
        }
    }
}
