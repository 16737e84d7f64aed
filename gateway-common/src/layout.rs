//! The layouts, asserted in one place: a change that would break pinned maps does not compile unnoticed.

use core::mem::size_of;

use crate::bucket::{BucketKey, Rate};
use crate::cluster::{CarryHeader, MemberKey, MemberMac, PeerKey, Role};
use crate::event::{DropSample, Event};
use crate::fpc::Cohort;
use crate::port::Port;
use crate::punt::PuntHeader;
use crate::route::{AccessRoute, Subscriber};
use crate::route6::{PrefixLength, Prefixes, Route6Key};
use crate::settings::Settings;
use crate::unit::{UnitKey, UnitState};
use crate::verdict::Counter;
use crate::vlan::VlanTags;

/// Version of everything that pinned maps hold: layouts, verdict numbers, meaning of the fields. A gateway that finds
/// maps of another version does not adopt them.
pub const ABI: u32 = 7;

macro_rules! layouts {
    ($($type:ty = $octets:literal),* $(,)?) => {
        $(const _: () = assert!(size_of::<$type>() == $octets);)*

        // SAFETY: each type is `repr(C)` with explicit padding, holds only integers, and any bit pattern is valid.
        $(#[cfg(feature = "user")] unsafe impl aya::Pod for $type {})*
    };
}

layouts! {
    crate::Ip4 = 4,
    crate::Ip6 = 16,
    AccessRoute = 32,
    BucketKey = 24,
    CarryHeader = 4,
    Cohort = 8,
    Counter = 16,
    DropSample = 152,
    Event = 56,
    MemberKey = 8,
    MemberMac = 8,
    PeerKey = 12,
    Port = 16,
    PrefixLength = 56,
    Prefixes = 448,
    PuntHeader = 32,
    Rate = 16,
    Role = 24,
    Route6Key = 24,
    Settings = 112,
    Subscriber = 64,
    UnitKey = 16,
    UnitState = 4,
    VlanTags = 8,
}
