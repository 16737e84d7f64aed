//! The demos, each as its command plays it, with few subscribers: nothing is otherwise than it is told. (`demo move` needs a kernel
//! with SCTP.)

use anyhow::{Result, ensure};
use gateway_tests::process;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

fn play(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.arg("demo").args(arguments);
    let (status, text, errors) = process::finish(&mut command, LIMIT)?;
    ensure!(status.success() && text.contains("Everything was as told"), "{status}\n{text}{errors}");
    Ok(())
}

#[test]
fn lives() -> Result<()> {
    play(&["--subscribers", "5"])
}

#[test]
fn cluster() -> Result<()> {
    play(&["cluster", "--subscribers", "30"])
}

#[test]
fn subnets() -> Result<()> {
    play(&["subnets"])
}
