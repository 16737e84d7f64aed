//! The daemon's end of the control socket.
//!
//! ```text
//!  gateway status ──JSON line──▶ connection task ──Question──▶ run loop
//!                 ◀─JSON line──                 ◀─Response──── (oneshot)
//! ```

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context as _, bail};
use gateway_core::subnet::NoSubnet;
use gateway_server::lookup::Lookup;
use gateway_server::subnets::{Root, SubnetsChange};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use super::protocol::{Request, Response};

/// Longest request line, in octets.
const MAX_REQUEST: u64 = 4096;
/// Questions that may wait for the run loop.
const WAITING: usize = 64;
/// How long the run loop may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request on its way to the run loop, which answers it when it comes to it.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes. Nobody may be there any more.
    pub answer: oneshot::Sender<Response>,
}

/// Puts questions to the run loop, from any task.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Absent where a DHCP server runs on its own.
    run: Option<mpsc::Sender<Question>>,
    /// Present where a DHCP server runs, whose leases are asked of itself.
    leases: Option<Lookup>,
}

impl Asker {
    /// Of a DHCP server on its own.
    pub fn of_server(leases: Lookup) -> Self {
        Self { run: None, leases: Some(leases) }
    }

    /// Whether it is a DHCP server on its own that is asked.
    pub(crate) fn is_alone(&self) -> bool {
        self.run.is_none()
    }

    /// The same with the DHCP server that runs beside the run loop, if one does.
    #[must_use]
    pub fn with_leases(self, leases: Option<Lookup>) -> Self {
        Self { leases, ..self }
    }

    /// Asks and waits. A run loop that is gone or stuck is an [`Response::Error`].
    pub async fn ask(&self, request: Request) -> Response {
        let asked = async {
            match (request, &self.leases, &self.run) {
                (Request::Leases { from, filter }, Some(leases), _) => {
                    Some(Response::Leases(leases.page(from, filter).await?))
                }
                (Request::RenewLease { address }, Some(leases), _) => Some(match leases.force_renew(address).await? {
                    Ok(()) => Response::Done(format!("the client of {address} was told to renew")),
                    Err(error) => Response::Error(error.to_string()),
                }),
                (Request::Subnets, Some(leases), run) => Some(subnets(leases, Ok(None), run.as_ref()).await?),
                (Request::AddSubnet { subnet, max_lease, fresh }, Some(leases), run) => {
                    let maximum = max_lease.map(Duration::from_secs);
                    let change = subnet.parse().map(|subnet| Some(SubnetsChange::Add(Root { subnet, maximum, fresh })));
                    Some(subnets(leases, change, run.as_ref()).await?)
                }
                (Request::RemoveSubnet { subnet }, Some(leases), run) => {
                    let change = subnet.parse().map(|subnet| Some(SubnetsChange::Remove { subnet }));
                    Some(subnets(leases, change, run.as_ref()).await?)
                }
                (Request::DhcpServer, Some(leases), _) => Some(Response::DhcpServer((&leases.status()).into())),
                (request, _, Some(run)) => put(run, request).await,
                _ => Some(Response::Error(
                    "a DHCP server on its own tells its leases only; --control names a gateway's socket".to_owned(),
                )),
            }
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Some(response)) => response,
            Ok(None) => Response::Error("the gateway is stopping".to_owned()),
            Err(_) => Response::Error(format!("no answer within {} s: the gateway is overloaded", PATIENCE.as_secs())),
        }
    }
}

/// Puts a question to the run loop. `None`: it has ended.
async fn put(run: &mpsc::Sender<Question>, request: Request) -> Option<Response> {
    let (answer, answered) = oneshot::channel();
    run.send(Question { request, answer }).await.ok()?;
    answered.await.ok()
}

/// What there is of subnets, after a change if there is one, with the gateway's access routes where there is a gateway. `None`: the
/// server has ended.
async fn subnets(
    server: &Lookup,
    change: Result<Option<SubnetsChange>, NoSubnet>,
    run: Option<&mpsc::Sender<Question>>,
) -> Option<Response> {
    let change = match change {
        Ok(change) => change,
        Err(error) => return Some(Response::Error(error.to_string())),
    };
    let mut view = match server.subnets(change).await? {
        Ok(view) => view,
        Err(error) => return Some(Response::Error(error)),
    };
    if let Some(run) = run {
        let subnets = view.of_own_subscribers().map(|block| block.subnet.clone()).collect();
        if let Response::AccessRoutes(counted) = put(run, Request::AccessRoutes { subnets }).await? {
            view.set_routes(&counted);
        }
    }
    Some(Response::Subnets(view))
}

impl Asker {
    /// Waits until nobody answers any more.
    async fn closed(&self) {
        match (&self.run, &self.leases) {
            (Some(run), _) => run.closed().await,
            (None, Some(leases)) => leases.closed().await,
            (None, None) => {}
        }
    }
}

/// The two ends of the way to the run loop.
pub fn questions() -> (Asker, mpsc::Receiver<Question>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Asker { run: Some(sender), leases: None }, receiver)
}

/// The control socket; its file is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Listens at `path` for root and, when given, a group.
    ///
    /// # Errors
    /// When another gateway listens there, the group does not exist, or the directory can't be made.
    pub fn bind(path: &Path, group: Option<&str>) -> anyhow::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => bail!("a gateway is already running: {} answers", path.display()),
            // Left behind by a process that was killed.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            Err(_) => {}
        }
        let bound = std::os::unix::net::UnixListener::bind(path);
        let listener = bound.with_context(|| format!("cannot listen at {}", path.display()))?;
        let mode = match group {
            None => 0o600,
            Some(group) => {
                let gid = group_id(group)?;
                std::os::unix::fs::chown(path, None, Some(gid))
                    .with_context(|| format!("cannot give {} to the group {group}", path.display()))?;
                0o660
            }
        };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener: UnixListener::from_std(listener)?, path: path.to_owned() })
    }

    /// Serves connections until the run loop is gone.
    pub async fn serve(self, asker: Asker) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = asker.closed() => return,
            };
            match accepted {
                Ok((stream, _)) => drop(tokio::spawn(connection(stream, asker.clone()))),
                Err(error) => {
                    warn!(%error, "control socket");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn connection(stream: UnixStream, asker: Asker) {
    if let Err(error) = talk(stream, asker).await {
        debug!(%error, "control connection");
    }
}

async fn talk(stream: UnixStream, asker: Asker) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reader).take(MAX_REQUEST).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let complete = line.ends_with(b"\n");
        let response = match serde_json::from_slice(&line) {
            _ if !complete => Response::Error(format!("a request is one line of at most {MAX_REQUEST} octets")),
            Ok(request) => asker.ask(request).await,
            Err(error) => Response::Error(format!("not a request: {error}")),
        };
        let mut answer = serde_json::to_vec(&response)?;
        answer.push(b'\n');
        writer.write_all(&answer).await?;
        if !complete {
            return Ok(());
        }
    }
}

/// The number of a group in /etc/group.
fn group_id(group: &str) -> anyhow::Result<u32> {
    let groups = fs::read_to_string("/etc/group").context("cannot read /etc/group")?;
    let found = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == group).then(|| fields.nth(1)?.parse().ok())?
    });
    found.with_context(|| format!("gateway.control_group: there is no group {group}; `groupadd {group}` makes it"))
}
