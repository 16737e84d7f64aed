//! What a server is told by the configuration.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use super::policy::Policy;
use super::words::ServerId;
use crate::time::Duration;

/// A server that hands subnets on, asks for them, or both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DelegationConfig {
    /// Who we are: our option 61, the same for ever (H-SN-18).
    pub me: ServerId,
    /// Our own address: our option 54, and where answers reach us.
    pub address: Ipv4Addr,
    /// Whom we ask for subnets: a parent, peers, or 255.255.255.255 (SN-10). Nobody at the top of a hierarchy.
    pub providers: Vec<Ipv4Addr>,
    /// Who may have subnets of us.
    pub lessees: Lessees,
    /// What lessees' option 60 has to be, and what ours is; `None`: nobody's is looked at (H-SN-21).
    pub class: Option<Vec<u8>>,
    /// We assign no addresses: providers do, for hosts whose messages have this giaddr (SN-63).
    pub reserve: Option<Ipv4Addr>,
    /// Everybody has to prove who it is, not only who asks for an early renewal (H-SN-20).
    pub authenticate: bool,
    /// Who gets what.
    pub policy: Policy,
    /// Times and bounds.
    pub constants: Constants,
}

/// Who may have subnets (H-SN-20).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lessees {
    /// Nobody: this server hands on nothing.
    Nobody,
    /// These.
    Listed(BTreeSet<ServerId>),
    /// Everybody who reaches us.
    Anyone,
}

impl Lessees {
    pub(super) fn permit(&self, who: &ServerId) -> bool {
        match self {
            Self::Nobody => false,
            Self::Listed(listed) => listed.contains(who),
            Self::Anyone => true,
        }
    }
}

/// The option 60 of our servers: an ordinary client that sends option 220 by accident has another (H-SN-21).
pub const CLASS: &[u8] = b"gateway-subnets";

/// Times and bounds that are not a matter of taste.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Constants {
    /// How long an offer is held (H-SN-1).
    pub offer_hold: Duration,
    /// How long a subnet rests after its lease (H-SN-4).
    pub expiry_grace: Duration,
    /// After nobody gave us anything, how long we do not ask (H-SN-7).
    pub hold_down: Duration,
    /// A holder is asked for an early renewal once in this time at most (H-SN-25).
    pub force_renew_every: Duration,
    /// Exchanges that follow one because of "there is more" (H-SN-8).
    pub rounds: u8,
    /// How long we wait for other servers' offers after the first.
    pub offer_wait: Duration,
    /// When a message is repeated first; then after twice the time, and so on (RFC 2131 section 4.1).
    pub repeat_after: Duration,
    /// The longest of these times.
    pub repeat_most: Duration,
    /// How often a message is sent before nobody is expected to answer.
    pub attempts: u8,
    /// Renewals are not repeated more often (RFC 2131 section 4.4.5).
    pub renew_again: Duration,
    /// Shorter leases are not given.
    pub least_lease: Duration,
}

impl Default for Constants {
    fn default() -> Self {
        Self {
            offer_hold: Duration::from_secs(60),
            expiry_grace: Duration::from_secs(300),
            hold_down: Duration::from_secs(30),
            force_renew_every: Duration::from_secs(60),
            rounds: 8,
            offer_wait: Duration::from_millis(500),
            repeat_after: Duration::from_secs(4),
            repeat_most: Duration::from_secs(64),
            attempts: 4,
            renew_again: Duration::from_secs(60),
            least_lease: Duration::from_secs(180),
        }
    }
}
