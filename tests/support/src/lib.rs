//! One API server in process, for tests.
