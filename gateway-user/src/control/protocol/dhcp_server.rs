//! The embedded DHCP server in the answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The embedded DHCP server: DHCPv4, and the half for DHCPv6 where there is one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DhcpServer {
    /// Leases in force.
    pub active: u64,
    /// Addresses in all pools, and reserved ones.
    pub capacity: u64,
    /// Addresses it remembers, with leases that are over.
    pub known: u64,
    /// Whether its leases can be written; it is silent while they can't.
    pub store_ok: bool,
    /// Where they are kept: a directory, or a database.
    #[serde(default)]
    pub store: String,
    /// How full its subnets are, those of DHCPv6 behind the others; of thousands the first few hundred.
    #[serde(default)]
    pub pools: Vec<Pool>,
    /// How long its ACKs and REPLYs took since its start.
    #[serde(default)]
    pub answers: Answers,
    /// What it received, and what became of it: `discover`, `offer`, `conflict` …
    pub counters: BTreeMap<String, u64>,
    /// Absent where it leases nothing by DHCPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub six: Option<DhcpServer6>,
    /// Subnets from and for other servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnets: Option<SubnetNumbers>,
}

/// How full a subnet is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Pool {
    /// Its prefix; of prefixes that are delegated, what they are cut from and how long they are.
    pub name: String,
    /// Addresses or prefixes leased.
    pub in_use: u64,
    /// Kept from clients for a while: offered, declined, released a moment ago.
    pub held: u64,
    /// Addresses or prefixes in all.
    pub size: u64,
}

/// How long answers took, from the moment that their request was read.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Answers {
    /// Number of those that took no longer than so many microseconds, but longer than those before; the last number also counts what
    /// took longer.
    pub within_us: Vec<(u64, u64)>,
    /// Microseconds of all, together.
    pub sum_us: u64,
}

impl Answers {
    /// All of them.
    pub fn count(&self) -> u64 {
        self.within_us.iter().map(|(_, count)| count).sum()
    }

    /// Those that came after `before`; all, where the server was started anew since.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let earlier = |at: usize| before.within_us.get(at).map_or(0, |(_, count)| *count);
        let more =
            self.within_us.iter().enumerate().map(|(at, (us, count))| Some((*us, count.checked_sub(earlier(at))?)));
        match (more.collect(), self.sum_us.checked_sub(before.sum_us)) {
            (Some(within_us), Some(sum_us)) => Self { within_us, sum_us },
            _ => self.clone(),
        }
    }

    /// Microseconds that so many in a thousand took no longer than, to a factor of two; none where there are no answers.
    pub fn part(&self, thousandth: u64) -> Option<u64> {
        let wanted = (u128::from(self.count()) * u128::from(thousandth)).div_ceil(1000);
        let mut sum = 0;
        self.within_us.iter().filter(|_| wanted > 0).find_map(|(us, count)| {
            sum += u128::from(*count);
            (sum >= wanted).then_some(*us)
        })
    }
}

impl From<&gateway_server::Latency> for Answers {
    fn from(latency: &gateway_server::Latency) -> Self {
        let sum_us = u64::try_from(latency.sum().as_micros()).unwrap_or(u64::MAX);
        Self { within_us: latency.ranges().collect(), sum_us }
    }
}

impl From<&gateway_server::Fill> for Pool {
    fn from(fill: &gateway_server::Fill) -> Self {
        let &gateway_server::Fill { ref name, in_use, held, size } = fill;
        Self { name: name.clone(), in_use, held, size }
    }
}

/// Addresses of the subnets that the embedded DHCP server administers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SubnetNumbers {
    /// By who has them: `free`, `leased`, `own`, `resting`.
    pub addresses: BTreeMap<String, u64>,
    /// Of its own, leased to subscribers.
    pub own_in_use: u64,
    /// What happened, by kind: `subnet-leased` …
    pub events: BTreeMap<String, u64>,
}

impl From<&gateway_server::subnets::Tally> for SubnetNumbers {
    fn from(tally: &gateway_server::subnets::Tally) -> Self {
        let &gateway_server::subnets::Tally { free, leased, own, own_in_use, resting, ref events, .. } = tally;
        let addresses = [("free", free), ("leased", leased), ("own", own), ("resting", resting)];
        Self {
            addresses: addresses.map(|(whose, count)| (whose.to_owned(), count)).into(),
            own_in_use,
            events: events.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
        }
    }
}

/// What the embedded DHCP server leases by DHCPv6.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DhcpServer6 {
    /// Addresses and prefixes leased.
    pub active: u64,
    /// Addresses and prefixes in all pools, at most 2^64 - 1.
    pub capacity: u64,
    /// Those it remembers, with leases that are over.
    pub known: u64,
    /// What it received, and what became of it: `solicit`, `advertise` …
    pub counters: BTreeMap<String, u64>,
}

impl From<&gateway_server::Status> for DhcpServer {
    fn from(status: &gateway_server::Status) -> Self {
        let &gateway_server::Status { active, capacity, known, store_ok, ref counters, ref six, .. } = status;
        let fills6 = six.iter().flat_map(|six| &six.fills);
        let pools = status.fills.iter().chain(fills6).map(Pool::from).collect();
        let six = six.as_ref().map(|six| DhcpServer6 {
            active: six.active,
            capacity: u64::try_from(six.capacity).unwrap_or(u64::MAX),
            known: six.known,
            counters: named(six.counters.named()),
        });
        Self {
            active,
            capacity,
            known,
            store_ok,
            store: status.store.clone(),
            pools,
            answers: (&status.latency).into(),
            counters: named(counters.named()),
            six,
            subnets: status.subnets.as_ref().map(SubnetNumbers::from),
        }
    }
}

fn named(counters: impl Iterator<Item = (&'static str, u64)>) -> BTreeMap<String, u64> {
    counters.map(|(name, value)| (name.replace('_', "-"), value)).collect()
}
