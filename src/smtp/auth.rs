//! AUTH on the submission ports. RFC 4954.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::base::limits;
use crate::format::sasl::{Exchange, Mechanism, Step};
use crate::format::smtp::Reply;
use crate::login::{Refused, ScramAttempt};
use crate::smtp::Role;
use crate::smtp::session::{Member, Session};
use crate::smtp::wire::{Lost, Wire};
use crate::store::rows::account::Account;

/// What EHLO says. PLAIN comes first: some clients take the first one they know, and fail with
/// SCRAM when the name or password is not ASCII.
pub(super) const OFFER: &str = "AUTH PLAIN LOGIN SCRAM-SHA-256";

/// Why an exchange ended without a log-in.
enum Failed {
    Lost(Lost),
    Answer(Reply),
}

impl From<Lost> for Failed {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self::Answer(match refused {
            // The same words whether the name exists or not.
            Refused::Wrong => Reply::new(535, (7, 8), "Name or password is wrong"),
            Refused::Throttled => Reply::new(454, (7, 0), "Too many wrong guesses, try later"),
            Refused::Unavailable => Reply::new(454, (7, 0), "Trouble on this side, try later"),
        })
    }
}

impl Session<'_> {
    pub(super) async fn auth(
        &mut self,
        wire: &mut Wire<'_>,
        mechanism: &str,
        initial: Option<&str>,
    ) -> Result<Reply, Lost> {
        if let Some(refusal) = self.may_not_log_in() {
            return Ok(refusal);
        }
        let Some(mechanism) = Mechanism::parse(mechanism) else {
            return Ok(Reply::new(504, (5, 4), "Mechanism is not offered"));
        };
        match self.exchange(wire, mechanism, initial).await {
            Ok(account) => {
                tracing::info!(
                    connection = self.peer.id,
                    ip = %self.peer.ip(),
                    account = account.address,
                    mechanism = mechanism.name(),
                    "logged in"
                );
                self.peer.welcome();
                self.member = Some(Member { account: account.id, name: account.address });
                Ok(Reply::new(235, (7, 0), "Welcome"))
            }
            Err(Failed::Answer(reply)) => {
                let (connection, ip) = (self.peer.id, self.peer.ip());
                tracing::info!(connection, %ip, code = reply.code, "log-in failed");
                Ok(reply)
            }
            Err(Failed::Lost(lost)) => Err(lost),
        }
    }

    fn may_not_log_in(&self) -> Option<Reply> {
        let text = if self.front.settings.role == Role::Inbound {
            return Some(Reply::new(502, (5, 1), "There is no log-in on this port"));
        } else if self.helo.as_ref().is_none_or(|helo| !helo.extended) {
            "Say EHLO first"
        } else if self.member.is_some() {
            "You are logged in already"
        } else if self.envelope.is_some() {
            "A message was begun already"
        } else if !self.may_send_password() {
            return Some(Reply::new(538, (7, 11), "Use STARTTLS first"));
        } else {
            return None;
        };
        Some(Reply::new(503, (5, 1), text))
    }

    async fn exchange(
        &mut self,
        wire: &mut Wire<'_>,
        mechanism: Mechanism,
        initial: Option<&str>,
    ) -> Result<Account, Failed> {
        let mut exchange = Exchange::new(mechanism);
        let mut scram: Option<ScramAttempt> = None;
        let mut response = match initial {
            // An empty initial response is sent as "=" (RFC 4954 §4).
            Some("=") => Vec::new(),
            Some(initial) => decode(initial.as_bytes())?,
            None => ask(wire, exchange.first()).await?,
        };
        let doorkeeper = &self.front.settings.doorkeeper;
        loop {
            let mut step = exchange.respond(&response);
            if let Step::Keys { name } = &step {
                let (keys, attempt) = doorkeeper.scram(self.peer.ip(), name).await?;
                scram = Some(attempt);
                step = exchange.keys(keys);
            }
            response = match step {
                Step::Challenge(challenge) => ask(wire, &challenge).await?,
                Step::Password(login) => {
                    let check = doorkeeper.check(self.peer.ip(), &login.name, login.password);
                    return Ok(check.await?);
                }
                Step::Proved { .. } => {
                    let attempt = scram.take().ok_or(Refused::Wrong)?;
                    return Ok(attempt.finish()?);
                }
                Step::Keys { .. } | Step::Failed => return Err(Refused::Wrong.into()),
            };
        }
    }
}

/// Sends a challenge and reads the response.
async fn ask(wire: &mut Wire<'_>, challenge: &[u8]) -> Result<Vec<u8>, Failed> {
    wire.send(&Reply::plain(334, BASE64_STANDARD.encode(challenge)));
    match wire.line(limits::SMTP_AUTH_LINE).await? {
        None => Err(Failed::Answer(Reply::new(500, (5, 6), "Line is too long"))),
        Some(line) if line.as_ref() == b"*" => {
            Err(Failed::Answer(Reply::new(501, (0, 0), "Log-in given up")))
        }
        Some(line) => decode(&line),
    }
}

fn decode(base64: &[u8]) -> Result<Vec<u8>, Failed> {
    let decoded = BASE64_STANDARD.decode(base64);
    decoded.map_err(|_| Failed::Answer(Reply::new(501, (5, 2), "Response is not base64")))
}
