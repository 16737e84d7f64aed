//! How long to let packets gather before the next batch.
//!
//! A wake-up, a commit and the system calls of a batch cost more than the packets in it. Under load it pays to wait a
//! moment for more of them; a client, whose patience is counted in seconds, does not notice. The first packet after a
//! pause is never kept waiting, and none waits long for what a few others would save.

use std::time::Duration;

/// The first wait after a packet.
const FIRST: Duration = Duration::from_micros(125);
/// The wait while packets keep coming.
const STEADY: Duration = Duration::from_millis(2);
/// The wait while they come by the thousand a second: a login has four, so that it takes some 20 ms longer. The ring
/// holds many times what arrives within it.
const LONGEST: Duration = Duration::from_millis(10);
/// Packets of a steady wait from which on the longest one pays: those of 750 logins a second.
const MANY: usize = 6;
/// Packets of the longest wait below which it ends: those of 500 logins a second.
const FEW: usize = 20;
/// What a login costs in packets: a change that another member tells of counts as much, because what it costs is mostly
/// the commit and the messages of its batch.
const CHANGE: usize = 4;
/// Batches between looks at what is not in the rings (sockets, signals, questions), where the wait is not the longest:
/// other members' acknowledgements must not take much longer.
const LOOK_EVERY: u32 = 2;

/// Decides between waiting for a wake-up and gathering.
#[derive(Default)]
pub(super) struct Gather {
    wait: Duration,
    /// Batches since the last look.
    batches: u32,
    /// Changes for each batch since the last look, which alone brings any.
    changes: usize,
    /// The batch is one that looks.
    looked: bool,
}

impl Gather {
    /// Tells how many packets the last batch had, and how many changes of other members.
    pub(super) fn took(&mut self, Taken { packets, changes }: Taken) {
        if self.looked {
            self.changes = changes.div_ceil(self.batches.max(1) as usize);
            self.batches = 0;
        }
        self.wait = match (packets + CHANGE * self.changes, self.wait) {
            (0, _) => Duration::ZERO,
            (_, Duration::ZERO) => FIRST,
            (_, wait) if wait < STEADY => (wait * 2).min(STEADY),
            (MANY.., STEADY) | (FEW.., LONGEST) => LONGEST,
            (_, _) => STEADY,
        };
    }

    /// Lets packets gather, if they are coming and the last batch left no `backlog`, and says how to go on.
    pub(super) fn gather(&mut self, backlog: bool) -> Next {
        self.looked = true;
        if self.wait.is_zero() {
            return Next::Wait;
        }
        if !backlog {
            std::thread::sleep(self.wait);
        }
        self.batches += 1;
        self.looked = self.wait == LONGEST || self.batches >= LOOK_EVERY;
        if self.looked { Next::Look } else { Next::Take }
    }
}

/// What was in a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Taken {
    pub(super) packets: usize,
    /// Changes that other members told of, without those of snapshots.
    pub(super) changes: usize,
}

/// What to do before the next batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// Wait until something comes.
    Wait,
    /// See what has come, of everything.
    Look,
    /// Go on with the rings.
    Take,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(packets: usize) -> Taken {
        Taken { packets, changes: 0 }
    }

    #[test]
    fn waits_grow_with_the_load_and_end_with_it() {
        let mut gather = Gather::default();
        assert_eq!(gather.gather(false), Next::Wait, "an idle gateway waits to be woken");
        for expected in [125, 250, 500, 1000, 2000, 2000] {
            gather.took(packets(3));
            assert_eq!(gather.wait, Duration::from_micros(expected));
        }
        for (count, expected) in
            [(MANY - 1, 2000), (MANY, 10_000), (FEW, 10_000), (100, 10_000), (FEW - 1, 2000), (1, 2000)]
        {
            gather.took(packets(count));
            assert_eq!(gather.wait, Duration::from_micros(expected), "{count}");
        }
        gather.took(packets(0));
        assert_eq!(gather.gather(false), Next::Wait);
    }

    /// A member that is told of logins makes batches as large as one that relays them, also in those that it does not look
    /// at its streams for.
    #[test]
    fn changes_count_as_the_logins_they_are() {
        let mut gather = Gather { wait: STEADY, ..Gather::default() };
        assert_eq!((gather.gather(true), gather.gather(true)), (Next::Take, Next::Look));
        gather.took(Taken { packets: 0, changes: 2 });
        assert_eq!(gather.wait, STEADY, "one for each batch");
        assert_eq!(gather.gather(true), Next::Take);
        gather.took(packets(2));
        assert_eq!(gather.wait, LONGEST, "as many as in the batch before");
        assert_eq!(gather.gather(true), Next::Look);
        gather.took(packets(0));
        assert_eq!(gather.gather(true), Next::Wait);
    }

    #[test]
    fn other_inputs_are_looked_at_under_load() {
        let mut gather = Gather::default();
        let next: Vec<_> = std::iter::repeat_with(|| {
            gather.took(packets(1));
            gather.gather(true)
        })
        .take(8)
        .collect();
        assert_eq!(next.iter().filter(|next| **next == Next::Look).count(), 4);
        assert!(!next.contains(&Next::Wait));
    }

    /// Whoever waits for an answer of the loop waits for one of the longest waits, and not for several.
    #[test]
    fn the_longest_wait_ends_with_a_look() {
        let mut gather = Gather { wait: STEADY, ..Gather::default() };
        gather.took(packets(MANY));
        for _ in 0..3 {
            assert_eq!((gather.wait, gather.gather(true)), (LONGEST, Next::Look));
            gather.took(packets(FEW));
        }
    }
}
