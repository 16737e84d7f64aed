//! RFC 4388, query by address.

use super::*;
use crate::wire::dhcp4::REPLY;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 77);
const GIADDR: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);

/// The query: the address in ciaddr, nobody's hardware address, no client-id, and the options that are wanted.
#[test]
fn the_question() {
    let octets = by_address(ADDRESS, GIADDR, 42);
    let message = Message::parse(&octets).unwrap();
    assert_eq!((message.op(), message.kind(), message.xid()), (REQUEST, Some(kind::LEASEQUERY), 42));
    assert_eq!((message.ciaddr(), message.giaddr()), (ADDRESS, GIADDR));
    assert_eq!(message.hardware(), HardwareAddress::NONE);
    assert_eq!(message.option(code::CLIENT_ID), None);
    assert_eq!(message.option(code::PARAMETER_LIST).as_deref(), Some(&[51, 61, 82, 91][..]));
}

/// The three answers, and what is none.
/// H-BR-1
#[test]
fn the_answers() {
    let reply = |kind| Builder::new(REPLY).xid(42).ciaddr(ADDRESS).giaddr(GIADDR).kind(kind);
    let read = |builder: Builder| LeaseAnswer::read(&Message::parse(&builder.finish()).unwrap());
    assert_eq!(read(reply(kind::LEASEUNASSIGNED)), Some(LeaseAnswer::Unassigned { address: ADDRESS }));
    assert_eq!(read(reply(kind::LEASEUNKNOWN)), Some(LeaseAnswer::Unknown));
    let hardware = HardwareAddress::ethernet([2, 0, 0, 0, 0, 1]);
    let active = reply(kind::LEASEACTIVE)
        .hardware(hardware)
        .number(code::LEASE_TIME, 3000)
        .number(code::LAST_TRANSACTION, 600)
        .option(code::CLIENT_ID, b"\x01id")
        .option(code::AGENT_INFORMATION, b"\x0c\x01b");
    let want = LeaseAnswer::Active {
        address: ADDRESS,
        hardware,
        client_id: Some(b"\x01id".to_vec()),
        remaining: Some(3000),
        last_transaction: Some(600),
        agent_information: Some(b"\x0c\x01b".to_vec()),
    };
    assert_eq!(read(active), Some(want));
    assert_eq!(read(reply(kind::ACK)), None);
    assert_eq!(read(Builder::new(REPLY)), None);
}
