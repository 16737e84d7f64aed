//! What has to be on the host: Debian's package names, and the files that show that a package is there.

use std::path::{Path, PathBuf};

/// One Debian package.
pub(crate) struct Package {
    /// Its name in Debian 12.
    pub(crate) name: &'static str,
    /// A command on the PATH (no slash), or a file, that it brings.
    pub(crate) brings: &'static str,
    /// The services it would start; they are never started, and not enabled by us.
    pub(crate) services: &'static [&'static str],
}

const fn package(name: &'static str, brings: &'static str) -> Package {
    Package { name, brings, services: &[] }
}

/// For compiling the eBPF object with Debian's own compiler: rustc 1.96 with its sources, and the LLVM 22 that
/// bpf-linker links against.
pub(crate) const BUILD: &[Package] = &[
    package("gcc", "cc"),
    package("g++", "c++"),
    package("libc6-dev", "/usr/include/stdio.h"),
    package("rustc-web", "/usr/share/doc/rustc-web"),
    package("cargo-web", "/usr/share/doc/cargo-web"),
    package("rust-web-src", "/usr/lib/rustlib/src/rust/library/core"),
    package("llvm-22-dev", "/usr/lib/llvm-22/bin/llvm-config"),
    package("libpolly-22-dev", "/usr/lib/llvm-22/lib/libPolly.a"),
    package("libzstd-dev", "/usr/include/zstd.h"),
    package("zlib1g-dev", "/usr/include/zlib.h"),
];

/// For the lab, the tests and the benches.
pub(crate) const TEST: &[Package] = &[
    package("iproute2", "ip"),
    package("ethtool", "ethtool"),
    package("nftables", "nft"),
    package("tcpdump", "tcpdump"),
    package("iputils-ping", "ping"),
    package("isc-dhcp-client", "dhclient"),
    package("busybox-static", "busybox"),
    package("dhcpcd-base", "dhcpcd"),
    package("systemd", "/lib/systemd/systemd-networkd"),
    package("dnsmasq-base", "dnsmasq"),
    package("kea-admin", "perfdhcp"),
    package("libjemalloc2", "/usr/share/doc/libjemalloc2"),
    Package { name: "kea-dhcp4-server", brings: "kea-dhcp4", services: &["kea-dhcp4-server"] },
    Package { name: "kea-dhcp6-server", brings: "kea-dhcp6", services: &["kea-dhcp6-server"] },
    Package { name: "isc-dhcp-server", brings: "dhcpd", services: &["isc-dhcp-server"] },
    Package { name: "etcd-server", brings: "etcd", services: &["etcd"] },
    package("etcd-client", "etcdctl"),
    Package { name: "postgresql-15", brings: "/usr/lib/postgresql/15/bin/postgres", services: &["postgresql"] },
    Package { name: "isc-dhcp-relay", brings: "dhcrelay", services: &["isc-dhcp-relay"] },
];

impl Package {
    fn is_there(&self) -> bool {
        if self.brings.contains('/') { Path::new(self.brings).exists() } else { command(self.brings).is_some() }
    }

    /// The package's name and what was looked for.
    pub(crate) fn describe(&self) -> String {
        format!("{} (Debian package {})", self.brings, self.name)
    }
}

/// Those of `packages` that the host lacks.
pub(crate) fn missing(packages: &'static [Package]) -> Vec<&'static Package> {
    packages.iter().filter(|package| !package.is_there()).collect()
}

/// The path of a command: in $PATH, or where Debian puts system commands that a user's PATH may leave out.
pub(crate) fn command(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|directory| directory.join(name)).find(|path| path.is_file())
}
