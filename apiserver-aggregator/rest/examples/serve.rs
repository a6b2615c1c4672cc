//! Serves the built-in kinds from memory over plain HTTP: `cargo run -p karmada-rest --example serve -- 127.0.0.1:8080`.
//! Everybody is an administrator; there are no admission plugins and no controllers. For trying out requests.

use std::sync::Arc;

use axum::{extract::Request, middleware::Next};
use karmada_machinery::kinds;
use karmada_rest::{ApiServer, Registry, ServerOptions, access::UserInfo};
use karmada_storage::MemoryStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let registry = Arc::new(Registry::new(kinds::builtin_resources()));
    let server = ApiServer::new(ServerOptions::new(Arc::new(MemoryStore::default()), registry));
    let router = server.router().layer(axum::middleware::from_fn(|mut request: Request, next: Next| async move {
        request.extensions_mut().insert(UserInfo::loopback());
        next.run(request).await
    }));
    let listener = tokio::net::TcpListener::bind(&address).await?;
    axum::serve(listener, router).await?;
    Ok(())
}
