//! Roles and their bindings.

use serde_json::Value;

use super::common::*;
use crate::field::{FieldError, FieldErrors};
use crate::kinds::names;
use crate::resource::RequestContext;
use crate::selector;

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn role(object: &Value) -> FieldErrors {
    rules(object, true)
}

pub(super) fn cluster_role(object: &Value) -> FieldErrors {
    let mut e = rules(object, false);
    if let Some(aggregation) = given(object, "aggregationRule") {
        if list(aggregation, "clusterRoleSelectors").is_empty() {
            let wrong = "at least one clusterRoleSelector required if aggregationRule is non-nil";
            e.push(FieldError::required("aggregationRule.clusterRoleSelectors", wrong));
        }
        for (item, selector) in each(aggregation, "clusterRoleSelectors", "aggregationRule") {
            e.extend(selector::validate_object(selector, &item));
        }
    }
    e
}

fn rules(object: &Value, namespaced: bool) -> FieldErrors {
    let mut e = Vec::new();
    for (item, rule) in each(object, "rules", "") {
        if list(rule, "verbs").is_empty() {
            e.push(FieldError::required(at(&item, "verbs"), "verbs must contain at least one value"));
        }
        let urls = list(rule, "nonResourceURLs");
        if !urls.is_empty() {
            let wrong = if namespaced {
                "namespaced rules cannot apply to non-resource URLs"
            } else if ["apiGroups", "resources", "resourceNames"].iter().any(|key| !list(rule, key).is_empty()) {
                "rules cannot apply to both regular resources and non-resource URLs"
            } else {
                continue;
            };
            e.push(FieldError::invalid(at(&item, "nonResourceURLs"), urls.to_vec(), wrong));
            continue;
        }
        if list(rule, "apiGroups").is_empty() {
            let wrong = "resource rules must supply at least one api group";
            e.push(FieldError::required(at(&item, "apiGroups"), wrong));
        }
        if list(rule, "resources").is_empty() {
            let wrong = "resource rules must supply at least one resource";
            e.push(FieldError::required(at(&item, "resources"), wrong));
        }
    }
    e
}

pub(super) fn role_binding(object: &Value) -> FieldErrors {
    binding(object, &["Role", "ClusterRole"], true)
}

pub(super) fn cluster_role_binding(object: &Value) -> FieldErrors {
    binding(object, &["ClusterRole"], false)
}

fn binding(object: &Value, kinds: &[&str], namespaced: bool) -> FieldErrors {
    let mut e = Vec::new();
    let role = object.get("roleRef").unwrap_or(&Value::Null);
    let group = text(role, "apiGroup");
    if group != GROUP {
        e.push(FieldError::not_supported("roleRef.apiGroup", group, &[GROUP]));
    }
    one_of(&mut e, role, "kind", "roleRef", kinds, false);
    if required(&mut e, role, "name", "roleRef") {
        check(&mut e, "roleRef.name", text(role, "name"), names::path_segment(text(role, "name")));
    }
    for (item, subject) in each(object, "subjects", "") {
        required(&mut e, subject, "name", &item);
        let (name, group) = (text(subject, "name"), text(subject, "apiGroup"));
        match text(subject, "kind") {
            "ServiceAccount" => {
                if !name.is_empty() {
                    object_name(&mut e, name, at(&item, "name"));
                }
                if !group.is_empty() {
                    e.push(FieldError::not_supported(at(&item, "apiGroup"), group, &[""]));
                }
                if !namespaced && text(subject, "namespace").is_empty() {
                    e.push(FieldError::required(at(&item, "namespace"), ""));
                }
            }
            "User" | "Group" => {
                if group != GROUP {
                    e.push(FieldError::not_supported(at(&item, "apiGroup"), group, &[GROUP]));
                }
            }
            other => {
                let all = ["ServiceAccount", "User", "Group"];
                e.push(FieldError::not_supported(at(&item, "kind"), other, &all));
            }
        }
    }
    e
}

pub(super) fn keep_role(object: &Value, old: &Value, _ctx: &RequestContext<'_>) -> FieldErrors {
    let role = |o: &Value| -> (String, String, String) {
        let role = &o["roleRef"];
        (text(role, "apiGroup").to_owned(), text(role, "kind").to_owned(), text(role, "name").to_owned())
    };
    let (group, kind, name) = role(object);
    if (group.clone(), kind.clone(), name.clone()) == role(old) {
        return Vec::new();
    }
    let json = Value::from;
    let shown = format!("{{\"APIGroup\":{},\"Kind\":{},\"Name\":{}}}", json(group), json(kind), json(name));
    vec![invalid_raw("roleRef", &shown, "cannot change roleRef")]
}
