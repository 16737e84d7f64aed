//! Releases against the real table and a server that is scripted.

mod hostile;
mod journal;
mod logouts;
mod requests;
mod restarts;
mod singles;

use core::net::Ipv6Addr;
use std::collections::BTreeMap;

use gateway_common::vlan::VlanTags;

use super::*;
use crate::line::{FpcId, Line, PortId};
use crate::release::RestartPlan;
use crate::scope::Epoch;
use crate::session::{EndReason, SessionConfig};
use crate::time::{Duration, Instant, WallClock};
use crate::v6::session::Sessions;
use crate::v6::{Grant, Login};
use crate::wire::dhcp6::release::{ClientAnswer, Part, ReleaseAnswer, ReleaseRequest, ReleaseTypes, Verdict};
use crate::wire::dhcp6::{Builder, DuidBuf, IaKind, Message, Prefix, RelayMessage, code, kind, status};

const CUTOFF: Epoch = Epoch(7);
const PEN: u32 = 32473;
const UNIX: Duration = Duration::from_secs(1_700_000_000);

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn server() -> Ipv6Addr {
    ip("2001:db8:ffff::2")
}

fn server_id() -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, 0xaa, 1])
}

fn relay_id() -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, 0xbb, 1])
}

fn link() -> Ipv6Addr {
    ip("2001:db8::1")
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

fn address(number: u16) -> Prefix {
    Prefix::new(Ipv6Addr::from_bits(ip("2001:db8:1::").to_bits() + u128::from(number)), 128).unwrap()
}

fn delegated(number: u16) -> Prefix {
    Prefix::new(Ipv6Addr::from_bits(ip("2001:db8:100::").to_bits() + (u128::from(number) << 72)), 56).unwrap()
}

fn grant(prefix: Prefix) -> Grant {
    let kind = if prefix.length() == 128 { IaKind::Na } else { IaKind::Pd };
    Grant { prefix, kind, iaid: Some(1), expires: at(1_000_000_000) }
}

/// A message that left.
#[derive(Clone, Debug)]
struct Sent {
    at: Instant,
    /// As it went over the network.
    payload: Vec<u8>,
    /// Without the RELAY-FORW.
    inner: Vec<u8>,
}

impl Sent {
    fn xid(&self) -> u32 {
        Message::parse(&self.inner).unwrap().xid()
    }

    fn clients(&self) -> Vec<DuidBuf> {
        let request = ReleaseRequest::parse(&self.inner, ReleaseTypes::default()).unwrap();
        request.clients.iter().map(|client| client.client_id.to_owned()).collect()
    }
}

struct Bench {
    table: Sessions,
    releases: Releases,
    now: Instant,
    random: u64,
    sent: Vec<Sent>,
    store: BTreeMap<Vec<u8>, Vec<u8>>,
    events: Vec<Event>,
    /// May proceed, and whether complete.
    proceeded: Vec<bool>,
    /// Leases that ended with their cohort.
    ended: Vec<u64>,
}

impl Bench {
    fn new(config: ReleaseConfig) -> Self {
        let now = at(100_000);
        let clock = WallClock::new(Instant::ZERO, UNIX.as_nanos() as u64);
        let capacity = SessionConfig { capacity: 4096, port_limits: Vec::new(), lockout: None };
        let identity = Identity {
            duid: relay_id(),
            types: ReleaseTypes::default(),
            single_logout: Some(PEN),
            links: vec![link(), ip("2001:db8:0:1::1")],
            fpcs: vec!["fpc0".into(), "fpc1".into()],
        };
        Self {
            table: Sessions::new(capacity, clock, now),
            releases: Releases::new(config, identity),
            now,
            random: 1,
            sent: Vec::new(),
            store: BTreeMap::new(),
            events: Vec::new(),
            proceeded: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// With clients 0 to `count`, each with an address and a prefix.
    fn with(config: ReleaseConfig, count: u16) -> Self {
        let mut bench = Self::new(config);
        (0..count).for_each(|number| bench.log_in(number, 0, CUTOFF.0, &[address(number), delegated(number)]));
        bench
    }

    fn log_in(&mut self, number: u16, port: u16, epoch: u32, leases: &[Prefix]) {
        self.log_in_tagged(number, port, epoch, leases, false);
    }

    fn log_in_tagged(&mut self, number: u16, port: u16, epoch: u32, leases: &[Prefix], tagged: bool) {
        let login = Login {
            client: client(number),
            line: line(port),
            mac: mac(number),
            relayed: false,
            peer: ip("fe80::1"),
            fpc: FpcId(port),
            epoch: Epoch(epoch),
            server: server(),
            server_id: server_id(),
            tagged,
            granted: leases.iter().copied().map(grant).collect(),
            at: self.now,
        };
        self.table.bind(login, self.now).unwrap();
        while self.table.poll_command().is_some() {}
    }

    fn call<R>(&mut self, call: impl FnOnce(&mut Releases, &mut Context<'_>, Instant) -> R) -> R {
        let Self { table, releases, random, now, .. } = self;
        let mut next = || {
            *random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            *random ^ (*random >> 33)
        };
        let mut context = Context { logins: table, random: &mut next, unix_offset: UNIX };
        let result = call(releases, &mut context, *now);
        self.carry_out();
        result
    }

    /// As a node does it; and checks that what must be on disk is there before anything leaves.
    fn carry_out(&mut self) {
        while let Some(command) = self.releases.poll_command() {
            match command {
                Command::SendToServer { source, server: to, payload } => {
                    assert_eq!(to, server());
                    assert!(!self.store.is_empty(), "the intent is stored first");
                    let relay = RelayMessage::parse(&payload);
                    let inner = relay.and_then(|relay| relay.inner()).map_or(payload.clone(), <[u8]>::to_vec);
                    assert_eq!(relay.map_or(source, |relay| relay.peer_address()), source);
                    self.sent.push(Sent { at: self.now, payload, inner });
                }
                Command::Journal { key, value, .. } => drop(self.store.insert(key, value)),
                Command::ForgetJournal { key } => drop(self.store.remove(&key)),
                Command::EndLease { prefix, client, cutoff, decided_at } => {
                    let (lease, session) = self.table.get(prefix).unwrap();
                    assert_eq!(session.client, client);
                    if lease.epoch <= cutoff && lease.at <= decided_at {
                        self.table.end(prefix, EndReason::LoggedOut);
                    }
                }
                Command::EndCohort { cohort, cutoff } => self.ended.push(self.table.end_cohort(cohort, cutoff)),
                Command::Orphan { prefix } => drop(self.table.orphan(prefix)),
                Command::RestartMayProceed { complete, .. } => self.proceeded.push(complete),
                Command::Tell(event) => self.events.push(event),
            }
        }
        while self.table.poll_command().is_some() {}
    }

    fn restart(&mut self, cutoff: u32) {
        let plan = RestartPlan { fpc: FpcId(0), cutoff: Epoch(cutoff), decided_at: self.now };
        self.call(|releases, context, now| releases.handle_restart(plan, context, now));
    }

    fn release(&mut self, number: u16, cause: Cause) -> bool {
        let clients = self.table.clients_of(address(number));
        let [client] = &clients[..] else { panic!("{clients:?}") };
        self.call(|releases, context, now| releases.handle_client(client.clone(), cause, context, now))
    }

    fn spoke(&mut self, number: u16, port: u16) {
        self.call(|releases, context, now| {
            releases.handle_spoke(line(port), client(number).as_duid(), context, now);
        });
    }

    fn hears(&mut self, payload: &[u8]) -> bool {
        self.call(|releases, context, now| releases.handle_server(server(), payload, context, now))
    }

    /// Lets time pass until `until`, waking when asked to.
    fn run_until(&mut self, until: Instant) {
        for _ in 0..100_000 {
            match self.releases.poll_timeout().map(|wanted| wanted.max(self.now)) {
                Some(wanted) if wanted <= until => {
                    self.now = wanted;
                    self.call(|releases, context, now| releases.handle_timeout(context, now));
                }
                _ => {
                    self.now = until;
                    return;
                }
            }
        }
        panic!("it never rests");
    }

    fn wait(&mut self, millis: u64) {
        self.run_until(self.now + Duration::from_millis(millis));
    }

    /// A server answers all that is sent, at once, by a rule about each client; until nothing more is sent.
    fn serve(&mut self, rule: impl Fn(&DuidBuf) -> u16) {
        let mut seen = 0;
        for _ in 0..10_000 {
            while let Some(sent) = self.sent.get(seen).cloned() {
                seen += 1;
                self.hears(&answer(&sent.inner, &rule));
            }
            let Some(wanted) = self.releases.poll_timeout() else { return };
            self.now = wanted.max(self.now);
            self.call(|releases, context, now| releases.handle_timeout(context, now));
        }
        panic!("it never rests");
    }

    fn finished(&self) -> Option<&Event> {
        self.events.iter().rev().find(|event| matches!(event, Event::Finished { .. }))
    }
}

/// The reply of a server that gives each client of a request, or of a RELEASE, a status.
fn answer(inner: &[u8], rule: impl Fn(&DuidBuf) -> u16) -> Vec<u8> {
    let message = Message::parse(inner).unwrap();
    if message.kind() == kind::RELEASE {
        let client = message.client_id().unwrap().unwrap();
        return reply_to_release(inner, rule(&client.to_owned()));
    }
    let request = ReleaseRequest::parse(inner, ReleaseTypes::default()).unwrap();
    let mut answer = ReleaseAnswer::to(&request, ReleaseTypes::default());
    for client in &request.clients {
        let verdict = Verdict { code: rule(&client.client_id.to_owned()), text: "" };
        let bare = client.bare.iter().map(|lease| Part::Bare(lease.binding));
        let parts = client.ias.iter().map(|ia| Part::Ia(ia.kind, ia.iaid)).chain(bare);
        let parts = parts.map(|part| (part, verdict)).collect();
        answer.clients.push(ClientAnswer { client_id: client.client_id, whole: verdict, parts });
    }
    answer.encode(1232)
}

fn reply_to_release(inner: &[u8], code: u16) -> Vec<u8> {
    let message = Message::parse(inner).unwrap();
    let mut out = Builder::message(kind::REPLY, message.xid());
    out.duid(code::CLIENT_ID, message.client_id().unwrap().unwrap());
    out.duid(code::SERVER_ID, message.server_id().unwrap().unwrap());
    out.status(code, "");
    out.finish().unwrap()
}

/// A reply with nothing but a status for the whole.
fn overall(inner: &[u8], status: u16) -> Vec<u8> {
    let message = Message::parse(inner).unwrap();
    let mut out = Builder::message(ReleaseTypes::default().reply(), message.xid());
    out.duid(code::SERVER_ID, server_id().as_duid()).status(status, "");
    out.finish().unwrap()
}
