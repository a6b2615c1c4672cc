//! The twins: what a controller must know to treat ResourceBindings and ClusterResourceBindings alike, and both kinds of
//! policy.

use std::sync::Arc;

use karmada_api::policy::{ClusterPropagationPolicy, PolicyKind, PropagationPolicy};
use karmada_api::work::v1alpha2::{BindingKind, ClusterResourceBinding, ResourceBinding};
use karmada_propagation::policy::PolicyIndex;
use karmada_runtime::mapper::ScopeInfo;
use karmada_runtime::{Informer, ObjectKey, Queue};
use parking_lot::RwLock;

use crate::context::Context;

/// A kind of binding with its caches and queues.
pub trait Binding: BindingKind + kube::Resource<DynamicType = (), Scope: ScopeInfo> {
    /// The cache of all bindings of the kind.
    fn informer(ctx: &Context) -> &Arc<Informer<Self>>;
    /// Bindings whose Works must be looked at.
    fn queue(ctx: &Context) -> &Queue<ObjectKey>;
    /// Bindings whose status must be looked at.
    fn status_queue(ctx: &Context) -> &Queue<ObjectKey>;
    /// The name of the index of Works by permanent id of this kind of binding.
    const WORK_INDEX: &'static str;
}

impl Binding for ResourceBinding {
    const WORK_INDEX: &'static str = "resource-binding";
    fn informer(ctx: &Context) -> &Arc<Informer<Self>> {
        &ctx.bindings
    }
    fn queue(ctx: &Context) -> &Queue<ObjectKey> {
        &ctx.queues.bindings
    }
    fn status_queue(ctx: &Context) -> &Queue<ObjectKey> {
        &ctx.queues.binding_status
    }
}

impl Binding for ClusterResourceBinding {
    const WORK_INDEX: &'static str = "cluster-resource-binding";
    fn informer(ctx: &Context) -> &Arc<Informer<Self>> {
        &ctx.cluster_bindings
    }
    fn queue(ctx: &Context) -> &Queue<ObjectKey> {
        &ctx.queues.cluster_bindings
    }
    fn status_queue(ctx: &Context) -> &Queue<ObjectKey> {
        &ctx.queues.cluster_binding_status
    }
}

/// A kind of propagation policy with its caches and queue.
pub trait Policy: PolicyKind + kube::Resource<DynamicType = (), Scope: ScopeInfo> {
    /// The cache of all policies of the kind.
    fn informer(ctx: &Context) -> &Arc<Informer<Self>>;
    /// The index by which templates find their policy.
    fn index(ctx: &Context) -> &RwLock<PolicyIndex<Self>>;
    /// Policies that must be looked at.
    fn queue(ctx: &Context) -> &Queue<ObjectKey>;
}

impl Policy for PropagationPolicy {
    fn informer(ctx: &Context) -> &Arc<Informer<Self>> {
        &ctx.policies
    }
    fn index(ctx: &Context) -> &RwLock<PolicyIndex<Self>> {
        &ctx.policy_index
    }
    fn queue(ctx: &Context) -> &Queue<ObjectKey> {
        &ctx.queues.policies
    }
}

impl Policy for ClusterPropagationPolicy {
    fn informer(ctx: &Context) -> &Arc<Informer<Self>> {
        &ctx.cluster_policies
    }
    fn index(ctx: &Context) -> &RwLock<PolicyIndex<Self>> {
        &ctx.cluster_policy_index
    }
    fn queue(ctx: &Context) -> &Queue<ObjectKey> {
        &ctx.queues.cluster_policies
    }
}
