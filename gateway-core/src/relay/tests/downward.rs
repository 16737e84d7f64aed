//! From servers to clients.

use super::*;

/// The whole exchange: DISCOVER, OFFER, REQUEST, ACK. The login is reported before its ACK leaves; option 82 is gone
/// from what the client gets, and everything else is as the server sent it.
/// BR-2 BR-4
#[test]
fn a_login() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, client(kind::DISCOVER));
    from_server!(relay, capable_reply(&sent, kind::OFFER));
    wanted!(relay, Command::Heard { .. } => ());
    let offer = wanted!(relay, Command::ToClient(down) => down);
    assert_eq!((offer.destination_mac, offer.destination, offer.source), (MAC, ADDRESS, GIADDR));

    let sent = relayed(&mut relay, request());
    from_server!(relay, capable_reply(&sent, kind::ACK));
    wanted!(relay, Command::Heard { server: SERVER, .. } => ());
    let login = wanted!(relay, Command::Bound(login) => *login);
    let ack = wanted!(relay, Command::ToClient(down) => down);
    assert_eq!(relay.poll_command(), None);

    assert_eq!(login.address, ADDRESS);
    assert_eq!(login.hardware, HardwareAddress::ethernet(MAC));
    assert_eq!(login.client_id.as_deref(), Some(CLIENT_ID));
    assert_eq!((login.line, login.fpc, login.epoch), (LINE, FPC0, EPOCH));
    assert_eq!((login.server, login.server_identifier, login.giaddr), (SERVER, SERVER, GIADDR));
    assert_eq!(Some(&login.agent_information[..]), Message::parse(&sent).unwrap().agent_information());
    assert_eq!(login.scope, Some(ScopeKind::Address(GIADDR)));
    assert_eq!((login.at, login.expires), (NOW, NOW + Duration::from_secs(3600)));

    let message = Message::parse(&ack.payload).unwrap();
    assert_eq!((message.agent_count(), message.kind()), (0, Some(kind::ACK)));
    let bare = stripped_reply(&sent, kind::ACK).finish();
    assert_eq!(ack.payload[..bare.len()], bare);
    assert!(ack.payload[bare.len()..].iter().all(|octet| *octet == 0), "only padding to 300 octets");
}

/// Option 82 alone brings a reply home: a relay that has forgotten everything delivers it to the same line, and has
/// the same login but for the client-id, which the server did not repeat.
/// BR-11
#[test]
fn option_82_brings_the_reply_home() {
    let mut first = relay(config());
    let sent = relayed(&mut first, request());
    let mut second = relay(config());
    from_server!(second, capable_reply(&sent, kind::ACK));
    wanted!(second, Command::Heard { .. } => ());
    let login = wanted!(second, Command::Bound(login) => *login);
    assert_eq!((login.line, login.fpc, login.epoch, login.client_id), (LINE, FPC0, EPOCH, None));
    assert_eq!(Some(&login.agent_information[..]), Message::parse(&sent).unwrap().agent_information());
    assert_eq!(wanted!(second, Command::ToClient(down) => down.line), LINE);
}

/// The client-id is the one the client sent; where that is forgotten, the one the server repeats (RFC 6842).
#[test]
fn the_client_id_of_a_login() {
    let mut first = relay(config());
    assert_eq!(log_in(&mut first).client_id.as_deref(), Some(CLIENT_ID));

    let mut second = relay(config());
    let sent = relayed(&mut first, request());
    from_server!(second, reply(&sent, kind::ACK).option(code::CLIENT_ID, b"\0echoed"));
    wanted!(second, Command::Heard { .. } => ());
    assert_eq!(wanted!(second, Command::Bound(login) => login.client_id).as_deref(), Some(&b"\0echoed"[..]));
}

/// What a client left behind its hardware address is no part of who it is.
#[test]
fn octets_behind_the_hardware_address() {
    let mut relay = relay(config());
    let mut chaddr = [0xee; 16];
    chaddr[..6].copy_from_slice(&MAC);
    let hardware = HardwareAddress::new(1, 6, chaddr).unwrap();
    let sent = relayed(&mut relay, request().hardware(hardware));
    assert_eq!(sent[28..44], chaddr, "relayed as it is");
    from_server!(relay, stripped_reply(&sent, kind::ACK).hardware(HardwareAddress::ethernet(MAC)));
    wanted!(relay, Command::Heard { .. } => ());
    assert_eq!(wanted!(relay, Command::Bound(login) => login.hardware), HardwareAddress::ethernet(MAC));
}

/// Broadcast, when the client asks for it or has no Ethernet address; to its address otherwise.
#[test]
fn by_broadcast_or_unicast() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, client(kind::DISCOVER).flags(dhcp4::BROADCAST));
    from_server!(relay, reply(&sent, kind::OFFER));
    wanted!(relay, Command::Heard { .. } => ());
    let down = wanted!(relay, Command::ToClient(down) => down);
    assert_eq!((down.destination_mac, down.destination), (BROADCAST_MAC, Ipv4Addr::BROADCAST));
    assert!(down.is_broadcast());

    let hardware = HardwareAddress::new(32, 8, [9; 16]).unwrap();
    let sent = relayed(&mut relay, client(kind::DISCOVER).hardware(hardware));
    from_server!(relay, reply(&sent, kind::OFFER));
    wanted!(relay, Command::Heard { .. } => ());
    assert!(wanted!(relay, Command::ToClient(down) => down).is_broadcast());

    let sent = relayed(&mut relay, client(kind::DISCOVER));
    from_server!(relay, reply(&sent, kind::OFFER));
    wanted!(relay, Command::Heard { .. } => ());
    assert!(!wanted!(relay, Command::ToClient(down) => down).is_broadcast());
}

/// The answer to INFORM goes to the address the client has, and makes no login.
#[test]
fn inform() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, client(kind::INFORM).ciaddr(ADDRESS));
    let agent = Message::parse(&sent).unwrap().agent_information().unwrap().to_vec();
    from_server!(
        relay,
        Builder::reply(&Message::parse(&sent).unwrap())
            .ciaddr(ADDRESS)
            .kind(kind::ACK)
            .option(code::AGENT_INFORMATION, &agent)
    );
    wanted!(relay, Command::Heard { .. } => ());
    let down = wanted!(relay, Command::ToClient(down) => down);
    assert_eq!((down.destination_mac, down.destination), (MAC, ADDRESS));
    assert_eq!(relay.poll_command(), None);
}

/// A NAK is broadcast, whatever the flags say, and reported with the address that was refused.
#[test]
fn nak() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, request());
    from_server!(relay, reply(&sent, kind::NAK));
    let refused = Command::Refused {
        address: Some(ADDRESS),
        hardware: HardwareAddress::ethernet(MAC),
        line: LINE,
        server: SERVER,
    };
    assert_eq!(relay.poll_command(), Some(refused));
    let down = wanted!(relay, Command::ToClient(down) => down);
    assert!(down.is_broadcast());
    assert_eq!(relay.poll_command(), None);

    // also when the server names the address it refuses
    from_server!(relay, reply(&sent, kind::NAK).ciaddr(ADDRESS));
    wanted!(relay, Command::Refused { .. } => ());
    assert!(wanted!(relay, Command::ToClient(down) => down).is_broadcast());
}

/// Option 82 is the better witness: a client that moved to another line meanwhile, and used the same xid, does not
/// lend its client-id to the answer for the line before.
#[test]
fn the_same_xid_on_another_line() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, request());
    let moved = client(kind::REQUEST).option(code::CLIENT_ID, b"moved").finish();
    relay.handle_client(OTHER_LINE, &broadcast(&moved), NOW);
    commands(&mut relay);
    from_server!(relay, reply(&sent, kind::ACK));
    wanted!(relay, Command::Heard { .. } => ());
    let login = wanted!(relay, Command::Bound(login) => *login);
    assert_eq!((login.line, login.client_id), (LINE, None));
    assert_eq!(wanted!(relay, Command::ToClient(down) => down.line), LINE);
}

/// A DISCOVER with rapid commit is answered by an ACK (RFC 4039): a login like any other.
#[test]
fn rapid_commit() {
    let mut relay = relay(config());
    let sent =
        relayed(&mut relay, client(kind::DISCOVER).option(code::RAPID_COMMIT, &[]).option(code::CLIENT_ID, CLIENT_ID));
    from_server!(relay, stripped_reply(&sent, kind::ACK));
    wanted!(relay, Command::Heard { .. } => ());
    let login = wanted!(relay, Command::Bound(login) => *login);
    assert_eq!(login.client_id.as_deref(), Some(CLIENT_ID));
}

/// A server that answers twice: the same login is reported again, and nothing else comes of it.
#[test]
fn an_answer_twice() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, request());
    from_server!(relay, capable_reply(&sent, kind::ACK));
    let once = commands(&mut relay);
    from_server!(relay, capable_reply(&sent, kind::ACK));
    assert_eq!(commands(&mut relay), once);
    assert!(matches!(once[..], [Command::Heard { .. }, Command::Bound(_), Command::ToClient(_)]));
}

/// An infinite lease never ends; one of no time is no login; one of the longest finite time does not overflow.
#[test]
fn lease_times() {
    let mut relay = relay(config());
    let ends =
        [(u32::MAX, Some(Instant::NEVER)), (0, None), (u32::MAX - 1, Some(NOW + Duration::from_secs(0xffff_fffe)))];
    for (seconds, expires) in ends {
        let sent = relayed(&mut relay, request());
        let ack = Builder::reply(&Message::parse(&sent).unwrap()).kind(kind::ACK).yiaddr(ADDRESS);
        from_server!(relay, ack.number(code::LEASE_TIME, seconds));
        wanted!(relay, Command::Heard { .. } => ());
        let bound = commands(&mut relay).into_iter().find_map(|command| match command {
            Command::Bound(login) => Some(login.expires),
            _ => None,
        });
        assert_eq!(bound, expires);
    }
}

/// While a restart is decided neither DISCOVER nor REQUEST go up and no login comes down; RELEASE does go up.
/// H-BR-9
#[test]
fn a_frozen_fpc() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, request());
    relay.freeze(FPC0);
    from_client!(relay, client(kind::DISCOVER));
    from_client!(relay, request());
    assert_eq!(relay.poll_command(), None);
    assert_eq!(relay.counters().get(Reason::Frozen), 2);

    from_server!(relay, capable_reply(&sent, kind::ACK));
    wanted!(relay, Command::Heard { .. } => ());
    assert_eq!(relay.poll_command(), None);
    from_client!(relay, client(kind::RELEASE).ciaddr(ADDRESS));
    wanted!(relay, Command::ToServer(_) => ());

    // the other FPC goes on
    let payload = client(kind::DISCOVER).finish();
    commands(&mut relay);
    relay.handle_client(OTHER_LINE, &broadcast(&payload), NOW);
    assert_eq!(wanted!(relay, Command::ToServer(sent) => sent.giaddr), OTHER_GIADDR);
}

/// The ACK to a request of before the restart never makes a login of after it, whether option 82 or memory tells its
/// epoch; the client asks again and gets the new epoch.
/// H-BR-9
#[test]
fn a_late_ack_of_an_older_epoch() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, request());
    relay.freeze(FPC0);
    relay.thaw(FPC0, Epoch(8));
    for ack in [capable_reply(&sent, kind::ACK), stripped_reply(&sent, kind::ACK)] {
        from_server!(relay, ack);
        wanted!(relay, Command::Heard { .. } => ());
        assert_eq!(relay.poll_command(), None);
    }
    assert_eq!(relay.counters().get(Reason::StaleEpoch), 2);
    assert_eq!(log_in(&mut relay).epoch, Epoch(8));
}
