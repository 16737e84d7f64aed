//! The last changes of one origin, as they go over the wire.

use std::collections::VecDeque;

/// A bounded ring. What falls out can only be had by a snapshot.
#[derive(Debug)]
pub(super) struct Log {
    /// Number and frame of each change, in order.
    entries: VecDeque<(u64, Box<[u8]>)>,
    octets: usize,
    most: usize,
    /// Number of the last change that is not here any more; 0 when all of them are.
    trimmed: u64,
}

impl Log {
    /// Keeps at most so many octets of frames.
    pub(super) fn new(most: usize) -> Self {
        Self { entries: VecDeque::new(), octets: 0, most, trimmed: 0 }
    }

    /// A change; its number is greater than all before.
    pub(super) fn push(&mut self, seq: u64, frame: &[u8]) {
        self.octets += frame.len();
        self.entries.push_back((seq, frame.into()));
        while self.octets > self.most
            && let Some((seq, frame)) = self.entries.pop_front()
        {
            self.octets -= frame.len();
            self.trimmed = seq;
        }
    }

    /// Everything up to `seq` became known otherwise.
    pub(super) fn skip_to(&mut self, seq: u64) {
        self.entries.clear();
        self.octets = 0;
        self.trimmed = seq;
    }

    /// There was more, up to `seq`, before what is here.
    pub(super) fn lack_to(&mut self, seq: u64) {
        self.trimmed = self.trimmed.max(seq);
    }

    /// Whether someone who has everything up to `seq` can be given the rest.
    pub(super) fn reaches(&self, seq: u64) -> bool {
        seq >= self.trimmed
    }

    /// How many changes there are behind `seq`; of those that fell out none is counted.
    pub(super) fn count_after(&self, seq: u64) -> usize {
        self.entries.len() - self.entries.partition_point(|(other, _)| *other <= seq)
    }

    /// The frames behind `seq`, in order.
    pub(super) fn after(&self, seq: u64) -> impl Iterator<Item = (u64, &[u8])> {
        let from = self.entries.partition_point(|(other, _)| *other <= seq);
        self.entries.range(from..).map(|(seq, frame)| (*seq, &**frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H-CL-23: what is kept is bounded, and whoever lacks more than that is found out.
    #[test]
    fn the_oldest_falls_out() {
        let mut log = Log::new(40);
        for seq in [3, 7, 9, 20, 21] {
            log.push(seq, &[seq as u8; 10]);
        }
        assert!(!log.reaches(2) && log.reaches(3) && log.reaches(100));
        let after = |seq| log.after(seq).map(|(seq, _)| seq).collect::<Vec<_>>();
        assert_eq!(after(3), [7, 9, 20, 21]);
        assert_eq!(after(8), [9, 20, 21]);
        assert_eq!(after(21), [0u64; 0]);
        assert_eq!([0, 3, 8, 21].map(|seq| log.count_after(seq)), [4, 4, 3, 0]);
        log.skip_to(30);
        assert!(!log.reaches(21) && log.reaches(30));
        log.push(31, &[0; 41]);
        assert!(log.reaches(31) && !log.reaches(30), "larger than all there is room for");
    }
}
