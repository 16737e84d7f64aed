//! Whether a server answers leasequery (RFC 4388), how that is found out, and how long it is remembered.
//!
//! ```text
//!            ┌──────── an answer, however late ────────┐
//!            ▼                                         │
//! UNKNOWN ──an answer──▶ ANSWERS ──none for 60 s although asked──▶ UNKNOWN
//!    └──a trial without one──▶ SILENT ──24 h──▶ UNKNOWN
//! ```
//! A trial is up to [`TRIALS`] questions at once, each repeated by the timers of RFC 5007, for a few seconds in all. It is
//! denser than the one question per 10 s that RFC 4388 section 6.4 grants a server not known to answer, so that a release
//! need not wait for a minute; after it a silent server gets one question per 10 s at most, and nobody waits for it.

use core::net::Ipv4Addr;

use crate::time::{Duration, Instant};

/// Until a question is repeated (LQ_TIMEOUT of RFC 5007).
pub(crate) const LQ_TIMEOUT: Duration = Duration::from_secs(1);
/// It is doubled up to this (LQ_MAX_RT).
pub(crate) const LQ_MAX_RT: Duration = Duration::from_secs(10);
/// How long a trial lasts where nothing shall wait for it: three transmissions, a second apart.
pub const TRIAL: Duration = Duration::from_millis(2500);
/// How long where an answer is insisted on: LQ_MAX_RC (5) transmissions with the waits of RFC 5007, 1 + 2 + 4 + 8 + 10 s.
pub(crate) const TRIAL_INSISTING: Duration = Duration::from_secs(25);
/// Questions at once in a trial.
const TRIALS: usize = 4;
/// To a server that answers: so many questions at once.
const OUTSTANDING: usize = 100;
/// A server that answered and now does not for this long…
const PATIENCE: Duration = Duration::from_secs(5);
/// …while so many waits ended in vain gets no more than [`TRIALS`] questions at once.
const MISSED: u8 = 8;
/// A server that answered and then stopped is no longer known to answer after this.
const LIVENESS: Duration = Duration::from_secs(60);
/// To a server that is known to be silent: at most one question per this (RFC 4388 section 6.4).
const SILENT_EVERY: Duration = Duration::from_secs(10);
/// How long what was found out is believed.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Where the records live in the store.
pub const LEASEQUERY_PREFIX: &[u8] = b"leasequery/";

const VERSION: u8 = 1;

/// What was found out about a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leasequery {
    /// Whether it answers.
    pub answers: bool,
    /// When that ends to be believed; it was found out 24 h before.
    pub(super) stale: Instant,
}

impl Leasequery {
    pub(super) fn new(answers: bool, now: Instant) -> Self {
        Self { answers, stale: now + REMEMBERED }
    }

    /// Time since it was found out.
    pub fn age(&self, now: Instant) -> Duration {
        known_for(self.stale, now)
    }

    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.stale <= now
    }

    pub(super) fn key(server: Ipv4Addr) -> Vec<u8> {
        [LEASEQUERY_PREFIX, &server.octets()].concat()
    }

    /// `version:1 = 1   configuration:8   answers:1   stale:8`, big-endian, `stale` in Unix seconds.
    pub(super) fn encode(&self, configuration: u64, unix_offset: Duration) -> Vec<u8> {
        let stale = unix_offset.as_secs().saturating_add(self.stale.since(Instant::ZERO).as_secs());
        let mut value = vec![VERSION];
        value.extend(configuration.to_be_bytes());
        value.push(u8::from(self.answers));
        value.extend(stale.to_be_bytes());
        value
    }

    /// `None` when the record is not ours, is damaged, or was made under another configuration.
    pub(super) fn decode(
        key: &[u8],
        value: &[u8],
        configuration: u64,
        unix_offset: Duration,
    ) -> Option<(Ipv4Addr, Self)> {
        let address: [u8; 4] = key.strip_prefix(LEASEQUERY_PREFIX)?.try_into().ok()?;
        let value: &[u8; 18] = value.try_into().ok()?;
        let found_under = u64::from_be_bytes(value[1..9].try_into().ok()?);
        if value[0] != VERSION || found_under != configuration || value[9] > 1 {
            return None;
        }
        let stale = Duration::from_secs(u64::from_be_bytes(value[10..18].try_into().ok()?));
        let stale = Instant::ZERO + stale.saturating_sub(unix_offset);
        Some((address.into(), Self { answers: value[9] == 1, stale }))
    }
}

fn known_for(stale: Instant, now: Instant) -> Duration {
    REMEMBERED.saturating_sub(stale.since(now))
}

/// One asker's view of a server: the diagram of the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Support {
    /// `began`: the trial under way.
    Unknown { began: Option<Instant> },
    /// `missed`: waits that ended in vain, [`PATIENCE`] after the last answer.
    Answers { last: Instant, missed: u8 },
    /// `next`: when a question may go out again that nobody waits for.
    Silent { until: Instant, next: Instant },
}

/// What a wait that ended without an answer means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unanswered {
    /// Repeat the question, or give it up.
    Repeat,
    /// The server is no longer known to answer: all questions start over, as a trial.
    Lost,
    /// The trial is over: the server counts as silent from now on.
    Silent,
}

impl Support {
    pub(crate) const UNKNOWN: Self = Self::Unknown { began: None };

    /// Takes in what others found out, and forgets what is too old.
    pub(crate) fn refresh(&mut self, known: Option<Leasequery>, now: Instant) {
        if matches!(self, Self::Silent { until, .. } if *until <= now) {
            *self = Self::UNKNOWN;
        }
        let Some(Leasequery { answers, stale }) = known else { return };
        let found = now - known_for(stale, now);
        match (answers, *self) {
            (true, Self::Unknown { began: None }) => *self = Self::Answers { last: found, missed: 0 },
            // What was found out before the silence says nothing.
            (true, Self::Silent { until, .. }) if stale > until => *self = Self::Answers { last: found, missed: 0 },
            (false, Self::Unknown { began: None }) => *self = Self::Silent { until: stale, next: now },
            _ => {}
        }
    }

    /// It used to answer, and has not for a while: a few questions at a time, once each, show when it does again.
    pub(crate) fn stopped(&self) -> bool {
        matches!(self, Self::Answers { missed: MISSED.., .. })
    }

    /// Whether a question that is waited for may go out with `outstanding` under way.
    pub(crate) fn may_ask(&self, outstanding: usize) -> bool {
        match *self {
            Self::Unknown { .. } => outstanding < TRIALS,
            Self::Answers { .. } => outstanding < if self.stopped() { TRIALS } else { OUTSTANDING },
            Self::Silent { .. } => false,
        }
    }

    /// A question goes out. Returns how long it waits for its answer; `transmission` is 1 for the first. `window` is how
    /// long a trial lasts.
    pub(crate) fn asked(&mut self, transmission: u8, window: Duration, now: Instant) -> Duration {
        let doubled = LQ_TIMEOUT.saturating_mul(1 << transmission.clamp(1, 5).saturating_sub(1)).min(LQ_MAX_RT);
        match self {
            Self::Unknown { began } => {
                // A trial whose questions were all dropped counts for nothing.
                let began = began.insert(began.filter(|began| *began + window > now).unwrap_or(now));
                let ends = *began + window;
                // A short trial has no time for doubling.
                let wait = if window < TRIAL_INSISTING { LQ_TIMEOUT } else { doubled };
                wait.min(ends.since(now))
            }
            _ => doubled,
        }
    }

    /// Whether a silent server may get a question that nobody waits for; takes note that it does.
    pub(crate) fn ask_in_passing(&mut self, now: Instant) -> bool {
        match self {
            Self::Silent { next, .. } if *next <= now => {
                *next = now + SILENT_EVERY;
                true
            }
            _ => false,
        }
    }

    /// Returns whether this is news.
    pub(crate) fn answered(&mut self, now: Instant) -> bool {
        let news = !matches!(self, Self::Answers { .. });
        *self = Self::Answers { last: now, missed: 0 };
        news
    }

    /// A question waited in vain.
    pub(crate) fn unanswered(&mut self, window: Duration, now: Instant) -> Unanswered {
        match self {
            Self::Unknown { began: Some(began) } if *began + window <= now => {
                *self = Self::Silent { until: now + REMEMBERED, next: now + SILENT_EVERY };
                Unanswered::Silent
            }
            Self::Answers { last, .. } if now.since(*last) >= LIVENESS => {
                *self = Self::Unknown { began: Some(now) };
                Unanswered::Lost
            }
            Self::Answers { last, missed } => {
                *missed = missed.saturating_add(u8::from(now.since(*last) >= PATIENCE));
                Unanswered::Repeat
            }
            _ => Unanswered::Repeat,
        }
    }
}
