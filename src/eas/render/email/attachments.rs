//! Attachments: what a message lists of them, and their content by reference.

use std::borrow::Cow;

use bytes::Bytes;

use crate::base::id::{AccountId, MessageId};
use crate::eas::render::email::class::is_meeting_part;
use crate::eas::render::email::source::{self, Opened};
use crate::format::mime::{Disposition, PartInfo, Record, RecordView, Span, decode_part};
use crate::format::wbxml::{Writer, tags};
use crate::store::{self, Message, Read, Snapshot};

use tags::{air_sync_base as b, email as e};

/// Attachments listed of one message.
const LISTED: usize = 500;
/// Of a nested message's header this much is read for its subject.
const NESTED_HEADER: usize = 64 * 1024;

/// An attachment's content.
#[derive(Clone, Debug)]
pub struct Attachment {
    pub content_type: String,
    pub name: String,
    /// Decoded.
    pub bytes: Bytes,
}

/// Names a part of a message for ever, wherever the message moves: `a.7.3`.
pub fn reference(message: MessageId, part: usize) -> String {
    format!("a.{message}.{part}")
}

/// Names the whole message, as an attachment of its stub.
pub fn whole_reference(message: MessageId) -> String {
    format!("a.{message}.m")
}

/// The `Attachments` element of 12.0 and later (MS-ASAIRS 2.2.2.8).
pub fn write(out: &mut Writer, message: &Message, opened: &Opened<'_>, meeting: bool) {
    let mut files = listed(opened, meeting).peekable();
    if files.peek().is_none() {
        return;
    }
    out.open(b::ATTACHMENTS);
    for part in files {
        out.open(b::ATTACHMENT);
        out.text(b::DISPLAY_NAME, &display_name(opened, part));
        out.text(b::FILE_REFERENCE, &reference(message.place.message, part.index));
        out.number(b::METHOD, method(part));
        out.number(b::ESTIMATED_DATA_SIZE, part.estimated_size());
        if !part.content_id.is_empty() {
            out.text(b::CONTENT_ID, &part.content_id);
        }
        if !part.location.is_empty() {
            out.text(b::CONTENT_LOCATION, &part.location);
        }
        if is_inline(opened, part) {
            out.number(b::IS_INLINE, 1);
        }
        out.close();
    }
    out.close();
}

/// The `Attachments` element of 2.5 (MS-ASEMAIL 2.2.2.8).
pub fn write_old(out: &mut Writer, message: &Message, opened: &Opened<'_>, meeting: bool) {
    let mut files = listed(opened, meeting).peekable();
    if files.peek().is_none() {
        return;
    }
    out.open(e::ATTACHMENTS);
    for part in files {
        out.open(e::ATTACHMENT);
        out.text(e::ATT_NAME, &reference(message.place.message, part.index));
        out.number(e::ATT_SIZE, part.estimated_size());
        out.number(e::ATT_METHOD, method(part));
        out.text(e::DISPLAY_NAME, &display_name(opened, part));
        out.close();
    }
    out.close();
}

fn listed<'a>(opened: &'a Opened<'_>, meeting: bool) -> impl Iterator<Item = &'a PartInfo> {
    let files = opened.content.files();
    files.filter(move |part| !(meeting && is_meeting_part(part))).take(LISTED)
}

/// 1 a file, 5 a message (MS-ASAIRS 2.2.2.32).
fn method(part: &PartInfo) -> u8 {
    if part.media == "message/rfc822" || part.media == "message/global" { 5 } else { 1 }
}

/// Whether the HTML shows the part by its id.
fn is_inline(opened: &Opened<'_>, part: &PartInfo) -> bool {
    let named = !part.content_id.is_empty() || !part.location.is_empty();
    let parent = part.parent.and_then(|index| opened.content.part(index));
    let related = parent.is_some_and(|parent| parent.media == "multipart/related");
    named
        && opened.content.is_html()
        && (part.disposition == Disposition::Inline
            || related && part.disposition != Disposition::Attachment)
}

/// The name that a person sees: the sender's, a nested message's subject, or one made of the
/// kind, since phones open files by the ends of their names.
fn display_name(opened: &Opened<'_>, part: &PartInfo) -> String {
    if !part.name.is_empty() {
        return part.name.clone();
    }
    if method(part) == 5
        && let Some(subject) = nested_subject(opened, part)
    {
        return subject;
    }
    format!("attachment-{}{}", part.index, extension(&part.media))
}

fn nested_subject(opened: &Opened<'_>, part: &PartInfo) -> Option<String> {
    let Span { start, end } = part.outline.body;
    let header = opened.octets(Span { start, end: end.min(start + NESTED_HEADER) }).ok()?;
    let end = crate::format::mime::header_len(&header);
    let record = Record::build(b"", header.get(..end)?);
    let subject = RecordView::parse(&record).ok()?.subject();
    let name: String = subject.chars().filter(|c| !c.is_control() && *c != '/').take(200).collect();
    (!name.trim().is_empty()).then(|| format!("{}.eml", name.trim()))
}

fn extension(media: &str) -> &'static str {
    match media {
        "text/plain" => ".txt",
        "text/html" => ".htm",
        "text/calendar" => ".ics",
        "text/vcard" | "text/x-vcard" => ".vcf",
        "text/csv" => ".csv",
        "image/jpeg" | "image/jpg" => ".jpg",
        "image/png" => ".png",
        "image/gif" => ".gif",
        "image/tiff" => ".tif",
        "application/pdf" => ".pdf",
        "application/zip" => ".zip",
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => ".p7m",
        "message/rfc822" | "message/global" => ".eml",
        "message/delivery-status" | "text/rfc822-headers" => ".txt",
        _ => ".bin",
    }
}

/// The content that a reference names; `None` if there is no such thing (any more).
pub fn attachment(
    read: &Snapshot,
    account: AccountId,
    reference: &str,
) -> store::Result<Option<Attachment>> {
    let Some((message, part)) = parse(reference) else { return Ok(None) };
    let Some(place) = read.whereabouts(account, message)? else { return Ok(None) };
    let Some(message) = read.message(place.mailbox, place.uid)? else { return Ok(None) };
    let found = source::open(read, &message.place, |opened| {
        let Some(index) = part else {
            let bytes = Bytes::from(opened.whole(usize::MAX)?);
            let name = format!("{}.eml", opened.record.subject());
            return Ok(Some(Attachment { content_type: "message/rfc822".into(), name, bytes }));
        };
        let Some(part) = opened.content.part(index) else { return Ok(None) };
        let body = opened.octets(part.outline.body)?;
        let decoded = match decode_part(&body, part.outline.encoding) {
            Ok(Cow::Owned(decoded)) => Bytes::from(decoded),
            // An encoding that nobody knows: better as it is than not at all.
            Ok(Cow::Borrowed(_)) | Err(_) => Bytes::from(body.into_owned()),
        };
        let name = display_name(opened, part);
        Ok(Some(Attachment { content_type: part.media.clone(), name, bytes: decoded }))
    });
    found.map_err(|error| store::Error::Damaged(error.0))
}

/// Message and part; no part for the whole message.
pub fn parse(reference: &str) -> Option<(MessageId, Option<usize>)> {
    let (message, part) = reference.strip_prefix("a.")?.split_once('.')?;
    let message = MessageId(message.parse().ok()?);
    match part {
        "m" => Some((message, None)),
        part => Some((message, Some(part.parse().ok()?))),
    }
}
