//! Frames there and back.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const PAYLOAD: &[u8] = b"DHCP!";

fn datagram_with(tags: VlanTags) -> Datagram<'static> {
    Datagram {
        source_mac: [2, 0, 0, 0, 0, 1],
        destination_mac: BROADCAST_MAC,
        tags,
        source: SocketAddrV4::new([192, 0, 2, 1].into(), 67),
        destination: SocketAddrV4::new([255; 4].into(), 68),
        payload: PAYLOAD,
    }
}

fn tag(tpid: u16, vid: u16) -> VlanTag {
    VlanTag { tpid, vid }
}

fn every_kind_of_tags() -> [VlanTags; 3] {
    let outer = tag(0x88a8, 4095);
    [VlanTags::NONE, VlanTags { outer, ..VlanTags::NONE }, VlanTags { outer, inner: tag(0x8100, 1) }]
}

/// A frame octet by octet, with two tags.
#[test]
fn a_frame_with_two_tags() {
    let frame = datagram_with(every_kind_of_tags()[2]).build().unwrap();
    let want = [
        &[0xff; 6][..],
        &[2, 0, 0, 0, 0, 1],
        &[0x88, 0xa8, 0x0f, 0xff, 0x81, 0, 0, 1, 0x08, 0],
        &[0x45, 0, 0, 33, 0, 0, 0x40, 0, 64, 17, 0x78, 0xcb, 192, 0, 2, 1, 255, 255, 255, 255],
        &[0, 67, 0, 68, 0, 13, 0x94, 0xb3],
        PAYLOAD,
    ];
    assert_eq!(frame, want.concat());
}

/// Each frame is read back; cut anywhere it is refused; padded by the wire it still is what it was.
#[test]
fn whole_cut_and_padded() {
    for tags in every_kind_of_tags() {
        let datagram = datagram_with(tags);
        let frame = datagram.build().unwrap();
        assert_eq!(Datagram::parse(&frame), Ok(datagram));
        for length in 0..frame.len() {
            assert!(Datagram::parse(&frame[..length]).is_err(), "cut to {length}");
        }
        assert_eq!(Datagram::parse(&[&frame[..], &[0; 18]].concat()), Ok(datagram));
    }
}

/// IP options are skipped; fragments, other protocols, other versions, a third tag and wrong lengths are refused.
#[test]
fn what_is_refused() {
    let frame = datagram_with(VlanTags::NONE).build().unwrap();
    let mut with_options = frame.clone();
    with_options[14] = 0x46;
    with_options[17] += 4;
    with_options.splice(34..34, [1, 1, 1, 0]);
    assert_eq!(Datagram::parse(&with_options).map(|datagram| datagram.payload), Ok(PAYLOAD));

    let refused = |at: usize, octet: u8| {
        let mut frame = frame.clone();
        frame[at] = octet;
        Datagram::parse(&frame).unwrap_err()
    };
    assert_eq!(refused(12, 0x86), Malformed::NotUdp);
    assert_eq!(refused(14, 0x44), Malformed::NotUdp, "IP header of 16 octets");
    assert_eq!(refused(14, 0x65), Malformed::NotUdp);
    assert_eq!(refused(23, 6), Malformed::NotUdp);
    assert_eq!(refused(20, 0x20), Malformed::Fragment);
    assert_eq!(refused(21, 1), Malformed::Fragment);
    assert!(matches!(refused(14, 0x4f), Malformed::Short { .. }));
    assert!(matches!(refused(17, 34), Malformed::Short { .. }));
    assert!(matches!(refused(39, 14), Malformed::Short { .. }), "UDP longer than its packet");
    assert!(matches!(refused(39, 7), Malformed::Short { .. }), "UDP shorter than its header");
    let mut three = datagram_with(every_kind_of_tags()[2]).build().unwrap();
    three.splice(12..12, [0x81, 0, 0, 9]);
    assert_eq!(Datagram::parse(&three), Err(Malformed::Tags));
}

#[test]
fn what_does_not_fit_an_ip_packet() {
    let payload = vec![0; 65_508];
    let largest = Datagram { payload: &payload[..65_507], ..datagram_with(VlanTags::NONE) };
    assert!(largest.build().is_some());
    assert_eq!(Datagram { payload: &payload, ..largest }.build(), None);
}

/// The checksum by the definition of RFC 1071, over a pseudo header put together by hand.
fn checks(frame: &[u8], ip: usize) -> bool {
    let total = |octets: &[u8]| {
        let words = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
        words.fold(0, |sum, word| (sum + word) % 0xffff)
    };
    let udp = &frame[ip + 20..];
    let pseudo = [&frame[ip + 12..ip + 20], &[0, 17], &udp[4..6], udp].concat();
    total(&frame[ip..ip + 20]) == 0 && total(&pseudo) == 0
}

proptest! {
    /// What is built is read back, and its checksums are right.
    #[test]
    fn there_and_back(
        (source_mac, destination_mac) in any::<([u8; 6], [u8; 6])>(),
        (from, from_port, to, to_port) in any::<([u8; 4], u16, [u8; 4], u16)>(),
        tags in prop::sample::select(every_kind_of_tags().to_vec()),
        payload in vec(any::<u8>(), 0..1500),
    ) {
        let (source, destination) = (SocketAddrV4::new(from.into(), from_port), SocketAddrV4::new(to.into(), to_port));
        let datagram = Datagram { source_mac, destination_mac, tags, source, destination, payload: &payload };
        let frame = datagram.build().unwrap();
        prop_assert_eq!(Datagram::parse(&frame), Ok(datagram));
        prop_assert!(checks(&frame, 14 + 4 * tags.count()));
    }

    /// No octets make the reader panic, not even nearly right ones.
    #[test]
    fn reading_never_panics(
        octets in vec(any::<u8>(), 0..100),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        cut: prop::sample::Index,
    ) {
        let _ = Datagram::parse(&octets);
        let mut frame = datagram_with(every_kind_of_tags()[2]).build().unwrap();
        for (index, octet) in changes {
            let at = index.index(frame.len());
            frame[at] = octet;
        }
        let _ = Datagram::parse(&frame[..cut.index(frame.len())]);
        let _ = super::datagram(&frame[22..]);
    }
}
