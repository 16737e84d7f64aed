//! The vectors, what is malformed, and any octets at all.

use core::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::Malformed;
use crate::wire::arbitrary::{damaged, message as any_message, octets};
use crate::wire::dhcp4::{self, Builder, Message};

fn subnet(text: &str) -> Subnet {
    text.parse().unwrap()
}

fn message(values: &[&[u8]]) -> Vec<u8> {
    values.iter().fold(Builder::new(dhcp4::REQUEST).kind(1), |builder, value| builder.option(OPTION, value)).finish()
}

fn read(octets: &[u8]) -> Result<Vec<SubOption<'static>>, Malformed> {
    let message = Message::parse(octets).unwrap();
    let allocation = SubnetAllocation::read(&message).unwrap()?;
    let owned = |sub| match sub {
        SubOption::Name(name) => SubOption::Name(String::leak(name.to_owned())),
        SubOption::Request(request) => SubOption::Request(request),
        SubOption::Information(information) => SubOption::Information(information),
        SubOption::SuggestedLease(seconds) => SubOption::SuggestedLease(seconds),
    };
    Ok(allocation.sub_options().map(owned).collect())
}

const SIZED: Request = Request { delegate: true, earlier: false, prefix: 25 };

/// SN-12, SN-13, SN-14, SN-15: every layout, octet by octet, both ways.
#[test]
fn vectors() {
    let request = |request| AllocationBuilder::new().request(request).finish().unwrap();
    assert_eq!(crate::hex(&request(SIZED)), "0001020119");
    assert_eq!(crate::hex(&request(Request { prefix: 0, ..SIZED })), "0001020100");
    assert_eq!(crate::hex(&request(Request { delegate: false, earlier: true, prefix: 7 })), "0001020200");
    let offered = Block::plain(subnet("10.0.1.0/25"));
    let flags = InformationFlags { more: true, earlier: false };
    let offer = AllocationBuilder::new().information(flags, &[offered]).finish().unwrap();
    assert_eq!(crate::hex(&offer), "000208010a000100190200");
    let renewed = Block { statistics: Statistics::saturating(74, 51, 0), ..offered };
    let renewal = AllocationBuilder::new().information(InformationFlags::default(), &[renewed]).finish().unwrap();
    assert_eq!(crate::hex(&renewal), "00020e000a000100190206004a00330000");
    let rest = AllocationBuilder::new().name("gold").suggested_lease(3600).finish().unwrap();
    assert_eq!(crate::hex(&rest), "000304676f6c64040400000e10");
    let read = |octets: &[u8]| read(&message(&[octets])).unwrap();
    assert_eq!(read(&request(SIZED)), [SubOption::Request(SIZED)]);
    assert_eq!(
        read(&renewal),
        [SubOption::Information(Information { flags: InformationFlags::default(), blocks: vec![renewed] })]
    );
    assert_eq!(read(&rest), [SubOption::Name("gold"), SubOption::SuggestedLease(3600)]);
    assert_eq!(read(&[0, 77, 2, 1, 1, 1, 2, 1, 25]), [SubOption::Request(SIZED)], "what is not known is passed over");
}

/// H-SN-15: counts over 16 bits are 0xFFFE, since 0xFFFF means that nothing is known; a longer statistic's tail is ignored.
#[test]
fn statistics() {
    let octets = |statistics: Statistics| crate::hex(&statistics.octets());
    assert_eq!(octets(Statistics::saturating(u64::MAX, 65535, 65534)), "fffefffefffe");
    assert_eq!(octets(Statistics::NONE), "");
    assert_eq!(octets(Statistics { in_use: Some(7), ..Statistics::NONE }), "ffff0007");
    assert_eq!(octets(Statistics { in_use: Some(0xffff), ..Statistics::NONE }), "fffffffe");
    assert_eq!(Statistics::read(&[0, 1, 0, 2, 0, 3, 9, 9]), Statistics::saturating(1, 2, 3));
    assert_eq!(Statistics::read(&[0, 1, 0]), Statistics { high_water: Some(1), ..Statistics::NONE });
    assert_eq!(Statistics::read(&[0xff; 6]), Statistics::NONE);
}

/// Each thing that makes the option malformed. What is cut is never read as something else.
#[test]
fn malformed() {
    let error = |octets: &[u8]| read(&message(&[octets])).unwrap_err();
    assert_eq!(error(&[]), Malformed::Short { length: 0, least: 1 });
    assert_eq!(error(&[0, 1]), Malformed::CutOption { code: 1, at: 0 });
    assert_eq!(error(&[0, 1, 2, 1]), Malformed::CutOption { code: 1, at: 0 });
    assert_eq!(error(&[0, 1, 2, 1, 31]), Malformed::Value(1), "no such prefix");
    assert_eq!(error(&[0, 1, 3, 1, 25, 0]), Malformed::Value(1));
    assert_eq!(error(&[0, 2, 1, 0]), Malformed::Value(2), "no block");
    let good = [0, 2, 14, 0, 10, 0, 1, 0, 25, 2, 6, 0, 74, 0, 51, 0, 0];
    assert!(read(&message(&[&good])).is_ok());
    for cut in 1..good.len() {
        assert!(cut == 1 || read(&message(&[&good[..cut]])).is_err(), "cut to {cut}");
    }
    assert_eq!(error(&[0, 2, 8, 0, 10, 0, 1, 1, 25, 2, 0]), Malformed::Value(2), "bits behind the prefix");
    assert_eq!(error(&[0, 2, 8, 0, 10, 0, 1, 0, 32, 2, 0]), Malformed::Value(2), "no such prefix");
    assert_eq!(error(&[0, 2, 8, 0, 0, 0, 0, 0, 0, 2, 0]), Malformed::Value(2), "everything");
    assert_eq!(error(&[0, 2, 8, 0, 10, 0, 1, 0, 25, 2, 6]), Malformed::Value(2), "statistics that are not there");
    assert_eq!(error(&[0, 3, 2, b'a', 0]), Malformed::Value(3), "NUL");
    assert_eq!(error(&[0, 3, 1, 0xff]), Malformed::Value(3), "not UTF-8");
    assert_eq!(error(&[0, 4, 4, 0, 0, 0, 1, 4, 4, 0, 0, 0, 1]), Malformed::Value(4), "twice");
}

/// H-SN-14: several options are read each for itself, or as one that was split where that is what gives sense; and
/// what we build is always one.
#[test]
fn repeated_options() {
    let (first, second) = ([0, 1, 2, 1, 25], [0, 1, 2, 1, 26]);
    let both = [SubOption::Request(SIZED), SubOption::Request(Request { prefix: 26, ..SIZED })];
    assert_eq!(read(&message(&[&first, &second])).unwrap(), both);
    assert_eq!(read(&message(&[&[0, 1, 2, 1], &[25, 1, 2, 1, 26]])).unwrap(), both, "split inside of a sub-option");
    assert!(read(&message(&[&first, &[0, 1, 2, 1]])).is_err());
    let blocks: Vec<Block> = (0..BLOCKS_MAX as u32)
        .map(|index| Subnet::new(Ipv4Addr::from_bits(0x0a00_0000 + (index << 8)), 24).unwrap())
        .map(|subnet| Block { statistics: Statistics::saturating(1, 1, 1), ..Block::plain(subnet) })
        .collect();
    let page = |blocks: &[Block]| {
        AllocationBuilder::new().request(SIZED).information(InformationFlags::default(), blocks).finish()
    };
    assert!(page(&blocks).is_some_and(|value| value.len() <= 255));
    let many: Vec<Block> = blocks.iter().copied().cycle().take(20).collect();
    assert_eq!(page(&many), None, "it would need a second option");
}

/// H-SN-7: through whose hands a subnet came; nobody else's option 125 is read as ours.
#[test]
fn origins() {
    let ids: Origins = ["a", "b"].iter().map(|name| OriginId::of(name.as_bytes())).collect();
    let message = |value: &[u8]| Builder::new(dhcp4::REPLY).kind(2).option(ORIGINS, value).finish();
    let read = |octets: &[u8]| read_origins(&Message::parse(octets).unwrap());
    let ours = origins_value(&ids);
    assert_eq!(read(&message(&ours)), ids);
    let foreign = [&[0, 0, 0, 9, 3, 1, 1, 7][..], &ours].concat();
    assert_eq!(read(&message(&foreign)), ids);
    assert_eq!(read(&message(&foreign[..8])), []);
    assert_eq!(read(&message(&ours[..9])), []);
    let long: Origins = (0..100u8).map(|n| OriginId::of(&[n])).collect();
    assert_eq!(read(&message(&origins_value(&long))), long[76..], "the last 24");
}

fn block() -> impl Strategy<Value = Block> {
    let count = || proptest::option::of(0u16..=0xfffe);
    (any::<u32>(), 1u8..=30, any::<bool>(), any::<bool>(), count(), count(), count()).prop_map(
        |(base, prefix, deprecate, delegate, high_water, in_use, unusable)| {
            let subnet = Subnet::new(Ipv4Addr::from_bits(base), 32).unwrap();
            let subnet = std::iter::successors(Some(subnet), Subnet::parent).find(|up| up.prefix() == prefix).unwrap();
            Block { subnet, deprecate, delegate, statistics: Statistics { high_water, in_use, unusable } }
        },
    )
}

fn sub_option() -> impl Strategy<Value = SubOption<'static>> {
    let flags = |(more, earlier)| InformationFlags { more, earlier };
    let request = (any::<bool>(), any::<bool>(), 0u8..=30).prop_map(|(delegate, earlier, prefix)| Request {
        delegate,
        earlier,
        prefix: if earlier { 0 } else { prefix },
    });
    prop_oneof![
        request.prop_map(SubOption::Request),
        (any::<(bool, bool)>().prop_map(flags), vec(block(), 1..5))
            .prop_map(|(flags, blocks)| SubOption::Information(Information { flags, blocks })),
        "[a-z]{1,9}".prop_map(|name| SubOption::Name(String::leak(name))),
    ]
}

proptest! {
    /// What is built is read as it was, in one option or in several.
    #[test]
    fn round_trip(subs in vec(sub_option(), 0..4), lease in proptest::option::of(any::<u32>()), apart: bool) {
        let mut subs = subs;
        subs.extend(lease.map(SubOption::SuggestedLease));
        let add = |builder: AllocationBuilder, sub: &SubOption<'_>| match sub {
            SubOption::Request(request) => builder.request(*request),
            SubOption::Information(information) => builder.information(information.flags, &information.blocks),
            SubOption::Name(name) => builder.name(name),
            SubOption::SuggestedLease(seconds) => builder.suggested_lease(*seconds),
        };
        let values: Vec<Vec<u8>> = if apart && !subs.is_empty() {
            subs.iter().map(|sub| add(AllocationBuilder::new(), sub).finish().unwrap()).collect()
        } else {
            let Some(value) = subs.iter().fold(AllocationBuilder::new(), add).finish() else { return Ok(()) };
            vec![value]
        };
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(read(&message(&values)).unwrap(), subs);
    }

    /// No octets make the reader panic.
    #[test]
    fn never_panics(value in vec(any::<u8>(), 0..300), second in vec(any::<u8>(), 0..40), whole in prop_oneof![octets(), damaged(), any_message()]) {
        for octets in [message(&[&value]), message(&[&value, &second]), whole] {
            let Ok(message) = Message::parse(&octets) else { continue };
            let _ = read_origins(&message);
            if let Some(Ok(allocation)) = SubnetAllocation::read(&message) {
                let _ = (allocation.sub_options().count(), allocation.blocks().count(), allocation.more(), allocation.name());
                for block in allocation.blocks() {
                    prop_assert!((1..=30).contains(&block.subnet.prefix()));
                }
            }
        }
        let _ = SubnetAllocation::parse(&value);
    }
}
