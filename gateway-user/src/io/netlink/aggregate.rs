//! Kernel routes of whole subnets: they lead nowhere, and are there so that routing daemons have one route to announce for all
//! subscribers in it. The maps forward before the kernel's table is looked at, and a subscriber's own route is the longer one.

use std::io;
use std::net::Ipv4Addr;

use gateway_core::subnet::Subnet;

use super::message::{Message, ipv4};
use super::route::{NLM_F_REPLACE_CREATE, NLM_F_REQUEST, PROTOCOL, RTA_DST, RTA_PRIORITY, Routes};

impl Routes {
    /// Queues the route. With a metric of its own it does not get in the way of one that an operator has set.
    pub(crate) fn add_aggregate(&mut self, subnet: Subnet) {
        self.aggregate(libc::RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_REPLACE_CREATE, subnet);
    }

    /// Queues its removal.
    pub(crate) fn remove_aggregate(&mut self, subnet: Subnet) {
        self.aggregate(libc::RTM_DELROUTE, NLM_F_REQUEST, subnet);
    }

    fn aggregate(&mut self, kind: u16, flags: u16, subnet: Subnet) {
        self.requests
            .begin(kind, flags, &rtmsg(subnet.prefix()))
            .attribute(RTA_DST, &subnet.base().octets())
            .attribute(RTA_PRIORITY, &u32::from(PROTOCOL).to_ne_bytes());
        self.flush_if_full();
    }

    /// Those that there are: left by an earlier process.
    pub(crate) fn list_aggregates(&mut self) -> io::Result<Vec<Subnet>> {
        self.flush();
        let mut found = Vec::new();
        self.dump(libc::RTM_GETROUTE, libc::RTM_NEWROUTE, &rtmsg(0), |message| found.extend(ours(message)))?;
        Ok(found)
    }
}

fn rtmsg(length: u8) -> [u8; 12] {
    let (table, scope, what) = (libc::RT_TABLE_MAIN, libc::RT_SCOPE_UNIVERSE, libc::RTN_BLACKHOLE);
    [libc::AF_INET as u8, length, 0, 0, table, PROTOCOL, scope, what, 0, 0, 0, 0]
}

fn ours(message: &Message<'_>) -> Option<Subnet> {
    // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, …
    let [_, length, _, _, libc::RT_TABLE_MAIN, PROTOCOL, _, libc::RTN_BLACKHOLE, ..] =
        *message.body.first_chunk::<12>()?
    else {
        return None;
    };
    let of = |(kind, value): (u16, &[u8])| (kind == RTA_DST).then(|| ipv4(value)).flatten();
    let address: Ipv4Addr = message.attributes(12).find_map(of)?;
    Subnet::new(address, length).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is listed is what was written, and no other route of this gateway's.
    #[test]
    fn read_as_it_was_written() {
        let mut body = rtmsg(26).to_vec();
        body.extend_from_slice(&[8, 0, RTA_DST as u8, 0, 10, 96, 0, 64]);
        let read = |body: &[u8]| ours(&Message { kind: libc::RTM_NEWROUTE, body });
        assert_eq!(read(&body), Some("10.96.0.64/26".parse().unwrap()));
        for (at, value) in [(5, 4), (7, libc::RTN_UNICAST), (4, libc::RT_TABLE_LOCAL), (1, 24)] {
            let mut other = body.clone();
            other[at] = value;
            assert_eq!(read(&other), None, "octet {at}");
        }
        for length in 0..body.len() {
            assert_eq!(read(&body[..length]), None, "cut to {length}");
        }
    }
}
