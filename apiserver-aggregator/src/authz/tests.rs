use karmada_rest::{
    access::UserInfo,
    admission::{AdmissionPlugin as _, AdmissionRequest, Operation, Warnings},
};
use serde_json::{Value, json};

use super::{escalation::EscalationCheck, policy::Extent, *};
use crate::mirror::Projection as _;

fn put(index: &RbacIndex, object: &Value) {
    let kind = object["kind"].as_str().unwrap();
    let prefix = match kind {
        "ClusterRole" => index::PREFIXES[0],
        "Role" => index::PREFIXES[1],
        "ClusterRoleBinding" => index::PREFIXES[2],
        _ => index::PREFIXES[3],
    };
    let name = object["metadata"]["name"].as_str().unwrap();
    let tail = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    };
    index.apply(prefix, &tail, Some(object.to_string().as_bytes()));
}

fn defaults() -> Arc<RbacIndex> {
    let index = Arc::new(RbacIndex::default());
    for mut role in policy::roles(Extent::ControlPlane) {
        if role.name == "admin" {
            // What the aggregation controller will have filled in.
            role.aggregate.clear();
            let parts = policy::roles(Extent::ControlPlane);
            role.rules = parts
                .into_iter()
                .filter(|r| r.name.starts_with("system:aggregate-to-"))
                .flat_map(|r| r.rules)
                .collect();
        }
        put(&index, &role.to_value());
    }
    for binding in policy::bindings(Extent::ControlPlane) {
        put(&index, &binding.to_value());
    }
    index
}

fn user(name: &str, groups: &[&str]) -> UserInfo {
    UserInfo { name: name.to_owned(), groups: groups.iter().map(|&g| g.to_owned()).collect(), ..UserInfo::default() }
}

/// `verb group resource[/sub] namespace name`, or `verb /path`.
fn asks(user: UserInfo, text: &str) -> Attributes {
    let parts: Vec<&str> = text.split(' ').map(|p| if p == "-" { "" } else { p }).collect();
    if parts[1].starts_with('/') {
        return Attributes { user, verb: parts[0].to_owned(), path: parts[1].to_owned(), ..Attributes::default() };
    }
    let (resource, subresource) = parts[2].split_once('/').unwrap_or((parts[2], ""));
    Attributes {
        user,
        verb: parts[0].to_owned(),
        group: parts[1].to_owned(),
        version: "v1".to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: parts[3].to_owned(),
        name: parts[4].to_owned(),
        path: String::new(),
        resource_request: true,
    }
}

#[test]
fn the_defaults_allow_what_kubernetes_allows() {
    let index = defaults();
    put(
        &index,
        &json!({"kind": "RoleBinding", "metadata": {"name": "b", "namespace": "team"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"kind": "User", "name": "alice"}, {"kind": "ServiceAccount", "name": "sa", "namespace": "x"}]}),
    );
    let authorizer = RbacAuthorizer::new(index);
    let anonymous = || user("system:anonymous", &["system:unauthenticated"]);
    let alice = || user("alice", &["system:authenticated"]);
    let account = || user("system:serviceaccount:x:sa", &["system:authenticated"]);
    let agent = || user("system:bootstrap:abcdef", &["system:bootstrappers:karmada:default-cluster-token"]);
    for (who, question, allowed) in [
        (anonymous(), "get /healthz", true),
        (anonymous(), "get /version", true),
        (anonymous(), "get /livez/ping", false),
        (anonymous(), "get /metrics", false),
        (anonymous(), "get /api", false),
        (anonymous(), "get - configmaps kube-public cluster-info", true),
        (anonymous(), "get - configmaps kube-public other", false),
        (anonymous(), "list - configmaps kube-public -", false),
        (anonymous(), "create authentication.k8s.io selfsubjectreviews - -", false),
        (alice(), "get /apis/apps/v1", true),
        (alice(), "create authentication.k8s.io selfsubjectreviews - -", true),
        (alice(), "create apps deployments team -", true),
        (alice(), "create apps deployments other -", false),
        (alice(), "get - pods/log team p", true),
        (alice(), "update - pods/status team p", false),
        (alice(), "delete - namespaces team team", false),
        (alice(), "create rbac.authorization.k8s.io roles team -", true),
        (account(), "get - secrets team s", true),
        (account(), "get - secrets x s", false),
        (agent(), "create certificates.k8s.io certificatesigningrequests - -", true),
        (agent(), "create certificates.k8s.io certificatesigningrequests/clusteragent - -", true),
        (agent(), "get - secrets kube-system s", false),
        (user("system:admin", &[]), "get cluster.karmada.io clusters/proxy - m1", true),
        (user("x", &["system:masters"]), "delete - anything - -", true),
    ] {
        let decision = authorizer.decide(&asks(who, question));
        assert_eq!(matches!(decision, Decision::Allow(_)), allowed, "{question}: {decision:?}");
    }
    let Decision::Allow(reason) = authorizer.decide(&asks(alice(), "get - pods team p")) else { panic!() };
    assert_eq!(reason, "RBAC: allowed by RoleBinding \"b/team\" of ClusterRole \"admin\" to User \"alice\"");
}

#[test]
fn bindings_follow_changes() {
    let index = Arc::new(RbacIndex::default());
    let authorizer = RbacAuthorizer::new(index.clone());
    let question = || asks(user("bob", &["dev"]), "get - pods ns p");
    let allowed = || matches!(authorizer.decide(&question()), Decision::Allow(_));
    put(
        &index,
        &json!({"kind": "Role", "metadata": {"name": "r", "namespace": "ns"},
        "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}),
    );
    assert!(!allowed());
    let binding = |subjects: Value| {
        json!({"kind": "RoleBinding", "metadata": {"name": "b", "namespace": "ns"},
            "roleRef": {"kind": "Role", "name": "r"}, "subjects": subjects})
    };
    put(&index, &binding(json!([{"kind": "Group", "name": "dev"}])));
    assert!(allowed());
    put(&index, &binding(json!([{"kind": "Group", "name": "ops"}])));
    assert!(!allowed());
    put(&index, &binding(json!([{"kind": "User", "name": "bob"}])));
    assert!(allowed());
    put(&index, &json!({"kind": "Role", "metadata": {"name": "r", "namespace": "ns"}, "rules": null}));
    assert!(!allowed());
    index.apply(index::PREFIXES[3], "ns/b", None);
    assert_eq!(index.size(), (1, 0));
    // Objects that cannot be read grant nothing and break nothing.
    index.apply(index::PREFIXES[1], "ns/r", Some(b"{"));
    assert_eq!(index.size(), (0, 0));
}

#[test]
fn denials_read_like_kubernetes() {
    let text = |question: &str| denial(&asks(user("bob", &[]), question));
    assert_eq!(text("get /nope"), "User \"bob\" cannot get path \"/nope\"");
    assert_eq!(
        text("create authentication.k8s.io selfsubjectreviews - -"),
        "User \"bob\" cannot create resource \"selfsubjectreviews\" in API group \"authentication.k8s.io\" at the cluster scope"
    );
    assert_eq!(
        text("get - pods/log ns p"),
        "User \"bob\" cannot get resource \"pods/log\" in API group \"\" in the namespace \"ns\""
    );
}

#[test]
fn coverage_knows_wildcards_and_names() {
    let rule = |value: Value| -> Rule { serde_json::from_value(value).unwrap() };
    let held = [
        rule(json!({"verbs": ["get", "list"], "apiGroups": ["*"], "resources": ["pods", "*/status"]})),
        rule(json!({"verbs": ["*"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"]})),
        rule(json!({"verbs": ["get"], "nonResourceURLs": ["/apis/*"]})),
    ];
    for (wanted, missing) in [
        (json!({"verbs": ["get"], "apiGroups": ["x"], "resources": ["pods", "deployments/status"]}), 0),
        (json!({"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["pods"]}), 1),
        (json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"]}), 1),
        (json!({"verbs": ["delete"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]}), 0),
        (json!({"verbs": ["delete"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "c"]}), 1),
        (json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}), 1),
        (json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}), 1),
        (json!({"verbs": ["get"], "nonResourceURLs": ["/apis/x", "/apis/*", "/api"]}), 1),
    ] {
        assert_eq!(rule::uncovered(&[rule(wanted.clone())], &held).len(), missing, "{wanted}");
    }
}

#[tokio::test]
async fn nobody_gives_away_what_they_do_not_hold() {
    let index = defaults();
    put(
        &index,
        &json!({"kind": "RoleBinding", "metadata": {"name": "b", "namespace": "team"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "User", "name": "alice"}]}),
    );
    put(
        &index,
        &json!({"kind": "ClusterRole", "metadata": {"name": "binder"},
        "rules": [{"verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["cluster-admin"]}]}),
    );
    put(
        &index,
        &json!({"kind": "ClusterRoleBinding", "metadata": {"name": "binder"},
        "roleRef": {"kind": "ClusterRole", "name": "binder"}, "subjects": [{"kind": "User", "name": "carl"}]}),
    );
    let check = EscalationCheck::new(index.clone(), Arc::new(RbacAuthorizer::new(index)));
    let request = |user: UserInfo, resource: &str| AdmissionRequest {
        uid: String::new(),
        operation: Operation::Create,
        kind: karmada_machinery::GroupVersionKind::default(),
        resource: karmada_machinery::GroupVersionResource::new("rbac.authorization.k8s.io", "v1", resource),
        subresource: String::new(),
        namespace: "team".to_owned(),
        name: "n".to_owned(),
        user,
        dry_run: false,
        options: Value::Null,
        old_object: None,
    };
    let role = |resource: &str| json!({"metadata": {"name": "n"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": [resource]}]});
    let bind = |kind: &str, name: &str| json!({"metadata": {"name": "n"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}});
    let alice = user("alice", &["g"]);
    let mut warnings = Warnings::default();
    for (who, resource, object, expect) in [
        (alice.clone(), "roles", role("pods"), None),
        (
            alice.clone(),
            "roles",
            role("nodes"),
            Some(
                "user \"alice\" (groups=[\"g\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}",
            ),
        ),
        (alice.clone(), "rolebindings", bind("ClusterRole", "view"), None),
        (alice.clone(), "rolebindings", bind("ClusterRole", "system:aggregate-to-view"), None),
        (alice.clone(), "rolebindings", bind("ClusterRole", "cluster-admin"), Some("not currently held")),
        (
            alice.clone(),
            "rolebindings",
            bind("Role", "gone"),
            Some("roles.rbac.authorization.k8s.io \"gone\" not found"),
        ),
        (user("carl", &[]), "rolebindings", bind("ClusterRole", "cluster-admin"), None),
        (user("carl", &[]), "rolebindings", bind("ClusterRole", "system:kube-dns"), Some("not currently held")),
        (user("root", &["system:masters"]), "roles", role("nodes"), None),
    ] {
        let result = check.validate(&request(who, resource), Some(&object), &mut warnings).await;
        match expect {
            None => assert!(result.is_ok(), "{resource} {object}: {result:?}"),
            Some(text) => assert!(result.as_ref().is_err_and(|e| e.message.contains(text)), "{object}: {result:?}"),
        }
    }
}
