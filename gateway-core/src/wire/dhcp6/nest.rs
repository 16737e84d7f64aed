//! Relay messages within one another.

use core::iter::successors;
use core::net::Ipv6Addr;

use super::{Builder, Malformed, NEST_MAX, OPTION_HEADER, RelayMessage, TooLong, code, kind, splice};

/// A message and the relays that it went through. Walked in a loop, to [`NEST_MAX`] relays and no further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nest<'a> {
    outermost: RelayMessage<'a>,
    innermost: RelayMessage<'a>,
    message: &'a [u8],
    message_at: usize,
    depth: usize,
}

impl<'a> Nest<'a> {
    /// Reads relay messages of the outermost's type until what is within is none. Each must carry one message; a
    /// RELAY-REPL in a RELAY-FORW, or the reverse, is an error.
    pub fn walk(octets: &'a [u8]) -> Result<Self, Malformed> {
        let outermost = RelayMessage::parse(octets)?;
        let mut innermost = outermost;
        for depth in 1..=NEST_MAX {
            let (message_at, message) = innermost.inner_at()?;
            match message.first() {
                Some(&kind) if kind == outermost.kind() => innermost = RelayMessage::parse_at(message, message_at)?,
                Some(&kind) if kind::is_relayed(kind) => return Err(Malformed::Kind(kind)),
                _ => return Ok(Self { outermost, innermost, message, message_at, depth }),
            }
        }
        Err(Malformed::Depth)
    }

    /// What the last relay wrote, or the server for it.
    pub fn outermost(&self) -> RelayMessage<'a> {
        self.outermost
    }

    /// What the relay nearest the client wrote, or the server for it.
    pub fn innermost(&self) -> RelayMessage<'a> {
        self.innermost
    }

    /// What all of them carry: a client's or server's message, not looked into.
    pub fn message(&self) -> &'a [u8] {
        self.message
    }

    /// Where it begins.
    pub fn message_at(&self) -> usize {
        self.message_at
    }

    /// How many relay messages there are, 1 to [`NEST_MAX`].
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The relay messages, outermost first.
    pub fn relays(&self) -> impl Iterator<Item = RelayMessage<'a>> + use<'a> {
        let within = |relay: &RelayMessage<'a>| {
            let (at, inner) = relay.inner_at().ok()?;
            RelayMessage::parse_at(inner, at).ok()
        };
        successors(Some(self.outermost), within).take(self.depth)
    }

    /// The relay messages without the client's: what a leasequery tells (option 47, RFC 5007 section 4.1.2.4).
    pub fn without_message(&self) -> Result<Vec<u8>, Malformed> {
        let path = self.relays().map(|relay| relay.inner_at().map(|(at, _)| at - OPTION_HEADER));
        let mut octets = self.outermost.octets().to_vec();
        splice(&mut octets, &path.collect::<Result<Vec<_>, _>>()?, &[])?;
        Ok(octets)
    }

    /// A server's answer on the way that the question came: a RELAY-REPL for each relay with its hop count and addresses
    /// (RFC 8415 section 19.3), its Interface-Id (section 21.18) and its Relay Source Port (RFC 8357 section 5.2).
    pub fn reply(&self, message: &[u8]) -> Result<Vec<u8>, TooLong> {
        self.reply_with(message, |_| None)
    }

    /// The same with one option more for each relay that `more` has one for.
    pub fn reply_with(
        &self,
        message: &[u8],
        more: impl Fn(&RelayMessage<'a>) -> Option<(u16, Vec<u8>)>,
    ) -> Result<Vec<u8>, TooLong> {
        let relays: Vec<_> = self.relays().collect();
        relays.iter().rev().try_fold(message.to_vec(), |inner, relay| {
            let (link, peer): (Ipv6Addr, Ipv6Addr) = (relay.link_address(), relay.peer_address());
            let mut out = Builder::relay(kind::RELAY_REPL, relay.hop_count(), link, peer);
            for code in [code::INTERFACE_ID, code::RELAY_PORT] {
                if let Some(option) = relay.options().find(code) {
                    out.option(code, option.value);
                }
            }
            if let Some((code, value)) = more(relay) {
                out.option(code, &value);
            }
            out.option(code::RELAY_MSG, &inner).finish()
        })
    }
}
