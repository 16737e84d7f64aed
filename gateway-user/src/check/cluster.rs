//! A member of a cluster: whether the others would let it in, and what its choices cost.

use std::time::Duration;

use gateway_core::cluster::Quorum;

use super::finding::Finding;
use crate::cluster::etcd;
use crate::cluster::tls::Tls;
use crate::config::{Cluster, Coordination, Profile, Transport};

/// So long before a certificate ends it is time for another.
const RENEW: Duration = Duration::from_secs(30 * 86_400);

/// What works, but is not what one would want.
pub(super) fn cautions(cluster: &Cluster) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut caution = |what: &str, advice: &str| findings.push(Finding::warn("cluster", what, advice));
    let etcd = matches!(cluster.coordination, Coordination::Etcd(_));
    match (cluster.quorum, cluster.members.len()) {
        // It is the witness that two members lack.
        (Quorum::Majority, _) if etcd => {}
        (Quorum::None, 2..) if etcd => caution(
            "quorum is none: when etcd can't be reached and a member is missing, all stop",
            "quorum = \"majority\" unless the last member is to take over from all others at once",
        ),
        (Quorum::Majority, 1 | 2) => caution(
            "one of two members is no majority: when one dies, nobody is master and nothing is taken over",
            "a third member, which may be a small one, or quorum = \"degraded\"",
        ),
        (Quorum::None, 2..) => caution(
            "quorum is none: a split link makes two masters, and both assign all units",
            "quorum = \"majority\" with three members or more, \"degraded\" with two",
        ),
        _ => {}
    }
    if cluster.profile == Profile::Document {
        caution(
            "the profile is document: a member is taken for dead about every 12 minutes, and a paused one acts on",
            "profile = \"production\" unless the source document itself is tested",
        );
    }
    if cluster.sync.sync == 0 && cluster.members.len() > 1 {
        caution(
            "sync is 0: a login that a client was told of is lost when this member dies at once",
            "sync = 1 unless logins per second matter more",
        );
    }
    findings
}

/// A DHCP server in a member's process knows nothing of those in the others'.
pub(super) fn server(server: &gateway_server::Config) -> Option<Finding> {
    let leases = server.delegated.is_some() || !server.subnets.is_empty();
    let alone = leases && !matches!(server.store, gateway_server::Place::Postgres(_));
    alone.then(|| {
        Finding::fail(
            "cluster",
            "[dhcp_server] leases on each member by itself: two subscribers get one address",
            "a [[server]] on a host that is no member, or leases that are shared (dhcp_server.store)",
        )
    })
}

/// Whether the other members would let this one in.
pub(super) fn certificate(cluster: &Cluster) -> Finding {
    let own = cluster.get(cluster.member);
    let member = own.map_or("NAME", |member| member.name.as_str());
    let address = own.map_or("ADDRESS".to_owned(), |member| member.address.to_string());
    let advice = format!(
        "gateway cluster issue --member {member} --address {address}, where the authority is, and copy what it writes here"
    );
    let tls = match Tls::new(&cluster.name, cluster.member, cluster.names(), cluster.files.clone()) {
        Ok(tls) => tls,
        Err(error) => return Finding::fail("cluster", format!("{error:#}"), advice),
    };
    match (tls.check(Duration::ZERO), tls.check(RENEW)) {
        (Err(refused), _) => {
            Finding::fail("cluster", format!("the others would not let {member} in: {refused}"), advice)
        }
        (Ok(()), Err(_)) => {
            let advice = advice.replacen("--member", "--renew --member", 1);
            Finding::warn("cluster", format!("the certificate of {member} ends within 30 days"), advice)
        }
        (Ok(()), Ok(())) => Finding::ok("cluster", format!("{member} of {}, certificate good", cluster.name)),
    }
}

/// Whether the kernel has what members' streams are to run over; `sctp`: it has SCTP. Nothing where none is wanted.
pub(super) fn transport(cluster: &Cluster, sctp: bool) -> Option<Finding> {
    match (cluster.transport, sctp) {
        (Transport::Tcp, _) => None,
        (_, true) => Some(Finding::ok("streams", "over SCTP with members that have it, too")),
        (Transport::Auto, false) => {
            let found = "over TCP: this host has no SCTP, so that they end when their addresses do";
            Some(Finding::ok("streams", found))
        }
        (Transport::Sctp, false) => {
            let advice = "the kernel's module sctp, of Linux 5.4 or later, or cluster.transport = \"auto\"";
            Some(Finding::fail("streams", "cluster.transport is \"sctp\", and this host has no SCTP", advice))
        }
    }
}

/// Whether the files for etcd can be used; nothing without etcd.
pub(super) fn etcd(cluster: &Cluster) -> Option<Finding> {
    let Coordination::Etcd(config) = &cluster.coordination else { return None };
    let advice = "the files of [cluster.etcd], for this member's eyes only";
    etcd::options(config).err().map(|error| Finding::fail("etcd", format!("{error:#}"), advice))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use time::OffsetDateTime;

    use super::super::Level;
    use super::*;
    use crate::cluster::authority::Authority;
    use crate::cluster::tls::Files;
    use crate::config;

    fn cluster(keys: &str) -> Cluster {
        configured(keys, "").cluster.unwrap()
    }

    fn configured(keys: &str, tables: &str) -> config::Config {
        let base = "[gateway]\nid = \"a\"\n[[fpc]]\nname = \"fpc0\"\nports = [\"eth1\"]\ngiaddr = \"100.64.0.1\"\n[upstream]\n\
                    ports = [\"eth0\"]\n[[server]]\naddress = \"192.0.2.2\"\n[cluster]\nname = \"access-1\"\nme = \"gw-a\"\n\
                    interface = \"eth2\"\n";
        let members = "[[cluster.member]]\nid = 1\nname = \"gw-a\"\naddress = \"198.51.100.1\"\n\
                       [[cluster.member]]\nid = 2\nname = \"gw-b\"\naddress = \"198.51.100.2\"\n";
        let text = format!("{base}{keys}\n{members}{tables}");
        config::parse("g.toml".as_ref(), &text).unwrap().gateway.unwrap()
    }

    /// Members' own DHCP servers would lease one address twice, unless they share their leases.
    #[test]
    fn a_server_in_a_member() {
        let pool = "[[dhcp_server.subnet]]\nprefix = \"100.64.0.0/16\"\npool = \"100.64.0.10-100.64.255.250\"\n";
        let told = |server: &str| {
            let config = configured("quorum = \"degraded\"", &format!("[dhcp_server]\n{server}{pool}"));
            super::super::cautions(&config).into_iter().any(|one| one.level == Level::Fail && one.subject == "cluster")
        };
        assert!(told("listen = \"192.0.2.9\"\n"));
        assert!(!told("listen = \"192.0.2.9\"\nstore = \"postgres://gateway@db.example.net/dhcp\"\n"));
        let config = configured("quorum = \"degraded\"", "");
        assert!(super::super::cautions(&config).iter().all(|one| one.level != Level::Fail), "without one");
    }

    /// H-CL-6, H-CL-3: choices that lose availability or safety are told before they do.
    #[test]
    fn choices_have_a_price() {
        let told = |keys: &str| cautions(&cluster(keys)).into_iter().map(|finding| finding.found).collect::<Vec<_>>();
        assert!(told("quorum = \"degraded\"").is_empty());
        assert!(told("")[0].starts_with("one of two members is no majority"));
        assert!(told("quorum = \"none\"")[0].starts_with("quorum is none: a split link"));
        let etcd = "coordination = \"etcd\"\netcd.endpoints = [\"http://192.0.2.10:2379\"]";
        assert!(told(etcd).is_empty());
        assert!(
            told(&format!("quorum = \"none\"\n{etcd}"))[0].starts_with("quorum is none: when etcd can't be reached")
        );
        assert!(told("quorum = \"degraded\"\nprofile = \"document\"")[0].starts_with("the profile is document"));
        assert!(told("quorum = \"degraded\"\nsync = 0")[0].starts_with("sync is 0"));
    }

    /// A host without SCTP is told of before the start would fail for it.
    #[test]
    fn what_streams_run_over() {
        let of = |keys: &str, sctp| transport(&cluster(keys), sctp).map(|finding| finding.level);
        assert_eq!(of("transport = \"tcp\"", false), None);
        let auto = "transport = \"auto\"";
        assert_eq!((of(auto, true), of(auto, false)), (Some(Level::Ok), Some(Level::Ok)));
        assert_eq!(of("transport = \"sctp\"", true), Some(Level::Ok));
        assert_eq!(of("transport = \"sctp\"", false), Some(Level::Fail));
    }

    #[test]
    fn certificates_are_looked_at_beforehand() {
        let directory = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let mut authority = Authority::found(&directory.path().join("ca"), "access-1", now).unwrap();
        let mut look = |member: &str, days: u32, revoke: bool| {
            let bundle = authority.issue(member, [192, 0, 2, 1].into(), days, true, now).unwrap().bundle;
            if revoke {
                authority.revoke(member, now).unwrap();
            }
            let [certificate, key, ca, crl] =
                ["certificate", "key", "ca", "crl"].map(|name| bundle.join(format!("{name}.pem")));
            certificate_of(Files { certificate, key, ca, crl })
        };
        let good = look("gw-a", 60, false);
        assert_eq!((good.level, &*good.found), (Level::Ok, "gw-a of access-1, certificate good"));
        let soon = look("gw-a", 20, false);
        assert_eq!((soon.level, &*soon.found), (Level::Warn, "the certificate of gw-a ends within 30 days"));
        let wrong = look("gw-b", 60, false);
        assert_eq!(
            (wrong.level, &*wrong.found),
            (Level::Fail, "the others would not let gw-a in: it is gw-b, not gw-a")
        );
        let revoked = look("gw-a", 60, true);
        assert!(revoked.found.ends_with("its certificate is revoked"), "{}", revoked.found);
        let none = certificate(&cluster("certificate = \"/nonexistent/c.pem\""));
        assert!(none.level == Level::Fail && none.found.starts_with("cannot read /nonexistent/c.pem"));
    }

    /// What the start would refuse is told beforehand: a key for etcd that others may read, a file that is not there.
    #[test]
    fn the_key_for_etcd_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let [ca, certificate, key] = ["ca.pem", "certificate.pem", "key.pem"].map(|name| directory.path().join(name));
        for file in [&ca, &certificate, &key] {
            std::fs::write(file, "PEM").unwrap();
        }
        let [ca, certificate, key] = [&ca, &certificate, &key].map(|path| path.display());
        let with = |mode| {
            std::fs::set_permissions(key.to_string(), std::fs::Permissions::from_mode(mode)).unwrap();
            let keys = format!(
                "coordination = \"etcd\"\netcd = {{ endpoints = [\"https://192.0.2.10:2379\"], ca = \"{ca}\", \
                 certificate = \"{certificate}\", key = \"{key}\" }}"
            );
            etcd(&cluster(&keys))
        };
        assert_eq!(with(0o600), None);
        let open = with(0o644).unwrap();
        let found = format!("{key} may be read by others (mode 644); would do: chmod 600 {key}");
        assert_eq!((open.level, open.found), (Level::Fail, found));
        assert_eq!(etcd(&cluster("")), None);
    }

    fn certificate_of(files: Files) -> Finding {
        certificate(&Cluster { files, ..cluster("") })
    }
}
