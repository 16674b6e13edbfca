//! Fetch: an item by its place or its id for life, an attachment by its reference, whole or a
//! range of it. MS-ASCMD 2.2.3.67.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{
    BAD_RANGE, DENIED, NO_ATTACHMENT, NOT_FOUND, PROTOCOL_ERROR, SUCCESS, TOO_LARGE, UNKNOWN_STORE,
};
use crate::base::id::AccountId;
use crate::eas::answer::Failure;
use crate::eas::render::{BodyPreference, Options, View, email, event};
use crate::eas::session::Session;
use crate::eas::shown::{self, Item, Shower};
use crate::format::wbxml::{Element, Writer, tags};
use crate::store::{self, Read, Snapshot};

use tags::{
    air_sync as a, air_sync_base as b, document_library as d, item_operations as t, search as s,
};

/// What one answer carries; phones ask again for what did not fit.
const ANSWER_MAX: usize = 96 * 1024 * 1024;

pub struct Fetcher<'a> {
    session: &'a Session,
    /// Where the data goes in an answer of several parts.
    parts: Option<&'a mut Vec<Bytes>>,
}

impl<'a> Fetcher<'a> {
    pub fn new(session: &'a Session, parts: Option<&'a mut Vec<Bytes>>) -> Fetcher<'a> {
        Fetcher { session, parts }
    }

    /// Answers one Fetch.
    pub fn fetch(&mut self, out: &mut Writer, wanted: &Element) -> Result<(), Failure> {
        out.open(t::FETCH);
        let store = wanted.text_of(t::STORE).unwrap_or_default();
        if store.eq_ignore_ascii_case("DocumentLibrary") || wanted.has(d::LINK_ID) {
            // There are no file shares behind this server.
            failed(out, wanted, UNKNOWN_STORE);
        } else if !store.eq_ignore_ascii_case("Mailbox") {
            failed(out, wanted, if store.is_empty() { PROTOCOL_ERROR } else { UNKNOWN_STORE });
        } else if self.carried(out) > ANSWER_MAX {
            failed(out, wanted, TOO_LARGE);
        } else if let Some(reference) = wanted.text_of(b::FILE_REFERENCE) {
            self.attachment(out, wanted, reference)?;
        } else {
            self.item(out, wanted)?;
        }
        out.close();
        Ok(())
    }

    /// Bytes of the answer so far.
    fn carried(&self, out: &Writer) -> usize {
        let parts = self.parts.iter().flat_map(|parts| parts.iter());
        out.len() + parts.map(Bytes::len).sum::<usize>()
    }

    fn item(&mut self, out: &mut Writer, wanted: &Element) -> Result<(), Failure> {
        let (read, account) = (self.session.read(), self.session.account.id);
        let found = match (wanted.text_of(s::LONG_ID), wanted.text_of(a::SERVER_ID)) {
            (Some(id), _) => Item::by_long_id(&read, account, id)?,
            (None, Some(id)) => Item::by_server_id(&read, account, id)?,
            (None, None) => {
                failed(out, wanted, PROTOCOL_ERROR);
                return Ok(());
            }
        };
        let Some(item) = found else {
            failed(out, wanted, NOT_FOUND);
            return Ok(());
        };
        let asked = wanted.child(t::OPTIONS);
        let mut options = asked.map(Options::read).unwrap_or_default();
        if options.bodies.is_empty() {
            options.bodies = natural(options.mime_support);
        }
        let bounds = self.session.bounds.of_fetch();
        let view = View { bounds, ..self.session.view(&options) };
        let shower = Shower { read: &read, view, schema: shown::schema(asked) };
        let mark = out.mark();
        out.number(t::STATUS, SUCCESS);
        echo(out, wanted);
        out.text(a::CLASS, item.content.class());
        if !shower.write(out, t::PROPERTIES, &item, self.parts.as_deref_mut())? {
            out.rewind(mark);
            failed(out, wanted, NOT_FOUND);
        }
        Ok(())
    }

    fn attachment(
        &mut self,
        out: &mut Writer,
        wanted: &Element,
        reference: &str,
    ) -> Result<(), Failure> {
        let bounds = &self.session.bounds;
        if bounds.no_attachments {
            failed(out, wanted, DENIED);
            return Ok(());
        }
        let read = self.session.read();
        let account = self.session.account.id;
        let found = match event::parse_reference(reference) {
            Some(key) => file_of_event(&read, account, key, reference)?,
            None => email::attachment(&read, account, reference)?,
        };
        let Some(found) = found else {
            failed(out, wanted, NO_ATTACHMENT);
            return Ok(());
        };
        let total = found.bytes.len();
        if bounds.attachment.is_some_and(|most| total as u64 > most) {
            failed(out, wanted, TOO_LARGE);
            return Ok(());
        }
        let range = wanted.child(t::OPTIONS).and_then(|options| options.text_of(t::RANGE));
        let told = match range.map(|text| range_of(text, total)) {
            None => None,
            Some(Some(range)) => Some(range),
            Some(None) => {
                failed(out, wanted, BAD_RANGE);
                return Ok(());
            }
        };
        let data = match &told {
            Some(range) => found.bytes.slice(range.clone()),
            None => found.bytes,
        };
        out.number(t::STATUS, SUCCESS);
        echo(out, wanted);
        out.open(t::PROPERTIES);
        if let Some(range) = &told {
            out.text(t::RANGE, &format!("{}-{}", range.start, range.end.saturating_sub(1)));
            out.number(t::TOTAL, total);
        }
        out.text(b::CONTENT_TYPE, &found.content_type);
        match &mut self.parts {
            Some(parts) => {
                parts.push(data);
                out.number(t::PART, parts.len());
            }
            None => out.text(t::DATA, &STANDARD.encode(&data)),
        }
        out.close();
        Ok(())
    }
}

/// A file of an event (16.0 and later), wherever its calendar is.
fn file_of_event(
    read: &Snapshot,
    account: AccountId,
    key: u64,
    reference: &str,
) -> store::Result<Option<email::Attachment>> {
    for place in read.items_with_key(account, key)? {
        let Some(text) = read.item_text(place.mailbox, place.uid)? else { continue };
        let found = event::attachment(&String::from_utf8_lossy(&text), reference);
        if let Some((bytes, content_type)) = found {
            return Ok(Some(email::Attachment { content_type, name: String::new(), bytes }));
        }
    }
    Ok(None)
}

/// Without preferences an item comes as it was written.
fn natural(mime_support: u8) -> Vec<BodyPreference> {
    let kinds: &[u8] = if mime_support > 0 { &[4, 2, 1] } else { &[2, 1] };
    kinds.iter().map(|&kind| BodyPreference { kind, ..BodyPreference::default() }).collect()
}

fn failed(out: &mut Writer, wanted: &Element, status: u16) {
    out.number(t::STATUS, status);
    echo(out, wanted);
}

/// How the device named the thing, in the order of the answer's schema.
fn echo(out: &mut Writer, wanted: &Element) {
    let names = [a::COLLECTION_ID, a::SERVER_ID, s::LONG_ID, d::LINK_ID, b::FILE_REFERENCE];
    for tag in names {
        if let Some(text) = wanted.text_of(tag) {
            out.text(tag, text);
        }
    }
}

/// `m-n`, both counted from 0 and inclusive, of so many bytes (MS-ASCMD 2.2.3.143.2). `None` for
/// what is no range, or begins behind the end.
fn range_of(text: &str, total: usize) -> Option<std::ops::Range<usize>> {
    let (first, last) = text.trim().split_once('-')?;
    let (first, last) = (first.trim().parse::<usize>().ok()?, last.trim().parse::<usize>().ok()?);
    let end = last.checked_add(1)?.min(total);
    (first <= last && (first < total || total == 0 && first == 0)).then_some(first..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_inclusive_and_end_with_the_content() {
        assert_eq!(range_of("0-9", 100), Some(0..10));
        assert_eq!(range_of("90-200", 100), Some(90..100));
        assert_eq!(range_of("0-0", 0), Some(0..0));
        for bad in ["100-110", "9-8", "x-1", "1", "-1", "18446744073709551615-18446744073709551615"]
        {
            assert_eq!(range_of(bad, 100), None, "{bad}");
        }
    }
}
