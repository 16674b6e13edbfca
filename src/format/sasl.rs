//! SASL, the server's side: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 (RFC 5802, RFC 7677).
//!
//! One state machine for all fronts: it takes decoded responses and says what to do next.
//! Who an account is and whether a password is right is asked of the caller. No channel
//! binding (-PLUS) and no authorisation as somebody else.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::base::secret::{self, Secret};

/// Longest decoded response that is looked at; names and passwords are far shorter.
pub const RESPONSE_MAX: usize = 8192;

/// Iterations for new SCRAM keys (RFC 7677 §4 asks for at least 4,096). The argon2id hash
/// beside them guards a stolen store no better than the weaker of the two, so not fewer.
pub const SCRAM_ITERATIONS: u32 = 600_000;

const SHA256_LEN: usize = digest::SHA256_OUTPUT_LEN;

/// A mechanism that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Login,
    ScramSha256,
}

impl Mechanism {
    /// Finds a mechanism by its name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Plain, Self::Login, Self::ScramSha256]
            .into_iter()
            .find(|m| m.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
        }
    }
}

/// What the caller has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this challenge, base64-encoded, and bring the response to [`Exchange::respond`].
    Challenge(Vec<u8>),
    /// Check name and password; the exchange is over.
    Password(Login),
    /// Look up the SCRAM keys of this name and bring them to [`Exchange::keys`]. For an
    /// unknown name bring [`ScramKeys::decoy`], so that nothing tells who exists.
    Keys { name: String },
    /// The client has proved that it knows the password of this name.
    Proved { name: String },
    /// The client's proof or message is wrong; answer as for a wrong password.
    Failed,
}

/// A name and a password in plain text.
#[derive(Debug, PartialEq, Eq)]
pub struct Login {
    pub name: String,
    pub password: Secret,
}

/// One run of a mechanism.
#[derive(Debug)]
pub struct Exchange {
    state: State,
}

enum State {
    Plain,
    LoginName,
    LoginPassword { name: String },
    ScramFirst { server_nonce: String },
    ScramKeys { first: ScramFirst, server_nonce: String },
    ScramFinal { name: String, keys: ScramKeys, nonce: String, gs2: String, transcript: String },
    ScramConfirm { name: String },
    Over,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State(…)")
    }
}

impl Exchange {
    /// Begins. With no initial response the first thing to send is [`Exchange::first`].
    pub fn new(mechanism: Mechanism) -> Self {
        let nonce = BASE64_STANDARD.encode(secret::random::<18>());
        Self::with_nonce(mechanism, nonce)
    }

    fn with_nonce(mechanism: Mechanism, server_nonce: String) -> Self {
        let state = match mechanism {
            Mechanism::Plain => State::Plain,
            Mechanism::Login => State::LoginName,
            Mechanism::ScramSha256 => State::ScramFirst { server_nonce },
        };
        Self { state }
    }

    /// The challenge that stands for "go on" where the client sent no initial response.
    /// LOGIN's texts are what Outlook and others compare with.
    pub fn first(&self) -> &'static [u8] {
        match self.state {
            State::LoginName => b"Username:",
            _ => b"",
        }
    }

    /// Takes the client's next response, decoded.
    pub fn respond(&mut self, response: &[u8]) -> Step {
        let state = std::mem::replace(&mut self.state, State::Over);
        if response.len() > RESPONSE_MAX {
            return Step::Failed;
        }
        self.advance(state, response).unwrap_or(Step::Failed)
    }

    /// Takes the SCRAM keys that [`Step::Keys`] asked for.
    pub fn keys(&mut self, keys: ScramKeys) -> Step {
        let State::ScramKeys { first, server_nonce } =
            std::mem::replace(&mut self.state, State::Over)
        else {
            return Step::Failed;
        };
        let nonce = format!("{}{server_nonce}", first.nonce);
        let salt = BASE64_STANDARD.encode(keys.salt);
        let challenge = format!("r={nonce},s={salt},i={}", keys.iterations);
        let transcript = format!("{},{challenge}", first.bare);
        let (name, gs2) = (first.name, first.gs2);
        self.state = State::ScramFinal { name, keys, nonce, gs2, transcript };
        Step::Challenge(challenge.into_bytes())
    }

    fn advance(&mut self, state: State, response: &[u8]) -> Option<Step> {
        match state {
            State::Plain => plain(response),
            State::LoginName => {
                self.state = State::LoginPassword { name: name(response)? };
                Some(Step::Challenge(b"Password:".to_vec()))
            }
            State::LoginPassword { name } => {
                Some(Step::Password(Login { name, password: Secret::new(response) }))
            }
            State::ScramFirst { server_nonce } => {
                let first = ScramFirst::parse(response)?;
                let name = first.name.clone();
                self.state = State::ScramKeys { first, server_nonce };
                Some(Step::Keys { name })
            }
            State::ScramFinal { name, keys, nonce, gs2, transcript } => {
                let signature = check_proof(response, &keys, &nonce, &gs2, &transcript)?;
                self.state = State::ScramConfirm { name };
                Some(Step::Challenge(format!("v={signature}").into_bytes()))
            }
            // The client confirms the server's signature with an empty response.
            State::ScramConfirm { name } if response.is_empty() => Some(Step::Proved { name }),
            State::ScramConfirm { .. } | State::ScramKeys { .. } | State::Over => None,
        }
    }
}

/// `[authzid] NUL authcid NUL passwd` (RFC 4616 §2).
fn plain(response: &[u8]) -> Option<Step> {
    let mut fields = response.splitn(3, |b| *b == 0);
    let (acting_as, user, password) = (fields.next()?, fields.next()?, fields.next()?);
    if password.contains(&0) {
        return None;
    }
    let name = name(user)?;
    // Some clients fill in the authorisation identity with the same name.
    if !acting_as.is_empty() && !acting_as.eq_ignore_ascii_case(user) {
        return None;
    }
    Some(Step::Password(Login { name, password: Secret::new(password) }))
}

/// A login name: UTF-8 without control characters, not empty.
fn name(bytes: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(bytes).ok()?.trim();
    (!name.is_empty() && !name.chars().any(char::is_control)).then(|| name.to_owned())
}

/// client-first-message (RFC 5802 §7).
#[derive(Debug)]
struct ScramFirst {
    /// The GS2 header, which the client repeats in its final message.
    gs2: String,
    /// client-first-message-bare.
    bare: String,
    name: String,
    nonce: String,
}

impl ScramFirst {
    fn parse(message: &[u8]) -> Option<Self> {
        let message = std::str::from_utf8(message).ok()?;
        let mut fields = message.splitn(3, ',');
        let (binding, acting_as, bare) = (fields.next()?, fields.next()?, fields.next()?);
        // "p=" asks for channel binding, which is not offered.
        if !matches!(binding, "n" | "y") {
            return None;
        }
        let mut attributes = bare.split(',');
        // A mandatory extension "m=" would come first and is not known.
        let name_field = attributes.next()?.strip_prefix("n=")?;
        let name = name(unescape(name_field)?.as_bytes())?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        if nonce.is_empty() || !nonce.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let other = acting_as.strip_prefix("a=");
        let acting_as_ok = acting_as.is_empty() || other.is_some_and(|a| a == name_field);
        acting_as_ok.then(|| Self {
            gs2: format!("{binding},{acting_as},"),
            bare: bare.to_owned(),
            name,
            nonce: nonce.to_owned(),
        })
    }
}

/// A saslname: `=2C` is a comma, `=3D` an equals sign, and no other `=` may stand.
fn unescape(text: &str) -> Option<String> {
    let mut pieces = text.split('=');
    let mut out = pieces.next()?.to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2)?;
        match code {
            "2C" => out.push(','),
            "3D" => out.push('='),
            _ => return None,
        }
        out.push_str(rest);
    }
    Some(out)
}

/// Checks client-final-message and gives the server's signature (RFC 5802 §3, §7).
fn check_proof(
    response: &[u8],
    keys: &ScramKeys,
    nonce: &str,
    gs2: &str,
    transcript: &str,
) -> Option<String> {
    let message = std::str::from_utf8(response).ok()?;
    let (without_proof, proof) = message.rsplit_once(",p=")?;
    let proof: [u8; SHA256_LEN] = BASE64_STANDARD.decode(proof).ok()?.try_into().ok()?;
    let mut attributes = without_proof.split(',');
    let binding = attributes.next()?.strip_prefix("c=")?;
    let same_binding = BASE64_STANDARD.decode(binding).ok()? == gs2.as_bytes();
    let same_nonce = attributes.next()?.strip_prefix("r=")? == nonce;

    let signed = format!("{transcript},{without_proof}");
    let signature = hmac_sha256(&keys.stored_key, signed.as_bytes());
    let mut client_key = proof;
    client_key.iter_mut().zip(signature).for_each(|(key, byte)| *key ^= byte);
    let proved = secret::equal(&sha256(&client_key), &keys.stored_key);
    (same_binding && same_nonce && proved)
        .then(|| BASE64_STANDARD.encode(hmac_sha256(&keys.server_key, signed.as_bytes())))
}

/// What the server keeps to check SCRAM-SHA-256: no password can be computed from it other
/// than by guessing.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    pub salt: [u8; 16],
    pub iterations: u32,
    pub stored_key: [u8; SHA256_LEN],
    pub server_key: [u8; SHA256_LEN],
}

impl ScramKeys {
    /// Octets of the encoded form.
    pub const ENCODED_LEN: usize = 16 + 4 + 2 * SHA256_LEN;

    /// Makes the keys of a password with a new salt. Takes some 100 ms of computing.
    ///
    /// `None` if the password cannot be prepared (RFC 4013), e.g. is not UTF-8; such a
    /// password works with the other mechanisms only.
    pub fn derive(password: &Secret) -> Option<Self> {
        Self::derive_with(password, secret::random(), SCRAM_ITERATIONS)
    }

    fn derive_with(password: &Secret, salt: [u8; 16], iterations: u32) -> Option<Self> {
        let prepared = prepare(password)?;
        let mut salted = [0; SHA256_LEN];
        let rounds = NonZeroU32::new(iterations)?;
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, prepared.expose(), &mut salted);
        let stored_key = sha256(&hmac_sha256(&salted, b"Client Key"));
        let server_key = hmac_sha256(&salted, b"Server Key");
        Some(Self { salt, iterations, stored_key, server_key })
    }

    /// Keys for a name that does not exist: no proof fits them, and asking twice gives the
    /// same salt. `key` is a lasting secret of this server.
    pub fn decoy(key: &Secret, name: &str) -> Self {
        let tag = hmac_sha256(key.expose(), name.to_lowercase().as_bytes());
        let mut salt = [0; 16];
        salt.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
        Self {
            salt,
            iterations: SCRAM_ITERATIONS,
            stored_key: secret::random(),
            server_key: secret::random(),
        }
    }

    /// The form that is stored.
    pub fn encode(&self) -> [u8; Self::ENCODED_LEN] {
        let mut out = [0; Self::ENCODED_LEN];
        let fields = [&self.salt[..], &self.iterations.to_be_bytes(), &self.stored_key];
        let bytes = fields.into_iter().flatten().chain(&self.server_key);
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (salt, rest) = bytes.split_first_chunk()?;
        let (iterations, rest) = rest.split_first_chunk()?;
        let (stored_key, rest) = rest.split_first_chunk()?;
        Some(Self {
            salt: *salt,
            iterations: u32::from_be_bytes(*iterations),
            stored_key: *stored_key,
            server_key: rest.try_into().ok()?,
        })
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(…)")
    }
}

/// SASLprep (RFC 4013), which both sides apply before hashing.
fn prepare(password: &Secret) -> Option<Secret> {
    let prepared = stringprep::saslprep(password.expose_str()?).ok()?;
    (!prepared.is_empty()).then(|| Secret::from(prepared.as_ref()))
}

fn sha256(bytes: &[u8]) -> [u8; SHA256_LEN] {
    copy(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hmac_sha256(key: &[u8], bytes: &[u8]) -> [u8; SHA256_LEN] {
    copy(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref())
}

fn copy(bytes: &[u8]) -> [u8; SHA256_LEN] {
    let mut out = [0; SHA256_LEN];
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(step: Step) -> (String, String) {
        match step {
            Step::Password(login) => {
                (login.name, login.password.expose_str().unwrap_or("?").to_owned())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plain_takes_name_and_password() {
        let run = |response: &[u8]| Exchange::new(Mechanism::Plain).respond(response);
        assert_eq!(password(run(b"\0anna@x.org\0pa ss")), ("anna@x.org".into(), "pa ss".into()));
        assert_eq!(password(run(b"anna@x.org\0Anna@X.org\0p")).0, "Anna@X.org");
        for bad in [&b""[..], b"\0a", b"\0\0p", b"bob\0anna\0p", b"\0a\0p\0q", b"\0\xff\0p"] {
            assert_eq!(run(bad), Step::Failed, "{bad:?}");
        }
    }

    #[test]
    fn login_asks_twice() {
        let mut exchange = Exchange::new(Mechanism::Login);
        assert_eq!(exchange.first(), b"Username:");
        assert_eq!(exchange.respond(b"anna"), Step::Challenge(b"Password:".to_vec()));
        assert_eq!(password(exchange.respond(b"secret")), ("anna".into(), "secret".into()));
        assert_eq!(exchange.respond(b"again"), Step::Failed);
    }

    /// The example of RFC 7677 §3.
    #[test]
    fn scram_as_in_the_standard() {
        let salt: [u8; 16] =
            BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let keys = ScramKeys::derive_with(&"pencil".into(), salt, 4096).unwrap();
        let nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned();
        let mut exchange = Exchange::with_nonce(Mechanism::ScramSha256, nonce);

        let step = exchange.respond(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        assert_eq!(step, Step::Keys { name: "user".into() });
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(exchange.keys(keys), Step::Challenge(challenge.into()));
        let answer = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                      p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let signature = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(exchange.respond(answer.as_bytes()), Step::Challenge(signature.into()));
        assert_eq!(exchange.respond(b""), Step::Proved { name: "user".into() });
    }

    /// A client, for the cases in which the proof is right or nearly so.
    fn client_final(secret: &str, keys: &ScramKeys, first: &str, challenge: &[u8]) -> String {
        let challenge = std::str::from_utf8(challenge).unwrap();
        let nonce = challenge.split(',').next().unwrap();
        let mut salted = [0; 32];
        let rounds = NonZeroU32::new(keys.iterations).unwrap();
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, rounds, &keys.salt, secret.as_bytes(), &mut salted);
        let client_key = hmac_sha256(&salted, b"Client Key");
        let bare = first.split_once(",,").unwrap().1;
        let signed = format!("{bare},{challenge},c=biws,{nonce}");
        let mut proof = hmac_sha256(&sha256(&client_key), signed.as_bytes());
        proof.iter_mut().zip(client_key).for_each(|(p, k)| *p ^= k);
        format!("c=biws,{nonce},p={}", BASE64_STANDARD.encode(proof))
    }

    fn scram_with(used: &str, keys: ScramKeys, damage: impl Fn(String) -> String) -> Step {
        let first = "n,,n=anna=2Cx,r=abc";
        let mut exchange = Exchange::new(Mechanism::ScramSha256);
        let step = exchange.respond(first.as_bytes());
        assert_eq!(step, Step::Keys { name: "anna,x".into() });
        let Step::Challenge(challenge) = exchange.keys(keys.clone()) else { panic!() };
        let answer = damage(client_final(used, &keys, first, &challenge));
        match exchange.respond(answer.as_bytes()) {
            Step::Challenge(_) => exchange.respond(b""),
            other => other,
        }
    }

    #[test]
    fn scram_takes_only_the_right_proof() {
        let keys = || ScramKeys::derive_with(&"pencil".into(), [7; 16], 4096).unwrap();
        let proved = Step::Proved { name: "anna,x".into() };
        assert_eq!(scram_with("pencil", keys(), |a| a), proved);
        assert_eq!(scram_with("pencils", keys(), |a| a), Step::Failed);
        assert_eq!(scram_with("pencil", keys(), |a| a.replace("r=abc", "r=abd")), Step::Failed);
        assert_eq!(scram_with("pencil", keys(), |a| a.replace("biws", "eSws")), Step::Failed);
        assert_eq!(scram_with("pencil", keys(), |a| a.replace(",p=", ",q=")), Step::Failed);
    }

    #[test]
    fn scram_first_messages_that_are_refused() {
        for bad in [
            "",
            "n,,",
            "p=tls-unique,,n=a,r=b",
            "n,a=other,n=a,r=b",
            "n,,m=x,n=a,r=b",
            "n,,n=,r=b",
            "n,,n=a,r=",
            "n,,n=a=2D,r=b",
            "n,,n=a=,r=b",
        ] {
            let step = Exchange::new(Mechanism::ScramSha256).respond(bad.as_bytes());
            assert_eq!(step, Step::Failed, "{bad}");
        }
    }

    #[test]
    fn unknown_names_get_a_steady_salt() {
        let key = Secret::random(32);
        let (a, b) = (ScramKeys::decoy(&key, "Nobody@x"), ScramKeys::decoy(&key, "nobody@x"));
        assert_eq!((a.salt, a.iterations), (b.salt, SCRAM_ITERATIONS));
        assert_ne!(a.salt, ScramKeys::decoy(&key, "other@x").salt);
    }

    #[test]
    fn keys_are_stored_and_read() {
        let keys = ScramKeys::derive_with(&"pencil".into(), [7; 16], 4096).unwrap();
        assert_eq!(ScramKeys::decode(&keys.encode()), Some(keys.clone()));
        assert_eq!(ScramKeys::decode(&keys.encode()[1..]), None);
        assert!(ScramKeys::derive_with(&Secret::new(vec![0xff]), [7; 16], 4096).is_none());
        // SASLprep: a soft hyphen vanishes, a wide space becomes a space (RFC 4013 §2.1).
        let soft = ScramKeys::derive_with(&"pen\u{ad}cil".into(), [7; 16], 4096);
        assert_eq!(soft, Some(keys));
    }

    proptest::proptest! {
        #[test]
        fn no_response_is_dangerous(
            responses in proptest::collection::vec(proptest::collection::vec(0u8..=255, 0..40), 1..4)
        ) {
            for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256] {
                let mut exchange = Exchange::new(mechanism);
                for response in &responses {
                    if let Step::Keys { name } = exchange.respond(response) {
                        exchange.keys(ScramKeys::decoy(&"k".into(), &name));
                    }
                }
            }
        }
    }
}
