//! What members' streams run over, for who looks, and what becomes of it.

use std::net::Ipv4Addr;

use gateway_core::association::Event;
use gateway_core::member::MemberId;
use gateway_core::time::Instant;

use super::membership::Membership;
use super::words;
use crate::cluster::over::Carrier;
use crate::control::protocol::Stream;
use crate::run::Gateway;

/// Changes of associations' addresses since the start, of all members.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::run) struct PathCounts {
    /// That were made.
    pub(in crate::run) changes: u64,
    /// That were refused, or not answered.
    pub(in crate::run) failures: u64,
    /// Associations that were given up.
    pub(in crate::run) reconnects: u64,
}

impl PathCounts {
    fn count(&mut self, event: &Event) {
        match event {
            Event::Changed { .. } => self.changes += 1,
            Event::Failed { .. } => self.failures += 1,
            Event::Reconnects(_) => self.reconnects += 1,
            Event::NotAdded { .. } | Event::CannotAdd { .. } | Event::Unwanted { .. } | Event::Stranded => {}
        }
    }
}

impl Membership {
    /// The stream to a member, between these addresses as they are configured.
    pub(in crate::run) fn stream(&self, member: MemberId, own: Ipv4Addr, peer: Ipv4Addr, now: Instant) -> Stream {
        let Some(stream) = self.streams.get(&member) else { return Stream::none() };
        let of = match &stream.carrier {
            Carrier::Sctp(view) => Stream::sctp(&view.borrow(), now),
            Carrier::Tcp(why) => Stream::tcp(own, peer, &**why),
        };
        Stream { lasts: Some(now.since(stream.since).as_secs_f64()), ..of }
    }
}

impl Gateway {
    /// Something has become of the addresses of an association with a member.
    pub(in crate::run) fn tell_path(&mut self, member: MemberId, event: &Event, now: Instant) {
        let (Some(cluster), Some(membership)) = (&self.config.cluster, &mut self.membership) else { return };
        membership.paths.count(event);
        let text = words::path(cluster, member, event);
        self.say("path", words::is_path_warning(event), text, now);
    }
}

#[cfg(test)]
mod tests {
    use gateway_core::association::{Change, Outcome, Reason, Why};

    use super::*;

    #[test]
    fn what_is_counted() {
        let mut counts = PathCounts::default();
        let change = Change::Add([192, 0, 2, 1].into());
        counts.count(&Event::Changed { change, why: Why::Came });
        counts.count(&Event::Failed { change, outcome: Outcome::TimedOut });
        counts.count(&Event::Stranded);
        counts.count(&Event::Reconnects(Reason::NoAsconf));
        assert_eq!(counts, PathCounts { changes: 1, failures: 1, reconnects: 1 });
    }
}
