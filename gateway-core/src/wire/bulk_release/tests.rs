//! Vectors V-1 to V-5 of the wire format, octet by octet and both ways.

use super::*;
use crate::scope::{DeviceId, DeviceIdType, Epoch, GroupId, ScopeKind};
use crate::wire::agent::{AgentBuilder, AgentInformation, sub};
use crate::wire::dhcp4::{Builder, Message, REQUEST, code, kind};
use crate::wire::relay_auth::{self, Algorithm, Key};

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn device() -> DeviceId {
    DeviceId::new(DeviceIdType::Opaque, b"BNG-0042").unwrap()
}

fn address_scope() -> Scope {
    Scope { device: device(), kind: ScopeKind::Address([192, 0, 2, 1].into()), epoch: Epoch(7) }
}

fn option_82(first: AgentBuilder, release: &BulkRelease, points: &CodePoints) -> Vec<u8> {
    let builder = release.encode(points).into_iter().fold(first, |builder, (code, value)| builder.sub(code, &value));
    let value = builder.finish().unwrap();
    [&[code::AGENT_INFORMATION, value.len() as u8], &value[..]].concat()
}

fn decoded(option: &[u8], points: &CodePoints) -> Option<BulkRelease> {
    BulkRelease::decode(&AgentInformation::parse(&option[2..]).unwrap(), points).unwrap()
}

fn login(kind: ScopeKind) -> BulkRelease {
    let scopes = vec![Scope { device: device(), kind, epoch: Epoch(7) }];
    BulkRelease { capability: Some(Capability::RELAY), scopes, ..BulkRelease::default() }
}

/// V-1: a login's option 82 with an address scope.
/// BR-6 BR-7 BR-8 BR-11 BR-12
#[test]
fn a_login_with_an_address_scope() {
    let want = hex("523a 010c67652d302f302f313a313030 0c08424e472d30303432
                    0920 00007ed9 1b  010401010000  0213 0101 08 424e472d30303432 00000007 c0000201");
    let points = CodePoints::default();
    let release = login(ScopeKind::Address([192, 0, 2, 1].into()));
    let first = AgentBuilder::new().sub(sub::CIRCUIT_ID, b"ge-0/0/1:100").sub(sub::RELAY_ID, b"BNG-0042");
    assert_eq!(option_82(first, &release, &points), want);
    assert_eq!(decoded(&want, &points), Some(release));
    let agent = AgentInformation::parse(&want[2..]).unwrap();
    assert_eq!(agent.get(sub::CIRCUIT_ID), Some(&b"ge-0/0/1:100"[..]));
    assert_eq!(agent.get(sub::RELAY_ID), Some(&b"BNG-0042"[..]));
}

/// V-2: a login's option 82 with a group scope.
/// BR-8 BR-16 BR-17
#[test]
fn a_login_with_a_group_scope() {
    let want = hex("522d0c08424e472d30303432092100007ed91c0104010100000214020108424e472d30303432000000070466706333");
    let points = CodePoints::default();
    let release = login(ScopeKind::Group(GroupId::new(b"fpc3").unwrap()));
    assert_eq!(option_82(AgentBuilder::new().sub(sub::RELAY_ID, b"BNG-0042"), &release, &points), want);
    assert_eq!(decoded(&want, &points), Some(release));
}

/// V-3: the same in raw sub-options.
#[test]
fn a_login_in_raw_sub_options() {
    let want = hex("52250c08424e472d30303432f00401010000f113010108424e472d3030343200000007c0000201");
    let points = CodePoints { encoding: Encoding::RAW, ..CodePoints::default() };
    let release = login(ScopeKind::Address([192, 0, 2, 1].into()));
    assert_eq!(option_82(AgentBuilder::new().sub(sub::RELAY_ID, b"BNG-0042"), &release, &points), want);
    assert_eq!(decoded(&want, &points), Some(release));
    assert_eq!(decoded(&want, &CodePoints::default()), None, "no vendor-specific sub-option");
}

/// V-4 without its header, which is zero but for op, xid, giaddr.
const SIGNED: &str = "638253633501073604c633640552640c08424e472d30303432093000007ed92b
    0104010100000213010108424e472d3030343200000007c0000201030e010001
    02030405060708000003e80826010165f00000000000010000000000000005f1
    f7a2877cc46013b72d19c2e1e646391d302ef1ff";

pub(crate) fn signed_release() -> Vec<u8> {
    let mut octets = vec![0; 236];
    octets[0] = REQUEST;
    octets[4..8].copy_from_slice(&[0xa1, 0xb2, 0xc3, 0xd4]);
    octets[24..28].copy_from_slice(&[192, 0, 2, 1]);
    octets.extend(hex(SIGNED));
    octets
}

pub(crate) fn key() -> Key {
    Key { id: 5, secret: b"0123456789abcdef0123".to_vec(), algorithm: Algorithm::HmacSha1, zero_key_id: false }
}

/// V-4: a whole signed single logout.
/// BR-24 BR-29 H-BR-13
#[test]
fn a_signed_single_logout() {
    let want = signed_release();
    assert_eq!(want.len(), 352);
    let points = CodePoints::default();
    let transaction =
        Transaction { operation: Operation::Release, final_: false, txid: 0x0102_0304_0506_0708, count: 1000 };
    let release = BulkRelease {
        capability: Some(Capability::RELAY),
        transaction: Some(transaction),
        scopes: vec![address_scope()],
        results: vec![],
    };
    let agent = release
        .encode(&points)
        .into_iter()
        .fold(AgentBuilder::new().sub(sub::RELAY_ID, b"BNG-0042"), |builder, (code, value)| builder.sub(code, &value))
        .finish()
        .unwrap();
    let unsigned = Builder::new(REQUEST)
        .xid(0xa1b2_c3d4)
        .giaddr([192, 0, 2, 1].into())
        .kind(kind::RELEASE)
        .option(code::SERVER_ID, &[198, 51, 100, 5])
        .option(code::AGENT_INFORMATION, &agent)
        .finish();
    let signed = relay_auth::append_and_sign(&unsigned, &key(), 0x65f0_0000_0000_0001).unwrap();
    assert_eq!(signed, want);

    let message = Message::parse(&want).unwrap();
    let agent = AgentInformation::parse(message.agent_information().unwrap()).unwrap();
    assert_eq!(BulkRelease::decode(&agent, &points), Ok(Some(release)));
}

/// V-5: the elements of a reply.
/// BR-23
#[test]
fn the_reply_to_a_single_logout() {
    let data = hex("0104010b0008 030e02010102030405060708000003e8 0213010108424e472d3030343200000007c0000201
                    04120000000003e6000000020000000000000007");
    let points = CodePoints::default();
    let release = BulkRelease {
        capability: Some(Capability { version: 1, flags: 0x0b, max_scopes: 8 }),
        transaction: Some(Transaction {
            operation: Operation::Result,
            final_: true,
            txid: 0x0102_0304_0506_0708,
            count: 1000,
        }),
        scopes: vec![address_scope()],
        results: vec![ScopeResult { index: 0, status: 0, released: 998, skipped: 2, failed: 0, highest_epoch: 7 }],
    };
    let value = [&32473u32.to_be_bytes()[..], &[data.len() as u8], &data].concat();
    assert_eq!(release.encode(&points), vec![(sub::VENDOR, value.clone())]);
    let option = AgentBuilder::new().sub(sub::VENDOR, &value).finish().unwrap();
    assert_eq!(BulkRelease::decode(&AgentInformation::parse(&option).unwrap(), &points), Ok(Some(release)));
}
