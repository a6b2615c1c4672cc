//! Brings the default roles and bindings into the store, and back when somebody has taken something away.
//!
//! What is there is only added to: rules and subjects that an administrator has added stay. An object that carries
//! `rbac.authorization.kubernetes.io/autoupdate: "false"` is left alone. When everything is there, nothing is written.

use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};

use super::{
    policy::{self, AUTOUPDATE, DefaultBinding, DefaultRole, Extent},
    rule::{Rule, uncovered},
};

/// Writes in flight: enough to share one commit of the store between many.
const CONCURRENCY: usize = 64;

fn api(client: &Client, namespace: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
    if namespace.is_empty() {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource)
    }
}

/// What has to be written for one object.
#[derive(Debug, PartialEq)]
pub enum Plan {
    /// All is well.
    Nothing,
    /// The object is missing.
    Create(Value),
    /// The object lacks something.
    Replace(Value),
    /// The binding refers to another role, which cannot be changed.
    Recreate(Value),
}

/// Brings all defaults in. Needs the namespaces of the roles to exist.
pub async fn reconcile(client: &Client, extent: Extent) -> Result<usize, kube::Error> {
    let mut plans = Vec::new();
    let roles = existing(client, &[("ClusterRole", "clusterroles"), ("Role", "roles")]).await?;
    for role in policy::roles(extent) {
        let kind = if role.namespace.is_empty() { ("ClusterRole", "clusterroles") } else { ("Role", "roles") };
        let old = find(&roles, kind.0, &role.namespace, &role.name);
        plans.push((kind, role.namespace.clone(), role.name.clone(), plan_role(&role, old)));
    }
    let bindings =
        existing(client, &[("ClusterRoleBinding", "clusterrolebindings"), ("RoleBinding", "rolebindings")]).await?;
    for binding in policy::bindings(extent) {
        let kind = if binding.namespace.is_empty() {
            ("ClusterRoleBinding", "clusterrolebindings")
        } else {
            ("RoleBinding", "rolebindings")
        };
        let old = find(&bindings, kind.0, &binding.namespace, &binding.name);
        plans.push((kind, binding.namespace.clone(), binding.name.clone(), plan_binding(&binding, old)));
    }
    plans.retain(|(_, _, _, plan)| *plan != Plan::Nothing);
    let written = plans.len();
    let mut writes: Vec<BoxFuture<'static, Result<(), kube::Error>>> = Vec::new();
    for (kind, namespace, name, plan) in plans {
        let api = api(client, &namespace, kind.0, kind.1);
        writes.push(Box::pin(async move { apply(&api, &name, plan).await }));
    }
    stream::iter(writes).buffer_unordered(CONCURRENCY).try_collect::<Vec<()>>().await?;
    Ok(written)
}

async fn existing(client: &Client, kinds: &[(&'static str, &str)]) -> Result<Vec<(&'static str, Value)>, kube::Error> {
    let mut all = Vec::new();
    for &(kind, plural) in kinds {
        let list = api(client, "", kind, plural).list(&ListParams::default()).await?;
        for item in list.items {
            all.push((kind, serde_json::to_value(item).map_err(kube::Error::SerdeError)?));
        }
    }
    Ok(all)
}

fn find<'a>(all: &'a [(&str, Value)], kind: &str, namespace: &str, name: &str) -> Option<&'a Value> {
    let found = all.iter().find(|(k, object)| {
        *k == kind
            && object["metadata"]["name"] == name
            && object["metadata"]["namespace"].as_str().unwrap_or_default() == namespace
    });
    found.map(|(_, object)| object)
}

async fn apply(api: &Api<DynamicObject>, name: &str, plan: Plan) -> Result<(), kube::Error> {
    let parse = |value: Value| serde_json::from_value::<DynamicObject>(value).map_err(kube::Error::SerdeError);
    let params = PostParams::default();
    let outcome = match plan {
        Plan::Nothing => return Ok(()),
        Plan::Create(object) => api.create(&params, &parse(object)?).await,
        Plan::Replace(object) => api.replace(name, &params, &parse(object)?).await,
        Plan::Recreate(object) => {
            api.delete(name, &kube::api::DeleteParams::default()).await?;
            api.create(&params, &parse(object)?).await
        }
    };
    match outcome {
        // Another server on the same store has been quicker with the same thing.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other.map(|_| ()),
    }
}

fn autoupdate(old: &Value) -> bool {
    old["metadata"]["annotations"][AUTOUPDATE] != "false"
}

/// What to do about a role.
pub fn plan_role(wanted: &DefaultRole, old: Option<&Value>) -> Plan {
    let fresh = wanted.to_value();
    let Some(old) = old else { return Plan::Create(fresh) };
    if !autoupdate(old) {
        return Plan::Nothing;
    }
    let mut new = old.clone();
    add_labels(&mut new, &fresh);
    if wanted.aggregate.is_empty() {
        let held: Vec<Rule> = old.get("rules").and_then(|r| serde_json::from_value(r.clone()).ok()).unwrap_or_default();
        if !uncovered(&wanted.rules, &held).is_empty() {
            let mut rules = held.clone();
            rules.extend(wanted.rules.iter().filter(|r| !uncovered(&[(*r).clone()], &held).is_empty()).cloned());
            new["rules"] = json!(rules);
        }
    } else if old.get("aggregationRule").is_none_or(Value::is_null) {
        new["aggregationRule"] = fresh["aggregationRule"].clone();
    }
    if new == *old { Plan::Nothing } else { Plan::Replace(new) }
}

/// What to do about a binding.
pub fn plan_binding(wanted: &DefaultBinding, old: Option<&Value>) -> Plan {
    let fresh = wanted.to_value();
    let Some(old) = old else { return Plan::Create(fresh) };
    if !autoupdate(old) {
        return Plan::Nothing;
    }
    if old["roleRef"] != fresh["roleRef"] {
        return Plan::Recreate(fresh);
    }
    let mut new = old.clone();
    add_labels(&mut new, &fresh);
    let mut subjects = old["subjects"].as_array().cloned().unwrap_or_default();
    for subject in fresh["subjects"].as_array().into_iter().flatten() {
        if !subjects.contains(subject) {
            subjects.push(subject.clone());
        }
    }
    if old["subjects"].as_array().map_or(0, Vec::len) != subjects.len() {
        new["subjects"] = subjects.into();
    }
    if new == *old { Plan::Nothing } else { Plan::Replace(new) }
}

fn add_labels(new: &mut Value, fresh: &Value) {
    for field in ["labels", "annotations"] {
        for (key, value) in fresh["metadata"][field].as_object().into_iter().flatten() {
            if new["metadata"][field].get(key).is_none() {
                new["metadata"][field][key] = value.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_added_and_what_was_added_stays() {
        for extent in [Extent::ControlPlane, Extent::Member] {
            for role in policy::roles(extent) {
                assert_eq!(plan_role(&role, Some(&role.to_value())), Plan::Nothing, "{}", role.name);
                assert!(matches!(plan_role(&role, None), Plan::Create(_)));
            }
            for binding in policy::bindings(extent) {
                assert_eq!(plan_binding(&binding, Some(&binding.to_value())), Plan::Nothing, "{}", binding.name);
            }
        }
        let role = policy::roles(Extent::Member).into_iter().find(|r| r.name == "system:basic-user").unwrap();
        let mut old = role.to_value();
        old["rules"] = json!([{"verbs": ["x"], "apiGroups": ["y"], "resources": ["z"]}]);
        let Plan::Replace(new) = plan_role(&role, Some(&old)) else { panic!() };
        assert_eq!(new["rules"].as_array().unwrap().len(), 3);
        assert_eq!(plan_role(&role, Some(&new)), Plan::Nothing);
        old["metadata"]["annotations"][AUTOUPDATE] = "false".into();
        assert_eq!(plan_role(&role, Some(&old)), Plan::Nothing);

        let binding = policy::bindings(Extent::Member).remove(0);
        let mut old = binding.to_value();
        old["subjects"] = json!([{"kind": "User", "name": "x", "apiGroup": "rbac.authorization.k8s.io"}]);
        let Plan::Replace(new) = plan_binding(&binding, Some(&old)) else { panic!() };
        assert_eq!(new["subjects"].as_array().unwrap().len(), 2);
        old["roleRef"]["name"] = "other".into();
        assert!(matches!(plan_binding(&binding, Some(&old)), Plan::Recreate(_)));
    }
}
