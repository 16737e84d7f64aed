//! Booting the machine, and what comes out of it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Unpacked;

/// How often the machine is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long the file server may take to listen.
const LISTEN: Duration = Duration::from_secs(5);
/// Processors of the machine.
const PROCESSORS: u32 = 2;

/// A machine that is not booted yet.
pub(super) struct Machine {
    pub(super) unpacked: Unpacked,
    pub(super) initrd: PathBuf,
    /// In MiB.
    pub(super) memory: u32,
    /// After which it is switched off.
    pub(super) timeout: Duration,
}

/// What became of the command.
pub(super) struct Ended {
    /// Its exit status.
    pub(super) status: i32,
    /// From the decision to boot until the command's first output; none without any.
    pub(super) boot: Option<Duration>,
}

/// A process that ends with its owner.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Machine {
    /// Boots, runs `command` in `directory` with its output on ours, and switches off.
    pub(super) fn run(&self, directory: &Path, command: &[String]) -> Result<Ended> {
        let start = Instant::now();
        // In a directory the machine sees: what is in /tmp is its own there.
        let above = self.unpacked.root.parent().context("what is unpacked lies in a directory")?;
        let files = tempfile::tempdir_in(above)?;
        if files.path().to_string_lossy().contains(char::is_whitespace) {
            bail!(
                "kernel parameters can't name {}: build where no directory's name has a space",
                files.path().display()
            );
        }
        let [script, socket, console, status] =
            ["script", "socket", "console", "status"].map(|name| files.path().join(name));
        fs::write(&script, words(directory, command)?)?;
        let log = File::create(files.path().join("files"))?;
        let _files = self.file_server(&socket, log)?;
        let mut machine = Owned(self.emulator(&script, &socket, &console, &status).spawn().context("start QEMU")?);
        let output = machine.0.stdout.take().context("no output of the machine")?;
        let (boot, gone) = (OnceLock::new(), AtomicBool::new(false));
        let ended = thread::scope(|scope| {
            scope.spawn(|| {
                let copied = copy(output, || _ = boot.set(start.elapsed()));
                gone.store(copied.is_err(), Ordering::Relaxed);
            });
            self.wait(&mut machine, start, &gone)
        })?;
        match fs::read_to_string(&status).unwrap_or_default().trim().parse() {
            Ok(status) => Ok(Ended { status, boot: boot.into_inner() }),
            Err(_) => bail!("the machine ended ({ended}) before the command did:\n{}", tail(&console)),
        }
    }

    /// Until it ends by itself, or there is a reason to switch it off. `gone`: nobody reads its output any more.
    fn wait(&self, machine: &mut Owned, start: Instant, gone: &AtomicBool) -> Result<ExitStatus> {
        loop {
            if let Some(ended) = machine.0.try_wait()? {
                return Ok(ended);
            }
            let (late, gone) = (start.elapsed() > self.timeout, gone.load(Ordering::Relaxed));
            if late || gone {
                // What copies its output ends with it.
                machine.0.kill()?;
            }
            if gone {
                // The right of who reads: see `pipe`.
                println!();
            }
            if late {
                bail!("the machine was switched off after {} s", self.timeout.as_secs());
            }
            thread::sleep(LOOK);
        }
    }

    /// Serves the host's files, read-only as the machine mounts them.
    fn file_server(&self, socket: &Path, log: File) -> Result<Owned> {
        let mut command = self.unpacked("usr/lib/qemu/virtiofsd");
        command.arg(format!("--socket-path={}", socket.display()));
        // A root directory of its own needs a mount point; with "chroot" the host's root will do.
        command.args(["-o", "source=/", "-o", "cache=always", "-o", "sandbox=chroot"]);
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let server = Owned(child.context("start virtiofsd")?);
        let start = Instant::now();
        while !socket.exists() {
            if start.elapsed() > LISTEN {
                bail!("virtiofsd does not listen at {}", socket.display());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    fn emulator(&self, script: &Path, socket: &Path, console: &Path, status: &Path) -> Command {
        let Unpacked { root, release } = &self.unpacked;
        let mut command = self.unpacked("usr/bin/qemu-system-x86_64");
        for directory in ["seabios", "qemu"] {
            command.arg("-L").arg(root.join("usr/share").join(directory));
        }
        command.args(["-accel", "tcg,thread=multi", "-M", "q35", "-cpu", "max", "-nographic", "-nodefaults"]);
        command.args(["-no-user-config", "-no-reboot", "-smp", &PROCESSORS.to_string()]);
        // virtiofsd reads and writes the machine's memory.
        let memory = self.memory;
        command.args(["-m", &format!("{memory}M"), "-numa", "node,memdev=memory", "-object"]);
        command.arg(format!("memory-backend-memfd,id=memory,size={memory}M,share=on"));
        command.args(["-chardev", &format!("socket,id=files,path={}", socket.display())]);
        command.args(["-device", "vhost-user-fs-pci,chardev=files,tag=host", "-device", "virtio-serial-pci"]);
        // The command's output; it must not be mixed with what the kernel and the firmware say.
        command.args(["-chardev", "stdio,id=output,signal=off", "-device", "virtconsole,chardev=output"]);
        command.args(["-chardev", &format!("file,id=status,path={}", status.display())]);
        command.args([
            "-device",
            "virtserialport,chardev=status,nr=1",
            "-serial",
            &format!("file:{}", console.display()),
        ]);
        command.arg("-kernel").arg(root.join("boot").join(format!("vmlinuz-{release}")));
        command.arg("-initrd").arg(&self.initrd).arg("-append");
        let (modules, script) = (root.join("lib/modules"), script.display());
        command.arg(format!("console=ttyS0 panic=-1 quiet modules={} script={script}", modules.display()));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    /// A program of those unpacked, with its libraries. It ends with this process, however that ends.
    fn unpacked(&self, program: &str) -> Command {
        let root = &self.unpacked.root;
        let mut libraries = OsString::new();
        for directory in ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"] {
            libraries.push(root.join(directory));
            libraries.push(":");
        }
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(root.join(program));
        command.env("LD_LIBRARY_PATH", libraries);
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The next one makes its own.
        let _ = fs::remove_file(&self.initrd);
    }
}

/// A shell script that runs `command` in `directory`.
fn words(directory: &Path, command: &[String]) -> Result<String> {
    let directory = directory.to_str().context("the directory's name is not text")?;
    let words: Vec<_> = command.iter().map(|word| quoted(word)).collect();
    Ok(format!("cd {} && exec {}\n", quoted(directory), words.join(" ")))
}

/// A word that the shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Copies what comes to our output as it comes; `begun` is called before.
fn copy(mut from: impl Read, begun: impl FnOnce()) -> io::Result<()> {
    let (mut octets, mut begun) = ([0; 4096], Some(begun));
    loop {
        let len = match from.read(&mut octets) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            len => len?,
        };
        if len == 0 {
            return Ok(());
        }
        if let Some(begun) = begun.take() {
            begun();
        }
        let mut output = io::stdout().lock();
        output.write_all(&octets[..len])?;
        output.flush()?;
    }
}

/// The end of what the kernel said.
fn tail(console: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(console).unwrap_or_default()).into_owned();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell runs exactly what was asked for, whatever is in it.
    #[test]
    fn words_stay_words() {
        let command = ["printf", "%s|", "a b", "it's", "$HOME", "", "\\"].map(str::to_owned);
        let script = words(Path::new("/"), &command).unwrap();
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "a b|it's|$HOME||\\|");
    }
}
