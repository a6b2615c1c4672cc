//! A server: everything of this package put together.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use axum::Router;
use karmada_machinery::{GroupResource, kinds};
use karmada_rest::{
    ApiServer, Registry, ServerOptions,
    access::{AllowAll, Authorizer, UserInfo},
    admission::AdmissionPlugin,
};
use karmada_storage::{StorageCollector, Store, StoreError};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::{
        certificates::CertificateRequests,
        lifecycle::NamespaceLifecycle,
        namespaces::Namespaces,
        services::ServiceAllocator,
        webhooks::{Webhooks, config::Configurations},
    },
    authn::{
        self, Authentication, bootstrap_token::BootstrapTokens, request_header::RequestHeaders,
        service_account::ServiceAccountTokens, x509::ClientCertificates,
    },
    authz::{self, RbacAuthorizer, RbacIndex, escalation::EscalationCheck},
    config::{PkiLocation, ServerConfig},
    controllers::{self, Kit},
    crds,
    health::{Paths, Readiness},
    inprocess::{self, RouterReader},
    karmada::{self, rules::KarmadaRules},
    kubeconfig::{self, Credential, Kubeconfig},
    mirror::{Mirror, Projection},
    objects::LateReader,
    pki::{self, FRONT_PROXY_CLIENT, Identity, Pki, ServerNames},
    reviews::{self, Reviews},
    serve::{self, tls},
};

/// How often a running server looks whether its certificates have to be renewed.
const RENEWAL_PERIOD: Duration = Duration::from_secs(6 * 3600);

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Keys or certificates.
    #[error("prepare keys and certificates")]
    Pki(#[from] pki::Error),
    /// TLS.
    #[error("prepare TLS")]
    Tls(#[from] tls::Error),
    /// Client authorities.
    #[error("prepare client authorities")]
    ClientAuthority(#[from] authn::x509::Error),
    /// The key of service account tokens.
    #[error("prepare the signing key of service accounts")]
    TokenKey(#[from] authn::jwt::KeyError),
    /// The store.
    #[error("read the store")]
    Store(#[from] StoreError),
    /// Something that must be there could not be written.
    #[error("make the system's namespaces, roles and services")]
    Bootstrap {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A running server. Cheap to clone; it runs until [`Server::shutdown`].
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    config: ServerConfig,
    api: ApiServer,
    router: Router,
    pki: Mutex<Pki>,
    certificate: Arc<tls::ServingCertificate>,
    certificates: Arc<ClientCertificates>,
    tls: Arc<rustls::ServerConfig>,
    tokens: Arc<ServiceAccountTokens>,
    readiness: Arc<Readiness>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Keeps the views of the store alive.
    mirror: Arc<Mirror>,
}

impl Server {
    /// Starts a server. When it returns, the server is ready: its namespaces and roles exist, its views have been read,
    /// its controllers run. It listens nowhere until [`Server::serve`].
    pub async fn start(config: ServerConfig) -> Result<Self, StartError> {
        let names =
            ServerNames::with_defaults(config.names.iter().cloned().chain([config.services.first().to_string()]));
        let now = SystemTime::now();
        let pki = match &config.pki {
            PkiLocation::Memory => Pki::ephemeral(names, now)?,
            PkiLocation::Directory(directory) => Pki::open(directory, names, now)?,
        };
        let readiness = Arc::new(Readiness::default());
        let (informers, bootstrapped) = (readiness.step("informer-sync"), readiness.step("poststarthook/bootstrap"));

        // Views of the store.
        let index = Arc::new(RbacIndex::default());
        let namespaces = Arc::new(Namespaces::default());
        let definitions = Arc::new(crds::Definitions::default());
        let configurations = Arc::new(Configurations::default());
        let services = ServiceAllocator::new(config.services.clone());
        let mut projections: Vec<Arc<dyn Projection>> =
            vec![namespaces.clone(), definitions.clone(), configurations.clone(), Arc::new(services.clone())];
        let authorizer: Arc<dyn Authorizer> = match config.rbac {
            Some(_) => {
                projections.push(index.clone());
                Arc::new(RbacAuthorizer::new(index.clone()))
            }
            None => Arc::new(AllowAll),
        };
        let mirror = Mirror::start(config.store.as_ref(), projections).await?;
        informers.store(true, Ordering::Release);

        // Identity.
        let objects = Arc::new(LateReader::default());
        let certificates = Arc::new(ClientCertificates::new(
            std::slice::from_ref(pki.ca.certificate()),
            std::slice::from_ref(pki.front_proxy_ca.certificate()),
        )?);
        let tokens = Arc::new(ServiceAccountTokens::new(
            config.issuer.clone(),
            config.audiences.clone(),
            &pki.service_account_key,
            &[],
            objects.clone(),
        )?);
        let mut authentication = Authentication::new(certificates.clone(), tokens.clone(), authorizer.clone());
        authentication.request_headers = Some(RequestHeaders::standard(vec![FRONT_PROXY_CLIENT.to_owned()]));
        authentication.bootstrap_tokens = Some(BootstrapTokens::new(objects.clone()));
        authentication.static_tokens = config.static_tokens.clone();
        authentication.anonymous = config.anonymous;
        let authentication = Arc::new(authentication);

        // What is served.
        let registry = Arc::new(Registry::new(kinds::builtin_resources()));
        registry.set_hook(GroupResource::new("", "services"), Arc::new(services));
        reviews::install(
            &registry,
            Reviews {
                authentication: authentication.clone(),
                authorizer: authorizer.clone(),
                index: index.clone(),
                tokens: tokens.clone(),
                objects: objects.clone(),
            },
        );
        if let Some(rules) = &config.karmada {
            karmada::install(&registry, &rules.features);
        }
        let custom = crds::Controller::new(definitions, registry.clone());

        let mut options = ServerOptions::new(config.store.clone(), registry.clone());
        options.limits = config.requests;
        options.admission = admission(&config, &namespaces, &index, &authorizer, &objects);
        // After all that changes objects in process, as upstream: webhooks see what will be stored.
        let webhooks = Arc::new(Webhooks::new(configurations, namespaces.clone(), objects.clone()));
        webhooks.set_registry(registry.clone());
        options.admission.push(webhooks);
        options.authorizer = authorizer;
        let figures = StorageCollector::new(config.store.clone(), options.cache.clone());
        if let Err(error) = options.metrics.register(Box::new(figures)) {
            tracing::warn!(%error, "register the store's figures");
        }
        options.paths = Some(Arc::new(Paths {
            store: config.store.clone(),
            readiness: readiness.clone(),
            tokens: tokens.clone(),
            metrics: options.metrics.clone(),
            external_url: config.advertise.map(kubeconfig::server_url),
        }));
        let api = ApiServer::new(options);
        let layer = axum::middleware::from_fn_with_state(authentication, authn::authenticate);
        let router = api.router().layer(layer);
        objects.set(Arc::new(RouterReader::new(router.clone())));

        let certificate = Arc::new(tls::ServingCertificate::new(&pki.server)?);
        let tls = tls::server_config(certificate.clone(), certificates.hints())?;
        let server = Self(Arc::new(Inner {
            api,
            router,
            certificate,
            certificates,
            tls,
            tokens,
            readiness,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            mirror,
            pki: Mutex::new(pki),
            config,
        }));
        server.bootstrap(&namespaces).await?;
        server.start_tasks(custom);
        bootstrapped.store(true, Ordering::Release);
        Ok(server)
    }

    async fn bootstrap(&self, existing: &Namespaces) -> Result<(), StartError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StartError::Bootstrap { source };
        let patcher = self.kit().patcher("kube-apiserver");
        controllers::bootstrap::namespaces(&patcher, &existing.names(), &self.0.config.namespaces)
            .await
            .map_err(|e| failed(Box::new(e)))?;
        if let Some(extent) = self.0.config.rbac {
            let written =
                authz::bootstrap::reconcile(patcher.client(), extent).await.map_err(|e| failed(Box::new(e)))?;
            tracing::debug!(written, "default roles and bindings are in place");
        }
        if self.0.config.api_services {
            controllers::bootstrap::api_services(&patcher, &self.kit().registry)
                .await
                .map_err(|e| failed(Box::new(e)))?;
        }
        let ip = self.0.config.services.first().into();
        controllers::bootstrap::kubernetes_service(&patcher, ip, self.0.config.advertise)
            .await
            .map_err(|e| failed(Box::new(e)))
    }

    fn start_tasks(&self, custom: crds::Controller) {
        let inner = &self.0;
        let kit = self.kit();
        inner.tasks.spawn(custom.run(kit.patcher("kube-apiserver"), inner.stop.clone()));
        let (mirror, store, stop) = (inner.mirror.clone(), inner.config.store.clone(), inner.stop.clone());
        inner.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = mirror.keep_loaded(store.as_ref()) => {}
            }
        });
        controllers::start(&kit, inner.config.controllers);
        if matches!(inner.config.pki, PkiLocation::Directory(_)) {
            let server = self.clone();
            inner.tasks.spawn(async move { server.renew_certificates().await });
        }
    }

    fn kit(&self) -> Kit {
        let inner = &self.0;
        let router = inner.router.clone();
        Kit {
            clients: Arc::new(move |user, agent| inprocess::client(router.clone(), user, agent)),
            store: inner.config.store.clone(),
            registry: inner.api.registry().clone(),
            tokens: inner.tokens.clone(),
            ca: inner.pki.lock().ca.certificate_pem().into(),
            sign: {
                // Weak: the tasks that hold the closure must not keep the server alive.
                let server = Arc::downgrade(&self.0);
                Arc::new(move |request, usages, lifetime| match server.upgrade() {
                    Some(inner) => inner.pki.lock().ca.sign_request(request, usages, lifetime, SystemTime::now()),
                    None => Err(pki::Error::Malformed {
                        what: "sign a request".to_owned(),
                        why: "the server has stopped".to_owned(),
                    }),
                })
            },
            concurrency: inner.config.concurrency,
            stop: inner.stop.clone(),
            tasks: inner.tasks.clone(),
        }
    }

    async fn renew_certificates(&self) {
        loop {
            tokio::select! {
                () = self.0.stop.cancelled() => return,
                () = tokio::time::sleep(RENEWAL_PERIOD) => {}
            }
            let renewed = {
                let mut pki = self.0.pki.lock();
                pki.renew(SystemTime::now()).map(|renewed| renewed.then(|| pki.server.clone()))
            };
            let shown = match renewed {
                Ok(None) => continue,
                Ok(Some(identity)) => self.0.certificate.replace(&identity).map_err(|e| e.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match shown {
                Ok(()) => tracing::info!("renewed the serving certificate"),
                Err(error) => tracing::error!(error, "renew certificates"),
            }
        }
    }

    /// All paths of the server, authentication included.
    pub fn router(&self) -> Router {
        self.0.router.clone()
    }

    /// The REST server below authentication.
    pub fn api(&self) -> &ApiServer {
        &self.0.api
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.config.store
    }

    /// A client without a socket that may do everything.
    pub fn client(&self) -> kube::Client {
        self.client_as(UserInfo::loopback())
    }

    /// A client without a socket that is this user.
    pub fn client_as(&self, user: UserInfo) -> kube::Client {
        inprocess::client(self.router(), user, "karmada")
    }

    /// The authority's certificate in PEM.
    pub fn ca_pem(&self) -> String {
        self.0.pki.lock().ca.certificate_pem().to_owned()
    }

    /// The administrator's certificate and key.
    pub fn admin(&self) -> Identity {
        self.0.pki.lock().admin.clone()
    }

    /// A client certificate of this server's authority.
    pub fn client_certificate(&self, user: &str, groups: &[&str]) -> Result<Identity, pki::Error> {
        self.0.pki.lock().client(user, groups, SystemTime::now())
    }

    /// Makes and verifies service account tokens.
    pub fn tokens(&self) -> &Arc<ServiceAccountTokens> {
        &self.0.tokens
    }

    /// The administrator's kubeconfig for a server that listens on `address`.
    pub fn kubeconfig(&self, context: &str, address: SocketAddr) -> Kubeconfig {
        let credential = Credential::Certificate(self.admin());
        Kubeconfig::new().context(context, &kubeconfig::server_url(address), &self.ca_pem(), &credential)
    }

    /// Whether the server is ready.
    pub fn is_ready(&self) -> bool {
        self.0.readiness.is_ready()
    }

    /// Serves HTTPS on this socket until the server is shut down.
    pub async fn serve(&self, listener: TcpListener) {
        let inner = &self.0;
        serve::serve(
            listener,
            inner.tls.clone(),
            inner.certificates.clone(),
            self.router(),
            inner.config.connections,
            inner.stop.clone(),
        )
        .await;
    }

    /// Serves in a task of its own and returns the address.
    pub async fn listen(&self, address: SocketAddr) -> Result<SocketAddr, serve::BindError> {
        let listener = serve::bind(address).await?;
        let local = listener.local_addr().map_err(|source| serve::BindError::Other { address, source })?;
        let server = self.clone();
        self.0.tasks.spawn(async move { server.serve(listener).await });
        Ok(local)
    }

    /// Stops listening and the controllers, waits for what is under way, and closes the store.
    pub async fn shutdown(&self) {
        let inner = &self.0;
        inner.readiness.stop();
        inner.stop.cancel();
        inner.tasks.close();
        // What hangs must not keep the store from being closed properly.
        let _ = tokio::time::timeout(Duration::from_secs(10), inner.tasks.wait()).await;
        inner.config.store.close().await;
    }
}

fn admission(
    config: &ServerConfig,
    namespaces: &Arc<Namespaces>,
    index: &Arc<RbacIndex>,
    authorizer: &Arc<dyn Authorizer>,
    objects: &Arc<LateReader>,
) -> Vec<Arc<dyn AdmissionPlugin>> {
    let mut plugins: Vec<Arc<dyn AdmissionPlugin>> =
        vec![Arc::new(NamespaceLifecycle::new(namespaces.clone(), objects.clone()))];
    if config.rbac.is_some() {
        plugins.push(Arc::new(EscalationCheck::new(index.clone(), authorizer.clone())));
    }
    plugins.push(Arc::new(CertificateRequests::new(authorizer.clone())));
    if let Some(rules) = &config.karmada {
        plugins.push(Arc::new(KarmadaRules::new(rules.clone(), objects.clone(), config.compile_lua.clone())));
    }
    plugins.extend(config.admission.iter().cloned());
    plugins
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever starts servers does it from tasks of their own.
    #[expect(dead_code, reason = "it only has to compile")]
    fn starting_can_be_spawned(config: ServerConfig) -> impl Future<Output = Result<Server, StartError>> + Send {
        Server::start(config)
    }
}
