//! Each kind of mistake, with the whole message.

use super::{BASE, parse};

/// The message for [`BASE`] with one line replaced by another (or by several).
fn message(line: &str, by: &str) -> String {
    assert_eq!(BASE.matches(line).count(), 1, "{line:?} is one line of the base");
    match parse(&BASE.replace(line, by)) {
        Ok(_) => "no mistake".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

/// One row for each kind of mistake: line of the base, what takes its place, the whole message.
#[test]
fn mistakes() {
    let id = "id = \"BNG-0042\"";
    let ports = "ports = [\"eth1\"]";
    let giaddr = "giaddr = \"100.64.0.1\"";
    let upstream = "ports = [\"eth0\"]";
    let server = "address = \"192.0.2.2\"";
    let table: &[(&str, &str, &str)] = &[
        // Syntax.
        (
            id,
            "id = \"BNG-0042",
            "g.toml:3: TOML: found id = \"BNG-0042; would do: correct TOML (invalid basic string, expected `\"`)",
        ),
        // Kinds of values.
        (
            id,
            "id = 42",
            "g.toml:3: gateway.id: found 42; would do: a name or serial number of 1 to 64 octets that no other gateway has, such as \"BNG-0042\"",
        ),
        (
            id,
            "id = \"0g\"\nid_type = \"duid\"",
            "g.toml:3: gateway.id: found \"0g\"; would do: a DUID of 1 to 64 hexadecimal octets, such as \"00:03:00:01:02:00:00:00:00:01\"",
        ),
        (
            id,
            "id = \"1234\"\nid_type = \"uuid\"",
            "g.toml:3: gateway.id: found \"1234\"; would do: a UUID, such as \"8c5e1f0e-5d2b-4a0c-9a58-0c2f5a1b7d10\"",
        ),
        (
            id,
            "",
            "g.toml:2: gateway.id: found nothing; would do: a name or serial number of 1 to 64 octets that no other gateway has, such as \"BNG-0042\"",
        ),
        (
            id,
            "id = \"a\"\nid_type = \"serial\"",
            "g.toml:4: gateway.id_type: found \"serial\"; would do: \"opaque\", \"duid\" or \"uuid\"",
        ),
        (id, "id = \"a\"\nproxy_arp = \"yes\"", "g.toml:4: gateway.proxy_arp: found \"yes\"; would do: true or false"),
        (id, "id = \"a\"\ncapacity = 0", "g.toml:4: gateway.capacity: found 0; would do: a number from 1 to 16777216"),
        (
            id,
            "id = \"a\"\nstate_dir = \"state\"",
            "g.toml:4: gateway.state_dir: found \"state\"; would do: an absolute path",
        ),
        (
            id,
            "id = \"a\"\nmetrics = \"9467\"",
            "g.toml:4: gateway.metrics: found \"9467\"; would do: an address and port, such as \"127.0.0.1:9467\", or \"off\"",
        ),
        (
            giaddr,
            "giaddr = \"100.64.0\"",
            "g.toml:7: fpc.giaddr: found \"100.64.0\"; would do: an IPv4 address, such as \"192.0.2.2\"",
        ),
        (
            giaddr,
            "giaddr = \"127.0.0.1\"",
            "g.toml:7: fpc.giaddr: found \"127.0.0.1\"; would do: the gateway's own unicast address on the subscribers' side",
        ),
        (
            giaddr,
            "giaddr = \"100.64.0.1\"\nhold_down = \"2 parsecs\"",
            "g.toml:8: fpc.hold_down: found \"2 parsecs\"; would do: a duration up to 1h, such as \"2s\"",
        ),
        (
            giaddr,
            "giaddr = \"100.64.0.1\"\nhold_down = \"2h\"",
            "g.toml:8: fpc.hold_down: found \"2h\"; would do: a duration up to 1h, such as \"2s\"",
        ),
        (
            giaddr,
            "giaddr = \"100.64.0.1\"\nschedule = \"at night\"",
            "g.toml:8: fpc.schedule: found \"at night\"; would do: \"daily 03:00\" (local time) or \"every 24h\" (1m or more)",
        ),
        (
            giaddr,
            "giaddr = \"100.64.0.1\"\nmax_clients_per_port = 0",
            "g.toml:8: fpc.max_clients_per_port: found 0; would do: a number from 1 to 4294967295; absent: no limit",
        ),
        (
            giaddr,
            "giaddr = \"100.64.0.1\"\nrestart_when = \"any\"",
            "g.toml:8: fpc.restart_when: found \"any\"; would do: \"all-ports\" or \"any-port\"",
        ),
        (
            ports,
            "ports = []",
            "g.toml:6: fpc.ports: found []; would do: at least one access interface, such as [\"eth1\"]",
        ),
        (
            ports,
            "ports = \"eth1\"",
            "g.toml:6: fpc.ports: found \"eth1\"; would do: a list in brackets, each entry an interface name of 1 to 15 characters, such as \"eth1\"",
        ),
        (
            ports,
            "ports = [\"an-interface-too-long\"]",
            "g.toml:6: fpc.ports: found \"an-interface-too-long\"; would do: an interface name of 1 to 15 characters, such as \"eth1\"",
        ),
        (
            server,
            "address = \"192.0.2.2\"\nrelease_rate = 0",
            "g.toml:12: server.release_rate: found 0; would do: a number from 1 to 1000000",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[relay]\ncircuit_id = \"{slot}\"",
            "g.toml:13: relay.circuit_id: found \"{slot}\"; would do: a text, with {port} {fpc} {outer} {inner} {mac} {giaddr} where they belong",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[units]\nown = \"0-1024\"",
            "g.toml:13: units.own: found \"0-1024\"; would do: work units from 0 to 1023, such as \"0-1023\" or \"0-99,200\"",
        ),
        // Keys and tables that nobody reads.
        (
            giaddr,
            "giaddr = \"100.64.0.1\"\nhold_dwon = \"2s\"",
            "g.toml:8: fpc.hold_dwon: found an unknown key; would do: did you mean `hold_down`?",
        ),
        (
            upstream,
            "ports = [\"eth0\"]\nzzz = 1",
            "g.toml:10: upstream.zzz: found an unknown key; would do: one of ports",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[bulk_relaese]",
            "g.toml:12: bulk_relaese: found an unknown key; would do: did you mean `bulk_release`?",
        ),
        (
            "[[server]]",
            "[server]",
            "g.toml:10: server: found a table; would do: [[server]] with two brackets: there may be several",
        ),
        // Missing tables and keys.
        (
            "[[server]]\naddress = \"192.0.2.2\"\n",
            "",
            "g.toml:1: tables: found a file without; would do: a [[server]] with its address, or [dhcp_server]",
        ),
        (
            "[upstream]\nports = [\"eth0\"]\n",
            "",
            "g.toml:1: upstream.ports: found nothing; would do: a list of interfaces toward the servers, such as [\"eth0\"]",
        ),
        // Two things that must not meet.
        (
            upstream,
            "ports = [\"eth1\"]",
            "g.toml:9: upstream.ports: found \"eth1\" which line 6 has already; would do: each interface once: it belongs to one FPC or is an upstream port",
        ),
        (
            giaddr,
            "giaddr = \"192.0.2.2\"",
            "g.toml:7: fpc.giaddr: found \"192.0.2.2\" which is the server of line 11; would do: an address of the gateway that no server has",
        ),
        (
            giaddr,
            "giaddr = \"100.64.0.1\"\n[[fpc]]\nname = \"fpc0\"\nports = [\"eth2\"]\ngiaddr = \"100.65.0.1\"",
            "g.toml:9: fpc.name: found \"fpc0\" which line 5 has already; would do: a name of its own for each FPC",
        ),
        (
            giaddr,
            "giaddr = \"100.64.0.1\"\ngroup = \"g\"\n[[fpc]]\nname = \"fpc1\"\nports = [\"eth2\"]\ngiaddr = \"100.64.0.1\"\ngroup = \"g\"",
            "g.toml:13: fpc.group: found \"g\" which is the group of line 8 too: one logout would end both; would do: a group of its own for each FPC of a shared giaddr",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[[server]]\naddress = \"192.0.2.2\"",
            "g.toml:13: server.address: found \"192.0.2.2\" which line 11 has already; would do: each server once",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[[static]]\naddress = \"100.64.0.9\"\nmac = \"03:00:00:00:00:09\"\nport = \"eth1\"",
            "g.toml:14: static.mac: found \"03:00:00:00:00:09\"; would do: a unicast MAC address, such as \"02:00:00:00:00:01\"",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[[static]]\naddress = \"100.64.0.9\"\nmac = \"02:00:00:00:00:09\"\nport = \"eth7\"",
            "g.toml:15: static.port: found \"eth7\" which no FPC has; would do: one of eth1",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[[static]]\naddress = \"100.64.0.9\"\nmac = \"02:00:00:00:00:09\"\nport = \"eth1\"\ninner = 7",
            "g.toml:16: static.inner: found 7 without an outer tag; would do: outer = the tag, or outer and inner",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[[static]]\naddress = \"100.64.0.1\"\nmac = \"02:00:00:00:00:09\"\nport = \"eth1\"",
            "g.toml:13: static.address: found \"100.64.0.1\" which is the gateway's own; would do: an address that the subscriber alone has",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[[static]]\naddress = \"192.0.2.2\"\nmac = \"02:00:00:00:00:09\"\nport = \"eth1\"",
            "g.toml:13: static.address: found \"192.0.2.2\" which is a server's; would do: an address that the subscriber alone has",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[[static]]\naddress = \"224.0.0.9\"\nmac = \"02:00:00:00:00:09\"\nport = \"eth1\"",
            "g.toml:13: static.address: found \"224.0.0.9\"; would do: the subscriber's unicast address",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[limits.lockout]\ncycles = 1\nwithin = \"1m\"\nfor = \"5m\"",
            "g.toml:13: limits.lockout.cycles: found 1; would do: 2 or more logins: with 1 nobody could log in",
        ),
        // Where leases are kept. A URL is not shown: it may hold a password.
        (
            server,
            "address = \"192.0.2.2\"\n[dhcp_server]\nlisten = \"192.0.2.1\"\nstore = \"leases\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/16\"\npool = \"100.64.0.10-100.64.0.20\"",
            "g.toml:14: dhcp_server.store: found \"leases\"; would do: an absolute path, or the URL of a database, such as \"postgres://gateway@db.example.net/dhcp\"",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[dhcp_server]\nlisten = \"192.0.2.1\"\nstore = \"mysql://gateway:hunter2@db/dhcp\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/16\"\npool = \"100.64.0.10-100.64.0.20\"",
            "g.toml:14: dhcp_server.store: found a URL; would do: an absolute path, or the URL of a database, such as \"postgres://gateway@db.example.net/dhcp\"",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[dhcp_server]\nlisten = \"192.0.2.1\"\nstore = \"postgres://gateway:hunter2@db:port/dhcp\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/16\"\npool = \"100.64.0.10-100.64.0.20\"",
            "g.toml:14: dhcp_server.store: found a URL not of the form postgres://USER@HOST:PORT/DATABASE; would do: an absolute path, or the URL of a database, such as \"postgres://gateway@db.example.net/dhcp\"",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[dhcp_server]\nlisten = \"192.0.2.1\"\nstore = \"postgres://gateway@db/dhcp?sslmode=allow\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/16\"\npool = \"100.64.0.10-100.64.0.20\"",
            "g.toml:14: dhcp_server.store: found a URL with another sslmode than disable, prefer, require, verify-ca and verify-full; would do: an absolute path, or the URL of a database, such as \"postgres://gateway@db.example.net/dhcp\"",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[dhcp_server]\nlisten = \"192.0.2.1\"\nstore_password_file = \"/nowhere\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/16\"\npool = \"100.64.0.10-100.64.0.20\"",
            "g.toml:14: dhcp_server.store_password_file: found \"/nowhere\" without a database; would do: store = the URL of one, or no such line",
        ),
        // The embedded server.
        (
            server,
            "address = \"192.0.2.2\"\n[dhcp_server]\nlisten = \"192.0.2.1\"",
            "g.toml:12: dhcp_server: found this table without subnets; would do: a [[dhcp_server.subnet]] with prefix and pool",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[dhcp_server]\nlisten = \"192.0.2.1\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/24\"\npool = \"100.64.0.10-100.64.1.20\"",
            "g.toml:16: dhcp_server.subnet.pool: found \"100.64.0.10-100.64.1.20\" which is not inside 100.64.0.0/24; would do: a range within 100.64.0.1-100.64.0.254",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[dhcp_server]\nlisten = \"192.0.2.1\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/24\"\npool = \"100.64.0.10-100.64.0.20\"\nrenew_percent = 90",
            "g.toml:17: dhcp_server.subnet.renew_percent: found 90 where clients renew at 90 and rebind at 87 percent of the lease; would do: renew_percent of at most rebind_percent",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[dhcp_server]\nlisten = \"192.0.2.1\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.1/24\"\npool = \"100.64.0.10-100.64.0.20\"",
            "g.toml:15: dhcp_server.subnet.prefix: found \"100.64.0.1/24\"; would do: an IPv4 prefix without host bits, such as \"100.64.0.0/16\"",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[dhcp_server]\nlisten = \"192.0.2.1\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/24\"\npool = \"100.64.0.1-100.64.0.20\"\nrouter = \"100.64.0.1\"",
            "g.toml:17: dhcp_server.subnet.router: found \"100.64.0.1\" which the pool of line 16 would lease to a subscriber; would do: an address outside the pool",
        ),
        (
            server,
            "address = \"192.0.2.2\"\n[dhcp_server]\nlisten = \"192.0.2.1\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/16\"\npool = \"100.64.0.10-100.64.0.20\"\n[[dhcp_server.subnet]]\nprefix = \"100.64.1.0/24\"\npool = \"100.64.1.10-100.64.1.20\"",
            "g.toml:18: dhcp_server.subnet.prefix: found \"100.64.1.0/24\" which overlaps 100.64.0.0/16 of line 15; would do: a prefix apart from the others",
        ),
    ];
    let wrong: Vec<_> = table
        .iter()
        .map(|(line, by, expected)| (message(line, by), *expected))
        .filter(|(message, expected)| message != expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every number of the single logout can be changed, and two uses of one number are refused at start.
#[test]
fn code_points_collide() {
    let table = [
        (
            "reply_type = 7",
            "g.toml:13: bulk_release.reply_type: found 7 which is another DHCP message type; would do: a number from 19 to 254, such as 250\ng.toml:13: bulk_release.reply_type: found 7 for both request_type and reply_type; would do: two different message types",
        ),
        (
            "request_type = 10",
            "g.toml:13: bulk_release.request_type: found 10 which is another DHCP message type; would do: 7 (RELEASE) or a number from 19 to 254",
        ),
        (
            "request_type = 250",
            "g.toml:13: bulk_release.request_type: found 250 for both request_type and reply_type; would do: two different message types",
        ),
        (
            "encoding = \"raw\"\nraw_codes = [240, 12, 242, 243]",
            "g.toml:14: bulk_release.raw_codes: found [240, 12, 242, 243] where 12 is another sub-option; would do: four codes from 20 to 254 without 151 and 152",
        ),
        (
            "encoding = \"raw\"\nraw_codes = [240, 241, 240, 243]",
            "g.toml:14: bulk_release.raw_codes: found [240, 241, 240, 243] where 240 stands twice; would do: four different codes: capability, scope, transaction, result",
        ),
        (
            "raw_codes = [240, 241]",
            "g.toml:13: bulk_release.raw_codes: found [240, 241]; would do: four different sub-option codes, such as [240, 241, 242, 243]",
        ),
        ("pen = 0", "g.toml:13: bulk_release.pen: found 0; would do: a number from 1 to 4294967295"),
    ];
    for (keys, expected) in table {
        let server = "address = \"192.0.2.2\"";
        assert_eq!(message(server, &format!("{server}\n[bulk_release]\n{keys}")), expected);
    }
}

/// All mistakes of a file are told at once, in the order of its lines.
#[test]
fn several_mistakes() {
    let text = "[gateway]\nid = 1\n[[fpc]]\nnam = \"a\"\n[upstream]\nports = [\"eth0\", \"\"]\n";
    let problems = parse(text).unwrap_err().problems;
    let at: Vec<_> = problems.iter().map(|problem| (problem.line, problem.key.as_str())).collect();
    assert_eq!(
        at,
        [
            (1, "tables"),
            (2, "gateway.id"),
            (3, "fpc.name"),
            (3, "fpc.ports"),
            (3, "fpc.giaddr"),
            (4, "fpc.nam"),
            (6, "upstream.ports"),
        ]
    );
}

#[test]
fn nothing_to_configure() {
    assert_eq!(
        parse("").unwrap_err().to_string(),
        "g.toml:1: tables: found a file without; would do: [gateway], [[fpc]], [upstream] and [[server]], or \
         [dhcp_server]; `gateway check --example` prints them"
    );
}

/// In the file of a DHCP server alone, a table that only a gateway reads is told as that.
#[test]
fn a_gateways_table_without_a_gateway() {
    let text = "[dhcp_server]\nlisten = \"192.0.2.2\"\n[[dhcp_server.subnet]]\nprefix = \"10.0.0.0/8\"\n\
                pool = \"10.0.0.10-10.255.255.250\"\n[limits]\nport_rate = 5\n";
    assert_eq!(
        parse(text).unwrap_err().to_string(),
        "g.toml:7: limits.port_rate: found an unknown key; would do: no such table, or a [gateway] beside it"
    );
}

/// An option 82 that could not be sent is told where it is made, before the start would fail (H-BR-22).
#[test]
fn an_option_82_that_does_not_fit() {
    let long = "x".repeat(250);
    let server = "address = \"192.0.2.2\"";
    let found = message(server, &format!("{server}\n[relay]\nremote_id = \"{long}\""));
    assert!(found.starts_with("g.toml:13: relay.remote_id: found \"xxx"), "{found}");
    let rest = "255 at most: shorten templates, id or group); would do: shorter relay.circuit_id, relay.remote_id, id or group";
    assert!(found.contains("(option 82 on port eth1 can reach ") && found.ends_with(rest), "{found}");
    // Nobody has chosen a template: then it is who the gateway is.
    let id = format!("id = \"{}\"", "x".repeat(64));
    let (giaddr, group) = ("giaddr = \"100.64.0.1\"", "g".repeat(32));
    let shared = format!("{giaddr}\ngroup = \"{group}\"\n[[fpc]]\nname = \"b\"\nports = [\"eth2\"]\n{giaddr}");
    let key = "[relay_auth]\nkey_id = 1\nkey = \"00112233445566778899aabbccddeeff\"\n";
    let text = BASE.replace("id = \"BNG-0042\"", &id).replace(giaddr, &shared) + key;
    let found = parse(&text).map_err(|problems| problems.to_string()).unwrap_err();
    assert!(found.starts_with("g.toml:2: gateway: found this table (option 82 on port eth1 can reach 2"), "{found}");
}
