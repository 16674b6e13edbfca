//! Secrets: values that no log shows, comparison that does not tell how far it got, tokens.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// A password, token or key. `Debug` shows nothing of it, and its memory is wiped.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The secret itself: the name stands out where it is used.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text, if it is UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A new secret of so many random octets.
    pub fn random(octets: usize) -> Self {
        let mut bytes = vec![0; octets];
        fill_random(&mut bytes);
        Self::new(bytes)
    }

    /// A new random token of 256 bits in URL-safe letters.
    pub fn token() -> Self {
        Self::new(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Constant-time in the content; only a difference in length shows.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        equal(&self.0, &other.0)
    }
}

impl Eq for Secret {}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// Compares without telling by its time where the first difference is.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    verify_slices_are_equal(a, b).is_ok()
}

/// Fills the buffer from the system's random generator.
///
/// Panics if the system has none, as nothing secret can be made then.
pub fn fill_random(buffer: &mut [u8]) {
    if SystemRandom::new().fill(buffer).is_err() {
        panic!("the system's random generator failed");
    }
}

/// So many octets from the system's random generator.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill_random(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows() {
        let secret = Secret::from("hunter2");
        assert!(!format!("{secret:?} {:?}", Some(&secret)).contains("hunter"));
        assert_eq!(secret.expose_str(), Some("hunter2"));
    }

    #[test]
    fn comparison() {
        assert_eq!(Secret::from("a"), Secret::from("a"));
        assert_ne!(Secret::from("a"), Secret::from("b"));
        assert_ne!(Secret::from("a"), Secret::from("ab"));
    }

    #[test]
    fn tokens_differ_and_fit_a_url() {
        let (a, b) = (Secret::token(), Secret::token());
        assert_ne!(a, b);
        assert_eq!(a.len(), 43);
        assert!(a.expose().iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b)));
    }
}
