//! Answers to what is asked on the control socket.

use std::net::{IpAddr, Ipv4Addr};

use gateway_common::verdict::{Fate, Program};
use gateway_core::fpc::Policy;
use gateway_core::hex;
use gateway_core::line::{FpcId, HardwareAddress, PortId};
use gateway_core::node::{Answer, FpcState, FpcView, Request as Order, RequestError, SessionView};
use gateway_core::scope::ScopeKind;
use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::Prefix;

use super::answers6::FIRST6;
use super::{Gateway, cluster};
use crate::config;
use crate::control::protocol::{self, Request, Response, RestartPolicy};
use crate::dataplane::pinned::vlan;
use crate::io::clock;

/// Sessions looked at for one page, so that a filter that matches few does not hold the loop up.
const LOOKED_AT: usize = 4096;

/// Which sessions are shown; nothing said: all.
pub(super) struct Wanted {
    fpc: Option<FpcId>,
    port: Option<PortId>,
    mac: Option<[u8; 6]>,
    orphaned: bool,
}

impl Wanted {
    pub(super) fn admits(&self, fpc: FpcId, port: PortId, hardware: &HardwareAddress, orphaned: bool) -> bool {
        self.fpc.is_none_or(|wanted| wanted == fpc)
            && self.port.is_none_or(|wanted| wanted == port)
            && self.mac.is_none_or(|wanted| hardware.mac() == Some(wanted))
            && (orphaned || !self.orphaned)
    }
}

impl Gateway {
    /// Answers one question; an order is passed to the node.
    pub(super) fn answer(&mut self, request: Request) -> Response {
        let now = clock::now();
        match request {
            Request::Status => Response::Status(Box::new(self.status(now))),
            Request::Sessions { from, max, fpc, port, mac, orphaned } => {
                match self.wanted(fpc.as_deref(), port.as_deref(), mac.as_deref(), orphaned) {
                    Ok(wanted) => self.page(from, max, &wanted, now),
                    Err(mistake) => Response::Error(mistake),
                }
            }
            Request::Session { address } => self.subscriber(address, now),
            // It would have been asked of the server.
            Request::Leases { .. }
            | Request::RenewLease { .. }
            | Request::Subnets
            | Request::AddSubnet { .. }
            | Request::RemoveSubnet { .. }
            | Request::DhcpServer => Response::Error("no DHCP server runs in this gateway".to_owned()),
            Request::AccessRoutes { subnets } => self.access_routes(&subnets),
            Request::Fpcs => Response::Fpcs(self.node.fpcs().iter().map(|view| self.fpc(view, now)).collect()),
            Request::Servers => Response::Servers(self.servers(now)),
            Request::Releases => Response::Releases(self.releases(now)),
            Request::Units { list } => self.units(list, now),
            Request::Members => self.members(now),
            Request::Drain { member, end } => self.drain(&member, end),
            Request::Recover { server, compare } => self.recover(server, compare, now),
            Request::Recoveries => self.show_recoveries(now),
            Request::Drops { after } => Response::Drops(self.recent.drops(after, now)),
            Request::Events { after, brief } => Response::Events(self.recent.events(after, brief, now, &self.config)),
            Request::Release { address } => {
                let order = match address {
                    IpAddr::V4(address) => Order::ReleaseSession { address },
                    IpAddr::V6(address) => {
                        let lease = self.node.lease6_of(address).map(|lease| lease.prefix);
                        let alone = || Prefix::new(address, 128).expect("128 bits");
                        Order::ReleaseClient6 { prefix: lease.unwrap_or_else(alone) }
                    }
                };
                self.order(order, now, || format!("the RELEASE of {address} is under way"))
            }
            Request::Probe { server } if self.config.servers.iter().all(|known| known.address != server) => {
                let known: Vec<_> = self.config.servers.iter().map(|known| known.address.to_string()).collect();
                Response::Error(format!("there is no server {server}; there are: {}", known.join(", ")))
            }
            Request::Probe { server } => {
                self.order(Order::Probe { server }, now, || format!("{server} was asked; `gateway servers` shows more"))
            }
            Request::RestartFpc { fpc, policy } => self.restart(&fpc, policy, now),
        }
    }

    fn order(&mut self, order: Order, now: Instant, done: impl FnOnce() -> String) -> Response {
        match self.node.handle_operator(order, now) {
            Ok(_) => Response::Done(done()),
            Err(error) => self.refused(error),
        }
    }

    /// Why the node did not do it, and who would.
    pub(super) fn refused(&self, error: RequestError) -> Response {
        let keeper = self.membership.as_ref().and_then(|membership| membership.sharing.keeper);
        let name = keeper.and_then(|keeper| Some(self.config.cluster.as_ref()?.get(keeper)?.name.as_str()));
        Response::Error(match (error, name) {
            (RequestError::NotKeeper, Some(name)) => format!("{name} does that for the cluster: ask it there"),
            (RequestError::NotKeeper, None) => {
                "no member of the cluster does that just now: `gateway members`".to_owned()
            }
            (error, _) => error.to_string(),
        })
    }

    fn restart(&mut self, name: &str, policy: Option<RestartPolicy>, now: Instant) -> Response {
        let Some(fpc) = self.fpc_named(name) else { return Response::Error(self.no_such_fpc(name)) };
        let policy = policy.map(|policy| match policy {
            RestartPolicy::Logout => Policy::Logout,
            RestartPolicy::Maintain => Policy::Maintain,
        });
        let leases6 = self.config.dhcpv6.as_ref().map(|_| self.node.fpc_leases6(fpc).0);
        let (sessions, logout) = match self.node.handle_operator(Order::RestartFpc { fpc, policy }, now) {
            Ok(Answer::Restarting { sessions }) => (sessions, true),
            Ok(Answer::Maintained { sessions }) => (sessions, false),
            Ok(Answer::Asked) => (0, false),
            Err(error) => return self.refused(error),
        };
        let hold = self.config.bulk_release.restart_hold;
        let hold_ms = if logout { hold.as_millis() as u64 } else { 0 };
        Response::Restart(protocol::Restart { fpc: name.to_owned(), sessions, leases6, logout, hold_ms })
    }

    fn fpc_named(&self, name: &str) -> Option<FpcId> {
        self.config.fpcs.iter().position(|fpc| fpc.name == name).map(|place| FpcId(place as u16))
    }

    fn no_such_fpc(&self, name: &str) -> String {
        let names: Vec<_> = self.config.fpcs.iter().map(|fpc| fpc.name.as_str()).collect();
        format!("there is no FPC `{name}`; there are: {}", names.join(", "))
    }

    fn port_named(&self, name: &str) -> Result<PortId, String> {
        let place = self.config.ports.iter().position(|port| port.name == name);
        place.map(|place| PortId(place as u16)).ok_or_else(|| {
            let names: Vec<_> = self.config.ports.iter().map(|port| port.name.as_str()).collect();
            format!("there is no access port `{name}`; there are: {}", names.join(", "))
        })
    }

    /// Which sessions are asked for, or what is wrong about that.
    fn wanted(
        &self,
        fpc: Option<&str>,
        port: Option<&str>,
        mac: Option<&str>,
        orphaned: bool,
    ) -> Result<Wanted, String> {
        let no_mac = |text: &str| format!("`{text}` is no MAC; one is like 02:00:00:00:00:01");
        Ok(Wanted {
            fpc: fpc.map(|name| self.fpc_named(name).ok_or_else(|| self.no_such_fpc(name))).transpose()?,
            port: port.map(|name| self.port_named(name)).transpose()?,
            mac: mac.map(|text| config::mac(text).ok_or_else(|| no_mac(text))).transpose()?,
            orphaned,
        })
    }

    fn status(&self, now: Instant) -> protocol::Status {
        let fpcs = self.node.fpcs();
        protocol::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            id: text_or_hex(self.config.gateway.id.octets()),
            pid: std::process::id(),
            uptime: now.since(self.began).as_secs(),
            adopted: self.dataplane.adopted(),
            capacity: self.config.gateway.capacity,
            sessions: self.node.session_count(),
            subscribers: self.count_subscribers(now),
            leases6: self.config.dhcpv6.as_ref().map(|_| self.node.lease_count6()),
            orphaned: fpcs.iter().map(|fpc| fpc.orphaned).sum(),
            ports: self.ports.iter().map(|entry| self.port(entry)).collect(),
            verdicts: self.verdicts(),
            counters: self.counters(),
            store: self.outbox.store.facts(),
            cluster: self.config.cluster.as_ref().map(|cluster| cluster.name.clone()),
            dhcp_server: self.embedded.as_ref().map(|embedded| (&embedded.lookup().status()).into()),
            warnings: self.warnings(),
        }
    }

    fn port(&self, entry: &super::ports::Entry) -> protocol::Port {
        let fpc = entry.access.and_then(|port| self.config.ports.get(usize::from(port.0))).map(|port| port.fpc);
        protocol::Port {
            name: entry.name.clone(),
            fpc: fpc.map(|fpc| self.fpc_name(fpc)),
            ifindex: entry.link.as_ref().map(|link| link.ifindex),
            up: entry.link.as_ref().is_some_and(|link| link.up),
            xdp: if entry.mode.is_empty() { "detached".to_owned() } else { entry.mode.to_owned() },
        }
    }

    fn verdicts(&self) -> Vec<protocol::VerdictCount> {
        let mut rows = Vec::new();
        for (program, name) in [(Program::Access, "access"), (Program::Upstream, "upstream")] {
            let counters = self.dataplane.counters(program).unwrap_or_else(|error| {
                tracing::warn!(%error, "the counters can't be read");
                Vec::new()
            });
            rows.extend(counters.into_iter().map(|(verdict, counter)| {
                protocol::VerdictCount {
                    program: name.to_owned(),
                    verdict: verdict.name().to_owned(),
                    fate: match verdict.fate() {
                        Fate::Forwarded => "forwarded",
                        Fate::Passed => "passed",
                        Fate::Punted => "punted",
                        Fate::Dropped => "dropped",
                    }
                    .to_owned(),
                    packets: counter.packets,
                    octets: counter.octets,
                }
            }));
        }
        rows
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for entry in self.ports.iter() {
            match (entry.mode, &entry.link) {
                ("generic", _) => warnings.push(format!("{} runs XDP in generic mode, which is slower", entry.name)),
                (_, None) => warnings.push(format!("there is no interface {}", entry.name)),
                ("", _) => warnings.push(format!("{} has no XDP program", entry.name)),
                _ => {}
            }
        }
        if let Some(error) = self.outbox.store.facts().last_error {
            warnings.push(format!("the store can't be written, new logins are refused: {error}"));
        }
        if let Some((count, why)) = self.outbox.missing_routes() {
            warnings.push(format!("{count} routes are missing in the maps, their subscribers have no traffic: {why}"));
        }
        warnings.extend(self.membership.as_ref().and_then(cluster::views::warning));
        if self.config.lacks_key() {
            warnings.push("the single logout is off: it needs a key in [relay_auth]".to_owned());
        }
        warnings
    }

    fn page(&self, from: u32, max: u32, wanted: &Wanted, now: Instant) -> Response {
        let max = (max as usize).clamp(1, LOOKED_AT);
        if let Some(from) = from.checked_sub(FIRST6) {
            return Response::Sessions(self.page6(from, max, wanted, now));
        }
        let (views, next) = self.node.sessions(from, max);
        let is_wanted = |view: &&SessionView| wanted.admits(view.fpc, view.line.port, &view.hardware, view.orphaned);
        let sessions = views.iter().filter(is_wanted).map(|view| self.session(view, now)).collect();
        // Then those without IPv4.
        let next = next.or(self.config.dhcpv6.as_ref().map(|_| FIRST6));
        Response::Sessions(protocol::SessionPage { sessions, next })
    }

    pub(super) fn session(&self, view: &SessionView, now: Instant) -> protocol::Session {
        let cell = self.dataplane.subscribers.read(view.slot).unwrap_or_default();
        protocol::Session {
            address: Some(view.address.to_string()),
            mac: view.hardware.to_string(),
            client_id: view.client_id.as_deref().map(hex),
            fpc: self.fpc_name(view.fpc),
            port: self.port_name(view.line.port),
            vlan: vlan(&view.line.tags),
            epoch: view.epoch.0,
            server: (view.server != Ipv4Addr::UNSPECIFIED).then(|| view.server.to_string()),
            scope: view.scope.as_ref().map(scope),
            age: now.since(view.at).as_secs(),
            expires_in: (view.expires != Instant::NEVER).then(|| view.expires.since(now).as_secs()),
            state: match (view.is_static, view.orphaned) {
                (true, _) => "static",
                (false, true) => "orphaned",
                (false, false) => "live",
            }
            .to_owned(),
            idle: self.node.last_seen(view.slot, now).map(|seen| now.since(seen).as_secs()),
            up_packets: cell.up_packets,
            up_octets: cell.up_octets,
            down_packets: cell.down_packets,
            down_octets: cell.down_octets,
            leases6: self.leases6(view.line, view.hardware.mac(), now),
        }
    }

    fn fpc(&self, view: &FpcView, now: Instant) -> protocol::Fpc {
        let config = self.config.fpcs.get(usize::from(view.fpc.0));
        let port_name =
            |port: &gateway_core::line::PortId| Some(self.config.ports.get(usize::from(port.0))?.name.clone());
        let (state, since) = match view.state {
            FpcState::Unknown => ("unknown", None),
            FpcState::Up => ("up", None),
            FpcState::Lost { since } => ("lost", Some(since)),
            FpcState::Down { since } => ("down", Some(since)),
            FpcState::Frozen { .. } => ("frozen", None),
        };
        protocol::Fpc {
            name: view.name.clone(),
            ports: config.map_or_else(Vec::new, |fpc| fpc.ports.iter().filter_map(port_name).collect()),
            giaddr: config.map_or_else(String::new, |fpc| fpc.giaddr.to_string()),
            link_address6: config.and_then(|fpc| Some(fpc.link_address6?.to_string())),
            scope: config.map_or_else(String::new, |fpc| scope(&fpc.scope)),
            state: state.to_owned(),
            since: since.map(|since| now.since(since).as_secs()),
            on_restart: match view.policy {
                Policy::Logout => "logout",
                Policy::Maintain => "maintain",
            }
            .to_owned(),
            epoch: view.epoch.0,
            sessions: view.sessions,
            leases6: self.config.dhcpv6.as_ref().map(|_| self.node.fpc_leases6(view.fpc).0),
            orphaned: view.orphaned,
            restarts: view.restarts,
        }
    }

    pub(super) fn fpc_name(&self, fpc: FpcId) -> String {
        self.config.fpcs.get(usize::from(fpc.0)).map_or_else(|| fpc.0.to_string(), |fpc| fpc.name.clone())
    }
}

/// Identifiers are shown as the text they usually are.
pub(super) fn text_or_hex(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) if text.chars().all(|character| character.is_ascii_graphic()) => text.to_owned(),
        _ => hex(octets),
    }
}

fn scope(scope: &ScopeKind) -> String {
    match scope {
        ScopeKind::Address(address) => format!("address {address}"),
        ScopeKind::Group(group) => format!("group {}", text_or_hex(group.octets())),
        ScopeKind::Device => "device".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_as_text_where_they_are() {
        assert_eq!(text_or_hex(b"BNG-0042"), "BNG-0042");
        assert_eq!(text_or_hex(&[0, 0xff]), "00ff");
    }
}
