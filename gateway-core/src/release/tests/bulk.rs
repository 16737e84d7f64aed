//! The single logout.

use super::server::Draft;
use super::*;
use crate::wire::agent::{AgentInformation, sub};
use crate::wire::bulk_release::{BulkRelease, CodePoints, Encoding, Operation};

fn elements(sent: &Sent, points: &CodePoints) -> BulkRelease {
    let message = sent.message();
    let agent = AgentInformation::parse(message.agent_information().unwrap()).unwrap();
    BulkRelease::decode(&agent, points).unwrap().unwrap()
}

/// One message and one reply, however many logins, and not one of them is looked at.
/// BR-19, BR-22, BR-24, BR-25, BR-29, BR-30, BR-33, H-BR-1
#[test]
fn one_message_ends_all_logins() {
    let mut world = World::capable(config());
    world.table.log_in(0, 5000, 7, address_scope(), world.now);
    let mut server = BulkServer::with(&world.table);
    world.now = world.now + Duration::from_secs(100);
    world.restart(7);
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.table.logins.len(), 5000, "nothing ends before the server confirmed it");
    assert_eq!(world.progress().phase, Phase::Bulk);

    let reply = server.handle(&world.sent[0].payload, world.now).expect("a reply");
    assert_eq!(server.active(), 0);
    world.deliver(SERVER, &reply);
    assert_eq!((world.sent.len(), world.table.logins.len()), (1, 0));
    assert_eq!(world.table.looked_at.get(), 0);
    assert!(world.finished() && world.store.is_empty());
    assert_eq!(world.proceeded, [(world.now, Epoch(7), true)]);
    let progress = world.progress();
    assert_eq!((progress.total, progress.released, progress.bulk_sent), (5000, 5000, 1));
    assert_eq!(world.releases.poll_timeout(), None);
}

/// The message is vector V-4, octet for octet. BR-22, BR-25, H-BR-13
#[test]
fn the_octets_of_vector_4() {
    let mut world = World::capable(config());
    world.table.log_in(0, 1000, 7, address_scope(), world.now);
    world.script = [0x0102_0304_0506_0708, 0xa1b2_c3d4_0000_0000].into();
    world.restart(7);
    let mut want = vec![1, 0, 0, 0, 0xa1, 0xb2, 0xc3, 0xd4];
    want.resize(24, 0);
    want.extend([192, 0, 2, 1]);
    want.resize(236, 0);
    let options = "638253633501073604c633640552640c08424e472d30303432093000007ed92b\
        0104010100000213010108424e472d3030343200000007c0000201030e010001\
        02030405060708000003e80826010165f00000000000010000000000000005f1\
        f7a2877cc46013b72d19c2e1e646391d302ef1ff";
    want.extend((0..options.len()).step_by(2).map(|at| u8::from_str_radix(&options[at..at + 2], 16).unwrap()));
    assert_eq!(world.sent[0].payload, want);
    assert_eq!((world.sent[0].giaddr, world.sent[0].server), (GIADDR, SERVER));
}

/// A group is released by its name. BR-26, BR-16, BR-17
#[test]
fn a_shared_giaddr_is_released_by_group() {
    let mut world = World::capable(config());
    world.table.log_in(0, 10, 7, group("fpc3"), world.now);
    world.restart(7);
    let release = elements(&world.sent[0], &CodePoints::default());
    assert_eq!(release.scopes.len(), 1);
    assert_eq!(Some(release.scopes[0].kind.clone()), group("fpc3"));
    assert_eq!((release.scopes[0].epoch, &release.scopes[0].device), (Epoch(7), &device()));
    assert_eq!(release.transaction.unwrap().count, 10);
}

/// Nobody answers: at 0, 1, 3 and 7 s, each interval off by up to a tenth, the same txid and xid, fresh age, fresh
/// replay counter, fresh signature; then individually. BR-31, H-BR-14, H-BR-23
#[test]
fn retransmission_and_then_the_individual_way() {
    let mut world = World::capable(config());
    world.table.log_in(0, 3, 7, address_scope(), world.now);
    world.restart(7);
    let began = world.now;
    world.pass(14.0);
    assert_eq!(world.releases_sent().len(), 0);
    let bulk = world.bulk_sent();
    assert_eq!(bulk.len(), 4);
    let at: Vec<_> = bulk.iter().map(|sent| sent.at.since(began).as_secs_f64()).collect();
    for (place, (least, most)) in [(0.0, 0.0), (0.9, 1.1), (2.6, 3.41), (6.0, 8.1)].into_iter().enumerate() {
        assert!((least..=most).contains(&at[place]), "{at:?}");
    }
    assert!(at[1].fract() != 0.0, "no jitter");
    let mut replays = Vec::new();
    for sent in &bulk {
        assert_eq!(sent.message().xid(), bulk[0].message().xid());
        assert_eq!(elements(sent, &CodePoints::default()), elements(bulk[0], &CodePoints::default()));
        assert_eq!(u64::from(sent.message().secs()), sent.at.since(began).as_secs());
        replays.push(crate::wire::relay_auth::verify(&sent.payload, &[key()]).unwrap().replay);
    }
    assert!(replays.is_sorted() && replays.windows(2).all(|pair| pair[0] != pair[1]));

    world.pass(6.0);
    assert_eq!(world.fallbacks(), [Fallback::NoReply]);
    assert_eq!(world.releases_sent().len(), 3);
    assert_eq!(world.bulk_sent().len(), 4);
}

/// A reply that comes when the individual way was taken already still counts, and ends it. H-BR-23
#[test]
fn a_late_reply_counts() {
    let mut world = World::capable(config());
    world.table.log_in(0, 5000, 7, address_scope(), world.now);
    let mut server = BulkServer::with(&world.table);
    world.restart(7);
    world.pass(20.0);
    let individually = world.releases_sent().len();
    assert!(individually > 100);
    let reply = server.handle(&world.sent[0].payload, world.now).unwrap();
    world.deliver(SERVER, &reply);
    assert!(world.table.logins.is_empty() && world.finished());
    world.pass(100.0);
    assert_eq!(world.releases_sent().len(), individually);
    assert_eq!(world.progress().done(), 5000);
}

/// Interim replies keep the relay from repeating itself; silence after one does not. H-BR-21
#[test]
fn interim_replies() {
    let mut world = World::capable(config());
    world.table.log_in(0, 10, 7, address_scope(), world.now);
    world.restart(7);
    let mut draft = Draft::to(&world.sent[0].payload, 1, 4);
    draft.release.transaction.as_mut().unwrap().final_ = false;
    for replay in 1..=60 {
        world.pass(0.5);
        draft.replay = replay;
        world.deliver(SERVER, &draft.octets());
    }
    assert_eq!((world.sent.len(), world.table.logins.len()), (1, 10));
    assert_eq!(world.releases.counters().interim, 60);
    world.pass(5.5);
    assert_eq!(world.bulk_sent().len(), 2);
    draft.replay = 100;
    draft.release.results[0].released = 10;
    draft.release.transaction.as_mut().unwrap().final_ = true;
    world.deliver(SERVER, &draft.octets());
    assert!(world.table.logins.is_empty());
}

/// A capable server that is down: its logins are orphaned, not lost, and once it is back one message does it.
/// BR-31, H-BR-1, H-BR-23
#[test]
fn a_capable_server_that_is_down() {
    for verify in [Verify::Auto, Verify::Nothing] {
        let mut config = config();
        config.servers.insert(SERVER, ServerConfig { verify, ..ServerConfig::default() });
        let mut world = World::capable(config);
        world.table.log_in(0, 100, 7, address_scope(), world.now);
        world.now = world.now + Duration::from_secs(60);
        let mut server = BulkServer::with(&world.table);
        world.restart(7);
        world.pass(45.0);
        assert_eq!((world.table.orphaned(), world.unverified), (100, 0));
        assert_eq!((world.bulk_sent().len(), world.finished()), (4, true));
        world.pass_with(60.0, |sent| server.handle(&sent.payload, sent.at));
        assert_eq!((world.table.logins.len(), server.active(), world.store.len()), (0, 0, 0));
        assert_eq!((world.bulk_sent().len(), world.releases_sent().len()), (5, 100));
        assert_eq!(world.progress().released, 100);
    }
}

/// The server knows hardly any login of the scope: it is asked about each, and the rest is released. A few less than
/// the gateway knows are no surprise. H-BR-1
#[test]
fn a_server_that_lost_the_scopes() {
    for (known, falls_back) in [(0, true), (87, true), (88, false), (120, false)] {
        let mut world = World::capable(config());
        world.table.log_in(0, 100, 7, address_scope(), world.now);
        world.now = world.now + Duration::from_secs(60);
        let mut server = BulkServer::with(&world.table);
        world.restart(7);
        server.leases.values_mut().skip(known).for_each(|lease| lease.kind = None);
        world.deliver(SERVER, &Draft::to(&world.sent[0].payload, 1, known as u32).octets());
        server.leases.values_mut().take(known).for_each(|lease| lease.active = false);
        assert_eq!(world.table.logins.is_empty(), !falls_back);
        let reasons = if falls_back { vec![Fallback::Shortfall { missing: 100 - known as u64 }] } else { vec![] };
        assert_eq!(world.fallbacks(), reasons);
        if falls_back {
            world.pass_with(60.0, |sent| server.handle(&sent.payload, sent.at));
            assert_eq!((world.table.logins.len(), server.active()), (0, 0));
            assert_eq!(world.releases_sent().len(), 100 - known);
        }
    }
}

/// The answer tells of logins newer than the gateway knows: it jumps ahead. H-BR-8
#[test]
fn a_higher_epoch_at_the_server() {
    let mut world = World::capable(config());
    world.table.log_in(0, 10, 7, address_scope(), world.now);
    world.restart(7);
    let mut draft = Draft::to(&world.sent[0].payload, 1, 10);
    draft.release.results[0].highest_epoch = 1_700_000_123;
    world.deliver(SERVER, &draft.octets());
    assert_eq!(world.known_epochs, [Epoch(1_700_000_123)]);
}

/// Several scopes share a message as far as the server takes them. H-BR-10, H-BR-22
#[test]
fn scopes_are_grouped_up_to_what_the_server_takes() {
    for (most, messages) in [(1, 7), (3, 3), (8, 2), (255, 2)] {
        let mut world = World::new(config());
        world.hear(SERVER, Observation::Capable { max_scopes: most, will_reply: true });
        for n in 0..7 {
            world.table.log_in(n, 2, 7, group(&format!("slot-{n}")), world.now);
        }
        world.now = world.now + Duration::from_secs(60);
        world.restart(7);
        // 8 would do in one by count, but the reply's option 82 has room for 4 or 5 of them with its results.
        assert_eq!(world.sent.len(), messages, "{most} scopes at most");
        let mut server = BulkServer::with(&world.table);
        let mut scopes = Vec::new();
        for sent in world.sent.clone() {
            let agent_length = sent.message().agent_information().unwrap().len();
            assert!(agent_length <= 255);
            scopes.extend(elements(&sent, &CodePoints::default()).scopes);
            let reply = server.handle(&sent.payload, world.now).expect("a signed reply fits");
            world.deliver(SERVER, &reply);
        }
        let txids: std::collections::BTreeSet<_> =
            world.sent.iter().map(|sent| elements(sent, &CodePoints::default()).transaction.unwrap().txid).collect();
        assert_eq!((scopes.len(), txids.len()), (7, messages));
        assert!(world.table.logins.is_empty() && world.finished());
    }
}

/// The longest identity and group still fit into a signed message, one per message; in raw encoding it is always one.
/// BR-11, H-BR-22, H-BR-15
#[test]
fn the_largest_scopes_and_the_raw_encoding() {
    let raw = Encoding::Raw { capability: 240, scope: 241, transaction: 242, result: 243, line: 244 };
    let vsi = CodePoints::default().encoding;
    for (encoding, algorithm) in [(raw, Algorithm::HmacSha1), (vsi, Algorithm::HmacSha1), (vsi, Algorithm::HmacSha256)]
    {
        let mut config = config();
        config.device = DeviceId::new(DeviceIdType::Uuid, &[b'd'; 64]).unwrap();
        config.key = Some(Key { algorithm, ..key() });
        config.code_points.encoding = encoding;
        let points = config.code_points;
        let mut world = World::capable(config);
        world.table.log_in(0, 1, 7, group(&"g".repeat(32)), world.now);
        world.table.log_in(1, 1, 7, group(&"h".repeat(32)), world.now);
        world.restart(7);
        assert_eq!((world.sent.len(), world.bulk_sent().len()), (2, 2));
        for sent in &world.sent {
            let message = sent.message();
            let agent = AgentInformation::parse(message.agent_information().unwrap()).unwrap();
            assert_eq!(agent.get(sub::RELAY_ID), Some(&[b'd'; 64][..]));
            assert!(agent.get(sub::AUTHENTICATION).is_some());
            assert_eq!(elements(sent, &points).scopes.len(), 1);
            assert_eq!(elements(sent, &points).transaction.unwrap().operation, Operation::Release);
        }
        assert_eq!(world.releases.counters().unsigned, 0);
        let mut draft = Draft::to_points(&world.sent[0].payload, 1, 1, points);
        draft.relay_id = vec![b'd'; 64];
        draft.key = Some(Key { algorithm, ..key() });
        if encoding == vsi {
            draft.release.scopes.clear(); // no room for them
        }
        world.deliver(SERVER, &draft.octets());
        assert_eq!(world.table.logins.len(), 1);
    }
}

/// One transaction for each server that is named in the logins, each with its own option 54. H-BR-18
#[test]
fn one_transaction_per_server() {
    let mut world = World::capable(config());
    world.hear(OTHER, Observation::Capable { max_scopes: 8, will_reply: true });
    world.table.log_in(0, 4, 7, address_scope(), world.now);
    world.table.log_in_at(OTHER, 1, 6, 7, address_scope(), world.now);
    world.restart(7);
    let to: Vec<_> = world.sent.iter().map(|s| (s.server, s.message().address_option(54).unwrap())).collect();
    assert_eq!(to, [(SERVER, SERVER), (OTHER, OTHER)]);
    let reply = Draft::to(&world.sent[0].payload, 1, 4).octets();
    world.deliver(SERVER, &reply);
    assert_eq!((world.table.logins.len(), world.finished()), (6, false));
    let reply = Draft::to(&world.sent[1].payload, 1, 6).octets();
    world.deliver(OTHER, &reply);
    assert_eq!((world.table.logins.len(), world.finished()), (0, true));
}

/// A server that knows itself by another address is named by it; one that calls itself by the relay's (RFC 5107) is
/// named by its own. H-BR-18
#[test]
fn the_server_identifier() {
    let loopback = Ipv4Addr::new(10, 255, 0, 1);
    for (at_login, in_release) in [(loopback, loopback), (GIADDR, SERVER)] {
        let mut world = World::capable(config());
        world.table.log_in(0, 4, 7, address_scope(), world.now);
        for (login, _) in world.table.logins.values_mut() {
            login.server_identifier = at_login;
        }
        world.restart(7);
        assert_eq!(world.sent[0].message().address_option(54), Some(in_release));
    }
}

/// A scope of an address is released from that address, which strict servers ask for, whatever the card's is by now;
/// two of them never share a message. H-BR-11, H-BR-13
#[test]
fn an_address_scope_is_released_from_its_address() {
    let old = Ipv4Addr::new(192, 0, 2, 9);
    let mut world = World::capable(config());
    world.table.log_in(0, 4, 7, address_scope(), world.now);
    world.table.log_in(1, 4, 7, Some(ScopeKind::Address(old)), world.now);
    world.restart(7);
    let from: Vec<_> = world.sent.iter().map(|sent| (sent.giaddr, sent.message().giaddr())).collect();
    assert_eq!(from, [(GIADDR, GIADDR), (old, old)]);
}

/// What an operator asks, and what the server counts; nothing changes. BR-23
#[test]
fn probe_by_an_operator() {
    let mut world = World::new(config());
    world.synced = true;
    world.table.log_in(0, 10, 7, address_scope(), world.now);
    assert!(world.call(|releases, context, now| releases.handle_probe(SERVER, GIADDR, context, now)));
    world.pass(2.0);
    assert_eq!(world.bulk_sent().len(), 2);
    let asked = elements(&world.sent[0], &CodePoints::default());
    assert_eq!(asked.transaction.unwrap().operation, Operation::Probe);
    assert_eq!(asked.scopes[0].kind, ScopeKind::Device);
    let reply = Draft::to(&world.sent[1].payload, 1, 10).octets();
    world.deliver(SERVER, &reply);
    assert!(world.events.contains(&Event::Probed { fpc: None, server: SERVER, matching: 10 }));
    assert_eq!(world.capabilities.state(SERVER, world.now), crate::capability::State::Capable);
    assert_eq!((world.table.logins.len(), world.releases.poll_timeout()), (10, None));
}
