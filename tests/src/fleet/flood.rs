//! DISCOVERs from MACs that want nothing, as fast as one likes.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use gateway_common::vlan::VlanTags;
use gateway_core::line::HardwareAddress;
use gateway_core::time::Instant;
use gateway_core::wire::dhcp4::{Builder, CLIENT_PORT, REQUEST, SERVER_PORT, kind};
use gateway_core::wire::frame::{BROADCAST_MAC, Datagram};

/// A flood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FloodPlan {
    /// MACs, in turn. None of them is a CPE's.
    pub macs: u32,
    /// DISCOVERs per second.
    pub rate: u32,
    /// For how long.
    pub duration: Duration,
    /// The line it comes from: that of this CPE.
    pub line: u32,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FloodReport {
    /// DISCOVERs sent.
    pub sent: u64,
    /// Answers to them.
    pub answered: u64,
}

#[derive(Debug)]
pub(super) struct Flood {
    plan: FloodPlan,
    fleet: u8,
    tags: VlanTags,
    began: Instant,
    report: FloodReport,
}

impl Flood {
    pub(super) fn new(plan: FloodPlan, fleet: u8, tags: VlanTags, now: Instant) -> Self {
        Self { plan, fleet, tags, began: now, report: FloodReport::default() }
    }

    pub(super) fn report(&self) -> FloodReport {
        self.report
    }

    pub(super) fn due(&self) -> Option<Instant> {
        let at =
            Duration::from_nanos(self.report.sent.saturating_mul(1_000_000_000) / u64::from(self.plan.rate.max(1)));
        (at < self.plan.duration).then(|| self.began + at)
    }

    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let number = (self.report.sent % u64::from(self.plan.macs.max(1))) as u32; // below macs
        self.report.sent += 1;
        let [_, a, b, c] = number.to_be_bytes();
        let mac = [0x06, self.fleet, 0, a, b, c];
        let xid = self.report.sent as u32; // wraps after four billion
        let payload = Builder::new(REQUEST)
            .hardware(HardwareAddress::ethernet(mac))
            .xid(xid)
            .kind(kind::DISCOVER)
            .padded()
            .finish();
        let frame = Datagram {
            source_mac: mac,
            destination_mac: BROADCAST_MAC,
            tags: self.tags,
            source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT),
            destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT),
            payload: &payload,
        };
        frame.build()
    }

    /// Takes note of an answer, if it is to one of its MACs.
    pub(super) fn heard(&mut self, mac: [u8; 6]) -> bool {
        let ours = mac[..3] == [0x06, self.fleet, 0];
        self.report.answered += u64::from(ours);
        ours
    }
}
