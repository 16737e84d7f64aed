//! Passing a message on: every octet stays as it was but for hops, giaddr and option 82.

use core::net::Ipv4Addr;

use super::{HEADER, LEAST, Message, code, field};
use crate::wire::tlv::OptionWalk;

/// A client's message as it goes to a server. It differs from the input only in `hops`, `giaddr` and an appended
/// option 82, which becomes the last option before the end option (RFC 3046 section 2.1), also where sname and file
/// carry options. What followed the end option, usually padding, follows it still; a message without an end option
/// gets one behind option 82. `agent_information` is the option's value, at most 255 octets; longer is left out.
pub fn relay_up(message: &Message<'_>, giaddr: Ipv4Addr, hops: u8, agent_information: Option<&[u8]>) -> Vec<u8> {
    let octets = message.octets();
    let added = agent_information.and_then(|value| Some((value, u8::try_from(value.len()).ok()?)));
    let mut out = Vec::with_capacity(octets.len() + added.map_or(0, |(value, _)| value.len() + 3));
    match added {
        None => out.extend_from_slice(octets),
        Some((value, length)) => {
            let (before, after) = octets.split_at(message.end());
            out.extend_from_slice(before);
            out.extend_from_slice(&[code::AGENT_INFORMATION, length]);
            out.extend_from_slice(value);
            if after.is_empty() {
                out.push(code::END);
            }
            out.extend_from_slice(after);
        }
    }
    out[field::HOPS] = hops;
    out[field::GIADDR..field::GIADDR + 4].copy_from_slice(&giaddr.octets());
    out
}

/// A server's message as it goes to a client: without option 82 in the options field, all else as it was. A message
/// that falls below 300 octets by it is padded back to its former size, at most 300, because some clients ignore
/// shorter ones (RFC 1542 section 2.1).
pub fn relay_down(message: &Message<'_>) -> Vec<u8> {
    let octets = message.octets();
    let mut out = Vec::with_capacity(octets.len());
    let mut copied = 0;
    let mut walk = OptionWalk::new(&octets[HEADER..]);
    while let Ok(Some(triple)) = walk.step() {
        if triple.code == code::AGENT_INFORMATION {
            let at = HEADER + triple.at;
            out.extend_from_slice(&octets[copied..at]);
            copied = at + 2 + triple.value.len();
        }
    }
    out.extend_from_slice(&octets[copied..]);
    let ended = message.end() < octets.len();
    let least = octets.len().min(LEAST);
    if ended && out.len() < least {
        out.resize(least, 0);
    }
    out
}
