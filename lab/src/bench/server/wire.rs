//! Two namespaces and the wire between them: a DHCP server, and the relay that speaks for all clients.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use gateway_tests::lab;
use gateway_tests::link::veth;
use gateway_tests::namespace::Namespace;
use gateway_tests::plan::Subnet;
use gateway_tests::server::{Kea, Kind, Server, Service};
use tempfile::TempDir;

use xtask::cargo::target;

/// The server's address.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The relay's: giaddr of all clients, and their router.
pub(super) const RELAY: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
/// The clients' network, a /10.
const NETWORK: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 0);

/// The address of client `number` where clients ask for theirs, and the pool's first.
pub(super) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(NETWORK.to_bits() + 256 + number)
}

/// A server's namespace and the relay's. Servers end before it is dropped.
pub(super) struct Wire {
    /// Where the load comes from.
    pub(super) relay: Arc<Namespace>,
    server: Arc<Namespace>,
    directory: TempDir,
}

impl Wire {
    pub(super) fn up() -> Result<Self> {
        let name = lab::unique();
        // On the disk that the build is on: a temporary directory may be in memory, where syncing costs nothing.
        let directory = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(target())?;
        let relay = Arc::new(Namespace::create(&format!("{name}-relay"))?);
        let server = Arc::new(Namespace::create(&format!("{name}-srv0"))?);
        veth((&relay, "rel0"), (&server, "srv0"))?;
        relay.ip_batch(&format!("addr add {RELAY}/32 dev rel0\nroute add {SERVER}/32 dev rel0 src {RELAY}\n"))?;
        server.ip_batch(&format!("addr add {SERVER}/24 dev srv0\nroute add {RELAY}/32 dev srv0\n"))?;
        Ok(Self { relay, server, directory })
    }

    /// Files of servers and of the load.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts a server with a pool of so many addresses. The embedded one finds the leases of its former life.
    pub(super) fn start(&self, kind: Kind, kea: Kea, addresses: u32) -> Result<Server> {
        let pool = (address(0), address(addresses - 1));
        let service = Service {
            interface: "srv0".into(),
            address: SERVER,
            length: 24,
            subnets: vec![Subnet { network: NETWORK, length: 10, pool, router: RELAY }],
            // Nothing expires meanwhile.
            lease: Duration::from_secs(24 * 3600),
            renew: None,
            direct: false,
            six: None,
            kea,
            embedded: String::new(),
        };
        Server::start(kind, &self.server, &service, self.directory())
    }
}
