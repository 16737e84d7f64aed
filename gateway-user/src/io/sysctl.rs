//! Kernel settings below /proc/sys/net that serving subscribers depends on.

use std::{fs, io};

fn path(key: &str) -> String {
    format!("/proc/sys/net/ipv4/{key}")
}

/// The value of a setting.
pub(crate) fn read(key: &str) -> io::Result<String> {
    Ok(fs::read_to_string(path(key))?.trim().to_owned())
}

/// Sets it unless it has the value already; true when it was changed.
pub(crate) fn write(key: &str, value: &str) -> io::Result<bool> {
    if read(key)? == value {
        return Ok(false);
    }
    fs::write(path(key), value)?;
    Ok(true)
}

/// Prepares an access interface: proxy ARP lets subscribers of one subnet, who don't hear each other, reach each
/// other through the gateway; `proxy_arp_pvlan` has it answer on the very interface that asks.
pub(crate) fn prepare_access(interface: &str, proxy_arp: bool) {
    let value = if proxy_arp { "1" } else { "0" };
    for key in ["proxy_arp", "proxy_arp_pvlan"] {
        let key = format!("conf/{interface}/{key}");
        match write(&key, value) {
            Ok(true) => tracing::info!(interface, key, value, "set sysctl"),
            Ok(false) => {}
            Err(error) => tracing::warn!(interface, key, %error, "can't set sysctl"),
        }
    }
}

/// Says what would keep packets from being forwarded.
pub(crate) fn check_forwarding(interfaces: &[&str]) {
    if read("ip_forward").is_ok_and(|value| value == "0") {
        tracing::warn!(
            "net.ipv4.ip_forward is 0: nothing is forwarded. `sysctl -w net.ipv4.ip_forward=1` changes that"
        );
    }
    let strict = |interface: &str| read(&format!("conf/{interface}/rp_filter")).is_ok_and(|value| value == "1");
    for interface in interfaces {
        if strict(interface) || strict("all") {
            tracing::debug!(interface, "rp_filter is strict: what XDP leaves to the stack needs a route to its source");
        }
    }
}

/// The same for IPv6. The fast path asks the kernel for next hops, and that answers for interfaces that forward only.
pub(crate) fn check_forwarding6(interfaces: &[&str]) {
    let is = |interface: &str, key: &str, value: &str| {
        let path = format!("/proc/sys/net/ipv6/conf/{interface}/{key}");
        fs::read_to_string(path).is_ok_and(|found| found.trim() == value)
    };
    for interface in interfaces {
        if is(interface, "forwarding", "0") {
            tracing::warn!(
                interface,
                "net.ipv6.conf.{interface}.forwarding is 0: its IPv6 is not forwarded. \
                 `sysctl -w net.ipv6.conf.all.forwarding=1` changes that"
            );
        }
        if is(interface, "disable_ipv6", "1") {
            tracing::warn!(
                interface,
                "IPv6 is disabled: what the fast path leaves to the kernel is lost. \
                 `sysctl -w net.ipv6.conf.{interface}.disable_ipv6=0` changes that"
            );
        }
    }
}
