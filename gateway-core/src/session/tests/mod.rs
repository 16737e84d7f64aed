//! The session table, as transcripts and against a model.

mod crowds;
mod model;
mod records;
mod replicas;
mod transcripts;

use core::net::Ipv4Addr;

use gateway_common::vlan::VlanTags;

use super::*;
use crate::line::{FpcId, HardwareAddress, Line, PortId};
use crate::login::Login;
use crate::scope::{Epoch, ScopeKind};
use crate::time::{Duration, Instant, WallClock};

pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(super) const GIADDR: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);

pub(super) fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

pub(super) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(100, 64, 0, 0)) + number)
}

pub(super) fn mac(number: u32) -> HardwareAddress {
    let [a, b, c, d] = number.to_be_bytes();
    HardwareAddress::ethernet([2, 0, a, b, c, d])
}

pub(super) fn line(port: u16) -> Line {
    Line { port: PortId(port), tags: VlanTags::NONE }
}

/// Client `number` on port 0 of FPC 0 leases address `number` for an hour from second 100 on.
pub(super) fn login(number: u32, epoch: u32) -> Login {
    Login {
        address: address(number),
        hardware: mac(number),
        client_id: None,
        line: line(0),
        fpc: FpcId(0),
        epoch: Epoch(epoch),
        server: SERVER,
        server_identifier: SERVER,
        giaddr: GIADDR,
        agent_information: [1, 2, b'p', b'0'].into(),
        scope: Some(ScopeKind::Address(GIADDR)),
        at: at(100),
        expires: at(3700),
    }
}

pub(super) fn clock() -> WallClock {
    WallClock::new(Instant::ZERO, 1_700_000_000_000_000_000)
}

pub(super) fn config(capacity: u32) -> SessionConfig {
    SessionConfig { capacity, port_limits: Vec::new(), lockout: None }
}

pub(super) fn sessions(config: SessionConfig) -> Sessions {
    Sessions::new(config, clock(), at(100))
}

pub(super) fn commands(sessions: &mut Sessions) -> Vec<Command> {
    core::iter::from_fn(|| sessions.poll_command()).collect()
}

/// Lets time pass until nothing more is to be done at `now`.
pub(super) fn settle(sessions: &mut Sessions, now: Instant) {
    while sessions.poll_timeout().is_some_and(|wanted| wanted <= now) {
        sessions.handle_timeout(now);
    }
}
