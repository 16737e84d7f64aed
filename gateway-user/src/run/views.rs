//! What the node shows of servers, releases and its counters, as rows.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use gateway_core::node::ServerView;
use gateway_core::release::{Phase, Progress, ReleaseView};
use gateway_core::time::Instant;

use super::Gateway;
use crate::control::protocol;

impl Gateway {
    pub(super) fn servers(&self, now: Instant) -> Vec<protocol::Server> {
        let four = self.node.servers(now);
        let six = self.node.servers6().into_iter().map(|(address, leases)| self.server6(address, leases));
        four.iter().map(|view| self.server(view)).chain(six).collect()
    }

    fn server(&self, view: &ServerView) -> protocol::Server {
        let embedded = self.config.dhcp_server.as_ref().map(|server| server.listen);
        let configured = self.config.servers.iter().find(|server| server.address == view.address);
        protocol::Server {
            address: view.address.to_string(),
            capability: view.state.name().to_owned(),
            age: view.age.map(|age| age.as_secs()),
            max_scopes: (view.max_scopes != 0).then_some(view.max_scopes),
            leasequery: view.leasequery,
            embedded: embedded == Some(view.address),
            release_rate: view.release_rate.or(configured.map(|server| server.release_rate)).unwrap_or_default(),
            sessions: Some(view.sessions),
        }
    }

    fn server6(&self, address: Ipv6Addr, leases: u64) -> protocol::Server {
        let embedded = self.config.dhcp_server.as_ref().and_then(|server| Some(server.v6.as_ref()?.listen));
        let release = self.config.dhcpv6.as_ref().map(|six| &six.release);
        protocol::Server {
            address: address.to_string(),
            // How its releases go is found out with each of them.
            capability: "-".to_owned(),
            embedded: embedded == Some(address),
            release_rate: release.map_or(0, |release| release.individual_rate),
            sessions: Some(leases),
            ..protocol::Server::default()
        }
    }

    pub(super) fn releases(&self, now: Instant) -> Vec<protocol::Release> {
        // The node has the latest last.
        self.node.releases().iter().rev().map(|view| self.release(view, now)).collect()
    }

    fn release(&self, view: &ReleaseView, now: Instant) -> protocol::Release {
        let sum = |part: fn(&Progress) -> u64| view.servers.iter().map(|(_, progress)| part(progress)).sum();
        let began = if view.decided_at == Instant::ZERO { view.started } else { view.decided_at };
        let cause = self.causes.get(&(view.fpc, view.cutoff)).map_or("resumed", String::as_str);
        protocol::Release {
            fpc: self.fpc_name(view.fpc),
            cause: cause.to_owned(),
            cutoff: view.cutoff.0,
            age: now.since(began).as_secs_f64(),
            took: view.finished.map(|finished| finished.since(began).as_secs_f64()),
            total: sum(|progress| progress.total),
            released: sum(|progress| progress.released + progress.unverified + progress.skipped),
            orphaned: sum(|progress| progress.orphaned),
            single_logouts: sum(|progress| progress.bulk_sent),
            individual: sum(|progress| progress.individual_sent),
            servers: view.servers.iter().map(|(server, progress)| at_server(*server, progress)).collect(),
        }
    }

    /// What relay, sessions and releases counted, by names that don't change.
    pub(super) fn counters(&self) -> BTreeMap<String, u64> {
        let mut counters = BTreeMap::new();
        let mut add = |name: &str, value: u64| {
            counters.insert(name.replace([' ', '_'], "-"), value);
        };
        let node = self.node.counters();
        add("logins", node.logins);
        add("renewals", node.renewals);
        add("refused", node.refused);
        add("dropped-not-udp", node.malformed);
        for (reason, count) in node.logouts() {
            add(&format!("logouts-{reason}"), count);
        }
        for (reason, count) in self.node.relay_counters().iter() {
            add(&format!("relay-{}", reason.name()), count);
        }
        if let Some(relay) = self.node.relay6_counters() {
            add("logins6", node.logins6);
            add("renewals6", node.renewals6);
            for (reason, count) in node.ended6() {
                add(&format!("ended6-{reason}"), count);
            }
            for (reason, count) in relay.iter() {
                add(&format!("relay6-{}", reason.name()), count);
            }
        }
        add("held-lost", self.held_lost);
        add("held-overrun", self.held_overrun);
        add("fenced-dhcp", self.fenced_frames);
        let release = self.node.release_counters();
        add("release-malformed", release.malformed);
        add("release-unmatched", release.unmatched);
        add("release-unauthenticated", release.unauthenticated);
        add("release-forged", release.forged);
        add("release-replayed", release.replayed);
        add("release-duplicate", release.duplicate);
        counters
    }
}

fn at_server(server: Ipv4Addr, progress: &Progress) -> protocol::ReleaseAtServer {
    let phase = match progress.phase {
        Phase::Bulk => format!("single logout, attempt {}", progress.bulk_sent.max(1)),
        Phase::Individual => "individual RELEASEs".to_owned(),
        Phase::Done if progress.orphaned > 0 => "waiting to try again".to_owned(),
        Phase::Done => "done".to_owned(),
        Phase::TakenOver => "a later restart took over".to_owned(),
    };
    protocol::ReleaseAtServer {
        server: server.to_string(),
        phase,
        total: progress.total,
        released: progress.released + progress.unverified + progress.skipped,
    }
}
