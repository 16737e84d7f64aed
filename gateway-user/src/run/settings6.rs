//! The configuration of DHCPv6 in the node's terms.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::{Context, ensure};
use gateway_core::node::V6Config;
use gateway_core::relay::{PortConfig, Template};
use gateway_core::v6::relay::{FpcConfig, RelayConfig, RemoteId};
use gateway_core::v6::release::ReleaseConfig;

use crate::config::{Config, Dhcpv6};
use crate::io::random;

/// Octets of a secret that is made here.
const SECRET: usize = 32;

/// What the node is told about DHCPv6.
pub(super) fn v6(config: &Config, six: &Dhcpv6) -> anyhow::Result<V6Config> {
    let template = |key: &str, text: &str| Template::new(text).with_context(|| format!("dhcpv6.{key}"));
    let fpc = |fpc: &crate::config::Fpc| {
        let link_address = fpc.link_address6.with_context(|| format!("{} has no link_address6", fpc.name))?;
        anyhow::Ok(FpcConfig { trust_relays: fpc.trust_relays6, ..FpcConfig::new(&fpc.name, link_address) })
    };
    let (secret, secret_made) = match &six.secret {
        Some(secret) => (secret.octets().to_vec(), 0),
        None => own_secret(&config.gateway.state_dir)?,
    };
    let remote_id = Some(&six.remote_id).filter(|text| !text.is_empty());
    let remote_id =
        remote_id.map(|text| anyhow::Ok(RemoteId { enterprise: six.enterprise, id: template("remote_id", text)? }));
    let relay = RelayConfig {
        servers: six.servers.clone(),
        fpcs: config.fpcs.iter().map(fpc).collect::<anyhow::Result<_>>()?,
        ports: config.ports.iter().map(|port| PortConfig { name: port.name.clone(), fpc: port.fpc }).collect(),
        interface_id: template("interface_id", &six.interface_id)?,
        remote_id: remote_id.transpose()?,
        secret,
        secret_made,
        release_types: six.release_types,
        forward_release_requests: six.forward_release_requests,
        single_logout: six.single_logout,
        ..RelayConfig::new(six.duid.clone())
    };
    let release = ReleaseConfig { restart_hold: config.bulk_release.restart_hold, ..six.release.clone() };
    Ok(V6Config { capacity: six.capacity, limits: six.limits, relay, release })
}

/// The secret of a gateway that is given none: made at its first start. Without it replies that are under way while the
/// controller is started anew would not find home. With it, when it was made, in seconds of Unix time.
fn own_secret(state: &Path) -> anyhow::Result<(Vec<u8>, u64)> {
    let path = state.join("interface-id.secret");
    let read = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let secret: [u8; SECRET] = random::octets()?;
            fs::create_dir_all(state)?;
            // Whole or not at all: half a secret would be another one.
            let draft = path.with_extension("new");
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(&secret)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            Ok(secret.to_vec())
        }
        read => read,
    };
    let secret = read.with_context(|| format!("the secret of the Interface-Id at {}", path.display()))?;
    ensure!(secret.len() == SECRET, "{} is damaged: remove it, and another is made", path.display());
    let made = fs::metadata(&path)?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((secret, made.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// Made once, readable by its owner only, and the same at the next start.
    #[test]
    fn a_secret_stays() {
        let directory = tempfile::tempdir().unwrap();
        let first = own_secret(directory.path()).unwrap();
        assert_eq!((first.0.len(), own_secret(directory.path()).unwrap()), (SECRET, first.clone()));
        let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!((now - 60..=now).contains(&first.1), "{} of {now}", first.1);
        let path = directory.path().join("interface-id.secret");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(own_secret(tempfile::tempdir().unwrap().path()).unwrap().0, first.0);
        fs::write(&path, &first.0[1..]).unwrap();
        assert!(own_secret(directory.path()).is_err());
    }
}
