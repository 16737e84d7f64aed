//! Hostile DHCPv6, a target for each sort of it: what makes an input of any octets, and what must be so whatever they are.
//!
//! A target is a function of octets that panics when something is not as it must be. `cargo xtask fuzz` has libFuzzer look for
//! such octets, guided by the code that they reach; `cargo test -p gateway-fuzz` does so for a moment without any guidance, and
//! repeats what was ever found (`kept/<target>/`). Octets are read as decisions ([`input`]), so that nearly all of them mean
//! something, and a few that change change what happens.

mod home;
mod input;
pub mod search;
mod service;
mod targets;

/// Something hostile.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// Does it. Panics when something is not as it must be.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    targets::nested::TARGET,
    targets::lengths::TARGET,
    targets::iaids::TARGET,
    targets::transactions::TARGET,
    targets::requests::TARGET,
    targets::answers::TARGET,
    targets::renewals::TARGET,
    targets::overlaps::TARGET,
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
