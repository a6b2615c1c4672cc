//! Works: what a binding puts into each cluster.
//!
//! - [`prune`]: takes out of a template what belongs to the control plane's copy.
//! - [`render`]: one cluster's manifest: replicas, completions, overrides, labels, annotations.
//! - [`plan`]: which Works to create, update and delete for a binding.
//! - [`system`]: Works that the control plane makes for itself: namespaces, RBAC, quotas.

pub mod plan;
pub mod prune;
pub mod render;
pub mod system;

pub use plan::{AppliedOverride, ClusterFailure, PlanInput, WorkPlan, expected_clusters, plan_works, target_clusters};
pub use prune::prune;
pub use render::finish_manifest;
