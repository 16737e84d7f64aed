//! From servers to clients.

use super::*;

fn bound(commands: &[Command]) -> Option<&Login> {
    commands.iter().find_map(|command| match command {
        Command::Bound(login, _) => Some(&**login),
        _ => None,
    })
}

fn down(commands: &[Command]) -> Option<&ToClient> {
    commands.iter().find_map(|command| match command {
        Command::ToClient(down) => Some(down),
        _ => None,
    })
}

/// Leases, IAs, and why they end.
type Ends = (Vec<Prefix>, Vec<(IaKind, u32)>, EndReason);

fn unbound(commands: &[Command]) -> Vec<Ends> {
    let unbound = |command: &Command| match command {
        Command::Unbound { leases, ias, reason, .. } => Some((leases.clone(), ias.clone(), *reason)),
        _ => None,
    };
    commands.iter().filter_map(unbound).collect()
}

/// RFC 8415 19.2: SOLICIT, ADVERTISE, REQUEST, REPLY. The login is reported before its REPLY leaves, which is what the
/// server put into the RELAY-REPL, octet by octet. RR-23: client-id and server-id of each lease are told.
#[test]
fn a_login() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, &finish(client(kind::SOLICIT)));
    let advertise = reply(kind::ADVERTISE, |out| leases(out, 3600));
    let told = answered(&mut relay, &sent, &advertise);
    assert_eq!(bound(&told), None);
    assert_eq!(down(&told).unwrap().payload, advertise);

    let sent = relayed(&mut relay, &finish(client(kind::REQUEST)));
    let message = reply(kind::REPLY, |out| leases(out, 3600));
    let told = answered(&mut relay, &sent, &message);
    let [Command::Bound(login, _), Command::ToClient(down)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&login.client, &login.server_id, login.server), (&client_id(), &server_id(), server()));
    assert_eq!((login.line, login.mac, login.peer, login.fpc, login.epoch), (LINE, MAC, peer(), FPC0, EPOCH));
    assert!(!login.relayed);
    let leased = |kind, text, length| crate::v6::Grant {
        prefix: prefix(text, length),
        kind,
        iaid: Some(1),
        expires: NOW + Duration::from_secs(3600),
    };
    assert_eq!(login.granted, [leased(IaKind::Na, "2001:db8:1::100", 128), leased(IaKind::Pd, "2001:db8:100::", 56)]);
    assert_eq!((down.line, down.destination_mac, down.destination, down.port), (LINE, MAC, peer(), 546));
    assert_eq!(down.payload, message);
}

/// RFC 8415 18.3.1, 21.18: a REPLY to a SOLICIT with rapid commit binds; and the Interface-Id alone brings it home: a relay
/// that has forgotten everything makes the same login of it.
#[test]
fn the_interface_id_brings_the_reply_home() {
    let mut solicit = client(kind::SOLICIT);
    solicit.option(code::RAPID_COMMIT, &[]);
    let sent = relayed(&mut relay(config()), &finish(solicit));
    let message = reply(kind::REPLY, |out| leases(out.option(code::RAPID_COMMIT, &[]), 60));
    let told = answered(&mut relay(config()), &sent, &message);
    assert_eq!(bound(&told).map(|login| (login.line, login.mac, login.granted.len())), Some((LINE, MAC, 2)));
    assert_eq!(down(&told).map(|down| (down.line, down.destination)), Some((LINE, peer())));
}

/// RFC 8415 19.2, RFC 8357: to a relay below goes the RELAY-REPL that is for it, to its address and port; the login is its
/// client's, with the MAC that the traffic comes with.
#[test]
fn a_relay_below() {
    let mut relay = relay(config());
    let below = relay_forward(&finish(client(kind::REQUEST)), ip("2001:db8:7::"), peer(), &[]).unwrap();
    let mac = [2, 0, 0, 0, 0, 9];
    for (address, port) in [("fe80::9", 547), ("2001:db8:77::1", 547), ("fe80::9", 4711)] {
        let source = SocketAddrV6::new(ip(address), port, 0, 0);
        let sent = relayed_on(&mut relay, trusted_line(), &Datagram6 { source_mac: mac, source, ..datagram(&below) });
        let message = reply(kind::REPLY, |out| leases(out, 60));
        let told = answered(&mut relay, &sent, &message);
        let down = down(&told).unwrap();
        assert_eq!((down.destination_mac, down.destination, down.port), (mac, ip(address), port));
        let inner = Nest::walk(&down.payload).unwrap();
        assert_eq!((inner.depth(), inner.message()), (1, &message[..]));
        let login = bound(&told).unwrap();
        assert_eq!((&login.client, login.mac, login.peer, login.relayed), (&client_id(), mac, ip(address), true));
    }
}

/// RFC 8415 18.2.6, 18.3.10: INFORMATION-REQUEST and CONFIRM pass without a session, and a RECONFIGURE that nobody asked
/// for passes as long as the server remembers the Interface-Id, of an earlier epoch too.
#[test]
fn what_makes_no_session_passes() {
    let mut relay = relay(config());
    for (kind, fill) in [(kind::INFORMATION_REQUEST, None), (kind::CONFIRM, Some(status::NOT_ON_LINK))] {
        let sent = relayed(&mut relay, &finish(client(kind)));
        let message = reply(kind::REPLY, |out| {
            fill.map(|code| out.status(code, "elsewhere").length());
        });
        let told = answered(&mut relay, &sent, &message);
        assert!(matches!(&told[..], [Command::ToClient(down)] if down.payload == message), "{told:?}");
    }
    let sent = relayed(&mut relay, &finish(client(kind::REQUEST)));
    relay.thaw(FPC0, Epoch(8));
    let reconfigure = reply(kind::RECONFIGURE, |out| {
        out.option(code::RECONF_MSG, &[kind::RENEW]);
    });
    assert_eq!(down(&answered(&mut relay, &sent, &reconfigure)).unwrap().payload, reconfigure);
    // A server that does not repeat the client-id, because there was none.
    let bare = Builder::message(kind::REPLY, XID).duid(code::SERVER_ID, server_id().as_duid()).finish().unwrap();
    assert!(matches!(&answered(&mut relay, &sent, &bare)[..], [Command::ToClient(_)]));
}

/// RFC 8415 18.2.10.1: valid lifetime 0 ends a lease, NoBinding an IA, and NoAddrsAvail, NoPrefixAvail, UnspecFail and a
/// preferred lifetime beyond the valid one grant nothing and end nothing.
#[test]
fn lifetimes_and_statuses() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, &finish(client(kind::RENEW)));
    let told = answered(&mut relay, &sent, &reply(kind::REPLY, |out| leases(out, 0)));
    assert_eq!(bound(&told), None);
    let both = vec![prefix("2001:db8:1::100", 128), prefix("2001:db8:100::", 56)];
    assert_eq!(unbound(&told), [(both, vec![], EndReason::Gone)]);
    assert!(down(&told).is_some());

    let address = Binding::Address(ip("2001:db8:1::100"));
    for (code, ends) in [
        (status::NO_BINDING, true),
        (status::NO_ADDRS_AVAIL, false),
        (status::NO_PREFIX_AVAIL, false),
        (status::UNSPEC_FAIL, false),
        (status::NOT_ON_LINK, false),
    ] {
        let message = reply(kind::REPLY, |out| {
            out.ia(IaKind::Na, 1, [0, 0], |ia| {
                ia.lease(address, [30, 60], |_| {}).status(code, "");
            });
        });
        let told = answered(&mut relay, &sent, &message);
        assert_eq!(bound(&told), None, "{code}");
        let expected = if ends { vec![(vec![], vec![(IaKind::Na, 1)], EndReason::Gone)] } else { vec![] };
        assert_eq!(unbound(&told), expected, "{code}");
    }
    for message in [
        reply(kind::REPLY, |out| leases(out.status(status::UNSPEC_FAIL, ""), 60)),
        reply(kind::REPLY, |out| {
            out.ia(IaKind::Na, 1, [0, 0], |ia| {
                ia.lease(address, [61, 60], |_| {});
            });
        }),
    ] {
        assert!(matches!(&answered(&mut relay, &sent, &message)[..], [Command::ToClient(_)]));
    }
    let message = reply(kind::REPLY, |out| {
        out.ia(IaKind::Ta, 5, [0, 0], |ia| {
            ia.lease(address, [60, u32::MAX], |_| {});
        });
    });
    // H-RR-20: an IA_TA is accepted.
    let told = answered(&mut relay, &sent, &message);
    let granted = bound(&told).unwrap().granted[0];
    assert_eq!((granted.kind, granted.iaid, granted.expires), (IaKind::Ta, Some(5), Instant::NEVER));
}

/// RFC 8415 18.2.7, 18.2.8, 18.3.7, 18.3.8: RELEASE and DECLINE end leases when the REPLY says so, not before; not when
/// it reports a failure; an IA without a binding is as good as released. Nor does a REPLY to somebody else. A DECLINE is
/// about addresses: a delegated prefix that it names keeps its route.
#[test]
fn releases_and_declines_end_with_their_reply() {
    let (address, delegated) = (prefix("2001:db8:1::100", 128), prefix("2001:db8:100::", 56));
    for (kind, reason, given_up) in [
        (kind::RELEASE, EndReason::Released, vec![address, delegated]),
        (kind::DECLINE, EndReason::Declined, vec![address]),
    ] {
        let mut relay = relay(config());
        let mut message = client(kind);
        leases(&mut message, 0);
        let sent = relayed(&mut relay, &finish(message));
        let told = answered(&mut relay, &sent, &reply(kind::REPLY, |out| status_of(out, status::SUCCESS)));
        assert_eq!(unbound(&told), [(given_up, vec![], reason)]);
        let told = answered(&mut relay, &sent, &reply(kind::REPLY, |out| status_of(out, status::UNSPEC_FAIL)));
        assert_eq!(unbound(&told), []);
        for (failed, unknown, ends) in [
            (IaKind::Na, IaKind::Pd, (kind == kind::RELEASE).then_some(delegated)),
            (IaKind::Pd, IaKind::Na, Some(address)),
        ] {
            let told = answered(
                &mut relay,
                &sent,
                &reply(kind::REPLY, |out| {
                    for (kind, code) in [(failed, status::UNSPEC_FAIL), (unknown, status::NO_BINDING)] {
                        out.ia(kind, 1, [0, 0], |ia| status_of(ia, code));
                    }
                }),
            );
            let gone = (vec![], vec![(unknown, 1)], EndReason::Gone);
            let ends = ends.map(|lease| (vec![lease], vec![], reason));
            assert_eq!(unbound(&told), [Some(gone), ends].into_iter().flatten().collect::<Vec<_>>());
        }
        let other = DuidBuf::link_layer([9; 6]);
        let message = Builder::message(kind::REPLY, XID)
            .duid(code::CLIENT_ID, other.as_duid())
            .duid(code::SERVER_ID, server_id().as_duid())
            .finish();
        assert_eq!(unbound(&answered(&mut relay, &sent, &message.unwrap())), []);
    }
}

/// H-BR-9: neither while frozen nor with the epoch of before a restart does a REPLY make a login; the client asks again.
#[test]
fn frozen_and_stale() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, &finish(client(kind::REQUEST)));
    let message = reply(kind::REPLY, |out| leases(out, 60));
    relay.freeze(FPC0);
    assert_eq!(answered(&mut relay, &sent, &message), []);
    assert_eq!(answered(&mut relay, &sent, &reply(kind::ADVERTISE, |_| {})), []);
    assert_eq!(relay.counters().get(Reason::Frozen), 2);
    relay.thaw(FPC0, Epoch(8));
    assert_eq!(answered(&mut relay, &sent, &message), []);
    assert_eq!(answered(&mut relay, &sent, &reply(kind::ADVERTISE, |_| {})), []);
    assert_eq!(relay.counters().get(Reason::StaleEpoch), 2);
    let sent = relayed(&mut relay, &finish(client(kind::REQUEST)));
    assert_eq!(bound(&answered(&mut relay, &sent, &message)).map(|login| login.epoch), Some(Epoch(8)));
}

/// Wire format 3b: our own questions come back to us, wrapped with our address as the peer, or bare; never to a line.
#[test]
fn answers_to_our_own() {
    let mut relay = relay(config());
    let types = config().release_types;
    let answer = finish(Builder::message(types.reply(), 9));
    let mut wrapped = Builder::relay(kind::RELAY_REPL, 0, Ipv6Addr::UNSPECIFIED, link());
    wrapped.option(code::RELAY_MSG, &answer);
    for payload in [finish(wrapped), answer.clone()] {
        relay.handle_server(server(), &payload, NOW);
        assert_eq!(commands(&mut relay), [Command::ForRelease { server: server(), payload: answer.clone() }]);
    }
}
