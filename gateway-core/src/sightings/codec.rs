//! Sightings in octets. Neighbours among addresses cost an octet each, and neighbours among prefixes three.
//!
//! ```text
//! ask    0  number u32
//! page   1  number u32  flags(1 first, 2 last, 4 gap)  count u16  addresses  count u16  prefixes
//!
//! addresses   the first, then by how much each is greater than the one before, seven bits to an octet, the least first; an
//!             octet that is not the last of a number has its greatest bit set
//! prefixes    each: length u8   kept u8: octets that are those of the one before   the others, as far as the length goes
//! ```

use core::net::{Ipv4Addr, Ipv6Addr};

use super::page::{Message, Page};
use crate::octets::Reader;
use crate::wire::dhcp6::Prefix;

const FIRST: u8 = 1;
const LAST: u8 = 2;
const GAP: u8 = 4;

impl Message {
    /// Appends it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ask(number) => {
                out.push(0);
                out.extend(number.to_be_bytes());
            }
            Self::Page(page) => {
                out.push(1);
                out.extend(page.number.to_be_bytes());
                let flags = [(page.first, FIRST), (page.last, LAST), (page.gap, GAP)];
                out.push(flags.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag).sum());
                put_addresses(&page.four, out);
                put_prefixes(&page.six, out);
            }
        }
    }

    /// One message; `None` when it is none. There is one way to say each.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        match (reader.u8()?, reader.u32()?) {
            (0, number) => Some(Self::Ask(number)),
            (1, number) => {
                let flags = reader.u8()?;
                let (first, last, gap) = (flags & FIRST != 0, flags & LAST != 0, flags & GAP != 0);
                if flags & !(FIRST | LAST | GAP) != 0 || (gap && !first) {
                    return None;
                }
                let (four, six) = (take_addresses(reader)?, take_prefixes(reader)?);
                Some(Self::Page(Page { number, gap, first, last, four, six }))
            }
            _ => None,
        }
    }
}

fn put_addresses(addresses: &[Ipv4Addr], out: &mut Vec<u8>) {
    out.extend((addresses.len() as u16).to_be_bytes());
    let mut before = 0;
    for address in addresses {
        let mut more = address.to_bits() - before;
        before = address.to_bits();
        while more >= 0x80 {
            out.push(more as u8 | 0x80);
            more >>= 7;
        }
        out.push(more as u8);
    }
}

fn take_addresses(reader: &mut Reader<'_>) -> Option<Vec<Ipv4Addr>> {
    let count = usize::from(reader.u16()?);
    let mut addresses: Vec<Ipv4Addr> = Vec::new();
    for _ in 0..count {
        let more = take_number(reader)?;
        let address = match addresses.last() {
            Some(before) => before.to_bits().checked_add(more).filter(|_| more > 0)?,
            None => more,
        };
        addresses.push(Ipv4Addr::from_bits(address));
    }
    Some(addresses)
}

fn take_number(reader: &mut Reader<'_>) -> Option<u32> {
    let mut number = 0;
    for place in 0..5 {
        let octet = reader.u8()?;
        number |= u64::from(octet & 0x7f) << (7 * place);
        if octet & 0x80 == 0 {
            let shortest = octet != 0 || place == 0;
            return u32::try_from(number).ok().filter(|_| shortest);
        }
    }
    None
}

fn put_prefixes(prefixes: &[Prefix], out: &mut Vec<u8>) {
    out.extend((prefixes.len() as u16).to_be_bytes());
    let mut before = [0; 16];
    for prefix in prefixes {
        let octets = prefix.address().octets();
        let whole = usize::from(prefix.length().div_ceil(8));
        let kept = before.iter().zip(&octets[..whole]).take_while(|(a, b)| a == b).count();
        out.extend([prefix.length(), kept as u8]);
        out.extend(&octets[kept..whole]);
        before = octets;
    }
}

fn take_prefixes(reader: &mut Reader<'_>) -> Option<Vec<Prefix>> {
    let count = usize::from(reader.u16()?);
    let mut prefixes: Vec<Prefix> = Vec::new();
    let mut before = [0; 16];
    for _ in 0..count {
        let [length, kept] = reader.take()?;
        let (whole, kept) = (usize::from(length.div_ceil(8)), usize::from(kept));
        let news = reader.slice(whole.checked_sub(kept)?)?;
        let mut octets = [0; 16];
        octets.get_mut(..whole)?[kept..].copy_from_slice(news);
        octets[..kept].copy_from_slice(&before[..kept]);
        let prefix = Prefix::new(Ipv6Addr::from(octets), length)?;
        let shortest = news.first().is_none_or(|octet| *octet != before[kept]);
        if prefix.address().octets() != octets || !shortest || prefixes.last().is_some_and(|last| *last >= prefix) {
            return None;
        }
        before = octets;
        prefixes.push(prefix);
    }
    Some(prefixes)
}
