//! Messages for property tests: well formed, nearly well formed, and not at all.

use core::net::Ipv6Addr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Binding, Builder, DuidBuf, IaKind, Prefix, code, kind};

/// Octets of any kind.
pub(crate) fn octets() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..600)
}

/// A DUID of any length that one may have.
pub(crate) fn duid() -> impl Strategy<Value = DuidBuf> {
    let any = vec(any::<u8>(), 1..=130).prop_map(|octets| DuidBuf::new(&octets).expect("1 to 130"));
    prop_oneof![any, any_mac().prop_map(DuidBuf::link_layer)]
}

fn any_mac() -> impl Strategy<Value = [u8; 6]> {
    any::<[u8; 6]>()
}

/// An address or a prefix.
pub(crate) fn binding(prefix: bool) -> impl Strategy<Value = Binding> {
    (any::<u128>(), 0u8..=128).prop_map(move |(bits, length)| {
        let address = Ipv6Addr::from_bits(bits);
        if prefix {
            Binding::Prefix(Prefix::new(address, length).expect("at most 128"))
        } else {
            Binding::Address(address)
        }
    })
}

/// Which IA.
pub(crate) fn ia_kind() -> impl Strategy<Value = IaKind> {
    select(&[IaKind::Na, IaKind::Ta, IaKind::Pd][..])
}

/// An IA with its leases, each with or without a status. The IAID is one of few, so that they meet.
fn ia() -> impl Strategy<Value = Vec<u8>> {
    (
        ia_kind(),
        0u32..6,
        any::<[u32; 2]>(),
        vec(binding(false), 0..3),
        vec(binding(true), 0..3),
        any::<[Option<u16>; 2]>(),
    )
        .prop_map(|(kind, iaid, times, addresses, prefixes, [outer, inner])| {
            let leases = if kind == IaKind::Pd { prefixes } else { addresses };
            built(|out| {
                out.ia(kind, iaid, times, |out| {
                    for binding in leases {
                        out.lease(binding, times, |out| {
                            inner.map(|code| out.status(code, "inner"));
                        });
                    }
                    outer.map(|code| out.status(code, "").length());
                });
            })
        })
}

/// The options that `fill` appends.
pub(crate) fn built(fill: impl FnOnce(&mut Builder)) -> Vec<u8> {
    let mut out = Builder::options();
    fill(&mut out);
    out.finish().expect("short")
}

/// Options as they come in the wild: often the ones that matter, repeated, empty, of every length.
pub(crate) fn options() -> impl Strategy<Value = Vec<u8>> {
    let known = select(
        &[
            code::CLIENT_ID,
            code::SERVER_ID,
            code::IA_NA,
            code::IA_TA,
            code::IAADDR,
            code::ORO,
            code::ELAPSED_TIME,
            code::RELAY_MSG,
            code::AUTH,
            code::STATUS_CODE,
            code::RAPID_COMMIT,
            code::INTERFACE_ID,
            code::RECONF_MSG,
            code::IA_PD,
            code::IAPREFIX,
            code::REMOTE_ID,
            code::LQ_QUERY,
            code::CLIENT_DATA,
            code::CLT_TIME,
            code::LQ_RELAY_DATA,
            code::LQ_CLIENT_LINK,
            code::RELAY_ID,
            code::RSOO,
            code::CLIENT_LINKLAYER_ADDR,
        ][..],
    );
    let wild = (prop_oneof![any::<u16>(), known], vec(any::<u8>(), 0..50)).prop_map(|(code, value)| {
        built(|out| {
            out.option(code, &value);
        })
    });
    let named = (select(&[code::CLIENT_ID, code::SERVER_ID, code::RELAY_ID][..]), duid()).prop_map(|(code, duid)| {
        built(|out| {
            out.duid(code, duid.as_duid());
        })
    });
    vec(prop_oneof![3 => wild, 2 => ia(), 1 => named], 0..10).prop_map(|parts| parts.concat())
}

/// A client's or server's message that parses.
pub(crate) fn message() -> impl Strategy<Value = Vec<u8>> {
    let kind = any::<u8>().prop_filter("relay messages have another header", |kind| !kind::is_relayed(*kind));
    (kind, any::<u32>(), options())
        .prop_map(|(kind, xid, options)| Builder::message(kind, xid).raw(&options).finish().expect("short"))
}

/// A message in this many relay messages of one type, with what relays add before and behind.
pub(crate) fn nest(depth: core::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<u8>> {
    let relay = (any::<(u8, u128, u128)>(), vec(any::<u8>(), 0..20), any::<bool>());
    let relays = vec(relay, depth);
    (message(), relays, select(&[kind::RELAY_FORW, kind::RELAY_REPL][..])).prop_map(|(message, relays, kind)| {
        relays.into_iter().fold(message, |inner, ((hops, link, peer), value, before)| {
            let mut out = Builder::relay(kind, hops, Ipv6Addr::from_bits(link), Ipv6Addr::from_bits(peer));
            if before {
                out.option(code::INTERFACE_ID, &value);
            }
            out.option(code::RELAY_MSG, &inner);
            if !before {
                out.option(code::RELAY_ID, &value);
            }
            out.finish().expect("short")
        })
    })
}

/// Octets of which a few were changed and which may be cut.
pub(crate) fn damaged(sound: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), prop_oneof![any::<u8>(), Just(0), Just(255)]), 0..6);
    (sound, changes, any::<Index>(), any::<bool>()).prop_map(|(mut octets, changes, cut, cuts)| {
        for (index, octet) in changes.into_iter().filter(|_| !octets.is_empty()).collect::<Vec<_>>() {
            let at = index.index(octets.len());
            octets[at] = octet;
        }
        if cuts {
            octets.truncate(cut.index(octets.len() + 1));
        }
        octets
    })
}
