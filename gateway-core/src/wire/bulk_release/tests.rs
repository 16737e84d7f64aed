//! Vectors V-1 to V-5 of the wire format, octet by octet and both ways.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::scope::{DeviceId, DeviceIdType, Epoch, GroupId, ScopeKind};
use crate::wire::agent::{AgentBuilder, AgentInformation, sub};
use crate::wire::arbitrary;
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
    Key {
        id: 5,
        secret: b"0123456789abcdef0123".to_vec().into(),
        algorithm: Algorithm::HmacSha1,
        zero_key_id: false,
        relay: 0,
    }
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

/// Values of the wrong form, each refused: a release that is half understood must not be carried out.
/// H-BR-13
#[test]
fn wrong_forms() {
    let points = CodePoints::default();
    let decode = |data: &[u8]| {
        let value = [&32473u32.to_be_bytes()[..], &[data.len() as u8], data].concat();
        let option = AgentBuilder::new().sub(sub::VENDOR, &value).finish().unwrap();
        BulkRelease::decode(&AgentInformation::parse(&option).unwrap(), &points)
    };
    let good = hex("0213010108424e472d3030343200000007c0000201");
    assert!(decode(&good).is_ok());
    let changed = |at: usize, octet: u8| {
        let mut data = good.clone();
        data[at] = octet;
        decode(&data)
    };
    assert_eq!(changed(2, 4), Err(crate::wire::Malformed::Value(2)), "kind");
    assert_eq!(changed(2, 3), Err(crate::wire::Malformed::Value(2)), "a device scope has no value");
    assert_eq!(changed(3, 0), Err(crate::wire::Malformed::Value(2)), "id-type");
    assert_eq!(changed(4, 0), Err(crate::wire::Malformed::Value(2)), "no id");
    assert_eq!(changed(4, 65), Err(crate::wire::Malformed::Value(2)), "id beyond the value");
    assert!(changed(1, 0x14).is_err(), "beyond the block");
    assert!(decode(&hex("0103010100")).is_err(), "short capability");
    assert!(decode(&hex("030d01000000000000000000000000")).is_err(), "short transaction");
    assert!(decode(&hex("030e0400000000000000000000000000")).is_err(), "operation");
    assert!(decode(&hex("0401 00")).is_err(), "short result");
    assert!(decode(&hex("02 0e 02 01 01 41 00000007 00")).is_err(), "cut");
    assert!(decode(&hex("0209 02 01 01 41 00000007 00")).is_err(), "empty group");
    assert_eq!(decode(&hex("0602abcd")), Ok(None), "unknown elements are skipped");
}

/// Other enterprises' data, before, behind and beside ours, is not ours and does no harm; a cut block does.
#[test]
fn other_enterprises() {
    let points = CodePoints::default();
    let ours = hex("00007ed9 06 010401010000");
    let others = hex("00000009 02 0102");
    let decode = |value: &[u8]| {
        let option = AgentBuilder::new().sub(sub::VENDOR, &others).sub(sub::VENDOR, value).finish().unwrap();
        BulkRelease::decode(&AgentInformation::parse(&option).unwrap(), &points)
    };
    let want = BulkRelease { capability: Some(Capability::RELAY), ..BulkRelease::default() };
    assert_eq!(decode(&[&others[..], &ours, &others].concat()), Ok(Some(want)));
    assert_eq!(decode(&others), Ok(None));
    assert!(decode(&[&ours[..], &[0, 0]].concat()).is_err());
    assert!(decode(&hex("00007ed9 07 010401010000")).is_err());
}

/// A server changes the capability in its echo and not one octet besides.
/// BR-9
#[test]
fn the_servers_echo() {
    for encoding in [Encoding::Vsi { pen: 32473 }, Encoding::RAW] {
        let points = CodePoints { encoding, ..CodePoints::default() };
        let sent = option_82(AgentBuilder::new().sub(1, b"x"), &login(address_scope().kind), &points)[2..].to_vec();
        let mut echo = sent.clone();
        assert!(rewrite_capability(&mut echo, &points, 0x0b, 0x0102));
        let differing: Vec<usize> = (0..sent.len()).filter(|at| sent[*at] != echo[*at]).collect();
        assert_eq!(differing.len(), 3);
        let agent = AgentInformation::parse(&echo).unwrap();
        let decoded = BulkRelease::decode(&agent, &points).unwrap().unwrap();
        assert_eq!(decoded.capability, Some(Capability { version: 1, flags: 0x0b, max_scopes: 0x0102 }));
        assert_eq!(decoded.scopes, [address_scope()]);
        assert!(!rewrite_capability(&mut sent[..3].to_vec(), &points, 0x0b, 1), "nothing to change");
    }
}

/// Code points that collide are refused.
#[test]
fn colliding_code_points() {
    let check = |points: CodePoints| points.check();
    let default = CodePoints::default();
    assert_eq!(check(default), Ok(()));
    assert_eq!(check(CodePoints { encoding: Encoding::RAW, ..default }), Ok(()));
    let raw = |codes| check(CodePoints { encoding: Encoding::raw(codes), ..default });
    assert_eq!(raw([240, 241, 242, 243]), Ok(()));
    assert_eq!(raw([244, 245, 246, 247]), Ok(()), "the line moves out of the way");
    assert_eq!(raw([240, 241, 240, 243]), Err(Collision::SubOption(240)));
    assert_eq!(raw([12, 241, 242, 243]), Err(Collision::SubOption(12)));
    assert_eq!(raw([240, 241, 242, 151]), Err(Collision::SubOption(151)));
    assert_eq!(check(CodePoints { request_type: 3, ..default }), Err(Collision::MessageType(3)));
    assert_eq!(check(CodePoints { reply_type: 13, ..default }), Err(Collision::MessageType(13)));
    assert_eq!(check(CodePoints { request_type: 250, ..default }), Err(Collision::MessageType(250)));
}

/// Too many scopes for one option 82: refused as a whole, never cut.
/// H-BR-22
#[test]
fn more_scopes_than_fit() {
    let points = CodePoints::default();
    let release = |count| BulkRelease { scopes: vec![address_scope(); count], ..BulkRelease::default() };
    let fits = |count| {
        let subs = release(count).encode(&points).into_iter();
        subs.fold(AgentBuilder::new(), |builder, (code, value)| builder.sub(code, &value)).finish().is_some()
    };
    assert!(fits(11) && !fits(12) && !fits(13));
}

fn any_scope() -> impl Strategy<Value = Scope> {
    let device = (0..3usize, vec(any::<u8>(), 1..=64)).prop_map(|(id_type, octets)| {
        let id_type = [DeviceIdType::Opaque, DeviceIdType::Duid, DeviceIdType::Uuid][id_type];
        DeviceId::new(id_type, &octets).unwrap()
    });
    let kind = prop_oneof![
        any::<[u8; 4]>().prop_map(|address| ScopeKind::Address(address.into())),
        vec(any::<u8>(), 1..=32).prop_map(|group| ScopeKind::Group(GroupId::new(&group).unwrap())),
        Just(ScopeKind::Device),
    ];
    (device, kind, any::<u32>()).prop_map(|(device, kind, epoch)| Scope { device, kind, epoch: Epoch(epoch) })
}

fn any_release() -> impl Strategy<Value = BulkRelease> {
    let capability = (any::<u8>(), any::<u8>(), any::<u16>());
    let capability = capability.prop_map(|(version, flags, max_scopes)| Capability { version, flags, max_scopes });
    let transaction =
        (0..3usize, any::<bool>(), any::<u64>(), any::<u32>()).prop_map(|(number, final_, txid, count)| {
            let operation = [Operation::Release, Operation::Result, Operation::Probe][number];
            Transaction { operation, final_, txid, count }
        });
    let result = (any::<u8>(), any::<u8>(), any::<[u32; 4]>()).prop_map(|(index, status, numbers)| {
        let [released, skipped, failed, highest_epoch] = numbers;
        ScopeResult { index, status, released, skipped, failed, highest_epoch }
    });
    let (capability, transaction) = (proptest::option::of(capability), proptest::option::of(transaction));
    (capability, transaction, vec(any_scope(), 0..2), vec(result, 0..3))
        .prop_map(|(capability, transaction, scopes, results)| BulkRelease { capability, transaction, scopes, results })
}

proptest! {
    /// Everything that fits comes back as it was, in both encodings, with other sub-options around it.
    #[test]
    fn there_and_back(release in any_release(), raw: bool) {
        let encoding = if raw { Encoding::RAW } else { Encoding::Vsi { pen: 99 } };
        let points = CodePoints { encoding, ..CodePoints::default() };
        let subs = release.encode(&points).into_iter();
        let builder = subs.fold(AgentBuilder::new().sub(1, b"x"), |builder, (code, value)| builder.sub(code, &value));
        if let Some(value) = builder.sub(2, b"y").finish() {
            let decoded = BulkRelease::decode(&AgentInformation::parse(&value).unwrap(), &points).unwrap();
            prop_assert_eq!(decoded.unwrap_or_default(), release);
        }
    }

    /// No octets make a decoder panic.
    #[test]
    fn decoding_never_panics(octets in prop_oneof![vec(any::<u8>(), 0..255), arbitrary::agent()], block: Vec<u8>) {
        for encoding in [Encoding::Vsi { pen: 32473 }, Encoding::RAW] {
            let points = CodePoints { encoding, ..CodePoints::default() };
            if let Ok(agent) = AgentInformation::parse(&octets) {
                let _ = BulkRelease::decode(&agent, &points);
                prop_assert_eq!(agent.iter().map(|(_, value)| value.len() + 2).sum::<usize>(), octets.len());
            }
            let _ = rewrite_capability(&mut octets.clone(), &points, 2, 8);
        }
        let value = [&32473u32.to_be_bytes()[..], &[block.len() as u8], &block].concat();
        if let Some(option) = AgentBuilder::new().sub(sub::VENDOR, &value).finish() {
            let _ = BulkRelease::decode(&AgentInformation::parse(&option).unwrap(), &CodePoints::default());
        }
    }
}
