//! The peer's addresses, and how good the paths to them are.

use core::net::IpAddr;

use super::policy::Refusal;
use crate::time::{Duration, Instant};

/// What a path is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quality {
    /// Lost packets, of 1000.
    pub loss: u16,
    /// Smoothed round trip, once there was one.
    pub srtt: Option<Duration>,
}

/// A path on which nothing arrives costs as much as a round trip of so long.
const ALL_LOST: Duration = Duration::from_secs(1);

impl Quality {
    pub(super) const DEAD: Self = Self { loss: 1000, srtt: None };

    /// Expected time for a packet and its answer, beside a path of this other quality: where one of the two was never
    /// measured, loss alone decides.
    fn cost(self, beside: Self) -> Duration {
        let lost = ALL_LOST * u32::from(self.loss.min(1000)) / 1000;
        lost + beside.srtt.and(self.srtt).unwrap_or_default()
    }

    /// Better by the margin, in percent of the better one's cost, and by `least`.
    pub(super) fn beats(self, other: Self, margin: u16, least: Duration) -> bool {
        let (own, others) = (self.cost(other), other.cost(self));
        own + (own * u32::from(margin) / 100).max(least) < others
    }

    /// To order paths among each other: of 1000 and microseconds.
    pub(super) fn rank(self) -> Duration {
        self.cost(self)
    }
}

/// What the kernel says of a path (`spinfo_state`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PathState {
    /// The address was not verified by a HEARTBEAT yet (RFC 9260, 5.4).
    Unconfirmed,
    /// It answers.
    Active,
    /// Some packets in a row were lost (RFC 7829).
    PotentiallyFailed,
    /// It does not answer.
    Inactive,
}

/// `SCTP_PEER_ADDR_CHANGE` (RFC 6458, 6.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PathEvent {
    /// It answers again.
    Available,
    /// It has missed an answer (RFC 7829).
    PotentiallyFailed,
    /// It does not answer.
    Unreachable,
    /// The peer added it; it is unconfirmed.
    Added,
    /// The peer removed it.
    Removed,
    /// It is primary now: we or the peer wanted it.
    MadePrimary,
    /// A HEARTBEAT verified it.
    Confirmed,
}

/// What `SCTP_GET_PEER_ADDR_INFO` says of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Measurement {
    /// The peer's address.
    pub peer: IpAddr,
    /// The card that the route leaves by, where it is known.
    pub interface: Option<u32>,
    /// Its state.
    pub state: PathState,
    /// Lost of 1000, and round trip.
    pub quality: Quality,
    /// Retransmission timeout.
    pub rto: Duration,
    /// Congestion window in octets.
    pub cwnd: u32,
    /// Errors in a row.
    pub errors: u32,
}

/// What is known of an address of the peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) state: PathState,
    pub(super) interface: Option<u32>,
    pub(super) quality: Option<Quality>,
    pub(super) rto: Duration,
    pub(super) cwnd: u32,
    pub(super) errors: u32,
    pub(super) since: Instant,
    /// Its place in the kernel's list.
    pub(super) place: u64,
    /// When it was last measured.
    pub(super) measured: Option<Instant>,
    /// Since when it answers whenever it is asked, over one card.
    pub(super) steady: Option<Instant>,
    /// That nothing is sent there was told, and why.
    pub(super) told: Option<Refusal>,
}

impl Peer {
    pub(super) fn new(place: u64, now: Instant) -> Self {
        Self {
            state: PathState::Unconfirmed,
            interface: None,
            quality: None,
            rto: Duration::ZERO,
            cwnd: 0,
            errors: 0,
            since: now,
            place,
            measured: None,
            steady: None,
            told: None,
        }
    }

    /// Takes a measurement. When something was heard over the path's card, at the earliest: where what is measured of
    /// answers has changed since the last time, after that; otherwise within `proof`, in which a path is asked at least once.
    pub(super) fn measure(&mut self, measured: &Measurement, proof: Duration, now: Instant) -> Option<Instant> {
        let before = core::mem::replace(
            self,
            Self {
                state: measured.state,
                interface: measured.interface,
                quality: Some(measured.quality),
                rto: measured.rto,
                cwnd: measured.cwnd,
                errors: measured.errors,
                measured: Some(now),
                ..*self
            },
        );
        let srtt = |quality: Option<Quality>| quality.and_then(|quality| quality.srtt);
        let answers = self.state == PathState::Active && self.errors == 0 && srtt(self.quality).is_some();
        let same = self.interface == before.interface;
        self.steady = answers.then_some(before.steady.filter(|_| same).unwrap_or(now));
        let heard =
            srtt(before.quality) != srtt(self.quality) || before.errors > 0 || before.state != PathState::Active;
        let after = before.measured.filter(|_| answers && same && heard);
        after.max(self.steady.filter(|since| *since + proof <= now).map(|_| now - proof))
    }

    /// What the path is worth; nothing is known of one that was not measured.
    pub(super) fn worth(&self) -> Option<Quality> {
        match self.state {
            PathState::Inactive => Some(Quality::DEAD),
            PathState::Unconfirmed => None,
            PathState::Active | PathState::PotentiallyFailed => self.quality,
        }
    }

    pub(super) fn answers(&self) -> bool {
        matches!(self.state, PathState::Active | PathState::PotentiallyFailed)
    }
}
