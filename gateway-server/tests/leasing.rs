//! Leases, as RFC 2131 section 4.3 has a server give them, through a relay.

mod common;

use std::net::Ipv4Addr;

use common::*;
use gateway_core::time::Duration;
use gateway_core::wire::agent::sub;
use gateway_core::wire::dhcp4::{code, kind};
use gateway_server::{Server, StartError};

fn lab() -> Lab {
    Lab::new(config())
}

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

#[test]
fn discover_offer_request_ack() {
    let mut lab = lab();
    let client = cpe(1);
    let offer = lab.relayed(&client, &client.discover()).unwrap();
    assert_eq!(offer.kind(), kind::OFFER);
    assert_eq!(offer.to, "10.0.0.1:67".parse().unwrap(), "to the relay");
    assert_eq!(offer.yiaddr(), ip("10.0.0.2"), "not 10.0.0.1, which is the router's");
    assert_eq!((lab.writes, lab.hasty), (0, 1), "an offer is no promise: it costs no write and waits for none");

    let ack = lab.relayed(&client, &client.select(offer.yiaddr())).unwrap();
    let message = ack.message();
    assert_eq!((ack.kind(), ack.yiaddr()), (kind::ACK, ip("10.0.0.2")));
    assert_eq!((message.xid(), message.giaddr(), message.hardware().mac()), (0x1234, RELAY, Some(client.mac)));
    assert_eq!(message.address_option(code::SERVER_ID), Some(SERVER));
    assert_eq!(message.address_option(code::SUBNET_MASK), Some(ip("255.255.0.0")));
    assert_eq!(message.address_option(code::ROUTER), Some(ip("10.0.0.1")));
    assert_eq!(message.address_option(code::DNS), Some(ip("9.9.9.9")));
    assert_eq!(message.option(code::DOMAIN_NAME).as_deref(), Some(&b"example.net"[..]));
    let times = [code::LEASE_TIME, code::T1, code::T2].map(|code| message.u32_option(code));
    assert_eq!(times, [Some(3600), Some(1800), Some(3132)]);
    assert_eq!(message.options().last().map(|(code, _)| code), Some(code::AGENT_INFORMATION), "option 82 is last");
    assert_eq!((lab.writes, lab.hasty), (1, 1), "the ACK waits until the lease is on disk");
}

/// What is sent is a message that another implementation reads alike.
#[test]
fn dhcproto_reads_the_ack() {
    use dhcproto::v4::{DhcpOption, OptionCode};
    use dhcproto::{Decodable, Decoder};
    let mut lab = lab();
    let client = cpe(1);
    lab.relayed(&client, &client.discover()).unwrap();
    let ack = lab.relayed(&client, &client.select(ip("10.0.0.2"))).unwrap();
    let theirs = dhcproto::v4::Message::decode(&mut Decoder::new(&ack.octets)).unwrap();
    assert_eq!(theirs.yiaddr(), ip("10.0.0.2"));
    assert_eq!(theirs.opts().get(OptionCode::AddressLeaseTime), Some(&DhcpOption::AddressLeaseTime(3600)));
    assert_eq!(theirs.opts().get(OptionCode::Renewal), Some(&DhcpOption::Renewal(1800)));
    assert!(theirs.opts().get(OptionCode::RelayAgentInformation).is_some());
}

#[test]
fn the_parameter_list_is_followed_but_for_what_must_be_there() {
    let mut lab = lab();
    let client = cpe(1);
    let discover = client.message(kind::DISCOVER, |builder| builder.option(code::PARAMETER_LIST, &[code::DNS]));
    let offer = lab.relayed(&client, &discover).unwrap();
    let message = offer.message();
    assert!(message.option(code::DNS).is_some() && message.option(code::SUBNET_MASK).is_some());
    assert!(message.option(code::ROUTER).is_none() && message.option(code::DOMAIN_NAME).is_none());
}

#[test]
fn a_client_gets_its_former_address_again() {
    let mut lab = lab();
    let (one, two) = (cpe(1), cpe(2));
    let address = lab.login(&one).unwrap();
    lab.relayed(&one, &one.release(address));
    assert!(!lab.is_leased(address));
    assert_ne!(lab.login(&two), Some(address), "fresh addresses come first");
    assert_eq!(lab.login(&one), Some(address));
    lab.rest(Duration::from_secs(4000));
    assert!(!lab.is_leased(address), "expired");
    assert_eq!(lab.login(&one), Some(address));
    lab.crash();
    assert_eq!(lab.login(&one), Some(address));
}

#[test]
fn a_full_pool_offers_nothing_until_an_address_is_free() {
    let mut lab = lab();
    let addresses: Vec<Ipv4Addr> = (0..10).map(|number| lab.login(&cpe(number)).unwrap()).collect();
    assert_eq!(addresses.iter().collect::<std::collections::BTreeSet<_>>().len(), 10, "all different");
    assert_eq!(lab.login(&cpe(77)), None);
    assert_eq!(lab.server.status().counters.exhausted, 1);
    lab.relayed(&cpe(3), &cpe(3).release(addresses[3]));
    assert_eq!(lab.login(&cpe(77)), Some(addresses[3]));
    assert_eq!(lab.login(&cpe(78)), None);
    lab.wait(Duration::from_secs(3601)); // nobody had time to tidy up
    assert!(lab.login(&cpe(79)).is_some(), "an expired lease is found when it is needed");
}

#[test]
fn an_offer_lapses() {
    let mut lab = lab();
    for number in 0..10 {
        assert!(lab.relayed(&cpe(number), &cpe(number).discover()).is_some());
    }
    assert!(lab.relayed(&cpe(10), &cpe(10).discover()).is_none(), "all addresses are offered");
    lab.rest(Duration::from_secs(11));
    assert!(lab.relayed(&cpe(10), &cpe(10).discover()).is_some());
    assert_eq!(lab.active(), 0);
}

/// SELECTING: a REQUEST that names another server takes the offer back; one for an address that is not to be had is
/// refused.
#[test]
fn selecting() {
    let mut lab = lab();
    let client = cpe(1);
    let offer = lab.relayed(&client, &client.discover()).unwrap();
    let elsewhere = client.message(kind::REQUEST, |builder| {
        builder.address(code::SERVER_ID, ip("192.0.2.99")).address(code::REQUESTED_IP, ip("10.0.0.200"))
    });
    assert!(lab.relayed(&client, &elsewhere).is_none());
    assert_eq!(lab.server.status().counters.other_server, 1);
    let taken = lab.login(&cpe(2)).unwrap();
    let _ = offer;
    assert_eq!(lab.relayed(&client, &client.select(taken)).unwrap().kind(), kind::NAK);
    assert_eq!(lab.relayed(&client, &client.select(ip("10.0.0.1"))).unwrap().kind(), kind::NAK, "the router's");
    assert_eq!(lab.relayed(&client, &client.select(ip("10.1.0.5"))).unwrap().kind(), kind::NAK, "another link's");
}

/// Who is refused keeps no other address from who comes after it.
#[test]
fn a_refusal_keeps_nothing() {
    let mut lab = lab();
    let addresses: Vec<Ipv4Addr> = (0..10).map(|number| lab.login(&cpe(number)).unwrap()).collect();
    for number in [4, 5] {
        lab.relayed(&cpe(number), &cpe(number).release(addresses[number as usize]));
    }
    let mut select = |number, address| lab.relayed(&cpe(number), &cpe(number).select(address)).unwrap().kind();
    assert_eq!(select(77, addresses[3]), kind::NAK, "somebody else's");
    assert_eq!(select(4, addresses[5]), kind::NAK, "it had another one");
    assert_eq!(select(5, addresses[5]), kind::ACK);
    assert_eq!(select(78, addresses[4]), kind::ACK);
}

/// INIT-REBOOT: its own address is granted, any other refused, to the relay and with the broadcast bit.
#[test]
fn init_reboot() {
    let mut lab = lab();
    let client = cpe(1);
    let address = lab.login(&client).unwrap();
    assert_eq!(lab.relayed(&client, &client.reboot(address)).unwrap().kind(), kind::ACK);
    let nak = lab.relayed(&client, &client.reboot(ip("10.0.0.9"))).unwrap();
    assert_eq!((nak.kind(), nak.message().broadcast(), nak.yiaddr()), (kind::NAK, true, Ipv4Addr::UNSPECIFIED));
    assert!(nak.agent().starts_with(b"\x01\x0cge-0/0/1:100"), "option 82 in a NAK too");
    let moved = client.clone().at(OTHER_RELAY);
    assert_eq!(lab.relayed(&moved, &moved.reboot(address)).unwrap().kind(), kind::NAK, "on another network now");
    assert_eq!(lab.relayed(&cpe(2), &cpe(2).reboot(ip("10.0.0.9"))).unwrap().kind(), kind::NAK, "authoritative");
    let mut config = config();
    config.authoritative = false;
    let mut lab = Lab::new(config);
    assert!(lab.relayed(&cpe(2), &cpe(2).reboot(ip("10.0.0.9"))).is_none(), "RFC 2131 4.3.2: silent");
}

/// RENEWING goes past the relay: the answer goes to the client, and what the relay said stays stored.
#[test]
fn renewing_and_rebinding() {
    let mut lab = lab();
    let client = cpe(1);
    let address = lab.login(&client).unwrap();
    let direct = Cpe { direct: true, ..client.clone() };
    lab.wait(Duration::from_secs(1800));
    let ack = lab.relayed(&direct, &direct.renew(address)).unwrap();
    assert_eq!((ack.kind(), ack.to), (kind::ACK, "10.0.0.2:68".parse().unwrap()));
    assert_eq!((ack.message().ciaddr(), ack.yiaddr()), (address, address));
    lab.rest(Duration::from_secs(3000));
    assert!(lab.is_leased(address), "extended");
    let ack = lab.relayed(&client, &client.renew(address)).unwrap();
    assert_eq!((ack.kind(), ack.to), (kind::ACK, "10.0.0.1:67".parse().unwrap()));
    let stranger = Cpe { direct: true, ..cpe(2) };
    assert_eq!(lab.relayed(&stranger, &stranger.renew(address)).unwrap().kind(), kind::NAK);
}

#[test]
fn a_declined_address_is_left_alone_for_a_while() {
    let mut lab = lab();
    let client = cpe(1);
    let address = lab.login(&client).unwrap();
    assert!(lab.relayed(&client, &client.decline(address)).is_none());
    assert_ne!(lab.login(&client).unwrap(), address);
    lab.crash();
    for number in 2..10 {
        assert_ne!(lab.login(&cpe(number)), Some(address), "declined, also after a restart");
    }
    assert_eq!(lab.login(&cpe(10)), None);
    lab.rest(Duration::from_secs(3599));
    lab.rest(Duration::from_secs(2));
    assert!(lab.login(&cpe(10)).is_some());
}

/// Only its holder can release or decline a lease, only this server's are its business, and nothing is answered.
#[test]
fn release_and_decline_by_somebody_else_change_nothing() {
    let mut lab = lab();
    let client = cpe(1);
    let address = lab.login(&client).unwrap();
    for thief in [cpe(2), Cpe { client_id: Some(b"x".to_vec()), ..cpe(1) }] {
        assert!(lab.relayed(&thief, &thief.release(address)).is_none());
        assert!(lab.relayed(&thief, &thief.decline(address)).is_none());
    }
    let elsewhere =
        client.message(kind::RELEASE, |builder| builder.ciaddr(address).address(code::SERVER_ID, ip("192.0.2.99")));
    assert!(lab.relayed(&client, &elsewhere).is_none());
    assert!(lab.is_leased(address));
    assert!(lab.relayed(&client, &client.release(address)).is_none());
    assert!(!lab.is_leased(address));
}

#[test]
fn inform_gets_configuration_and_no_lease() {
    let mut lab = lab();
    let client = Cpe { direct: true, ..cpe(1) };
    let inform = client.message(kind::INFORM, |builder| builder.ciaddr(ip("10.0.0.77")));
    let ack = lab.relayed(&client, &inform).unwrap();
    assert_eq!((ack.kind(), ack.yiaddr()), (kind::ACK, Ipv4Addr::UNSPECIFIED));
    assert_eq!(ack.to, "10.0.0.77:68".parse().unwrap());
    assert_eq!(ack.message().address_option(code::ROUTER), Some(ip("10.0.0.1")));
    assert_eq!(ack.message().option(code::LEASE_TIME), None);
    assert_eq!(lab.writes, 0);
}

/// A client is its identifier; only without one it is its hardware address (RFC 2131 section 2). The identifier comes
/// back (RFC 6842).
#[test]
fn client_identifier_before_hardware_address() {
    let mut lab = lab();
    let by_mac = cpe(1);
    let by_id = Cpe { client_id: Some(b"\x01port-7".to_vec()), ..cpe(1) };
    let other_mac = Cpe { mac: [2, 9, 9, 9, 9, 9], ..by_id.clone() };
    let address = lab.login(&by_id).unwrap();
    assert_ne!(lab.login(&by_mac).unwrap(), address);
    assert_eq!(lab.login(&other_mac).unwrap(), address);
    let offer = lab.relayed(&by_id, &by_id.discover()).unwrap();
    assert_eq!(offer.message().option(code::CLIENT_ID).as_deref(), Some(&b"\x01port-7"[..]));
}

/// Option 82 comes back as it was sent, also when its sub-options make no sense; link selection chooses the subnet
/// (RFC 3527) while the reply still goes to giaddr.
#[test]
fn option_82_is_echoed_and_link_selection_obeyed() {
    let mut lab = lab();
    let mut client = cpe(1).tagged(None);
    client.subs = vec![(sub::REMOTE_ID, vec![]), (200, b"unknown".to_vec()), (200, b"twice".to_vec())];
    client.subs.push((sub::LINK_SELECTION, ip("10.1.0.0").octets().to_vec()));
    let offer = lab.relayed(&client, &client.discover()).unwrap();
    assert_eq!(offer.agent(), client.agent());
    assert_eq!((offer.yiaddr(), offer.to), (ip("10.1.0.2"), "10.0.0.1:67".parse().unwrap()));

    let mut without_keys = config();
    without_keys.bulk_release.keys.clear();
    let mut lab = Lab::new(without_keys);
    let mut broken = cpe(2).discover();
    let at = broken.len() - 1 - cpe(2).agent().len();
    broken[at + 1] = 250; // the first sub-option reaches beyond the option
    let offer = lab.relayed(&cpe(2), &broken).unwrap();
    assert_eq!(offer.agent(), broken[at..broken.len() - 1]);
}

/// RFC 5107: the relay's identifier replaces ours, a REQUEST and a RELEASE that name it are for us.
#[test]
fn server_identifier_override() {
    let mut lab = lab();
    let mut client = cpe(1);
    client.subs.push((sub::SERVER_ID_OVERRIDE, RELAY.octets().to_vec()));
    let offer = lab.relayed(&client, &client.discover()).unwrap();
    assert_eq!(offer.message().address_option(code::SERVER_ID), Some(RELAY));
    let request = client.message(kind::REQUEST, |builder| {
        builder.address(code::SERVER_ID, RELAY).address(code::REQUESTED_IP, offer.yiaddr())
    });
    assert_eq!(lab.relayed(&client, &request).unwrap().kind(), kind::ACK);
    let plain = Cpe { subs: Vec::new(), ..client.clone() };
    let release =
        plain.message(kind::RELEASE, |builder| builder.ciaddr(offer.yiaddr()).address(code::SERVER_ID, RELAY));
    lab.relayed(&plain, &release);
    assert!(!lab.is_leased(offer.yiaddr()), "remembered from the login");
}

/// RFC 8357: a relay that uses another source port is answered there.
#[test]
fn relay_source_port() {
    let mut lab = lab();
    let mut client = cpe(1);
    client.subs.push((sub::SOURCE_PORT, vec![]));
    let offer = lab.send("10.0.0.1:6700".parse().unwrap(), &client.discover()).unwrap();
    assert_eq!(offer.to, "10.0.0.1:6700".parse().unwrap());
}

/// RFC 3046 2.2: an option 82 that does not fit is left out, and that is counted.
#[test]
fn a_reply_without_room_for_option_82() {
    let mut config = config();
    config.max_message = 320;
    let mut lab = Lab::new(config);
    let offer = lab.relayed(&cpe(1), &cpe(1).discover()).unwrap();
    assert_eq!(offer.message().agent_information(), None);
    assert_eq!(lab.server.status().counters.option82_too_long, 1);
}

#[test]
fn an_unknown_link_is_not_served() {
    let mut lab = lab();
    let client = cpe(1).at(ip("172.16.0.1"));
    assert!(lab.relayed(&client, &client.discover()).is_none());
    assert_eq!(lab.server.status().counters.no_subnet, 1);
    assert!(lab.send("0.0.0.0:68".parse().unwrap(), &Cpe { direct: true, ..cpe(1) }.discover()).is_none());
}

/// A giaddr outside of the prefix is served when the subnet names it, from several subnets in turn.
#[test]
fn subnets_of_an_unnumbered_line_card() {
    let mut config = config();
    let loopback = ip("198.51.100.1");
    config.subnets.iter_mut().for_each(|subnet| subnet.relays = vec![loopback]);
    let mut lab = Lab::new(config);
    let addresses: Vec<_> = (0..20).map(|number| lab.login(&cpe(number).at(loopback)).unwrap().octets()[1]).collect();
    assert_eq!(addresses.iter().filter(|second| **second == 1).count(), 10, "the second subnet after the first");
    assert_eq!(lab.login(&cpe(99).at(loopback)), None);
    assert!(lab.login(&cpe(15).at(loopback)).is_some(), "still where it was");
}

#[test]
fn an_infinite_lease_has_no_end() {
    let mut config = config();
    config.subnets[0].lease = Duration::MAX;
    let mut lab = Lab::new(config);
    let offer = lab.relayed(&cpe(1), &cpe(1).discover()).unwrap();
    assert_eq!(offer.message().u32_option(code::LEASE_TIME), Some(u32::MAX));
    let address = lab.login(&cpe(1)).unwrap();
    lab.crash();
    lab.rest(Duration::from_secs(10 * 365 * 86400));
    assert!(lab.is_leased(address));
}

/// The server can die between any two messages: an acknowledged lease is still there, an offered one may be asked for.
#[test]
fn restart_between_any_two_messages() {
    let mut lab = lab();
    let client = cpe(1);
    let offer = lab.relayed(&client, &client.discover()).unwrap();
    lab.crash();
    let ack = lab.relayed(&client, &client.select(offer.yiaddr())).unwrap();
    assert_eq!((ack.kind(), ack.yiaddr()), (kind::ACK, offer.yiaddr()));
    lab.crash();
    assert!(lab.is_leased(offer.yiaddr()));
    assert_eq!(lab.relayed(&client, &client.renew(offer.yiaddr())).unwrap().kind(), kind::ACK);
    assert_ne!(lab.login(&cpe(2)).unwrap(), offer.yiaddr());
    lab.wait(Duration::from_secs(3601));
    lab.crash();
    assert!(!lab.is_leased(offer.yiaddr()), "expired while it was down");
}

/// A lease that can't be read is in force all the same: rather than grant its address again the server does not start,
/// and says which it is.
#[test]
fn an_unreadable_lease_ends_the_start() {
    let mut lab = Lab::new(config());
    let address = lab.login(&cpe(1)).expect("an address");
    let value = lab.disk.iter_mut().find(|(key, _)| key.ends_with(&address.octets())).expect("on disk").1;
    value[0] += 1; // its version
    let error = Server::new(lab.config.clone(), lab.disk.clone(), lab.now, lab.unix).expect_err("one can't be read");
    assert_eq!(error, StartError::Record(format!("the lease of {address}")));
}

/// A wall clock that jumps ends no lease of a server that runs, and prolongs none: that goes by the time since boot. Only a
/// restart has nothing else to go by; one with a clock that was put back gives nobody's address away.
#[test]
fn a_wall_clock_that_jumps() {
    const YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);
    let mut lab = lab();
    let client = cpe(1);
    let address = lab.login(&client).unwrap();
    for (number, forward) in [(2, true), (3, false), (4, false), (5, true)] {
        lab.unix = if forward { lab.unix + YEARS } else { lab.unix - YEARS };
        lab.rest(Duration::from_secs(60));
        assert!(lab.is_leased(address), "after jump {number}");
        assert_ne!(lab.login(&cpe(number)), Some(address), "after jump {number}");
    }
    let renewed = lab.relayed(&client, &client.renew(address)).unwrap();
    assert_eq!((renewed.kind(), renewed.message().u32_option(code::LEASE_TIME)), (kind::ACK, Some(3600)));

    lab.unix -= Duration::from_secs(86_400);
    lab.crash();
    assert!(lab.is_leased(address));
    assert_ne!(lab.login(&cpe(6)), Some(address), "it is still the client's");
    let renewed = lab.relayed(&client, &client.renew(address)).unwrap();
    assert_eq!((renewed.kind(), renewed.yiaddr()), (kind::ACK, address));
    lab.unix += YEARS;
    lab.rest(Duration::from_secs(3590));
    assert!(lab.is_leased(address), "its time is not over");
    lab.rest(Duration::from_secs(20));
    assert!(!lab.is_leased(address), "it is");
}

/// A server that runs while its wall clock is set writes its leases anew, so that a restart believes what is meant: none ends early
/// where the clock was slow, and none lives longer where it was fast.
#[test]
fn a_wall_clock_that_is_set() {
    const MINUTE: Duration = Duration::from_secs(60);
    let mut lab = Lab::new(wide(config(), 1000));
    let early = lab.login(&cpe(0)).unwrap();
    lab.rest(50 * MINUTE);
    let addresses: Vec<_> = (1..=600).map(|number| lab.login(&cpe(number)).unwrap()).collect();
    lab.rest(15 * MINUTE);
    assert!(!lab.is_leased(early));
    for (forward, crash) in [(true, false), (false, true), (false, false), (true, true)] {
        lab.unix = if forward { lab.unix + 40 * MINUTE } else { lab.unix - 40 * MINUTE };
        lab.server.watch_clock(lab.now, lab.unix);
        for _ in 0..100 {
            lab.rest(Duration::from_millis(10));
            lab.carry_out();
        }
        if crash {
            lab.crash();
        }
        assert!(addresses.iter().all(|address| lab.is_leased(*address)), "{forward}");
        assert!(!lab.is_leased(early), "{forward}: back to life");
    }
    lab.rest(40 * MINUTE);
    assert!(lab.is_leased(addresses[0]), "five minutes before its end");
    lab.rest(6 * MINUTE);
    assert!(!addresses.iter().any(|address| lab.is_leased(*address)));
}

/// A client that takes small messages only gets what it wants most (option 57), and all replies are as long as BOOTP's, which some
/// clients insist on.
#[test]
fn how_long_replies_are() {
    let mut config = config();
    let long = vec![7; 200];
    config.subnets[0].options = vec![(code::DOMAIN_NAME, b"example.net".to_vec()), (43, long.clone()), (120, long)];
    let mut lab = Lab::new(config);
    let ask = |lab: &mut Lab, number, size: Option<u16>| {
        let client = cpe(number).tagged(None);
        let discover = client.message(kind::DISCOVER, |builder| {
            let builder = builder.option(code::PARAMETER_LIST, &[3, 120, 6, 15, 43]);
            match size {
                Some(size) => builder.option(code::MAX_SIZE, &size.to_be_bytes()),
                None => builder,
            }
        });
        lab.relayed(&client, &discover).unwrap()
    };
    let has = |reply: &Reply| [3, 120, 6, 15, 43].map(|code| reply.message().option(code).is_some());
    assert_eq!(has(&ask(&mut lab, 1, None)), [true; 5]);
    assert_eq!(has(&ask(&mut lab, 2, Some(1500))), [true; 5]);
    for small in [576, 0] {
        let reply = ask(&mut lab, 3, Some(small));
        assert_eq!(has(&reply), [true, true, true, true, false], "{small}");
        assert!(reply.octets.len() - reply.message().agent_information().map_or(0, <[u8]>::len) <= 576 - 28);
    }
    let bare = cpe(1).tagged(None);
    let plain = Lab::new(self::config()).relayed(&bare, &bare.select(ip("172.16.9.9"))).unwrap();
    assert_eq!((plain.kind(), plain.octets.len()), (kind::NAK, 300));
}
