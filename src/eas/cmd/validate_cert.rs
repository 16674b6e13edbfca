//! ValidateCert: whether a certificate that came with signed mail may be trusted.
//! MS-ASCMD 2.2.1.22.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::eas::answer::{Answer, Failure, common};
use crate::eas::session::Session;
use crate::format::wbxml::{Element, Value, Writer, tags::validate_cert as t};
use crate::net::mail_certificate::{Flaw, check};

/// Certificates in one request; a signed mail has one to four.
const CERTIFICATES_MAX: usize = 100;

/// Statuses (MS-ASCMD 2.2.3.177.18).
const SUCCESS: u16 = 1;
const PROTOCOL_ERROR: u16 = 2;
const BAD_SIGNATURE: u16 = 3;
const UNTRUSTED: u16 = 4;
const BAD_CHAIN: u16 = 5;
const NOT_FOR_MAIL: u16 = 6;
const EXPIRED: u16 = 7;
const WRONG_ROLE: u16 = 9;
const MALFORMED: u16 = 10;
const REVOKED: u16 = 13;
/// Whether it was revoked cannot be found out, and the phone wants to know.
const UNKNOWN_REVOCATION: u16 = 16;
const UNKNOWN: u16 = 17;

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let request = session.required_element()?;
    let list = |tag| {
        let all = request.child(tag).into_iter().flat_map(|list| list.all(t::CERTIFICATE));
        all.map(der).collect::<Vec<Option<Vec<u8>>>>()
    };
    let (certificates, chain) = (list(t::CERTIFICATES), list(t::CERTIFICATE_CHAIN));
    if certificates.is_empty() || certificates.len() + chain.len() > CERTIFICATES_MAX {
        return Err(Failure::Status(PROTOCOL_ERROR));
    }
    let chain: Vec<Vec<u8>> = chain.into_iter().flatten().collect();
    let revocation = request.text_of(t::CHECK_CRL) == Some("1");
    let now = session.now();
    // Signatures take their time, and the first request reads files.
    let checked = tokio::task::spawn_blocking(move || {
        let one = |der: &Option<Vec<u8>>| {
            der.as_ref().map_or(Err(Flaw::Malformed), |der| check(der, &chain, now))
        };
        certificates.iter().map(one).collect::<Vec<Result<(), Flaw>>>()
    });
    let checked = checked.await.map_err(|_| Failure::Common(common::SERVER_ERROR))?;
    let mut out = Writer::new();
    out.open(t::VALIDATE_CERT);
    out.number(t::STATUS, SUCCESS);
    for result in checked {
        out.open(t::CERTIFICATE);
        out.number(t::STATUS, status(result, revocation));
        out.close();
    }
    out.close();
    Ok(out.into())
}

/// A certificate in DER: base64 as text, or bytes.
fn der(element: &Element) -> Option<Vec<u8>> {
    match &element.value {
        Value::Opaque(bytes) if bytes.first() == Some(&0x30) => Some(bytes.to_vec()),
        _ => {
            let text: Vec<u8> =
                element.text().bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            STANDARD.decode(text).ok()
        }
    }
}

fn status(checked: Result<(), Flaw>, revocation: bool) -> u16 {
    match checked {
        Ok(()) if revocation => UNKNOWN_REVOCATION,
        Ok(()) => SUCCESS,
        Err(Flaw::Malformed) => MALFORMED,
        Err(Flaw::Signature) => BAD_SIGNATURE,
        Err(Flaw::UnknownIssuer) => UNTRUSTED,
        Err(Flaw::Chain) => BAD_CHAIN,
        Err(Flaw::NotForMail) => NOT_FOR_MAIL,
        Err(Flaw::Expired) => EXPIRED,
        Err(Flaw::WrongRole) => WRONG_ROLE,
        Err(Flaw::Revoked) => REVOKED,
        Err(Flaw::Other) => UNKNOWN,
    }
}
