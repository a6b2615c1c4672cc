//! A simulated member: an API server of its own and the simulation over it.

use std::net::SocketAddr;
use std::sync::Arc;

use karmada_apiserver_aggregator::config::PkiLocation;
use karmada_apiserver_aggregator::{Server, ServerConfig, StartError};
use karmada_storage::Store;
use tokio_util::sync::CancellationToken;

use crate::cluster::{Simulation, SimulationConfig, start};

/// A member could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its API server.
    #[error("start the API server of member {name}")]
    Server {
        /// The member.
        name: String,
        /// Why.
        #[source]
        source: StartError,
    },
    /// Its nodes or system objects.
    #[error("start the simulation of member {name}")]
    Simulation {
        /// The member.
        name: String,
        /// Why.
        #[source]
        source: karmada_runtime::Error,
    },
}

/// A running simulated member.
pub struct Member {
    name: String,
    server: Server,
    simulation: Simulation,
    shutdown: CancellationToken,
}

impl Member {
    /// Starts a member over a store. It listens nowhere until [`Server::listen`] of its [`server`](Self::server).
    ///
    /// # Errors
    /// The server or the simulation cannot start.
    pub async fn start(
        name: &str,
        store: Arc<dyn Store>,
        pki: PkiLocation,
        advertise: Option<SocketAddr>,
        simulation: SimulationConfig,
    ) -> Result<Self, Error> {
        let config = ServerConfig { pki, advertise, ..ServerConfig::member(store) };
        let server = Server::start(config).await.map_err(|source| Error::Server { name: name.to_owned(), source })?;
        let shutdown = CancellationToken::new();
        let simulation = start(server.client(), simulation, shutdown.clone())
            .await
            .map_err(|source| Error::Simulation { name: name.to_owned(), source })?;
        Ok(Self { name: name.to_owned(), server, simulation, shutdown })
    }

    /// The member's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The member's API server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Stops the simulation, then the server.
    pub async fn shutdown(self) {
        self.shutdown.cancel();
        self.simulation.wait().await;
        self.server.shutdown().await;
    }
}
