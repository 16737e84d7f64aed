//! From clients to servers.

use super::*;

/// RFC 8415 19.1.1, RFC 4649, RFC 5460 5.4.1, RFC 6939: the first relay's RELAY-FORW, to every server.
#[test]
fn the_first_relay() {
    let other = ip("2001:db8:ffff::3");
    let remote_id = RemoteId { enterprise: 32473, id: crate::relay::Template::new("{mac}@{giaddr}").unwrap() };
    let mut relay = relay(RelayConfig { servers: vec![server(), other], remote_id: Some(remote_id), ..config() });
    let solicit = finish(client(kind::SOLICIT));
    relay.handle_client(LINE, &datagram(&solicit), NOW);
    let [Command::ToServer(first), Command::ToServer(second)] = &commands(&mut relay)[..] else { panic!("two copies") };
    assert_eq!((first.server, second.server, first.source), (server(), other, link()));
    assert_eq!(first.payload, second.payload);

    let forward = RelayMessage::parse(&first.payload).unwrap();
    assert_eq!((forward.kind(), forward.hop_count()), (kind::RELAY_FORW, 0));
    assert_eq!((forward.link_address(), forward.peer_address()), (link(), peer()));
    assert_eq!(forward.inner(), Ok(&solicit[..]));
    assert_eq!(forward.relay_id().unwrap(), Some(config().duid.as_duid()));
    let remote = forward.options().remote_id().unwrap().unwrap();
    assert_eq!((remote.enterprise, remote.id), (32473, &b"02:00:00:00:00:01@2001:db8:0:a::1"[..]));
    let hardware = forward.options().client_link_layer().unwrap().and_then(|hardware| hardware.mac());
    assert_eq!(hardware, Some(MAC));
    assert!(forward.interface_id().unwrap().unwrap().starts_with(b"ge0:100.7"));
}

/// RFC 8415 19: a relay forwards what it does not know, as it is, even when its options make no sense.
#[test]
fn unknown_types_and_nonsense_within() {
    let mut relay = relay(config());
    for kind in [kind::DHCPV4_QUERY, 36, 99, 200, 255] {
        for tail in [&[][..], &[0xff; 7], &[0, 1, 0, 200, 1]] {
            let message = [&[kind, 1, 2, 3], tail].concat();
            let sent = relayed(&mut relay, &message);
            assert_eq!(Nest::walk(&sent).unwrap().message(), message);
        }
    }
}

/// RFC 8415 19.1.2, RFC 6221, RFC 6422: a relay below, an LDRA and a relay with an address of its own: one hop more, the
/// link-address only where the relay below could not tell, and everything that it said as it said it, RSOO included.
/// RFC 6939 5: its client's MAC is its business.
#[test]
fn relays_below() {
    let mut relay = relay(config());
    let solicit = finish(client(kind::SOLICIT));
    let rsoo = Builder::options().u32(65, 7).finish().unwrap();
    let options = [(code::INTERFACE_ID, &b"ldra port 3"[..]), (code::RSOO, &rsoo)];
    let below = relay_forward(&solicit, Ipv6Addr::UNSPECIFIED, peer(), &options).unwrap();
    let trusted = ip("2001:db8:0:b::1");
    for (source, wanted) in [(peer(), trusted), (ip("2001:db8:77::1"), Ipv6Addr::UNSPECIFIED)] {
        let from = Datagram6 { source: SocketAddrV6::new(source, 547, 0, 0), ..datagram(&below) };
        let sent = relayed_on(&mut relay, trusted_line(), &from);
        let nest = Nest::walk(&sent).unwrap();
        let forward = nest.outermost();
        assert_eq!((nest.depth(), forward.hop_count()), (2, 1));
        assert_eq!((forward.link_address(), forward.peer_address()), (wanted, source));
        assert_eq!(forward.inner(), Ok(&below[..]));
        assert!(nest.innermost().options().relay_supplied().unwrap().unwrap().find(65).is_some());
        assert_eq!(forward.options().client_link_layer(), Ok(None));
        assert_eq!(forward.options().find(code::RELAY_PORT), None);
    }
    // RFC 8357 5.2: its port is not 547
    let from = Datagram6 { source: SocketAddrV6::new(peer(), 4711, 0, 0), ..datagram(&below) };
    let sent = relayed_on(&mut relay, trusted_line(), &from);
    assert_eq!(RelayMessage::parse(&sent).unwrap().options().u16(code::RELAY_PORT), Ok(Some(4711)));
}

/// RFC 8415 19.1.2: the hop limit; eight relays below are one too many.
#[test]
fn the_hop_limit() {
    let mut relay = relay(config());
    let mut message = finish(client(kind::SOLICIT));
    for hops in 0..8 {
        message = relay_forward(&message, Ipv6Addr::UNSPECIFIED, peer(), &[]).unwrap();
        let sent = relayed_on(&mut relay, trusted_line(), &datagram(&message));
        assert_eq!(RelayMessage::parse(&sent).unwrap().hop_count(), hops + 1);
    }
    message = relay_forward(&message, Ipv6Addr::UNSPECIFIED, peer(), &[]).unwrap();
    relay.handle_client(trusted_line(), &datagram(&message), NOW);
    dropped(&mut relay, Reason::Hops);
}

/// RR-6, RR-33, RR-41, RR-42, RR-43, H-RR-8: a RELEASE-REQUEST from a subscriber's port is dropped, bare or relayed; from
/// where relays are trusted it is relayed by the normal rules if that is configured.
#[test]
fn a_release_request_from_below() {
    let types = config().release_types;
    let request = finish(client(types.request()));
    let below = relay_forward(&request, ip("2001:db8:7::"), ip("2001:db8:7::9"), &[]).unwrap();
    for (forward, line, passes) in
        [(false, LINE, false), (true, LINE, false), (false, trusted_line(), false), (true, trusted_line(), true)]
    {
        for message in [&request, &below] {
            let mut relay = relay(RelayConfig { forward_release_requests: forward, ..config() });
            if passes {
                let sent = relayed_on(&mut relay, line, &datagram(message));
                assert_eq!(RelayMessage::parse(&sent).unwrap().inner(), Ok(&message[..]));
                continue;
            }
            relay.handle_client(line, &datagram(message), NOW);
            let untrusted = message == &below && line == LINE;
            dropped(&mut relay, if untrusted { Reason::UntrustedRelay } else { Reason::ForgedRelease });
        }
    }
}

/// H-BR-9: while a restart is decided nothing that makes or extends a lease goes up; what gives up or only asks does.
#[test]
fn a_frozen_fpc() {
    let mut relay = relay(config());
    relay.freeze(FPC0);
    for kind in [kind::SOLICIT, kind::REQUEST, kind::RENEW, kind::REBIND] {
        relay.handle_client(LINE, &datagram(&finish(client(kind))), NOW);
    }
    assert_eq!(commands(&mut relay), []);
    assert_eq!(relay.counters().get(Reason::Frozen), 4);
    for kind in [kind::RELEASE, kind::DECLINE, kind::CONFIRM, kind::INFORMATION_REQUEST] {
        relayed(&mut relay, &finish(client(kind)));
    }
}

/// Who speaks is found through any relays.
#[test]
fn speakers() {
    let release = finish(client(kind::RELEASE));
    let below = relay_forward(&release, Ipv6Addr::UNSPECIFIED, peer(), &[]).unwrap();
    for (message, relayed) in [(&release, false), (&below, true)] {
        let found = speaker(message).unwrap();
        assert_eq!((found.kind, found.client, found.relayed), (kind::RELEASE, Some(client_id().as_duid()), relayed));
        assert!(found.gives_up() && !found.logs_in());
    }
    assert_eq!(speaker(&[]), None);
    assert_eq!(speaker(&[kind::REBIND, 0, 0, 0, 9]).map(|found| (found.client, found.logs_in())), Some((None, true)));
}
