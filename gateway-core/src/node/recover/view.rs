//! What is shown of recoveries.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use crate::line::{HardwareAddress, Line};
use crate::recover::Outcome;
use crate::relay::Unreadable;
use crate::session::Refusal;
use crate::time::Instant;
use crate::wire::dhcp6::Prefix;

/// Why the table has to be rebuilt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// There is no state on disk: a first start, or it was deleted.
    Missing,
    /// All leases in it have ended: others began meanwhile, or the clients renewed unseen.
    Outdated,
    /// It was being rebuilt when the controller ended, or a server could not be asked.
    Unfinished,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is no state on disk",
            Self::Outdated => "all leases on disk have ended",
            Self::Unfinished => "the state on disk is not rebuilt yet",
        })
    }
}

/// What a server is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To take in what is missing.
    Restore,
    /// To look, and change nothing.
    Compare,
}

/// What is leased.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LeaseName {
    /// An IPv4 address.
    Four(Ipv4Addr),
    /// An IPv6 address or prefix.
    Six(Prefix),
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Four(address) => address.fmt(f),
            Self::Six(prefix) if prefix.length() == 128 => prefix.address().fmt(f),
            Self::Six(prefix) => prefix.fmt(f),
        }
    }
}

/// How server and relay differ about a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Only the server has it.
    OnlyThere,
    /// Only the relay has it.
    OnlyHere,
    /// Another client has it.
    Client,
    /// The client is on another line.
    Line,
    /// It ends at another time.
    Expiry,
}

/// What was done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    /// Nothing was to be done, or what is here is newer.
    Left,
    /// It is a session again.
    Restored,
    /// The session has the server's end of the lease now.
    Extended,
    /// The table does not take it.
    Refused(Refusal),
    /// It can't be known where the client is, or whether it is ours.
    Unreadable(Unreadable),
    /// A logout was to end it, or its client gave it up: it does not come back. `asked`: the server is asked to release it.
    CutOff {
        /// Whether a RELEASE was sent, or queued.
        asked: bool,
    },
}

/// What one side knows of a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Side {
    /// Where the client is; the server may not tell.
    pub line: Option<Line>,
    /// Its hardware address; the server may not tell.
    pub hardware: Option<HardwareAddress>,
    /// End of the lease.
    pub expires: Instant,
}

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Of which lease.
    pub lease: LeaseName,
    /// How they differ.
    pub what: What,
    /// What the server has.
    pub there: Option<Side>,
    /// What the relay had.
    pub here: Option<Side>,
    /// What was done about it.
    pub done: Done,
}

/// What was found, in leases.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// The server told.
    pub told: u64,
    /// Both have the same.
    pub same: u64,
    /// Only the server has, those restored among them.
    pub only_there: u64,
    /// Only the relay has.
    pub only_here: u64,
    /// Both have, with another client, line or end.
    pub other: u64,
    /// Are sessions again.
    pub restored: u64,
    /// Have the server's end now.
    pub extended: u64,
    /// Were not taken by the table.
    pub refused: u64,
    /// Could not be read.
    pub unreadable: u64,
    /// A logout was to end, or their clients gave up.
    pub cut_off: u64,
}

impl Tally {
    pub(super) fn count(&mut self, difference: &Difference) {
        match difference.what {
            What::OnlyThere => self.only_there += 1,
            What::OnlyHere => self.only_here += 1,
            What::Client | What::Line | What::Expiry => self.other += 1,
        }
        match difference.done {
            Done::Left => {}
            Done::Restored => self.restored += 1,
            Done::Extended => self.extended += 1,
            Done::Refused(_) => self.refused += 1,
            Done::Unreadable(_) => self.unreadable += 1,
            Done::CutOff { .. } => self.cut_off += 1,
        }
    }

    /// Differences in all.
    pub fn differences(&self) -> u64 {
        self.only_there + self.only_here + self.other
    }
}

/// A recovery, under way or over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecoveryView {
    /// The server that was asked.
    pub server: IpAddr,
    /// What for.
    pub purpose: Purpose,
    /// When it began.
    pub began: Instant,
    /// When it was over, and how. What only the relay has was looked for only where everything was told.
    pub ended: Option<(Instant, Outcome)>,
    /// What was found so far.
    pub tally: Tally,
    /// The first thousand differences.
    pub differences: Vec<Difference>,
}
