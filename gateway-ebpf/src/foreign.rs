//! The hot line: whether a frame belongs to another member of the cluster.
//!
//! In a cluster every member sees every frame, so most frames end here. Only what the work unit needs is parsed, and
//! nothing is kept for later: a frame of ours is parsed again by [`crate::access`] or [`crate::upstream`], which costs
//! it a few nanoseconds and saves them for all others. What can't be parsed is nobody's, and told apart there too.

use gateway_common::settings::Settings;

use crate::classify::{self, Classified, Kind};
use crate::packet::Packet;
use crate::parse::ethernet::{self, IPV4, IPV6};
use crate::parse::ipv4;
use crate::parse::ipv6::{self, Class};
use crate::{locals, settings, units};

/// Whether a frame on an access port is another member's. ARP and neighbour discovery belong to no unit.
#[inline(always)]
pub(crate) fn on_access(packet: &Packet) -> bool {
    let Some(frame) = ethernet::parse(packet) else { return false };
    match frame.ethertype {
        IPV4 => {
            let Some(settings) = settings::get() else { return false };
            classify::ipv4(packet, &frame, settings.cluster_address)
                .is_some_and(|classified| !units::is_ours(classified.unit))
        }
        IPV6 => match ipv6::classify(packet, &frame) {
            Some(Class::Unicast(unit) | Class::Multicast(unit)) => !units::is_ours(unit),
            _ => false,
        },
        _ => false,
    }
}

/// Whether a frame on an upstream port is certainly another member's. Multicast (the cluster's own, routing protocols)
/// is everybody's, and what may be for this member alone is looked at more closely later: [`is_own`].
#[inline(always)]
pub(crate) fn on_upstream(packet: &Packet) -> bool {
    let Some(frame) = ethernet::parse(packet) else { return false };
    match frame.ethertype {
        IPV4 => {
            let Some(settings) = settings::get() else { return false };
            classify::ipv4(packet, &frame, settings.cluster_address).is_some_and(|classified| {
                let destination = classified.ip.destination;
                !units::is_ours(classified.unit)
                    && !ipv4::is_multicast(destination)
                    && (settings.local_filter == 0 || settings.local_filter & Settings::local_bit(destination) == 0)
            })
        }
        IPV6 => match ipv6::classify(packet, &frame) {
            Some(Class::Unicast(unit)) => !units::is_ours(unit),
            _ => false,
        },
        _ => false,
    }
}

/// Whether a packet that passed [`on_upstream`] is ours: of our units, for everybody, or for an address that this
/// member does not share.
#[inline(always)]
pub(crate) fn is_own(classified: &Classified, settings: &Settings) -> bool {
    let destination = classified.ip.destination;
    units::is_ours(classified.unit)
        || ipv4::is_multicast(destination)
        || classified.kind == Kind::Data && destination != settings.cluster_address && locals::contains(destination)
}
