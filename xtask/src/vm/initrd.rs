//! The machine's first file system: busybox, what mounts the host's files, and the kernel modules for that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Unpacked;

/// What the machine needs before it sees the host's files; everything else is loaded from there on demand.
const MODULES: [&str; 4] = ["virtio_pci", "virtio_console", "overlay", "virtiofs"];
const INIT: &str = include_str!("init.sh");

/// Packs it beside the unpacked packages; its path.
pub(super) fn make(unpacked: &Unpacked) -> Result<PathBuf> {
    let above = unpacked.root.parent().context("what is unpacked lies in a directory")?;
    let directory = tempfile::tempdir_in(above)?;
    let path = |name: &str| directory.path().join(name);
    for name in ["bin", "dev", "proc", "sys", "host", "memory", "root"] {
        fs::create_dir(path(name))?;
    }
    let busybox = crate::setup::command("busybox").context("busybox-static is not installed")?;
    fs::copy(busybox, path("bin/busybox"))?;
    fs::write(path("init"), INIT.replace("@MODULES@", &MODULES.join(" ")))?;
    fs::set_permissions(path("init"), Permissions::from_mode(0o755))?;
    modules(unpacked, &path("lib/modules").join(&unpacked.release))?;
    // Two machines may boot at once.
    let archive = above.join(format!("initrd-{}", std::process::id()));
    pack(directory.path(), &archive)?;
    Ok(archive)
}

/// Copies the modules and what they need, with the list that says what that is.
fn modules(unpacked: &Unpacked, to: &Path) -> Result<()> {
    let from = unpacked.modules();
    let list = fs::read_to_string(from.join("modules.dep")).context("modules.dep")?;
    for file in needed(&list)? {
        let to = to.join(file);
        fs::create_dir_all(to.parent().expect("it lies in a directory"))?;
        fs::copy(from.join(file), &to).with_context(|| format!("module {file}"))?;
    }
    fs::write(to.join("modules.dep"), &list)?;
    Ok(())
}

/// The files of [`MODULES`] and of what they need, from the lines of `modules.dep` (`file: needed …`, see depmod(8)).
fn needed(list: &str) -> Result<BTreeSet<&str>> {
    let lines = list.lines().filter_map(|line| line.split_once(':'));
    let by_name: BTreeMap<_, _> = lines.map(|(file, needs)| (module(file), (file, needs))).collect();
    let mut files = BTreeSet::new();
    for wanted in MODULES {
        let Some(&(file, needs)) = by_name.get(wanted) else { bail!("the kernel has no module {wanted}") };
        files.insert(file);
        files.extend(needs.split_whitespace());
    }
    Ok(files)
}

/// A module's name, of its file's.
fn module(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split_once('.').map_or(name, |(name, _)| name)
}

/// A cpio archive of a directory, as the kernel unpacks it.
fn pack(directory: &Path, archive: &Path) -> Result<()> {
    let mut find = Command::new("find").arg(".").current_dir(directory).stdout(Stdio::piped()).spawn()?;
    let names = find.stdout.take().context("no output of find")?;
    let mut cpio = Command::new("busybox");
    cpio.args(["cpio", "-o", "-H", "newc"]).current_dir(directory).stdin(names);
    let output = cpio.stdout(File::create(archive)?).stderr(Stdio::piped()).output()?;
    if !find.wait()?.success() || !output.status.success() {
        bail!("can't pack the machine's first file system: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_with_what_they_need() {
        let list = "a/virtio.ko:\na/virtio_pci.ko: a/virtio.ko a/ring.ko\nb/overlay.ko:\nc/virtio_console.ko: a/ring.ko\n\
                    c/virtiofs.ko: c/fuse.ko a/virtio.ko\nc/other.ko: c/fuse.ko c/unwanted.ko\na/ring.ko:\nc/fuse.ko:\n";
        let files: Vec<_> = needed(list).unwrap().into_iter().collect();
        let wanted = [
            "a/ring.ko",
            "a/virtio.ko",
            "a/virtio_pci.ko",
            "b/overlay.ko",
            "c/fuse.ko",
            "c/virtio_console.ko",
            "c/virtiofs.ko",
        ];
        assert_eq!(files, wanted);
        assert!(needed("b/overlay.ko:\n").is_err(), "a kernel without the others");
    }
}
