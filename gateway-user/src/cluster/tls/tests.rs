use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::super::authority::Authority;
use super::*;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn id(number: u8) -> MemberId {
    MemberId::new(number).unwrap()
}

/// A cluster of gw-a and gw-b, numbers 1 and 2, in a directory of its own.
struct Cluster {
    directory: TempDir,
    authority: Authority,
}

impl Cluster {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let authority = Authority::found(&directory.path().join("ca"), "access-1", OffsetDateTime::now_utc()).unwrap();
        let mut cluster = Self { directory, authority };
        cluster.issue("gw-a", 10, 0);
        cluster.issue("gw-b", 10, 0);
        cluster
    }

    fn issue(&mut self, member: &str, days: u32, days_ago: i64) {
        self.issue_before(member, days, time::Duration::days(days_ago));
    }

    fn issue_before(&mut self, member: &str, days: u32, ago: time::Duration) {
        self.authority.issue(member, ADDRESS, days, true, OffsetDateTime::now_utc() - ago).unwrap();
    }

    fn files(&self, member: &str) -> Files {
        let file = |name: &str| self.directory.path().join("ca/members").join(member).join(name);
        Files { certificate: file("certificate.pem"), key: file("key.pem"), ca: file("ca.pem"), crl: file("crl.pem") }
    }

    fn tls(&self, me: u8, member: &str) -> Tls {
        Tls::new("access-1", id(me), list(), self.files(member)).unwrap()
    }
}

fn list() -> Vec<(MemberId, String)> {
    vec![(id(1), "gw-a".to_owned()), (id(2), "gw-b".to_owned())]
}

type Outcome = Result<(TlsStream<DuplexStream>, Peer), Refused>;

/// `from` connects to member `to`, whom it finds `at`. What each side makes of it; the connecting side reads, too, since it
/// only then hears that it was refused.
async fn meet(from: &Tls, to: u8, at: &Tls) -> (Outcome, Outcome) {
    let (near, far) = duplex(1 << 16);
    let connecting = async {
        let (mut stream, peer) = from.connect(id(to), near).await?;
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).await?;
        assert_eq!(&greeting, b"hello");
        Ok((stream, peer))
    };
    let accepting = async {
        let (mut stream, peer) = at.accept(far).await?;
        stream.write_all(b"hello").await?;
        stream.flush().await?;
        Ok((stream, peer))
    };
    tokio::join!(connecting, accepting)
}

fn refused(outcome: Outcome) -> Refused {
    outcome.map(|(_, peer)| peer).expect_err("refused")
}

/// CL-11, H-CL-9: two members of one authority know each other by their certificates.
#[tokio::test]
async fn members_find_each_other() {
    let cluster = Cluster::new();
    let (a, b) = (cluster.tls(1, "gw-a"), cluster.tls(2, "gw-b"));
    let (connected, accepted) = meet(&a, 2, &b).await;
    let ((_, b_peer), (stream, a_peer)) = (connected.unwrap(), accepted.unwrap());
    assert_eq!((b_peer.id, &*b_peer.name, a_peer.id, &*a_peer.name), (id(2), "gw-b", id(1), "gw-a"));
    assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!([a.check(Duration::ZERO), b.check(Duration::ZERO)], [Ok(()), Ok(())]);
    assert_eq!(b.admits(&a_peer), Ok(()));
    assert_eq!(a_peer.claims(id(1)), Ok(()));
    assert_eq!(a_peer.claims(id(2)).unwrap_err().to_string(), "it is gw-a, not member 2");
}

/// CL-10, H-CL-9: an authority of the same name is another authority all the same, and each side sees it.
#[tokio::test]
async fn a_stranger_is_refused() {
    let (ours, theirs) = (Cluster::new(), Cluster::new());
    let (member, stranger) = (ours.tls(2, "gw-b"), theirs.tls(1, "gw-a"));
    let (connected, accepted) = meet(&member, 1, &stranger).await;
    assert_eq!(refused(connected), Refused::OtherAuthority);
    assert_eq!(refused(accepted), Refused::ByPeer("our certificate is of another authority"));
    // One that trusts our authority but has its certificate from its own.
    fs::copy(ours.files("gw-b").ca, theirs.files("gw-a").ca).unwrap();
    fs::copy(ours.files("gw-b").crl, theirs.files("gw-a").crl).unwrap();
    let (connected, accepted) = meet(&theirs.tls(1, "gw-a"), 2, &member).await;
    assert_eq!(refused(accepted), Refused::OtherAuthority);
    assert_eq!(refused(connected), Refused::ByPeer("our certificate is of another authority"));
}

/// H-CL-9: expiry is checked, on both sides.
#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let mut cluster = Cluster::new();
    cluster.issue("gw-a", 5, 6);
    let (expired, member) = (cluster.tls(1, "gw-a"), cluster.tls(2, "gw-b"));
    assert_eq!(expired.check(Duration::ZERO), Err(Refused::Expired));
    let (connected, accepted) = meet(&expired, 2, &member).await;
    assert_eq!(refused(accepted).to_string(), "its certificate has expired");
    assert_eq!(refused(connected), Refused::ByPeer("our certificate has expired, or the clocks disagree"));
    let (connected, _) = meet(&member, 1, &expired).await;
    assert_eq!(refused(connected), Refused::Expired);
    // Of one that is good for ten days it can be told that it will not be in eleven, and when it ends.
    assert_eq!(member.check(Duration::from_secs(9 * 86_400)), Ok(()));
    assert_eq!(member.check(Duration::from_secs(11 * 86_400)), Err(Refused::Expired));
    let end = OffsetDateTime::now_utc().unix_timestamp() as u64 + 10 * 86_400;
    assert!(member.end().is_some_and(|found| (end - 60..=end).contains(&found)), "{:?}", member.end());
}

/// H-CL-9: an operator hears that a certificate ends before it does, and when it has ended.
#[tokio::test]
async fn the_end_is_told_ahead() {
    use crate::cluster::valid::{Remaining, remaining};
    let mut cluster = Cluster::new();
    let ends = "our certificate ends".to_owned();
    for (days, days_ago, expected) in [
        (40, 0, Remaining::Enough),
        (20, 0, Remaining::Days(30, ends.clone())),
        (5, 0, Remaining::Days(7, ends.clone())),
        (1, 0, Remaining::Days(1, ends.clone())),
        (5, 6, Remaining::None("our certificate has expired".to_owned())),
    ] {
        // An hour earlier still: whole days would end on the second at which they are looked at.
        cluster.issue_before("gw-a", days, time::Duration::days(days_ago) + time::Duration::HOUR);
        assert_eq!(remaining(&cluster.tls(1, "gw-a")), expected, "{days} days");
    }
}

/// H-CL-9: files that changed are noticed once; then standing connections are asked about.
#[tokio::test]
async fn a_new_list_is_noticed() {
    let mut cluster = Cluster::new();
    let (a, b) = (cluster.tls(1, "gw-a"), cluster.tls(2, "gw-b"));
    let peer = meet(&a, 2, &b).await.1.unwrap().1;
    let (again, look) = tokio::sync::watch::channel(());
    let before = b.generation();
    assert_eq!(b.generation(), before);
    let limit = std::time::Duration::from_millis(20);
    let refused = crate::cluster::valid::until_refused(&b, &peer, look);
    tokio::pin!(refused);
    again.send(()).unwrap();
    assert!(timeout(limit, &mut refused).await.is_err(), "nothing is wrong with it");
    cluster.authority.revoke("gw-a", OffsetDateTime::now_utc()).unwrap();
    assert_eq!(b.generation(), before + 1);
    again.send(()).unwrap();
    let error = timeout(limit, &mut refused).await.expect("at once").unwrap_err();
    assert_eq!(error.to_string(), "refused now: its certificate is revoked");
}

/// H-CL-9: a certificate of a clock that runs ahead.
#[tokio::test]
async fn a_certificate_of_tomorrow_is_refused() {
    let mut cluster = Cluster::new();
    cluster.issue("gw-a", 5, -1);
    let (_, accepted) = meet(&cluster.tls(1, "gw-a"), 2, &cluster.tls(2, "gw-b")).await;
    assert_eq!(refused(accepted), Refused::NotYetValid);
}

/// H-CL-9: revocation takes effect at the next handshake after the new list arrived, without a restart: no session of before is
/// taken up again. A connection that stands can be asked about.
#[tokio::test]
async fn a_revoked_certificate_is_refused() {
    let mut cluster = Cluster::new();
    let (revoked, member) = (cluster.tls(1, "gw-a"), cluster.tls(2, "gw-b"));
    let (_connected, accepted) = meet(&revoked, 2, &member).await;
    let standing = accepted.unwrap().1;
    let old_list = fs::read(cluster.files("gw-a").crl).unwrap();
    cluster.authority.revoke("gw-a", OffsetDateTime::now_utc()).unwrap();
    // The revoked one does not care to take over the new list.
    fs::write(cluster.files("gw-a").crl, old_list).unwrap();
    assert_eq!(member.admits(&standing), Err(Refused::Revoked));
    let (connected, accepted) = meet(&revoked, 2, &member).await;
    assert_eq!(refused(accepted).to_string(), "its certificate is revoked");
    assert_eq!(refused(connected).to_string(), "it refused us: our certificate is revoked");
    let (connected, _) = meet(&member, 1, &revoked).await;
    assert_eq!(refused(connected), Refused::Revoked);
    // Another certificate of the same member does.
    cluster.issue("gw-a", 10, 0);
    assert!(meet(&cluster.tls(1, "gw-a"), 2, &member).await.1.is_ok());
}

/// CL-10: a valid certificate of the authority is not enough: its member must be on the list.
#[tokio::test]
async fn a_member_that_is_not_listed_is_refused() {
    let mut cluster = Cluster::new();
    cluster.issue("gw-x", 10, 0);
    let mut with_x = list();
    with_x[0].1 = "gw-x".to_owned();
    let unlisted = Tls::new("access-1", id(1), with_x, cluster.files("gw-x")).unwrap();
    let member = cluster.tls(2, "gw-b");
    let (connected, accepted) = meet(&unlisted, 2, &member).await;
    let reason = "its certificate is of gw-x.members.access-1, which is not on the list of members";
    assert_eq!(refused(accepted).to_string(), reason);
    assert_eq!(refused(connected), Refused::ByPeer("we are not on its list of members"));
    let (connected, _) = meet(&member, 1, &unlisted).await;
    assert_eq!(refused(connected).to_string(), reason);
    let nobody = member.connect(id(3), duplex(64).0).await;
    assert_eq!(refused(nobody), Refused::NotListed("member 3".to_owned()));
}

/// H-CL-10: who answers at gw-a's address with gw-b's certificate is not taken for gw-a; nor is a member of another cluster.
#[tokio::test]
async fn a_member_is_not_taken_for_another() {
    let mut cluster = Cluster::new();
    let (a, b) = (cluster.tls(1, "gw-a"), cluster.tls(2, "gw-b"));
    let (connected, accepted) = meet(&a, 1, &b).await;
    assert_eq!(refused(connected).to_string(), "it is gw-b, not gw-a");
    assert!(accepted.is_err());
    // gw-a with a configuration that says it is number 2.
    let wrong = Tls::new("access-1", id(2), list(), cluster.files("gw-a")).unwrap();
    assert_eq!(wrong.check(Duration::ZERO).unwrap_err().to_string(), "it is gw-a, not gw-b");
    cluster.issue("gw-c", 10, 0);
    let elsewhere = Tls::new("access-2", id(2), list(), cluster.files("gw-b")).unwrap();
    assert!(matches!(elsewhere.check(Duration::ZERO), Err(Refused::NotListed(_))));
}

/// H-CL-9: TLS 1.3 and no other. This is the hello of a client that knows TLS 1.2 at most (RFC 5246 7.4.1.2).
#[tokio::test]
async fn an_older_tls_is_refused() {
    let cluster = Cluster::new();
    let member = cluster.tls(2, "gw-b");
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    // supported_groups P-256, signature_algorithms ECDSA with SHA-256, ec_point_formats uncompressed
    let extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4, 0, 2, 4, 3, 0, 11, 0, 2, 1, 0];
    hello.extend([0, extensions.len() as u8]);
    hello.extend(extensions);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
    record.extend(hello);
    let (mut near, far) = duplex(1 << 16);
    near.write_all(&record).await.unwrap();
    assert_eq!(refused(member.accept(far).await).to_string(), "it does not speak TLS 1.3");
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 70], "a fatal alert, protocol_version");
}

/// Who has no certificate, who speaks something else, and who says nothing.
#[tokio::test]
async fn who_is_no_member_at_all_is_refused() {
    let cluster = Cluster::new();
    let member = cluster.tls(2, "gw-b");
    let (mut near, far) = duplex(1 << 16);
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(matches!(refused(member.accept(far).await), Refused::NotTls(_)));
    let (_near, far) = duplex(1 << 16);
    let hurried = Tls { patience: Duration::from_millis(50), ..cluster.tls(2, "gw-b") };
    assert_eq!(refused(hurried.accept(far).await), Refused::Silent);
    let ca = rustls::pki_types::pem::PemObject::from_pem_file(cluster.files("gw-b").ca).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = TlsConnector::from(Arc::new(client.with_root_certificates(roots).with_no_client_auth()));
    let (near, far) = duplex(1 << 16);
    let name = ServerName::try_from("gw-b.members.access-1").unwrap();
    let (_connected, accepted) = tokio::join!(client.connect(name, near), member.accept(far));
    assert_eq!(refused(accepted), Refused::NoCertificate);
}

/// Files that changed for the worse do not take a cluster apart: what was read before stays in force.
#[tokio::test]
async fn spoiled_files_leave_the_former_in_force() {
    let mut cluster = Cluster::new();
    let (a, b) = (cluster.tls(1, "gw-a"), cluster.tls(2, "gw-b"));
    let files = cluster.files("gw-b");
    let crl = fs::read(&files.crl).unwrap();
    for spoil in [&b""[..], &crl[..crl.len() / 2]] {
        fs::write(&files.crl, spoil).unwrap();
        assert!(meet(&a, 2, &b).await.1.is_ok());
    }
    fs::remove_file(&files.crl).unwrap();
    assert!(meet(&a, 2, &b).await.1.is_ok());
    cluster.authority.revoke("gw-a", OffsetDateTime::now_utc()).unwrap();
    assert_eq!(refused(meet(&a, 2, &b).await.1), Refused::Revoked);
}

/// What a member can't start with is said with the file's name.
#[test]
fn files_that_are_no_good_are_named() {
    let cluster = Cluster::new();
    let files = cluster.files("gw-a");
    let error = |files: Files| format!("{:#}", Tls::new("access-1", id(1), list(), files).err().expect("an error"));
    let without = |path: &Path| format!("cannot read {}: No such file", path.display());
    let missing = Files { crl: "/nonexistent/crl.pem".into(), ..files.clone() };
    assert!(error(missing.clone()).starts_with(&without(&missing.crl)));
    let other = Files { key: cluster.files("gw-b").key, ..files.clone() };
    assert!(error(other).contains("do not belong together"));
    let no_list = Files { crl: files.ca.clone(), ..files.clone() };
    assert!(error(no_list).contains("ca.pem is no list of revoked certificates in PEM"));
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o640)).unwrap();
    let open = error(files.clone());
    assert!(open.ends_with(&format!("(mode 640); would do: chmod 600 {}", files.key.display())), "{open}");
}
