//! etcd in place of the members' own election: `coordination = "etcd"`.
//!
//! [`space`] is what members keep there, [`agent`] one member's part in it, both without I/O; [`session`] is a connection.
//! They run in a thread of their own, beside the cluster's: etcd may be slow, and nothing else is to wait for it.

mod agent;
mod session;
mod space;
#[cfg(test)]
mod tests;
mod txn;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};
use gateway_core::cluster::Stand;
use gateway_core::member::{MemberId, Term};
use gateway_core::time::Instant;
use gateway_core::wire::cluster::Assignment;
use tokio::sync::mpsc;

use self::agent::Agent;
use self::session::{Done, Failure, Lease, Session};
use self::space::Names;
use super::door::{Door, Input};
use super::tls::private;
use crate::config::Etcd;
use crate::io::clock;

/// How long etcd may take to answer.
const LIMIT: Duration = Duration::from_secs(1);
/// The longest time between attempts to reach it; they begin with a sixteenth of it.
const BACK_OFF: Duration = Duration::from_secs(1);

/// What the cluster's core says.
#[derive(Debug)]
pub(crate) enum Told {
    /// What it is now.
    Stand(Stand),
    /// What it assigned as master of this term.
    Record(Term, Vec<Assignment>),
}

/// How it stands with etcd, for the operator.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Status {
    /// The endpoint that answers, or that was tried last.
    pub(crate) endpoint: String,
    /// It answers.
    pub(crate) reachable: bool,
    /// Since when it does, or does not.
    pub(crate) since: Instant,
    /// Why it does not.
    pub(crate) why: Option<String>,
}

/// What the thread begins with.
pub(crate) struct Begin {
    pub(crate) me: MemberId,
    /// How many members are configured.
    pub(crate) members: usize,
    /// The cluster's name.
    pub(crate) cluster: String,
    pub(crate) config: Etcd,
    /// What the core says.
    pub(crate) told: mpsc::UnboundedReceiver<Told>,
    /// What it is told.
    pub(crate) core: Door,
}

/// Starts the thread. It ends with the core's.
pub(crate) fn spawn(begin: Begin) -> anyhow::Result<Arc<Mutex<Status>>> {
    let options = options(&begin.config)?;
    let status = Arc::new(Mutex::new(Status { since: clock::now(), ..Status::default() }));
    let shared = Arc::clone(&status);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let agent = Agent::new(begin.me, begin.members, Names::new(&begin.cluster), begin.config.lease);
    let runner = Runner {
        agent,
        options,
        begin,
        status: shared,
        lease: Lease::default(),
        told_away: false,
        told_of: BTreeSet::new(),
        unreadable: None,
    };
    let body = move || runtime.block_on(runner.run());
    std::thread::Builder::new().name("etcd".into()).spawn(body).context("start etcd's thread")?;
    Ok(status)
}

/// How etcd is connected to.
///
/// # Errors
/// A file can't be read, or the key is open to others.
pub(crate) fn options(config: &Etcd) -> anyhow::Result<ConnectOptions> {
    let options = ConnectOptions::new().with_connect_timeout(LIMIT).with_keep_alive(LIMIT, LIMIT);
    if config.endpoints.iter().all(|endpoint| endpoint.starts_with("http://")) {
        return Ok(options);
    }
    let read = |path: &std::path::Path| std::fs::read(path).with_context(|| format!("read {}", path.display()));
    let mut tls = TlsOptions::new();
    if let Some(ca) = &config.ca {
        tls = tls.ca_certificate(Certificate::from_pem(read(ca)?));
    }
    if let Some((certificate, key)) = &config.identity {
        private(key)?;
        tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    Ok(options.with_tls(tls))
}

struct Runner {
    agent: Agent,
    options: ConnectOptions,
    begin: Begin,
    status: Arc<Mutex<Status>>,
    lease: Lease,
    /// The core knows that etcd is away.
    told_away: bool,
    /// Endpoints of which the log says that they don't answer.
    told_of: BTreeSet<String>,
    /// A key that can't be read, and was told of.
    unreadable: Option<String>,
}

/// Why a connection came to its end.
enum End {
    /// The gateway ends, or this member has left the cluster.
    Over,
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Runner {
    async fn run(mut self) {
        let endpoints = self.begin.config.endpoints.clone();
        let mut failures = 0_usize;
        for endpoint in endpoints.iter().cycle() {
            let answered = clock::now();
            let (end, worked) = self.serve(endpoint).await;
            let End::Failed(why) = end else { return };
            failures = if worked { 1 } else { failures + 1 };
            self.failed(endpoint, why, failures >= endpoints.len(), answered);
            // Another endpoint is tried at once, the same again only after a while.
            let rounds = (failures / endpoints.len()).saturating_sub(1).min(4) as u32;
            let wait = if failures < endpoints.len() { Duration::ZERO } else { (BACK_OFF / 16) * 2_u32.pow(rounds) };
            if !self.wait(wait).await {
                return;
            }
        }
    }

    /// Hears what the core says meanwhile. `false`: it has ended.
    async fn wait(&mut self, time: Duration) -> bool {
        let end = tokio::time::sleep(time);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return true,
                told = self.begin.told.recv() => match told {
                    Some(told) => self.hear(told),
                    None => return false,
                },
            }
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Stand(stand) => self.agent.handle_stand(stand),
            Told::Record(term, units) => self.agent.handle_record(term, units),
        }
    }

    /// One connection, from its beginning to its end; and whether it worked at all.
    async fn serve(&mut self, endpoint: &str) -> (End, bool) {
        let (config, options) = (&self.begin.config, self.options.clone());
        let session = Session::open(endpoint, options, &mut self.lease, config.lease, LIMIT, &self.agent).await;
        let mut session = match session {
            Ok(session) => session,
            Err(why) => return (End::Failed(why), false),
        };
        self.answers(endpoint);
        self.agent.handle_connected(clock::now());
        let end = match self.follow(&mut session).await {
            Ok(()) => End::Over,
            Err(end) => end,
        };
        self.lease = session.lease;
        (end, true)
    }

    async fn follow(&mut self, session: &mut Session) -> Result<(), End> {
        let period = self.begin.config.lease / 4;
        let mut keep = tokio::time::interval(period);
        keep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        keep.tick().await;
        loop {
            loop {
                match session.write(&mut self.agent).await? {
                    Done::Settled => break,
                    Done::Recorded(units) => self.tell(Input::Recorded(units))?,
                    Done::Left => return Ok(()),
                }
            }
            let unreadable = session.space().unreadable(self.agent.names());
            if let Some(key) = unreadable.filter(|key| self.unreadable.as_deref() != Some(key)) {
                tracing::warn!(key, "a key in etcd is not as a gateway writes it: it counts for nothing");
            }
            self.unreadable = unreadable.map(str::to_owned);
            let now = clock::now();
            let said = self.agent.coordinated(session.space(), session.lease.id, session.lease.until, now);
            self.tell(Input::Coordination(Some(said)))?;
            let look = self.agent.look_again().map_or(period, |at| at.since(now)).max(Duration::from_millis(50));
            tokio::select! {
                _ = keep.tick() => session.keep(&self.agent).await?,
                news = session.watch() => news?,
                told = self.begin.told.recv() => {
                    self.hear(told.ok_or(End::Over)?);
                    while let Ok(told) = self.begin.told.try_recv() {
                        self.hear(told);
                    }
                }
                () = tokio::time::sleep(look) => {}
            }
        }
    }

    fn tell(&mut self, input: Input) -> Result<(), End> {
        self.told_away = false;
        self.begin.core.tell(input).map_err(|_| End::Over)
    }

    fn answers(&mut self, endpoint: &str) {
        self.told_of.clear();
        let mut status = self.status.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !status.reachable || status.endpoint != endpoint {
            tracing::info!(endpoint, "etcd answers");
            *status = Status { endpoint: endpoint.to_owned(), reachable: true, since: clock::now(), why: None };
        }
    }

    /// `all`: no endpoint answers. The core is told then, or when the lease may end before one does.
    fn failed(&mut self, endpoint: &str, why: Failure, all: bool, since: Instant) {
        let mut status = self.status.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.told_of.insert(endpoint.to_owned()) {
            tracing::warn!(endpoint, why, "etcd does not answer");
        } else {
            tracing::debug!(endpoint, why, "etcd does not answer");
        }
        let since = if status.reachable || status.why.is_none() { since } else { status.since };
        *status = Status { endpoint: endpoint.to_owned(), reachable: false, since, why: Some(why) };
        let soon = self.lease.until.since(clock::now()) < self.begin.config.lease / 2;
        if (all || soon) && !std::mem::replace(&mut self.told_away, true) {
            // The core has ended, and so will we.
            let _ = self.begin.core.tell(Input::Coordination(None));
        }
    }
}
