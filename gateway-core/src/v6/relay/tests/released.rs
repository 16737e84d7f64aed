//! Releases that relays below originate.

use super::*;
use crate::wire::dhcp6::release::{Batch, Budget, Part, Push, ReleaseClient, ReleaseHead, ReleaseIa};

const BELOW: &str = "2001:db8:7::9";

fn other() -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, 0, 2])
}

/// A request for two clients: one with its address and its prefix, the other with all that it has.
fn request(xid: u32) -> Vec<u8> {
    let types = config().release_types;
    let (server, below) = (server_id(), DuidBuf::link_layer([2, 0, 0, 0, 0xcc, 1]));
    let head = ReleaseHead {
        types,
        xid,
        server_id: server.as_duid(),
        relay_id: below.as_duid(),
        interface_id: None,
        elapsed: 0,
    };
    let mut batch = Batch::new(head, Budget::over_hops(2, 0));
    let ias = vec![
        ReleaseIa::Addresses { iaid: 1, addresses: vec![ip("2001:db8:1::100")] },
        ReleaseIa::Prefixes { iaid: 2, prefixes: vec![prefix("2001:db8:100::", 56)] },
    ];
    let (one, two) = (client_id(), other());
    for (client_id, ias) in [(one.as_duid(), ias), (two.as_duid(), Vec::new())] {
        assert_eq!(batch.push(&ReleaseClient { client_id, interface_id: None, ias }), Push::Added);
    }
    batch.finish().unwrap()
}

fn answer(xid: u32, fill: impl FnOnce(&mut Builder)) -> Vec<u8> {
    let mut out = Builder::message(config().release_types.reply(), xid);
    out.duid(code::SERVER_ID, server_id().as_duid());
    fill(&mut out);
    finish(out)
}

/// A request goes up from a relay below, wrapped by it or not, and the reply comes down; what is to be done, the reply last.
fn passed(xid: u32, wrapped: bool, reply: &[u8]) -> Vec<Command> {
    let mut relay = relay(RelayConfig { forward_release_requests: true, ..config() });
    let request = request(xid);
    let message = if wrapped { relay_forward(&request, ip(BELOW), ip(BELOW), &[]).unwrap() } else { request };
    let from = Datagram6 { source: SocketAddrV6::new(ip(BELOW), 547, 0, 0), ..datagram(&message) };
    let sent = relayed_on(&mut relay, trusted_line(), &from);
    let mut done = answered(&mut relay, &sent, reply);
    assert!(matches!(done.pop(), Some(Command::ToClient(sent)) if sent.destination == ip(BELOW)));
    done
}

fn ended(leases: Vec<Prefix>) -> Command {
    let (client, line, server) = (client_id(), trusted_line(), server());
    Command::Unbound { client, line, server, leases, ias: Vec::new(), reason: EndReason::LoggedOut }
}

fn cleared(except: Vec<Part>) -> Command {
    Command::Cleared { client: other(), line: trusted_line(), server: server(), except }
}

/// RR-2, H-RR-17: a relay in between clears what the server says it released, out of the request that it has passed on; what
/// the server keeps stays.
#[test]
fn what_passes_counts_here_too() {
    let all = [ip("2001:db8:1::100"), ip("2001:db8:100::")];
    let lease = |address: Ipv6Addr| Prefix::new(address, if address == all[0] { 128 } else { 56 }).unwrap();
    let both = vec![lease(all[0]), lease(all[1])];
    for wrapped in [false, true] {
        let done = passed(
            5,
            wrapped,
            &answer(5, |out| {
                out.status(status::SUCCESS, "");
            }),
        );
        assert_eq!(done, [ended(both.clone()), cleared(Vec::new())]);
        // the prefix of one is kept, and an IA of the other
        let done = passed(
            5,
            wrapped,
            &answer(5, |out| {
                out.status(status::SUCCESS, "");
                for (client, iaid) in [(client_id(), 2), (other(), 9)] {
                    out.nest(code::CLIENT_DATA, &[], |out| {
                        out.duid(code::CLIENT_ID, client.as_duid());
                        out.ia(IaKind::Pd, iaid, [0, 0], |out| {
                            out.status(status::UNSPEC_FAIL, "");
                        });
                    });
                }
            }),
        );
        assert_eq!(done, [ended(vec![both[0]]), cleared(vec![Part::Ia(IaKind::Pd, 9)])]);
        // NoBinding is as good as released; the other one is kept as a whole
        let done = passed(
            5,
            wrapped,
            &answer(5, |out| {
                out.status(status::SUCCESS, "");
                for (client, code) in [(client_id(), status::NO_BINDING), (other(), status::NOT_ALLOWED)] {
                    out.nest(code::CLIENT_DATA, &[], |out| {
                        out.duid(code::CLIENT_ID, client.as_duid()).status(code, "");
                    });
                }
            }),
        );
        assert_eq!(done, [ended(both.clone())]);
    }
}

/// H-RR-17: a reply to another transaction, without a status, or that refuses, ends nothing.
#[test]
fn what_ends_nothing() {
    for reply in [
        answer(6, |out| {
            out.status(status::SUCCESS, "");
        }),
        answer(5, |_| {}),
        answer(5, |out| {
            out.status(status::NOT_CONFIGURED, "");
        }),
    ] {
        assert_eq!(passed(5, true, &reply), []);
    }
}
