//! The lab's address plan.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// What a lab looks like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Number of FPCs, each with one access port `fpc<i>` and a subscriber namespace behind it. At most 64.
    pub fpcs: u8,
    /// All access ports share one giaddr, which then stands on the loopback interface.
    pub shared_giaddr: bool,
    /// Number of DHCP server namespaces, `srv0`, `srv1`, ….
    pub servers: u8,
    /// Number of gateways, at most 26. Several are members of a cluster and share every address of the gateway.
    #[serde(default = "one")]
    pub members: u8,
    /// IPv6 is spoken everywhere, and there are DHCPv6 servers.
    #[serde(default)]
    pub ipv6: bool,
}

fn one() -> u8 {
    1
}

impl Default for Plan {
    fn default() -> Self {
        Plan { fpcs: 2, shared_giaddr: false, servers: 1, members: 1, ipv6: false }
    }
}

/// The gateway's address on `core0`, a /24; the members of a cluster share it.
pub const CORE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Where subscribers' traffic goes: an address of `srv0`, beyond the core.
pub const INTERNET: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

impl Plan {
    /// The address of server `index` on `srv0`, a /24 with [`CORE`].
    pub fn server(&self, index: u8) -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, 2 + index)
    }

    /// The name of a member: `gw-a`, `gw-b`, ….
    pub fn member_name(member: u8) -> String {
        format!("gw-{}", char::from(b'a' + member))
    }

    /// A member's own address on `core0`, in the /24 of [`CORE`].
    pub fn member_core(member: u8) -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, 101 + member)
    }

    /// A member's own address on `clu0`, the link of the cluster, a /24.
    pub fn member_link(member: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 51, 100, 1 + member)
    }

    /// The giaddr of an FPC: the subscribers' router.
    pub fn giaddr(&self, fpc: u8) -> Ipv4Addr {
        Ipv4Addr::new(100, if self.shared_giaddr { 64 } else { 64 + fpc }, 0, 1)
    }

    /// The /16 that subscribers of an FPC get their addresses from.
    pub fn subnet(&self, fpc: u8) -> Ipv4Addr {
        let [a, b, ..] = self.giaddr(fpc).octets();
        Ipv4Addr::new(a, b, 0, 0)
    }

    /// First and last address for subscribers of an FPC: 100.x.1.0 to 100.x.8.255, 2048 addresses.
    pub fn pool(&self, fpc: u8) -> (Ipv4Addr, Ipv4Addr) {
        let [a, b, ..] = self.giaddr(fpc).octets();
        (Ipv4Addr::new(a, b, 1, 0), Ipv4Addr::new(a, b, 8, 255))
    }

    /// The subnets of all FPCs, without repetition.
    pub fn subnets(&self) -> Vec<Subnet> {
        let count = if self.shared_giaddr { 1 } else { self.fpcs };
        (0..count)
            .map(|fpc| Subnet { network: self.subnet(fpc), length: 16, pool: self.pool(fpc), router: self.giaddr(fpc) })
            .collect()
    }
}

/// A subnet that a DHCP server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The network's address.
    pub network: Ipv4Addr,
    /// The prefix length.
    pub length: u8,
    /// First and last address to give out.
    pub pool: (Ipv4Addr, Ipv4Addr),
    /// The clients' default router; behind a relay the giaddr.
    pub router: Ipv4Addr,
}

impl Subnet {
    /// The netmask.
    pub fn mask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0))
    }
}
