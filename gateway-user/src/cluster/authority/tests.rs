use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

fn authority() -> (TempDir, Authority) {
    let directory = TempDir::new().unwrap();
    let authority = Authority::found(&directory.path().join("ca"), "access-1", now()).unwrap();
    (directory, authority)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn fails<T>(result: anyhow::Result<T>) -> String {
    format!("{:#}", result.err().expect("an error"))
}

/// CL-12: the authority issues a certificate to a new unit; keys are for nobody's eyes but the owner's.
#[test]
fn a_member_gets_all_it_needs() {
    let (directory, mut authority) = authority();
    let issued = authority.issue("gw-a", ADDRESS, 730, false, now()).unwrap();
    assert_eq!(issued.certificate.expires, now() + Duration::days(730));
    assert_eq!(issued.certificate.serial.len(), 32);
    let mut files: Vec<_> = fs::read_dir(&issued.bundle).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["ca.pem", "certificate.pem", "crl.pem", "key.pem"]);
    let ca = directory.path().join("ca");
    assert_eq!([mode(&ca.join("ca.key")), mode(&issued.bundle.join("key.pem"))], [0o600, 0o600]);
    assert_eq!([mode(&ca), mode(&issued.bundle)], [0o700, 0o700]);
    assert_eq!(fs::read(ca.join("ca.pem")).unwrap(), fs::read(issued.bundle.join("ca.pem")).unwrap());
}

/// What was issued and revoked is known to the next command.
#[test]
fn the_list_outlives_the_command() {
    let (directory, mut authority) = authority();
    let a = authority.issue("gw-a", ADDRESS, 1, false, now()).unwrap().certificate;
    let b = authority.issue("gw-b", ADDRESS, 10, false, now()).unwrap().certificate;
    let c = authority.issue("gw-c", ADDRESS, 10, false, now()).unwrap().certificate;
    authority.revoke("gw-b", now()).unwrap();
    authority.revoke(&c.serial, now()).unwrap();
    drop(authority);
    let authority = Authority::open(&directory.path().join("ca")).unwrap();
    let tomorrow = now() + Duration::days(1);
    let states: Vec<_> = authority.certificates().iter().map(|known| (&known.serial, known.state(tomorrow))).collect();
    let wanted = [(&a.serial, State::Expired), (&b.serial, State::Revoked), (&c.serial, State::Revoked)];
    assert_eq!(states, wanted);
    assert_eq!(authority.cluster(), "access-1");
}

/// A new list of revoked certificates is where members' files are, so that it is copied with them.
#[test]
fn the_list_of_revoked_certificates_is_everywhere() {
    let (directory, mut authority) = authority();
    let a = authority.issue("gw-a", ADDRESS, 10, false, now()).unwrap();
    authority.issue("gw-b", ADDRESS, 10, false, now()).unwrap();
    let before = fs::read(a.bundle.join("crl.pem")).unwrap();
    authority.revoke("gw-b", now()).unwrap();
    let after = fs::read(directory.path().join("ca/crl.pem")).unwrap();
    assert_ne!(before, after);
    assert_eq!(fs::read(a.bundle.join("crl.pem")).unwrap(), after);
}

#[test]
fn an_authority_is_never_overwritten() {
    let (directory, mut authority) = authority();
    authority.issue("gw-a", ADDRESS, 10, false, now()).unwrap();
    drop(authority);
    let ca = directory.path().join("ca");
    let key = fs::read(ca.join("ca.key")).unwrap();
    let error = fails(Authority::found(&ca, "access-1", now()));
    assert!(error.contains("is there already: an authority is never overwritten"), "{error}");
    assert_eq!(fs::read(ca.join("ca.key")).unwrap(), key);
    assert_eq!(Authority::open(&ca).unwrap().certificates().len(), 1);
}

#[test]
fn a_second_certificate_is_asked_for_by_name() {
    let (_directory, mut authority) = authority();
    let first = authority.issue("gw-a", ADDRESS, 10, false, now()).unwrap();
    let key = fs::read(first.bundle.join("key.pem")).unwrap();
    let error = fails(authority.issue("gw-a", ADDRESS, 10, false, now()));
    assert!(error.contains("gw-a has a certificate until") && error.contains("--renew"), "{error}");
    assert_eq!(fs::read(first.bundle.join("key.pem")).unwrap(), key);
    let second = authority.issue("gw-a", ADDRESS, 10, true, now()).unwrap();
    assert_ne!(second.certificate.serial, first.certificate.serial);
    assert_ne!(fs::read(first.bundle.join("key.pem")).unwrap(), key);
    assert_eq!(authority.revoke("gw-a", now()).unwrap().len(), 2);
    // Revoked or expired, it takes no --renew.
    authority.issue("gw-a", ADDRESS, 1, false, now()).unwrap();
    authority.issue("gw-a", ADDRESS, 1, false, now() + Duration::days(2)).unwrap();
}

#[test]
fn mistakes_say_what_would_do() {
    let (directory, mut authority) = authority();
    assert_eq!(fails(authority.revoke("gw-x", now())), "no certificate of gw-x: none was issued yet");
    authority.issue("gw-a", ADDRESS, 10, false, now()).unwrap();
    let error = fails(authority.revoke("gw-x", now()));
    assert!(error.contains("a member (gw-a), or a serial number"), "{error}");
    authority.revoke("gw-a", now()).unwrap();
    let error = fails(authority.revoke("gw-a", now()));
    assert!(error.contains("gw-a has no valid certificate"), "{error}");
    let error = fails(authority.issue("GW_A", ADDRESS, 10, false, now()));
    assert!(error.contains("\"GW_A\" is no name of a member; would do: 1 to 63 lower-case"), "{error}");
    let error = fails(authority.issue("gw-b", ADDRESS, 30 * 365, false, now()));
    assert!(error.contains("the authority itself ends on 2047-01-10"), "{error}");
    let error = fails(Authority::open(directory.path()));
    assert!(error.contains("has no authority; would do: --directory of one, or `gateway cluster init-ca`"), "{error}");
    let error = fails(Authority::found(&directory.path().join("other"), "Access 1", now()));
    assert!(error.contains("is no name of a cluster"), "{error}");
}

/// A list that somebody spoiled is not guessed at.
#[test]
fn a_spoiled_list_names_its_line() {
    let (directory, mut authority) = authority();
    authority.issue("gw-a", ADDRESS, 10, false, now()).unwrap();
    drop(authority);
    let ca = directory.path().join("ca");
    let text = fs::read_to_string(ca.join(BOOK)).unwrap();
    fs::write(ca.join(BOOK), text.clone() + "{\"revoked\":{\"serial\":\"00\",\"at\":\"2027-01-01T00:00:00Z\"}}\n")
        .unwrap();
    assert!(fails(Authority::open(&ca)).contains("certificates.jsonl:3: not a line"));
    fs::write(ca.join(BOOK), text + "{\"iss").unwrap();
    assert!(fails(Authority::open(&ca)).contains("certificates.jsonl:3: not a line"));
}
