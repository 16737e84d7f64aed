//! One server's state machine.

use crate::time::{Duration, Instant};

/// Replies in a row without option 82 after which a server counts as one that strips it.
const STRIPS: u8 = 3;

/// What one reply to a relayed message that carried our option 82 says about its server.
///
/// The relay reports every OFFER, ACK, NAK and bulk release reply; this is the whole input of the state machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Observation {
    /// CAP came back with `SERVER_CAPABLE`, a bit that the relay never sets (H-BR-2).
    Capable {
        /// Scopes it accepts in one release, as sent; 0 reads as 1.
        max_scopes: u16,
        /// `WILL_REPLY`: it answers a bulk release.
        will_reply: bool,
    },
    /// CAP came back with `SERVER_REFUSED`: understood, disabled by policy.
    Refused,
    /// CAP came back as it was sent. Every RFC 3046 server does that; it proves nothing (H-BR-2).
    EchoedVerbatim,
    /// Option 82 came back without CAP.
    CapMissing,
    /// The reply had no option 82 although the request did (H-BR-3).
    NoOption82,
    /// The reply carried an authentication sub-option that did not verify. Says nothing about the server.
    AuthenticationFailed,
}

/// What is believed of a server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum State {
    /// Nothing heard, or what was heard is older than the TTL, or the configuration changed.
    #[default]
    Unknown,
    /// Does the single logout.
    Capable,
    /// Understands it and declines.
    Refused,
    /// Plain RFC 3046 server.
    Incapable,
    /// Removes option 82: worth an alarm, because logins lose their scope.
    Stripped,
}

impl State {
    /// For the CLI and the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Capable => "capable",
            Self::Refused => "refused",
            Self::Incapable => "incapable",
            Self::Stripped => "stripped",
        }
    }
}

/// One server, by its configured address.
///
/// ```text
///                 Capable ┌─────────┐
///          ┌─────────────▶│ CAPABLE │◀───────── Capable, from every state
///          │              └─────────┘
///   ┌──────┴──┐   Refused ┌─────────┐
///   │ UNKNOWN ├──────────▶│ REFUSED │◀───────── Refused, from every state
///   └─┬──┬────┘           └─────────┘
///     │  │ EchoedVerbatim ┌───────────┐
///     │  └───────────────▶│ INCAPABLE │◀─────── EchoedVerbatim or CapMissing, from every state
///     │      CapMissing   └───────────┘
///     │  3 × NoOption82   ┌──────────┐
///     └──────────────────▶│ STRIPPED │◀──────── three NoOption82 in a row, from every state
///                         └──────────┘
///   every state ── not confirmed for the TTL, or the configuration changed ──▶ UNKNOWN
/// ```
///
/// When only authenticated replies are believed, one that is not never enters CAPABLE or REFUSED and never leaves
/// them: otherwise one forged OFFER could steer how a whole line card is released.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    pub(super) state: State,
    /// When the state, unless confirmed before, becomes UNKNOWN. Kept rather than the moment of confirmation, which
    /// for a restored record may lie before boot.
    pub(super) stale: Instant,
    /// `stale` as the last stored record has it.
    pub(super) stored: Instant,
    pub(super) strips: u8,
    pub(super) max_scopes: u16,
    pub(super) will_reply: bool,
    /// Observations without effect because they were not authenticated, or failed to verify.
    pub(super) disbelieved: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server of which nothing is known.
    pub const fn new() -> Self {
        Self {
            state: State::Unknown,
            stale: Instant::ZERO,
            stored: Instant::ZERO,
            strips: 0,
            max_scopes: 0,
            will_reply: false,
            disbelieved: 0,
        }
    }

    /// Takes in one observation. `authenticated` means that the reply's authentication sub-option verified.
    /// Returns whether the state or what is known with it changed.
    pub fn hear(
        &mut self,
        observation: Observation,
        authenticated: bool,
        authenticated_only: bool,
        ttl: Duration,
        now: Instant,
    ) -> bool {
        self.expire(now);
        let trusted = authenticated || !authenticated_only;
        let guarded = matches!(self.state, State::Capable | State::Refused)
            || matches!(observation, Observation::Capable { .. } | Observation::Refused);
        if observation == Observation::AuthenticationFailed || (guarded && !trusted) {
            self.disbelieved += 1;
            return false;
        }
        if observation == Observation::NoOption82 {
            self.strips = self.strips.saturating_add(1);
            return self.strips >= STRIPS && self.enter(State::Stripped, 0, false, now + ttl);
        }
        self.strips = 0;
        match observation {
            Observation::Capable { max_scopes, will_reply } => {
                self.enter(State::Capable, max_scopes.max(1), will_reply, now + ttl)
            }
            Observation::Refused => self.enter(State::Refused, 0, false, now + ttl),
            _ => self.enter(State::Incapable, 0, false, now + ttl),
        }
    }

    fn enter(&mut self, state: State, max_scopes: u16, will_reply: bool, stale: Instant) -> bool {
        let changed = (self.state, self.max_scopes, self.will_reply) != (state, max_scopes, will_reply);
        (self.state, self.max_scopes, self.will_reply, self.stale) = (state, max_scopes, will_reply, stale);
        changed
    }

    fn expire(&mut self, now: Instant) {
        if self.state(now) == State::Unknown && self.state != State::Unknown {
            *self = Self { disbelieved: self.disbelieved, ..Self::new() };
        }
    }

    /// The state, which is UNKNOWN once it was not confirmed for the TTL.
    pub fn state(&self, now: Instant) -> State {
        if now >= self.stale { State::Unknown } else { self.state }
    }

    /// Time until the state becomes UNKNOWN unless it is confirmed; its age is the TTL less this.
    pub fn remaining(&self, now: Instant) -> Duration {
        self.stale.since(now)
    }

    /// Scopes it takes in one release; 0 unless it is capable.
    pub fn max_scopes(&self) -> u16 {
        self.max_scopes
    }

    /// Whether it said that it answers a bulk release.
    pub fn will_reply(&self) -> bool {
        self.will_reply
    }

    /// Observations without effect because they were not authenticated, or failed to verify.
    pub fn disbelieved(&self) -> u64 {
        self.disbelieved
    }
}
