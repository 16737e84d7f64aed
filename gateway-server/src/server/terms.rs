//! On which terms a client gets its lease: what its reservation says, else what its classes say, else what its subnet says.

use core::net::Ipv4Addr;

use gateway_core::time::Duration;
use gateway_core::wire::dhcp4::{Builder, code};

use super::Server;
use super::request::Request;
use crate::config::Subnet;
use crate::config::class::Terms;

/// A lease time that is none.
pub(super) const INFINITE: Duration = Duration::from_secs(u32::MAX as u64);

impl Server {
    /// What was said for this client, the most particular first. The subnet's own word comes after all of it.
    fn said<'a>(&'a self, request: &'a Request<'_>) -> impl Iterator<Item = &'a Terms> {
        let reserved = request.reservations.iter().map(|index| &self.reservations.get(*index).terms);
        let classes = request.classes.iter().map(|class| &self.config.classes[usize::from(*class)].terms);
        reserved.chain(classes)
    }

    /// What the client asks for, within bounds; what it is given when it asks for nothing.
    pub(super) fn lease_time(&self, request: &Request<'_>, subnet: &Subnet) -> Duration {
        let of = |pick: fn(&Terms) -> Option<Duration>| self.said(request).find_map(pick);
        let seconds = |time: Duration| time.as_secs().clamp(1, INFINITE.as_secs());
        let lease = of(|terms| terms.lease).unwrap_or(subnet.lease);
        let most = of(|terms| terms.max_lease).or(subnet.max_lease).unwrap_or(lease).max(lease);
        let least = of(|terms| terms.min_lease).unwrap_or(subnet.min_lease).min(lease);
        let wanted = request.message.u32_option(code::LEASE_TIME).map_or(seconds(lease), u64::from);
        Duration::from_secs(wanted.clamp(seconds(least), seconds(most)))
    }

    /// T1 and T2 in hundredths of the lease.
    pub(super) fn percents(&self, request: &Request<'_>, subnet: &Subnet) -> (u8, u8) {
        let of = |pick: fn(&Terms) -> Option<u8>| self.said(request).find_map(pick);
        let rebind = of(|terms| terms.rebind_percent).unwrap_or(subnet.rebind_percent);
        (of(|terms| terms.renew_percent).unwrap_or(subnet.renew_percent).min(rebind), rebind)
    }

    /// What the subnet's clients are told: the mask always, the rest when asked for, when nothing was asked for, or when it is
    /// said in any case. Of an option that is said twice the first word counts.
    pub(super) fn configure(&self, builder: Builder, request: &Request<'_>, subnet: &Subnet) -> Builder {
        let wanted = request.message.option(code::PARAMETER_LIST);
        let is_wanted = |code: u8| wanted.as_ref().is_none_or(|list| list.contains(&code));
        let mut done = [false; 256];
        let list = |addresses: &[Ipv4Addr]| addresses.iter().flat_map(|address| address.octets()).collect::<Vec<u8>>();
        let mut say = |code: u8, value: &[u8], always: bool| {
            let first = !core::mem::replace(&mut done[usize::from(code)], true);
            (first && (always || is_wanted(code))).then(|| value.to_vec())
        };
        let mut told: Vec<(u8, Vec<u8>)> = Vec::new();
        let own = (&subnet.routers, &subnet.dns, &subnet.options, &subnet.always);
        let own = [(Some(own.0), Some(own.1), own.2, own.3)];
        let others =
            self.said(request).map(|terms| (terms.routers.as_ref(), terms.dns.as_ref(), &terms.options, &terms.always));
        for (routers, dns, options, always) in others.chain(own) {
            for (code, addresses) in [(code::ROUTER, routers), (code::DNS, dns)] {
                if let Some(value) = addresses.and_then(|addresses| say(code, &list(addresses), false))
                    && !value.is_empty()
                {
                    told.push((code, value));
                }
            }
            for (code, value) in options {
                if let Some(value) = say(*code, value, always.contains(code)) {
                    told.push((*code, value));
                }
            }
        }
        let builder = builder.address(code::SUBNET_MASK, subnet.mask());
        if let Some(longest) = longest(request) {
            let written = builder.written() + request.client().id.map_or(0, <[u8]>::len) + TO_COME;
            fit(&mut told, wanted.as_deref(), longest.saturating_sub(written));
        }
        told.iter().fold(builder, |builder, (code, value)| builder.option(*code, value))
    }
}

/// Octets of IP and UDP headers without options, which a client's maximum message size counts.
const HEADERS: usize = 28;
/// Octets that a reply may still get, besides the identifier of its client: its header, the subnet selection, rapid commit, a nonce,
/// and the end.
const TO_COME: usize = 2 + 6 + 2 + 30 + 1;

/// Octets of the longest reply that a client takes, if it says so (option 57, RFC 2132 section 9.10). Fewer than every client must
/// take it can't mean.
fn longest(request: &Request<'_>) -> Option<usize> {
    let value = request.message.option(code::MAX_SIZE)?;
    let &[high, low] = value.as_ref() else { return None };
    Some(usize::from(u16::from_be_bytes([high, low])).max(576) - HEADERS)
}

/// Leaves options out until they take no more than `room`: the client's list is in the order of what it wants most, so the last in it
/// goes first; what it did not ask for is what an operator wants it to have in any case, and stays.
fn fit(told: &mut Vec<(u8, Vec<u8>)>, wanted: Option<&[u8]>, room: usize) {
    let size = |(_, value): &(u8, Vec<u8>)| 2 * value.len().div_ceil(255).max(1) + value.len();
    while told.iter().map(size).sum::<usize>() > room {
        let place = |code: u8, index: usize| match wanted {
            Some(list) => list.iter().position(|wanted| *wanted == code).map_or(0, |at| at + 1),
            None => index,
        };
        let last = (0..told.len()).max_by_key(|index| (place(told[*index].0, *index), *index));
        match last {
            Some(index) => drop(told.remove(index)),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is at the end of the client's list goes first, what it did not ask for last; without a list what is said last.
    #[test]
    fn what_does_not_fit() {
        let options = || vec![(3, vec![0; 4]), (6, vec![0; 8]), (15, vec![0; 300]), (43, vec![0; 10])];
        let left = |wanted: Option<&[u8]>, room| {
            let mut told = options();
            fit(&mut told, wanted, room);
            told.into_iter().map(|(code, _)| code).collect::<Vec<_>>()
        };
        let list: Option<&[u8]> = Some(&[15, 6, 3]);
        assert_eq!(left(list, 332), [3, 6, 15, 43]);
        assert_eq!(left(list, 331), [6, 15, 43]);
        assert_eq!(left(list, 325), [15, 43]);
        assert_eq!(left(list, 315), [43]);
        assert_eq!(left(list, 0), Vec::<u8>::new());
        assert_eq!(left(None, 331), [3, 6, 15]);
    }
}
