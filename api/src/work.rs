//! `work.karmada.io`: the binding of a template to clusters ([`v1alpha2`], older form in [`v1alpha1`]) and the Work
//! that carries a manifest to one cluster ([`v1alpha1::Work`]).

pub mod conversion;
pub mod v1alpha1;
pub mod v1alpha2;

pub use v1alpha1::{Manifest, ManifestStatus, ResourceIdentifier, Work, WorkSpec, WorkStatus, WorkloadTemplate};
pub use v1alpha2::*;

use crate::record::string_enum;

/// The API group.
pub const GROUP: &str = "work.karmada.io";

string_enum! {
    /// Health of a resource in one cluster, as the resource interpreter sees it.
    pub enum ResourceHealth {
        /// Nothing can be said.
        Unknown = "Unknown",
        /// It does what it is meant to do.
        Healthy = "Healthy",
        /// It doesn't.
        Unhealthy = "Unhealthy",
    }
}
