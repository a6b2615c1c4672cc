//! `policy.karmada.io/v1alpha1`: what is propagated where ([`propagation`]), what differs per cluster ([`overrides`]),
//! quotas over clusters and taints by policy ([`limits`]).

pub mod limits;
pub mod overrides;
pub mod placement;
pub mod propagation;

pub use limits::*;
pub use overrides::*;
pub use placement::*;
pub use propagation::*;

/// The API group.
pub const GROUP: &str = "policy.karmada.io";
