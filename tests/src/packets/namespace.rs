//! A network namespace for one test.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Moves this thread, and what it starts, into a new network namespace, which ends with the thread. Loopback is up, the
/// kernel forwards IPv4, and has nothing to say by IPv6.
///
/// # Errors
///
/// Without root.
pub fn enter() -> Result<()> {
    // SAFETY: the call has no memory effects; it moves the calling thread only.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    ensure!(result == 0, "a new network namespace: {}; packet tests need root", std::io::Error::last_os_error());
    ip("link set lo up")?;
    std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").context("disable_ipv6")?;
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("ip_forward")
}

/// Runs `ip` with these words; lines of them in one process, up to the first that fails.
///
/// # Errors
///
/// When it fails: with what it said.
pub fn ip(lines: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("iproute2")?;
    // Far less than a pipe holds; it ends the input.
    child.stdin.take().context("no input")?.write_all(lines.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "ip {lines}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// A pair of veths `name`, with this index and MAC, and `name`p, both up.
///
/// # Errors
///
/// When the kernel refuses.
pub fn veth(name: &str, index: u32, mac: &str) -> Result<()> {
    let add = format!("link add {name} index {index} address {mac} type veth peer name {name}p");
    ip(&format!("{add}\nlink set {name} up\nlink set {name}p up"))?;
    // On a slow host the kernel would give up a router that nobody is, and tell a subscriber in the middle of another case.
    let asks = format!("/proc/sys/net/ipv4/neigh/{name}/mcast_solicit");
    std::fs::write(&asks, "1000").context(asks)
}
