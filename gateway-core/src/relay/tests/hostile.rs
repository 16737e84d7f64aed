//! What nobody should send, and what a flood does.

use super::*;
use crate::wire::agent::{AgentBuilder, sub};
use crate::wire::bulk_release::{Operation, Transaction};

/// Option 82 from an untrusted port.
/// H-BR-4
#[test]
fn option_82_from_an_untrusted_port() {
    let mut relay = relay(config());
    from_client!(relay, client(kind::DISCOVER).option(code::AGENT_INFORMATION, b"\x01\x01x"));
    dropped!(relay, Reason::UntrustedOption82);

    // hidden where option 52 says that options are
    let mut hidden = client(kind::DISCOVER).option(code::OVERLOAD, &[1]).finish();
    hidden[108..114].copy_from_slice(b"\x52\x03\x01\x01x\xff");
    relay.handle_client(LINE, &broadcast(&hidden), NOW);
    assert_eq!((relay.poll_command(), relay.counters().get(Reason::UntrustedOption82)), (None, 2));
}

/// A subscriber that poses as this relay: by its giaddr, or by its relay-id on a trusted port.
#[test]
fn a_spoofed_relay() {
    let mut config = config();
    config.fpcs[0].trust_option_82 = true;
    let mut relay = relay(config);
    from_client!(relay, client(kind::DISCOVER).giaddr(OTHER_GIADDR));
    dropped!(relay, Reason::SpoofedRelay);
    let ours = AgentBuilder::new().sub(sub::RELAY_ID, b"BNG-0042").finish().unwrap();
    from_client!(relay, client(kind::DISCOVER).option(code::AGENT_INFORMATION, &ours));
    from_client!(relay, client(kind::REQUEST).giaddr(SERVER).option(code::AGENT_INFORMATION, &ours));
    assert_eq!((relay.poll_command(), relay.counters().get(Reason::SpoofedRelay)), (None, 3));
}

/// A single logout from a subscriber: refused for its missing hardware address, for its elements, for its type.
/// H-BR-13
#[test]
fn a_forged_single_logout() {
    let mut config = config();
    config.fpcs[0].trust_option_82 = true;
    config.points.request_type = 200;
    let points = config.points;
    let mut relay = relay(config);
    let transaction = Transaction { operation: Operation::Release, final_: false, txid: 1, count: 1 };
    let forged = BulkRelease { transaction: Some(transaction), ..BulkRelease::default() };
    let value = forged.encode(&points).into_iter().fold(AgentBuilder::new(), |b, (code, value)| b.sub(code, &value));
    let value = value.finish().unwrap();

    from_client!(relay, client(kind::RELEASE).hardware(HardwareAddress::NONE));
    dropped!(relay, Reason::NoHardware);
    for giaddr in [Ipv4Addr::UNSPECIFIED, SERVER] {
        from_client!(relay, client(kind::RELEASE).giaddr(giaddr).option(code::AGENT_INFORMATION, &value));
    }
    assert_eq!((relay.poll_command(), relay.counters().get(Reason::ForgedRelease)), (None, 2));
    for kind in [200, kind::BULK_RELEASE_REPLY, kind::LEASEQUERY, kind::FORCERENEW, kind::OFFER, kind::ACK] {
        from_client!(relay, client(kind));
    }
    assert_eq!((relay.poll_command(), relay.counters().get(Reason::Kind)), (None, 6));
}

/// Two message types in one message: two readers could disagree on what it is.
#[test]
fn a_message_of_two_kinds() {
    let mut relay = relay(config());
    from_client!(relay, client(kind::DISCOVER).kind(kind::RELEASE));
    dropped!(relay, Reason::Kind);
}

/// A reply from a subscriber, a request from a server.
#[test]
fn the_wrong_direction() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, request());
    let ack = reply(&sent, kind::ACK).finish();
    relay.handle_client(LINE, &broadcast(&ack), NOW);
    dropped!(relay, Reason::WrongDirection);
    relay.handle_server(SERVER, &sent, NOW);
    assert_eq!((relay.poll_command(), relay.counters().get(Reason::WrongDirection)), (None, 2));
}

/// RFC 1542 4.1.1: discard what has passed more than 16 relays.
#[test]
fn too_many_hops() {
    let mut relay = relay(config());
    from_client!(relay, client(kind::DISCOVER).hops(17));
    dropped!(relay, Reason::Hops);
    from_client!(relay, client(kind::DISCOVER).hops(16));
    wanted!(relay, Command::ToServer(sent) => assert_eq!(Message::parse(&sent.payload).unwrap().hops(), 17));

    let mut relay = super::relay(RelayConfig { max_hops: 255, ..config() });
    from_client!(relay, client(kind::DISCOVER).hops(255));
    wanted!(relay, Command::ToServer(sent) => assert_eq!(Message::parse(&sent.payload).unwrap().hops(), 255));
}

/// An hlen of 255, options that are cut, octets that are nothing: dropped with a reason.
#[test]
fn garbage() {
    let mut relay = relay(config());
    let whole = request().finish();
    let mut hlen = whole.clone();
    hlen[2] = 255;
    let mut overlong = whole.clone();
    overlong.truncate(whole.len() - 3);
    for octets in [&hlen[..], &overlong, &[], &[0xff; 239], &whole[..239]] {
        relay.handle_client(LINE, &broadcast(octets), NOW);
        relay.handle_server(SERVER, octets, NOW);
    }
    assert_eq!((relay.poll_command(), relay.counters().get(Reason::Malformed)), (None, 10));
    relay.handle_client(Line { port: PortId(9), ..LINE }, &broadcast(&whole), NOW);
    dropped!(relay, Reason::UnknownPort);
}

/// Replies from elsewhere, for elsewhere, or that nobody asked for.
#[test]
fn replies_that_are_not_ours() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, request());
    let ack = reply(&sent, kind::ACK);
    relay.handle_server(OTHER_SERVER, &ack.clone().finish(), NOW);
    dropped!(relay, Reason::UnknownServer);
    from_server!(relay, ack.clone().giaddr(Ipv4Addr::new(10, 0, 0, 1)));
    dropped!(relay, Reason::ForeignGiaddr);
    from_server!(relay, ack.giaddr(OTHER_GIADDR)); // ours, but not that of the client's line
    assert_eq!((relay.poll_command(), relay.counters().get(Reason::ForeignGiaddr)), (None, 2));
    from_server!(relay, stripped_reply(&sent, kind::ACK).xid(1));
    dropped!(relay, Reason::Unasked);
    from_server!(relay, stripped_reply(&sent, kind::ACK).hardware(HardwareAddress::ethernet([2; 6])));
    assert_eq!((relay.poll_command(), relay.counters().get(Reason::Unasked)), (None, 2));
    relay.handle_server(SERVER, &stripped_reply(&sent, kind::ACK).finish(), NOW + Duration::from_secs(65));
    assert_eq!((relay.poll_command(), relay.counters().get(Reason::Unasked)), (None, 3));
}

/// A lease that nobody can have: of us, of this host, of a group, of everybody. Neither login nor answer comes of it, so that
/// another server's offer may be taken.
#[test]
fn unfit_leases() {
    let others = ["0.0.0.9", "127.0.0.1", "224.0.0.9", "240.0.0.1", "255.255.255.255"];
    let others = others.map(|address| address.parse().unwrap());
    for address in [GIADDR, OTHER_GIADDR].into_iter().chain(others) {
        for kind in [kind::OFFER, kind::ACK] {
            let mut relay = relay(config());
            let sent = relayed(&mut relay, request());
            from_server!(relay, reply(&sent, kind).yiaddr(address));
            wanted!(relay, Command::Heard { .. } => ());
            dropped!(relay, Reason::UnfitLease);
        }
    }
}

/// A flood of DISCOVERs and REQUESTs from ten thousand addresses costs bounded memory, and the exchange of somebody
/// else still completes, by its option 82.
#[test]
fn a_flood() {
    let mut relay = relay(RelayConfig { remembered: 1000, ..config() });
    let sent = relayed(&mut relay, request());
    for number in 0..20_000u32 {
        let [_, _, high, low] = number.to_be_bytes();
        let hardware = HardwareAddress::ethernet([6, 0, 0, 0, high, low]);
        let kind = if number % 2 == 0 { kind::DISCOVER } else { kind::REQUEST };
        from_client!(relay, client(kind).xid(number).hardware(hardware));
        relay.poll_command();
    }
    assert!(relay.requests.len() <= 1000 && relay.discovers.len() <= 1000);
    from_server!(relay, reply(&sent, kind::ACK));
    wanted!(relay, Command::Heard { .. } => ());
    wanted!(relay, Command::Bound(login) => assert_eq!(login.line, LINE));
}

/// The newest requests are remembered: at least half as many as there is room for.
#[test]
fn the_newest_are_remembered() {
    let mut relay = relay(RelayConfig { remembered: 100, ..config() });
    let sent: Vec<Vec<u8>> = (0..1000).map(|xid| relayed(&mut relay, request().xid(xid))).collect();
    for sent in &sent[950..] {
        from_server!(relay, stripped_reply(sent, kind::ACK));
        wanted!(relay, Command::Heard { .. } => ());
        wanted!(relay, Command::Bound(login) => assert_eq!(login.client_id.as_deref(), Some(CLIENT_ID)));
        wanted!(relay, Command::ToClient(_) => ());
    }
}
