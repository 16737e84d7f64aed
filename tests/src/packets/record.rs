//! Records of the rings, taken apart.

use gateway_common::event::{DropSample, Event};
use gateway_common::punt::{LARGE_RECORD, PuntHeader, PuntReason, SMALL_RECORD};
use gateway_common::verdict::Verdict;

/// A record of the punt ring.
#[derive(Clone, PartialEq, Debug)]
pub struct PuntRecord {
    /// Its header.
    pub header: PuntHeader,
    /// Why it was punted.
    pub reason: PuntReason,
    /// The frame.
    pub frame: Vec<u8>,
    /// Octets of the whole record.
    pub size: usize,
}

impl PuntRecord {
    /// Takes a record apart.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn parse(octets: &[u8]) -> Self {
        assert!([SMALL_RECORD, LARGE_RECORD].contains(&octets.len()), "a record of {} octets", octets.len());
        // SAFETY: any octets are a valid header, and the record is longer than one.
        let header: PuntHeader = unsafe { octets.as_ptr().cast::<PuntHeader>().read_unaligned() };
        let frame = &octets[size_of::<PuntHeader>()..][..usize::from(header.len)];
        let reason = PuntReason::from_u32(header.reason).expect("a known reason");
        Self { header, reason, frame: frame.to_vec(), size: octets.len() }
    }
}

/// A record of the event ring.
///
/// # Panics
///
/// When it is none.
pub(super) fn event(octets: &[u8]) -> Event {
    assert_eq!(octets.len(), size_of::<Event>());
    // SAFETY: any octets are a valid event, and they are as many.
    unsafe { octets.as_ptr().cast::<Event>().read_unaligned() }
}

/// A record of the drop ring.
#[derive(Clone, PartialEq, Debug)]
pub struct DropRecord {
    /// Interface it arrived on.
    pub ifindex: u32,
    /// The verdict it got.
    pub verdict: Verdict,
    /// Length of the whole frame.
    pub frame_len: u32,
    /// Its start.
    pub octets: Vec<u8>,
    /// When, in nanoseconds since boot.
    pub time_ns: u64,
}

impl DropRecord {
    /// Takes a record apart.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn parse(octets: &[u8]) -> Self {
        assert_eq!(octets.len(), size_of::<DropSample>());
        // SAFETY: any octets are a valid sample, and they are as many.
        let sample: DropSample = unsafe { octets.as_ptr().cast::<DropSample>().read_unaligned() };
        Self {
            ifindex: sample.ifindex,
            verdict: Verdict::from_u32(sample.verdict).expect("a known verdict"),
            frame_len: sample.frame_len,
            octets: sample.octets[..sample.sample_len as usize].to_vec(),
            time_ns: sample.time_ns,
        }
    }
}
