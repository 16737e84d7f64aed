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
    for interface in interfaces.iter().filter(|interface| is_strict(interface)) {
        tracing::debug!(interface, "rp_filter is strict: what XDP leaves to the stack needs a route to its source");
    }
}

/// Whether what comes in on an interface is dropped unless its source is reached by it. Of the interface's setting and that of
/// all the greater one counts, and 2 is the lenient one.
pub(crate) fn is_strict(interface: &str) -> bool {
    let of = |interface: &str| read(&format!("conf/{interface}/rp_filter")).ok().and_then(|value| value.parse().ok());
    [interface, "all"].into_iter().filter_map(of).max() == Some(1u8)
}

/// The same for IPv6.
pub(crate) fn check_forwarding6(interfaces: &[&str]) {
    for (interface, found, advice) in
        interfaces.iter().flat_map(|name| amiss6(name).map(move |one| (name, one.0, one.1)))
    {
        tracing::warn!(interface, "{found}. `{advice}` changes that");
    }
}

/// What keeps an interface from forwarding IPv6, and what changes that. The fast path asks the kernel for next hops, and that
/// answers for interfaces that forward only.
pub(crate) fn amiss6(interface: &str) -> impl Iterator<Item = (&'static str, String)> {
    let is = |key: &str, value: &str| {
        let path = format!("/proc/sys/net/ipv6/conf/{interface}/{key}");
        fs::read_to_string(path).is_ok_and(|found| found.trim() == value)
    };
    let still = (
        "its IPv6 is not forwarded (net.ipv6.conf.*.forwarding)",
        "sysctl -w net.ipv6.conf.all.forwarding=1".to_owned(),
    );
    let disabled = (
        "IPv6 is disabled on it: what the fast path leaves to the kernel is lost",
        format!("sysctl -w net.ipv6.conf.{interface}.disable_ipv6=0"),
    );
    let found = [is("forwarding", "0").then_some(still), is("disable_ipv6", "1").then_some(disabled)];
    found.into_iter().flatten()
}
