//! One connection to etcd: the lease is kept, keys are watched, and what the agent wants is written.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions, EventType, GetOptions, KeyValue, LeaseKeepAliveStream, LeaseKeeper};
use etcd_client::{WatchOptions, WatchStream};
use gateway_core::time::Instant;
use tokio::time::timeout;

use super::agent::{Agent, Wish};
use super::space::{Entry, Space};
use crate::io::clock;

/// What went wrong, in one line.
pub(super) type Failure = String;

/// The lease lives on when a connection ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lease {
    /// 0: none.
    pub(super) id: i64,
    /// Until then it stands for certain, and so does all that this member knew to hang on it.
    pub(super) until: Instant,
}

/// Writes that may follow from one look: each changes what the next is about.
const WRITES: usize = 16;

/// A connection.
pub(super) struct Session {
    client: Client,
    keeper: LeaseKeeper,
    kept: LeaseKeepAliveStream,
    watch: WatchStream,
    space: Space,
    pub(super) lease: Lease,
    /// How long it lasts when it is kept.
    ttl: Duration,
    limit: Duration,
}

/// What happened to what the agent wanted.
#[derive(Debug)]
pub(super) enum Done {
    /// Nothing more is wanted.
    Settled,
    /// These assignments are kept.
    Recorded(Vec<gateway_core::wire::cluster::Assignment>),
    /// This member has left.
    Left,
}

async fn within<T>(limit: Duration, what: impl Future<Output = Result<T, etcd_client::Error>>) -> Result<T, Failure> {
    match timeout(limit, what).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(words(error)),
        Err(_) => Err(format!("no answer within {limit:?}")),
    }
}

fn words(error: etcd_client::Error) -> Failure {
    match error {
        etcd_client::Error::GRpcStatus(status) => format!("{}: {}", status.code(), status.message()),
        error => error.to_string(),
    }
}

fn entry(pair: &KeyValue) -> Entry {
    Entry {
        key: String::from_utf8_lossy(pair.key()).into_owned(),
        value: String::from_utf8_lossy(pair.value()).into_owned(),
        changed: pair.mod_revision(),
        lease: pair.lease(),
    }
}

impl Session {
    /// Connects, keeps the lease that stood or takes one, and reads everything.
    pub(super) async fn open(
        endpoint: &str,
        options: ConnectOptions,
        lease: &mut Lease,
        ttl: Duration,
        limit: Duration,
        agent: &Agent,
    ) -> Result<Self, Failure> {
        let mut client = within(limit, Client::connect([endpoint], Some(options))).await?;
        let sent = clock::now();
        let kept = match lease.id {
            0 => None,
            id => keep(&mut client, id, limit).await?,
        };
        let (keeper, kept) = match kept {
            Some(kept) => kept,
            None => {
                *lease = Lease::default();
                lease.id = within(limit, client.lease_grant(ttl.as_secs() as i64, None)).await?.id();
                keep(&mut client, lease.id, limit).await?.ok_or("a lease that was just given has ended")?
            }
        };
        let prefix = agent.names().prefix.clone();
        let space = read(&mut client, &prefix, limit).await?;
        let from = WatchOptions::new().with_prefix().with_start_revision(space.revision() + 1);
        let watch = within(limit, client.watch(prefix, Some(from))).await?;
        let mut session = Self { client, keeper, kept, watch, space, lease: *lease, ttl, limit };
        session.stands_since(sent);
        Ok(session)
    }

    /// The lease was kept, and the keys were read, after that time. A tenth is left for clocks that run unequally.
    fn stands_since(&mut self, sent: Instant) {
        self.lease.until = self.lease.until.max(sent + self.ttl * 9 / 10);
    }

    pub(super) fn space(&self) -> &Space {
        &self.space
    }

    /// Keeps the lease, and sees that who is elected is who we think it is: a watch may be late.
    pub(super) async fn keep(&mut self, agent: &Agent) -> Result<(), Failure> {
        let sent = clock::now();
        within(self.limit, self.keeper.keep_alive()).await?;
        let kept = within(self.limit, self.kept.message()).await?.ok_or("the stream of the lease has ended")?;
        if kept.ttl() <= 0 {
            self.lease = Lease::default();
            return Err("the lease has ended".to_owned());
        }
        let name = agent.names().master();
        let master = within(self.limit, self.client.get(name.clone(), None)).await?;
        let present = master.kvs().first().map(KeyValue::mod_revision);
        if present != self.space.get(&name).map(|known| known.changed) {
            self.read(agent).await?;
        }
        self.stands_since(sent);
        Ok(())
    }

    async fn read(&mut self, agent: &Agent) -> Result<(), Failure> {
        self.space = read(&mut self.client, &agent.names().prefix, self.limit).await?;
        Ok(())
    }

    /// Waits for news of the keys, and takes them in.
    pub(super) async fn watch(&mut self) -> Result<(), Failure> {
        let news = self.watch.message().await.map_err(words)?.ok_or("the watch has ended")?;
        if news.canceled() {
            return Err(format!("the watch was cancelled: {}", news.cancel_reason()));
        }
        let mut last = 0;
        for event in news.events() {
            let Some(pair) = event.kv() else { continue };
            last = last.max(pair.mod_revision());
            match event.event_type() {
                EventType::Put => self.space.put(entry(pair)),
                EventType::Delete => self.space.delete(&String::from_utf8_lossy(pair.key()), pair.mod_revision()),
            }
        }
        self.space.advance(last);
        Ok(())
    }

    /// Writes what the agent wants, until it wants nothing more or there is something to tell.
    pub(super) async fn write(&mut self, agent: &mut Agent) -> Result<Done, Failure> {
        for _ in 0..WRITES {
            let now = clock::now();
            agent.look(&self.space, now);
            let unix = clock::unix().as_secs() as u32;
            let Some(wish) = agent.wish(&self.space, self.lease.id, unix, now) else { return Ok(Done::Settled) };
            let (txn, told) = match wish {
                Wish::Leave => {
                    within(self.limit, self.client.lease_revoke(self.lease.id)).await?;
                    self.lease = Lease::default();
                    return Ok(Done::Left);
                }
                Wish::Live(txn) => (txn, None),
                Wish::Rule { txn, deposes, .. } => {
                    let done = within(self.limit, self.client.txn(txn.into())).await?.succeeded();
                    if done {
                        agent.handle_elected(deposes.then(clock::now));
                    }
                    self.read(agent).await?;
                    continue;
                }
                Wish::Record(txn, units) => (txn, Some(units)),
            };
            let done = within(self.limit, self.client.txn(txn.into())).await?.succeeded();
            self.read(agent).await?;
            if let Some(units) = told.filter(|_| done) {
                agent.handle_recorded(&units);
                return Ok(Done::Recorded(units));
            }
        }
        Err("what is written does not stay".to_owned())
    }
}

async fn keep(
    client: &mut Client,
    id: i64,
    limit: Duration,
) -> Result<Option<(LeaseKeeper, LeaseKeepAliveStream)>, Failure> {
    match timeout(limit, client.lease_keep_alive(id)).await {
        Ok(Ok(kept)) => Ok(Some(kept)),
        Ok(Err(etcd_client::Error::LeaseKeepAliveError(_))) => Ok(None),
        Ok(Err(error)) => Err(words(error)),
        Err(_) => Err(format!("no answer within {limit:?}")),
    }
}

async fn read(client: &mut Client, prefix: &str, limit: Duration) -> Result<Space, Failure> {
    let all = within(limit, client.get(prefix, Some(GetOptions::new().with_prefix()))).await?;
    let revision = all.header().map_or(0, |header| header.revision());
    Ok(Space::new(revision, all.kvs().iter().map(entry)))
}
