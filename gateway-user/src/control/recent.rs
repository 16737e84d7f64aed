//! The last of a sequence of things, numbered, so that a reader can ask for what came after what it has.

use std::collections::VecDeque;

/// Keeps the last `capacity` entries.
#[derive(Clone, Debug)]
pub struct Recent<T> {
    capacity: usize,
    next: u64,
    entries: VecDeque<T>,
}

impl<T> Recent<T> {
    /// Keeps at most `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, next: 1, entries: VecDeque::with_capacity(capacity) }
    }

    /// Adds an entry; the first has number 1.
    pub fn push(&mut self, entry: T) {
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.next += 1;
    }

    /// The kept entries with a number greater than `after`, the oldest first.
    pub fn after(&self, after: u64) -> impl Iterator<Item = (u64, &T)> {
        let first = self.next - self.entries.len() as u64;
        (first..).zip(&self.entries).filter(move |(number, _)| *number > after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last() {
        let mut recent = Recent::new(3);
        assert_eq!(recent.after(0).count(), 0);
        for letter in ["a", "b", "c", "d", "e"] {
            recent.push(letter);
        }
        assert_eq!(recent.after(0).collect::<Vec<_>>(), [(3, &"c"), (4, &"d"), (5, &"e")]);
        assert_eq!(recent.after(4).collect::<Vec<_>>(), [(5, &"e")]);
        assert_eq!(recent.after(5).count(), 0);
    }
}
