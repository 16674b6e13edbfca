//! What stands in a draft: read from a message, changed by a phone, put together again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::base::id::{MailboxId, Uid};
use crate::delivery::trace;
use crate::domain::scheduling::letter::new_id;
use crate::eas::draft::{MALFORMED, NOT_FOUND, Refused, SERVER_ERROR};
use crate::eas::parts::{File, Part, split_header};
use crate::eas::render::Unrenderable;
use crate::eas::render::email::{self, headers, source};
use crate::eas::session::Session;
use crate::format::mime::{
    self, Disposition, Letter, Outline, decode_header, html_to_readable, scan, text_to_html,
};
use crate::format::wbxml::{Element, Value, tags};
use crate::store::{Read, Snapshot};

use tags::{air_sync_base as b, email as e, email2 as e2};

/// Attachments of one draft.
const ATTACHMENTS_MAX: usize = 500;

/// Fields that are written from what phones can change.
const MANAGED: [&str; 9] =
    ["from", "to", "cc", "bcc", "reply-to", "subject", "importance", "x-priority", "date"];

#[derive(Default)]
pub struct Draft {
    /// The message's id in this mailbox, by which its attachments are named.
    message: Option<crate::base::id::MessageId>,
    to: String,
    cc: String,
    bcc: String,
    reply_to: String,
    subject: String,
    /// 0 low, 1 normal, 2 high (MS-ASEMAIL 2.2.2.36).
    importance: Option<u8>,
    /// Fields that phones do not know of.
    others: Vec<u8>,
    body: Body,
    /// Attachments that the body brings itself.
    enclosed: usize,
    attachments: Vec<Attachment>,
}

enum Body {
    Plain(String),
    Html(String),
    /// A message of the phone's own making, which is signed perhaps: its octets stay.
    Mime(Part),
}

impl Default for Body {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

struct Attachment {
    /// The part's number in the message that it comes from.
    index: Option<usize>,
    /// Named by the HTML.
    inline: bool,
    part: Part,
}

/// A new attachment.
pub struct Added {
    /// As the phone calls it.
    pub client_id: String,
    /// Among all attachments of the draft, in the order of their parts.
    pub place: usize,
}

impl From<Unrenderable> for Refused {
    fn from(why: Unrenderable) -> Self {
        tracing::warn!(%why, "a draft cannot be read");
        Self::Status(SERVER_ERROR)
    }
}

impl Draft {
    /// Reads the draft that a message is.
    pub fn read(read: &Snapshot, mailbox: MailboxId, uid: Uid) -> Result<Draft, Refused> {
        let place = read.place(mailbox, uid)?.ok_or(Refused::Status(NOT_FOUND))?;
        let mut draft = source::open(read, &place, |opened| {
            let mut draft = Draft::default();
            if let Some(root) = opened.content.root() {
                draft.read_header(&opened.octets(root.outline.header)?);
            }
            let failed = |error: crate::store::Error| Unrenderable(error.to_string());
            draft.body = match opened.content.is_html() {
                true => Body::Html(opened.content.html_text(&opened.source).map_err(failed)?),
                false => Body::Plain(opened.content.plain_text(&opened.source).map_err(failed)?),
            };
            for part in
                opened.content.attachments.iter().filter_map(|at| opened.content.parts.get(*at))
            {
                let header = opened.octets(part.outline.header)?;
                let body = Bytes::from(opened.octets(part.outline.body)?.into_owned());
                draft.attachments.push(Attachment {
                    index: Some(part.index),
                    inline: !part.content_id.is_empty()
                        && part.disposition != Disposition::Attachment,
                    part: Part::existing(&header, body),
                });
            }
            Ok(draft)
        })?;
        draft.message = Some(place.message);
        Ok(draft)
    }

    fn read_header(&mut self, header: &[u8]) {
        for field in mime::header_fields(header) {
            let value = || String::from_utf8_lossy(field.value).into_owned();
            let list = match field.name.to_ascii_lowercase().as_slice() {
                b"to" => &mut self.to,
                b"cc" => &mut self.cc,
                b"bcc" => &mut self.bcc,
                b"reply-to" => &mut self.reply_to,
                b"subject" => {
                    self.subject = decode_header(field.value).trim().to_owned();
                    continue;
                }
                b"importance" => {
                    let text = field.value.trim_ascii().to_ascii_lowercase();
                    self.importance = match text.as_slice() {
                        b"low" => Some(0),
                        b"high" => Some(2),
                        _ => Some(1),
                    };
                    continue;
                }
                _ => continue,
            };
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(&value());
        }
        let (_, others) = split_header(header);
        for field in mime::header_fields(&others) {
            if !MANAGED.iter().any(|name| field.is(name)) {
                self.others.extend_from_slice(field.span.of(&others));
            }
        }
    }

    /// Takes over what a phone changed; what it leaves out stays.
    pub fn apply(&mut self, data: &Element) -> Result<Vec<Added>, Refused> {
        match data.child(b::BODY) {
            Some(body) if body.text_of(b::TYPE).map(str::trim) == Some("4") => {
                self.read_mime(body)?;
            }
            Some(body) => self.body = read_body(body)?,
            None => {}
        }
        for (tag, list, limit) in [
            (e::TO, &mut self.to, email::HEADER_MAX),
            (e::CC, &mut self.cc, email::HEADER_MAX),
            (e2::BCC, &mut self.bcc, email::BCC_MAX),
            (e::REPLY_TO, &mut self.reply_to, email::HEADER_MAX),
        ] {
            if let Some(text) = data.text_of(tag) {
                *list = with_unseen(commas(text), list, limit);
            }
        }
        if let Some(subject) = data.text_of(e::SUBJECT) {
            self.subject = subject.to_owned();
        }
        if let Some(importance) = data.parse_of(e::IMPORTANCE) {
            self.importance = Some(importance);
        }
        match data.child(b::ATTACHMENTS) {
            Some(changes) => self.change_attachments(changes),
            None => Ok(Vec::new()),
        }
    }

    /// A whole message as the body (MS-ASAIRS 2.2.2.41.1 allows it of any): it brings its own
    /// fields and files in place of the former ones. What stands beside it goes before them.
    fn read_mime(&mut self, body: &Element) -> Result<(), Refused> {
        let raw = body.child(b::DATA).map(Element::bytes).unwrap_or_default();
        let content = match mime::Content::read(&Outline::of_tree(&scan(&raw)), &raw[..]) {
            Ok(content) => content,
            Err(never) => match never {},
        };
        let root = content.root().ok_or(Refused::Status(MALFORMED))?;
        let header = root.outline.header.of(&raw);
        if mime::header_fields(header).next().is_none() {
            return Err(Refused::Status(MALFORMED));
        }
        *self = Draft { message: self.message, ..Draft::default() };
        self.read_header(header);
        let files = content.attachments.len();
        let body = raw.slice_ref(root.outline.body.of(&raw));
        self.body = Body::Mime(Part::existing(header, body));
        self.enclosed = files;
        Ok(())
    }

    fn change_attachments(&mut self, changes: &Element) -> Result<Vec<Added>, Refused> {
        for gone in changes.all(b::DELETE) {
            let reference = gone.text_of(b::FILE_REFERENCE).unwrap_or_default();
            let named = email::parse_reference(reference);
            let (message, index) = named.ok_or(Refused::Status(NOT_FOUND))?;
            let before = self.attachments.len();
            self.attachments.retain(|attachment| attachment.index != index);
            // Something that the person took away must not be sent.
            if index.is_none() || self.message != Some(message) || before == self.attachments.len()
            {
                return Err(Refused::Status(NOT_FOUND));
            }
        }
        let mut new = Vec::new();
        for add in changes.all(b::ADD) {
            if self.attachments.len() >= ATTACHMENTS_MAX {
                return Err(Refused::Status(MALFORMED));
            }
            let attachment = read_attachment(add)?;
            new.push((
                add.text_of(b::CLIENT_ID).unwrap_or_default().to_owned(),
                self.attachments.len(),
            ));
            self.attachments.push(attachment);
        }
        // Those that the text shows stand in front of the others.
        let html = matches!(self.body, Body::Html(_));
        let inline = |at: &Attachment| at.inline && html;
        let shown = self.attachments.iter().filter(|at| inline(at)).count();
        let place_of = |number: usize| {
            let before = self.attachments.iter().take(number);
            let place = match self.attachments.get(number).is_some_and(inline) {
                true => before.filter(|at| inline(at)).count(),
                false => shown + before.filter(|at| !inline(at)).count(),
            };
            self.enclosed + place
        };
        let added = new.into_iter();
        Ok(added.map(|(client_id, number)| Added { client_id, place: place_of(number) }).collect())
    }

    /// The message, in pieces.
    pub fn compose(self, session: &Session) -> Vec<Bytes> {
        let mut letter = Letter::header();
        let owner = &session.owner;
        letter = letter.mailboxes("From", [(Some(owner.name.as_str()), owner.address.as_str())]);
        for (name, list) in
            [("To", &self.to), ("Cc", &self.cc), ("Bcc", &self.bcc), ("Reply-To", &self.reply_to)]
        {
            let all = mailboxes(list);
            if !all.is_empty() {
                let all = all.iter().map(|(name, address)| (Some(name.as_str()), address.as_str()));
                letter = letter.mailboxes(name, all);
            }
        }
        letter = letter.text("Subject", &self.subject);
        letter = letter.field("Date", &trace::date(session.now()));
        match self.importance {
            Some(0) => letter = letter.field("Importance", "low").field("X-Priority", "5"),
            Some(2) => letter = letter.field("Importance", "high").field("X-Priority", "1"),
            _ => {}
        }
        let named = mime::header_fields(&self.others).any(|field| field.is("message-id"));
        if !named {
            letter = letter.ids("Message-ID", [new_id(&owner.address).as_str()]);
        }
        let mut fields = letter.fields();
        fields.extend_from_slice(&self.others);
        body_of(self.body, self.attachments).under(fields)
    }
}

fn body_of(body: Body, attachments: Vec<Attachment>) -> Part {
    let (part, html) = match body {
        Body::Plain(text) => (Part::text("text/plain", &text), false),
        Body::Html(html) => {
            let plain = Part::text("text/plain", &html_to_readable(&html));
            let both = vec![plain, Part::text("text/html", &html)];
            (Part::multipart("alternative", "", both), true)
        }
        Body::Mime(part) => (part, false),
    };
    let (shown, files): (Vec<_>, Vec<_>) =
        attachments.into_iter().partition(|attachment| attachment.inline && html);
    let together = |kind, first: Part, rest: Vec<Attachment>| {
        if rest.is_empty() {
            return first;
        }
        let mut parts = vec![first];
        parts.extend(rest.into_iter().map(|attachment| attachment.part));
        Part::multipart(kind, "", parts)
    };
    together("mixed", together("related", part, shown), files)
}

fn read_body(body: &Element) -> Result<Body, Refused> {
    let text = body.text_of(b::DATA).unwrap_or_default().to_owned();
    match body.parse_of::<u8>(b::TYPE) {
        None | Some(1) => Ok(Body::Plain(text)),
        // A document that declares another character set would be misread.
        Some(2) if text.is_empty() => Ok(Body::Html(text_to_html(""))),
        Some(2) => Ok(Body::Html(text)),
        Some(_) => Err(Refused::Status(MALFORMED)),
    }
}

fn read_attachment(add: &Element) -> Result<Attachment, Refused> {
    let content = add.child(b::CONTENT).ok_or(Refused::Status(MALFORMED))?;
    let text = |tag| add.text_of(tag).unwrap_or_default().trim().to_owned();
    let content_id = text(b::CONTENT_ID);
    let inline = text(b::IS_INLINE) == "1" && !content_id.is_empty();
    let bytes = match &content.value {
        // As text it can only be base64, whatever the bytes are.
        Value::Text(text) => {
            STANDARD.decode(text.trim()).map_or_else(|_| content.bytes(), Bytes::from)
        }
        _ => content.bytes(),
    };
    let part = match add.parse_of::<u8>(b::METHOD) {
        // Another message: it is no file with a name but a part of its own kind.
        Some(5) => Part::message(vec![bytes]),
        _ => Part::file(&File {
            media: match text(b::CONTENT_TYPE) {
                media if media.is_empty() => media_of(&text(b::DISPLAY_NAME)).to_owned(),
                media => media,
            },
            name: text(b::DISPLAY_NAME),
            content_id,
            location: text(b::CONTENT_LOCATION),
            inline,
            bytes,
        }),
    };
    Ok(Attachment { index: None, inline, part })
}

/// The kinds of files that phones attach, by the end of the name.
fn media_of(name: &str) -> &'static str {
    let end = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match end.as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "htm" | "html" => "text/html",
        "ics" => "text/calendar",
        "vcf" => "text/vcard",
        "zip" => "application/zip",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "ppt" => "application/vnd.ms-powerpoint",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => "application/octet-stream",
    }
}

/// Phones part addresses by semicolons as well.
fn commas(list: &str) -> String {
    let mut quoted = false;
    let mut escaped = false;
    list.chars()
        .map(|c| {
            let after_backslash = std::mem::take(&mut escaped);
            match c {
                '"' if !after_backslash => quoted = !quoted,
                '\\' if !after_backslash => escaped = true,
                ';' if !quoted => return ',',
                _ => {}
            }
            c
        })
        .collect()
}

/// A phone's list, and behind it whom it was never shown: of a long list it has what fits into
/// `limit`, and must not take the others out with that. A phone that names one of them wrote
/// the whole list itself, and knows whom it leaves out.
fn with_unseen(mut list: String, before: &str, limit: usize) -> String {
    let mut unseen: Vec<_> = headers::mailboxes(before.as_bytes()).collect();
    let seen = headers::shown(unseen.iter().cloned(), limit).1;
    unseen.drain(..seen);
    let named = mailboxes(&list);
    let is_named = |(_, address): &(String, String)| {
        named.iter().any(|(_, other)| other.eq_ignore_ascii_case(address))
    };
    if unseen.is_empty() || unseen.iter().any(is_named) {
        return list;
    }
    if !named.is_empty() {
        list.push(',');
    }
    list.push_str(&headers::shown(unseen, usize::MAX).0);
    list
}

/// Name and address of everybody in a list.
fn mailboxes(list: &str) -> Vec<(String, String)> {
    headers::mailboxes(list.as_bytes()).filter(|(_, address)| !address.is_empty()).collect()
}

#[cfg(test)]
mod tests;
