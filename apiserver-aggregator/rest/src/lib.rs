//! Kubernetes REST semantics over a store.
//!
//! This package knows paths, verbs, content negotiation, lists, watches, patches, dry-run, finalizers and managed fields,
//! for any resource described by a [`karmada_machinery::ResourceInfo`]. It knows nothing of TLS, certificates, RBAC rules or
//! webhooks: those come in through the traits of [`access`] and [`admission`].

pub mod access;
pub mod admission;
