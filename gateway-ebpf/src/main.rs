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
    let ifindex = context.ingress_ifindex() as u32;
    if claim.is_v6() {
        return serve_access6(context.ctx, ifindex, claim.number());
    }
    serve_access(context.ctx, ifindex, claim.number())
}

/// Frames from servers and the internet.
#[xdp]
fn upstream(context: XdpContext) -> u32 {
    let packet = Packet::of(&context);
    let Some(claim) = foreign::on_upstream(&packet) else {
        counters::count(Program::Upstream, Verdict::Foreign, packet.len());
        return outcome::action(Verdict::Foreign);
    };
    if claim == Claim::CARRIED {
        // One after the other, not one in the other: together their stacks are more than a program may have.
        let unpacked = unpack(context.ctx);
        let (ifindex, claim) = (unpacked as u32, Claim::from_number((unpacked >> 32) as u32));
        return match ifindex {
            0 => outcome::action(Verdict::NotCarried),
            _ if claim.is_v6() => serve_access6(context.ctx, ifindex, claim.number()),
            _ => serve_access(context.ctx, ifindex, claim.number()),
        };
    }
    if claim.is_v6() {
        return serve_upstream6(context.ctx, claim.number());
    }
    serve_upstream(context.ctx, claim.number())
}

/// A subscriber's frame that is not simply foreign, from the access port `ifindex`. A function of its own in the kernel
/// too, so that its needs of registers and stack don't slow the line before it.
#[inline(never)]
fn serve_access(context: *mut xdp_md, ifindex: u32, claim: u32) -> u32 {
    judge_access(&Context::new(XdpContext::new(context), ifindex), Claim::from_number(claim), access::decide)
}

/// The same where it is IPv6.
#[inline(never)]
fn serve_access6(context: *mut xdp_md, ifindex: u32, claim: u32) -> u32 {
    judge_access(&Context::new(XdpContext::new(context), ifindex), Claim::from_number(claim), access6::decide)
}

#[inline(always)]
fn judge_access(context: &Context, claim: Claim, decide: impl FnOnce(&Context) -> Verdict) -> u32 {
    let packet = context.packet();
    let octets = packet.len();
    let to = if context.is_carried() { To::Us } else { address::of(context, &packet) };
    let verdict = match to {
        To::Other => Verdict::OtherHost,
        To::Us | To::Group if cluster::is_fenced() => Verdict::Fenced,
        To::Us | To::Group if claim.is_own() => decide(context),
        To::Us | To::Group => transit::from_access(context, claim, to),
    };
    finish(context, Program::Access, verdict, octets)
}

/// A frame from the network that is not certainly foreign.
#[inline(never)]
fn serve_upstream(context: *mut xdp_md, claim: u32) -> u32 {
    let context = XdpContext::new(context);
    let ifindex = context.ingress_ifindex() as u32;
    let context = Context::new(context, ifindex);
    let packet = context.packet();
    let octets = packet.len();
    let claim = Claim::from_number(claim);
    let to = address::of(&context, &packet);
    let verdict = match to {
        To::Other => Verdict::PassedOtherHost,
        To::Us | To::Group if cluster::is_fenced() && !foreign::is_nobodys(&packet) => {
            match foreign::is_everybodys(&packet) {
                true => upstream::decide(&context),
                false => Verdict::Fenced,
            }
        }
        To::Us | To::Group if claim.is_own() || foreign::is_everybodys(&packet) => upstream::decide(&context),
        To::Us | To::Group => transit::from_upstream(&context, claim, to),
    };
    finish(&context, Program::Upstream, verdict, octets)
}

/// An IPv6 packet from the network that is not certainly foreign.
#[inline(never)]
fn serve_upstream6(context: *mut xdp_md, claim: u32) -> u32 {
    let context = XdpContext::new(context);
    let ifindex = context.ingress_ifindex() as u32;
    let context = Context::new(context, ifindex);
    let packet = context.packet();
    let octets = packet.len();
    let claim = Claim::from_number(claim);
    let verdict = match address::of(&context, &packet) {
        To::Other => Verdict::PassedOtherHost,
        _ if cluster::is_fenced() && !foreign::is_everybodys6(&packet) => Verdict::Fenced,
        _ if claim.is_own() || foreign::is_everybodys6(&packet) => upstream6::decide(&context),
        to => transit::from_upstream(&context, claim, to),
    };
    finish(&context, Program::Upstream, verdict, octets)
}

/// Takes a subscriber's frame that the master carried here out of what it came in: its access port, as one of which it
/// is counted, and the claim on it in the upper half. 0, and it is counted and to be dropped, when it is not to be served.
#[inline(never)]
fn unpack(context: *mut xdp_md) -> u64 {
    let context = XdpContext::new(context);
    let link = context.ingress_ifindex() as u32;
    let context = Context::new(context, link);
    let octets = context.packet().len();
    match carry::receive(&context) {
        Ok((ifindex, claim)) => ifindex as u64 | (claim.number() as u64) << 32,
        Err(verdict) => {
            finish(&context, Program::Upstream, verdict, octets);
            0
        }
    }
}

/// Counts the frame and turns its verdict into what the kernel does with it.
#[inline(always)]
fn finish(context: &Context, program: Program, verdict: Verdict, octets: usize) -> u32 {
    counters::count(program, verdict, octets);
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
        drops::sample(context, verdict);
    }
    if matches!(verdict.fate(), Fate::Passed) {
        address::for_kernel(context);
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
