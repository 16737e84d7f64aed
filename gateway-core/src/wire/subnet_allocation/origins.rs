//! Through whose hands a subnet came: what keeps peers from handing subnets round in circles (H-SN-7).
//!
//! RFC 6656 has nothing for it. It travels in option 125 (RFC 3925), which whoever does not know it ignores:
//!
//! ```text
//! 125 | length | enterprise number(4) 32473 | length | element …
//!   1 | 8 n | n origins of 8 octets, the first owner first
//!   2 | 4   | where the sender is, since nobody signs giaddr
//! ```

use core::net::Ipv4Addr;

use sha2::{Digest as _, Sha256};

use crate::wire::dhcp4::Message;
use crate::wire::tlv::PlainWalk;

/// The option's code.
pub const ORIGINS: u8 = 125;
/// For documentation (RFC 5612); nobody else's data is read as ours as long as its elements are not like ours.
const ENTERPRISE: u32 = 32473;
const ELEMENT: u8 = 1;
const ASKER: u8 = 2;
/// Longer ways are cut at their beginning: then it is the requester's own look at what it administers that ends a circle.
const MOST: usize = 24;

/// A server, by the first eight octets of the SHA-256 of its identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OriginId([u8; 8]);

impl OriginId {
    /// Of a server with this option 61.
    pub fn of(identity: &[u8]) -> Self {
        let digest = Sha256::digest(identity);
        Self(core::array::from_fn(|index| digest[index]))
    }

    /// As on the wire and on disk.
    pub fn octets(&self) -> [u8; 8] {
        self.0
    }

    /// Inverse of [`Self::octets`].
    pub fn from_octets(octets: [u8; 8]) -> Self {
        Self(octets)
    }
}

/// The servers that a subnet came through, the one it was entered at first.
pub type Origins = Vec<OriginId>;

/// The value of the option.
pub fn origins_value(origins: &[OriginId]) -> Vec<u8> {
    of_ours(&element(origins))
}

/// The value of the option for a requester: who lacks a subnet, and where the last of them is.
pub fn askers_value(askers: &[OriginId], at: Ipv4Addr) -> Vec<u8> {
    let mut elements = if askers.is_empty() { Vec::new() } else { element(askers) };
    elements.extend_from_slice(&[ASKER, 4]);
    elements.extend_from_slice(&at.octets());
    of_ours(&elements)
}

fn element(origins: &[OriginId]) -> Vec<u8> {
    let origins = &origins[origins.len().saturating_sub(MOST)..];
    let mut value = vec![ELEMENT, (origins.len() * 8) as u8]; // at most 192
    value.extend(origins.iter().flat_map(OriginId::octets));
    value
}

fn of_ours(elements: &[u8]) -> Vec<u8> {
    [&ENTERPRISE.to_be_bytes()[..], &[elements.len() as u8], elements].concat() // at most 200
}

/// What a message says; empty when it says nothing that can be read.
pub(crate) fn read(message: &Message<'_>) -> Origins {
    let origins = |value: &[u8]| value.chunks_exact(8).filter_map(|id| id.try_into().ok()).map(OriginId).collect();
    find(message, ELEMENT, origins).unwrap_or_default()
}

/// Where the sender says that it is.
pub(crate) fn read_asker(message: &Message<'_>) -> Option<Ipv4Addr> {
    find(message, ASKER, |value| <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from)).flatten()
}

fn find<T>(message: &Message<'_>, code: u8, read: impl Fn(&[u8]) -> T) -> Option<T> {
    let value = message.option(ORIGINS)?;
    let mut rest = &value[..];
    while let Some((head, tail)) = rest.split_at_checked(5) {
        let Some((data, next)) = tail.split_at_checked(usize::from(head[4])) else { break };
        if head[..4] == ENTERPRISE.to_be_bytes() {
            let mut walk = PlainWalk::new(data);
            while let Ok(Some(element)) = walk.step() {
                if element.code == code {
                    return Some(read(element.value));
                }
            }
        }
        rest = next;
    }
    None
}
