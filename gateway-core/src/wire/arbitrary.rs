//! Messages for property tests: well formed, nearly well formed, and not at all.

use proptest::collection::vec;
use proptest::prelude::*;

use super::dhcp4::{COOKIE, HEADER, code, field};

/// Octets of any kind.
pub(crate) fn octets() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..700)
}

/// Options as they come in the wild: often the ones that matter, padded, repeated, empty, of every length.
fn options() -> impl Strategy<Value = Vec<u8>> {
    let wild = (1u8..=254, vec(any::<u8>(), 0..40));
    let known = (
        prop_oneof![
            Just(code::MESSAGE_TYPE),
            Just(code::AGENT_INFORMATION),
            Just(code::CLIENT_ID),
            Just(code::SERVER_ID),
            Just(code::LEASE_TIME)
        ],
        vec(any::<u8>(), 0..8),
    );
    let kind = (Just(code::MESSAGE_TYPE), (0u8..20).prop_map(|kind| vec![kind]));
    let agent = (Just(code::AGENT_INFORMATION), agent());
    let one = prop_oneof![4 => wild, 2 => known, 2 => kind, 1 => agent].prop_map(|(code, value)| {
        let mut octets = vec![code, value.len() as u8];
        octets.extend(value);
        octets
    });
    let pads = (1usize..4).prop_map(|count| vec![code::PAD; count]);
    vec(prop_oneof![6 => one, 1 => pads], 0..12).prop_map(|parts| parts.concat())
}

/// The value of an option 82, well formed, up to 255 octets.
pub(crate) fn agent() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![any::<u8>(), Just(8), Just(9), Just(12), 240u8..245];
    vec((code, vec(any::<u8>(), 0..30)), 0..8).prop_map(|subs| {
        subs.into_iter().flat_map(|(code, value)| [vec![code, value.len() as u8], value].concat()).collect()
    })
}

/// A message that parses: with or without an end option, padded or followed by anything.
pub(crate) fn message() -> impl Strategy<Value = Vec<u8>> {
    let tail = prop_oneof![
        Just(vec![]),
        Just(vec![code::END]),
        (0usize..80).prop_map(|pads| [vec![code::END], vec![0; pads]].concat()),
        vec(any::<u8>(), 0..20).prop_map(|rest| [vec![code::END], rest].concat()),
    ];
    let header = (vec(any::<u8>(), HEADER), 1u8..=2, 0u8..=16);
    (header, options(), tail, any::<bool>())
        .prop_map(|((mut octets, op, hlen), options, tail, overload)| {
            octets[field::OP] = op;
            octets[field::HLEN] = hlen;
            octets[field::MAGIC..HEADER].copy_from_slice(&COOKIE);
            if overload {
                // both fields hold an option of 10 octets and an end
                for at in [field::SNAME, field::FILE] {
                    octets[at..at + 2].copy_from_slice(&[77, 10]);
                    octets[at + 12] = code::END;
                }
                octets.extend([code::OVERLOAD, 1, 3]);
            }
            octets.extend(options.chunks(4000).next().unwrap_or_default());
            octets.extend(tail);
            octets
        })
        .prop_filter("an option 52 of its own made garbage of sname or file", |octets| {
            super::dhcp4::Message::parse(octets).is_ok()
        })
}

/// A message in which a few octets were changed and which may be cut.
pub(crate) fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (message(), changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(mut octets, changes, cut, cuts)| {
        for (index, octet) in changes {
            let at = index.index(octets.len());
            octets[at] = octet;
        }
        if cuts {
            octets.truncate(cut.index(octets.len() + 1));
        }
        octets
    })
}
