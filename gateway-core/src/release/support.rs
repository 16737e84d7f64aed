//! Whether a server answers leasequery, and when it may be asked (RFC 4388 section 6.4, wire.md 1.6).

use super::config::Verify;
use crate::time::{Duration, Instant};

/// To a server not known to answer: at most one query per this.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// Queries without an answer until the server counts as silent, where verification is optional.
const PROBES: u8 = 2;
/// The same where it is not.
const PROBES_INSISTING: u8 = 7;
/// How long silence is remembered.
const SILENT_FOR: Duration = Duration::from_secs(3600);
/// A server that answers and then stops is no longer known to answer after this.
const LIVENESS: Duration = Duration::from_secs(60);
/// To a server that answers: so many queries at once.
const OUTSTANDING: usize = 100;

/// ```text
/// UNKNOWN ──an answer──▶ ANSWERS ──none for 60 s although asked──▶ UNKNOWN
///    └──2 (7) probes, 10 s apart, without one──▶ SILENT ──1 h──▶ UNKNOWN
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Support {
    Unknown { probes: u8, next: Instant },
    Answers { last: Instant },
    Silent { until: Instant },
}

impl Support {
    pub(super) const UNKNOWN: Self = Self::Unknown { probes: 0, next: Instant::ZERO };

    pub(super) fn refresh(&mut self, now: Instant) {
        if matches!(self, Self::Silent { until } if *until <= now) {
            *self = Self::UNKNOWN;
        }
    }

    /// When a query may go out, with `outstanding` under way; `None`: not before something else happens.
    pub(super) fn may_ask(&self, outstanding: usize) -> Option<Instant> {
        match *self {
            Self::Unknown { next, .. } if outstanding == 0 => Some(next),
            Self::Answers { .. } if outstanding < OUTSTANDING => Some(Instant::ZERO),
            _ => None,
        }
    }

    pub(super) fn asked(&mut self, now: Instant) {
        if let Self::Unknown { probes, next } = self {
            *probes = probes.saturating_add(1);
            *next = now + PROBE_EVERY;
        }
    }

    /// Returns whether this is news.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        let news = !matches!(self, Self::Answers { .. });
        *self = Self::Answers { last: now };
        news
    }

    /// A query got no answer. Returns whether the server counts as silent from now on.
    pub(super) fn unanswered(&mut self, verify: Verify, now: Instant) -> bool {
        let enough = if verify == Verify::Leasequery { PROBES_INSISTING } else { PROBES };
        match *self {
            Self::Unknown { probes, .. } if probes >= enough => {
                *self = Self::Silent { until: now + SILENT_FOR };
                true
            }
            Self::Answers { last } if now.since(last) >= LIVENESS => {
                *self = Self::Unknown { probes: 0, next: now };
                false
            }
            _ => false,
        }
    }
}
