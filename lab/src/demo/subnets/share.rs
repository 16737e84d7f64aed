//! Who administers how much of the space, and uses how much of that, in a line.

use std::fmt::Write as _;

use gateway_tests::subnets::Sample;

/// The servers that have subscribers.
pub(super) const NAMES: [&str; 3] = ["A", "B", "C"];
/// Cells of the bar.
const BAR: u64 = 64;
/// Their colours on a terminal: green, cyan, magenta as in `gateway top`.
const COLORS: [u8; 3] = [32, 36, 35];

/// What the bar's cells mean.
pub(super) fn legend(colored: bool) -> &'static str {
    if colored { "█ used, ░ administered, · free" } else { "A used, a administered, . free" }
}

/// `A  812/1280  B  960/1536  C  540/ 768  free  512  ████░░██░·`; in colours on a terminal, else in letters.
pub(super) fn line(sample: &Sample, all: u64, colored: bool) -> String {
    let mut text = String::new();
    for (name, (hosts, space)) in NAMES.iter().zip(sample.hosts.iter().zip(&sample.space)) {
        let _ = write!(text, "{name} {hosts:>4}/{space:<4} "); // to a string, which takes it
    }
    let _ = write!(text, "free {:>4}  ", sample.free);
    let (mut end, mut done) = (0, 0);
    let mut cells = |addresses: u64| {
        end += addresses;
        let until = (end * BAR + all / 2) / all.max(1);
        let count = until.saturating_sub(done);
        done = until.max(done);
        count as usize // at most the bar
    };
    for (place, (hosts, space)) in sample.hosts.iter().zip(&sample.space).enumerate() {
        let used = *hosts.min(space);
        let (used, rest) = (cells(used), cells(space - used));
        let _ = match colored {
            true => write!(text, "\x1b[{}m{}{}\x1b[0m", COLORS[place], "█".repeat(used), "░".repeat(rest)),
            false => write!(text, "{}{}", NAMES[place].repeat(used), NAMES[place].to_lowercase().repeat(rest)),
        };
    }
    let space: u64 = sample.space.iter().sum();
    text + &(if colored { "·" } else { "." }).repeat(cells(all.saturating_sub(space)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Every address is in the bar once, whoever has it.
    #[test]
    fn a_line() {
        let sample = Sample { at: Duration::ZERO, hosts: [1024, 0, 512], space: [2048, 64, 1024], free: 960 };
        let text = line(&sample, 4096, false);
        assert!(text.starts_with("A 1024/2048 B    0/64   C  512/1024 free  960  "), "{text}");
        let bar = text.rsplit("  ").next().unwrap();
        assert_eq!(bar.chars().count(), 64);
        let count = |letter| bar.chars().filter(|found| *found == letter).count();
        assert_eq!(['A', 'a', 'B', 'b', 'C', 'c', '.'].map(count), [16, 16, 0, 1, 8, 8, 15]);
        assert!(line(&sample, 4096, true).contains("\x1b[36m░\x1b[0m"));
    }
}
