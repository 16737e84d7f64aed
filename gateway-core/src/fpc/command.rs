//! What the line cards want done.

use super::config::Cause;
use super::machine::Restart;
use crate::line::FpcId;
use crate::scope::Epoch;

/// One thing to do, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Put a record into the store; it must be on disk before anything is sent (H-BR-6).
    Persist {
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Put a record into the store that another member decided on.
    Adopt {
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Relay neither DISCOVER nor REQUEST of this card, nor their answers (H-BR-9).
    Freeze {
        /// The card.
        fpc: FpcId,
    },
    /// Relay them again, tagged with this epoch. It was persisted before.
    Thaw {
        /// The card.
        fpc: FpcId,
        /// Its epoch.
        epoch: Epoch,
    },
    /// The card restarts: log its logins out.
    Restart(Restart),
    /// The card restarts, and its policy is to keep its logins.
    Maintain {
        /// The card.
        fpc: FpcId,
        /// What made us decide.
        cause: Cause,
    },
    /// There is no epoch above the card's, so its logins can't be logged out by one: they are kept.
    Exhausted {
        /// The card.
        fpc: FpcId,
    },
    /// The card lost its links; a restart unless they come back in time.
    Lost {
        /// The card.
        fpc: FpcId,
    },
    /// They came back in time.
    Returned {
        /// The card.
        fpc: FpcId,
    },
}
