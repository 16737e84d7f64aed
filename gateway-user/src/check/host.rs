//! What the gateway needs of the host.

use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::path::Path;

use super::finding::Finding;
use super::interface;
use crate::config::{Config, Delivery, Parsed, XdpMode};
use crate::dataplane::{self, Capacity};
use crate::io::sysctl::amiss6;

/// The oldest kernel with all that the programs use: `bpf_xdp_load_bytes` (5.18) is the youngest of it.
const OLDEST: (u32, u32) = (5, 18);
/// Kernels from here on are tested.
const TESTED: (u32, u32) = (6, 1);

/// Whether a start would take over what is pinned: better known before what serves was stopped.
fn pinned(config: &Config) -> Finding {
    match dataplane::adoptable(&config.gateway.bpffs, Capacity::of(config)) {
        Ok(true) => Finding::ok("pinned maps", "a start adopts them"),
        Ok(false) => Finding::ok("pinned maps", "none yet"),
        Err(error) => {
            let advice =
                "keep to what they are made for, or `gateway run --reset` once, and forwarding stops meanwhile";
            Finding::fail("pinned maps", format!("{error:#}"), advice)
        }
    }
}

/// Looks at all of it.
pub(super) fn look(parsed: &Parsed) -> Vec<Finding> {
    let mut findings = general(parsed.gateway.is_some());
    if let Some(config) = &parsed.gateway {
        findings.extend(data_plane(&config.gateway.bpffs));
        findings.push(pinned(config));
        findings.push(space(&config.gateway.state_dir));
        findings.extend(addresses(config));
        for port in &config.ports {
            findings.extend(interface::look(&port.name, interface::Side::Access, config.gateway.xdp_mode));
        }
        for port in &config.upstream {
            findings.extend(interface::look(port, interface::Side::Upstream, config.gateway.xdp_mode));
        }
        if let Some(cluster) = &config.cluster {
            let carries = matches!(cluster.delivery, Delivery::Forward);
            findings.extend(interface::look_at_link(&cluster.interface, config.gateway.xdp_mode, carries));
        }
        if config.dhcpv6.is_some() {
            let ports = config.ports.iter().map(|port| &port.name).chain(&config.upstream);
            findings.push(forwarding6(
                ports.flat_map(|name| amiss6(name).map(move |(found, advice)| (name, found, advice))),
            ));
        }
        if config.gateway.xdp_mode == XdpMode::Generic {
            let found = "gateway.xdp_mode is generic: half the speed of native, or less";
            findings.push(Finding::warn("xdp", found, "use \"auto\" unless a driver misbehaves"));
        }
    }
    if let Some(cluster) = parsed.gateway.as_ref().and_then(|config| config.cluster.as_ref()) {
        findings.push(super::cluster::certificate(cluster));
        findings.extend(super::cluster::etcd(cluster));
        findings.extend(super::cluster::transport(cluster, crate::sctp::is_supported()));
        if let Some(member) = cluster.get(cluster.member) {
            findings.push(own_address("cluster", member.address, "cluster.member.address"));
        }
        let shared = cluster.address.map(|address| own_address("cluster", address, "cluster.address"));
        let shared6 = cluster.address6.map(|address| own_address("cluster", address, "cluster.address6"));
        findings.extend(shared.into_iter().chain(shared6));
    }
    if let Some(server) = &parsed.dhcp_server {
        findings.push(leases(&server.store));
        findings.push(own_address("dhcp server", server.listen, "dhcp_server.listen"));
        let six = server.v6.as_ref().map(|six| own_address("dhcp server", six.listen, "dhcp_server.v6.listen"));
        findings.extend(six);
    }
    findings
}

/// What a gateway or a server needs whatever its configuration.
pub(super) fn general(gateway: bool) -> Vec<Finding> {
    vec![kernel(), capabilities(gateway)]
}

/// What the data plane needs.
pub(super) fn data_plane(bpffs: &Path) -> Vec<Finding> {
    let object = match dataplane::embedded() {
        Ok(object) => Finding::ok("data plane", format!("in this binary, {} octets of eBPF", object.len())),
        Err(error) => Finding::fail("data plane", "this binary carries none", error.to_string()),
    };
    vec![object, self::bpffs(bpffs), jit(), forwarding()]
}

fn kernel() -> Finding {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    match version(release) {
        None => Finding::warn("kernel", format!("unknown version {release}"), "6.1 or later is tested"),
        Some(found) if found < OLDEST => Finding::fail("kernel", release, "5.18 at least, 6.1 or later is tested"),
        Some(found) if found < TESTED => Finding::warn("kernel", release, "6.1 or later is tested"),
        Some(_) => Finding::ok("kernel", release),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Numbers of linux/capability.h.
const NEEDED: [(&str, u32); 5] = [
    ("CAP_NET_ADMIN", 12),
    ("CAP_NET_RAW", 13),
    ("CAP_NET_BIND_SERVICE", 10),
    ("CAP_BPF", 39),
    ("CAP_PERFMON", 38), // or the verifier does not take what the programs do with pointers
];
/// Includes CAP_BPF and CAP_PERFMON, and mounts a bpffs.
const CAP_SYS_ADMIN: u32 = 21;

/// The capabilities of this process, a bit each.
fn effective() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn capabilities(gateway: bool) -> Finding {
    let missing = missing(effective(), gateway);
    match missing.is_empty() {
        true => Finding::ok("capabilities", "all that are needed"),
        false => Finding::fail(
            "capabilities",
            format!("{} missing", missing.join(", ")),
            "run as root, or as a service with AmbientCapabilities= of these",
        ),
    }
}

/// Those that a set of capabilities lacks.
fn missing(effective: u64, gateway: bool) -> Vec<&'static str> {
    let has = |number: u32| effective & 1 << number != 0;
    let needed = NEEDED.into_iter().filter(|(name, _)| gateway || *name == "CAP_NET_BIND_SERVICE");
    let is_there =
        |name: &str, number: u32| has(number) || matches!(name, "CAP_BPF" | "CAP_PERFMON") && has(CAP_SYS_ADMIN);
    needed.filter(|(name, number)| !is_there(name, *number)).map(|(name, _)| name).collect()
}

fn bpffs(dir: &Path) -> Finding {
    let existing = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    pins(dir, existing, dataplane::in_bpffs(existing), effective() & 1 << CAP_SYS_ADMIN != 0)
}

/// `existing` is the part of `dir` that there is.
fn pins(dir: &Path, existing: &Path, on_bpffs: bool, may_mount: bool) -> Finding {
    match (on_bpffs, may_mount) {
        (true, _) => Finding::ok("bpffs", format!("{} is on one", dir.display())),
        (false, true) => Finding::ok("bpffs", format!("none at {} yet: `gateway run` mounts one", existing.display())),
        (false, false) => Finding::fail(
            "bpffs",
            format!("none at {}, and to mount one takes CAP_SYS_ADMIN", existing.display()),
            "mount -t bpf bpf /sys/fs/bpf, as the host starts",
        ),
    }
}

fn jit() -> Finding {
    match fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").as_deref().map(str::trim) {
        Ok("0") => Finding::warn("bpf jit", "off: programs are interpreted", "sysctl -w net.core.bpf_jit_enable=1"),
        _ => Finding::ok("bpf jit", "on"),
    }
}

fn forwarding() -> Finding {
    match crate::io::sysctl::read("ip_forward").as_deref() {
        Ok("1") => Finding::ok("ip_forward", "on"),
        _ => Finding::fail(
            "ip_forward",
            "off: the kernel's FIB look-up refuses and nothing is forwarded",
            "sysctl -w net.ipv4.ip_forward=1, and in /etc/sysctl.d for the next boot",
        ),
    }
}

/// The same for IPv6, which each interface is asked about by itself.
fn forwarding6<'a>(amiss: impl Iterator<Item = (&'a String, &'static str, String)>) -> Finding {
    let amiss: Vec<_> = amiss.collect();
    let Some((_, _, first)) = amiss.first() else { return Finding::ok("ipv6", "forwarded by all ports there are") };
    let found: Vec<_> = amiss.iter().map(|(name, found, _)| format!("{name}: {found}")).collect();
    let mut advice = vec![first];
    amiss.iter().filter(|(_, _, other)| other != first).for_each(|(_, _, other)| advice.push(other));
    advice.dedup();
    let advice: Vec<_> = advice.into_iter().map(String::as_str).collect();
    Finding::fail("ipv6", found.join("; "), format!("{}, and in /etc/sysctl.d for the next boot", advice.join("; ")))
}

/// Free space below which the store is in danger.
const LITTLE: u64 = 256 << 20;

/// Where the server keeps its leases. Whether a database answers is told by the server, which waits for it.
fn leases(store: &gateway_server::Place) -> Finding {
    match store {
        gateway_server::Place::Directory(directory) => space(directory),
        gateway_server::Place::Postgres(database) => match database.password_file.as_deref().map(std::fs::read) {
            Some(Err(error)) => {
                let found = format!("{database}: the password can't be read: {error}");
                Finding::fail("lease database", found, "the file that dhcp_server.store_password_file names")
            }
            _ => Finding::ok("lease database", database.to_string()),
        },
    }
}

fn space(dir: &Path) -> Finding {
    let existing = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let shown = dir.display();
    match free_octets(existing) {
        Some(free) if free < LITTLE => {
            let found = format!("{shown}: {} MiB free", free >> 20);
            Finding::warn("disk", found, "a login that can not be stored is refused: make room")
        }
        Some(free) => Finding::ok("disk", format!("{shown}: {:.1} GiB free", free as f64 / f64::from(1 << 30))),
        None => Finding::warn("disk", format!("{shown}: unknown space"), "see that it can be written"),
    }
}

fn free_octets(dir: &Path) -> Option<u64> {
    let path = std::ffi::CString::new(dir.as_os_str().as_encoded_bytes()).ok()?;
    // SAFETY: `statvfs` is plain data, for which zero is a valid value.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: a string that ends in NUL and a live buffer of the type the call fills.
    let result = unsafe { libc::statvfs(path.as_ptr(), &raw mut found) };
    (result == 0).then(|| found.f_bavail * found.f_frsize)
}

fn addresses(config: &Config) -> Vec<Finding> {
    let once = |mut addresses: Vec<IpAddr>| {
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    };
    let giaddrs = once(config.fpcs.iter().map(|fpc| fpc.giaddr.into()).collect());
    let links = once(config.fpcs.iter().filter_map(|fpc| Some(fpc.link_address6?.into())).collect());
    let giaddrs = giaddrs.into_iter().map(|giaddr| own_address("giaddr", giaddr, "fpc.giaddr"));
    let links = links.into_iter().map(|link| own_address("link-address", link, "fpc.link_address6"));
    giaddrs.chain(links).collect()
}

/// Whether the host has the address: only then can a socket be bound to it.
fn own_address(subject: &str, address: impl Into<IpAddr>, key: &str) -> Finding {
    let address = address.into();
    match UdpSocket::bind((address, 0)) {
        Ok(_) => Finding::ok(subject, format!("{address} is an address of this host")),
        Err(error) => {
            let length = if address.is_ipv4() { 32 } else { 128 };
            Finding::fail(
                subject,
                format!("{address} ({key}) is not an address of this host: {error}"),
                format!("ip address add {address}/{length} dev lo"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;

    #[test]
    fn versions() {
        assert_eq!(version("6.18.0-rc1"), Some((6, 18)));
        assert_eq!(version("5.10.0-28-amd64"), Some((5, 10)));
        assert_eq!(version("unknown"), None);
        assert!((5, 10) < OLDEST && (6, 18) > TESTED);
    }

    #[test]
    fn addresses_of_this_host() {
        assert_eq!(own_address("giaddr", [127, 0, 0, 1], "fpc.giaddr").level, Level::Ok);
        let missing = own_address("giaddr", [192, 0, 2, 77], "fpc.giaddr");
        assert_eq!(missing.level, Level::Fail);
        assert!(missing.advice.unwrap().contains("ip address add 192.0.2.77/32"));
        let link: IpAddr = "2001:db8:100::1".parse().unwrap();
        let missing = own_address("link-address", link, "fpc.link_address6");
        assert_eq!(missing.level, Level::Fail);
        assert!(missing.advice.unwrap().contains("ip address add 2001:db8:100::1/128"));
    }

    /// Each that is missing is named; one that includes others stands for them.
    #[test]
    fn what_is_missing() {
        assert_eq!(missing(0, true).len(), NEEDED.len());
        assert_eq!(missing(0, false), ["CAP_NET_BIND_SERVICE"]);
        let all = NEEDED.iter().fold(0, |set, (_, number)| set | 1 << number);
        assert!(missing(all, true).is_empty());
        assert_eq!(missing(all & !(1 << 38), true), ["CAP_PERFMON"]);
        assert!(missing(all & !(1 << 38 | 1 << 39) | 1 << CAP_SYS_ADMIN, true).is_empty());
    }

    /// Who may not mount a bpffs needs one that is there.
    #[test]
    fn somewhere_to_pin() {
        let dir = Path::new("/sys/fs/bpf/gateway");
        let level = |on_bpffs, may_mount| pins(dir, Path::new("/sys/fs"), on_bpffs, may_mount).level;
        assert_eq!((level(true, false), level(false, true), level(false, false)), (Level::Ok, Level::Ok, Level::Fail));
    }

    /// What every interface lacks is said of each, and what to do once.
    #[test]
    fn ipv6_of_each_port() {
        assert_eq!(forwarding6([].into_iter()).level, Level::Ok);
        let names = ["eth0".to_owned(), "eth1".to_owned()];
        let of = |name| ("is still", format!("mend {name}"));
        let same = forwarding6(names.iter().map(|name| (name, of("all").0, of("all").1)));
        assert_eq!((same.level, &same.found[..]), (Level::Fail, "eth0: is still; eth1: is still"));
        assert_eq!(same.advice.unwrap(), "mend all, and in /etc/sysctl.d for the next boot");
        let each = forwarding6(names.iter().map(|name| (name, of(name).0, of(name).1)));
        assert_eq!(each.advice.unwrap(), "mend eth0; mend eth1, and in /etc/sysctl.d for the next boot");
    }
}
