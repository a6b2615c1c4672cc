//! Discovery: which resources a server has, and from kinds to resources.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Request;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::Error;

/// A served resource: enough to build request paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Plural name.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// The resource of a typed kind.
    pub fn of<K>() -> Self
    where
        K: kube::Resource<DynamicType = ()>,
        K::Scope: ScopeInfo,
    {
        Self {
            group: K::group(&()).into_owned(),
            version: K::version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            plural: K::plural(&()).into_owned(),
            namespaced: K::Scope::NAMESPACED,
        }
    }

    /// The form used in `apiVersion`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The URL path of the collection; of one namespace if it is not empty.
    pub fn collection_path(&self, namespace: &str) -> String {
        let root = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        if namespace.is_empty() {
            format!("{root}/{}", self.plural)
        } else {
            format!("{root}/namespaces/{namespace}/{}", self.plural)
        }
    }

    /// The URL path of one object.
    pub fn object_path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.collection_path(namespace))
    }
}

/// Whether a typed kind's scope is a namespace.
pub trait ScopeInfo {
    /// True for namespaced kinds.
    const NAMESPACED: bool;
}
impl ScopeInfo for kube::core::NamespaceResourceScope {
    const NAMESPACED: bool = true;
}
impl ScopeInfo for kube::core::ClusterResourceScope {
    const NAMESPACED: bool = false;
}
/// A resource with what discovery says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// Names and scope.
    pub resource: Resource,
    /// Verbs.
    pub verbs: Vec<String>,
    /// Names of the subresources.
    pub subresources: Vec<String>,
    /// Whether this is the version the server prefers for the group.
    pub preferred: bool,
}

impl Discovered {
    /// Whether the server offers all of these verbs.
    pub fn supports(&self, verbs: &[&str]) -> bool {
        verbs.iter().all(|wanted| self.verbs.iter().any(|v| v == wanted))
    }
}

/// All that a server serves, at one time.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// In the server's order; preferred versions first within a group.
    pub resources: Vec<Discovered>,
    /// Groups whose discovery failed or is stale (aggregated servers that are down).
    pub incomplete: Vec<String>,
    by_kind: HashMap<(String, String, String), usize>,
}

impl Catalog {
    /// The resource of a kind in exactly this version.
    pub fn find(&self, group: &str, version: &str, kind: &str) -> Option<&Discovered> {
        let index = self.by_kind.get(&(group.to_owned(), version.to_owned(), kind.to_owned()))?;
        self.resources.get(*index)
    }

    fn index(mut self) -> Self {
        for (index, found) in self.resources.iter().enumerate() {
            let r = &found.resource;
            self.by_kind.entry((r.group.clone(), r.version.clone(), r.kind.clone())).or_insert(index);
        }
        self
    }
}

/// A shared, cached view of a server's discovery.
pub struct Mapper {
    client: kube::Client,
    catalog: ArcSwap<Catalog>,
    refreshed: Mutex<Option<Instant>>,
}

/// A kind that is not found is looked up afresh, but not more often than this.
const MISS_INTERVAL: Duration = Duration::from_millis(500);

impl Mapper {
    /// An empty view; filled by the first look-up.
    pub fn new(client: kube::Client) -> Self {
        Self { client, catalog: ArcSwap::default(), refreshed: Mutex::new(None) }
    }

    /// What was last discovered; possibly nothing yet.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// Asks the server anew.
    pub async fn refresh(&self) -> Result<Arc<Catalog>, Error> {
        let mut refreshed = self.refreshed.lock().await;
        let catalog = Arc::new(discover(&self.client).await?);
        self.catalog.store(Arc::clone(&catalog));
        *refreshed = Some(Instant::now());
        Ok(catalog)
    }

    /// The resource of a kind; asks the server if it is not known yet.
    pub async fn resource(&self, api_version: &str, kind: &str) -> Result<Resource, Error> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        if let Some(found) = self.catalog.load().find(group, version, kind) {
            return Ok(found.resource.clone());
        }
        let recently = self.refreshed.lock().await.is_some_and(|at| at.elapsed() < MISS_INTERVAL);
        if !recently {
            self.refresh().await?;
        }
        self.catalog
            .load()
            .find(group, version, kind)
            .map(|found| found.resource.clone())
            .ok_or_else(|| Error::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() })
    }
}

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupDiscoveryList {
    kind: String,
    #[serde(default)]
    items: Vec<GroupDiscovery>,
    #[serde(default)]
    groups: Vec<LegacyGroup>,
    #[serde(default)]
    versions: Vec<String>,
}

#[derive(Deserialize)]
struct GroupDiscovery {
    #[serde(default)]
    metadata: Named,
    #[serde(default)]
    versions: Vec<VersionDiscovery>,
}

#[derive(Deserialize, Default)]
struct Named {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct VersionDiscovery {
    version: String,
    #[serde(default)]
    freshness: String,
    #[serde(default)]
    resources: Vec<ResourceDiscovery>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceDiscovery {
    resource: String,
    #[serde(default)]
    response_kind: KindRef,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    subresources: Vec<SubresourceDiscovery>,
}

#[derive(Deserialize, Default)]
struct KindRef {
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
struct SubresourceDiscovery {
    subresource: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LegacyGroup {
    name: String,
    versions: Vec<LegacyVersion>,
    #[serde(default)]
    preferred_version: Option<LegacyVersion>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
struct LegacyVersion {
    group_version: String,
    version: String,
}

#[derive(Deserialize)]
struct LegacyResourceList {
    #[serde(default)]
    resources: Vec<LegacyResource>,
}

#[derive(Deserialize)]
struct LegacyResource {
    name: String,
    kind: String,
    namespaced: bool,
    #[serde(default)]
    verbs: Vec<String>,
}

async fn get<T: serde::de::DeserializeOwned>(client: &kube::Client, path: &str, accept: &str) -> Result<T, Error> {
    let request = Request::get(path)
        .header(http::header::ACCEPT, accept)
        .body(Vec::new())
        .map_err(|e| request_error("get", path, kube::Error::Service(e.into())))?;
    client.request(request).await.map_err(|source| request_error("get", path, source))
}

pub(crate) fn request_error(verb: &'static str, what: &str, source: kube::Error) -> Error {
    Error::Request { verb, what: what.to_owned(), source: Box::new(source) }
}

/// Reads discovery: the aggregated documents where the server has them, else group by group.
async fn discover(client: &kube::Client) -> Result<Catalog, Error> {
    let mut catalog = Catalog::default();
    for path in ["/api", "/apis"] {
        let list: GroupDiscoveryList = get(client, path, AGGREGATED).await?;
        match list.kind.as_str() {
            "APIGroupDiscoveryList" => add_aggregated(&mut catalog, list.items),
            _ => {
                for version in list.versions {
                    add_legacy(client, &mut catalog, "", &version, &format!("/api/{version}"), true).await?;
                }
                for group in list.groups {
                    let preferred = group.preferred_version.as_ref().map(|v| v.version.clone());
                    for version in &group.versions {
                        let path = format!("/apis/{}", version.group_version);
                        let is_preferred = preferred.as_deref().is_none_or(|p| p == version.version);
                        add_legacy(client, &mut catalog, &group.name, &version.version, &path, is_preferred).await?;
                    }
                }
            }
        }
    }
    Ok(catalog.index())
}

fn add_aggregated(catalog: &mut Catalog, groups: Vec<GroupDiscovery>) {
    for group in groups {
        let name = group.metadata.name;
        for (index, version) in group.versions.into_iter().enumerate() {
            if version.freshness == "Stale" {
                catalog.incomplete.push(format!("{name}/{}", version.version));
            }
            for found in version.resources {
                catalog.resources.push(Discovered {
                    resource: Resource {
                        group: name.clone(),
                        version: version.version.clone(),
                        kind: found.response_kind.kind,
                        plural: found.resource,
                        namespaced: found.scope == "Namespaced",
                    },
                    verbs: found.verbs,
                    subresources: found.subresources.into_iter().map(|s| s.subresource).collect(),
                    preferred: index == 0,
                });
            }
        }
    }
}

async fn add_legacy(
    client: &kube::Client,
    catalog: &mut Catalog,
    group: &str,
    version: &str,
    path: &str,
    preferred: bool,
) -> Result<(), Error> {
    let list: LegacyResourceList = match get(client, path, "application/json").await {
        Ok(list) => list,
        // An aggregated server that is down must not hide the others.
        Err(error) if error.is_code(503) || error.is_code(404) => {
            catalog.incomplete.push(format!("{group}/{version}"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let (subresources, resources): (Vec<_>, Vec<_>) = list.resources.into_iter().partition(|r| r.name.contains('/'));
    for found in resources {
        let prefix = format!("{}/", found.name);
        let names = subresources.iter().filter_map(|s| s.name.strip_prefix(&prefix)).map(str::to_owned).collect();
        catalog.resources.push(Discovered {
            resource: Resource {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: found.kind,
                plural: found.name,
                namespaced: found.namespaced,
            },
            verbs: found.verbs,
            subresources: names,
            preferred,
        });
    }
    Ok(())
}
