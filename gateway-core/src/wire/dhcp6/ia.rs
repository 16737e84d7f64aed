//! Identity associations and what is leased in them (RFC 8415 sections 21.4 to 21.6, 21.21, 21.22).

use core::fmt;
use core::net::Ipv6Addr;

use super::{Malformed, Opt, Options, Status, code};

/// The three sorts of identity association; each has IAIDs of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum IaKind {
    /// IA_NA: addresses.
    Na,
    /// IA_TA: temporary addresses. Deprecated by RFC 9915: read, never sent.
    Ta,
    /// IA_PD: prefixes.
    Pd,
}

impl IaKind {
    /// The option.
    pub fn code(self) -> u16 {
        match self {
            Self::Na => code::IA_NA,
            Self::Ta => code::IA_TA,
            Self::Pd => code::IA_PD,
        }
    }

    /// By the option; `None` when it is no IA.
    pub fn from_code(code: u16) -> Option<Self> {
        match code {
            code::IA_NA => Some(Self::Na),
            code::IA_TA => Some(Self::Ta),
            code::IA_PD => Some(Self::Pd),
            _ => None,
        }
    }
}

/// A prefix whose bits behind its length are zero: they mean nothing (RFC 8415 section 21.22).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Prefix {
    address: Ipv6Addr,
    length: u8,
}

impl Prefix {
    /// Masks the address; `None` for a length over 128.
    pub fn new(address: Ipv6Addr, length: u8) -> Option<Self> {
        let free = 128u32.checked_sub(length.into())?;
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        Some(Self { address: Ipv6Addr::from_bits(address.to_bits() & mask), length })
    }

    /// Its first address.
    pub fn address(&self) -> Ipv6Addr {
        self.address
    }

    /// Bits that it fixes, at most 128.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Its last address.
    pub fn last(&self) -> Ipv6Addr {
        let free = u128::MAX.checked_shr(self.length.into()).unwrap_or(0);
        Ipv6Addr::from_bits(self.address.to_bits() | free)
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        (self.address..=self.last()).contains(&address)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// What can be leased.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Binding {
    /// Option 5.
    Address(Ipv6Addr),
    /// Option 26.
    Prefix(Prefix),
}

impl Binding {
    /// The prefix, of 128 bits where it is an address.
    pub fn prefix(&self) -> Prefix {
        match *self {
            Self::Address(address) => Prefix { address, length: 128 },
            Self::Prefix(prefix) => prefix,
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Prefix(prefix) => prefix.fmt(f),
        }
    }
}

/// Option 5 or 26.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease<'a> {
    /// What is leased.
    pub binding: Binding,
    /// Preferred lifetime in seconds, 0xffffffff for ever.
    pub preferred: u32,
    /// Valid lifetime in seconds, 0xffffffff for ever. A client discards what it is less than the preferred one of.
    pub valid: u32,
    /// Its own status.
    pub status: Option<Status<'a>>,
    /// What is within.
    pub options: Options<'a>,
    /// Offset in the message.
    pub at: usize,
}

impl<'a> Lease<'a> {
    /// Reads option 5 or 26; `None` when it is another.
    pub fn read(option: &Opt<'a>) -> Result<Option<Self>, Malformed> {
        let (binding, lifetimes, options) = match option.code {
            code::IAADDR => {
                let (fixed, options) = option.container::<24>()?;
                let (address, lifetimes) = fixed.split_first_chunk::<16>().ok_or(option.wrong())?;
                (Binding::Address(Ipv6Addr::from(*address)), lifetimes, options)
            }
            code::IAPREFIX => {
                let (fixed, options) = option.container::<25>()?;
                let (lifetimes, prefix) = fixed.split_at(8);
                let (length, address) = prefix.split_first_chunk::<1>().ok_or(option.wrong())?;
                let address = <[u8; 16]>::try_from(address).map_err(|_| option.wrong())?;
                let prefix = Prefix::new(address.into(), length[0]).ok_or(option.wrong())?;
                (Binding::Prefix(prefix), lifetimes, options)
            }
            _ => return Ok(None),
        };
        let [preferred, valid] = two(lifetimes).ok_or(option.wrong())?;
        Ok(Some(Self { binding, preferred, valid, status: options.status()?, options, at: option.at }))
    }
}

/// Option 3, 4 or 25.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ia<'a> {
    /// Which of the three.
    pub kind: IaKind,
    /// What the client calls it.
    pub iaid: u32,
    /// When to renew, in seconds; 0: as the client likes. An IA_TA has none: 0.
    pub t1: u32,
    /// When to rebind, in seconds; 0 as above.
    pub t2: u32,
    /// Its status.
    pub status: Option<Status<'a>>,
    /// What is within.
    pub options: Options<'a>,
    /// Offset in the message.
    pub at: usize,
}

impl<'a> Ia<'a> {
    /// Reads option 3, 4 or 25 and checks every lease in it; `None` when it is another option.
    pub fn read(option: &Opt<'a>) -> Result<Option<Self>, Malformed> {
        let Some(kind) = IaKind::from_code(option.code) else { return Ok(None) };
        let (iaid, [t1, t2], options) = match kind {
            IaKind::Ta => {
                let (iaid, options) = option.container::<4>()?;
                (*iaid, [0, 0], options)
            }
            IaKind::Na | IaKind::Pd => {
                let (fixed, options) = option.container::<12>()?;
                let (iaid, times) = fixed.split_first_chunk::<4>().ok_or(option.wrong())?;
                (*iaid, two(times).ok_or(option.wrong())?, options)
            }
        };
        for inner in options {
            Lease::read(&inner)?;
        }
        let (iaid, status) = (u32::from_be_bytes(iaid), options.status()?);
        Ok(Some(Self { kind, iaid, t1, t2, status, options, at: option.at }))
    }

    /// What is leased in it: addresses in an IA_NA or IA_TA, prefixes in an IA_PD. Others don't belong there and are
    /// passed over.
    pub fn leases(&self) -> impl Iterator<Item = Lease<'a>> + use<'a> {
        let wanted = if self.kind == IaKind::Pd { code::IAPREFIX } else { code::IAADDR };
        self.options.all(wanted).filter_map(|option| Lease::read(&option).ok().flatten())
    }
}

impl<'a> Options<'a> {
    /// Options 3, 4 and 25 in order. Two of one kind with one IAID are an error.
    pub fn ias(&self) -> Result<Vec<Ia<'a>>, Malformed> {
        let mut ias = Vec::new();
        for option in self.iter() {
            ias.extend(Ia::read(&option)?);
        }
        let mut names: Vec<_> = ias.iter().map(|ia: &Ia<'_>| (ia.kind, ia.iaid, ia.at)).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1));
        match twice {
            Some(&[_, (kind, iaid, at)]) => Err(Malformed::DuplicateIaid { kind, iaid, at }),
            _ => Ok(ias),
        }
    }

    /// Options 5 and 26 that are in no IA, in order: what a leasequery tells (RFC 5007 section 4.1.2.2).
    pub fn bare_leases(&self) -> Result<Vec<Lease<'a>>, Malformed> {
        self.iter().filter_map(|option| Lease::read(&option).transpose()).collect()
    }
}

fn two(octets: &[u8]) -> Option<[u32; 2]> {
    let (first, second) = octets.split_first_chunk()?;
    Some([u32::from_be_bytes(*first), u32::from_be_bytes(second.try_into().ok()?)])
}
