//! Kubernetes REST semantics over a store.
