//! Clients that renew in the middle of their release: who has spoken stays (H-RR-6).

use std::collections::BTreeSet;

use gateway_core::wire::dhcp6::release::{ClientAnswer, ReleaseAnswer, ReleaseRequest, ReleaseTypes, Verdict};
use gateway_core::wire::dhcp6::{Builder, Message, code, kind, status};

use crate::Target;
use crate::home::{Home, VALID, address, delegated, reply};
use crate::input::Input;

pub(crate) const TARGET: Target =
    Target { name: "renewals", what: "clients that renew while they are released", run, seeds };

const CLIENTS: u8 = 5;
const STEPS: usize = 40;

/// What a server says that believes every request: to RELEASE-REQUESTs and RELEASEs alike.
fn answer(input: &mut Input<'_>, asked: &[u8]) -> Vec<u8> {
    let types = ReleaseTypes::default();
    let Ok(request) = ReleaseRequest::parse(asked, types) else {
        let message = Message::parse(asked).expect("what we ask is well formed");
        let mut out = Builder::message(kind::REPLY, message.xid());
        if let (Ok(Some(client)), Ok(Some(server))) = (message.client_id(), message.server_id()) {
            out.duid(code::CLIENT_ID, client).duid(code::SERVER_ID, server);
        }
        out.status(status::SUCCESS, "");
        return out.finish().expect("short");
    };
    let mut answer = ReleaseAnswer::to(&request, types);
    for client in &request.clients {
        let code = [status::SUCCESS, status::NO_BINDING, status::UNSPEC_FAIL][usize::from(input.below(3))];
        let whole = Verdict { code, text: "" };
        answer.clients.push(ClientAnswer { client_id: client.client_id, whole, parts: Vec::new() });
    }
    answer.encode(1232)
}

fn run(octets: &[u8]) {
    let mut input = Input::new(octets);
    let mut home = Home::with(CLIENTS);
    // Who has spoken since its release was decided, and nothing else was.
    let mut spoken: BTreeSet<u8> = BTreeSet::new();
    for _ in 0..STEPS {
        if input.is_over() {
            break;
        }
        match input.below(6) {
            0 => {
                home.restarts();
                spoken.clear();
            }
            1 => {
                let client = 1 + input.below(CLIENTS);
                home.releases(client);
                spoken.remove(&client);
            }
            2 => {
                let client = 1 + input.below(CLIENTS);
                let leases = [address(client), delegated(client)];
                let kind = if input.chance() { kind::RENEW } else { kind::REQUEST };
                let port = u16::from(client % 2);
                if let Some(sent) = home.asks(client, port, kind, &leases)
                    && home.answers(&sent, &reply(client, &leases, VALID))
                {
                    spoken.insert(client);
                }
            }
            3 if !home.asked.is_empty() => {
                let asked = home.asked[usize::from(input.octet()) % home.asked.len()].clone();
                let message = answer(&mut input, &asked);
                assert!(home.hears(&message).is_empty(), "no client is to know of it");
            }
            _ => home.waits(u64::from(input.octet()) * 100),
        }
        for client in &spoken {
            assert!(home.has_all(*client), "client {client} has renewed, and lost something");
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0, 2, 0, 1, 3, 0, 0, 0, 0, 0, 0],
        vec![1, 0, 2, 0, 1, 3, 0, 0],
        vec![0, 4, 10, 2, 1, 1, 4, 60, 3, 0, 0, 1, 1, 0, 0, 2, 2, 0, 3, 1, 0, 0, 0, 0],
        vec![0, 4, 60, 2, 0, 1, 3, 0, 1, 1, 1, 1, 1, 4, 200, 4, 200, 3, 2, 0],
        vec![1, 0, 4, 255, 4, 255, 4, 255, 2, 0, 1, 3, 9, 0, 3, 5, 0],
    ]
}
