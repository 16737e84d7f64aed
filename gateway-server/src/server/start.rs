//! The start, with what is on disk.

use std::collections::VecDeque;

use gateway_core::time::{Duration, Instant};
use thiserror::Error;

use super::Server;
use super::auth::{Counter, Peers};
use super::conflict::Declines;
use super::connections::Connections;
use super::forcerenew::Nonces;
use super::probe::Probes;
use super::refused::Refused;
use super::transactions::Transactions;
use super::wall::Wall;
use crate::config::area;
use crate::config::delegated::Tenure;
use crate::config::reservation::Reservations;
use crate::config::{Config, ConfigError, Subnet};
use crate::event::Counters;
use crate::leases::Restore;
use crate::record::{self, Now, Record};

/// Why a server can't start.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StartError {
    /// The configuration can't work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What a record on disk is for. Its value is damaged or of a later version.
    #[error("{0} can't be read: it is damaged, or a later version wrote it")]
    Record(String),
}

impl Server {
    /// A server with the records that are on disk, in the order of their keys. `now` is since boot, `unix` since 1970.
    ///
    /// # Errors
    /// When the configuration can't work, and when a record can't be read: the address of a lease that is not known
    /// would be given to somebody else.
    pub fn new<R>(config: Config, records: R, now: Instant, unix: Duration) -> Result<Self, StartError>
    where
        R: IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    {
        Self::restore(config, records, 0, now, unix)
    }

    /// The same with records that somebody else has in memory, `expected` of them, about.
    pub(crate) fn restore<R, O>(
        mut config: Config,
        records: R,
        expected: usize,
        now: Instant,
        unix: Duration,
    ) -> Result<Self, StartError>
    where
        R: IntoIterator<Item = (O, O)>,
        O: AsRef<[u8]>,
    {
        config.validate()?;
        // Who asks and relays is no client.
        let hosts = [&config.bulk_release.relays[..], &config.leasequery.requestors, &[config.listen]].concat();
        config.excluded.extend(hosts);
        config.excluded.sort_unstable();
        let reservations = Reservations::new(core::mem::take(&mut config.reservations));
        let subnets = core::mem::take(&mut config.subnets).into_iter();
        config.subnets = subnets.flat_map(|subnet| area::areas(subnet, &reservations, &config.excluded)).collect();
        if config.subnets.len() > usize::from(u16::MAX) {
            return Err(ConfigError::TooManySubnets(config.subnets.len()).into());
        }
        let now = Now { at: now, unix };
        if let Some(delegated) = &config.delegated {
            let made = |(prefix, length)| delegated.subnet(prefix, length, None, Tenure::Unconfirmed);
            let held: Vec<Subnet> = delegated.held.iter().copied().map(made).collect();
            config
                .subnets
                .extend(held.into_iter().flat_map(|subnet| area::areas(subnet, &reservations, &config.excluded)));
        }
        let mut restore = Restore::new(&config.subnets, expected);
        let mut transactions = Transactions::default();
        let mut peers = Peers::new(config.bulk_release.replay_window);
        let mut nonces = Nonces::default();
        let mut reserved = 0;
        let mut over = Vec::new();
        for (key, value) in records {
            let (key, value) = (key.as_ref(), value.as_ref());
            match Record::decode(key, value, &now) {
                Some(Record::Cutoff(scope, cutoff)) => restore.cutoff(&scope, cutoff),
                Some(Record::Lease(address, lease)) => {
                    let is_over = lease.is_over(&now);
                    if !restore.lease(address, lease, &now) && is_over {
                        over.push(address);
                    }
                }
                Some(Record::Result { device, txid, record }) => transactions.restore(device, txid, record),
                Some(Record::Replay { key_id, relay, device, counter }) => {
                    peers.restore(key_id, relay, device, counter);
                }
                Some(Record::OwnCounter(number)) => reserved = number,
                Some(Record::Subnets) => {}
                Some(Record::Nonce(address, told)) => nonces.restore(address, told),
                Some(Record::Secret(secret)) => nonces.restore_secret(secret),
                None => return Err(StartError::Record(record::name(key))),
            }
        }
        let mut server = Self {
            leases: restore.finish(),
            transactions,
            connections: Connections::default(),
            peers,
            counter: Counter::after(reserved, unix),
            probes: Probes::default(),
            declines: Declines::default(),
            nonces,
            commands: VecDeque::new(),
            counters: Counters::default(),
            not_before: now.at,
            refused: Refused::default(),
            wall: Wall::default(),
            reservations,
            is_shared: false,
            again: false,
            was_replayed: false,
            config,
        };
        server.forget_lost(over);
        Ok(server)
    }
}
