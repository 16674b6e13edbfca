//! A message while it streams in: held while it is small, spooled to the store beyond that,
//! counted against the limit, and never held twice.

use crate::delivery::Refusal;
use crate::domain::message::Prepared;
use crate::format::smtp::BdatChecker;
use crate::store::engine::BodyRef;
use crate::store::{self, NewBody, Spool, Store};

/// Octets held in memory; what is larger is written to the store's spool as it comes.
pub const HELD_MAX: usize = 1024 * 1024;

/// Octets of which the cold record is computed at once, in some milliseconds.
const QUICK_MAX: usize = 128 * 1024;

/// A message that is being received.
pub struct Incoming {
    store: Store,
    limit: u64,
    size: u64,
    held: Vec<u8>,
    spool: Option<Box<dyn Spool>>,
    trouble: Option<Refusal>,
    checker: BdatChecker,
}

impl Incoming {
    /// `limit` is the largest size that is taken.
    pub fn new(store: Store, limit: u64) -> Self {
        Self {
            store,
            limit,
            size: 0,
            held: Vec::new(),
            spool: None,
            trouble: None,
            checker: BdatChecker::new(),
        }
    }

    /// Octets so far, also those beyond the limit.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Why the message will be refused, as far as is known.
    pub fn trouble(&self) -> Option<&Refusal> {
        self.trouble.as_ref()
    }

    /// Marks the message as refused: nothing more of it is kept.
    pub fn refuse(&mut self, why: Refusal) {
        self.held = Vec::new();
        self.spool = None;
        self.trouble.get_or_insert(why);
    }

    /// Takes the next octets. After trouble they are counted only.
    pub fn push(&mut self, octets: &[u8]) {
        self.size = self.size.saturating_add(octets.len() as u64);
        if self.trouble.is_some() {
            return;
        }
        if self.size > self.limit {
            return self.refuse(Refusal::TooLarge { limit: self.limit });
        }
        if let Err(error) = self.keep(octets) {
            self.refuse(error.into());
        }
    }

    /// Takes the next octets of a BDAT chunk, whose line ends are checked here.
    pub fn push_chunk(&mut self, octets: &[u8]) {
        self.checker.feed(octets);
        if let Some(flaw) = self.checker.flaw() {
            self.refuse(Refusal::Flawed(flaw));
        }
        self.push(octets);
    }

    fn keep(&mut self, octets: &[u8]) -> store::Result<()> {
        if self.spool.is_none() && self.held.len() + octets.len() > HELD_MAX {
            let mut spool = self.store.spool()?;
            spool.write(&self.held)?;
            self.held = Vec::new();
            self.spool = Some(spool);
        }
        match &mut self.spool {
            Some(spool) => spool.write(octets)?,
            None => self.held.extend_from_slice(octets),
        }
        Ok(())
    }

    /// Ends the message.
    pub async fn finish(mut self) -> Result<Message, Refusal> {
        self.checker.finish();
        if let Some(flaw) = self.checker.flaw() {
            self.refuse(Refusal::Flawed(flaw));
        }
        if let Some(trouble) = self.trouble {
            return Err(trouble);
        }
        let body = match self.spool {
            None => NewBody::Bytes(self.held.into()),
            Some(spool) => {
                let seal = move || Ok(spool.finish().map_err(store::Error::from)?);
                NewBody::Spooled(blocking(seal).await?)
            }
        };
        Ok(Message { store: self.store, body })
    }
}

/// A message that was received whole.
#[derive(Clone)]
pub struct Message {
    store: Store,
    body: NewBody,
}

impl Message {
    pub fn size(&self) -> u64 {
        match &self.body {
            NewBody::Bytes(octets) => octets.len() as u64,
            NewBody::Spooled(at) => at.len,
        }
    }

    /// Runs `look` on the message's octets; a large message is read off the async threads.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        match self.body.clone() {
            NewBody::Bytes(octets) => Ok(look(&octets)),
            NewBody::Spooled(at) => {
                let store = self.store.clone();
                blocking(move || Ok(store.read().with_body(&at, look)?)).await
            }
        }
    }

    /// Computes the cold record, off the async threads where that takes long.
    pub async fn prepare(self, prefix: String) -> Result<Prepared, Refusal> {
        let store = self.store;
        match self.body {
            NewBody::Bytes(octets) if octets.len() <= QUICK_MAX => {
                Ok(Prepared::new(prefix.as_bytes(), octets))
            }
            NewBody::Bytes(octets) => {
                blocking(move || Ok(Prepared::new(prefix.as_bytes(), octets))).await
            }
            NewBody::Spooled(at) => {
                blocking(move || Ok(Prepared::spooled(&store, prefix.as_bytes(), at)?)).await
            }
        }
    }

    /// The same message with other octets in place of its first `header` ones.
    pub async fn with_header(self, header: usize, new: Vec<u8>) -> Result<Self, Refusal> {
        let store = self.store;
        let body = match self.body {
            NewBody::Bytes(octets) => {
                let mut all = new;
                all.extend_from_slice(octets.get(header..).unwrap_or_default());
                NewBody::Bytes(all.into())
            }
            NewBody::Spooled(at) => {
                let store = store.clone();
                blocking(move || respool(&store, &at, header, &new)).await?
            }
        };
        Ok(Self { store, body })
    }
}

/// Copies a spooled body with another beginning into a new spool.
fn respool(store: &Store, at: &BodyRef, header: usize, new: &[u8]) -> Result<NewBody, Refusal> {
    let mut spool = store.spool()?;
    let copied = store.read().with_body(at, |octets| {
        spool.write(new)?;
        let mut pieces = octets.get(header..).unwrap_or_default().chunks(HELD_MAX);
        pieces.try_for_each(|piece| spool.write(piece))
    })?;
    copied.map_err(store::Error::from)?;
    Ok(NewBody::Spooled(spool.finish().map_err(store::Error::from)?))
}

/// Runs what takes long, or waits for the disk, off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Refusal::Store("a worker panicked".into())))
}
