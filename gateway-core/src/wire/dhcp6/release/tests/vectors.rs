//! V-6 and V-7, octet by octet.

use super::*;
use crate::wire::dhcp6::{IaKind, status};

/// Spaces are for the reader.
fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn v6() -> Vec<u8> {
    octets(
        "f00a0b0c 0002000a0003000102000000aa01 0035000a0003000102000000bb01 000800020000
         002d0067 0001000a00030001020000000001
          00030028 000000010000000000000000 00050018 20010db8000000000000000000000100 0000000000000000
          00190029 000000010000000000000000 001a0019 0000000000000000 38 20010db8000101000000000000000000",
    )
}

fn v7() -> Vec<u8> {
    octets(
        "f10a0b0c 0002000a0003000102000000aa01 000d00020000
         002d0024 0001000a00030001020000000001 00030012 000000010000000000000000 000d00020003",
    )
}

/// V-6, built. RR-11, RR-13, RR-14, RR-16, RR-18, RR-21, RR-22
#[test]
fn the_request_as_we_build_it() {
    let (server, relay, client) = (server(), relay(), client(1));
    let asked = releasing(client.as_duid(), vec![addresses(1, 0x100), prefixes(1, 0x100)]);
    let packed = pack(head(&server, &relay), Budget::over_hops(1, 0), &mut [asked.clone()].into_iter().peekable());
    assert_eq!(packed.message, Some(v6()));
    assert_eq!((v6().len(), packed.clients, packed.oversized), (145, vec![asked], vec![]));
}

/// V-6, read. RR-14, RR-16, RR-18, RR-22, H-RR-1, H-RR-19
#[test]
fn the_request_as_we_read_it() {
    let octets = v6();
    let request = ReleaseRequest::parse_for(server().as_duid(), &octets, types()).unwrap();
    assert_eq!((request.xid, request.elapsed, request.interface_id), (XID, Some(0), None));
    assert_eq!((request.server_id, request.relay_id), (server().as_duid(), relay().as_duid()));
    let [one] = &request.clients[..] else { panic!("one client") };
    assert_eq!((one.client_id, one.everything(), one.bare.len()), (client(1).as_duid(), false, 0));
    let listed: Vec<_> = one.ias.iter().map(|ia| (ia.kind, ia.iaid, ia.leases().next().unwrap().binding)).collect();
    let (address, prefix) = (addresses(1, 0x100).bindings()[0], prefixes(1, 0x100).bindings()[0]);
    assert_eq!(listed, [(IaKind::Na, 1, address), (IaKind::Pd, 1, prefix)]);
}

/// V-7, built: Success for the message, and NoBinding for the IA that failed. RR-27, RR-29, RR-51, RR-52, RR-53, RR-54, RR-55
#[test]
fn the_reply_as_we_build_it() {
    let octets = v6();
    let request = ReleaseRequest::parse(&octets, types()).unwrap();
    let mut answer = ReleaseAnswer::to(&request, types());
    let parts =
        vec![(Part::Ia(IaKind::Na, 1), Verdict::new(status::NO_BINDING)), (Part::Ia(IaKind::Pd, 1), Verdict::SUCCESS)];
    answer.clients.push(ClientAnswer { client_id: request.clients[0].client_id, whole: Verdict::SUCCESS, parts });
    assert_eq!(answer.encode(1194), v7());
    assert_eq!(v7().len(), 64);
}

/// V-7, read: nothing is left of either IA. RR-26, RR-29
#[test]
fn the_reply_as_we_read_it() {
    let (octets, client) = (v7(), client(1));
    let reply = ReleaseReply::parse(&octets, types(), XID, server().as_duid()).unwrap();
    let asked = releasing(client.as_duid(), vec![addresses(1, 0x100), prefixes(1, 0x100)]);
    assert_eq!(reply.outcomes(&asked), Outcomes::Listed(vec![Outcome::NoBinding, Outcome::Released]));
    assert!(Outcome::NoBinding.is_cleared() && Outcome::Released.is_cleared());
}
