//! DATA and BDAT: the message itself, and its acceptance. RFC 5321 §4.1.1.4, RFC 3030.

use std::time::Instant;

use crate::base::metrics::Metric;
use crate::delivery::{Envelope, Incoming, Refusal, Trace, Via, receive, submit};
use crate::format::smtp::{DataDecoder, Reply};
use crate::smtp::session::Session;
use crate::smtp::wire::{Lost, Wire};

static ACCEPTED: Metric = Metric::counter("kontor_smtp_messages_total", "Messages taken by SMTP.");

impl Session<'_> {
    /// Reads and takes a message that ends with a dot.
    pub(super) async fn data(&mut self, wire: &mut Wire<'_>) -> Result<Reply, Lost> {
        if self.chunks.is_some() {
            return Ok(Reply::new(503, (5, 1), "The message came by BDAT so far"));
        }
        match &self.envelope {
            None => return Ok(Reply::new(503, (5, 1), "Say MAIL first")),
            Some(envelope) if envelope.recipients.is_empty() => {
                // Also the answer to a pipelined DATA whose recipients were all refused
                // (RFC 2920 §3.1).
                return Ok(Reply::new(503, (5, 1), "No valid recipients"));
            }
            Some(_) => {}
        }
        wire.send(&Reply::plain(354, "Send the message, end it with CRLF.CRLF"));
        wire.flush().await?;

        let mut incoming = self.incoming();
        let mut decoder = DataDecoder::new();
        let pace = wire.pace();
        loop {
            let input = wire.data(&pace, incoming.size()).await?;
            let fed = decoder.feed(input, |octets| incoming.push(octets));
            wire.used(fed.used);
            if let Some(flaw) = decoder.flaw() {
                incoming.refuse(Refusal::Flawed(flaw));
            }
            if fed.ended {
                break;
            }
        }
        wire.message_ended();
        Ok(self.accept(incoming).await)
    }

    /// Reads one chunk, and takes the message if it is the last.
    pub(super) async fn bdat(
        &mut self,
        wire: &mut Wire<'_>,
        size: u64,
        last: bool,
    ) -> Result<Reply, Lost> {
        let expected = self.envelope.as_ref().is_some_and(|e| !e.recipients.is_empty());
        let mut incoming = match self.chunks.take() {
            Some(incoming) => incoming,
            None => self.incoming(),
        };
        // The chunk follows whatever the answer will be, so it is always read (RFC 3030 §2).
        let (mut left, pace, before) = (size, wire.pace(), incoming.size());
        while left > 0 {
            let input = wire.data(&pace, incoming.size() - before).await?;
            let here = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
            let piece = input.get(..here).unwrap_or(input);
            if expected {
                incoming.push_chunk(piece);
            }
            wire.used(here);
            left = left.saturating_sub(here as u64);
        }
        if !expected {
            let began = self.envelope.is_some();
            self.reset();
            return Ok(match began {
                true => Reply::new(503, (5, 1), "No valid recipients"),
                false => Reply::new(503, (5, 1), "Say MAIL first"),
            });
        }
        wire.message_ended();
        if last {
            return Ok(self.accept(incoming).await);
        }
        if let Some(why) = incoming.trouble() {
            let reply = self.refused(why);
            self.reset();
            return Ok(reply);
        }
        self.chunks = Some(incoming);
        Ok(Reply::new(250, (0, 0), format!("{size} octets taken")))
    }

    fn incoming(&self) -> Incoming {
        Incoming::new(self.front.store.clone(), self.front.settings.limits.message_size)
    }

    /// Takes the message: when this answers 250, it is durable.
    async fn accept(&mut self, incoming: Incoming) -> Reply {
        let envelope = self.envelope.take().unwrap_or_default();
        self.chunks = None;
        let (started, size) = (Instant::now(), incoming.size());
        // A client that has sent a message is not one to be closed for lack of room.
        self.peer.welcome();
        let trace = self.trace();
        let (id, recipients) = (trace.id.clone(), envelope.recipients.len());
        let sender = envelope.sender().map_or_else(|| "<>".into(), ToString::to_string);
        match self.deliver(incoming, envelope, trace).await {
            Ok(()) => {
                ACCEPTED.add(1);
                tracing::info!(
                    connection = self.peer.id,
                    ip = %self.peer.ip(),
                    account = self.member.as_ref().map(|member| member.name.as_str()),
                    id,
                    sender,
                    recipients,
                    size,
                    took = ?started.elapsed(),
                    "message taken"
                );
                Reply::new(250, (0, 0), format!("Message taken as {id}"))
            }
            Err(why) => self.refused(&why),
        }
    }

    async fn deliver(
        &mut self,
        incoming: Incoming,
        envelope: Envelope,
        trace: Trace,
    ) -> Result<(), Refusal> {
        let message = incoming.finish().await?;
        let store = &self.front.store;
        match &self.member {
            Some(member) => submit::submit(store, member.account, envelope, message, trace).await,
            None => receive::receive(store, envelope, message, trace).await,
        }
    }

    fn trace(&self) -> Trace {
        let (helo, extended) = match &self.helo {
            Some(helo) => (helo.name.clone(), helo.extended),
            None => ("unknown".into(), false),
        };
        let via = Via {
            helo,
            extended,
            ip: self.peer.ip(),
            tls: self.tls.clone(),
            authenticated: self.member.is_some(),
            hostname: self.front.settings.hostname.to_string(),
        };
        Trace::new(via, self.front.store.clock().now())
    }
}
