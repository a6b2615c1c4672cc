//! The index answers as a scan of all policies would; bindings keep what is not the policy's.

use std::cmp::Reverse;
use std::sync::Arc;

use karmada_api::meta::{LabelSelector, SelectorRequirement};
use karmada_api::policy::{ClusterPropagationPolicy, PolicyKind, PropagationPolicy, ResourceSelector};
use karmada_api::work::v1alpha2::{ResourceBinding, Suspension, TargetCluster};
use serde_json::json;

use super::binding::Workload;
use super::index::{PolicyIndex, WaitingTemplates};
use super::selector::{TemplateRef, specificity};
use super::{BindingInput, BindingPlan, Claim, build_binding, change};

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn selector(dice: &mut Dice, namespace: &str) -> ResourceSelector {
    let mut selector = ResourceSelector {
        api_version: "apps/v1".to_owned(),
        kind: if dice.roll(4) == 0 { "StatefulSet" } else { "Deployment" }.to_owned(),
        namespace: namespace.to_owned(),
        ..ResourceSelector::default()
    };
    match dice.roll(5) {
        0 => selector.name = format!("t{}", dice.roll(6)),
        1 => {
            selector.label_selector = Some(LabelSelector {
                match_labels: [("app".to_owned(), dice.roll(3).to_string())].into(),
                ..LabelSelector::default()
            });
        }
        2 => {
            let values = vec![dice.roll(3).to_string(), dice.roll(3).to_string()];
            selector.label_selector = Some(LabelSelector {
                match_expressions: vec![SelectorRequirement {
                    key: "app".to_owned(),
                    operator: if dice.roll(2) == 0 { "In" } else { "NotIn" }.to_owned(),
                    values,
                }],
                ..LabelSelector::default()
            });
        }
        _ => {}
    }
    selector
}

fn template(dice: &mut Dice) -> TemplateRef {
    TemplateRef {
        api_version: "apps/v1".to_owned(),
        kind: if dice.roll(4) == 0 { "StatefulSet" } else { "Deployment" }.to_owned(),
        namespace: format!("ns{}", dice.roll(3)),
        name: format!("t{}", dice.roll(6)),
        labels: if dice.roll(3) == 0 { [].into() } else { [("app".to_owned(), dice.roll(3).to_string())].into() },
    }
}

fn scan<'a, P: PolicyKind>(policies: &'a [Arc<P>], template: &TemplateRef) -> Option<&'a Arc<P>> {
    policies
        .iter()
        .filter(|policy| !P::NAMESPACED || policy.metadata().namespace.as_deref() == Some(&template.namespace))
        .filter_map(|policy| {
            let specificity = specificity(&policy.spec().resource_selectors, template)?;
            Some(((Reverse(policy.priority()), Reverse(specificity), policy.metadata().name.clone()), policy))
        })
        .min_by(|left, right| left.0.cmp(&right.0))
        .map(|(_, policy)| policy)
}

fn index_agrees_with_scan<P: PolicyKind>(seed: u64) {
    let mut dice = Dice(seed);
    let mut index = PolicyIndex::<P>::new();
    let mut policies: Vec<Arc<P>> = Vec::new();
    for round in 0..120 {
        if round % 5 == 4 {
            let gone = policies.remove(dice.roll(policies.len() as u64) as usize);
            let metadata = gone.metadata();
            let namespace = metadata.namespace.clone().unwrap_or_default();
            assert!(index.remove(&namespace, metadata.name.as_deref().unwrap()).is_some());
        } else {
            let mut policy = P::default();
            let namespace = format!("ns{}", dice.roll(3));
            policy.metadata_mut().name = Some(format!("p{round:03}"));
            let scope = if P::NAMESPACED {
                policy.metadata_mut().namespace = Some(namespace.clone());
                namespace
            } else if dice.roll(2) == 0 {
                namespace
            } else {
                String::new()
            };
            policy.spec_mut().priority = Some(dice.roll(3) as i32);
            let selectors = dice.roll(2) + 1;
            policy.spec_mut().resource_selectors = (0..selectors).map(|_| selector(&mut dice, &scope)).collect();
            let policy = Arc::new(policy);
            policies.push(Arc::clone(&policy));
            index.insert(policy);
        }
        for _ in 0..20 {
            let template = template(&mut dice);
            let name = |policy: Option<&Arc<P>>| policy.and_then(|policy| policy.metadata().name.clone());
            assert_eq!(name(index.best(&template)), name(scan(&policies, &template)), "{template:?}");
        }
        assert_eq!(index.len(), policies.len());
    }
}

#[test]
fn the_index_agrees_with_a_scan() {
    for seed in 0..20 {
        index_agrees_with_scan::<PropagationPolicy>(seed);
        index_agrees_with_scan::<ClusterPropagationPolicy>(seed);
    }
}

#[test]
fn waiting_templates_are_found_by_policy() {
    let mut dice = Dice(7);
    let mut waiting = WaitingTemplates::default();
    let mut all: Vec<TemplateRef> = Vec::new();
    for _ in 0..200 {
        let template = template(&mut dice);
        all.retain(|known| {
            (&known.kind, &known.namespace, &known.name) != (&template.kind, &template.namespace, &template.name)
        });
        all.push(template.clone());
        waiting.insert(template);
        assert_eq!(waiting.len(), all.len());
    }
    for _ in 0..100 {
        let mut policy = ClusterPropagationPolicy::default();
        let namespace = if dice.roll(2) == 0 { "ns1" } else { "" };
        policy.spec.resource_selectors = vec![selector(&mut dice, namespace)];
        let expect = all.iter().filter(|t| specificity(&policy.spec.resource_selectors, t).is_some()).count();
        assert_eq!(waiting.selected_by(&policy).len(), expect);
    }
    for template in &all {
        assert!(waiting.remove(template));
    }
    assert!(waiting.is_empty());
}

fn policy() -> PropagationPolicy {
    serde_json::from_value(json!({
        "metadata": {"name": "pol", "namespace": "ns", "labels": {"propagationpolicy.karmada.io/permanent-id": "id"}},
        "spec": {"resourceSelectors": [], "placement": {}, "schedulerName": "default-scheduler",
                 "suspension": {"dispatching": true}},
    }))
    .unwrap()
}

fn plan(
    existing: Option<&ResourceBinding>,
    template: &serde_json::Value,
    changed: bool,
) -> BindingPlan<ResourceBinding> {
    let policy = policy();
    build_binding(&BindingInput {
        template,
        policy: &policy.spec,
        claim: &Claim::of(&policy),
        workload: Workload::default(),
        schedule_priority: None,
        existing,
        quota_estimate: false,
        workload_affinity: false,
        template_changed: changed,
    })
    .unwrap()
}

#[test]
fn a_binding_keeps_what_is_not_the_policys() {
    let mut template = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "cfg", "namespace": "ns", "uid": "u", "resourceVersion": "1"}});
    let BindingPlan::Create(mut binding) = plan(None, &template, true) else { panic!("there is none yet") };
    assert_eq!(binding.metadata.name.as_deref(), Some("cfg-configmap"));
    assert_eq!(plan(Some(&binding), &template, true), BindingPlan::Unchanged);

    binding.spec.clusters = vec![TargetCluster { name: "m1".to_owned(), ..TargetCluster::default() }];
    binding.spec.suspension = Some(Suspension { scheduling: Some(true), ..Suspension::default() });
    let BindingPlan::Update(updated) = plan(Some(&binding), &template, true) else { panic!("it was resumed") };
    assert_eq!(updated.spec.clusters, binding.spec.clusters);
    let suspension = updated.spec.suspension.clone().unwrap();
    assert_eq!((suspension.dispatching, suspension.scheduling), (Some(true), Some(true)));

    // Another resource version alone is no reason to write, unless the template is known to have changed.
    template["metadata"]["resourceVersion"] = json!("2");
    assert_eq!(plan(Some(&updated), &template, false), BindingPlan::Unchanged);
    let BindingPlan::Update(moved) = plan(Some(&updated), &template, true) else { panic!("the template changed") };
    assert_eq!(moved.spec.resource.resource_version, "2");
}

#[test]
fn a_claim_replaces_that_of_the_other_kind() {
    let claim = Claim::of(&policy());
    let template = json!({"metadata": {
        "labels": {"clusterpropagationpolicy.karmada.io/permanent-id": "x", "app": "a"},
        "annotations": {"clusterpropagationpolicy.karmada.io/name": "c"},
    }});
    assert_eq!(
        claim.patch(&template),
        Some(json!({"metadata": {
            "labels": {"propagationpolicy.karmada.io/permanent-id": "id", "clusterpropagationpolicy.karmada.io/permanent-id": null},
            "annotations": {"propagationpolicy.karmada.io/namespace": "ns", "propagationpolicy.karmada.io/name": "pol",
                            "clusterpropagationpolicy.karmada.io/name": null},
        }}))
    );
    let claimed = json!({"metadata": {
        "labels": {"propagationpolicy.karmada.io/permanent-id": "id"},
        "annotations": {"propagationpolicy.karmada.io/namespace": "ns", "propagationpolicy.karmada.io/name": "pol"},
    }});
    assert_eq!(claim.patch(&claimed), None);
}

#[test]
fn changes_by_karmada_are_told_apart() {
    let old = json!({"metadata": {"resourceVersion": "1", "labels": {"app": "a"}}, "spec": {"replicas": 1}});
    let mut claimed = old.clone();
    claimed["metadata"]["labels"]["propagationpolicy.karmada.io/permanent-id"] = json!("id");
    claimed["metadata"]["annotations"] = json!({"propagationpolicy.karmada.io/name": "pol"});
    assert!(change::is_relevant(&old, &claimed) && change::is_by_karmada(&old, &claimed));
    let mut scaled = old.clone();
    scaled["spec"]["replicas"] = json!(2);
    assert!(change::is_relevant(&old, &scaled) && !change::is_by_karmada(&old, &scaled));
    let mut reported = old.clone();
    reported["status"] = json!({"replicas": 1});
    reported["metadata"]["resourceVersion"] = json!("2");
    assert!(!change::is_relevant(&old, &reported));
}
