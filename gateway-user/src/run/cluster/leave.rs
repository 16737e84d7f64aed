//! The planned end of a member: the others have its units before it goes.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use gateway_core::cluster::Request;

use crate::cluster::door::Input;
use crate::run::Gateway;

/// How long the others may take; after that they have to notice by themselves.
pub(in crate::run) const PATIENCE: Duration = Duration::from_secs(5);

impl Gateway {
    /// Asks the master to give this member's units away; [`Gateway::has_left`] tells when that is done. False outside
    /// of a cluster: then the end need not wait.
    pub(in crate::run) fn leave(&mut self) -> bool {
        let Some(membership) = &self.membership else { return false };
        // It is always granted, so nobody waits for the answer.
        let (answer, _) = sync_channel(1);
        membership.tell(Input::Operator(Request::Exit, answer));
        tracing::info!("leaving the cluster: the others take this member's units");
        true
    }

    /// Whether this member is no longer in its cluster.
    pub(in crate::run) fn has_left(&self) -> bool {
        self.membership.as_ref().is_some_and(|membership| membership.left)
    }
}
