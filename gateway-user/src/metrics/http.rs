//! As much HTTP as a scrape needs: one GET for each connection.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use super::collect::{self, Alone, Scrape};
use crate::control::Asker;
use crate::control::protocol::{Request, Response};

/// Octets of a request that are read at most.
const MAX_REQUEST: u64 = 8192;
/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What OpenMetrics text is called.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The listener of the metrics.
#[derive(Debug)]
pub struct Metrics {
    listener: TcpListener,
}

impl Metrics {
    /// Listens at `address`, as `setting` says.
    ///
    /// # Errors
    /// When the address is taken or not the host's.
    pub async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await;
        let listener =
            listener.with_context(|| format!("{setting}: cannot listen at {address}; \"off\" does without"))?;
        Ok(Self { listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system can't tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves scrapes as long as the process lives.
    pub async fn serve(self, asker: Asker) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let asker = asker.clone();
                    tokio::spawn(async move {
                        match tokio::time::timeout(PATIENCE, connection(stream, &asker)).await {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => debug!(%error, "metrics connection"),
                            Err(_) => debug!("metrics connection took too long"),
                        }
                    });
                }
                Err(error) => {
                    warn!(%error, "metrics");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, asker: &Asker) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    let mut head = (&mut stream).take(MAX_REQUEST);
    head.read_line(&mut request).await?;
    // The headers say nothing that matters, but have to be read before the connection may be closed.
    let mut header = String::new();
    while head.read_line(&mut header).await? > 2 {
        header.clear();
    }
    let mut words = request.split_whitespace();
    let (status, kind, body) = match (words.next(), words.next().map(|path| path.split('?').next().unwrap_or(path))) {
        (Some("GET"), Some("/metrics")) => match scrape(asker).await {
            Ok(text) => ("200 OK", OPENMETRICS, text),
            Err(error) => ("503 Service Unavailable", "text/plain", format!("{error:#}\n")),
        },
        (Some("GET"), Some("/")) => ("200 OK", "text/plain", "The metrics are at /metrics.\n".to_owned()),
        (Some("GET"), Some(_)) => ("404 Not Found", "text/plain", "The metrics are at /metrics.\n".to_owned()),
        _ => ("405 Method Not Allowed", "text/plain", "Only GET.\n".to_owned()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all((head + &body).as_bytes()).await?;
    stream.get_mut().shutdown().await
}

async fn scrape(asker: &Asker) -> anyhow::Result<String> {
    if asker.is_alone() {
        return match asker.ask(Request::DhcpServer).await {
            Response::DhcpServer(server) => Ok(collect::text(Alone(server))?),
            Response::Error(error) => Err(anyhow::anyhow!(error)),
            other => Err(anyhow::anyhow!("an answer to another question: {other:?}")),
        };
    }
    let mut scrape = Scrape::default();
    let mut requests = VecDeque::from([Request::Status, Request::Fpcs, Request::Servers, Request::Releases]);
    while let Some(request) = requests.pop_front() {
        match asker.ask(request).await {
            Response::Status(status) => {
                if status.cluster.is_some() {
                    requests.extend([Request::Members, Request::Units { list: false }]);
                }
                scrape.status = *status;
            }
            Response::Members(members) => scrape.members = Some(*members),
            Response::Units(units) => scrape.units = units,
            Response::Fpcs(fpcs) => scrape.fpcs = fpcs,
            Response::Servers(servers) => scrape.servers = servers,
            Response::Releases(releases) => scrape.releases = releases,
            Response::Error(error) => anyhow::bail!(error),
            other => anyhow::bail!("an answer to another question: {other:?}"),
        }
    }
    Ok(collect::text(scrape)?)
}
