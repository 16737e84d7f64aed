//! What a server says, and what is left of it when there is little room.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::dhcp6::{IaKind, status};

/// A request of clients 1 to `count`, each with IA_NA 1 and IA_PD 1, on interface "eth0" or none.
fn request(count: u16, interface_id: Option<&[u8]>) -> Vec<u8> {
    let (server, relay) = (server(), relay());
    let ids: Vec<_> = (1..=count).map(client).collect();
    let clients = ids.iter().map(|id| releasing(id.as_duid(), vec![addresses(1, 1), prefixes(1, 1)]));
    let head = ReleaseHead { interface_id, ..head(&server, &relay) };
    pack(head, Budget { request: 65_000, reply: 65_000 }, &mut clients.peekable()).message.unwrap()
}

/// The answer in which each client's IAs have these statuses, with the same text for each.
fn answer<'a>(request: &ReleaseRequest<'a>, codes: &[[u16; 2]], text: &'a str) -> ReleaseAnswer<'a> {
    let mut answer = ReleaseAnswer::to(request, types());
    answer.clients = request
        .clients
        .iter()
        .zip(codes)
        .map(|(client, [na, pd])| ClientAnswer {
            client_id: client.client_id,
            whole: Verdict::SUCCESS,
            parts: vec![
                (Part::Ia(IaKind::Na, 1), Verdict { code: *na, text }),
                (Part::Ia(IaKind::Pd, 1), Verdict { code: *pd, text }),
            ],
        })
        .collect();
    answer
}

fn read(octets: &[u8]) -> ReleaseReply<'_> {
    ReleaseReply::parse(octets, types(), XID, server().as_duid()).unwrap()
}

/// The interface-id comes back when there was one. RR-31
#[test]
fn the_interface_id() {
    for interface_id in [None, Some(&b"eth0"[..])] {
        let octets = request(1, interface_id);
        let request = ReleaseRequest::parse(&octets, types()).unwrap();
        let reply = answer(&request, &[[0, 0]], "").encode(1194);
        assert_eq!(read(&reply).interface_id, interface_id);
        let refused = ReleaseAnswer::to(&request, types()).refuse(Verdict::new(status::NOT_CONFIGURED));
        assert_eq!(read(&refused).interface_id, interface_id);
    }
}

/// A refusal has a status and its reason, and lists nobody. RR-46, RR-47, H-RR-13
#[test]
fn refusals() {
    let octets = request(2, None);
    let request = ReleaseRequest::parse(&octets, types()).unwrap();
    for (code, number) in [(status::NOT_CONFIGURED, 9), (status::NOT_ALLOWED, 10)] {
        let reply = ReleaseAnswer::to(&request, types()).refuse(Verdict { code, text: "relay is not configured" });
        let reply = read(&reply);
        assert_eq!((reply.status.code, &*reply.status.text()), (number, "relay is not configured"));
        assert!(reply.clients.is_empty());
    }
}

/// Who lost everything that was asked for is not mentioned; of others the failed IAs, with nothing but a status in them; bare
/// ones by themselves. RR-28, RR-30, RR-51, RR-52, RR-53, RR-54, RR-55, H-RR-2
#[test]
fn only_failures_are_told() {
    let octets = request(4, None);
    let request = ReleaseRequest::parse(&octets, types()).unwrap();
    let mut answer = answer(&request, &[[0, 0], [0, 3], [1, 3], [0, 0]], "text");
    let bare = addresses(1, 9).bindings()[0];
    answer.clients[3].parts = vec![(Part::Bare(bare), Verdict::new(status::NO_BINDING))];
    answer.clients.push(ClientAnswer {
        client_id: request.clients[0].client_id,
        whole: Verdict { code: status::NO_BINDING, text: "who?" },
        parts: vec![(Part::Ia(IaKind::Na, 1), Verdict::new(status::NO_BINDING))],
    });
    let reply = answer.encode(1194);
    let reply = read(&reply);
    assert_eq!(reply.status.code, status::SUCCESS);
    let names: Vec<_> = reply.clients.iter().map(|client| client.client_id.to_owned()).collect();
    assert_eq!(names, [client(2), client(3), client(4), client(1)]);
    let [second, third, fourth, again] = &reply.clients[..] else { panic!("four") };
    let told = |client: &ClientStatus<'_>| {
        let ias = client.ias.iter();
        ias.map(|ia| (ia.kind, ia.status.unwrap().code, ia.options.iter().count())).collect::<Vec<_>>()
    };
    assert_eq!((told(second), second.status), (vec![(IaKind::Pd, 3, 1)], None));
    assert_eq!(told(third), [(IaKind::Na, 1, 1), (IaKind::Pd, 3, 1)]);
    assert_eq!((fourth.bare[0].binding, fourth.bare[0].status.unwrap().code), (bare, 3));
    assert_eq!((told(again), again.status.unwrap().text), (vec![], &b"who?"[..]));
}

/// Texts go first, then the IAs, then the claim of Success; never a failure in silence. H-RR-11
#[test]
fn less_and_less_room() {
    let octets = request(10, None);
    let request = ReleaseRequest::parse(&octets, types()).unwrap();
    let answer = answer(&request, &[[3, 1]; 10], "a reason that is thirty octets");
    let full = 24 + 10 * (18 + 2 * (22 + 30));
    let (plain, collapsed) = (24 + 10 * (18 + 44), 24 + 10 * 24);
    for (budget, length) in [
        (full, full),
        (full - 1, plain),
        (plain, plain),
        (plain - 1, collapsed),
        (collapsed, collapsed),
        (collapsed - 1, collapsed - 24),
        (71, 48),
        (0, 24),
    ] {
        let reply = answer.encode(budget);
        assert_eq!(reply.len(), length, "{budget}");
        let reply = read(&reply);
        assert_eq!(reply.status.code, if budget >= collapsed { 0 } else { 1 });
        if budget < plain {
            assert!(reply.clients.iter().all(|client| client.status.unwrap().code == status::UNSPEC_FAIL));
        }
    }
}

/// One status for a client: NoBinding where nothing worse happened, the common one, or UnspecFail. H-RR-11
#[test]
fn one_status_for_a_client() {
    let octets = request(4, None);
    let request = ReleaseRequest::parse(&octets, types()).unwrap();
    let reply = answer(&request, &[[0, 3], [10, 10], [10, 0], [0, 0]], "").encode(24 + 3 * 24);
    let codes: Vec<_> = read(&reply).clients.iter().map(|client| client.status.unwrap().code).collect();
    assert_eq!(codes, [3, 10, 1]);
}

/// A text is cut between characters.
#[test]
fn long_texts() {
    let octets = request(1, None);
    let request = ReleaseRequest::parse(&octets, types()).unwrap();
    let long = "ä".repeat(200);
    let reply = ReleaseAnswer::to(&request, types()).refuse(Verdict { code: 1, text: &long });
    assert_eq!(read(&reply).status.text(), "ä".repeat(127));
}

proptest! {
    /// However little room there is, the relay never takes for released what was not, and with enough room it takes for
    /// released what was. H-RR-4, H-RR-11
    #[test]
    fn never_success_for_a_failure(
        codes in vec([prop_oneof![Just(0u16), Just(3), 0u16..12], prop_oneof![Just(0u16), Just(3), 0u16..12]], 1..20),
        budget in 24usize..1500,
        text in "[a-z]{0,40}",
    ) {
        let octets = request(codes.len() as u16, None);
        let request = ReleaseRequest::parse(&octets, types()).unwrap();
        let answer = answer(&request, &codes, &text);
        let octets = answer.encode(budget);
        prop_assert!(octets.len() <= budget);
        let reply = read(&octets);
        let complete = octets.len() == answer.encode(usize::MAX).len();
        for (number, codes) in codes.iter().enumerate() {
            let id = client(number as u16 + 1);
            let asked = releasing(id.as_duid(), vec![addresses(1, 1), prefixes(1, 1)]);
            let Outcomes::Listed(outcomes) = reply.outcomes(&asked) else { panic!("two are listed") };
            for (outcome, code) in outcomes.into_iter().zip(codes) {
                let truth = Outcome::of(*code);
                prop_assert!(truth.is_cleared() || !outcome.is_cleared(), "{truth:?} read as {outcome:?}");
                if complete {
                    prop_assert_eq!(outcome, truth);
                }
            }
        }
    }
}
