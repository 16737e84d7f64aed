//! `gateway check`: what is wrong with the configuration, and with `--host` what the host lacks and what to do.

mod cluster;
mod delegation;
mod finding;
mod host;
mod interface;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use gateway_core::wire::relay_auth::Key;

pub(crate) use delegation::cautions as server_cautions;
pub(crate) use finding::{Finding, Level};

use crate::cli::out;
use crate::cli::text::counted;
use crate::config::{self, Config, Parsed};

/// Checks and prints. Fails when something has to be mended first.
pub(crate) fn run(file: &Path, host: bool, json: bool) -> anyhow::Result<ExitCode> {
    let text = match std::fs::read_to_string(file) {
        // What every gateway needs can be looked at before there is a configuration.
        Err(error) if host && error.kind() == std::io::ErrorKind::NotFound => return show(&without(file), json),
        text => text
            .with_context(|| format!("cannot read the configuration {}; name another with --config", file.display()))?,
    };
    let parsed = config::parse(file, &text);
    let mut findings = match &parsed {
        Ok(parsed) => vec![configured(file, parsed)],
        Err(problems) if json => problems.problems.iter().map(|problem| finding::mistake(file, problem)).collect(),
        Err(problems) => return Err(problems.clone().into()),
    };
    if let Ok(Parsed { gateway: Some(config), .. }) = &parsed {
        findings.extend(cautions(config));
    }
    if let Ok(Parsed { dhcp_server: Some(server), .. }) = &parsed {
        findings.extend(delegation::cautions(server));
    }
    if host && let Ok(parsed) = &parsed {
        findings.extend(host::look(parsed));
    }
    show(&findings, json)
}

/// The host as far as it can be judged without a configuration.
fn without(file: &Path) -> Vec<Finding> {
    let advice = format!("gateway check --example > {}, then edit it", file.display());
    let mut findings = vec![Finding::warn("configuration", format!("there is no {}", file.display()), advice)];
    findings.extend(host::general(true));
    findings.extend(host::data_plane(Path::new(DEFAULT_BPFFS)));
    findings
}

const DEFAULT_BPFFS: &str = "/sys/fs/bpf/gateway";

fn show(findings: &[Finding], json: bool) -> anyhow::Result<ExitCode> {
    match json {
        true => out::json(&findings, false)?,
        false => out::print(&findings.iter().map(Finding::render).collect::<String>())?,
    }
    let failed = findings.iter().any(|finding| finding.level == Level::Fail);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn configured(file: &Path, parsed: &Parsed) -> Finding {
    let plural = |number: usize, name: &str| counted(number as u64, name);
    let mut parts = Vec::new();
    if let Some(config) = &parsed.gateway {
        parts.push(plural(config.fpcs.len(), "FPC"));
        parts.push(plural(config.ports.len(), "access port"));
        parts.push(plural(config.upstream.len(), "upstream port"));
        parts.push(plural(config.servers.len(), "server"));
        if let Some(cluster) = &config.cluster {
            parts.push(plural(cluster.members.len(), "member"));
        }
    }
    if let Some(server) = &parsed.dhcp_server {
        parts.push(format!("embedded server of {}", plural(server.subnets.len(), "subnet")));
    }
    Finding::ok("configuration", format!("{}: {}", file.display(), parts.join(", ")))
}

/// How far apart the kernel reports changes of a carrier (`linkwatch_schedule_work` in net/core/link_watch.c): what is
/// undone in between is not seen.
const CARRIER_REPORTS: std::time::Duration = std::time::Duration::from_secs(1);

fn is_example(key: &Key) -> bool {
    // Of a file with a key the mode counts; this one is in no file.
    let nowhere = Path::new("/dev/null/example.toml");
    let example = config::parse(nowhere, config::EXAMPLE).ok().and_then(|parsed| parsed.gateway);
    example.and_then(|example| example.relay_auth).is_some_and(|example| example.key.secret == key.secret)
}

/// What works, but is not what one would want.
pub(crate) fn cautions(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut caution = |what: &str, advice: &str| findings.push(Finding::warn("configuration", what, advice));
    let bulk = &config.bulk_release;
    match (bulk.enabled, &config.relay_auth) {
        (false, None) if config.lacks_key() => caution(
            "single logouts are off: without a key anybody could forge one; subscribers are released one by one",
            "give [relay_auth] a key_id and a key_file, here and at the DHCP servers",
        ),
        (true, None) => caution(
            "single logouts are not signed (allow_unauthenticated): whoever reaches a server can log everybody out",
            "give [relay_auth] a key_id and a key_file, here and at the DHCP servers",
        ),
        _ => {}
    }
    if config.relay_auth.as_ref().is_some_and(|auth| is_example(&auth.key)) {
        findings.push(Finding::fail(
            "configuration",
            "the key in [relay_auth] is the one of `gateway check --example`, which everybody has",
            "(umask 077; openssl rand -hex 32 > relay.key), and key_file = \"relay.key\"",
        ));
    }
    let mut caution = |what: &str, advice: &str| findings.push(Finding::warn("configuration", what, advice));
    let vsi = gateway_core::wire::bulk_release::Encoding::Vsi { pen: 32473 };
    if bulk.enabled && bulk.code_points.encoding == vsi {
        caution(
            "bulk_release.pen is 32473, the enterprise number for documentation",
            "set it to your own enterprise number before production",
        );
    }
    for fpc in config.fpcs.iter().filter(|fpc| fpc.hold_down < CARRIER_REPORTS) {
        caution(
            &format!("{} restarts when its carrier is away for less than a second, which may pass unnoticed", fpc.name),
            "the kernel reports changes of a carrier once a second: set hold_down to 1s or more to rely on it",
        );
    }
    for fpc in config.fpcs.iter().filter(|fpc| fpc.trust_option_82) {
        caution(
            &format!("{} trusts option 82 from below: its subscribers must not be able to send any", fpc.name),
            "leave trust_option_82 off unless an access node filters what subscribers send",
        );
    }
    if config.units.own.len() < gateway_common::unit::UNITS as usize {
        let own = config.units.own.len();
        caution(
            &format!("this member owns {own} of 1024 work units: all other packets are dropped as foreign"),
            "set units.own = \"0-1023\" unless another member owns the rest",
        );
    }
    findings.extend(config.cluster.iter().flat_map(cluster::cautions));
    findings.extend(config.cluster.as_ref().and(config.dhcp_server.as_ref()).and_then(cluster::server));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That there is no key is told where one is needed, and not to who does without single logouts.
    #[test]
    fn a_key_that_is_missing() {
        let base = "[gateway]\nid = \"a\"\n[[fpc]]\nname = \"fpc0\"\nports = [\"eth1\"]\ngiaddr = \"100.64.0.1\"\n[upstream]\n\
                    ports = [\"eth0\"]\n[[server]]\naddress = \"192.0.2.2\"\n";
        let told = |more: &str| {
            let config = config::parse("g.toml".as_ref(), &format!("{base}{more}")).unwrap().gateway.unwrap();
            let found = cautions(&config).into_iter().map(|finding| finding.found).collect::<Vec<_>>().join("; ");
            (config.lacks_key(), found.contains("single logouts are off"), found.contains("are not signed"))
        };
        assert_eq!(told(""), (true, true, false));
        assert_eq!(told("[bulk_release]\nenabled = false\n"), (false, false, false));
        assert_eq!(told("[relay_auth]\nallow_unauthenticated = true\n"), (false, false, true));
        let key = "[relay_auth]\nkey_id = 1\nkey = \"00112233445566778899aabbccddeeff\"\n";
        assert_eq!(told(key), (false, false, false));
        assert_eq!(told(&format!("{key}[bulk_release]\nenabled = false\n")), (false, false, false));
    }

    /// Whoever edits the example must not go on with its key.
    #[test]
    fn the_key_of_the_example() {
        let fails = |text: &str| {
            let config = config::parse("g.toml".as_ref(), text).unwrap().gateway.unwrap();
            cautions(&config).into_iter().any(|one| one.level == Level::Fail && one.found.contains("relay_auth"))
        };
        assert!(fails(config::EXAMPLE));
        let key = "7265706c6163652074686973206b6579";
        assert!(!fails(&config::EXAMPLE.replace(key, "00112233445566778899aabbccddeeff")));
    }
}
