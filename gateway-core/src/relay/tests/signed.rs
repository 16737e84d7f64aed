//! RFC 4030 in both directions.

use super::*;
use crate::wire::agent::{AgentBuilder, sub};
use crate::wire::bulk_release::{Operation, Transaction};
use crate::wire::relay_auth::{Algorithm, Key, append_and_sign, verify};

const COUNTER: u64 = 1_700_000_000 << 20;

fn key() -> Key {
    Key {
        id: 5,
        secret: b"0123456789abcdef0123".to_vec().into(),
        algorithm: Algorithm::HmacSha1,
        zero_key_id: false,
        relay: 0,
    }
}

fn signing(require_replies: bool, sliding_window: bool) -> RelayConfig {
    let authentication = Authentication { key: key(), require_replies, sliding_window };
    RelayConfig { servers: vec![SERVER, OTHER_SERVER], authentication: Some(authentication), ..config() }
}

fn replay_of(octets: &[u8]) -> u64 {
    verify(octets, &[key()]).unwrap().replay
}

/// Each server gets its own copy, signed with its own counter, which is reserved durably before the first message
/// leaves and only grows.
/// H-BR-14 H-BR-16
#[test]
fn each_server_its_own_counter() {
    let mut relay = relay(signing(false, false));
    from_client!(relay, client(kind::DISCOVER));
    let mut reserved = Vec::new();
    for server in [SERVER, OTHER_SERVER] {
        let through =
            wanted!(relay, Command::ReserveReplay { server: of, through } => (of == server).then_some(through));
        reserved.push((server, through.unwrap()));
        let sent = wanted!(relay, Command::ToServer(sent) => sent);
        assert_eq!((sent.server, replay_of(&sent.payload)), (server, COUNTER));
    }
    for number in 1..100 {
        from_client!(relay, client(kind::DISCOVER));
        for _ in 0..2 {
            wanted!(relay, Command::ToServer(sent) => assert_eq!(replay_of(&sent.payload), COUNTER + number));
        }
    }
    // after a crash, with the clock set back: what was reserved is never used again
    let mut restarted =
        Relay::new(signing(false, false), ReplayCounters::new(1_600_000_000, reserved.clone())).unwrap();
    restarted.thaw(FPC0, EPOCH);
    from_client!(restarted, client(kind::DISCOVER));
    commands(&mut restarted).iter().for_each(|command| match command {
        Command::ToServer(sent) => assert!(replay_of(&sent.payload) >= reserved[0].1),
        Command::ReserveReplay { through, .. } => assert!(*through > reserved[0].1),
        other => panic!("{other:?}"),
    });
}

/// Another block is reserved when the first is used up, before its first counter is.
/// H-BR-14
#[test]
fn blocks_of_counters() {
    let mut counters = ReplayCounters::new(1, []);
    let (mut reserved, mut reservations) = (0, 0);
    for number in 0..200_000 {
        let (counter, reserve) = counters.next(SERVER);
        reservations += usize::from(reserve.is_some());
        reserved = reserve.unwrap_or(reserved);
        assert_eq!(counter, (1 << 20) + number);
        assert!(counter < reserved);
    }
    assert_eq!(reservations, 4);
    assert_eq!(ReplayCounters::new(u64::MAX, [(SERVER, u64::MAX)]).next(SERVER).0, u64::MAX, "no overflow");
}

/// A relay between us and the server changes hops and giaddr; the signature stands.
/// H-BR-25
#[test]
fn an_upstream_relay() {
    let mut relay = relay(signing(false, false));
    from_client!(relay, client(kind::DISCOVER));
    let commands = commands(&mut relay);
    let Some(Command::ToServer(sent)) = commands.last() else { panic!("{commands:?}") };
    let mut passed = sent.payload.clone();
    passed[3] = 9;
    passed[24..28].copy_from_slice(&[10, 1, 2, 3]);
    assert_eq!(replay_of(&passed), COUNTER);
    passed[8] ^= 1;
    assert!(verify(&passed, &[key()]).is_err());
}

/// The release core signs with counters from the same sequence.
/// H-BR-16
#[test]
fn one_sequence_with_the_release() {
    let mut relay = relay(signing(false, false));
    from_client!(relay, client(kind::DISCOVER));
    commands(&mut relay);
    assert_eq!(relay.next_replay(SERVER), COUNTER + 1);
    from_client!(relay, client(kind::DISCOVER));
    wanted!(relay, Command::ToServer(sent) => assert_eq!(replay_of(&sent.payload), COUNTER + 2));
}

fn ack(sent: &[u8], counter: u64) -> Vec<u8> {
    let message = Message::parse(sent).unwrap();
    let agent = AgentInformation::parse(message.agent_information().unwrap()).unwrap();
    let echoed = agent.iter().filter(|(code, _)| *code != sub::AUTHENTICATION);
    let value = echoed.fold(AgentBuilder::new(), |builder, (code, value)| builder.sub(code, value)).finish().unwrap();
    let unsigned = stripped_reply(sent, kind::ACK).option(code::AGENT_INFORMATION, &value).finish();
    append_and_sign(&unsigned, &key(), counter).unwrap()
}

fn sent(relay: &mut Relay) -> Vec<u8> {
    from_client!(relay, request());
    let found = commands(relay).into_iter().find_map(|command| match command {
        Command::ToServer(sent) => Some(sent.payload),
        _ => None,
    });
    found.unwrap()
}

fn accepted(relay: &mut Relay) -> bool {
    let commands = commands(relay);
    let failed = commands
        .iter()
        .any(|command| matches!(command, Command::Heard { observation: Observation::AuthenticationFailed, .. }));
    let bound = commands.iter().any(|command| matches!(command, Command::Bound(_)));
    assert_ne!(failed, bound, "{commands:?}");
    assert!(commands.iter().all(|command| !failed || !matches!(command, Command::ToClient(_))));
    bound
}

/// A reply is accepted when its signature is right and its counter new; a replayed, re-ordered, altered or unsigned
/// one is dropped and told, and the client hears nothing of it.
/// H-BR-16
#[test]
fn replies_are_verified() {
    let mut relay = relay(signing(true, false));
    let sent = sent(&mut relay);
    let good = ack(&sent, 10);
    relay.handle_server(SERVER, &good, NOW);
    assert!(accepted(&mut relay));
    relay.handle_server(SERVER, &good, NOW);
    assert!(!accepted(&mut relay), "replayed");
    relay.handle_server(SERVER, &ack(&sent, 9), NOW);
    assert!(!accepted(&mut relay), "re-ordered");

    let mut altered = ack(&sent, 1 << 60);
    altered[16] ^= 1;
    relay.handle_server(SERVER, &altered, NOW);
    assert!(!accepted(&mut relay), "altered");
    relay.handle_server(SERVER, &ack(&sent, 11), NOW);
    assert!(accepted(&mut relay), "a forged counter was not taken note of");

    from_server!(relay, reply(&sent, kind::ACK));
    assert!(!accepted(&mut relay), "our own signature, echoed");
    from_server!(relay, stripped_reply(&sent, kind::ACK));
    assert!(!accepted(&mut relay), "unsigned");
    assert_eq!(relay.counters().get(Reason::Unauthenticated), 5);
}

/// With the sliding window re-ordered replies are accepted, each once. Servers count apart.
/// H-BR-16
#[test]
fn a_sliding_window() {
    let mut relay = relay(signing(true, true));
    let sent = sent(&mut relay);
    for (counter, fresh) in [(100, true), (99, true), (100, false), (99, false), (37, true), (36, false), (101, true)] {
        relay.handle_server(SERVER, &ack(&sent, counter), NOW);
        assert_eq!(accepted(&mut relay), fresh, "{counter}");
    }
    relay.handle_server(OTHER_SERVER, &ack(&sent, 1), NOW);
    assert!(commands(&mut relay).iter().any(|command| matches!(command, Command::Bound(_))));
}

/// Unless replies must be signed, an unsigned one is accepted and a wrong signature still is not.
#[test]
fn signatures_not_required() {
    let mut relay = relay(signing(false, false));
    let sent = sent(&mut relay);
    from_server!(relay, stripped_reply(&sent, kind::ACK));
    assert!(accepted(&mut relay));
    let mut altered = ack(&sent, 10);
    altered[16] ^= 1;
    relay.handle_server(SERVER, &altered, NOW);
    assert!(!accepted(&mut relay));
}

/// A server that knows nothing of signatures echoes ours, and its reply counts as unsigned: the client is logged in,
/// and the server is not thought capable.
/// H-BR-2
#[test]
fn our_own_signature_echoed() {
    let mut relay = relay(signing(false, false));
    let sent = sent(&mut relay);
    from_server!(relay, reply(&sent, kind::ACK));
    let commands = commands(&mut relay);
    let observed = |command: &Command| match command {
        Command::Heard { observation, authenticated, .. } => Some((*observation, *authenticated)),
        _ => None,
    };
    assert_eq!(commands.iter().find_map(observed), Some((Observation::EchoedVerbatim, false)));
    assert!(commands.iter().any(|command| matches!(command, Command::Bound(_))));
}

/// A server that signs may come to count where we do: its signature is right, so it is not taken for an echo of ours.
/// H-BR-16
#[test]
fn a_counter_like_ours() {
    let mut relay = relay(signing(false, false));
    let sent = sent(&mut relay);
    relay.handle_server(SERVER, &ack(&sent, COUNTER), NOW);
    wanted!(relay, Command::Heard { authenticated: true, .. } => ());
    assert!(commands(&mut relay).iter().any(|command| matches!(command, Command::Bound(_))));
}

/// The answers to a single logout and to a leasequery are handed on once they passed the policy, not before.
/// BR-23 H-BR-13
#[test]
fn answers_for_the_release() {
    let mut relay = relay(signing(true, false));
    let transaction = Transaction { operation: Operation::Result, final_: true, txid: 1, count: 1 };
    let answer = BulkRelease { transaction: Some(transaction), ..BulkRelease::default() };
    let value = answer.encode(&config().points);
    let value = value.into_iter().fold(AgentBuilder::new(), |b, (code, value)| b.sub(code, &value)).finish().unwrap();
    let message = |kind| {
        let bare = Builder::new(dhcp4::REPLY).xid(9).giaddr(GIADDR).kind(kind);
        bare.option(code::AGENT_INFORMATION, &value).finish()
    };
    for (counter, kind) in
        (1..).zip([kind::BULK_RELEASE_REPLY, kind::LEASEACTIVE, kind::LEASEUNKNOWN, kind::LEASEUNASSIGNED])
    {
        relay.handle_server(SERVER, &message(kind), NOW);
        wanted!(relay, Command::Heard { observation: Observation::AuthenticationFailed, .. } => ());
        assert_eq!(relay.poll_command(), None);
        let payload = append_and_sign(&message(kind), &key(), counter).unwrap();
        relay.handle_server(SERVER, &payload, NOW);
        assert_eq!(relay.poll_command(), Some(Command::ForRelease { server: SERVER, payload }));
    }
    let mut open = super::relay(config());
    open.handle_server(SERVER, &message(kind::BULK_RELEASE_REPLY), NOW);
    wanted!(open, Command::ForRelease { .. } => ());
}
