//! What every part of a release has at hand during one call.

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use super::command::{Command, Event};
use super::config::ReleaseConfig;
use super::context::Context;
use super::progress::Counters;
use crate::time::{Duration, Instant};
use crate::wire::relay_auth;

pub(super) struct Desk<'a, 'c> {
    pub(super) config: &'a ReleaseConfig,
    pub(super) context: &'a mut Context<'c>,
    pub(super) commands: &'a mut VecDeque<Command>,
    pub(super) counters: &'a mut Counters,
    pub(super) now: Instant,
}

impl Desk<'_, '_> {
    pub(super) fn tell(&mut self, event: Event) {
        self.commands.push_back(Command::Tell(event));
    }

    pub(super) fn random(&mut self) -> u64 {
        (self.context.random)()
    }

    /// 32 random bits: an xid.
    pub(super) fn xid(&mut self) -> u32 {
        (self.random() >> 32) as u32
    }

    /// Sends a finished message. With `sign` and a key, it is signed first; every transmission draws a fresh replay counter.
    pub(super) fn send(&mut self, giaddr: Ipv4Addr, server: Ipv4Addr, unsigned: Vec<u8>, sign: bool) {
        let key = self.config.key.as_ref().filter(|_| sign);
        let signed = key.map(|key| relay_auth::append_and_sign(&unsigned, key, (self.context.replay)(server)));
        let payload = match signed {
            Some(Ok(signed)) => signed,
            Some(Err(relay_auth::NotSignable)) => {
                self.counters.unsigned += 1;
                unsigned
            }
            None => unsigned,
        };
        self.commands.push_back(Command::SendToServer { giaddr, server, payload });
    }
}

/// The desk of one call, out of the parts of [`super::Releases`] that a release does not work on.
macro_rules! desk {
    ($self:ident, $context:expr, $now:expr) => {
        &mut Desk {
            config: &$self.config,
            context: $context,
            commands: &mut $self.commands,
            counters: &mut $self.counters,
            now: $now,
        }
    };
}
pub(super) use desk;

/// When a restart was decided. The gateway's host may have restarted since, so the moment may lie before
/// [`Instant::ZERO`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Decision {
    /// The moment, or zero.
    pub(crate) at: Instant,
    /// How long before boot it was.
    pub(crate) before_boot: Duration,
}

impl Decision {
    pub(crate) fn new(at: Instant) -> Self {
        Self { at, before_boot: Duration::ZERO }
    }

    /// `unix_offset` is the Unix time of [`Instant::ZERO`].
    pub(crate) fn from_unix(unix: Duration, unix_offset: Duration) -> Self {
        Self { at: Instant::ZERO + unix.saturating_sub(unix_offset), before_boot: unix_offset.saturating_sub(unix) }
    }

    pub(crate) fn to_unix(self, unix_offset: Duration) -> Duration {
        (unix_offset + self.at.since(Instant::ZERO)).saturating_sub(self.before_boot)
    }

    pub(crate) fn age(self, now: Instant) -> Duration {
        now.since(self.at) + self.before_boot
    }

    /// `secs` of a bulk release; `None` when it is older than the field can say.
    pub(super) fn secs(self, now: Instant) -> Option<u16> {
        u16::try_from(self.age(now).as_secs()).ok()
    }
}

/// First retransmission.
const IRT: Duration = Duration::from_secs(1);

/// How long a reply is waited for: RT1 = IRT + RAND IRT, RTn = 2 RTprev + RAND RTprev (RFC 8415 section 15).
pub(crate) fn patience(previous: Option<Duration>, random: u64) -> Duration {
    match previous {
        Some(previous) => jittered(previous * 2, previous, random),
        None => jittered(IRT, IRT, random),
    }
}

/// Until logins that were given up are tried again: doubled each time…
const RETRY: Duration = Duration::from_secs(60);
/// …up to this.
const RETRY_MOST: Duration = Duration::from_secs(3600);

/// Until the attempt after this one; the first is 1.
pub(crate) fn retry_after(attempt: u32) -> Duration {
    RETRY.saturating_mul(1 << attempt.clamp(1, 16).saturating_sub(1)).min(RETRY_MOST)
}

/// `base`, off by up to a tenth of `of` either way (RFC 8415 section 15).
pub(crate) fn jittered(base: Duration, of: Duration, random: u64) -> Duration {
    let tenth = of / 10;
    let parts = u32::try_from(random % 2001).unwrap_or_default();
    (base + tenth * 2 * parts / 2000).saturating_sub(tenth)
}
