//! Set-up, builds, lab, demo, tests and benches.
fn main() {}
