//! A connection with a member, while it lives.

use std::io;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gateway_core::member::MemberId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::mesh::{Connection, MeshEvent, READ, Shared};
use super::over::Carried;
use super::tls::Peer;
use super::valid;
use crate::sctp::Follower;

/// Octets that are gathered for one write.
const WRITE: usize = 256 << 10;
/// How long what had arrived at the end of a connection may take to be read. It is here already.
const LAST_WORDS: Duration = Duration::from_millis(100);

impl Shared {
    /// `greeting`: what it has said already.
    pub(super) async fn serve(
        &self,
        peer: &Peer,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        greeting: Vec<u8>,
        carried: Carried,
    ) {
        let member = peer.id;
        let connection = Connection(self.next.fetch_add(1, Ordering::Relaxed));
        let (writer, written) = mpsc::unbounded_channel();
        let (reading, writing) = tokio::io::split(stream);
        let carrier = carried.carrier();
        if self.events.send(MeshEvent::Connected { member, connection, carrier, writer }).await.is_err() {
            return;
        }
        if !greeting.is_empty()
            && self.events.send(MeshEvent::Octets { member, connection, octets: greeting }).await.is_err()
        {
            return;
        }
        let mut read = pin!(self.read(member, connection, reading));
        let (why, broken) = tokio::select! {
            result = &mut read => (result, false),
            result = write(writing, written) => {
                let broken = result.is_err();
                (result, broken)
            }
            result = valid::until_refused(&self.tls, peer, self.look.clone()) => (result, false),
            error = self.carry(member, carried) => (Err(error), true),
        };
        if broken {
            // The peer may have said its last words and closed it: they are still to be read.
            let _ = timeout(LAST_WORDS, read).await;
        }
        let why = why.map_or_else(|error| error.to_string(), |()| "it was closed".to_owned());
        let _ = self.events.send(MeshEvent::Lost { member, connection, why }).await;
    }

    /// Has an association follow addresses until it is to be given up, which TCP never is for its addresses.
    async fn carry(&self, member: MemberId, carried: Carried) -> io::Error {
        match carried {
            Carried::Tcp(_) => std::future::pending().await,
            Carried::Sctp(follower) => self.follow(member, *follower).await,
        }
    }

    async fn follow(&self, member: MemberId, follower: Follower) -> io::Error {
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut run = Box::pin(follower.run(move |event| {
            let _ = tell.send(event);
        }));
        loop {
            let (event, ended) = tokio::select! {
                biased;
                Some(event) = told.recv() => (Some(event), None),
                error = &mut run => (None, Some(error)),
            };
            if let Some(event) = event {
                // The loop has ended when nobody listens.
                let _ = self.events.send(MeshEvent::Path { member, event }).await;
            }
            if let Some(error) = ended {
                while let Ok(event) = told.try_recv() {
                    let _ = self.events.send(MeshEvent::Path { member, event }).await;
                }
                return error;
            }
        }
    }

    async fn read(
        &self,
        member: MemberId,
        connection: Connection,
        mut reading: impl AsyncRead + Unpin,
    ) -> io::Result<()> {
        loop {
            let mut octets = Vec::with_capacity(READ);
            if reading.read_buf(&mut octets).await? == 0 {
                return Ok(());
            }
            if self.events.send(MeshEvent::Octets { member, connection, octets }).await.is_err() {
                return Ok(());
            }
        }
    }
}

async fn write(mut writing: impl AsyncWrite + Unpin, mut written: mpsc::UnboundedReceiver<Vec<u8>>) -> io::Result<()> {
    while let Some(mut octets) = written.recv().await {
        while octets.len() < WRITE
            && let Ok(more) = written.try_recv()
        {
            octets.extend(more);
        }
        writing.write_all(&octets).await?;
        writing.flush().await?;
    }
    writing.shutdown().await
}
