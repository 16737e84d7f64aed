//! What holds whatever happens.

use std::collections::BTreeMap;

use gateway_core::time::Duration;
use gateway_core::wire::dhcp6::{Binding, Builder, IaKind, code, kind};
use gateway_server::v6::Config;
use proptest::prelude::*;

use crate::lab::*;
use crate::single_logout::{group, logout, of_card, open};

#[derive(Clone, Debug)]
enum Step {
    Login {
        client: u16,
        iaid: u32,
        length: u8,
    },
    Ask {
        client: u16,
        iaid: u32,
        of: u16,
        kind: u8,
    },
    RelayRelease {
        client: u16,
        elapsed: u16,
    },
    SingleLogout(u16),
    Wait(u64),
    Crash,
    /// The pools of prefixes are cut otherwise.
    Divide(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let (client, iaid) = (0u16..10, 1u32..3);
    let kinds = prop::sample::select(vec![kind::REQUEST, kind::RENEW, kind::REBIND, kind::RELEASE, kind::DECLINE]);
    prop_oneof![
        6 => (client.clone(), iaid.clone(), 54u8..62)
            .prop_map(|(client, iaid, length)| Step::Login { client, iaid, length }),
        6 => (client.clone(), iaid, client.clone(), kinds)
            .prop_map(|(client, iaid, of, kind)| Step::Ask { client, iaid, of, kind }),
        2 => (client, 0u16..500).prop_map(|(client, elapsed)| Step::RelayRelease { client, elapsed }),
        1 => (0u16..2).prop_map(Step::SingleLogout),
        3 => prop_oneof![0u64..8, Just(3000), Just(7300)].prop_map(Step::Wait),
        1 => Just(Step::Crash),
        1 => (55u8..60).prop_map(Step::Divide),
    ]
}

/// First and last address.
fn span(binding: &Binding) -> (u128, u128) {
    match binding {
        Binding::Address(address) => (address.to_bits(), address.to_bits()),
        Binding::Prefix(prefix) => {
            let first = prefix.address().to_bits();
            (first, first | u128::MAX.checked_shr(prefix.length().into()).unwrap_or(0))
        }
    }
}

/// What clients may use, by what they were told: each with its client and its end.
#[derive(Default)]
struct Model(BTreeMap<Binding, (u16, u64)>);

impl Model {
    /// Takes an answer in; fails when it tells one client what another may still use, or overlaps it.
    fn heard(&mut self, client: u16, reply: &Reply, clock: u64) -> Result<(), TestCaseError> {
        for ia in reply.message().ias().unwrap() {
            for lease in ia.leases() {
                if lease.valid == 0 {
                    continue;
                }
                let (first, last) = span(&lease.binding);
                for (other, (holder, until)) in &self.0 {
                    let (other_first, other_last) = span(other);
                    let overlaps = first <= other_last && other_first <= last;
                    prop_assert!(
                        !overlaps || *until <= clock || (*holder == client && *other == lease.binding),
                        "{} was told to {client} while {holder} has {other}",
                        lease.binding
                    );
                }
                self.0.insert(lease.binding, (client, clock + u64::from(lease.valid)));
            }
        }
        Ok(())
    }
}

/// Clients are on two cards, whose leases their relay can release at once.
fn client_of(number: u16) -> Cpe {
    of_card(number, &format!("fpc{}", number % 2), 1)
}

fn release_request(client: &Cpe, elapsed: u16) -> Vec<u8> {
    let mut out = Builder::message(240, XID);
    out.duid(code::SERVER_ID, server_id().as_duid()).duid(code::RELAY_ID, relay_id().as_duid());
    out.u16(code::ELAPSED_TIME, elapsed).nest(code::CLIENT_DATA, &[], |out| {
        out.duid(code::CLIENT_ID, client.duid.as_duid());
    });
    let request = out.finish().unwrap();
    gateway_core::wire::dhcp6::relay_forward(&request, LINK, RELAY, &[]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In a table of any size, over any interleaving of logins, renewals, releases of clients and of relays, single logouts, declines, time, crashes
    /// and pools that are cut otherwise: no address and no overlapping prefix is ever held by two clients.
    ///
    /// H-RR-16, BR-27
    #[test]
    fn nothing_is_held_twice(steps in prop::collection::vec(step(), 1..60), most in prop::sample::select(vec![12, 1 << 22])) {
        let mut lab = Lab::new(Config { max_leases: most, ..open() });
        let (mut model, mut clock, mut txid) = (Model::default(), 1000u64, 0);
        for step in steps {
            match step {
                Step::Login { client, iaid, length } => {
                    let hint = [delegated(&format!("::/{length}"))];
                    let solicit = [(IaKind::Na, iaid, &[][..]), (IaKind::Pd, iaid, &hint[..])];
                    let offer = lab.ask(&client_of(client), kind::SOLICIT, &solicit).unwrap();
                    let named = |kind| offer.lease(kind, iaid).into_iter().collect::<Vec<_>>();
                    let (na, pd) = (named(IaKind::Na), named(IaKind::Pd));
                    let request = [(IaKind::Na, iaid, &na[..]), (IaKind::Pd, iaid, &pd[..])];
                    let reply = lab.ask(&client_of(client), kind::REQUEST, &request).unwrap();
                    model.heard(client, &reply, clock)?;
                }
                Step::Ask { client, iaid, of, kind } => {
                    // What somebody has, perhaps the one who asks.
                    let theirs = model.0.iter().filter(|(_, (holder, _))| *holder == of).map(|(binding, _)| *binding);
                    let (na, pd): (Vec<_>, Vec<_>) = theirs.partition(|it| matches!(it, Binding::Address(_)));
                    let ias = [(IaKind::Na, iaid, &na[..]), (IaKind::Pd, iaid, &pd[..])];
                    let reply = lab.ask(&client_of(client), kind, &ias).unwrap();
                    if matches!(kind, kind::RELEASE | kind::DECLINE) {
                        let unbound: Vec<_> = reply.message().ias().unwrap().iter().map(|ia| ia.kind).collect();
                        model.0.retain(|binding, (holder, _)| {
                            let ia = if matches!(binding, Binding::Address(_)) { IaKind::Na } else { IaKind::Pd };
                            let passed_over = kind == kind::DECLINE && ia == IaKind::Pd;
                            *holder != client || of != client || unbound.contains(&ia) || passed_over
                        });
                    } else {
                        model.heard(client, &reply, clock)?;
                    }
                }
                Step::RelayRelease { client, elapsed } => {
                    let reply = lab.send(RELAY, &release_request(&cpe(client), elapsed)).unwrap();
                    let failed = reply.message().options().find(code::CLIENT_DATA);
                    let options = failed.map(|option| option.container::<0>().unwrap().1);
                    // A status of the client as a whole: nothing of it was released.
                    if options.is_none_or(|options| options.status().unwrap().is_none()) {
                        model.0.retain(|_, (holder, _)| *holder != client);
                    }
                }
                Step::SingleLogout(card) => {
                    txid += 1;
                    logout(group(&format!("fpc{card}"), 1), txid).counts(&mut lab);
                    model.0.retain(|_, (holder, _)| *holder % 2 != card);
                }
                Step::Wait(seconds) => {
                    clock += seconds;
                    lab.rest(Duration::from_secs(seconds));
                }
                Step::Crash => lab.crash(),
                Step::Divide(length) => {
                    lab.config.subnets[0].prefixes[0].delegated = length;
                    lab.crash();
                }
            }
        }
    }

    /// No octet string makes the server panic, whether it is noise or a message with a few octets changed or cut.
    #[test]
    fn no_octets_panic(
        noise in prop::collection::vec(any::<u8>(), 0..300),
        which in 0usize..9,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        cut_it in any::<bool>(),
    ) {
        let mut lab = Lab::new(open());
        let (na, pd) = lab.dual(&client_of(1));
        let kinds = [kind::SOLICIT, kind::REQUEST, kind::CONFIRM, kind::RENEW, kind::REBIND, kind::RELEASE, kind::DECLINE];
        let mut damaged = match kinds.get(which) {
            Some(kind) => client_of(1).relayed(&cpe(1).message(*kind, &[(IaKind::Na, 1, &[na]), (IaKind::Pd, 1, &[pd])], |_| {})),
            None if which == 7 => release_request(&cpe(1), 3),
            None => logout(group("fpc0", 1), 1).octets(),
        };
        for (at, octet) in changes {
            let at = at.index(damaged.len());
            damaged[at] = octet;
        }
        if cut_it {
            damaged.truncate(cut.index(damaged.len()));
        }
        lab.send(RELAY, &damaged);
        lab.send(RELAY, &noise);
        lab.send(RELAY, &cpe(1).relayed(&[&[kind::SOLICIT, 0, 0, 1], &noise[..]].concat()));
        lab.crash();
    }
}
