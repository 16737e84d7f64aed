//! INIT and INIT-ACK: an endpoint's addresses, and what it can do (SC-1, SC-3).

use std::net::IpAddr;

use super::parameter::{self, kind, push, push_address};
use super::{Malformed, PREFIX, chunk};

/// What an endpoint says of authentication and of changes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Supported {
    /// Chunk types of extensions; both configuration chunks and AUTH for changes.
    pub extensions: Vec<u8>,
    /// Random octets, 32.
    pub random: Vec<u8>,
    /// Chunk types that are accepted authenticated only; `None`: it says nothing of it.
    pub chunks: Option<Vec<u8>>,
    /// Identifiers of HMACs in order of preference.
    pub hmacs: Vec<u16>,
}

impl Supported {
    /// Whether it takes changes of addresses, and authenticated ones alone (H-SC-1).
    pub fn changes(&self) -> bool {
        let both = |list: &[u8]| list.contains(&chunk::ASCONF) && list.contains(&chunk::ASCONF_ACK);
        let authenticated = self.chunks.as_deref().is_some_and(both) && self.extensions.contains(&chunk::AUTH);
        both(&self.extensions) && authenticated && self.random.len() == 32 && self.hmacs.contains(&1)
    }

    /// RANDOM, CHUNKS and HMAC-ALGO, as many of them as there are, each without its padding.
    pub(super) fn authentication(&self) -> Result<Vec<Vec<u8>>, Malformed> {
        let hmacs: Vec<_> = self.hmacs.iter().flat_map(|id| id.to_be_bytes()).collect();
        let some = |octets: &'_ [u8]| (!octets.is_empty()).then(|| octets.to_vec());
        let all =
            [(kind::RANDOM, some(&self.random)), (kind::CHUNKS, self.chunks.clone()), (kind::HMACS, some(&hmacs))];
        let said = all.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
        let parameter = |(kind, value): (u16, Vec<u8>)| {
            let mut octets = Vec::new();
            push(&mut octets, kind, &value)?;
            octets.truncate(PREFIX + value.len());
            Ok(octets)
        };
        said.map(parameter).collect()
    }
}

/// An INIT or INIT-ACK.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Init {
    /// The tag that packets to this endpoint have to carry (SC-6).
    pub tag: u32,
    /// Octets that it can take.
    pub window: u32,
    /// Streams it would like to send on.
    pub outbound: u16,
    /// Streams it can take.
    pub inbound: u16,
    /// Number of its first data, and of its first configuration message.
    pub tsn: u32,
    /// Its addresses, beside the one that the packet comes from.
    pub addresses: Vec<IpAddr>,
    /// The address that it wants to be reached at (SC-33).
    pub primary: Option<IpAddr>,
    /// Authentication and changes.
    pub supported: Supported,
}

impl Init {
    /// Reads the value of a chunk. Parameters that say nothing about addresses are passed over, as are ADD and REMOVE, which
    /// mean nothing here.
    ///
    /// # Errors
    /// When it has not the form of one.
    pub fn read(value: &[u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = value.split_first_chunk::<16>().ok_or(Malformed::Short)?;
        let number = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let mut init = Self {
            tag: number(0),
            window: number(4),
            outbound: (number(8) >> 16) as u16,
            inbound: number(8) as u16,
            tsn: number(12),
            addresses: Vec::new(),
            primary: None,
            supported: Supported::default(),
        };
        for parameter in parameter::all(rest)? {
            let wrong = Malformed::Type(parameter.kind);
            match parameter.kind {
                kind::IPV4 | kind::IPV6 => init.addresses.push(parameter.address().ok_or(wrong)?),
                kind::PRIMARY => {
                    let inner = parameter.value.get(PREFIX..).and_then(parameter::first);
                    init.primary = Some(inner.and_then(|(inner, _)| inner.address()).ok_or(wrong)?);
                }
                kind::EXTENSIONS => init.supported.extensions = parameter.value.to_vec(),
                kind::RANDOM => init.supported.random = parameter.value.to_vec(),
                kind::CHUNKS => init.supported.chunks = Some(parameter.value.to_vec()),
                kind::HMACS => {
                    let (ids, []) = parameter.value.as_chunks() else { return Err(wrong) };
                    init.supported.hmacs = ids.iter().map(|id| u16::from_be_bytes(*id)).collect();
                }
                _ => {}
            }
        }
        Ok(init)
    }

    /// The value of a chunk with these parameters.
    ///
    /// # Errors
    /// A parameter is longer than its length can say.
    pub fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut value = Vec::new();
        for number in [self.tag, self.window, u32::from(self.outbound) << 16 | u32::from(self.inbound), self.tsn] {
            value.extend(number.to_be_bytes());
        }
        self.addresses.iter().for_each(|address| push_address(&mut value, *address));
        if let Some(primary) = self.primary {
            let mut inner = vec![0; 4];
            push_address(&mut inner, primary);
            push(&mut value, kind::PRIMARY, &inner)?;
        }
        if !self.supported.extensions.is_empty() {
            push(&mut value, kind::EXTENSIONS, &self.supported.extensions)?;
        }
        for parameter in self.supported.authentication()? {
            value.extend(parameter);
            value.resize(value.len().next_multiple_of(4), 0);
        }
        Ok(value)
    }
}
