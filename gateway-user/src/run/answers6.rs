//! What is shown of IPv6: with the subscriber whose it is.

use std::net::IpAddr;
use std::sync::Arc;

use gateway_core::line::{Line, PortId};
use gateway_core::node::LeaseView;
use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp6::IaKind;

use super::Gateway;
use super::answers::Wanted;
use crate::control::protocol::{Lease6, Response, Session, SessionPage};
use crate::dataplane::pinned::vlan;
use crate::io::clock;

/// From here on pages are of subscribers without IPv4.
pub(super) const FIRST6: u32 = 1 << 31;
/// Least time between two counts of subscribers.
const COUNTED: Duration = Duration::from_secs(1);
/// How many times as long as a count takes it will do.
const WORTH: u32 = 100;

impl Gateway {
    /// The subscriber with an address, or with a prefix that it is of.
    pub(super) fn subscriber(&self, address: IpAddr, now: Instant) -> Response {
        let session = match address {
            IpAddr::V4(address) => self.node.session(address).map(|view| self.session(&view, now)),
            IpAddr::V6(address) => self.node.lease6_of(address).and_then(|lease| {
                let both = self.node.session_of(lease.line, &lease.hardware).map(|view| self.session(&view, now));
                both.or_else(|| self.alone6(&self.node.leases6_of(lease.line, lease.hardware.mac()?), now))
            }),
        };
        Response::Sessions(SessionPage { sessions: session.into_iter().collect(), next: None })
    }

    /// Subscribers without IPv4, from a slot on.
    pub(super) fn page6(&self, from: u32, max: usize, wanted: &Wanted, now: Instant) -> SessionPage {
        let (mut subscribers, next) = self.node.without_ipv4(from, max);
        let is_wanted = |lease: &LeaseView| wanted.admits(lease.fpc, lease.line.port, &lease.hardware, lease.orphaned);
        subscribers.retain(|leases| leases.iter().any(is_wanted));
        let sessions = subscribers.iter().filter_map(|leases| self.alone6(leases, now)).collect();
        SessionPage { sessions, next: next.map(|slot| slot + FIRST6) }
    }

    /// A subscriber that has nothing but these leases.
    fn alone6(&self, leases: &[LeaseView], now: Instant) -> Option<Session> {
        let first = leases.first()?;
        let rows: Vec<Lease6> = leases.iter().map(|view| self.lease6(view, now)).collect();
        let sum = |part: fn(&Lease6) -> u64| rows.iter().map(part).sum();
        Some(Session {
            address: None,
            mac: first.hardware.to_string(),
            client_id: None,
            fpc: self.fpc_name(first.fpc),
            port: self.port_name(first.line.port),
            vlan: vlan(&first.line.tags),
            epoch: first.epoch.0,
            server: Some(first.server.to_string()),
            scope: None,
            age: rows[0].age,
            expires_in: rows[0].expires_in,
            state: rows[0].state.clone(),
            idle: rows.iter().filter_map(|row| row.idle).min(),
            up_packets: sum(|row| row.up_packets),
            up_octets: sum(|row| row.up_octets),
            down_packets: sum(|row| row.down_packets),
            down_octets: sum(|row| row.down_octets),
            leases6: rows,
        })
    }

    /// What a subscriber has of IPv6.
    pub(super) fn leases6(&self, line: Line, mac: Option<[u8; 6]>, now: Instant) -> Vec<Lease6> {
        let leases = mac.map(|mac| self.node.leases6_of(line, mac)).unwrap_or_default();
        leases.iter().map(|view| self.lease6(view, now)).collect()
    }

    fn lease6(&self, view: &LeaseView, now: Instant) -> Lease6 {
        let cell = self.outbox.six.as_ref().and_then(|six| six.routes.read(view.slot)).unwrap_or_default();
        Lease6 {
            prefix: match view.prefix.length() {
                128 => view.prefix.address().to_string(),
                _ => view.prefix.to_string(),
            },
            kind: match view.kind {
                IaKind::Na => "na",
                IaKind::Ta => "ta",
                IaKind::Pd => "pd",
            }
            .to_owned(),
            iaid: view.iaid,
            duid: view.client.as_duid().to_string(),
            epoch: view.epoch.0,
            server: view.server.to_string(),
            age: now.since(view.at).as_secs(),
            expires_in: (view.expires != Instant::NEVER).then(|| view.expires.since(now).as_secs()),
            state: if view.orphaned { "orphaned" } else { "live" }.to_owned(),
            idle: self.node.last_seen6(view.slot, now).map(|seen| now.since(seen).as_secs()),
            up_packets: cell.up_packets,
            up_octets: cell.up_octets,
            down_packets: cell.down_packets,
            down_octets: cell.down_octets,
        }
    }

    pub(super) fn port_name(&self, port: PortId) -> String {
        self.config.ports.get(usize::from(port.0)).map_or_else(String::new, |port| port.name.clone())
    }

    /// Subscribers there are: one that speaks both versions of IP is one.
    pub(super) fn count_subscribers(&self, now: Instant) -> u64 {
        self.node.session_count() + self.units_without_ipv4(now).iter().map(|count| u64::from(*count)).sum::<u64>()
    }

    /// Subscribers without IPv4 by unit; nothing where DHCPv6 is not served. Who looks often must not cost more than a hundredth
    /// of the loop's time.
    pub(super) fn units_without_ipv4(&self, now: Instant) -> Arc<[u32]> {
        let mut known = self.counted.borrow_mut();
        if self.config.dhcpv6.is_some() && now >= known.1 {
            let began = clock::now();
            let counted = self.node.units_without_ipv4();
            let took = clock::now().since(began);
            *known = (counted.into(), now + COUNTED.max(took * WORTH));
        }
        Arc::clone(&known.0)
    }
}
