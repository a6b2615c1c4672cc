//! The server: routes a request to what serves it.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use async_trait::async_trait;
use axum::{Router, extract::Request, response::Response};
use futures::FutureExt as _;
use http::header;
use jiff::Timestamp;
use karmada_machinery::{GroupResource, GroupVersion, ResourceInfo, StatusError, discovery};
use karmada_storage::{
    Store,
    cache::{CacheOptions, WatchCache},
};
use parking_lot::RwLock;
use serde_json::{Value, json};

use crate::{
    access::{AllowAll, Attributes, Authorizer, Decision, UserInfo},
    admission::AdmissionPlugin,
    call::{Call, WarningSink, wire_of},
    documents::Documents,
    encode,
    info::RequestInfo,
    limits::InFlight,
    metrics::Metrics,
    query::Query,
    registry::{Handler, Registry},
    verbs,
};

/// Converts objects between versions through a CRD's webhook.
#[async_trait]
pub trait Converter: Send + Sync {
    /// Converts objects (all of one resource) to the wanted version. `webhook` is the CRD's `spec.conversion.webhook`.
    async fn convert(&self, webhook: &Value, objects: Vec<Value>, to: &GroupVersion)
    -> Result<Vec<Value>, StatusError>;
}

/// How many requests may be worked on at once; more are answered 429.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests that only read; kube-apiserver's `--max-requests-inflight`.
    pub reading: usize,
    /// Requests that write; kube-apiserver's `--max-mutating-requests-inflight`.
    pub mutating: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { reading: 400, mutating: 200 }
    }
}

/// What a server is made of.
#[derive(Clone)]
pub struct ServerOptions {
    /// Objects: the cache over a store.
    pub cache: Arc<WatchCache>,
    /// What is served.
    pub registry: Arc<Registry>,
    /// Who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// Admission, in order.
    pub admission: Vec<Arc<dyn AdmissionPlugin>>,
    /// Conversion webhooks.
    pub converter: Option<Arc<dyn Converter>>,
    /// Paths that are no resources (health, metrics, keys); asked after authorization. Answers 404 where there is none.
    pub paths: Option<Arc<dyn Handler>>,
    /// Bounds of concurrency.
    pub limits: Limits,
    /// Where figures go.
    pub metrics: prometheus::Registry,
    /// The `/version` document.
    pub version: Value,
}

impl ServerOptions {
    /// A server over this store that allows everything, without admission: the rest is set by the caller.
    pub fn new(store: Arc<dyn Store>, registry: Arc<Registry>) -> Self {
        Self {
            cache: Arc::new(WatchCache::new(store, CacheOptions::default())),
            registry,
            authorizer: Arc::new(AllowAll),
            admission: Vec::new(),
            converter: None,
            paths: None,
            limits: Limits::default(),
            metrics: prometheus::Registry::new(),
            version: default_version(),
        }
    }
}

/// The `/version` document of the Kubernetes version that is presented.
pub fn default_version() -> Value {
    let platform = format!("{}/{}", std::env::consts::OS, platform());
    discovery::version("", "1970-01-01T00:00:00Z", &platform)
}

fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

pub(crate) struct Inner {
    pub(crate) cache: Arc<WatchCache>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) admission: Vec<Arc<dyn AdmissionPlugin>>,
    pub(crate) converter: Option<Arc<dyn Converter>>,
    pub(crate) paths: Option<Arc<dyn Handler>>,
    pub(crate) in_flight: InFlight,
    pub(crate) metrics: Metrics,
    pub(crate) documents: Documents,
    /// What each custom resource was when its cache was made, by key prefix.
    pub(crate) cached_as: RwLock<HashMap<String, Arc<ResourceInfo>>>,
}

/// A server. Cheap to clone.
#[derive(Clone)]
pub struct ApiServer(pub(crate) Arc<Inner>);

impl ApiServer {
    /// Builds a server. Nothing runs before the first request.
    pub fn new(options: ServerOptions) -> Self {
        let metrics = Metrics::new(&options.metrics);
        Self(Arc::new(Inner {
            cache: options.cache,
            registry: options.registry,
            authorizer: options.authorizer,
            admission: options.admission,
            converter: options.converter,
            paths: options.paths,
            in_flight: InFlight::new(options.limits, metrics.clone()),
            metrics,
            documents: Documents::new(options.version),
            cached_as: RwLock::default(),
        }))
    }

    /// What is served.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.0.registry
    }

    /// The objects.
    pub fn cache(&self) -> &Arc<WatchCache> {
        &self.0.cache
    }

    /// The authorizer.
    pub fn authorizer(&self) -> &Arc<dyn Authorizer> {
        &self.0.authorizer
    }

    /// All paths of the server as a service. Authentication comes before it and puts a [`UserInfo`] into the request's
    /// extensions; requests without one are anonymous.
    pub fn router(&self) -> Router {
        let server = self.clone();
        Router::new().fallback(move |request: Request| {
            let server = server.clone();
            async move { server.handle(request).await }
        })
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Response {
        let started = Instant::now();
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let info = RequestInfo::parse(request.method(), request.uri().path(), &query);
        let user = request.extensions().get::<UserInfo>().cloned().unwrap_or_else(UserInfo::anonymous);
        let snapshot = self.0.registry.snapshot();
        let served = if info.resource_request {
            snapshot.resource(&info.group, &info.version, &info.resource).cloned()
        } else {
            None
        };
        let call = Call {
            query,
            user,
            method: request.method().clone(),
            headers: request.headers().clone(),
            snapshot,
            served,
            now: Timestamp::now(),
            warnings: WarningSink::default(),
            info,
        };
        let warnings = call.warnings.clone();
        let wire = wire_of(&call.headers, &call.query);
        let observed = self.0.metrics.observed(&call);
        // A panic is our own mistake; it must cost one request, not the process.
        let mut response = match AssertUnwindSafe(self.admit(call, request)).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => encode::error_response(&error, wire),
            Err(_) => {
                let error = StatusError::internal("the server panicked while it handled the request");
                encode::error_response(&error, wire)
            }
        };
        warnings.write(response.headers_mut());
        observed.done(response.status().as_u16(), started.elapsed());
        response
    }

    /// Lets a request in: bounds of concurrency, authorization.
    async fn admit(&self, call: Call, request: Request) -> Result<Response, StatusError> {
        let _slot = if call.info.long_running() {
            None
        } else {
            Some(self.0.in_flight.enter(call.info.mutating(), &call.user)?)
        };
        self.authorize(&call.user, &call.info, &call.query).await?;
        self.route(call, request).await
    }

    /// Asks the authorizer; an error is the 403 that the client sees.
    ///
    /// # Errors
    /// 403 when nobody allows the request, and what the authorizer reports.
    pub async fn authorize(&self, user: &UserInfo, info: &RequestInfo, query: &Query) -> Result<(), StatusError> {
        let mut attributes = info.attributes(query);
        attributes.user = user.clone();
        self.authorize_attributes(&attributes).await
    }

    /// Asks the authorizer about any action.
    ///
    /// # Errors
    /// As [`Self::authorize`].
    pub async fn authorize_attributes(&self, attributes: &Attributes) -> Result<(), StatusError> {
        match self.0.authorizer.authorize(attributes).await? {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(reason) | Decision::NoOpinion(reason) => Err(forbidden(attributes, &reason)),
        }
    }

    async fn route(&self, call: Call, request: Request) -> Result<Response, StatusError> {
        if !call.info.resource_request {
            if let Some(response) = self.0.documents.serve(&call)? {
                return Ok(response);
            }
            return match &self.0.paths {
                Some(paths) => Arc::clone(paths).serve(self, call, request).await,
                None => Ok(encode::page_not_found()),
            };
        }
        if call.info.verb.is_empty() {
            return Err(method_not_allowed());
        }
        let Some(served) = call.served.clone() else {
            let remote = call.snapshot.remote(&call.info.group, &call.info.version).map(|r| Arc::clone(&r.delegate));
            return match remote {
                Some(delegate) => Ok(delegate.serve(self, call, request).await),
                None => Ok(encode::page_not_found()),
            };
        };
        if let Some(text) = served.info.strategy.deprecation_warning() {
            call.warnings.add(text);
        }
        let resource = served.info.group_resource();
        if !in_scope(&served.info, &call.info) {
            return Ok(encode::page_not_found());
        }
        if !call.info.subresource.is_empty() {
            return self.route_subresource(&served.info, &resource, call, request).await;
        }
        if served.virtual_only || !served.info.has_verb("get") {
            // What cannot be read is not stored: reviews and bindings. Where nobody serves them, they fail.
            let handler = call.snapshot.handler(&resource, "").cloned();
            return match handler {
                _ if !served.info.has_verb(call.info.verb) => Err(method_not_allowed()),
                Some(handler) => handler.serve(self, call, request).await,
                None if resource.resource == "bindings" => verbs::pods::bind(self, &call, request).await,
                None => Err(StatusError::unavailable(format!("{resource} is not available in this server"))),
            };
        }
        if !verb_fits(&served.info, &call.info) {
            return Err(method_not_allowed());
        }
        let server = self;
        match call.info.verb {
            "get" => verbs::get::get(server, &call).await,
            "list" => verbs::list::list(server, &call).await,
            "watch" => verbs::watch::watch(server, &call).await,
            "create" => verbs::create::create(server, &call, request).await,
            "update" => verbs::update::update(server, &call, request).await,
            "patch" => verbs::patch::patch(server, &call, request).await,
            "delete" => verbs::delete::delete(server, &call, request).await,
            "deletecollection" => verbs::collection::delete_collection(server, &call, request).await,
            _ => Err(method_not_allowed()),
        }
    }

    async fn route_subresource(
        &self,
        info: &Arc<ResourceInfo>,
        resource: &GroupResource,
        call: Call,
        request: Request,
    ) -> Result<Response, StatusError> {
        let Some(subresource) = info.subresource(&call.info.subresource).cloned() else {
            return Ok(encode::page_not_found());
        };
        if !subresource.verbs.iter().any(|v| v == call.info.verb) {
            return Err(method_not_allowed());
        }
        let handler = call.snapshot.handler(resource, &subresource.name).cloned();
        if let Some(handler) = handler {
            return handler.serve(self, call, request).await;
        }
        verbs::subresource::serve(self, &call, &subresource, request).await
    }
}

/// Whether the path is one of the resource's scope: a namespace before namespaced resources only, and before each of their
/// objects.
fn in_scope(info: &ResourceInfo, request: &RequestInfo) -> bool {
    if info.namespaced {
        !request.namespace.is_empty() || request.name.is_empty() || request.watch_path
    } else {
        request.namespace.is_empty() || info.gvr.resource == "namespaces"
    }
}

/// Whether a resource has the verb, and the path the form that the verb needs.
fn verb_fits(info: &ResourceInfo, request: &RequestInfo) -> bool {
    let one = !request.name.is_empty();
    let form = match request.verb {
        "get" | "update" | "patch" | "delete" => one,
        "create" => !one && info.namespaced != request.namespace.is_empty(),
        "list" | "deletecollection" => !one,
        "watch" => true,
        _ => false,
    };
    // A deletion over all namespaces at once does not exist, nor an object of a namespaced resource outside of one.
    let scope = match request.verb {
        "list" | "watch" => true,
        _ => info.namespaced != request.namespace.is_empty() || info.gvr.resource == "namespaces",
    };
    form && scope && info.has_verb(request.verb)
}

/// 405 as the server gives it for paths and methods that do not fit.
pub fn method_not_allowed() -> StatusError {
    StatusError::new(
        405,
        karmada_machinery::Reason::MethodNotAllowed,
        "the server does not allow this method on the requested resource",
    )
    .with_details(json!({}))
}

/// The 403 that says who may not do what.
fn forbidden(attributes: &Attributes, reason: &str) -> StatusError {
    let user = &attributes.user.name;
    let verb = &attributes.verb;
    let mut text = if attributes.resource_request {
        let resource = if attributes.subresource.is_empty() {
            attributes.resource.clone()
        } else {
            format!("{}/{}", attributes.resource, attributes.subresource)
        };
        let scope = if attributes.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {:?}", attributes.namespace)
        };
        format!("User {user:?} cannot {verb} resource {resource:?} in API group {:?} {scope}", attributes.group)
    } else {
        format!("User {user:?} cannot {verb} path {:?}", attributes.path)
    };
    if !reason.is_empty() {
        text.push_str(": ");
        text.push_str(reason);
    }
    StatusError::forbidden(&GroupResource::new(&attributes.group, &attributes.resource), &attributes.name, &text)
}

/// Whether a request wants its connection taken over (exec, attach, port-forward through websockets or SPDY).
pub fn wants_upgrade(headers: &http::HeaderMap) -> bool {
    headers
        .get(header::CONNECTION)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade")))
}
