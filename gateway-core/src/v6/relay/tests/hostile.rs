//! What must not get through.

use super::*;

/// RFC 8415 19: a subscriber says what only servers, relays and administrators say.
#[test]
fn not_a_clients_message() {
    let types = config().release_types;
    let servers = [kind::ADVERTISE, kind::REPLY, kind::RECONFIGURE, kind::LEASEQUERY_REPLY, kind::DHCPV4_RESPONSE];
    for kind in servers.into_iter().chain([types.reply()]) {
        let mut relay = relay(config());
        relay.handle_client(LINE, &datagram(&finish(client(kind))), NOW);
        dropped(&mut relay, Reason::WrongDirection);
    }
    let mut relay = relay(config());
    let downward = finish(Builder::relay(kind::RELAY_REPL, 0, link(), peer()));
    relay.handle_client(trusted_line(), &datagram(&downward), NOW);
    dropped(&mut relay, Reason::WrongDirection);
    // in a RELAY-FORW too
    let wrapped = relay_forward(&finish(client(kind::REPLY)), link(), peer(), &[]).unwrap();
    relay.handle_client(trusted_line(), &datagram(&wrapped), NOW);
    assert_eq!((commands(&mut relay), relay.counters().get(Reason::WrongDirection)), (vec![], 2));
    for kind in [kind::LEASEQUERY, kind::RECONFIGURE_REQUEST] {
        relay.handle_client(LINE, &datagram(&finish(client(kind))), NOW);
        relayed_on(&mut relay, trusted_line(), &datagram(&finish(client(kind))));
    }
    assert_eq!(relay.counters().get(Reason::NotClients), 2);
}

/// H-RR-8, RFC 6221 5: relays and LDRAs are believed only where the operator says so, and never when they are us.
#[test]
fn untrusted_relays() {
    let mut relay = relay(config());
    let solicit = finish(client(kind::SOLICIT));
    let below = relay_forward(&solicit, link(), peer(), &[]).unwrap();
    relay.handle_client(LINE, &datagram(&below), NOW);
    dropped(&mut relay, Reason::UntrustedRelay);

    let duid = config().duid;
    let ours = relay_forward(&solicit, link(), peer(), &[(code::RELAY_ID, duid.as_duid().octets())]).unwrap();
    let deeper = relay_forward(&ours, Ipv6Addr::UNSPECIFIED, peer(), &[]).unwrap();
    relay.handle_client(trusted_line(), &datagram(&ours), NOW);
    relay.handle_client(trusted_line(), &datagram(&deeper), NOW);
    // Its answer would come to us and not to a line.
    let source = SocketAddrV6::new(ip("2001:db8:0:b::1"), 547, 0, 0);
    relay.handle_client(trusted_line(), &Datagram6 { source, ..datagram(&solicit) }, NOW);
    assert_eq!((commands(&mut relay), relay.counters().get(Reason::SpoofedRelay)), (vec![], 3));
}

#[test]
fn what_can_not_be_answered() {
    let mut relay = relay(config());
    let solicit = finish(client(kind::SOLICIT));
    for source in ["::", "ff02::1", "::1"] {
        let source = SocketAddrV6::new(ip(source), 546, 0, 0);
        relay.handle_client(LINE, &Datagram6 { source, ..datagram(&solicit) }, NOW);
    }
    assert_eq!((commands(&mut relay), relay.counters().get(Reason::Source)), (vec![], 3));
    let nowhere = Line { port: PortId(9), tags: VlanTags::NONE };
    relay.handle_client(nowhere, &datagram(&solicit), NOW);
    assert_eq!(relay.counters().get(Reason::UnknownPort), 1);
    for payload in [&[][..], &[1, 2, 3], &[kind::RELAY_FORW, 0, 0]] {
        relay.handle_client(trusted_line(), &datagram(payload), NOW);
    }
    assert_eq!((commands(&mut relay), relay.counters().get(Reason::Malformed)), (vec![], 3));
    relay.handle_client(LINE, &datagram(&[&[kind::INFORMATION_REQUEST][..], &[0; 65_600]].concat()), NOW);
    dropped(&mut relay, Reason::TooLong);
}

/// H-RR-8, RFC 8415 16.2 to 16.9: a message that a lenient server would take for some client's, and that this relay can't
/// tell whose it is, is not passed on, whether it comes from the client or through a relay below.
#[test]
fn nobodys_message() {
    let mut relay = relay(config());
    let kinds = [kind::SOLICIT, kind::REQUEST, kind::CONFIRM, kind::RENEW, kind::REBIND, kind::RELEASE, kind::DECLINE];
    for kind in kinds {
        let whole = finish(client(kind));
        let with_a_tail = [&whole[..], &[0]].concat();
        let anonymous = &whole[..4];
        for message in [&with_a_tail[..], anonymous] {
            let below = relay_forward(message, link(), peer(), &[]).unwrap();
            relay.handle_client(LINE, &datagram(message), NOW);
            relay.handle_client(trusted_line(), &datagram(&below), NOW);
        }
    }
    let dropped = relay.counters().get(Reason::Malformed);
    assert_eq!((commands(&mut relay), dropped), (vec![], 4 * kinds.len() as u64));
    // Who asks for no lease needs no name.
    relayed_on(&mut relay, LINE, &datagram(&finish(client(kind::INFORMATION_REQUEST))[..4]));
}

/// RFC 8415 21.18: an Interface-Id that was changed in any octet, cut, another gateway's, of another secret, of an epoch
/// that there has not been, or missing, is refused.
#[test]
fn forged_interface_ids() {
    let message = reply(kind::REPLY, |out| leases(out, 60));
    let answer = |value: Option<&[u8]>| {
        let mut out = Builder::relay(kind::RELAY_REPL, 0, link(), peer());
        if let Some(value) = value {
            out.option(code::INTERFACE_ID, value);
        }
        out.option(code::RELAY_MSG, &message);
        finish(out)
    };
    let of = |config: RelayConfig| {
        let sent = relayed(&mut relay(config), &finish(client(kind::REQUEST)));
        RelayMessage::parse(&sent).unwrap().interface_id().unwrap().unwrap().to_vec()
    };
    let refused = |payload: &[u8]| {
        let mut relay = relay(config());
        relay.handle_server(server(), payload, NOW);
        dropped(&mut relay, Reason::ForeignInterface);
    };
    let ours = of(config());
    let mut relay = relay(config());
    relay.handle_server(server(), &answer(Some(&ours)), NOW);
    assert_eq!(commands(&mut relay).len(), 2, "as it is, it counts");
    for at in 0..ours.len() {
        let mut changed = ours.clone();
        changed[at] ^= 1;
        refused(&answer(Some(&changed)));
        refused(&answer(Some(&ours[..at])));
    }
    refused(&answer(None));
    refused(&answer(Some(&of(RelayConfig { secret: b"another".to_vec(), ..config() }))));
    refused(&answer(Some(&of(RelayConfig { duid: DuidBuf::link_layer([7; 6]), ..config() }))));
    let mut ahead = super::relay(config());
    ahead.thaw(FPC0, Epoch(8));
    let sent = relayed(&mut ahead, &finish(client(kind::REQUEST)));
    refused(&answer(RelayMessage::parse(&sent).unwrap().interface_id().unwrap()));
}

/// What no server says, and who is none; two Interface-Ids; a link that is not that of the line.
#[test]
fn not_a_servers_message() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, &finish(client(kind::REQUEST)));
    let message = reply(kind::REPLY, |out| leases(out, 60));
    let good = Nest::walk(&sent).unwrap().reply(&message).unwrap();
    relay.handle_server(ip("2001:db8::bad"), &good, NOW);
    dropped(&mut relay, Reason::UnknownServer);
    relay.handle_server(server(), &message, NOW);
    relay.handle_server(server(), &sent, NOW);
    assert_eq!((commands(&mut relay), relay.counters().get(Reason::WrongDirection)), (vec![], 2));
    let mut other_link = good.clone();
    other_link[17] ^= 1;
    relay.handle_server(server(), &other_link, NOW);
    dropped(&mut relay, Reason::ForeignLink);
    let twice = [&good[..], &Builder::options().option(code::INTERFACE_ID, b"x").finish().unwrap()].concat();
    relay.handle_server(server(), &twice, NOW);
    dropped(&mut relay, Reason::Malformed);
    // RFC 8415 7.1: where servers are reached by multicast, the Interface-Id alone vouches for a reply.
    let mut any = super::relay(RelayConfig { servers: vec![ip("ff05::1:3")], ..config() });
    any.handle_server(ip("2001:db8::1:547"), &good, NOW);
    assert_eq!(commands(&mut any).len(), 2);
}

/// RR-32, H-RR-8: clients have to drop RELEASE-REQUEST and its reply, and never get to see either. A request is no answer
/// to anybody, a relay below included; a reply goes down only where there may be a relay that has asked.
#[test]
fn nothing_about_releases_for_a_client() {
    let types = config().release_types;
    for kind in [types.request(), types.reply()] {
        let message = reply(kind, |out| status_of(out, status::SUCCESS));
        let mut relay = relay(config());
        let sent = relayed(&mut relay, &finish(client(kind::SOLICIT)));
        assert_eq!(answered(&mut relay, &sent, &message), []);
        dropped(&mut relay, Reason::WrongDirection);
        let below = relay_forward(&finish(client(kind::SOLICIT)), ip("2001:db8:7::"), peer(), &[]).unwrap();
        let sent = relayed_on(&mut relay, trusted_line(), &datagram(&below));
        assert_eq!(answered(&mut relay, &sent, &message).len(), usize::from(kind == types.reply()));
    }
}

/// RFC 8415 4.2: two IAs of one kind with one IAID can't be told apart, so nothing is bound and nothing delivered; two of
/// different kinds are two.
#[test]
fn two_ias_with_one_iaid() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, &finish(client(kind::REQUEST)));
    let message = reply(kind::REPLY, |out| {
        leases(out, 60);
        leases(out, 60);
    });
    assert_eq!(answered(&mut relay, &sent, &message), []);
    dropped(&mut relay, Reason::Malformed);
    let message = reply(kind::REPLY, |out| leases(out, 60));
    assert_eq!(answered(&mut relay, &sent, &message).len(), 2);
}

/// A lease that nobody can have: of a link, of a group, of us, of everybody.
#[test]
fn unfit_leases() {
    for (text, length) in
        [("fe80::", 64), ("ff0e::1", 128), ("::", 64), ("::1", 128), ("2000::", 3), ("2001:db8::", 48)]
    {
        let mut relay = relay(config());
        let sent = relayed(&mut relay, &finish(client(kind::REQUEST)));
        let binding = Binding::Prefix(prefix(text, length));
        let message = reply(kind::REPLY, |out| {
            out.ia(IaKind::Pd, 1, [0, 0], |ia| {
                ia.lease(binding, [60, 60], |_| {});
            });
        });
        answered(&mut relay, &sent, &message);
        dropped(&mut relay, Reason::UnfitLease);
    }
}

/// A flood of RELEASEs takes no more memory than was said.
#[test]
fn a_flood_is_remembered_within_bounds() {
    let mut relay = relay(RelayConfig { remembered: 100, ..config() });
    for number in 0..1000u32 {
        let [a, b, c, d] = number.to_be_bytes();
        let duid = DuidBuf::link_layer([2, 0, a, b, c, d]);
        let release = Builder::message(kind::RELEASE, number).duid(code::CLIENT_ID, duid.as_duid()).finish().unwrap();
        relayed(&mut relay, &release);
    }
    assert!(relay.given_up.len() <= 100);
}

/// A configuration that can't work is refused.
#[test]
fn configurations() {
    for change in [
        |config: &mut RelayConfig| config.servers.clear(),
        |config: &mut RelayConfig| config.ports[0].fpc = FpcId(2),
        |config: &mut RelayConfig| config.fpcs[0].link_address = peer(),
        |config: &mut RelayConfig| config.fpcs[0].link_address = Ipv6Addr::UNSPECIFIED,
    ] {
        let mut config = config();
        change(&mut config);
        assert!(Relay::new(config).is_err());
    }
}
