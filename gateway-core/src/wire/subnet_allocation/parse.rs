//! Octets to sub-options.

use core::net::Ipv4Addr;
use std::borrow::Cow;

use super::{Block, Information, InformationFlags, OPTION, PREFIX_MAX, Request, Statistics, SubOption, flag, sub};
use crate::octets::Reader;
use crate::subnet::Subnet;
use crate::wire::Malformed;
use crate::wire::dhcp4::Message;
use crate::wire::tlv::PlainWalk;

/// The option 220 of a message, every sub-option checked. It borrows the octets wherever they lie in one piece.
#[derive(Clone, Debug)]
pub struct SubnetAllocation<'a> {
    values: Vec<Cow<'a, [u8]>>,
}

impl<'a> SubnetAllocation<'a> {
    /// Reads a message; `None` when it has no option 220. Several options are read each for itself, or joined where
    /// that gives sense and the other does not (H-SN-14).
    pub fn read(message: &Message<'a>) -> Option<Result<Self, Malformed>> {
        let joined = message.option(OPTION)?;
        let apart: Vec<Cow<'a, [u8]>> =
            message.options().filter(|(code, _)| *code == OPTION).map(|(_, value)| Cow::Borrowed(value)).collect();
        let overloaded = apart.iter().map(|value| value.len()).sum::<usize>() < joined.len();
        if !overloaded && let Ok(allocation) = Self::checked(apart) {
            return Some(Ok(allocation));
        }
        Some(Self::checked(vec![joined]))
    }

    /// Reads the value of one option.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        Self::checked(vec![Cow::Borrowed(value)])
    }

    /// Every sub-option that is known, in order.
    pub fn sub_options(&self) -> impl Iterator<Item = SubOption<'_>> {
        self.values.iter().flat_map(|value| Walk::new(value).flatten())
    }

    /// The Subnet-Requests.
    pub fn requests(&self) -> impl Iterator<Item = Request> {
        self.sub_options().filter_map(|sub| if let SubOption::Request(request) = sub { Some(request) } else { None })
    }

    /// The Subnet-Informations.
    pub fn informations(&self) -> impl Iterator<Item = Information> {
        self.sub_options()
            .filter_map(|sub| if let SubOption::Information(information) = sub { Some(information) } else { None })
    }

    /// The blocks of all Subnet-Informations.
    pub fn blocks(&self) -> impl Iterator<Item = Block> {
        self.informations().flat_map(|information| information.blocks)
    }

    /// Whether the last Subnet-Information says that there is more (SN-27, SN-35).
    pub fn more(&self) -> bool {
        self.informations().last().is_some_and(|information| information.flags.more)
    }

    /// The Subnet-Name.
    pub fn name(&self) -> Option<&str> {
        self.sub_options().find_map(|sub| if let SubOption::Name(name) = sub { Some(name) } else { None })
    }

    /// The Suggested-Lease-Time, in seconds.
    pub fn suggested_lease(&self) -> Option<u32> {
        self.sub_options()
            .find_map(|sub| if let SubOption::SuggestedLease(seconds) = sub { Some(seconds) } else { None })
    }

    fn checked(values: Vec<Cow<'a, [u8]>>) -> Result<Self, Malformed> {
        let mut suggested = 0;
        for value in &values {
            if value.is_empty() {
                return Err(Malformed::Short { length: 0, least: 1 });
            }
            for sub in Walk::new(value) {
                suggested += u32::from(matches!(sub?, SubOption::SuggestedLease(_)));
            }
        }
        if suggested > 1 { Err(Malformed::Value(sub::SUGGESTED_LEASE)) } else { Ok(Self { values }) }
    }
}

struct Walk<'a>(PlainWalk<'a>);

impl<'a> Walk<'a> {
    fn new(value: &'a [u8]) -> Self {
        Self(PlainWalk::new(value.get(1..).unwrap_or_default()))
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<SubOption<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let triple = match self.0.step() {
                Ok(triple) => triple?,
                Err(error) => {
                    self.0 = PlainWalk::new(&[]);
                    return Some(Err(error));
                }
            };
            let read = match triple.code {
                sub::REQUEST => request(triple.value).map(SubOption::Request),
                sub::INFORMATION => information(triple.value).map(SubOption::Information),
                sub::NAME => name(triple.value).map(SubOption::Name),
                sub::SUGGESTED_LEASE => {
                    triple.value.try_into().ok().map(u32::from_be_bytes).map(SubOption::SuggestedLease)
                }
                _ => continue,
            };
            return Some(read.ok_or(Malformed::Value(triple.code)));
        }
    }
}

fn request(value: &[u8]) -> Option<Request> {
    let &[flags, prefix] = value else { return None };
    let earlier = flags & flag::EARLIER_REQUEST != 0;
    let prefix = if earlier { 0 } else { prefix };
    (prefix <= PREFIX_MAX).then_some(Request { delegate: flags & flag::DELEGATE != 0, earlier, prefix })
}

fn information(value: &[u8]) -> Option<Information> {
    let mut reader = Reader(value);
    let flags = reader.u8()?;
    let mut blocks = Vec::new();
    while blocks.is_empty() || !reader.0.is_empty() {
        blocks.push(block(&mut reader)?);
    }
    let flags = InformationFlags { more: flags & flag::MORE != 0, earlier: flags & flag::EARLIER_INFORMATION != 0 };
    Some(Information { flags, blocks })
}

fn block(reader: &mut Reader<'_>) -> Option<Block> {
    let base: Ipv4Addr = reader.address()?;
    let subnet = Subnet::new(base, reader.u8()?).ok().filter(|subnet| subnet.prefix() <= PREFIX_MAX)?;
    let flags = reader.u8()?;
    let length = reader.u8()?;
    let statistics = Statistics::read(reader.slice(usize::from(length))?);
    let (deprecate, delegate) = (flags & flag::DEPRECATE != 0, flags & flag::DELEGATED != 0);
    Some(Block { subnet, deprecate, delegate, statistics })
}

fn name(value: &[u8]) -> Option<&str> {
    let name = core::str::from_utf8(value).ok()?;
    (!name.is_empty() && !name.contains('\0')).then_some(name)
}
