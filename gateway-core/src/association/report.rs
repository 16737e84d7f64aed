//! What one end sees of the other's addresses, told over the stream: where no kernel tells of answers, the evidence of them.

use core::net::IpAddr;

use super::AddressManager;
use super::path::PathState;

/// What one end sees of the other: `SCTP_GET_PEER_ADDRS`, `SCTP_GET_PEER_ADDR_INFO` and `SCTP_PRIMARY_ADDR`, told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// One more than that of the association's report before, from 1 on.
    pub number: u64,
    /// The number of the last report that came from the other end: this one was made after that.
    pub heard: u64,
    /// The other end's addresses, 16 at most, and the states of the paths to them.
    pub paths: Vec<(IpAddr, PathState)>,
    /// Where this end sends.
    pub primary: Option<IpAddr>,
}

/// Numbers of an association's reports.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reports {
    /// Of the last that was made.
    pub(super) told: u64,
    /// Of the last that came; 0: the peer tells nothing.
    pub(super) heard: u64,
}

impl Reports {
    /// Whether it is later than all before.
    pub(super) fn take(&mut self, report: &Report) -> bool {
        let later = report.number > self.heard;
        if later {
            self.heard = report.number;
        }
        later
    }
}

impl AddressManager {
    /// What to tell the other end, over the association's own stream: about once a second while there is an association. It
    /// is asked for at the moment at which it is sent.
    pub fn report(&mut self) -> Option<Report> {
        let primary = self.own.current.filter(|primary| self.peers.contains_key(primary));
        let paths = self.peers.iter().map(|(address, peer)| (*address, peer.state)).collect();
        let reports = &mut self.standing.as_mut()?.reports;
        reports.told += 1;
        Some(Report { number: reports.told, heard: reports.heard, paths, primary })
    }
}
