//! The paths that members' streams take.

use gateway_core::association::{AssociationView, LocalView, Outcome, PathState, PeerView};
use gateway_core::time::Instant;
use serde::{Deserialize, Serialize};

/// What carries the stream to a member.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Stream {
    /// "tcp", "sctp", or "none" where there is no stream.
    pub transport: String,
    /// Why it is not SCTP, which could change its addresses; or why SCTP can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Seconds since it began: no change of addresses has ended it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<f64>,
    /// With TCP one; with SCTP one for each of the member's addresses, and each of ours that it may send to.
    pub paths: Vec<Path>,
    /// The last change of its addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<AddressChange>,
}

/// An address that is sent to, or that is to be sent to.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Path {
    /// The address.
    pub address: String,
    /// It is this member's own: the other may send there.
    pub own: bool,
    /// "active", "unconfirmed", "potentially failed", "inactive" (RFC 9260, RFC 7829), "outside".
    pub state: String,
    /// Data goes there unless it is lost; to an own address, as the other was asked.
    pub primary: bool,
    /// Part of the packets that is lost, in percent, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Round trip in milliseconds, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// Milliseconds that an answer is waited for: what is lost with the path is sent elsewhere then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto_ms: Option<u64>,
    /// Why it is not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A change of an association's addresses.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct AddressChange {
    /// What was changed: "add 198.51.100.1".
    pub change: String,
    /// Why.
    pub why: String,
    /// The peer took it, as far as can be seen.
    pub done: bool,
    /// Seconds ago.
    pub ago: f64,
}

impl Stream {
    /// There is no stream.
    pub fn none() -> Self {
        Self { transport: "none".to_owned(), ..Self::default() }
    }

    /// A connection that has the two addresses that it began with.
    pub fn tcp(own: impl ToString, peer: impl ToString, why: impl Into<String>) -> Self {
        let path =
            |address: String, own| Path { address, own, state: "active".to_owned(), primary: true, ..Path::default() };
        let paths = vec![path(peer.to_string(), false), path(own.to_string(), true)];
        Self { transport: "tcp".to_owned(), why: Some(why.into()), paths, ..Self::default() }
    }

    /// The other's addresses.
    pub fn theirs(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().filter(|path| !path.own)
    }

    /// Those of them that answer.
    pub fn live(&self) -> impl Iterator<Item = &Path> {
        self.theirs().filter(|path| path.is_active())
    }

    /// An association as its address manager sees it.
    pub fn sctp(view: &AssociationView, now: Instant) -> Self {
        let last = view.last.map(|last| AddressChange {
            change: last.change.to_string(),
            why: last.why.to_string(),
            done: matches!(last.outcome, Outcome::Acknowledged | Outcome::Assumed),
            ago: now.since(last.at).as_secs_f64(),
        });
        let paths = view.peers.iter().map(peer).chain(view.locals.iter().map(own)).collect();
        let fixed = view.capability.is_some_and(|capability| !capability.extends());
        let why = fixed.then(|| "the other host can't change addresses".to_owned());
        Self { transport: "sctp".to_owned(), why, paths, last, lasts: None }
    }
}

impl Path {
    /// Data can go there.
    pub fn is_active(&self) -> bool {
        self.state == "active"
    }
}

fn peer(view: &PeerView) -> Path {
    let state = match view.state {
        PathState::Unconfirmed => "unconfirmed",
        PathState::Active => "active",
        PathState::PotentiallyFailed => "potentially failed",
        PathState::Inactive => "inactive",
    };
    Path {
        address: view.address.to_string(),
        own: false,
        state: state.to_owned(),
        primary: view.primary,
        loss: view.quality.map(|quality| f64::from(quality.loss) / 10.0),
        rtt_ms: view.quality.and_then(|quality| quality.srtt).map(|srtt| srtt.as_secs_f64() * 1000.0),
        rto_ms: (!view.rto.is_zero()).then_some(view.rto.as_millis() as u64),
        why: view.refusal.map(|refusal| refusal.to_string()),
    }
}

fn own(view: &LocalView) -> Path {
    let state = match (view.member, view.confirmed, view.usable) {
        (false, ..) => "outside",
        (true, false, _) => "unconfirmed",
        (true, true, true) => "active",
        (true, true, false) => "inactive",
    };
    Path {
        address: view.address.to_string(),
        own: true,
        state: state.to_owned(),
        primary: view.primary,
        loss: view.quality.map(|quality| f64::from(quality.loss) / 10.0),
        rtt_ms: None,
        rto_ms: None,
        why: view.refusal.map(|refusal| refusal.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use gateway_core::association::{
        AddressManager, AssociationConfig, Capability, Command, Established, Measurement, PathState, Presence, Quality,
    };
    use gateway_core::time::{Duration, Instant};

    use super::Stream;

    /// SC-7, SC-11: what an operator sees of an association: both ends' addresses, where data goes, how good paths are, what
    /// changed last and why.
    #[test]
    fn an_association_is_shown() {
        let now = Instant::ZERO + Duration::from_secs(100);
        let ip = |text: &str| text.parse().unwrap();
        let mut manager = AddressManager::new(AssociationConfig::default());
        let established = Established {
            locals: vec![(ip("192.0.2.1"), 1)],
            via: ip("192.0.2.1"),
            peers: vec![ip("192.0.2.2"), ip("2001:db8::2")],
            primary: ip("192.0.2.2"),
            capability: Capability { asconf: true, auth: true },
        };
        manager.handle_established(&established, now);
        let quality = Quality { loss: 25, srtt: Some(Duration::from_micros(1500)) };
        let (rto, cwnd, errors, state) = (Duration::from_secs(1), 4380, 0, PathState::Active);
        let measured = Measurement { peer: ip("192.0.2.2"), interface: Some(1), state, quality, rto, cwnd, errors };
        manager.handle_measurements(&[measured], now);
        manager.handle_local(ip("198.51.100.1"), 2, Presence::Up, now);
        let Some(Command::Change { id, .. }) = manager.poll_command() else { panic!("an address is added") };
        manager.handle_result(id, gateway_core::association::Outcome::Acknowledged, now);
        manager.handle_local(ip("10.0.0.1"), 3, Presence::Up, now);
        let stream = Stream::sctp(&manager.view(now), now + Duration::from_secs(4));
        let rows = stream.paths.iter().map(|path| (path.address.as_str(), path.own, path.state.as_str(), path.primary));
        let expected = [
            ("192.0.2.2", false, "active", true),
            ("2001:db8::2", false, "unconfirmed", false),
            ("10.0.0.1", true, "outside", false),
            ("192.0.2.1", true, "active", true),
            ("198.51.100.1", true, "unconfirmed", false),
        ];
        assert_eq!(rows.collect::<Vec<_>>(), expected);
        let measured = |path: usize| (stream.paths[path].loss, stream.paths[path].rtt_ms, stream.paths[path].rto_ms);
        assert_eq!((measured(0), measured(1)), ((Some(2.5), Some(1.5), Some(1000)), (None, None, None)));
        assert_eq!(stream.paths[2].why.as_deref(), Some("a private address that is not allowed"));
        let last = stream.last.expect("a change");
        assert_eq!(
            (last.change.as_str(), last.why.as_str(), last.done, last.ago),
            ("add 198.51.100.1", "it came", true, 4.0)
        );
    }
}
