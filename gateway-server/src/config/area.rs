//! Areas: the parts of a subnet that lease to different clients.
//!
//! Inside the server each part is a subnet of its own on the same link, with pools of its own. So finding a free address never
//! passes over addresses that are somebody else's.

use core::net::Ipv4Addr;

use crate::config::reservation::Reservations;
use crate::config::{Admits, Subnet};

/// A subnet as the server keeps it: without the addresses that are never leased and those that are reserved, and those that
/// are reserved in it, if there are any, as a second one. `excluded` is in order.
pub(crate) fn areas(subnet: Subnet, reservations: &Reservations, excluded: &[Ipv4Addr]) -> Vec<Subnet> {
    let reserved = reservations.within(|address| subnet.contains(address));
    let mut apart: Vec<Ipv4Addr> = excluded.iter().chain(&reserved).copied().collect();
    apart.sort_unstable();
    let pools = subnet.pools.iter().flat_map(|pool| without(*pool, &apart)).collect();
    // The parts of one prefix share its reservations: the one for anyone has them.
    let own = (subnet.admits == Admits::Anyone && !reserved.is_empty()).then(|| {
        let leased = reserved.iter().filter(|address| excluded.binary_search(address).is_err());
        let pools = leased.map(|address| (*address, *address)).collect();
        Subnet { pools, admits: Admits::Reserved, ..subnet.clone() }
    });
    core::iter::once(Subnet { pools, ..subnet }).chain(own).collect()
}

/// A range without some addresses, which are in order.
fn without((first, last): (Ipv4Addr, Ipv4Addr), apart: &[Ipv4Addr]) -> Vec<(Ipv4Addr, Ipv4Addr)> {
    let (mut next, last) = (u32::from(first), u32::from(last));
    let mut rest = Vec::new();
    let from = apart.partition_point(|address| u32::from(*address) < next);
    for address in apart[from..].iter().map(|address| u32::from(*address)) {
        if address > last {
            break;
        }
        if address > next {
            rest.push((next.into(), (address - 1).into()));
        }
        let Some(after) = address.checked_add(1) else { return rest };
        next = next.max(after);
    }
    if next <= last {
        rest.push((next.into(), last.into()));
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What remains of a range, where addresses are taken out at its ends, in its middle, beside each other and outside.
    #[test]
    fn a_range_without_some_addresses() {
        let at = |octet: u8| Ipv4Addr::new(10, 0, 0, octet);
        type Case<'a> = (&'a [u8], &'a [(u8, u8)]);
        let cases: [Case<'_>; 7] = [
            (&[], &[(10, 20)]),
            (&[9, 21], &[(10, 20)]),
            (&[10], &[(11, 20)]),
            (&[20], &[(10, 19)]),
            (&[15], &[(10, 14), (16, 20)]),
            (&[12, 13, 13, 17], &[(10, 11), (14, 16), (18, 20)]),
            (&[10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20], &[]),
        ];
        for (apart, rest) in cases {
            let apart: Vec<_> = apart.iter().map(|octet| at(*octet)).collect();
            let rest: Vec<_> = rest.iter().map(|(first, last)| (at(*first), at(*last))).collect();
            assert_eq!(without((at(10), at(20)), &apart), rest, "without {apart:?}");
        }
        let end = Ipv4Addr::BROADCAST;
        assert_eq!(without((end, end), &[end]), []);
    }
}
