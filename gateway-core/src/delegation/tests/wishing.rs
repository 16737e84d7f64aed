//! What is asked for, by whom, and when nobody has it.

use super::lab::{Lab, at, config, id, subnet};
use crate::delegation::{CLASS, DelegationConfig, Event, Policy, Proven};
use crate::time::Duration;
use crate::wire::dhcp4::{Builder, REQUEST, code, kind};
use crate::wire::subnet_allocation::{AllocationBuilder, Block, InformationFlags, ORIGINS, Request, origins_value};

const MINUTE: Duration = Duration::from_secs(60);

fn discover(who: u8, prefix: u8) -> Builder {
    let request = Request { delegate: true, earlier: false, prefix };
    let allocation = AllocationBuilder::new().request(request).finish().unwrap();
    of(who, kind::DISCOVER, &allocation).giaddr(at(who))
}

fn of(who: u8, kind: u8, allocation: &[u8]) -> Builder {
    let builder = Builder::new(REQUEST).xid(u32::from(who)).kind(kind).option(code::CLIENT_ID, id(who).octets());
    builder.option(code::CLASS_ID, CLASS).option(code::SUBNET_ALLOCATION, allocation)
}

fn naming(text: &str) -> Vec<u8> {
    AllocationBuilder::new().information(InformationFlags::default(), &[Block::plain(subnet(text))]).finish().unwrap()
}

fn quiet() -> Policy {
    Policy { push_above_percent: 101, ..Policy::default() }
}

/// 1 has a /24, 2 asks it.
fn pair(policy: Policy) -> Lab {
    let mut lab = Lab::new();
    lab.start(1, DelegationConfig { policy, ..config(1, &[]) });
    lab.start(2, config(2, &[1]));
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/24"), None, now)).unwrap();
    lab.pass(MINUTE);
    lab.transcript.clear();
    lab
}

/// H-SN-7: servers that ask each other in a ring do not pass a wish round and round: each adds itself to those who lack it, and who
/// finds itself among them is silent.
#[test]
fn a_ring() {
    let mut lab = Lab::new();
    for (number, asks) in [(1, 2), (2, 3), (3, 1)] {
        lab.start(number, config(number, &[asks]));
    }
    lab.pass(MINUTE * 2);
    lab.transcript.clear();
    lab.act(1, |core, now| core.handle_need(62, now));
    lab.pass(MINUTE * 3);
    assert!(lab.transcript.contains(&"3 > 1 DISCOVER /26".into()), "{:?}", lab.transcript);
    lab.act(1, |core, now| core.handle_need(0, now));
    lab.pass(MINUTE * 10);
    lab.transcript.clear();
    lab.pass(MINUTE * 60);
    assert_eq!(lab.transcript, [""; 0], "nobody lacks anything any more");

    let mut lab = pair(quiet());
    let round = discover(3, 26).option(ORIGINS, &origins_value(&[id(1).origin()])).finish();
    lab.hand(1, &round, at(3), Proven::No);
    assert_eq!(lab.step(), "");
}

/// SN-73: who is not given the size that it lacks asks for half of it, and so on, and gets what there is.
#[test]
fn less_will_do() {
    let mut lab = pair(quiet());
    // Every second /27 is another's, and uses it.
    for who in [3, 4, 5, 6] {
        let text = format!("10.0.0.{}/27", (who - 3) * 64);
        let wish = of(who, kind::DISCOVER, &{
            let request = Request { delegate: true, earlier: false, prefix: 27 };
            let wish =
                AllocationBuilder::new().information(InformationFlags::default(), &[Block::plain(subnet(&text))]);
            wish.request(request).finish().unwrap()
        });
        lab.hand(1, &wish.giaddr(at(who)).finish(), at(who), Proven::No);
        let accept = of(who, kind::REQUEST, &naming(&text)).giaddr(at(who)).address(code::SERVER_ID, at(1));
        lab.hand(1, &accept.finish(), at(who), Proven::No);
    }
    lab.wire.clear();
    lab.act(2, |core, now| core.handle_need(60, now));
    lab.pass(MINUTE * 5);
    let own = lab.holders(2);
    assert!(own.len() >= 2 && own.iter().all(|text| text.ends_with("/27 own")), "{own:?}");
}

/// SN-60, SN-61: nobody is asked for anything on account of a wish that could not be met even so.
#[test]
fn too_large_to_be_scarce() {
    let mut lab = pair(quiet());
    lab.hand(1, &discover(3, 20).finish(), at(3), Proven::No);
    assert!(!lab.servers[&1].core.view(lab.now).scarce);
    lab.act(2, |core, now| core.handle_need(120, now));
    lab.pass(MINUTE);
    lab.hand(1, &discover(3, 24).finish(), at(3), Proven::No);
    assert!(lab.servers[&1].core.view(lab.now).scarce, "nothing is known of its use yet");
}

/// H-SN-20, H-SN-8: there is not said to be more than a quota allows, and a question for more that nobody answers does not keep a
/// server from asking for what it lacks.
#[test]
fn more_than_the_quota() {
    let mut lab = pair(Policy { quota: Some(64), push_above_percent: 0, ..Policy::default() });
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.deliver();
    assert_eq!(lab.transcript.last().unwrap(), "1 > 2 ACK lease 604800 10.0.0.0/26");

    let mut lab = pair(Policy { push_above_percent: 0, ..Policy::default() });
    lab.act(2, |core, now| core.handle_need(14, now));
    while !lab.transcript.iter().any(|text| text.contains("ACK")) {
        lab.step();
    }
    assert!(lab.servers[&2].core.view(lab.now).asking, "for more");
    lab.wire.clear();
    lab.act(2, |core, now| core.handle_need(30, now));
    assert_eq!(lab.step(), "2 > 1 DISCOVER /27");
}

/// H-SN-20: a wish says which subnet, and not how large: no more is given than was asked for.
#[test]
fn a_wish_for_everything() {
    let mut lab = pair(quiet());
    let ask = |prefix: u8, text: &str| {
        let request = Request { delegate: true, earlier: false, prefix };
        let wish = AllocationBuilder::new().request(request);
        let wish = wish.information(InformationFlags::default(), &[Block::plain(subnet(text))]).finish().unwrap();
        of(3, kind::DISCOVER, &wish).giaddr(at(3)).xid(u32::from(prefix)).finish()
    };
    lab.hand(1, &ask(27, "10.0.0.0/24"), at(3), Proven::No);
    assert_eq!(lab.step(), "1 > 3 OFFER lease 604800 10.0.0.0/27");
    lab.hand(1, &ask(0, "10.0.0.0/24"), at(3), Proven::No);
    assert!(lab.step().ends_with("/28"));
    lab.hand(1, &ask(26, "10.0.0.192/26"), at(3), Proven::No);
    assert_eq!(lab.step(), "1 > 3 OFFER lease 604800 10.0.0.192/26");
}

/// H-SN-20, H-SN-21: a subscriber knows the class and the name of a server. What it says comes through a relay agent, or from another
/// address than the server's: without a signature nothing comes of it, and the server's own messages still do.
#[test]
fn in_the_name_of_a_server() {
    let mut lab = pair(quiet());
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.deliver();
    let before = lab.holders(1);
    let all = [Request { delegate: true, earlier: false, prefix: 24 }];
    let all = all.into_iter().fold(AllocationBuilder::new(), AllocationBuilder::request).finish().unwrap();
    let forged = [
        of(2, kind::DISCOVER, &all).giaddr(at(9)).hops(1),
        of(2, kind::DISCOVER, &all).giaddr(at(9)).option(code::AGENT_INFORMATION, &[1, 1, 7]),
        of(2, kind::DISCOVER, &all).giaddr(at(2)),
        of(2, kind::REQUEST, &naming("10.0.0.0/26")).giaddr(at(2)).address(code::SERVER_ID, at(1)),
        of(2, kind::REQUEST, &naming("10.0.0.0/26")).ciaddr(at(9)),
        of(2, kind::REQUEST, &naming("10.0.0.0/26")).ciaddr(at(2)),
        of(2, kind::RELEASE, &naming("10.0.0.0/26")).ciaddr(at(9)).address(code::SERVER_ID, at(1)),
        of(2, kind::RELEASE, &naming("10.0.0.0/26")).ciaddr(at(2)).address(code::SERVER_ID, at(1)),
        of(2, kind::RELEASE, &naming("10.0.0.0/26")).address(code::SERVER_ID, at(1)),
    ];
    for (index, message) in forged.iter().enumerate() {
        lab.hand(1, &message.clone().finish(), at(9), Proven::No);
        assert_eq!((lab.step(), lab.holders(1)), (String::new(), before.clone()), "the {index}th");
    }
    assert!(lab.server(1).events.contains(&Event::Relayed { from: at(9), who: id(2) }));
    // An offer to the server is nobody else's to accept, and not to take back either.
    lab.hand(1, &discover(3, 26).finish(), at(3), Proven::No);
    assert_eq!(lab.step(), "1 > 3 OFFER lease 604800 10.0.0.64/26");
    let accept =
        |from: u8| of(3, kind::REQUEST, &naming("10.0.0.64/26")).giaddr(at(from)).address(code::SERVER_ID, at(1));
    lab.hand(1, &accept(9).finish(), at(9), Proven::No);
    assert_eq!(lab.step(), "1 > 9 NAK 10.0.0.64/26");
    lab.hand(1, &accept(3).finish(), at(3), Proven::No);
    assert_eq!(lab.step(), "1 > 3 ACK lease 604800 10.0.0.64/26");
    // What is signed may come through relays.
    lab.hand(1, &of(2, kind::DISCOVER, &all).giaddr(at(9)).hops(1).finish(), at(9), Proven::Yes);
    lab.hand(1, &discover(4, 26).hops(1).finish(), at(4), Proven::Yes);
    assert!(lab.step().contains("OFFER"));
}

/// H-SN-20: a signature does not cover giaddr. Whoever alters it on the way, or adds one, gets neither an answer nor a lease that is
/// bound to another address.
#[test]
fn an_altered_giaddr() {
    let mut lab = pair(quiet());
    let altered = |mut octets: Vec<u8>| {
        octets[24..28].copy_from_slice(&at(9).octets());
        octets
    };
    lab.act(2, |core, now| core.handle_need(62, now));
    let discover = altered(lab.next_octets());
    lab.wire.clear();
    lab.hand(1, &discover, at(9), Proven::Yes);
    assert_eq!(lab.step(), "1 > 2 OFFER lease 604800 10.0.0.0/26");
    let accept = altered(lab.next_octets());
    lab.wire.clear();
    lab.hand(1, &accept, at(9), Proven::Yes);
    assert_eq!(lab.step(), "1 > 2 ACK lease 604800 10.0.0.0/26");
    let renew = of(2, kind::REQUEST, &naming("10.0.0.0/26")).ciaddr(at(2)).giaddr(at(9)).finish();
    lab.hand(1, &renew, at(9), Proven::Yes);
    assert_eq!(lab.step(), "1 > 2 ACK lease 604800 10.0.0.0/26");
}

/// H-SN-10: an acceptance that is said again much later is answered, but does not make the lease longer: that is a renewal, which says
/// how much is used.
#[test]
fn an_acceptance_for_ever() {
    let mut lab = pair(quiet());
    lab.hand(1, &discover(3, 26).finish(), at(3), Proven::No);
    lab.step();
    let accept = of(3, kind::REQUEST, &naming("10.0.0.0/26")).giaddr(at(3)).address(code::SERVER_ID, at(1)).finish();
    let said = |lab: &mut Lab| {
        lab.hand(1, &accept, at(3), Proven::No);
        lab.step()
    };
    assert_eq!(said(&mut lab), "1 > 3 ACK lease 604800 10.0.0.0/26");
    lab.pass(MINUTE / 2);
    assert_eq!(said(&mut lab), "1 > 3 ACK lease 604800 10.0.0.0/26");
    lab.pass(MINUTE * 60);
    for _ in 0..2 {
        assert_eq!(said(&mut lab), "1 > 3 ACK lease 601200 10.0.0.0/26");
    }
}

/// SN-51, H-SN-6: a subnet that the operator took away comes back also from who does not release it.
#[test]
fn taken_away_from_a_stubborn_child() {
    let mut lab = pair(quiet());
    lab.hand(1, &discover(3, 26).finish(), at(3), Proven::No);
    lab.step();
    let accept = of(3, kind::REQUEST, &naming("10.0.0.0/26")).giaddr(at(3)).address(code::SERVER_ID, at(1)).finish();
    lab.hand(1, &accept, at(3), Proven::No);
    lab.act(1, |core, now| core.handle_remove(&subnet("10.0.0.0/24"), now));
    lab.wire.clear();
    let renew = of(3, kind::REQUEST, &naming("10.0.0.0/26")).ciaddr(at(3)).finish();
    let mut said = Vec::new();
    for _ in 0..4 {
        lab.hand(1, &renew, at(3), Proven::No);
        said.push(lab.step());
    }
    assert!(said[..3].iter().all(|text| text.ends_with("deprecated")), "{said:?}");
    assert_eq!(said[3], "1 > 3 NAK 10.0.0.0/26");
}
