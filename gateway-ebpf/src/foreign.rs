//! The hot line: whether a frame belongs to another member of the cluster.
//!
//! In a cluster every member sees every frame, so most frames end here. Only what the work unit needs is parsed, and
//! nothing is kept for later but what the unit table said: a frame that is not dropped is parsed again by
//! [`crate::access`] or [`crate::upstream`], which costs it a few nanoseconds and saves them for all others. What can't
//! be parsed is nobody's, and told apart there too.

use gateway_common::cluster::CARRIED;
use gateway_common::settings::Settings;
use gateway_common::unit::{Unit, UnitKey, UnitState};

use crate::classify::{self, Kind};
use crate::locals::Local;
use crate::packet::Packet;
use crate::parse::ethernet::{self, Frame, IPV4, IPV6};
use crate::parse::ipv4;
use crate::parse::ipv6::{self, Class};
use crate::{locals, settings, units};

/// What the unit table says of a frame, in one register: the disposition, the unit above it, and whether it is IPv6.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim(u32);

impl Claim {
    /// Of our units, or of none.
    pub(crate) const OWN: Self = Self(UnitState::OWN as u32);
    /// The same of an IPv6 packet.
    pub(crate) const OWN6: Self = Self(Self::OWN.0 | Self::IPV6);
    /// Carried here by another member: the frame inside is judged.
    pub(crate) const CARRIED: Self = Self(u32::MAX);
    /// Set where the packet is IPv6.
    const IPV6: u32 = 1 << 30;

    #[inline(always)]
    fn new(disposition: u8, unit: Unit) -> Self {
        Self(disposition as u32 | unit.index() << 8)
    }

    /// The same claim, on an IPv6 packet.
    #[inline(always)]
    fn v6(self) -> Self {
        Self(self.0 | Self::IPV6)
    }

    /// Whether the packet is IPv6.
    #[inline(always)]
    pub(crate) fn is_v6(self) -> bool {
        self.0 & Self::IPV6 != 0
    }

    /// The claim that was passed as a number.
    #[inline(always)]
    pub(crate) fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The claim as a number.
    #[inline(always)]
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// One of [`UnitState`]'s.
    #[inline(always)]
    pub(crate) fn disposition(self) -> u8 {
        self.0 as u8
    }

    /// Number of the unit.
    #[inline(always)]
    pub(crate) fn unit(self) -> u16 {
        (self.0 >> 8) as u16
    }

    /// Whether the frame is ours.
    #[inline(always)]
    pub(crate) fn is_own(self) -> bool {
        self.disposition() == UnitState::OWN
    }
}

/// The claim of a unit, `None` when it is foreign: the one comparison that a foreign frame costs.
#[inline(always)]
fn claim(unit: Unit, dhcp: bool) -> Option<Claim> {
    let disposition = units::disposition(unit, dhcp);
    if disposition == UnitState::FOREIGN { None } else { Some(Claim::new(disposition, unit)) }
}

/// The claim on a frame on an access port, `None` when it is another member's. ARP and neighbour discovery belong to no
/// unit.
#[inline(always)]
pub(crate) fn on_access(packet: &Packet) -> Option<Claim> {
    let (Some(frame), Some(settings)) = (ethernet::parse(packet), settings::get()) else { return Some(Claim::OWN) };
    match frame.ethertype {
        IPV4 => match classify::ipv4(packet, &frame, settings.cluster_address, &settings.unit_key) {
            Some(classified) => claim(classified.unit, classified.kind.is_dhcp()),
            None => Some(Claim::OWN),
        },
        IPV6 => match ipv6::classify(packet, &frame, &settings.unit_key) {
            Some(Class::Unicast(unit) | Class::Multicast(unit)) => claim(unit, false).map(Claim::v6),
            Some(Class::Dhcp(unit)) => claim(unit, true).map(Claim::v6),
            _ => Some(Claim::OWN6),
        },
        _ => Some(Claim::OWN),
    }
}

/// The claim on a frame on an upstream port, `None` when it is certainly another member's. Multicast (the cluster's own,
/// routing protocols) is everybody's, and what may be for this member alone is looked at more closely later, whatever
/// its claim: [`is_everybodys`].
#[inline(always)]
pub(crate) fn on_upstream(packet: &Packet) -> Option<Claim> {
    let (Some(frame), Some(settings)) = (ethernet::parse(packet), settings::get()) else { return Some(Claim::OWN) };
    match frame.ethertype {
        IPV4 => {
            let Some(classified) = classify::ipv4(packet, &frame, settings.cluster_address, &settings.unit_key) else {
                return Some(Claim::OWN);
            };
            claim(classified.unit, classified.kind.is_dhcp()).or_else(|| {
                let destination = classified.ip.destination;
                let maybe = ipv4::is_multicast(destination)
                    || settings.local_filter != 0 && settings.local_filter & Settings::local_bit(destination) != 0;
                maybe.then(|| Claim::new(UnitState::FOREIGN, classified.unit))
            })
        }
        IPV6 => match ipv6::classify(packet, &frame, &settings.unit_key) {
            Some(Class::Unicast(unit)) => {
                claim(unit, false).or_else(|| maybe_local6(packet, &frame, unit)).map(Claim::v6)
            }
            Some(Class::Dhcp(unit)) => claim(unit, true).map(Claim::v6),
            _ => Some(Claim::OWN6),
        },
        ethertype if ethertype == CARRIED.to_be() => Some(Claim::CARRIED),
        _ => Some(Claim::OWN),
    }
}

/// Whether a frame is of no unit, because it is not IP.
#[inline(always)]
pub(crate) fn is_nobodys(packet: &Packet) -> bool {
    ethernet::parse(packet).is_none_or(|frame| frame.ethertype != IPV4 && frame.ethertype != IPV6)
}

/// The claim on an IPv6 packet of a foreign unit whose destination may be this member's alone.
#[inline(always)]
fn maybe_local6(packet: &Packet, frame: &Frame, unit: Unit) -> Option<Claim> {
    let filter = settings::get()?.local_filter6;
    if filter == 0 {
        return None;
    }
    let maybe = filter & Settings::local_bit6(ipv6::destination(packet, frame.network)?) != 0;
    maybe.then(|| Claim::new(UnitState::FOREIGN, unit))
}

/// Whether an IPv6 packet that is not of our units is ours all the same: of no unit, for everybody, or for an address
/// that this member does not share.
#[inline(always)]
pub(crate) fn is_everybodys6(packet: &Packet) -> bool {
    let Some(frame) = ethernet::parse(packet) else { return true };
    // Of which unit does not matter here, nor below.
    match ipv6::classify(packet, &frame, &UnitKey::NONE) {
        Some(Class::Unicast(_)) => ipv6::destination(packet, frame.network)
            .is_some_and(|destination| locals::get6(destination) == Some(Local::Own)),
        Some(Class::Dhcp(_)) => false,
        _ => true,
    }
}

/// Whether a packet that is not of our units is ours all the same: for everybody, or for an address that this member
/// does not share (CL-57).
#[inline(always)]
pub(crate) fn is_everybodys(packet: &Packet) -> bool {
    let (Some(frame), Some(settings)) = (ethernet::parse(packet), settings::get()) else { return true };
    if frame.ethertype != IPV4 {
        return false;
    }
    let Some(classified) = classify::ipv4(packet, &frame, settings.cluster_address, &UnitKey::NONE) else {
        return true;
    };
    let destination = classified.ip.destination;
    ipv4::is_multicast(destination)
        || matches!(classified.kind, Kind::Data | Kind::ToClientPort) && locals::is_own(destination, settings)
}
