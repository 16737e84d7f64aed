//! Programs: run to their end with a bound, or kept running with their log at hand.

use crate::wait;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long a command of the lab itself (`ip`, `ethtool`) may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);

/// Run a short command to its end and return its standard output. Any exit code but 0 is an error.
pub fn output(command: &mut Command) -> Result<String> {
    let (status, text, errors) = finish(command, COMMAND_LIMIT)?;
    if !status.success() {
        bail!("{status}: {}\n{}", line(command), errors.trim_end());
    }
    Ok(text)
}

/// Run a command to its end within `limit` (it is killed then), and return status, standard output and error.
pub fn finish(command: &mut Command, limit: Duration) -> Result<(ExitStatus, String, String)> {
    finish_after(command, limit, |_| Ok(()))
}

/// The same for a process to which something is done as soon as it runs.
pub fn finish_after(
    command: &mut Command,
    limit: Duration,
    prepare: impl FnOnce(&mut Child) -> Result<()>,
) -> Result<(ExitStatus, String, String)> {
    let (out, err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?);
    let mut child = start(command)?;
    if let Err(error) = prepare(&mut child) {
        child.kill()?;
        child.wait()?;
        return Err(error.context(format!("{}{}", read(out)?, read(err)?)));
    }
    let ended = wait::until(&format!("the end of: {}", line(command)), limit, || child.try_wait().transpose());
    if ended.is_err() {
        child.kill()?;
        child.wait()?;
    }
    let (text, errors) = (read(out)?, read(err)?);
    Ok((ended.with_context(|| format!("{text}{errors}"))??, text, errors))
}

/// Start it; again while the program's file is busy. The lab copies programs, and a fork of another thread may hold a
/// copy open for writing until its exec.
fn start(command: &mut Command) -> Result<Child> {
    for _ in 0..100 {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result.with_context(|| format!("could not start: {}", line(command))),
        }
    }
    bail!("its file stays busy: {}", line(command))
}

fn read(mut file: File) -> Result<String> {
    use std::io::{Read, Seek};
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// A program that runs until it is told to end; dropped, it is killed. What it prints goes to a log file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    status: Option<ExitStatus>,
}

impl Process {
    /// Start it. The log is `<directory>/<name>.log`, appended to if there is one.
    pub fn spawn(name: &str, command: &mut Command, directory: &Path) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = start(command)?;
        Ok(Process { name: name.to_owned(), child, log, status: None })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has printed so far.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status.is_none()
    }

    /// Wait until `condition` gives a value. That the program ends is an error, as is `limit`; both quote its log.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T> {
        let name = self.name.clone();
        let found = wait::until(&format!("{name}: {what}"), limit, || match condition(self) {
            Some(value) => Some(Some(value)),
            None => (!self.is_running()).then_some(None),
        });
        match found {
            Ok(Some(value)) => Ok(value),
            Ok(None) => bail!("{name} ended ({:?}) before {what}:\n{}", self.status, self.log_end()),
            Err(error) => Err(error.context(self.log_end())),
        }
    }

    /// Wait until the log contains `text`.
    pub fn wait_for_log(&mut self, text: &str, limit: Duration) -> Result<()> {
        self.wait_until(&format!("{text:?} in its log"), limit, |process| process.log().contains(text).then_some(()))
    }

    /// Wait for its end.
    pub fn wait_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        wait::until_true(&what, limit, || !self.is_running()).with_context(|| self.log_end())?;
        self.status.context("ended without a status")
    }

    /// Send a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.child.id().try_into()?), signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Ask it to end (SIGTERM), and wait.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        if self.is_running() {
            self.signal(Signal::SIGTERM)?;
        }
        self.wait_end(limit)
    }

    /// End it as a crash would: SIGKILL, then reap.
    pub fn kill(&mut self) -> Result<()> {
        if self.is_running() {
            self.child.kill()?;
            self.status = Some(self.child.wait()?);
        }
        Ok(())
    }

    /// Processor time of all its threads so far.
    pub fn cpu_time(&self) -> Result<Duration> {
        cpu_time(self.pid())
    }

    /// Let it run on when this object is dropped, for a lab that outlives its maker.
    pub fn leave_running(self) -> u32 {
        let this = std::mem::ManuallyDrop::new(self);
        this.child.id()
    }

    /// The last lines that it has printed, under the log's path: for error messages.
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        format!("--- end of {}\n{}", self.log.display(), lines[lines.len().saturating_sub(30)..].join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("lab: could not end {}: {error}", self.name);
        }
    }
}

/// Processor time of all threads of `pid` that live, in nanoseconds' resolution (schedstat(5)'s first field).
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let line = fs::read_to_string(task?.path().join("schedstat"))?;
        let nanoseconds = line.split_whitespace().next().context("empty schedstat")?;
        sum += Duration::from_nanos(nanoseconds.parse()?);
    }
    Ok(sum)
}

/// Octets of `pid` in memory.
pub fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
