//! A message with the relays that it came through.

use core::net::{Ipv6Addr, SocketAddrV6};

use gateway_core::wire::dhcp6::{Malformed, Message, Nest, RelayMessage, kind};

use crate::v6::leases::Origin;

/// Octets of relays' headers that are kept with a lease, at most.
pub(crate) const MAX_PATH: usize = 1024;

#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Where the datagram came from.
    pub(super) source: SocketAddrV6,
    pub(super) nest: Option<Nest<'a>>,
    pub(super) message: Message<'a>,
}

impl<'a> Request<'a> {
    /// Unwraps relays to any depth that hop counts allow.
    pub(super) fn read(source: SocketAddrV6, octets: &'a [u8]) -> Result<Self, Malformed> {
        if octets.first() != Some(&kind::RELAY_FORW) {
            return Ok(Self { source, nest: None, message: Message::parse(octets)? });
        }
        let nest = Nest::walk(octets)?;
        let message = Message::parse_at(nest.message(), nest.message_at())?;
        Ok(Self { source, nest: Some(nest), message })
    }

    /// The relays, innermost first.
    fn relays(&self) -> impl Iterator<Item = RelayMessage<'a>> {
        let outermost_first: Vec<_> = self.nest.iter().flat_map(Nest::relays).collect();
        outermost_first.into_iter().rev()
    }

    /// The innermost relay that says who it is: the one that may release (H-RR-7).
    pub(super) fn teller(&self) -> Option<RelayMessage<'a>> {
        self.relays().find(|relay| matches!(relay.relay_id(), Ok(Some(_))))
    }

    /// Who sent the message itself: as the innermost relay saw it, or the datagram's source. Of a datagram with relays'
    /// headers this is what [`Self::source`] wrote, or others wrote before it, and worth as much as that one is.
    pub(super) fn sender(&self) -> Ipv6Addr {
        self.nest.as_ref().map_or(*self.source.ip(), |nest| nest.innermost().peer_address())
    }

    /// The link that the client is on: what the innermost relay that says something says (RFC 8415 section 13.1).
    pub(super) fn link(&self) -> Option<Ipv6Addr> {
        self.relays().map(|relay| relay.link_address()).find(|link| !link.is_unspecified())
    }

    /// What is kept of the way that the message came.
    pub(super) fn origin(&self) -> Result<Origin, Malformed> {
        let mut relay_id = None;
        for relay in self.relays() {
            relay_id = relay_id.or(relay.relay_id()?);
        }
        let path = self.nest.as_ref().map(Nest::without_message).transpose()?.unwrap_or_default();
        Ok(Origin {
            relay_id: relay_id.map(|duid| duid.to_owned()),
            link: self.link().unwrap_or(Ipv6Addr::UNSPECIFIED),
            peer: *self.source.ip(),
            path: if path.len() <= MAX_PATH { path.into() } else { Box::default() },
        })
    }
}
