//! Servers hand subnets to each other over real sockets: one at the top, a child on its own, and a child inside a gateway, whose
//! own XDP program everything passes that the others say to it.
//!
//! ```text
//!  subscribers ─ fpc0 ┐                               ┌ srv0: top, has 10.96.0.0/20
//!  subscribers ─ fpc1 ┴ gateway with east ─ core0 ────┤
//!                                                     └ srv1: west, for fpc0
//! ```

use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gateway_core::delegation::CLASS;
use gateway_core::subnet::Subnet;
use gateway_core::wire::dhcp4::{Builder, REQUEST, code, kind};
use gateway_server::subnets::{BlockRow, SubnetsView};
use gateway_tests::capture::Capture;
use gateway_tests::daemon::{Configuration, Gateway, program};
use gateway_tests::fleet::{Fleet, FleetConfig, TrafficPlan};
use gateway_tests::lab::Lab;
use gateway_tests::namespace::Namespace;
use gateway_tests::plan::{CORE, Plan};
use gateway_tests::server::{Kind, Server, Service};
use gateway_tests::traffic::Echo;
use gateway_tests::{process, wait};

/// How long anything may take: a child that starts asks twice what is its own before it asks for more.
const LIMIT: Duration = Duration::from_secs(60);
/// All that there is.
const SPACE: &str = "10.96.0.0/20";
/// Subscribers of each card.
const COUNT: u32 = 20;

/// A server on its own.
struct Alone {
    space: Arc<Namespace>,
    service: Service,
    directory: PathBuf,
    server: Server,
}

impl Alone {
    fn start(lab: &Lab, index: u8, name: &str, lines: &str) -> Result<Self> {
        let space = Arc::clone(&lab.servers[usize::from(index)]);
        let directory = lab.directory().join(name);
        std::fs::create_dir_all(&directory)?;
        let service =
            Service { subnets: Vec::new(), embedded: delegation(name, lines), ..Service::relayed(&lab.plan, index) };
        let server = Server::start(Kind::Embedded, &space, &service, &directory)?;
        Ok(Self { space, service, directory, server })
    }

    /// As after a crash: with its disk or without.
    fn kill_and_start(&mut self, with_disk: bool) -> Result<()> {
        self.server.process.kill()?;
        if !with_disk {
            std::fs::remove_dir_all(self.directory.join("server-store"))?;
        }
        self.server = Server::start(Kind::Embedded, &self.space, &self.service, &self.directory)?;
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.space.command(program()?);
        command.arg("--control").arg(self.directory.join("server.sock")).args(arguments);
        process::output(&mut command)
    }

    fn view(&self) -> Result<SubnetsView> {
        Ok(serde_json::from_str(&self.command(&["subnets", "--json"])?)?)
    }
}

/// What all of them say, and the lines of one.
fn delegation(id: &str, lines: &str) -> String {
    format!(
        "[dhcp_server.delegation]\nid = \"{id}\"\nkey_id = 9\nkey = \"5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e\"\nsubnet_lease = \"5m\"\n\
         renew_after_percent = 5\npush_above_percent = 101\nexpiry_grace = \"1s\"\n{lines}"
    )
}

struct World {
    gateway: Gateway,
    top: Alone,
    west: Alone,
    cards: [Fleet; 2],
    _echo: Echo,
    lab: Lab,
}

/// A child that takes all there is, and keeps it.
const GREEDY: &str = "own_largest = 20\nown_smallest = 20\nidle_for = \"1h\"\n";
/// One that takes what it needs, and gives it back at once.
const MODEST: &str = "own_largest = 24\nown_smallest = 26\nidle_for = \"2s\"\nspare_for = \"2s\"\n";

impl World {
    /// East is modest.
    fn up(west: &str, announce: &str) -> Result<Self> {
        let lab = Lab::up(Plan { servers: 2, ..Plan::default() })?;
        for server in &lab.servers {
            server.ip(&format!("route add {SPACE} via {CORE}"))?;
        }
        let [first, second] = [0, 1].map(|fpc| lab.plan.giaddr(fpc));
        let top = lab.plan.server(0);
        let entered = format!("[[dhcp_server.delegation.subnet]]\nprefix = \"{SPACE}\"\nfresh = true\n");
        let lessees = format!("lessees = [\"west\", \"east\"]\nallow_smaller = true\nscarce_for = \"5s\"\n{entered}");
        let asking = |relay: Ipv4Addr, lines: &str| {
            format!("providers = [\"{top}\"]\nrelays = [\"{relay}\"]\nrouter = \"{relay}\"\n{lines}")
        };
        let top = Alone::start(&lab, 0, "top", &lessees)?;
        let west = Alone::start(&lab, 1, "west", &asking(first, west))?;
        let mut configuration = Configuration::new(&lab);
        configuration.servers = vec![lab.plan.server(1)];
        configuration.gateway += &format!("announce_subnets = \"{announce}\"\n");
        let store = lab.directory().join("east-store");
        configuration.tables = format!(
            "[dhcp_server]\nlisten = \"{CORE}\"\nstore = {store:?}\n{}",
            delegation("east", &asking(second, MODEST))
        );
        let gateway = Gateway::start(&lab, &configuration)?;
        let card = |fpc: u8| {
            let config = FleetConfig { count: COUNT, fleet: fpc + 1, ..FleetConfig::default() };
            Fleet::start(&lab.subscribers[usize::from(fpc)], "sub0", config)
        };
        let (cards, echo) = ([card(0)?, card(1)?], Echo::start(&lab.servers[0])?);
        Ok(Self { gateway, top, west, cards, _echo: echo, lab })
    }

    /// What `gateway subnets` shows of the server inside the gateway.
    fn east(&self) -> Result<SubnetsView> {
        Ok(serde_json::from_str(&self.gateway.command(&["subnets", "--json"])?)?)
    }

    /// Waits until what a server shows is so; else what it showed last, and everybody's log.
    fn wait(
        &self,
        what: &str,
        look: impl Fn() -> Result<SubnetsView>,
        so: impl Fn(&SubnetsView) -> bool,
    ) -> Result<SubnetsView> {
        let mut last = None;
        let found = wait::until(what, LIMIT, || {
            let view = look().ok()?;
            let is_so = so(&view);
            last = Some(view.clone());
            is_so.then_some(view)
        });
        found.with_context(|| format!("shown last: {last:#?}\n{}", self.logs()))
    }

    fn logs(&self) -> String {
        [&self.top.server.process, &self.west.server.process, &self.gateway.process]
            .map(|process| process.log_end())
            .join("\n")
    }

    /// Everybody of a card logs in, and what each sends comes back.
    fn log_in(&self, card: usize) -> Result<()> {
        self.cards[card].login_all(LIMIT).with_context(|| self.logs())?;
        self.traffic(card)
    }

    fn traffic(&self, card: usize) -> Result<()> {
        let report = self.cards[card].traffic(TrafficPlan { rate: 500, duration: Duration::from_secs(1), size: 64 })?;
        anyhow::ensure!(report.silent == 0 && report.lost() == 0, "traffic was lost: {report:?}");
        Ok(())
    }

    /// Waits until the kernel's table has one route for each of east's subnets, and so many of single subscribers in them.
    fn routes(&self, subscribers: u64) -> Result<()> {
        agree(&self.lab, || self.east(), subscribers).with_context(|| self.logs())
    }

    fn addresses(&self, card: usize) -> Result<Vec<Ipv4Addr>> {
        Ok(self.cards[card].addresses()?.into_iter().flatten().collect())
    }
}

fn blocks(view: &SubnetsView) -> impl Iterator<Item = &BlockRow> {
    view.roots.iter().flat_map(|root| &root.blocks)
}

/// Addresses that a server has leased to another.
fn leased(view: &SubnetsView, to: &str) -> u64 {
    let theirs = blocks(view).filter(|block| block.state == "leased" && block.holder.as_deref() == Some(to));
    theirs.map(|block| block.size).sum()
}

/// Addresses in use, as a server's own hosts have them.
fn own_in_use(view: &SubnetsView) -> u64 {
    let own = blocks(view).filter(|block| block.state == "own");
    own.filter_map(|block| block.usage).map(|usage| usage.in_use).sum()
}

/// Waits until the kernel's table has one route for each of a server's own subscribers' subnets, and so many of single ones in
/// them.
fn agree(lab: &Lab, view: impl Fn() -> Result<SubnetsView>, subscribers: u64) -> Result<()> {
    let mut last = String::new();
    let agree = wait::until_true("subnets in the kernel's table", LIMIT, || {
        let (Ok(view), Ok(table)) = (view(), lab.gateway.ip("route show proto 67")) else { return false };
        let own: Vec<Subnet> = view.of_own_subscribers().map(|block| block.subnet.parse().expect("a subnet")).collect();
        let (whole, single): (Vec<&str>, Vec<&str>) = table.lines().partition(|line| line.starts_with("blackhole"));
        let has_one = |subnet: &Subnet| whole.iter().any(|line| line.starts_with(&format!("blackhole {subnet} ")));
        let is_in = |line: &&&str| {
            let address = line.split(' ').next().and_then(|address| format!("{address}/32").parse::<Subnet>().ok());
            address.is_some_and(|address| own.iter().any(|subnet| subnet.contains(&address)))
        };
        last = format!("{table}\n{view:#?}");
        own.iter().all(has_one) && whole.len() == own.len() && single.iter().filter(is_in).count() as u64 == subscribers
    });
    agree.with_context(|| last)
}

/// Access routes in its own subnets, as they are counted for each.
fn routes(view: &SubnetsView) -> u64 {
    view.roots.iter().filter_map(|root| root.routes).sum()
}

fn held(view: &SubnetsView) -> u64 {
    view.roots.iter().map(|root| root.size).sum()
}

/// Whether all of it is nobody's, or was somebody's a moment ago.
fn is_home(view: &SubnetsView) -> bool {
    blocks(view).all(|block| ["free", "resting"].contains(&&*block.state))
}

/// SN-1, SN-6, SN-11, SN-50, SN-51, SN-53, SN-57, SN-60, H-SN-20: over real sockets, a child that starts empty takes all there is; when
/// another lacks addresses and the first one's subscribers have gone, the server at the top asks the first one to renew, takes
/// the space back, and gives the other what it needs. A stranger gets nothing. In the end the operator takes everything away,
/// and it comes home; and enters something else.
#[test]
fn subnets_travel_to_the_subscribers() -> Result<()> {
    let world = World::up(GREEDY, "beside")?;
    let (top, west, east) = (|| world.top.view(), || world.west.view(), || world.east());
    assert!(is_home(&top()?) && west()?.roots.is_empty() && east()?.roots.is_empty());

    world.log_in(0)?;
    world.wait("all to be west's", top, |view| leased(view, "west") == 4096)?;
    world.wait("west's use", west, |view| own_in_use(view) == u64::from(COUNT))?;
    world.wait("west's report", top, |view| view.roots[0].usage.in_use == u64::from(COUNT))?;

    stranger(&world)?;

    world.cards[0].release_all(LIMIT)?;
    world.wait("west's empty report", top, |view| view.roots[0].usage.in_use == 0)?;
    assert_eq!(leased(&top()?, "west"), 4096, "west keeps it while nobody asks");
    let wire = Capture::start(&world.lab.servers[1], "srv0")?;
    world.log_in(1)?;
    assert!(wire.count(kind::FORCERENEW) >= 1, "west was asked: {:?}", wire.counts());
    let view = world.wait("a part to be east's", top, |view| leased(view, "east") > 0)?;
    assert_eq!((leased(&view, "west"), view.roots[0].blocks.iter().map(|block| block.size).sum::<u64>()), (0, 4096));
    let size = leased(&view, "east");
    world.wait("east's use", east, |view| own_in_use(view) == u64::from(COUNT) && held(view) >= size)?;
    world.routes(u64::from(COUNT))?;

    world.log_in(0)?;
    let view = top()?;
    assert!(leased(&view, "west") >= 1024 && leased(&view, "east") >= 64, "{view:#?}");
    let (of_west, of_east) = (world.addresses(0)?, world.addresses(1)?);
    assert!(of_west.iter().all(|address| !of_east.contains(address)), "{of_west:?} {of_east:?}");

    world.cards[1].release_all(LIMIT)?;
    world.wait("east to give back", east, |view| view.roots.is_empty())?;
    world.routes(0)?;
    world.cards[0].release_all(LIMIT)?;
    world.top.command(&["subnets", "remove", SPACE])?;
    world.wait("west to give back", west, |view| view.roots.is_empty())?;
    world.wait("the space to be gone", top, |view| view.roots.is_empty())?;
    enter(&world.top)
}

/// An operator enters a subnet while the server runs; what is there already, or overlaps it, changes nothing.
fn enter(top: &Alone) -> Result<()> {
    let add = |arguments: &[&str]| top.command(&[&["subnets", "add"], arguments].concat());
    let view: SubnetsView = serde_json::from_str(&add(&["10.97.0.0/24", "--max-lease", "1h", "--fresh", "--json"])?)?;
    let told: Vec<_> = view.roots.iter().map(|root| (root.subnet.as_str(), root.max_lease)).collect();
    anyhow::ensure!(told == [("10.97.0.0/24", Some(3600))], "{view:#?}");
    for (again, why) in [
        (&["10.97.0.0/24", "--max-lease", "1h"][..], "has been entered already"),
        (&["10.97.0.128/25"], "it overlaps 10.97.0.0/24"),
        (&["10.96.0.0/12"], "it overlaps 10.97.0.0/24"),
    ] {
        let refused = add(again).err().context("it was entered")?;
        anyhow::ensure!(format!("{refused:#}").contains(why), "{again:?}: {refused:#}");
    }
    anyhow::ensure!(top.view()?.roots.len() == 1);
    Ok(())
}

/// Somebody who is not among the lessees, and somebody who says to be one, ask for a subnet.
fn stranger(world: &World) -> Result<()> {
    let before = world.top.view()?;
    let ask = |id: &str| -> Result<()> {
        let from = world.lab.plan.server(1);
        let message = Builder::new(REQUEST)
            .kind(kind::DISCOVER)
            .giaddr(from)
            .option(code::CLIENT_ID, id.as_bytes())
            .option(code::CLASS_ID, CLASS)
            .option(code::SUBNET_ALLOCATION, &[0, 1, 2, 1, 26])
            .finish();
        let to = (world.lab.plan.server(0), 67);
        world.lab.servers[1].run(|| UdpSocket::bind((from, 0))?.send_to(&message, to))??;
        Ok(())
    };
    let told = |words: &str| {
        wait::until_true(words, LIMIT, || world.top.server.process.log().contains(words)).with_context(|| world.logs())
    };
    ask("stranger")?;
    told("who is not among the lessees asks for a subnet")?;
    ask("east")?;
    told("a message about subnets is not authentic")?;
    let states = |view: &SubnetsView| -> Vec<_> {
        blocks(view).map(|block| (block.subnet.clone(), block.state.clone(), block.holder.clone())).collect()
    };
    assert_eq!(states(&world.top.view()?), states(&before));
    Ok(())
}

/// H-SN-3, SN-8, SN-36: a child that was killed serves on with its disk, and without it when its provider has told what it had;
/// nobody else gets its subscribers' addresses. A server at the top that was killed knows who has what.
#[test]
fn killed_servers_come_back() -> Result<()> {
    let mut world = World::up(MODEST, "instead")?;
    world.log_in(0)?;
    world.log_in(1)?;
    let before = world.addresses(0)?;
    let has = |view: &SubnetsView| (leased(view, "west"), leased(view, "east"));
    let leases = has(&world.top.view()?);
    assert!(leases.0 >= 64 && leases.1 >= 64, "{leases:?}");

    world.routes(0)?; // their subnets are announced instead
    let serves_east = |view: &SubnetsView| routes(view) == u64::from(COUNT);
    world.wait("access routes in east's subnets", || world.east(), serves_east)?;

    world.west.kill_and_start(true)?;
    let serves = |view: &SubnetsView| view.roots.iter().all(|root| root.standing == "active") && !view.recovering;
    world.wait("west to be told", || world.west.view(), |view| serves(view) && held(view) == leases.0)?;
    world.cards[0].renew_all(LIMIT).with_context(|| world.logs())?;
    assert_eq!(world.addresses(0)?, before);

    world.top.kill_and_start(true)?;
    assert_eq!(has(&world.top.view()?), leases);

    world.west.kill_and_start(false)?;
    world.wait("west to be told all", || world.west.view(), |view| serves(view) && held(view) == leases.0)?;
    assert_eq!(has(&world.top.view()?), leases);
    world.cards[0].power_off()?;
    world.log_in(0)?;
    let (of_west, of_east) = (world.addresses(0)?, world.addresses(1)?);
    assert_eq!((of_west.len(), of_east.len()), (COUNT as usize, COUNT as usize));
    assert!(of_west.iter().all(|address| !of_east.contains(address)), "{of_west:?} {of_east:?}");
    world.traffic(1)
}

/// SN-59, SN-63, SN-64, SN-66, H-SN-22: a gateway that does not assign addresses has them assigned by the server that it has subnets of,
/// to its own subscribers; when these run out it has another subnet, and each is one route.
#[test]
fn a_gateway_that_does_not_assign() -> Result<()> {
    let lab = Lab::up(Plan::default())?;
    lab.servers[0].ip(&format!("route add {SPACE} via {CORE}"))?;
    let relay = lab.plan.giaddr(0);
    let entered = format!("[[dhcp_server.delegation.subnet]]\nprefix = \"{SPACE}\"\nfresh = true\n");
    let top = Alone::start(&lab, 0, "top", &format!("lessees = [\"east\"]\nrouter = \"{relay}\"\n{entered}"))?;
    let mut configuration = Configuration::new(&lab);
    let device = format!("reserve = true\nproviders = [\"{}\"]\nrelays = [\"{relay}\"]\n", lab.plan.server(0));
    let store = lab.directory().join("east-store");
    configuration.tables =
        format!("[dhcp_server]\nlisten = \"{CORE}\"\nstore = {store:?}\n{}", delegation("east", &device));
    let gateway = Gateway::start(&lab, &configuration)?;
    let config = FleetConfig { count: COUNT, ..FleetConfig::default() };
    let card = Fleet::start(&lab.subscribers[0], "sub0", config)?;
    let logs = || [&top.server.process, &gateway.process].map(|process| process.log_end()).join("\n");
    card.login_all(LIMIT).with_context(logs)?;
    let east = || -> Result<SubnetsView> { Ok(serde_json::from_str(&gateway.command(&["subnets", "--json"])?)?) };
    agree(&lab, east, COUNT.into()).with_context(logs)?;
    let (of_east, of_top) = (east()?, top.view()?);
    anyhow::ensure!(routes(&of_east) == u64::from(COUNT), "{of_east:#?}");
    let reserved = blocks(&of_top).filter(|block| block.state == "reserved" && block.holder.as_deref() == Some("east"));
    let reserved: Vec<&str> = reserved.map(|block| block.subnet.as_str()).collect();
    let theirs: Vec<&str> = of_east.of_own_subscribers().map(|block| block.subnet.as_str()).collect();
    anyhow::ensure!(reserved == theirs && reserved.len() >= 2, "{of_top:#?}\n{of_east:#?}");
    Ok(())
}
