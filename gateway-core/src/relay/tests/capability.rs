//! What replies show about a server.

use super::*;

fn observe(relay: &mut Relay, ack: &Builder) -> (Observation, Login) {
    from_server!(relay, ack.clone());
    let observation =
        wanted!(relay, Command::Heard { server: SERVER, observation, authenticated: false } => observation);
    let login = wanted!(relay, Command::Bound(login) => *login);
    wanted!(relay, Command::ToClient(down) => assert_eq!(Message::parse(&down.payload).unwrap().agent_count(), 0));
    (observation, login)
}

fn with_flags(sent: &[u8], flags: u8, max_scopes: u16) -> Builder {
    let mut value = Message::parse(sent).unwrap().agent_information().unwrap().to_vec();
    assert!(rewrite_capability(&mut value, &config().points, flags, max_scopes));
    stripped_reply(sent, kind::ACK).option(code::AGENT_INFORMATION, &value)
}

/// The first sub-option tells, in the server's direction, that the server can do bulk release.
/// BR-9 BR-23
#[test]
fn a_capable_server() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, request());
    let (observation, login) = observe(&mut relay, &with_flags(&sent, 0x0b, 8));
    assert_eq!(observation, Observation::Capable { max_scopes: 8, will_reply: true });
    assert_eq!(login.scope, Some(ScopeKind::Address(GIADDR)));
    let (observation, _) = observe(&mut relay, &with_flags(&sent, 0x02, 0));
    assert_eq!(observation, Observation::Capable { max_scopes: 0, will_reply: false });
    let (observation, _) = observe(&mut relay, &with_flags(&sent, 0x07, 8));
    assert_eq!(observation, Observation::Refused);
}

/// Every RFC 3046 server echoes what we sent: that is no sign of capability, though the login is tagged.
/// H-BR-2
#[test]
fn a_verbatim_echo() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, request());
    let (observation, login) = observe(&mut relay, &reply(&sent, kind::ACK));
    assert_eq!(observation, Observation::EchoedVerbatim);
    assert_eq!(login.scope, Some(ScopeKind::Address(GIADDR)));
}

/// A server that strips option 82: the client is served from memory, its login is untagged.
/// H-BR-3
#[test]
fn a_stripping_server() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, client(kind::DISCOVER));
    from_server!(relay, stripped_reply(&sent, kind::OFFER));
    assert_eq!(wanted!(relay, Command::Heard { observation, .. } => observation), Observation::NoOption82);
    assert_eq!(wanted!(relay, Command::ToClient(down) => down.line), LINE);

    let sent = relayed(&mut relay, request());
    let (observation, login) = observe(&mut relay, &stripped_reply(&sent, kind::ACK));
    assert_eq!(observation, Observation::NoOption82);
    assert_eq!((login.scope, login.epoch, login.line), (None, EPOCH, LINE));
    assert_eq!(Some(&login.agent_information[..]), Message::parse(&sent).unwrap().agent_information());
    assert_eq!(relay.counters().get(Reason::UntaggedLogin), 1);
}

/// A server that cuts option 82 anywhere: never capable, the login is untagged when the scope did not come back,
/// and the client never sees what is left.
/// H-BR-3
#[test]
fn a_truncating_server() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, request());
    let whole = Message::parse(&sent).unwrap().agent_information().unwrap().to_vec();
    for cut in 0..whole.len() {
        let ack = stripped_reply(&sent, kind::ACK).option(code::AGENT_INFORMATION, &whole[..cut]);
        let (observation, login) = observe(&mut relay, &ack);
        assert_eq!((observation, login.scope), (Observation::CapMissing, None), "cut at {cut}");
    }
    // and one that drops the vendor-specific sub-option whole
    let vendor = whole.len() - 46;
    assert_eq!(whole[vendor], 9);
    let ack = stripped_reply(&sent, kind::ACK).option(code::AGENT_INFORMATION, &whole[..vendor]);
    assert_eq!(observe(&mut relay, &ack).0, Observation::CapMissing);
}

/// A server that gives back another scope than ours: not a tag of ours.
/// H-BR-3 H-BR-12
#[test]
fn a_foreign_scope() {
    let mut relay = relay(config());
    let sent = relayed(&mut relay, request());
    let mut value = Message::parse(&sent).unwrap().agent_information().unwrap().to_vec();
    let scope =
        value.windows(10).rposition(|window| window == b"\x01BNG-0042\0" || window == b"\x08BNG-0042\0").unwrap();
    value[scope + 1] = b'X';
    let ack = stripped_reply(&sent, kind::ACK).option(code::AGENT_INFORMATION, &value);
    assert_eq!(observe(&mut relay, &ack).1.scope, None);
}

/// Switched off: no capability, no scope, no tag.
#[test]
fn bulk_release_switched_off() {
    let mut relay = relay(RelayConfig { bulk_release: false, ..config() });
    let sent = relayed(&mut relay, request());
    let message = Message::parse(&sent).unwrap();
    let agent = AgentInformation::parse(message.agent_information().unwrap()).unwrap();
    assert_eq!(BulkRelease::decode(&agent, &config().points), Ok(None));
    let (observation, login) = observe(&mut relay, &reply(&sent, kind::ACK));
    assert_eq!((observation, login.scope, login.line), (Observation::CapMissing, None, LINE));
}
