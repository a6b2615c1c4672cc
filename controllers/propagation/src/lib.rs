//! Pure propagation: from a template and its policy to Works, from Works to members' objects, and the statuses back.
//!
//! Everything here is a function from values to a *plan*, a value that says what to write; reconcilers fetch what a
//! function asks for, apply what it answers, and ask again when something changed. Planning what was just applied
//! gives an empty plan. Templates and manifests are JSON values; Karmada's own kinds are typed. Time and fresh ids are
//! arguments. Texts of events and conditions are part of the contract and made here.
//!
//! | Module | Answers |
//! |---|---|
//! | [`policy`] | which policy a template follows ([`policy::PolicyIndex::best`]), its claim ([`policy::Claim::patch`], [`policy::claim::claimed_by`], [`policy::claim::unclaim_patch`]), its binding ([`policy::build_binding`]), whether an update matters ([`policy::change`]), preemption |
//! | [`overrides`] | [`overrides::OverrideIndex::for_template`] gives the policies, [`overrides::OverridePolicies::apply`] changes a manifest |
//! | [`work`] | [`work::plan_works`]: a binding's Works; [`work::prune`] and [`work::finish_manifest`] are also the Work webhook's |
//! | [`execution`] | [`execution::plan_apply`] and [`execution::plan_delete`] for a member's object; the Applied and Dispatching conditions |
//! | [`status`] | [`status::reflect`] a member's object, [`status::with_manifest_status`] for the Work, [`status::plan_binding_status`], [`status::plan_template_status`] |
//! | [`dependencies`] | attached bindings: [`dependencies::attach`], [`dependencies::detach`], [`dependencies::record`] |
//! | [`eviction`] | [`eviction::evict`] a workload from a cluster, [`eviction::plan_tasks`] until it is gone |
//! | [`failover`] | when a workload leaves a cluster: [`failover::tolerance`] of taints, [`failover::plan_application`] for unhealthy ones |
//! | [`rebalance`], [`autoscaling`] | placing workloads anew; leaving replicas to the members' autoscalers |
//! | [`cluster`] | a cluster's conditions ([`cluster::health`]), taints ([`cluster::taints`]), summaries ([`cluster::resources`]), remedies |
//! | [`namespace`], [`unified_auth`], [`quota`] | the control plane's own Works, planned by [`work::system::plan_system_work`]; quota usage and status |
//! | [`condition`] | setting a condition without touching its time when nothing changed |
//! | [`affinity`], [`object`] | whether a cluster is meant; access to objects' metadata |
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking"))]

pub mod affinity;
pub mod autoscaling;
pub mod cluster;
pub mod condition;
pub mod dependencies;
pub mod eviction;
pub mod execution;
pub mod failover;
pub mod json_path;
pub mod namespace;
pub mod object;
pub mod overrides;
pub mod policy;
pub mod quota;
pub mod rebalance;
pub mod status;
pub mod unified_auth;
pub mod work;
