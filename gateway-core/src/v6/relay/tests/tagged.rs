//! The scope that goes up with every request, and what a server says about it.

use super::*;
use crate::wire::bulk_release::{BulkRelease, Capability};

const PEN: u32 = 32473;

fn tagging() -> Relay {
    relay(RelayConfig { single_logout: Some(PEN), ..config() })
}

fn said(relay_message: &[u8]) -> Option<BulkRelease> {
    let message = RelayMessage::parse(relay_message).unwrap();
    let mut options = message.options().all(code::VENDOR_OPTS);
    options.find_map(|option| BulkRelease::decode_option_17(option.value, PEN).unwrap())
}

/// Whether the login that a REPLY makes is tagged, when its RELAY-REPL says this about the scope.
fn is_tagged(relay: &mut Relay, sent: &[u8], echo: Option<&BulkRelease>) -> bool {
    let reply = reply(kind::REPLY, |out| leases(out, 3600));
    let mut payload = Nest::walk(sent).unwrap().reply(&reply).unwrap();
    if let Some(echo) = echo {
        let mut out = Builder::options();
        out.option(code::VENDOR_OPTS, &echo.encode_option_17(PEN));
        payload.extend(finish(out));
    }
    relay.handle_server(server(), &payload, NOW);
    match &commands(relay)[..] {
        [Command::Bound(login, _), Command::ToClient(_)] => login.tagged,
        other => panic!("{other:?}"),
    }
}

/// BR-5, BR-8, BR-9, BR-16, H-BR-2, H-BR-3: every RELAY-FORW says by which scope its leases can be released at once; a login
/// is tagged only when the server says that it can, and has that very scope.
#[test]
fn scopes_go_up_and_come_back() {
    let mut relay = tagging();
    let sent = relayed(&mut relay, &finish(client(kind::REQUEST)));
    let asked = said(&sent).unwrap();
    assert_eq!(asked.capability, Some(Capability::RELAY));
    assert_eq!(asked.scopes, [scope(config().duid.as_duid(), "fpc0", EPOCH).unwrap()]);
    assert_eq!((asked.transaction, asked.results.len()), (None, 0));

    let capable = Capability { flags: Capability::RELAY_CAPABLE | Capability::SERVER_CAPABLE, ..Capability::RELAY };
    let good = BulkRelease { capability: Some(capable), ..asked.clone() };
    let other = |name, epoch| BulkRelease {
        scopes: vec![scope(config().duid.as_duid(), name, Epoch(epoch)).unwrap()],
        ..good.clone()
    };
    assert!(is_tagged(&mut relay, &sent, Some(&good)));
    assert!(!is_tagged(&mut relay, &sent, None), "not a word");
    assert!(!is_tagged(&mut relay, &sent, Some(&asked)), "an echo is no evidence");
    for echo in [other("fpc1", EPOCH.0), other("fpc0", EPOCH.0 - 1), BulkRelease { scopes: Vec::new(), ..good.clone() }]
    {
        assert!(!is_tagged(&mut relay, &sent, Some(&echo)));
    }
}

/// It is off unless an operator switches it on, and then nothing that a server says makes a tag.
#[test]
fn off_by_default() {
    let sent = relayed(&mut tagging(), &finish(client(kind::REQUEST)));
    let capable = Capability { flags: Capability::SERVER_CAPABLE, ..Capability::RELAY };
    let good = BulkRelease { capability: Some(capable), ..said(&sent).unwrap() };
    let mut relay = relay(config());
    let sent = relayed(&mut relay, &finish(client(kind::REQUEST)));
    assert_eq!(said(&sent), None);
    assert!(!is_tagged(&mut relay, &sent, Some(&good)));
}
