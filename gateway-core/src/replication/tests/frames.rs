//! Frames: what is written is read, and nothing else is.

use core::net::{Ipv4Addr, Ipv6Addr};

use gateway_common::unit::Unit;
use gateway_common::vlan::{VlanTag, VlanTags};
use proptest::prelude::*;

use super::super::*;
use crate::line::{FpcId, HardwareAddress, Line, PortId};
use crate::member::{Boot, MemberId, Secret, UnitVersion};
use crate::scope::{Epoch, GroupId, ScopeKind};
use crate::session::EndReason;
use crate::sightings::{Message, Page};
use crate::wire::dhcp6::{DuidBuf, IaKind, Prefix};

fn member() -> impl Strategy<Value = MemberId> {
    (1..255u8).prop_map(|number| MemberId::new(number).expect("in range"))
}

fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn stamp() -> impl Strategy<Value = Stamp> {
    (member(), 1..1u64 << 56).prop_map(|(member, seq)| Stamp::new(member, seq))
}

fn hardware() -> impl Strategy<Value = HardwareAddress> {
    (any::<u8>(), 0..=16u8, any::<[u8; 16]>())
        .prop_map(|(htype, hlen, octets)| HardwareAddress::new(htype, hlen, octets).expect("in range").trimmed())
}

fn scope() -> impl Strategy<Value = Option<ScopeKind>> {
    prop_oneof![
        Just(None),
        address().prop_map(|address| Some(ScopeKind::Address(address))),
        prop::collection::vec(any::<u8>(), 1..=32).prop_map(|group| GroupId::new(&group).map(ScopeKind::Group)),
        Just(Some(ScopeKind::Device)),
    ]
}

fn essential() -> impl Strategy<Value = Essential> {
    (address(), hardware(), any::<u32>(), any::<u64>(), any::<u64>(), any::<bool>()).prop_map(
        |(address, hardware, epoch, at, expires, orphaned)| Essential {
            address,
            hardware,
            epoch: Epoch(epoch),
            at,
            expires,
            orphaned,
        },
    )
}

fn session() -> impl Strategy<Value = SessionState> {
    let tag = || (any::<u16>(), any::<u16>()).prop_map(|(tpid, vid)| VlanTag { tpid, vid });
    let place = (any::<u16>(), any::<u16>(), tag(), tag());
    let addresses = (address(), address(), address());
    (essential(), place, addresses, scope(), prop::option::of(octets(300)), octets(300)).prop_map(
        |(essential, (fpc, port, outer, inner), (server, server_identifier, giaddr), scope, client_id, agent)| {
            let line = Line { port: PortId(port), tags: VlanTags { outer, inner } };
            let initial = Initial {
                client_id: client_id.map(Into::into),
                line,
                fpc: FpcId(fpc),
                server,
                server_identifier,
                giaddr,
                agent_information: agent.into(),
                scope,
            };
            SessionState { initial, essential }
        },
    )
}

fn duid() -> impl Strategy<Value = DuidBuf> {
    prop::collection::vec(any::<u8>(), 1..=130).prop_map(|octets| DuidBuf::new(&octets).expect("in range"))
}

fn prefix() -> impl Strategy<Value = Prefix> {
    (any::<Ipv6Addr>(), 0..=128u8).prop_map(|(address, length)| Prefix::new(address, length).expect("in range"))
}

fn lease6() -> impl Strategy<Value = LeaseState> {
    let tag = || (any::<u16>(), any::<u16>()).prop_map(|(tpid, vid)| VlanTag { tpid, vid });
    let place = (any::<u16>(), any::<u16>(), tag(), tag(), any::<[u8; 6]>());
    let ia = prop::sample::select(vec![IaKind::Na, IaKind::Ta, IaKind::Pd]);
    let essential = (prefix(), any::<u32>(), any::<u64>(), any::<u64>(), any::<bool>());
    (place, duid(), any::<[Ipv6Addr; 2]>(), duid(), (ia, any::<Option<u32>>(), any::<[bool; 2]>()), essential).prop_map(
        |((fpc, port, outer, inner, mac), client, [peer, server], server_id, (kind, iaid, flags), essential)| {
            let ([tagged, relayed], fpc) = (flags, FpcId(fpc));
            let line = Line { port: PortId(port), tags: VlanTags { outer, inner } };
            let initial = Initial6 { client, line, mac, relayed, peer, fpc, server, server_id, tagged, kind, iaid };
            let (prefix, epoch, at, expires, orphaned) = essential;
            LeaseState { initial, essential: Essential6 { prefix, epoch: Epoch(epoch), at, expires, orphaned } }
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    let ended = (address(), hardware(), any::<u32>(), 0..EndReason::ALL.len(), stamp());
    prop_oneof![
        session().prop_map(|session| Change::Session(Box::new(session))),
        essential().prop_map(Change::Essential),
        (address(), stamp()).prop_map(|(address, of)| Change::Orphaned { address, of }),
        ended.prop_map(|(address, hardware, epoch, reason, of)| Change::Ended {
            address,
            hardware,
            epoch: Epoch(epoch),
            reason: EndReason::ALL[reason],
            of
        }),
        ("[a-z0-9é]{0,20}", address(), scope(), any::<u32>()).prop_map(|(fpc, server, scope, ended)| Change::Cutoff {
            fpc,
            server,
            scope,
            ended: Epoch(ended)
        }),
        ("[a-z0-9]{0,20}", octets(30)).prop_map(|(name, record)| Change::Fpc { name, record }),
        (octets(30), prop::option::of(octets(2000))).prop_map(|(key, value)| Change::Journal { key, value }),
        (address(), any::<u64>()).prop_map(|(server, through)| Change::ReplayReserved { server, through }),
        (octets(30), octets(30)).prop_map(|(key, value)| Change::Capability { key, value }),
        lease6().prop_map(|lease| Change::Lease6(Box::new(lease))),
        (prefix(), stamp()).prop_map(|(prefix, of)| Change::Orphaned6 { prefix, of }),
        (prefix(), stamp()).prop_map(|(prefix, of)| Change::Ended6 { prefix, of }),
        lease6().prop_map(|lease| Change::Spoke6 { client: lease.initial.client, line: lease.initial.line }),
        ("[a-z0-9é]{0,20}", any::<Ipv6Addr>(), duid(), any::<u32>(), any::<bool>()).prop_map(
            |(fpc, server, server_id, ended, tagged)| {
                Change::Cutoff6 { fpc, server, server_id, tagged, ended: Epoch(ended) }
            }
        ),
    ]
}

fn positions() -> impl Strategy<Value = Positions> {
    prop::collection::btree_map(member(), any::<u64>(), 0..16).prop_map(|entries| {
        let mut positions = Positions::default();
        entries.into_iter().for_each(|(origin, seq)| positions.set(origin, seq));
        positions
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    let unit = prop::option::of((0..1024u16, any::<u32>()));
    let record = (any::<u64>(), change()).prop_map(|(raw, change)| Record { stamp: Stamp::from_raw(raw), change });
    prop_oneof![
        (member(), any::<u64>(), prop::option::of(positions()), any::<bool>()).prop_map(
            |(member, boot, positions, synced)| {
                let synced = synced && positions.is_some();
                Frame::Hello { member, boot: Boot(boot), positions, synced }
            }
        ),
        any::<[u8; 32]>().prop_map(|key| Frame::Key(Secret(key))),
        (any::<u64>(), stamp(), unit, change()).prop_map(|(previous, stamp, unit, change)| {
            let unit = unit.map(|(unit, version)| (Unit::new(unit).expect("in range"), UnitVersion(version)));
            Frame::State(Update { previous: previous % stamp.seq(), stamp, unit, change })
        }),
        (member(), any::<u64>()).prop_map(|(origin, seq)| Frame::Ack { origin, seq }),
        (any::<u64>(), any::<u32>()).prop_map(|(id, chunk)| Frame::SnapshotRequest { id, chunk }),
        (any::<u64>(), any::<u32>(), positions(), prop::collection::vec(record, 0..5)).prop_map(
            |(id, chunk, positions, records)| {
                let positions = (chunk == 0).then_some(positions);
                Frame::SnapshotData { id, chunk, positions, records }
            }
        ),
        (any::<u64>(), any::<u32>()).prop_map(|(id, chunks)| Frame::SnapshotEnd { id, chunks }),
        prop::sample::select(vec![ResyncReason::FellBehind, ResyncReason::Fenced, ResyncReason::NotSynced])
            .prop_map(Frame::Resync),
        (0..1024u16, any::<u32>()).prop_map(|(unit, version)| Frame::Outdated {
            unit: Unit::new(unit).expect("a unit"),
            version: UnitVersion(version)
        }),
        prop::collection::vec(interface(), 0..5).prop_map(Frame::Interfaces),
        any::<u32>().prop_map(|number| Frame::Sightings(Message::Ask(number))),
        (any::<u32>(), any::<bool>()).prop_map(|(number, last)| {
            Frame::Sightings(Message::Page(Page { number, first: !last, last, ..Page::default() }))
        }),
        (any::<std::net::IpAddr>(), octets(600)).prop_map(|(server, payload)| Frame::ForKeeper { server, payload }),
    ]
}

fn interface() -> impl Strategy<Value = Interface> {
    let segment = prop_oneof![
        any::<u16>().prop_map(Segment::Access),
        any::<u16>().prop_map(Segment::Upstream),
        Just(Segment::Link),
    ];
    (segment, any::<[u8; 6]>()).prop_map(|(segment, mac)| Interface { segment, mac })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// CL-66, CL-67, H-CL-23: every frame is read as it was written, however the stream is cut, and there is one way to
    /// write it.
    #[test]
    fn what_is_written_is_read(frames in prop::collection::vec(frame(), 1..6), cut in 1..97usize) {
        let mut stream = Vec::new();
        let mut ends = Vec::new();
        for frame in &frames {
            frame.encode(&mut stream);
            ends.push(stream.len());
        }
        let mut decoder = Decoder::default();
        let (mut read, mut copied) = (Vec::new(), Vec::new());
        for piece in stream.chunks(cut) {
            decoder.push(piece);
            while let Some((frame, octets)) = decoder.next_frame().expect("well formed") {
                read.push(frame);
                copied.extend_from_slice(octets);
            }
        }
        prop_assert_eq!(&read, &frames);
        prop_assert_eq!(copied, stream, "passed on as it came");
    }

    /// A frame that was cut short, or has something behind it, is none; what was altered is none, or another one that
    /// is written the way it was read.
    #[test]
    fn what_is_not_written_is_not_read(frame in frame(), at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let mut stream = Vec::new();
        frame.encode(&mut stream);
        let body = &stream[4..];
        for end in 0..body.len() {
            // Chunks of a snapshot may end behind any record.
            if let Ok(shorter) = Frame::decode(&body[..end]) {
                let mut again = Vec::new();
                shorter.encode(&mut again);
                let snapshot = matches!(frame, Frame::SnapshotData { .. });
                prop_assert!(snapshot && again[4..] == body[..end]);
            }
        }
        let longer = [body, &[0]].concat();
        prop_assert!(Frame::decode(&longer).is_err());
        let mut altered = body.to_vec();
        let at = at.index(altered.len());
        altered[at] ^= flip;
        if let Ok(other) = Frame::decode(&altered) {
            let mut again = Vec::new();
            other.encode(&mut again);
            prop_assert_eq!(&again[4..], &altered[..]);
        }
    }

    /// Octets of no meaning neither panic nor take memory that they do not have.
    #[test]
    fn noise_is_refused_in_peace(noise in octets(300)) {
        let mut decoder = Decoder::default();
        decoder.push(&noise);
        for _ in 0..noise.len() {
            if !matches!(decoder.next_frame(), Ok(Some(_))) {
                break;
            }
        }
        let _ = Frame::decode(&noise);
    }
}

/// A length over the limit ends the stream before anything is stored for it.
#[test]
fn an_endless_frame_is_refused() {
    let mut decoder = Decoder::default();
    decoder.push(&((MAX_FRAME + 1) as u32).to_be_bytes());
    assert_eq!(decoder.next_frame(), Err(Malformed(0)));
    let mut decoder = Decoder::default();
    decoder.push(&(MAX_FRAME as u32).to_be_bytes());
    assert_eq!(decoder.next_frame(), Ok(None));
}
