//! FORCERENEW with a nonce (RFC 3203, RFC 6704).

mod common;

use std::net::Ipv4Addr;

use common::*;
use gateway_core::time::Duration;
use gateway_core::wire::agent::sub;
use gateway_core::wire::dhcp4::{Builder, code, kind};
use gateway_core::wire::forcerenew::Nonce;
use gateway_server::RenewError;

fn lab() -> Lab {
    let mut lab = Lab::new(config());
    lab.server.seed([7; 32]);
    lab.carry_out();
    lab
}

fn capable(builder: Builder) -> Builder {
    builder.option(code::FORCERENEW_NONCE, &[1])
}

/// DISCOVER to ACK of a client that takes FORCERENEW, and what nonce it was told.
fn log_in(lab: &mut Lab, client: &Cpe) -> (Ipv4Addr, Option<(Nonce, u64)>) {
    let offer = lab.relayed(client, &client.message(kind::DISCOVER, capable)).unwrap();
    assert_eq!(offer.message().option(code::FORCERENEW_NONCE).as_deref(), Some(&[1][..]));
    assert_eq!(offer.message().option(code::AUTHENTICATION), None);
    let address = offer.yiaddr();
    let server = offer.message().address_option(code::SERVER_ID).unwrap();
    let request = client.message(kind::REQUEST, |builder| {
        capable(builder).address(code::SERVER_ID, server).address(code::REQUESTED_IP, address)
    });
    let ack = lab.relayed(client, &request).unwrap();
    assert_eq!(ack.kind(), kind::ACK);
    (address, Nonce::read(&ack.message()))
}

fn force(lab: &mut Lab, address: Ipv4Addr) -> Result<Reply, RenewError> {
    lab.server.force_renew(address, lab.now, lab.unix)?;
    Ok(lab.carry_out().pop().expect("a message"))
}

/// A client that asks for a nonce is told one in its ACK, and believes the FORCERENEW that an operator has sent, by unicast.
#[test]
fn a_client_is_told_to_renew() {
    let mut lab = lab();
    let client = Cpe { client_id: Some(b"\x00shop".to_vec()), ..cpe(1) };
    let (address, told) = log_in(&mut lab, &client);
    let (nonce, first) = told.expect("a nonce");
    let forced = force(&mut lab, address).unwrap();
    let message = forced.message();
    assert_eq!((forced.kind(), forced.to), (kind::FORCERENEW, "10.0.0.2:68".parse().unwrap()));
    assert_eq!(
        (message.op(), message.hardware().mac(), message.giaddr()),
        (2, Some(client.mac), Ipv4Addr::UNSPECIFIED)
    );
    assert_eq!(message.address_option(code::SERVER_ID), Some(SERVER));
    assert_eq!(message.option(code::CLIENT_ID).as_deref(), Some(&b"\x00shop"[..]));
    assert!(nonce.verify(&forced.octets).expect("authentic") > first);
    assert_eq!(lab.server.status().counters.forcerenew, 1);
}

/// The counter only rises: over messages, restarts, and a wall clock that was put back.
#[test]
fn the_counter_rises() {
    let mut lab = lab();
    let (address, told) = log_in(&mut lab, &cpe(1));
    let (nonce, mut last) = told.unwrap();
    for round in 0..6 {
        let forced = force(&mut lab, address).unwrap();
        let replay = nonce.verify(&forced.octets).unwrap_or_else(|| panic!("round {round}: the nonce is durable"));
        assert!(replay > last, "round {round}: {replay} after {last}");
        last = replay;
        if round == 2 {
            lab.unix -= Duration::from_secs(86_400);
        }
        lab.crash();
        lab.server.seed([8; 32]); // there is one on disk already
        lab.carry_out();
    }
}

/// A renewal is not told the nonce once more; a new login is told another one, and one that no longer asks loses it.
#[test]
fn when_a_nonce_is_told() {
    let mut lab = lab();
    let client = cpe(1);
    let (address, first) = log_in(&mut lab, &client);
    let mut renewal = client.message(kind::REQUEST, |builder| capable(builder).ciaddr(address));
    renewal[4..8].copy_from_slice(&0x4321u32.to_be_bytes());
    let ack = lab.relayed(&client, &renewal).unwrap();
    assert_eq!((ack.kind(), ack.message().option(code::AUTHENTICATION)), (kind::ACK, None));
    let plain = lab.relayed(&client, &client.renew(address)).unwrap();
    assert_eq!(plain.message().option(code::AUTHENTICATION), None);
    let mut later = client.renew(address);
    later[4..8].copy_from_slice(&0x5678u32.to_be_bytes());
    lab.relayed(&client, &later).unwrap();
    lab.crash();
    let forced = force(&mut lab, address).unwrap();
    assert_eq!(forced.message().xid(), 0x5678, "that of the client's last exchange, which dhcpcd insists on");
    assert!(first.unwrap().0.verify(&forced.octets).is_some(), "renewed or not, it is the same");

    let (again, second) = log_in(&mut lab, &client);
    assert_eq!(again, address);
    assert_ne!(second.unwrap().0, first.unwrap().0);
    lab.login(&client);
    assert_eq!(force(&mut lab, address).unwrap_err(), RenewError::NoNonce(address));
    lab.crash();
    lab.server.seed([8; 32]);
    assert_eq!(force(&mut lab, address).unwrap_err(), RenewError::NoNonce(address));
}

/// The next client of an address does not have its predecessor's nonce.
#[test]
fn another_client_of_the_address() {
    let mut lab = Lab::new(wide(config(), 1));
    lab.server.seed([7; 32]);
    let (address, first) = log_in(&mut lab, &cpe(1));
    lab.relayed(&cpe(1), &cpe(1).release(address));
    assert_eq!(force(&mut lab, address).unwrap_err(), RenewError::NoLease(address));
    let (same, second) = log_in(&mut lab, &cpe(2));
    assert_eq!(same, address);
    let forced = force(&mut lab, address).unwrap();
    assert!(first.unwrap().0.verify(&forced.octets).is_none());
    assert!(second.unwrap().0.verify(&forced.octets).is_some());
    lab.relayed(&cpe(2), &cpe(2).release(address));
    assert_eq!(lab.login(&cpe(3)), Some(address));
    assert_eq!(force(&mut lab, address).unwrap_err(), RenewError::NoNonce(address));
}

/// Who does not ask, asks for another algorithm, or asks a server without a secret is told nothing.
#[test]
fn who_is_told_nothing() {
    let ack = |lab: &mut Lab, algorithms: Option<&[u8]>| {
        let client = cpe(1);
        let with =
            |builder: Builder| algorithms.iter().fold(builder, |b, value| b.option(code::FORCERENEW_NONCE, value));
        let offer = lab.relayed(&client, &client.message(kind::DISCOVER, with)).unwrap();
        let request = client.message(kind::REQUEST, |builder| {
            with(builder).address(code::SERVER_ID, SERVER).address(code::REQUESTED_IP, offer.yiaddr())
        });
        let ack = lab.relayed(&client, &request).unwrap();
        let told = ack.message().option(code::AUTHENTICATION).is_some();
        (offer.message().option(code::FORCERENEW_NONCE).is_some(), told)
    };
    for (algorithms, told) in [(None, false), (Some(&[][..]), false), (Some(&[2]), false), (Some(&[2, 1]), true)] {
        assert_eq!(ack(&mut lab(), algorithms), (told, told), "{algorithms:?}");
    }
    assert_eq!(ack(&mut Lab::new(config()), Some(&[1])), (false, false));
    assert_eq!(force(&mut lab(), Ipv4Addr::new(9, 9, 9, 9)).unwrap_err(), RenewError::NoLease([9, 9, 9, 9].into()));
}

/// A client that knows the server by its relay's name (RFC 5107) is spoken to by that.
#[test]
fn the_identifier_that_the_client_knows() {
    let mut lab = lab();
    let mut client = cpe(1);
    client.subs.push((sub::SERVER_ID_OVERRIDE, RELAY.octets().to_vec()));
    let (address, _) = log_in(&mut lab, &client);
    let forced = force(&mut lab, address).unwrap();
    assert_eq!(forced.message().address_option(code::SERVER_ID), Some(RELAY));
}

/// A damaged nonce ends the start like any other record: the client would be told what it can't believe.
#[test]
fn records_that_cannot_be_read() {
    for key in [&b"f"[..], b"k"] {
        let mut lab = lab();
        log_in(&mut lab, &cpe(1));
        let value = lab.disk.iter_mut().find(|(name, _)| name.starts_with(key)).expect("on disk").1;
        value.pop();
        let server = gateway_server::Server::new(lab.config.clone(), lab.disk.clone(), lab.now, lab.unix);
        assert!(matches!(server, Err(gateway_server::StartError::Record(_))));
    }
}

/// The ACK that told a client its nonce was lost, or never left because its record could not be written: it is told the same one
/// when it says the same again, also where it renews, and a restart is in between.
#[test]
fn an_ack_that_did_not_arrive() {
    let mut lab = lab();
    let client = cpe(1);
    let address = lab.login(&client).unwrap();
    let renewal = client.message(kind::REQUEST, |builder| capable(builder).ciaddr(address));
    let lost = Nonce::read(&lab.relayed(&client, &renewal).unwrap().message()).expect("a nonce");
    lab.crash();
    let again = Nonce::read(&lab.relayed(&client, &renewal).unwrap().message());
    assert_eq!(again, Some(lost));
    assert!(lost.0.verify(&force(&mut lab, address).unwrap().octets).is_some());
}
