//! A message's octets and what the record knows of them.

use std::borrow::Cow;

use crate::eas::render::Unrenderable;
use crate::format::mime::{Content, Octets, Outline, RecordView, Span, scan};
use crate::store::engine::BodyRef;
use crate::store::rows::message::Place;
use crate::store::{self, Read, Snapshot};

/// Bodies up to this size are read at once, larger ones where they are needed: most mail is
/// small, and one read is cheaper than five.
const WHOLE: u64 = 128 * 1024;

/// The bytes of a message behind its prefix.
pub struct Source<'a> {
    read: &'a Snapshot,
    at: BodyRef,
    whole: Option<Vec<u8>>,
}

impl Octets for Source<'_> {
    type Error = store::Error;
    fn octets(&self, span: Span) -> Result<Cow<'_, [u8]>, store::Error> {
        if let Some(whole) = &self.whole {
            return Ok(Cow::Borrowed(span.of(whole)));
        }
        let end = span.end.min(self.at.len as usize);
        let mut out = Vec::new();
        if span.start < end {
            self.read.read_body(
                &self.at,
                span.start as u64,
                (end - span.start) as u64,
                &mut out,
            )?;
        }
        Ok(Cow::Owned(out))
    }
}

/// A message ready to be shown.
pub struct Opened<'a> {
    pub record: RecordView<'a>,
    pub source: Source<'a>,
    pub content: Content,
}

/// Opens a message and gives it to `show`.
pub fn open<T>(
    read: &Snapshot,
    place: &Place,
    show: impl FnOnce(&Opened<'_>) -> Result<T, Unrenderable>,
) -> Result<T, Unrenderable> {
    let failed = super::failed;
    let missing = |what: &str| Unrenderable(format!("content {} has no {what}", place.content));
    let cold = read.content(place.content).map_err(failed)?.ok_or_else(|| missing("record"))?;
    let record = RecordView::parse(&cold).map_err(|error| Unrenderable(error.to_string()))?;
    let body = read.body_row(place.content).map_err(failed)?.ok_or_else(|| missing("body"))?;
    let mut source = Source { read, at: body.at, whole: None };
    if body.at.len <= WHOLE {
        let mut whole = Vec::new();
        read.read_body(&body.at, 0, body.at.len, &mut whole).map_err(failed)?;
        source.whole = Some(whole);
    }
    let outlines = match record.outlines() {
        Some(outlines) => outlines,
        None => read.with_body(&body.at, |raw| Outline::of_tree(&scan(raw))).map_err(failed)?,
    };
    let content = Content::read(&outlines, &source).map_err(failed)?;
    show(&Opened { record, source, content })
}

impl Opened<'_> {
    /// Octets of raw at a place.
    pub fn octets(&self, span: Span) -> Result<Cow<'_, [u8]>, Unrenderable> {
        self.source.octets(span).map_err(super::failed)
    }

    /// The message as clients see it, at most its first `limit` bytes.
    pub fn whole(&self, limit: usize) -> Result<Vec<u8>, Unrenderable> {
        let prefix = self.record.prefix();
        let mut out = prefix.get(..limit).unwrap_or(prefix).to_vec();
        let raw_len = usize::try_from(self.record.raw_len()).unwrap_or(usize::MAX);
        let end = limit.saturating_sub(out.len()).min(raw_len);
        out.extend_from_slice(&self.octets(Span { start: 0, end })?);
        Ok(out)
    }
}
