//! Questions in the form of objects: who am I, may I, is this token good. Nothing of them is stored.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{extract::Request, response::Response};
use jiff::Timestamp;
use karmada_machinery::{FieldError, GroupResource, GroupVersionResource, StatusError, meta};
use karmada_rest::{
    ApiServer,
    access::{Attributes, Authorizer, Decision, UserInfo},
    call::Call,
    registry::{Handler, Registry},
};
use serde_json::{Value, json};

use crate::{
    authn::{
        Authentication,
        service_account::{BoundObject, ServiceAccountTokens},
    },
    authz::{MASTERS, RbacIndex},
    objects::ObjectReader,
};

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
/// TokenRequest's bounds, as kube-apiserver's.
const SHORTEST_TOKEN: i64 = 600;
const LONGEST_TOKEN: i64 = 1 << 32;
const DEFAULT_TOKEN: i64 = 3600;

/// What the reviews need.
pub struct Reviews {
    /// Judges tokens.
    pub authentication: Arc<Authentication>,
    /// Decides.
    pub authorizer: Arc<dyn Authorizer>,
    /// Lists what a user may do.
    pub index: Arc<RbacIndex>,
    /// Makes tokens.
    pub tokens: Arc<ServiceAccountTokens>,
    /// Finds service accounts.
    pub objects: Arc<dyn ObjectReader>,
}

#[derive(Clone, Copy)]
enum Kind {
    Token,
    SelfSubject,
    SubjectAccess,
    SelfSubjectAccess,
    LocalSubjectAccess,
    SelfSubjectRules,
    TokenRequest,
}

struct Review {
    kind: Kind,
    shared: Arc<Reviews>,
}

/// Makes the reviews answer in this registry.
pub fn install(registry: &Registry, reviews: Reviews) {
    let shared = Arc::new(reviews);
    for (group, resource, kind) in [
        (AUTHENTICATION, "tokenreviews", Kind::Token),
        (AUTHENTICATION, "selfsubjectreviews", Kind::SelfSubject),
        (AUTHORIZATION, "subjectaccessreviews", Kind::SubjectAccess),
        (AUTHORIZATION, "selfsubjectaccessreviews", Kind::SelfSubjectAccess),
        (AUTHORIZATION, "localsubjectaccessreviews", Kind::LocalSubjectAccess),
        (AUTHORIZATION, "selfsubjectrulesreviews", Kind::SelfSubjectRules),
    ] {
        let review = Review { kind, shared: shared.clone() };
        registry.set_virtual(GroupResource::new(group, resource), Arc::new(review));
    }
    let token = Review { kind: Kind::TokenRequest, shared };
    registry.set_subresource(GroupResource::new("", "serviceaccounts"), "token", Arc::new(token));
}

#[async_trait]
impl Handler for Review {
    async fn serve(&self, _server: &ApiServer, call: Call, request: Request) -> Result<Response, StatusError> {
        let mut object = call.decode(request).await?;
        let shared = &self.shared;
        match self.kind {
            Kind::Token => shared.token_review(&mut object, call.now).await?,
            Kind::SelfSubject => {
                object["metadata"]["creationTimestamp"] = seconds(call.now).into();
                object["status"] = json!({"userInfo": user_value(&call.user)});
            }
            Kind::SelfSubjectRules => shared.rules_review(&mut object, &call.user),
            Kind::TokenRequest => shared.token_request(&mut object, &call).await?,
            Kind::SubjectAccess | Kind::SelfSubjectAccess | Kind::LocalSubjectAccess => {
                let kind = self.kind;
                let attributes = access_attributes(kind, &object, &call)?;
                let decision = shared.authorizer.authorize(&attributes).await;
                object["status"] = access_status(decision);
            }
        }
        if object.get("metadata").is_none() {
            object["metadata"] = json!({});
        }
        Ok(call.answer(201, &object))
    }
}

/// A time as Kubernetes writes it in metadata.
pub(crate) fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A user as reviews show them.
pub(crate) fn user_value(user: &UserInfo) -> Value {
    let mut value = json!({"username": user.name});
    if !user.uid.is_empty() {
        value["uid"] = user.uid.clone().into();
    }
    if !user.groups.is_empty() {
        value["groups"] = json!(user.groups);
    }
    if !user.extra.is_empty() {
        value["extra"] = json!(user.extra);
    }
    value
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn access_attributes(kind: Kind, object: &Value, call: &Call) -> Result<Attributes, StatusError> {
    let spec = &object["spec"];
    let mut errors = Vec::new();
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    match (resource.is_object(), path.is_object()) {
        (true, true) => errors.push(FieldError::invalid(
            "spec.nonResourceAttributes",
            path.clone(),
            "cannot be specified in combination with resourceAttributes",
        )),
        (false, false) => errors.push(FieldError::invalid(
            "spec.resourceAttributes",
            Value::Null,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
        _ => {}
    }
    let user = if matches!(kind, Kind::SelfSubjectAccess) {
        call.user.clone()
    } else {
        let user = UserInfo {
            name: text(&spec["user"]),
            uid: text(&spec["uid"]),
            groups: strings(&spec["groups"]),
            extra: spec["extra"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, values)| (key.to_lowercase(), strings(values)))
                .collect::<BTreeMap<_, _>>(),
        };
        if user.name.is_empty() && user.groups.is_empty() {
            errors.push(FieldError::invalid("spec.user", "", "at least one of user or group must be specified"));
        }
        user
    };
    if matches!(kind, Kind::LocalSubjectAccess) {
        let namespace = resource["namespace"].as_str().unwrap_or_default();
        if path.is_object() {
            errors.push(FieldError::invalid(
                "spec.nonResourceAttributes",
                path.clone(),
                "disallowed on this kind of request",
            ));
        } else if namespace != call.info.namespace {
            return Err(StatusError::bad_request(format!(
                "spec.resourceAttributes.namespace must match namespace: {}",
                call.info.namespace
            )));
        }
    }
    if !errors.is_empty() {
        let kind = object["kind"].as_str().unwrap_or_default();
        return Err(StatusError::invalid(AUTHORIZATION, kind, "", &errors));
    }
    Ok(if resource.is_object() {
        Attributes {
            user,
            verb: text(&resource["verb"]),
            group: text(&resource["group"]),
            version: text(&resource["version"]),
            resource: text(&resource["resource"]),
            subresource: text(&resource["subresource"]),
            namespace: text(&resource["namespace"]),
            name: text(&resource["name"]),
            path: String::new(),
            resource_request: true,
        }
    } else {
        Attributes { user, verb: text(&path["verb"]), path: text(&path["path"]), ..Attributes::default() }
    })
}

fn access_status(decision: Result<Decision, StatusError>) -> Value {
    let with_reason = |mut status: Value, reason: String| {
        if !reason.is_empty() {
            status["reason"] = reason.into();
        }
        status
    };
    match decision {
        Ok(Decision::Allow(reason)) => with_reason(json!({"allowed": true}), reason),
        Ok(Decision::Deny(reason)) => with_reason(json!({"allowed": false, "denied": true}), reason),
        Ok(Decision::NoOpinion(reason)) => with_reason(json!({"allowed": false}), reason),
        Err(error) => json!({"allowed": false, "evaluationError": error.message}),
    }
}

impl Reviews {
    async fn token_review(&self, object: &mut Value, now: Timestamp) -> Result<(), StatusError> {
        let token = text(&object["spec"]["token"]);
        if token.is_empty() {
            return Err(StatusError::bad_request("token is required for TokenReview in authentication"));
        }
        let audiences = strings(&object["spec"]["audiences"]);
        object["status"] = match self.authentication.token(&token, &audiences, now).await {
            Ok(found) => json!({
                "authenticated": true,
                "user": user_value(&found.user),
                "audiences": found.audiences,
            }),
            Err(error) => json!({"error": error, "user": {}}),
        };
        Ok(())
    }

    fn rules_review(&self, object: &mut Value, user: &UserInfo) {
        let namespace = text(&object["spec"]["namespace"]);
        let mut resource_rules = Vec::new();
        let mut path_rules = Vec::new();
        if user.in_group(MASTERS) {
            resource_rules.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
            path_rules.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
        }
        for rule in self.index.rules_of(user, &namespace) {
            if !rule.non_resource_urls.is_empty() {
                path_rules.push(json!({"verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls}));
            }
            if !rule.resources.is_empty() {
                let mut value = json!({"verbs": rule.verbs, "apiGroups": rule.api_groups, "resources": rule.resources});
                if !rule.resource_names.is_empty() {
                    value["resourceNames"] = json!(rule.resource_names);
                }
                resource_rules.push(value);
            }
        }
        object["status"] =
            json!({"resourceRules": resource_rules, "nonResourceRules": path_rules, "incomplete": false});
    }

    async fn token_request(&self, object: &mut Value, call: &Call) -> Result<(), StatusError> {
        let (namespace, name) = (call.info.namespace.as_str(), call.info.name.as_str());
        let core = |resource: &str| GroupVersionResource::new("", "v1", resource);
        let missing = |resource: &str, name: &str| StatusError::not_found(&GroupResource::new("", resource), name);
        let account = self.objects.get(&core("serviceaccounts"), namespace, name).await?;
        let account = account.ok_or_else(|| missing("serviceaccounts", name))?;
        let uid = meta::uid(&account).unwrap_or_default().to_owned();
        let lifetime = object["spec"]["expirationSeconds"].as_i64().unwrap_or(DEFAULT_TOKEN);
        let why = if lifetime < SHORTEST_TOKEN {
            Some("may not specify a duration less than 10 minutes")
        } else if lifetime > LONGEST_TOKEN {
            Some("may not specify a duration larger than 2^32 seconds")
        } else {
            None
        };
        if let Some(why) = why {
            let error = FieldError::invalid("spec.expirationSeconds", lifetime, why);
            return Err(StatusError::invalid(AUTHENTICATION, "TokenRequest", "", &[error]));
        }
        let bound = match object["spec"].get("boundObjectRef").filter(|r| r.is_object()) {
            None => None,
            Some(reference) => Some(self.bound_object(reference, namespace).await?),
        };
        let mut audiences = strings(&object["spec"]["audiences"]);
        if audiences.is_empty() {
            audiences = self.tokens.audiences().to_vec();
        }
        let seconds_to_live = Duration::from_secs(lifetime.unsigned_abs());
        let token = self
            .tokens
            .issue(namespace, name, &uid, bound.as_ref(), &audiences, seconds_to_live, call.now)
            .map_err(StatusError::internal)?;
        if !object["spec"].is_object() {
            object["spec"] = json!({});
        }
        let spec = &mut object["spec"];
        spec["audiences"] = json!(audiences);
        spec["expirationSeconds"] = lifetime.into();
        if spec.get("boundObjectRef").is_none() {
            spec["boundObjectRef"] = Value::Null;
        }
        object["metadata"] = json!({
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "creationTimestamp": seconds(call.now),
        });
        let expiry = call.now + jiff::SignedDuration::from_secs(lifetime);
        object["status"] = json!({"token": token, "expirationTimestamp": seconds(expiry)});
        Ok(())
    }

    async fn bound_object(&self, reference: &Value, namespace: &str) -> Result<BoundObject, StatusError> {
        let (kind, name) = (text(&reference["kind"]), text(&reference["name"]));
        let (resource, namespace) = match (kind.as_str(), reference["apiVersion"].as_str()) {
            ("Pod", Some("v1")) => ("pods", namespace),
            ("Secret", Some("v1")) => ("secrets", namespace),
            ("Node", Some("v1")) => ("nodes", ""),
            _ => {
                return Err(StatusError::bad_request(format!(
                    "cannot bind token for serviceaccount to object of kind {kind:?}"
                )));
            }
        };
        let gvr = GroupVersionResource::new("", "v1", resource);
        let object = self.objects.get(&gvr, namespace, &name).await?;
        let group_resource = GroupResource::new("", resource);
        let object = object.ok_or_else(|| StatusError::not_found(&group_resource, &name))?;
        let uid = meta::uid(&object).unwrap_or_default().to_owned();
        let wanted = text(&reference["uid"]);
        if !wanted.is_empty() && wanted != uid {
            let why = format!(
                "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been deleted and then recreated"
            );
            return Err(StatusError::conflict(&group_resource, &name, &why));
        }
        Ok(BoundObject { kind, name, uid })
    }
}
