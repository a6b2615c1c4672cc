//! The store: embedded, in memory or etcd, and the watch cache over it.
