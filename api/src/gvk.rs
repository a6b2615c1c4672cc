//! Groups, versions and kinds.

use serde_json::Value;

/// A group and a version; the core group is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupVersion {
    /// Group; empty for the core group.
    pub group: String,
    /// Version.
    pub version: String,
}

/// A kind of a group and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvk {
    /// Group; empty for the core group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// Splits an apiVersion into group and version; the core group is empty.
#[must_use]
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Joins group and version to an apiVersion.
#[must_use]
pub fn join_api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

impl GroupVersion {
    /// Group and version of an apiVersion.
    #[must_use]
    pub fn parse(api_version: &str) -> Self {
        let (group, version) = split_api_version(api_version);
        Self { group: group.to_owned(), version: version.to_owned() }
    }
}

impl std::fmt::Display for GroupVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&join_api_version(&self.group, &self.version))
    }
}

impl Gvk {
    /// A kind of this group and version.
    #[must_use]
    pub fn new(group: &str, version: &str, kind: &str) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// The kind of this apiVersion.
    #[must_use]
    pub fn of(api_version: &str, kind: &str) -> Self {
        let (group, version) = split_api_version(api_version);
        Self::new(group, version, kind)
    }

    /// The kind of an object, if it says so.
    #[must_use]
    pub fn of_object(object: &Value) -> Option<Self> {
        Some(Self::of(object.get("apiVersion")?.as_str()?, object.get("kind")?.as_str()?))
    }

    /// The kind of a Rust type.
    #[must_use]
    pub fn of_type<T: k8s_openapi::Resource>() -> Self {
        Self::new(T::GROUP, T::VERSION, T::KIND)
    }

    /// The apiVersion.
    #[must_use]
    pub fn api_version(&self) -> String {
        join_api_version(&self.group, &self.version)
    }
}

/// As Go prints it: `apps/v1, Kind=Deployment`.
impl std::fmt::Display for Gvk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}, Kind={}", self.group, self.version, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_joins() {
        assert_eq!(split_api_version("apps/v1"), ("apps", "v1"));
        assert_eq!(split_api_version("v1"), ("", "v1"));
        assert_eq!(Gvk::of("v1", "Pod").to_string(), "/v1, Kind=Pod");
        assert_eq!(Gvk::of("apps/v1", "Deployment").api_version(), "apps/v1");
        assert_eq!(GroupVersion::parse("v1").to_string(), "v1");
    }
}
