//! Ports: the interfaces the programs are attached to.

/// Value of the `PORTS` hash, whose key is the interface index.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Port {
    /// Index of the FPC; [`Port::NO_FPC`] for an upstream port.
    pub fpc: u16,
    /// The interface's own MAC, source of what is sent to subscribers.
    pub mac: [u8; 6],
    /// Largest IP packet the interface takes, in octets.
    pub mtu: u32,
    /// [`Port::ACCESS`] or [`Port::UPSTREAM`].
    pub side: u16,
    /// Place of an access port in the configuration, by which members of a cluster name it to each other; less than
    /// [`crate::maps::MAX_PORTS`]. [`Port::NO_PLACE`] for an upstream port.
    pub place: u16,
}

impl Port {
    /// Toward subscribers.
    pub const ACCESS: u16 = 1;
    /// Toward servers and the internet.
    pub const UPSTREAM: u16 = 2;
    /// `place` of an upstream port.
    pub const NO_PLACE: u16 = u16::MAX;
    /// `fpc` of an upstream port.
    pub const NO_FPC: u16 = u16::MAX;
}
