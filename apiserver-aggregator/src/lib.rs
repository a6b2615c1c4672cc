//! The API server's process: TLS, identity, access, admission, aggregation, built-in controllers.
