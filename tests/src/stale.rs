//! Removing what a killed run has left behind.

use crate::namespace::{NAMES, delete};
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::sync::Once;

/// Each name of a lab starts with this.
pub(crate) const PREFIX: &str = "gwlab-";

/// Delete namespaces and directories of runs whose process is gone. Once per process.
pub(crate) fn clean() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        for name in names(Path::new(NAMES)) {
            if is_stale(&name)
                && let Err(error) = delete(&name)
            {
                eprintln!("lab: left over: {error:#}");
            }
        }
        let temporary = std::env::temp_dir();
        for name in names(&temporary) {
            if is_stale(&name)
                && let Err(error) = fs::remove_dir_all(temporary.join(&name))
            {
                eprintln!("lab: left over: {name}: {error}");
            }
        }
    });
}

/// Delete the namespaces whose names start with `prefix`, and `directory` with the mounts bound in it.
pub(crate) fn remove(prefix: &str, directory: &Path) -> Result<()> {
    for name in names(Path::new(NAMES)).iter().filter(|name| name.starts_with(prefix)) {
        delete(name)?;
    }
    for name in names(directory).iter().filter(|name| name.ends_with(".mnt")) {
        // Not mounted if the run that kept it was killed in between.
        let _ = nix::mount::umount(&directory.join(name));
    }
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    Ok(())
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// `gwlab-<pid>-…` of a process that is gone. Kept labs have no number there.
fn is_stale(name: &str) -> bool {
    let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()).and_then(|pid| pid.parse::<u32>().ok());
    pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

#[cfg(test)]
mod tests {
    use super::is_stale;

    /// A lab is stale only when its name carries the number of a process that is gone.
    #[test]
    fn only_labs_of_dead_processes_are_stale() {
        // Above the greatest pid_max of Linux (2^22).
        assert!(is_stale("gwlab-4194305-0-gw"));
        assert!(!is_stale(&format!("gwlab-{}-0-gw", std::process::id())));
        assert!(!is_stale("gwlab-kept-0-gw"));
        assert!(!is_stale("somebody-else"));
    }
}
