//! A subscriber with the lines of two cards, and its association with a peer in the internet: its logins change, the association
//! does not.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gateway_core::association::PathState;
use gateway_user::sctp::Socket;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{End, PORT, associate, bound};
use crate::client::{self, Client};
use crate::namespace::Namespace;
use crate::plan::{INTERNET, Plan};
use crate::process::output;
use crate::server;
use crate::stage::{LIMIT, Stage};
use crate::wait;

/// Routes of packets that come from the first login's address.
const TABLE: u32 = 10;

/// The longest time without an octet while a card restarts and nothing was lost for good, in an emulated machine too.
pub const GAP: Duration = Duration::from_secs(5);

/// A stage whose subscriber behind FPC 0 has the line behind FPC 1 too: `sub0` and `sub1` of one namespace.
pub struct TwoLines {
    /// Lab, server and gateway.
    pub stage: Stage,
}

/// What the restart of a card was.
#[derive(Clone, Copy, Debug)]
pub struct Restart {
    /// RELEASEs for all logins of the card.
    pub single_logouts: u64,
    /// Logins that were ended.
    pub released: u64,
    /// From the loss of the carrier until the gateway says so.
    pub took: Duration,
}

impl TwoLines {
    /// Nobody is logged in yet.
    ///
    /// # Errors
    /// Without root, or what [`Stage`] needs.
    pub fn up() -> Result<Self> {
        let stage = Stage::with(server::Kind::Embedded, Plan::default(), |_| {}, |_| {})?;
        let [first, second] = &stage.lab.subscribers[..] else { unreachable!("the plan has two") };
        for words in [
            format!("-n {} link set sub0 down", second.name()),
            format!("-n {} link set sub0 name sub1", second.name()),
            format!("-n {} link set sub1 netns {}", second.name(), first.name()),
            format!("-n {} link set sub1 up", first.name()),
        ] {
            output(Command::new("ip").args(words.split(' ')))?;
        }
        Ok(Self { stage })
    }

    /// The subscriber's namespace.
    pub fn subscriber(&self) -> &Arc<Namespace> {
        &self.stage.lab.subscribers[0]
    }

    /// The peer in the internet.
    pub fn peer() -> SocketAddr {
        (INTERNET, PORT).into()
    }

    /// Logs in on the line of FPC 0 or 1, which the way to the peer is by afterwards.
    ///
    /// # Errors
    /// It gets no address, or no route.
    pub fn log_in(&self, line: u8) -> Result<(Client, Ipv4Addr)> {
        let login = self.stage.log_in_on(client::Kind::Udhcpc, 0, &format!("sub{line}"))?;
        // The client's script sets the address first, and the route a moment later.
        let show = format!("-4 route show default dev sub{line}");
        let routed = || self.subscriber().ip(&show).is_ok_and(|text| text.contains("via"));
        wait::until_true("the client's route", LIMIT, routed)?;
        Ok(login)
    }

    /// What comes from the first login's address goes out by the first line, whatever other routes there will be.
    ///
    /// # Errors
    /// As the kernel has it.
    pub fn keep_to_first_line(&self, address: Ipv4Addr) -> Result<()> {
        let router = self.stage.lab.plan.giaddr(0);
        let rule = format!("rule add from {address} lookup {TABLE}");
        self.subscriber().ip_batch(&format!("{rule}\nroute add default via {router} dev sub0 table {TABLE}\n"))
    }

    /// An association of a socket of the subscriber's with the peer, and a transfer both ways.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn associate(&self, runtime: &Runtime, from: Socket) -> Result<[End; 2]> {
        let at = bound(&self.stage.lab.servers[0], &[Self::peer()])?;
        let (near, far) = runtime.block_on(associate(from, at, &[Self::peer()]))?;
        Ok([End::new(runtime, near), End::new(runtime, far)])
    }

    /// Waits until the peer sends to this address, which has answered it.
    ///
    /// # Errors
    /// It does not in time.
    pub fn wait_moved(far: &End, to: Ipv4Addr) -> Result<()> {
        wait::until_true("the new address to be the primary one", LIMIT, || far.primary() == Some(to.into()))?;
        let active = || far.socket.path((to, PORT).into()).is_ok_and(|path| path.state == PathState::Active);
        wait::until_true("the new address to be confirmed", LIMIT, active)
    }

    /// Waits until the peer knows this address alone.
    ///
    /// # Errors
    /// It does not in time.
    pub fn wait_only(far: &End, address: Ipv4Addr) -> Result<()> {
        wait::until_true("one address", LIMIT, || far.peers() == [IpAddr::from(address)])
    }

    /// The first card loses its carrier, and its one login is ended by a single logout.
    ///
    /// # Errors
    /// It is not, or not by one message.
    pub fn restart_first_card(&self) -> Result<Restart> {
        let began = std::time::Instant::now();
        self.stage.lab.carrier(0, false)?;
        let of_it = |release: &Value| release["fpc"] == "fpc0" && !release["took"].is_null();
        let find = |releases: &Value| releases.as_array().and_then(|all| all.iter().find(|one| of_it(one)).cloned());
        let releases = self.stage.gateway.wait_for("releases", LIMIT, |releases| find(releases).is_some())?;
        let (release, took) = (find(&releases).context("it was there")?, began.elapsed());
        let number = |name: &str| release[name].as_u64().with_context(|| format!("no {name}: {release}"));
        let restart = Restart { single_logouts: number("single_logouts")?, released: number("released")?, took };
        ensure!((restart.single_logouts, restart.released) == (1, 1), "{release}");
        Ok(restart)
    }

    /// The configuration chunks that the gateway has forwarded, and their acknowledgements.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub fn configuration_chunks(&self) -> Result<[u64; 2]> {
        let status = self.stage.gateway.show("status")?;
        let count =
            |name: &str| status["counters"][name].as_u64().with_context(|| format!("no counter {name}: {status}"));
        Ok([count("sctp-asconf")?, count("sctp-asconf-ack")?])
    }
}
