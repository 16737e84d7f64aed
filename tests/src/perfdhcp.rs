//! Load: Kea's perfdhcp as thousands of broadcasting clients.
//!
//! By itself perfdhcp is a relay (it sets giaddr to its own address). From message templates with giaddr 0 and the
//! broadcast flag it makes clients, and an nftables rule hands the broadcast replies to its unicast socket.

use crate::lab::unconfined;
use crate::namespace::Namespace;
use crate::process;
use crate::wait;
use anyhow::{Context, Result};
use gateway_core::hex;
use nix::sys::socket::{SockType, getsockopt, setsockopt, sockopt};
use nix::unistd::Pid;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// perfdhcp's own address. Any that the interface's subscribers don't get will do.
const OWN: Ipv4Addr = Ipv4Addr::new(10, 255, 255, 2);

/// perfdhcp's two threads allocate and free each other's packets. With the C library's allocator they wait for each other so much
/// that perfdhcp, and not the server, is what loses replies from about 10,000 logins per second on. For whom it asks it is the same.
const ALLOCATOR: &str = "libjemalloc.so.2";

/// Octets of perfdhcp's receive buffer.
const RECEIVE_BUFFER: usize = 8 << 20;
/// How long it may take to open its socket.
const SOCKET_LIMIT: Duration = Duration::from_secs(5);

/// How much load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// New logins (four messages) per second.
    pub rate: u32,
    /// For how long.
    pub seconds: u32,
    /// From how many different clients at most.
    pub clients: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Logins per second that were completed.
    pub rate: f64,
    /// DISCOVERs sent, OFFERs received; or SOLICITs and ADVERTISEs.
    pub offers: (u64, u64),
    /// REQUESTs sent, ACKs or REPLYs received.
    pub acks: (u64, u64),
}

/// Run the load from `interface` in `space`, to its end.
pub fn run(space: &Namespace, interface: &str, load: Load, directory: &Path) -> Result<Outcome> {
    prepare(space, interface)?;
    let template = |name: &str, message: &[u8]| -> Result<_> {
        let path = directory.join(name);
        std::fs::write(&path, hex(message))?;
        Ok(path)
    };
    let (discover, request) = (template("discover.hex", &discover())?, template("request.hex", &request())?);
    let mut command = space.command(unconfined("perfdhcp", directory)?);
    command.args(["-4", "-B", "-L", "68", "-N", "67", "-l", &OWN.to_string(), "-W", "200000"]);
    command.args(["-r", &load.rate.to_string(), "-p", &load.seconds.to_string(), "-R", &load.clients.to_string()]);
    command.arg("-T").arg(discover).arg("-T").arg(request);
    // Where the templates hold the transaction id, the last octet of chaddr (4 octets before it are varied), the
    // headers of server identifier and requested address.
    command.args(["-X", "4", "-X", "4", "-O", "33", "-O", "33", "-S", "243", "-I", "249", "255.255.255.255"]);
    finish(&mut command, load, ["DISCOVER-OFFER", "REQUEST-ACK"])
}

/// The same as what perfdhcp is by itself, a relay: `relay` is an address of `space` and giaddr, `server` is asked directly.
pub fn run_relayed(
    space: &Namespace,
    (relay, server): (Ipv4Addr, Ipv4Addr),
    load: Load,
    directory: &Path,
) -> Result<Outcome> {
    let mut command = space.command(unconfined("perfdhcp", directory)?);
    command.args(["-4", "-l", &relay.to_string(), "-W", "500000"]);
    command.args(["-r", &load.rate.to_string(), "-p", &load.seconds.to_string(), "-R", &load.clients.to_string()]);
    finish(command.arg(server.to_string()), load, ["DISCOVER-OFFER", "REQUEST-ACK"])
}

/// The same by DHCPv6, for which perfdhcp is a client without further ado: many DUIDs behind one MAC.
pub fn run6(space: &Namespace, interface: &str, load: Load, directory: &Path) -> Result<Outcome> {
    let mut command = space.command(unconfined("perfdhcp", directory)?);
    command.args(["-6", "-l", interface, "-W", "200000"]);
    command.args(["-r", &load.rate.to_string(), "-p", &load.seconds.to_string(), "-R", &load.clients.to_string()]);
    finish(command.arg("all"), load, ["SOLICIT-ADVERTISE", "REQUEST-REPLY"])
}

fn finish(command: &mut Command, load: Load, exchanges: [&str; 2]) -> Result<Outcome> {
    let limit = Duration::from_secs(u64::from(load.seconds) + 20);
    let (status, text, errors) = process::finish_after(command.env("LD_PRELOAD", ALLOCATOR), limit, widen)?;
    // 3: it ran, but not every message was answered.
    anyhow::ensure!(matches!(status.code(), Some(0 | 3)), "perfdhcp: {status}\n{text}{errors}");
    parse(&text, exchanges).with_context(|| format!("perfdhcp printed\n{text}{errors}"))
}

/// Give a perfdhcp that has just started the receive buffer that a server or a relay gives itself. With the kernel's default of
/// some 170 messages it loses replies whenever it is not scheduled for two milliseconds, and they would count against the server.
fn widen(child: &mut Child) -> Result<()> {
    let descriptors = PathBuf::from(format!("/proc/{}/fd", child.id()));
    let pid = Pid::from_raw(child.id().try_into()?);
    let widened = wait::until("perfdhcp's socket", SOCKET_LIMIT, || {
        if !matches!(child.try_wait(), Ok(None)) {
            return Some(Ok(())); // its end says why
        }
        let entries = std::fs::read_dir(&descriptors).ok()?.flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let socket = numbers.filter_map(|number| duplicate(pid, number)).find(is_datagram)?;
        Some(setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER))
    });
    widened?.context("perfdhcp's receive buffer (SO_RCVBUFFORCE)")
}

/// A descriptor of another process as one of our own: pidfd_getfd(2).
fn duplicate(pid: Pid, number: libc::c_int) -> Option<OwnedFd> {
    let own = |descriptor: libc::c_long| {
        let descriptor = libc::c_int::try_from(descriptor).ok().filter(|descriptor| *descriptor >= 0)?;
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        Some(unsafe { OwnedFd::from_raw_fd(descriptor) })
    };
    // SAFETY: it takes numbers only.
    let process = own(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    // SAFETY: the same.
    own(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) })
}

fn is_datagram(descriptor: &OwnedFd) -> bool {
    getsockopt(descriptor, sockopt::SockType).is_ok_and(|kind| kind == SockType::Datagram)
}

fn prepare(space: &Namespace, interface: &str) -> Result<()> {
    if space.ip(&format!("-4 address show dev {interface}"))?.contains(&OWN.to_string()) {
        return Ok(());
    }
    space.ip(&format!("address add {OWN}/30 dev {interface}"))?;
    let hook = format!("type filter hook ingress device \"{interface}\" priority 0; policy accept;");
    let rule = format!("ip daddr 255.255.255.255 udp dport 68 ip daddr set {OWN};");
    let rules = format!("table netdev perfdhcp {{ chain replies {{ {hook} {rule} }}; }}");
    process::output(space.command("nft").arg(rules)).map(drop)
}

/// BOOTREQUEST with broadcast flag, then the cookie.
fn message(options: &[u8]) -> Vec<u8> {
    let mut message = vec![1, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0x80, 0];
    message.resize(28, 0);
    message.extend([0, 0x0c, 1, 2, 3, 4]);
    message.resize(236, 0);
    message.extend([99, 130, 83, 99]);
    message.extend(options);
    // Parameters asked for: mask, broadcast, time offset, router, name, DNS, host name.
    message.extend([55, 7, 1, 28, 2, 3, 15, 6, 12, 255]);
    message
}

fn discover() -> Vec<u8> {
    message(&[53, 1, 1])
}

/// Server identifier and requested address are filled in by perfdhcp.
fn request() -> Vec<u8> {
    message(&[53, 1, 3, 54, 4, 0, 0, 0, 0, 50, 4, 0, 0, 0, 0])
}

fn parse(text: &str, [offers, acks]: [&str; 2]) -> Option<Outcome> {
    let rate = text.lines().find_map(|line| line.strip_prefix("Rate: ")?.split(' ').next()?.parse().ok())?;
    let section = |name: &str| {
        let (_, rest) = text.split_once(&format!("***Statistics for: {name}***"))?;
        let number = |key| rest.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
        Some((number("sent packets:")?, number("received packets:")?))
    };
    Some(Outcome { rate, offers: section(offers)?, acks: section(acks)? })
}

#[cfg(test)]
mod tests {
    use super::{Outcome, discover, parse, request};

    /// perfdhcp is told where fields are in the templates: they must be there.
    #[test]
    fn templates_hold_fields_where_perfdhcp_is_told() {
        for message in [discover(), request()] {
            assert_eq!((&message[4..8], &message[28..34]), (&[1, 2, 3, 4][..], &[0, 12, 1, 2, 3, 4][..]));
            assert_eq!(message[24..28], [0; 4]);
            assert_eq!(message[240..242], [53, 1]);
        }
        assert_eq!((request()[243], request()[249]), (54, 50));
    }

    /// The report's figures are found in their sections.
    #[test]
    fn reads_the_report() {
        let text = "Rate: 998.5 4-way exchanges/second, expected rate: 1000\n\n\
            ***Statistics for: DISCOVER-OFFER***\nsent packets: 2000\nreceived packets: 1999\ndrops: 1\n\n\
            ***Statistics for: REQUEST-ACK***\nsent packets: 1999\nreceived packets: 1998\ndrops: 1\n";
        let parse = |text| parse(text, ["DISCOVER-OFFER", "REQUEST-ACK"]);
        assert_eq!(parse(text), Some(Outcome { rate: 998.5, offers: (2000, 1999), acks: (1999, 1998) }));
        assert_eq!(parse("nothing"), None);
    }
}
