//! `cargo xtask lab`: a lab that stays until it is taken down, built by the code that the tests use.

use anyhow::{Context, Result, bail};
use gateway_tests::client;
use gateway_tests::daemon::{self, Configuration, Gateway};
use gateway_tests::lab::{self, Lab as Running};
use gateway_tests::members::{Delivery, Members};
use gateway_tests::namespace::Namespace;
use gateway_tests::plan::{INTERNET, Plan};
use gateway_tests::relay;
use gateway_tests::server::{self, Server, Service};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use xtask::cargo::target;

/// What to do with the lab.
#[derive(clap::Subcommand)]
pub(crate) enum Lab {
    /// Build the lab and start what is wanted in it.
    Up(Up),
    /// Show namespaces, addresses and what runs in them.
    Status,
    /// Run a command in a namespace: `gw` (of a cluster `gw-a`, `gw-b`, …), `core`, `srv0`, `sub0`, ….
    Exec(Exec),
    /// Take the carrier of an FPC's access port away for a while, as a line card that restarts.
    Flap(Flap),
    /// End everything in the lab and remove it.
    Down,
}

/// Options of `lab up`.
#[derive(clap::Args)]
pub(crate) struct Up {
    /// Number of FPCs, each with a subscriber namespace.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    fpcs: u8,
    /// All access ports share one giaddr.
    #[arg(long)]
    shared_giaddr: bool,
    /// Number of gateways; several are a cluster, in the namespaces `gw-a`, `gw-b`, ….
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    members: u8,
    /// IPv6 as well: addresses and delegated prefixes, and single logouts for both.
    #[arg(long)]
    v6: bool,
    /// The DHCP server in `srv0`.
    #[arg(long, value_enum, default_value_t = ServerName::Embedded)]
    server: ServerName,
    /// What relays in `gw`.
    #[arg(long, value_enum, default_value_t = RelayName::Gateway)]
    relay: RelayName,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ServerName {
    Kea,
    Dhcpd,
    Dnsmasq,
    /// The gateway's own, `gateway server`.
    Embedded,
    None,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum RelayName {
    /// `gateway run`
    Gateway,
    Dhcrelay,
    Dnsmasq,
    None,
}

/// Options of `lab exec`.
#[derive(clap::Args)]
pub(crate) struct Exec {
    /// The namespace's role.
    namespace: String,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

/// Options of `lab flap`.
#[derive(clap::Args)]
pub(crate) struct Flap {
    /// The FPC's number.
    fpc: u8,
    /// For how many seconds.
    #[arg(long, default_value = "3", value_parser = seconds)]
    seconds: Duration,
}

/// A number of seconds that can be waited for. Else the wait would fail, with the carrier already away.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "a number, such as 0.5".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

/// Do it.
pub(crate) fn run(command: &Lab) -> Result<()> {
    match command {
        Lab::Up(options) => up(options),
        Lab::Status => status(),
        Lab::Exec(options) => exec(options),
        Lab::Flap(options) => flap(options),
        Lab::Down => down(),
    }
}

fn record() -> PathBuf {
    target().join("lab.json")
}

fn open() -> Result<Running> {
    Running::open(&record()).context("there is no lab; `cargo xtask lab up` makes one")
}

fn up(options: &Up) -> Result<()> {
    if record().exists() {
        bail!("a lab is up already; `cargo xtask lab down` removes it");
    }
    let (fpcs, shared_giaddr, members) = (options.fpcs, options.shared_giaddr, options.members);
    let plan = Plan { fpcs, shared_giaddr, members, ipv6: options.v6, ..Plan::default() };
    // Not a process number: a lab that stays must not look left over when its maker is gone.
    let name = lab::unique().replacen("gwlab-", "gwlab-up", 1);
    let lab = Running::named(plan, &name)?;
    let server = match options.server {
        ServerName::Kea => Some(server::Kind::Kea),
        ServerName::Dhcpd => Some(server::Kind::Dhcpd),
        ServerName::Dnsmasq => Some(server::Kind::Dnsmasq),
        ServerName::Embedded => Some(server::Kind::Embedded),
        ServerName::None => None,
    };
    let service = Service::relayed(&lab.plan, 0);
    let server = server.map(|kind| Server::start(kind, &lab.servers[0], &service, lab.directory())).transpose()?;
    let to = lab.plan.server(0);
    let mut configuration = Configuration::new(&lab);
    configuration.dhcpv6 += "bulk_release = true\n";
    let relays = match options.relay {
        RelayName::Gateway if members > 1 => {
            let cluster = Members::start(&lab, &configuration, Delivery::Unicast, members)?;
            cluster.gateways.into_iter().flatten().map(|gateway| gateway.process).collect()
        }
        RelayName::Gateway => vec![Gateway::start(&lab, &configuration)?.process],
        RelayName::Dhcrelay => vec![relay::start(relay::Kind::Dhcrelay, &lab, to)?],
        RelayName::Dnsmasq => vec![relay::start(relay::Kind::Dnsmasq, &lab, to)?],
        RelayName::None => Vec::new(),
    };
    let gateway = if members > 1 { Plan::member_name(0) } else { "gw".to_owned() };
    let config = configuration_of(&lab, &gateway);
    let script = client::udhcpc_script(lab.directory())?;
    lab.keep(&record())?;
    let servers = server.into_iter().flat_map(|server| [Some(server.process), server.process6]).flatten();
    for process in servers.chain(relays) {
        process.leave_running();
    }
    println!("the lab is up; for example");
    println!("  # log a subscriber in, and send something beyond the gateway");
    println!("  cargo xtask lab exec sub0 busybox udhcpc -i sub0 -q -s {}", script.display());
    println!("  cargo xtask lab exec sub0 ping -c 3 {INTERNET}");
    if options.v6 {
        println!("  cargo xtask lab exec sub0 dhclient -6 -1 -P -N -v -sf /bin/true -lf /dev/null sub0");
    }
    if config.exists() {
        println!("  # look at the gateway, then restart a line card");
        println!("  cargo xtask lab exec {gateway} gateway top");
    }
    println!("  cargo xtask lab flap 0");
    status()
}

fn status() -> Result<()> {
    let lab = open()?;
    println!("files and logs are in {}", lab.directory().display());
    println!(
        "sub0, sub1, … are namespaces, one for each FPC; in each of them the subscribers' interface is called sub0"
    );
    for space in lab.namespaces() {
        println!("{} (namespace {})", lab.role(space), space.name());
        for line in space.ip("-brief address")?.lines().filter(|line| !line.starts_with("lo ")) {
            println!("    {}", line.trim_end());
        }
        for program in programs(space)? {
            println!("    {program}");
        }
    }
    Ok(())
}

/// What runs in a namespace: process number and command line.
fn programs(space: &Namespace) -> Result<Vec<String>> {
    let pids = gateway_tests::process::output(Command::new("ip").args(["netns", "pids", space.name()]))?;
    let describe = |pid: &str| {
        // It may be gone already.
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some(format!("{pid}: {}", String::from_utf8_lossy(&line).replace('\0', " ").trim_end()))
    };
    Ok(pids.split_whitespace().filter_map(describe).collect())
}

fn exec(options: &Exec) -> Result<()> {
    let lab = open()?;
    let Some(space) = lab.namespace(&options.namespace) else {
        let roles: Vec<_> = lab.namespaces().map(|space| lab.role(space)).collect();
        bail!("no namespace {:?}; there are {}", options.namespace, roles.join(", "));
    };
    let mut command = space.command(&options.command[0]);
    command.args(&options.command[1..]);
    at_home(&mut command, &lab, &options.namespace)?;
    let status = command.status().with_context(|| format!("cannot run {}", options.command[0]))?;
    std::process::exit(status.code().unwrap_or(1));
}

/// `gateway` is the one that was built, and knows the lab's configuration.
fn at_home(command: &mut Command, lab: &Running, role: &str) -> Result<()> {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if let Ok(program) = daemon::program()
        && let Some(directory) = program.parent()
    {
        path = std::env::join_paths([directory.to_owned()].into_iter().chain(std::env::split_paths(&path)))?;
    }
    command.env("PATH", path).env("GATEWAY_CONFIG", configuration_of(lab, role));
    Ok(())
}

/// The gateway's configuration; a member of a cluster has its own.
fn configuration_of(lab: &Running, role: &str) -> PathBuf {
    let own = lab.directory().join(role).join(daemon::CONFIG);
    if own.exists() { own } else { lab.directory().join(daemon::CONFIG) }
}

fn flap(options: &Flap) -> Result<()> {
    let lab = open()?;
    if options.fpc >= lab.plan.fpcs {
        bail!("no FPC {}: the lab has 0 to {}", options.fpc, lab.plan.fpcs - 1);
    }
    lab.carrier(options.fpc, false)?;
    println!("{} has lost its carrier", Running::port(options.fpc));
    // Nothing is waited for here: the outage itself has this length.
    std::thread::sleep(options.seconds);
    lab.carrier(options.fpc, true)?;
    println!("{} has it back", Running::port(options.fpc));
    Ok(())
}

fn down() -> Result<()> {
    Running::remove(&record()).context("there is no lab to take down")?;
    println!("the lab is gone");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What can't be waited for is refused before the carrier goes.
    #[test]
    fn times_of_a_flap() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["-1", "nan", "inf", "1e30", "soon", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
