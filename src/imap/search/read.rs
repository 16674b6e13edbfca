//! Asks single messages what neither the table nor the index could answer.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::base::id::ContentId;
use crate::domain::Result;
use crate::domain::search::text_of;
use crate::format::mime::{RecordView, field_values};
use crate::imap::codec::types::Day;
use crate::imap::search::bits::Bits;
use crate::imap::search::plan::{Check, Plan, received_on};
use crate::imap::search::{Rows, Scope};
use crate::store::keys::{self, Kind};
use crate::store::search::normalise;
use crate::store::{Message, Read, Snapshot, Store};

/// Messages read from one snapshot, so that none is held for long.
const SNAPSHOT: usize = 32;

/// Adds to `hits` those of the messages in `open` that match.
pub(super) fn settle(
    scope: &Scope<'_>,
    rows: &Rows<'_>,
    plan: &Plan,
    open: &Bits,
    hits: &mut Bits,
) -> Result<()> {
    let count = open.count();
    if count == 0 {
        return Ok(());
    }
    scope.progress.expect(count as u64);
    let open: Vec<usize> = open.iter().collect();
    let helpers = Helpers::take(count / WORTH_A_THREAD);
    let share = count.div_ceil(helpers.0 + 1);
    let found = std::thread::scope(|threads| {
        let mut shares = open.chunks(share);
        let own = shares.next().unwrap_or_default();
        let others: Vec<_> =
            shares.map(|share| threads.spawn(|| read_some(scope, rows, plan, share))).collect();
        let mut found = vec![read_some(scope, rows, plan, own)];
        for other in others {
            found.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        found
    });
    for some in found {
        some?.into_iter().for_each(|at| hits.insert(at));
    }
    Ok(())
}

/// Those of the messages at these places that match.
fn read_some(
    scope: &Scope<'_>,
    rows: &Rows<'_>,
    plan: &Plan,
    places: &[usize],
) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    let mut snapshots = Snapshots::new(scope.store);
    for &at in places {
        let Some(message) = rows.messages.get(at) else { continue };
        let mut reader = Reader::new(snapshots.next(), message);
        if plan.holds(at, &mut |check| reader.check(check))? {
            found.push(at);
        }
        scope.progress.step()?;
    }
    Ok(found)
}

/// So many messages take some milliseconds to read, a thread some hundredths of one to begin.
const WORTH_A_THREAD: usize = 32;
/// More would mostly wait for each other.
const MOST_HELPERS: usize = 3;
/// Helpers at work for all searches.
static HELPING: AtomicUsize = AtomicUsize::new(0);

/// Threads that read beside the search's own. All searches together have one fewer than there are
/// cores, so that many at once do not crowd out everything else.
struct Helpers(usize);

impl Helpers {
    fn take(wanted: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut taken = 0;
        let take = |at_work: usize| {
            taken = wanted.min(MOST_HELPERS).min((cores - 1).saturating_sub(at_work));
            Some(at_work + taken)
        };
        let _ = HELPING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        Self(taken)
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        HELPING.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Gives a fresh snapshot now and then.
pub(super) struct Snapshots<'a> {
    store: &'a Store,
    current: Snapshot,
    left: usize,
}

impl<'a> Snapshots<'a> {
    pub fn new(store: &'a Store) -> Self {
        Self { store, current: store.read(), left: SNAPSHOT }
    }

    pub fn next(&mut self) -> &Snapshot {
        if self.left == 0 {
            self.current = self.store.read();
            self.left = SNAPSHOT;
        }
        self.left -= 1;
        &self.current
    }
}

/// Messages whose records are read from one snapshot.
const RUN: usize = 512;

/// Takes a message and its cold record.
pub type OnRecord<'a> = dyn FnMut(&Message, Option<&[u8]>) -> Result<()> + 'a;

/// Gives the cold record of each message to `f`, or nothing for one that was removed meanwhile;
/// in no certain order. Records that lie together are read in one go, which costs a fifth of
/// looking each one up.
pub fn for_each_record(store: &Store, messages: &[&Message], f: &mut OnRecord<'_>) -> Result<()> {
    for run in messages.chunks(RUN) {
        let mut run = run.to_vec();
        run.sort_unstable_by_key(|message| message.place.content);
        let mut left = run.into_iter().peekable();
        let snapshot = store.read();
        let mut strange = 0;
        while let Some(first) = left.peek().map(|message| message.place.content) {
            let start = keys::content(first);
            let mut failed = Ok(());
            let mut next = |id, record: &[u8]| -> Result<bool> {
                while let Some(message) = left.next_if(|message| message.place.content < id) {
                    f(message, None)?;
                }
                let mut wanted = false;
                while let Some(message) = left.next_if(|message| message.place.content == id) {
                    f(message, Some(record))?;
                    wanted = true;
                }
                strange = if wanted { 0 } else { strange + 1 };
                // Behind some records of others' it is cheaper to look the next one up.
                Ok(left.peek().is_some() && strange < 8)
            };
            let mut any = false;
            let end = keys::after_prefix(&keys::kind(Kind::Content));
            snapshot.scan(&start, &end, &mut |key, record| {
                any = true;
                let id = ContentId(keys::u64_at(key, 1).unwrap_or_default());
                match next(id, record) {
                    Ok(true) => return Ok(ControlFlow::Continue(())),
                    Ok(false) => {}
                    Err(error) => failed = Err(error),
                }
                Ok(ControlFlow::Break(()))
            })?;
            failed?;
            strange = 0;
            if !any {
                left.by_ref().try_for_each(|message| f(message, None))?;
            }
        }
    }
    Ok(())
}

/// Reads one message, as much of it as is asked for, and that once.
struct Reader<'a> {
    snapshot: &'a Snapshot,
    message: &'a Message,
    record: Option<Bytes>,
    texts: Option<Texts>,
}

/// A message's text in normal form, each header field apart.
#[derive(Default)]
struct Texts {
    fields: Vec<String>,
    body: String,
}

impl<'a> Reader<'a> {
    fn new(snapshot: &'a Snapshot, message: &'a Message) -> Self {
        Self { snapshot, message, record: None, texts: None }
    }

    fn check(&mut self, check: &Check) -> Result<bool> {
        match check {
            Check::Sent { order, day } => {
                let record = self.record()?;
                let sent = RecordView::parse(&record).ok().and_then(|record| record.sent());
                let date = sent.map_or(received_on(&self.message.place), |sent| {
                    Day(i32::try_from(sent.day()).unwrap_or(i32::MAX))
                });
                Ok(order.holds(date, *day))
            }
            Check::Field { name, set, needle } => {
                let values = self.values(name, set)?;
                Ok(values.iter().any(|value| needle.is_in(value)))
            }
            Check::Body(needle) => Ok(needle.is_in_normalised(&self.texts()?.body)),
            Check::Text(needle) => {
                let texts = self.texts()?;
                let in_field = |field: &String| needle.is_in_normalised(field);
                Ok(texts.fields.iter().any(in_field) || needle.is_in_normalised(&texts.body))
            }
        }
    }

    /// The cold record; empty if the message was removed meanwhile.
    fn record(&mut self) -> Result<Bytes> {
        if let Some(record) = &self.record {
            return Ok(record.clone());
        }
        let record = self.snapshot.content(self.message.place.content)?.unwrap_or_default();
        Ok(self.record.insert(record).clone())
    }

    /// The decoded values of a header field.
    fn values(&mut self, name: &str, set: &crate::format::mime::FieldSet) -> Result<Vec<String>> {
        let record = self.record()?;
        let Ok(record) = RecordView::parse(&record) else { return Ok(Vec::new()) };
        let mut header = Vec::new();
        if record.header_fields(set, &mut header) {
            return Ok(field_values(&header, name));
        }
        let mut values = field_values(record.prefix(), name);
        if let Some(body) = self.snapshot.body_row(self.message.place.content)? {
            let len = u64::from(record.header_len()).min(body.at.len);
            self.snapshot.read_body(&body.at, 0, len, &mut header)?;
            values.extend(field_values(&header, name));
        }
        Ok(values)
    }

    fn texts(&mut self) -> Result<&Texts> {
        if self.texts.is_none() {
            let record = self.record()?;
            let found = text_of(self.snapshot, self.message.place.content, &record)?;
            self.texts = Some(Texts {
                fields: found.headers.lines().map(normalise).collect(),
                body: normalise(&found.body),
            });
        }
        Ok(self.texts.get_or_insert_default())
    }
}
