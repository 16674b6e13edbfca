//! The readable stand-in for a message that cannot be shown.

use crate::base::id::MailboxId;
use crate::eas::render::email::{attachments, conversation_id, conversation_index, date_time};
use crate::eas::render::{Unrenderable, View};
use crate::eas::version::Version;
use crate::format::mime::RecordView;
use crate::format::wbxml::{Writer, tags};
use crate::store::{Message, Read, Snapshot};

use tags::{air_sync_base as b, email as e, email2 as e2};

/// Writes a stand-in for a message: a text that says why it is not shown, and the original as
/// an attachment. Needs nothing but the message's place, so that it never fails.
pub fn stub(
    out: &mut Writer,
    read: &Snapshot,
    mailbox: MailboxId,
    message: &Message,
    why: &Unrenderable,
    view: &View<'_>,
) {
    let place = &message.place;
    let record = read.content(place.content).ok().flatten();
    let record = record.as_deref().and_then(|record| RecordView::parse(record).ok());
    let subject = record.map_or("", |record| record.subject());
    let text = format!(
        "This message could not be converted for your device ({}).\r\n\r\n\
         Its original is attached. Other mail programs may be able to show it. Your administrator \
         finds it in the list of messages with errors.\r\n",
        why.0
    );
    out.text(e::SUBJECT, subject);
    out.text(e::DATE_RECEIVED, &date_time(place.internal_date));
    out.text(e::THREAD_TOPIC, record.map_or("", |record| record.base_subject()));
    out.number(e::IMPORTANCE, 1);
    out.number(e::READ, u8::from(message.hot.flags.seen()));
    let reference = attachments::whole_reference(place.message);
    if view.version == Version::V2_5 {
        out.open(e::ATTACHMENTS);
        out.open(e::ATTACHMENT);
        out.text(e::ATT_NAME, &reference);
        out.number(e::ATT_SIZE, place.size);
        out.number(e::ATT_METHOD, 5);
        out.text(e::DISPLAY_NAME, "message.eml");
        out.close();
        out.close();
        out.number(e::BODY_TRUNCATED, 0);
        out.text(e::BODY, &text);
        out.number(e::BODY_SIZE, text.len());
    } else {
        out.open(b::ATTACHMENTS);
        out.open(b::ATTACHMENT);
        out.text(b::DISPLAY_NAME, "message.eml");
        out.text(b::FILE_REFERENCE, &reference);
        out.number(b::METHOD, 5);
        out.number(b::ESTIMATED_DATA_SIZE, place.size);
        out.close();
        out.close();
        out.open(b::BODY);
        out.number(b::TYPE, 1);
        out.number(b::ESTIMATED_DATA_SIZE, text.len());
        out.text(b::DATA, &text);
        out.close();
    }
    out.text(e::MESSAGE_CLASS, "IPM.Note");
    out.number(e::INTERNET_CPID, super::UTF_8);
    if view.version >= Version::V12_0 {
        out.empty(e::FLAG);
        out.text(e::CONTENT_CLASS, "urn:content-classes:message");
        out.number(b::NATIVE_BODY_TYPE, 1);
    }
    if view.version >= Version::V14_0 {
        out.opaque(e2::CONVERSATION_ID, &conversation_id(mailbox.account, place.thread));
        out.opaque(e2::CONVERSATION_INDEX, &conversation_index(place.sent));
    }
}
