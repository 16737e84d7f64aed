//! A server whose leases are in a database: from its configuration to its sockets, and from one connection to the next.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::{mpsc, watch};

use super::inputs::{End, Inputs};
use super::tables::Tables;
use crate::config::Config;
use crate::config::place::{Place, Postgres};
use crate::event::Status;
use crate::load::Latency;
use crate::shared::postgres::{self, Link};
use crate::shell::clock;
use crate::shell::lookup::{Lookup, Question};
use crate::shell::service6::Sockets;
use crate::shell::sockets::{bind, listen};
use crate::shell::streams::Streams;

/// How long to wait before the database is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A server with its sockets; its table comes with the connection to the database.
#[derive(Debug)]
pub struct Shared {
    pub(super) config: Config,
    place: Postgres,
    pub(super) socket: UdpSocket,
    /// Present where bulk leasequery is answered.
    pub(super) streams: Option<Streams>,
    /// Present where DHCPv6 is served.
    pub(super) six: Option<Sockets>,
    pub(super) latency: Latency,
    status: watch::Sender<Status>,
    lookup: Lookup,
    pub(super) questions: mpsc::Receiver<Question>,
}

impl Shared {
    /// Binds the sockets in the current network namespace.
    ///
    /// # Errors
    /// When they can't be bound, or the configuration can't work.
    pub fn open(config: Config) -> anyhow::Result<Self> {
        let Place::Postgres(place) = &config.store else { bail!("a server alone has a directory for its leases") };
        if config.delegated.is_some() {
            bail!(
                "subnets delegated to one server can't have their leases in the PostgreSQL of several: give it a directory as its store"
            );
        }
        config.validate()?;
        let address = SocketAddrV4::new(config.listen, config.ports.server);
        let socket = bind(address)?;
        socket.set_nonblocking(true)?;
        let asked = config.leasequery.enabled && !config.leasequery.requestors.is_empty();
        let streams = asked.then(|| listen(address)).transpose()?;
        let six = config.v6.as_ref().map(|six| six.validate().map(|()| Sockets::open(six))).transpose()?.transpose()?;
        let (status, _) = watch::channel(Status { store: config.store.to_string(), ..Status::default() });
        let (lookup, questions) = Lookup::channel(status.subscribe());
        Ok(Self {
            place: (**place).clone(),
            socket,
            streams,
            six,
            latency: Latency::default(),
            status,
            lookup,
            questions,
            config,
        })
    }

    /// Where the server listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// A view of how the server is, renewed twice a second.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Where what is leased can be asked.
    pub fn lookup(&self) -> Lookup {
        self.lookup.clone()
    }

    /// Serves until `shutdown` completes. Everything answered is durable then.
    ///
    /// # Errors
    /// When the database can't be used and waiting does not help: a wrong password, a schema of a later version. A database
    /// that is not there is waited for.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let inputs = Inputs::open(&self)?;
        let mut life = Life { shared: self, inputs, former: None };
        let mut shutdown = core::pin::pin!(shutdown);
        loop {
            let Some((mut link, mut tables)) = life.connect(shutdown.as_mut()).await? else { return Ok(()) };
            match life.inputs.serve(&mut life.shared, &mut link, &mut tables, shutdown.as_mut()).await? {
                End::Shutdown => return Ok(()),
                End::Lost(why) => {
                    tracing::error!(%why, database = %life.shared.place, "the lease database is away: nothing is answered until it is back");
                    life.shared.show(&tables, false);
                    life.former = Some(tables);
                }
            }
        }
    }

    pub(super) fn show(&self, tables: &Tables, store_ok: bool) {
        self.status.send_replace(Status { latency: self.latency, ..tables.status(store_ok) });
    }
}

/// From one connection to the next.
struct Life {
    shared: Shared,
    inputs: Inputs,
    /// The tables of the last connection. They count for nothing.
    former: Option<Tables>,
}

impl Life {
    /// Waits for the database, and reads the tables. None at the end.
    async fn connect<S: Future<Output = ()>>(
        &mut self,
        mut shutdown: core::pin::Pin<&mut S>,
    ) -> anyhow::Result<Option<(Link, Tables)>> {
        let (mut wait, mut told) = (RETRY.0, None);
        loop {
            let started = clock::now();
            let opened = tokio::select! {
                () = &mut shutdown => return Ok(None),
                opened = postgres::open(&self.shared.place, &self.shared.config) => opened,
            };
            let why = match opened {
                Ok((link, mut tables)) => {
                    if let Some(former) = self.former.take() {
                        tables.succeed(former);
                    }
                    let (status, took) = (tables.status(true), clock::now().since(started));
                    let address = self.shared.socket.local_addr()?;
                    tracing::info!(leases = status.active, capacity = status.capacity, %address, database = %self.shared.place, ?took, "DHCP server ready");
                    if let Some(six) = status.six {
                        tracing::info!(leases = six.active, capacity = %six.capacity, "DHCPv6 server ready");
                    }
                    self.shared.show(&tables, true);
                    self.inputs.discard();
                    return Ok(Some((link, tables)));
                }
                Err(why) => why,
            };
            if why.is_final() && self.former.is_none() {
                return Err(anyhow::Error::new(why)).with_context(|| format!("the leases in {}", self.shared.place));
            }
            let text = why.to_string();
            if told.as_ref() != Some(&text) {
                tracing::warn!(why = text, database = %self.shared.place, "the lease database can't be used yet; trying again");
                told = Some(text);
            }
            tokio::select! {
                () = &mut shutdown => return Ok(None),
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(RETRY.1);
        }
    }
}
