//! What the node shows of DHCPv6.

use core::net::Ipv6Addr;

use gateway_common::unit::UNITS;

use super::Node;
use crate::line::{FpcId, HardwareAddress, Line};
use crate::scope::Epoch;
use crate::time::Instant;
use crate::v6::relay;
use crate::v6::release::Takes;
use crate::v6::session::{Lease, Route, Session, Sessions};
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};

/// One lease.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseView {
    /// What is leased; an address has 128 bits.
    pub prefix: Prefix,
    /// In which sort of IA.
    pub kind: IaKind,
    /// What the client calls that IA.
    pub iaid: Option<u32>,
    /// The client's DUID.
    pub client: DuidBuf,
    /// Its hardware address: with the line what it has in common with the subscriber's IPv4 session.
    pub hardware: HardwareAddress,
    /// Where it is.
    pub line: Line,
    /// The line card.
    pub fpc: FpcId,
    /// Epoch of the card when it was granted or last extended.
    pub epoch: Epoch,
    /// The server, by the source of its replies.
    pub server: Ipv6Addr,
    /// Time of the last exchange with the server.
    pub at: Instant,
    /// End of the lease.
    pub expires: Instant,
    /// Cell of the `SUBSCRIBERS6` array, with its counters.
    pub slot: u32,
    /// Released, but not confirmed by its server.
    pub orphaned: bool,
}

/// A server of DHCPv6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerView6 {
    /// Its address, as configured.
    pub address: Ipv6Addr,
    /// How it takes releases, by what it said of the leases it has given, and answered.
    pub takes: Takes,
    /// Live leases it has given.
    pub leases: u64,
}

/// Where the leases of DHCPv6 begin among the places of [`Node::lines`]; before it are the sessions of DHCPv4.
const LEASES6: u64 = 1 << 32;

impl Node {
    /// Number of live leases of DHCPv6.
    pub fn lease_count6(&self) -> u64 {
        self.six.as_ref().map_or(0, |six| six.sessions.count())
    }

    /// Up to `max` live leases from slot `from` on, and the slot to go on from.
    pub fn leases6(&self, from: u32, max: usize) -> (Vec<LeaseView>, Option<u32>) {
        let mut leases = self.six.iter().flat_map(|six| six.sessions.iter_from(from));
        let page = leases.by_ref().take(max).map(|(slot, lease, session)| self.view6(slot, lease, session)).collect();
        (page, leases.next().map(|(slot, _, _)| slot))
    }

    /// Where up to `max` subscribers with live leases are and their MACs, from slot `from` on, and the slot to go on from.
    pub fn subscribers6(&self, from: u32, max: usize) -> (Vec<(Line, [u8; 6])>, Option<u32>) {
        let Some(sessions) = self.six.as_ref().map(|six| &six.sessions) else { return (Vec::new(), None) };
        // A session is met at the first of its leases.
        let is_first =
            |slot: u32, session: &Session| sessions.leases(session).next().is_some_and(|(first, _)| first == slot);
        let mut met = sessions.iter_from(from).filter(|(slot, _, session)| is_first(*slot, session));
        let page = met.by_ref().take(max).map(|(_, _, session)| (session.line, session.mac)).collect();
        (page, met.next().map(|(slot, _, _)| slot))
    }

    /// Where subscribers with live sessions or leases are: looks at up to `max` of these from place `from` on, and tells the
    /// place to go on from. A line with several subscribers is told several times.
    pub fn lines(&self, from: u64, max: usize) -> (Vec<Line>, Option<u64>) {
        let Some(from6) = from.checked_sub(LEASES6) else {
            let from = u32::try_from(from).unwrap_or(u32::MAX);
            let mut sessions = self.sessions.iter_from(from);
            let lines = sessions.by_ref().take(max).map(|(_, session)| session.line).collect();
            let then = self.six.as_ref().map(|_| LEASES6);
            return (lines, sessions.next().map(|(slot, _)| u64::from(slot)).or(then));
        };
        let from = u32::try_from(from6).unwrap_or(u32::MAX);
        let mut leases = self.six.iter().flat_map(|six| six.sessions.iter_from(from));
        let lines = leases.by_ref().take(max).map(|(_, _, session)| session.line).collect();
        (lines, leases.next().map(|(slot, ..)| LEASES6 + u64::from(slot)))
    }

    /// The live leases of a subscriber, under all its DUIDs.
    pub fn leases6_of(&self, line: Line, mac: [u8; 6]) -> Vec<LeaseView> {
        let Some(sessions) = self.six.as_ref().map(|six| &six.sessions) else { return Vec::new() };
        let sessions = sessions
            .of_subscriber(line, mac)
            .flat_map(|session| sessions.leases(session).map(move |(slot, lease)| self.view6(slot, lease, session)));
        let mut leases: Vec<_> = sessions.collect();
        leases.sort_by_key(|lease| lease.slot);
        leases
    }

    /// Whether a lease is the one by which a subscriber without IPv4 session is met, whichever is found first: it may have any
    /// number of them.
    fn is_alone6(&self, sessions: &Sessions, slot: u32, session: &Session) -> bool {
        let (line, mac) = (session.line, session.mac);
        let mut all = sessions.of_subscriber(line, mac).flat_map(|session| sessions.leases(session));
        let is_first = all.next().is_some_and(|(first, _)| first == slot);
        is_first && self.sessions.by_client(line, &HardwareAddress::ethernet(mac)).is_none()
    }

    /// Subscribers that have leases of DHCPv6 and no IPv4 session, each by all its leases. Looks at up to `max` leases from
    /// slot `from` on, and tells the slot to go on from.
    pub fn without_ipv4(&self, from: u32, max: usize) -> (Vec<Vec<LeaseView>>, Option<u32>) {
        let Some(sessions) = self.six.as_ref().map(|six| &six.sessions) else { return (Vec::new(), None) };
        let mut met = sessions.iter_from(from);
        let mut found = Vec::new();
        for (slot, _, session) in met.by_ref().take(max) {
            if self.is_alone6(sessions, slot, session) {
                found.push(self.leases6_of(session.line, session.mac));
            }
        }
        (found, met.next().map(|(slot, _, _)| slot))
    }

    /// Subscribers that have leases of DHCPv6 and no IPv4 session, by the work unit of their DHCPv6. With
    /// [`Node::unit_sessions`] that is all subscribers there are, each once, since one that speaks both versions of IP is one.
    /// Takes as long as there are leases of DHCPv6.
    pub fn units_without_ipv4(&self) -> Vec<u32> {
        let mut counts = vec![0; UNITS as usize];
        let Some(sessions) = self.six.as_ref().map(|six| &six.sessions) else { return counts };
        for (slot, _, session) in sessions.iter_from(0) {
            if self.is_alone6(sessions, slot, session) {
                counts[sessions.unit_of(session).index() as usize] += 1;
            }
        }
        counts
    }

    /// Live leases of DHCPv6 behind an FPC, and those among them that no server confirmed the end of.
    pub fn fpc_leases6(&self, fpc: FpcId) -> (u64, u64) {
        self.six.as_ref().map_or((0, 0), |six| six.sessions.fpc_count(fpc))
    }

    /// The servers of DHCPv6, as configured.
    pub fn servers6(&self, now: Instant) -> Vec<ServerView6> {
        let Some(six) = &self.six else { return Vec::new() };
        let view = |address: Ipv6Addr| {
            let cohorts = || six.sessions.cohorts().filter(move |(_, cohort)| cohort.server == address);
            let tagged = cohorts().any(|(id, cohort)| cohort.tagged && six.sessions.cohort_count(id) > 0);
            let takes = cohorts().map(|(_, cohort)| six.releases.takes(cohort.server_id.as_duid(), now)).max();
            ServerView6 {
                address,
                takes: if tagged { Takes::SingleLogout } else { takes.unwrap_or(Takes::Unknown) },
                leases: cohorts().map(|(id, _)| six.sessions.cohort_count(id)).sum(),
            }
        };
        six.relay.config().servers.iter().map(|server| view(*server)).collect()
    }

    /// The live lease that an address is of: its own, or that of a prefix around it.
    pub fn lease6_of(&self, address: Ipv6Addr) -> Option<LeaseView> {
        (1..=128).rev().find_map(|length| self.lease6(Prefix::new(address, length)?))
    }

    /// The live lease of exactly this prefix.
    pub fn lease6(&self, prefix: Prefix) -> Option<LeaseView> {
        let sessions = &self.six.as_ref()?.sessions;
        let (lease, session) = sessions.get(prefix)?;
        Some(self.view6(sessions.slot(prefix)?, lease, session))
    }

    fn view6(&self, slot: u32, lease: &Lease, session: &Session) -> LeaseView {
        let cohort = self.six.as_ref().and_then(|six| six.sessions.cohort(lease.cohort));
        LeaseView {
            prefix: lease.prefix,
            kind: lease.kind,
            iaid: lease.iaid,
            client: session.client.clone(),
            hardware: HardwareAddress::ethernet(session.mac),
            line: session.line,
            fpc: cohort.map_or(FpcId(u16::MAX), |cohort| cohort.fpc),
            epoch: lease.epoch,
            server: cohort.map_or(Ipv6Addr::UNSPECIFIED, |cohort| cohort.server),
            at: lease.at,
            expires: lease.expires,
            slot,
            orphaned: lease.orphaned,
        }
    }

    /// All IPv6 routes the data plane should have: what pinned maps are compared with at start.
    pub fn routes6(&self) -> impl Iterator<Item = Route> {
        self.six.iter().flat_map(|six| six.sessions.routes())
    }

    /// The route of exactly this prefix, if it should have one.
    pub fn route6(&self, prefix: Prefix) -> Option<Route> {
        self.six.as_ref()?.sessions.route(prefix)
    }

    /// What the relay for DHCPv6 counts, where there is one.
    pub fn relay6_counters(&self) -> Option<&relay::Counters> {
        self.six.as_ref().map(|six| six.relay.counters())
    }
}
