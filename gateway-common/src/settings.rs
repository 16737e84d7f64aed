//! What the configuration tells both programs. One cell of the `SETTINGS` array.

use crate::Ip4;
use crate::bucket::Rate;

/// Run-time settings of the data plane.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Settings {
    /// DHCP packets from one subscriber (MAC and tags).
    pub subscriber: Rate,
    /// DHCP packets from one line (all MACs behind the same tags).
    pub line: Rate,
    /// DHCP packets from one access port.
    pub port: Rate,
    /// Events about one source.
    pub event: Rate,
    /// One drop in this many is copied to the `DROPS` ring; 0 copies none.
    pub drop_sample: u32,
    /// The address the members of a cluster share; 0.0.0.0 without a cluster.
    pub cluster_address: Ip4,
    /// Bits: [`Settings::PROXY_ARP`].
    pub flags: u32,
    /// Keeps the size a multiple of 8; zero.
    pub reserved: u32,
}

impl Settings {
    /// Answer a tagged subscriber's ARP requests for other subscribers.
    pub const PROXY_ARP: u32 = 1;
}
