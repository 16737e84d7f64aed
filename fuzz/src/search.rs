//! A search without guidance, for tests: the same inputs each time, out of the seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::Target;

/// Inputs that a test tries.
pub const TRIES: u64 = 1500;
/// The longest that is made.
const LONGEST: usize = 2048;

/// What is wrong with an input: how to repeat it.
fn found(target: &Target, octets: &[u8]) -> String {
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    format!(
        "fuzz target {} fails for an input of {} octets:\n{hex}\nrepeat it: echo <octets> | xxd -r -p > input; \
         cargo run -p gateway-fuzz {} input; once it is mended keep it in fuzz/kept/{}/",
        target.name,
        octets.len(),
        target.name,
        target.name
    )
}

/// Tries one input.
///
/// # Panics
///
/// When something is not as it must be; the message says how to repeat it.
pub fn try_one(target: &Target, octets: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(octets))).is_err() {
        panic!("{}", found(target, octets));
    }
}

/// What was found once and is mended since.
pub fn kept(target: &Target) -> Vec<Vec<u8>> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("kept").join(target.name);
    let Ok(entries) = std::fs::read_dir(&directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("it can be read")).collect()
}

/// Tries the seeds, what was found once, and `tries` inputs made of them.
///
/// # Panics
///
/// As [`try_one`].
pub fn search(target: &Target, tries: u64) {
    let mut known = (target.seeds)();
    assert!(!known.is_empty(), "a target has seeds");
    known.extend(kept(target));
    known.iter().for_each(|octets| try_one(target, octets));
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for _ in 0..tries {
        try_one(target, &chance.made_of(&known));
    }
}

/// xorshift64*.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }

    /// One of the known inputs with a few changes, or noise.
    fn made_of(&mut self, known: &[Vec<u8>]) -> Vec<u8> {
        let noise = |chance: &mut Self, most: usize| -> Vec<u8> {
            let length = chance.below(most);
            (0..length).map(|_| chance.below(256) as u8).collect()
        };
        if self.below(8) == 0 {
            return noise(self, 400);
        }
        let mut octets = known[self.below(known.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(octets.len() + 1);
            match self.below(6) {
                0 => octets.truncate(at),
                1 => drop(octets.splice(at..at, noise(self, 12))),
                2 => {
                    let other = &known[self.below(known.len())];
                    let from = self.below(other.len() + 1);
                    octets.truncate(at);
                    octets.extend_from_slice(&other[from..]);
                }
                3 if at < octets.len() => octets[at] ^= 1 << self.below(8),
                _ if at < octets.len() => octets[at] = self.below(256) as u8,
                _ => octets.extend(noise(self, 20)),
            }
        }
        octets.truncate(LONGEST);
        octets
    }
}
