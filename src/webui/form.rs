//! Forms that change something, and how it is known that a page of ours sent them.
//!
//! Browsers send a log-in by HTTP Basic along with every request, also with one that a page from
//! elsewhere makes them send. So each form carries a token that only its own page knows, and what
//! browsers say about where a request came from is looked at as well.

use aws_lc_rs::hmac;
use axum::http::{HeaderMap, Uri, header};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::base::secret::Secret;
use crate::store::rows::account::Account;

/// Makes and checks the tokens. The key lives as long as the process: a page from before is asked
/// to be sent again.
pub struct Tokens(hmac::Key);

impl Tokens {
    pub fn new() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, Secret::random(32).expose()))
    }

    /// The token of the form at `path` for this person: good for nothing else, and no longer
    /// than the password.
    pub fn make(&self, account: &Account, path: &str) -> String {
        let tag = hmac::sign(&self.0, &bound_to(account, path));
        BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref())
    }

    pub fn is_right(&self, account: &Account, path: &str, token: &str) -> bool {
        let Ok(tag) = BASE64_URL_SAFE_NO_PAD.decode(token) else { return false };
        hmac::verify(&self.0, &bound_to(account, path), &tag).is_ok()
    }
}

fn bound_to(account: &Account, path: &str) -> Vec<u8> {
    let mut bound = Vec::from(account.id.0.to_be_bytes());
    bound.extend(account.credential_version.to_be_bytes());
    bound.extend(path.as_bytes());
    bound
}

/// The field of a form's body (`application/x-www-form-urlencoded`).
pub fn field(body: &[u8], name: &str) -> String {
    let found = form_urlencoded::parse(body).find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Whether a request may have been sent by a page of this server, as far as the browser tells
/// (Fetch Metadata, RFC 6454 §7). Programs that are no browsers say nothing, and the token decides.
pub fn is_ours(uri: &Uri, headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    // The scheme may differ behind a proxy that speaks TLS for us; the name does not.
    let origin = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
    // HTTP/2 has the name in the address (RFC 9113 §8.3.1).
    let host = uri.authority().map(|authority| authority.as_str());
    let host = host.or_else(|| headers.get(header::HOST)?.to_str().ok());
    match (origin, host) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::AccountId;

    fn account(id: u32, credential_version: u64) -> Account {
        Account {
            id: AccountId(id),
            address: "ben@office.example".into(),
            display_name: String::new(),
            admin: false,
            enabled: true,
            password: None,
            scram: None,
            credential_version,
            quota: None,
            created: 0,
            hidden: false,
            time_zone: None,
        }
    }

    #[test]
    fn a_token_is_good_for_one_form_of_one_person() {
        let tokens = Tokens::new();
        let ben = account(1, 1);
        let token = tokens.make(&ben, "/phones/1/remove");
        assert!(tokens.is_right(&ben, "/phones/1/remove", &token));
        for wrong in [
            tokens.is_right(&ben, "/phones/1/erase", &token),
            tokens.is_right(&account(2, 1), "/phones/1/remove", &token),
            tokens.is_right(&account(1, 2), "/phones/1/remove", &token),
            Tokens::new().is_right(&ben, "/phones/1/remove", &token),
            tokens.is_right(&ben, "/phones/1/remove", ""),
            tokens.is_right(&ben, "/phones/1/remove", "äöü"),
        ] {
            assert!(!wrong);
        }
    }

    #[test]
    fn what_browsers_say_of_where_a_request_came_from() {
        let site = "sec-fetch-site";
        for (wanted, told) in [
            (true, vec![]),
            (true, vec![(site, "same-origin"), ("origin", "https://mail.office.example")]),
            (true, vec![("origin", "https://Mail.office.example")]),
            (false, vec![(site, "cross-site")]),
            // A neighbour under the same domain.
            (false, vec![(site, "same-site"), ("origin", "https://mail.office.example")]),
            (false, vec![(site, "none")]),
            (false, vec![("origin", "https://evil.example")]),
            (false, vec![("origin", "https://mail.office.example:8443")]),
            (false, vec![("origin", "null")]),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", "mail.office.example".parse().unwrap());
            for (name, value) in &told {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(
                is_ours(&Uri::from_static("/phones/1/remove"), &headers),
                wanted,
                "{told:?}"
            );
            headers.remove("host");
            let whole = Uri::from_static("https://mail.office.example/phones/1/remove");
            assert_eq!(is_ours(&whole, &headers), wanted, "HTTP/2: {told:?}");
        }
    }

    #[test]
    fn fields_are_read() {
        assert_eq!(field(b"a=1&token=x%2By", "token"), "x+y");
        assert_eq!(field(b"\xff&&=%zz", "token"), "");
    }
}
