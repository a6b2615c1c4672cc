//! Roles and bindings in memory, found by subject: a decision looks at the bindings of the user and of each of their
//! groups, never at all bindings.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use karmada_rest::access::{Attributes, UserInfo};
use parking_lot::RwLock;
use serde::Deserialize;

use super::rule::Rule;
use crate::mirror::Projection;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Where the objects of the four kinds are kept.
pub const PREFIXES: [&str; 4] =
    ["/registry/clusterroles/", "/registry/roles/", "/registry/clusterrolebindings/", "/registry/rolebindings/"];

/// The index. It follows the store (see [`crate::mirror`]).
#[derive(Default)]
pub struct RbacIndex {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    /// Rules of roles; the namespace is empty for cluster roles.
    roles: HashMap<Key, Arc<[Rule]>>,
    /// Bindings; the namespace is empty for cluster role bindings.
    bindings: BTreeMap<Key, Binding>,
    /// Bindings of a subject in a namespace.
    by_subject: HashMap<Subject, BTreeSet<Key>>,
}

/// Namespace and name.
type Key = (String, String);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Subject {
    User(String),
    Group(String),
}

#[derive(Clone, Debug)]
struct Binding {
    role: RoleRef,
    subjects: Vec<Subject>,
}

/// What a binding refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleRef {
    /// The role's API group.
    pub api_group: String,
    /// `Role` or `ClusterRole`.
    pub kind: String,
    /// Name.
    pub name: String,
}

#[derive(Deserialize)]
struct RoleObject {
    #[serde(default)]
    rules: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
struct BindingObject {
    #[serde(rename = "roleRef", default)]
    role_ref: RoleRef,
    #[serde(default)]
    subjects: Option<Vec<SubjectObject>>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct SubjectObject {
    kind: String,
    name: String,
    namespace: String,
}

impl RbacIndex {
    /// Why the request is allowed; `None` if no rule allows it.
    pub fn allows(&self, attributes: &Attributes) -> Option<String> {
        let state = self.state.read();
        let mut reason = None;
        state.visit(&attributes.user, &attributes.namespace, |key, binding, subject, rules| {
            if !rules.iter().any(|rule| rule.allows(attributes)) {
                return true;
            }
            let binding_kind = if key.0.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
            let binding_name = if key.0.is_empty() { key.1.clone() } else { format!("{}/{}", key.1, key.0) };
            let (subject_kind, subject) = match subject {
                Subject::User(name) => ("User", name),
                Subject::Group(name) => ("Group", name),
            };
            let (kind, name) = (&binding.role.kind, &binding.role.name);
            reason = Some(format!(
                "RBAC: allowed by {binding_kind} {binding_name:?} of {kind} {name:?} to {subject_kind} {subject:?}"
            ));
            false
        });
        reason
    }

    /// All rules that a user holds in a namespace (empty: at the cluster scope).
    pub fn rules_of(&self, user: &UserInfo, namespace: &str) -> Vec<Rule> {
        let mut held = Vec::new();
        self.state.read().visit(user, namespace, |_, _, _, rules| {
            for rule in rules.iter() {
                if !held.contains(rule) {
                    held.push(rule.clone());
                }
            }
            true
        });
        held
    }

    /// The rules of the role that a binding in `namespace` refers to; `None` if there is no such role.
    pub fn role(&self, reference: &RoleRef, namespace: &str) -> Option<Arc<[Rule]>> {
        self.state.read().role(reference, namespace).cloned()
    }

    /// How many roles and bindings there are.
    pub fn size(&self) -> (usize, usize) {
        let state = self.state.read();
        (state.roles.len(), state.bindings.len())
    }
}

impl State {
    fn role(&self, reference: &RoleRef, namespace: &str) -> Option<&Arc<[Rule]>> {
        if !reference.api_group.is_empty() && reference.api_group != GROUP {
            return None;
        }
        let namespace = match reference.kind.as_str() {
            "ClusterRole" => "",
            "Role" => namespace,
            _ => return None,
        };
        self.roles.get(&(namespace.to_owned(), reference.name.clone()))
    }

    /// Calls `visit` with the rules of each binding that applies to the user, cluster-wide ones first, until it says
    /// `false`.
    fn visit(
        &self,
        user: &UserInfo,
        namespace: &str,
        mut visit: impl FnMut(&Key, &Binding, &Subject, &Arc<[Rule]>) -> bool,
    ) {
        let mut subjects = vec![Subject::User(user.name.clone())];
        subjects.extend(user.groups.iter().cloned().map(Subject::Group));
        let scopes: &[&str] = if namespace.is_empty() { &[""] } else { &["", namespace] };
        for &scope in scopes {
            for subject in &subjects {
                let Some(keys) = self.by_subject.get(subject) else { continue };
                let start = (scope.to_owned(), String::new());
                for key in keys.range(start..).take_while(|key| key.0 == scope) {
                    let Some(binding) = self.bindings.get(key) else { continue };
                    let Some(rules) = self.role(&binding.role, &key.0) else { continue };
                    if !visit(key, binding, subject, rules) {
                        return;
                    }
                }
            }
        }
    }

    fn remove_binding(&mut self, key: &Key) {
        let Some(old) = self.bindings.remove(key) else { return };
        for subject in old.subjects {
            if let Some(keys) = self.by_subject.get_mut(&subject) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_subject.remove(&subject);
                }
            }
        }
    }

    fn put_binding(&mut self, key: Key, object: BindingObject) {
        self.remove_binding(&key);
        let subjects: Vec<Subject> = object
            .subjects
            .unwrap_or_default()
            .into_iter()
            .filter_map(|s| match s.kind.as_str() {
                "User" => Some(Subject::User(s.name)),
                "Group" => Some(Subject::Group(s.name)),
                "ServiceAccount" => {
                    // A role binding's subject without a namespace means nobody, as upstream.
                    (!s.namespace.is_empty())
                        .then(|| Subject::User(format!("system:serviceaccount:{}:{}", s.namespace, s.name)))
                }
                _ => None,
            })
            .collect();
        for subject in &subjects {
            self.by_subject.entry(subject.clone()).or_default().insert(key.clone());
        }
        self.bindings.insert(key, Binding { role: object.role_ref, subjects });
    }
}

impl Projection for RbacIndex {
    fn prefixes(&self) -> &[&'static str] {
        &PREFIXES
    }

    fn apply(&self, prefix: &'static str, tail: &str, value: Option<&[u8]>) {
        let key = match tail.split_once('/') {
            Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
            None => (String::new(), tail.to_owned()),
        };
        let is_role = prefix == PREFIXES[0] || prefix == PREFIXES[1];
        // An object that cannot be read grants nothing.
        if is_role {
            let rules = value.and_then(|v| serde_json::from_slice::<RoleObject>(v).ok());
            let mut state = self.state.write();
            match rules {
                Some(object) => state.roles.insert(key, object.rules.unwrap_or_default().into()),
                None => state.roles.remove(&key),
            };
        } else {
            let object = value.and_then(|v| serde_json::from_slice::<BindingObject>(v).ok());
            let mut state = self.state.write();
            match object {
                Some(object) => state.put_binding(key, object),
                None => state.remove_binding(&key),
            }
        }
    }

    fn clear(&self) {
        *self.state.write() = State::default();
    }
}
