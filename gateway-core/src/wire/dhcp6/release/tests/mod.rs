//! The draft's two messages, and the project's answers to its gaps.

mod answer;
mod batch;
mod reply;
mod request;
mod total;
mod vectors;

use super::*;
use crate::wire::dhcp6::{Duid, DuidBuf, Prefix};

const XID: u32 = 0x0a_0b0c;

fn types() -> ReleaseTypes {
    ReleaseTypes::default()
}

/// A DUID-LL of ten octets whose MAC ends in `octets`.
fn duid(octets: [u8; 2]) -> DuidBuf {
    DuidBuf::link_layer([2, 0, 0, 0, octets[0], octets[1]])
}

fn server() -> DuidBuf {
    duid([0xaa, 1])
}

fn relay() -> DuidBuf {
    duid([0xbb, 1])
}

fn client(number: u16) -> DuidBuf {
    duid(number.to_be_bytes())
}

fn head<'a>(server_id: &'a DuidBuf, relay_id: &'a DuidBuf) -> ReleaseHead<'a> {
    let (server_id, relay_id) = (server_id.as_duid(), relay_id.as_duid());
    ReleaseHead { types: types(), xid: XID, server_id, relay_id, interface_id: None, elapsed: 0 }
}

fn addresses(iaid: u32, last: u16) -> ReleaseIa {
    ReleaseIa::Addresses { iaid, addresses: vec![[0x2001, 0xdb8, 0, 0, 0, 0, 0, last].into()] }
}

fn prefixes(iaid: u32, fourth: u16) -> ReleaseIa {
    let prefix = Prefix::new([0x2001, 0xdb8, 1, fourth, 0, 0, 0, 0].into(), 56).unwrap();
    ReleaseIa::Prefixes { iaid, prefixes: vec![prefix] }
}

fn releasing<'a>(client_id: Duid<'a>, ias: Vec<ReleaseIa>) -> ReleaseClient<'a> {
    ReleaseClient { client_id, interface_id: None, ias }
}

/// Both types are configured, differ, and are nobody else's. RR-11, RR-64
#[test]
fn the_types() {
    let types = ReleaseTypes::default();
    assert_eq!((types.request(), types.reply()), (240, 241));
    assert_eq!(ReleaseTypes::new(100, 101).map(|types| (types.request(), types.reply())), Ok((100, 101)));
    assert_eq!(ReleaseTypes::new(7, 101), Err(TypeTaken(7)));
    assert_eq!(ReleaseTypes::new(100, 37), Err(TypeTaken(37)));
    assert_eq!(ReleaseTypes::new(100, 100), Err(TypeTaken(100)));
    assert_eq!((0..=255).filter(|kind| types.includes(*kind)).collect::<Vec<u8>>(), [240, 241]);
}
