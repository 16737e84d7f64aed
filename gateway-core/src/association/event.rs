//! What an operator wants to read.

use core::fmt;
use core::net::IpAddr;

use super::command::{Cause, Change, Outcome, Reason};
use super::policy::Refusal;

/// Why something changes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Why {
    /// A card or an address came (SC-21, SC-22, SC-23).
    Came,
    /// The path is better by the margin, for `t_up` (SC-24).
    Better,
    /// The primary does not answer, or its card is down (H-SC-9).
    Lost,
    /// The address is gone from the host (SC-27).
    Gone,
    /// Its signal fades, for `t_down` (SC-26).
    Faded,
    /// The peer asked for it.
    Wished,
    /// The peer knows the home address only (SC-33, SC-35).
    Home,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Came => "it came",
            Self::Better => "a better path",
            Self::Lost => "the primary was lost",
            Self::Gone => "it is gone",
            Self::Faded => "its signal faded",
            Self::Wished => "the peer asked for it",
            Self::Home => "away from home",
        })
    }
}

/// Something worth a line in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A change was made.
    Changed {
        /// What.
        change: Change,
        /// Why.
        why: Why,
    },
    /// It was not made.
    Failed {
        /// What.
        change: Change,
        /// Refused, or not answered.
        outcome: Outcome,
    },
    /// An address of this host that the association may not have.
    NotAdded {
        /// Which.
        address: IpAddr,
        /// Why.
        refusal: Refusal,
    },
    /// An address of this host stays out since the peer lacks the extension.
    CannotAdd {
        /// Which.
        address: IpAddr,
        /// What it lacks.
        reason: Reason,
    },
    /// The peer added an address that nothing is sent to.
    Unwanted {
        /// Which.
        address: IpAddr,
        /// Why.
        refusal: Refusal,
    },
    /// No address of the association can send, and there is none to move to.
    Stranded,
    /// The association is given up.
    Reconnects(Reason),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { change, why } => write!(f, "{change}: {why}"),
            Self::Failed { change, outcome: Outcome::Refused(cause) } => write!(f, "{change}: refused, {cause}"),
            Self::Failed { change, .. } => write!(f, "{change}: no answer"),
            Self::NotAdded { address, refusal } => write!(f, "{address} stays out: {refusal}"),
            Self::CannotAdd { address, reason } => write!(f, "{address} stays out: {reason}"),
            Self::Unwanted { address, refusal } => write!(f, "the peer's {address} is not used: {refusal}"),
            Self::Stranded => f.write_str("no address is left to send from"),
            Self::Reconnects(reason) => write!(f, "connects anew: {reason}"),
        }
    }
}

impl Reason {
    /// What the refusal of an ADD means for whoever reads it.
    pub(super) fn of_move(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Acknowledged | Outcome::Assumed => None,
            Outcome::Refused(cause) => Some(Self::MoveRefused(cause)),
            Outcome::TimedOut => Some(Self::MoveUnanswered),
        }
    }
}

impl Cause {
    /// Asking again is of no use while nothing changes.
    pub(super) fn is_final(self) -> bool {
        self == Self::NoAuthorization
    }
}
