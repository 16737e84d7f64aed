//! The node: relay, sessions, FPCs, capabilities and releases composed into the one thing the shell sees.

mod command;
mod config;
mod event;
mod request;
mod view;

pub use crate::session::Route;
pub use command::Command;
pub use config::NodeConfig;
pub use event::Event;
pub use request::{Answer, Request, RequestError};
pub use view::{FpcState, FpcView, SessionView};

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use gateway_common::event::EventKind;
use gateway_common::vlan::VlanTags;

use crate::fpc::LinkEvent;
use crate::line::PortId;
use crate::time::Instant;

/// Something the data plane noticed, with the interface index already translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataPlaneEvent {
    /// What.
    pub kind: EventKind,
    /// The access port; `None` when it came from an upstream port.
    pub port: Option<PortId>,
    /// Source address of the packet.
    pub address: Ipv4Addr,
    /// Source MAC.
    pub mac: [u8; 6],
    /// Tags of the frame.
    pub tags: VlanTags,
}

/// The whole gateway, without I/O.
///
/// After every input the shell polls the commands until there are none left; see [`Command`] for their order.
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    commands: VecDeque<Command>,
}

impl Node {
    /// A node from its configuration and all the records in its store, in any order. `unix` is the time since the
    /// Unix epoch in nanoseconds at `now`; `seed` comes from the system's random source. The shell then compares the
    /// pinned maps with [`Node::routes`], reports the state of every port and carries out the first commands.
    pub fn new(
        config: NodeConfig,
        records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
        now: Instant,
        unix: u64,
        seed: u64,
    ) -> Self {
        let _ = (records.into_iter().count(), now, unix, seed);
        Self { config, commands: VecDeque::new() }
    }

    /// A DHCP frame from an access port, from its Ethernet header on. `snooped`: a copy, the original was forwarded.
    pub fn handle_client_frame(&mut self, port: PortId, frame: &[u8], snooped: bool, now: Instant) {
        let _ = (port, frame, snooped, now);
    }

    /// A DHCP frame from an upstream port, from its Ethernet header on. `snooped`: a copy, the original was forwarded.
    pub fn handle_server_frame(&mut self, frame: &[u8], snooped: bool, now: Instant) {
        let _ = (frame, snooped, now);
    }

    /// A DHCP message that arrived through a socket (an embedded server in the same process, or the kernel's stack).
    pub fn handle_server_message(&mut self, from: Ipv4Addr, to: Ipv4Addr, payload: &[u8], now: Instant) {
        let _ = (from, to, payload, now);
    }

    /// An access port changed. At start the shell reports every port once; a port whose interface index differs from
    /// that of the pinned maps is reported `Removed` first.
    pub fn handle_link(&mut self, port: PortId, event: LinkEvent, now: Instant) {
        let _ = (port, event, now);
    }

    /// The data plane noticed something.
    pub fn handle_event(&mut self, event: DataPlaneEvent, now: Instant) {
        let _ = (event, now);
    }

    /// An operator asks for something.
    pub fn handle_operator(&mut self, request: Request, now: Instant) -> Result<Answer, RequestError> {
        let _ = now;
        match request {
            Request::RestartFpc { .. } => Err(RequestError::UnknownFpc),
            Request::ReleaseSession { .. } => Err(RequestError::UnknownSession),
            Request::Probe { .. } => Err(RequestError::UnknownServer),
        }
    }

    /// The system's wall clock was set. Only what is written to disk and the schedule depend on it.
    pub fn handle_clock(&mut self, now: Instant, unix: u64) {
        let _ = (now, unix);
    }

    /// Time has passed. Does a bounded amount of work; asks to be woken at once when there is more.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`Node::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// Number of live sessions, static ones included.
    pub fn session_count(&self) -> u64 {
        0
    }

    /// Up to `max` live sessions from slot `from` on, and the slot to go on from.
    pub fn sessions(&self, from: u32, max: usize) -> (Vec<SessionView>, Option<u32>) {
        let _ = (from, max);
        (Vec::new(), None)
    }

    /// The live session of this address.
    pub fn session(&self, address: Ipv4Addr) -> Option<SessionView> {
        let _ = address;
        None
    }

    /// The line cards.
    pub fn fpcs(&self) -> Vec<FpcView> {
        Vec::new()
    }

    /// All routes the data plane should have: what pinned maps are compared with at start.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        core::iter::empty()
    }

    /// The route of this address, if it should have one.
    pub fn route(&self, address: Ipv4Addr) -> Option<Route> {
        let _ = address;
        None
    }
}
