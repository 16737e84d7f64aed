//! Veth pairs and bridges between namespaces.

use crate::namespace::Namespace;
use crate::process::output;
use anyhow::Result;
use std::process::Command;

/// A veth pair between two namespaces, both ends up.
///
/// Senders compute full checksums (XDP would see partial ones), and receivers have GRO on: frames that an XDP program
/// transmits or redirects into a veth whose peer has neither GRO nor an XDP program vanish silently. Tags travel in the
/// frame, not beside it, where XDP behind a bridge would not see them.
pub fn veth(a: (&Namespace, &str), b: (&Namespace, &str)) -> Result<()> {
    let (a_space, a_name) = (a.0.name(), a.1);
    let (b_space, b_name) = (b.0.name(), b.1);
    let line = format!("link add {a_name} netns {a_space} type veth peer name {b_name} netns {b_space}");
    output(Command::new("ip").args(line.split(' ')))?;
    for (space, name) in [a, b] {
        // Up first: a veth tells its peer that it takes redirected frames only when GRO is switched on while it is up.
        space.ip(&format!("link set {name} up"))?;
        let features = ["tx", "off", "txvlan", "off", "tx-vlan-stag-hw-insert", "off", "gro", "on"];
        output(space.command("ethtool").args(["-K", name]).args(features))?;
    }
    Ok(())
}

/// A bridge in `space`, up, without spanning tree, that enslaves the interfaces `ports`.
pub fn bridge(space: &Namespace, name: &str, ports: &[impl AsRef<str>]) -> Result<()> {
    space.ip(&format!("link add {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"))?;
    for port in ports {
        space.ip(&format!("link set {} master {name}", port.as_ref()))?;
    }
    space.ip(&format!("link set {name} up")).map(drop)
}
