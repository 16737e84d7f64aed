//! Leases as files.

use gateway_server::Config;
use gateway_server::exchange::{Cidr, Row, csv, isc, json, kea};

use super::{From, Source, To, Which};
use crate::cli::text::counted;
use crate::cli::{Context, out};
use crate::config;

/// Writes leases to standard output.
pub(super) fn run(
    format: To,
    which: Which,
    subnet_ids: &[(Cidr, u32)],
    from: From,
    context: &Context,
) -> anyhow::Result<()> {
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
        To::Isc4 => isc::HEADING.to_owned(),
        To::Isc6 => match config::load_server(&context.config)?.v6 {
            Some(six) => isc::heading6(six.server_id.as_duid()),
            None => isc::HEADING.to_owned(),
        },
    };
    out::print(&heading)?;
    let (mut written, mut unnumbered) = (0usize, 0u64);
    let mut associations = isc::Associations::default();
    let ours = |row: &Row| row.lease().map_err(|what| anyhow::anyhow!("the server told what is no lease: {what}"));
    source.each(&filter, usize::MAX, |rows| {
        let mut text = String::new();
        for row in rows {
            match format {
                To::Csv => text += &csv::line(row),
                To::Json => text += &json::line(row, written == 0),
                To::Isc4 => text += &isc::lease(&ours(row)?).unwrap_or_default(),
                To::Isc6 => _ = associations.add(&ours(row)?), // whether it is of DHCPv6
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
    match format {
        To::Json => out::print(json::END)?,
        To::Isc6 => out::print(&associations.text())?,
        _ => {}
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
