//! A server ready to serve, whichever way it keeps its leases.

use std::io;
use std::net::SocketAddr;

use tokio::sync::watch;

use crate::config::Config;
use crate::config::place::Place;
use crate::event::Status;
use crate::shared::Shared;
use crate::shell::lookup::Lookup;
use crate::shell::service::Service;

/// A server ready to serve. Both kinds are the same [`crate::Server`] and keep the same promise: what is answered is durable.
#[derive(Debug)]
pub enum Serving {
    /// Alone, with a store of its own.
    Alone(Box<Service>),
    /// One of several with leases in a database.
    Sharing(Box<Shared>),
}

impl Serving {
    /// Binds the sockets in the current network namespace, and opens a store of its own.
    pub fn open(config: Config) -> anyhow::Result<Self> {
        Ok(match config.store {
            Place::Directory(_) => Self::Alone(Box::new(Service::open(config)?)),
            Place::Postgres(_) => Self::Sharing(Box::new(Shared::open(config)?)),
        })
    }

    /// Where the server listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Alone(service) => service.local_addr(),
            Self::Sharing(shared) => shared.local_addr(),
        }
    }

    /// A view of how the server is, renewed twice a second.
    pub fn status(&self) -> watch::Receiver<Status> {
        match self {
            Self::Alone(service) => service.status(),
            Self::Sharing(shared) => shared.status(),
        }
    }

    /// Where what is leased can be asked.
    pub fn lookup(&self) -> Lookup {
        match self {
            Self::Alone(service) => service.lookup(),
            Self::Sharing(shared) => shared.lookup(),
        }
    }

    /// Serves until `shutdown` completes. Everything answered is durable then.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        match self {
            Self::Alone(service) => service.run(shutdown).await,
            Self::Sharing(shared) => shared.run(shutdown).await,
        }
    }
}

/// Runs a server until `shutdown` completes.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    Serving::open(config)?.run(shutdown).await
}
