//! What an operator enters and takes away (SN-6, SN-53).

use thiserror::Error;

use super::Delegation;
use super::event::{Event, Why};
use super::origin::{Root, Source, Standing};
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};
use crate::wire::subnet_allocation::PREFIX_MAX;

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
    /// Nobody can ask for so small a one.
    #[error("{0} is too small: the smallest subnet that servers can ask for is a /30")]
    Small(Subnet),
    /// No lease of it would be long enough to begin.
    #[error("its longest lease would be {0:?}, and none of less than {1:?} is given")]
    Short(Duration, Duration),
}

impl Delegation {
    /// Enters a subnet at this server, for good. `maximum` limits leases of it. Nobody has any of it.
    pub fn handle_add(&mut self, subnet: Subnet, maximum: Option<Duration>, now: Instant) -> Result<(), AddError> {
        self.handle_enter(Entry { subnet, maximum, fresh: true }, now).map(drop)
    }

    /// The same, of which somebody may have parts if this server has lost its table (H-SN-3).
    pub fn handle_enter(&mut self, entry: Entry, now: Instant) -> Result<Entered, AddError> {
        let Entry { subnet, maximum, fresh } = entry;
        let least = self.config.constants.least_lease;
        if subnet.prefix() > PREFIX_MAX {
            return Err(AddError::Small(subnet));
        }
        if let Some(maximum) = maximum.filter(|maximum| *maximum < least) {
            return Err(AddError::Short(maximum, least));
        }
        let source = Source::Operator { maximum };
        let until = self.forgotten_until(maximum, now).filter(|_| !fresh);
        let entered = if let Some(root) = self.roots.get_mut(&subnet).filter(|root| root.contract().is_none()) {
            let entered = match root.standing {
                // It was taken away, and has not gone yet.
                Standing::Deprecated if until.is_some() => Entered::Uncertain,
                Standing::Deprecated => Entered::Ready,
                Standing::Uncertain { .. } if fresh => Entered::Ready,
                _ if root.source != source => Entered::Changed,
                _ => return Err(AddError::Twice(subnet)),
            };
            root.source = source;
            match (entered, until) {
                (Entered::Ready, _) => (root.standing, root.uncertain) = (Standing::Active, false),
                (Entered::Uncertain, Some(until)) => {
                    (root.standing, root.uncertain) = (Standing::Uncertain { until }, true);
                }
                _ => {}
            }
            entered
        } else {
            self.space.add_root(subnet).map_err(AddError::Overlaps)?;
            let standing = until.map_or(Standing::Active, |until| Standing::Uncertain { until });
            self.roots.insert(subnet, Root { uncertain: until.is_some(), ..Root::new(source, standing) });
            if until.is_some() { Entered::Uncertain } else { Entered::Ready }
        };
        if let Some(until) = until.filter(|_| entered == Entered::Uncertain) {
            self.tell(Event::Uncertain { subnet, time: until.since(now) });
            self.note_forgotten(now);
        }
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
