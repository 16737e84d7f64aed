//! Netlink messages: building requests and walking what comes back. Everything is native byte order, 4-aligned.

use std::net::{IpAddr, Ipv4Addr};

pub(super) const HEADER: usize = 16;
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;

/// Builds messages one after the other in one buffer, which one system call sends.
#[derive(Default)]
pub(super) struct Requests {
    octets: Vec<u8>,
    start: usize,
    sequence: u32,
}

impl Requests {
    /// Starts a message with its family header `body` (ifinfomsg, rtmsg, ndmsg, …).
    pub(super) fn begin(&mut self, kind: u16, flags: u16, body: &[u8]) -> &mut Self {
        self.start = self.octets.len();
        self.sequence = self.sequence.wrapping_add(1);
        self.octets.extend_from_slice(&0u32.to_ne_bytes());
        self.octets.extend_from_slice(&kind.to_ne_bytes());
        self.octets.extend_from_slice(&flags.to_ne_bytes());
        self.octets.extend_from_slice(&self.sequence.to_ne_bytes());
        self.octets.extend_from_slice(&0u32.to_ne_bytes());
        self.octets.extend_from_slice(body);
        self.end()
    }

    /// Adds an attribute to the message begun last.
    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.octets.extend_from_slice(&(value.len() as u16 + 4).to_ne_bytes());
        self.octets.extend_from_slice(&kind.to_ne_bytes());
        self.octets.extend_from_slice(value);
        self.end()
    }

    fn end(&mut self) -> &mut Self {
        self.octets.resize(self.octets.len().next_multiple_of(4), 0);
        let length = (self.octets.len() - self.start) as u32;
        self.octets[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
        self
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(super) fn clear(&mut self) {
        self.octets.clear();
    }
}

/// One message that came.
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    /// What follows the netlink header.
    pub(super) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Attributes behind a family header of `skip` octets.
    pub(super) fn attributes(&self, skip: usize) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        attributes(self.body.get(skip..).unwrap_or_default())
    }

    /// The error number of an `NLMSG_ERROR`; 0 is an acknowledgement.
    pub(super) fn error(&self) -> Option<i32> {
        let number = self.body.get(..4)?;
        (self.kind == NLMSG_ERROR).then(|| -i32::from_ne_bytes([number[0], number[1], number[2], number[3]]))
    }
}

/// The messages of one datagram. A message whose length lies ends the walk.
pub(super) fn messages(mut octets: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(octets, 0)? as usize;
        let message = octets.get(..length).filter(|_| length >= HEADER)?;
        let kind = u16_at(message, 4)?;
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, body: &message[HEADER..] })
    })
}

/// Walks attributes; also of a nested one. The upper two bits of the type are flags.
pub(super) fn attributes(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(octets, 0)?);
        let kind = u16_at(octets, 2)? & 0x3fff;
        let value = octets.get(4..length)?;
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

pub(super) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..at + 2).map(|o| u16::from_ne_bytes([o[0], o[1]]))
}

pub(super) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 4).map(|o| u32::from_ne_bytes([o[0], o[1], o[2], o[3]]))
}

/// An address of the version that has so many octets.
pub(super) fn address(octets: &[u8]) -> Option<IpAddr> {
    let six = || <[u8; 16]>::try_from(octets).ok().map(IpAddr::from);
    ipv4(octets).map(IpAddr::V4).or_else(six)
}

pub(super) fn ipv4(octets: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_messages_are_walked_again() {
        let mut requests = Requests::default();
        requests.begin(16, 1, &[7; 16]).attribute(3, b"fpc0\0").attribute(4, &1500u32.to_ne_bytes());
        requests.begin(17, 1, &[8; 16]);
        let found: Vec<_> = messages(requests.octets()).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].kind, found[1].kind), (16, 17));
        let attributes: Vec<_> = found[0].attributes(16).collect();
        assert_eq!(attributes, [(3, &b"fpc0\0"[..]), (4, &1500u32.to_ne_bytes()[..])]);
        assert_eq!(found[1].body, [8; 16]);
    }

    #[test]
    fn lying_lengths_end_the_walk() {
        let mut requests = Requests::default();
        requests.begin(16, 1, &[7; 16]).attribute(3, b"fpc0\0");
        for length in 0..requests.octets().len() {
            let cut = &requests.octets()[..length];
            assert_eq!(messages(cut).count(), 0, "cut to {length}");
        }
        let mut short = requests.octets().to_vec();
        short[0] = 4;
        assert_eq!(messages(&short).count(), 0, "shorter than its header");
        assert_eq!(attributes(&[2, 0, 1, 0, 9, 9, 9, 9]).count(), 0, "an attribute shorter than its header");
    }
}
