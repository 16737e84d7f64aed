//! The command line's end of the control socket.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::protocol::{Request, Response};

/// A connection to a running gateway.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

impl Client {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// When no gateway is running, or its socket is not for this user; the message says what to do.
    pub fn connect(path: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(path).map_err(|error| {
            let shown = path.display();
            match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => anyhow::anyhow!(
                    "no gateway is running: nothing listens at {shown}; start one with `gateway run`, or `gateway server` for a \
                     DHCP server on its own, or name its socket with --control or its configuration with --config"
                ),
                ErrorKind::PermissionDenied => {
                    anyhow::anyhow!("{shown} is for root and the group gateway.control_group names; you are in neither")
                }
                _ => anyhow::Error::new(error).context(format!("cannot talk to {shown}")),
            }
        })?;
        stream.set_read_timeout(Some(Duration::from_secs(15)))?;
        Ok(Self { stream: BufReader::new(stream), path: path.to_owned() })
    }

    /// Connects again, after the gateway was restarted.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn reconnect(&mut self) -> anyhow::Result<()> {
        *self = Self::connect(&self.path)?;
        Ok(())
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// When the gateway refuses ([`Response::Error`]), stops, or is of another version.
    pub fn ask(&mut self, request: &Request) -> anyhow::Result<Response> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let gone = || format!("the gateway at {} went away", self.path.display());
        self.stream.get_mut().write_all(&line).with_context(gone)?;
        let mut answer = String::new();
        if self.stream.read_line(&mut answer).with_context(gone)? == 0 {
            bail!(gone());
        }
        let response = serde_json::from_str(&answer)
            .context("the gateway answers in another version's words; use the `gateway` program it was started from")?;
        match response {
            Response::Error(error) => bail!(error),
            response => Ok(response),
        }
    }
}
