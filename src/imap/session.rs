//! One session: the next command, or a change, or the end; then what is new.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::base::metrics::Metric;
use crate::base::uidset::UidSet;
use crate::imap::Front;
use crate::imap::cmd;
use crate::imap::codec::decode::{self, Dialect};
use crate::imap::codec::encode;
use crate::imap::codec::frame::{Announced, Event, Framer, Limits};
use crate::imap::codec::table::{self, Offer, Spec, State};
use crate::imap::codec::types::{Code, Reply, Request, Status, Tag};
use crate::imap::failure::{Failure, Result, try_create};
use crate::imap::search::Contexts;
use crate::imap::sync::Keywords;
use crate::imap::view::View;
use crate::imap::wire::Wire;
use crate::net::{Connection, Peer, Shutdown, Tls};
use crate::store::engine::BodyRef;
use crate::store::hub::Watch;
use crate::store::rows::account::Account;
use crate::store::{Spool, Store};

static COMMANDS: Metric = Metric::counter("kontor_imap_commands_total", "IMAP commands.");

/// Pipelined APPENDs whose commit is under way at once: they share its sync.
const IN_FLIGHT: usize = 64;

/// What the client has switched on (RFC 5161, RFC 7162 §3.1).
#[derive(Clone, Copy, Default, Debug)]
pub struct Enabled {
    pub condstore: bool,
    pub qresync: bool,
    pub utf8: bool,
    pub rev2: bool,
    pub uid_only: bool,
}

/// Who is logged in.
pub struct LoggedIn {
    pub account: Account,
    pub watch: Watch,
    pub keywords: Keywords,
}

/// A command whose change is on its way to the disk while the next ones are read.
pub struct InFlight {
    pub tag: Tag,
    pub spec: &'static Spec,
    pub done: Pin<Box<dyn Future<Output = Result<Reply>> + Send>>,
    pub began: Instant,
}

/// A large literal of the command that is being read.
pub enum Diverted {
    Coming(Box<dyn Spool>),
    Here(BodyRef),
    /// The disk refused; the rest of the payload is read past.
    Failed(Reply),
}

/// Whether the session goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    Continue,
    End,
}

pub struct Session {
    pub front: Arc<Front>,
    pub wire: Wire,
    pub peer: Peer,
    pub tls: Tls,
    pub shutdown: Shutdown,
    pub login: Option<LoggedIn>,
    pub view: Option<View>,
    pub enabled: Enabled,
    pub diverted: Vec<Diverted>,
    pub in_flight: VecDeque<InFlight>,
    pub contexts: Contexts,
    pub notify: cmd::notify::Notify,
    /// Set by LOGOUT.
    pub ended: bool,
    /// Set by a command whose tagged answer had to go out earlier (STARTTLS, COMPRESS).
    pub said: bool,
    errors: u32,
}

impl Session {
    pub fn new(front: Arc<Front>, connection: Connection) -> Self {
        let Connection { stream, peer, tls, shutdown } = connection;
        Self {
            front,
            wire: Wire::new(stream, Framer::new(Limits::before_login())),
            peer,
            tls,
            shutdown,
            login: None,
            view: None,
            enabled: Enabled::default(),
            diverted: Vec::new(),
            in_flight: VecDeque::new(),
            contexts: Contexts::default(),
            notify: cmd::notify::Notify::default(),
            ended: false,
            said: false,
            errors: 0,
        }
    }

    pub fn store(&self) -> &Store {
        &self.front.store
    }

    /// The account, for commands that the table lets through only after log-in.
    pub fn account(&self) -> Result<&Account> {
        self.login.as_ref().map(|login| &login.account).ok_or_else(|| wrong_state().into())
    }

    /// The selected mailbox, for commands of the selected state.
    pub fn view(&self) -> Result<&View> {
        self.view.as_ref().ok_or_else(|| wrong_state().into())
    }

    pub fn view_mut(&mut self) -> Result<&mut View> {
        self.view.as_mut().ok_or_else(|| wrong_state().into())
    }

    /// The selected mailbox, if it may be changed.
    pub fn writable_view(&self) -> Result<&View> {
        let view = self.view()?;
        match view.read_only {
            true => Err(Reply::no("The mailbox is open for reading only").into()),
            false => Ok(view),
        }
    }

    /// Whether a password may be sent over this connection.
    pub fn may_log_in(&self) -> bool {
        self.wire.is_tls() || self.peer.is_loopback() || self.front.settings.allow_plaintext_login
    }

    /// What CAPABILITY says now.
    pub fn capabilities(&self) -> String {
        table::capabilities(&Offer {
            logged_in: self.login.is_some(),
            starttls: !self.wire.is_tls(),
            passwords: self.may_log_in(),
            compressed: self.wire.is_compressed(),
            append_limit: self.front.settings.limits.message_size,
        })
    }

    /// Runs the session to its end.
    pub async fn run(mut self) {
        let greeting = Reply::ok(format!("{} Kontor ready", self.front.settings.hostname))
            .with(Code::Capability(self.capabilities().into()));
        encode::untagged(&mut self.wire.out, &greeting);
        loop {
            match Box::pin(self.work()).await {
                Ok(Next::Continue) => {}
                Ok(Next::End) => break,
                Err(Failure::Reply(reply)) => {
                    encode::untagged(&mut self.wire.out, &reply);
                    break;
                }
                // Something was said that ends the session.
                Err(Failure::Io(_)) if self.ended => break,
                Err(Failure::Io(error)) => {
                    tracing::debug!(connection = self.peer.id, %error, "IMAP connection lost");
                    return;
                }
            }
            self.wire.release();
            match self.wait().await {
                Ok(Next::Continue) => {}
                Ok(Next::End) => break,
                Err(_) if self.ended => break,
                Err(_) => return,
            }
        }
        self.wire.close().await;
    }

    /// Handles everything that has been read.
    async fn work(&mut self) -> Result<Next> {
        loop {
            while let Some(event) = self.wire.framer.next_event() {
                if self.event(event).await? == Next::End {
                    return Ok(Next::End);
                }
                self.wire.flush_chunk().await?;
            }
            if !self.read_on().await? {
                break;
            }
        }
        self.settle().await?;
        self.wire.flush().await?;
        Ok(Next::Continue)
    }

    /// While commits are under way, what the client pipelines is read on, and commands are
    /// answered as they become durable. Says whether something was read before all of them were.
    async fn read_on(&mut self) -> Result<bool> {
        loop {
            let room = self.in_flight.len() < IN_FLIGHT;
            let Self { in_flight, wire, .. } = self;
            let Some(first) = in_flight.front_mut() else { return Ok(false) };
            let result = tokio::select! {
                biased;
                filled = wire.fill(), if room => return Ok(filled?),
                result = &mut first.done => result,
            };
            self.answer_done(result).await?;
            self.wire.flush().await?;
        }
    }

    /// Waits for input; tells of changes meanwhile if NOTIFY asked for it.
    async fn wait(&mut self) -> Result<Next> {
        let limits = &self.front.settings.limits;
        let patience = match self.login {
            Some(_) => limits.imap_idle_secs,
            None => limits.imap_login_secs,
        };
        let deadline = tokio::time::sleep(Duration::from_secs(patience));
        tokio::pin!(deadline);
        loop {
            let shutdown = self.shutdown.clone();
            let pushed = async {
                match &mut self.login {
                    Some(login) if self.notify.is_on() => drop(login.watch.changed().await),
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                filled = self.wire.fill() => {
                    return Ok(if filled? { Next::Continue } else { Next::End });
                }
                () = pushed => {
                    Box::pin(self.push()).await?;
                    self.wire.flush().await?;
                    self.wire.release();
                }
                () = shutdown.wait() => return self.bye("Server is shutting down"),
                () = &mut deadline => return self.bye("Idle for too long"),
            }
        }
    }

    /// Tells of changes outside of any command.
    async fn push(&mut self) -> Result<()> {
        cmd::notify::push(self).await
    }

    pub fn bye(&mut self, text: &'static str) -> Result<Next> {
        let bye = Reply::bye(text).with(Code::Unavailable);
        encode::untagged(&mut self.wire.out, &bye);
        Ok(Next::End)
    }

    /// How this client's bytes are read, by what it has switched on.
    fn dialect(&self) -> Dialect {
        let utf8 = self.enabled.utf8 || self.enabled.rev2;
        Dialect { utf8, utf8_accept: self.enabled.utf8 }
    }

    async fn event(&mut self, event: Event) -> Result<Next> {
        match event {
            Event::Command(frame) => {
                match decode::decode(&frame, self.dialect()) {
                    Ok(request) => return self.command(request).await,
                    Err(error) => {
                        self.settle().await?;
                        if let (Some(Code::BadCharset(_)), Some(view)) =
                            (&error.reply.code, &mut self.view)
                        {
                            // A pipelined STORE must not hit what `$` was before (RFC 5182 §2.1).
                            view.saved = UidSet::new();
                        }
                        self.say(error.tag.as_ref(), &error.reply);
                        self.diverted.clear();
                        return self.strike(error.reply.status);
                    }
                }
            }
            Event::Literal(announced) => self.literal(announced).await?,
            Event::Chunk { data, last } => self.chunk(&data, last),
            Event::Refused { tag, reply } => {
                self.settle().await?;
                self.say(tag.as_ref(), &reply);
                self.diverted.clear();
                return self.strike(Status::No);
            }
            Event::Fatal(reply) => {
                self.settle().await?;
                encode::untagged(&mut self.wire.out, &reply);
                return Ok(Next::End);
            }
        }
        Ok(Next::Continue)
    }

    /// Counts a command that made no sense; a client that sends nothing else is no client.
    fn strike(&mut self, status: Status) -> Result<Next> {
        if status == Status::Bad {
            self.errors += 1;
        }
        let limit = crate::base::limits::IMAP_ERRORS;
        if self.errors >= limit && (self.login.is_none() || self.errors >= 10 * limit) {
            return self.bye("Too many errors");
        }
        Ok(Next::Continue)
    }

    /// A literal is about to come: refuse it while the client still waits, or say go on.
    async fn literal(&mut self, announced: Announced) -> Result<()> {
        // What the client has asked for before must be answered while it waits.
        if announced.sync {
            self.settle().await?;
        }
        if announced.message
            && let Err(failure) = self.may_come(announced.size)
        {
            self.wire.framer.refuse(reply_of(failure));
            return Ok(());
        }
        if announced.diverted.is_some() {
            let spool = self.store().spool();
            self.diverted.push(match spool {
                Ok(spool) => Diverted::Coming(spool),
                Err(error) => Diverted::Failed(reply_of(error.into())),
            });
        }
        if announced.sync {
            self.wire.out.extend_from_slice(b"+ Go ahead\r\n");
            self.wire.flush().await?;
        }
        Ok(())
    }

    /// Whether a message of this size could be stored where the command wants it.
    fn may_come(&self, size: u64) -> Result<()> {
        let account = self.account()?.id;
        let snapshot = self.store().read();
        crate::domain::quota::require(&snapshot, account, size)?;
        if let Some(name) = decode::append_mailbox(&self.wire.framer.pending(), self.dialect()) {
            crate::domain::mailbox::find(&snapshot, account, name.as_str())
                .map_err(|error| try_create(Failure::from(error)))?;
        }
        Ok(())
    }

    fn chunk(&mut self, data: &[u8], last: bool) {
        let Some(diverted) = self.diverted.last_mut() else { return };
        let failed = Diverted::Failed(Reply::no("The message was lost on its way"));
        *diverted = match std::mem::replace(diverted, failed) {
            Diverted::Coming(mut spool) => match spool.write(data) {
                Ok(()) if last => match spool.finish() {
                    Ok(body) => Diverted::Here(body),
                    Err(error) => {
                        Diverted::Failed(reply_of(crate::store::Error::from(error).into()))
                    }
                },
                Ok(()) => Diverted::Coming(spool),
                Err(error) => Diverted::Failed(reply_of(crate::store::Error::from(error).into())),
            },
            other => other,
        };
    }

    async fn command(&mut self, request: Request) -> Result<Next> {
        COMMANDS.add(1);
        let began = Instant::now();
        let Request { tag, spec, command } = request;
        if !self.may_run(spec) {
            self.diverted.clear();
            self.settle().await?;
            encode::tagged(&mut self.wire.out, &tag, &wrong_state());
            return self.strike(Status::Bad);
        }
        if self.enabled.uid_only && spec.needs_numbers() {
            self.diverted.clear();
            self.settle().await?;
            let text = "Message numbers are not used in this session";
            encode::tagged(&mut self.wire.out, &tag, &Reply::bad(text).with(Code::UidRequired));
            return self.strike(Status::Bad);
        }
        let command = match Box::pin(cmd::append::begin(self, &tag, spec, command)).await {
            // An APPEND whose commit is under way; its answer comes with the group's.
            Ok(None) => {
                // Or the next command would find this one's messages under its own numbers.
                self.diverted.clear();
                if self.in_flight.len() >= IN_FLIGHT {
                    self.settle().await?;
                }
                return Ok(Next::Continue);
            }
            Ok(Some(command)) => Ok(command),
            Err(failure) => Err(failure),
        };
        self.settle().await?;
        let result = match command {
            Ok(command) => cmd::run(self, &tag, command).await,
            Err(failure) => Err(failure),
        };
        self.diverted.clear();
        let reply = match result {
            Ok(reply) => reply,
            Err(Failure::Reply(reply)) => reply,
            Err(failure) => return Err(failure),
        };
        if !self.ended {
            Box::pin(self.sync(spec.may_expunge())).await?;
        }
        self.finish(&tag, spec, &reply, began);
        if self.ended {
            return Ok(Next::End);
        }
        self.strike(reply.status)
    }

    /// Says how a command ended.
    fn finish(&mut self, tag: &Tag, spec: &Spec, reply: &Reply, began: Instant) {
        if !std::mem::take(&mut self.said) {
            encode::tagged(&mut self.wire.out, tag, reply);
        }
        tracing::debug!(
            connection = self.peer.id,
            account = self.login.as_ref().map(|login| login.account.address.as_str()),
            command = spec.name,
            status = ?reply.status,
            micros = began.elapsed().as_micros() as u64,
            "IMAP",
        );
    }

    /// Waits for the commits under way and answers their commands, in order.
    pub async fn settle(&mut self) -> Result<()> {
        while let Some(first) = self.in_flight.front_mut() {
            let result = (&mut first.done).await;
            self.answer_done(result).await?;
        }
        Ok(())
    }

    /// Answers the first of the commands under way, which ended like this, and those behind it
    /// that have ended as well: mostly they shared its commit.
    async fn answer_done(&mut self, first: Result<Reply>) -> Result<()> {
        let mut ended = Vec::new();
        let mut result = Some(first);
        while let Some(reply) = result {
            let Some(one) = self.in_flight.pop_front() else { break };
            match reply {
                Ok(reply) | Err(Failure::Reply(reply)) => ended.push((one, reply)),
                Err(failure) => return Err(failure),
            }
            result = match self.in_flight.front_mut() {
                Some(next) => poll_fn(|context| match next.done.as_mut().poll(context) {
                    Poll::Ready(reply) => Poll::Ready(Some(reply)),
                    Poll::Pending => Poll::Ready(None),
                }),
                None => break,
            }
            .await;
        }
        // The client's own new messages are told before the OKs, as they always were.
        Box::pin(self.sync(true)).await?;
        for (one, reply) in ended {
            self.finish(&one.tag, one.spec, &reply, one.began);
        }
        Ok(())
    }

    /// Says a reply with its tag, or untagged.
    fn say(&mut self, tag: Option<&Tag>, reply: &Reply) {
        match tag {
            Some(tag) => encode::tagged(&mut self.wire.out, tag, reply),
            None => encode::untagged(&mut self.wire.out, reply),
        }
    }

    /// Whether the command may be given now.
    fn may_run(&self, spec: &Spec) -> bool {
        match spec.state {
            State::Any => true,
            State::NotAuthenticated => self.login.is_none(),
            State::Authenticated => self.login.is_some(),
            State::Selected => self.view.is_some(),
        }
    }
}

fn wrong_state() -> Reply {
    Reply::bad("This command cannot be given now")
}

/// The reply in a failure; for those that can be nothing else.
fn reply_of(failure: Failure) -> Reply {
    match failure {
        Failure::Reply(reply) => reply,
        Failure::Io(_) => Reply::no("The connection failed"),
    }
}
