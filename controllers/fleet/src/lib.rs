//! Clients, credentials and shared caches of the member clusters.
