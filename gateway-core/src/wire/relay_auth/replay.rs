//! Replay detection of a receiver.

use thiserror::Error;

/// The counter was seen before, or is too old.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("replay counter {0} is not newer than what was accepted")]
pub struct Replayed(pub u64);

/// What one receiver knows of one sender's counter. Strict by default (RFC 4030 8.4: at most the last valid one is a
/// replay); optionally the last 64 counters may arrive out of order, each once (H-BR-16).
#[derive(Clone, Debug, Default)]
pub struct ReplayWindow {
    last: Option<u64>,
    /// Bit n: `last - n` was accepted.
    seen: u64,
    windowed: bool,
}

impl ReplayWindow {
    /// Strictly increasing; `last` is the last accepted counter, if one is remembered.
    pub fn strict(last: Option<u64>) -> Self {
        Self { last, seen: u64::MAX, windowed: false }
    }

    /// Up to 64 counters out of order; everything up to a remembered `last` counts as seen.
    pub fn sliding(last: Option<u64>) -> Self {
        Self { last, seen: u64::MAX, windowed: true }
    }

    /// Whether this counter may be accepted. Ask before the MAC is computed; it changes nothing.
    pub fn check(&self, replay: u64) -> Result<(), Replayed> {
        let fresh = match self.last {
            None => true,
            Some(last) if replay > last => true,
            Some(last) => self.windowed && last - replay < 64 && self.seen & (1 << (last - replay)) == 0,
        };
        if fresh { Ok(()) } else { Err(Replayed(replay)) }
    }

    /// Takes note of a counter whose MAC was right.
    pub fn accept(&mut self, replay: u64) {
        match self.last {
            None => (self.last, self.seen) = (Some(replay), 1),
            Some(last) if replay > last => {
                self.seen = u32::try_from(replay - last).ok().and_then(|by| self.seen.checked_shl(by)).unwrap_or(0) | 1;
                self.last = Some(replay);
            }
            Some(last) if last - replay < 64 => self.seen |= 1 << (last - replay),
            Some(_) => {}
        }
    }

    /// The highest counter accepted, for storing.
    pub fn last(&self) -> Option<u64> {
        self.last
    }
}
