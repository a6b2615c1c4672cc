//! The API server's process: TLS, identity, access, admission, built-in controllers, and the pieces of the API that are
//! more than stored objects.
//!
//! [`karmada_rest`] knows Kubernetes' wire semantics over a store; this package gives it a socket, users, rules and
//! controllers, and makes a control plane or a simulated member of it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

pub mod admission;
pub mod apiserver;
pub mod authn;
pub mod authz;
pub mod config;
pub mod controllers;
pub mod crds;
pub mod health;
pub mod inprocess;
pub mod karmada;
pub mod kubeconfig;
pub mod mirror;
pub mod objects;
pub mod outbound;
pub mod pki;
pub mod reviews;
pub mod serve;
pub mod server;

pub use config::ServerConfig;
pub use server::{Server, StartError};

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use karmada_machinery::StatusError;

/// The answer to a request that failed outside of the REST layer.
pub(crate) fn status_response(error: &StatusError) -> Response<Body> {
    let mut text = error.to_value().to_string();
    text.push('\n');
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}
