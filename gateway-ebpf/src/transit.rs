//! Frames of units that are not ours and that are not simply dropped: the master sends them on to their owner, or has
//! user space hold them until there is one (CL-63, CL-64).

use gateway_common::punt::PuntReason;
use gateway_common::unit::UnitState;
use gateway_common::verdict::Verdict;

use crate::address::To;
use crate::context::Context;
use crate::foreign::Claim;
use crate::parse::ethernet;
use crate::{carry, cluster, ports, punt, units};

/// What becomes of a frame from a subscriber.
#[inline(always)]
pub(crate) fn from_access(context: &Context, claim: Claim, to: To) -> Verdict {
    match claim.disposition() {
        // What was broadcast has reached the owner without us.
        UnitState::FORWARD if to == To::Group => Verdict::Foreign,
        UnitState::FORWARD => match carry::send(context, claim) {
            Some(()) => Verdict::ForwardedOwner,
            None => hold(context, claim, PuntReason::HeldAccess),
        },
        UnitState::HELD => hold(context, claim, PuntReason::HeldAccess),
        _ => Verdict::Foreign,
    }
}

/// What becomes of a frame from the network.
#[inline(always)]
pub(crate) fn from_upstream(context: &Context, claim: Claim, to: To) -> Verdict {
    match claim.disposition() {
        UnitState::FORWARD if to == To::Group => Verdict::Foreign,
        UnitState::FORWARD => match readdress(context, claim) {
            Some(()) => Verdict::ForwardedOwner,
            None => hold(context, claim, PuntReason::HeldUpstream),
        },
        UnitState::HELD => hold(context, claim, PuntReason::HeldUpstream),
        _ => Verdict::Foreign,
    }
}

/// Sends a frame back to its segment for the owner, from our own MAC, so that no switch learns another's from us
/// (H-CL-14). `None`, and the frame as it was, when the owner is not on the segment.
#[inline(always)]
fn readdress(context: &Context, claim: Claim) -> Option<()> {
    let ifindex = context.ifindex();
    let destination = cluster::mac(ifindex, units::owner(claim.unit()))?;
    let source = ports::get(ifindex)?.mac;
    if ports::redirect(ifindex) { context.packet().write(0, [destination, source]) } else { None }
}

/// Copies a frame to user space.
#[inline(always)]
fn hold(context: &Context, claim: Claim, reason: PuntReason) -> Verdict {
    let Some(frame) = ethernet::parse(&context.packet()) else { return Verdict::Malformed };
    if punt::hold(context, &frame, reason, claim.unit()) { Verdict::Held } else { Verdict::PuntFull }
}
