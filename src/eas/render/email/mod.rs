//! Mail as phones see it (MS-ASEMAIL, MS-ASAIRS): a message's children of `ApplicationData` in
//! every version, and a phone's change of what can be changed about it.
//!
//! Headers, subject and preview come from the cold record, part positions too; of the body only
//! the headers of its parts and the text that is asked for are read.

mod attachments;
mod body;
mod class;
mod flag;
pub mod headers;
mod own_part;
pub mod source;
mod stub;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use jiff::Timestamp;

use crate::base::clock::UnixTime;
use crate::base::id::{AccountId, MailboxId, ThreadId};
use crate::eas::render::email::class::Class;
use crate::eas::render::email::flag::Known;
use crate::eas::render::email::headers::Headers;
use crate::eas::render::email::source::Opened;
use crate::eas::render::{Unrenderable, View, meeting_request};
use crate::eas::version::Version;
use crate::format::wbxml::{Writer, tags};
use crate::store::rows::flags::Flags;
use crate::store::rows::mailbox::SpecialUse;
use crate::store::{Message, Read, Snapshot};

pub use attachments::{Attachment, attachment, parse as parse_reference, reference};
pub use flag::{apply, check, instant, look};
pub use stub::stub;

use tags::{air_sync_base as b, email as e, email2 as e2, find as f};

/// Longest value of a header that phones take, as the schema has it of To and From (MS-ASEMAIL
/// 6.1); of the others it has no bound.
pub const HEADER_MAX: usize = 32 * 1024;
/// Longest value of Bcc (MS-ASEMAIL 6.2).
pub const BCC_MAX: usize = 1024;
/// UTF-8, as a Windows code page.
const UTF_8: u32 = 65001;

/// Where the data of bodies goes.
enum Sink<'p> {
    Inline,
    /// Into parts of their own, behind the answer (MS-ASCMD 2.2.3.130.1).
    Parts(&'p mut Vec<Bytes>),
}

/// Writes a message's children of `ApplicationData`. On an error nothing was written.
pub fn render(
    out: &mut Writer,
    read: &Snapshot,
    mailbox: MailboxId,
    message: &Message,
    view: &View<'_>,
) -> Result<(), Unrenderable> {
    render_to(out, read, mailbox, message, view, Sink::Inline)
}

/// The same with the body's data put behind `parts`, which begin at number 1 in the answer.
pub fn render_in_parts(
    out: &mut Writer,
    read: &Snapshot,
    mailbox: MailboxId,
    message: &Message,
    view: &View<'_>,
    parts: &mut Vec<Bytes>,
) -> Result<(), Unrenderable> {
    render_to(out, read, mailbox, message, view, Sink::Parts(parts))
}

fn render_to(
    out: &mut Writer,
    read: &Snapshot,
    mailbox: MailboxId,
    message: &Message,
    view: &View<'_>,
    mut sink: Sink<'_>,
) -> Result<(), Unrenderable> {
    let mark = out.mark();
    let done = source::open(read, &message.place, |opened| {
        write(out, read, mailbox, message, view, opened, &mut sink)
    });
    if done.is_err() {
        out.rewind(mark);
    }
    done
}

fn write(
    out: &mut Writer,
    read: &Snapshot,
    mailbox: MailboxId,
    message: &Message,
    view: &View<'_>,
    opened: &Opened<'_>,
    sink: &mut Sink<'_>,
) -> Result<(), Unrenderable> {
    let headers = Headers::read(opened)?;
    let class = Class::of(opened)?;
    write_headers(out, message, opened, &headers);
    out.number(e::READ, u8::from(message.hot.flags.seen()));
    let hidden = class.is_meeting();
    if view.version == Version::V2_5 {
        attachments::write_old(out, message, opened, hidden);
        body::write_old(out, view, opened, &class)?;
    } else {
        attachments::write(out, message, opened, hidden);
        body::write(out, view, opened, &class, sink)?;
    }
    out.text(e::MESSAGE_CLASS, class.name());
    if let Some(meeting) = class.meeting() {
        let held = meeting_request::held(read, mailbox.account, meeting).map_err(failed)?;
        meeting_request::write(out, meeting, held.as_ref(), view);
    }
    out.number(e::INTERNET_CPID, UTF_8);
    if view.version >= Version::V12_0 {
        out.text(e::CONTENT_CLASS, class.content_class());
        out.number(b::NATIVE_BODY_TYPE, if opened.content.is_html() { 2 } else { 1 });
    }
    let known = Known::of_message(read, mailbox.account, &message.hot.flags).map_err(failed)?;
    let marks = read.marks(mailbox.account, message.place.message).map_err(failed)?;
    flag::write(out, &message.hot.flags, marks.as_ref(), &known, view.version);
    if view.version >= Version::V14_0 {
        let thread = message.place.thread;
        out.opaque(e2::CONVERSATION_ID, &conversation_id(mailbox.account, thread));
        match marks.and_then(|marks| marks.conversation_index) {
            Some(index) => out.opaque(e2::CONVERSATION_INDEX, &index),
            None => out.opaque(e2::CONVERSATION_INDEX, &conversation_index(message.place.sent)),
        }
        if let Some(sender) = headers.sender() {
            out.text(e2::SENDER, &sender);
        }
    }
    if view.version >= Version::V16_0 {
        let bcc = headers.list("Bcc", BCC_MAX);
        if !bcc.is_empty() {
            out.text(e2::BCC, &bcc);
        }
        let draft = message.hot.flags.contains(&Flags::DRAFT) || is_drafts(read, mailbox)?;
        out.number(e2::IS_DRAFT, u8::from(draft));
    }
    Ok(())
}

fn write_headers(out: &mut Writer, message: &Message, opened: &Opened<'_>, headers: &Headers) {
    let record = &opened.record;
    for (tag, name) in [(e::TO, "To"), (e::CC, "Cc"), (e::FROM, "From")] {
        let list = headers.list(name, HEADER_MAX);
        if !list.is_empty() {
            out.text(tag, &list);
        }
    }
    out.text(e::SUBJECT, record.subject());
    let reply_to = headers.list("Reply-To", HEADER_MAX);
    if !reply_to.is_empty() {
        out.text(e::REPLY_TO, &reply_to);
    }
    out.text(e::DATE_RECEIVED, &date_time(message.place.internal_date));
    let display_to = headers.names("To", HEADER_MAX);
    if !display_to.is_empty() {
        out.text(e::DISPLAY_TO, &display_to);
    }
    out.text(e::THREAD_TOPIC, record.base_subject());
    out.number(e::IMPORTANCE, headers.importance());
}

/// Writes what can have changed about a message that a phone holds, and nothing else.
pub fn render_change(
    out: &mut Writer,
    read: &Snapshot,
    mailbox: MailboxId,
    message: &Message,
    view: &View<'_>,
) -> Result<(), Unrenderable> {
    let known = Known::of_message(read, mailbox.account, &message.hot.flags).map_err(failed)?;
    let marks = read.marks(mailbox.account, message.place.message).map_err(failed)?;
    out.number(e::READ, u8::from(message.hot.flags.seen()));
    flag::write(out, &message.hot.flags, marks.as_ref(), &known, view.version);
    Ok(())
}

/// Writes what Find shows of a message in its list (MS-ASCMD 2.2.3.139.1).
pub fn summary(
    out: &mut Writer,
    read: &Snapshot,
    mailbox: MailboxId,
    message: &Message,
) -> Result<(), Unrenderable> {
    source::open(read, &message.place, |opened| {
        let headers = Headers::read(opened)?;
        out.text(e::SUBJECT, opened.record.subject());
        out.text(e::DATE_RECEIVED, &date_time(message.place.internal_date));
        let people = [(e::DISPLAY_TO, "To"), (f::DISPLAY_CC, "Cc"), (f::DISPLAY_BCC, "Bcc")];
        for (tag, name) in people {
            let names = headers.names(name, HEADER_MAX);
            if !names.is_empty() {
                out.text(tag, &names);
            }
        }
        out.number(e::IMPORTANCE, headers.importance());
        out.number(e::READ, u8::from(message.hot.flags.seen()));
        let draft = message.hot.flags.contains(&Flags::DRAFT) || is_drafts(read, mailbox)?;
        out.number(e2::IS_DRAFT, u8::from(draft));
        out.text(f::PREVIEW, opened.record.preview());
        out.number(f::HAS_ATTACHMENTS, u8::from(opened.record.has_attachment()));
        out.text(e::FROM, &headers.list("From", HEADER_MAX));
        Ok(())
    })
}

/// The 16 bytes that name a conversation of an account (MS-ASEMAIL 2.2.2.21).
pub fn conversation_id(account: AccountId, thread: ThreadId) -> [u8; 16] {
    let mut id = *b"....Kntr........";
    let (account, thread) = (account.0.to_be_bytes(), thread.0.to_be_bytes());
    id.iter_mut().zip(account).for_each(|(to, from)| *to = from);
    id.iter_mut().skip(8).zip(thread).for_each(|(to, from)| *to = from);
    id
}

/// The conversation that [`conversation_id`] named.
pub fn thread_of(account: AccountId, id: &[u8]) -> Option<ThreadId> {
    let id: &[u8; 16] = id.try_into().ok()?;
    let thread = ThreadId(u64::from_be_bytes(*id.last_chunk()?));
    (conversation_id(account, thread) == *id).then_some(thread)
}

/// Five bytes of a message's date, by which phones sort a conversation (MS-ASEMAIL 2.2.2.22):
/// a FILETIME without its lowest 16 bits and highest 8.
fn conversation_index(sent: UnixTime) -> [u8; 5] {
    let ticks = sent.saturating_add(11_644_473_600).saturating_mul(10_000_000).max(0) as u64;
    let [_, b, c, d, e, f, ..] = ticks.to_be_bytes();
    [b, c, d, e, f]
}

/// `2026-01-31T12:00:00.000Z` (MS-ASDTYPE 2.3).
pub(super) fn date_time(at: UnixTime) -> String {
    let at = Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = jiff::tz::TimeZone::UTC.to_datetime(at);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.000Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn is_drafts(read: &Snapshot, mailbox: MailboxId) -> Result<bool, Unrenderable> {
    let row = read.mailbox(mailbox).map_err(failed)?;
    Ok(row.is_some_and(|row| row.special_use == Some(SpecialUse::Drafts)))
}

fn failed(error: crate::store::Error) -> Unrenderable {
    Unrenderable(error.to_string())
}
