//! Taking fields off the front of octets, never more than there are.

use core::net::Ipv4Addr;
use std::borrow::Cow;

/// What a peer says to people: replacement characters stand for what is not UTF-8, and for what a terminal would act upon.
pub(crate) fn shown(text: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(text);
    if text.contains(char::is_control) {
        return text.replace(char::is_control, "\u{fffd}").into();
    }
    text
}

/// What is left to read. Every method gives `None`, and stays where it is, when there is not enough.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[octet]| octet)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take()?))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take()?))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take()?))
    }

    pub(crate) fn address(&mut self) -> Option<Ipv4Addr> {
        Some(Ipv4Addr::from(self.take::<4>()?))
    }

    /// A length u16 and as many octets.
    pub(crate) fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.slice(usize::from(length))
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
