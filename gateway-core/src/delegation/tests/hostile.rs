//! Bad input, and others' mistakes.

use std::collections::BTreeSet;

use super::lab::{DAY, Lab, at, config, id, subnet};
use crate::delegation::{AddError, DelegationConfig, Event, Handled, Lessees, Policy, Proven, ServerId, Usage};
use crate::line::HardwareAddress;
use crate::time::Duration;
use crate::wire::dhcp4::{Builder, REPLY, REQUEST, code, kind};
use crate::wire::subnet_allocation::{AllocationBuilder, Block, InformationFlags, Request, Statistics};

const MINUTE: Duration = Duration::from_secs(60);

/// 1 has 10.0.0.0/24, 2 asks it.
fn pair() -> Lab {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    lab.start(2, config(2, &[1]));
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/24"), None, now)).unwrap();
    lab.pass(MINUTE);
    lab
}

/// The same, and 2 has 10.0.0.0/26.
fn leased() -> Lab {
    let mut lab = pair();
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.deliver();
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own"]);
    lab.transcript.clear();
    lab
}

fn from_requester(who: u8, kind: u8, allocation: &[u8]) -> Builder {
    let builder = Builder::new(REQUEST).xid(7).kind(kind).option(code::CLIENT_ID, id(who).octets());
    builder.option(code::CLASS_ID, super::super::CLASS).option(code::SUBNET_ALLOCATION, allocation)
}

fn naming(blocks: &[Block]) -> Vec<u8> {
    AllocationBuilder::new().information(InformationFlags::default(), blocks).finish().unwrap()
}

fn asking(prefix: u8) -> Vec<u8> {
    AllocationBuilder::new().request(Request { delegate: true, earlier: false, prefix }).finish().unwrap()
}

/// SN-6, SN-53: a subnet that was entered already, or that overlaps one, changes nothing.
#[test]
fn entered_twice() {
    let mut lab = pair();
    let add = |lab: &mut Lab, text: &str| lab.act(1, |core, now| core.handle_add(subnet(text), None, now));
    assert_eq!(add(&mut lab, "10.0.0.0/24"), Err(AddError::Twice(subnet("10.0.0.0/24"))));
    assert_eq!(add(&mut lab, "10.0.0.0/8"), Err(AddError::Overlaps(subnet("10.0.0.0/24"))));
    assert_eq!(add(&mut lab, "10.0.0.64/30"), Err(AddError::Overlaps(subnet("10.0.0.0/24"))));
    let disk = lab.server(1).disk.clone();
    lab.restart(1, true);
    assert_eq!(
        add(&mut lab, "10.0.0.0/24"),
        Err(AddError::Twice(subnet("10.0.0.0/24"))),
        "by the configuration at a start"
    );
    assert_eq!((lab.holders(1), lab.server(1).disk.clone()), (vec!["10.0.0.0/24 pool".into()], disk));
    // What another server gave cannot be entered either.
    let mut lab = leased();
    let twice = lab.act(2, |core, now| core.handle_add(subnet("10.0.0.0/25"), None, now));
    assert_eq!(twice, Err(AddError::Overlaps(subnet("10.0.0.0/26"))));
}

/// SN-53: a longest lease limits every lease of the subnet, and a subnet that is taken away is asked back, then gone.
#[test]
fn taken_away() {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    lab.start(2, config(2, &[1]));
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/24"), Some(DAY), now)).unwrap();
    lab.pass(MINUTE);
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.transcript.clear();
    lab.deliver();
    assert_eq!(lab.transcript[3], "1 > 2 ACK lease 86400 10.0.0.0/26");
    assert!(!lab.act(1, |core, now| core.handle_remove(&subnet("10.0.0.0/25"), now)));
    lab.transcript.clear();
    assert!(lab.act(1, |core, now| core.handle_remove(&subnet("10.0.0.0/24"), now)));
    lab.pass(MINUTE);
    let asked = ["1 > 2 FORCERENEW 10.0.0.0/26", "2 > 1 RENEW 10.0.0.0/26"];
    assert_eq!(lab.transcript[..2], asked);
    assert!(lab.transcript[2].ends_with("10.0.0.0/26 deprecated"), "{}", lab.transcript[2]);
    assert!(lab.transcript[3].starts_with("2 > 1 RELEASE 10.0.0.0/26"), "{}", lab.transcript[3]);
    assert_eq!(lab.holders(2), [""; 0]);
    lab.pass(MINUTE * 6);
    assert_eq!(lab.holders(1), [""; 0]);
    assert!(lab.server(1).disk.is_empty());
}

/// SN-43, SN-71, H-SN-20: a renewal or a release of somebody else's subnet changes nothing, and the first is told so; what is not
/// in the table is ignored.
#[test]
fn of_someone_else() {
    let mut lab = leased();
    let before = lab.holders(1);
    let renew =
        |text: &str| from_requester(3, kind::REQUEST, &naming(&[Block::plain(subnet(text))])).ciaddr(at(3)).finish();
    lab.hand(1, &renew("10.0.0.0/26"), at(3), Proven::No);
    assert_eq!(lab.step(), "1 > 3 NAK 10.0.0.0/26");
    assert!(lab.server(1).events.contains(&Event::NotTheirs { who: id(3), subnet: subnet("10.0.0.0/26") }));
    lab.hand(1, &renew("10.0.0.128/26"), at(3), Proven::No);
    lab.hand(1, &renew("10.7.0.0/26"), at(3), Proven::No);
    let release = from_requester(3, kind::RELEASE, &naming(&[Block::plain(subnet("10.0.0.0/26"))]));
    lab.hand(1, &release.address(code::SERVER_ID, at(1)).finish(), at(3), Proven::No);
    assert_eq!((lab.step(), lab.holders(1)), (String::new(), before));
}

/// H-SN-1: what was never offered, or to another, is refused; what is altered is not what was offered.
#[test]
fn what_was_not_offered() {
    let mut lab = pair();
    lab.hand(1, &from_requester(3, kind::DISCOVER, &asking(25)).giaddr(at(3)).finish(), at(3), Proven::No);
    assert!(lab.step().ends_with("10.0.0.0/25"));
    let accept = |who: u8, text: &str| {
        let request = from_requester(who, kind::REQUEST, &naming(&[Block::plain(subnet(text))]));
        request.giaddr(at(who)).address(code::SERVER_ID, at(1)).finish()
    };
    lab.hand(1, &accept(4, "10.0.0.0/25"), at(4), Proven::No);
    assert_eq!(lab.step(), "1 > 4 NAK 10.0.0.0/25");
    lab.hand(1, &accept(3, "10.0.0.0/26"), at(3), Proven::No);
    assert_eq!(lab.step(), "1 > 3 NAK 10.0.0.0/26");
    assert_eq!(lab.holders(1), ["10.0.0.0/24 pool"], "its offer is over, too");
    lab.hand(1, &accept(3, "10.0.0.0/25"), at(3), Proven::No);
    assert_eq!(lab.step(), "1 > 3 NAK 10.0.0.0/25");
}

/// H-SN-1, H-SN-9: an offer is held for a minute, and not offered to anybody else; the same question gets the same offer.
#[test]
fn offers_are_held() {
    let mut lab = pair();
    let discover = |who: u8, prefix: u8| from_requester(who, kind::DISCOVER, &asking(prefix)).giaddr(at(who)).finish();
    for _ in 0..3 {
        lab.hand(1, &discover(3, 25), at(3), Proven::No);
        assert!(lab.step().ends_with("10.0.0.0/25"));
    }
    lab.hand(1, &discover(4, 25), at(4), Proven::No);
    assert!(lab.step().ends_with("10.0.0.128/25"));
    lab.hand(1, &discover(5, 25), at(5), Proven::No);
    assert_eq!(lab.step(), "", "nothing is left, and so nothing is said (SN-60)");
    assert!(lab.server(1).events.contains(&Event::Short { who: Some(id(5)), prefix: 25 }));
    lab.pass(MINUTE);
    assert_eq!(lab.holders(1), ["10.0.0.0/24 pool"]);
}

/// H-SN-10: an acceptance that is repeated, because its answer was lost, is answered again.
#[test]
fn repeated_acceptance() {
    let mut lab = pair();
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.step();
    lab.step();
    let request = lab.next_octets();
    lab.step();
    let (first, text) = (lab.next_octets(), lab.step());
    lab.hand(1, &request, at(2), Proven::No);
    assert_eq!((lab.next_octets(), lab.step()), (first, text));
    lab.deliver();
    assert_eq!(lab.holders(1)[0], "10.0.0.0/26 leased to server-2");
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own"]);
}

/// H-SN-15: counts that are larger than the subnet, all ones, or missing.
#[test]
fn statistics_that_overflow() {
    let mut lab = leased();
    let renew = |statistics| {
        let block = Block { statistics, ..Block::plain(subnet("10.0.0.0/26")) };
        from_requester(2, kind::REQUEST, &naming(&[block])).ciaddr(at(2)).finish()
    };
    let usage = |lab: &mut Lab, statistics| {
        lab.hand(1, &renew(statistics), at(2), Proven::No);
        lab.servers[&1].core.view(lab.now).roots[0].blocks[0].usage
    };
    let full = Usage { in_use: 64, high_water: 64, unusable: 64 };
    assert_eq!(usage(&mut lab, Statistics::saturating(u64::MAX, u64::MAX, u64::MAX)), Some(full));
    assert_eq!(usage(&mut lab, Statistics::NONE), Some(full), "nothing new");
    let odd = Statistics { high_water: Some(3), in_use: Some(9), unusable: None };
    assert_eq!(usage(&mut lab, odd), Some(Usage { in_use: 9, high_water: 9, unusable: 0 }));
    assert_eq!(lab.servers[&1].core.view(lab.now).roots[0].usage.in_use, 9);
    // Our own address server is believed no more.
    let much = Usage { in_use: u64::MAX, high_water: u64::MAX, unusable: u64::MAX };
    lab.act(2, |core, now| core.handle_usage(&subnet("10.0.0.0/26"), much, now));
    let root = &lab.servers[&2].core.view(lab.now).roots[0];
    assert_eq!(root.usage, Usage { in_use: 64, high_water: 64, unusable: 0 });
    // And a subnet of more addresses than 16 bits count says as many as they do.
    assert_eq!(Usage { in_use: 1 << 20, ..root.usage }.statistics().in_use, Some(0xfffe));
}

/// SN-47, SN-51, H-SN-11, H-SN-24: a child that uses little, is asked for its subnet and never releases it, is refused after its
/// patience; then the subnet rests until the last promise is over.
#[test]
fn a_child_that_never_releases() {
    let mut lab = leased();
    let renew = |in_use| {
        let statistics = Statistics { in_use: Some(in_use), ..Statistics::NONE };
        let block = Block { statistics, ..Block::plain(subnet("10.0.0.0/26")) };
        from_requester(2, kind::REQUEST, &naming(&[block])).ciaddr(at(2)).finish()
    };
    let said = |lab: &mut Lab, in_use| {
        lab.hand(1, &renew(in_use), at(2), Proven::No);
        lab.step()
    };
    assert_eq!(said(&mut lab, 3), "1 > 2 ACK lease 604800 10.0.0.0/26", "nobody lacks anything");
    lab.act(1, |core, now| core.handle_need(254, now)); // takes the rest, and lacks more
    lab.wire.clear();
    assert!(lab.servers[&1].core.view(lab.now).scarce);
    assert_eq!(said(&mut lab, 40), "1 > 2 ACK lease 604800 10.0.0.0/26", "used well");
    for _ in 0..3 {
        assert!(said(&mut lab, 3).ends_with("10.0.0.0/26 deprecated"));
    }
    assert_eq!(said(&mut lab, 3), "1 > 2 NAK 10.0.0.0/26");
    assert_eq!(said(&mut lab, 3), "1 > 2 NAK 10.0.0.0/26", "and again");
    lab.servers.remove(&2);
    lab.pass(DAY * 7);
    assert_eq!(lab.holders(1)[0], "10.0.0.0/26 resting after server-2");
    lab.pass(MINUTE * 6);
    assert_eq!(lab.holders(1)[0], "10.0.0.0/26 own", "taken at once: it was lacking");
}

/// H-SN-7: what overlaps our own is not taken, even from a provider that does not say where it comes from.
#[test]
fn an_offer_of_our_own() {
    let mut lab = leased();
    lab.server(2).events.clear();
    lab.act(2, |core, now| core.handle_need(1000, now));
    let discover = lab.next_octets();
    let xid = u32::from_be_bytes(discover[4..8].try_into().unwrap());
    let offer = Builder::new(REPLY).xid(xid).kind(kind::OFFER).address(code::SERVER_ID, at(1));
    let offer = offer
        .number(code::LEASE_TIME, 9999)
        .option(code::SUBNET_ALLOCATION, &naming(&[Block::plain(subnet("10.0.0.32/27"))]));
    lab.wire.clear();
    lab.hand(2, &offer.finish(), at(1), Proven::No);
    assert!(lab.wire.is_empty());
    let overlap = Event::Overlap { from: at(1), subnet: subnet("10.0.0.32/27") };
    assert_eq!(lab.server(2).events.last(), Some(&overlap));
}

/// H-SN-8: a provider that always has more is asked eight times, or until enough is unused.
#[test]
fn there_is_always_more() {
    let mut lab = Lab::new();
    let generous = Policy { push_above_percent: 0, ..Policy::default() };
    lab.start(1, DelegationConfig { policy: generous.clone(), ..config(1, &[]) });
    let greedy = Policy { unused_most: u64::MAX, ..generous };
    lab.start(2, DelegationConfig { policy: greedy, ..config(2, &[1]) });
    for third in 0..20u8 {
        lab.act(1, |core, now| core.handle_add(subnet(&format!("10.0.{third}.0/24")), None, now)).unwrap();
        lab.act(1, |core, now| core.handle_add(subnet(&format!("10.1.{third}.0/24")), None, now)).unwrap();
    }
    lab.pass(MINUTE);
    lab.transcript.clear();
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.deliver();
    let asked = |size: &str| lab.transcript.iter().filter(|text| text.ends_with(&format!("DISCOVER {size}"))).count();
    assert_eq!((asked("/26"), asked("/0")), (1, 8));
    let mut lab = pair();
    lab.act(1, |core, now| core.handle_policy(Policy { push_above_percent: 0, ..Policy::default() }, now));
    lab.act(2, |core, now| core.handle_policy(Policy { unused_most: 1, ..Policy::default() }, now));
    lab.transcript.clear();
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.deliver();
    assert_eq!(lab.transcript.iter().filter(|text| text.ends_with("DISCOVER /0")).count(), 1);
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own"], "what it was offered so is more than it keeps unused");
    lab.pass(MINUTE);
    assert!(!lab.servers[&2].core.view(lab.now).asking);
}

/// H-SN-21, SN-12: option 220 of an ordinary client is not looked at, and its address is the address server's business.
#[test]
fn an_ordinary_client() {
    let mut lab = pair();
    let client = Builder::new(REQUEST).hardware(HardwareAddress::ethernet([2, 0, 0, 0, 0, 1])).kind(kind::DISCOVER);
    let mut hand = |builder: &Builder| lab.hand(1, &builder.clone().finish(), at(9), Proven::No);
    assert_eq!(hand(&client), Handled::NotOurs);
    let with = client.clone().option(code::SUBNET_ALLOCATION, &asking(25));
    assert_eq!(hand(&with), Handled::NotOurs, "without option 61");
    let with = with.option(code::CLIENT_ID, b"abc");
    assert_eq!(hand(&with), Handled::NotOurs, "of no class");
    assert_eq!(hand(&with.clone().option(code::CLASS_ID, b"MSFT 5.0")), Handled::NotOurs);
    assert_eq!(
        hand(&with.clone().option(code::SUBNET_ALLOCATION, &[9]).option(code::CLASS_ID, b"x")),
        Handled::NotOurs
    );
    assert_eq!(hand(&with.option(code::CLASS_ID, super::super::CLASS)), Handled::Heeded, "and one that means it");
    assert!(lab.step().contains("OFFER"));
    assert_eq!(lab.hand(1, b"no message", at(9), Proven::No), Handled::NotOurs);
}

/// SN-20, H-SN-14: option 220 that is cut, or stands twice.
#[test]
fn cut_and_repeated() {
    let mut lab = pair();
    let value = asking(25);
    for cut in 0..value.len() {
        let octets = from_requester(3, kind::DISCOVER, &value[..cut]).giaddr(at(3)).finish();
        assert_ne!(lab.hand(1, &octets, at(3), Proven::No), Handled::NotOurs);
        assert_eq!(lab.step(), "", "cut to {cut}");
    }
    assert!(lab.server(1).events.iter().any(|event| matches!(event, Event::Malformed { .. })));
    let twice =
        from_requester(3, kind::DISCOVER, &asking(26)).option(code::SUBNET_ALLOCATION, &asking(27)).giaddr(at(3));
    lab.hand(1, &twice.finish(), at(3), Proven::No);
    assert!(lab.step().ends_with("OFFER lease 604800 10.0.0.0/26 10.0.0.64/27"));
    let malformed =
        Builder::new(REPLY).kind(kind::ACK).address(code::SERVER_ID, at(1)).option(code::SUBNET_ALLOCATION, &[0, 2]);
    assert_eq!(lab.hand(2, &malformed.finish(), at(1), Proven::No), Handled::Taken);
}

/// H-SN-20: who is not on the list, who has enough, and who can't prove who it is.
#[test]
fn strangers() {
    let mut lab = Lab::new();
    let lessees = Lessees::Listed(BTreeSet::from([id(3)]));
    let policy = Policy { quota: Some(100), ..Policy::default() };
    lab.start(1, DelegationConfig { lessees, policy, ..config(1, &[]) });
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/24"), None, now)).unwrap();
    let discover = |who: u8, prefix: u8| from_requester(who, kind::DISCOVER, &asking(prefix)).giaddr(at(who)).finish();
    lab.hand(1, &discover(4, 26), at(4), Proven::Yes);
    lab.hand(1, &discover(3, 25), at(3), Proven::No);
    assert_eq!(lab.step(), "");
    let events = [Event::Stranger { who: id(4) }, Event::Quota { who: id(3) }];
    assert_eq!(lab.server(1).events, events);
    lab.hand(1, &discover(3, 26), at(3), Proven::No);
    assert!(lab.step().contains("OFFER"));
    lab.server(1).config.authenticate = true;
    lab.restart(1, true);
    lab.hand(1, &discover(3, 26), at(3), Proven::No);
    assert_eq!(lab.step(), "");
    lab.hand(1, &discover(3, 26), at(3), Proven::Yes);
    assert!(lab.step().contains("OFFER"));
}

/// H-SN-20: what a lessee can cause with each datagram is told once in a while, and what our own hosts lack each time.
#[test]
fn told_once_in_a_while() {
    let mut lab = Lab::new();
    let policy = Policy { quota: Some(64), ..Policy::default() };
    lab.start(1, DelegationConfig { policy, ..config(1, &[]) });
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/24"), None, now)).unwrap();
    let discover = |prefix: u8| from_requester(3, kind::DISCOVER, &asking(prefix)).giaddr(at(3)).finish();
    let own = naming(&[Block::plain(subnet("10.0.0.0/26"))]);
    lab.hand(1, &discover(26), at(3), Proven::No);
    let accept = from_requester(3, kind::REQUEST, &own).giaddr(at(3)).address(code::SERVER_ID, at(1)).finish();
    lab.hand(1, &accept, at(3), Proven::No);
    let count =
        |lab: &Lab, of: &dyn Fn(&Event) -> bool| lab.servers[&1].events.iter().filter(|event| of(event)).count();
    let quota = |event: &Event| matches!(event, Event::Quota { .. });
    let short = |event: &Event| matches!(event, Event::Short { who: Some(_), .. });
    let theirs = |event: &Event| matches!(event, Event::NotTheirs { .. });
    for round in 1..=3 {
        for _ in 0..20 {
            lab.hand(1, &discover(27), at(3), Proven::No);
            lab.hand(1, &discover(20), at(3), Proven::No);
            lab.hand(1, &from_requester(4, kind::REQUEST, &own).ciaddr(at(4)).finish(), at(4), Proven::No);
            let release = from_requester(4, kind::RELEASE, &own).ciaddr(at(4)).address(code::SERVER_ID, at(1));
            lab.hand(1, &release.finish(), at(4), Proven::No);
        }
        assert_eq!([count(&lab, &quota), count(&lab, &short), count(&lab, &theirs)], [round; 3]);
        lab.pass(Duration::from_secs(11));
    }
    let ours = |event: &Event| matches!(event, Event::Short { who: None, .. });
    lab.act(1, |core, now| core.handle_need(5000, now));
    lab.act(1, |core, now| core.handle_need(6000, now));
    assert_eq!(count(&lab, &ours), 2);
}

/// SN-50, H-SN-20: who asks for an early renewal has to prove who it is, and only what it names, of its own, is renewed.
#[test]
fn forged_force_renew() {
    let mut lab = leased();
    let force = |server: u8, text: &str| {
        let builder = Builder::new(REPLY).kind(kind::FORCERENEW).address(code::SERVER_ID, at(server));
        builder.option(code::SUBNET_ALLOCATION, &naming(&[Block::plain(subnet(text))])).finish()
    };
    lab.hand(2, &force(1, "10.0.0.0/26"), at(1), Proven::No);
    lab.hand(2, &force(9, "10.0.0.0/26"), at(9), Proven::Yes);
    lab.hand(2, &force(1, "10.0.0.0/27"), at(1), Proven::Yes);
    assert_eq!(lab.step(), "");
    lab.hand(2, &force(1, "10.0.0.0/26"), at(1), Proven::Yes);
    assert_eq!(lab.step(), "2 > 1 RENEW 10.0.0.0/26");
}

/// H-SN-18, H-SN-19: who somebody is follows from option 61 alone, and what a REQUEST is from options 54 and ciaddr.
#[test]
fn who_and_what() {
    let mut lab = leased();
    let named = naming(&[Block::plain(subnet("10.0.0.0/26"))]);
    let request = || from_requester(2, kind::REQUEST, &named);
    lab.hand(1, &request().finish(), at(2), Proven::No);
    assert_eq!(lab.step(), "", "neither an acceptance nor a renewal");
    lab.hand(1, &request().ciaddr(at(77)).finish(), at(77), Proven::No);
    assert_eq!(lab.step(), "", "somebody in its name");
    lab.hand(1, &request().ciaddr(at(77)).finish(), at(77), Proven::Yes);
    assert_eq!(lab.step(), "1 > 77 ACK lease 604800 10.0.0.0/26", "it has moved");
    let other = Builder::new(REQUEST)
        .kind(kind::REQUEST)
        .option(code::CLIENT_ID, b"x")
        .option(code::CLASS_ID, super::super::CLASS);
    lab.hand(1, &other.option(code::SUBNET_ALLOCATION, &named).ciaddr(at(2)).finish(), at(2), Proven::No);
    assert_eq!(lab.step(), "1 > 2 NAK 10.0.0.0/26", "another at its address");
    assert_eq!(ServerId::new(&[]), None);
    assert_eq!(ServerId::new(&[1; 256]), None);
}
