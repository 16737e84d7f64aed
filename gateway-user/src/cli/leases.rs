//! `gateway leases`: what the embedded server has leased, and the way there from another server and back.

use std::fs;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use gateway_server::exchange::{self, Cidr, Filter, Import, Lease, Report, Row, State, csv, json, kea};
use gateway_server::lookup::{LeasePage, Offline};
use gateway_server::service::LEASES;
use gateway_server::{Config, Place, clock};
use gateway_store::{Change, Durability, Store};
use serde::Serialize;

use super::text::{Table, count, counted, cut, seconds};
use super::{Context, JsonOption, out};
use crate::config;
use crate::control::Client;
use crate::control::protocol::{Request, Response};

/// The exit status when some of a file could not be read.
const PARTIAL: u8 = 3;
/// Notes and problems that are printed.
const SHOWN: usize = 20;
/// Records written at once.
const BATCH: usize = 10_000;

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
            exchange::NEVER => "never".to_owned(),
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
            export(format, which, &subnet_id, from, context).map(|()| ExitCode::SUCCESS)
        }
        Some(LeasesAction::Renew { address, json }) => {
            let mut client = Client::connect(&context.server_control())?;
            super::act::renew(&mut client, address, json.json).map(|()| ExitCode::SUCCESS)
        }
        Some(LeasesAction::Import { files, format, dry_run, json }) => {
            let config = config::load_server(&context.config)?;
            import(&config, &files, format, dry_run, json.json)
        }
    }
}

fn export(format: To, which: Which, subnet_ids: &[(Cidr, u32)], from: From, context: &Context) -> anyhow::Result<()> {
    let filter = which.filter(&[])?;
    let numbers = match format {
        To::Kea4 | To::Kea6 => numbers(&config::load_server(&context.config)?, subnet_ids),
        _ => Vec::new(),
    };
    let mut source = Source::open(from, context)?;
    let heading = match format {
        To::Csv => csv::heading(),
        To::Json => json::BEGIN.to_owned(),
        To::Kea4 => kea::HEADING4.to_owned(),
        To::Kea6 => kea::HEADING6.to_owned(),
    };
    out::print(&heading)?;
    let (mut written, mut unnumbered) = (0usize, 0u64);
    let ours = |row: &Row| row.lease().map_err(|what| anyhow::anyhow!("the server told what is no lease: {what}"));
    source.each(&filter, usize::MAX, |rows| {
        let mut text = String::new();
        for row in rows {
            match format {
                To::Csv => text += &csv::line(row),
                To::Json => text += &json::line(row, written == 0),
                To::Kea4 | To::Kea6 => {
                    let lease = ours(row)?;
                    if lease.what.is_six() != (format == To::Kea6) {
                        continue;
                    }
                    match numbers.iter().find(|(prefix, _)| prefix.contains(&lease.what)) {
                        Some((_, number)) => text += &kea::line(&lease, *number).unwrap_or_default(),
                        None => unnumbered += 1,
                    }
                }
            }
            written += 1;
        }
        Ok(out::print(&text)?)
    })?;
    if format == To::Json {
        out::print(json::END)?;
    }
    if unnumbered > 0 {
        eprintln!("{} left out: of no subnet of the configuration", counted(unnumbered, "lease"));
    }
    Ok(())
}

/// What Kea calls each subnet. Delegated prefixes are told apart by the pools that they are cut from.
fn numbers(config: &Config, named: &[(Cidr, u32)]) -> Vec<(Cidr, u32)> {
    // A subnet with pools for classes is there several times.
    let mut subnets: Vec<_> = config.subnets.iter().collect();
    subnets.dedup_by_key(|subnet| (subnet.prefix, subnet.length));
    let four = subnets.into_iter().zip(1..).map(|(subnet, number)| {
        let prefix = format!("{}/{}", subnet.prefix, subnet.length);
        (prefix.clone(), vec![prefix], number)
    });
    let six = config.v6.iter().flat_map(|six| six.subnets.iter().zip(1..)).map(|(subnet, number)| {
        let prefix = subnet.prefix.to_string();
        let pools = subnet.prefixes.iter().map(|pool| pool.prefix.to_string());
        (prefix.clone(), [prefix].into_iter().chain(pools).collect(), number)
    });
    let of = |(own, prefixes, number): (String, Vec<String>, u32)| {
        let named = named.iter().find(|(prefix, _)| prefix.to_string() == own).map_or(number, |(_, number)| *number);
        prefixes.into_iter().filter_map(move |prefix| Some((prefix.parse().ok()?, named)))
    };
    four.chain(six).flat_map(of).collect()
}

/// What an import was told and what became of it.
#[derive(Serialize)]
struct Told<'t> {
    #[serde(flatten)]
    report: &'t Report,
    /// Whether all files were read to their end.
    whole: bool,
    dry_run: bool,
    /// Lines that can't be read, and where a file was cut.
    problems: &'t [String],
}

fn import(config: &Config, files: &[PathBuf], format: Of, dry_run: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    let format = match format {
        Of::Isc => exchange::Format::Isc,
        Of::Kea => exchange::Format::Kea,
        Of::Csv => exchange::Format::Csv,
        Of::Json => exchange::Format::Json,
    };
    let mut store = open(config, dry_run)?;
    let mut import = Import::new(config, clock::unix());
    if let Some(store) = &store {
        for record in store.records() {
            let (key, value) = record.context("read the leases")?;
            import.stored(&key, &value).map_err(|what| anyhow::anyhow!("{}: {what}", store.path().display()))?;
        }
    }
    let mut problems = Vec::new();
    for (file, path) in files.iter().enumerate() {
        let name = path.display();
        let octets = contents(path)?;
        let read = exchange::read(format, &octets).map_err(|problem| anyhow::anyhow!("{name}: {problem}"))?;
        read.leases.into_iter().for_each(|(line, lease): (u64, Lease)| import.take((file, line), lease));
        problems.extend(read.problems.iter().chain(&read.cut).map(|problem| format!("{name}: {problem}")));
    }
    let (report, written) = import.finish();
    if let Some(store) = store.as_mut().filter(|_| !dry_run) {
        // Each lease is whole by itself, and an import that was interrupted may be repeated.
        for batch in written.chunks(BATCH) {
            let changes = batch.iter().map(|(key, value)| Change { key, value: Some(value) });
            store.commit(changes, Durability::Disk)?;
        }
    }
    match as_json {
        true => out::json(&Told { report: &report, whole: problems.is_empty(), dry_run, problems: &problems }, false)?,
        false => {
            say(&problems, "problem");
            let notes: Vec<_> =
                report.notes.iter().map(|note| format!("{}: {note}", files[note.file].display())).collect();
            say(&notes, "note");
            out::print(&summary(&report, dry_run))?;
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(PARTIAL) })
}

/// The store; none is made to say what would happen.
fn open(config: &Config, dry_run: bool) -> anyhow::Result<Option<Store>> {
    let directory = match &config.store {
        Place::Directory(directory) => directory,
        Place::Postgres(database) => bail!("leases can be imported into a directory, not into {database}"),
    };
    if dry_run && !directory.exists() {
        return Ok(None);
    }
    Ok(Some(Store::open(directory, LEASES).context("leases are imported while their server does not run")?))
}

fn contents(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path != Path::new("-") {
        return fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    }
    let mut octets = Vec::new();
    std::io::stdin().lock().read_to_end(&mut octets).context("cannot read standard input")?;
    Ok(octets)
}

fn say(lines: &[String], noun: &str) {
    lines.iter().take(SHOWN).for_each(|line| eprintln!("{line}"));
    if let Some(more) = lines.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        eprintln!("… and {}; --json has them", counted(more as u64, &format!("further {noun}")));
    }
}

fn summary(report: &Report, dry_run: bool) -> String {
    let (taken, would) = (counted(report.taken(), "lease"), if dry_run { "would be taken" } else { "taken" });
    let mut text = format!("{taken} of {} {would}\n", count(report.read));
    let lines = [
        (report.active, "in force"),
        (report.abandoned, "declined, kept from everybody until their time ends"),
        (report.remembered, "over, remembered for their clients"),
        (report.over, "over and not remembered: nobody's, or of a client or an address in use"),
        (report.repeated, "superseded further down in the file"),
        (report.outside, "of no pool, not taken"),
        (report.older, "not later than the store's, not taken"),
        (report.moved, "of clients that have a later one in the same subnet, not taken"),
        (report.replaced, "of the store that these have ended"),
    ];
    for (number, what) in lines.into_iter().filter(|(number, _)| *number > 0) {
        text += &format!("{:>11}  {what}\n", count(number));
    }
    text
}
