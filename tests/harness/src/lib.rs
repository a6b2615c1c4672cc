//! A whole control plane with members in one process, for tests.
