//! The gateway under test: `gateway run` in the lab's gateway namespace, with its bpffs.

use crate::lab::Lab;
use crate::namespace::Namespace;
use crate::plan::Plan;
use crate::process::Process;
use crate::wait;
use anyhow::{Context, Result, bail};
use aya::maps::{Map, MapData};
use gateway_common::Ip4;
use gateway_common::maps;
use gateway_common::route::AccessRoute;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long the controller may take until it answers: it loads and verifies the programs first.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The configuration's file in the lab's directory.
pub const CONFIG: &str = "gateway.toml";

/// The key of the lab's relay, known to the embedded server.
pub const KEY: &str = "00112233445566778899aabbccddeeff";

/// The gateway's Relay-Id, which the lab's DHCPv6 server knows.
pub const RELAY_DUID: &str = "00:03:00:01:02:00:5e:00:53:01";

/// The `gateway` program: `$GATEWAY_BIN`, or the one that was built beside this process's own.
pub fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("GATEWAY_BIN") {
        return Ok(path.into());
    }
    // target/debug/deps/test-… or target/release/lab
    let own = std::env::current_exe()?;
    let found = own.ancestors().skip(1).take(2).map(|directory| directory.join("gateway")).find(|path| path.is_file());
    found.with_context(|| format!("no `gateway` beside {}: run cargo xtask build", own.display()))
}

/// The configuration of a gateway in a lab. Further lines go into its tables as they are.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The device's identity.
    pub id: String,
    /// Whether messages to servers are signed with [`KEY`].
    pub signed: bool,
    /// The DHCP servers.
    pub servers: Vec<Ipv4Addr>,
    /// Where metrics are served.
    pub metrics: String,
    /// Lines for `[gateway]`.
    pub gateway: String,
    /// Lines for each `[[fpc]]`.
    pub fpc: String,
    /// Lines for each `[[server]]`.
    pub server: String,
    /// Lines for `[dhcpv6]`, in a lab with IPv6.
    pub dhcpv6: String,
    /// Lines for `[cluster]`, of each member.
    pub cluster: String,
    /// Further tables.
    pub tables: String,
}

impl Configuration {
    /// One that relays to all the lab's servers, signed, with a short `hold_down`.
    pub fn new(lab: &Lab) -> Self {
        Configuration {
            id: "BNG-0042".into(),
            signed: true,
            servers: (0..lab.plan.servers).map(|index| lab.plan.server(index)).collect(),
            metrics: "off".into(),
            gateway: "capacity = 65536\n".into(),
            fpc: "hold_down = \"200ms\"\n".into(),
            server: String::new(),
            dhcpv6: "capacity = 65536\n".into(),
            cluster: String::new(),
            tables: String::new(),
        }
    }

    /// The file, for a gateway whose own files are in `directory`.
    fn render(&self, lab: &Lab, directory: &Path) -> Result<String> {
        let directory = directory.display();
        let mut text = String::new();
        writeln!(text, "[gateway]\nid = {:?}\nstate_dir = \"{directory}/state\"", self.id)?;
        writeln!(text, "metrics = {:?}", self.metrics)?;
        writeln!(text, "control = \"{directory}/control.sock\"\n{}", self.gateway)?;
        for fpc in 0..lab.plan.fpcs {
            let (port, giaddr) = (Lab::port(fpc), lab.plan.giaddr(fpc));
            writeln!(text, "[[fpc]]\nname = \"{port}\"\nports = [\"{port}\"]\ngiaddr = \"{giaddr}\"\n{}", self.fpc)?;
            if lab.plan.ipv6 {
                writeln!(text, "link_address6 = \"{}\"", lab.plan.link_address6(fpc))?;
            }
        }
        writeln!(text, "[upstream]\nports = [\"core0\"]\n")?;
        for server in &self.servers {
            writeln!(text, "[[server]]\naddress = \"{server}\"\n{}", self.server)?;
        }
        if self.signed {
            writeln!(text, "[relay_auth]\nkey_id = 1\nkey = \"{KEY}\"\n")?;
        }
        if lab.plan.ipv6 {
            let servers: Vec<_> = (0..lab.plan.servers).map(|index| lab.plan.server6(index).to_string()).collect();
            writeln!(text, "[dhcpv6]\nduid = \"{RELAY_DUID}\"\nservers = {servers:?}\n{}", self.dhcpv6)?;
            if lab.plan.members > 1 {
                writeln!(text, "secret = \"{KEY}\"")?;
            }
        }
        text += &self.tables;
        Ok(text)
    }
}

/// A gateway that runs; dropped, it is killed.
#[derive(Debug)]
pub struct Gateway {
    /// The controller.
    pub process: Process,
    space: Arc<Namespace>,
    directory: PathBuf,
}

impl Gateway {
    /// Write the configuration, start the controller, and wait until it answers.
    pub fn start(lab: &Lab, configuration: &Configuration) -> Result<Self> {
        let (space, directory) = (Arc::clone(&lab.gateway), lab.directory().to_owned());
        Self::configure(lab, configuration)?;
        let process = launch(&space, &directory)?;
        let mut gateway = Gateway { process, space, directory };
        gateway.wait_ready()?;
        Ok(gateway)
    }

    /// Write the configuration that the next start reads.
    pub fn configure(lab: &Lab, configuration: &Configuration) -> Result<()> {
        write_private(&lab.directory().join(CONFIG), &configuration.render(lab, lab.directory())?)
    }

    /// The same for a member of a cluster, with a directory of its own. It is not waited for: [`Gateway::wait_ready`].
    pub fn start_member(lab: &Lab, member: u8, configuration: &Configuration) -> Result<Self> {
        let directory = lab.directory().join(Plan::member_name(member));
        fs::create_dir_all(&directory)?;
        write_private(&directory.join(CONFIG), &configuration.render(lab, &directory)?)?;
        let space = Arc::clone(&lab.members[usize::from(member)]);
        let process = launch(&space, &directory)?;
        Ok(Gateway { process, space, directory })
    }

    /// Kill the controller as a crash would (SIGKILL). The data plane stays.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Start the controller again after [`Gateway::kill`], with the same configuration and state.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process = launch(&self.space, &self.directory)?;
        self.wait_ready()
    }

    /// The same with no more capabilities than those, by the names that setpriv(1) has for them.
    pub fn restart_with(&mut self, capabilities: &[&str]) -> Result<()> {
        self.process.kill()?;
        let set = capabilities.iter().fold("--bounding-set=-all".to_owned(), |set, name| format!("{set},+{name}"));
        let mut command = self.space.command("setpriv");
        command.arg(set).arg(program()?).args(["run", "--config"]).arg(self.directory.join(CONFIG));
        self.process = Process::spawn("gateway", &mut command, &self.directory)?;
        self.wait_ready()
    }

    /// Ask on the control socket: `{"request": …}`. Returns the answer's data; an error answer is an error.
    pub fn ask(&self, request: &Value) -> Result<Value> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(wait::scaled(Duration::from_secs(10))))?;
        stream.write_all(format!("{request}\n").as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let mut answer: Value = serde_json::from_str(&line).with_context(|| format!("answer {line:?} to {request}"))?;
        if answer["response"] == "error" {
            bail!("{request} is answered by: {}", answer["data"]);
        }
        Ok(answer["data"].take())
    }

    /// Ask for something that needs no argument: `status`, `fpcs`, `servers`, `releases`, `units`.
    pub fn show(&self, what: &str) -> Result<Value> {
        self.ask(&json!({ "request": what }))
    }

    /// All sessions.
    pub fn sessions(&self) -> Result<Vec<Value>> {
        let (mut all, mut from) = (Vec::new(), json!(0));
        loop {
            let mut page = self.ask(&json!({ "request": "sessions", "from": from, "max": 1000 }))?;
            if let Value::Array(rows) = page["sessions"].take() {
                all.extend(rows);
            }
            from = page["next"].take();
            if from.is_null() {
                return Ok(all);
            }
        }
    }

    /// The session of an address.
    pub fn session(&self, address: Ipv4Addr) -> Result<Option<Value>> {
        let mut page = self.ask(&json!({ "request": "session", "address": address }))?;
        Ok(page["sessions"].as_array_mut().and_then(Vec::pop))
    }

    /// How often the access program gave a verdict.
    pub fn verdict(&self, name: &str) -> Result<u64> {
        let status = self.show("status")?;
        let rows = status["verdicts"].as_array().context("no verdicts")?;
        let row = rows.iter().find(|row| row["program"] == "access" && row["verdict"] == name);
        row.and_then(|row| row["packets"].as_u64()).with_context(|| format!("no verdict {name}"))
    }

    /// Packets that its programs have forwarded, up and down.
    pub fn forwarded(&self) -> Result<u64> {
        let status = self.show("status")?;
        let verdicts = status["verdicts"].as_array().context("no verdicts in the status")?;
        let forwarded = verdicts.iter().filter(|row| row["fate"] == "forwarded");
        Ok(forwarded.filter_map(|row| row["packets"].as_u64()).sum())
    }

    /// Number of routes in the kernel's map, read from its pin and not from the controller.
    pub fn routes_in_kernel(&self) -> Result<u32> {
        self.space.run(|| {
            let map = MapData::from_pin(Path::new("/sys/fs/bpf/gateway").join(maps::ROUTES))?;
            let map = aya::maps::HashMap::<_, Ip4, AccessRoute>::try_from(Map::HashMap(map))?;
            Ok(u32::try_from(map.keys().filter(Result::is_ok).count())?)
        })?
    }

    /// Announce the restart of an FPC.
    pub fn restart_fpc(&self, fpc: u8) -> Result<Value> {
        self.ask(&json!({ "request": "restart-fpc", "fpc": Lab::port(fpc) }))
    }

    /// Run the command line `gateway <arguments>` against this gateway, and return what it prints.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        crate::process::output(&mut self.command_line(arguments)?)
    }

    /// The same for one that may fail: whether it succeeded, its standard output and its error output.
    pub fn try_command(&self, arguments: &[&str]) -> Result<(bool, String, String)> {
        let (status, text, errors) = crate::process::finish(&mut self.command_line(arguments)?, START_LIMIT)?;
        Ok((status.success(), text, errors))
    }

    fn command_line(&self, arguments: &[&str]) -> Result<std::process::Command> {
        let mut command = self.space.command(program()?);
        command.args(arguments).arg("--config").arg(self.directory.join(CONFIG));
        Ok(command)
    }

    /// The access routes in the kernel's maps, read without the controller.
    pub fn routes(&self) -> Result<Vec<Value>> {
        Ok(serde_json::from_str(&self.command(&["routes", "--json"])?)?)
    }

    /// Wait until `condition` holds for what `show` of `what` gives. The error quotes the last answer.
    pub fn wait_for(&self, what: &str, limit: Duration, mut condition: impl FnMut(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        let found = crate::wait::until(&format!("the gateway's {what}"), limit, || {
            last = self.show(what).unwrap_or_else(|error| Value::String(format!("{error:#}")));
            condition(&last).then(|| last.clone())
        });
        found.with_context(|| format!("the last answer was {last:#}\n{}", self.process.log_end()))
    }

    /// Wait until it has exactly `count` sessions.
    pub fn wait_sessions(&self, count: u64, limit: Duration) -> Result<()> {
        self.wait_for("status", limit, |status| status["sessions"] == count).map(drop)
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("control.sock")
    }

    /// Wait until it answers.
    pub fn wait_ready(&mut self) -> Result<()> {
        let socket = self.socket();
        self.process.wait_until("its control socket", START_LIMIT, |_| UnixStream::connect(&socket).ok()).map(drop)?;
        // The socket is there first, the answer comes when all ports are attached.
        self.show("status").map(drop).with_context(|| self.process.log_end())
    }
}

fn launch(space: &Namespace, directory: &Path) -> Result<Process> {
    let mut command = space.command(program()?);
    command.args(["run", "--config"]).arg(directory.join(CONFIG));
    Process::spawn("gateway", &mut command, directory)
}

/// Write a file that holds a key: readable by its owner only.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}
