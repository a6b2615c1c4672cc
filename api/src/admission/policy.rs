//! Validation of propagation policies and cluster taint policies.

use super::{Denial, FieldError, format};
use crate::policy::{
    ApplicationFailoverBehavior, ClusterAffinity, ClusterAffinityTerm, ClusterTaintPolicy, DynamicWeightFactor,
    FieldSelector, OverflowAffinityTerm, Placement, PolicyKind, PreemptionBehavior, PropagationSpec, PurgeMode,
    ReplicaDivisionPreference, ReplicaSchedulingType, ResourceSelector, SpreadConstraint, SpreadField,
    StatePreservation, Suspension, WorkloadAffinity,
};
use crate::taints;

/// Judges a PropagationPolicy or ClusterPropagationPolicy.
pub(super) fn validate_policy<K: PolicyKind>(policy: &K, old: Option<&K>) -> Result<(), Denial> {
    if let Some(old) = old {
        if policy.spec().scheduler_name != old.spec().scheduler_name {
            return Err(Denial::denied("the schedulerName should not be updated"));
        }
        if policy.permanent_id() != old.permanent_id() {
            return Err(Denial::denied(format!(
                "label {} is immutable, it can only be set by the system during creation",
                K::PERMANENT_ID_LABEL
            )));
        }
    }
    if policy.permanent_id().is_none_or(str::is_empty) {
        return Err(Denial::denied(format!("label {} is required", K::PERMANENT_ID_LABEL)));
    }
    let mut errors = vec![];
    if K::NAMESPACED {
        let namespace = policy.metadata().namespace.as_deref().unwrap_or_default();
        errors.extend(selectors_in_namespace(&policy.spec().resource_selectors, namespace));
    }
    validate_spec(policy.spec(), &mut errors);
    Denial::because_of(&errors)
}

/// Every selector of a namespaced policy must stay in the policy's namespace.
pub(super) fn selectors_in_namespace(selectors: &[ResourceSelector], namespace: &str) -> Vec<FieldError> {
    let elsewhere = |(i, selector): (usize, &ResourceSelector)| {
        (selector.namespace != namespace).then(|| {
            FieldError::invalid(
                &format!("spec.resourceSelectors[{i}].namespace"),
                &selector.namespace,
                "namespace of resource selector must be the same as the namespace of the policy",
            )
        })
    };
    selectors.iter().enumerate().filter_map(elsewhere).collect()
}

fn validate_spec(spec: &PropagationSpec, errors: &mut Vec<FieldError>) {
    placement(&spec.placement, errors);
    if let Some(failover) = &spec.failover {
        if let Some(application) = &failover.application {
            if !spec.propagate_deps {
                errors.push(FieldError::invalid(
                    "spec.propagateDeps",
                    &spec.propagate_deps,
                    "application failover is set, propagateDeps must be true",
                ));
            }
            application_failover(application, errors);
        }
        if let Some(state) = failover.cluster.as_ref().and_then(|c| c.state_preservation.as_ref()) {
            state_preservation(state, "spec.failover.cluster.statePreservation", errors);
        }
    }
    if spec.preemption == Some(PreemptionBehavior::Always) {
        for (i, selector) in spec.resource_selectors.iter().enumerate().filter(|(_, s)| s.name.is_empty()) {
            errors.push(FieldError::invalid(
                &format!("spec.resourceSelectors[{i}].name"),
                &selector.name,
                "name cannot be empty if preemption is Always, the empty name may cause unexpected resources preemption",
            ));
        }
    }
    if let Some(suspension) = &spec.suspension {
        validate_suspension(suspension, errors);
    }
}

fn placement(placement: &Placement, errors: &mut Vec<FieldError>) {
    const AT: &str = "spec.placement";
    if placement.cluster_affinity.is_some() && !placement.cluster_affinities.is_empty() {
        errors.push(FieldError::invalid(AT, placement, "clusterAffinities cannot co-exist with clusterAffinity"));
    }
    if let Some(affinity) = &placement.cluster_affinity {
        cluster_affinity(affinity, &format!("{AT}.clusterAffinity"), errors);
    }
    cluster_affinities(placement, errors);
    spread_constraints(&placement.spread_constraints, errors);
    for (i, toleration) in placement.cluster_tolerations.iter().enumerate() {
        // Lt and Gt compare numbers of node taints; nothing compares numbers of cluster taints.
        if !["", "Exists", "Equal"].contains(&toleration.operator.as_str()) {
            let field = format!("{AT}.clusterTolerations[{i}].operator");
            errors.push(FieldError::not_supported(&field, &toleration.operator, &["", "Exists", "Equal"]));
        }
    }
    if let Some(affinity) = &placement.workload_affinity {
        workload_affinity(affinity, errors);
    }
}

/// Judges the field selector of a cluster affinity; label selectors are taken as they are.
pub(super) fn cluster_affinity(affinity: &ClusterAffinity, at: &str, errors: &mut Vec<FieldError>) {
    if let Some(selector) = &affinity.field_selector {
        field_selector(selector, &format!("{at}.fieldSelector"), errors);
    }
}

fn field_selector(selector: &FieldSelector, at: &str, errors: &mut Vec<FieldError>) {
    for requirement in &selector.match_expressions {
        if !["provider", "region", "zone"].contains(&requirement.key.as_str()) {
            let detail = format!("unsupported key {:?}, must be provider, region, or zone", requirement.key);
            errors.push(FieldError::invalid(at, selector, detail));
        }
        if !["In", "NotIn"].contains(&requirement.operator.as_str()) {
            let detail = format!("unsupported operator {:?}, must be In or NotIn", requirement.operator);
            errors.push(FieldError::invalid(at, selector, detail));
        }
    }
}

fn cluster_affinities(placement: &Placement, errors: &mut Vec<FieldError>) {
    let at = "spec.placement.clusterAffinities";
    let terms = &placement.cluster_affinities;
    let mut names: Vec<&str> = vec![];
    for (i, term) in terms.iter().enumerate() {
        for message in format::qualified_name(&term.affinity_name) {
            errors.push(FieldError::invalid(&format!("{at}[{i}].affinityName"), &term.affinity_name, message));
        }
        if names.contains(&term.affinity_name.as_str()) {
            errors.push(FieldError::invalid(at, terms, "each affinity term in a policy must have a unique name"));
        }
        names.push(&term.affinity_name);
        cluster_affinity(&term.affinity, &format!("{at}[{i}]"), errors);
        overflow_affinities(placement, term, &format!("{at}[{i}]"), errors);
    }
}

/// Overflow needs a division that knows how much fits: by dynamic weight, or aggregated.
fn divides_by_capacity(placement: &Placement) -> bool {
    let Some(scheduling) = &placement.replica_scheduling else { return false };
    if scheduling.replica_scheduling_type != Some(ReplicaSchedulingType::Divided) {
        return false;
    }
    match scheduling.replica_division_preference {
        Some(ReplicaDivisionPreference::Aggregated) => true,
        Some(ReplicaDivisionPreference::Weighted) => {
            let weights = scheduling.weight_preference.as_ref();
            weights.and_then(|w| w.dynamic_weight) == Some(DynamicWeightFactor::AvailableReplicas)
        }
        None => false,
    }
}

fn overflow_affinities(placement: &Placement, term: &ClusterAffinityTerm, at: &str, errors: &mut Vec<FieldError>) {
    let overflow = &term.overflow_affinities;
    if overflow.is_empty() {
        return;
    }
    let list = format!("{at}.overflowAffinities");
    if !divides_by_capacity(placement) {
        errors.push(FieldError::invalid(
            &list,
            overflow,
            "overflowAffinities can only be used together with dynamic weight or aggregated scheduling",
        ));
    }
    if term.affinity == ClusterAffinity::default() {
        errors.push(FieldError::invalid(
            &list,
            overflow,
            "overflowAffinities requires a non-empty primary cluster affinity",
        ));
    }
    let mut names = vec![term.affinity_name.as_str()];
    for (i, OverflowAffinityTerm { affinity_name, affinity }) in overflow.iter().enumerate() {
        let field = format!("{list}[{i}].affinityName");
        for message in format::qualified_name(affinity_name) {
            errors.push(FieldError::invalid(&field, affinity_name, message));
        }
        if names.contains(&affinity_name.as_str()) {
            errors.push(FieldError::invalid(
                &field,
                affinity_name,
                "overflow affinity name must be unique and must not duplicate the primary group's affinityName",
            ));
        }
        names.push(affinity_name);
        cluster_affinity(affinity, &format!("{list}[{i}]"), errors);
    }
}

fn spread_constraints(constraints: &[SpreadConstraint], errors: &mut Vec<FieldError>) {
    let at = "spec.placement.spreadConstraints";
    let mut fields: Vec<SpreadField> = vec![];
    for (i, constraint) in constraints.iter().enumerate() {
        let mut invalid = |detail: &str| errors.push(FieldError::invalid(&format!("{at}[{i}]"), constraint, detail));
        if constraint.spread_by_field.is_some() && !constraint.spread_by_label.is_empty() {
            invalid("spreadByLabel should not co-exist with spreadByField");
        }
        if constraint.min_groups < 0 {
            invalid("minGroups lower than 0 is not allowed");
        }
        if constraint.max_groups < 0 {
            invalid("maxGroups lower than 0 is not allowed");
        }
        if constraint.max_groups > 0 && constraint.max_groups < constraint.min_groups {
            invalid("maxGroups lower than minGroups is not allowed");
        }
        if let Some(field) = constraint.spread_by_field {
            if fields.contains(&field) {
                let detail = format!("multiple {field} spread constraints are not allowed");
                errors.push(FieldError::invalid(at, constraints, detail));
            }
            fields.push(field);
        }
    }
    if !fields.is_empty() && !fields.contains(&SpreadField::Cluster) {
        errors.push(FieldError::invalid(
            at,
            constraints,
            "the cluster spread constraint must be enabled in one of the constraints in case of SpreadByField is enabled",
        ));
    }
}

fn workload_affinity(affinity: &WorkloadAffinity, errors: &mut Vec<FieldError>) {
    let at = "spec.placement.workloadAffinity";
    for (name, term) in [("affinity", &affinity.affinity), ("antiAffinity", &affinity.anti_affinity)] {
        let Some(term) = term else { continue };
        for message in format::qualified_name(&term.group_by_label_key) {
            let field = format!("{at}.{name}.groupByLabelKey");
            errors.push(FieldError::invalid(&field, &term.group_by_label_key, message));
        }
    }
    if let (Some(together), Some(apart)) = (&affinity.affinity, &affinity.anti_affinity)
        && together.group_by_label_key == apart.group_by_label_key
    {
        errors.push(FieldError::invalid(
            at,
            affinity,
            "affinity and antiAffinity must not use the same groupByLabelKey",
        ));
    }
}

fn application_failover(failover: &ApplicationFailoverBehavior, errors: &mut Vec<FieldError>) {
    let at = "spec.failover.application";
    if let Some(seconds) = failover.decision_conditions.toleration_seconds.filter(|s| *s < 0) {
        let field = format!("{at}.decisionConditions.tolerationSeconds");
        errors.push(FieldError::invalid(&field, &seconds, "must be greater than or equal to 0"));
    }
    let field = format!("{at}.gracePeriodSeconds");
    if failover.purge_mode == Some(PurgeMode::Gracefully) {
        match failover.grace_period_seconds {
            None => errors.push(FieldError::invalid(
                &field,
                &failover.grace_period_seconds,
                "should not be empty when purgeMode is gracefully",
            )),
            Some(seconds) if seconds <= 0 => {
                errors.push(FieldError::invalid(&field, &seconds, "must be greater than 0"));
            }
            Some(_) => {}
        }
    } else if let Some(seconds) = failover.grace_period_seconds {
        errors.push(FieldError::invalid(&field, &seconds, "only takes effect when purgeMode is gracefully"));
    }
    if let Some(state) = &failover.state_preservation {
        state_preservation(state, &format!("{at}.statePreservation"), errors);
    }
}

fn state_preservation(state: &StatePreservation, at: &str, errors: &mut Vec<FieldError>) {
    for (i, rule) in state.rules.iter().enumerate() {
        for message in format::qualified_name(&rule.alias_label_name) {
            let field = format!("{at}.rules[{i}].aliasLabelName");
            errors.push(FieldError::invalid(&field, &rule.alias_label_name, message));
        }
    }
}

fn validate_suspension(suspension: &Suspension, errors: &mut Vec<FieldError>) {
    let some_clusters = suspension.dispatching_on_clusters.as_ref().is_some_and(|c| !c.cluster_names.is_empty());
    if suspension.dispatching == Some(true) && some_clusters {
        errors.push(FieldError::invalid(
            "spec.suspension.suspension",
            suspension,
            "suspension dispatching cannot co-exist with dispatchingOnClusters.clusterNames",
        ));
    }
}

/// Judges a ClusterTaintPolicy: NoExecute must have been allowed, and no taint may be given twice.
pub(super) fn validate_taint_policy(policy: &ClusterTaintPolicy, allow_no_execute: bool) -> Result<(), Denial> {
    let mut errors = vec![];
    let taints = &policy.spec.taints;
    for (i, taint) in taints.iter().enumerate() {
        if taint.effect == taints::EFFECT_NO_EXECUTE && !allow_no_execute {
            errors.push(FieldError::forbidden(
                &format!("spec.taints[{i}]"),
                "Configuring taint with NoExecute effect is not allowed, this capability must be explicitly enabled by administrators through command-line flags",
            ));
        }
        if taints[..i].iter().any(|t| t.key == taint.key && t.effect == taint.effect) {
            let error = FieldError::duplicate(&format!("spec.taints[{i}]"), taint);
            errors.push(error.because("taints must be unique by key and effect pair"));
        }
    }
    Denial::because_of(&errors)
}
