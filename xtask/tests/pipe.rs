//! A reader that goes away.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// `cargo xtask … | head`: no panic, no complaint, no failure.
#[test]
fn nobody_reads_any_more() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = xtask.arg("conformance").stdout(writer).stderr(Stdio::piped()).output().expect("it starts");
    std::io::stderr().write_all(&output.stderr).expect("a standard error");
    assert!(output.stderr.is_empty());
    assert!(output.status.success(), "{}", output.status);
}
