//! The single logout for DHCPv6: what relays are told, what one message ends, and what it leaves alone.

use gateway_core::scope::{DeviceId, DeviceIdType, Epoch, GroupId, Scope, ScopeKind};
use gateway_core::time::Duration;
use gateway_core::wire::bulk_release::{BulkRelease, Capability, Operation, Transaction};
use gateway_core::wire::dhcp6::leasequery::Frames;
use gateway_core::wire::dhcp6::{Binding, Builder, DuidBuf, IaKind, Nest, code, kind, relay_forward, status};
use gateway_server::v6::{Command, Config, Event, Refusal, Registered};

use crate::lab::*;

pub(crate) fn open() -> Config {
    let mut config = config();
    config.release.single_logout.enabled = true;
    config
}

/// Eight addresses and prefixes are too few for some of these.
fn wide(mut config: Config) -> Config {
    for subnet in &mut config.subnets {
        let (first, last) = &mut subnet.addresses[0];
        *last = (first.to_bits() + 0x4000).into();
        subnet.prefixes[0].prefix = prefix("2001:db8:8000::/36");
        subnet.prefixes.truncate(1);
    }
    config.subnets.truncate(1);
    config
}

pub(crate) fn group(name: &str, epoch: u32) -> Scope {
    let device = DeviceId::new(DeviceIdType::Duid, relay_id().as_duid().octets()).unwrap();
    Scope { device, kind: ScopeKind::Group(GroupId::new(name.as_bytes()).unwrap()), epoch: Epoch(epoch) }
}

pub(crate) fn of_card(number: u16, name: &str, epoch: u32) -> Cpe {
    Cpe { tag: Some(group(name, epoch)), ..cpe(number) }
}

/// A single logout as a relay sends it, before anything is changed about it.
pub(crate) struct Logout {
    scopes: Vec<Scope>,
    operation: Operation,
    txid: u64,
    elapsed: u16,
    relay_id: DuidBuf,
    server_id: DuidBuf,
    peer: std::net::Ipv6Addr,
}

pub(crate) fn logout(scope: Scope, txid: u64) -> Logout {
    let (relay_id, server_id) = (relay_id(), server_id());
    Logout { scopes: vec![scope], operation: Operation::Release, txid, elapsed: 0, relay_id, server_id, peer: RELAY }
}

impl Logout {
    pub(crate) fn octets(&self) -> Vec<u8> {
        let elements = BulkRelease {
            capability: Some(Capability::RELAY),
            transaction: Some(Transaction { operation: self.operation, final_: false, txid: self.txid, count: 0 }),
            scopes: self.scopes.clone(),
            results: Vec::new(),
        };
        let mut out = Builder::message(240, XID);
        out.duid(code::SERVER_ID, self.server_id.as_duid()).duid(code::RELAY_ID, self.relay_id.as_duid());
        out.u16(code::ELAPSED_TIME, self.elapsed).option(code::VENDOR_OPTS, &elements.encode_option_17(PEN));
        relay_forward(&out.finish().unwrap(), LINK, self.peer, &[]).unwrap()
    }

    fn send(&self, lab: &mut Lab) -> Option<Reply> {
        lab.send(RELAY, &self.octets())
    }

    /// Released, skipped, highest epoch known; of each scope.
    pub(crate) fn counts(&self, lab: &mut Lab) -> Vec<(u32, u32, u32)> {
        let reply = self.send(lab).expect("an answer");
        assert_eq!((reply.kind(), reply.status()), (241, status::SUCCESS));
        let elements = said(&reply).expect("elements");
        assert_eq!(elements.scopes, self.scopes);
        let transaction = elements.transaction.unwrap();
        assert_eq!((transaction.operation, transaction.final_, transaction.txid), (Operation::Result, true, self.txid));
        let counts = elements.results.iter().map(|result| {
            assert_eq!((result.status, result.failed), (0, 0));
            (result.released, result.skipped, result.highest_epoch)
        });
        counts.collect()
    }
}

fn said(reply: &Reply) -> Option<BulkRelease> {
    let message = reply.message();
    message.options().find(code::VENDOR_OPTS).and_then(|it| BulkRelease::decode_option_17(it.value, PEN).unwrap())
}

/// What the RELAY-REPL around an answer says.
fn told(reply: &Reply) -> Option<BulkRelease> {
    let nest = Nest::walk(&reply.octets).unwrap();
    let option = nest.innermost().options().find(code::VENDOR_OPTS)?;
    BulkRelease::decode_option_17(option.value, PEN).unwrap()
}

fn is_leased(lab: &mut Lab, cpe: &Cpe, binding: Binding) -> bool {
    let ia = match binding {
        Binding::Address(_) => IaKind::Na,
        Binding::Prefix(_) => IaKind::Pd,
    };
    lab.server.handle_timeout(lab.now, lab.unix);
    let reply = lab.ask(cpe, kind::RENEW, &[(ia, 1, &[binding])]).unwrap();
    reply.lease(ia, 1) == Some(binding)
}

/// BR-9, BR-23, H-BR-2: who says that it can send one is told in the RELAY-REPL, by a bit that no relay sets, with the scope
/// it named; who does not, or names another's scope, or has no DUID registered, is told nothing; nor is anybody where it is
/// switched off.
#[test]
fn what_relays_are_told() {
    let ias: Ias<'_> = &[(IaKind::Na, 1, &[])];
    let solicit = |config: Config, cpe: &Cpe| told(&Lab::new(config).ask(cpe, kind::SOLICIT, ias).unwrap());
    let client = of_card(1, "fpc0", 7);
    let capability = Capability { version: 1, flags: 0x01 | 0x02 | 0x08, max_scopes: 8 };
    let said = solicit(open(), &client).expect("elements");
    assert_eq!((said.capability, said.scopes), (Some(capability), vec![group("fpc0", 7)]));
    assert_eq!(solicit(open(), &cpe(1)), None);
    assert_eq!(solicit(config(), &client), None);
    let mut disabled = open();
    disabled.release.enabled = false;
    assert_eq!(solicit(disabled, &client), None);
    let mut foreign = client.clone();
    foreign.relay_id = Some(DuidBuf::link_layer([9; 6]));
    assert_eq!(solicit(open(), &foreign), None);
    let mut anyone = open();
    anyone.release.relays[0].relay_id = None;
    assert_eq!(solicit(anyone, &client), None);
    let address = Scope { kind: ScopeKind::Address([192, 0, 2, 1].into()), ..group("fpc0", 7) };
    assert_eq!(solicit(open(), &Cpe { tag: Some(address), ..cpe(1) }), None);
}

/// BR-24, BR-26, BR-27, RR-49: one message ends every lease of the card, addresses and prefixes, and no other; they can be
/// had by others at once.
#[test]
fn one_message_for_a_card() {
    let mut lab = Lab::new(open());
    let inside: Vec<_> = (0..3).map(|number| lab.dual(&of_card(number, "fpc0", 7))).collect();
    let elsewhere = [of_card(5, "fpc1", 7), cpe(6), of_card(7, "fpc0", 8)];
    let left = elsewhere.each_ref().map(|cpe| lab.dual(cpe));
    assert_eq!(logout(group("fpc0", 7), 1).counts(&mut lab), [(6, 2, 8)], "two of a later epoch");
    assert_eq!((lab.active(), lab.server.status().counters.single_logout_released), (6, 6));
    for (cpe, (address, prefix)) in elsewhere.iter().zip(left) {
        assert!(is_leased(&mut lab, cpe, address) && is_leased(&mut lab, cpe, prefix));
    }
    let given: Vec<_> = (20..22).map(|number| lab.dual(&of_card(number, "fpc0", 8))).collect();
    let third = lab.login(&of_card(22, "fpc0", 8), &[(IaKind::Na, 1)]);
    let mut addresses: Vec<_> = given.iter().map(|(address, _)| *address).chain(third.into_iter().flatten()).collect();
    addresses.sort_unstable_by_key(ToString::to_string);
    assert_eq!(addresses.len(), 3, "all were found, two of them fresh");
    assert!(addresses.iter().any(|address| inside.iter().any(|(old, _)| old == address)));
    assert!(!is_leased(&mut lab, &of_card(1, "fpc0", 7), inside[1].1), "whoever had it does not");
}

/// BR-31: an exhausted pool gives what was ended at once, whatever else was ended before it.
#[test]
fn allocatable_at_once() {
    let mut lab = Lab::new(open());
    let before: Vec<_> = (0..8).map(|number| lab.dual(&of_card(number, "fpc0", 7))).collect();
    let ias: Ias<'_> = &[(IaKind::Na, 1, &[])];
    let full = lab.ask(&of_card(90, "fpc0", 8), kind::SOLICIT, ias).unwrap();
    assert_eq!(full.ia(IaKind::Na, 1).1, status::NO_ADDRS_AVAIL);
    logout(group("fpc0", 7), 1).counts(&mut lab);
    let after: Vec<_> = (100..108).map(|number| lab.dual(&of_card(number, "fpc0", 8)).0).collect();
    assert!(before.iter().all(|(address, _)| after.contains(address)));
    lab.crash();
    assert_eq!(lab.active(), 16);
}

/// H-BR-6, H-BR-20: after a crash it has happened; repeated it is answered alike; and no repetition touches a later login.
#[test]
fn durable_and_repeated() {
    let mut lab = Lab::new(open());
    let client = of_card(1, "fpc0", 7);
    let (address, prefix) = lab.dual(&client);
    let first = logout(group("fpc0", 7), 0x55);
    assert_eq!(first.counts(&mut lab), [(2, 0, 7)]);
    assert_eq!(lab.written, 2, "cut-off and result, before the answer");
    lab.crash();
    assert_eq!(lab.active(), 0);
    assert_eq!(first.counts(&mut lab), [(2, 0, 7)]);
    assert_eq!(lab.dual(&of_card(1, "fpc0", 8)), (address, prefix), "the same client gets the same");
    assert_eq!(first.counts(&mut lab), [(2, 0, 7)]);
    assert_eq!(logout(group("fpc0", 7), 0x56).counts(&mut lab), [(0, 2, 8)]);
    assert_eq!(lab.active(), 2);
    lab.crash();
    assert_eq!(lab.active(), 2);
    let records = lab.disk.len();
    lab.rest(Duration::from_secs(601));
    lab.tidy();
    assert_eq!(lab.disk.len(), records - 2, "two results are forgotten");
}

/// H-RR-6, H-BR-7: what was heard of after the relay decided stays, also when it carries the old epoch.
#[test]
fn newer_than_the_decision() {
    let mut lab = Lab::new(open());
    let held: Vec<_> = (0..4).map(|number| lab.dual(&of_card(number, "fpc0", 7)).0).collect();
    lab.wait(Duration::from_secs(10));
    assert!(is_leased(&mut lab, &of_card(2, "fpc0", 7), held[2]));
    lab.wait(Duration::from_secs(1));
    let release = Logout { elapsed: 500, ..logout(group("fpc0", 7), 1) };
    assert_eq!(release.counts(&mut lab), [(7, 1, 7)]);
    for crashed in [false, true] {
        if crashed {
            lab.crash();
        }
        assert_eq!(lab.active(), 1, "crashed: {crashed}");
    }
    assert!(is_leased(&mut lab, &of_card(2, "fpc0", 8), held[2]));
    let endless = Logout { elapsed: u16::MAX, ..logout(group("fpc0", 7), 2) };
    assert_eq!(endless.counts(&mut lab), [(0, 1, 8)]);
}

/// H-BR-11, H-BR-12: the latest message decides which scope a lease is in, or that it is in none.
#[test]
fn the_latest_message_decides() {
    let mut lab = Lab::new(open());
    let (address, prefix) = lab.dual(&of_card(1, "fpc0", 7));
    assert!(is_leased(&mut lab, &of_card(1, "fpc1", 3), address));
    assert!(is_leased(&mut lab, &cpe(1), prefix));
    lab.crash();
    let probe = Logout { operation: Operation::Probe, ..logout(group("fpc1", 3), 1) };
    assert_eq!(probe.counts(&mut lab), [(1, 0, 3)]);
    assert_eq!(lab.active(), 2, "a probe changes nothing");
    assert_eq!(logout(group("fpc0", 7), 2).counts(&mut lab), [(0, 0, 7)]);
    assert_eq!(logout(group("fpc1", 3), 3).counts(&mut lab), [(1, 0, 3)]);
    assert_eq!(lab.active(), 1);
    lab.dual(&of_card(2, "fpc0", 6));
    let late = Event::StaleEpoch { scope: group("fpc0", 6), ended: Epoch(7) };
    assert!(lab.events.contains(&late), "the operator is told, the subscriber served");
}

/// Several scopes, and all of the device at once; answered in their order.
#[test]
fn several_scopes() {
    let mut lab = Lab::new(open());
    lab.dual(&of_card(1, "fpc0", 7));
    lab.dual(&of_card(2, "fpc1", 9));
    let whole = Scope { kind: ScopeKind::Device, ..group("fpc1", 9) };
    let mut both = logout(group("fpc1", 9), 1);
    both.scopes.push(group("fpc0", 7));
    both.operation = Operation::Probe;
    assert_eq!(both.counts(&mut lab), [(2, 0, 9), (2, 0, 7)]);
    assert_eq!(logout(whole, 2).counts(&mut lab), [(4, 0, 9)]);
    lab.crash();
    assert_eq!(lab.active(), 0);
}

/// BR-29, BR-30, H-BR-21: the work is the same for two clients and for a thousand: as many records and messages.
#[test]
fn constant_work() {
    let cost = [2, 1000].map(|clients| {
        let mut lab = Lab::new(wide(open()));
        (0..clients).for_each(|number| _ = lab.dual(&of_card(number, "fpc0", 7)));
        assert_eq!(logout(group("fpc0", 7), 1).counts(&mut lab), [(2 * u32::from(clients), 0, 7)]);
        let (written, records) = (lab.written, lab.disk.len());
        assert_eq!(lab.active(), 0);
        lab.rest(Duration::from_secs(60));
        lab.tidy();
        assert_eq!(lab.disk.len(), records);
        written
    });
    assert_eq!(cost, [2, 2]);
}

/// H-BR-24: with a rest configured others don't get what was ended, and whoever had it does.
#[test]
fn quarantine() {
    let mut config = open();
    config.release.quarantine = Duration::from_secs(60);
    let mut lab = Lab::new(config);
    let before: Vec<_> = (0..8).map(|number| lab.dual(&of_card(number, "fpc0", 7))).collect();
    logout(group("fpc0", 7), 1).counts(&mut lab);
    let ias: Ias<'_> = &[(IaKind::Na, 1, &[])];
    let stranger = |lab: &mut Lab| lab.ask(&of_card(90, "fpc0", 8), kind::SOLICIT, ias).unwrap().lease(IaKind::Na, 1);
    assert_eq!(stranger(&mut lab), None);
    lab.crash();
    assert_eq!(stranger(&mut lab), None, "after a restart");
    assert_eq!(lab.dual(&of_card(4, "fpc0", 8)), before[4]);
    lab.rest(Duration::from_secs(61));
    assert!(stranger(&mut lab).is_some());
    assert_eq!(lab.active(), 2);
}

/// RR-37, RR-41, RR-47, RR-63, H-BR-13, H-RR-8: nobody is believed who may not send a RELEASE-REQUEST, nor anybody about
/// another's leases, nor anybody too often.
#[test]
fn who_is_not_believed() {
    let play = |config: Config, change: &dyn Fn(&mut Logout)| {
        let mut lab = Lab::new(config);
        lab.dual(&of_card(1, "fpc0", 7));
        let mut release = logout(group("fpc0", 7), 1);
        change(&mut release);
        let status = release.send(&mut lab).map(|reply| {
            assert!(said(&reply).unwrap().results.is_empty());
            reply.status()
        });
        assert_eq!((lab.active(), lab.server.status().counters.single_logout_refused), (2, 1));
        let reasons = lab.events.iter().filter_map(|event| match event {
            Event::ReleaseRefused { reason, .. } => Some(*reason),
            _ => None,
        });
        let reasons: Vec<_> = reasons.collect();
        let [reason] = reasons[..] else { panic!("{reasons:?}") };
        (reason, status)
    };
    let not_allowed = Some(status::NOT_ALLOWED);
    let other = || DuidBuf::link_layer([9; 6]);
    let of_other = || {
        let device = DeviceId::new(DeviceIdType::Duid, other().as_duid().octets()).unwrap();
        Scope { device, ..group("fpc0", 7) }
    };
    assert_eq!(play(open(), &|it| it.peer = OTHER_RELAY), (Refusal::Relay, not_allowed));
    assert_eq!(play(open(), &|it| it.relay_id = other()), (Refusal::RelayId, not_allowed));
    assert_eq!(play(open(), &|it| it.scopes = vec![of_other()]), (Refusal::Scope, not_allowed));
    assert_eq!(play(open(), &|it| it.scopes.push(of_other())), (Refusal::Scope, not_allowed));
    assert_eq!(play(open(), &|it| it.scopes = vec![group("fpc0", 7); 9]), (Refusal::Scope, not_allowed));
    assert_eq!(play(open(), &|it| it.scopes.clear()), (Refusal::Scope, not_allowed));
    assert_eq!(play(open(), &|it| it.server_id = other()), (Refusal::Malformed, None));
    // A relay that is known by its address alone could say that it is the one whose leases these are.
    let mut anyone = open();
    anyone.release.relays.push(Registered { address: OTHER_RELAY, relay_id: None });
    assert_eq!(play(anyone, &|it| it.peer = OTHER_RELAY), (Refusal::RelayId, not_allowed));
    let mut off = open();
    off.release.single_logout.enabled = false;
    assert_eq!(play(off, &|_| ()), (Refusal::Off, Some(status::NOT_CONFIGURED)));

    let mut lab = Lab::new(open());
    let link_local = Logout { peer: "fe80::2".parse().unwrap(), ..logout(group("fpc0", 7), 1) };
    assert!(link_local.send(&mut lab).is_none(), "a client wrote it");
    let mut seldom = open();
    (seldom.release.single_logout.rate, seldom.release.single_logout.burst) = (1, 2);
    let mut lab = Lab::new(seldom);
    let answered: Vec<_> = (0..4).map(|txid| logout(group("fpc0", 7), txid).send(&mut lab).is_some()).collect();
    assert_eq!(answered, [true, true, false, false]);
}

/// H-BR-17: a crash after each command of it: either it never was, or all of it was, and it is out only if it was.
#[test]
fn a_crash_in_the_middle() {
    for survive in 0..5 {
        let mut lab = Lab::new(open());
        (0..3).for_each(|number| _ = lab.dual(&of_card(number, "fpc0", 7)));
        let release = logout(group("fpc0", 7), 1);
        let source = std::net::SocketAddrV6::new(RELAY, 547, 0, 7);
        lab.server.handle_message(source, &release.octets(), lab.now, lab.unix);
        let mut answered = false;
        for _ in 0..survive {
            match lab.server.poll_command() {
                Some(Command::Persist { key, value }) => drop(lab.disk.insert(key, value)),
                Some(Command::Send { .. }) => answered = true,
                _ => {}
            }
        }
        lab.crash();
        let active = lab.active();
        assert!(active == 6 || active == 0, "{active} of 6 after {survive} commands");
        assert!(!answered || active == 0);
        let released = release.counts(&mut lab)[0].0;
        assert!(released == 6 || active == 0, "repeated, it does what is left to do");
        assert_eq!(lab.active(), 0);
    }
}

/// A bulk leasequery right behind it does not tell what was ended (RFC 5460 section 5.3).
#[test]
fn leasequery_behind_it() {
    let mut lab = Lab::new(open());
    (0..3).for_each(|number| _ = lab.dual(&of_card(number, "fpc0", 7)));
    logout(group("fpc0", 7), 1).counts(&mut lab);
    let mut query = Builder::message(kind::LEASEQUERY, XID);
    query.duid(code::CLIENT_ID, relay_id().as_duid());
    query.nest(code::LQ_QUERY, &[&[3][..], &[0; 16]].concat(), |out| {
        out.duid(code::RELAY_ID, relay_id().as_duid());
    });
    let query = query.finish().unwrap();
    let framed = [&(query.len() as u16).to_be_bytes()[..], &query].concat();
    assert!(lab.server.handle_connect(1, std::net::SocketAddrV6::new(RELAY, 40_000, 0, 0), lab.now));
    lab.server.handle_stream(1, &framed, lab.now, lab.unix);
    let Some(Command::Stream { octets, .. }) = lab.server.poll_command() else { panic!("an answer") };
    let (mut frames, mut rest) = (Frames::new(1024), &octets[..]);
    let reply = frames.next(&mut rest).unwrap().expect("a message");
    assert_eq!((reply[0], rest.len()), (kind::LEASEQUERY_REPLY, 0));
    let reply = gateway_core::wire::dhcp6::Message::parse(&reply).unwrap();
    assert!(reply.options().find(code::CLIENT_DATA).is_none(), "nobody has anything");
}
