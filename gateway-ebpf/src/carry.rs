//! Frames from subscribers on their way from the master to the owner of their unit: see [`gateway_common::cluster`].

use gateway_common::cluster::{CARRIED, CARRY_OCTETS, CarryHeader};
use gateway_common::port::Port;
use gateway_common::verdict::Verdict;

use crate::context::Context;
use crate::foreign::{self, Claim};
use crate::packet::{Packet, plain};
use crate::parse::ethernet::{self, IPV4, IPV6};
use crate::{cluster, ports, units};

/// What stands in front of a carried frame.
#[repr(C)]
#[derive(Clone, Copy)]
struct Outer {
    destination: [u8; 6],
    source: [u8; 6],
    ethertype: [u8; 2],
    carry: CarryHeader,
}

plain!(Outer);

const _: () = assert!(size_of::<Outer>() == CARRY_OCTETS);

/// Sends a subscriber's frame to the owner of its unit. `None`, and the frame as it was, when there is no way to it, or
/// none that is wide enough.
#[inline(always)]
pub(crate) fn send(context: &Context, claim: Claim) -> Option<()> {
    let link = cluster::role()?.link;
    let destination = cluster::mac(link, units::owner(claim.unit()))?;
    let place = ports::get(context.ifindex())?.place;
    let port = ports::get(link)?;
    let octets = context.packet().len() + size_of::<CarryHeader>();
    if place == Port::NO_PLACE || octets > port.mtu as usize || !ports::redirect(link) {
        return None;
    }
    if !context.move_head(-(CARRY_OCTETS as i32)) {
        return None;
    }
    let carry = CarryHeader { version: CarryHeader::VERSION, place: place.to_be_bytes() };
    let outer = Outer { destination, source: port.mac, ethertype: CARRIED.to_be_bytes(), carry };
    context.packet().write(0, outer)
}

/// Takes a carried frame out of what it came in: the access port it is to be treated as if it had come in on, and the
/// claim on it.
#[inline(always)]
pub(crate) fn receive(context: &Context) -> Result<(u32, Claim), Verdict> {
    let ifindex = admit(context, &context.packet()).ok_or(Verdict::NotCarried)?;
    if !context.move_head(CARRY_OCTETS as i32) {
        return Err(Verdict::Malformed);
    }
    let packet = context.packet();
    match ethernet::parse(&packet).map(|frame| frame.ethertype) {
        Some(IPV4 | IPV6) => {}
        _ => return Err(Verdict::NotCarried),
    }
    // What the table here says counts; a frame that is not ours is not sent round in circles.
    match foreign::on_access(&packet) {
        Some(claim) if claim.is_own() => Ok((ifindex, claim)),
        _ => Err(Verdict::Foreign),
    }
}

/// Whether a member sent it to us, over the link that is for it; the port it names.
#[inline(always)]
fn admit(context: &Context, packet: &Packet) -> Option<u32> {
    let outer: Outer = packet.read(0)?;
    let link = cluster::role()?.link;
    let port = ports::get(link)?;
    let admitted = link == context.ifindex()
        && outer.carry.version == CarryHeader::VERSION
        && outer.destination == port.mac
        && cluster::is_peer(link, outer.source);
    if admitted { cluster::port_at(u16::from_be_bytes(outer.carry.place)) } else { None }
}
