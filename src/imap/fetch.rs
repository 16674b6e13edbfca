//! What FETCH returns of a message: from the table, from the cold record, or from the body.
//!
//! A plan is made once a command; a message then costs look-ups and copies into the output, and
//! no parsing. Bodies go from the segment into the output in chunks.

use bytes::Bytes;

use crate::base::id::Uid;
use crate::format::mime::{self, Except, FieldSet, Part, RecordView};
use crate::imap::codec::date::DateTime;
use crate::imap::codec::encode;
use crate::imap::codec::types::{FetchItem, PartPath, Partial, Section, SectionText};
use crate::imap::failure::{Failure, Result};
use crate::imap::search::for_each_record;
use crate::imap::sync::Keywords;
use crate::imap::view::Numbered;
use crate::imap::wire::{CHUNK, Wire};
use crate::store::rows::message::Body;
use crate::store::{Read, Snapshot, Store};

/// What mostly follows a body: the end of its line, and the tagged answer.
const AFTER: usize = 256;

/// The items of a FETCH, ready to be applied to many messages.
pub struct Plan {
    items: Vec<Item>,
    needs_record: bool,
    pub sets_seen: bool,
    pub has_flags: bool,
}

enum Item {
    Flags,
    Uid,
    InternalDate,
    Size,
    Envelope,
    Structure {
        extended: bool,
    },
    ModSeq,
    EmailId,
    ThreadId,
    SaveDate,
    Preview,
    Text(Text),
    /// RFC822.SIZE of a decoded part.
    BinarySize {
        label: Vec<u8>,
        path: PartPath,
    },
}

/// A piece of the message, told as a literal.
struct Text {
    /// `BODY[1.MIME]<0>`, as the answer names it.
    label: Vec<u8>,
    what: What,
    partial: Option<Partial>,
}

enum What {
    Whole,
    Header,
    Body,
    Fields(FieldSet, Except),
    Part(PartPath, Piece),
    Decoded(PartPath),
}

/// Which piece of a part.
enum Piece {
    Body,
    Mime,
    Header,
    Text,
    Fields(FieldSet, Except),
}

/// How answers are written in this session.
#[derive(Clone, Copy)]
pub struct Style {
    pub rev2: bool,
    pub uid_only: bool,
}

impl Plan {
    /// `also`: items that the command implies (UID, MODSEQ), told once.
    pub fn new(items: &[FetchItem], also: &[FetchItem], uid_only: bool) -> Plan {
        let mut plan =
            Plan { items: Vec::new(), needs_record: false, sets_seen: false, has_flags: false };
        let mut done: Vec<&FetchItem> = Vec::new();
        for item in also.iter().chain(items) {
            if done.contains(&item) || (uid_only && *item == FetchItem::Uid) {
                continue;
            }
            done.push(item);
            plan.sets_seen |= item.sets_seen();
            plan.has_flags |= *item == FetchItem::Flags;
            let item = planned(item);
            plan.needs_record |= !matches!(
                item,
                Item::Flags
                    | Item::Uid
                    | Item::InternalDate
                    | Item::Size
                    | Item::ModSeq
                    | Item::EmailId
                    | Item::ThreadId
                    | Item::SaveDate
            );
            plan.items.push(item);
        }
        plan
    }

    /// The cold records of some messages, where the items need them and it is worth doing
    /// beforehand: those that lie together are read in one go.
    pub fn records(&self, store: &Store, run: &[Numbered<'_>]) -> Result<Vec<Option<Bytes>>> {
        let mut records = vec![None; run.len()];
        if !self.needs_record || run.len() < 2 {
            return Ok(records);
        }
        let messages: Vec<_> = run.iter().map(|numbered| numbered.message).collect();
        for_each_record(store, &messages, &mut |message, record| {
            let at = run.partition_point(|numbered| numbered.message.uid < message.uid);
            if let Some(place) = records.get_mut(at) {
                *place = record.map(Bytes::copy_from_slice);
            }
            Ok(())
        })?;
        Ok(records)
    }

    /// Writes one message's answer, with its record if [`Plan::records`] has it. `Ok(false)`: a
    /// part of it could not be read.
    #[expect(clippy::too_many_arguments)]
    pub async fn write(
        &self,
        wire: &mut Wire,
        store: &Store,
        numbered: Numbered<'_>,
        record: Option<Bytes>,
        style: Style,
        keywords: &Keywords,
        recent: bool,
    ) -> Result<bool> {
        let message = numbered.message;
        let mut source =
            Source { store, snapshot: None, numbered, body: None, sent: false, whole: true };
        let record = match record {
            None if self.needs_record => source.snapshot().content(message.place.content)?,
            record => record,
        };
        if self.needs_record && record.is_none() {
            // Expunged long ago by another session, and its bytes given back meanwhile.
            return Ok(false);
        }
        let view = record.as_deref().map(RecordView::parse).transpose();
        let Ok(view) = view else { return Ok(false) };
        let mark = wire.out.len();
        begin(&mut wire.out, numbered.seq, message.uid, style.uid_only);
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                wire.out.push(b' ');
            }
            let written = match (item, &view) {
                (Item::Text(text), Some(view)) => source.text(wire, view, text).await,
                (Item::Flags, _) => {
                    wire.out.extend_from_slice(b"FLAGS ");
                    keywords.write(&mut wire.out, &message.hot.flags, recent && !style.rev2);
                    Ok(())
                }
                (item, view) => source.simple(&mut wire.out, view.as_ref(), item),
            };
            if let Err(failure) = written {
                // The tagged answer begins a line of its own: half of this one is taken back,
                // and once it is with the client only the connection's end is honest.
                if source.sent {
                    return Err(Failure::Io(std::io::ErrorKind::InvalidData.into()));
                }
                wire.out.truncate(mark);
                return Err(failure);
            }
        }
        encode::fetch_end(&mut wire.out);
        wire.flush_chunk().await?;
        Ok(source.whole)
    }
}

/// Opens a message's answer.
pub fn begin(out: &mut Vec<u8>, seq: u32, uid: Uid, uid_only: bool) {
    match uid_only {
        true => encode::uidfetch_begin(out, uid.0),
        false => encode::fetch_begin(out, seq),
    }
}

fn planned(item: &FetchItem) -> Item {
    let mut label = Vec::new();
    encode::item_name(&mut label, item);
    let text = |label, what, partial: &Option<Partial>| {
        Item::Text(Text { label, what, partial: *partial })
    };
    match item {
        FetchItem::Flags => Item::Flags,
        FetchItem::Uid => Item::Uid,
        FetchItem::InternalDate => Item::InternalDate,
        FetchItem::Rfc822Size => Item::Size,
        FetchItem::Envelope => Item::Envelope,
        FetchItem::Body => Item::Structure { extended: false },
        FetchItem::BodyStructure => Item::Structure { extended: true },
        FetchItem::ModSeq => Item::ModSeq,
        FetchItem::EmailId => Item::EmailId,
        FetchItem::ThreadId => Item::ThreadId,
        FetchItem::SaveDate => Item::SaveDate,
        FetchItem::Preview { .. } => Item::Preview,
        FetchItem::Rfc822 => text(label, What::Whole, &None),
        FetchItem::Rfc822Header => text(label, What::Header, &None),
        FetchItem::Rfc822Text => text(label, What::Body, &None),
        FetchItem::Section { section, partial, .. } => text(label, what(section), partial),
        FetchItem::Binary { part, partial, .. } => {
            text(label, What::Decoded(part.clone()), partial)
        }
        FetchItem::BinarySize(path) => Item::BinarySize { label, path: path.clone() },
    }
}

fn what(section: &Section) -> What {
    let names = |names: &[crate::imap::codec::types::FieldName]| {
        FieldSet::new(names.iter().map(|name| name.as_str()))
    };
    match (&section.text, section.part.is_root()) {
        (SectionText::All, true) => What::Whole,
        (SectionText::Header | SectionText::Mime, true) => What::Header,
        (SectionText::Text, true) => What::Body,
        (SectionText::HeaderFields(wanted), true) => What::Fields(names(wanted), Except::No),
        (SectionText::HeaderFieldsNot(not), true) => What::Fields(names(not), Except::Yes),
        (text, false) => {
            let piece = match text {
                SectionText::All => Piece::Body,
                SectionText::Mime => Piece::Mime,
                SectionText::Header => Piece::Header,
                SectionText::Text => Piece::Text,
                SectionText::HeaderFields(wanted) => Piece::Fields(names(wanted), Except::No),
                SectionText::HeaderFieldsNot(not) => Piece::Fields(names(not), Except::Yes),
            };
            What::Part(section.part.clone(), piece)
        }
    }
}

/// Where one message's pieces come from.
struct Source<'a> {
    store: &'a Store,
    /// Taken when it is first needed: flags and dates come from the table.
    snapshot: Option<Snapshot>,
    numbered: Numbered<'a>,
    body: Option<Body>,
    /// The answer's begin is with the client already.
    sent: bool,
    /// False once something could not be read.
    whole: bool,
}

impl Source<'_> {
    fn simple(
        &mut self,
        out: &mut Vec<u8>,
        view: Option<&RecordView<'_>>,
        item: &Item,
    ) -> Result<()> {
        let message = self.numbered.message;
        let place = &message.place;
        match item {
            Item::Uid => put_number(out, b"UID ", message.uid.0.into()),
            Item::Size => put_number(out, b"RFC822.SIZE ", place.size),
            Item::InternalDate => {
                out.extend_from_slice(b"INTERNALDATE ");
                let (at, offset_minutes) = (place.internal_date, place.zone);
                DateTime { at, offset_minutes }.write(out);
            }
            Item::SaveDate => {
                out.extend_from_slice(b"SAVEDATE ");
                DateTime::utc(place.saved).write(out);
            }
            Item::ModSeq => {
                put_number(out, b"MODSEQ (", message.hot.modseq.0);
                out.push(b')');
            }
            Item::EmailId => {
                put_number(out, b"EMAILID (E", place.message.0);
                out.push(b')');
            }
            Item::ThreadId => {
                put_number(out, b"THREADID (T", place.thread.0);
                out.push(b')');
            }
            Item::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                match view.and_then(RecordView::envelope) {
                    Some(envelope) => out.extend_from_slice(envelope),
                    None => self.long_envelope(out, view)?,
                }
            }
            Item::Structure { extended } => self.structure(out, view, *extended)?,
            Item::Preview => {
                out.extend_from_slice(b"PREVIEW ");
                encode::string(out, view.map_or("", RecordView::preview).as_bytes());
            }
            Item::BinarySize { label, path } => {
                out.extend_from_slice(label);
                let size = match view {
                    Some(view) => self.decoded(view, path)?.map_or(0, |bytes| bytes.len()),
                    None => 0,
                };
                put_number(out, b" ", size as u64);
            }
            Item::Flags | Item::Text(_) => {}
        }
        Ok(())
    }

    fn long_envelope(&mut self, out: &mut Vec<u8>, view: Option<&RecordView<'_>>) -> Result<()> {
        let Some(view) = view else { return Ok(()) };
        let header = self.header(view)?;
        out.extend_from_slice(&mime::envelope(view.prefix(), &header));
        Ok(())
    }

    fn structure(
        &mut self,
        out: &mut Vec<u8>,
        view: Option<&RecordView<'_>>,
        extended: bool,
    ) -> Result<()> {
        let (name, form): (&[u8], _) = match extended {
            true => (b"BODYSTRUCTURE ", mime::Form::Extended),
            false => (b"BODY ", mime::Form::Basic),
        };
        out.extend_from_slice(name);
        let kept = match extended {
            true => view.and_then(RecordView::bodystructure).map(Into::into),
            false => view.and_then(RecordView::body),
        };
        let kept: Option<Vec<u8>> = kept;
        match kept {
            Some(kept) => out.extend_from_slice(&kept),
            None => {
                let at = self.body()?.at;
                let made = self.snapshot().with_body(&at, |raw| mime::body_structure(raw, form))?;
                out.extend_from_slice(&made);
            }
        }
        Ok(())
    }

    /// Writes a piece as a literal, or NIL where there is no such part.
    async fn text(&mut self, wire: &mut Wire, view: &RecordView<'_>, text: &Text) -> Result<()> {
        wire.out.extend_from_slice(&text.label);
        wire.out.push(b' ');
        let raw_len = view.raw_len();
        let header_len = u64::from(view.header_len());
        let prefix = view.prefix();
        match &text.what {
            What::Whole => self.range(wire, prefix, 0..raw_len, text.partial).await,
            What::Header => self.range(wire, prefix, 0..header_len, text.partial).await,
            What::Body => self.range(wire, b"", header_len..raw_len, text.partial).await,
            What::Fields(set, except) => {
                let mut fields = Vec::new();
                if *except == Except::Yes || !view.header_fields(set, &mut fields) {
                    let header = self.header(view)?;
                    mime::select_fields(prefix, &header, set, *except, &mut fields);
                }
                put_literal(&mut wire.out, &fields, text.partial);
                Ok(())
            }
            What::Part(path, piece) => self.part(wire, view, path, piece, text.partial).await,
            What::Decoded(path) if path.is_root() => {
                wire.out.push(b'~');
                self.range(wire, prefix, 0..raw_len, text.partial).await
            }
            What::Decoded(path) => {
                match self.decoded(view, path)? {
                    Some(bytes) => {
                        wire.out.push(b'~');
                        put_literal(&mut wire.out, &bytes, text.partial);
                    }
                    None => wire.out.extend_from_slice(b"NIL"),
                }
                Ok(())
            }
        }
    }

    async fn part(
        &mut self,
        wire: &mut Wire,
        view: &RecordView<'_>,
        path: &PartPath,
        piece: &Piece,
        partial: Option<Partial>,
    ) -> Result<()> {
        let part = self.find(view, path)?;
        let span = match (&part, piece) {
            (Some(part), Piece::Body) => Some(part.body),
            (Some(part), Piece::Mime) => Some(part.mime),
            (Some(part), Piece::Header | Piece::Fields(..)) => part.message.map(|m| m.0),
            (Some(part), Piece::Text) => part.message.map(|m| m.1),
            (None, _) => None,
        };
        let Some(span) = span else {
            wire.out.extend_from_slice(b"NIL");
            return Ok(());
        };
        if let Piece::Fields(set, except) = piece {
            let (mut header, mut fields) = (Vec::new(), Vec::new());
            let at = self.body()?.at;
            self.snapshot().read_body(&at, span.start as u64, span.len() as u64, &mut header)?;
            mime::select_fields(b"", &header, set, *except, &mut fields);
            put_literal(&mut wire.out, &fields, partial);
            return Ok(());
        }
        self.range(wire, b"", span.start as u64..span.end as u64, partial).await
    }

    /// Writes `prefix` and a range of the body as one literal, of which `partial` is told.
    async fn range(
        &mut self,
        wire: &mut Wire,
        prefix: &[u8],
        raw: std::ops::Range<u64>,
        partial: Option<Partial>,
    ) -> Result<()> {
        let body = self.body()?.at;
        let before = prefix.len() as u64;
        let all = before + (raw.end - raw.start);
        let told = partial.map_or(0..all, |partial| partial.of(all));
        let (len, mark) = (told.end - told.start, wire.out.len());
        encode::literal_header(&mut wire.out, len);
        let in_prefix = told.start.min(before) as usize..told.end.min(before) as usize;
        wire.out.extend_from_slice(prefix.get(in_prefix).unwrap_or_default());
        let mut from = raw.start + told.start.max(before) - before;
        let end = raw.start + told.end.max(before) - before;
        let mut half = false;
        while from < end {
            let step = match end - from <= 2 * CHUNK as u64 {
                true => end - from,
                false => CHUNK as u64,
            };
            // With room for what follows, or all of it would move for the line's end.
            wire.out.reserve(step as usize + AFTER);
            if let Err(error) = self.snapshot().read_body(&body, from, step, &mut wire.out) {
                tracing::error!(%error, message = ?self.numbered.message.place.content, "unreadable");
                if half {
                    // Half of a literal is with the client: only the connection's end is honest.
                    return Err(Failure::Io(std::io::ErrorKind::InvalidData.into()));
                }
                wire.out.truncate(mark);
                wire.out.extend_from_slice(b"NIL");
                self.whole = false;
                return Ok(());
            }
            from += step;
            if from < end {
                wire.flush().await?;
                (half, self.sent) = (true, true);
                // A snapshot is not held while the client takes its time.
                self.snapshot = None;
            }
        }
        Ok(())
    }

    fn snapshot(&mut self) -> &Snapshot {
        self.snapshot.get_or_insert_with(|| self.store.read())
    }

    fn body(&mut self) -> Result<Body> {
        if let Some(body) = self.body {
            return Ok(body);
        }
        let content = self.numbered.message.place.content;
        let missing = || crate::store::Error::Damaged(format!("content {content} has no body"));
        let body = self.snapshot().body_row(content)?.ok_or_else(missing)?;
        self.body = Some(body);
        Ok(body)
    }

    fn header(&mut self, view: &RecordView<'_>) -> Result<Vec<u8>> {
        let (at, mut header) = (self.body()?.at, Vec::new());
        self.snapshot().read_body(&at, 0, view.header_len().into(), &mut header)?;
        Ok(header)
    }

    fn find(&mut self, view: &RecordView<'_>, path: &PartPath) -> Result<Option<Part>> {
        if !view.parts_need_raw() {
            return Ok(view.part(path.numbers()));
        }
        let at = self.body()?.at;
        Ok(self.snapshot().with_body(&at, |raw| Part::find_in_raw(raw, path.numbers()))?)
    }

    /// A part without its transfer encoding. Fails with UNKNOWN-CTE.
    fn decoded(&mut self, view: &RecordView<'_>, path: &PartPath) -> Result<Option<Vec<u8>>> {
        let Some(part) = self.find(view, path)? else { return Ok(None) };
        let (at, mut bytes) = (self.body()?.at, Vec::new());
        let span = part.body;
        self.snapshot().read_body(&at, span.start as u64, span.len() as u64, &mut bytes)?;
        match part.decode(&bytes) {
            Ok(decoded) => Ok(Some(decoded.into_owned())),
            Err(_) => {
                use crate::imap::codec::types::{Code, Reply};
                let text = "The part's transfer encoding is not known";
                Err(Reply::no(text).with(Code::UnknownCte).into())
            }
        }
    }
}

fn put_number(out: &mut Vec<u8>, name: &[u8], number: u64) {
    out.extend_from_slice(name);
    encode::number(out, number);
}

fn put_literal(out: &mut Vec<u8>, bytes: &[u8], partial: Option<Partial>) {
    let all = bytes.len() as u64;
    let told = partial.map_or(0..all, |partial| partial.of(all));
    encode::literal_header(out, told.end - told.start);
    out.extend_from_slice(bytes.get(told.start as usize..told.end as usize).unwrap_or_default());
}
