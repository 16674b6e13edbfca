//! Turns a sample letter into a message (RFC 5322, MIME) as a mail program would write it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::PEOPLE;
use super::attachments::{self, Attachment};
use super::letters::{Html, Lang, Letter};
use crate::base::clock::UnixTime;

/// Octets of a base64 or encoded-word line.
const LINE: usize = 76;

/// A letter with what it takes from those before it.
pub struct Context<'a> {
    pub letter: &'a Letter,
    pub sent: UnixTime,
    /// The letters that it answers, the oldest first, and when they were sent.
    pub thread: Vec<(&'a Letter, UnixTime)>,
}

/// The address within `Name <address>`, or the address itself.
pub fn address(person: &str) -> &str {
    match person.rsplit_once('<') {
        Some((_, address)) => address.trim_end_matches('>'),
        None => person,
    }
}

/// The name within `Name <address>`, or that of the person in the office.
fn name(person: &str) -> Option<String> {
    match person.rsplit_once(" <") {
        Some((name, _)) => Some(name.trim_matches('"').to_owned()),
        None => {
            let local = person.split('@').next()?;
            PEOPLE.iter().find(|p| p.login == local).map(|p| p.name.to_owned())
        }
    }
}

pub fn message_id(letter: &Letter) -> String {
    let domain = address(&letter.from).rsplit('@').next().unwrap_or("office.example");
    format!("<{}.sample@{domain}>", letter.id)
}

/// The subject, with `Re:` before that of the letter which is answered.
pub fn subject(context: &Context<'_>) -> String {
    match context.thread.first() {
        Some((first, _)) if context.letter.subject.is_empty() => format!("Re: {}", first.subject),
        _ => context.letter.subject.clone(),
    }
}

/// The whole message, lines ending in CRLF.
pub fn message(context: &Context<'_>) -> Vec<u8> {
    let letter = context.letter;
    let mut head = String::new();
    let mut field = |key: &str, value: &str| head.push_str(&format!("{key}: {value}\r\n"));
    field("From", &mailbox(&letter.from));
    field("To", &mailboxes(&letter.to));
    if !letter.cc.is_empty() {
        field("Cc", &mailboxes(&letter.cc));
    }
    field("Subject", &words(&subject(context)));
    field("Date", &date(context.sent));
    field("Message-ID", &message_id(letter));
    if let Some((parent, _)) = context.thread.last() {
        field("In-Reply-To", &message_id(parent));
        let all: Vec<String> = context.thread.iter().map(|(l, _)| message_id(l)).collect();
        field("References", &all.join("\r\n "));
    }
    if let Some(list) = &letter.list {
        field("List-Id", &format!("<news.{list}>"));
        field("List-Unsubscribe", &format!("<https://{list}/unsubscribe>"));
        field("Precedence", "bulk");
    }
    field("MIME-Version", "1.0");
    let text = with_quotation(context);
    let subject = subject(context);
    let files: Vec<Attachment> =
        letter.attach.iter().map(|name| attachments::make(name, &subject)).collect();
    head.push_str(&body(letter, &text, &files));
    head.into_bytes()
}

/// From `Content-Type` on: text, beside HTML if there is any, before files if there are any.
fn body(letter: &Letter, text: &str, files: &[Attachment]) -> String {
    let plain = text_part("plain", text);
    let readable = match letter.html {
        Html::No => plain,
        style => {
            let html = text_part("html", &html(text, &letter.subject, style == Html::News));
            multipart("alternative", &letter.id, &[plain, html])
        }
    };
    if files.is_empty() {
        return readable;
    }
    let mut parts = vec![readable];
    parts.extend(files.iter().map(file_part));
    multipart("mixed", &letter.id, &parts)
}

fn multipart(kind: &str, id: &str, parts: &[String]) -> String {
    let boundary = format!("=_{kind}_{id}");
    let mut out = format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n\r\n");
    for part in parts {
        out.push_str(&format!("--{boundary}\r\n{part}\r\n"));
    }
    out + &format!("--{boundary}--\r\n")
}

fn text_part(kind: &str, text: &str) -> String {
    let lines = text.replace('\n', "\r\n") + "\r\n";
    let long = lines.lines().any(|line| line.len() > 900);
    if lines.is_ascii() && !long {
        return format!("Content-Type: text/{kind}; charset=us-ascii\r\n\r\n{lines}");
    }
    // Latin script reads well in quoted-printable, other scripts are shorter in base64.
    let foreign = lines.chars().filter(|c| *c > '\u{24f}').count() * 4 > lines.chars().count();
    let (encoding, coded) = match foreign {
        true => ("base64", base64(lines.as_bytes())),
        false => ("quoted-printable", quoted_printable::encode_to_str(lines.as_bytes())),
    };
    format!(
        "Content-Type: text/{kind}; charset=utf-8\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\r\n{coded}\r\n"
    )
}

fn file_part(file: &Attachment) -> String {
    let (kind, name) = (file.kind, &file.name);
    format!(
        "Content-Type: {kind}; name=\"{name}\"\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}",
        base64(&file.bytes)
    )
}

fn base64(bytes: &[u8]) -> String {
    bytes.chunks(LINE / 4 * 3).map(|line| STANDARD.encode(line) + "\r\n").collect()
}

/// The letter with the one that it answers below, as most programs do it.
fn with_quotation(context: &Context<'_>) -> String {
    let text = &context.letter.text;
    let Some((parent, sent)) = context.thread.last() else { return text.clone() };
    let who = name(&parent.from).unwrap_or_else(|| parent.from.clone());
    let day = date(*sent);
    let day = day.rsplit_once(' ').map_or(day.as_str(), |(day, _)| day);
    let line = match context.letter.lang {
        Lang::En => format!("On {day}, {who} wrote:"),
        Lang::De => format!("Am {day} schrieb {who}:"),
        Lang::Fr => format!("Le {day}, {who} a écrit :"),
        Lang::Pl => format!("{day}, {who} pisze:"),
    };
    let quoted: Vec<String> = parent.text.lines().map(|line| format!("> {line}")).collect();
    format!("{text}\n\n{line}\n{}", quoted.join("\n"))
}

/// Paragraphs, lists and links of the text as HTML.
fn html(text: &str, title: &str, news: bool) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut out = String::from("<!doctype html>\n<html><head><meta charset=\"utf-8\"></head>\n");
    out += match news {
        true => {
            "<body style=\"margin:0;background:#f2f1ec;font-family:sans-serif\">\n\
                 <table role=\"presentation\" width=\"600\" align=\"center\" style=\"background:#fff\">\
                 <tr><td style=\"padding:24px\">\n"
        }
        false => "<body style=\"font-family:sans-serif;font-size:15px\">\n",
    };
    if news {
        out += &format!("<h1 style=\"color:#0d664f\">{}</h1>\n", escape(title));
    }
    for paragraph in text.split("\n\n") {
        let items: Vec<&str> = paragraph.lines().filter_map(|l| l.strip_prefix("- ")).collect();
        if items.is_empty() {
            let lines: Vec<String> = paragraph.lines().map(|line| linked(&escape(line))).collect();
            out += &format!("<p>{}</p>\n", lines.join("<br>\n"));
        } else {
            let items: String = items.iter().map(|i| format!("<li>{}</li>\n", escape(i))).collect();
            out += &format!("<ul>\n{items}</ul>\n");
        }
    }
    out + if news { "</td></tr></table>\n</body></html>" } else { "</body></html>" }
}

fn linked(line: &str) -> String {
    match line.split_once("https://") {
        Some((before, url)) => format!("{before}<a href=\"https://{url}\">https://{url}</a>"),
        None => line.to_owned(),
    }
}

fn mailboxes(people: &[String]) -> String {
    people.iter().map(|person| mailbox(person)).collect::<Vec<_>>().join(",\r\n ")
}

fn mailbox(person: &str) -> String {
    let address = address(person);
    match name(person) {
        None => address.to_owned(),
        Some(name) if !name.is_ascii() => format!("{} <{address}>", words(&name)),
        Some(name) if name.contains(['.', ',', '&']) => format!("\"{name}\" <{address}>"),
        Some(name) => format!("{name} <{address}>"),
    }
}

/// Text of a header field; what is not ASCII as encoded words (RFC 2047 §2).
fn words(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut all: Vec<String> = Vec::new();
    let mut piece = String::new();
    for c in text.chars() {
        // 45 octets are 60 in base64, which leaves room for the rest of an encoded word.
        if piece.len() + c.len_utf8() > 45 {
            all.push(std::mem::take(&mut piece));
        }
        piece.push(c);
    }
    all.push(piece);
    let coded: Vec<String> =
        all.iter().map(|piece| format!("=?utf-8?B?{}?=", STANDARD.encode(piece))).collect();
    coded.join("\r\n ")
}

/// `Thu, 13 Feb 2025 08:12:00 +0100`
pub fn date(at: UnixTime) -> String {
    const OFFSET: i64 = 3_600;
    jiff::Timestamp::from_second(at + OFFSET)
        .map(|local| local.strftime("%a, %d %b %Y %H:%M:%S +0100").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_ascii_and_lines_are_short() {
        for letter in super::super::letters::all().unwrap() {
            let context = Context { letter: &letter, sent: 1_739_430_720, thread: Vec::new() };
            let text = String::from_utf8(message(&context)).unwrap();
            assert!(text.is_ascii(), "{}", letter.id);
            assert!(text.lines().all(|line| line.len() <= 900), "{}", letter.id);
            assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{}", letter.id);
        }
    }

    #[test]
    fn dates_are_those_of_rfc_5322() {
        assert_eq!(date(1_739_430_720), "Thu, 13 Feb 2025 08:12:00 +0100");
    }
}
