//! Two hosts with several links between them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;

use super::PORT;
use crate::lab::unique;
use crate::link::veth;
use crate::namespace::Namespace;

/// Two hosts, `a` and `b`.
pub struct Pair {
    /// The first.
    pub a: Arc<Namespace>,
    /// The second.
    pub b: Arc<Namespace>,
    name: String,
}

/// The address on a link of host a (1) or b (2), with the port of both ends.
pub fn on(link: u8, host: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 0, link, host), PORT))
}

impl Pair {
    /// With links 1 to 3: `a1` to `b1` and so on, 10.0.LINK.1 and .2.
    pub fn up() -> Result<Self> {
        let name = unique();
        let space = |role: &str| Namespace::create(&format!("{name}-{role}")).map(Arc::new);
        let pair = Self { a: space("a")?, b: space("b")?, name };
        for space in [&pair.a, &pair.b] {
            space.sysctl("net.ipv4.conf.all.rp_filter", "0")?;
        }
        (1..=3).try_for_each(|link| connect((&pair.a, "a"), &pair.b, link))?;
        Ok(pair)
    }

    /// A third host, `c`, with a link to b: 10.0.LINK.1 on `cLINK`.
    pub fn another(&self, link: u8) -> Result<Arc<Namespace>> {
        let space = Arc::new(Namespace::create(&format!("{}-c", self.name))?);
        connect((&space, "c"), &self.b, link)?;
        Ok(space)
    }
}

fn connect((space, letter): (&Namespace, &str), b: &Namespace, link: u8) -> Result<()> {
    veth((space, &format!("{letter}{link}")), (b, &format!("b{link}")))?;
    for (space, host, number) in [(space, letter, 1), (b, "b", 2)] {
        space.ip(&format!("addr add 10.0.{link}.{number}/24 dev {host}{link}"))?;
    }
    Ok(())
}
