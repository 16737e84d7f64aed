//! The usual stage of an end-to-end test: a lab, a DHCP server, the gateway, and an ear on the server's wire.

use crate::capture::Capture;
use crate::client::{self, Client};
use crate::daemon::{Configuration, Gateway};
use crate::lab::Lab;
use crate::plan::{INTERNET, Plan};
use crate::server::{self, Server, Service};
use anyhow::{Context, Result};
use std::net::Ipv4Addr;
use std::time::Duration;

/// How long anything on the stage may take.
pub const LIMIT: Duration = Duration::from_secs(30);
/// How long a ping waits that is not to be answered.
const SILENCE: Duration = Duration::from_millis(400);

/// Lab, server, gateway and capture. Dropped in this order of fields.
#[derive(Debug)]
pub struct Stage {
    /// The gateway.
    pub gateway: Gateway,
    /// The DHCP server in `srv0`.
    pub server: Server,
    /// Every DHCP message between gateway and server, seen from the server.
    pub wire: Capture,
    /// Where it all runs.
    pub lab: Lab,
}

impl Stage {
    /// Set it up as usual.
    pub fn up(kind: server::Kind) -> Result<Self> {
        Self::with(kind, Plan::default(), |_| {}, |_| {})
    }

    /// Set it up with changes to the server's service and the gateway's configuration.
    pub fn with(
        kind: server::Kind,
        plan: Plan,
        serve: impl FnOnce(&mut Service),
        configure: impl FnOnce(&mut Configuration),
    ) -> Result<Self> {
        let lab = Lab::up(plan)?;
        let mut service = Service::relayed(&lab.plan, 0);
        serve(&mut service);
        let server = Server::start(kind, &lab.servers[0], &service, lab.directory())?;
        let wire = Capture::start(&lab.servers[0], "srv0")?;
        let mut configuration = Configuration::new(&lab);
        configure(&mut configuration);
        let gateway = Gateway::start(&lab, &configuration)?;
        Ok(Stage { gateway, server, wire, lab })
    }

    /// Log a client in behind an FPC, on `sub0`. Gives it and its address.
    pub fn log_in(&self, kind: client::Kind, fpc: u8) -> Result<(Client, Ipv4Addr)> {
        self.log_in_on(kind, fpc, "sub0")
    }

    /// Log a client in on an interface of an FPC's subscriber namespace.
    pub fn log_in_on(&self, kind: client::Kind, fpc: u8, interface: &str) -> Result<(Client, Ipv4Addr)> {
        let space = &self.lab.subscribers[usize::from(fpc)];
        let mut client = Client::start(kind, space, interface, self.lab.directory())?;
        let address = client.wait_bound(LIMIT).with_context(|| {
            format!("on the server's wire: {:?}\n{}", self.wire.counts(), self.gateway.process.log_end())
        })?;
        Ok((client, address))
    }

    /// Another subscriber's interface behind an FPC: a macvlan over `sub0` with a MAC of its own.
    pub fn add_subscriber(&self, fpc: u8, name: &str) -> Result<()> {
        let space = &self.lab.subscribers[usize::from(fpc)];
        space.ip(&format!("link add link sub0 name {name} type macvlan mode private"))?;
        space.ip(&format!("link set {name} up")).map(drop)
    }

    /// Take such an interface away again, with its addresses and routes.
    pub fn remove_subscriber(&self, fpc: u8, name: &str) -> Result<()> {
        self.lab.subscribers[usize::from(fpc)].ip(&format!("link delete {name}")).map(drop)
    }

    /// Whether an FPC's subscriber reaches the internet. It is given time: its client may still be setting the route.
    pub fn reaches(&self, fpc: u8) -> bool {
        let space = &self.lab.subscribers[usize::from(fpc)];
        let try_once = || space.reaches(INTERNET, Duration::from_secs(1));
        crate::wait::until_true("an answer to a ping", Duration::from_secs(8), try_once).is_ok()
    }

    /// Whether an FPC's subscriber does not reach the internet: none of three pings is answered.
    pub fn is_cut_off(&self, fpc: u8) -> bool {
        let space = &self.lab.subscribers[usize::from(fpc)];
        (0..3).all(|_| !space.reaches(INTERNET, SILENCE))
    }

    /// Whether an address that no DHCP server gave gets through: set on `sub0`, tried, and taken off again.
    pub fn is_stranger_cut_off(&self, fpc: u8, address: Ipv4Addr) -> Result<bool> {
        let space = &self.lab.subscribers[usize::from(fpc)];
        let router = self.lab.plan.giaddr(fpc);
        space.ip_batch(&format!("addr add {address}/16 dev sub0\nroute replace default via {router}\n"))?;
        let cut_off = self.is_cut_off(fpc);
        space.ip("addr flush dev sub0 scope global")?;
        Ok(cut_off)
    }
}
