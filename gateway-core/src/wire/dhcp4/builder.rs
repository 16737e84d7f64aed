//! A message from scratch.

use core::net::Ipv4Addr;

use super::{COOKIE, HEADER, LEAST, Message, REPLY, code, field};
use crate::line::HardwareAddress;

/// Builds a message: fixed part first, options in the order in which they are given, end option last.
#[derive(Clone, Debug)]
pub struct Builder {
    octets: Vec<u8>,
    /// What the finished message is padded to.
    least: usize,
}

impl Builder {
    /// `op` is [`super::REQUEST`] or [`super::REPLY`]; every other field is zero.
    pub fn new(op: u8) -> Self {
        let mut octets = Vec::with_capacity(LEAST + 84);
        octets.resize(HEADER, 0);
        octets[field::OP] = op;
        octets[field::MAGIC..HEADER].copy_from_slice(&COOKIE);
        Self { octets, least: 0 }
    }

    /// A reply to `request`: xid, flags, giaddr and hardware address as it has them (RFC 2131 table 3).
    pub fn reply(request: &Message<'_>) -> Self {
        Self::new(REPLY).hardware(request.hardware()).xid(request.xid()).flags(request.flags()).giaddr(request.giaddr())
    }

    /// `htype`, `hlen` and `chaddr`.
    pub fn hardware(mut self, hardware: HardwareAddress) -> Self {
        self.octets[field::HTYPE] = hardware.htype();
        self.octets[field::HLEN] = hardware.hlen();
        self.put(field::CHADDR, hardware.chaddr())
    }

    /// Transaction number.
    pub fn xid(self, xid: u32) -> Self {
        self.put(field::XID, &xid.to_be_bytes())
    }

    /// Seconds since the client began.
    pub fn secs(self, secs: u16) -> Self {
        self.put(field::SECS, &secs.to_be_bytes())
    }

    /// The flags field.
    pub fn flags(self, flags: u16) -> Self {
        self.put(field::FLAGS, &flags.to_be_bytes())
    }

    /// Relays passed.
    pub fn hops(self, hops: u8) -> Self {
        self.put(field::HOPS, &[hops])
    }

    /// Address the client has.
    pub fn ciaddr(self, address: Ipv4Addr) -> Self {
        self.put(field::CIADDR, &address.octets())
    }

    /// Address the client gets.
    pub fn yiaddr(self, address: Ipv4Addr) -> Self {
        self.put(field::YIADDR, &address.octets())
    }

    /// Next server.
    pub fn siaddr(self, address: Ipv4Addr) -> Self {
        self.put(field::SIADDR, &address.octets())
    }

    /// Address of the relay.
    pub fn giaddr(self, address: Ipv4Addr) -> Self {
        self.put(field::GIADDR, &address.octets())
    }

    /// Appends option 53.
    pub fn kind(self, kind: u8) -> Self {
        self.option(code::MESSAGE_TYPE, &[kind])
    }

    /// Appends an option; a value over 255 octets is split (RFC 3396). Codes 0 and 255 are no options: ignored.
    pub fn option(mut self, code: u8, value: &[u8]) -> Self {
        if matches!(code, code::PAD | code::END) {
            return self;
        }
        if value.is_empty() {
            self.octets.extend_from_slice(&[code, 0]);
        }
        for part in value.chunks(255) {
            self.octets.extend_from_slice(&[code, part.len() as u8]); // chunks() keeps it below 256
            self.octets.extend_from_slice(part);
        }
        self
    }

    /// Appends an option that holds an address.
    pub fn address(self, code: u8, address: Ipv4Addr) -> Self {
        self.option(code, &address.octets())
    }

    /// Appends an option that holds a number.
    pub fn number(self, code: u8, number: u32) -> Self {
        self.option(code, &number.to_be_bytes())
    }

    /// Pads the finished message to 300 octets.
    pub fn padded(self) -> Self {
        self.at_least(LEAST)
    }

    /// Pads the finished message to so many octets.
    pub fn at_least(mut self, octets: usize) -> Self {
        self.least = octets;
        self
    }

    /// Octets so far.
    pub fn written(&self) -> usize {
        self.octets.len()
    }

    /// The message.
    pub fn finish(mut self) -> Vec<u8> {
        self.octets.push(code::END);
        if self.octets.len() < self.least {
            self.octets.resize(self.least, 0);
        }
        self.octets
    }

    fn put(mut self, at: usize, value: &[u8]) -> Self {
        self.octets[at..at + value.len()].copy_from_slice(value);
        self
    }
}
