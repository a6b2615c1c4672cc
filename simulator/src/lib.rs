//! A member cluster in process: API server, workload controllers and fake nodes.
