//! What an operator enters and takes away (SN-6, SN-53).

use thiserror::Error;

use super::Delegation;
use super::event::{Event, Why};
use super::origin::{Root, Source, Standing};
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};

/// What is entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The subnet.
    pub subnet: Subnet,
    /// The longest lease of it; `None`: without a limit of its own.
    pub maximum: Option<Duration>,
    /// Nobody has any of it, whatever this server may have forgotten.
    pub fresh: bool,
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entered {
    /// It can be given.
    Ready,
    /// It rests, because this server has no record of former times, in which it may have been given (H-SN-3).
    Uncertain,
    /// It was there; its longest lease is another from now on. What was promised holds.
    Changed,
}

/// Why a subnet was not entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum AddError {
    /// It has been entered already.
    #[error("{0} has been entered already")]
    Twice(Subnet),
    /// It has addresses in common with one that is administered here.
    #[error("it overlaps {0}, which is administered here")]
    Overlaps(Subnet),
}

impl Delegation {
    /// Enters a subnet at this server, for good. `maximum` limits leases of it. Nobody has any of it.
    pub fn handle_add(&mut self, subnet: Subnet, maximum: Option<Duration>, now: Instant) -> Result<(), AddError> {
        self.handle_enter(Entry { subnet, maximum, fresh: true }, now).map(drop)
    }

    /// The same, of which somebody may have parts if this server has lost its table (H-SN-3).
    pub fn handle_enter(&mut self, entry: Entry, now: Instant) -> Result<Entered, AddError> {
        let Entry { subnet, maximum, fresh } = entry;
        let source = Source::Operator { maximum };
        let entered = if let Some(root) = self.roots.get_mut(&subnet).filter(|root| root.contract().is_none()) {
            let entered = match root.standing {
                // It was taken away, and has not gone yet.
                Standing::Deprecated => Entered::Ready,
                Standing::Uncertain { .. } if fresh => Entered::Ready,
                _ if root.source != source => Entered::Changed,
                _ => return Err(AddError::Twice(subnet)),
            };
            root.source = source;
            if entered == Entered::Ready {
                (root.standing, root.uncertain) = (Standing::Active, false);
            }
            entered
        } else {
            self.space.add_root(subnet).map_err(AddError::Overlaps)?;
            let until = self.forgotten_until(maximum, now).filter(|_| !fresh);
            let standing = until.map_or(Standing::Active, |until| Standing::Uncertain { until });
            self.roots.insert(subnet, Root { uncertain: until.is_some(), ..Root::new(source, standing) });
            if let Some(until) = until {
                self.tell(Event::Uncertain { subnet, time: until.since(now) });
                self.note_forgotten(now);
            }
            if until.is_some() { Entered::Uncertain } else { Entered::Ready }
        };
        self.persist_root(&subnet);
        self.settle(now);
        Ok(entered)
    }

    /// Whether an operator has entered exactly this subnet here.
    pub fn is_entered(&self, subnet: &Subnet) -> bool {
        self.roots.get(subnet).is_some_and(|root| root.contract().is_none())
    }

    /// Takes a subnet away: nothing of it is given any more, lessees are asked for what they have of it, and when all is back
    /// it is gone. `false`: no operator has entered it.
    pub fn handle_remove(&mut self, subnet: &Subnet, now: Instant) -> bool {
        if self.roots.get(subnet).is_none_or(|root| root.contract().is_some()) {
            return false;
        }
        if self.space.is_free(subnet) {
            self.lose_root(subnet, Why::Removed, now);
        } else {
            self.deprecate_root(subnet, now);
        }
        self.settle(now);
        true
    }
}
