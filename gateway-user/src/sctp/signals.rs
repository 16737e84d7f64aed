//! How good a card's signal is, as far as it says: what arrived damaged, of all that arrived (SC-24, SC-26).

use std::collections::BTreeMap;
use std::fs;
use std::io;

/// So many packets say something.
const LEAST: u64 = 8;
/// A moment's signal is no reason to take a card for dead.
const MOST: u64 = 999;

/// What a card has received since it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Received {
    /// Packets.
    pub(super) whole: u64,
    /// And those that were not: `rx_errors`.
    pub(super) damaged: u64,
}

/// What all cards of this network namespace have received, by name.
///
/// # Errors
/// There is no `/proc`.
pub(super) fn received() -> io::Result<BTreeMap<String, Received>> {
    // Of this thread: another one may be in another namespace.
    Ok(read(&fs::read_to_string("/proc/thread-self/net/dev")?))
}

fn read(text: &str) -> BTreeMap<String, Received> {
    let card = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let mut numbers = rest.split_whitespace().skip(1).map(str::parse);
        let received = Received { whole: numbers.next()?.ok()?, damaged: numbers.next()?.ok()? };
        Some((name.trim().to_owned(), received))
    };
    text.lines().filter_map(card).collect()
}

/// The signals of cards, by their indexes.
#[derive(Debug, Default)]
pub(super) struct Signals(BTreeMap<u32, Signal>);

#[derive(Debug)]
struct Signal {
    since: Received,
    loss: u16,
}

impl Signals {
    /// The cards that there are have received this by now.
    pub(super) fn judge(&mut self, cards: &BTreeMap<u32, Received>) {
        self.0.retain(|card, _| cards.contains_key(card));
        for (card, now) in cards {
            let signal = self.0.entry(*card).or_insert(Signal { since: *now, loss: 0 });
            let whole = now.whole.checked_sub(signal.since.whole);
            let damaged = now.damaged.checked_sub(signal.since.damaged);
            let Some((whole, damaged)) = whole.zip(damaged) else {
                // It counts from the beginning.
                *signal = Signal { since: *now, loss: 0 };
                continue;
            };
            if whole + damaged >= LEAST {
                *signal = Signal { since: *now, loss: (damaged * 1000 / (whole + damaged)).min(MOST) as u16 };
            }
        }
    }

    /// What each card has lost lately, of 1000.
    pub(super) fn all(&self) -> BTreeMap<u32, u16> {
        self.0.iter().map(|(card, signal)| (*card, signal.loss)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel prints it: octets, packets, errors, and more.
    #[test]
    fn what_the_kernel_counts() {
        let text = "Inter-|   Receive                                                |  Transmit\n\
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n\
                    \x20   lo:   11264     128    0    0    0     0          0         0    11264     128    0\n\
                    eth10:987654321 1234567  890    7    0   890          0         3 87654321  123456    5\n\
                    cut: 5";
        let (lo, eth10) = (Received { whole: 128, damaged: 0 }, Received { whole: 1_234_567, damaged: 890 });
        assert_eq!(read(text), BTreeMap::from([("lo".to_owned(), lo), ("eth10".to_owned(), eth10)]));
        assert!(received().unwrap().contains_key("lo"));
    }

    /// SC-24, SC-26: what a signal is worth follows what arrives, when enough does; a card that is gone has none.
    #[test]
    fn a_signal_that_fades_and_comes_back() {
        let mut signals = Signals::default();
        let mut judge = |whole, damaged| {
            signals.judge(&BTreeMap::from([(3, Received { whole, damaged })]));
            signals.all().remove(&3)
        };
        assert_eq!(judge(1_000_000, 5_000), Some(0), "what was before it was looked at");
        assert_eq!(judge(1_000_003, 5_004), Some(0), "too few to say");
        assert_eq!(judge(1_000_004, 5_004), Some(500));
        assert_eq!(judge(1_000_004, 5_004), Some(500), "nothing new");
        assert_eq!(judge(1_000_104, 5_004), Some(0));
        assert_eq!(judge(1_000_104, 5_104), Some(999), "and yet it is there");
        assert_eq!(judge(2, 0), Some(0), "another card, by the same number");
        signals.judge(&BTreeMap::new());
        assert!(signals.all().is_empty());
    }
}
