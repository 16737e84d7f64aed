//! Links and addresses.
//!
//! One gateway has its access ports' far ends in the subscribers' namespaces. The ports of several members meet in a
//! bridge for each FPC, so that every member sees every frame; a link of their own connects the members.

use super::Lab;
use crate::link::{bridge, veth};
use crate::namespace::Namespace;
use crate::pass;
use crate::plan::{CORE, INTERNET, Plan};
use crate::plan6::{BEYOND6, CORE6, INTERNET6, LAB6};
use anyhow::Result;

/// The far end of a member's access port, in the bridges' namespace.
pub(super) fn far_port(member: u8, fpc: u8) -> String {
    format!("m{member}fpc{fpc}")
}

/// The far end of a member's port to the others, in the bridges' namespace.
pub(super) fn cluster_port(member: u8) -> String {
    format!("m{member}clu")
}

pub(super) fn link(lab: &Lab) -> Result<()> {
    lab.namespaces().try_for_each(|space| quiet(space))?;
    if lab.plan.ipv6 {
        lab.members.iter().chain(&lab.servers).try_for_each(|space| with_ipv6(space, 0))?;
        lab.subscribers.iter().try_for_each(|space| with_ipv6(space, -1))?;
    }
    let mut core = Vec::new();
    if let [gateway] = &lab.members[..] {
        for (fpc, subscriber) in (0..).zip(&lab.subscribers) {
            access_port((gateway, fpc), (subscriber, "sub0"))?;
        }
        veth((gateway, "core0"), (&lab.core, "gw0"))?;
        core.push("gw0".to_owned());
    } else {
        core.extend(link_members(lab)?);
    }
    for (index, server) in lab.servers.iter().enumerate() {
        let port = format!("srv{index}");
        veth((server, "srv0"), (&lab.core, &port))?;
        core.push(port);
    }
    bridge(&lab.core, "br-core", &core)
}

/// The access port of an FPC whose subscriber namespace is a new one.
pub(super) fn plug(lab: &Lab, fpc: u8) -> Result<()> {
    let subscriber = &lab.subscribers[usize::from(fpc)];
    quiet(subscriber)?;
    if lab.plan.ipv6 {
        with_ipv6(subscriber, -1)?;
    }
    access_port((&lab.gateway, fpc), (subscriber, "sub0"))?;
    if lab.plan.shared_giaddr {
        return Ok(());
    }
    lab.gateway.ip(&format!("addr add {}/16 dev {}", lab.plan.giaddr(fpc), Lab::port(fpc))).map(drop)
}

/// No router solicitations and the like between the frames that tests count.
fn quiet(space: &Namespace) -> Result<()> {
    space.sysctl("net.ipv6.conf.default.disable_ipv6", "1")?;
    space.sysctl("net.ipv4.conf.all.rp_filter", "0")?;
    space.sysctl("net.ipv4.conf.default.rp_filter", "0")
}

/// IPv6 on what comes: addresses at once, and `questions` for a router, one each second; -1: until there is one.
fn with_ipv6(space: &Namespace, questions: i32) -> Result<()> {
    let questions = questions.to_string();
    let settings = [
        ("disable_ipv6", "0"),
        ("accept_dad", "0"),
        ("accept_ra", "2"),
        ("router_solicitations", questions.as_str()),
        ("router_solicitation_interval", "1"),
        ("router_solicitation_max_interval", "1"),
        ("router_solicitation_delay", "0"),
    ];
    settings.iter().try_for_each(|(key, value)| space.sysctl(&format!("net.ipv6.conf.default.{key}"), value))
}

/// A gateway's access port and what it is plugged into, which hears what the gateway's program sends back.
fn access_port((gateway, fpc): (&Namespace, u8), (space, name): (&Namespace, &str)) -> Result<()> {
    veth((space, name), (gateway, &Lab::port(fpc)))?;
    space.run(|| pass::attach_for_good(name))?
}

/// Connects the members to the access segments and to each other; returns their ports to the core.
fn link_members(lab: &Lab) -> Result<Vec<String>> {
    let (mut core, mut cluster) = (Vec::new(), Vec::new());
    for (member, space) in (0u8..).zip(&lab.members) {
        let (core_port, cluster_port) = (format!("m{member}core"), cluster_port(member));
        veth((space, "core0"), (&lab.core, &core_port))?;
        cluster_veth(lab, space, &cluster_port)?;
        core.push(core_port);
        cluster.push(cluster_port);
    }
    bridge(&lab.core, "br-clu", &cluster)?;
    for (fpc, subscriber) in (0u8..).zip(&lab.subscribers) {
        let mut segment = vec![format!("sub{fpc}")];
        veth((subscriber, "sub0"), (&lab.core, &segment[0]))?;
        for (member, space) in (0u8..).zip(&lab.members) {
            let far = far_port(member, fpc);
            access_port((space, fpc), (&lab.core, &far))?;
            segment.push(far);
        }
        bridge(&lab.core, &format!("br-fpc{fpc}"), &segment)?;
    }
    Ok(core)
}

fn cluster_veth(lab: &Lab, space: &Namespace, port: &str) -> Result<()> {
    veth((space, "clu0"), (&lab.core, port))
}

/// A member's interface toward the others is made anew: it has its old name and address, and another index.
pub(super) fn remake_cluster_link(lab: &Lab, member: u8) -> Result<()> {
    let (space, port) = (&lab.members[usize::from(member)], cluster_port(member));
    space.ip("link delete clu0")?;
    cluster_veth(lab, space, &port)?;
    lab.core.ip(&format!("link set {port} master br-clu"))?;
    space.ip(&format!("addr add {}/24 dev clu0", Plan::member_link(member))).map(drop)
}

pub(super) fn address(lab: &Lab) -> Result<()> {
    for (member, space) in (0..).zip(&lab.members) {
        space.sysctl("net.ipv4.ip_forward", "1")?;
        let mut lines = if lab.members.len() == 1 { alone(lab) } else { shared(lab, member) };
        if lab.plan.ipv6 {
            space.sysctl("net.ipv6.conf.all.forwarding", "1")?;
            lines += &if lab.members.len() == 1 { gateway6(lab) } else { shared6(lab, member) };
        }
        lines += &format!("route add {INTERNET}/32 via {}\n", lab.plan.server(0));
        space.ip_batch(&lines)?;
    }
    for (index, server) in (0..).zip(&lab.servers) {
        let mut lines = format!("addr add {}/24 dev srv0\n", lab.plan.server(index));
        lines += &format!("route add 100.64.0.0/10 via {CORE}\n");
        if index == 0 {
            lines += &format!("addr add {INTERNET}/32 dev lo\n");
        }
        if lab.plan.ipv6 {
            lines += &server6(lab, index);
        }
        server.ip_batch(&lines)?;
    }
    Ok(())
}

fn gateway6(lab: &Lab) -> String {
    let (beyond, length) = BEYOND6;
    let mut lines = format!("addr add {CORE6}/64 dev core0\n");
    if lab.plan.shared_giaddr {
        lines += &format!("addr add {}/128 dev lo\n", lab.plan.link_address6(0));
    } else {
        for fpc in 0..lab.plan.fpcs {
            lines += &format!("addr add {}/64 dev {}\n", lab.plan.link_address6(fpc), Lab::port(fpc));
        }
    }
    lines + &format!("route add {beyond}/{length} via {}\n", lab.plan.server6(0))
}

/// The IPv6 addresses of a member: its own, and those it shares, on the loopback interface as those of [`shared`].
fn shared6(lab: &Lab, member: u8) -> String {
    let (beyond, length) = BEYOND6;
    let mut lines = format!("addr add {}/64 dev core0\naddr add {CORE6}/128 dev lo\n", Plan::member_core6(member));
    for fpc in 0..if lab.plan.shared_giaddr { 1 } else { lab.plan.fpcs } {
        lines += &format!("addr add {}/128 dev lo\n", lab.plan.link_address6(fpc));
    }
    lines + &format!("route add {beyond}/{length} via {}\n", lab.plan.server6(0))
}

fn server6(lab: &Lab, index: u8) -> String {
    let (all, length) = LAB6;
    let mut lines = format!("addr add {}/64 dev srv0\n", lab.plan.server6(index));
    lines += &format!("route add {all}/{length} via {CORE6}\n");
    if index == 0 {
        lines += &format!("addr add {INTERNET6}/128 dev lo\n");
    }
    lines
}

/// The addresses of a gateway without a cluster.
fn alone(lab: &Lab) -> String {
    let mut lines = format!("addr add {CORE}/24 dev core0\n");
    if lab.plan.shared_giaddr {
        lines += &format!("addr add {}/32 dev lo\n", lab.plan.giaddr(0));
    } else {
        for fpc in 0..lab.plan.fpcs {
            lines += &format!("addr add {}/16 dev {}\n", lab.plan.giaddr(fpc), Lab::port(fpc));
        }
    }
    lines
}

/// The addresses of a member: its own, and those it shares, which stand on the loopback interface so that the kernel of
/// no member speaks for them.
fn shared(lab: &Lab, member: u8) -> String {
    let mut lines = format!("addr add {}/24 dev core0\naddr add {CORE}/32 dev lo\n", Plan::member_core(member));
    lines += &format!("addr add {}/24 dev clu0\n", Plan::member_link(member));
    let giaddrs = if lab.plan.shared_giaddr { 1 } else { lab.plan.fpcs };
    for fpc in 0..giaddrs {
        lines += &format!("addr add {}/32 dev lo\n", lab.plan.giaddr(fpc));
    }
    lines
}
