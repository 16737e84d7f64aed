//! What the authority signs: its own certificate, members' certificates, lists of revoked ones.

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams,
    SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use super::super::names;
use super::book::Certificate;

/// Members' clocks may be so far behind the authority's.
const CLOCK_SKEW: Duration = Duration::hours(1);
/// When a next list of revoked certificates may be expected. Members hold to the last they have, however old: a list that
/// nobody renewed must not take a cluster apart.
const NEXT_LIST: Duration = Duration::days(3650);

/// A key and what it certifies, as PEM.
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) certificate: String,
}

/// The parts of the authority's certificate that what it signs refers to.
fn parameters(cluster: &str) -> anyhow::Result<CertificateParams> {
    let mut parameters = CertificateParams::new(Vec::new())?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, format!("Authority of cluster {cluster}"));
    parameters.distinguished_name = name;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(parameters)
}

/// A new authority.
pub(super) fn found(cluster: &str, now: OffsetDateTime, until: OffsetDateTime) -> anyhow::Result<Pair> {
    let key = KeyPair::generate().context("cannot make a key")?;
    let mut parameters = parameters(cluster)?;
    parameters.serial_number = Some(SerialNumber::from_slice(&serial()?));
    parameters.not_before = now - CLOCK_SKEW;
    parameters.not_after = until;
    let certificate = parameters.self_signed(&key)?.pem();
    Ok(Pair { key: key.serialize_pem(), certificate })
}

/// The authority with this key.
pub(super) fn issuer(cluster: &str, key: &str) -> anyhow::Result<Issuer<'static, KeyPair>> {
    Ok(Issuer::new(parameters(cluster)?, KeyPair::from_pem(key)?))
}

/// A member's certificate and key: good to be either side of a TLS connection (RFC 5280 4.2.1.12), for nothing else.
pub(super) fn member(issuer: &Issuer<'_, KeyPair>, cluster: &str, entry: &Certificate) -> anyhow::Result<Pair> {
    let key = KeyPair::generate().context("cannot make a key")?;
    let subject = names::subject(&entry.member, cluster);
    let mut parameters = CertificateParams::new(vec![subject.clone()])?;
    let mut name = DistinguishedName::new();
    // X.520 has room for 64 characters; the whole name is the alternative one, which is what counts (RFC 6125).
    name.push(DnType::CommonName, entry.member.clone());
    parameters.distinguished_name = name;
    parameters.subject_alt_names.push(SanType::IpAddress(entry.address));
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.use_authority_key_identifier_extension = true;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    parameters.serial_number = Some(SerialNumber::from_slice(&octets(&entry.serial)?));
    parameters.not_before = entry.issued - CLOCK_SKEW;
    parameters.not_after = entry.expires;
    let certificate = parameters.signed_by(&key, issuer)?.pem();
    Ok(Pair { key: key.serialize_pem(), certificate })
}

/// The list of those of the certificates that are revoked (RFC 5280 section 5), as PEM.
pub(super) fn revocations(
    issuer: &Issuer<'_, KeyPair>,
    certificates: &[Certificate],
    now: OffsetDateTime,
) -> anyhow::Result<String> {
    let revoked = certificates.iter().filter_map(|certificate| Some((certificate, certificate.revoked?)));
    let revoked = revoked.map(|(certificate, at)| {
        Ok(RevokedCertParams {
            serial_number: SerialNumber::from_slice(&octets(&certificate.serial)?),
            revocation_time: at,
            reason_code: Some(RevocationReason::CessationOfOperation),
            invalidity_date: None,
        })
    });
    let revoked_certs = revoked.collect::<anyhow::Result<Vec<_>>>()?;
    let list = CertificateRevocationListParams {
        this_update: now - CLOCK_SKEW,
        next_update: now + NEXT_LIST,
        crl_number: SerialNumber::from(revoked_certs.len() as u64 + 1),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(list.signed_by(issuer)?.pem()?)
}

/// 16 random octets, a positive integer of full length (RFC 5280 4.1.2.2).
fn serial() -> anyhow::Result<[u8; 16]> {
    let mut octets = crate::io::random::octets::<16>()?;
    octets[0] = octets[0] & 0x7f | 0x40;
    Ok(octets)
}

/// A new serial number in hexadecimal.
pub(super) fn new_serial() -> anyhow::Result<String> {
    Ok(serial()?.iter().map(|octet| format!("{octet:02x}")).collect())
}

fn octets(serial: &str) -> anyhow::Result<Vec<u8>> {
    let digits = (0..serial.len() / 2).map(|at| u8::from_str_radix(serial.get(2 * at..2 * at + 2).unwrap_or(""), 16));
    digits.collect::<Result<_, _>>().with_context(|| format!("{serial} is not a serial number"))
}
