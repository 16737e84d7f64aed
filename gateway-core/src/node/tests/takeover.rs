//! A lease that its client claims from elsewhere: its holder may be there, or gone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use super::six::{Home, XID, address, ask, duid, reply};
use super::world::{self, World, config as config4, line, mac};
use super::{SERVER, Server};
use crate::line::HardwareAddress;
use crate::member::MemberId;
use crate::node::{Event, NodeConfig};
use crate::seen::Seen;
use crate::session::Refusal;
use crate::sightings::{Message, Page};
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::{self, Builder as Builder4};
use crate::wire::dhcp6::{Binding, Builder, IaKind, Prefix, code, kind};

const SILENCE: Duration = Duration::from_secs(30);

/// A data plane's memory of all cells.
#[derive(Clone, Debug, Default)]
pub(super) struct Cells {
    seen: Arc<Mutex<HashMap<u32, Instant>>>,
}

impl Cells {
    pub(super) fn saw(&self, slot: u32, at: Instant) {
        self.seen.lock().unwrap().insert(slot, at);
    }
}

impl Seen for Cells {
    fn last_seen(&self, slot: u32) -> Option<Instant> {
        Some(self.seen.lock().unwrap().get(&slot).copied().unwrap_or(Instant::ZERO))
    }
    fn last_seen6(&self, slot: u32) -> Option<Instant> {
        self.last_seen(slot)
    }
}

fn refused(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Refused { refusal: Refusal::InUse, .. })).count()
}

fn second(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

/// Client 1 with its address on port 0, since second 100.
fn home() -> (Home, Cells, u32) {
    home_of(Cells::default(), None)
}

fn home_of(cells: Cells, cluster: Option<MemberId>) -> (Home, Cells, u32) {
    let config = NodeConfig { takeover_after: SILENCE, cluster, ..super::six::config() };
    let mut home = Home::new(config, BTreeMap::new(), 100);
    home.node.handle_dataplane(Box::new(cells.clone()));
    assert!(home.log_in_for(1, 0, &[address(1)]));
    let slot = home.node.lease6(address(1)).unwrap().slot;
    (home, cells, slot)
}

/// A client with another MAC has its leases again once nobody has used them for a while, and that is told. Until then it is
/// somebody else who knows its DUID; RELEASE is never believed.
#[test]
fn another_mac() {
    let (mut home, cells, slot) = home();
    let renew = ask(1, kind::RENEW, &[address(1)]);
    home.now = second(129);
    assert_eq!(home.says(1, mac(2), 0, &renew), None, "it has just logged in");
    cells.saw(slot, second(150));
    home.now = second(179);
    assert_eq!(home.says(1, mac(2), 0, &renew), None, "it was just seen");
    home.now = second(180);
    assert_eq!(home.says(1, mac(2), 0, &ask(1, kind::RELEASE, &[address(1)])), None);
    let sent = home.says(1, mac(2), 0, &renew).unwrap();
    cells.saw(slot, second(180));
    assert!(!home.answers(&sent, &reply(1, &[address(1)], 3600)), "and there it is again");
    assert_eq!(refused(&home.events), 1);
    assert_eq!(home.node.lease6(address(1)).unwrap().hardware, HardwareAddress::ethernet(mac(1)));

    home.now = second(210);
    let sent = home.says(1, mac(2), 0, &renew).unwrap();
    assert!(home.answers(&sent, &reply(1, &[address(1)], 3600)));
    let (from, hardware) = (HardwareAddress::ethernet(mac(1)), HardwareAddress::ethernet(mac(2)));
    assert_eq!(home.node.lease6(address(1)).unwrap().hardware, hardware);
    assert!(home.events.contains(&Event::Readdressed6 { client: duid(1), from, hardware, line: line(0) }));
    assert_eq!(home.says(1, mac(1), 0, &renew), None, "now that one is the stranger");
}

/// Whoever knows a DUID gets none of its leases on another line while they are in use; a client that has moved does.
#[test]
fn another_line() {
    let (mut home, cells, slot) = home();
    cells.saw(slot, second(150));
    home.now = second(179);
    assert!(!home.log_in_for(1, 1, &[address(1)]));
    assert_eq!((refused(&home.events), home.node.lease6(address(1)).unwrap().line), (1, line(0)));
    assert_eq!(home.node.counters().refusals().find(|(name, _)| *name == "in-use"), Some(("in-use", 1)));
    assert!(home.log_in_for(1, 1, &[address(9)]), "another lease is nobody's loss");
    home.now = second(180);
    assert!(home.log_in_for(1, 1, &[address(1)]));
    assert_eq!((refused(&home.events), home.node.lease6(address(1)).unwrap().line), (1, line(1)));
}

/// H-BR-12: a server that is asked notes where, whatever the relay makes of its answer. So it is not asked for a lease in use that
/// somebody names on another line; for what he does not name it is.
#[test]
fn a_server_is_not_asked_for_what_is_in_use() {
    let (mut home, cells, slot) = home();
    cells.saw(slot, second(150));
    home.now = second(179);
    let soliciting = |rapid: bool, lease| {
        let mut out = Builder::message(kind::SOLICIT, XID);
        out.duid(code::CLIENT_ID, duid(1).as_duid());
        if rapid {
            out.option(code::RAPID_COMMIT, &[]);
        }
        out.ia(IaKind::Na, 0, [0, 0], |out| {
            out.lease(Binding::Address(address(lease).address()), [0, 0], |_| {});
        });
        out.finish().unwrap()
    };
    for (held_back, kind) in [kind::REQUEST, kind::RENEW, kind::REBIND].into_iter().enumerate() {
        assert_eq!(home.says(1, mac(1), 1, &ask(1, kind, &[address(9), address(1)])), None);
        assert_eq!(refused(&home.events), held_back + 1);
    }
    assert_eq!(home.says(1, mac(1), 1, &soliciting(true, 1)), None);
    let events = refused(&home.events);
    let passes = [soliciting(false, 1), soliciting(true, 9), ask(1, kind::REQUEST, &[address(9)])];
    assert!(passes.iter().all(|message| home.says(1, mac(1), 1, message).is_some()), "he takes nothing");
    assert!(home.says(1, mac(1), 0, &ask(1, kind::RENEW, &[address(1)])).is_some(), "it is its own");
    assert!(home.says(2, mac(2), 1, &ask(2, kind::REQUEST, &[address(1)])).is_some(), "its server knows better");
    assert_eq!(refused(&home.events), events);
    home.now = second(180);
    assert!(home.says(1, mac(1), 1, &ask(1, kind::REQUEST, &[address(1)])).is_some(), "it has moved");
}

/// The same for IPv4: whoever knows a MAC, or a client-id, gets no address that is in use, and its server does not hear of it.
#[test]
fn an_ipv4_address_in_use() {
    let config = NodeConfig { takeover_after: SILENCE, ..config4() };
    let (cells, mut world) = (Cells::default(), World::new(config, [Server::new(SERVER, false)]));
    world.node.handle_dataplane(Box::new(cells.clone()));
    world.log_in(1, 0);
    let slot = world.node.session(world::address(1)).unwrap().slot;
    world.wait(50);
    cells.saw(slot, world.now);
    world.wait(29);
    let known = world.server().leases.clone();
    world.request(1, 1);
    world.settle();
    // Another MAC with its client-id, which renews.
    let renewal = Builder4::new(dhcp4::REQUEST).hardware(HardwareAddress::ethernet(mac(2))).kind(dhcp4::kind::REQUEST);
    let renewal = renewal.option(dhcp4::code::CLIENT_ID, &[1, 1]).ciaddr(world::address(1)).finish();
    world.send(2, 1, &renewal);
    world.settle();
    assert_eq!((refused(&world.events), world.node.session(world::address(1)).unwrap().line), (2, line(0)));
    assert_eq!(world.server().leases, known);
    world.wait(1);
    world.log_in(1, 1);
    assert_eq!((refused(&world.events), world.node.session(world::address(1)).unwrap().line), (2, line(1)));
    assert_ne!(world.server().leases, known);
}

/// CL-52: a member of a cluster sees a part of a subscriber's flows, and the others have told nothing. What it saw of it, and an
/// exchange with the server that any of them had, keeps the leases where they are; that it saw nothing lets nobody have them with
/// another MAC.
#[test]
fn a_member_of_a_cluster() {
    let (mut home, cells, slot) = home_of(Cells::default(), MemberId::new(1));
    home.now = second(129);
    assert!(!home.log_in_for(1, 1, &[address(1)]), "it has just logged in");
    cells.saw(slot, second(150));
    home.now = second(179);
    assert!(!home.log_in_for(1, 1, &[address(1)]), "it was just seen here");
    assert_eq!((refused(&home.events), home.node.lease6(address(1)).unwrap().line), (2, line(0)));
    home.now = second(3000);
    let renew = ask(1, kind::RENEW, &[address(1)]);
    assert_eq!(home.says(1, mac(2), 0, &renew), None, "another member may see it");
    assert!(home.log_in_for(1, 1, &[address(1)]));
    assert_eq!((refused(&home.events), home.node.lease6(address(1)).unwrap().line), (2, line(1)));
}

/// Member 2 answers: whom it saw since its last answer.
pub(super) fn tells(home: &mut Home, number: u32, six: &[Prefix]) {
    let page = Page { number, first: true, last: true, gap: number == 1, four: Vec::new(), six: six.to_vec() };
    home.node.handle_sightings(MemberId::new(2).unwrap(), Message::Page(page), home.now);
    assert_eq!(home.carry_out(), []);
}

/// CL-52: what another member saw keeps leases where they are; and when all who serve have told that they saw nobody for as long,
/// their client has them with another MAC.
#[test]
fn members_tell_whom_they_saw() {
    let (mut home, _, _) = home_of(Cells::default(), MemberId::new(1));
    let members = [1, 2].map(|number| MemberId::new(number).unwrap());
    home.node.handle_peer(members[1], true, home.now);
    home.node.handle_owners(Some(members.into()), home.now);
    home.now = second(103);
    tells(&mut home, 1, &[]);
    home.now = second(150);
    tells(&mut home, 2, &[address(1), address(9)]);
    home.now = second(179);
    let renew = ask(1, kind::RENEW, &[address(1)]);
    assert!(!home.log_in_for(1, 1, &[address(1)]), "the other has just seen it");
    assert_eq!(home.says(1, mac(2), 0, &renew), None);
    home.now = second(185);
    assert_eq!(home.says(1, mac(2), 0, &renew), None, "the other may have seen it since it told");
    tells(&mut home, 3, &[]);
    assert_eq!(home.says(1, mac(2), 0, &renew), None, "that was until second 150");
    home.now = second(188);
    tells(&mut home, 4, &[]);
    let sent = home.says(1, mac(2), 0, &renew).unwrap();
    assert!(home.answers(&sent, &reply(1, &[address(1)], 3600)));
    assert_eq!(home.node.lease6(address(1)).unwrap().hardware, HardwareAddress::ethernet(mac(2)));
}

/// The same for IPv4.
#[test]
fn an_ipv4_address_in_a_cluster() {
    let config = NodeConfig { takeover_after: SILENCE, cluster: MemberId::new(1), ..config4() };
    let (cells, mut world) = (Cells::default(), World::new(config, [Server::new(SERVER, false)]));
    world.node.handle_dataplane(Box::new(cells.clone()));
    world.log_in(1, 0);
    let slot = world.node.session(world::address(1)).unwrap().slot;
    world.wait(29);
    world.request(1, 1);
    world.settle();
    assert_eq!((refused(&world.events), world.node.session(world::address(1)).unwrap().line), (1, line(0)));
    world.wait(21);
    cells.saw(slot, world.now);
    world.wait(29);
    world.request(1, 1);
    world.settle();
    assert_eq!((refused(&world.events), world.node.session(world::address(1)).unwrap().line), (2, line(0)));
    world.wait(1);
    world.log_in(1, 1);
    assert_eq!((refused(&world.events), world.node.session(world::address(1)).unwrap().line), (2, line(1)));
}
