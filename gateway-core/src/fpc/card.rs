//! One line card and its ports.

use super::config::{FpcConfig, LinkEvent, Trigger};
use crate::scope::Epoch;
use crate::time::Instant;

/// State of a line card's links.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Not all ports have been reported yet.
    Unknown,
    /// In service.
    Up,
    /// Links lost; a restart unless they return in time.
    Lost {
        /// When they were lost.
        since: Instant,
    },
    /// Links lost for too long, or ports gone: the restart was decided.
    Down {
        /// When they were lost.
        since: Instant,
    },
}

#[derive(Debug)]
pub(super) struct Card {
    pub(super) config: FpcConfig,
    pub(super) state: State,
    pub(super) epoch: Epoch,
    /// A logout that was decided and not finished: its cut-off and when.
    pub(super) restarting: Option<(Epoch, Instant)>,
    /// The last logout that was decided: its cut-off and when.
    pub(super) ended: Option<(Epoch, Instant)>,
    /// Announced restart: nobody logs in until then.
    pub(super) frozen: Option<Instant>,
    /// When the schedule is due.
    pub(super) scheduled: Option<Instant>,
    /// When it last was.
    pub(super) ran: Option<Instant>,
    pub(super) restarts: u64,
    /// Its epoch comes from the clock alone: it has no record, and no member has told of one.
    pub(super) fresh: bool,
    /// When another member told that it restarts.
    pub(super) told: Option<Instant>,
    /// What was last reported of each of its ports; `None`: nothing yet.
    pub(super) links: Vec<Option<LinkEvent>>,
}

impl Card {
    /// Whether the ports that are lost make a lost card.
    pub(super) fn is_lost(&self) -> bool {
        let down = |link: &Option<LinkEvent>| matches!(link, Some(LinkEvent::Down | LinkEvent::Removed));
        !self.links.is_empty()
            && match self.config.trigger {
                Trigger::AllPorts => self.links.iter().all(down),
                Trigger::AnyPort => self.links.iter().any(down),
            }
    }

    pub(super) fn is_up(&self) -> bool {
        self.links.contains(&Some(LinkEvent::Up)) && !self.is_lost()
    }

    /// When it wants to be looked at; whoever does not decide on restarts does not look at lost links.
    pub(super) fn deadline(&self, keeper: bool) -> Option<Instant> {
        let lost = match self.state {
            State::Lost { since } if keeper => Some(since + self.config.hold_down),
            _ => None,
        };
        [lost, self.frozen, self.scheduled].into_iter().flatten().min()
    }
}
