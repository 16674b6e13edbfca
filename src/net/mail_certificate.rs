//! Certificates of people who sign or encrypt mail (S/MIME, RFC 8551): whether one may be
//! trusted. Nothing is fetched: whether one was revoked is not known here.

use std::sync::LazyLock;

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage};

/// id-kp-emailProtection, 1.3.6.1.5.5.7.3.4 (RFC 5280 §4.2.1.12).
const EMAIL_PROTECTION: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04];

/// Whom this machine trusts.
static ROOTS: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
});

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It cannot be read.
    Malformed,
    /// A signature in its chain is not what it should be.
    Signature,
    /// Nobody who is trusted stands behind it.
    UnknownIssuer,
    /// Its chain breaks a rule of one of its authorities.
    Chain,
    /// It is not for mail.
    NotForMail,
    /// It has expired, or is not valid yet.
    Expired,
    /// An authority's certificate in a person's place, or the other way round.
    WrongRole,
    Revoked,
    Other,
}

/// Checks a certificate with those that came with it, all in DER, as of a time in seconds since
/// 1970. The first call reads this machine's authorities from the disk.
pub fn check(certificate: &[u8], chain: &[Vec<u8>], now: i64) -> Result<(), Flaw> {
    check_with(&ROOTS, certificate, chain, now)
}

fn check_with(
    roots: &RootCertStore,
    certificate: &[u8],
    chain: &[Vec<u8>],
    now: i64,
) -> Result<(), Flaw> {
    let certificate = CertificateDer::from(certificate);
    let person = EndEntityCert::try_from(&certificate).map_err(|_| Flaw::Malformed)?;
    let between: Vec<CertificateDer<'_>> =
        chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.max(0) as u64));
    let usage = KeyUsage::required_if_present(EMAIL_PROTECTION);
    let checked = person.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &roots.roots,
        &between,
        now,
        usage,
        None,
        None,
    );
    checked.map(drop).map_err(flaw)
}

fn flaw(error: Error) -> Flaw {
    match error {
        Error::BadDer
        | Error::BadDerTime
        | Error::TrailingData(_)
        | Error::MalformedExtensions
        | Error::ExtensionValueInvalid
        | Error::InvalidSerialNumber
        | Error::UnsupportedCertVersion => Flaw::Malformed,
        Error::InvalidSignatureForPublicKey | Error::SignatureAlgorithmMismatch => Flaw::Signature,
        Error::UnknownIssuer | Error::CertDistrusted => Flaw::UnknownIssuer,
        Error::NameConstraintViolation
        | Error::PathLenConstraintViolated
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumSignatureChecksExceeded => Flaw::Chain,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Flaw::NotForMail,
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } | Error::InvalidCertValidity => {
            Flaw::Expired
        }
        Error::CaUsedAsEndEntity | Error::EndEntityUsedAsCa => Flaw::WrongRole,
        Error::CertRevoked => Flaw::Revoked,
        _ => Flaw::Other,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
        KeyPair, date_time_ymd,
    };

    use super::*;

    const NOW: i64 = 1_700_000_000;

    struct Authority {
        key: KeyPair,
        certificate: Certificate,
        roots: RootCertStore,
    }

    fn authority(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        Authority { key, certificate, roots }
    }

    fn person(by: &Authority, usage: ExtendedKeyUsagePurpose, until: i32) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["anna.office.example".into()]).unwrap();
        params.extended_key_usages = vec![usage];
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
        params.signed_by(&key, &by.certificate, &by.key).unwrap().der().to_vec()
    }

    #[test]
    fn what_is_wrong_is_told() {
        let (known, stranger) = (authority("known"), authority("stranger"));
        let mail = || ExtendedKeyUsagePurpose::EmailProtection;
        let fine = person(&known, mail(), 2030);
        let checked = |certificate: &[u8]| check_with(&known.roots, certificate, &[], NOW);
        assert_eq!(checked(&fine), Ok(()));
        assert_eq!(checked(&person(&known, mail(), 2021)), Err(Flaw::Expired));
        assert_eq!(checked(&person(&stranger, mail(), 2030)), Err(Flaw::UnknownIssuer));
        let server = person(&known, ExtendedKeyUsagePurpose::ServerAuth, 2030);
        assert_eq!(checked(&server), Err(Flaw::NotForMail));
        assert_eq!(checked(known.certificate.der()), Err(Flaw::WrongRole));
        assert_eq!(checked(b"nonsense"), Err(Flaw::Malformed));
        let mut changed = fine.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        assert_eq!(checked(&changed), Err(Flaw::Signature));
    }
}
