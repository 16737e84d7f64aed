//! Addresses that somebody unknown uses: asked before they are offered, declined, and left alone afterwards.

mod common;

use std::net::Ipv4Addr;

use common::*;
use gateway_core::time::Duration;
use gateway_core::wire::dhcp4::{code, kind};
use gateway_server::{Config, ConfigError, Event, Evidence, PingCheck, Reservation, Server, StartError};

const TIMEOUT: Duration = Duration::from_millis(500);

fn at(octet: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, octet)
}

fn asking() -> Config {
    Config { ping_check: Some(PingCheck { timeout: TIMEOUT, ..PingCheck::default() }), ..config() }
}

/// Time for the probes that are under way, and what is offered then.
fn silence(lab: &mut Lab) -> Vec<Reply> {
    lab.wait(TIMEOUT);
    lab.server.handle_timeout(lab.now, lab.unix);
    lab.carry_out()
}

fn echo(lab: &mut Lab, address: Ipv4Addr) -> Vec<Reply> {
    lab.server.handle_echo(address, lab.now, lab.unix);
    lab.carry_out()
}

/// An address is offered once it has been silent, and not a moment before; the lease follows as ever.
#[test]
fn an_address_is_asked_before_it_is_offered() {
    let mut lab = Lab::new(asking());
    let client = cpe(1);
    assert!(lab.relayed(&client, &client.discover()).is_none());
    assert_eq!(lab.probes, [at(2)]);
    assert_eq!(lab.server.poll_timeout(), Some(lab.now + TIMEOUT));
    lab.wait(Duration::from_millis(499));
    lab.server.handle_timeout(lab.now, lab.unix);
    assert!(lab.carry_out().is_empty());
    lab.wait(Duration::from_millis(1));
    lab.server.handle_timeout(lab.now, lab.unix);
    let offers = lab.carry_out();
    assert_eq!(offers.iter().map(|offer| (offer.kind(), offer.yiaddr())).collect::<Vec<_>>(), [(kind::OFFER, at(2))]);
    assert_eq!(lab.relayed(&client, &client.select(at(2))).unwrap().kind(), kind::ACK);
    assert!(lab.server.poll_timeout() > Some(lab.now + TIMEOUT), "nothing of it remains");
}

/// Off unless it is switched on.
#[test]
fn nothing_is_asked_by_default() {
    let mut lab = Lab::new(config());
    assert!(lab.login(&cpe(1)).is_some());
    assert!(lab.probes.is_empty());
}

/// Waiting holds up nobody else: others are answered meanwhile, renewals above all.
#[test]
fn others_go_on_meanwhile() {
    let mut lab = Lab::new(asking());
    let (one, two) = (cpe(1), cpe(2));
    lab.relayed(&one, &one.discover());
    let offers = silence(&mut lab);
    lab.relayed(&one, &one.select(offers[0].yiaddr())).unwrap();
    lab.relayed(&two, &two.discover());
    assert_eq!(lab.probes, [at(2), at(3)]);
    assert_eq!(lab.relayed(&one, &one.renew(at(2))).unwrap().kind(), kind::ACK);
    assert_eq!(lab.relayed(&one, &one.discover()).unwrap().yiaddr(), at(2), "its own: not asked");
    assert_eq!(silence(&mut lab)[0].yiaddr(), at(3));
}

/// An address that answers is quarantined, durably, counted and told; the client is offered the next one.
#[test]
fn an_address_that_answers() {
    let mut lab = Lab::new(asking());
    let client = cpe(1);
    lab.relayed(&client, &client.discover());
    assert!(echo(&mut lab, at(2)).is_empty());
    assert_eq!(lab.probes, [at(2), at(3)]);
    let event = Event::Conflict { address: at(2), evidence: Evidence::Echo, client: Some(client.mac) };
    assert_eq!(lab.events.last(), Some(&event));
    assert_eq!(lab.server.status().counters.conflict, 1);
    assert_eq!(silence(&mut lab)[0].yiaddr(), at(3));
    lab.crash();
    assert_eq!(lab.relayed(&cpe(9), &cpe(9).select(at(2))).unwrap().kind(), kind::NAK, "after a restart, too");
    lab.rest(Duration::from_secs(3601));
    assert_eq!(lab.relayed(&cpe(10), &cpe(10).select(at(2))).unwrap().kind(), kind::ACK);
}

/// A host that answers for every address costs each DISCOVER a few of them, not all.
#[test]
fn a_host_that_answers_for_all() {
    let mut lab = Lab::new(asking());
    let client = cpe(1);
    lab.relayed(&client, &client.discover());
    for _ in 0..20 {
        if let Some(address) = lab.probes.last().copied() {
            assert!(echo(&mut lab, address).is_empty());
        }
    }
    assert_eq!((lab.probes.len(), lab.server.status().counters.conflict), (4, 4));
    assert!(silence(&mut lab).is_empty(), "nothing waits any more");
}

/// A client that asks again while its address is asked gets one offer, with its latest transaction number.
#[test]
fn a_discover_repeated_meanwhile() {
    let mut lab = Lab::new(asking());
    let client = cpe(1);
    lab.relayed(&client, &client.discover());
    let mut later = client.discover();
    later[4..8].copy_from_slice(&0x5678u32.to_be_bytes());
    lab.relayed(&client, &later);
    assert_eq!(lab.probes.len(), 1);
    let offers = silence(&mut lab);
    assert_eq!(offers.iter().map(|offer| offer.message().xid()).collect::<Vec<_>>(), [0x5678]);
}

/// What a client had a moment ago is not asked: it might answer itself. Later it is.
#[test]
fn a_client_that_comes_back() {
    let mut lab = Lab::new(asking());
    let client = cpe(1);
    lab.relayed(&client, &client.discover());
    silence(&mut lab);
    lab.relayed(&client, &client.select(at(2))).unwrap();
    lab.relayed(&client, &client.release(at(2)));
    lab.wait(Duration::from_secs(59));
    assert_eq!(lab.relayed(&client, &client.discover()).unwrap().yiaddr(), at(2));
    lab.rest(Duration::from_secs(20));
    assert!(lab.relayed(&client, &client.discover()).is_none());
    assert_eq!(silence(&mut lab)[0].yiaddr(), at(2));
}

/// No more wait than may; who comes then is offered an address unasked, which is counted.
#[test]
fn so_many_may_wait() {
    let mut config = asking();
    config.ping_check = Some(PingCheck { timeout: TIMEOUT, most: 2, ..PingCheck::default() });
    let mut lab = Lab::new(config);
    let answers: Vec<_> = (0..4).map(|number| lab.relayed(&cpe(number), &cpe(number).discover()).is_some()).collect();
    assert_eq!(answers, [false, false, true, true]);
    let counters = lab.server.status().counters;
    assert_eq!((counters.probe, counters.probe_skipped), (2, 2));
    assert_eq!(silence(&mut lab).len(), 2);
}

/// Reserved addresses are asked as well, and rapid commit waits, too: the ACK comes after the silence.
#[test]
fn reserved_and_rapid() {
    let mut config = asking();
    config.reservations = vec![Reservation { mac: Some(cpe(1).mac), ..Reservation::new(at(42)) }];
    config.subnets[0].rapid_commit = true;
    let mut lab = Lab::new(config);
    let client = cpe(1);
    let rapid = client.message(kind::DISCOVER, |builder| builder.option(code::RAPID_COMMIT, &[]));
    assert!(lab.relayed(&client, &rapid).is_none());
    assert_eq!(lab.probes, [at(42)]);
    assert!(echo(&mut lab, at(42)).is_empty());
    assert_eq!(lab.probes, [at(42), at(2)], "one of the pool instead");
    let acks = silence(&mut lab);
    assert_eq!((acks[0].kind(), acks[0].yiaddr()), (kind::ACK, at(2)));
    assert!(lab.is_leased(at(2)));
    lab.crash();
    assert!(lab.is_leased(at(2)));
}

/// An echo that nobody waits for, or that comes late, harms no lease.
#[test]
fn an_echo_out_of_turn() {
    let mut lab = Lab::new(asking());
    let client = cpe(1);
    lab.relayed(&client, &client.discover());
    silence(&mut lab);
    lab.relayed(&client, &client.select(at(2))).unwrap();
    assert!(echo(&mut lab, at(2)).is_empty());
    assert!(echo(&mut lab, at(3)).is_empty());
    assert!(lab.is_leased(at(2)));
    // Leased without an offer while it was asked.
    lab.relayed(&cpe(2), &cpe(2).discover());
    lab.relayed(&cpe(2), &cpe(2).select(at(3))).unwrap();
    echo(&mut lab, at(3));
    assert!(lab.is_leased(at(3)));
    assert_eq!(lab.server.status().counters.conflict, 0);
}

/// A DECLINE says the same as an echo does.
#[test]
fn a_decline_is_a_conflict() {
    let mut lab = Lab::new(config());
    let client = cpe(1);
    let address = lab.login(&client).unwrap();
    lab.relayed(&client, &client.decline(address));
    let event = Event::Conflict { address, evidence: Evidence::Declined, client: Some(client.mac) };
    assert_eq!(lab.events.last(), Some(&event));
    assert_eq!(lab.server.status().counters.conflict, 1);
}

/// A line that declines whatever it gets takes eight addresses out of use in an hour, not all; others have theirs.
#[test]
fn a_line_that_declines_everything() {
    let mut lab = Lab::new(wide(config(), 100));
    let declined = |lab: &mut Lab, number: u32| {
        let client = cpe(number);
        let address = lab.login(&client).unwrap();
        lab.relayed(&client, &client.decline(address));
        address
    };
    // MACs are anybody's to invent; the line is the relay's word.
    for number in 0..20 {
        declined(&mut lab, number);
    }
    let counters = lab.server.status().counters;
    assert_eq!((counters.decline, counters.conflict, counters.decline_ignored), (20, 8, 12));
    assert_eq!(lab.active(), 0);
    lab.rest(Duration::from_secs(3601));
    declined(&mut lab, 30);
    assert_eq!(lab.server.status().counters.conflict, 9, "an hour later it is believed again");
}

/// A probe must be over before the offer it is for.
#[test]
fn a_probe_longer_than_an_offer() {
    let mut config = asking();
    config.offer_hold = TIMEOUT;
    let lab = Lab::new(common::config());
    let error = Server::new(config, [], lab.now, lab.unix).unwrap_err();
    assert_eq!(error, StartError::Config(ConfigError::PingCheck));
}
