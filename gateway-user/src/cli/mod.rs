//! The command line.

mod act;
mod cluster;
mod cluster_view;
mod frame;
mod leases;
mod log;
pub(crate) mod out;
mod paths_view;
mod progress;
mod read;
mod recover;
mod subnets;
pub(crate) mod text;
mod view;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use gateway_common::maps;

use crate::config::{self, Config};
use crate::control::Client;
use crate::control::protocol::{Request, Response, RestartPolicy};
use log::LogOptions;
pub(crate) use read::ReadOptions;

/// Where the control socket is unless the configuration says otherwise.
const DEFAULT_CONTROL: &str = "/run/gateway/control.sock";

/// An eBPF/XDP gateway for DHCP subscribers: relay, access control and the single logout.
#[derive(Parser, Debug)]
#[command(name = "gateway", version, max_term_width = 100)]
struct Cli {
    /// Configuration file [default: $GATEWAY_CONFIG, else /etc/gateway/gateway.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Control socket of the gateway to talk to [default: gateway.control of the configuration]
    #[arg(long, global = true, value_name = "SOCKET")]
    control: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the gateway
    Run {
        #[command(flatten)]
        log: LogOptions,
        /// Replace a pinned data plane instead of adopting it; forwarding stops until the new one is attached
        #[arg(long)]
        reset: bool,
        /// At the end detach the programs, so that forwarding stops; without it, forwarding goes on
        #[arg(long)]
        detach: bool,
    },
    /// Run the DHCP server of the configuration on its own, or ask a running gateway about a server
    #[command(args_conflicts_with_subcommands = true)]
    Server {
        #[command(flatten)]
        log: LogOptions,
        #[command(subcommand)]
        action: Option<ServerAction>,
    },
    /// Check the configuration, and with --host what the host offers
    Check(CheckOptions),
    /// The gateway as a whole
    Status(ReadOptions),
    /// Sessions, or one of them
    Sessions {
        /// Only the subscriber with this address, or with a prefix that it is of
        address: Option<IpAddr>,
        /// Only those of this FPC
        #[arg(long, value_name = "FPC", conflicts_with = "address")]
        fpc: Option<String>,
        /// Only those behind this access port
        #[arg(long, value_name = "INTERFACE", conflicts_with = "address")]
        port: Option<String>,
        /// Only those of this MAC
        #[arg(long, value_name = "MAC", conflicts_with = "address")]
        mac: Option<String>,
        /// Only those that were logged out but not confirmed
        #[arg(long, conflicts_with = "address")]
        orphaned: bool,
        /// At most this many
        #[arg(long, value_name = "N", conflicts_with = "address")]
        limit: Option<usize>,
        #[command(flatten)]
        read: ReadOptions,
    },
    /// Access routes in the kernel's maps, read without the controller
    Routes {
        /// Only how many there are, by state
        #[arg(long)]
        count: bool,
        /// Where the maps are pinned [default: gateway.bpffs of the configuration]
        #[arg(long, value_name = "DIR")]
        bpffs: Option<PathBuf>,
        #[command(flatten)]
        read: ReadOptions,
    },
    /// The 1024 work units: who owns how many, since when, with which load and how many moves
    Units {
        /// Only this unit
        #[arg(value_parser = clap::value_parser!(u16).range(0..1024))]
        unit: Option<u16>,
        /// Each unit on a line
        #[arg(long, conflicts_with = "unit")]
        list: bool,
        /// Each unit of this member on a line
        #[arg(long, value_name = "MEMBER", conflicts_with = "unit")]
        of: Option<String>,
        /// All of them as a field of 32 by 32
        #[arg(long, conflicts_with_all = ["unit", "list", "of"])]
        field: bool,
        #[command(flatten)]
        read: ReadOptions,
    },
    /// Members of the cluster: who is master, who owns how much, whom it hears
    Members {
        /// What carries the stream to each member: its addresses, and how good the paths are
        #[arg(long)]
        paths: bool,
        #[command(flatten)]
        read: ReadOptions,
    },
    /// Line cards
    Fpcs(ReadOptions),
    /// DHCP servers and whether they take single logouts
    Servers(ReadOptions),
    /// What the embedded DHCP server has leased; export and import of leases
    Leases(Box<leases::LeasesCommand>),
    /// Subnets that the embedded DHCP server has from other servers, and that they have from it
    Subnets(subnets::SubnetsCommand),
    /// Releases of line cards' logins
    Releases(ReadOptions),
    /// What was dropped and why; with --watch, samples as they come
    Drops(ReadOptions),
    /// What happened lately; with --watch, what happens
    Events {
        /// Only what concerns line cards, servers and the gateway, not single subscribers
        #[arg(long)]
        brief: bool,
        #[command(flatten)]
        read: ReadOptions,
    },
    /// All of it on one screen
    Top {
        /// Seconds between two looks
        #[arg(long, default_value_t = 1.0, value_parser = read::interval)]
        interval: f64,
    },
    /// Release one subscriber at its DHCP server
    Release {
        /// Its address, or one of a prefix that is delegated to it
        address: IpAddr,
        #[command(flatten)]
        json: JsonOption,
    },
    /// Ask the servers what they leased through this gateway: restore what is missing here, and show the differences
    Recover {
        /// Only this server
        server: Option<IpAddr>,
        /// Only compare, and change nothing
        #[arg(long)]
        compare: bool,
        /// Ask nothing: show what was told last, at the start too
        #[arg(long, conflicts_with_all = ["server", "compare"])]
        last: bool,
        #[command(flatten)]
        json: JsonOption,
    },
    /// The members of a cluster and the authority that lets them in
    Cluster {
        #[command(subcommand)]
        action: cluster::ClusterAction,
    },
    /// Act on a line card
    Fpc {
        #[command(subcommand)]
        action: FpcAction,
    },
}

#[derive(Subcommand, Debug)]
enum FpcAction {
    /// Say that a line card is about to restart: its subscribers are logged out ahead of time
    Restart {
        /// Its name
        name: String,
        /// What becomes of its logins [default: on_restart of the configuration]
        #[arg(long, value_enum)]
        policy: Option<RestartPolicy>,
        /// Follow the release to its end; fails unless every login was released
        #[arg(long)]
        wait: bool,
        /// With --wait: give up after this many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 600)]
        timeout: u64,
        #[command(flatten)]
        json: JsonOption,
    },
}

#[derive(Subcommand, Debug)]
enum ServerAction {
    /// The embedded DHCP server: leases, and what it counted
    Status(ReadOptions),
    /// Ask a server what a single logout would do, changing nothing: shows whether it is capable
    Probe {
        /// The server's address
        address: Ipv4Addr,
        #[command(flatten)]
        json: JsonOption,
    },
}

#[derive(Args, Debug)]
struct CheckOptions {
    /// Also look at kernel, capabilities, interfaces and offloads, and say what to do
    #[arg(long)]
    host: bool,
    /// Print a configuration with every key, its meaning and its default
    #[arg(long, exclusive = true)]
    example: bool,
    #[command(flatten)]
    json: JsonOption,
}

#[derive(Args, Clone, Copy, Debug)]
struct JsonOption {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the global options say.
struct Context {
    config: PathBuf,
    control: Option<PathBuf>,
}

impl Context {
    fn connect(&self) -> anyhow::Result<Client> {
        self.connect_to(&self.control())
    }

    /// To the gateway, or to a DHCP server on its own.
    fn connect_any(&self) -> anyhow::Result<Client> {
        self.connect_to(&self.server_control())
    }

    fn connect_to(&self, socket: &Path) -> anyhow::Result<Client> {
        Client::connect(socket).map_err(|error| match self.bpffs().join(maps::ROUTES).exists() {
            true => anyhow::anyhow!("{error:#}. What one has pinned goes on forwarding: `gateway routes` shows it"),
            false => error,
        })
    }

    /// The socket named on the command line, else in the configuration as far as this user may read it.
    fn control(&self) -> PathBuf {
        let configured = || Some(config::load(&self.config).ok()?.gateway?.gateway.control);
        self.control.clone().or_else(configured).unwrap_or_else(|| DEFAULT_CONTROL.into())
    }

    /// The socket of whoever runs the DHCP server: the gateway, or the server on its own.
    fn server_control(&self) -> PathBuf {
        let configured = || {
            let parsed = config::load(&self.config).ok()?;
            match parsed.gateway {
                Some(gateway) => Some(gateway.gateway.control),
                None => Some(parsed.server_control?.path),
            }
        };
        self.control.clone().or_else(configured).unwrap_or_else(|| DEFAULT_CONTROL.into())
    }

    fn bpffs(&self) -> PathBuf {
        let configured = || Some(config::load(&self.config).ok()?.gateway?.gateway.bpffs);
        configured().unwrap_or_else(|| "/sys/fs/bpf/gateway".into())
    }

    /// Where the maps are pinned, and the names of the interfaces in them. A controller that runs tells both: it may
    /// have mounted the bpffs, and have its interfaces, in namespaces of its own (`ip netns exec` makes them).
    fn maps(&self, named: Option<PathBuf>) -> (PathBuf, HashMap<u32, String>) {
        let dir = named.unwrap_or_else(|| self.bpffs());
        let Some(Response::Status(status)) =
            self.connect().ok().and_then(|mut client| client.ask(&Request::Status).ok())
        else {
            return (dir, HashMap::new());
        };
        let names = status.ports.into_iter().filter_map(|port| Some((port.ifindex?, port.name))).collect();
        let root = Path::new("/proc").join(status.pid.to_string()).join("root");
        let theirs = root.join(dir.strip_prefix("/").unwrap_or(&dir));
        (if !dir.exists() && theirs.exists() { theirs } else { dir }, names)
    }
}

/// The program `gateway`.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let named = cli.config.or_else(|| std::env::var_os("GATEWAY_CONFIG").map(PathBuf::from));
    let context = Context { config: named.unwrap_or_else(|| config::DEFAULT_FILE.into()), control: cli.control };
    match run(cli.command, &context) {
        Ok(code) => code,
        Err(error) if out::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", complaint(&error));
            ExitCode::FAILURE
        }
    }
}

/// One line for most errors; the mistakes of a configuration as they are, one for each line.
fn complaint(error: &anyhow::Error) -> String {
    match error.downcast_ref::<config::Problems>() {
        Some(problems) => {
            let number = problems.problems.len();
            format!("{problems}\n{number} mistake{} in the configuration", if number == 1 { "" } else { "s" })
        }
        None => format!("gateway: {error:#}"),
    }
}

fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run { log, reset, detach } => {
            let config = Config::load(&context.config)?;
            log.start()?;
            let of_server = config.dhcp_server.iter().flat_map(crate::check::server_cautions);
            for caution in crate::check::cautions(&config).into_iter().chain(of_server) {
                tracing::warn!(advice = caution.advice, "{}", caution.found);
            }
            crate::run::run(config, crate::run::Options { reset, detach })?;
        }
        Command::Server { log, action: None } => {
            let config = config::load_server(&context.config)?;
            let configured = config::load(&context.config)?.server_control.unwrap_or_default();
            let control =
                config::ServerControl { path: context.control.clone().unwrap_or(configured.path), ..configured };
            log.start()?;
            for caution in crate::check::server_cautions(&config) {
                tracing::warn!(advice = caution.advice, "{}", caution.found);
            }
            crate::server::run(config, &control)?;
        }
        Command::Server { action: Some(ServerAction::Status(read)), .. } => {
            read::dhcp_server(&mut Client::connect(&context.server_control())?, read)?;
        }
        Command::Server { action: Some(ServerAction::Probe { address, json }), .. } => {
            act::probe(&mut context.connect()?, address, json.json)?;
        }
        Command::Check(CheckOptions { example: true, .. }) => out::print(config::EXAMPLE)?,
        Command::Check(CheckOptions { host, json, .. }) => return crate::check::run(&context.config, host, json.json),
        Command::Status(read) => read::status(&mut context.connect()?, read)?,
        Command::Sessions { address: Some(address), read, .. } => {
            read::session(&mut context.connect()?, address, read)?;
        }
        Command::Sessions { address: None, fpc, port, mac, orphaned, limit, read } => {
            let filter = read::SessionFilter { fpc, port, mac, orphaned, limit };
            read::sessions(&mut context.connect()?, &filter, read)?;
        }
        Command::Routes { count, bpffs, read } => {
            let (bpffs, names) = context.maps(bpffs);
            read::routes(&bpffs, &names, count, read)?;
        }
        Command::Units { unit: None, list: false, of: None, field, read } => {
            read::units(&mut context.connect()?, field, read)?;
        }
        Command::Units { unit, of, read, .. } => read::unit_list(&mut context.connect()?, unit, of.as_deref(), read)?,
        Command::Fpcs(read) => read::fpcs(&mut context.connect()?, read)?,
        Command::Servers(read) => read::servers(&mut context.connect()?, read)?,
        Command::Leases(command) => return leases::run(*command, context),
        Command::Subnets(command) => subnets::run(command, context)?,
        Command::Releases(read) => read::releases(&mut context.connect()?, read)?,
        Command::Drops(read) => read::drops(&mut context.connect()?, read)?,
        Command::Events { brief, read } => read::events(&mut context.connect()?, brief, read)?,
        Command::Top { interval } => crate::top::run(&mut context.connect_any()?, interval)?,
        Command::Release { address, json } => act::release(&mut context.connect()?, address, json.json)?,
        Command::Recover { server, compare, last, json } => {
            return recover::run(&mut context.connect()?, server, compare, last, json.json);
        }
        Command::Members { paths, read } => read::members(&mut context.connect()?, paths, read)?,
        Command::Cluster { action: cluster::ClusterAction::Drain { member, end } } => {
            act::drain(&mut context.connect()?, member, end)?;
        }
        Command::Cluster { action } => cluster::run(action)?,
        Command::Fpc { action: FpcAction::Restart { name, policy, wait, timeout, json } } => {
            let wait = wait.then(|| std::time::Duration::from_secs(timeout));
            return act::restart(&mut context.connect()?, name, policy, wait, json.json);
        }
    }
    Ok(ExitCode::SUCCESS)
}
