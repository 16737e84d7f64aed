//! The XDP programs: `access` on ports toward subscribers, `upstream` on ports toward servers and the internet.
//!
//! Each reads top-down like the story of a packet: parse, classify, work unit, and what is not ours is dropped at once;
//! then, where the master has to do with it, what is sent on to its owner or held; then DHCP, data, ARP. Every frame ends
//! in exactly one [`Verdict`], and each verdict is counted.
//!
//! The crate is compiled for BPF by `cargo xtask build`. For the host it compiles too, so that the parsers are tested
//! and the whole is linted there.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]

mod access;
mod access6;
mod address;
mod arp;
mod buckets;
mod carry;
mod classify;
mod clock;
mod cluster;
mod context;
mod counters;
mod drops;
mod events;
mod fib;
mod foreign;
mod forward;
mod kind;
mod locals;
mod nd;
mod opaque;
mod outcome;
mod packet;
mod parse;
mod ports;
mod punt;
mod rewrite;
mod routes;
mod routes6;
mod sctp;
mod sender;
mod settings;
mod transit;
mod units;
mod upstream;
mod upstream6;

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use gateway_common::verdict::{Fate, Program, Verdict};

use crate::address::To;
use crate::context::Context;
use crate::foreign::Claim;
use crate::packet::Packet;

/// Frames from subscribers.
#[xdp]
fn access(context: XdpContext) -> u32 {
    let packet = Packet::of(&context);
    let Some(claim) = foreign::on_access(&packet) else {
        counters::count(Program::Access, Verdict::Foreign, packet.len());
        return outcome::action(Verdict::Foreign);
    };
    serve_subscriber(&context, context.ingress_ifindex() as u32, claim)
}

/// Frames from servers and the internet.
#[xdp]
fn upstream(context: XdpContext) -> u32 {
    let packet = Packet::of(&context);
    let Some(claim) = foreign::on_upstream(&packet) else {
        counters::count(Program::Upstream, Verdict::Foreign, packet.len());
        return outcome::action(Verdict::Foreign);
    };
    let ifindex = context.ingress_ifindex() as u32;
    let octets = packet.len() as u32;
    let verdict = if claim == Claim::CARRIED {
        // One after the other, not one in the other: together their stacks are more than a program may have.
        let unpacked = unpack(context.ctx);
        let (port, number) = (unpacked as u32, (unpacked >> 32) as u32);
        if port != 0 {
            return serve_subscriber(&context, port, Claim::from_number(number));
        }
        number
    } else if claim.is_v6() {
        serve_upstream6(context.ctx, claim.number())
    } else {
        serve_upstream(context.ctx, claim.number())
    };
    finish(context.ctx, ifindex, Program::Upstream as u32, verdict, octets)
}

/// A subscriber's frame that is not simply foreign, from the access port `ifindex`.
#[inline(always)]
fn serve_subscriber(context: &XdpContext, ifindex: u32, claim: Claim) -> u32 {
    let octets = Packet::of(context).len() as u32;
    let verdict = match claim.is_v6() {
        true => serve_access6(context.ctx, ifindex, claim.number()),
        false => serve_access(context.ctx, ifindex, claim.number()),
    };
    finish(context.ctx, ifindex, Program::Access as u32, verdict, octets)
}

// What follows are functions in the kernel too, and global ones: the verifier takes each by itself, for any arguments, and knows
// nothing of what it returns. So the ways through them add up, where they would multiply; and their needs of registers and stack
// don't slow what is before them. Contexts and numbers is all that can be passed.

/// The number of the verdict on a subscriber's frame from the access port `ifindex`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn serve_access(context: *mut xdp_md, ifindex: u32, claim: u32) -> u32 {
    judge_access(&Context::new(XdpContext::new(context), ifindex), Claim::from_number(claim), access::decide) as u32
}

/// The same where it is IPv6.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn serve_access6(context: *mut xdp_md, ifindex: u32, claim: u32) -> u32 {
    judge_access(&Context::new(XdpContext::new(context), ifindex), Claim::from_number(claim), access6::decide) as u32
}

#[inline(always)]
fn judge_access(context: &Context, claim: Claim, decide: impl FnOnce(&Context) -> Verdict) -> Verdict {
    let to = if context.is_carried() { To::Us } else { address::of(context, &context.packet()) };
    match to {
        To::Other => Verdict::OtherHost,
        To::Us | To::Group if cluster::is_fenced() => Verdict::Fenced,
        To::Us | To::Group if claim.is_own() => decide(context),
        To::Us | To::Group => transit::from_access(context, claim, to),
    }
}

/// The number of the verdict on a frame from the network.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn serve_upstream(context: *mut xdp_md, claim: u32) -> u32 {
    let (context, claim) = (Context::of(context), Claim::from_number(claim));
    let is_fenced = cluster::is_fenced() && !foreign::is_nobodys(&context.packet());
    let is_ours = |context: &Context| claim.is_own() && !is_fenced || is_everybodys(context.kernel().ctx) != 0;
    judge_upstream(&context, claim, is_fenced, is_ours, upstream::decide) as u32
}

/// The same where it is IPv6.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn serve_upstream6(context: *mut xdp_md, claim: u32) -> u32 {
    let (context, claim) = (Context::of(context), Claim::from_number(claim));
    let is_fenced = cluster::is_fenced();
    let is_ours = |context: &Context| claim.is_own() && !is_fenced || is_everybodys6(context.kernel().ctx) != 0;
    judge_upstream(&context, claim, is_fenced, is_ours, upstream6::decide) as u32
}

#[inline(always)]
fn judge_upstream(
    context: &Context,
    claim: Claim,
    is_fenced: bool,
    is_ours: impl Fn(&Context) -> bool,
    decide: impl FnOnce(&Context) -> Verdict,
) -> Verdict {
    match address::of(context, &context.packet()) {
        To::Other => Verdict::PassedOtherHost,
        To::Us | To::Group if is_ours(context) => decide(context),
        To::Us | To::Group if is_fenced => Verdict::Fenced,
        to => transit::from_upstream(context, claim, to),
    }
}

/// See [`foreign::is_everybodys`]: 1 or 0.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn is_everybodys(context: *mut xdp_md) -> u32 {
    foreign::is_everybodys(&Context::of(context).packet()) as u32
}

/// See [`foreign::is_everybodys6`]: 1 or 0.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn is_everybodys6(context: *mut xdp_md) -> u32 {
    foreign::is_everybodys6(&Context::of(context).packet()) as u32
}

/// Takes a subscriber's frame that the master carried here out of what it came in: its access port, as one of which it
/// is counted, and the claim on it in the upper half. When it is not to be served 0, and the number of the verdict there.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn unpack(context: *mut xdp_md) -> u64 {
    let (port, number) = match carry::receive(&Context::of(context)) {
        Ok((ifindex, claim)) => (ifindex, claim.number()),
        Err(verdict) => (0, verdict as u32),
    };
    port as u64 | (number as u64) << 32
}

/// Counts a frame that was of so many octets and turns the number of its verdict into what the kernel does with it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn finish(context: *mut xdp_md, ifindex: u32, program: u32, verdict: u32, octets: u32) -> u32 {
    let context = Context::new(XdpContext::new(context), ifindex);
    let program = if program == Program::Access as u32 { Program::Access } else { Program::Upstream };
    let Some(verdict) = Verdict::from_u32(verdict) else { return outcome::action(Verdict::Malformed) };
    counters::count(program, verdict, octets as usize);
    #[cfg(feature = "trace")]
    aya_log_ebpf::trace!(
        context.kernel(),
        "program {} port {} octets {} verdict {}",
        program as u32,
        context.ifindex(),
        octets,
        verdict as u32
    );
    if verdict != Verdict::Foreign && matches!(verdict.fate(), Fate::Dropped) {
        drops::sample(&context, verdict);
    }
    if matches!(verdict.fate(), Fate::Passed) {
        address::for_kernel(&context);
    }
    outcome::action(verdict)
}

/// What the kernel must see to let the programs call its GPL helpers.
#[cfg(target_arch = "bpf")]
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Nothing here panics; the compiler wants to know what would happen.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The host only tests and lints this crate.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
