//! What a fleet looks like.

use core::net::{Ipv4Addr, SocketAddrV4, SocketAddrV6};
use core::time::Duration;

use gateway_common::vlan::{VlanTag, VlanTags};

use super::cpe::{Backoff, Identity};
use crate::plan::INTERNET;
use crate::plan6::INTERNET6;

/// How CPEs are spread over VLANs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tagging {
    /// No tags: all on one line.
    None,
    /// One 802.1Q tag: CPE `i` on VLAN `first` + `i`, 4000 of them before it begins again.
    Single {
        /// The first VLAN.
        first: u16,
    },
    /// An 802.1ad tag and an 802.1Q tag in it: 1000 inner VLANs from 1 on, then the next outer one.
    Double {
        /// The first outer VLAN.
        first: u16,
    },
}

impl Tagging {
    /// Tags of CPE `index`.
    pub fn of(self, index: u32) -> VlanTags {
        let vid = |number: u32| (number % 4095) as u16; // fits 12 bits
        let tag = |tpid, number| VlanTag { tpid, vid: vid(number) };
        match self {
            Self::None => VlanTags::NONE,
            Self::Single { first } => {
                VlanTags { outer: tag(0x8100, u32::from(first) + index % 4000), inner: VlanTag::default() }
            }
            Self::Double { first } => {
                VlanTags { outer: tag(0x88a8, u32::from(first) + index / 1000), inner: tag(0x8100, 1 + index % 1000) }
            }
        }
    }
}

/// A fleet.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// CPEs.
    pub count: u32,
    /// Sets the fleets of a lab apart: MACs are 02:`fleet`:00 and the CPE's number.
    pub fleet: u8,
    /// Their VLANs.
    pub tagging: Tagging,
    /// Whether they send option 61: type 1 and their MAC.
    pub client_id: bool,
    /// Whether they want answers by broadcast.
    pub broadcast: bool,
    /// Lease time to ask for.
    pub lease: Option<Duration>,
    /// Whether they renew by themselves when the time has come.
    pub renews: bool,
    /// Retransmission.
    pub backoff: Backoff,
    /// Logins begun per second.
    pub login_rate: u32,
    /// Where traffic goes: something there sends it back.
    pub echo: SocketAddrV4,
    /// Whether they speak IPv4.
    pub ipv4: bool,
    /// Whether they speak IPv6 as well: an address and a prefix each, and two thirds of the traffic.
    pub ipv6: bool,
    /// Where that traffic goes.
    pub echo6: SocketAddrV6,
    /// Whether they answer ARP; neighbour solicitations in any case.
    pub answers_arp: bool,
    /// From which transaction numbers and jitter follow.
    pub seed: u64,
}

impl Default for FleetConfig {
    /// A hundred untagged CPEs that repeat themselves sooner than RFC 2131 says: tests are shorter than a boot.
    fn default() -> Self {
        Self {
            count: 100,
            fleet: 0,
            tagging: Tagging::None,
            client_id: false,
            broadcast: false,
            lease: None,
            renews: true,
            backoff: Backoff { first: Duration::from_secs(1), most: Duration::from_secs(8), ..Backoff::default() },
            login_rate: 1000,
            echo: SocketAddrV4::new(INTERNET, 7),
            ipv4: true,
            ipv6: false,
            echo6: SocketAddrV6::new(INTERNET6, 7, 0, 0),
            answers_arp: true,
            seed: 1,
        }
    }
}

impl FleetConfig {
    /// MAC of CPE `index`.
    pub fn mac(&self, index: u32) -> [u8; 6] {
        let [_, a, b, c] = index.to_be_bytes();
        [0x02, self.fleet, 0, a, b, c]
    }

    pub(super) fn identity(&self, index: u32) -> Identity {
        let mac = self.mac(index);
        Identity {
            mac,
            tags: self.tagging.of(index),
            client_id: self.client_id.then(|| [&[1], &mac[..]].concat()),
            broadcast: self.broadcast,
            lease: self.lease,
        }
    }
}

/// Nobody's address.
pub(super) const NOWHERE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
