//! Numbers out of numbers: for jitter and for digests, where they need to be different and not secret.

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014), chained over the words.
pub(crate) fn digest(words: &[u64]) -> u64 {
    words.iter().fold(0, |seed, word| {
        let mixed = (seed ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}
