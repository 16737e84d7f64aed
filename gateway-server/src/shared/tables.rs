//! What several servers share: both halves of a server, as one that follows a database.

use std::net::SocketAddr;

use gateway_core::time::{Duration, Instant};
use thiserror::Error;

use super::batch::Datagram;
use super::turn::News;
use crate::config::Config;
use crate::event::Status;
use crate::record::{self, Now};
use crate::{server, v6};

/// Why the tables can't be made, or brought up to date.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StartError {
    /// Of DHCPv4.
    #[error(transparent)]
    Four(#[from] server::StartError),
    /// Of DHCPv6.
    #[error("DHCPv6: {0}")]
    Six(#[from] v6::StartError),
}

/// The servers of DHCPv4 and, where there is one, of DHCPv6.
#[derive(Debug)]
pub struct Tables {
    pub(crate) four: server::Server,
    pub(crate) six: Option<v6::Server>,
}

impl Tables {
    /// With the records that there are, in the order of their keys. `now` is since boot, `unix` since 1970.
    ///
    /// # Errors
    /// When the configuration can't work, and when a record can't be read.
    pub fn new<R>(config: Config, records: R, now: Instant, unix: Duration) -> Result<Self, StartError>
    where
        R: IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    {
        let config6 = config.v6.clone();
        let mut records6 = Vec::new();
        let of_four = records.into_iter().filter_map(|(key, value)| {
            if key.first() != Some(&v6::record::CLASS) {
                return Some((key, value));
            }
            // Those of a half that is not configured here are other servers' business.
            if config6.is_some() {
                records6.push((key, value));
            }
            None
        });
        let four = server::Server::new(config, of_four, now, unix)?;
        let six = config6.map(|config| v6::Server::new(config, records6, now, unix)).transpose()?;
        Ok(Self { four, six })
    }

    /// This is the `number`th of `of` servers that share their leases.
    pub fn share(&mut self, number: u32, of: u32) {
        self.four.share(number, of);
        self.six.iter_mut().for_each(|six| six.share(number, of));
    }

    /// The half for DHCPv4.
    pub fn four(&mut self) -> &mut server::Server {
        &mut self.four
    }

    /// A message; `again` when it was handled before, and what it wanted to write was refused. Whether it may be handled again: a
    /// replay may not, since counters are looked at the first time.
    pub(super) fn handle(&mut self, datagram: &Datagram, again: bool, now: Instant, unix: Duration) -> bool {
        let Datagram { source, payload } = datagram;
        match (source, &mut self.six) {
            (SocketAddr::V4(source), _) => {
                match again {
                    false => self.four.handle_message(*source, payload, now, unix),
                    true => self.four.handle_again(*source, payload, now, unix),
                }
                !self.four.was_replayed()
            }
            (SocketAddr::V6(source), Some(six)) => {
                six.handle_message(*source, payload, now, unix);
                true
            }
            (SocketAddr::V6(_), None) => false,
        }
    }

    /// Whether a message may be handled only while no other server writes.
    pub(super) fn is_exclusive(&self, Datagram { source, payload }: &Datagram) -> bool {
        match source {
            SocketAddr::V4(source) => self.four.is_exclusive(*source, payload),
            SocketAddr::V6(source) => self.six.as_ref().is_some_and(|six| six.is_exclusive(*source, payload)),
        }
    }

    /// Time passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant, unix: Duration) {
        self.four.handle_timeout(now, unix);
        self.six.iter_mut().for_each(|six| six.handle_timeout(now, unix));
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let of_six = self.six.as_ref().and_then(v6::Server::poll_timeout);
        self.four.poll_timeout().into_iter().chain(of_six).min()
    }

    /// Records that other servers have written, the first written first, or that were refused here and are in truth as follows.
    ///
    /// # Errors
    /// When one can't be read: a later version wrote it.
    pub(super) fn learn(&mut self, news: &News, now: Instant, unix: Duration) -> Result<(), StartError> {
        let now = Now { at: now, unix };
        // A nonce is its client's: it comes after the lease that says who that is.
        let (nonces, others): (Vec<_>, Vec<_>) = news.iter().partition(|(key, _)| record::of_nonce(key).is_some());
        for (key, value) in others.into_iter().chain(nonces) {
            match (key.first(), &mut self.six) {
                (Some(&v6::record::CLASS), Some(six)) => six.learn(key, value, &now)?,
                (Some(&v6::record::CLASS), None) => {}
                _ => self.four.learn(key, value, &now)?,
            }
        }
        self.four.settle_news();
        self.six.iter_mut().for_each(v6::Server::settle_news);
        Ok(())
    }

    /// There is no record with this key: what was thought here was refused.
    pub(super) fn unlearn(&mut self, key: &[u8]) {
        match (key.first(), &mut self.six) {
            (Some(&v6::record::CLASS), Some(six)) => six.unlearn(key),
            _ => self.four.unlearn(key),
        }
    }

    /// Goes on from `former`, whose tables were lost with their database.
    pub(crate) fn succeed(&mut self, former: Self) {
        self.four.succeed(former.four);
        if let (Some(six), Some(former)) = (&mut self.six, former.six) {
            six.succeed(former);
        }
    }

    /// ACKs and REPLYs so far, those that were not sent because a write was refused included.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.four.acknowledged() + self.six.as_ref().map_or(0, v6::Server::acknowledged)
    }

    /// How things are. The latency is the shell's to know.
    pub(crate) fn status(&self, store_ok: bool) -> Status {
        let six = self.six.as_ref().map(|six| v6::Status { store_ok, ..six.status() });
        Status { store_ok, six, ..self.four.status() }
    }
}
