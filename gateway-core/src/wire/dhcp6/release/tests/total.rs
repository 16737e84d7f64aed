//! No octets make a reader panic.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::dhcp6::arbitrary::{damaged, message, octets, options};
use crate::wire::dhcp6::{Builder, code};

/// Requests and replies, with anything in their clients.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let client = (any::<bool>(), options()).prop_map(|(named, options)| {
        let mut out = Builder::options();
        if named {
            out.duid(code::CLIENT_ID, client(1).as_duid());
        }
        out.raw(&options).finish().expect("short")
    });
    (240u8..=241, vec(client, 0..5), options(), any::<bool>()).prop_map(|(kind, clients, more, named)| {
        let mut out = Builder::message(kind, XID);
        if named {
            out.duid(code::SERVER_ID, server().as_duid()).duid(code::RELAY_ID, relay().as_duid()).status(0, "");
        } else {
            out.raw(&more);
        }
        for client in clients {
            out.option(code::CLIENT_DATA, &client);
        }
        out.finish().expect("short")
    })
}

proptest! {
    /// What is accepted is complete, and can be answered.
    #[test]
    fn reading_and_answering(octets in prop_oneof![octets(), message(), any_message(), damaged(any_message())]) {
        if let Ok(request) = ReleaseRequest::parse(&octets, types()) {
            prop_assert!(!request.clients.is_empty());
            let mut answer = ReleaseAnswer::to(&request, types());
            for client in &request.clients {
                let ias = client.ias.iter().map(|ia| Part::Ia(ia.kind, ia.iaid));
                let bare = client.bare.iter().map(|lease| Part::Bare(lease.binding));
                let parts = ias.chain(bare).map(|part| (part, Verdict::new(3))).collect();
                answer.clients.push(ClientAnswer { client_id: client.client_id, whole: Verdict::SUCCESS, parts });
            }
            let reply = answer.encode(65_000);
            let reply = ReleaseReply::parse(&reply, types(), request.xid, request.server_id);
            prop_assert!(reply.is_ok(), "{reply:?}");
        }
        let (server, id) = (server(), client(1));
        if let Ok(reply) = ReleaseReply::parse(&octets, types(), XID, server.as_duid()) {
            let asked = [releasing(id.as_duid(), vec![addresses(1, 1)]), releasing(id.as_duid(), vec![])];
            let _ = (reply.outcomes(&asked[0]), reply.outcomes(&asked[1]), reply.unasked(&asked).count());
        }
        let mut again = octets.clone();
        if set_elapsed(&mut again, 7) {
            prop_assert_eq!(again.len(), octets.len());
        }
    }
}
