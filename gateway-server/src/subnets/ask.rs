//! What an operator asks and does while the server runs.

use gateway_core::subnet::Subnet;
use gateway_core::time::Instant;
use tokio::sync::oneshot;

use super::{Root, Subnets, SubnetsView};
use crate::server::Server;

/// What an operator does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubnetsChange {
    /// Enters a subnet here.
    Add(Root),
    /// Takes away what an operator entered here.
    Remove {
        /// The subnet.
        subnet: Subnet,
    },
}

/// A question under way: perhaps a change, and what there is afterwards.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) change: Option<SubnetsChange>,
    pub(crate) answer: oneshot::Sender<Result<SubnetsView, String>>,
}

impl Ask {
    /// Answers that there is no delegation.
    pub(crate) fn decline(self) {
        let _ = self.answer.send(Err("no [dhcp_server.delegation] is configured here".to_owned()));
    }
}

impl Subnets {
    /// Carries a change out.
    pub(crate) fn change(&mut self, change: &SubnetsChange, server: &Server, now: Instant) -> Result<(), String> {
        match change {
            SubnetsChange::Add(root) => self.add(root, server, now),
            SubnetsChange::Remove { subnet } if self.remove(subnet, now) => Ok(()),
            SubnetsChange::Remove { subnet } => Err(format!("{subnet} was not entered here")),
        }
    }
}
