//! Certificates while connections stand: one may be revoked, and each ends some day (H-CL-9).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::tls::{Peer, Tls};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Certificates end without anybody's doing: they are looked at again after this many looks without a change.
const IDLE: u32 = 60;
/// The operator is reminded of the own certificate's end after this many looks, beside at the start and when it changed.
const REMIND: u32 = 6 * 3600;
/// Days before a certificate's end at which the operator is told.
const AHEAD: [u64; 4] = [1, 7, 14, 30];

/// Looks at the files, and says when standing connections are to be asked about. Ends with them.
pub(super) async fn look(tls: Arc<Tls>, again: watch::Sender<()>) {
    let (mut idle, mut silent, mut known) = (0u32, 0u32, tls.generation());
    remind(&tls);
    while !again.is_closed() {
        tokio::time::sleep(LOOK).await;
        let generation = tls.generation();
        let changed = std::mem::replace(&mut known, generation) != generation;
        (idle, silent) = (idle + 1, silent + 1);
        if changed || silent >= REMIND {
            silent = 0;
            remind(&tls);
        }
        if changed || idle >= IDLE {
            idle = 0;
            // Without a connection there is nobody to hear it.
            let _ = again.send(());
        }
    }
}

/// Returns when a peer would not be let in any more.
pub(super) async fn until_refused(tls: &Tls, peer: &Peer, mut again: watch::Receiver<()>) -> io::Result<()> {
    again.mark_unchanged();
    while again.changed().await.is_ok() {
        if let Err(refused) = tls.admits(peer) {
            return Err(io::Error::other(format!("refused now: {refused}")));
        }
    }
    // Nobody looks any more: the gateway ends.
    std::future::pending().await
}

fn remind(tls: &Tls) {
    match remaining(tls) {
        Remaining::Enough => {}
        Remaining::Days(days, why) => {
            tracing::warn!(
                "within {days} days the other members refuse this one: {why}; would do: gateway cluster issue --renew"
            );
        }
        Remaining::None(why) => {
            tracing::error!("the other members refuse this one: {why}; would do: gateway cluster issue --renew");
        }
    }
}

/// How long our own certificate is good for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Remaining {
    /// For longer than anybody has to know.
    Enough,
    /// At most for so many days.
    Days(u64, String),
    /// It is not.
    None(String),
}

pub(super) fn remaining(tls: &Tls) -> Remaining {
    let ours = |refused: super::tls::Refused| refused.to_string().replacen("its certificate", "our certificate", 1);
    if let Err(refused) = tls.check(Duration::ZERO) {
        return Remaining::None(ours(refused));
    }
    let ends = |days: &&u64| tls.check(Duration::from_secs(**days * 86_400)).is_err();
    match AHEAD.iter().find(ends) {
        Some(days) => Remaining::Days(*days, "our certificate ends".to_owned()),
        None => Remaining::Enough,
    }
}
