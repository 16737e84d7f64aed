//! Which servers have not told yet what a lost table needs: on disk, so that neither a crash nor a server that was away passes
//! for a table that is complete.
//!
//! Value of the record: version, and for each server 4 or 6, its address, and at how many starts it was asked in vain.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::octets::Reader;

const VERSION: u8 = 2;
/// Starts at which a server is asked. One that boots more slowly than the gateway answers at a later one; one that answers no
/// bulk leasequery never does.
const STARTS: u8 = 3;

/// Servers, with the number of starts at which they were asked in vain.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Missing(BTreeMap<IpAddr, u8>);

impl Missing {
    /// Nobody has told.
    pub(super) fn all(servers: &[IpAddr]) -> Self {
        Self(servers.iter().map(|server| (*server, 0)).collect())
    }

    /// From its record, as far as these servers go; of one that can't be read, all of them.
    pub(super) fn restore(value: &[u8], servers: &[IpAddr]) -> Self {
        let Some(mut missing) = decode(value) else { return Self::all(servers) };
        missing.retain(|server, _| servers.contains(server));
        Self(missing)
    }

    /// The record's value; `None` when there need not be one.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut out = vec![VERSION];
        for (server, starts) in &self.0 {
            match server {
                IpAddr::V4(server) => out.extend([&[4][..], &server.octets()].concat()),
                IpAddr::V6(server) => out.extend([&[6][..], &server.octets()].concat()),
            }
            out.push(*starts);
        }
        (!self.0.is_empty()).then_some(out)
    }

    pub(super) fn servers(&self) -> Vec<IpAddr> {
        self.0.keys().copied().collect()
    }

    pub(super) fn contains(&self, server: IpAddr) -> bool {
        self.0.contains_key(&server)
    }

    /// A server has told everything, or said that it does not.
    pub(super) fn strike(&mut self, server: IpAddr) {
        self.0.remove(&server);
    }

    /// A server was asked in vain at one start more.
    pub(super) fn in_vain(&mut self, server: IpAddr) {
        let Some(starts) = self.0.get_mut(&server) else { return };
        *starts += 1;
        if *starts >= STARTS {
            self.strike(server);
        }
    }
}

fn decode(value: &[u8]) -> Option<BTreeMap<IpAddr, u8>> {
    let (VERSION, rest) = value.split_first().map(|(version, rest)| (*version, rest))? else { return None };
    let (mut rest, mut missing) = (Reader(rest), BTreeMap::new());
    while !rest.0.is_empty() {
        let server = match rest.take::<1>()? {
            [4] => IpAddr::from(rest.take::<4>()?),
            [6] => IpAddr::from(rest.take::<16>()?),
            _ => return None,
        };
        let [starts] = rest.take()?;
        missing.insert(server, starts);
    }
    Some(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written is read; what can't be read, like the record of an earlier version, says that nobody has told. Servers that
    /// are not configured any more are not waited for.
    #[test]
    fn on_disk() {
        let servers: Vec<IpAddr> = ["192.0.2.2", "192.0.2.3", "2001:db8::2"].map(|text| text.parse().unwrap()).into();
        let mut missing = Missing::all(&servers);
        missing.in_vain(servers[2]);
        missing.strike(servers[0]);
        let value = missing.encode().expect("two are left");
        assert_eq!(Missing::restore(&value, &servers), missing);
        assert_eq!(Missing::restore(&value, &servers[..2]).servers(), servers[1..2]);
        for value in [&[1][..], &[], &value[..value.len() - 1], &[VERSION, 5]] {
            assert_eq!(Missing::restore(value, &servers), Missing::all(&servers));
        }
        (1..STARTS).for_each(|_| missing.in_vain(servers[2]));
        assert!(!missing.contains(servers[2]) && missing.contains(servers[1]));
        missing.strike(servers[1]);
        assert_eq!(missing.encode(), None);
    }
}
