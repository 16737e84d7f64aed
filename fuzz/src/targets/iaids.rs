//! Two IAs of one kind with one IAID: nothing tells them apart (RFC 8415 section 4.2).

use std::collections::BTreeSet;

use gateway_core::wire::dhcp6::{Binding, Builder, IaKind, Message, Nest, code, kind, status};

use crate::Target;
use crate::home::{self, Home, duid, server_id};
use crate::input::Input;
use crate::service::{self, Service, relayed};

pub(crate) const TARGET: Target = Target { name: "iaids", what: "two IAs with one IAID", run, seeds };

struct Asked {
    kind: IaKind,
    iaid: u32,
    leases: Vec<Binding>,
}

/// Up to six IAs of few names.
fn ias(input: &mut Input<'_>) -> Vec<Asked> {
    let one = |input: &mut Input<'_>| {
        let kind = [IaKind::Na, IaKind::Pd, IaKind::Ta][usize::from(input.below(3))];
        let iaid = u32::from(input.below(3));
        let leases = (0..input.below(3)).map(|_| Service::binding(kind, input.below(4))).collect();
        Asked { kind, iaid, leases }
    };
    (0..input.below(7)).map(|_| one(input)).collect()
}

fn write(out: &mut Builder, ias: &[Asked]) {
    for Asked { kind, iaid, leases } in ias {
        out.ia(*kind, *iaid, [0, 0], |out| {
            for lease in leases {
                out.lease(*lease, [600, 600], |_| {});
            }
        });
    }
}

fn run(octets: &[u8]) {
    let mut input = Input::new(octets);
    let ias = ias(&mut input);
    let names: BTreeSet<_> = ias.iter().map(|ia| (ia.kind.code(), ia.iaid)).collect();
    let twice = names.len() < ias.len();

    let mut home = Home::new();
    let sent = home.asks(1, 0, kind::REQUEST, &[]).expect("nothing is in its way");
    let mut said = Builder::message(kind::REPLY, home::XID);
    said.duid(code::CLIENT_ID, duid(1).as_duid()).duid(code::SERVER_ID, server_id().as_duid());
    said.status(status::SUCCESS, "");
    write(&mut said, &ias);
    let heard = home.answers(&sent, &said.finish().expect("short"));
    assert!(!(twice && heard), "the client could not tell what it was given");
    assert!(!twice || home.held().is_empty(), "nor could we");
    assert!(heard || home.held().is_empty(), "nobody has what it was not told of");

    let mut service = Service::with(1);
    let kind = [kind::SOLICIT, kind::REQUEST, kind::RENEW, kind::REBIND, kind::RELEASE][usize::from(input.below(5))];
    let before = service.active();
    let question = service::message(1, kind, |out| write(out, &ias));
    if let Some(answer) = service.hears(service::RELAY, &relayed(1, &question)) {
        let nest = Nest::walk(&answer).expect("well formed");
        let message = Message::parse(nest.message()).expect("well formed");
        assert!(message.ias().is_ok(), "each IA is answered once");
        assert!(!twice, "there is no right answer");
    } else {
        assert_eq!(service.active(), before, "what is not answered changes nothing");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    vec![
        vec![2, 0, 1, 1, 0, 0, 1, 1, 1, 1],
        vec![2, 0, 1, 1, 0, 1, 1, 1, 0, 1],
        vec![3, 1, 0, 2, 0, 1, 1, 0, 1, 2, 2, 0, 0, 2],
        vec![6, 0, 0, 0, 0, 1, 0, 0, 2, 0, 1, 0, 0, 1, 1, 0, 1, 2, 0, 1],
    ]
}
