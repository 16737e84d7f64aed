//! What an operator enters and takes away (SN-6, SN-53).

use thiserror::Error;

use super::Delegation;
use super::event::Why;
use super::origin::{Root, Source, Standing};
use crate::subnet::Subnet;
use crate::time::{Duration, Instant};

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
    /// Enters a subnet at this server, for good. `maximum` limits leases of it.
    pub fn handle_add(&mut self, subnet: Subnet, maximum: Option<Duration>, now: Instant) -> Result<(), AddError> {
        if let Some(root) = self.roots.get_mut(&subnet).filter(|root| root.contract().is_none()) {
            if root.standing != Standing::Deprecated {
                return Err(AddError::Twice(subnet));
            }
            // It was taken away, and has not gone yet.
            (root.source, root.standing) = (Source::Operator { maximum }, Standing::Active);
        } else {
            self.space.add_root(subnet).map_err(AddError::Overlaps)?;
            self.roots.insert(subnet, Root::new(Source::Operator { maximum }, Standing::Active));
        }
        self.persist_root(&subnet);
        self.settle(now);
        Ok(())
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
