//! The individual way.

use super::*;
use crate::line::HardwareAddress;
use crate::wire::agent::{AgentBuilder, AgentInformation, sub};
use crate::wire::dhcp4::{Builder, REPLY, kind};

fn with(verify: Verify) -> ReleaseConfig {
    let mut config = config();
    config.servers.insert(SERVER, ServerConfig { verify, ..ServerConfig::default() });
    config
}

/// A world of `count` logins, a minute old, and the server that has them and does not know the single logout.
fn logged_in(config: ReleaseConfig, count: u16) -> (World, BulkServer) {
    let mut world = World::new(config);
    world.table.log_in(0, count, 7, None, world.now);
    world.now = world.now + Duration::from_secs(60);
    let server = BulkServer::with(&world.table);
    (world, server)
}

/// Header and options of the message are those that RFC 2131 4.4.6 and BR-28 ask for, and no others.
#[test]
fn the_octets_of_a_release() {
    let mut world = World::new(ReleaseConfig { key: None, ..config() });
    world.table.log_in(0, 1, 7, address_scope(), world.now);
    let agent = AgentBuilder::new().sub(1, b"fpc0:100").sub(sub::RELAY_ID, b"BNG-0042").finish().unwrap();
    for (login, _) in world.table.logins.values_mut() {
        login.client_id = Some(b"\x01client".as_slice().into());
        login.agent_information = agent.clone().into();
        login.server_identifier = OTHER;
    }
    world.script = [0x1234_5678_0000_0000; 4].into();
    world.restart(7);
    let mut want = vec![1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0]; // op htype hlen hops xid secs flags
    want.extend([100, 64, 0, 0]); // ciaddr
    want.extend([0; 8]); // yiaddr siaddr
    want.extend([192, 0, 2, 1]); // giaddr
    want.extend([2, 0, 0, 0, 0, 0]); // chaddr
    want.resize(236, 0);
    want.extend([99, 130, 83, 99, 53, 1, 7, 54, 4, 198, 51, 100, 6, 61, 7]);
    want.extend(b"\x01client");
    want.extend([82, u8::try_from(agent.len()).unwrap()]);
    want.extend(&agent);
    want.push(255);
    want.resize(300, 0);
    let sent = &world.sent[0];
    assert_eq!(sent.payload, want);
    assert_eq!((sent.giaddr, sent.server), (GIADDR, SERVER));
    for forbidden in [50, 51, 55, 57] {
        assert!(sent.message().option(forbidden).is_none());
    }
}

/// Our own option 82 is signed afresh; one that an access node inserted is sent as it was. H-BR-4, H-BR-5, H-BR-16
#[test]
fn option_82_of_a_release() {
    let ours = AgentBuilder::new().sub(1, b"fpc0:100").sub(sub::RELAY_ID, b"BNG-0042").finish().unwrap();
    let stale = crate::wire::relay_auth::placeholder(&key(), 3);
    let signed = AgentBuilder::from_value(&ours).sub(sub::AUTHENTICATION, &stale).finish().unwrap();
    let theirs = AgentBuilder::new().sub(1, b"dslam 7/12").finish().unwrap();
    for at_login in [&ours, &signed, &theirs] {
        let mut world = World::new(config());
        world.table.log_in(0, 1, 7, None, world.now);
        for (login, _) in world.table.logins.values_mut() {
            login.agent_information = at_login.clone().into();
        }
        world.restart(7);
        let sent = world.sent[0].message().agent_information().unwrap().to_vec();
        if *at_login == theirs {
            assert_eq!(sent, theirs);
            continue;
        }
        assert!(sent.starts_with(&ours));
        let verified = crate::wire::relay_auth::verify(&world.sent[0].payload, &[key()]).unwrap();
        assert_eq!(verified.replay, world.replay);
        let agent = AgentInformation::parse(&sent).unwrap();
        assert_eq!(agent.iter().filter(|(code, _)| *code == sub::AUTHENTICATION).count(), 1);
    }
}

/// With a key the leasequery is signed too, for servers that drop everything else; without one it is bare. H-BR-13
#[test]
fn the_octets_of_a_leasequery() {
    for key in [Some(key()), None] {
        let (mut world, _) = logged_in(ReleaseConfig { key: key.clone(), ..config() }, 1);
        world.restart(7);
        world.pass(0.6);
        let query = world.queries_sent()[0];
        let message = query.message();
        assert_eq!((message.ciaddr(), message.giaddr()), (Ipv4Addr::new(100, 64, 0, 0), GIADDR));
        assert_eq!((message.hardware(), message.option(61)), (HardwareAddress::NONE, None));
        let requested = message.option(55).unwrap();
        assert!([51, 61, 82, 91].iter().all(|code| requested.contains(code)));
        assert_eq!(message.agent_information().is_some(), key.is_some());
        if let Some(key) = key {
            crate::wire::relay_auth::verify(&query.payload, &[key]).unwrap();
        }
    }
}

/// 20 at once and 100 per second, so that no policer on the way takes it for a flood; each checked, none repeated.
/// BR-28, BR-30, BR-31, H-BR-1, H-BR-19
#[test]
fn paced_and_verified() {
    let (mut world, mut server) = logged_in(config(), 1000);
    world.restart(7);
    let began = world.now;
    let first: Vec<_> = world.sent.clone();
    assert_eq!(first.iter().filter(|sent| sent.is_release()).count(), 20);
    for sent in first {
        server.handle(&sent.payload, sent.at);
    }
    assert_eq!(world.table.logins.len(), 1000, "a RELEASE that was only sent ends nothing");
    world.pass_with(30.0, |sent| server.handle(&sent.payload, sent.at));
    assert!(world.finished() && world.table.logins.is_empty());
    let progress = world.progress();
    assert_eq!((progress.released, progress.unverified, progress.individual_sent), (1000, 0, 1000));
    for second in 1..9 {
        let within = |sent: &&&Sent| sent.at.since(began).as_secs() == second;
        let count = world.releases_sent().iter().filter(within).count();
        assert!((95..=105).contains(&count), "{count} in second {second}");
    }
    let every = world.events.iter().filter(|event| matches!(event, Event::Leasequery { answers: true, .. })).count();
    assert_eq!(every, 1);
    assert!(world.store.is_empty());
}

/// A server that answers no leasequery, in the mode that may: a trial of a few questions beside the RELEASEs, then what was
/// sent counts as released and is reported as unverified. What was found out is remembered: the next release waits for
/// nothing, and neither does that of the next controller. H-BR-1
#[test]
fn a_server_without_leasequery() {
    let (mut world, _) = logged_in(with(Verify::Auto), 700);
    world.restart(7);
    let began = world.now;
    world.pass(2.9);
    assert_eq!(world.table.logins.len(), 700, "nothing ends during the trial");
    assert!((280..320).contains(&world.releases_sent().len()), "the RELEASEs go on meanwhile");
    world.pass(0.2);
    let unverified = |world: &World| world.events.contains(&Event::Leasequery { server: SERVER, answers: false });
    assert!(unverified(&world) && world.table.logins.len() < 470);
    let asked = world.queries_sent().iter().map(|sent| sent.at.since(began).as_millis()).collect::<Vec<_>>();
    assert_eq!(asked, [500, 500, 500, 500, 1500, 1500, 1500, 1500, 2500, 2500, 2500, 2500]);
    world.pass(4.5);
    assert!(world.finished() && world.table.logins.is_empty());
    assert_eq!((world.unverified, world.progress().unverified, world.releases_sent().len()), (700, 700, 700));
    assert!(world.releases_sent().last().unwrap().at.since(began) > Duration::from_millis(6500), "paced to the end");

    for reborn in [false, true] {
        if reborn {
            let capabilities = core::mem::replace(&mut world.capabilities, Capabilities::new(Default::default()));
            world.capabilities = carried_over(capabilities, &world);
            world.crash(with(Verify::Auto), 10, false);
        }
        let epoch = if reborn { 9 } else { 8 };
        world.table.log_in(1, 10, epoch, None, world.now);
        world.restart(epoch);
        world.pass(0.5);
        assert!(world.table.logins.is_empty(), "nobody waits for what is known");
        assert!(world.queries_sent().len() <= 14, "a question in passing at most");
    }
}

/// What a next controller has of them: their records.
fn carried_over(mut from: Capabilities, world: &World) -> Capabilities {
    let mut to = Capabilities::new(CapabilityConfig::default());
    while let Some(command) = from.poll_command() {
        if let crate::capability::Command::Persist { key, value } = command {
            assert!(to.restore(&key, &value, world.boot));
        }
    }
    to
}

/// A RELEASE that could not leave the host is none: its login is orphaned, also where nothing else could be confirmed, and
/// the next attempt releases it. BR-31
#[test]
fn a_release_that_never_left() {
    let (mut world, _) = logged_in(with(Verify::Nothing), 3);
    world.restart(7);
    let unsent = world.releases_sent().first().map(|sent| Message::parse(&sent.payload).unwrap().ciaddr()).unwrap();
    world.call(|releases, context, now| releases.handle_unsent(SERVER, unsent, context, now));
    world.pass(1.0);
    let left: Vec<_> = world.table.logins.keys().copied().collect();
    assert_eq!((left, world.unverified), (vec![unsent], 2));
    assert_eq!(world.progress().orphaned, 1);
    world.pass(24.0 * 3600.0);
    assert!(world.table.logins.is_empty());
    assert_eq!(world.releases_sent().len(), 4);
}

/// One login alone: a lost RELEASE can't be told from a kept one, but it takes no longer than the trial. H-BR-1
#[test]
fn the_pause_for_one_login() {
    let (mut world, _) = logged_in(with(Verify::Auto), 1);
    world.restart(7);
    world.pass(2.9);
    assert_eq!((world.table.logins.len(), world.queries_sent().len()), (1, 3));
    world.pass(0.2);
    assert_eq!((world.table.logins.len(), world.unverified), (0, 1));
}

/// A server that does answer: it may lose the first query of each login that the trial asks about, and the second, and
/// still everything is verified. So is what was not done with when the first answer comes late, after the trial; and the
/// next release all of it. H-BR-1, H-BR-19
#[test]
fn a_server_that_answers_badly() {
    let (mut world, mut server) = logged_in(with(Verify::Auto), 300);
    world.restart(7);
    let first = world.sent.clone();
    first.iter().for_each(|sent| drop(server.handle(&sent.payload, sent.at)));
    let mut lost = 0;
    world.pass_with(30.0, |sent| {
        lost += u32::from(sent.is_query() && lost < 8);
        let answer = server.handle(&sent.payload, sent.at);
        if sent.is_query() && lost < 8 { None } else { answer }
    });
    assert!(world.finished());
    assert_eq!((world.progress().released, world.unverified), (300, 0));

    let (mut world, mut server) = logged_in(with(Verify::Auto), 500);
    world.restart(7);
    let mut waiting: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut seen = 0;
    for _ in 0..600 {
        let new = world.sent.split_off(seen);
        for sent in &new {
            let answer = server.handle(&sent.payload, sent.at);
            waiting.extend(answer.map(|answer| (sent.at + Duration::from_millis(2600), answer)));
        }
        world.sent.extend(new);
        seen = world.sent.len();
        while waiting.front().is_some_and(|(at, _)| *at <= world.now) {
            let (_, answer) = waiting.pop_front().unwrap();
            world.deliver(SERVER, &answer);
        }
        world.pass(0.05);
    }
    assert!(world.finished() && world.table.logins.is_empty() && server.active() == 0);
    let progress = world.progress();
    assert_eq!(progress.released + progress.unverified, 500);
    assert!(progress.released > 150, "{} of them verified", progress.released);
    let heard = |event: &Event| matches!(event, Event::Leasequery { answers: true, .. });
    assert!(world.events.iter().any(heard), "the late answer counts");
}

/// A server that answered once and no more is not flooded with questions, and what it never answered is not taken for
/// released before it counts as silent. H-BR-19
#[test]
fn a_server_that_stopped_answering() {
    let (mut world, mut server) = logged_in(with(Verify::Auto), 3000);
    world.restart(7);
    let mut answered = 0;
    world.pass_with(55.0, |sent| {
        let answer = server.handle(&sent.payload, sent.at).filter(|_| answered < 4)?;
        answered += 1;
        Some(answer)
    });
    assert_eq!(world.unverified, 0);
    let asked = world.queries_sent().len();
    assert!(asked < 500, "{asked} questions to a server that is gone");
    world.pass(60.0);
    assert!(world.finished(), "and it comes to an end");
}

/// Where the operator insists on verification, silence orphans; where there shall be none, nothing is asked. H-BR-1
#[test]
fn the_other_two_modes() {
    let (mut world, _) = logged_in(with(Verify::Leasequery), 1);
    world.restart(7);
    let began = world.now;
    world.pass(25.0);
    assert_eq!(world.table.orphaned(), 0);
    world.pass(1.0);
    assert_eq!((world.table.logins.len(), world.table.orphaned(), world.progress().orphaned), (1, 1, 1));
    // LQ_TIMEOUT 1 s, doubled up to LQ_MAX_RT 10 s, LQ_MAX_RC 5 (RFC 5007)
    let asked = world.queries_sent().iter().map(|sent| sent.at.since(began).as_millis()).collect::<Vec<_>>();
    assert_eq!(asked, [500, 1500, 3500, 7500, 15_500]);

    let (mut world, _) = logged_in(with(Verify::Nothing), 100);
    world.restart(7);
    world.pass(2.0);
    assert_eq!((world.table.logins.len(), world.unverified, world.queries_sent().len()), (0, 100, 0));
    assert!(world.finished());
}

/// A server that loses every RELEASE: three rounds, the rate halved for it, then orphaned; retried with back-off, one
/// RELEASE each time, until the leases end. H-BR-19
#[test]
fn orphaned_and_retried() {
    let (mut world, mut server) = logged_in(config(), 200);
    world.restart(7);
    let began = world.now;
    let deaf = |server: &mut BulkServer, sent: &Sent| sent.is_query().then(|| server.handle(&sent.payload, sent.at))?;
    world.pass_with(60.0, |sent| deaf(&mut server, sent));
    assert_eq!((world.releases_sent().len(), world.table.orphaned()), (600, 200));
    assert!(world.finished() && !world.store.is_empty());
    let halved = |event: &Event| matches!(event, Event::RateChanged { rate: 50, .. });
    assert!(world.events.iter().any(halved));
    let finished = world.releases.releases()[0].finished.unwrap();
    assert_eq!(world.releases.releases()[0].retry_at, Some(finished + Duration::from_secs(60)));
    assert_eq!(world.proceeded, [(began + Duration::from_secs(5), Epoch(7), false)]);

    world.pass_with(120.0, |sent| deaf(&mut server, sent));
    assert_eq!((world.releases_sent().len(), world.table.orphaned()), (800, 200));
    let view = &world.releases.releases()[0];
    assert_eq!(view.retry_at, Some(view.finished.unwrap() + Duration::from_secs(120)));
    assert_eq!(view.attempts, 2);

    // Half of the leases end, then the server listens.
    let half: Vec<_> = world.table.logins.keys().copied().take(100).collect();
    half.iter().for_each(|address| drop(world.table.logins.remove(address)));
    world.pass_with(200.0, |sent| server.handle(&sent.payload, sent.at));
    assert_eq!((world.releases_sent().len(), world.table.logins.len()), (900, 0));
    assert!(world.store.is_empty());
    assert_eq!(world.releases.poll_timeout(), None);
}

/// Once all leases ended, nothing is retried any more. H-BR-19
#[test]
fn retries_end_with_the_leases() {
    let (mut world, _) = logged_in(with(Verify::Leasequery), 10);
    world.restart(7);
    world.pass(30.0);
    assert_eq!(world.table.orphaned(), 10);
    world.table.logins.clear();
    let before = world.sent.len();
    world.pass(3600.0);
    assert_eq!((world.sent.len(), world.store.len(), world.releases.poll_timeout()), (before, 0, None));
}

/// Some RELEASEs are lost: they are repeated, the others are not. BR-31, H-BR-19
#[test]
fn a_lossy_way() {
    let (mut world, mut server) = logged_in(config(), 300);
    world.restart(7);
    let mut n = 0;
    let mut lossy = |sent: &Sent| {
        n += u32::from(sent.is_release());
        if sent.is_release() && n % 10 == 0 { None } else { server.handle(&sent.payload, sent.at) }
    };
    let first = world.sent.clone();
    first.iter().for_each(|sent| drop(lossy(sent)));
    world.pass_with(60.0, lossy);
    assert!(world.finished() && world.table.logins.is_empty());
    let repeated = world.releases_sent().len() - 300;
    assert!((20..=50).contains(&repeated), "{repeated} repeated");
    assert_eq!(world.progress().released, 300);
}

/// Queries get lost too: each is repeated; what is never answered is released again, and orphaned in the end. H-BR-19
#[test]
fn lost_queries() {
    let (mut world, mut server) = logged_in(config(), 50);
    world.restart(7);
    let odd = |address: Ipv4Addr| address.octets()[3] % 2 == 1;
    world.pass_with(60.0, |sent| {
        let about = sent.message().ciaddr();
        let answer = server.handle(&sent.payload, sent.at);
        if sent.is_query() && odd(about) { None } else { answer }
    });
    assert_eq!((world.table.logins.len(), world.table.orphaned()), (25, 25));
    let about = |sent: &&&Sent| sent.message().ciaddr() == Ipv4Addr::new(100, 64, 0, 1);
    let asked = world.queries_sent().iter().filter(about).count();
    assert!((3..=9).contains(&asked), "{asked} queries");
    assert_eq!(world.releases_sent().iter().filter(about).count(), 3);
}

/// At most 100 leasequeries are unanswered at a time. H-BR-19
#[test]
fn outstanding_queries() {
    let mut config = with(Verify::Leasequery);
    config
        .servers
        .insert(SERVER, ServerConfig { rate: 10_000, burst: 1000, verify: Verify::Leasequery, ..Default::default() });
    let (mut world, mut server) = logged_in(config, 1000);
    world.restart(7);
    let mut answers: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let (mut outstanding, mut most, mut seen) = (0u32, 0, 0);
    for _ in 0..20_000 {
        while seen < world.sent.len() {
            let sent = world.sent[seen].clone();
            seen += 1;
            if let Some(answer) = server.handle(&sent.payload, sent.at) {
                answers.push_back((sent.at + Duration::from_millis(300), answer));
                outstanding += 1;
            }
        }
        most = most.max(outstanding);
        let next = answers.front().map_or(world.now + Duration::from_millis(5), |(at, _)| *at);
        if !world.wake(next) && answers.front().is_some_and(|(at, _)| *at <= world.now) {
            let (_, answer) = answers.pop_front().unwrap();
            outstanding -= 1;
            world.deliver(SERVER, &answer);
        }
    }
    assert_eq!(most, 100);
    assert!(world.finished() && world.table.logins.is_empty());
}

/// Who logs in again while the release runs is left alone, before and after the RELEASE for the old login. H-BR-6,
/// H-BR-24
#[test]
fn a_login_during_the_release() {
    let (mut world, mut server) = logged_in(config(), 300);
    world.restart(7);
    let again = |world: &mut World, server: &mut BulkServer, n: u16| {
        let [hi, lo] = n.to_be_bytes();
        let address = Ipv4Addr::new(100, 64, hi, lo);
        let (login, _) = world.table.logins.get_mut(&address).expect("still there");
        (login.epoch, login.last_transaction) = (Epoch(8), world.now);
        server.bind(address, login.hardware, None, Epoch(8), world.now);
        address
    };
    let early = again(&mut world, &mut server, 5); // its RELEASE has left, and is lost
    let copied = again(&mut world, &mut server, 100); // its turn has not come, but it was copied out of the table
    let late = again(&mut world, &mut server, 290);
    world.pass_with(30.0, |sent| server.handle(&sent.payload, sent.at));
    assert!(world.finished());
    assert_eq!(world.table.logins.keys().copied().collect::<Vec<_>>(), [early, copied, late]);
    let to = |address| move |sent: &&&Sent| sent.message().ciaddr() == address;
    assert_eq!(world.releases_sent().iter().filter(to(early)).count(), 1);
    assert_eq!(world.releases_sent().iter().filter(to(copied)).count(), 0);
    assert_eq!(world.releases_sent().iter().filter(to(late)).count(), 0);
    assert_eq!(world.progress().skipped, 2, "the late one was never on a page");
}

/// A client that was heard of after the decision is alive, whatever its epoch: seen by the gateway, or only by the
/// server, which says so in its answer. H-BR-7
#[test]
fn a_client_that_survived() {
    let (mut world, mut server) = logged_in(config(), 100);
    world.restart(7);
    world.now = world.now + Duration::from_secs(5);
    let seen = Ipv4Addr::new(100, 64, 0, 90);
    world.table.logins.get_mut(&seen).unwrap().0.last_transaction = world.now;
    let unseen = Ipv4Addr::new(100, 64, 0, 10); // its RELEASE was lost
    server.leases.get_mut(&unseen).unwrap().last = world.now;
    let first = world.sent.clone();
    for sent in first.iter().filter(|sent| sent.message().ciaddr() != unseen) {
        server.handle(&sent.payload, sent.at);
    }
    world.pass_with(30.0, |sent| server.handle(&sent.payload, sent.at));
    assert!(world.finished());
    assert_eq!(world.table.logins.keys().copied().collect::<Vec<_>>(), [unseen, seen]);
    assert_eq!((world.progress().skipped, world.progress().released), (2, 98));
    assert_eq!(world.releases_sent().len(), 99);
}

/// The address has another client at the server by now: ours is gone. H-BR-12
#[test]
fn an_address_that_went_to_another_client() {
    let (mut world, mut server) = logged_in(config(), 1);
    server.leases.values_mut().next().unwrap().hardware = HardwareAddress::ethernet([9; 6]);
    world.restart(7);
    world.pass_with(5.0, |sent| server.handle(&sent.payload, sent.at));
    assert!(world.table.logins.is_empty() && server.active() == 1);
}

/// However many logins: a few hundred are copied out of the table at a time. BR-30
#[test]
fn the_table_is_paged() {
    let (mut world, _) = logged_in(with(Verify::Leasequery), 20_000);
    world.restart(7);
    world.pass(20.0);
    let sent = world.releases_sent().len() as u64 + world.queries_sent().len() as u64;
    assert_eq!(world.releases_sent().len(), 512);
    let copied = world.table.looked_at.get() - sent;
    assert!(copied <= 512 + 2 * 128, "{copied} logins were copied");
}

/// The cursor is moved on before its login ends, so that no login is looked at twice. BR-30
#[test]
fn no_login_is_paged_twice() {
    let (mut world, _) = logged_in(with(Verify::Nothing), 2000);
    world.restart(7);
    world.pass(30.0);
    assert!(world.finished() && world.releases_sent().len() == 2000);
    assert_eq!(world.table.looked_at.get(), 2 * 2000, "each once by its page and once before its RELEASE");
}

/// Within the same epoch the address went to another client of ours, and the server's word on it is about that one.
/// H-BR-12
#[test]
fn an_address_that_went_to_another_of_our_clients() {
    let (mut world, mut server) = logged_in(config(), 100);
    world.restart(7);
    let address = Ipv4Addr::new(100, 64, 0, 99); // its turn has not come
    let (login, _) = world.table.logins.get_mut(&address).unwrap();
    login.hardware = HardwareAddress::ethernet([9; 6]);
    server.leases.get_mut(&address).unwrap().hardware = login.hardware;
    let first = world.sent.clone();
    first.iter().for_each(|sent| drop(server.handle(&sent.payload, sent.at)));
    world.pass_with(30.0, |sent| server.handle(&sent.payload, sent.at));
    assert_eq!(world.table.logins.keys().collect::<Vec<_>>(), [&address]);
    assert_eq!((server.active(), world.releases_sent().len()), (1, 99));
}

/// An operator logs out one subscriber, of whatever epoch.
#[test]
fn one_login_by_an_operator() {
    let (mut world, mut server) = logged_in(config(), 10);
    world.synced = true;
    let address = Ipv4Addr::new(100, 64, 0, 4);
    assert!(world.call(|releases, context, now| releases.handle_logout(address, context, now)));
    assert!(!world.call(|releases, context, now| releases.handle_logout(OTHER, context, now)));
    assert_eq!(world.sent.len(), 1);
    server.handle(&world.sent[0].payload.clone(), world.now);
    world.pass_with(5.0, |sent| server.handle(&sent.payload, sent.at));
    assert_eq!((world.table.logins.len(), server.active()), (9, 9));
    assert!(!world.table.logins.contains_key(&address));
}

/// An answer counts only for the question it answers: its xid, its server, its address. H-BR-13
#[test]
fn answers_to_nothing() {
    let (mut world, _) = logged_in(config(), 1);
    world.restart(7);
    world.pass(0.6);
    let query = world.queries_sent()[0].clone();
    let address = query.message().ciaddr();
    let answer = |xid, address| Builder::new(REPLY).xid(xid).ciaddr(address).kind(kind::LEASEUNASSIGNED).finish();
    let xid = query.message().xid();
    let wrong = [(SERVER, xid ^ 1, address), (OTHER, xid, address), (SERVER, xid, OTHER)];
    for (from, xid, address) in wrong {
        world.deliver(from, &answer(xid, address));
    }
    assert_eq!((world.table.logins.len(), world.releases.counters().unmatched), (1, 3));
    world.deliver(SERVER, &answer(xid, address));
    assert_eq!(world.table.logins.len(), 0);
    world.deliver(SERVER, &answer(xid, address));
    assert_eq!(world.releases.counters().unmatched, 4);
}
