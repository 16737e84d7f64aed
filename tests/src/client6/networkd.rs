//! systemd-networkd, without udev: it takes a /sys that can't be written for that of a container, where nobody waits for udev.

use crate::namespace::Namespace;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// Where it looks first; `/run` is the namespace's own.
const DIRECTORY: &str = "/run/systemd/network";

pub(super) fn command(space: &Namespace, interface: &str, delegated: bool) -> Result<Command> {
    let hint = if delegated { "PrefixDelegationHint=::/56\n" } else { "UseDelegatedPrefix=no\n" };
    let wan = format!(
        "[Match]\nName={interface}\n[Network]\nDHCP=ipv6\nIPv6AcceptRA=yes\n[DHCPv6]\nWithoutRA=solicit\n\
         DUIDType=link-layer\n{hint}UseDNS=no\nUseNTP=no\nUseHostname=no\n"
    );
    let lan = format!(
        "[Match]\nName=lan0\n[Network]\nDHCPPrefixDelegation=yes\nIPv6SendRA=no\nIPv6AcceptRA=no\n\
         [DHCPPrefixDelegation]\nUplinkInterface={interface}\nSubnetId=0\nToken=::1\nAnnounce=no\n"
    );
    space.run(|| -> Result<()> {
        std::fs::create_dir_all(DIRECTORY)?;
        std::fs::write(Path::new(DIRECTORY).join("wan.network"), wan)?;
        if delegated {
            std::fs::write(Path::new(DIRECTORY).join("lan.network"), lan)?;
        }
        Ok(())
    })??;
    let mut command = space.command("unshare");
    command.args(["--mount", "sh", "-c", "mount -o remount,bind,ro /sys && exec /lib/systemd/systemd-networkd"]);
    Ok(command)
}
