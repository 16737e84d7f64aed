//! The bounds-checked view of a frame: the one place that touches packet memory.

use aya_ebpf::programs::XdpContext;
use network_types::arp::ArpHdr;
use network_types::eth::EthHdr;
use network_types::ip::Ipv4Hdr;
use network_types::udp::UdpHdr;
use network_types::vlan::VlanHdr;

/// What may be copied out of and into a frame.
///
/// # Safety
///
/// Any octets are a valid value, and the type has no padding.
pub(crate) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty),* $(,)?) => {
        $(
            // SAFETY: integers, and `repr(C)` structs of integers without padding.
            unsafe impl $crate::packet::Plain for $type {}
        )*
    };
}
pub(crate) use plain;

plain!(u8, u16, u32, u64, EthHdr, VlanHdr, Ipv4Hdr, UdpHdr, ArpHdr);

// SAFETY: an array of plain values is plain.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// A frame, from its Ethernet header on.
#[derive(Clone, Copy)]
pub(crate) struct Packet {
    start: usize,
    end: usize,
}

impl Packet {
    /// The frame a program was called for. After the head was moved the old view is void: make a new one.
    #[inline(always)]
    pub(crate) fn of(context: &XdpContext) -> Self {
        Self { start: context.data(), end: context.data_end() }
    }

    /// The frame in a slice.
    #[cfg(test)]
    pub(crate) fn in_slice(frame: &[u8]) -> Self {
        let range = frame.as_ptr_range();
        Self { start: range.start as usize, end: range.end as usize }
    }

    /// Octets of the frame.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// A copy of the value at `offset`, or `None` when the frame ends before it does.
    #[inline(always)]
    pub(crate) fn read<T: Plain>(&self, offset: usize) -> Option<T> {
        let at = self.start + offset;
        if at + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: the whole value lies inside the frame, alignment is not needed, and any octets are a valid `T`.
        Some(unsafe { (at as *const T).read_unaligned() })
    }

    /// Overwrites the value at `offset`; `None`, and nothing written, when the frame ends before it does.
    #[inline(always)]
    pub(crate) fn write<T: Plain>(&self, offset: usize, value: T) -> Option<()> {
        let at = self.start + offset;
        if at + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: the whole value lies inside the frame, which is ours to change until the program returns.
        unsafe { (at as *mut T).write_unaligned(value) };
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::Packet;

    /// A value is read only when all of it lies in the frame.
    #[test]
    fn the_end_is_the_end() {
        let frame = [1, 2, 3, 4, 5];
        let packet = Packet::in_slice(&frame);
        assert_eq!(packet.len(), 5);
        assert_eq!(packet.read::<[u8; 4]>(1), Some([2, 3, 4, 5]));
        assert_eq!(packet.read::<[u8; 4]>(2), None);
        assert_eq!(packet.read::<u8>(5), None);
    }
}
