//! What is not believed: anybody can write it, and nothing proves it.

mod common;

use std::net::{Ipv4Addr, SocketAddrV4};

use common::*;
use gateway_core::line::HardwareAddress;
use gateway_core::wire::agent::{AgentBuilder, sub};
use gateway_core::wire::dhcp4::{Builder, REQUEST, code, kind};
use gateway_core::wire::leasequery::by_address;
use gateway_core::wire::relay_auth::append_and_sign;
use gateway_server::{Config, Event, Evidence, Reservation};

fn from(lab: &mut Lab, source: &str, payload: &[u8]) -> Option<Reply> {
    lab.send(source.parse().unwrap(), payload)
}

/// An option 82 without a relay is nobody's word: it does not find a line's reservation, chooses no link and comes to no lease,
/// with or without authentication required. It goes back as it came (RFC 3046 section 2.2).
#[test]
fn option_82_without_a_relay() {
    let reserved = Ipv4Addr::new(10, 0, 0, 42);
    for require_authentication in [false, true] {
        let mut reservation = Reservation::new(reserved);
        reservation.circuit_id = Some(b"ge-0/0/1:100".to_vec());
        let mut lab = Lab::new(Config { reservations: vec![reservation], ..config() });
        let (victim, thief) = (cpe(1), HardwareAddress::ethernet([6; 6]));
        assert_eq!(lab.login(&victim), Some(reserved));
        lab.config.bulk_release.require_authentication = require_authentication;
        lab.crash();
        let agent = AgentBuilder::new()
            .sub(sub::CIRCUIT_ID, b"ge-0/0/1:100")
            .sub(sub::LINK_SELECTION, &[10, 0, 0, 0])
            .finish()
            .unwrap();
        let ciaddr = Ipv4Addr::new(172, 16, 0, 9);
        let claim = Builder::new(REQUEST).hardware(thief).ciaddr(ciaddr).kind(kind::REQUEST);
        let claim = claim.address(code::SERVER_ID, SERVER).address(code::REQUESTED_IP, reserved);
        let claim = claim.option(code::AGENT_INFORMATION, &agent).finish();
        assert!(from(&mut lab, "172.16.0.9:68", &claim).is_none_or(|reply| reply.kind() == kind::NAK));
        let renewal = Builder::new(REQUEST).hardware(thief).ciaddr(reserved).kind(kind::REQUEST);
        let reply = from(&mut lab, "10.0.0.42:68", &renewal.option(code::AGENT_INFORMATION, &agent).finish()).unwrap();
        assert_eq!((reply.kind(), reply.agent()), (kind::NAK, agent));
        lab.config.bulk_release.require_authentication = false;
        lab.crash();
        let direct = Cpe { direct: true, ..victim };
        assert_eq!(lab.relayed(&direct, &direct.renew(reserved)).unwrap().kind(), kind::ACK, "its own");
    }
}

/// RFC 4388 section 7: a leasequery is answered for relays that are named, at their own address, and for whoever has a key;
/// for nobody where it is switched off.
#[test]
fn leasequery_is_not_for_everybody() {
    let mut lab = Lab::new(config());
    let address = lab.login(&cpe(1)).unwrap();
    let stranger = Ipv4Addr::new(172, 16, 0, 9);
    assert!(from(&mut lab, "10.0.0.1:67", &by_address(address, RELAY, 1)).is_some());
    assert!(from(&mut lab, "172.16.0.9:67", &by_address(address, stranger, 1)).is_none(), "not named");
    assert!(from(&mut lab, "172.16.0.9:67", &by_address(address, RELAY, 1)).is_none(), "another's giaddr");
    assert_eq!(lab.server.status().counters.leasequery_refused, 2);
    let tagged = |giaddr| {
        let agent = AgentBuilder::new().sub(sub::RELAY_ID, device().octets()).finish().unwrap();
        let query = Builder::new(REQUEST).ciaddr(address).giaddr(giaddr).kind(kind::LEASEQUERY);
        query.option(code::AGENT_INFORMATION, &agent).finish()
    };
    let signed = append_and_sign(&tagged(stranger), &key(), 9).unwrap();
    assert_eq!(from(&mut lab, "172.16.0.9:67", &signed).unwrap().kind(), kind::LEASEACTIVE);
    lab.config.leasequery.enabled = false;
    lab.crash();
    assert!(from(&mut lab, "10.0.0.1:67", &by_address(address, RELAY, 1)).is_none());
}

/// Neither the relay's own address nor that of the server or of who may ask is leased, though no router is named and the pool is
/// around them.
#[test]
fn hosts_that_are_no_clients() {
    let mut config = config();
    config.listen = Ipv4Addr::new(10, 0, 0, 3);
    config.subnets[0].routers.clear();
    config.subnets[0].pools = vec![(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 6))];
    config.leasequery.requestors = vec![Ipv4Addr::new(10, 0, 0, 4)];
    let mut lab = Lab::new(config);
    let mut ask = |number: u32, wanted: u8| {
        let client = cpe(number);
        let wanted = Ipv4Addr::new(10, 0, 0, wanted);
        let discover = client.message(kind::DISCOVER, |builder| builder.address(code::REQUESTED_IP, wanted));
        let offer = lab.send(SocketAddrV4::new(RELAY, 67), &discover)?;
        let claim = client.message(kind::REQUEST, |builder| {
            builder.address(code::SERVER_ID, Ipv4Addr::new(10, 0, 0, 3)).address(code::REQUESTED_IP, RELAY)
        });
        assert_eq!(lab.send(SocketAddrV4::new(RELAY, 67), &claim).unwrap().kind(), kind::NAK);
        Some(offer.yiaddr().octets()[3])
    };
    let mut offered: Vec<u8> = (1..4).filter_map(|number| ask(number, 1)).collect();
    offered.sort_unstable();
    assert_eq!(offered, [2, 5, 6]);
    assert_eq!(ask(9, 1), None);
    let told = Event::Conflict { address: RELAY, evidence: Evidence::Relay, client: Some(cpe(1).mac) };
    assert!(lab.events.contains(&told), "{:?}", lab.events);
}

/// What a client leaves behind its address in chaddr is not part of who it is, before a restart and after.
#[test]
fn octets_behind_the_hardware_address() {
    let mut lab = Lab::new(config());
    let mut chaddr = [9; 16];
    chaddr[..6].copy_from_slice(&cpe(1).mac);
    let padded = HardwareAddress::new(1, 6, chaddr).unwrap();
    let message = |kind: u8| Builder::new(REQUEST).hardware(padded).giaddr(RELAY).kind(kind);
    let offer = from(&mut lab, "10.0.0.1:67", &message(kind::DISCOVER).finish()).unwrap();
    let select = message(kind::REQUEST).address(code::SERVER_ID, SERVER).address(code::REQUESTED_IP, offer.yiaddr());
    assert_eq!(from(&mut lab, "10.0.0.1:67", &select.finish()).unwrap().kind(), kind::ACK);
    for round in ["before", "after"] {
        let plain = HardwareAddress::ethernet(cpe(1).mac);
        let query = Builder::new(REQUEST).hardware(plain).giaddr(RELAY).kind(kind::LEASEQUERY).finish();
        assert_eq!(from(&mut lab, "10.0.0.1:67", &query).unwrap().kind(), kind::LEASEACTIVE, "{round} a restart");
        let again = lab.relayed(&cpe(1), &cpe(1).reboot(offer.yiaddr())).unwrap();
        assert_eq!(again.kind(), kind::ACK, "{round} a restart");
        lab.crash();
    }
}
