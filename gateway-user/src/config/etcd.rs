//! `[cluster] coordination` and `[cluster.etcd]`: who elects the master.

use std::path::PathBuf;
use std::time::Duration;

use gateway_core::cluster::Quorum;

use super::cluster::Coordination;
use super::reader::{At, Reader, Section};
use super::value::Value;

/// How etcd is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Etcd {
    /// At least one: `http://192.0.2.10:2379`.
    pub endpoints: Vec<String>,
    /// How long a member that etcd does not hear is one: whole seconds, 2 to 60.
    pub lease: Duration,
    /// The certificate of the authority that etcd's are of, in PEM. Required for `https`.
    pub ca: Option<PathBuf>,
    /// This member's certificate for etcd and its key, in PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Reads the key and the table. `quorum` is what the cluster has.
pub(super) fn coordination(reader: &Reader<'_>, section: &Section<'_, '_>, quorum: Quorum) -> Coordination {
    let etcd = section.choice("coordination", false, &[("built-in", false), ("etcd", true)]);
    let table = section.table("etcd");
    if !etcd {
        if table.exists() {
            reader.wrong_because(&table.place(), "without coordination = \"etcd\"", "both or neither");
        }
        // Its keys are known all the same.
        table.has(&["endpoints", "lease", "ca", "certificate", "key"]);
        return Coordination::BuiltIn;
    }
    if quorum == Quorum::Degraded
        && let Some(At { place, .. }) = section.read("quorum", "", |_| Some(()))
    {
        let would_do = "\"majority\" or \"none\": etcd is the witness that two members lack";
        reader.wrong_because(&place, "with coordination = \"etcd\"", would_do);
    }
    let endpoints = endpoints(reader, &table);
    let lease = table.read("lease", "whole seconds from 2s to 60s, such as \"2s\"", |raw| {
        Duration::read(raw).filter(|lease| lease.subsec_nanos() == 0 && (2..=60).contains(&lease.as_secs()))
    });
    let ca = table.optional::<PathBuf>("ca").map(|at| at.value);
    if ca.is_none() && endpoints.iter().any(|endpoint| endpoint.starts_with("https://")) {
        table.require("ca", "the certificate of the authority that etcd's are of, a PEM file");
    }
    let (certificate, key) = (table.optional::<PathBuf>("certificate"), table.optional::<PathBuf>("key"));
    if let (Some(At { place, .. }), None) | (None, Some(At { place, .. })) = (&certificate, &key) {
        reader.wrong_because(place, "alone", "certificate and key, both or neither");
    }
    Coordination::Etcd(Etcd {
        endpoints,
        lease: lease.map_or(Duration::from_secs(2), |at| at.value),
        ca,
        identity: certificate.zip(key).map(|(certificate, key)| (certificate.value, key.value)),
    })
}

fn endpoints(reader: &Reader<'_>, table: &Section<'_, '_>) -> Vec<String> {
    let would_do = "a list of etcd's endpoints, such as [\"http://192.0.2.10:2379\"]";
    table.require("endpoints", would_do);
    let endpoints = table.list::<String>("endpoints");
    for At { value, place } in &endpoints {
        let rest = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains('/')) {
            reader.wrong(place, "a URL of host and port, such as \"http://192.0.2.10:2379\"");
        }
    }
    if let Some(empty) =
        table.read("endpoints", would_do, |raw| Some(raw.as_array().is_some_and(|list| list.is_empty())))
        && empty.value
    {
        reader.wrong(&empty.place, would_do);
    }
    endpoints.into_iter().map(|at| at.value).collect()
}
