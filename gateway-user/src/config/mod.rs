//! The configuration: one TOML file, checked as a whole before anything starts.
//!
//! [`types`] is what the program works with. The file is read key by key (`reader`, `value`), each table by its own
//! function (`tables`, `cluster`, `dhcp_server`), then everything that takes more than one key is checked (`cross`). All mistakes
//! are reported at once, each with file, line, key, what was found and what would do.

mod cluster;
mod constants;
mod cross;
mod data_plane;
mod delegation;
mod dhcp_classes;
mod dhcp_server;
mod dhcp_server6;
mod dhcp_terms;
mod dhcpv6;
mod etcd;
mod lease_store;
mod problem;
mod reader;
mod relay;
mod release6;
mod schedule;
mod secret;
mod tables;
#[cfg(test)]
mod tests;
pub mod types;
mod value;

use std::path::Path;

use anyhow::Context as _;

pub use cluster::{Cluster, ClusterMember, Coordination, Delivery, Profile, Transport};
pub use dhcpv6::Dhcpv6;
pub use etcd::Etcd;
pub use problem::{Problem, Problems};
pub(crate) use secret::open_to_others;
pub use types::*;
pub(crate) use value::{duration, mac};

use reader::{Reader, Section};

/// Where the configuration is unless the command line says otherwise.
pub const DEFAULT_FILE: &str = "/etc/gateway/gateway.toml";

/// A configuration with every key, its meaning and its default.
pub const EXAMPLE: &str = include_str!("../../gateway.example.toml");

/// What a file configures: a gateway, a DHCP server, or both.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// Present when the file has any table of a gateway.
    pub gateway: Option<Config>,
    /// Present when the file has `[dhcp_server]`.
    pub dhcp_server: Option<gateway_server::Config>,
    /// Where that is asked, when it runs on its own.
    pub server_control: Option<ServerControl>,
}

/// Reads and checks the text of a configuration file; `file` is where key files are looked for and what mistakes name.
pub fn parse(file: &Path, text: &str) -> Result<Parsed, Problems> {
    let reader = Reader::new(file, text);
    let document = reader.parse();
    let parsed = document.as_ref().and_then(|document| cross::read(&reader, &Section::root(&reader, document), file));
    reader.finish()?;
    Ok(parsed.expect("a configuration without mistakes is complete"))
}

/// Reads and checks a configuration file.
pub fn load(file: &Path) -> anyhow::Result<Parsed> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the configuration {}; name another with --config", file.display()))?;
    Ok(parse(file, &text)?)
}

impl Config {
    /// Reads the configuration of a gateway.
    pub fn load(file: &Path) -> anyhow::Result<Self> {
        let wanted =
            "it has no [gateway], [[fpc]], [upstream] and [[server]]; `gateway check --example` prints them all";
        load(file)?.gateway.with_context(|| format!("{} configures no gateway: {wanted}", file.display()))
    }
}

/// Reads the configuration of a DHCP server on its own.
pub fn load_server(file: &Path) -> anyhow::Result<gateway_server::Config> {
    let wanted = "it has no [dhcp_server] with a [[dhcp_server.subnet]]; `gateway check --example` prints one";
    load(file)?.dhcp_server.with_context(|| format!("{} configures no DHCP server: {wanted}", file.display()))
}
