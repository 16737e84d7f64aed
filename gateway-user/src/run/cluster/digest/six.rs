//! What the members of a cluster must agree on of DHCPv6.

use gateway_core::v6::release::{Cause, Fallback, OnTimeout, ReleaseConfig, Wrap};
use gateway_core::v6::session::Limits;

use super::{Lines, hex, nanos, option};
use crate::config::Dhcpv6;

pub(super) fn of(six: &Dhcpv6, lines: &mut Lines) {
    let Dhcpv6 {
        duid,
        servers,
        capacity,
        limits: Limits { leases, clients },
        interface_id,
        remote_id,
        enterprise,
        secret,
        release_types,
        forward_release_requests,
        single_logout,
        release,
        proxy_nd,
        router_lifetime,
        advertise_every,
        announce_prefixes: _, // of its host's routing daemon
    } = six;
    lines.say("dhcpv6.duid", hex(duid.as_duid().octets()));
    for server in servers {
        lines.say(format_args!("dhcpv6.server.{server}"), "");
    }
    // Each holds the leases of all (CL-69).
    lines.say("dhcpv6.capacity", capacity);
    lines.say("dhcpv6.max_leases_per_client", option(*leases));
    lines.say("dhcpv6.max_clients_per_mac", option(*clients));
    lines.say("dhcpv6.interface_id", interface_id);
    lines.say("dhcpv6.remote_id", remote_id);
    lines.say("dhcpv6.enterprise", enterprise);
    // Not the secret itself: the number travels where others may listen.
    lines.say("dhcpv6.secret", option(secret.as_ref().map(|secret| secret.fingerprint())));
    lines.say("dhcpv6.release_types", format_args!("{} {}", release_types.request(), release_types.reply()));
    lines.say("dhcpv6.forward_release_requests", forward_release_requests);
    lines.say("dhcpv6.single_logout", option(*single_logout));
    lines.say("dhcpv6.proxy_nd", proxy_nd);
    lines.say("dhcpv6.router_lifetime", router_lifetime);
    lines.say("dhcpv6.advertise_every", option(advertise_every.map(nanos)));
    of_release(release, lines);
}

fn of_release(release: &ReleaseConfig, lines: &mut Lines) {
    let ReleaseConfig {
        causes,
        silent_for,
        wrap,
        release_all,
        transmissions,
        on_timeout,
        refusal_hold,
        fallback,
        window,
        rate,
        individual_rate,
        hops,
        restart_hold: _, // that of [bulk_release]
    } = release;
    let named: Vec<_> = Cause::ALL.into_iter().filter(|cause| causes.allow(*cause)).map(Cause::name).collect();
    lines.say("dhcpv6.release.causes", named.join(" "));
    lines.say("dhcpv6.release.silent_for", nanos(*silent_for));
    let wrap = match wrap {
        Wrap::Always => "always",
        Wrap::Never => "never",
    };
    lines.say("dhcpv6.release.wrap", wrap);
    lines.say("dhcpv6.release.release_all", release_all);
    lines.say("dhcpv6.release.transmissions", transmissions);
    let on_timeout = match on_timeout {
        OnTimeout::Keep => "keep",
        OnTimeout::Clear => "clear",
    };
    lines.say("dhcpv6.release.on_timeout", on_timeout);
    lines.say("dhcpv6.release.refusal_hold", nanos(*refusal_hold));
    let fallback = match fallback {
        Fallback::Never => "never",
        Fallback::Unanswered => "unanswered",
        Fallback::Refused => "refused",
    };
    lines.say("dhcpv6.release.fallback", fallback);
    lines.say("dhcpv6.release.window", window);
    lines.say("dhcpv6.release.rate", rate);
    lines.say("dhcpv6.release.individual_rate", individual_rate);
    lines.say("dhcpv6.release.hops", hops);
}

#[cfg(test)]
mod tests {
    use super::super::digest;
    use crate::config;
    use std::collections::HashMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    const FILE: &str = r#"
[gateway]
id = "BNG-0042"
[[fpc]]
name = "fpc0"
ports = ["eth1"]
giaddr = "100.64.0.1"
link_address6 = "2001:db8:100::1"
[upstream]
ports = ["eth0"]
[[server]]
address = "192.0.2.2"
[cluster]
name = "access-1"
me = "gw-a"
interface = "eth4"
[[cluster.member]]
id = 1
name = "gw-a"
address = "198.51.100.1"
[[cluster.member]]
id = 2
name = "gw-b"
address = "198.51.100.2"
[dhcpv6]
servers = ["2001:db8:0:1::2"]
secret_file = "interface-id.key"
"#;
    const SECRET: &str = "00112233445566778899aabbccddeeff";

    fn number(directory: &Path, file: &str, secret: &str) -> u64 {
        let key = directory.join("interface-id.key");
        fs::write(&key, secret).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let parsed = config::parse(&directory.join("g.toml"), file).unwrap_or_else(|error| panic!("{error}"));
        digest(&parsed.gateway.unwrap())
    }

    /// H-CL-11: whatever members that serve IPv6 must agree on makes another number, each key by itself.
    #[test]
    fn what_must_be_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let number = |file: &str, secret: &str| number(directory.path(), file, secret);
        let with = |lines: &str| FILE.replace("[cluster]\n", &format!("[cluster]\n{lines}\n"));
        let and = |lines: &str| format!("{FILE}{lines}\n");
        let changes = [
            FILE.to_owned(),
            FILE.replace("[dhcpv6]", "[xdhcpv6]").split("[xdhcpv6]").next().unwrap().replace("link_address6", "#"),
            FILE.replace("100::1", "101::1"),
            FILE.replace("link_address6", "trust_relays6 = true\nlink_address6"),
            FILE.replace("0:1::2", "0:1::3"),
            with("address6 = \"2001:db8:0:1::1\""),
            with("link_local = \"fe80::2\""),
            and("duid = \"00:03:00:01:02:00:00:00:00:01\""),
            and("capacity = 4096"),
            and("max_leases_per_client = 8"),
            and("max_clients_per_mac = 8"),
            and("interface_id = \"{port}\""),
            and("remote_id = \"{mac}\""),
            and("enterprise = 7"),
            and("request_type = 245"),
            and("reply_type = 245"),
            and("forward_release_requests = true"),
            and("bulk_release = true"),
            and("proxy_nd = false"),
            and("router_lifetime = \"40m\"\nadvertise_every = \"10m\""),
            and("advertise_every = \"9m\""),
            and("advertise_every = \"off\""),
            and("[dhcpv6.release]\ncauses = []"),
            and("[dhcpv6.release]\ncauses = [\"restart\"]"),
            and("[dhcpv6.release]\nsilent_for = \"11s\""),
            and("[dhcpv6.release]\nwrap = \"never\""),
            and("[dhcpv6.release]\nrelease_all = true"),
            and("[dhcpv6.release]\ntransmissions = 5"),
            and("[dhcpv6.release]\non_timeout = \"clear\""),
            and("[dhcpv6.release]\nrefusal_hold = \"1m\""),
            and("[dhcpv6.release]\nfallback = \"never\""),
            and("[dhcpv6.release]\nfallback = \"refused\""),
            and("[dhcpv6.release]\nwindow = 3"),
            and("[dhcpv6.release]\nrate = 21"),
            and("[dhcpv6.release]\nindividual_rate = 101"),
            and("[dhcpv6.release]\nhops = 2"),
        ];
        let mut seen = HashMap::new();
        for change in &changes {
            let former = seen.insert(number(change, SECRET), change);
            assert_eq!(former, None, "the same number:\n{change}");
        }
        assert!(!seen.contains_key(&number(FILE, "00112233445566778899aabbccddeefe")), "another secret");
        // And what is its host's does not.
        assert_eq!(seen.get(&number(&and("announce_prefixes = true"), SECRET)).copied(), Some(&changes[0]));
    }
}
