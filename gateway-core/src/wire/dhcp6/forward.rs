//! What a relay makes of what it received.

use core::net::Ipv6Addr;

use thiserror::Error;

use super::{Builder, HEADER, HOP_COUNT_LIMIT, Malformed, RELAY_HEADER, TooLong, code, kind};

/// Why a message was not wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum NotRelayed {
    /// No DHCPv6 message at all.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It came with [`HOP_COUNT_LIMIT`] hops or more (RFC 8415 section 19.1.2).
    #[error("hop count {0} is at the limit")]
    HopCount(u8),
    /// A RELAY-REPL: it goes down, not up.
    #[error("a RELAY-REPL does not go up")]
    Downward,
    /// It does not fit an option.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// A RELAY-FORW around `received`, which stays as it is to the last octet, also when its options make no sense: that
/// is for the server to judge. The hop count is 0 around a client's message and one more than before around a relay's.
///
/// `link` is an address of the link that the message came from, or `::` where RFC 8415 section 19.1.2 asks for it; `peer`
/// its sender. `options` come in this order in front of option 9.
pub fn relay_forward(
    received: &[u8],
    link: Ipv6Addr,
    peer: Ipv6Addr,
    options: &[(u16, &[u8])],
) -> Result<Vec<u8>, NotRelayed> {
    let hop_count = match received {
        [kind::RELAY_REPL, ..] => return Err(NotRelayed::Downward),
        [kind::RELAY_FORW, hops, ..] if received.len() >= RELAY_HEADER => {
            if *hops >= HOP_COUNT_LIMIT {
                return Err(NotRelayed::HopCount(*hops));
            }
            hops + 1
        }
        [kind::RELAY_FORW, ..] => return Err(short(received, RELAY_HEADER)),
        _ if received.len() < HEADER => return Err(short(received, HEADER)),
        _ => 0,
    };
    let mut out = Builder::relay(kind::RELAY_FORW, hop_count, link, peer);
    for (code, value) in options {
        out.option(*code, value);
    }
    Ok(out.option(code::RELAY_MSG, received).finish()?)
}

fn short(received: &[u8], least: usize) -> NotRelayed {
    NotRelayed::Malformed(Malformed::Short { length: received.len(), least })
}
