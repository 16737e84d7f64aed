//! `gateway leases` on a store whose server does not run: files in, files out.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// A directory with a configuration.
struct Place(tempfile::TempDir);

/// Leases of a dhcpd that ended in the middle of writing the fourth, at line 20; none of them ends.
const DHCPD: &str = r#"authoring-byte-order little-endian;
lease 100.64.0.10 {
  starts 0 2026/11/22 00:00:00;
  ends never;
  binding state active;
  hardware ethernet 02:00:00:00:00:01;
  uid "\001\002\000\000\000\000\001";
}
lease 100.64.0.11 {
  starts 0 2026/11/22 00:00:00;
  ends never;
  binding state active;
  hardware ethernet 02:00:00:00:00:02;
}
lease 100.65.0.1 {
  ends never;
  binding state active;
  hardware ethernet 02:00:00:00:00:03;
}
lease 100.64.0.12 {
  starts 0 2026/11/22 00:"#;

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let text = format!(
            "[dhcp_server]\nlisten = \"192.0.2.1\"\nstore = {:?}\ncontrol = {:?}\n[[dhcp_server.subnet]]\n\
             prefix = \"100.64.0.0/16\"\npool = \"100.64.0.10-100.64.0.99\"\nrouter = \"100.64.0.1\"\n\
             [dhcp_server.v6]\nlisten = \"2001:db8::1\"\n[[dhcp_server.v6.subnet]]\nprefix = \"2001:db8:1::/64\"\n\
             pools = [\"2001:db8:1::10-2001:db8:1::ff\"]\ndelegate = \"2001:db8:8000::/40\"\ndelegate_length = 56\n",
            place.path("store"),
            place.path("server.sock"),
        );
        std::fs::write(place.path("server.toml"), text).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    fn run(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.arg("leases").args(arguments.split_whitespace()).arg("--config").arg(self.path("server.toml"));
        command.env_remove("GATEWAY_CONFIG").output().unwrap()
    }

    /// Standard output of a command that succeeds.
    fn text(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A cut file: what is whole is taken, the cut is told with its line, and the exit status says it. A trial changes nothing.
#[test]
fn a_cut_file() {
    let place = Place::new();
    let file = place.write("dhcpd.leases", DHCPD);
    let trial = place.run(&format!("import {file} --format isc --dry-run"));
    assert_eq!(trial.status.code(), Some(3));
    assert!(String::from_utf8(trial.stdout).unwrap().starts_with("2 leases of 3 would be taken\n"));
    assert!(!place.path("store").exists(), "a trial makes no store");
    let done = place.run(&format!("import {file} --format isc"));
    assert_eq!(done.status.code(), Some(3));
    let told = String::from_utf8(done.stderr).unwrap();
    assert!(told.contains("line 21: the file ends within the lease that begins at line 20\n"), "{told}");
    assert!(told.contains("line 15: 100.65.0.1 is in no pool, not taken\n"), "{told}");
    assert_eq!(
        String::from_utf8(done.stdout).unwrap(),
        "2 leases of 3 taken\n          2  in force\n          1  of no pool, not taken\n"
    );
    let listed = place.text("--offline");
    assert_eq!(
        listed,
        "ADDRESS      STATE   CLIENT             ID, IAID        EXPIRES  SCOPE\n\
         100.64.0.10  active  02:00:00:00:00:01  01020000000001    never  -\n\
         100.64.0.11  active  02:00:00:00:00:02  -                 never  -\n"
    );
    let whole = format!("{}\n", &DHCPD[..DHCPD.find("lease 100.64.0.12").unwrap()]);
    let again = place.text(&format!("import {} --format isc --json", place.write("whole", &whole)));
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!((again["whole"].as_bool(), again["older"].as_u64()), (Some(true), Some(2)), "{again}");
}

/// Out and into another store by every format: the same leases.
#[test]
fn over_and_back() {
    let from = Place::new();
    let end = DHCPD.find("lease 100.65.0.1").unwrap();
    let file = from.write("dhcpd.leases", &format!("{}\n", &DHCPD[..end]));
    let six = "ia-pd \"\\007\\000\\000\\000\\000\\003\\000\\001\\002\\000\\000\\000\\000\\001\" {\n  cltt 0 2026/11/22 00:00:00;\n  \
               iaprefix 2001:db8:8000::/56 {\n    binding state active;\n    preferred-life 3600;\n    max-life 7200;\n    \
               ends never;\n  }\n}\n";
    let file6 = from.write("dhcpd6.leases", six);
    from.text(&format!("import {file} {file6} --format isc"));
    let listed = from.text("--offline --json");
    let rows: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((rows[2]["address"].as_str(), rows[2]["iaid"].as_u64()), (Some("2001:db8:8000::/56"), Some(7)));
    for (formats, import) in
        [(&["csv"][..], "csv"), (&["json"], "json"), (&["kea4", "kea6"], "kea"), (&["isc4", "isc6"], "isc")]
    {
        let to = Place::new();
        let files = formats.iter().map(|format| {
            let text = from.text(&format!("export --format {format} --offline"));
            to.write(format, &text)
        });
        let files = files.collect::<Vec<_>>().join(" ");
        to.text(&format!("import {files} --format {import}"));
        assert_eq!(to.text("--offline --json"), listed, "{import}");
    }
    let duid = "server-duid \"\\000\\002";
    assert!(from.text("export --format isc6 --offline").contains(duid), "clients know the server by its DUID");
    let kea = from.text("export --format kea4 --offline --subnet-id 100.64.0.0/16=42 100.64.0.11");
    let line = "100.64.0.11,02:00:00:00:00:02,,4294967295,6090272895,42,0,0,,0,\n";
    assert_eq!(kea.lines().nth(1).map(|found| format!("{found}\n")).as_deref(), Some(line));
}

/// Nobody answers, a store in use, a file of another kind, a filter that can't be meant: each says what it is.
#[test]
fn what_can_not_be() {
    let place = Place::new();
    let says = |arguments: &str, text: &str| {
        let output = place.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && errors.contains(text), "{arguments}: {errors}");
    };
    says("", "nothing listens at");
    says("--mac 02:zz", "`02:zz` is not hexadecimal digits");
    says("import /nonexistent --format csv", "cannot read /nonexistent");
    let file = place.write("text", "once upon a time\n");
    says(&format!("import {file} --format kea"), "text: line 1: it is no heading");
    says(&format!("import {file} --format isc"), "text: line 1: it is no statement of dhcpd.leases(5)");
    let settings = gateway_server::LEASES;
    let _open = gateway_store::Store::open(&place.path("store"), settings).unwrap();
    says(&format!("import {file} --format csv"), "leases are imported while their server does not run");
    says("--offline", "has it open");
}
