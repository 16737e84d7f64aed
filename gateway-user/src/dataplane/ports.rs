//! Attaching the programs to interfaces, and adopting attachments that outlived an earlier process.

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use aya::Ebpf;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::{XdpLink, XdpLinkId, XdpMode};
use aya::programs::{ProgramError, Xdp};
use gateway_common::maps;
use gateway_common::port::Port;
use nix::sys::signal::{SigSet, SigmaskHow};

use super::pins::{Pins, remove};
use super::sys;

/// How often a program is loaded until it counts as refused.
const LOAD_ATTEMPTS: u32 = 5;
/// Milliseconds the kernel may take to let go of a link.
const LET_GO: u64 = 1000;
/// Milliseconds between attempts.
const PAUSE: u64 = 20;

/// Which XDP mode an interface may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Native if the driver has it, else generic, with a warning.
    Auto,
    /// Native or not at all.
    Native,
    /// Generic.
    Generic,
}

/// What became of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Attached {
    /// How it has its program.
    pub(crate) how: Attachment,
    /// There was a pinned link of this name, to an interface that is gone: this one is another.
    pub(crate) renewed: bool,
}

/// How an interface came to have its program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Attachment {
    /// The link of an earlier process went on forwarding, and now runs this binary's program.
    Adopted,
    /// Attached in the driver.
    Native,
    /// Attached in the network stack: correct, but several times slower.
    Generic,
}

/// Loads both programs into the kernel.
pub(super) fn load(ebpf: &mut Ebpf) -> anyhow::Result<()> {
    for name in [maps::ACCESS, maps::UPSTREAM] {
        load_one(program(ebpf, name)?).with_context(|| format!("load the XDP program `{name}` into the kernel"))?;
    }
    Ok(())
}

/// The verifier gives up with EAGAIN while a signal or other work waits for the thread. Signals are kept from it; libbpf,
/// too, tries again as often.
fn load_one(program: &mut Xdp) -> anyhow::Result<()> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let gave_up = |loaded: &Result<(), ProgramError>| matches!(loaded, Err(ProgramError::LoadError { io_error, .. }) if io_error.kind() == ErrorKind::WouldBlock);
    let mut loaded = program.load();
    for _ in 1..LOAD_ATTEMPTS {
        if !gave_up(&loaded) {
            break;
        }
        loaded = program.load();
    }
    before.thread_set_mask()?;
    Ok(loaded?)
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> anyhow::Result<&'a mut Xdp> {
    let program = ebpf.program_mut(name).with_context(|| format!("the eBPF object has no program `{name}`"))?;
    Ok(program.try_into()?)
}

/// Gives the interface its program: through its pinned link when that is still attached to it, else by a new link.
/// `attached` is how the interface has a program now, as its driver says. Where the link exists the exchange of programs is atomic; no packet passes without one.
pub(super) fn attach(
    ebpf: &mut Ebpf,
    pins: &Pins,
    interface: &str,
    ifindex: u32,
    side: u16,
    mode: Mode,
    attached: Option<Attachment>,
) -> anyhow::Result<Attached> {
    let name = if side == Port::ACCESS { maps::ACCESS } else { maps::UPSTREAM };
    let program = program(ebpf, name)?;
    let pin = pins.link(interface);
    let mut renewed = false;
    let other_mode = matches!(
        (mode, attached),
        (Mode::Native, Some(Attachment::Generic)) | (Mode::Generic, Some(Attachment::Native))
    );
    if pin.exists() && other_mode {
        tracing::warn!(interface, ?mode, "the configuration wants another XDP mode: detached for a moment");
        remove(&pin)?;
    } else if pin.exists() {
        match adopt(program, &pin, ifindex) {
            Ok(true) => return Ok(Attached { how: Attachment::Adopted, renewed }),
            Ok(false) => renewed = true,
            Err(error) => tracing::warn!(interface, %error, "the pinned link can't be adopted and is replaced"),
        }
        remove(&pin)?;
    }
    let modes: &[_] = match mode {
        Mode::Auto => &[(XdpMode::Driver, Attachment::Native), (XdpMode::Skb, Attachment::Generic)],
        Mode::Native => &[(XdpMode::Driver, Attachment::Native)],
        Mode::Generic => &[(XdpMode::Skb, Attachment::Generic)],
    };
    let mut failure = None;
    for &(xdp_mode, attachment) in modes {
        match attach_when_free(program, ifindex, xdp_mode, other_mode || renewed) {
            Ok(id) => {
                let link = program.take_link(id)?;
                let link = FdLink::try_from(link).context("the kernel has no links for XDP (Linux 5.9 has)")?;
                link.pin(&pin).with_context(|| format!("pin the link at {}", pin.display()))?;
                if let Some(error) = failure {
                    let error: ProgramError = error;
                    tracing::warn!(interface, error = %cause(&error), "no native XDP here, attached in generic mode");
                }
                return Ok(Attached { how: attachment, renewed });
            }
            Err(error) => failure = Some(error),
        }
    }
    let error = failure.map(|error| cause(&error)).unwrap_or_default();
    anyhow::bail!("attach the XDP program `{name}` to {interface} ({mode:?} mode): {error}{}", advice(&error))
}

/// Attaches; where a link was just given up, waits until the kernel has let go of it, which it does in its own time.
fn attach_when_free(program: &mut Xdp, ifindex: u32, mode: XdpMode, wait: bool) -> Result<XdpLinkId, ProgramError> {
    for _ in 0..if wait { LET_GO / PAUSE } else { 0 } {
        match program.attach_to_if_index(ifindex, mode) {
            Err(error) if is_busy(&error) => std::thread::sleep(Duration::from_millis(PAUSE)),
            result => return result,
        }
    }
    program.attach_to_if_index(ifindex, mode)
}

fn is_busy(error: &ProgramError) -> bool {
    let ProgramError::SyscallError(error) = error else { return false };
    matches!(error.io_error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST))
}

fn adopt(program: &mut Xdp, pin: &Path, ifindex: u32) -> anyhow::Result<bool> {
    if sys::xdp_link(sys::pinned(pin)?.as_fd())? != ifindex {
        return Ok(false);
    }
    let link = FdLink::from(PinnedLink::from_pin(pin)?);
    program.attach_to_link(XdpLink::try_from(link)?)?;
    Ok(true)
}

fn cause(error: &ProgramError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn advice(error: &str) -> &'static str {
    if error.contains("EBUSY") || error.contains("os error 16") || error.contains("os error 17") {
        ". Another XDP program is attached there; `ip link set dev <interface> xdp off` or its owner removes it"
    } else {
        ""
    }
}
