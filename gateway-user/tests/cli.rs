//! The program `gateway` against a gateway that answers from a sample.

use std::path::PathBuf;
use std::process::{Command, Output};

use gateway_user::control::{ControlSocket, Question, protocol, questions};
use serde_json::Value;

mod sample;

struct Fake {
    _runtime: tokio::runtime::Runtime,
    directory: tempfile::TempDir,
}

impl Fake {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fake = Self { _runtime: runtime, directory: tempfile::tempdir().unwrap() };
        let (asker, mut questions) = questions();
        let _guard = fake._runtime.enter();
        tokio::spawn(ControlSocket::bind(&fake.socket(), None).unwrap().serve(asker));
        tokio::spawn(async move {
            let mut restarted = 0;
            while let Some(Question { request, answer }) = questions.recv().await {
                let ordered = matches!(&request, protocol::Request::RestartFpc { .. });
                let mut response = sample::answer(request);
                if let protocol::Response::Releases(releases) = &mut response {
                    follow(releases, restarted);
                    restarted += 1;
                }
                restarted = if ordered { 0 } else { restarted };
                let _ = answer.send(response);
            }
        });
        fake
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    fn run(&self, arguments: &str) -> Output {
        gateway(&format!("{arguments} --control {}", self.socket().display()))
    }

    /// Standard output of a command that succeeds, each line fit for a terminal of 100 columns.
    fn text(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{arguments}: {} columns: {line}", line.chars().count());
        }
        text
    }

    fn json(&self, arguments: &str) -> Value {
        let output = self.run(&format!("{arguments} --json"));
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments}: {error}"))
    }
}

/// The release of fpc1 goes on each time it is looked at, and ends with a few logins not confirmed.
fn follow(releases: &mut [protocol::Release], looks: u64) {
    let release = &mut releases[0];
    release.released = (looks * 200).min(497);
    release.servers[0].released = release.released;
    if let Some(six) = &mut release.leases6 {
        six.released = (100 + looks * 150).min(300);
    }
    if looks > 2 {
        (release.took, release.orphaned, release.age) = (Some(0.6), 3, 0.6);
    }
}

fn gateway(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.env_remove("GATEWAY_CONFIG").args(arguments.split_whitespace()).output().unwrap()
}

#[test]
fn tables() {
    let fake = Fake::start();
    let has = |arguments: &str, parts: &[&str]| {
        let text = fake.text(arguments);
        for part in parts {
            assert!(text.contains(part), "{arguments}: {part:?} is missing in\n{text}");
        }
    };
    has(
        "status",
        &[
            "gateway 0.1.0 · BNG-0042 · pid 4242 · up 3h12m · data plane adopted\n",
            "sessions  1,000 of 1,048,576, 3 orphaned\n",
            "IPv6      1,500 leases, 1,200 subscribers with either\n",
            "store     12.0M, no errors\n",
            "DHCP      400 of 2,048 addresses leased, 800 leases by DHCPv6\n",
            "packets   forwarded 1,111,111,110 · punted 4,000 · passed 12 · dropped 22\n",
            "ports     fpc0 up native · fpc1 missing · core0 up generic\n",
            "cluster   access-1; see `gateway members` and `gateway units`\n",
            "warnings  core0: native XDP is not to be had, generic instead\n",
        ],
    );
    has(
        "server status",
        &[
            "400 of 2,048 addresses leased, 800 leases by DHCPv6\n",
            "conflict      2\n",
            "discover    450\n",
            "solicit         850\n",
        ],
    );
    has(
        "subnets",
        &[
            "BNG-0042 at 192.0.2.2\n",
            "entered here",
            "├─ 100.96.0.0/24  west at 192.0.2.7",
            "70%       -  leased",
            "└─ 100.96.8.0/21",
        ],
    );
    has("leases renew 100.64.0.10", &["the client of 100.64.0.10 was told to renew\n"]);
    has(
        "sessions",
        &["ADDRESS", "100.64.0.10   02:00:00:00:00:00  fpc0  88a8:100.7  192.0.2.2", "100.64.3.241", "orphaned"],
    );
    has(
        "sessions 100.64.0.10",
        &["client-id  0102000000000a\n", "lease      ends in 58m00s\n", "scope      address 100.64.0.1"],
    );
    has("sessions", &["\n  2001:db8:8700::/56 at 2001:db8:0:1::2, 2h00m left, up 1.2M, down 0B\n"]);
    has("sessions 100.64.0.17", &["ipv6       2001:db8:8700::/56", "IA pd 0, DUID 0003000102000000000a"]);
    has("fpcs", &["fpc1  down 12s  fpc1   group fpc1  logout      1767225601       500   750         3\n"]);
    has("servers", &["192.0.2.2 (embedded)  capable     12m34s ago  8       answers            100       500\n"]);
    has(
        "releases",
        &["fpc1 at 192.0.2.3: individual RELEASEs", "fpc1: 100 of 300 IPv6 leases ended; 7 RELEASE-REQUESTs"],
    );
    has(
        "members",
        &[
            "cluster access-1: gw-a is master here, term 7; gw-b keeps what has no client",
            "replies leave though too few members have their sessions",
            "etcd has not answered for 4.2 s, so no unit moves; http://192.0.2.10:2379: no answer within 1s",
            "gw-b     2  198.51.100.2  draining  sctp      488      1,200  0.5 %       4  12 ms ago",
        ],
    );
    has(
        "members --paths",
        &[
            "gw-b: SCTP; for 3m41s; 12s ago: ask for 198.51.100.1 as primary, a better path\n",
            "to    198.51.100.2  active       primary   0.0 %  0.40 ms  200 ms\n",
            "to    203.0.113.2   unconfirmed           12.5 %  0.40 ms  200 ms\n",
            "from  198.51.100.1  active       primary   0.0 %        -       -\n",
            "gw-c: no stream\n",
        ],
    );
    has(
        "units",
        &[
            "cluster access-1: 1,024 work units, 1,536 moves seen here\n",
            "2 on their way to another owner\npackets of 25 units wait for an owner\n\n",
            "gw-a      512        0          512      1,200  1,024   3h12m      3s  this member\n",
            "gw-b      488        2          488          -    488   3h12m      3s\n",
            "nobody     24        0           24          -     24       -       -\n",
        ],
    );
    has(
        "units --field",
        &["# gw-a 512\n", "b gw-b 488\n", ". nobody 24\n", "   0  # # #", " 576  b b b", " 992  b b b b b b b b . "],
    );
    assert!(fake.text("units --field").contains("b b b * * b b"), "on their way");
    has("units 601", &["601  gw-b   10m01s      1      608            1  on its way, packets wait\n"]);
    assert_eq!(fake.text("units --list").lines().count(), 1025);
    assert_eq!(fake.text("units --of gw-b").lines().count(), 489);
    assert_eq!(fake.text("units --of nobody").lines().count(), 25);
    let unknown = String::from_utf8(fake.run("units --of gw-z").stderr).unwrap();
    assert_eq!(unknown, "gateway: there is no member `gw-z`; there are: gw-a, gw-b, gw-c, nobody\n");
    has(
        "drops",
        &[
            "no-session  access         17",
            "source has no session",
            "02:00:00:00:00:01 UDP 100.0.0.2:5555 → 8.8.8.8:53",
        ],
    );
    has("events", &["12.0 s ago  fpc1 restarts (interface removed)"]);
    has(
        "leases",
        &[
            "100.64.0.10  active  02:00:00:00:00:01  01020000000001    never  100.64.0.1\n",
            "2001:db8:8000:100::/56  active  00030001020000000001  7           never  a-rather-long-n…\n",
        ],
    );
    assert_eq!(fake.text("leases --all").lines().count(), 4, "all pages, one heading");
    assert_eq!(fake.text("leases --all --limit 1").lines().count(), 2);
    assert_eq!(fake.text("leases --mac 02:00:00:00:00:09"), "no leases\n");
    let exported = String::from_utf8(fake.run("leases export --format csv").stdout).unwrap();
    assert_eq!(exported.lines().count(), 4, "{exported}");
    has("release 100.64.0.10", &["a RELEASE for 100.64.0.10 is on its way to 192.0.2.2\n"]);
    assert_eq!(fake.text("sessions").lines().count(), 1002, "all pages, one heading, and the lease of one");
    assert_eq!(fake.text("sessions --orphaned").lines().count(), 3);
    assert_eq!(fake.text("sessions --limit 7").lines().count(), 8);
    assert_eq!(fake.text("sessions --fpc fpc7"), "no sessions\n");
}

/// Every read has `--json`, with the names of the protocol.
#[test]
fn json() {
    let fake = Fake::start();
    let status = fake.json("status");
    assert_eq!((status["sessions"].as_u64(), status["fpcs"][1]["state"].as_str()), (Some(1000), Some("down")));
    assert_eq!(fake.json("sessions").as_array().unwrap().len(), 1000);
    assert_eq!(fake.json("leases")[1]["duid"], "00030001020000000001");
    assert_eq!(fake.json("leases --scope 100.64.0.1").as_array().unwrap().len(), 1);
    assert_eq!(fake.json("leases --state expired"), Value::Array(Vec::new()));
    assert_eq!(fake.json("sessions --fpc fpc7"), Value::Array(Vec::new()));
    assert_eq!(fake.json("sessions 100.64.0.10")["mac"], "02:00:00:00:00:00");
    assert_eq!(fake.json("fpcs")[0]["epoch"], 1_767_225_600);
    assert_eq!(fake.json("servers")[0]["capability"], "capable");
    assert_eq!(fake.json("releases")[0]["individual"], 260);
    let units = fake.json("units");
    assert_eq!(units["owners"].as_array().unwrap().len(), 1024);
    let sum: u64 = units["members"].as_array().unwrap().iter().map(|member| member["units"].as_u64().unwrap()).sum();
    assert_eq!((sum, &units["units"], units["moves"].as_u64()), (1024, &Value::Null, Some(1536)));
    assert_eq!(fake.json("units --list").as_array().unwrap().len(), 1024);
    assert_eq!(fake.json("units 7")[0]["name"], "gw-a");
    assert_eq!(fake.json("members")["counted"]["refused"]["forged"], 3);
    assert_eq!(fake.json("drops")["samples"][0]["verdict"], "no-session");
    assert_eq!(fake.json("events")[0]["kind"], "restart");
}

/// A restart by command, followed to its end: progress on standard error, the sum on standard output, and a failure
/// because some logins were not confirmed. BR-20
#[test]
fn restart_and_wait() {
    let fake = Fake::start();
    let told = fake.text("fpc restart fpc0");
    assert!(told.starts_with("fpc0: logging out 500 sessions; restart the card when"), "{told}");
    assert!(told.contains("with them 300 IPv6 leases"), "{told}");
    assert!(fake.text("fpc restart fpc0 --policy maintain").contains("keeping 500 sessions until the lease ends"));
    let output = fake.run("fpc restart fpc1 --wait");
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(err.contains("released · individual RELEASEs at 192.0.2.3"), "{err}");
    assert!(out.starts_with("fpc1: 497 of 500 logins released in 600 ms"), "{out}");
    assert!(out.contains("fpc1: 300 of 300 IPv6 leases ended; 7 RELEASE-REQUESTs"), "{out}");
    assert!(out.contains("not confirmed: 3"), "{out}");
    assert_eq!(output.status.code(), Some(1));
    let unknown = fake.run("fpc restart fpc9");
    assert_eq!(String::from_utf8(unknown.stderr).unwrap(), "gateway: there is no such FPC; there are fpc0, fpc1\n");
}

#[test]
fn nothing_is_running() {
    let output = gateway("status --control /nonexistent/control.sock");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.starts_with("gateway: no gateway is running: nothing listens at /nonexistent/control.sock"),
        "{error}"
    );
}

#[test]
fn a_reader_that_goes_away() {
    let fake = Fake::start();
    let binary = env!("CARGO_BIN_EXE_gateway");
    let line = format!("{binary} sessions --control {} | head -1", fake.socket().display());
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn check() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gateway.toml");
    let text = "[gateway]\nid = \"BNG-0042\"\n[[fpc]]\nname = \"fpc0\"\nports = [\"nosuch0\"]\ngiaddr = \"127.0.0.1\"\n\
                [upstream]\nports = [\"lo\"]\n[[server]]\naddress = \"192.0.2.2\"\n";
    std::fs::write(&file, text).unwrap();
    let shown = file.display();
    let broken = gateway(&format!("check --config {shown}"));
    assert_eq!(broken.status.code(), Some(1));
    let error = String::from_utf8(broken.stderr).unwrap();
    let expected =
        "6: fpc.giaddr: found \"127.0.0.1\"; would do: the gateway's own unicast address on the subscribers' side";
    assert_eq!(error, format!("{shown}:{expected}\n1 mistake in the configuration\n"));

    std::fs::write(&file, text.replace("127.0.0.1", "100.64.0.1")).unwrap();
    let good = gateway(&format!("check --config {shown}"));
    assert!(good.status.success());
    let text = String::from_utf8(good.stdout).unwrap();
    assert!(text.contains("1 FPC, 1 access port, 1 upstream port, 1 server"), "{text}");
    assert!(text.contains("single logouts are off"), "{text}");
    let host = gateway(&format!("check --host --json --config {shown}"));
    assert_eq!(host.status.code(), Some(1), "the host has no such giaddr");
    let findings: Vec<Value> = serde_json::from_slice(&host.stdout).unwrap();
    let find = |subject: &str| findings.iter().find(|finding| finding["subject"] == subject);
    assert_eq!(find("giaddr").unwrap()["level"], "fail");
    assert_eq!(find("nosuch0").unwrap()["level"], "warn");
    assert!(find("kernel").is_some() && find("capabilities").is_some() && find("ip_forward").is_some());
    // Without a configuration the host can be looked at all the same; without --host there is nothing to look at.
    let none = gateway(&format!("check --host --json --config {shown}.none"));
    let findings: Vec<Value> = serde_json::from_slice(&none.stdout).unwrap();
    assert!(findings[0]["advice"].as_str().unwrap().starts_with("gateway check --example > "), "{findings:?}");
    assert!(findings.iter().any(|finding| finding["subject"] == "kernel"));
    let nothing = String::from_utf8(gateway(&format!("check --config {shown}.none")).stderr).unwrap();
    assert!(nothing.starts_with(&format!("gateway: cannot read the configuration {shown}.none")), "{nothing}");
}
