//! Service accounts: the `default` one of every namespace, the authority's certificate beside it, and tokens in Secrets.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use karmada_runtime::{
    ControllerSpec, Error, Outcome, Patcher, Queue, controller,
    patcher::{DeleteOptions, PatchKind},
};
use serde_json::{Value, json};

use super::{
    Kit, backoff, core,
    feed::{Change, Observer},
};
use crate::authn::service_account::ServiceAccountTokens;

const NAMESPACES: &str = "/registry/namespaces/";
const ACCOUNTS: &str = "/registry/serviceaccounts/";
const CONFIG_MAPS: &str = "/registry/configmaps/";
const SECRETS: &str = "/registry/secrets/";
/// The ConfigMap with the authority's certificate.
pub const ROOT_CA: &str = "kube-root-ca.crt";
/// The type of Secrets that get a token.
pub const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";
const NAME_ANNOTATION: &str = "kubernetes.io/service-account.name";
const UID_ANNOTATION: &str = "kubernetes.io/service-account.uid";

struct PerNamespace {
    queue: Queue<String>,
}

impl Observer for PerNamespace {
    fn observe(&self, change: &Change) {
        let key = &*change.key;
        if let Some(name) = key.strip_prefix(NAMESPACES) {
            if change.object.as_ref().is_some_and(|o| !o.metadata.is_deleting()) {
                self.queue.add(name.to_owned());
            }
            return;
        }
        let ours = |prefix: &str, wanted: &str| {
            key.strip_prefix(prefix).and_then(|tail| tail.split_once('/')).filter(|(_, name)| *name == wanted)
        };
        // Somebody has deleted or changed what every namespace has.
        let removed = ours(ACCOUNTS, "default").filter(|_| change.object.is_none());
        if let Some((namespace, _)) = removed.or_else(|| ours(CONFIG_MAPS, ROOT_CA)) {
            self.queue.add(namespace.to_owned());
        }
    }
}

/// Starts the controller of what every namespace has.
pub(super) fn start_per_namespace(kit: &Kit, accounts: bool, root_ca: bool) -> Arc<dyn Observer> {
    let queue: Queue<String> = Queue::new("serviceaccount", backoff());
    let patcher = kit.patcher("service-account-controller");
    let ca = kit.ca.clone();
    let spec = ControllerSpec { name: "serviceaccount", concurrency: kit.concurrency };
    kit.tasks.spawn(controller::run(spec, queue.clone(), kit.stop.clone(), move |namespace: String| {
        let (patcher, ca) = (patcher.clone(), ca.clone());
        async move {
            let namespaces = core("Namespace", "namespaces", false);
            let live = patcher.get(&namespaces, "", &namespace).await?;
            if live.is_none_or(|n| !n["metadata"]["deletionTimestamp"].is_null()) {
                return Ok::<_, Error>(Outcome::Done);
            }
            if accounts {
                default_account(&patcher, &namespace).await?;
            }
            if root_ca {
                publish(&patcher, &namespace, &ca).await?;
            }
            Ok(Outcome::Done)
        }
    }));
    Arc::new(PerNamespace { queue })
}

async fn default_account(patcher: &Patcher, namespace: &str) -> Result<(), Error> {
    let accounts = core("ServiceAccount", "serviceaccounts", true);
    if patcher.get(&accounts, namespace, "default").await?.is_some() {
        return Ok(());
    }
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace},
    });
    match patcher.create(&accounts, namespace, &account).await {
        Err(error) if !error.is_already_exists() => Err(error),
        _ => Ok(()),
    }
}

async fn publish(patcher: &Patcher, namespace: &str, ca: &str) -> Result<(), Error> {
    let config_maps = core("ConfigMap", "configmaps", true);
    let data = json!({"ca.crt": ca});
    match patcher.get(&config_maps, namespace, ROOT_CA).await? {
        Some(old) if old["data"] == data => Ok(()),
        Some(mut old) => {
            old["data"] = data;
            patcher.update(&config_maps, namespace, ROOT_CA, "", &old).await.map(|_| ())
        }
        None => {
            let object = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {
                    "name": ROOT_CA,
                    "namespace": namespace,
                    "annotations": {"kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."},
                },
                "data": data,
            });
            match patcher.create(&config_maps, namespace, &object).await {
                Err(error) if !error.is_already_exists() => Err(error),
                _ => Ok(()),
            }
        }
    }
}

struct Tokens {
    queue: Queue<String>,
    /// Secrets with tokens by the key of their service account: few, because nothing makes them by itself any more.
    secrets: parking_lot::Mutex<std::collections::HashMap<String, std::collections::BTreeSet<String>>>,
}

impl Observer for Tokens {
    fn observe(&self, change: &Change) {
        if let Some(key) = change.key.strip_prefix(SECRETS) {
            // Parsing every Secret for its type would be wasteful; the type's text is in every one that matters.
            let text = TOKEN_TYPE.as_bytes();
            if change.object.is_none() || !change.json.windows(text.len()).any(|w| w == text) {
                return;
            }
            let secret: Value = serde_json::from_slice(&change.json).unwrap_or_default();
            if secret["type"] != TOKEN_TYPE {
                return;
            }
            let namespace = key.split_once('/').map_or("", |(namespace, _)| namespace);
            let account = secret["metadata"]["annotations"][NAME_ANNOTATION].as_str().unwrap_or_default();
            let account = format!("{namespace}/{account}");
            self.secrets.lock().entry(account).or_default().insert(key.to_owned());
            self.queue.add(key.to_owned());
        } else if let Some(account) = change.key.strip_prefix(ACCOUNTS)
            && let Some(secrets) = self.secrets.lock().get(account)
        {
            secrets.iter().for_each(|secret| self.queue.add(secret.clone()));
        }
    }

    fn reset(&self) {
        self.secrets.lock().clear();
    }
}

/// Starts the controller that fills Secrets.
pub(super) fn start_tokens(kit: &Kit) -> Arc<dyn Observer> {
    let queue: Queue<String> = Queue::new("serviceaccount-token", backoff());
    let patcher = kit.patcher("tokens-controller");
    let (tokens, ca) = (kit.tokens.clone(), kit.ca.clone());
    let spec = ControllerSpec { name: "serviceaccount-token", concurrency: kit.concurrency };
    kit.tasks.spawn(controller::run(spec, queue.clone(), kit.stop.clone(), move |key: String| {
        let (patcher, tokens, ca) = (patcher.clone(), tokens.clone(), ca.clone());
        async move { fill(&patcher, &tokens, &ca, &key).await }
    }));
    Arc::new(Tokens { queue, secrets: parking_lot::Mutex::default() })
}

async fn fill(patcher: &Patcher, tokens: &ServiceAccountTokens, ca: &str, key: &str) -> Result<Outcome, Error> {
    let Some((namespace, name)) = key.split_once('/') else { return Ok(Outcome::Done) };
    let (secrets, accounts) = (core("Secret", "secrets", true), core("ServiceAccount", "serviceaccounts", true));
    let Some(secret) = patcher.get(&secrets, namespace, name).await? else { return Ok(Outcome::Done) };
    let annotations = &secret["metadata"]["annotations"];
    let account_name = annotations[NAME_ANNOTATION].as_str().unwrap_or_default();
    if secret["type"] != TOKEN_TYPE || account_name.is_empty() || !secret["metadata"]["deletionTimestamp"].is_null() {
        return Ok(Outcome::Done);
    }
    let account = patcher.get(&accounts, namespace, account_name).await?;
    let wanted_uid = annotations[UID_ANNOTATION].as_str().unwrap_or_default();
    let uid = account.as_ref().and_then(|a| a["metadata"]["uid"].as_str()).unwrap_or_default();
    if uid.is_empty() || (!wanted_uid.is_empty() && wanted_uid != uid) {
        // The token's owner is gone: so is what the Secret is for.
        let options = DeleteOptions {
            uid: secret["metadata"]["uid"].as_str().map(str::to_owned),
            resource_version: secret["metadata"]["resourceVersion"].as_str().map(str::to_owned),
            ..DeleteOptions::default()
        };
        patcher.delete(&secrets, namespace, name, &options).await?;
        return Ok(Outcome::Done);
    }
    let stored = |field: &str| {
        let text = secret["data"][field].as_str().unwrap_or_default();
        STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    };
    let token_good = tokens.is_own_legacy(&stored("token"), namespace, uid);
    if token_good && stored("ca.crt") == ca && stored("namespace") == namespace && wanted_uid == uid {
        return Ok(Outcome::Done);
    }
    let token = if token_good {
        stored("token")
    } else {
        match tokens.issue_legacy(namespace, account_name, uid, name) {
            Ok(token) => token,
            Err(error) => {
                tracing::error!(%error, secret = key, "sign a service account token");
                return Ok(Outcome::Done);
            }
        }
    };
    let patch = json!({
        "metadata": {
            "resourceVersion": secret["metadata"]["resourceVersion"],
            "annotations": {UID_ANNOTATION: uid},
        },
        "data": {
            "token": STANDARD.encode(token),
            "ca.crt": STANDARD.encode(ca),
            "namespace": STANDARD.encode(namespace),
        },
    });
    patcher.patch(&secrets, namespace, name, "", PatchKind::Merge, &patch).await?;
    Ok(Outcome::Done)
}
