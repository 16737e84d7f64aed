//! A relay message, read where it lies.

use core::net::Ipv6Addr;

use super::{Duid, Malformed, OPTION_HEADER, Options, RELAY_HEADER, code, kind};
use crate::wire::tlv::array;

/// RELAY-FORW or RELAY-REPL whose options' lengths were checked (RFC 8415 section 9). What it carries is not looked into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelayMessage<'a> {
    octets: &'a [u8],
    base: usize,
    options: Options<'a>,
}

impl<'a> RelayMessage<'a> {
    /// Checks the size (34 octets or more), the type and that options fill the rest.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse_at(octets, 0)
    }

    /// The same for one that begins `base` octets into another.
    pub fn parse_at(octets: &'a [u8], base: usize) -> Result<Self, Malformed> {
        match octets.first() {
            Some(&other) if !kind::is_relayed(other) => return Err(Malformed::Kind(other)),
            _ => {}
        }
        let options = octets.get(RELAY_HEADER..);
        let options = options.ok_or(Malformed::Short { length: octets.len(), least: RELAY_HEADER })?;
        Ok(Self { octets, base, options: Options::parse_at(options, base + RELAY_HEADER)? })
    }

    /// The whole message, as received.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// [`kind::RELAY_FORW`] or [`kind::RELAY_REPL`].
    pub fn kind(&self) -> u8 {
        self.octets[0]
    }

    /// Relays passed before the one that wrote this.
    pub fn hop_count(&self) -> u8 {
        self.octets[1]
    }

    /// The link that the client is on, or `::`.
    pub fn link_address(&self) -> Ipv6Addr {
        self.address(2)
    }

    /// Who sent to the relay what it relays, and who gets the answer.
    pub fn peer_address(&self) -> Ipv6Addr {
        self.address(18)
    }

    /// Everything behind the header.
    pub fn options(&self) -> Options<'a> {
        self.options
    }

    /// Option 9 with its octets: a client's, server's or relay's message. It must be there once.
    pub fn inner(&self) -> Result<&'a [u8], Malformed> {
        self.inner_at().map(|(_, inner)| inner)
    }

    /// The same, with the offset of the message within in the outermost.
    pub(super) fn inner_at(&self) -> Result<(usize, &'a [u8]), Malformed> {
        let option = self.options.once(code::RELAY_MSG)?.ok_or(Malformed::Missing(code::RELAY_MSG))?;
        Ok((option.at + OPTION_HEADER, option.value))
    }

    /// Where this message begins in the outermost.
    pub fn base(&self) -> usize {
        self.base
    }

    /// Option 18: the relay's name for the interface, which the answer goes out by.
    pub fn interface_id(&self) -> Result<Option<&'a [u8]>, Malformed> {
        self.options.value(code::INTERFACE_ID)
    }

    /// Option 53: who the relay is (RFC 5460 section 5.4.1).
    pub fn relay_id(&self) -> Result<Option<Duid<'a>>, Malformed> {
        self.options.duid(code::RELAY_ID)
    }

    /// parse() checked that the header is there.
    fn address(&self, at: usize) -> Ipv6Addr {
        Ipv6Addr::from(array::<16>(self.octets, at).unwrap_or_default())
    }
}
