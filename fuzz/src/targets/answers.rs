//! Answers to RELEASE-REQUESTs: without a status, about clients that were not asked about, NoBinding for some of a batch.

use std::collections::BTreeSet;

use gateway_core::wire::dhcp6::release::{ReleaseRequest, ReleaseTypes};
use gateway_core::wire::dhcp6::{Builder, DuidBuf, IaKind, Prefix, code, status};

use crate::Target;
use crate::home::{Home, address, delegated, duid, server_id};
use crate::input::Input;

pub(crate) const TARGET: Target =
    Target { name: "answers", what: "answers to RELEASE-REQUESTs that say too little or too much", run, seeds };

/// Clients that there are; the first half of them is released.
const CLIENTS: u8 = 6;
const RELEASED: u8 = 3;

/// What a client calls its IA of a kind.
fn iaid(kind: IaKind) -> u32 {
    u32::from(kind == IaKind::Pd)
}

/// An answer, and what may end by it: nothing when it is none, `None` when it was damaged.
fn answer(input: &mut Input<'_>, asked: &[u8]) -> (Vec<u8>, Option<BTreeSet<Prefix>>) {
    let types = ReleaseTypes::default();
    let Ok(request) = ReleaseRequest::parse(asked, types) else {
        return (input.chunk().to_vec(), Some(BTreeSet::new()));
    };
    let others = input.octet();
    let xid = if others & 3 == 1 { request.xid ^ 1 } else { request.xid };
    let mut out = Builder::message(types.reply(), xid);
    if others >> 2 & 3 == 1 {
        out.duid(code::SERVER_ID, DuidBuf::link_layer([8; 6]).as_duid());
    } else {
        out.duid(code::SERVER_ID, server_id().as_duid());
    }
    let overall = match input.below(4) {
        0 | 1 => Some(status::SUCCESS),
        2 => Some(u16::from(input.octet())),
        _ => None,
    };
    overall.inspect(|overall| _ = out.status(*overall, ""));
    let is_answer = overall.is_some() && others & 3 != 1 && others >> 2 & 3 != 1;
    let mut said: Vec<(u8, Option<IaKind>, u16)> = Vec::new();
    for _ in 0..input.below(CLIENTS + 1) {
        let client = 1 + input.below(CLIENTS);
        let code = [status::SUCCESS, status::NO_BINDING, status::UNSPEC_FAIL, status::NOT_ALLOWED]
            [usize::from(input.below(4))];
        let of = [None, Some(IaKind::Na), Some(IaKind::Pd)][usize::from(input.below(3))];
        out.nest(code::CLIENT_DATA, &[], |out| {
            out.duid(code::CLIENT_ID, duid(client).as_duid());
            match of {
                None => _ = out.status(code, ""),
                Some(kind) => _ = out.ia(kind, iaid(kind), [0, 0], |out| _ = out.status(code, "")),
            }
        });
        said.push((client, of, code));
    }
    // What is said of the IA counts, else of the client, else of all; of two that are said of one thing the worse (RR-57, RR-58).
    let is_good = |code: u16| matches!(code, status::SUCCESS | status::NO_BINDING);
    let of = |client: u8, which: Option<IaKind>| {
        let codes: Vec<u16> = said.iter().filter(|one| (one.0, one.1) == (client, which)).map(|one| one.2).collect();
        (!codes.is_empty()).then(|| codes.into_iter().all(is_good))
    };
    let ends = |client: u8, kind| {
        let is_in = request.clients.iter().any(|one| one.client_id == duid(client).as_duid());
        let alone = of(client, Some(kind)).or_else(|| of(client, None));
        is_in && is_answer && alone.unwrap_or(overall.is_some_and(is_good))
    };
    let each = (1..=CLIENTS)
        .flat_map(|client| [(client, IaKind::Na, address(client)), (client, IaKind::Pd, delegated(client))]);
    let ended = each.filter(|(client, kind, _)| ends(*client, *kind)).map(|(_, _, prefix)| prefix).collect();
    let mut message = out.finish().expect("short");
    let damaged = input.damage(&mut message);
    (message, (!damaged).then_some(ended))
}

fn run(octets: &[u8]) {
    let mut input = Input::new(octets);
    let mut home = Home::with(CLIENTS);
    let all = home.held();
    // By one word each, or all of them by the card's restart.
    if input.chance() {
        home.restarts();
    } else {
        (1..=RELEASED).for_each(|client| home.releases(client));
    }
    let mut may_end: BTreeSet<Prefix> = BTreeSet::new();
    let mut anything = false;
    for _ in 0..12 {
        if input.is_over() {
            break;
        }
        let asked = home.asked.get(usize::from(input.octet()) % home.asked.len().max(1)).cloned().unwrap_or_default();
        let (message, ended) = answer(&mut input, &asked);
        match ended {
            Some(ended) => may_end.extend(ended),
            None => anything = true,
        }
        assert!(home.hears(&message).is_empty(), "no client is to know of it");
        home.waits(u64::from(input.octet()) * 32);
    }
    let held = home.held();
    let gone: Vec<_> = all.difference(&held).collect();
    let unexplained = gone.iter().find(|(_, prefix)| !may_end.contains(prefix));
    assert!(anything || unexplained.is_none(), "{unexplained:?} is gone, and only {may_end:?} may be");
    // Whatever was said: it was about those who were asked about.
    let requests: Vec<_> =
        home.asked.iter().filter_map(|asked| ReleaseRequest::parse(asked, ReleaseTypes::default()).ok()).collect();
    let asked_about = |client: &DuidBuf| {
        requests.iter().any(|request| request.clients.iter().any(|one| one.client_id == client.as_duid()))
    };
    assert!(
        !requests.is_empty() && gone.iter().all(|(client, _)| asked_about(client)),
        "{gone:?} were not asked about"
    );
}

fn seeds() -> Vec<Vec<u8>> {
    vec![
        // Everything is released; without a status; about others; NoBinding for half of the batch.
        vec![0, 0, 0, 0, 0, 0, 0, 1],
        vec![0, 0, 0, 3, 0, 0, 0, 1],
        vec![0, 0, 0, 0, 2, 4, 1, 0, 5, 1, 0, 0, 0, 1],
        vec![1, 0, 0, 0, 3, 0, 1, 0, 1, 1, 0, 2, 2, 0, 0, 0, 9],
        vec![1, 0, 0, 2, 2, 1, 0, 1, 0, 0, 0, 100, 0, 1, 0, 0, 0, 0, 0, 200],
    ]
}
