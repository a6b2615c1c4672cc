//! What the control plane says about a member cluster: conditions, taints, resources.
//!
//! - [`health`]: the Ready condition from probes, with thresholds; from leases; API enablements.
//! - [`taints`]: taints from the Ready condition and from ClusterTaintPolicies.
//! - [`resources`]: node and resource summaries, and how many nodes there are of each size.
//! - [`remedy`]: actions that remedies ask for.

pub mod health;
pub mod remedy;
pub mod resources;
pub mod taints;
