//! Whatever comes in, from whichever side, in whatever order.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::arbitrary::{damaged, message, octets};
use crate::wire::relay_auth::{Algorithm, Key};

#[derive(Clone, Debug)]
enum Input {
    Client(u8, Vec<u8>),
    ClientSnoop(Vec<u8>),
    Server(Vec<u8>),
    ServerSnoop(Vec<u8>),
    /// A server's answer to the n-th message that went up, of this kind, with these octets changed.
    Answer(prop::sample::Index, u8, Vec<(prop::sample::Index, u8)>),
    Freeze(u16),
    Thaw(u16, u32),
    /// The controller ends, and another begins with this configuration.
    Restart(bool),
}

fn input() -> impl Strategy<Value = Input> {
    let any_octets = || prop_oneof![1 => octets(), 4 => damaged(), 4 => message()];
    let proper = (1u8..=8, any::<u32>(), any::<[u8; 6]>()).prop_map(|(kind, xid, mac)| {
        client(kind).xid(xid).hardware(HardwareAddress::ethernet(mac)).address(code::REQUESTED_IP, ADDRESS).finish()
    });
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    prop_oneof![
        3 => (0u8..4, any_octets()).prop_map(|(port, octets)| Input::Client(port, octets)),
        6 => (0u8..2, proper).prop_map(|(port, octets)| Input::Client(port, octets)),
        1 => any_octets().prop_map(Input::ClientSnoop),
        2 => any_octets().prop_map(Input::Server),
        1 => any_octets().prop_map(Input::ServerSnoop),
        6 => (any::<prop::sample::Index>(), 1u8..=14, changes).prop_map(|(n, kind, changes)| Input::Answer(n, kind, changes)),
        1 => (0u16..3).prop_map(Input::Freeze),
        1 => (0u16..3, any::<u32>()).prop_map(|(fpc, epoch)| Input::Thaw(fpc, epoch)),
        1 => any::<bool>().prop_map(Input::Restart),
    ]
}

/// What must hold of every command, whatever was said.
fn check(relay: &Relay, command: &Command, input: &Input, bound: &mut Option<Login>) {
    let config = relay.config();
    match command {
        Command::ToServer(sent) => {
            let Input::Client(_, before) = input else { panic!("only a client's message goes up") };
            assert!(config.servers.contains(&sent.server) && relay.giaddrs.contains(&sent.giaddr));
            let (before, after) = (Message::parse(before).unwrap(), Message::parse(&sent.payload).unwrap());
            assert!(after.agent_count() <= before.agent_count().max(1), "never a second option 82");
            let mut others: Vec<_> = after.options().collect();
            if before.agent_count() == 0 && after.agent_count() == 1 {
                assert_eq!(others.pop().map(|(code, _)| code), Some(code::AGENT_INFORMATION), "the last option");
                assert!(sent.payload.len() <= config.max_message);
            }
            assert_eq!(others, before.options().collect::<Vec<_>>());
            let (mut left, mut right) = (before.octets()[..240].to_vec(), sent.payload[..240].to_vec());
            for header in [&mut left, &mut right] {
                header[dhcp4::field::HOPS] = 0;
                header[dhcp4::field::GIADDR..dhcp4::field::CHADDR].fill(0);
            }
            assert_eq!(left, right, "nothing but hops and giaddr");
        }
        Command::Bound(login) => {
            let card = &relay.cards[usize::from(login.fpc.0)];
            assert!(!card.frozen && login.epoch >= card.epoch && login.giaddr == card.giaddr);
            assert!(login.expires > NOW);
            *bound = Some((**login).clone());
        }
        Command::ToClient(down) => {
            let message = Message::parse(&down.payload).unwrap();
            let login = bound.take();
            assert_eq!(
                login.map(|login| login.line),
                (message.kind() == Some(kind::ACK) && lease(&message)).then_some(down.line)
            );
            assert!(relay.giaddrs.contains(&down.source) && config.port(down.line.port).is_some());
        }
        Command::Heard { server, .. } | Command::ForRelease { server, .. } => assert!(config.servers.contains(server)),
        _ => {}
    }
}

fn lease(message: &Message<'_>) -> bool {
    !message.yiaddr().is_unspecified() && message.u32_option(code::LEASE_TIME).is_some_and(|seconds| seconds > 0)
}

proptest! {
    /// Nothing panics; what goes up differs only where it may; a login is reported right before its ACK and before
    /// no other message; none is made of an older epoch or while its FPC is frozen.
    /// H-BR-9
    #[test]
    fn anything_in_any_order(
        inputs in vec(input(), 1..60), trusted: bool, signed: bool, required: bool, max_message in 300usize..800,
    ) {
        let configure = |shared: bool| {
            let mut config = RelayConfig { servers: vec![SERVER, OTHER_SERVER], max_message, remembered: 8, ..config() };
            config.fpcs[0].trust_option_82 = trusted;
            if shared {
                config.fpcs[1].giaddr = GIADDR;
            }
            let secret = b"secret".to_vec().into();
            let key = Key { id: 1, secret, algorithm: Algorithm::HmacSha256, zero_key_id: false, relay: 0 };
            config.authentication =
                signed.then_some(Authentication { key, require_replies: required, sliding_window: true });
            config
        };
        let mut relay = relay(configure(false));
        let mut sent: Vec<Vec<u8>> = Vec::new();
        for input in inputs {
            match &input {
                Input::Client(port, octets) => {
                    let line = Line { port: PortId((*port).into()), ..LINE };
                    relay.handle_client(line, &broadcast(octets), NOW);
                }
                Input::ClientSnoop(octets) => relay.handle_client_snoop(LINE, &unicast(octets, ADDRESS, SERVER), NOW),
                Input::Server(octets) => relay.handle_server(SERVER, octets, NOW),
                Input::ServerSnoop(octets) => relay.handle_server_snoop(SERVER, ADDRESS, octets, NOW),
                Input::Answer(_, _, _) if sent.is_empty() => {}
                Input::Answer(number, kind, changes) => {
                    let request = Message::parse(&sent[number.index(sent.len())]).unwrap();
                    let builder = Builder::reply(&request).kind(*kind).yiaddr(ADDRESS).number(code::LEASE_TIME, 60);
                    let value = request.option(code::AGENT_INFORMATION).unwrap_or_default();
                    let mut octets = builder.option(code::AGENT_INFORMATION, &value).finish();
                    for (index, octet) in changes {
                        let at = index.index(octets.len());
                        octets[at] = *octet;
                    }
                    relay.handle_server(OTHER_SERVER, &octets, NOW);
                }
                Input::Freeze(fpc) => relay.freeze(FpcId(*fpc)),
                Input::Thaw(fpc, epoch) => relay.thaw(FpcId(*fpc), Epoch(*epoch)),
                Input::Restart(shared) => relay = super::relay(configure(*shared)),
            }
            let mut bound = None;
            while let Some(command) = relay.poll_command() {
                check(&relay, &command, &input, &mut bound);
                if let Command::ToServer(up) = command {
                    sent.push(up.payload);
                }
            }
            prop_assert_eq!(bound, None, "a login whose ACK was not delivered");
        }
    }
}
