//! The pinned maps, read without the controller: what the kernel forwards is to be seen also while that is down.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use anyhow::Context as _;
use gateway_common::Ip4;
use gateway_common::fpc::Cohort;
use gateway_common::maps;
use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::route6::Route6Key;
use gateway_common::vlan::{VlanTag, VlanTags};
use serde::Serialize;

use super::subscribers::Subscribers;
use super::table::Table;

/// An access route with its cell and what the kernel would do with it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Route {
    /// The subscriber's address, or a prefix that is delegated to it.
    pub(crate) address: String,
    /// Its MAC.
    pub(crate) mac: String,
    /// Access interface, its index when it has no name any more.
    pub(crate) port: String,
    /// VLAN tags as `sessions` shows them.
    pub(crate) vlan: String,
    /// Cell of `SUBSCRIBERS`, or of `SUBSCRIBERS6`.
    pub(crate) slot: u32,
    /// Cell of `COHORTS`.
    pub(crate) cohort: u16,
    /// Epoch of the login.
    pub(crate) epoch: u32,
    /// `live`, `stale` (logged out with its FPC) or `expired`.
    pub(crate) state: &'static str,
    /// Seconds until the lease ends; none when it never does.
    pub(crate) expires_in: Option<u64>,
    /// Packets from the subscriber.
    pub(crate) up_packets: u64,
    /// Their octets.
    pub(crate) up_octets: u64,
    /// Packets to the subscriber.
    pub(crate) down_packets: u64,
    /// Their octets.
    pub(crate) down_octets: u64,
}

/// How many routes there are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub(crate) struct Counts {
    /// All entries of the map.
    pub(crate) routes: u64,
    /// Those that let traffic through.
    pub(crate) live: u64,
    /// Those ended with their FPC, to be reclaimed.
    pub(crate) stale: u64,
    /// Those whose lease ended, to be reclaimed.
    pub(crate) expired: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { routes, live, stale, expired } = self;
        let plural = if *routes == 1 { "" } else { "s" };
        write!(f, "{routes} route{plural}: {live} live, {stale} stale, {expired} expired")
    }
}

struct Maps {
    routes: Table<Ip4, AccessRoute>,
    cohorts: Table<u32, Cohort>,
    subscribers: Subscribers,
    routes6: Table<Route6Key, AccessRoute>,
    subscribers6: Subscribers,
}

/// What a route leads to: an address is a prefix of 32 or 128 bits.
type Key = (IpAddr, u8);

impl Maps {
    fn open(bpffs: &Path) -> anyhow::Result<Self> {
        let open = || {
            anyhow::Ok(Self {
                routes: Table::open(&bpffs.join(maps::ROUTES))?,
                cohorts: Table::open(&bpffs.join(maps::COHORTS))?,
                subscribers: Subscribers::open(&bpffs.join(maps::SUBSCRIBERS))?,
                routes6: Table::open(&bpffs.join(maps::ROUTES6))?,
                subscribers6: Subscribers::open(&bpffs.join(maps::SUBSCRIBERS6))?,
            })
        };
        open().with_context(|| {
            let at = bpffs.display();
            format!("no maps of a gateway at {at}: it never ran, runs with another gateway.bpffs, or you are not root")
        })
    }

    /// Calls `each` with every route, the state of its cohort and its cell.
    fn for_each(&self, mut each: impl FnMut(Key, AccessRoute, bool, Subscriber)) -> anyhow::Result<()> {
        let mut least: HashMap<u16, u32> = HashMap::new();
        let mut failed = None;
        let mut give = |key: Key, route: AccessRoute, cells: &Subscribers| {
            let least = *least.entry(route.cohort).or_insert_with(|| match self.cohorts.get(&route.cohort.into()) {
                Ok(cohort) => cohort.map_or(0, |cohort| cohort.least_epoch),
                Err(error) => {
                    failed = Some(error);
                    0
                }
            });
            each(key, route, route.epoch < least, cells.read(route.slot).unwrap_or_default());
        };
        self.routes.for_each(|address, route| give((Ipv4Addr::from(address).into(), 32), route, &self.subscribers))?;
        self.routes6.for_each(|key, route| {
            let prefix = Ipv6Addr::from(key.prefix);
            give((prefix.into(), key.length as u8), route, &self.subscribers6);
        })?;
        failed.map_or(Ok(()), |error| Err(error).context("read the COHORTS map"))
    }
}

fn state(stale: bool, cell: &Subscriber, now: u64) -> &'static str {
    match stale {
        true => "stale",
        false if cell.expires_ns <= now => "expired",
        false => "live",
    }
}

/// Counts the routes in the maps pinned below `bpffs`.
pub(crate) fn counts(bpffs: &Path) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    let now = crate::io::clock::now().as_nanos();
    Maps::open(bpffs)?.for_each(|_, _, stale, cell| {
        counts.routes += 1;
        *match state(stale, &cell, now) {
            "stale" => &mut counts.stale,
            "expired" => &mut counts.expired,
            _ => &mut counts.live,
        } += 1;
    })?;
    Ok(counts)
}

/// The routes in the maps pinned below `bpffs`, by address. `ports` names interfaces by index; when it is
/// empty, they are looked up in this network namespace.
pub(crate) fn routes(bpffs: &Path, ports: &HashMap<u32, String>) -> anyhow::Result<Vec<Route>> {
    let mut routes = Vec::new();
    let now = crate::io::clock::now().as_nanos();
    let mut names = ports.clone();
    Maps::open(bpffs)?.for_each(|key, route, stale, cell| {
        let port =
            names.entry(route.ifindex).or_insert_with(|| interface_name(route.ifindex, ports.is_empty())).clone();
        let route = Route {
            address: match key {
                (IpAddr::V4(address), _) => address.to_string(),
                (IpAddr::V6(address), 128) => address.to_string(),
                (prefix, length) => format!("{prefix}/{length}"),
            },
            mac: mac(&route.mac),
            port,
            vlan: vlan(&route.tags),
            slot: route.slot,
            cohort: route.cohort,
            epoch: route.epoch,
            state: state(stale, &cell, now),
            expires_in: (cell.expires_ns != Subscriber::NEVER)
                .then(|| cell.expires_ns.saturating_sub(now) / 1_000_000_000),
            up_packets: cell.up_packets,
            up_octets: cell.up_octets,
            down_packets: cell.down_packets,
            down_octets: cell.down_octets,
        };
        routes.push((key, route));
    })?;
    routes.sort_by_key(|(key, _)| *key);
    Ok(routes.into_iter().map(|(_, route)| route).collect())
}

/// A MAC as people write it.
pub(crate) fn mac(mac: &[u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// Tags as people write them: `100`, `100.7`, with the TPID where it is not 802.1Q; empty when untagged.
pub(crate) fn vlan(tags: &VlanTags) -> String {
    let tag = |tag: &VlanTag| match tag.tpid {
        0 => None,
        0x8100 => Some(tag.vid.to_string()),
        tpid => Some(format!("{tpid:x}:{}", tag.vid)),
    };
    [tag(&tags.outer), tag(&tags.inner)].into_iter().flatten().collect::<Vec<_>>().join(".")
}

/// The name of an interface of this namespace, else its index.
fn interface_name(ifindex: u32, here: bool) -> String {
    let by_index = format!("#{ifindex}");
    if !here {
        return by_index;
    }
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the IF_NAMESIZE octets that the function may write.
    let found = unsafe { libc::if_indextoname(ifindex, name.as_mut_ptr().cast()) };
    match std::ffi::CStr::from_bytes_until_nul(&name) {
        Ok(name) if !found.is_null() => name.to_string_lossy().into_owned(),
        _ => by_index,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_as_people_write_them() {
        let tag = |tpid, vid| VlanTag { tpid, vid };
        let text = |outer, inner| vlan(&VlanTags { outer, inner });
        assert_eq!(text(tag(0, 0), tag(0, 0)), "");
        assert_eq!(text(tag(0x8100, 7), tag(0, 0)), "7");
        assert_eq!(text(tag(0x88a8, 100), tag(0x8100, 7)), "88a8:100.7");
    }

    #[test]
    fn says_what_is_missing() {
        let error = counts(Path::new("/nonexistent")).unwrap_err();
        assert!(format!("{error:#}").starts_with("no maps of a gateway at /nonexistent"));
    }
}
