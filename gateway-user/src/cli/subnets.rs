//! `gateway subnets`: which subnets the embedded DHCP server has, from whom, and who has them from it.

use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use gateway_core::subnet::Subnet;

use super::text::{Table, count, seconds};
use super::{Context, JsonOption, out};
use crate::control::Client;
use crate::control::protocol::{Request, Response, SubnetsView};

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct SubnetsCommand {
    #[command(flatten)]
    json: JsonOption,
    #[command(subcommand)]
    action: Option<SubnetsAction>,
}

#[derive(Subcommand, Debug)]
enum SubnetsAction {
    /// Enter a subnet at this server, from which it gives to others and to its own subscribers
    Add {
        /// The subnet, such as 100.96.0.0/20
        subnet: Subnet,
        /// The longest lease of it, such as 30d [default: no limit]
        #[arg(long, value_name = "TIME", value_parser = lease_time)]
        max_lease: Option<Duration>,
        /// Nobody has any of it, even if this server has lost its store. Without it, a server without a record of former times
        /// gives nothing of it until all leases that there may be are over
        #[arg(long)]
        fresh: bool,
        #[command(flatten)]
        json: JsonOption,
    },
    /// Take a subnet away that was entered at this server: it goes as soon as nobody has any of it
    Remove {
        /// The subnet
        subnet: Subnet,
        #[command(flatten)]
        json: JsonOption,
    },
}

/// A duration as in the configuration, of whole seconds.
fn lease_time(text: &str) -> Result<Duration, String> {
    let time = crate::config::duration(text).filter(|time| time.as_secs() >= 180 && time.subsec_nanos() == 0);
    time.ok_or_else(|| "a number of seconds, minutes, hours or days, such as 30d, of at least 3m".to_owned())
}

pub(super) fn run(command: SubnetsCommand, context: &Context) -> anyhow::Result<()> {
    let (request, json) = match command.action {
        None => (Request::Subnets, command.json),
        Some(SubnetsAction::Add { subnet, max_lease, fresh, json }) => {
            let max_lease = max_lease.map(|lease| lease.as_secs());
            (Request::AddSubnet { subnet: subnet.to_string(), max_lease, fresh }, json)
        }
        Some(SubnetsAction::Remove { subnet, json }) => (Request::RemoveSubnet { subnet: subnet.to_string() }, json),
    };
    let mut client = Client::connect(&context.server_control())?;
    let view = match client.ask(&request)? {
        Response::Subnets(view) => view,
        other => bail!("the gateway gave an answer to another question: {other:?}"),
    };
    match json.json {
        true => out::json(&view, false),
        false => Ok(out::print(&tree(&view))?),
    }
}

/// Roots with their parts below them.
fn tree(view: &SubnetsView) -> String {
    let mut states = Vec::new();
    states.extend(view.recovering.then(|| "asking what is its own".to_owned()));
    states.extend(view.asking.then(|| "asking for a subnet".to_owned()));
    states.extend((view.need > 0).then(|| format!("{} addresses lacking", count(view.need.into()))));
    states.extend(view.scarce.then(|| "others went away with nothing".to_owned()));
    let states = if states.is_empty() { String::new() } else { format!(": {}", states.join(", ")) };
    let mut text = format!("{} at {}{states}\n", view.id, view.address);
    if view.roots.is_empty() {
        return text + "no subnets\n";
    }
    // Access routes there are in a gateway only.
    let in_gateway = view.roots.iter().any(|root| root.routes.is_some());
    let mut heading = vec!["SUBNET", "HOLDER", ">LEFT", ">IN USE", ">HIGH", ">UNUSABLE", ">SIZE", ">FULL"];
    heading.extend(in_gateway.then_some(">ROUTES"));
    heading.push("STATE");
    let mut table = Table::new(&heading);
    let mut row = |cells: [String; 8], routes: Option<u64>, state: String| {
        let routes = in_gateway.then(|| routes.map_or_else(|| "-".to_owned(), count));
        table.row(cells.into_iter().chain(routes).chain([state]));
    };
    let left = |expires: Option<u64>| expires.map_or_else(|| "-".to_owned(), seconds);
    let full = |in_use: u64, size: u64| format!("{}%", in_use * 100 / size.max(1));
    for root in &view.roots {
        let holder = root.provider.map_or_else(|| "entered here".to_owned(), |provider| format!("from {provider}"));
        let usage = &root.usage;
        let cells = [
            root.subnet.clone(),
            holder,
            left(root.expires),
            count(usage.in_use),
            count(usage.high_water),
            count(usage.unusable),
            count(root.size),
            full(usage.in_use, root.size),
        ];
        let rests = root.rests.map_or_else(String::new, |time| format!(" for {}", seconds(time)));
        row(cells, root.routes, format!("{}{rests}", root.standing));
        for (index, block) in root.blocks.iter().enumerate() {
            let branch = if index + 1 == root.blocks.len() { "└─" } else { "├─" };
            let number = |pick: fn(&gateway_server::subnets::UsageRow) -> u64| {
                block.usage.as_ref().map_or_else(|| "-".to_owned(), |usage| count(pick(usage)))
            };
            let holder = match (&block.holder, block.address) {
                (Some(holder), Some(address)) => format!("{holder} at {address}"),
                (Some(holder), None) => holder.clone(),
                (None, _) if block.state == "own" => "this server".to_owned(),
                (None, _) if block.state == "reserved" => "its provider, for hosts here".to_owned(),
                (None, _) => "-".to_owned(),
            };
            let state = if block.wanted { format!("{}, wanted back", block.state) } else { block.state.clone() };
            let cells = [
                format!("{branch} {}", block.subnet),
                holder,
                left(block.expires),
                number(|usage| usage.in_use),
                number(|usage| usage.high_water),
                number(|usage| usage.unusable),
                count(block.size),
                block.usage.as_ref().map_or_else(|| "-".to_owned(), |usage| full(usage.in_use, block.size)),
            ];
            row(cells, block.routes, state);
        }
    }
    text += &table.render();
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_server::subnets::{BlockRow, RootRow, UsageRow};

    fn block(subnet: &str, state: &str, holder: Option<&str>, size: u64, in_use: Option<u64>) -> BlockRow {
        BlockRow {
            subnet: subnet.to_owned(),
            state: state.to_owned(),
            holder: holder.map(str::to_owned),
            address: holder.map(|_| [192, 0, 2, 2].into()),
            expires: holder.map(|_| 3600),
            wanted: false,
            size,
            routes: None,
            usage: in_use.map(|in_use| UsageRow { in_use, high_water: in_use + 1, unusable: 0 }),
        }
    }

    /// SN-69: who holds what, for how long, how full.
    #[test]
    fn a_tree() {
        let view = SubnetsView {
            id: "top".to_owned(),
            address: [192, 0, 2, 9].into(),
            asking: false,
            recovering: false,
            scarce: false,
            need: 0,
            roots: vec![RootRow {
                subnet: "10.16.0.0/23".to_owned(),
                provider: None,
                standing: "active".to_owned(),
                rests: None,
                expires: None,
                renews: None,
                max_lease: None,
                size: 512,
                free: 256,
                routes: None,
                usage: UsageRow { in_use: 64, high_water: 65, unusable: 0 },
                blocks: vec![
                    block("10.16.0.0/24", "leased", Some("west"), 256, Some(64)),
                    block("10.16.1.0/24", "free", None, 256, None),
                ],
            }],
        };
        let text = tree(&view);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["top", "at", "192.0.2.9"]);
        assert_eq!(lines[2][..4], ["10.16.0.0/23", "entered", "here", "-"]);
        let leased =
            ["├─", "10.16.0.0/24", "west", "at", "192.0.2.2", "1h00m", "64", "65", "0", "256", "25%", "leased"];
        assert_eq!(lines[3], leased);
        assert_eq!(lines[4], ["└─", "10.16.1.0/24", "-", "-", "-", "-", "-", "256", "-", "free"]);
        let mut resting = view.clone();
        (resting.roots[0].standing, resting.roots[0].rests) = ("uncertain".to_owned(), Some(600));
        assert!(tree(&resting).contains("uncertain for 10m00s\n"), "{}", tree(&resting));
        // In a gateway: how many access routes there are in what its own subscribers have, and so in the whole.
        let mut beside = view.clone();
        beside.roots[0].blocks.push(block("10.16.2.0/26", "own", None, 64, Some(7)));
        beside.roots[0].blocks.push(block("10.16.2.64/26", "reserved", None, 64, None));
        beside.set_routes(&[7, 5]);
        let text = tree(&beside);
        let routes: Vec<&str> =
            text.lines().skip(2).map(|line| line.split_whitespace().rev().nth(1).unwrap()).collect();
        assert_eq!(routes, ["12", "-", "-", "7", "5"]);
        assert!(tree(&SubnetsView { roots: Vec::new(), need: 3, ..view }).contains("3 addresses lacking\nno subnets"));
    }

    #[test]
    fn times() {
        assert_eq!(lease_time("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for wrong in
            ["", "d", "30", "30w", "0s", "179s", "-1s", "1500ms", "99999999999999999999d", "300000000000000000d", "30д"]
        {
            lease_time(wrong).unwrap_err();
        }
    }
}
