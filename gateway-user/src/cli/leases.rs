//! `gateway leases`: what the embedded server has leased, and the way there from another server and back.

mod export;
mod import;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use gateway_server::clock;
use gateway_server::exchange::{Cidr, Filter, NEVER, Row, State, json};
use gateway_server::lookup::{LeasePage, Offline};

use super::text::{Table, cut, seconds};
use super::{Context, JsonOption, out};
use crate::config;
use crate::control::Client;
use crate::control::protocol::{Request, Response};

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct LeasesCommand {
    #[command(flatten)]
    list: ListOptions,
    #[command(subcommand)]
    action: Option<LeasesAction>,
}

#[derive(Subcommand, Debug)]
enum LeasesAction {
    /// Write leases to standard output, in a form that this or another server reads
    Export {
        /// What is written
        #[arg(long, value_enum)]
        format: To,
        #[command(flatten)]
        which: Which,
        /// For Kea: the number that it has for a subnet [default: 1 for the first of the configuration, and so on]
        #[arg(long, value_name = "PREFIX=N", value_parser = subnet_id)]
        subnet_id: Vec<(Cidr, u32)>,
        #[command(flatten)]
        from: From,
    },
    /// Tell a client to renew its lease now (FORCERENEW), so that it learns what has changed; it must have asked for a nonce
    Renew {
        /// Its address
        address: Ipv4Addr,
        #[command(flatten)]
        json: JsonOption,
    },
    /// Take another server's leases over into the store of this one, which must not run meanwhile
    ///
    /// The later transaction wins, between the file and the store and among a client's leases in a subnet. Leases outside of
    /// the pools are left out, those that are over are remembered for their clients. The exit status is 3 when some of a file
    /// could not be read.
    Import {
        /// Files, in the order in which they were written: of Kea's `.completed`, `.2` and `.1` those that there are, then
        /// the one without; `-` is standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// What they are
        #[arg(long, value_enum)]
        format: Of,
        /// Say what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        json: JsonOption,
    },
}

/// A format that is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum To {
    /// A table
    Csv,
    /// Rows as --json prints them
    Json,
    /// Kea's kea-leases4.csv: what is in force or declined
    Kea4,
    /// Kea's kea-leases6.csv
    Kea6,
    /// ISC dhcpd's dhcpd.leases
    Isc4,
    /// ISC dhcpd's dhcpd6.leases, with the DUID of this server
    Isc6,
}

/// A format that is read.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Of {
    /// ISC dhcpd's dhcpd.leases or dhcpd6.leases
    Isc,
    /// Kea's kea-leases4.csv or kea-leases6.csv (memfile)
    Kea,
    /// What `export --format csv` writes
    Csv,
    /// What `export --format json` and --json write
    Json,
}

/// Which leases.
#[derive(Args, Clone, Default, Debug)]
struct Which {
    /// Only of this address or prefix
    #[arg(value_name = "PREFIX")]
    within: Option<Cidr>,
    /// Only of the client with this hardware address
    #[arg(long, value_name = "MAC")]
    mac: Option<String>,
    /// Only of the client with this client identifier or DUID, in hexadecimal digits
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Only those in this state: active, abandoned, quarantined, expired, released, reset [default: active; all for an export]
    #[arg(long, value_name = "STATE")]
    state: Vec<State>,
    /// Only those that a single logout of this device, address or group would end
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
}

impl Which {
    fn filter(self, states: &[State]) -> anyhow::Result<Filter> {
        let states = if self.state.is_empty() { states.to_vec() } else { self.state };
        let filter = Filter { within: self.within, mac: self.mac, client: self.client, states, scope: self.scope };
        match filter.mistake() {
            Some(mistake) => bail!(mistake),
            None => Ok(filter),
        }
    }
}

/// Where leases are looked for.
#[derive(Args, Clone, Copy, Debug)]
struct From {
    /// Read the store of a server that does not run
    #[arg(long)]
    offline: bool,
}

#[derive(Args, Debug)]
struct ListOptions {
    #[command(flatten)]
    which: Which,
    /// Past ones, too
    #[arg(long, conflicts_with = "state")]
    all: bool,
    /// At most this many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    json: JsonOption,
}

fn subnet_id(text: &str) -> Result<(Cidr, u32), String> {
    let wrong = || "a prefix and a number, such as 100.64.0.0/16=1".to_owned();
    let (prefix, id) = text.split_once('=').ok_or_else(wrong)?;
    Ok((prefix.parse()?, id.parse().map_err(|_| wrong())?))
}

/// What can be asked for leases.
enum Source {
    Running(Client),
    Offline(Box<Offline>),
}

impl Source {
    fn open(from: From, context: &Context) -> anyhow::Result<Self> {
        if from.offline {
            return Ok(Self::Offline(Box::new(Offline::open(config::load_server(&context.config)?)?)));
        }
        Ok(Self::Running(Client::connect(&context.server_control())?))
    }

    fn page(&mut self, from: u64, filter: &Filter) -> anyhow::Result<LeasePage> {
        match self {
            Self::Offline(store) => Ok(store.page(from, filter)),
            Self::Running(client) => match client.ask(&Request::Leases { from, filter: filter.clone() })? {
                Response::Leases(page) => Ok(page),
                other => bail!("the gateway gave an answer to another question: {other:?}"),
            },
        }
    }

    /// Page after page, so that a million leases are neither collected nor waited for.
    fn each(
        &mut self,
        filter: &Filter,
        limit: usize,
        mut take: impl FnMut(&[Row]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (mut from, mut left) = (0, limit);
        while left > 0 {
            let mut page = self.page(from, filter)?;
            page.leases.truncate(left);
            left -= page.leases.len();
            if !page.leases.is_empty() {
                take(&page.leases)?;
            }
            match page.next {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(())
    }
}

fn list(options: ListOptions, context: &Context) -> anyhow::Result<()> {
    let ListOptions { which, all, limit, from, json: JsonOption { json: as_json } } = options;
    let filter = which.filter(if all { &[] } else { &[State::Active] })?;
    let (limit, mut printed) = (limit.unwrap_or(usize::MAX), 0);
    let mut source = Source::open(from, context)?;
    if as_json {
        out::print(json::BEGIN)?;
    }
    let now = clock::unix().as_secs();
    source.each(&filter, limit, |rows| {
        let text = match as_json {
            true => rows.iter().zip(printed..).map(|(row, number)| json::line(row, number == 0)).collect(),
            false if printed == 0 => table(rows, now),
            // Without another heading.
            false => table(rows, now).lines().skip(1).map(|line| format!("{line}\n")).collect::<String>(),
        };
        printed += rows.len();
        Ok(out::print(&text)?)
    })?;
    let end = match (as_json, printed) {
        (true, _) => json::END,
        (false, 0) => "no leases\n",
        _ => "",
    };
    Ok(out::print(end)?)
}

fn table(rows: &[Row], now: u64) -> String {
    let mut table = Table::new(&["ADDRESS", "STATE", "CLIENT", "ID, IAID", ">EXPIRES", "SCOPE"]);
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for row in rows {
        let client = row.mac.clone().or_else(|| Some(cut(row.duid.as_ref()?, 20)));
        let id = row.client_id.as_ref().map(|id| cut(id, 14)).or_else(|| Some(row.iaid?.to_string()));
        let left = row.lease().ok().filter(|_| row.expires.is_some()).map(|lease| match lease.expires {
            NEVER => "never".to_owned(),
            expires => seconds(expires.saturating_sub(now)),
        });
        let scope = row.scope_for_people().map(|scope| cut(&scope, 16));
        table.row([
            row.address.clone(),
            row.state.clone(),
            or_none(client),
            or_none(id),
            or_none(left),
            or_none(scope),
        ]);
    }
    table.render()
}

pub(super) fn run(command: LeasesCommand, context: &Context) -> anyhow::Result<ExitCode> {
    match command.action {
        None => list(command.list, context).map(|()| ExitCode::SUCCESS),
        Some(LeasesAction::Export { format, which, subnet_id, from }) => {
            export::run(format, which, &subnet_id, from, context).map(|()| ExitCode::SUCCESS)
        }
        Some(LeasesAction::Renew { address, json }) => {
            let mut client = Client::connect(&context.server_control())?;
            super::act::renew(&mut client, address, json.json).map(|()| ExitCode::SUCCESS)
        }
        Some(LeasesAction::Import { files, format, dry_run, json }) => {
            let config = config::load_server(&context.config)?;
            import::run(&config, &files, format, dry_run, json.json)
        }
    }
}
