//! Scopes and epochs: what one single logout covers.

use core::fmt;
use core::net::Ipv4Addr;
use std::sync::Arc;

/// Counts the restarts of an FPC. Durable before anything carries it (H-BR-6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u32);

/// How a [`DeviceId`] is to be read (the `id-type` of the scope sub-option).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeviceIdType {
    /// Serial number or any other unique string.
    Opaque = 1,
    /// A DUID.
    Duid = 2,
    /// A UUID.
    Uuid = 3,
}

/// The gateway's stable identity, the value of option 82 sub-option 12 (relay-id): 1 to 64 octets (BR-11, BR-12).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId {
    id_type: DeviceIdType,
    octets: Arc<[u8]>,
}

impl DeviceId {
    /// `None` unless there are 1 to 64 octets.
    pub fn new(id_type: DeviceIdType, octets: &[u8]) -> Option<Self> {
        (1..=64).contains(&octets.len()).then(|| Self { id_type, octets: octets.into() })
    }

    /// How to read the octets.
    pub fn id_type(&self) -> DeviceIdType {
        self.id_type
    }

    /// The identity, 1 to 64 octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}", self.id_type, self.octets.escape_ascii())
    }
}

/// The group identifier of a scope whose giaddr is shared by several FPCs: 1 to 32 octets (BR-16, BR-17).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(Arc<[u8]>);

impl GroupId {
    /// `None` unless there are 1 to 32 octets.
    pub fn new(octets: &[u8]) -> Option<Self> {
        (1..=32).contains(&octets.len()).then(|| Self(octets.into()))
    }

    /// The identifier, 1 to 32 octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// Which logins of a device a scope covers: exactly one of address or group (BR-18), or all of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ScopeKind {
    /// The logins made through this giaddr, which no other FPC uses (BR-15).
    Address(Ipv4Addr),
    /// The logins of one FPC behind a shared giaddr (BR-16).
    Group(GroupId),
    /// Every login of the device (project extension).
    Device,
}

/// A scope with its epoch. In a login: the epoch it was made in. In a release: the last epoch it covers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Scope {
    /// The device.
    pub device: DeviceId,
    /// Which of its logins.
    pub kind: ScopeKind,
    /// Epoch of the login, or cut-off of the release.
    pub epoch: Epoch,
}
