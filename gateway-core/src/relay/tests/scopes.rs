//! Address or group, decided anew with each configuration.

use super::*;
use crate::scope::{GroupId, Scope};
use crate::wire::agent::sub;

fn shared() -> RelayConfig {
    let mut config = config();
    config.fpcs[1].giaddr = GIADDR;
    config
}

fn tag(relay: &mut Relay, line: Line) -> Scope {
    let payload = client(kind::DISCOVER).finish();
    relay.handle_client(line, &broadcast(&payload), NOW);
    let sent = wanted!(relay, Command::ToServer(sent) => sent.payload);
    let [scope] = elements(&sent).scopes.try_into().unwrap();
    scope
}

/// A giaddr of one FPC: the indication names the address.
/// BR-13 BR-14 BR-15 BR-18
#[test]
fn an_address_of_its_own() {
    let mut relay = relay(config());
    assert_eq!(tag(&mut relay, LINE).kind, ScopeKind::Address(GIADDR));
    assert_eq!(tag(&mut relay, OTHER_LINE).kind, ScopeKind::Address(OTHER_GIADDR));
}

/// A giaddr of two FPCs: the indication names the group instead, so that no logout reaches the other line card.
/// BR-13 BR-16 BR-17 BR-18 H-BR-10
#[test]
fn a_shared_address() {
    let mut config = shared();
    config.fpcs[1].group = GroupId::new(b"sgrp-17");
    let mut relay = relay(config);
    let group = |name: &[u8]| ScopeKind::Group(GroupId::new(name).unwrap());
    assert_eq!(tag(&mut relay, LINE).kind, group(b"fpc0"), "the FPC's name, where no group is configured");
    assert_eq!(tag(&mut relay, OTHER_LINE).kind, group(b"sgrp-17"));
}

/// Two ports of one FPC restart together: its giaddr is not shared, because its logins are the FPC's and all of them. It
/// is when one of the ports belongs to another FPC with the same giaddr: then each has a scope of its own.
/// BR-13 H-BR-10 H-BR-11
#[test]
fn two_ports_of_one_fpc() {
    let mut one = shared();
    one.fpcs.truncate(1);
    one.ports[1].fpc = FPC0;
    let mut relay = relay(one);
    assert_eq!(tag(&mut relay, LINE).kind, ScopeKind::Address(GIADDR));
    assert_eq!(tag(&mut relay, OTHER_LINE).kind, ScopeKind::Address(GIADDR));
    let mut relay = super::relay(shared());
    let group = |name: &[u8]| ScopeKind::Group(GroupId::new(name).unwrap());
    assert_eq!(tag(&mut relay, LINE).kind, group(b"fpc0"));
    assert_eq!(tag(&mut relay, OTHER_LINE).kind, group(b"fpc1"));
}

/// The identity may be a serial number, a model with a number, a DUID or a UUID: 1 to 64 octets, the same in relay-id
/// and scope.
/// BR-11 BR-12
#[test]
fn every_kind_of_identity() {
    use DeviceIdType::{Duid, Opaque, Uuid};
    let identities =
        [(Opaque, &b"S"[..]), (Opaque, b"ACX-7100/0042"), (Duid, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 1]), (Uuid, &[7; 16])];
    for (id_type, octets) in identities {
        let device = DeviceId::new(id_type, octets).unwrap();
        let mut relay = relay(RelayConfig { device: device.clone(), ..config() });
        let sent = relayed(&mut relay, client(kind::DISCOVER));
        let agent = AgentInformation::parse(Message::parse(&sent).unwrap().agent_information().unwrap()).unwrap();
        assert_eq!(agent.get(sub::RELAY_ID), Some(octets));
        assert_eq!(elements(&sent).scopes[0].device, device);
    }
    // the longest identity with the longest group still fits, signature and all, if the templates are short
    let mut config = shared();
    config.device = DeviceId::new(Opaque, &[b'x'; 64]).unwrap();
    config.fpcs[0].group = GroupId::new(&[b'g'; 32]);
    config.circuit_id = Template::new("{port}").unwrap();
    config.remote_id = None;
    let mut relay = relay(config);
    assert_eq!(tag(&mut relay, LINE).kind, ScopeKind::Group(GroupId::new(&[b'g'; 32]).unwrap()));
}

/// Sharing begins and ends with the configuration, which takes a restart: a login that was on its way meanwhile is
/// recorded under the scope that its server stored, and those that follow under the new one.
/// BR-13 H-BR-10 H-BR-11
#[test]
fn sharing_changes() {
    let (address, group) = (ScopeKind::Address(GIADDR), ScopeKind::Group(GroupId::new(b"fpc0").unwrap()));
    for (before, after, was, is) in [(config(), shared(), &address, &group), (shared(), config(), &group, &address)] {
        let sent = relayed(&mut relay(before), request());
        let mut relay = relay(after);
        from_server!(relay, capable_reply(&sent, kind::ACK));
        wanted!(relay, Command::Heard { .. } => ());
        assert_eq!(wanted!(relay, Command::Bound(login) => login.scope).as_ref(), Some(was));
        wanted!(relay, Command::ToClient(_) => ());
        assert_eq!(log_in(&mut relay).scope.as_ref(), Some(is));
        assert_eq!(tag(&mut relay, LINE).kind, *is);
    }
}

/// A scope always names the epoch in force.
/// BR-11 H-BR-6
#[test]
fn the_epoch_is_in_every_tag() {
    let mut relay = relay(config());
    assert_eq!(tag(&mut relay, LINE).epoch, EPOCH);
    relay.thaw(FPC0, Epoch(1_700_000_000));
    assert_eq!(tag(&mut relay, LINE).epoch, Epoch(1_700_000_000));
    assert_eq!(tag(&mut relay, OTHER_LINE).epoch, EPOCH);
}

/// Before its durable epoch is known, an FPC relays nothing.
/// H-BR-6
#[test]
fn a_new_relay_waits_for_its_epochs() {
    let mut relay = Relay::new(config(), ReplayCounters::new(0, [])).unwrap();
    from_client!(relay, client(kind::DISCOVER));
    dropped!(relay, Reason::Frozen);
}

/// Each mistake in a configuration, by its own error.
#[test]
fn mistakes() {
    let mistake = |change: fn(&mut RelayConfig)| {
        let mut config = shared();
        change(&mut config);
        Relay::new(config, ReplayCounters::new(0, [])).unwrap_err()
    };
    assert_eq!(mistake(|c| c.servers.clear()), ConfigError::NoServer);
    assert!(matches!(mistake(|c| c.ports[1].fpc = FpcId(2)), ConfigError::UnknownFpc { fpc: 2, .. }));
    assert!(matches!(mistake(|c| c.fpcs[0].giaddr = Ipv4Addr::UNSPECIFIED), ConfigError::Giaddr { .. }));
    assert!(matches!(mistake(|c| c.fpcs[0].name = "n".repeat(33)), ConfigError::NoGroup { .. }));
    assert!(matches!(mistake(|c| c.fpcs[0].group = GroupId::new(b"fpc1")), ConfigError::SameGroup { .. }));
    assert!(matches!(mistake(|c| c.points.reply_type = kind::ACK), ConfigError::CodePoint(_)));
}

/// Templates: every field, braces, and what is wrong with the others.
#[test]
fn templates() {
    let mut config = config();
    config.circuit_id = Template::new("{{{fpc}/{port}}} {outer}.{inner} {giaddr}").unwrap();
    config.remote_id = None;
    let mut relay = relay(config);
    let sent = relayed(&mut relay, client(kind::DISCOVER));
    let agent = AgentInformation::parse(Message::parse(&sent).unwrap().agent_information().unwrap()).unwrap();
    assert_eq!(agent.get(1), Some(&b"{fpc0/ge0} 100.7 100.64.0.1"[..]));
    assert_eq!(agent.get(2), None);
    assert_eq!(Template::new("a{b}"), Err(TemplateError::UnknownField { name: "b".to_owned(), at: 1 }));
    for (text, at) in [("a{port", 1), ("}", 0), ("{port}}", 6)] {
        assert_eq!(Template::new(text), Err(TemplateError::Unmatched { at }), "{text}");
    }
}
