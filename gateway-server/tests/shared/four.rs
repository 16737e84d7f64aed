//! DHCPv4.

use std::net::{Ipv4Addr, SocketAddr};

use gateway_core::time::Duration;
use gateway_core::wire::dhcp4::{Message, code, kind};
use gateway_core::wire::forcerenew::Nonce;
use gateway_core::wire::relay_auth::append_and_sign;
use gateway_server::shared::Reply as Leaving;
use gateway_server::{Config, Event, PingCheck, RenewError};

use crate::common::*;
use crate::world::{open, told, two};

/// A client that logged in at one server is known to the other with its next message there: it renews, comes back after
/// a reboot, and is offered the same address; nobody else is.
#[tokio::test]
async fn a_client_of_the_other_server() {
    let (mut a, mut b, _) = two(&open(8), 7);
    let client = cpe(1);
    let (_, address) = a.ask(client.discover()).await.unwrap();
    assert_eq!(a.ask(client.select(address)).await, Some((kind::ACK, address)));
    assert_eq!(b.ask(client.renew(address)).await, Some((kind::ACK, address)));
    assert_eq!(b.ask(client.reboot(address)).await, Some((kind::ACK, address)));
    assert_eq!(b.ask(client.discover()).await, Some((kind::OFFER, address)));
    let other = b.ask(cpe(2).select(address)).await;
    assert_eq!(other.unwrap().0, kind::NAK, "it is another client's");
    b.turn(vec![client.release(address)]).await;
    assert_eq!(a.ask(client.renew(address)).await.unwrap().0, kind::ACK, "its own former address, by the relay");
}

/// Both servers offer the last address, to two clients. Who asks first has it; the other is told so, and has it when the
/// first one gives it up.
#[tokio::test]
async fn the_last_address() {
    let (mut a, mut b, _) = two(&open(1), 3);
    let (one, two) = (cpe(1), cpe(2));
    let (_, address) = a.ask(one.discover()).await.unwrap();
    assert_eq!(b.ask(two.discover()).await, Some((kind::OFFER, address)));
    assert_eq!(b.ask(two.select(address)).await, Some((kind::ACK, address)));
    assert_eq!(a.ask(one.select(address)).await.unwrap().0, kind::NAK);
    assert_eq!(a.ask(one.discover()).await, None, "no address is left");
    b.turn(vec![two.release(address)]).await;
    assert_eq!(a.ask(one.discover()).await, Some((kind::OFFER, address)));
}

/// An address is asked before it is offered, also where the DISCOVER shares its batch with what is refused and is handled twice.
#[tokio::test]
async fn an_echo_request_beside_a_conflict() {
    let mut met = 0;
    for seed in 1..100 {
        let config = Config { ping_check: Some(PingCheck::default()), ..open(4) };
        let (mut a, mut b, world) = two(&config, seed);
        let contested = Ipv4Addr::new(10, 0, 0, 2);
        let (replies, _) = tokio::join!(
            a.turn(vec![cpe(1).select(contested), cpe(3).discover()]),
            b.turn(vec![cpe(2).select(contested)])
        );
        assert!(replies.iter().any(|reply| matches!(reply, Leaving::Probe(_))), "seed {seed}: {replies:?}");
        met += world.borrow().refused;
    }
    assert!(met > 10, "only {met} met at the write");
}

/// What a client of one server released rests at the others as well.
///
/// H-BR-24
#[tokio::test]
async fn what_was_released_at_the_other_server() {
    let mut config = open(1);
    config.bulk_release.quarantine = Duration::from_secs(60);
    let (mut a, mut b, world) = two(&config, 3);
    let (one, two) = (cpe(1), cpe(2));
    let (_, address) = a.ask(one.discover()).await.unwrap();
    assert_eq!(a.ask(one.select(address)).await, Some((kind::ACK, address)));
    a.turn(vec![one.release(address)]).await;
    assert_eq!(b.ask(two.discover()).await, None);
    world.borrow_mut().wait(Duration::from_secs(61));
    assert_eq!(b.ask(two.discover()).await, Some((kind::OFFER, address)));
}

/// Both write at the same moment: the database refuses one of them, which is answered all the same, by a NAK.
#[tokio::test]
async fn a_conflict_at_the_write() {
    let (mut met, mut seeds) = (0, 0);
    for seed in 1..200 {
        let (mut a, mut b, world) = two(&open(1), seed);
        let (one, two) = (cpe(1), cpe(2));
        let (_, address) = a.ask(one.discover()).await.unwrap();
        b.ask(two.discover()).await.unwrap();
        let (mut first, mut second) =
            tokio::join!(a.turn(vec![one.select(address)]), b.turn(vec![two.select(address)]));
        first.append(&mut second);
        let mut kinds: Vec<u8> = first.iter().filter_map(told).map(|(_, kind, _)| kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [kind::ACK, kind::NAK], "seed {seed}");
        met += world.borrow().refused;
        seeds += 1;
    }
    assert!(met > seeds / 10, "only {met} of {seeds} met at the write");
}

/// A message that was recorded and is sent again is not carried out because another of its batch was refused, and the batch is
/// handled a second time.
///
/// H-BR-16
#[tokio::test]
async fn a_replay_beside_a_conflict() {
    let signed = |message: Vec<u8>, counter| append_and_sign(&message, &key(), counter).unwrap();
    let mut met = 0;
    for seed in 1..100 {
        let (mut a, mut b, world) = two(&open(2), seed);
        let victim = cpe(9);
        let (_, held) = a.ask(signed(victim.discover(), 1)).await.unwrap();
        let release = signed(victim.release(held), 3);
        assert_eq!(a.ask(signed(victim.select(held), 2)).await, Some((kind::ACK, held)));
        a.turn(vec![release.clone()]).await;
        assert_eq!(a.ask(signed(victim.reboot(held), 4)).await, Some((kind::ACK, held)), "in use again");

        let (one, two) = (cpe(1), cpe(2));
        let (_, address) = a.ask(one.discover()).await.unwrap();
        b.ask(two.discover()).await.unwrap();
        tokio::join!(a.turn(vec![release, one.select(address)]), b.turn(vec![two.select(address)]));
        met += world.borrow().refused;
        let query = gateway_core::wire::leasequery::by_address(held, RELAY, 9);
        assert_eq!(a.ask(query).await.unwrap().0, kind::LEASEACTIVE, "seed {seed}: the replay was carried out");
    }
    assert!(met > 10, "only {met} met at the write");
}

/// A single logout at one server ends the leases that another has granted, and frees them for either; a repetition at the
/// other server is answered with the same result.
#[tokio::test]
async fn a_single_logout_for_all() {
    let (mut a, mut b, world) = two(&open(2), 5);
    let mut held = Vec::new();
    for (number, node) in [(1, &mut a), (2, &mut b)] {
        let (_, address) = node.ask(cpe(number).discover()).await.unwrap();
        assert_eq!(node.ask(cpe(number).select(address)).await, Some((kind::ACK, address)));
        held.push(address);
    }
    world.borrow_mut().wait(Duration::from_secs(60));
    let released = |replies: &[Leaving]| {
        replies.iter().find_map(|reply| match reply {
            Leaving::Datagram(SocketAddr::V4(to), octets) => Some(Reply { to: *to, octets: octets.clone() }.counts().0),
            _ => None,
        })
    };
    let replies = b.turn(vec![logout(scope(RELAY, 7), 99).unsigned()]).await;
    assert_eq!(released(&replies), Some(2));
    let is_event = |reply: &Leaving| matches!(reply, Leaving::Tell(Event::BulkReleased { .. }));
    assert!(replies.iter().any(is_event));
    let replies = a.turn(vec![logout(scope(RELAY, 7), 99).unsigned()]).await;
    assert_eq!(released(&replies), Some(2), "what was done, not done again");
    assert!(!replies.iter().any(is_event));
    for address in &held {
        let query = gateway_core::wire::leasequery::by_address(*address, RELAY, 9);
        assert_eq!(a.ask(query.clone()).await.unwrap().0, kind::LEASEUNASSIGNED);
        assert_eq!(b.ask(query).await.unwrap().0, kind::LEASEUNASSIGNED);
    }
    for number in [11, 12] {
        assert_eq!(a.ask(cpe(number).discover()).await.unwrap().0, kind::OFFER, "free at once");
    }
}

/// A client's nonce is all servers': one tells it to renew with what another told it, by a number above all that it has heard.
/// Who has the address afterwards, and takes no nonce, is told so by none.
#[tokio::test]
async fn a_nonce_for_all() {
    let (mut a, mut b, world) = two(&open(1), 9);
    let client = cpe(1);
    let (_, address) = a.ask(client.discover()).await.unwrap();
    world.borrow_mut().wait(Duration::from_millis(700));
    let request = client.message(kind::REQUEST, |builder| {
        let builder = builder.option(code::FORCERENEW_NONCE, &[1]);
        builder.address(code::SERVER_ID, SERVER).address(code::REQUESTED_IP, address)
    });
    let acks = a.turn(vec![request]).await;
    let Some(Leaving::Datagram(_, octets)) = acks.first() else { panic!("{acks:?}") };
    let (nonce, first) = Nonce::read(&Message::parse(octets).unwrap()).expect("a nonce");
    world.borrow_mut().wait(Duration::from_millis(1));
    let forced = b.force(address).await.expect("b knows of it");
    assert!(nonce.verify(&forced).expect("authentic") > first);

    let other = cpe(2);
    a.turn(vec![client.release(address)]).await;
    assert_eq!(a.ask(other.select(address)).await, Some((kind::ACK, address)));
    assert_eq!(b.force(address).await, Err(RenewError::NoNonce(address)));
    assert_eq!(a.force(address).await, Err(RenewError::NoNonce(address)));
}

/// A client that renews, and asks for a nonce that it did not have, is told it also when its REQUEST is handled twice, as one that
/// came to two servers at once may be.
#[tokio::test]
async fn a_nonce_beside_a_conflict() {
    let mut met = 0;
    for seed in 1..100 {
        let (mut a, mut b, world) = two(&open(4), seed);
        let client = cpe(1);
        let (_, address) = a.ask(client.discover()).await.unwrap();
        assert_eq!(a.ask(client.select(address)).await, Some((kind::ACK, address)));
        let renewal =
            client.message(kind::REQUEST, |builder| builder.option(code::FORCERENEW_NONCE, &[1]).ciaddr(address));
        let (mut one, mut two) = tokio::join!(a.turn(vec![renewal.clone()]), b.turn(vec![renewal]));
        one.append(&mut two);
        world.borrow_mut().wait(Duration::from_secs(1));
        let forced = b.force(address).await.expect("it was told");
        let nonces = one.iter().filter_map(|reply| match reply {
            Leaving::Datagram(_, octets) => Nonce::read(&Message::parse(octets).unwrap()),
            _ => None,
        });
        // Of two that it is told it keeps one, and which one that is nobody knows.
        let nonces: Vec<_> = nonces.collect();
        assert!(!nonces.is_empty(), "seed {seed}: {one:?}");
        assert!(nonces.iter().all(|(nonce, _)| nonce.verify(&forced).is_some()), "seed {seed}: {nonces:?}");
        met += world.borrow().refused;
    }
    assert!(met > 10, "only {met} met at the write");
}
