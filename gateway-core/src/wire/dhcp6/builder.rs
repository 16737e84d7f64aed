//! A message from scratch.

use core::net::Ipv6Addr;

use thiserror::Error;

use super::{Binding, Duid, HEADER, IaKind, RELAY_HEADER, code};

/// A value of more than 65535 octets: no length field can tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("option {0} is longer than 65535 octets")]
pub struct TooLong(
    /// The option.
    pub u16,
);

/// Builds a message or a run of options, in the order in which they are given.
#[derive(Clone, Debug)]
pub struct Builder {
    octets: Vec<u8>,
    too_long: Option<TooLong>,
}

impl Builder {
    /// A client's or server's message; of `xid` the lower 24 bits count.
    pub fn message(kind: u8, xid: u32) -> Self {
        let [_, a, b, c] = xid.to_be_bytes();
        Self::from(&[kind, a, b, c], HEADER + 124)
    }

    /// A relay message. `kind` is RELAY-FORW or RELAY-REPL.
    pub fn relay(kind: u8, hop_count: u8, link: Ipv6Addr, peer: Ipv6Addr) -> Self {
        let mut header = [0; RELAY_HEADER];
        (header[0], header[1]) = (kind, hop_count);
        header[2..18].copy_from_slice(&link.octets());
        header[18..].copy_from_slice(&peer.octets());
        Self::from(&header, RELAY_HEADER + 222)
    }

    /// Options without a header.
    pub fn options() -> Self {
        Self::from(&[], 0)
    }

    fn from(header: &[u8], capacity: usize) -> Self {
        let mut octets = Vec::with_capacity(capacity);
        octets.extend_from_slice(header);
        Self { octets, too_long: None }
    }

    /// Octets so far.
    pub fn length(&self) -> usize {
        self.octets.len()
    }

    /// Appends an option. One of more than 65535 octets makes [`Self::finish`] fail.
    pub fn option(&mut self, code: u16, value: &[u8]) -> &mut Self {
        self.nest(code, value, |_| {})
    }

    /// Appends options as they stand.
    pub fn raw(&mut self, options: &[u8]) -> &mut Self {
        self.octets.extend_from_slice(options);
        self
    }

    /// Appends an option that begins with `fixed` and goes on with the options that `inner` appends.
    pub fn nest(&mut self, code: u16, fixed: &[u8], inner: impl FnOnce(&mut Self)) -> &mut Self {
        let [high, low] = code.to_be_bytes();
        self.octets.extend_from_slice(&[high, low, 0, 0]);
        let value = self.octets.len();
        self.octets.extend_from_slice(fixed);
        inner(self);
        let length = self.octets.len().saturating_sub(value);
        match (u16::try_from(length), self.octets.get_mut(value - 2..value)) {
            (Ok(length), Some(field)) => field.copy_from_slice(&length.to_be_bytes()),
            _ => {
                self.too_long.get_or_insert(TooLong(code));
            }
        }
        self
    }

    /// Appends an option that holds a DUID.
    pub fn duid(&mut self, code: u16, duid: Duid<'_>) -> &mut Self {
        self.option(code, duid.octets())
    }

    /// Appends an option that holds a number of two octets.
    pub fn u16(&mut self, code: u16, number: u16) -> &mut Self {
        self.option(code, &number.to_be_bytes())
    }

    /// Appends an option that holds a number of four octets.
    pub fn u32(&mut self, code: u16, number: u32) -> &mut Self {
        self.option(code, &number.to_be_bytes())
    }

    /// Appends option 6.
    pub fn requested(&mut self, codes: &[u16]) -> &mut Self {
        let value: Vec<u8> = codes.iter().flat_map(|code| code.to_be_bytes()).collect();
        self.option(code::ORO, &value)
    }

    /// Appends option 13.
    pub fn status(&mut self, status: u16, text: &str) -> &mut Self {
        self.nest(code::STATUS_CODE, &status.to_be_bytes(), |value| {
            value.raw(text.as_bytes());
        })
    }

    /// Appends option 3, 4 or 25. An IA_TA has no T1 and T2: they are left out.
    pub fn ia(&mut self, kind: IaKind, iaid: u32, [t1, t2]: [u32; 2], inner: impl FnOnce(&mut Self)) -> &mut Self {
        let fixed = [iaid, t1, t2].map(u32::to_be_bytes);
        let length = if kind == IaKind::Ta { 1 } else { 3 };
        self.nest(kind.code(), fixed[..length].as_flattened(), inner)
    }

    /// Appends option 5 or 26 with its lifetimes, preferred and valid, in seconds.
    pub fn lease(&mut self, binding: Binding, lifetimes: [u32; 2], inner: impl FnOnce(&mut Self)) -> &mut Self {
        let lifetimes = lifetimes.map(u32::to_be_bytes);
        match binding {
            Binding::Address(address) => {
                let fixed = [&address.octets()[..], lifetimes.as_flattened()].concat();
                self.nest(code::IAADDR, &fixed, inner)
            }
            Binding::Prefix(prefix) => {
                let address = prefix.address().octets();
                let fixed = [lifetimes.as_flattened(), &[prefix.length()], &address].concat();
                self.nest(code::IAPREFIX, &fixed, inner)
            }
        }
    }

    /// The octets, and the builder is empty.
    pub fn finish(&mut self) -> Result<Vec<u8>, TooLong> {
        let octets = core::mem::take(&mut self.octets);
        self.too_long.take().map_or(Ok(octets), Err)
    }
}
