//! What kube-apiserver guards certificate signing requests with: who asks is written by the server, approving and signing
//! need a right to the signer, and nobody gets a client certificate of `system:masters` this way.

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use karmada_machinery::{GroupResource, GroupVersionResource, StatusError, meta};
use karmada_rest::{
    access::{Attributes, Authorizer, Decision},
    admission::{AdmissionPlugin, AdmissionRequest, Operation, Warnings},
};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer as _, X509CertificationRequest};

use crate::authz::MASTERS;

const GROUP: &str = "certificates.k8s.io";
const RESOURCE: &str = "certificatesigningrequests";
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// The plugin.
pub struct CertificateRequests {
    authorizer: Arc<dyn Authorizer>,
}

impl CertificateRequests {
    /// Asks this authorizer about signers.
    pub fn new(authorizer: Arc<dyn Authorizer>) -> Self {
        Self { authorizer }
    }

    /// Whether the requester has the verb on the signer, by its name or by its domain (`example.com/*`).
    async fn may(&self, request: &AdmissionRequest, verb: &str, signer: &str) -> Result<bool, StatusError> {
        let domain = signer.split('/').next().unwrap_or_default();
        for name in [signer.to_owned(), format!("{domain}/*")] {
            let attributes = Attributes {
                user: request.user.clone(),
                verb: verb.to_owned(),
                group: GROUP.to_owned(),
                version: "*".to_owned(),
                resource: "signers".to_owned(),
                name,
                resource_request: true,
                ..Attributes::default()
            };
            if matches!(self.authorizer.authorize(&attributes).await?, Decision::Allow(_)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn refuse(request: &AdmissionRequest, why: &str) -> StatusError {
    StatusError::forbidden(&GroupResource::new(GROUP, RESOURCE), &request.name, why)
}

/// The organizations that a PKCS#10 request in PEM asks for; `None` if it cannot be read.
fn organizations(encoded: &str) -> Option<Vec<String>> {
    let pem = pem::parse(STANDARD.decode(encoded).ok()?).ok()?;
    let (_, parsed) = X509CertificationRequest::from_der(pem.contents()).ok()?;
    let subject = &parsed.certification_request_info.subject;
    Some(subject.iter_organization().filter_map(|o| o.as_str().ok()).map(str::to_owned).collect())
}

#[async_trait]
impl AdmissionPlugin for CertificateRequests {
    fn handles(&self, operation: Operation, resource: &GroupVersionResource, _subresource: &str) -> bool {
        resource.group == GROUP
            && resource.resource == RESOURCE
            && matches!(operation, Operation::Create | Operation::Update)
    }

    async fn mutate(
        &self,
        request: &AdmissionRequest,
        object: Option<&mut Value>,
        _warnings: &mut Warnings,
    ) -> Result<(), StatusError> {
        let Some(spec) = object.and_then(|o| o.get_mut("spec")).and_then(Value::as_object_mut) else { return Ok(()) };
        // Approvers decide by who asks: that is never the client's to say, and never changes.
        for field in ["username", "uid", "groups", "extra"] {
            spec.remove(field);
        }
        if let Some(old) = &request.old_object {
            for field in ["username", "uid", "groups", "extra"] {
                if let Some(value) = old["spec"].get(field) {
                    spec.insert(field.to_owned(), value.clone());
                }
            }
            return Ok(());
        }
        let user = &request.user;
        spec.insert("username".to_owned(), user.name.clone().into());
        if !user.uid.is_empty() {
            spec.insert("uid".to_owned(), user.uid.clone().into());
        }
        if !user.groups.is_empty() {
            spec.insert("groups".to_owned(), json!(user.groups));
        }
        if !user.extra.is_empty() {
            spec.insert("extra".to_owned(), json!(user.extra));
        }
        Ok(())
    }

    async fn validate(
        &self,
        request: &AdmissionRequest,
        object: Option<&Value>,
        _warnings: &mut Warnings,
    ) -> Result<(), StatusError> {
        let Some(object) = object else { return Ok(()) };
        let signer = object["spec"]["signerName"].as_str().unwrap_or_default();
        if request.operation == Operation::Create {
            let asks_for_masters = signer == CLIENT_SIGNER
                && organizations(object["spec"]["request"].as_str().unwrap_or_default())
                    .is_some_and(|groups| groups.iter().any(|g| g == MASTERS));
            if asks_for_masters {
                let why = format!("use of {signer} signer with {MASTERS} group is not allowed");
                let mut named = request.clone();
                named.name = meta::name(object).unwrap_or(&request.name).to_owned();
                return Err(refuse(&named, &why));
            }
            return Ok(());
        }
        let old = request.old_object.as_ref().unwrap_or(&Value::Null);
        let signs = request.subresource == "status" && old["status"]["certificate"] != object["status"]["certificate"];
        let verb = match request.subresource.as_str() {
            "approval" => "approve",
            "status" if signs => "sign",
            _ => return Ok(()),
        };
        if self.may(request, verb, signer).await? {
            return Ok(());
        }
        Err(refuse(request, &format!("user not permitted to {verb} requests with signerName {signer:?}")))
    }
}

#[cfg(test)]
mod tests {
    use karmada_machinery::GroupVersionKind;
    use karmada_rest::access::{AllowAll, UserInfo};

    use super::*;

    struct Nobody;

    #[async_trait]
    impl Authorizer for Nobody {
        async fn authorize(&self, _: &Attributes) -> Result<Decision, StatusError> {
            Ok(Decision::NoOpinion(String::new()))
        }
    }

    fn request(operation: Operation, subresource: &str, old: Option<Value>) -> AdmissionRequest {
        AdmissionRequest {
            uid: String::new(),
            operation,
            kind: GroupVersionKind::default(),
            resource: GroupVersionResource::new(GROUP, "v1", RESOURCE),
            subresource: subresource.to_owned(),
            namespace: String::new(),
            name: "c".to_owned(),
            user: UserInfo { name: "alice".to_owned(), groups: vec!["dev".to_owned()], ..UserInfo::default() },
            dry_run: false,
            options: Value::Null,
            old_object: old,
        }
    }

    fn encoded(organization: &str) -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, organization);
        STANDARD.encode(params.serialize_request(&key).unwrap().pem().unwrap())
    }

    #[tokio::test]
    async fn who_asks_is_the_servers_to_say() {
        let plugin = CertificateRequests::new(Arc::new(AllowAll));
        let mut object =
            json!({"spec": {"username": "system:node:x", "groups": ["system:masters"], "extra": {"a": ["b"]}}});
        let mut warnings = Warnings::default();
        plugin.mutate(&request(Operation::Create, "", None), Some(&mut object), &mut warnings).await.unwrap();
        assert_eq!(object, json!({"spec": {"username": "alice", "groups": ["dev"]}}));
        let mut changed = json!({"spec": {"username": "bob"}});
        let update = request(Operation::Update, "status", Some(object.clone()));
        plugin.mutate(&update, Some(&mut changed), &mut warnings).await.unwrap();
        assert_eq!(changed, object);
    }

    #[tokio::test]
    async fn masters_are_not_made_and_signers_are_guarded() {
        let mut warnings = Warnings::default();
        let object =
            |organization: &str| json!({"spec": {"signerName": CLIENT_SIGNER, "request": encoded(organization)}});
        let anybody = CertificateRequests::new(Arc::new(AllowAll));
        let create = request(Operation::Create, "", None);
        anybody.validate(&create, Some(&object("system:nodes")), &mut warnings).await.unwrap();
        assert!(anybody.validate(&create, Some(&object("system:masters")), &mut warnings).await.is_err());

        let nobody = CertificateRequests::new(Arc::new(Nobody));
        let stored = object("system:nodes");
        let mut signed = stored.clone();
        signed["status"] = json!({"certificate": "x"});
        let approval = request(Operation::Update, "approval", Some(stored.clone()));
        let error = nobody.validate(&approval, Some(&stored), &mut warnings).await.unwrap_err();
        assert!(error.message.contains("user not permitted to approve requests with signerName"), "{error}");
        anybody.validate(&approval, Some(&stored), &mut warnings).await.unwrap();
        let status = request(Operation::Update, "status", Some(stored.clone()));
        assert!(nobody.validate(&status, Some(&signed), &mut warnings).await.is_err());
        nobody.validate(&status, Some(&stored), &mut warnings).await.unwrap();
    }
}
