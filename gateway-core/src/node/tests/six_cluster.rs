//! DHCPv6 in a cluster: members tell each other of leases and releases.

use std::collections::BTreeMap;

use super::six::{Home, address, ask, config, delegated, duid, reply, server};
use super::takeover::tells;
use super::world::mac;
use crate::line::FpcId;
use crate::member::MemberId;
use crate::node::{Answer, Event, NodeConfig, Request};
use crate::release::JOURNAL_PREFIX as JOURNAL4;
use crate::replication::{Change, Record};
use crate::time::Duration;
use crate::v6::release::JOURNAL_PREFIX;
use crate::wire::dhcp6::kind;

fn member(number: u8) -> Home {
    Home::new(NodeConfig { cluster: MemberId::new(number), ..config() }, BTreeMap::new(), 100)
}

/// Two members that know what the other one knows; the first is keeper.
fn two() -> (Home, Home) {
    let (mut a, mut b) = (member(1), member(2));
    a.node.handle_keeper(true, a.now);
    assert_eq!(a.carry_out(), []);
    exchange(&mut a, &mut b);
    (a, b)
}

/// Each hears what the other one has said.
fn exchange(a: &mut Home, b: &mut Home) {
    b.now = a.now.max(b.now);
    a.now = b.now;
    for _ in 0..4 {
        pass(a, b);
        pass(b, a);
    }
}

fn pass(from: &mut Home, to: &mut Home) {
    for record in core::mem::take(&mut from.said) {
        to.node.handle_replica(record, to.now);
        assert_eq!(to.carry_out(), [], "what another member did is nobody else's business");
    }
}

/// CL-66, CL-69, CL-79: whoever takes a client over has its leases and its routes, and the client renews there.
#[test]
fn leases_are_everywhere() {
    let (mut a, mut b) = two();
    assert!(a.log_in(1, 0) && b.log_in(2, 3));
    exchange(&mut a, &mut b);
    assert_eq!((a.leases().len(), a.leases(), a.routes.clone()), (4, b.leases(), b.routes.clone()));
    assert!(
        !b.events
            .iter()
            .any(|event| matches!(event, Event::LoggedIn6 { client, .. } if *client == super::six::duid(1)))
    );
    a.now = a.now + Duration::from_secs(10);
    b.now = a.now;
    let sent = b.says(1, mac(1), 0, &ask(1, kind::RENEW, &[])).unwrap();
    assert!(b.answers(&sent, &reply(1, &[address(1), delegated(1)], 9000)));
    assert_eq!(b.node.counters().renewals6, 1);
    exchange(&mut a, &mut b);
    assert_eq!(a.node.lease6(address(1)).unwrap().expires, b.node.lease6(address(1)).unwrap().expires);
    let sent = a.says(2, mac(2), 3, &ask(2, kind::RELEASE, &[address(2), delegated(2)])).unwrap();
    assert!(a.answers(&sent, &reply(2, &[], 0)));
    exchange(&mut a, &mut b);
    assert_eq!((b.leases(), b.routes.clone()), ([address(1), delegated(1)].into(), a.routes.clone()));
    // what a member has on its disk is what it has had
    let store = b.store.clone();
    let again = Home::new(NodeConfig { cluster: MemberId::new(2), ..config() }, store, 200);
    assert_eq!(again.leases(), b.leases());
}

/// CL-71, X-6, X-7, H-BR-20: the keeper dies in the middle of a release; the next one goes on from the journal that it holds,
/// and the leases end everywhere when the server says so.
#[test]
fn the_next_keeper_goes_on() {
    let (mut a, mut b) = two();
    assert!(a.log_in(1, 0) && a.log_in(2, 1) && a.log_in(3, 3));
    a.wait(10);
    exchange(&mut a, &mut b);
    a.restart();
    assert_eq!(a.requests.len(), 1);
    exchange(&mut a, &mut b);
    let journal = |home: &Home| home.store.keys().filter(|key| key.starts_with(JOURNAL_PREFIX)).count();
    assert_eq!((journal(&a), journal(&b), b.requests.len()), (1, 1, 0));
    drop(a);
    b.node.handle_keeper(true, b.now);
    b.carry_out();
    b.wait(100);
    assert_eq!(b.requests.len(), 1);
    b.serve();
    assert_eq!((b.leases(), journal(&b)), ([address(3), delegated(3)].into(), 0));
    assert!(!b.store.keys().any(|key| key.starts_with(JOURNAL4)));
    assert!(b.node.releases6().iter().any(|release| release.fpc == FpcId(0) && release.finished.is_some()));
}

/// CL-69: an answer that reaches another member is given to the keeper; a member that ceases to be keeper sends nothing more.
#[test]
fn answers_for_the_keeper() {
    let (mut a, mut b) = two();
    assert!(b.log_in(1, 0));
    b.wait(10);
    exchange(&mut a, &mut b);
    a.restart();
    exchange(&mut a, &mut b);
    let requests = core::mem::take(&mut a.requests);
    b.requests = requests;
    b.serve();
    assert_eq!((b.leases().len(), b.for_keeper.len()), (2, 1));
    for (from, payload) in core::mem::take(&mut b.for_keeper) {
        assert_eq!(from, server());
        a.node.handle_for_keeper(from, &payload, a.now);
        assert_eq!(a.carry_out(), []);
    }
    exchange(&mut a, &mut b);
    assert_eq!((a.leases().len(), b.leases().len()), (0, 0));

    assert!(a.log_in(2, 0));
    a.wait(10);
    a.restart();
    assert_eq!(a.requests.len(), 1);
    a.node.handle_keeper(false, a.now);
    a.wait(100_000);
    assert_eq!(a.requests.len(), 1);
}

/// H-RR-6, CL-69: a client that is being released speaks to another member than the keeper. It is spared before what it
/// says is on its way, whether it is released on its own or with its card; a client of no release costs nothing.
#[test]
fn a_client_speaks_elsewhere() {
    let (mut a, mut b) = two();
    assert!(b.log_in(1, 0) && b.log_in(2, 1) && b.log_in(3, 3));
    a.now = a.now + Duration::from_secs(10);
    exchange(&mut a, &mut b);
    let before = b.said.len();
    assert!(b.says(1, mac(1), 0, &ask(1, kind::RENEW, &[])).is_some());
    assert_eq!(b.said.len(), before, "nothing is released");

    let released = a.node.handle_operator(Request::ReleaseClient6 { prefix: delegated(1) }, a.now);
    assert_eq!(released, Ok(Answer::Asked));
    assert_eq!(a.carry_out(), []);
    exchange(&mut a, &mut b);
    assert!(b.says(1, mac(1), 0, &ask(1, kind::RENEW, &[])).is_some());
    let spoke = |record: &Record| matches!(&record.change, Change::Spoke6 { client, .. } if *client == duid(1));
    assert!(b.said.iter().any(spoke) && b.said.iter().all(|record| record.change.concerns_everyone()));
    let cancelled = |home: &Home| home.node.release6_counters().map(|counters| counters.cancelled);
    assert_eq!(cancelled(&a), Some(0));
    exchange(&mut a, &mut b);
    assert_eq!(cancelled(&a), Some(1));
    a.requests.clear();
    a.wait(100_000);
    assert_eq!((a.requests.len(), a.leases().len()), (0, 6));
    assert!(!a.store.keys().chain(b.store.keys()).any(|key| key.starts_with(JOURNAL_PREFIX)));

    exchange(&mut a, &mut b);
    a.restart();
    exchange(&mut a, &mut b);
    assert!(b.says(3, mac(3), 3, &ask(3, kind::RENEW, &[])).is_some());
    assert!(b.said.is_empty(), "its card stays");
    assert!(b.says(2, mac(2), 1, &ask(2, kind::RENEW, &[])).is_some());
    exchange(&mut a, &mut b);
    assert_eq!(cancelled(&a), Some(2));
}

/// RR-1: whom a login takes the place of is released by the keeper, whichever member the login is at; what it had on another
/// line as well. A renewal there and a snapshot release nobody.
#[test]
fn left_behind_elsewhere() {
    let at_once = || {
        let mut config = config();
        config.v6.iter_mut().for_each(|v6| v6.release.silent_for = Duration::ZERO);
        config
    };
    assert_eq!(left_behind(config(), false), (0, 3), "nobody knows what another member's programs have seen");
    assert_eq!(left_behind(config(), true), (1, 1), "the other has told that they have seen nobody");
    assert_eq!(left_behind(at_once(), false), (1, 1));
}

/// CL-52: others tell of a lease that is not known here yet. When it is, that counts as a sign of life: who told when is forgotten.
#[test]
fn seen_before_it_was_known() {
    let members = [1, 2].map(|number| MemberId::new(number).unwrap());
    let [mut home, mut other] = members.map(|me| {
        let config = NodeConfig { cluster: Some(me), takeover_after: Duration::from_secs(30), ..config() };
        Home::new(config, BTreeMap::new(), 100)
    });
    home.node.handle_peer(members[1], true, home.now);
    home.node.handle_owners(Some(members.into()), home.now);
    assert!(other.log_in_for(1, 0, &[address(1)]));
    home.wait(50_000);
    tells(&mut home, 1, &[address(1)]);
    home.wait(10_000);
    pass(&mut other, &mut home);
    home.wait(29_000);
    assert!(!home.log_in_for(1, 1, &[address(1)]), "it may have been seen until it became known");
    home.wait(1_000);
    assert!(home.log_in_for(1, 1, &[address(1)]));
}

/// Requests of the keeper, and the leases of both members when its server has answered. `telling`: members tell each other whom
/// they saw.
fn left_behind(config: NodeConfig, telling: bool) -> (usize, usize) {
    let home =
        |number| Home::new(NodeConfig { cluster: MemberId::new(number), ..config.clone() }, BTreeMap::new(), 100);
    let (mut a, mut b) = (home(1), home(2));
    a.node.handle_keeper(true, a.now);
    a.carry_out();
    exchange(&mut a, &mut b);
    assert!(b.log_in(1, 0));
    exchange(&mut a, &mut b);
    if telling {
        let members = [1, 2].map(|number| MemberId::new(number).unwrap());
        a.node.handle_peer(members[1], true, a.now);
        a.node.handle_owners(Some(members.into()), a.now);
        a.carry_out();
    }
    for number in 1..=34 {
        a.now = a.now + Duration::from_secs(3);
        if telling {
            tells(&mut a, number, &[]);
        }
    }
    b.now = a.now;
    let sent = b.says(2, mac(1), 0, &ask(2, kind::REQUEST, &[])).unwrap();
    assert!(b.answers(&sent, &reply(2, &[address(2)], 3600)));
    exchange(&mut a, &mut b);
    a.wait(100);
    let asked = a.serve();
    exchange(&mut a, &mut b);
    assert_eq!((b.requests.len(), a.leases()), (0, b.leases()));
    let sent = b.says(2, mac(1), 0, &ask(2, kind::RENEW, &[])).unwrap();
    assert!(b.answers(&sent, &reply(2, &[address(2)], 7200)));
    exchange(&mut a, &mut b);
    a.wait(100);
    assert_eq!(a.requests.len(), 0, "a renewal releases nobody");
    (asked, a.leases().len())
}

/// H-CL-25: a snapshot has the leases of DHCPv6 behind the sessions of DHCPv4.
#[test]
fn a_snapshot() {
    let (mut a, _) = two();
    (1..=9).for_each(|client| assert!(a.log_in(client, u16::from(client % 2))));
    let mut c = member(3);
    c.node.begin_replace(Default::default(), Default::default(), false);
    let (mut cursor, mut parts) = (Some(0), 0);
    while let Some(from) = cursor {
        let (records, next) = a.node.snapshot(from, 4);
        c.node.handle_snapshot(records, c.now);
        c.carry_out();
        (cursor, parts) = (next, parts + 1);
        assert!(parts < 20);
    }
    c.node.end_replace(c.now);
    c.carry_out();
    assert_eq!((c.leases().len(), c.leases(), c.routes), (18, a.leases(), a.routes));
}
