//! What goes back: WBXML, nothing, bytes, or several parts; and how a refusal is said in each
//! version.

use std::io::Write as _;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::domain;
use crate::eas::version::{Command, Version};
use crate::format::wbxml::{DecodeError, Writer};
use crate::store;

/// Smaller answers are not worth a compressor.
const GZIP_FROM: usize = 2 * 1024;

/// An answer to a command.
#[derive(Debug)]
pub enum Answer {
    Wbxml(Vec<u8>),
    /// 200 without a body: nothing has changed (Sync), the mail was sent (SendMail).
    Empty,
    /// An attachment (GetAttachment).
    Raw {
        content_type: String,
        bytes: Bytes,
    },
    /// Part 0 is the WBXML (MS-ASCMD 2.2.1.10.1).
    Multipart(Vec<Bytes>),
}

impl From<Writer> for Answer {
    fn from(writer: Writer) -> Self {
        Self::Wbxml(writer.finish())
    }
}

/// Why a command as a whole is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A status of all commands (MS-ASCMD 2.2.2); before 14.0 an HTTP status says it.
    Common(u16),
    /// A status of this command's own, in its outermost element.
    Status(u16),
    Http(StatusCode),
    /// 401: who asks is not logged in (any more).
    LogIn,
    /// 503: to be tried again after seconds.
    Busy(u32),
}

/// Statuses of all commands that are used here by name (MS-ASCMD 2.2.2).
pub mod common {
    pub const INVALID_CONTENT: u16 = 101;
    pub const INVALID_WBXML: u16 = 102;
    pub const INVALID_XML: u16 = 103;
    pub const INVALID_DATE: u16 = 104;
    pub const INVALID_MIME: u16 = 107;
    pub const SERVER_ERROR: u16 = 110;
    pub const SERVER_ERROR_RETRY: u16 = 111;
    pub const QUOTA: u16 = 113;
    pub const SEND_QUOTA: u16 = 115;
    pub const REPLY_NOT_ALLOWED: u16 = 117;
    pub const NO_RECIPIENT: u16 = 119;
    pub const SUBMISSION_FAILED: u16 = 120;
    pub const DEVICE_BLOCKED: u16 = 129;
    pub const ACCESS_DENIED: u16 = 130;
    pub const COMMAND_NOT_SUPPORTED: u16 = 137;
    pub const NOT_FULLY_PROVISIONABLE: u16 = 139;
    pub const WIPE_REQUESTED: u16 = 140;
    pub const NOT_PROVISIONED: u16 = 142;
    pub const POLICY_REFRESH: u16 = 143;
    pub const INVALID_POLICY_KEY: u16 = 144;
    pub const EXTERNALLY_MANAGED: u16 = 145;
    pub const ITEM_NOT_FOUND: u16 = 150;
    pub const DEVICE_INFORMATION_REQUIRED: u16 = 165;
    pub const TOO_MANY_DEVICES: u16 = 177;
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Full => Self::Common(common::QUOTA),
            store::Error::Closed => Self::Busy(10),
            other => {
                tracing::error!(error = %other, "the store failed");
                Self::Common(common::SERVER_ERROR_RETRY)
            }
        }
    }
}

impl From<domain::Error> for Failure {
    fn from(error: domain::Error) -> Self {
        use domain::Error;
        match error {
            Error::NotFound(_) => Self::Common(common::ITEM_NOT_FOUND),
            Error::OverQuota => Self::Common(common::QUOTA),
            Error::Exists(_)
            | Error::Denied(_)
            | Error::HasChildren
            | Error::TooLarge
            | Error::TooMany(_)
            | Error::Stale
            | Error::Invalid(_) => Self::Common(common::INVALID_CONTENT),
            Error::Store(error) => error.into(),
        }
    }
}

impl From<DecodeError> for Failure {
    fn from(_: DecodeError) -> Self {
        Self::Common(common::INVALID_WBXML)
    }
}

/// The HTTP status that says a common status to a version that has none (MS-ASCMD 2.2.2).
fn http_of(common: u16) -> StatusCode {
    match common {
        common::QUOTA | common::SEND_QUOTA => StatusCode::INSUFFICIENT_STORAGE,
        common::SERVER_ERROR | common::SUBMISSION_FAILED => StatusCode::INTERNAL_SERVER_ERROR,
        common::SERVER_ERROR_RETRY => StatusCode::SERVICE_UNAVAILABLE,
        126..=131 | common::NOT_FULLY_PROVISIONABLE | 145 | common::TOO_MANY_DEVICES => {
            StatusCode::FORBIDDEN
        }
        137 | 138 => StatusCode::NOT_IMPLEMENTED,
        140..=144 => StatusCode::from_u16(449).unwrap_or(StatusCode::FORBIDDEN),
        _ => StatusCode::BAD_REQUEST,
    }
}

/// Whether a phone takes compressed answers.
pub fn takes_gzip(request: &HeaderMap) -> bool {
    let accepts = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("gzip"));
    request.get_all(header::ACCEPT_ENCODING).iter().any(accepts)
}

/// Turns what a command came to into an HTTP response.
pub fn respond(
    outcome: Result<Answer, Failure>,
    command: Command,
    version: Version,
    gzip: bool,
) -> Response {
    match outcome {
        Ok(Answer::Empty) => StatusCode::OK.into_response(),
        Ok(Answer::Wbxml(bytes)) => packed("application/vnd.ms-sync.wbxml", bytes, gzip),
        Ok(Answer::Raw { content_type, bytes }) => plain(&content_type, Body::from(bytes)),
        Ok(Answer::Multipart(parts)) => {
            plain("application/vnd.ms-sync.multipart", Body::from(joined(&parts)))
        }
        Err(failure) => refused(failure, command, version, gzip),
    }
}

fn refused(failure: Failure, command: Command, version: Version, gzip: bool) -> Response {
    let status = match failure {
        Failure::Common(status) if version < Version::V14_0 => {
            return http_of(status).into_response();
        }
        Failure::Common(status) | Failure::Status(status) => status,
        Failure::Http(status) => return status.into_response(),
        Failure::LogIn => return crate::http::basic::Denied::Wrong.into_response(),
        Failure::Busy(seconds) => {
            let headers = [(header::RETRY_AFTER, seconds.to_string())];
            return (StatusCode::SERVICE_UNAVAILABLE, headers).into_response();
        }
    };
    let mut out = Writer::new();
    out.open(command.root());
    out.number(command.status(), status);
    out.close();
    packed("application/vnd.ms-sync.wbxml", out.finish(), gzip)
}

fn plain(content_type: &str, body: Body) -> Response {
    let kind = HeaderValue::from_str(content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

/// Compressed where the phone takes it and it pays.
fn packed(content_type: &str, bytes: Vec<u8>, gzip: bool) -> Response {
    if !gzip || bytes.len() < GZIP_FROM {
        return plain(content_type, Body::from(bytes));
    }
    let mut packer = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    match packer.write_all(&bytes).and_then(|()| packer.finish()) {
        Ok(packed) => {
            let mut response = plain(content_type, Body::from(packed));
            let gzip = HeaderValue::from_static("gzip");
            response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
            response
        }
        Err(_) => plain(content_type, Body::from(bytes)),
    }
}

/// A count, then offset and length of each part from the start, then the parts
/// (MS-ASCMD 2.2.1.10.1.1).
fn joined(parts: &[Bytes]) -> Vec<u8> {
    let head = 4 + 8 * parts.len();
    let mut out = Vec::with_capacity(head + parts.iter().map(Bytes::len).sum::<usize>());
    out.extend_from_slice(&(parts.len() as u32).to_le_bytes());
    let mut at = head;
    for part in parts {
        out.extend_from_slice(&(at as u32).to_le_bytes());
        out.extend_from_slice(&(part.len() as u32).to_le_bytes());
        at += part.len();
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_by_their_offsets() {
        let body = joined(&[Bytes::from_static(b"abc"), Bytes::from_static(b"de")]);
        assert_eq!(body, b"\x02\0\0\0\x14\0\0\0\x03\0\0\0\x17\0\0\0\x02\0\0\0abcde");
    }
}
