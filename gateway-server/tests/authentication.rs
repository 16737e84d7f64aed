//! Who may send a single logout (H-BR-13), and that nobody sends it twice.

mod common;

use std::net::Ipv4Addr;

use common::*;
use gateway_core::scope::{DeviceId, DeviceIdType};
use gateway_core::time::Duration;
use gateway_core::wire::agent::{AgentInformation, sub};
use gateway_core::wire::bulk_release::Capability;
use gateway_core::wire::dhcp4::{code, kind};
use gateway_core::wire::relay_auth::{Algorithm, Key, append_and_sign, verify};
use gateway_server::event::Refusal;
use gateway_server::{Config, Event, Permitted};

/// Logs one client in, lets `attack` do its worst, and says whether the lease is still there and what was logged.
fn attacked(config: Config, attack: impl FnOnce(&mut Lab) -> Option<Reply>) -> (bool, Option<Reply>, Option<Refusal>) {
    let mut lab = Lab::new(config);
    let address = lab.login(&cpe(1)).unwrap();
    let reply = attack(&mut lab);
    let refusal = lab.events.iter().find_map(|event| match event {
        Event::BulkRefused { reason, .. } => Some(*reason),
        _ => None,
    });
    (lab.is_leased(address), reply, refusal)
}

fn from(lab: &mut Lab, source: &str, payload: &[u8]) -> Option<Reply> {
    lab.send(source.parse().unwrap(), payload)
}

/// A logout that is signed, and its reply is signed with the server's own counter.
///
/// H-BR-13 H-BR-14 H-BR-15
#[test]
fn signed_both_ways() {
    let sha256 = Key { algorithm: Algorithm::HmacSha256, secret: vec![7; 32].into(), ..key() };
    for key in [key(), Key { zero_key_id: true, ..key() }, sha256] {
        let mut config = config();
        config.bulk_release.keys = vec![Permitted { key: key.clone(), devices: vec![device()] }];
        let (leased, reply, _) =
            attacked(config, |lab| from(lab, "10.0.0.1:67", &logout(scope(RELAY, 7), 1).signed(&key, 1)));
        let reply = reply.unwrap();
        assert!(!leased);
        let verified = verify(&reply.octets, std::slice::from_ref(&key)).unwrap();
        assert_eq!((verified.key_id, verified.replay), (5, 1_790_000_000 << 20), "Unix seconds × 2^20");
        assert_eq!(reply.message().options().last().map(|(code, _)| code), Some(code::AGENT_INFORMATION));
    }
}

/// Without a key a single logout is refused, aloud, so that the relay falls back at once.
///
/// H-BR-13 BR-23
#[test]
fn refused_without_a_key() {
    let mut keyless = config();
    keyless.bulk_release.keys.clear();
    let (leased, reply, refusal) =
        attacked(keyless, |lab| from(lab, "10.0.0.1:67", &logout(scope(RELAY, 7), 1).unsigned()));
    let reply = reply.unwrap();
    assert_eq!((leased, refusal), (true, Some(Refusal::NoKey)));
    assert_eq!(
        (reply.kind(), reply.message().option(code::STATUS_CODE).as_deref()),
        (kind::BULK_RELEASE_REPLY, Some(&[4][..]))
    );
    assert_ne!(reply.release().capability.unwrap().flags & Capability::SERVER_REFUSED, 0);
    assert_eq!(reply.counts(), (0, 0, 0));

    let mut disabled = config();
    disabled.bulk_release.enabled = false;
    let (leased, _, refusal) =
        attacked(disabled, |lab| from(lab, "10.0.0.1:67", &logout(scope(RELAY, 7), 1).signed(&key(), 1)));
    assert_eq!((leased, refusal), (true, Some(Refusal::Disabled)));
}

/// Unsigned, wrongly signed, altered after signing, signed with an unknown key: silence, and the lease stays.
///
/// H-BR-13
#[test]
fn forgeries_are_dropped_in_silence() {
    let release = logout(scope(RELAY, 7), 1);
    let unknown = Key { id: 6, ..key() };
    let wrong = Key { secret: b"guessed".to_vec().into(), ..key() };
    let mut altered = release.signed(&key(), 1);
    altered[9] ^= 1; // secs
    for payload in [release.unsigned(), release.signed(&unknown, 1), release.signed(&wrong, 1), altered] {
        let (leased, reply, refusal) = attacked(config(), |lab| from(lab, "10.0.0.1:67", &payload));
        assert!(leased && reply.is_none());
        assert_eq!(refusal, Some(Refusal::Unauthenticated));
    }
}

/// The same octets again, an older counter, and the same counter under another giaddr, which the MAC does not cover.
///
/// H-BR-14 H-BR-16
#[test]
fn replays_are_dropped() {
    let mut lab = Lab::new(config());
    let payload = logout(scope(RELAY, 7), 1).signed(&key(), 100);
    lab.login(&cpe(1)).unwrap();
    assert_eq!(from(&mut lab, "10.0.0.1:67", &payload).unwrap().counts(), (1, 0, 7));
    let again = lab.login(&cpe(1)).unwrap();
    for crashed in [false, true] {
        if crashed {
            lab.crash();
        }
        assert!(from(&mut lab, "10.0.0.1:67", &payload).is_none());
        assert!(from(&mut lab, "10.0.0.1:67", &logout(scope(RELAY, 9), 2).signed(&key(), 99)).is_none());
        let mut moved = logout(scope(RELAY, 7), 3).signed(&key(), 100);
        moved[24..28].copy_from_slice(&OTHER_RELAY.octets());
        assert!(from(&mut lab, "10.1.0.1:67", &moved).is_none());
    }
    assert_eq!(lab.server.status().counters.replayed, 3, "since the restart");
    assert!(lab.is_leased(again));
    assert!(from(&mut lab, "10.0.0.1:67", &logout(scope(RELAY, 7), 4).signed(&key(), 101)).is_some());
}

/// Members of a cluster share a key, an address and a device's id. Each counts by itself, also after the server has crashed;
/// what one of them said is no more repeated than anybody else's.
///
/// H-BR-16 X-7
#[test]
fn members_count_by_themselves() {
    let mut lab = Lab::new(config());
    let of = |member: u32, txid: u64, counter: u64| {
        logout(scope(RELAY, 7), txid).signed(&Key { relay: member, ..key() }, counter)
    };
    assert!(from(&mut lab, "10.0.0.1:67", &of(1, 1, 20_000)).is_some());
    assert!(from(&mut lab, "10.0.0.1:67", &of(2, 2, 10_000)).is_some(), "it counts by itself");
    assert!(from(&mut lab, "10.0.0.1:67", &of(1, 3, 20_001)).is_some());
    for crashed in [false, true] {
        if crashed {
            lab.crash();
        }
        assert!(from(&mut lab, "10.0.0.1:67", &of(1, 1, 20_000)).is_none());
        assert!(from(&mut lab, "10.0.0.1:67", &of(2, 2, 10_000)).is_none());
        // The identifier is signed: one member's words are not another's.
        let mut other = of(2, 4, 20_002);
        let place = other.windows(8).position(|octets| octets == 20_002u64.to_be_bytes()).expect("its counter") + 8;
        assert_eq!(other[place..place + 4], [0, 0, 0, 2]);
        other[place + 3] = 3;
        assert!(from(&mut lab, "10.0.0.1:67", &other).is_none());
    }
    assert!(from(&mut lab, "10.0.0.1:67", &of(2, 5, 10_001)).is_some());
}

/// With the window on, counters may be overtaken by up to 64, each still counts once.
///
/// H-BR-16
#[test]
fn the_sliding_window_takes_what_was_overtaken_once() {
    let mut config = config();
    config.bulk_release.replay_window = true;
    let mut lab = Lab::new(config);
    let at = |counter: u64| logout(scope(RELAY, 7), counter).signed(&key(), counter);
    assert!(from(&mut lab, "10.0.0.1:67", &at(100)).is_some());
    assert!(from(&mut lab, "10.0.0.1:67", &at(37)).is_some());
    assert!(from(&mut lab, "10.0.0.1:67", &at(37)).is_none());
    assert!(from(&mut lab, "10.0.0.1:67", &at(36)).is_none(), "64 behind");
}

/// giaddr is the datagram's source and on the list, the device is one the key speaks for, the address is its own or
/// registered.
///
/// H-BR-13
#[test]
fn only_the_device_itself() {
    let send = |config: Config, source: &str, release: &Logout| {
        let payload = release.signed(&key(), 1);
        let (leased, reply, refusal) = attacked(config, |lab| from(lab, source, &payload));
        (leased, reply.map(|reply| reply.message().option(code::STATUS_CODE).map(|status| status[0])), refusal)
    };
    let release = logout(scope(RELAY, 7), 1);
    assert_eq!(send(config(), "10.0.0.66:67", &release), (true, None, Some(Refusal::Source)));

    let mut listed = config();
    listed.bulk_release.relays = vec![OTHER_RELAY];
    assert_eq!(send(listed, "10.0.0.1:67", &release), (true, None, Some(Refusal::Relay)));

    let stranger = DeviceId::new(DeviceIdType::Opaque, b"BNG-0666").unwrap();
    let mut bound = config();
    bound.bulk_release.keys[0].devices = vec![stranger.clone()];
    assert_eq!(send(bound, "10.0.0.1:67", &release), (true, None, Some(Refusal::Device)));

    let lying = Logout { relay_id: Some(b"BNG-0666".to_vec()), ..release.clone() };
    assert_eq!(send(config(), "10.0.0.1:67", &lying), (true, None, Some(Refusal::Device)));

    let foreign = Logout { relay: OTHER_RELAY, ..release.clone() };
    assert_eq!(send(config(), "10.1.0.1:67", &foreign), (true, Some(Some(4)), Some(Refusal::Address)));
    let mut registered = config();
    registered.bulk_release.registered = vec![(device(), RELAY)];
    assert_eq!(send(registered, "10.1.0.1:67", &foreign), (false, Some(None), None));

    let mut many = config();
    many.bulk_release.max_scopes = 1;
    let mut two = release.clone();
    two.scopes.push(group("fpc3", 7));
    assert_eq!(send(many, "10.0.0.1:67", &two), (true, Some(Some(4)), Some(Refusal::Scopes)));
    let none = Logout { scopes: Vec::new(), ..release };
    assert_eq!(send(config(), "10.0.0.1:67", &none), (true, Some(Some(3)), Some(Refusal::Scopes)));
}

/// H-BR-13
#[test]
fn a_device_can_only_send_so_many() {
    let mut config = config();
    (config.bulk_release.rate, config.bulk_release.burst) = (1, 3);
    let mut lab = Lab::new(config);
    let answered = (0..10).filter(|txid| lab.logout(&logout(scope(RELAY, 7), *txid)).is_some()).count();
    assert_eq!(answered, 3);
    assert!(lab.logout(&logout(scope(RELAY, 7), 2)).is_some(), "a repetition is answered from memory");
    lab.wait(Duration::from_secs(1));
    assert!(lab.logout(&logout(scope(RELAY, 7), 20)).is_some());
}

/// Servers that share leases wait for each other when one is to carry out a single logout: not for what is refused anyway.
///
/// H-BR-13
#[test]
fn forgeries_hold_nobody_up() {
    let release = logout(scope(RELAY, 7), 1);
    let is_exclusive = |config: Config, source: &str, payload: &[u8]| {
        Lab::new(config).server.is_exclusive(source.parse().unwrap(), payload)
    };
    let (home, signed) = ("10.0.0.1:67", release.signed(&key(), 1));
    assert!(is_exclusive(config(), home, &signed));
    assert!(!is_exclusive(config(), "172.16.0.9:67", &signed), "from elsewhere");
    assert!(!is_exclusive(config(), home, &release.unsigned()));
    let wrong = Key { secret: b"another secret, unknown".to_vec().into(), ..key() };
    assert!(!is_exclusive(config(), home, &release.signed(&wrong, 1)));
    let with = |change: fn(&mut gateway_server::BulkReleasePolicy)| {
        let mut config = config();
        change(&mut config.bulk_release);
        config
    };
    assert!(is_exclusive(with(|policy| policy.allow_unauthenticated = true), home, &release.unsigned()));
    assert!(!is_exclusive(with(|policy| policy.enabled = false), home, &signed));
    assert!(!is_exclusive(with(|policy| policy.relays = vec![OTHER_RELAY]), home, &signed));
}

/// A signed login: verified, answered signed, and its sub-option 8 never comes back as it was. Only an OFFER without a
/// signature does not wait for the disk (H-BR-14).
#[test]
fn signed_logins() {
    let mut lab = Lab::new(config());
    let client = cpe(1);
    let signed = append_and_sign(&client.discover(), &key(), 1).unwrap();
    let offer = lab.relayed(&client, &signed).unwrap();
    verify(&offer.octets, &[key()]).unwrap();
    let (ours, theirs) = (offer.agent(), AgentInformation::parse(&offer.agent()).unwrap().iter().count());
    let at = AgentInformation::parse(&ours).unwrap().iter().position(|(code, _)| code == sub::AUTHENTICATION);
    assert_eq!(at, Some(theirs - 1), "once, and last");
    assert_ne!(offer.release().capability.unwrap().flags & Capability::SERVER_CAPABLE, 0);

    let mut forged = append_and_sign(&client.discover(), &key(), 2).unwrap();
    forged[30] ^= 1; // chaddr
    assert!(lab.relayed(&client, &forged).is_none(), "what claims to be authentic must be");
    assert!(lab.relayed(&client, &signed).is_none(), "replayed");
    assert!(lab.relayed(&client, &client.discover()).is_some());
    let signed = append_and_sign(&client.discover(), &key(), 3).unwrap();
    assert!(lab.relayed(&client, &signed).is_some());
    assert_eq!(lab.hasty, 1, "who is signed keeps the order of the numbers: an ACK may be waiting for the disk");

    let mut strict = config();
    strict.bulk_release.require_authentication = true;
    let mut lab = Lab::new(strict);
    assert!(lab.relayed(&client, &client.discover()).is_none());
    assert_eq!(lab.server.status().counters.authentication, 1);
    let signed = append_and_sign(&client.discover(), &key(), 1).unwrap();
    assert!(lab.relayed(&client, &signed).is_some());

    let mut keyless = config();
    keyless.bulk_release.keys.clear();
    let mut lab = Lab::new(keyless);
    let offer = lab.relayed(&client, &signed).unwrap();
    let agent = offer.agent();
    assert_eq!(AgentInformation::parse(&agent).unwrap().get(sub::AUTHENTICATION), None, "not ours to echo");
}

/// The server's own counter only grows, also over a crash and when its clock was set back.
///
/// H-BR-14
#[test]
fn our_counter_only_grows() {
    let mut lab = Lab::new(config());
    let mut last = 0;
    for round in 0..6 {
        let payload = logout(scope(RELAY, 7), round).signed(&key(), round + 1);
        let reply = from(&mut lab, "10.0.0.1:67", &payload).unwrap();
        let replay = verify(&reply.octets, &[key()]).unwrap().replay;
        assert!(replay > last);
        last = replay;
        if round % 2 == 1 {
            lab.unix -= Duration::from_secs(1000);
            lab.crash();
        }
    }
}

/// What is no single logout is never taken for one: a RELEASE with a client, and one without that has no transaction.
#[test]
fn an_ordinary_release_is_no_single_logout() {
    let mut config = config();
    config.bulk_release.allow_unauthenticated = true;
    let mut lab = Lab::new(config);
    let address = lab.login(&cpe(1)).unwrap();
    let mut with_client = logout(scope(RELAY, 7), 1).unsigned();
    with_client[1..3].copy_from_slice(&[1, 6]);
    assert!(from(&mut lab, "10.0.0.1:67", &with_client).is_none());
    let mut with_address = logout(scope(RELAY, 7), 1).unsigned();
    with_address[12..16].copy_from_slice(&Ipv4Addr::new(10, 0, 0, 9).octets());
    assert!(from(&mut lab, "10.0.0.1:67", &with_address).is_none());
    assert!(lab.is_leased(address));
    assert_eq!(lab.server.status().counters.bulk_release, 0);
}
