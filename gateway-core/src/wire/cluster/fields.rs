//! Reads the fields of a message one after the other.

use core::net::Ipv4Addr;

use gateway_common::unit::Unit;

use super::refused::Refused;
use crate::member::{MemberId, UnitVersion};
use crate::octets::Reader;

/// What is left of a message, with a reason when that is not enough.
pub(super) struct Fields<'a>(Reader<'a>);

impl<'a> Fields<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self(Reader(octets))
    }

    /// Octets that are left.
    pub(super) fn left(&self) -> usize {
        self.0.0.len()
    }

    pub(super) fn u8(&mut self) -> Result<u8, Refused> {
        self.0.u8().ok_or(Refused::Length)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Refused> {
        self.0.u16().ok_or(Refused::Length)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Refused> {
        self.0.u32().ok_or(Refused::Length)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Refused> {
        self.0.u64().ok_or(Refused::Length)
    }

    pub(super) fn ip(&mut self) -> Result<Ipv4Addr, Refused> {
        self.0.address().ok_or(Refused::Length)
    }

    pub(super) fn version(&mut self) -> Result<UnitVersion, Refused> {
        self.u32().map(UnitVersion)
    }

    pub(super) fn unit(&mut self) -> Result<Unit, Refused> {
        Unit::new(self.u16()?).ok_or(Refused::Value("unit"))
    }

    /// A member in one octet.
    pub(super) fn member(&mut self) -> Result<MemberId, Refused> {
        MemberId::new(self.u8()?).ok_or(Refused::Value("member"))
    }

    /// A member in one octet; 0 is nobody.
    pub(super) fn nobody_or_member(&mut self) -> Result<Option<MemberId>, Refused> {
        match self.u8()? {
            0 => Ok(None),
            number => MemberId::new(number).map(Some).ok_or(Refused::Value("member")),
        }
    }

    /// Yes or no.
    pub(super) fn flag(&mut self) -> Result<bool, Refused> {
        Ok(within(self.u8()?, 0..=1, "flag")? == 1)
    }

    /// A member in four octets.
    pub(super) fn long_member(&mut self) -> Result<MemberId, Refused> {
        let number = u8::try_from(self.u32()?).map_err(|_| Refused::Value("member"))?;
        MemberId::new(number).ok_or(Refused::Value("member"))
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0.0)
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Refused> {
        if self.left() == 0 { Ok(()) } else { Err(Refused::Trailing(self.left())) }
    }
}

/// `value`, when it is in the range that its field allows.
pub(super) fn within<T: PartialOrd>(
    value: T,
    range: core::ops::RangeInclusive<T>,
    field: &'static str,
) -> Result<T, Refused> {
    if range.contains(&value) { Ok(value) } else { Err(Refused::Value(field)) }
}
