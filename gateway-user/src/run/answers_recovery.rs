//! What is shown of recoveries.

use gateway_core::line::Line;
use gateway_core::node::{Difference, Done, Purpose, RecoveryView, Side, What};
use gateway_core::time::Instant;

use super::Gateway;
use crate::control::protocol::{self, Response};
use crate::dataplane::pinned::vlan;

impl Gateway {
    /// Every server that was asked.
    pub(super) fn show_recoveries(&self, now: Instant) -> Response {
        Response::Recoveries(self.node.recoveries().map(|view| self.recovery(view, now)).collect())
    }

    fn recovery(&self, view: &RecoveryView, now: Instant) -> protocol::Recovery {
        let tally = view.tally;
        let outcome = view.ended.as_ref().map(|(_, outcome)| outcome);
        protocol::Recovery {
            server: view.server.to_string(),
            purpose: match view.purpose {
                Purpose::Restore => "restore",
                Purpose::Compare => "compare",
            }
            .to_owned(),
            age: now.since(view.began).as_secs(),
            outcome: outcome
                .map(|outcome| outcome.as_ref().map_or_else(ToString::to_string, |()| "complete".to_owned())),
            complete: outcome.is_some_and(Result::is_ok),
            told: tally.told,
            same: tally.same,
            only_there: tally.only_there,
            only_here: tally.only_here,
            other: tally.other,
            restored: tally.restored,
            extended: tally.extended,
            refused: tally.refused,
            unreadable: tally.unreadable,
            cut_off: tally.cut_off,
            differences: view.differences.iter().map(|difference| self.difference(difference, now)).collect(),
        }
    }

    fn difference(&self, difference: &Difference, now: Instant) -> protocol::Difference {
        let side = |side: Side| protocol::Side {
            port: side.line.map(|line: Line| self.port_name(line.port)),
            vlan: side.line.map(|line| vlan(&line.tags)).unwrap_or_default(),
            mac: side.hardware.map(|hardware| hardware.to_string()),
            expires_in: (side.expires != Instant::NEVER).then(|| side.expires.since(now).as_secs()),
        };
        protocol::Difference {
            lease: difference.lease.to_string(),
            what: match difference.what {
                What::OnlyThere => "only-there",
                What::OnlyHere => "only-here",
                What::Client => "client",
                What::Line => "line",
                What::Expiry => "expiry",
            }
            .to_owned(),
            there: difference.there.map(side),
            here: difference.here.map(side),
            done: match difference.done {
                Done::Left => "left alone".to_owned(),
                Done::Restored => "restored".to_owned(),
                Done::Extended => "extended".to_owned(),
                Done::Refused(refusal) => format!("refused: {refusal}"),
                Done::Unreadable(why) => format!("not recoverable: {why}"),
                Done::CutOff { asked: true } => "a logout was to end it: the server is asked to release it".to_owned(),
                Done::CutOff { asked: false } => "a logout was to end it".to_owned(),
            },
        }
    }
}
