//! What is leased, page by page, for whoever wants to know: of a server that runs, or of the store of one that does not.
//!
//! A page looks at so many addresses that a server is held up for about a millisecond, whatever the filter finds.

use core::net::Ipv4Addr;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use gateway_core::time::{Duration, Instant};
use gateway_store::Store;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Config;
use crate::config::place::Place;
use crate::event::Status;
use crate::exchange::{Filter, Lease, Row};
use crate::server::{RenewError, Server};
use crate::shell::clock;
use crate::shell::service::LEASES;
use crate::subnets::{self, Ask, SubnetEvent, SubnetsChange, SubnetsView};
use crate::v6;

/// Addresses looked at for one page.
const PAGE: usize = 1000;
/// Events that are kept until somebody asks.
const TOLD: usize = 1024;
/// Questions that may wait.
const WAITING: usize = 16;
/// Where the numbers of DHCPv6 leases begin.
const FIRST6: u64 = 1 << 32;

/// Some leases.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct LeasePage {
    /// In the order in which their addresses were first leased. There may be none though there are more behind them.
    pub leases: Vec<Row>,
    /// Where to go on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

type Answer = (Vec<Lease>, Option<u64>);

/// A question or an order under way.
#[derive(Debug)]
pub(crate) enum Question {
    Page { from: u64, filter: Filter, answer: oneshot::Sender<Answer> },
    Renew { address: Ipv4Addr, answer: oneshot::Sender<Result<(), RenewError>> },
    Subnets(Ask),
}

impl Question {
    /// Answers it, unless it is about subnets from and for other servers. Nobody may be there any more.
    pub(crate) fn answer(
        self,
        server: &mut Server,
        six: Option<&v6::Server>,
        now: Instant,
        unix: Duration,
    ) -> Option<Ask> {
        match self {
            Self::Page { from, filter, answer } => {
                let _ = answer.send(page(server, six, from, &filter, (now, unix)));
                None
            }
            Self::Renew { address, answer } => {
                let _ = answer.send(server.force_renew(address, now, unix));
                None
            }
            Self::Subnets(ask) => Some(ask),
        }
    }
}

/// Asks a server that runs, from any task.
#[derive(Clone, Debug)]
pub struct Lookup {
    questions: mpsc::Sender<Question>,
    status: watch::Receiver<Status>,
    /// What happened to subnets lately.
    told: Arc<Mutex<VecDeque<SubnetEvent>>>,
}

impl Lookup {
    pub(crate) fn channel(status: watch::Receiver<Status>) -> (Self, mpsc::Receiver<Question>) {
        let (questions, asked) = mpsc::channel(WAITING);
        (Self { questions, status, told: Arc::default() }, asked)
    }

    /// Leases from that number on; 0 at first, then [`LeasePage::next`]. `None` once the server has ended.
    pub async fn page(&self, from: u64, filter: Filter) -> Option<LeasePage> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(Question::Page { from, filter, answer }).await.ok()?;
        Some(rows(answered.await.ok()?))
    }

    /// Tells the client of an address to renew now (RFC 3203). `None` once the server has ended.
    pub async fn force_renew(&self, address: Ipv4Addr) -> Option<Result<(), RenewError>> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(Question::Renew { address, answer }).await.ok()?;
        answered.await.ok()
    }

    /// How the server is, half a second old at most.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Makes a change, if one is given, and tells what there is afterwards, when that is on disk. `None` once the server has
    /// ended.
    pub async fn subnets(&self, change: Option<SubnetsChange>) -> Option<Result<SubnetsView, String>> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(Question::Subnets(Ask { change, answer })).await.ok()?;
        answered.await.ok()
    }

    /// What happened to subnets since this was asked last, as far as it is kept.
    pub fn subnet_events(&self) -> Vec<SubnetEvent> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    pub(crate) fn tell(&self, event: SubnetEvent) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() == TOLD {
            told.pop_front();
        }
        told.push_back(event);
    }

    /// Waits for the end of the server.
    pub async fn closed(&self) {
        self.questions.closed().await;
    }
}

/// The leases of a server that does not run. Nobody can start it meanwhile: the store is locked.
#[derive(Debug)]
pub struct Offline {
    server: Server,
    six: Option<v6::Server>,
    _store: Store,
}

impl Offline {
    /// Reads the store of the server that has this configuration.
    ///
    /// # Errors
    /// When it can't be read, and when a server has it open.
    pub fn open(mut config: Config) -> anyhow::Result<Self> {
        let directory = match &config.store {
            Place::Directory(directory) => directory,
            Place::Postgres(database) => {
                bail!("no server runs that could tell; the view gateway.lease of {database} can")
            }
        };
        let store = Store::open(directory, LEASES).context("open the lease store")?;
        subnets::open(&mut config, &store)?;
        let records: Vec<_> = store.records().collect::<Result<_, _>>().context("read the leases")?;
        let (six, four): (Vec<_>, _) =
            records.into_iter().partition(|(key, _): &(Vec<u8>, _)| key.first() == Some(&v6::record::CLASS));
        let (now, unix) = (clock::now(), clock::unix());
        let of_six = config.v6.clone().map(|config| v6::Server::new(config, six, now, unix)).transpose()?;
        Ok(Self { server: Server::new(config, four, now, unix)?, six: of_six, _store: store })
    }

    /// Leases from that number on, as [`Lookup::page`].
    pub fn page(&self, from: u64, filter: &Filter) -> LeasePage {
        rows(page(&self.server, self.six.as_ref(), from, filter, (clock::now(), clock::unix())))
    }
}

fn rows((leases, next): Answer) -> LeasePage {
    LeasePage { leases: leases.iter().map(Row::from).collect(), next }
}

fn page(
    server: &Server,
    six: Option<&v6::Server>,
    from: u64,
    filter: &Filter,
    (now, unix): (Instant, Duration),
) -> Answer {
    match (from.checked_sub(FIRST6), six) {
        (None, six) => {
            let (leases, next) = server.leases(from, PAGE, filter, now, unix);
            (leases, next.or(six.map(|_| FIRST6)))
        }
        (Some(from), Some(six)) => {
            let (leases, next) = six.leases(from, PAGE, filter, now, unix);
            (leases, next.map(|next| FIRST6 + next))
        }
        (Some(_), None) => (Vec::new(), None),
    }
}
