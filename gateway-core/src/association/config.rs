//! What an operator decides.

use core::net::IpAddr;

use super::policy::Policy;
use crate::time::Duration;

/// How much better for how long, and how long nothing then changes (H-SC-8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hysteresis {
    /// By so many percent the cost of the present path is above a better one's.
    pub margin: u16,
    /// And by so much at least: paths on one LAN differ by nothing that matters.
    pub least: Duration,
    /// A path is better for so long before it becomes primary.
    pub t_up: Duration,
    /// An address fades for so long before it is removed.
    pub t_down: Duration,
    /// After a change nothing that could wait changes for so long. What was removed is not added again before.
    pub hold_down: Duration,
}

impl Default for Hysteresis {
    fn default() -> Self {
        Self {
            margin: 20,
            least: Duration::from_millis(1),
            t_up: Duration::from_secs(3),
            t_down: Duration::from_secs(5),
            hold_down: Duration::from_secs(10),
        }
    }
}

/// How an end's addresses are managed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssociationConfig {
    /// Against flapping.
    pub hysteresis: Hysteresis,
    /// An address fades where so many of 1000 packets are lost.
    pub fading: u16,
    /// Addresses of either end in the association (H-SC-10).
    pub most: usize,
    /// Which addresses an association may have (H-SC-11).
    pub policy: Policy,
    /// Where this end is found wherever it is: kept, and primary only while there is no other (SC-33, SC-34, H-SC-5).
    pub home: Option<IpAddr>,
    /// The peer's.
    pub peer_home: Option<IpAddr>,
    /// What the peer refused is not asked again for so long.
    pub retry: Duration,
    /// A path that works is asked and answers in this time at the latest: the HEARTBEAT interval, an RTO until it is sent, and
    /// one until its answer is missed (RFC 9260, 8.3).
    pub proof: Duration,
    /// Of a change whose answer the own kernel does not tell nothing more is expected after so long.
    pub answer: Duration,
}

impl Default for AssociationConfig {
    fn default() -> Self {
        Self {
            hysteresis: Hysteresis::default(),
            fading: 300,
            most: 16,
            policy: Policy::default(),
            home: None,
            peer_home: None,
            retry: Duration::from_secs(60),
            proof: Duration::from_secs(3),
            answer: Duration::from_secs(5),
        }
    }
}
