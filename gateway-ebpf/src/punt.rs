//! The punt ring: DHCP on its way to the relay, and frames that have to wait.

use aya_ebpf::bindings::BPF_RB_AVAIL_DATA;
use aya_ebpf::macros::map;
use aya_ebpf::maps::RingBuf;
use gateway_common::punt::{HELD_OCTETS, LARGE_RECORD, MAX_FRAME, PuntHeader, PuntReason, RING_OCTETS, SMALL_RECORD};
use network_types::eth::EthHdr;

use crate::clock;
use crate::context::Context;
use crate::opaque::opaque;
use crate::parse::ethernet::Frame;

#[map]
static PUNT: RingBuf = RingBuf::with_byte_size(RING_OCTETS, 0);

/// A record with room for a frame of `OCTETS`.
#[repr(C)]
struct Record<const OCTETS: usize> {
    header: PuntHeader,
    frame: [u8; OCTETS],
}

const SMALL_FRAME: usize = SMALL_RECORD - size_of::<PuntHeader>();

/// Whether the frame fits into a record at all.
#[inline(always)]
pub(crate) fn fits(context: &Context) -> bool {
    context.packet().len() <= MAX_FRAME
}

/// Copies the frame to the relay: whether the ring had room.
#[inline(always)]
pub(crate) fn copy(context: &Context, frame: &Frame, reason: PuntReason, now: u64) -> bool {
    record(context, frame, reason, now, 0)
}

/// Copies a frame of `unit` that has to wait: whether there was room. Data may come faster than anything reads it, so it
/// leaves room for the relay's own.
#[inline(always)]
pub(crate) fn hold(context: &Context, frame: &Frame, reason: PuntReason, unit: u16) -> bool {
    PUNT.query(BPF_RB_AVAIL_DATA as u64) < HELD_OCTETS && record(context, frame, reason, clock::now(), unit)
}

#[inline(always)]
fn record(context: &Context, frame: &Frame, reason: PuntReason, now: u64, unit: u16) -> bool {
    let len = context.packet().len();
    let header = PuntHeader {
        time_ns: now,
        ifindex: context.ifindex(),
        len: len as u16,
        ip_offset: frame.network as u16,
        tags: frame.tags,
        reason: reason as u32,
        unit,
        reserved: 0,
    };
    if len <= SMALL_FRAME {
        submit::<SMALL_FRAME>(context, header, len)
    } else {
        submit::<MAX_FRAME>(context, header, len)
    }
}

const _: () = assert!(MAX_FRAME + size_of::<PuntHeader>() == LARGE_RECORD);

/// Submits a record of one size class.
#[inline(always)]
fn submit<const OCTETS: usize>(context: &Context, header: PuntHeader, len: usize) -> bool {
    // The reservation has constant size; that the frame is not longer is checked once more below.
    if len > OCTETS {
        return false;
    }
    let Some(mut record) = PUNT.reserve::<Record<OCTETS>>(0) else { return false };
    let target = record.as_mut_ptr();
    // SAFETY: the reservation is a whole record.
    unsafe { (&raw mut (*target).header).write(header) };
    // The verifier must see both bounds, which the compiler would make one of, and see them here: kernel 6.1 forgets those
    // of what was kept on the stack meanwhile. From "not 0" it learns nothing, but no frame is shorter than its Ethernet
    // header.
    let len = opaque(len);
    if len > OCTETS {
        record.discard(0);
        return false;
    }
    let len = opaque(len);
    if len < EthHdr::LEN {
        record.discard(0);
        return false;
    }
    // SAFETY: the record has room for `len` octets. What lies behind them is not written: a reader takes no more than
    // `len`.
    let copied = unsafe { context.copy((&raw mut (*target).frame).cast(), len as u32) };
    if copied {
        record.submit(0)
    } else {
        record.discard(0)
    }
    copied
}
