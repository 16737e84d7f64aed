//! The session table, as transcripts and against a model.

mod crowds;
mod limits;
mod model;
mod records;
mod replicas;
mod transcripts;

use core::net::Ipv6Addr;

use gateway_common::fpc::FIRST_COHORT6;
use gateway_common::vlan::VlanTags;

use super::*;
use crate::line::{FpcId, Line, PortId};
use crate::scope::Epoch;
use crate::session::{Bound, CohortId, EndReason, Lockout, Numbering, Refusal, SessionConfig};
use crate::time::{Duration, Instant, WallClock};
use crate::v6::{Grant, Login, Over};
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn prefix(text: &str, length: u8) -> Prefix {
    Prefix::new(ip(text), length).unwrap()
}

fn server() -> Ipv6Addr {
    ip("2001:db8:ffff::2")
}

fn server_id(number: u8) -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, 0xaa, number])
}

fn mac(number: u16) -> [u8; 6] {
    let [a, b] = number.to_be_bytes();
    [2, 0, 0, 0, a, b]
}

fn client(number: u16) -> DuidBuf {
    DuidBuf::link_layer(mac(number))
}

fn line(port: u16) -> Line {
    Line { port: PortId(port), tags: VlanTags::NONE }
}

/// Address of client `number`.
fn address(number: u16) -> Prefix {
    Prefix::new(Ipv6Addr::from_bits(ip("2001:db8:1::").to_bits() + u128::from(number)), 128).unwrap()
}

/// Delegated prefix of client `number`.
fn delegated(number: u16) -> Prefix {
    Prefix::new(Ipv6Addr::from_bits(ip("2001:db8:100::").to_bits() + (u128::from(number) << 72)), 56).unwrap()
}

fn grant(prefix: Prefix, expires: u64) -> Grant {
    let kind = if prefix.length() == 128 { IaKind::Na } else { IaKind::Pd };
    Grant { prefix, kind, iaid: Some(1), expires: at(expires) }
}

/// Client `number` on port 0 of FPC 0 leases its address and its prefix until second 3700, asked at second 100.
fn login(number: u16, epoch: u32) -> Login {
    Login {
        client: client(number),
        line: line(0),
        mac: mac(number),
        relayed: false,
        peer: ip("fe80::1"),
        fpc: FpcId(0),
        epoch: Epoch(epoch),
        server: server(),
        server_id: server_id(1),
        tagged: false,
        granted: vec![grant(address(number), 3700), grant(delegated(number), 3700)],
        at: at(100),
    }
}

fn clock() -> WallClock {
    WallClock::new(Instant::ZERO, 1_700_000_000_000_000_000)
}

fn config(capacity: u32) -> SessionConfig {
    SessionConfig { capacity, port_limits: Vec::new(), lockout: None }
}

fn sessions(config: SessionConfig) -> Sessions {
    Sessions::new(config, clock(), at(100))
}

fn commands(table: &mut Sessions) -> Vec<Command> {
    core::iter::from_fn(|| table.poll_command()).collect()
}

fn settle(table: &mut Sessions, now: Instant) {
    while table.poll_timeout().is_some_and(|wanted| wanted <= now) {
        table.handle_timeout(now);
    }
}

fn routes(commands: &[Command]) -> Vec<(Prefix, u32, bool)> {
    let install = |command: &Command| match command {
        Command::InstallRoute(route) => Some((route.address, route.slot, route.fresh)),
        _ => None,
    };
    commands.iter().filter_map(install).collect()
}

fn ended(commands: &[Command]) -> Vec<(Prefix, DuidBuf, EndReason)> {
    let ended = |command: &Command| match command {
        Command::Ended { prefix, client, reason, .. } => Some((*prefix, client.clone(), *reason)),
        _ => None,
    };
    commands.iter().filter_map(ended).collect()
}
