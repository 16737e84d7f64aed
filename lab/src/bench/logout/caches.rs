//! A line card restarts out of the blue: whatever its end needs is in no cache, and nothing else is left to do. So it is
//! for every size here.

use std::hint::black_box;

/// Octets that push everything else out.
const OCTETS: usize = 256 << 20;
/// Requests that make the allocator sort what was freed, and their octets.
const SORT: (usize, usize) = (256, 64 << 10);

/// Memory to fill the processor's caches with.
pub(super) struct Caches(Vec<u8>);

impl Caches {
    pub(super) fn new() -> Self {
        Self(vec![1; OCTETS])
    }

    /// Fills the caches with something else. Before that the allocator settles what the logins left: it puts off the
    /// merging of small pieces until a larger one is asked for, and that would be the step that is measured.
    pub(super) fn cool(&mut self) {
        for _ in 0..SORT.0 {
            black_box(Vec::<u8>::with_capacity(SORT.1));
        }
        for line in self.0.iter_mut().step_by(64) {
            *line = line.wrapping_add(1);
        }
        black_box(&self.0);
    }
}
