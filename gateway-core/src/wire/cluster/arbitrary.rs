//! Messages for property tests.

use core::net::Ipv4Addr;

use gateway_common::unit::{UNITS, Unit};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::member::{MemberId, Term, UnitVersion};

pub(super) fn id(number: u8) -> MemberId {
    MemberId::new(number).unwrap()
}

fn unit() -> impl Strategy<Value = Unit> {
    (0..UNITS as u16).prop_map(|number| Unit::new(number).unwrap())
}

pub(super) fn member() -> impl Strategy<Value = MemberId> {
    (1u8..255).prop_map(id)
}

fn ip() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from_bits)
}

fn assignments() -> impl Strategy<Value = Vec<Assignment>> {
    let one = (unit(), any::<u32>(), member());
    let one = one.prop_map(|(unit, version, owner)| Assignment { unit, version: UnitVersion(version), owner });
    vec(one, 1..=ASSIGNMENTS_MAX)
}

fn chunk() -> impl Strategy<Value = TableChunk> {
    let entry = (option::of(member()), any::<u32>())
        .prop_map(|(owner, version)| TableEntry { owner, version: UnitVersion(version) });
    (unit(), vec(entry, 1..=TABLE_CHUNK)).prop_map(|(first, mut entries)| {
        entries.truncate((UNITS - first.index()) as usize);
        TableChunk { first, entries }
    })
}

fn master_keepalive() -> impl Strategy<Value = Body> {
    let state = (member(), ip(), 0..=1024u16, any::<u64>(), any::<bool>())
        .prop_map(|(id, ip, units, heard, leaving)| MemberState { id, ip, units, heard, leaving });
    let (members, drained) = (vec(state, 1..=MEMBERS_MAX), vec(member(), 0..=MEMBERS_MAX));
    let table = option::of(chunk());
    (any::<u64>(), 2..=20u8, 1..=u16::MAX, members, drained, any::<u32>(), any::<u64>(), table).prop_map(
        |(keepalive_seq, n, watchdog_ms, members, drained, table_version, table_digest, table)| {
            Body::MasterKeepalive(MasterKeepalive {
                keepalive_seq,
                n,
                watchdog_ms,
                members,
                drained,
                table_version,
                table_digest,
                table,
            })
        },
    )
}

/// Any message that a receiver accepts.
pub(super) fn body() -> impl Strategy<Value = Body> {
    use JoinRefusal::*;
    let refusals = [InProgress, UnknownCertificate, NotAuthenticated, Objection, Configuration, Full, NotMaster];
    let few = 1..=MEMBERS_MAX as u8;
    prop_oneof![
        (ip(), any::<u32>(), any::<u64>(), option::of(member()), 0..=1024u16, any::<[u32; 2]>()).prop_map(
            |(ip, config_version, config_digest, supports, holds, [highest, ruled])| {
                let (highest, ruled) = (UnitVersion(highest), Term(ruled));
                Body::JoinRequest(JoinRequest { ip, config_version, config_digest, supports, holds, highest, ruled })
            }
        ),
        (few.clone(), 1..=u16::MAX).prop_map(|(members, watchdog_ms)| Body::JoinOk { members, watchdog_ms }),
        (proptest::sample::select(refusals.to_vec()), any::<u16>())
            .prop_map(|(reason, retry_ms)| Body::JoinRefused { reason, retry_ms }),
        (ip(), any::<u32>(), few.clone()).prop_map(|(ip, config_version, members)| Body::MasterOffer(MasterOffer {
            ip,
            config_version,
            members
        })),
        (member(), ip(), few).prop_map(|(master, ip, members)| Body::OtherMasterExists { master, ip, members }),
        master_keepalive(),
        (any::<u64>(), 0..=1024u16, any::<u32>(), any::<u32>(), any::<u64>(), any::<[bool; 2]>()).prop_map(
            |(keepalive_seq, units, load, table_version, heard, [leaving, ready])| {
                Body::MemberKeepalive(MemberKeepalive {
                    keepalive_seq,
                    units,
                    load,
                    table_version,
                    heard,
                    leaving,
                    ready,
                })
            }
        ),
        (0..=4u8).prop_map(|reason| Body::Exit { reason }),
        (assignments(), option::of((member(), any::<u64>()))).prop_map(|(units, after)| {
            Body::UnitAssign { units, after: after.map(|(origin, seq)| StateMark { origin, seq }) }
        }),
        assignments().prop_map(Body::UnitAssignAck),
        assignments().prop_map(Body::UnitDeassign),
        assignments().prop_map(Body::UnitStop),
        assignments().prop_map(Body::UnitStopped),
        (unit(), any::<u32>(), any::<u64>()).prop_map(|(unit, version, name)| Body::FrameLeft {
            unit,
            version: UnitVersion(version),
            name
        }),
        (assignments(), any::<u64>()).prop_map(|(units, last_seq)| Body::UnitDeassignAck { units, last_seq }),
        (unit(), option::of(0..u16::MAX), vec(any::<u8>(), 14..1600))
            .prop_map(|(unit, port, frame)| Body::ForwardedPacket { unit, port, frame }),
    ]
}
