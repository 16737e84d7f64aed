//! A cluster under test: an authority, and a gateway for each of the lab's members.

use crate::daemon::{self, Configuration, Gateway};
use crate::fleet::{Fleet, TrafficPlan, TrafficReport};
use crate::lab::Lab;
use crate::plan::{CORE, Plan};
use crate::plan6::CORE6;
use crate::{process, wait};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long members may take to form a cluster, on a busy host too.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Times of the profile, in milliseconds, by which a member is believed to be there.
const TIMES: [(&str, u64); 9] = [
    ("watchdog", 200),
    ("support", 300),
    ("fencing", 500),
    ("margin", 10),
    ("pause_limit", 200),
    ("offer_jitter", 50),
    ("offer_wait", 100),
    ("resend", 20),
    ("hold_time", 500),
];

/// How packets reach the member that owns their unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// Through the master.
    Forward,
    /// At a unicast MAC that all share.
    Unicast,
    /// At a multicast MAC.
    Multicast,
}

impl Delivery {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Forward, Self::Unicast, Self::Multicast];

    fn lines(self) -> &'static str {
        match self {
            Self::Forward => "delivery = \"forward\"\n",
            Self::Unicast => "delivery = \"unicast\"\nmac = \"02:00:00:00:43:01\"\n",
            Self::Multicast => "delivery = \"multicast\"\nmac = \"03:00:00:00:43:01\"\n",
        }
    }
}

/// The lab's members, by their places; `None` for one that does not run.
#[derive(Debug)]
pub struct Members {
    /// The gateways.
    pub gateways: Vec<Option<Gateway>>,
    /// More lines of `[cluster]`, for members that are started from now on.
    pub lines: String,
    /// More lines of `[cluster.constants]`, likewise.
    pub constants: String,
    /// How many times longer members bear with each other than a host of its own asks for, likewise: where what is tested takes
    /// that none is fenced.
    pub forbearance: u32,
    configuration: Configuration,
    delivery: Delivery,
    authority: PathBuf,
}

impl Members {
    /// Make the authority and the members' certificates, start the first `running` members, and wait until each has the
    /// units it is to have.
    pub fn start(lab: &Lab, configuration: &Configuration, delivery: Delivery, running: u8) -> Result<Self> {
        let mut members = Self::prepare(lab, configuration, delivery)?;
        members.launch_all(lab, running)?;
        Ok(members)
    }

    /// Make the authority and the members' certificates; none runs.
    pub fn prepare(lab: &Lab, configuration: &Configuration, delivery: Delivery) -> Result<Self> {
        let members = Members {
            gateways: (0..lab.plan.members).map(|_| None).collect(),
            lines: String::new(),
            constants: String::new(),
            forbearance: 1,
            configuration: configuration.clone(),
            delivery,
            authority: lab.directory().join("authority"),
        };
        members.authority(&["init-ca", "--name", "lab"])?;
        for member in 0..lab.plan.members {
            let (name, address) = (Plan::member_name(member), Plan::member_link(member).to_string());
            members.authority(&["issue", "--member", &name, "--address", &address])?;
        }
        Ok(members)
    }

    /// Run `gateway cluster <arguments>` on the authority. What it changes is at once where members read it.
    pub fn authority(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(daemon::program()?);
        process::output(command.arg("cluster").args(arguments).arg("--directory").arg(&self.authority))
    }

    /// Where the authority is.
    pub fn authority_directory(&self) -> &Path {
        &self.authority
    }

    /// Start the first `running` members, and wait until each has the units it is to have.
    pub fn launch_all(&mut self, lab: &Lab, running: u8) -> Result<()> {
        for member in 0..running {
            self.spawn(lab, member)?;
        }
        // Together: they need not wait for each other.
        self.gateways.iter_mut().flatten().try_for_each(Gateway::wait_ready)?;
        self.wait_balanced(LIMIT)
    }

    /// Start one more, or one again.
    pub fn launch(&mut self, lab: &Lab, member: u8) -> Result<()> {
        self.spawn(lab, member)?.wait_ready()
    }

    fn spawn(&mut self, lab: &Lab, member: u8) -> Result<&mut Gateway> {
        let mut configuration = self.configuration.clone();
        configuration.tables += &self.table(lab, member)?;
        let gateway = Gateway::start_member(lab, member, &configuration)?;
        Ok(self.gateways[usize::from(member)].insert(gateway))
    }

    /// Kill one as a crash would. Its data plane stays in its namespace, unless that is torn down.
    pub fn kill(&mut self, member: u8) -> Result<()> {
        self.gateways[usize::from(member)].take().context("it does not run")?.kill()
    }

    /// Forget all that a member that does not run has stored.
    pub fn forget(&self, lab: &Lab, member: u8) -> Result<()> {
        anyhow::ensure!(self.gateways[usize::from(member)].is_none(), "it runs");
        Ok(std::fs::remove_dir_all(lab.directory().join(Plan::member_name(member)))?)
    }

    /// The master, once all that run agree who that is.
    pub fn master(&self) -> Result<&Gateway> {
        let views = self.running().map(|gateway| gateway.show("members")).collect::<Result<Vec<_>>>()?;
        let master = views.first().map(|view| view["master"].clone()).context("none runs")?;
        anyhow::ensure!(views.iter().all(|view| view["master"] == master), "they don't agree: {views:#?}");
        let is_master = |view: &serde_json::Value| view["me"] == master;
        views
            .iter()
            .zip(self.running())
            .find(|(view, _)| is_master(view))
            .map(|(_, gateway)| gateway)
            .context("no master")
    }

    /// The place of the master, once all that run agree who that is.
    pub fn master_place(&self) -> Result<u8> {
        let name = self.master()?.show("members")?["me"].clone();
        self.place(&name)
    }

    /// The place of the member that keeps what has no client, as the master sees it.
    pub fn keeper_place(&self) -> Result<u8> {
        let name = self.master()?.show("members")?["keeper"].clone();
        self.place(&name)
    }

    fn place(&self, name: &Value) -> Result<u8> {
        let place = (0..self.gateways.len() as u8).find(|place| *name == Plan::member_name(*place));
        place.with_context(|| format!("no member {name}"))
    }

    /// One that runs.
    pub fn at(&self, member: u8) -> Result<&Gateway> {
        self.gateways[usize::from(member)].as_ref().with_context(|| format!("member {member} does not run"))
    }

    /// Wait until those that run serve all units again, each by what its own data plane says is its own, and nobody holds
    /// frames. Returns how long after `since` that was seen: at most the 5 ms between two looks and the time that asking
    /// takes too late, never too early.
    pub fn wait_served(&self, since: Instant, limit: Duration) -> Result<Duration> {
        let limit = wait::scaled(limit);
        let mut last = String::new();
        loop {
            let mut served = vec![0u8; 1024];
            let mut held = 0;
            for gateway in self.running() {
                let units = gateway.show("units")?;
                held += units["held"].as_u64().unwrap_or_default();
                let owners = units["owners"].as_array().context("no owners")?;
                owners.iter().zip(&mut served).for_each(|(owner, count)| *count += u8::from(*owner == units["member"]));
            }
            if served.iter().all(|count| *count == 1) && held == 0 {
                return Ok(since.elapsed());
            }
            if since.elapsed() > limit {
                let logs: Vec<String> = self.running().map(|gateway| gateway.process.log_end()).collect();
                anyhow::bail!("not all units are served after {limit:?}: {last}\n{}", logs.join("\n---\n"));
            }
            let none = served.iter().filter(|count| **count == 0).count();
            last = format!("{none} by nobody, {held} held");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Those that run.
    pub fn running(&self) -> impl Iterator<Item = &Gateway> {
        self.gateways.iter().flatten()
    }

    /// Packets that all that run have forwarded together.
    pub fn forwarded(&self) -> Result<u64> {
        self.running().map(Gateway::forwarded).sum()
    }

    /// Wait until each that runs has a stream of this transport ("tcp", "sctp") to each other that does.
    pub fn wait_streams(&self, transport: &str) -> Result<()> {
        let others = self.running().count() - 1;
        let count = |view: &Value| {
            let rows = view["members"].as_array().into_iter().flatten();
            rows.filter(|row| row["stream"]["transport"] == transport).count()
        };
        self.running()
            .try_for_each(|gateway| gateway.wait_for("members", LIMIT, |view| count(view) == others).map(drop))
    }

    /// Number of units that each member owns, as each one that runs knows from its own data plane: by owner's number, with
    /// 0 for nobody.
    pub fn units(&self) -> Result<Vec<Vec<usize>>> {
        self.running()
            .map(|gateway| {
                let units = gateway.show("units")?;
                let owners = units["owners"].as_array().context("no owners")?;
                let mut counts = vec![0; self.gateways.len() + 1];
                for owner in owners {
                    let owner = owner.as_u64().unwrap_or_default() as usize;
                    *counts.get_mut(owner).context("an unknown owner")? += 1;
                }
                Ok(counts)
            })
            .collect()
    }

    /// Wait until all that run agree who owns what, nobody else owns anything, no two differ by more than one unit, and the
    /// master has nothing more on its way: its plan may end one unit further.
    pub fn wait_balanced(&self, limit: Duration) -> Result<()> {
        let balanced = |counts: &Vec<Vec<usize>>| {
            let running = || (1..).zip(&self.gateways).filter(|(_, gateway)| gateway.is_some()).map(|(id, _)| id);
            let first = &counts[0];
            let (least, most) =
                (running().map(|id: usize| first[id]).min(), running().map(|id: usize| first[id]).max());
            let all: usize = running().map(|id: usize| first[id]).sum();
            counts.iter().all(|other| other == first)
                && all == 1024
                && least.zip(most).is_some_and(|(least, most)| most - least <= 1)
        };
        let mut last = String::new();
        wait::until("the members to share the units evenly", limit, || {
            let counts = self.units();
            last = format!("{counts:?}");
            let at_rest = || self.master()?.show("units").map(|units| units["moving"] == serde_json::json!([]));
            counts.ok().filter(|counts| balanced(counts) && at_rest().unwrap_or(false))
        })
        .with_context(|| {
            let logs: Vec<String> = self.running().map(|gateway| gateway.process.log_end()).collect();
            format!("units by owner, as each member sees it: {last}\n{}", logs.join("\n---\n"))
        })
        .map(drop)
    }

    /// Traffic while no unit moves. A host that is so busy that a member is not heard for a watchdog's time has the others take
    /// its units, as they should, and packets are lost meanwhile: then it was not what was to be measured, and is done again, three
    /// times at most.
    pub fn steady_traffic(&self, fleet: &Fleet, plan: TrafficPlan) -> Result<TrafficReport> {
        self.steady(|| fleet.traffic(plan))
    }

    /// What is measured while no unit moves: see [`Members::steady_traffic`].
    pub fn steady<T: std::fmt::Debug>(&self, measure: impl Fn() -> Result<T>) -> Result<T> {
        for _ in 0..3 {
            let before = self.changes()?;
            let measured = measure();
            if self.changes()? == before {
                return measured;
            }
            println!("units moved, or a member was fenced, under {measured:?}: once more");
        }
        anyhow::bail!("units move all the time")
    }

    /// How often units moved and a member was fenced, as each that runs has seen it.
    fn changes(&self) -> Result<Vec<(Value, Value)>> {
        let of = |gateway: &Gateway| {
            Ok((gateway.show("units")?["moves"].clone(), gateway.show("members")?["counted"]["fenced"].clone()))
        };
        self.running().map(of).collect()
    }

    fn table(&self, lab: &Lab, member: u8) -> Result<String> {
        let me = Plan::member_name(member);
        let bundle = self.authority.join("members").join(&me);
        let mut text = String::new();
        let address6 = if lab.plan.ipv6 { format!("address6 = \"{CORE6}\"\n") } else { String::new() };
        writeln!(text, "[cluster]\nname = \"lab\"\nme = \"{me}\"\ninterface = \"clu0\"\naddress = \"{CORE}\"")?;
        text += &address6;
        text += self.delivery.lines();
        text += &self.configuration.cluster;
        for file in ["certificate", "key", "ca", "crl"] {
            writeln!(text, "{file} = \"{}/{file}.pem\"", bundle.display())?;
        }
        text += &self.lines;
        // A test does not wait for what spares an operator's network.
        text += "[cluster.constants]\nfreeze = \"0s\"\nbalance_every = \"100ms\"\nmoves_per_balance = 256\n";
        // With so few subscribers loads are never quite equal: a unit would move in the middle of any measurement.
        text += "weigh_load = false\n";
        text += &self.constants;
        if wait::is_patient() || self.forbearance > 1 {
            // A machine that stands still for longer than these would always be between two masters.
            for (name, millis) in TIMES {
                let time = wait::scaled(Duration::from_millis(millis)) * self.forbearance;
                writeln!(text, "{name} = \"{}ms\"", time.as_millis())?;
            }
        }
        for other in 0..lab.plan.members {
            let (name, address) = (Plan::member_name(other), Plan::member_link(other));
            writeln!(text, "[[cluster.member]]\nid = {}\nname = \"{name}\"\naddress = \"{address}\"", other + 1)?;
        }
        Ok(text)
    }
}
