//! A server in a thread of this process.

use std::net::Ipv4Addr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use gateway_server::{Config, Place, Ports, Postgres, Serving, Status, Subnet};
use tokio::sync::{oneshot, watch};

use super::client::{RELAY, Relay};

/// A server on `listen` that leases so many addresses from 10.0.0.2 on.
pub(crate) fn config(listen: Ipv4Addr, url: &str, relay: &Relay, addresses: u32) -> Config {
    of_ports(listen, url, Ports { server: relay.server_port, relay: relay.port(), client: 68 }, addresses)
}

/// The same by its ports.
pub(crate) fn of_ports(listen: Ipv4Addr, url: &str, ports: Ports, addresses: u32) -> Config {
    let mut config = Config::new(listen, "/");
    config.store = Place::Postgres(Box::new(Postgres::new(url).expect("a URL")));
    config.ports = ports;
    let first = Ipv4Addr::new(10, 0, 0, 2);
    let last = Ipv4Addr::from_bits(first.to_bits() + addresses - 1);
    let mut subnet = Subnet::new(Ipv4Addr::new(10, 0, 0, 0), 8, (first, last), Ipv4Addr::new(10, 0, 0, 1));
    subnet.relays = vec![RELAY];
    config.subnets = vec![subnet];
    config.leasequery.requestors = vec![RELAY];
    config.bulk_release.allow_unauthenticated = true;
    config
}

/// A running server.
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    status: watch::Receiver<Status>,
    thread: JoinHandle<Result<()>>,
}

impl Running {
    pub(crate) fn start(config: Config) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = Serving::open(config)?;
        let status = serving.status();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || runtime.block_on(serving.run(async { drop(stopped.await) })));
        Ok(Self { stop, status, thread })
    }

    /// Ends it; that it had failed is an error.
    pub(crate) fn stop(self) -> Result<()> {
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow!("it panicked"))?
    }

    /// Waits for its end by itself: why that was.
    pub(crate) fn fails(self, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        while !self.thread.is_finished() {
            ensure!(Instant::now() < deadline, "it runs on");
            std::thread::sleep(Duration::from_millis(20));
        }
        match self.thread.join().map_err(|_| anyhow!("it panicked"))? {
            Ok(()) => bail!("it ended without a word"),
            Err(error) => Ok(format!("{error:#}")),
        }
    }

    pub(crate) fn wait_for_store(&self, ok: bool, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.status.borrow().store_ok != ok {
            ensure!(Instant::now() < deadline, "its store is not {}", if ok { "back" } else { "away" });
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}
