//! What must have no effect: forged, replayed, reordered, repeated, foreign and broken replies.

use super::server::Draft;
use super::*;
use crate::wire::bulk_release::Operation;
use proptest::prelude::*;

/// A world of ten logins whose single logout has left, and the reply that would end them.
fn asked() -> (World, Draft) {
    let mut world = World::capable(config());
    world.table.log_in(0, 10, 7, address_scope(), world.now);
    world.restart(7);
    let draft = Draft::to(&world.sent[0].payload, 1, 10);
    (world, draft)
}

/// Nothing changed: the logins, the messages, the deadline, the capability and the replay window.
fn untouched(world: &mut World, draft: &Draft) {
    assert_eq!((world.table.logins.len(), world.sent.len(), world.finished()), (10, 1, false));
    assert_eq!(world.fallbacks(), []);
    let reply = draft.octets();
    world.deliver(SERVER, &reply);
    assert_eq!(world.table.logins.len(), 0, "the true reply is not believed afterwards");
}

/// H-BR-13: whoever does not have the key changes nothing.
#[test]
fn forged_and_unauthenticated() {
    let wrong_secret = Key { secret: b"guess".to_vec().into(), ..key() };
    let wrong_id = Key { id: 6, ..key() };
    for (forger, counted) in [(Some(wrong_secret), "forged"), (Some(wrong_id), "forged"), (None, "unauthenticated")] {
        let (mut world, draft) = asked();
        let forged = Draft { key: forger, replay: 1000, ..draft.clone() };
        world.deliver(SERVER, &forged.octets());
        let counters = world.releases.counters();
        assert_eq!(if counted == "forged" { counters.forged } else { counters.unauthenticated }, 1);
        untouched(&mut world, &draft);
    }
}

/// H-BR-16: a reply that is repeated, or whose counter is not newer than one that was accepted, changes nothing.
#[test]
fn replayed_reordered_and_repeated() {
    let mut world = World::capable(config());
    world.table.log_in(0, 10, 7, group("a"), world.now);
    world.table.log_in_at(OTHER, 1, 10, 7, group("a"), world.now);
    world.hear(OTHER, Observation::Capable { max_scopes: 1, will_reply: true });
    world.restart(7);
    let mut interim = Draft::to(&world.sent[0].payload, 5, 3);
    interim.release.transaction.as_mut().unwrap().final_ = false;
    world.deliver(SERVER, &interim.octets());
    world.deliver(SERVER, &interim.octets());
    let overtaken = Draft::to(&world.sent[0].payload, 4, 10);
    world.deliver(SERVER, &overtaken.octets());
    assert_eq!((world.releases.counters().interim, world.releases.counters().replayed), (1, 2));
    assert_eq!(world.table.logins.len(), 20);

    let last = Draft { replay: 6, ..overtaken };
    world.deliver(SERVER, &last.octets());
    assert_eq!(world.table.logins.len(), 10);
    world.deliver(SERVER, &last.octets());
    world.deliver(SERVER, &Draft { replay: 7, ..last }.octets());
    assert_eq!((world.releases.counters().replayed, world.releases.counters().duplicate), (3, 1));
    assert_eq!((world.table.logins.len(), world.sent.len()), (10, 2));
}

/// A reply is one to what was asked, of whom it was asked: txid, xid, server, identifier, device, and the same scopes
/// in the same order with a result each. H-BR-12, H-BR-13
#[test]
fn not_what_was_asked() {
    type Bend = fn(&mut Draft);
    let bends: [(&str, Bend); 13] = [
        ("txid", |draft| draft.release.transaction.as_mut().unwrap().txid ^= 1),
        ("xid", |draft| draft.xid ^= 1),
        ("identifier", |draft| draft.identifier = OTHER),
        ("relay-id", |draft| draft.relay_id = b"BNG-0043".to_vec()),
        ("operation", |draft| draft.release.transaction.as_mut().unwrap().operation = Operation::Release),
        ("no transaction", |draft| draft.release.transaction = None),
        ("epoch", |draft| draft.release.scopes[0].epoch = Epoch(8)),
        ("scope", |draft| draft.release.scopes[0].kind = ScopeKind::Address(OTHER)),
        ("one scope more", |draft| draft.release.scopes.push(draft.release.scopes[0].clone())),
        ("no scope", |draft| draft.release.scopes.clear()),
        ("no result", |draft| draft.release.results.clear()),
        ("one result more", |draft| draft.release.results.push(draft.release.results[0])),
        ("index", |draft| draft.release.results[0].index = 1),
    ];
    for (name, bend) in bends {
        let (mut world, draft) = asked();
        let mut bent = draft.clone();
        bend(&mut bent);
        world.deliver(SERVER, &bent.octets());
        let counters = world.releases.counters();
        assert_eq!(counters.malformed + counters.unmatched, 1, "{name}");
        untouched(&mut world, &draft);
    }
    let (mut world, draft) = asked();
    world.deliver(OTHER, &draft.octets());
    assert_eq!(world.releases.counters().unmatched, 1, "another server's");
    untouched(&mut world, &draft);
}

/// Scopes in another order are another answer.
#[test]
fn scopes_in_another_order() {
    let mut world = World::capable(config());
    world.table.log_in(0, 10, 7, group("a"), world.now);
    world.table.log_in(1, 10, 7, group("b"), world.now);
    world.restart(7);
    let mut draft = Draft::to(&world.sent[0].payload, 1, 10);
    draft.release.scopes.swap(0, 1);
    world.deliver(SERVER, &draft.octets());
    assert_eq!((world.table.logins.len(), world.releases.counters().malformed), (20, 1));
}

/// Without a release nothing is believed, and other messages are the relay's.
#[test]
fn uninvited() {
    let (asked, draft) = asked();
    let mut world = World::capable(config());
    world.deliver(SERVER, &draft.octets());
    assert_eq!(world.releases.counters().unmatched, 1);
    let request = asked.sent[0].payload.clone();
    assert!(!world.call(|releases, context, now| releases.handle_server(SERVER, &request, context, now)));
    assert!(!world.call(|releases, context, now| releases.handle_server(SERVER, b"no DHCP", context, now)));
}

proptest! {
    /// No octets make it panic, and none that are not signed end a login. H-BR-13
    #[test]
    fn garbage(octets in proptest::collection::vec(any::<u8>(), 0..700), from_server: bool) {
        let (mut world, draft) = asked();
        let from = if from_server { SERVER } else { OTHER };
        world.call(|releases, context, now| releases.handle_reply(from, &octets, context, now));
        world.call(|releases, context, now| releases.handle_lease_answer(from, &octets, context, now));
        world.deliver(from, &octets);
        untouched(&mut world, &draft);
    }

    /// A true reply with some octets changed, cut or added is no reply any more: whatever the signature covers. H-BR-13
    #[test]
    fn mutated_replies(
        at in any::<prop::sample::Index>(),
        bits in 1..=255u8,
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let (mut world, draft) = asked();
        let mut octets = draft.octets();
        match cut {
            Some(cut) => octets.truncate(cut.index(octets.len())),
            None => {
                let at = at.index(octets.len());
                // hops and giaddr are any relay's on the way to change (H-BR-25), and so is nothing else
                prop_assume!(at != 3 && !(24..28).contains(&at));
                octets[at] ^= bits;
            }
        }
        // Without its end option the message may still be whole.
        let whole = octets.len() + 1 == draft.octets().len();
        world.deliver(SERVER, &octets);
        if !whole {
            untouched(&mut world, &draft);
        }
    }

    /// Whatever elements a reply holds under a true signature: no panic, and a login of a newer epoch stays. H-BR-6
    #[test]
    fn signed_nonsense(
        last: bool,
        status in proptest::option::of(any::<u8>()),
        results in proptest::collection::vec(any::<[u32; 4]>(), 0..3),
        scopes in 0..3usize,
        replay: u64,
    ) {
        let (mut world, mut draft) = asked();
        world.table.log_in(1, 1, 8, address_scope(), world.now);
        let result = |(index, r): (usize, &[u32; 4])| crate::wire::bulk_release::ScopeResult {
            index: index as u8,
            status: (r[0] % 3) as u8,
            released: r[0],
            skipped: r[1],
            failed: r[2] % 2,
            highest_epoch: r[3],
        };
        draft.release.results = results.iter().enumerate().map(result).collect();
        draft.release.scopes = vec![draft.release.scopes[0].clone(); scopes];
        draft.release.transaction.as_mut().unwrap().final_ = last;
        (draft.status, draft.replay) = (status, replay);
        world.deliver(SERVER, &draft.octets());
        world.pass(30.0);
        prop_assert!(world.table.logins.contains_key(&Ipv4Addr::new(100, 65, 0, 0)));
    }
}
