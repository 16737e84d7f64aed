//! A kernel and an emulator from Debian packages, unpacked and not installed.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Unpacked;
use crate::setup;
use xtask::cargo::{check, target};

/// The emulator; virtiofsd comes with it.
const EMULATOR: &str = "qemu-system-x86";
/// Says that everything was unpacked.
const COMPLETE: &str = ".complete";

/// Downloads and unpacks, unless that was done before.
pub(super) fn unpack(kernel: &str) -> Result<Unpacked> {
    setup::ensure_tests()?;
    let directory = target().join("vm").join(kernel);
    let root = directory.join("root");
    if !directory.join(COMPLETE).exists() {
        println!("vm: unpacking {kernel} and {EMULATOR} below {}", directory.display());
        download(&directory, kernel)?;
        extract(&directory, &root)?;
        fs::write(directory.join(COMPLETE), "")?;
    }
    let release = release(&root).with_context(|| format!("no kernel in {}", root.display()))?;
    if !root.join("lib/modules").join(&release).join("modules.dep").exists() {
        check(Command::new("busybox").arg("depmod").arg("-b").arg(&root).arg(&release))?;
    }
    Ok(Unpacked { root, release })
}

/// The packages and what they depend on, as far as the host lacks it.
fn download(directory: &Path, kernel: &str) -> Result<()> {
    let cache = directory.join("packages");
    fs::create_dir_all(cache.join("partial")).with_context(|| cache.display().to_string())?;
    let mut command = Command::new("apt-get");
    command.args(["-qq", "install", "--yes", "--download-only", "--no-install-recommends"]);
    // What is installed already would not be downloaded: the kernel has to be, whatever the host runs.
    command.args(["--reinstall", "-o"]).arg(format!("Dir::Cache::archives={}", cache.display()));
    command.args(["-o", "DPkg::Lock::Timeout=300", kernel, EMULATOR]);
    check(&mut command).context("is there such a package? `apt-cache search linux-image` lists kernels")
}

fn extract(directory: &Path, root: &Path) -> Result<()> {
    fs::create_dir_all(root)?;
    for entry in fs::read_dir(directory.join("packages"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            check(Command::new("dpkg-deb").arg("-x").arg(&path).arg(root))?;
        }
    }
    fs::remove_dir_all(directory.join("packages")).context("remove what was unpacked")
}

fn release(root: &Path) -> Result<String> {
    let names = fs::read_dir(root.join("lib/modules"))?.map(|entry| Ok(entry?.file_name()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.retain(|name| root.join("boot").join(format!("vmlinuz-{}", name.display())).exists());
    match <[_; 1]>::try_from(names) {
        Ok([name]) => name.into_string().ok().context("a kernel's release is text"),
        Err(names) => bail!("{} kernels were unpacked", names.len()),
    }
}
