//! Which tables the kernel routes IPv6 by: its rules, and what the local table has.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use super::message::{Message, address, attributes, u32_at};

/// Octets of `struct fib_rule_hdr`, and of `struct rtmsg`.
const HEADER: usize = 12;
const TO_TABLE: u8 = 1;
const FRA_PRIORITY: u16 = 6;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_PROTOCOL: u16 = 21;
const RTA_DST: u16 = 1;
const RTA_TABLE: u16 = 15;
/// Nothing is suppressed.
const NONE: u32 = u32::MAX;

/// What was listed.
#[derive(Default, Debug)]
pub(crate) struct Tables6 {
    /// By which rules.
    pub(crate) rules: BTreeSet<Rule>,
    /// The unicast prefixes of the local table.
    pub(crate) local: BTreeSet<(Ipv6Addr, u8)>,
}

impl Tables6 {
    /// Whether a packet to none of `own`, the host's addresses, goes by the main table alone.
    pub(crate) fn is_main_enough(&self, own: &BTreeSet<Ipv6Addr>) -> bool {
        let known = |(prefix, length): &(Ipv6Addr, u8)| *length == 128 && own.contains(prefix);
        self.rules.iter().eq(&Rule::DEFAULT) && self.local.iter().all(known)
    }
}

/// A rule of policy routing that looks into a table, whatever the packet, or any other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Rule {
    /// `from all lookup TABLE`.
    Lookup {
        /// The lowest is asked first.
        priority: u32,
        /// `RT_TABLE_*`.
        table: u32,
    },
    /// It looks at the packet, or does not look up.
    Other,
}

impl Rule {
    /// As the kernel makes them when it starts, the local table first.
    pub(crate) const DEFAULT: [Self; 2] = [
        Self::Lookup { priority: 0, table: libc::RT_TABLE_LOCAL as u32 },
        Self::Lookup { priority: 32766, table: libc::RT_TABLE_MAIN as u32 },
    ];

    /// The IPv6 rule in an `RTM_NEWRULE`; those of other families are `None`.
    pub(super) fn parse(message: &Message<'_>) -> Option<Self> {
        // struct fib_rule_hdr: family, dst_len, src_len, tos, table, two reserved, action, flags u32
        let header = message.body.get(..HEADER)?;
        if i32::from(header[0]) != libc::AF_INET6 {
            return None;
        }
        let (mut priority, mut table) = (0, u32::from(header[4]));
        let mut is_plain = header[1..4] == [0; 3] && header[7] == TO_TABLE;
        for (kind, value) in message.attributes(HEADER) {
            match kind {
                FRA_PRIORITY => priority = u32_at(value, 0)?,
                FRA_TABLE => table = u32_at(value, 0)?,
                FRA_PROTOCOL => {}
                FRA_SUPPRESS_IFGROUP | FRA_SUPPRESS_PREFIXLEN => is_plain &= u32_at(value, 0)? == NONE,
                _ => is_plain = false,
            }
        }
        Some(if is_plain { Self::Lookup { priority, table } } else { Self::Other })
    }
}

/// The prefix of a unicast route in the kernel's local IPv6 table: what is for the host itself, whether it has such an
/// address or was told to answer for a whole prefix.
pub(super) fn local(message: &Message<'_>) -> Option<(Ipv6Addr, u8)> {
    // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags u32
    let header = message.body.get(..HEADER)?;
    let unicast = [libc::RTN_LOCAL, libc::RTN_UNICAST].contains(&header[7]);
    if i32::from(header[0]) != libc::AF_INET6 || !unicast {
        return None;
    }
    let attribute = |wanted| attributes(&message.body[HEADER..]).find(|(kind, _)| *kind == wanted);
    let table = attribute(RTA_TABLE).map_or(Some(u32::from(header[4])), |(_, value)| u32_at(value, 0))?;
    let prefix = match attribute(RTA_DST).map(|(_, value)| address(value)) {
        Some(Some(IpAddr::V6(prefix))) => prefix,
        Some(_) => return None,
        None => Ipv6Addr::UNSPECIFIED,
    };
    (table == u32::from(libc::RT_TABLE_LOCAL) && !prefix.is_multicast()).then_some((prefix, header[1]))
}

#[cfg(test)]
mod tests {
    use super::super::message::{Requests, messages};
    use super::*;

    const WORD: fn(u32) -> [u8; 4] = u32::to_ne_bytes;

    fn rule(header: [u8; 8], attributes: &[(u16, [u8; 4])]) -> Option<Rule> {
        let mut requests = Requests::default();
        requests.begin(libc::RTM_NEWRULE, 0, &[&header[..], &[0; 4]].concat());
        for (kind, value) in attributes {
            requests.attribute(*kind, value);
        }
        Rule::parse(&messages(requests.octets()).next()?)
    }

    #[test]
    fn the_kernels_own_rules_are_told_from_others() {
        const SIX: u8 = libc::AF_INET6 as u8;
        let plain = [(FRA_TABLE, WORD(254)), (FRA_SUPPRESS_PREFIXLEN, WORD(NONE)), (FRA_PRIORITY, WORD(32766))];
        assert_eq!(rule([SIX, 0, 0, 0, 254, 0, 0, TO_TABLE], &plain), Some(Rule::DEFAULT[1]));
        assert_eq!(rule([SIX, 0, 0, 0, 255, 0, 0, TO_TABLE], &[(FRA_TABLE, WORD(255))]), Some(Rule::DEFAULT[0]));
        assert_eq!(rule([libc::AF_INET as u8, 0, 0, 0, 254, 0, 0, TO_TABLE], &plain), None);
        let other = [
            rule([SIX, 64, 0, 0, 254, 0, 0, TO_TABLE], &plain),
            rule([SIX, 0, 0, 0, 254, 0, 0, 7], &plain),
            rule([SIX, 0, 0, 0, 254, 0, 0, TO_TABLE], &[(FRA_SUPPRESS_PREFIXLEN, WORD(0))]),
            // FRA_FWMARK
            rule([SIX, 0, 0, 0, 254, 0, 0, TO_TABLE], &[(10, WORD(1))]),
        ];
        assert_eq!(other, [Some(Rule::Other); 4]);
    }

    /// Another rule, one less, or what the host answers for beside its addresses: then the kernel has to look everywhere.
    #[test]
    fn main_is_enough_where_nothing_is_special() {
        let own: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let addresses = BTreeSet::from([own]);
        let enough = |rules: &[Rule], local: &[(Ipv6Addr, u8)]| {
            let tables = Tables6 { rules: rules.iter().copied().collect(), local: local.iter().copied().collect() };
            tables.is_main_enough(&addresses)
        };
        let [local, main] = Rule::DEFAULT;
        assert!(enough(&[local, main], &[(own, 128)]));
        assert!(enough(&[local, main], &[]));
        assert!(!enough(&[local, main, Rule::Other], &[]));
        assert!(!enough(&[local, main, Rule::Lookup { priority: 100, table: 7 }], &[]));
        assert!(!enough(&[main], &[]));
        assert!(!enough(&[], &[]), "what was not listed is not known");
        assert!(!enough(&[local, main], &[(own, 64)]));
        assert!(!enough(&[local, main], &["2001:db8::2".parse().map(|other| (other, 128)).unwrap()]));
    }

    #[test]
    fn local_prefixes_are_told_from_other_routes() {
        let prefix: Ipv6Addr = "2001:db8:1::".parse().unwrap();
        let route = |table: u8, kind: u8, prefix: Ipv6Addr| {
            let mut requests = Requests::default();
            let header = [libc::AF_INET6 as u8, 48, 0, 0, table, 0, 0, kind, 0, 0, 0, 0];
            requests.begin(libc::RTM_NEWROUTE, 0, &header).attribute(RTA_DST, &prefix.octets());
            messages(requests.octets()).find_map(|message| local(&message))
        };
        assert_eq!(route(libc::RT_TABLE_LOCAL, libc::RTN_LOCAL, prefix), Some((prefix, 48)));
        assert_eq!(route(libc::RT_TABLE_MAIN, libc::RTN_UNICAST, prefix), None);
        assert_eq!(route(libc::RT_TABLE_LOCAL, libc::RTN_ANYCAST, prefix), None);
        assert_eq!(route(libc::RT_TABLE_LOCAL, libc::RTN_UNICAST, "ff00::".parse().unwrap()), None);
    }
}
