//! Releases of DHCPv6 clients through the whole node.

use std::collections::BTreeMap;

use super::six::{Home, address, ask, config, delegated, duid, reply, server};
use super::world::{self, mac};
use crate::fpc::LinkEvent;
use crate::line::{FpcId, PortId};
use crate::node::{Answer, Command, Event, FpcState, Request, RequestError};
use crate::seen::Unseen;
use crate::session::EndReason;
use crate::time::Duration;
use crate::v6::release::{self, Cause, Ending, Takes};
use crate::wire::dhcp6::release::{ReleaseAnswer, ReleaseRequest, ReleaseTypes};
use crate::wire::dhcp6::{Nest, Prefix, kind, relay_forward};

const FPC0: FpcId = FpcId(0);

impl Home {
    /// The server answers what it was asked since the last time: everything is released.
    pub(super) fn serve(&mut self) -> usize {
        let requests = core::mem::take(&mut self.requests);
        for inner in &requests {
            let request = ReleaseRequest::parse(inner, ReleaseTypes::default()).unwrap();
            let reply = ReleaseAnswer::to(&request, ReleaseTypes::default()).encode(1232);
            self.node.handle_server_message6(server(), &reply, self.now);
            assert_eq!(self.carry_out(), []);
        }
        requests.len()
    }

    pub(super) fn wait(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        while let Some(wanted) = self.node.poll_timeout().filter(|wanted| *wanted <= until) {
            self.now = self.now.max(wanted);
            self.node.handle_timeout(self.now);
            self.carry_out();
        }
        self.now = until;
    }

    pub(super) fn restart(&mut self) {
        self.node.handle_operator(Request::RestartFpc { fpc: FPC0, policy: None }, self.now).unwrap();
        self.carry_out();
    }

    fn told(&self, client: u8, cause: Cause, ending: Ending) -> bool {
        let event = release::Event::Client { client: duid(client), cause, ending };
        self.events.contains(&Event::Release6(event))
    }
}

/// X-6, RR-9, H-RR-18, H-BR-6: a restart is one plan. The new epoch is on disk before anything leaves, the card stays frozen
/// until both halves are done, leases end with the server's word, and their routes with them.
#[test]
fn one_plan() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0) && home.log_in(2, 1) && home.log_in(3, 3));
    let before = home.node.lease6(address(1)).unwrap().epoch;
    let takes = |home: &Home| home.node.servers6(home.now)[0].takes;
    assert_eq!(takes(&home), Takes::Unknown);
    home.wait(1_000);
    home.restart();
    let counts = home.events.iter().find_map(|event| match event {
        Event::Restart { fpc: FPC0, cutoff: Some(_), sessions, leases, .. } => Some((*sessions, *leases)),
        _ => None,
    });
    assert_eq!(counts, Some((0, 4)), "both halves are told");
    assert_eq!(home.requests.len(), 1);
    assert!(home.store.keys().any(|key| key.starts_with(release::JOURNAL_PREFIX)));
    assert!(matches!(home.node.fpcs()[0].state, FpcState::Frozen { .. }), "the half for DHCPv4 is done");
    assert!(!home.log_in(4, 0));
    assert_eq!(home.routes.len(), 6, "nothing ends before its server says so");
    home.serve();
    assert_eq!(home.leases(), [address(3), delegated(3)].into());
    assert_eq!(home.routes, home.leases());
    assert_eq!(takes(&home), Takes::Requests);
    assert!(home.events.contains(&Event::RestartMayProceed { fpc: FPC0, complete: true }));
    assert_eq!(home.node.fpcs()[0].state, FpcState::Up);
    assert!(!home.store.keys().any(|key| key.starts_with(release::JOURNAL_PREFIX)));
    assert!(home.log_in(1, 0) && home.node.lease6(address(1)).unwrap().epoch > before);
    let logged_out = home.node.counters().ended6().find(|(reason, _)| *reason == EndReason::LoggedOut);
    assert_eq!(logged_out, Some((EndReason::LoggedOut, 4)));
}

/// X-6, H-RR-14: the hold is one for both; a silent server does not keep the card for ever, and what it holds is not ended.
#[test]
fn one_hold() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0));
    home.restart();
    home.wait(4_900);
    assert!(matches!(home.node.fpcs()[0].state, FpcState::Frozen { .. }));
    home.wait(200);
    assert!(home.events.contains(&Event::RestartMayProceed { fpc: FPC0, complete: false }));
    assert_eq!((home.node.fpcs()[0].state, home.leases().len()), (FpcState::Up, 2));
    assert!(home.log_in(2, 0));
    home.requests.drain(..home.requests.len() - 1);
    home.serve();
    assert_eq!(home.leases(), [address(2), delegated(2)].into(), "whoever logged in meanwhile is not meant");
}

/// X-6, H-BR-20: a gateway that dies in the middle goes on with the same cut-off; who logged in since is not touched.
#[test]
fn a_crash_in_the_middle() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0) && home.log_in(2, 1));
    home.wait(10);
    home.node.handle_link(PortId(0), LinkEvent::Removed, home.now);
    home.node.handle_link(PortId(1), LinkEvent::Removed, home.now);
    home.carry_out();
    assert_eq!(home.requests.len(), 1);
    home.node.handle_link(PortId(0), LinkEvent::Up, home.now);
    home.carry_out();
    assert!(home.log_in(5, 0));
    let mut next = Home::new(config(), home.store.clone(), 200);
    assert_eq!((next.requests.len(), next.leases().len()), (1, 6));
    next.serve();
    assert_eq!(next.leases(), [address(5), delegated(5)].into());
    assert!(!next.store.keys().any(|key| key.starts_with(release::JOURNAL_PREFIX)));
    let again = Home::new(config(), next.store.clone(), 300);
    assert_eq!((again.requests.len(), again.leases().len()), (0, 2));
}

/// RR-1, RR-5: an operator releases a client, with all that it has; unless that is switched off.
#[test]
fn an_operator() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0) && home.log_in(2, 0));
    let request = Request::ReleaseClient6 { prefix: delegated(1) };
    home.wait(10);
    assert_eq!(home.node.handle_operator(request.clone(), home.now), Ok(Answer::Asked));
    home.carry_out();
    assert_eq!(home.serve(), 1);
    assert_eq!(home.leases(), [address(2), delegated(2)].into());
    assert!(home.told(1, Cause::Admin, Ending::Released));
    assert_eq!(home.node.handle_operator(request, home.now), Err(RequestError::UnknownSession));
    let mut off = config();
    off.v6.as_mut().unwrap().release.causes = release::Causes::NONE;
    let mut home = Home::new(off, home.store, 200);
    let request = Request::ReleaseClient6 { prefix: address(2) };
    assert_eq!(home.node.handle_operator(request, home.now), Err(RequestError::NotReleased));
    assert_eq!(home.carry_out(), []);
}

/// RR-1: a device that appears on another line, or under another DUID, leaves something behind, which is released. Somebody
/// who only calls itself so, from another device, brings nobody's lease to an end.
#[test]
fn moved_and_replaced() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0));
    home.wait(10_000);
    // the same device on another line is given something else
    assert!(home.log_in_for(1, 3, &[address(11)]));
    assert_eq!(home.serve(), 1);
    assert_eq!(home.leases(), [address(11)].into());
    assert!(home.told(1, Cause::Moved, Ending::Released));
    // another DUID, the same device and line
    home.wait(10_000);
    let sent = home.says(4, mac(1), 3, &ask(4, kind::REQUEST, &[])).unwrap();
    assert!(home.answers(&sent, &reply(4, &[address(4)], 3600)));
    assert_eq!(home.serve(), 1);
    assert_eq!(home.leases(), [address(4)].into());
    assert!(home.told(1, Cause::Replaced, Ending::Released));
    // another device that knows the DUID, on a line of its own
    home.wait(10_000);
    let sent = home.says(4, mac(9), 0, &ask(4, kind::REQUEST, &[])).unwrap();
    assert!(home.answers(&sent, &reply(4, &[address(40)], 3600)));
    assert_eq!((home.serve(), home.leases()), (0, [address(4), address(40)].into()));
}

/// RR-1, RR-59: a DUID and a MAC can be forged, so a login brings nothing to an end that is in use: neither what sent
/// packets nor what was renewed within `silent_for`, nor what nobody can tell of. Zero asks for all of it.
#[test]
fn who_is_there_is_not_left_behind() {
    let forge = |home: &mut Home| {
        assert!(home.log_in_for(1, 3, &[address(11)]));
        let sent = home.says(4, mac(1), 0, &ask(4, kind::REQUEST, &[])).unwrap();
        assert!(home.answers(&sent, &reply(4, &[address(4)], 3600)));
        home.serve()
    };
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0));
    home.wait(9_999);
    assert_eq!(forge(&mut home), 0, "it has just logged in");

    for used in [address(1), delegated(1)] {
        let mut home = Home::new(config(), BTreeMap::new(), 100);
        assert!(home.log_in(1, 0));
        home.wait(60_000);
        home.uses(used);
        home.wait(9_999);
        assert_eq!((forge(&mut home), home.leases().len()), (0, 4));
    }

    let mut home = Home::new(config(), BTreeMap::new(), 100);
    home.node.handle_dataplane(Box::new(Unseen));
    assert!(home.log_in(1, 0));
    home.wait(60_000);
    assert_eq!((forge(&mut home), home.leases().len()), (0, 4));

    let mut always = config();
    always.v6.as_mut().unwrap().release.silent_for = Duration::ZERO;
    let mut home = Home::new(always, BTreeMap::new(), 100);
    assert!(home.log_in(1, 0));
    home.uses(address(1));
    assert_ne!(forge(&mut home), 0);
    assert_eq!(home.leases(), [address(4), address(11)].into());
}

/// RR-1, H-RR-7: clients behind a relay have its MAC in common. None takes another's place, and their relay's silence says
/// nothing about them; neither does a restart of the controller make them the relay's.
#[test]
fn behind_a_relay() {
    let mut trusting = config();
    trusting.v6.as_mut().unwrap().relay.fpcs.iter_mut().for_each(|fpc| fpc.trust_relays = true);
    trusting.v6.as_mut().unwrap().release.causes.unavailable = true;
    let mut home = Home::new(trusting.clone(), BTreeMap::new(), 100);
    let log_in = |home: &mut Home, client: u8, port: u16, lease: Prefix| {
        home.wait(60_000);
        let link = "2001:db8:7::1".parse().unwrap();
        let below = relay_forward(&ask(client, kind::REQUEST, &[]), link, link, &[]).unwrap();
        let sent = home.says(9, mac(9), port, &below).unwrap();
        let answer = Nest::walk(&sent).unwrap().reply(&reply(client, &[lease], 3600)).unwrap();
        home.node.handle_server_message6(server(), &answer, home.now);
        assert!(matches!(home.carry_out()[..], [Command::SendToClient6 { .. }]));
    };
    for client in 1..=3 {
        log_in(&mut home, client, 0, address(client));
    }
    // the relay's own client, and one that moves to another line with its relay
    home.wait(60_000);
    assert!(home.log_in_for(9, 0, &[address(9)]));
    log_in(&mut home, 2, 3, address(22));
    assert_eq!((home.serve(), home.leases().len()), (0, 5));
    let mut home = Home::new(trusting, home.store.clone(), 500);
    home.now = home.now + Duration::from_secs(1);
    assert_eq!(home.node.unavailable6(world::line(0), mac(9), home.now), 1, "the relay itself");
    home.node.drain(home.now);
    home.carry_out();
    home.serve();
    assert!(!home.leases().contains(&address(9)) && home.leases().len() == 4);
}

/// H-RR-6: what a client says cancels its release before it is forwarded.
#[test]
fn a_client_comes_back() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0));
    home.wait(10);
    home.node.handle_operator(Request::ReleaseClient6 { prefix: address(1) }, home.now).unwrap();
    home.carry_out();
    let late = home.requests.clone();
    let sent = home.says(1, mac(1), 0, &ask(1, kind::RENEW, &[])).unwrap();
    assert!(home.told(1, Cause::Admin, Ending::Cancelled));
    home.serve();
    assert_eq!(home.leases().len(), 2, "the answer comes too late");
    assert_eq!(home.node.counters().unasked6, 1);
    assert!(home.answers(&sent, &reply(1, &[address(1), delegated(1)], 3600)));
    home.wait(60_000);
    assert_eq!((home.requests.len(), late.len(), home.leases().len()), (0, 1, 2));
}

/// What comes back to an address of ours and was asked by nobody has no effect.
#[test]
fn answers_to_nobody() {
    let mut home = Home::new(config(), BTreeMap::new(), 100);
    assert!(home.log_in(1, 0));
    let message = [241, 0, 0, 1, 0, 13, 0, 2, 0, 0];
    home.node.handle_server_message6(server(), &message, home.now);
    assert!(home.carry_out().iter().all(|command| !matches!(command, Command::Replicate(_))));
    assert_eq!((home.node.counters().unasked6, home.leases().len()), (1, 2));
}
