//! `gateway cluster`: the authority that lets members in.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::JsonOption;
use super::out;
use super::text::Table;
use crate::cluster::authority::{Authority, Certificate, DEFAULT_DAYS, DEFAULT_DIRECTORY, State};

/// Where a member's files go.
const MEMBER_DIRECTORY: &str = "/etc/gateway/cluster";

#[derive(Subcommand, Debug)]
pub(super) enum ClusterAction {
    /// Make the authority that issues members' certificates; best on a host that is no member
    InitCa {
        #[command(flatten)]
        directory: DirectoryOption,
        /// The cluster's name, cluster.name of the configuration
        #[arg(long)]
        name: String,
    },
    /// Issue a certificate to a member
    Issue {
        /// The member's name
        #[arg(long, value_name = "NAME")]
        member: String,
        /// Its address
        #[arg(long, value_name = "IP")]
        address: IpAddr,
        /// How long it is good for
        #[arg(long, value_name = "N", default_value_t = DEFAULT_DAYS)]
        days: u32,
        /// It may have a valid certificate already, which stays valid until it ends or is revoked
        #[arg(long)]
        renew: bool,
        #[command(flatten)]
        directory: DirectoryOption,
        #[command(flatten)]
        json: JsonOption,
    },
    /// Certificates that were issued
    List {
        #[command(flatten)]
        directory: DirectoryOption,
        #[command(flatten)]
        json: JsonOption,
    },
    /// Move a member's units to the others, for maintenance; ask the master
    Drain {
        /// The member's name
        #[arg(value_name = "MEMBER")]
        member: String,
        /// Let it have units again
        #[arg(long)]
        end: bool,
    },
    /// Revoke a certificate, or all of a member
    Revoke {
        /// A member's name or a serial number
        #[arg(value_name = "MEMBER|SERIAL")]
        which: String,
        #[command(flatten)]
        directory: DirectoryOption,
        #[command(flatten)]
        json: JsonOption,
    },
}

#[derive(Args, Debug)]
pub(super) struct DirectoryOption {
    /// Where the authority is
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIRECTORY)]
    directory: PathBuf,
}

/// A certificate as `--json` shows it.
#[derive(Serialize)]
struct Row<'c> {
    #[serde(flatten)]
    certificate: &'c Certificate,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'c Path>,
}

impl<'c> Row<'c> {
    fn new(certificate: &'c Certificate, now: OffsetDateTime) -> anyhow::Result<Self> {
        let revoked = certificate.revoked.map(|at| at.format(&Rfc3339)).transpose()?;
        Ok(Self { certificate, state: certificate.state(now), revoked, bundle: None })
    }
}

pub(super) fn run(action: ClusterAction) -> anyhow::Result<()> {
    let now = OffsetDateTime::now_utc();
    match action {
        // That is asked of a gateway that runs, not of the authority's files.
        ClusterAction::Drain { .. } => {}
        ClusterAction::InitCa { directory: DirectoryOption { directory }, name } => {
            Authority::found(&directory, &name, now)?;
            let place = directory.display();
            out::print(&format!(
                "The authority of cluster {name} is in {place}. Whoever has {place}/ca.key makes members: keep it safe, and \
                 a copy of {place} elsewhere.\nNext: gateway cluster issue --directory {place} --member NAME --address IP\n"
            ))?;
        }
        ClusterAction::Issue { member, address, days, renew, directory, json } => {
            let mut authority = Authority::open(&directory.directory)?;
            let issued = authority.issue(&member, address, days, renew, now)?;
            if json.json {
                return out::json(&Row { bundle: Some(&issued.bundle), ..Row::new(&issued.certificate, now)? }, false);
            }
            let (certificate, bundle) = (&issued.certificate, issued.bundle.display());
            out::print(&format!(
                "{member} may join cluster {} until {} (serial {}).\nIts files: copy {bundle}/ to {MEMBER_DIRECTORY}/ of \
                 {member}, and keep no other copy of its key.\n",
                authority.cluster(),
                certificate.expires.date(),
                certificate.serial,
            ))?;
        }
        ClusterAction::List { directory, json } => {
            let authority = Authority::open(&directory.directory)?;
            let rows = authority.certificates().iter().map(|certificate| Row::new(certificate, now));
            let rows = rows.collect::<anyhow::Result<Vec<_>>>()?;
            if json.json {
                return out::json(&rows, false);
            }
            out::print(&list(authority.cluster(), &rows))?;
        }
        ClusterAction::Revoke { which, directory, json } => {
            let mut authority = Authority::open(&directory.directory)?;
            let revoked = authority.revoke(&which, now)?;
            let rows =
                revoked.iter().map(|certificate| Row::new(certificate, now)).collect::<anyhow::Result<Vec<_>>>()?;
            if json.json {
                return out::json(&rows, false);
            }
            for Certificate { member, serial, .. } in &revoked {
                out::print(&format!("Revoked: {member}, serial {serial}.\n"))?;
            }
            out::print(&format!(
                "It takes effect where the new list arrives: copy {} to {MEMBER_DIRECTORY}/crl.pem of every member.\n",
                authority.revocations().display()
            ))?;
        }
    }
    Ok(())
}

fn list(cluster: &str, rows: &[Row<'_>]) -> String {
    let mut table = Table::new(&["MEMBER", "ADDRESS", "SERIAL", "EXPIRES", "STATE"]);
    for Row { certificate, state, .. } in rows {
        let state = match (state, certificate.revoked) {
            (State::Valid, _) => "valid".to_owned(),
            (State::Expired, _) => "expired".to_owned(),
            (State::Revoked, at) => at.map_or("revoked".to_owned(), |at| format!("revoked {}", at.date())),
        };
        table.row([
            certificate.member.clone(),
            certificate.address.to_string(),
            certificate.serial.clone(),
            certificate.expires.date().to_string(),
            state,
        ]);
    }
    match table.is_empty() {
        true => format!("Cluster {cluster}: no certificate was issued yet.\n"),
        false => table.render(),
    }
}
