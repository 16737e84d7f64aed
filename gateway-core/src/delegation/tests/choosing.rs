//! Several servers answer, and several subnets are offered: what is taken, and what becomes of the rest.

use super::lab::{Lab, at, config, id, subnet};
use crate::delegation::{CLASS, Proven, Usage};
use crate::time::Duration;
use crate::wire::dhcp4::{Builder, REPLY, REQUEST, code, kind};
use crate::wire::subnet_allocation::{AllocationBuilder, Block, InformationFlags, Request};

const MINUTE: Duration = Duration::from_secs(60);

fn naming(texts: &[&str]) -> Vec<u8> {
    let blocks: Vec<Block> = texts.iter().map(|text| Block::plain(subnet(text))).collect();
    AllocationBuilder::new().information(InformationFlags::default(), &blocks).finish().unwrap()
}

/// SN-21, SN-30, SN-33: two servers offer a subnet; both hear which is accepted, and the other has its own back at once.
#[test]
fn two_offers() {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    lab.start(2, config(2, &[]));
    lab.start(3, config(3, &[1, 2]));
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/26"), None, now)).unwrap();
    lab.act(2, |core, now| core.handle_add(subnet("10.1.0.0/26"), None, now)).unwrap();
    lab.pass(MINUTE);
    lab.transcript.clear();
    lab.act(3, |core, now| core.handle_need(62, now));
    lab.deliver();
    assert_eq!(lab.holders(1), ["10.0.0.0/26 offered to server-3"]);
    assert_eq!(lab.holders(2), ["10.1.0.0/26 offered to server-3"]);
    lab.pass(Duration::from_secs(1));
    for server in [1, 2] {
        assert!(lab.transcript.contains(&format!("3 > {server} REQUEST 10.0.0.0/26")), "{:?}", lab.transcript);
    }
    assert_eq!(lab.holders(1), ["10.0.0.0/26 leased to server-3"]);
    assert_eq!(lab.holders(2), ["10.1.0.0/26 pool"]);
}

/// SN-20, SN-31, SN-32: of two subnets that are offered one is accepted: that is bound, and the other goes back.
#[test]
fn a_part_of_an_offer() {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/24"), None, now)).unwrap();
    let of = |kind: u8, allocation: &[u8]| {
        let builder = Builder::new(REQUEST).xid(3).kind(kind).giaddr(at(3)).option(code::CLIENT_ID, id(3).octets());
        builder.option(code::CLASS_ID, CLASS).option(code::SUBNET_ALLOCATION, allocation)
    };
    let two = [26, 27].map(|prefix| Request { delegate: true, earlier: false, prefix });
    let two = two.into_iter().fold(AllocationBuilder::new(), AllocationBuilder::request).finish().unwrap();
    lab.hand(1, &of(kind::DISCOVER, &two).finish(), at(3), Proven::No);
    assert_eq!(lab.step(), "1 > 3 OFFER lease 604800 10.0.0.0/26 10.0.0.64/27");
    let accept = of(kind::REQUEST, &naming(&["10.0.0.64/27"])).address(code::SERVER_ID, at(1)).finish();
    lab.hand(1, &accept, at(3), Proven::No);
    assert_eq!(lab.step(), "1 > 3 ACK lease 604800 10.0.0.64/27");
    let held: Vec<_> = lab.holders(1).into_iter().filter(|text| !text.ends_with("pool")).collect();
    assert_eq!(held, ["10.0.0.64/27 leased to server-3"]);
}

/// SN-34, H-SN-17: what an ACK leaves out is not used, nor what it names and was not offered.
#[test]
fn a_part_of_what_was_accepted() {
    let mut lab = Lab::new();
    lab.start(2, config(2, &[1]));
    lab.pass(MINUTE * 2);
    lab.act(2, |core, now| core.handle_need(62, now));
    let discover = lab.next_octets();
    let xid = u32::from_be_bytes(discover[4..8].try_into().unwrap());
    let say = |kind: u8, texts: &[&str]| {
        let builder = Builder::new(REPLY).xid(xid).kind(kind).address(code::SERVER_ID, at(1));
        builder.number(code::LEASE_TIME, 9999).option(code::SUBNET_ALLOCATION, &naming(texts)).finish()
    };
    lab.wire.clear();
    lab.hand(2, &say(kind::OFFER, &["10.0.0.0/27", "10.0.0.64/27"]), at(1), Proven::No);
    assert_eq!(lab.step(), "2 > 1 REQUEST 10.0.0.0/27 10.0.0.64/27");
    lab.hand(2, &say(kind::ACK, &["10.0.0.64/27", "10.9.0.0/27"]), at(1), Proven::No);
    assert_eq!(lab.holders(2), ["10.0.0.64/27 own"]);
}

/// SN-38, SN-39, SN-40: two subnets of one schedule are renewed by one message; what of them is in the pool counts as unused, and
/// addresses that were declined are counted apart.
#[test]
fn one_message_for_one_schedule() {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    lab.start(2, config(2, &[1]));
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/24"), None, now)).unwrap();
    lab.pass(MINUTE);
    for _ in 0..2 {
        lab.act(2, |core, now| core.handle_need(62, now));
        lab.deliver();
    }
    let used = |lab: &mut Lab, text: &str, in_use, high_water, unusable| {
        let usage = Usage { in_use, high_water, unusable };
        lab.act(2, |core, now| core.handle_usage(&subnet(text), usage, now));
    };
    used(&mut lab, "10.0.0.64/26", 30, 30, 0);
    used(&mut lab, "10.0.0.0/26", 0, 0, 0);
    lab.pass(MINUTE * 16);
    lab.act(2, |core, now| core.handle_need(14, now));
    assert_eq!(lab.holders(2)[..2], ["10.0.0.0/28 own", "10.0.0.16/28 pool"]);
    used(&mut lab, "10.0.0.0/28", 5, 9, 2);
    lab.transcript.clear();
    lab.pass(Duration::from_secs(86_400 * 7 / 2));
    let renewal = "2 > 1 RENEW 10.0.0.0/26 used 5 of 9 unusable 2 10.0.0.64/26 used 30 of 30 unusable 0";
    assert_eq!(lab.transcript[0], renewal);
}
