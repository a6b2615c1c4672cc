//! Signs certificate signing requests that somebody has approved, with the signers that kube-controller-manager has.
//!
//! Who may approve is a matter of access; this controller only looks at the condition. A request whose usages do not fit
//! its signer, or that asks for more than its signer gives, is marked as failed and never signed.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use karmada_runtime::{ControllerSpec, Error, Outcome, Patcher, Queue, Resource, controller};
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};

use super::{
    Kit, backoff, core,
    feed::{Change, Observer},
};
use crate::{pki, reviews::seconds};

const PREFIX: &str = "/registry/certificatesigningrequests/";
/// Certificates live a year unless the request wants less: kube-controller-manager's default.
const LIFETIME: u64 = 365 * 24 * 3600;

/// Signs a PKCS#10 request in PEM.
pub type Sign = Arc<dyn Fn(&str, &[ExtendedKeyUsagePurpose], Duration) -> Result<String, pki::Error> + Send + Sync>;

struct Requests {
    queue: Queue<String>,
}

impl Observer for Requests {
    fn observe(&self, change: &Change) {
        if let (Some(name), Some(_)) = (change.key.strip_prefix(PREFIX), &change.object) {
            self.queue.add(name.to_owned());
        }
    }
}

/// Starts the controller.
pub(super) fn start(kit: &Kit) -> Arc<dyn Observer> {
    let queue: Queue<String> = Queue::new("csrsigning", backoff());
    let patcher = kit.patcher("certificate-controller");
    let sign = kit.sign.clone();
    let spec = ControllerSpec { name: "csrsigning", concurrency: 1 };
    kit.tasks.spawn(controller::run(spec, queue.clone(), kit.stop.clone(), move |name: String| {
        let (patcher, sign) = (patcher.clone(), sign.clone());
        async move { reconcile(&patcher, &sign, &name).await }
    }));
    Arc::new(Requests { queue })
}

fn has(request: &Value, condition: &str) -> bool {
    let conditions = request["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == condition && c["status"] != "False"))
}

/// What the signer makes of the request's usages; an error is the text of the condition.
fn usages(request: &Value) -> Result<Option<Vec<ExtendedKeyUsagePurpose>>, String> {
    let wanted: Vec<&str> =
        request["spec"]["usages"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let basic = ["key encipherment", "digital signature"];
    let allowed: &[&str] = match request["spec"]["signerName"].as_str().unwrap_or_default() {
        "kubernetes.io/kube-apiserver-client" | "kubernetes.io/kube-apiserver-client-kubelet" => &["client auth"],
        "kubernetes.io/kubelet-serving" => &["server auth"],
        "kubernetes.io/legacy-unknown" => &["client auth", "server auth"],
        // Somebody else's signer.
        _ => return Ok(None),
    };
    let mut extended = Vec::new();
    for usage in wanted {
        match usage {
            "client auth" if allowed.contains(&usage) => extended.push(ExtendedKeyUsagePurpose::ClientAuth),
            "server auth" if allowed.contains(&usage) => extended.push(ExtendedKeyUsagePurpose::ServerAuth),
            usage if basic.contains(&usage) => {}
            usage => return Err(format!("usages did not match the signer: {usage} is not allowed")),
        }
    }
    Ok(Some(extended))
}

async fn reconcile(patcher: &Patcher, sign: &Sign, name: &str) -> Result<Outcome, Error> {
    let resource = Resource {
        group: "certificates.k8s.io".to_owned(),
        version: "v1".to_owned(),
        ..core("CertificateSigningRequest", "certificatesigningrequests", false)
    };
    let Some(mut request) = patcher.get(&resource, "", name).await? else { return Ok(Outcome::Done) };
    let signed = request["status"]["certificate"].as_str().is_some_and(|c| !c.is_empty());
    if signed || !has(&request, "Approved") || has(&request, "Denied") || has(&request, "Failed") {
        return Ok(Outcome::Done);
    }
    let lifetime = request["spec"]["expirationSeconds"].as_u64().map_or(LIFETIME, |s| s.clamp(600, LIFETIME));
    let certificate = match usages(&request) {
        Ok(None) => return Ok(Outcome::Done),
        Err(why) => Err(why),
        Ok(Some(usages)) => {
            let pem = STANDARD.decode(request["spec"]["request"].as_str().unwrap_or_default());
            let pem = pem.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
            sign(&pem, &usages, Duration::from_secs(lifetime)).map_err(|error| error.to_string())
        }
    };
    if !request["status"].is_object() {
        request["status"] = json!({});
    }
    match certificate {
        Ok(pem) => request["status"]["certificate"] = STANDARD.encode(pem).into(),
        Err(why) => {
            let now = seconds(Timestamp::now());
            let condition = json!({
                "type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": why,
                "lastUpdateTime": now, "lastTransitionTime": now,
            });
            match request["status"]["conditions"].as_array_mut() {
                Some(conditions) => conditions.push(condition),
                None => request["status"]["conditions"] = json!([condition]),
            }
        }
    }
    patcher.update(&resource, "", name, "status", &request).await?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signers_give_what_is_theirs() {
        let request = |signer: &str, usages: Value| json!({"spec": {"signerName": signer, "usages": usages}});
        let client = "kubernetes.io/kube-apiserver-client";
        let good = usages(&request(client, json!(["digital signature", "key encipherment", "client auth"])));
        assert_eq!(good, Ok(Some(vec![ExtendedKeyUsagePurpose::ClientAuth])));
        assert!(usages(&request(client, json!(["server auth"]))).is_err());
        assert!(usages(&request(client, json!(["cert sign"]))).is_err());
        assert_eq!(usages(&request("example.com/mine", json!(["server auth"]))), Ok(None));
    }
}
