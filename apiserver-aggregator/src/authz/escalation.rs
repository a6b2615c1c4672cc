//! Nobody may give away, through a role or a binding, what they do not hold themselves.

use std::sync::Arc;

use async_trait::async_trait;
use karmada_machinery::{GroupResource, GroupVersionResource, StatusError, meta};
use karmada_rest::{
    access::{Attributes, Authorizer, Decision},
    admission::{AdmissionPlugin, AdmissionRequest, Operation, Warnings},
};
use serde_json::Value;

use super::{
    MASTERS, RbacIndex,
    index::RoleRef,
    rule::{Rule, uncovered},
};

const GROUP: &str = "rbac.authorization.k8s.io";

/// The check, as a plugin of admission.
pub struct EscalationCheck {
    index: Arc<RbacIndex>,
    authorizer: Arc<dyn Authorizer>,
}

impl EscalationCheck {
    /// Checks against what the index says users hold; asks the authorizer about the verbs `escalate` and `bind`.
    pub fn new(index: Arc<RbacIndex>, authorizer: Arc<dyn Authorizer>) -> Self {
        Self { index, authorizer }
    }

    async fn may(
        &self,
        request: &AdmissionRequest,
        verb: &str,
        resource: &str,
        name: &str,
    ) -> Result<bool, StatusError> {
        let attributes = Attributes {
            user: request.user.clone(),
            verb: verb.to_owned(),
            group: GROUP.to_owned(),
            version: "v1".to_owned(),
            resource: resource.to_owned(),
            namespace: request.namespace.clone(),
            name: name.to_owned(),
            resource_request: true,
            ..Attributes::default()
        };
        Ok(matches!(self.authorizer.authorize(&attributes).await?, Decision::Allow(_)))
    }

    fn refuse(&self, request: &AdmissionRequest, wanted: &[Rule]) -> Option<StatusError> {
        let held = self.index.rules_of(&request.user, &request.namespace);
        let missing = uncovered(wanted, &held);
        if missing.is_empty() {
            return None;
        }
        let groups: Vec<String> = request.user.groups.iter().map(|g| format!("{g:?}")).collect();
        let listed: Vec<String> = missing.iter().map(Rule::compact).collect();
        let why = format!(
            "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            request.user.name,
            groups.join(" "),
            listed.join("\n")
        );
        Some(StatusError::forbidden(&GroupResource::new(GROUP, &request.resource.resource), &request.name, &why))
    }
}

fn rules(object: &Value) -> Vec<Rule> {
    object.get("rules").and_then(|r| serde_json::from_value(r.clone()).ok()).unwrap_or_default()
}

#[async_trait]
impl AdmissionPlugin for EscalationCheck {
    fn handles(&self, operation: Operation, resource: &GroupVersionResource, subresource: &str) -> bool {
        resource.group == GROUP
            && subresource.is_empty()
            && matches!(operation, Operation::Create | Operation::Update)
            && matches!(resource.resource.as_str(), "roles" | "clusterroles" | "rolebindings" | "clusterrolebindings")
    }

    async fn validate(
        &self,
        request: &AdmissionRequest,
        object: Option<&Value>,
        _warnings: &mut Warnings,
    ) -> Result<(), StatusError> {
        let Some(object) = object else { return Ok(()) };
        if request.user.in_group(MASTERS) {
            return Ok(());
        }
        let name = meta::name(object).unwrap_or(&request.name);
        let resource = request.resource.resource.as_str();
        if matches!(resource, "roles" | "clusterroles") {
            let old = request.old_object.as_ref();
            let unchanged = old.is_some_and(|old| {
                rules(old) == rules(object) && old.get("aggregationRule") == object.get("aggregationRule")
            });
            if unchanged || self.may(request, "escalate", resource, name).await? {
                return Ok(());
            }
            let mut wanted = rules(object);
            if object.get("aggregationRule").is_some_and(|a| !a.is_null()) {
                // What it will hold cannot be known: only who holds everything may aggregate.
                wanted = vec![
                    Rule {
                        verbs: vec!["*".to_owned()],
                        api_groups: vec!["*".to_owned()],
                        resources: vec!["*".to_owned()],
                        ..Rule::default()
                    },
                    Rule { verbs: vec!["*".to_owned()], non_resource_urls: vec!["*".to_owned()], ..Rule::default() },
                ];
            }
            return self.refuse(request, &wanted).map_or(Ok(()), Err);
        }
        let unchanged = request.old_object.as_ref().is_some_and(|old| {
            old.get("subjects") == object.get("subjects") && old.get("roleRef") == object.get("roleRef")
        });
        if unchanged {
            return Ok(());
        }
        let reference: RoleRef =
            object.get("roleRef").and_then(|r| serde_json::from_value(r.clone()).ok()).unwrap_or_default();
        let role_resource = if reference.kind == "ClusterRole" { "clusterroles" } else { "roles" };
        if self.may(request, "bind", role_resource, &reference.name).await? {
            return Ok(());
        }
        match self.index.role(&reference, &request.namespace) {
            Some(wanted) => self.refuse(request, &wanted).map_or(Ok(()), Err),
            None => Err(StatusError::not_found(&GroupResource::new(GROUP, role_resource), &reference.name)),
        }
    }
}
