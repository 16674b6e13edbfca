//! A phone's answer and the message that it answers or forwards, woven into one: the original's
//! text goes below the phone's in the kind of body that the phone wrote, its files come along.
//!
//! What the phone wrote otherwise stays as it is, octet by octet. A signed or encrypted answer
//! is not touched at all; an original of that kind is forwarded whole.

use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::clock::UnixTime;
use crate::eas::parts::{Part, split_header};
use crate::eas::render::Unrenderable;
use crate::eas::render::email::headers::Headers;
use crate::eas::render::email::source::Opened;
use crate::format::mime::{self, Content, Outline, PartInfo, scan, text_to_html};

/// Longest list of addresses in the lines above the original.
const LIST_MAX: usize = 2_000;
/// Text of an original that is quoted; what is longer is a document.
const QUOTED_MAX: usize = 2 * 1024 * 1024;
/// Ids that are named as ancestors; the first and the newest of more.
const REFERENCES_MAX: usize = 50;

/// What is done with the original.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Reply,
    Forward,
}

/// What there is to say of an original.
#[derive(Default)]
pub struct Original {
    pub from: String,
    pub sent: String,
    pub to: String,
    pub cc: String,
    pub subject: String,
    pub plain: String,
    /// `None`: it was written as plain text.
    pub html: Option<String>,
    pub message_id: Option<String>,
    pub references: Vec<String>,
    pub files: Vec<Enclosed>,
    /// Of an event, `sent` is when it begins and `to` where it is.
    pub is_event: bool,
}

/// A file of an original.
pub struct Enclosed {
    /// The id by which the HTML shows it; empty if it does not.
    pub content_id: String,
    pub part: Part,
}

impl Original {
    /// Reads a message.
    pub fn of(
        opened: &Opened<'_>,
        sent: UnixTime,
        zone: &TimeZone,
    ) -> Result<Original, Unrenderable> {
        let headers = Headers::read(opened)?;
        let failed = |error: crate::store::Error| Unrenderable(error.to_string());
        let mut original = Original {
            from: headers.list("From", LIST_MAX),
            to: headers.list("To", LIST_MAX),
            cc: headers.list("Cc", LIST_MAX),
            sent: date(sent, zone),
            subject: opened.record.subject().to_owned(),
            message_id: opened.record.message_id().map(str::to_owned),
            references: opened.record.references().map(str::to_owned).collect(),
            ..Original::default()
        };
        if opened.content.root().is_some_and(is_sealed) {
            let whole = Bytes::from(opened.whole(usize::MAX)?);
            let part = Part::message(vec![whole]);
            original.files.push(Enclosed { content_id: String::new(), part });
            return Ok(original);
        }
        original.plain = opened.content.plain_text(&opened.source).map_err(failed)?;
        if opened.content.is_html() {
            let html = opened.content.html_text(&opened.source).map_err(failed)?;
            original.html = Some(html);
        }
        for file in opened.content.files() {
            let header = opened.octets(file.outline.header)?;
            let body = Bytes::from(opened.octets(file.outline.body)?.into_owned());
            let (content_id, part) = (file.content_id.clone(), Part::existing(&header, body));
            original.files.push(Enclosed { content_id, part });
        }
        Ok(original)
    }

    /// The lines above the quoted text.
    fn facts(&self) -> Vec<(&'static str, &str)> {
        let names = match self.is_event {
            true => ["Organizer", "When", "Where", "Cc", "Subject"],
            false => ["From", "Sent", "To", "Cc", "Subject"],
        };
        let values = [&self.from, &self.sent, &self.to, &self.cc, &self.subject];
        let all = names.into_iter().zip(values);
        let said = all.filter(|(_, value)| !value.is_empty());
        said.map(|(name, value)| (name, value.as_str())).collect()
    }

    fn below_plain(&self, own: &str, form: Form) -> String {
        let mut out = own.trim_end().to_owned();
        out.push_str("\r\n\r\n________________________________\r\n");
        for (name, value) in self.facts() {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        out.push_str("\r\n");
        for line in start_of(&self.plain).lines() {
            match (form, line.starts_with('>')) {
                (Form::Reply, true) => out.push('>'),
                (Form::Reply, false) => out.push_str("> "),
                (Form::Forward, _) => {}
            }
            out.push_str(line);
            out.push_str("\r\n");
        }
        out
    }

    fn below_html(&self, own: &str, form: Form) -> String {
        let made;
        let theirs = match &self.html {
            Some(html) => start_of(html),
            None => {
                made = text_to_html(start_of(&self.plain));
                &made
            }
        };
        let (style, body) = inner(theirs);
        let mut quoted = String::with_capacity(body.len() + style.len() + 1_000);
        quoted.push_str("<br><hr>\r\n<div>");
        for (name, value) in self.facts() {
            let _ = write!(quoted, "<b>{name}:</b> ");
            escape(value, &mut quoted);
            quoted.push_str("<br>\r\n");
        }
        quoted.push_str("</div><br>\r\n");
        quoted.push_str(&style);
        match form {
            Form::Reply => {
                quoted.push_str(
                    "<blockquote type=\"cite\" style=\"margin:0 0 0 .8ex;\
                     border-left:1px solid #ccc;padding-left:1ex\">\r\n",
                );
                quoted.push_str(body);
                quoted.push_str("\r\n</blockquote>");
            }
            Form::Forward => {
                let _ = write!(quoted, "<div>\r\n{body}\r\n</div>");
            }
        }
        quoted.push_str("\r\n");
        let at = end_of_body(own);
        let (before, behind) = own.split_at_checked(at).unwrap_or((own, ""));
        [before, &quoted, behind].concat()
    }

    /// Fields that tie the answer to the original, as far as the phone left them out.
    fn ties(&self, header: &[u8]) -> String {
        let Some(id) = &self.message_id else { return String::new() };
        let has = |name| mime::header_fields(header).any(|field| field.is(name));
        let mut out = String::new();
        if !has("in-reply-to") {
            let _ = write!(out, "In-Reply-To: <{id}>\r\n");
        }
        if !has("references") {
            out.push_str("References:");
            let known = self.references.iter().filter(|known| *known != id);
            let known: Vec<&String> = known.collect();
            let skipped = known.len().saturating_sub(REFERENCES_MAX);
            for (at, known) in known.into_iter().enumerate() {
                if at == 0 || at > skipped {
                    let _ = write!(out, " <{known}>\r\n");
                }
            }
            let _ = write!(out, " <{id}>\r\n");
        }
        out
    }
}

/// A moment as people write it.
pub fn date(at: UnixTime, zone: &TimeZone) -> String {
    let at = Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH);
    zone.to_datetime(at).strftime("%A, %-d %B %Y %H:%M").to_string()
}

/// Signed or encrypted: another octet, and it is worth nothing.
fn is_sealed(root: &PartInfo) -> bool {
    matches!(
        &*root.media,
        "multipart/signed"
            | "multipart/encrypted"
            | "application/pkcs7-mime"
            | "application/x-pkcs7-mime"
    )
}

fn start_of(text: &str) -> &str {
    text.get(..text.floor_char_boundary(QUOTED_MAX)).unwrap_or_default()
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
}

/// A document's style sheets, and what stands in its body.
fn inner(html: &str) -> (String, &str) {
    let lower = html.to_ascii_lowercase();
    let tag = |name: &str, from: usize| {
        lower.get(from..).and_then(|rest| rest.find(name)).map(|at| at + from)
    };
    let after = |at: usize| tag(">", at).map_or(html.len(), |end| end + 1);
    let start = tag("<body", 0).map_or(0, after);
    let end = lower.rfind("</body").filter(|end| *end >= start).unwrap_or(html.len());
    let mut style = String::new();
    let mut at = 0;
    while let Some(from) = tag("<style", at).filter(|from| *from < start) {
        let to = tag("</style", from).map_or(html.len(), after);
        style.push_str(html.get(from..to).unwrap_or_default());
        at = to;
    }
    let body = html.get(start..end).unwrap_or(html);
    // Without a body element the head's tags are ignored by whoever shows it.
    (style, body)
}

/// Where a document's own text ends.
fn end_of_body(html: &str) -> usize {
    let lower = html.to_ascii_lowercase();
    lower.rfind("</body").or_else(|| lower.rfind("</html")).unwrap_or(html.len())
}

/// Weaves an answer and its original; the answer's lines end with CRLF.
pub fn weave(own: &Bytes, original: Original, form: Form) -> Vec<Bytes> {
    let content = match Content::read(&Outline::of_tree(&scan(own)), &own[..]) {
        Ok(content) => content,
        Err(never) => match never {},
    };
    let Some(root) = content.root() else { return vec![own.clone()] };
    let header = root.outline.header.of(own);
    let mut ties = original.ties(header).into_bytes();
    let sealed = is_sealed(root);
    let edits = if sealed { Vec::new() } else { edits(own, &content, &original, form) };
    let shows_html = edits.iter().any(|edit| edit.html);
    let quoted = !edits.is_empty();
    let mut extra = Vec::new();
    let untouched = sealed && form == Form::Reply;
    if !quoted && !untouched {
        // Nothing that could be written under.
        extra.push(Part::text("text/plain", &original.below_plain("", form)));
    }
    let html = start_of(original.html.as_deref().unwrap_or_default());
    let shown = |file: &Enclosed| {
        shows_html
            && !file.content_id.is_empty()
            && html.contains(&format!("cid:{}", file.content_id))
    };
    let (pictures, files): (Vec<Enclosed>, Vec<Enclosed>) =
        original.files.into_iter().partition(shown);
    if form == Form::Forward {
        extra.extend(files.into_iter().map(|file| file.part));
    }
    let pictures: Vec<Part> = pictures.into_iter().map(|file| file.part).collect();

    let (about, others) = split_header(header);
    ties.extend_from_slice(&others);
    let mut part = spliced(own, root, about, edits);
    for (kind, more) in [("related", pictures), ("mixed", extra)] {
        if !more.is_empty() {
            let all = std::iter::once(part).chain(more).collect();
            part = Part::multipart(kind, "", all);
        }
    }
    part.under(ties)
}

/// A text of the answer, as it becomes.
struct Edit {
    /// The part's number in the table.
    index: usize,
    part: Part,
    html: bool,
    header: mime::Span,
    body: mime::Span,
}

/// The answer's last text of each kind, with the original below it.
fn edits(own: &[u8], content: &Content, original: &Original, form: Form) -> Vec<Edit> {
    let mut chosen: Vec<&PartInfo> = Vec::new();
    for list in [&content.plain, &content.html] {
        let last = list.last().and_then(|at| content.parts.get(*at));
        chosen.extend(last.filter(|part| chosen.iter().all(|other| other.index != part.index)));
    }
    chosen.sort_by_key(|part| part.index);
    let edit = |part: &PartInfo| {
        let text = part.text(part.outline.body.of(own));
        let (kind, woven) = match part.is_html() {
            true => ("text/html", original.below_html(&text, form)),
            false => ("text/plain", original.below_plain(&text, form)),
        };
        Edit {
            index: part.index,
            part: Part::text(kind, &woven),
            html: part.is_html(),
            header: part.outline.header,
            body: part.outline.body,
        }
    };
    chosen.into_iter().map(edit).collect()
}

/// The answer's body with the fields about it, and with the edits made.
fn spliced(own: &Bytes, root: &PartInfo, about: Vec<u8>, edits: Vec<Edit>) -> Part {
    let slice = |from: usize, to: usize| {
        let to = to.min(own.len());
        own.slice(from.min(to)..to)
    };
    let mut pieces = vec![Bytes::from(about)];
    let mut at = root.outline.body.start;
    for edit in edits {
        if edit.index == root.index {
            // The text is the whole answer.
            return edit.part;
        }
        let before = slice(at, edit.header.start);
        let line_ends = before.ends_with(b"\n");
        pieces.push(before);
        if !line_ends {
            pieces.push(Bytes::from_static(b"\r\n"));
        }
        pieces.extend(edit.part.0);
        at = edit.body.end;
    }
    pieces.push(slice(at, own.len()));
    Part(pieces)
}

#[cfg(test)]
mod tests;
