//! One conversation: the order of commands and the state between them. RFC 5321 §3, §4.1.4.

use std::borrow::Cow;

use crate::base::id::AccountId;
use crate::base::limits;
use crate::base::metrics::Metric;
use crate::delivery::recipient::{self, Asker};
use crate::delivery::{Envelope, Incoming, Refusal, submit};
use crate::format::smtp::{self, Command, CommandError, Mail, Rcpt, Reply};
use crate::net::Peer;
use crate::smtp::replies;
use crate::smtp::wire::{Lost, Wire};
use crate::smtp::{Front, Role};

static COMMANDS: Metric = Metric::counter("kontor_smtp_commands_total", "SMTP commands.");
static REFUSED: Metric =
    Metric::counter("kontor_smtp_refused_total", "SMTP commands and messages refused for good.");

/// Commands that lead to no message and that a client may send before each further one counts
/// as an error: holding a connection busy is not free.
const IDLE_COMMANDS: u32 = 100;

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Close,
    StartTls,
}

/// What a command does to the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Go,
    End(Next),
}

/// Who has logged in.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub account: AccountId,
    pub name: String,
}

/// What the client called itself.
pub(super) struct Helo {
    pub name: String,
    pub extended: bool,
}

/// The state of one connection.
pub(super) struct Session<'f> {
    pub front: &'f Front,
    pub peer: Peer,
    pub tls: Option<String>,
    pub helo: Option<Helo>,
    pub member: Option<Member>,
    /// From MAIL to the end of the data.
    pub envelope: Option<Envelope>,
    /// From the first BDAT on.
    pub chunks: Option<Incoming>,
    greeted: bool,
    errors: u32,
    idle_commands: u32,
}

impl<'f> Session<'f> {
    pub fn new(front: &'f Front, peer: Peer) -> Self {
        Self {
            front,
            peer,
            tls: None,
            helo: None,
            member: None,
            envelope: None,
            chunks: None,
            greeted: false,
            errors: 0,
            idle_commands: 0,
        }
    }

    /// Talks until the client goes, is sent away, or has asked for TLS. After STARTTLS it is
    /// called again and knows nothing of before (RFC 3207 §4.2).
    pub async fn converse(&mut self, wire: &mut Wire<'_>) -> Next {
        let hostname = &self.front.settings.hostname;
        if !std::mem::replace(&mut self.greeted, true) {
            wire.send(&Reply::plain(220, format!("{hostname} ESMTP Kontor")));
        }
        let lost = match self.commands(wire).await {
            Ok(next) => return next,
            Err(lost) => lost,
        };
        match lost {
            Lost::Closed => {}
            Lost::Silent => wire.send(&Reply::new(421, (4, 2), "You were silent for too long")),
            Lost::Shutdown => wire.send(&Reply::new(421, (3, 2), "Going down, come back later")),
        }
        Next::Close
    }

    async fn commands(&mut self, wire: &mut Wire<'_>) -> Result<Next, Lost> {
        loop {
            let Some(line) = wire.line(limits::SMTP_COMMAND_LINE).await? else {
                self.answer(wire, Reply::new(500, (5, 2), "Line is too long"));
                continue;
            };
            COMMANDS.add(1);
            let flow = match smtp::command::parse(&line) {
                Ok(command) => self.run(wire, command).await?,
                Err(error) => {
                    self.answer(wire, error.reply());
                    match error {
                        CommandError::OtherProtocol => Flow::End(Next::Close),
                        _ => Flow::Go,
                    }
                }
            };
            if let Flow::End(next) = flow {
                return Ok(next);
            }
            if self.errors >= limits::SMTP_ERRORS {
                tracing::info!(connection = self.peer.id, ip = %self.peer.ip(), "too many errors");
                wire.send(&Reply::new(421, (7, 0), "Too many errors"));
                return Ok(Next::Close);
            }
        }
    }

    async fn run(&mut self, wire: &mut Wire<'_>, command: Command<'_>) -> Result<Flow, Lost> {
        self.count_idle(&command);
        let reply = match command {
            Command::Ehlo(name) => self.ehlo(name),
            Command::Helo(name) => {
                self.greet(name, false);
                Reply::plain(250, self.front.settings.hostname.to_string())
            }
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(rcpt) => self.rcpt(rcpt),
            Command::Data => self.data(wire).await?,
            Command::Bdat { size, last } => self.bdat(wire, size, last).await?,
            Command::Rset => {
                self.reset();
                Reply::new(250, (0, 0), "Ok")
            }
            Command::Noop => Reply::new(250, (0, 0), "Ok"),
            Command::Help => Reply::new(214, (0, 0), "See RFC 5321"),
            // Who exists is told by RCPT alone, where it is counted.
            Command::Vrfy => Reply::new(252, (0, 0), "Send a message to find out"),
            Command::Expn => Reply::new(502, (5, 1), "Lists are not shown"),
            Command::Auth { mechanism, initial } => self.auth(wire, mechanism, initial).await?,
            Command::StartTls => return self.start_tls(wire).await,
            Command::Quit => {
                wire.send(&Reply::new(221, (0, 0), "Bye"));
                return Ok(Flow::End(Next::Close));
            }
        };
        self.answer(wire, reply);
        Ok(Flow::Go)
    }

    /// Sends a reply and counts it if it is an error of the client.
    fn answer(&mut self, wire: &mut Wire<'_>, reply: Reply) {
        if reply.code >= 500 {
            self.errors += 1;
            REFUSED.add(1);
            let code = reply.code;
            tracing::debug!(connection = self.peer.id, ip = %self.peer.ip(), code, "refused");
        }
        wire.send(&reply);
    }

    fn count_idle(&mut self, command: &Command<'_>) {
        match command {
            Command::Data | Command::Bdat { .. } => self.idle_commands = 0,
            Command::Mail(_) | Command::Rcpt(_) | Command::Quit => {}
            _ => {
                self.idle_commands += 1;
                self.errors += u32::from(self.idle_commands > IDLE_COMMANDS);
            }
        }
    }

    /// Forgets the message that was begun.
    pub fn reset(&mut self) {
        self.envelope = None;
        self.chunks = None;
    }

    fn greet(&mut self, name: String, extended: bool) {
        self.reset();
        self.helo = Some(Helo { name, extended });
    }

    fn ehlo(&mut self, name: String) -> Reply {
        self.greet(name, true);
        let settings = &self.front.settings;
        let mut lines: Vec<Cow<'static, str>> = vec![
            settings.hostname.to_string().into(),
            "PIPELINING".into(),
            format!("SIZE {}", settings.limits.message_size).into(),
            "8BITMIME".into(),
            "SMTPUTF8".into(),
            "CHUNKING".into(),
            "ENHANCEDSTATUSCODES".into(),
            "DSN".into(),
        ];
        if self.tls.is_none() {
            lines.push("STARTTLS".into());
        }
        if settings.role == Role::Submission && self.may_send_password() {
            lines.push(super::auth::OFFER.into());
        }
        Reply::multi(250, lines)
    }

    /// Whether a password may travel on this connection.
    pub fn may_send_password(&self) -> bool {
        self.tls.is_some() || self.peer.is_loopback() || self.front.settings.allow_plaintext_login
    }

    async fn start_tls(&mut self, wire: &mut Wire<'_>) -> Result<Flow, Lost> {
        if self.tls.is_some() {
            self.answer(wire, Reply::new(503, (5, 1), "TLS is up already"));
            return Ok(Flow::Go);
        }
        if wire.has_input() {
            // Pipelined behind STARTTLS: somebody in between may have put it there.
            tracing::info!(connection = self.peer.id, ip = %self.peer.ip(), "input behind STARTTLS dropped");
        }
        wire.send(&Reply::new(220, (0, 0), "Go ahead"));
        wire.flush().await?;
        self.reset();
        (self.helo, self.member) = (None, None);
        Ok(Flow::End(Next::StartTls))
    }

    fn mail(&mut self, mail: Mail) -> Reply {
        let settings = &self.front.settings;
        let limit = settings.limits.message_size;
        if self.helo.is_none() {
            return Reply::new(503, (5, 1), "Say EHLO first");
        }
        if self.envelope.is_some() {
            return Reply::new(503, (5, 1), "A message was begun already");
        }
        if settings.role == Role::Submission && self.member.is_none() {
            let tls_first = !self.may_send_password();
            let text = if tls_first { "Use STARTTLS, then log in" } else { "Log in first" };
            return Reply::new(530, (7, 0), text);
        }
        if mail.size.is_some_and(|size| size > limit) {
            return replies::too_large(limit);
        }
        if !self.front.store.writable() {
            return replies::refusal(&Refusal::NoRoom);
        }
        if let (Some(member), Some(sender)) = (&self.member, &mail.sender) {
            let snapshot = self.front.store.read();
            if let Err(why) = submit::check_sender(&snapshot, member.account, sender) {
                return self.refused(&why);
            }
        }
        self.envelope = Some(Envelope { mail, recipients: Vec::new() });
        Reply::new(250, (1, 0), "Sender ok")
    }

    fn rcpt(&mut self, rcpt: Rcpt) -> Reply {
        let settings = &self.front.settings;
        let Some(envelope) = &mut self.envelope else {
            return Reply::new(503, (5, 1), "Say MAIL first");
        };
        if self.chunks.is_some() {
            return Reply::new(503, (5, 1), "The message has begun already");
        }
        if rcpt.utf8 && !envelope.mail.smtputf8 {
            return CommandError::NeedsUtf8.reply();
        }
        if envelope.recipients.len() >= settings.limits.recipients {
            return Reply::new(452, (5, 3), "Too many recipients, send to the others later");
        }
        let asker = if self.member.is_some() { Asker::Member } else { Asker::Stranger };
        let size = envelope.mail.size.unwrap_or(0);
        let snapshot = self.front.store.read();
        match recipient::resolve(&snapshot, rcpt, asker, size, &settings.hostname) {
            Ok(recipient) => {
                envelope.recipients.push(recipient);
                Reply::new(250, (1, 5), "Recipient ok")
            }
            Err(why) => self.refused(&why),
        }
    }

    /// Logs a refusal and words it.
    pub fn refused(&self, why: &Refusal) -> Reply {
        let (connection, ip) = (self.peer.id, self.peer.ip());
        match why {
            Refusal::Store(error) => tracing::error!(connection, %ip, error, "delivery failed"),
            why => tracing::info!(connection, %ip, %why, "mail refused"),
        }
        replies::refusal(why)
    }
}
