//! A database in memory, and servers that share it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp4::Message;
use gateway_server::shared::{Changes, Database, Datagram, Failure, News, Reply as Leaving, Tables, Verdict, turn};
use gateway_server::{Command, Config, RenewError};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::common::{config, wide};

/// What all servers see.
#[derive(Debug)]
pub(crate) struct World {
    /// Value, number of its change, session.
    rows: BTreeMap<Vec<u8>, (Vec<u8>, u64, u64)>,
    change: u64,
    logout: u64,
    pub(crate) now: Instant,
    pub(crate) unix: Duration,
    random: u64,
    /// Verdicts that were not plain success.
    pub(crate) refused: usize,
    pub(crate) stale: usize,
}

impl World {
    pub(crate) fn new(seed: u64) -> Rc<RefCell<Self>> {
        let (now, unix) = (Instant::ZERO + Duration::from_secs(10_000), Duration::from_secs(1_790_000_000));
        let rows = BTreeMap::new();
        Rc::new(RefCell::new(Self { rows, change: 0, logout: 0, now, unix, random: seed, refused: 0, stale: 0 }))
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.unix += duration;
    }

    /// xorshift64*
    pub(crate) fn random(&mut self, below: u32) -> u32 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as u32 % below
    }
}

/// A server's connection. Between any two steps of its work others may do theirs.
pub(crate) struct Link {
    world: Rc<RefCell<World>>,
    /// An `Arc`, because its guards can be owned; there is one thread all the same.
    turn: Arc<Mutex<()>>,
    held: Option<OwnedMutexGuard<()>>,
    session: u64,
    seen: u64,
}

impl Link {
    async fn pause(&self) {
        let times = self.world.borrow_mut().random(4);
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
    }
}

impl Database for Link {
    type Error = Infallible;

    fn now(&self) -> (Instant, Duration) {
        let world = self.world.borrow();
        (world.now, world.unix)
    }

    async fn follow(&mut self) -> Result<News, Infallible> {
        self.pause().await;
        let world = self.world.borrow();
        let mut news: Vec<_> =
            world.rows.iter().filter(|(_, (_, change, by))| *change > self.seen && *by != self.session).collect();
        news.sort_by_key(|(_, (_, change, _))| *change);
        self.seen = world.change;
        Ok(news.into_iter().map(|(key, (value, ..))| (key.clone(), value.clone())).collect())
    }

    async fn read(&mut self, keys: &BTreeSet<Vec<u8>>) -> Result<News, Infallible> {
        self.pause().await;
        let world = self.world.borrow();
        Ok(keys.iter().filter_map(|key| Some((key.clone(), world.rows.get(key)?.0.clone()))).collect())
    }

    async fn write(&mut self, changes: &Changes) -> Result<Verdict, Infallible> {
        self.pause().await;
        let _turn = match self.held {
            Some(_) => None,
            None => Some(Arc::clone(&self.turn).lock_owned().await),
        };
        self.pause().await;
        let world = &mut *self.world.borrow_mut();
        if world.logout > self.seen {
            world.stale += 1;
            return Ok(Verdict::Stale);
        }
        world.change += 1;
        let mut refused = BTreeSet::new();
        for (key, value) in &changes.common {
            let is_known = |(_, change, by): &(Vec<u8>, u64, u64)| *change <= self.seen || *by == self.session;
            let Some(value) = value else {
                if world.rows.get(key).is_some_and(is_known) {
                    world.rows.remove(key);
                }
                continue;
            };
            if key[0] == b'c' || key.starts_with(&[b'6', 0xc0]) {
                world.logout = world.change;
            }
            if world.rows.get(key).is_none_or(is_known) {
                world.rows.insert(key.clone(), (value.clone(), world.change, self.session));
            } else {
                world.refused += 1;
                refused.insert(key.clone());
            }
        }
        Ok(Verdict::Written { refused })
    }

    async fn lock(&mut self) -> Result<(), Infallible> {
        self.pause().await;
        self.held = Some(Arc::clone(&self.turn).lock_owned().await);
        Ok(())
    }

    async fn unlock(&mut self) -> Result<(), Infallible> {
        self.pause().await;
        self.held = None;
        Ok(())
    }
}

pub(crate) struct Node {
    pub(crate) tables: Tables,
    link: Link,
}

impl Node {
    pub(crate) fn new(
        config: &Config,
        world: &Rc<RefCell<World>>,
        turn: &Arc<Mutex<()>>,
        number: u32,
        of: u32,
    ) -> Self {
        let (now, unix) = (world.borrow().now, world.borrow().unix);
        // The secret of nonces, which the first server of a database makes.
        let secret = (b"k".to_vec(), vec![7; 32]);
        let mut tables = Tables::new(config.clone(), [secret], now, unix).unwrap();
        tables.share(number, of);
        let link = Link {
            world: Rc::clone(world),
            turn: Arc::clone(turn),
            held: None,
            session: u64::from(number) + 1,
            seen: 0,
        };
        Self { tables, link }
    }

    /// One turn with these messages of relays: the datagrams that leave, and the events.
    pub(crate) async fn turn(&mut self, messages: Vec<Vec<u8>>) -> Vec<Leaving> {
        let from = |payload: Vec<u8>| {
            let giaddr = Message::parse(&payload).unwrap().giaddr();
            Datagram { source: SocketAddrV4::new(giaddr, 67).into(), payload }
        };
        self.take(messages.into_iter().map(from).collect()).await
    }

    /// The same with datagrams of either version.
    pub(crate) async fn take(&mut self, datagrams: Vec<Datagram>) -> Vec<Leaving> {
        let result: Result<_, Failure<Infallible>> = turn(&mut self.link, &mut self.tables, datagrams).await;
        result.unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// What makes the client of an address renew, told by this server with up-to-date tables.
    pub(crate) async fn force(&mut self, address: Ipv4Addr) -> Result<Vec<u8>, RenewError> {
        self.take(Vec::new()).await;
        let (now, unix) = self.link.now();
        self.tables.four().force_renew(address, now, unix)?;
        let mut sent = None;
        while let Some(command) = self.tables.four().poll_command() {
            if let Command::Send { payload, .. } = command {
                sent = Some(payload);
            }
        }
        Ok(sent.expect("a message"))
    }

    /// The one reply to a message.
    pub(crate) async fn ask(&mut self, message: Vec<u8>) -> Option<(u8, Ipv4Addr)> {
        let replies = self.turn(vec![message]).await;
        let mut replies = replies.iter().filter_map(told);
        let reply = replies.next().map(|(_, kind, address)| (kind, address));
        assert!(replies.next().is_none(), "one message, one reply");
        reply
    }
}

/// MAC, kind and yiaddr of a datagram.
pub(crate) fn told(reply: &Leaving) -> Option<([u8; 6], u8, Ipv4Addr)> {
    let Leaving::Datagram(_, octets) = reply else { return None };
    let message = Message::parse(octets).unwrap();
    Some((message.hardware().mac().unwrap_or_default(), message.kind().unwrap(), message.yiaddr()))
}

pub(crate) fn open(addresses: u32) -> Config {
    let mut config = wide(config(), addresses);
    config.bulk_release.allow_unauthenticated = true;
    config.bulk_release.rate = 0;
    config
}

pub(crate) fn two(config: &Config, seed: u64) -> (Node, Node, Rc<RefCell<World>>) {
    let (world, turn) = (World::new(seed), Arc::default());
    (Node::new(config, &world, &turn, 0, 2), Node::new(config, &world, &turn, 1, 2), world)
}
