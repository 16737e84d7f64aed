//! Whatever comes in, from whichever side, in whatever order.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::dhcp6::arbitrary::{damaged, message, nest, octets, options};

#[derive(Clone, Debug)]
enum Input {
    Client(u16, u16, Vec<u8>),
    Server(Vec<u8>),
    /// A server's answer with this message to the n-th that went up, with these octets changed.
    Answer(prop::sample::Index, Vec<u8>, Vec<(prop::sample::Index, u8)>),
    Freeze(u16),
    Thaw(u16, u32),
}

/// A RELEASE-REQUEST with anything in it.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let kind = config().release_types.request();
    options().prop_map(move |options| Builder::message(kind, XID).raw(&options).finish().unwrap())
}

fn input() -> impl Strategy<Value = Input> {
    let below = || request().prop_map(|request| relay_forward(&request, link(), peer(), &[]).unwrap());
    let any_octets = || {
        prop_oneof![
            1 => octets(), 3 => message(), 2 => nest(1..=10), 2 => damaged(nest(1..=3)), 1 => request(), 1 => below()
        ]
    };
    let said = prop_oneof![
        2 => message(),
        1 => request(),
        1 => (0u32..100).prop_map(|valid| reply(kind::REPLY, |out| leases(out, valid))),
        1 => damaged(Just(reply(kind::REPLY, |out| leases(out, 60)))),
    ];
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..2);
    prop_oneof![
        6 => (0u16..3, prop_oneof![Just(546), Just(547), any::<u16>()], any_octets()).prop_map(|(p, s, o)| Input::Client(p, s, o)),
        2 => any_octets().prop_map(Input::Server),
        6 => (any::<prop::sample::Index>(), said, changes).prop_map(|(n, said, changes)| Input::Answer(n, said, changes)),
        1 => (0u16..3).prop_map(Input::Freeze),
        1 => (0u16..3, 0u32..9).prop_map(|(fpc, epoch)| Input::Thaw(fpc, epoch)),
    ]
}

proptest! {
    /// Nothing panics; what goes up carries what came in to the last octet, and what goes down what was in the RELAY-REPL; a
    /// login is reported right before its REPLY and before no other message; none is made of an older epoch or while its
    /// FPC is frozen. A RELEASE-REQUEST goes up from where relays are trusted alone, and only when the operator wants it to;
    /// and none comes down.
    /// H-BR-9, H-RR-8, RFC 8415 19
    #[test]
    fn anything_in_any_order(inputs in vec(input(), 1..60), passes_on: bool) {
        let request = config().release_types.request();
        let config = RelayConfig { forward_release_requests: passes_on, remembered: 8, ..config() };
        let mut relay = relay(config);
        let mut sent: Vec<Vec<u8>> = Vec::new();
        for input in inputs {
            let mut payload = Vec::new();
            match &input {
                Input::Client(port, source, octets) => {
                    let line = Line { port: PortId(*port), ..LINE };
                    let source = SocketAddrV6::new(peer(), *source, 0, 0);
                    relay.handle_client(line, &Datagram6 { source, ..datagram(octets) }, NOW);
                }
                Input::Server(octets) => relay.handle_server(server(), octets, NOW),
                Input::Answer(_, _, _) if sent.is_empty() => {}
                Input::Answer(number, said, changes) => {
                    // Whose hop counts lie may be deeper than anybody walks.
                    let Ok(nest) = Nest::walk(&sent[number.index(sent.len())]) else { continue };
                    payload = nest.reply(said).unwrap();
                    for (index, octet) in changes {
                        let at = index.index(payload.len());
                        payload[at] = *octet;
                    }
                    relay.handle_server(server(), &payload, NOW);
                }
                Input::Freeze(fpc) => relay.freeze(FpcId(*fpc)),
                Input::Thaw(fpc, epoch) => relay.thaw(FpcId(*fpc), Epoch(*epoch)),
            }
            let mut bound = None;
            for command in commands(&mut relay) {
                match command {
                    Command::ToServer(up) => {
                        let Input::Client(port, _, received) = &input else { panic!("only a client's message goes up") };
                        let forward = RelayMessage::parse(&up.payload).unwrap();
                        prop_assert_eq!(forward.inner(), Ok(&received[..]), "untouched");
                        prop_assert!(forward.hop_count() <= 8 && relay.links.contains(&up.source));
                        prop_assert!(received[0] != kind::RELAY_FORW || *port == 1, "only where relays are trusted");
                        let asked = Nest::walk(&up.payload).is_ok_and(|nest| nest.message().first() == Some(&request));
                        prop_assert!(!asked || (passes_on && *port == 1), "nor is a release from elsewhere");
                        sent.push(up.payload);
                    }
                    Command::Bound(login, _) => {
                        let card = relay.cards[usize::from(login.fpc.0)];
                        prop_assert!(!card.frozen && login.epoch == card.epoch && !login.granted.is_empty());
                        prop_assert!(login.granted.iter().all(|grant| grant.expires > NOW));
                        bound = Some(login);
                    }
                    Command::ToClient(down) => {
                        let outer = RelayMessage::parse(&payload).unwrap();
                        prop_assert_eq!(outer.inner(), Ok(&down.payload[..]), "untouched");
                        prop_assert_eq!(down.destination, outer.peer_address());
                        prop_assert!(down.payload[0] != request);
                        if let Some(login) = bound.take() {
                            prop_assert_eq!((login.line, login.mac), (down.line, down.destination_mac));
                        }
                    }
                    Command::ForRelease { .. } | Command::Unbound { .. } | Command::Cleared { .. } => {}
                }
            }
            prop_assert!(bound.is_none(), "a login whose REPLY was not delivered");
        }
    }
}
