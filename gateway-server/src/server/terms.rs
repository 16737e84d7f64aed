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
    pub(super) fn configure(&self, mut builder: Builder, request: &Request<'_>, subnet: &Subnet) -> Builder {
        let wanted = request.message.option(code::PARAMETER_LIST);
        let is_wanted = |code: u8| wanted.as_ref().is_none_or(|list| list.contains(&code));
        let mut done = [false; 256];
        let list = |addresses: &[Ipv4Addr]| addresses.iter().flat_map(|address| address.octets()).collect::<Vec<u8>>();
        let mut say = |code: u8, value: &[u8], always: bool| {
            let first = !core::mem::replace(&mut done[usize::from(code)], true);
            (first && (always || is_wanted(code))).then(|| value.to_vec())
        };
        builder = builder.address(code::SUBNET_MASK, subnet.mask());
        let own = (&subnet.routers, &subnet.dns, &subnet.options, &subnet.always);
        let own = [(Some(own.0), Some(own.1), own.2, own.3)];
        let others =
            self.said(request).map(|terms| (terms.routers.as_ref(), terms.dns.as_ref(), &terms.options, &terms.always));
        for (routers, dns, options, always) in others.chain(own) {
            for (code, addresses) in [(code::ROUTER, routers), (code::DNS, dns)] {
                if let Some(value) = addresses.and_then(|addresses| say(code, &list(addresses), false))
                    && !value.is_empty()
                {
                    builder = builder.option(code, &value);
                }
            }
            for (code, value) in options {
                if let Some(value) = say(*code, value, always.contains(code)) {
                    builder = builder.option(*code, &value);
                }
            }
        }
        builder
    }
}
