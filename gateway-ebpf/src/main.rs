//! The XDP programs: `access` on ports toward subscribers, `upstream` on ports toward servers and the internet.
//!
//! Each reads top-down like the story of a packet: parse, classify, work unit, and what is not ours is dropped at once;
//! then DHCP, data, ARP. Every frame ends in exactly one [`Verdict`], and each verdict is counted.
//!
//! The crate is compiled for BPF by `cargo xtask build`. For the host it compiles too, so that the parsers are tested
//! and the whole is linted there.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]

mod access;
mod arp;
mod buckets;
mod classify;
mod clock;
mod context;
mod counters;
mod drops;
mod events;
mod fib;
mod foreign;
mod forward;
mod locals;
mod outcome;
mod packet;
mod parse;
mod ports;
mod punt;
mod rewrite;
mod routes;
mod sender;
mod settings;
mod units;
mod upstream;

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use gateway_common::verdict::{Fate, Program, Verdict};

use crate::context::Context;
use crate::packet::Packet;

/// Frames from subscribers.
#[xdp]
fn access(context: XdpContext) -> u32 {
    let packet = Packet::of(&context);
    if foreign::on_access(&packet) {
        counters::count(Program::Access, Verdict::Foreign, packet.len());
        return outcome::action(Verdict::Foreign);
    }
    serve_access(context.ctx)
}

/// Frames from servers and the internet.
#[xdp]
fn upstream(context: XdpContext) -> u32 {
    let packet = Packet::of(&context);
    if foreign::on_upstream(&packet) {
        counters::count(Program::Upstream, Verdict::Foreign, packet.len());
        return outcome::action(Verdict::Foreign);
    }
    serve_upstream(context.ctx)
}

/// A subscriber's frame that is ours. A function of its own in the kernel too, so that its needs of registers and stack
/// don't slow the line before it.
#[inline(never)]
fn serve_access(context: *mut xdp_md) -> u32 {
    let context = Context::new(XdpContext::new(context));
    let octets = context.packet().len();
    let verdict = access::decide(&context);
    finish(&context, Program::Access, verdict, octets)
}

/// A frame from the network that is ours.
#[inline(never)]
fn serve_upstream(context: *mut xdp_md) -> u32 {
    let context = Context::new(XdpContext::new(context));
    let octets = context.packet().len();
    let verdict = upstream::decide(&context);
    finish(&context, Program::Upstream, verdict, octets)
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
