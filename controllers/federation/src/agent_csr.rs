//! agentcsrapproving: certificate requests of agents are approved without a human.
//!
//! It acts on requests to the signer of client certificates that have exactly the form of an agent's: the agents' group as
//! only organization, an agent's name, no alternative names, only client usages. Whether the requester may have one is asked
//! of the control plane's authorization: an agent for itself, a bootstrap token for any agent. Anything else is left alone.

use std::sync::Arc;

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use karmada_runtime::patcher::Patcher;
use karmada_runtime::{ControllerSpec, Informer, ObjectKey, Outcome, Queue, Resource, controller};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509CertificationRequest};

use crate::context::Context;
use crate::error::Error;

const SIGNER: &str = "kubernetes.io/kube-apiserver-client";
const ORGANIZATION: &str = "system:karmada:agents";
const NAME_PREFIX: &str = "system:karmada:agent:";

/// What a requester must be allowed to create, and what is said when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Right {
    subresource: &'static str,
    message: &'static str,
}

const OWN: Right = Right {
    subresource: "selfclusteragent",
    message: "Auto approving self karmada agent certificate after SubjectAccessReview.",
};
const ANY: Right = Right {
    subresource: "clusteragent",
    message: "Auto approving karmada agent certificate after SubjectAccessReview.",
};

/// Runs the controller until `shutdown`.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let queue: Queue<ObjectKey> = Queue::new("agent-csr-approving-controller", ctx.options.backoff);
    let requests: Arc<Informer<CertificateSigningRequest>> = Informer::typed(ctx.control.client().clone());
    let adding = queue.clone();
    requests.add_handler(move |change| {
        if change.new.is_some_and(|request| request.spec.signer_name == SIGNER && !is_decided(request)) {
            adding.add(change.key.clone());
        }
    });
    let (running, stop) = (Arc::clone(&requests), shutdown.clone());
    tasks.spawn(async move { running.run(stop).await });
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(requests.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name: "agent-csr-approving-controller", concurrency: 1 };
        controller::run(spec, queue, stop, move |key| {
            let (ctx, requests) = (Arc::clone(&ctx), Arc::clone(&requests));
            async move { reconcile(&ctx.control, &requests, &key).await }
        })
        .await;
    });
}

async fn reconcile(
    control: &Patcher,
    requests: &Informer<CertificateSigningRequest>,
    key: &ObjectKey,
) -> Result<Outcome, Error> {
    let Some(request) = requests.get(key) else { return Ok(Outcome::Done) };
    if is_decided(&request) {
        return Ok(Outcome::Done);
    }
    for right in rights(&request) {
        if !is_allowed(control, &request, right).await? {
            continue;
        }
        let resource = Resource::of::<CertificateSigningRequest>();
        // Read anew, as it stands: the typed cache may not know all of its fields.
        let Some(mut stored) = control.get(&resource, "", &key.name).await? else { return Ok(Outcome::Done) };
        let approval = json!({
            "type": "Approved", "status": "True", "reason": "AutoApproved", "message": right.message,
        });
        match stored.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
            Some(conditions) => conditions.push(approval),
            None => stored["status"] = json!({"conditions": [approval]}),
        }
        let stored = control.update(&resource, "", &key.name, "approval", &stored).await?;
        requests.observe(&stored);
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Done)
}

fn is_decided(request: &CertificateSigningRequest) -> bool {
    let Some(status) = &request.status else { return false };
    status.certificate.as_ref().is_some_and(|certificate| !certificate.0.is_empty())
        || status.conditions.iter().flatten().any(|condition| matches!(&*condition.type_, "Approved" | "Denied"))
}

/// The rights of which one suffices; none if the request is not an agent's.
fn rights(request: &CertificateSigningRequest) -> Vec<Right> {
    let usages = request.spec.usages.as_deref().unwrap_or_default();
    let allowed = ["digital signature", "client auth", "key encipherment"];
    let has = |usage: &str| usages.iter().any(|known| known == usage);
    if !usages.iter().all(|usage| allowed.contains(&usage.as_str())) || !has("digital signature") || !has("client auth")
    {
        return Vec::new();
    }
    let Some(name) = agent_name(&request.spec.request.0) else { return Vec::new() };
    if request.spec.username.as_deref() == Some(&*name) { vec![OWN, ANY] } else { vec![ANY] }
}

/// The name in a certificate request (PEM) that has the form of an agent's.
fn agent_name(pem: &[u8]) -> Option<String> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem).ok()?;
    let (_, request) = X509CertificationRequest::from_der(&pem.contents).ok()?;
    let info = &request.certification_request_info;
    let organizations: Vec<&str> =
        info.subject.iter_organization().map(|o| o.as_str()).collect::<Result<_, _>>().ok()?;
    let mut names = info.subject.iter_common_name();
    let name = names.next()?.as_str().ok()?;
    let has_alternatives = request
        .requested_extensions()
        .into_iter()
        .flatten()
        .any(|extension| matches!(extension, ParsedExtension::SubjectAlternativeName(_)));
    let is_agent = organizations == [ORGANIZATION]
        && names.next().is_none()
        && name.strip_prefix(NAME_PREFIX).is_some_and(|cluster| !cluster.is_empty())
        && !has_alternatives;
    is_agent.then(|| name.to_owned())
}

async fn is_allowed(control: &Patcher, request: &CertificateSigningRequest, right: Right) -> Result<bool, Error> {
    let resource = Resource {
        group: "authorization.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "SubjectAccessReview".to_owned(),
        plural: "subjectaccessreviews".to_owned(),
        namespaced: false,
    };
    let spec = &request.spec;
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": spec.username, "uid": spec.uid, "groups": spec.groups, "extra": spec.extra,
            "resourceAttributes": {
                "group": "certificates.k8s.io", "resource": "certificatesigningrequests", "verb": "create",
                "subresource": right.subresource,
            },
        },
    });
    let answer = control.create(&resource, "", &review).await?;
    Ok(answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or(false))
}
