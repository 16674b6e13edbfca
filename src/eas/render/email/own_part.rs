//! What a message says itself, without the older messages that it quotes below.
//!
//! Programs mark what they quote in a few well-known ways. Where one of them is found, and
//! nothing that the author wrote can stand behind it, the text ends there. In every other case
//! it is whole: rather too much than a lost sentence. What is forwarded is no quotation.

use std::borrow::Cow;

use memchr::memmem;

use crate::eas::render::email::source::Opened;
use crate::format::mime::html_to_readable;
use crate::store;

/// How the sender is named above a quoted message, and the line behind that.
const FROM: [&str; 14] = [
    "from:",
    "von:",
    "de:",
    "de :",
    "da:",
    "van:",
    "från:",
    "fra:",
    "od:",
    "lähettäjä:",
    "kimden:",
    "от:",
    "发件人:",
    "差出人:",
];
/// Words that the line above a quotation begins with: on such a day somebody wrote.
const ATTRIBUTES: [&str; 14] = [
    "On ", "Am ", "Le ", "El ", "Il ", "Em ", "Op ", "Den ", "Dne ", "Dnia ", "W dniu ", "Ha ",
    "Пт", "Vào ",
];
/// Subjects of forwarded messages.
const FORWARDED: [&str; 10] =
    ["fw:", "fwd:", "wg:", "tr:", "rv:", "i:", "vs:", "vb:", "enc:", "doorst:"];
/// Words between a program's mark and the quotation.
const ATTRIBUTION: usize = 600;

/// The own text, as HTML or plain.
pub fn of(opened: &Opened<'_>, as_html: bool) -> Result<String, store::Error> {
    let content = &opened.content;
    let sure = answers(opened);
    if as_html {
        let mut html = content.html_text(&opened.source)?;
        if let Some(end) = end_of_html(&html).filter(|_| sure) {
            html.truncate(end);
        }
        return Ok(html);
    }
    let mut text = content.plain_text(&opened.source)?;
    if !sure {
        return Ok(text);
    }
    if let Some(end) = end_of_plain(&text) {
        text.truncate(end);
    } else if content.is_html() {
        let html = content.html_text(&opened.source)?;
        if let Some(own) = end_of_html(&html).and_then(|end| html.get(..end)) {
            return Ok(html_to_readable(own));
        }
    }
    Ok(text)
}

/// Whether the message answers another one, by its own account.
fn answers(opened: &Opened<'_>) -> bool {
    let subject = opened.record.subject().trim_start().to_lowercase();
    let forwards = FORWARDED.iter().any(|prefix| subject.starts_with(prefix));
    opened.record.references().next().is_some() && !forwards
}

/// Where the own part of a plain text ends.
pub fn end_of_plain(text: &str) -> Option<usize> {
    let mut lines = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        lines.push((at, line.trim()));
        at += line.len();
    }
    let cut = below_header(&lines).or_else(|| quoted_tail(&lines))?;
    let end = lines.get(cut)?.0;
    let own = text.get(..end)?.trim_end();
    (!own.is_empty()).then_some(own.len())
}

/// The line from which a whole message is quoted below its header, as Outlook does.
fn below_header(lines: &[(usize, &str)]) -> Option<usize> {
    let is_rule = |line: &str| {
        let title = line.strip_prefix("-----").and_then(|rest| rest.strip_suffix("-----"));
        let underscores = line.len() >= 30 && line.bytes().all(|byte| byte == b'_');
        underscores || title.is_some_and(|title| !title.trim_matches(['-', ' ']).is_empty())
    };
    lines.iter().enumerate().position(|(at, (_, line))| {
        let mut below = lines.iter().skip(at + 1).map(|(_, line)| *line);
        let mut next = || below.find(|line| !line.is_empty());
        is_rule(line)
            && next().is_some_and(is_from)
            && next().is_some_and(|second| second.contains(':'))
    })
}

/// The line of the attribution above lines with `>`, behind which nothing else stands.
fn quoted_tail(lines: &[(usize, &str)]) -> Option<usize> {
    let is_quoted = |line: &str| line.starts_with('>') || line.is_empty();
    let first = lines.iter().rposition(|(_, line)| !is_quoted(line))?;
    let behind = lines.get(first + 1..)?;
    let (_, attribution) = lines.get(first)?;
    if !behind.iter().any(|(_, line)| line.starts_with('>')) || !attribution.ends_with(':') {
        return None;
    }
    // It may have been broken into two lines, or three; what stands above it is the author's.
    let above = (first.saturating_sub(2)..=first).rev();
    let mut above = above.take_while(|at| lines.get(*at).is_some_and(|(_, line)| !line.is_empty()));
    let names_somebody = |from: usize| {
        let digits = |line: &str| line.bytes().filter(u8::is_ascii_digit).count() >= 4;
        let mut some = lines.iter().take(first + 1).skip(from);
        some.any(|(_, line)| line.contains('@') || digits(line))
    };
    let begins = |at: usize| {
        let line = lines.get(at).map_or("", |(_, line)| line);
        ATTRIBUTES.iter().any(|word| line.starts_with(word))
            || line.starts_with(|c: char| c.is_ascii_digit())
    };
    let start = above.find(|at| begins(*at)).or(attribution.contains('@').then_some(first))?;
    names_somebody(start).then_some(start)
}

fn is_from(line: &str) -> bool {
    let line: String = line.chars().take(20).collect::<String>().to_lowercase();
    let line = line.trim_start_matches(['*', ' ']);
    FROM.iter().any(|from| line.starts_with(from))
}

/// Where the own part of a document ends.
pub fn end_of_html(html: &str) -> Option<usize> {
    let tags = Tags { html, at: 0 };
    for tag in tags {
        if tag.closes {
            continue;
        }
        let behind = html.get(tag.end..)?;
        let marked = match tag.name() {
            // Outlook on the web and on phones.
            "div" if is_value(tag.value("id"), "divRplyFwdMsg") => true,
            "div" if is_outlook_rule(&tag) => {
                let start = behind.get(..behind.floor_char_boundary(4_000))?;
                if !is_from(html_to_readable(start).trim_start()) {
                    continue;
                }
                true
            }
            "div" if has_class(&tag, "gmail_quote") || has_class(&tag, "moz-cite-prefix") => {
                is_quotation(behind, 0)
            }
            "blockquote" if is_value(tag.value("type"), "cite") => is_quotation(behind, 1),
            // What this server writes itself below an answer.
            "hr" if behind.trim_start().starts_with("<div><b>From:</b> ") => {
                is_quotation(behind, 0)
            }
            _ => continue,
        };
        let own = html.get(..tag.start).filter(|_| marked)?;
        return shows_anything(own).then(|| without_rule(own).len());
    }
    None
}

fn is_value(value: Option<Cow<'_, str>>, wanted: &str) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case(wanted))
}

fn has_class(tag: &Tag<'_>, wanted: &str) -> bool {
    tag.value("class").is_some_and(|value| value.split_ascii_whitespace().any(|it| it == wanted))
}

/// The line that Outlook for the desktop draws above what it quotes.
fn is_outlook_rule(tag: &Tag<'_>) -> bool {
    let Some(style) = tag.value("style") else { return false };
    let style: String = style.chars().filter(|c| !c.is_whitespace()).collect();
    let style = style.to_ascii_lowercase();
    style.contains("border:none")
        && ["border-top:solid#e1e1e1", "border-top:solid#b5c4df"]
            .iter()
            .any(|rule| style.contains(rule))
}

/// Whether from here on only a short line and then quotations stand: where somebody has written
/// between them or below them, it is not.
fn is_quotation(html: &str, depth: usize) -> bool {
    let (mut depth, mut seen, mut before) = (depth, depth > 0, 0);
    let mut tags = Tags { html, at: 0 };
    loop {
        let from = tags.at;
        let tag = tags.next();
        let text = html.get(from..tag.as_ref().map_or(html.len(), |tag| tag.start));
        let words = text.map_or(0, visible);
        if depth == 0 && words > 0 {
            before += words;
            let forwarded = text.is_some_and(|text| text.contains("-----"));
            if seen || before > ATTRIBUTION || forwarded {
                return false;
            }
        }
        let Some(tag) = tag else { return seen };
        match (tag.name(), tag.closes) {
            ("blockquote", false) => (depth, seen) = (depth + 1, true),
            ("blockquote", true) => depth = depth.saturating_sub(1),
            ("img", _) if depth == 0 => return false,
            _ => {}
        }
    }
}

/// Characters of a text between tags that can be seen.
fn visible(text: &str) -> usize {
    let spaces = ["&nbsp;", "&#160;", "&#xa0;", "&#xA0;"];
    let text = spaces.iter().fold(Cow::Borrowed(text), |text, space| match text.contains(space) {
        true => Cow::Owned(text.replace(space, " ")),
        false => text,
    });
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '\u{200b}' | '\u{feff}')).count()
}

fn shows_anything(html: &str) -> bool {
    memmem::find(html.as_bytes(), b"<img").is_some() || !html_to_readable(html).trim().is_empty()
}

/// Without the line that is drawn between the two parts.
fn without_rule(own: &str) -> &str {
    let own = own.trim_end();
    match own.rfind('<').map(|at| own.split_at(at)) {
        Some((before, last))
            if last.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("<hr"))
                && last.ends_with('>') =>
        {
            before.trim_end()
        }
        _ => own,
    }
}

/// The tags of a document, comments, styles and scripts left out with what is in them.
struct Tags<'h> {
    html: &'h str,
    at: usize,
}

struct Tag<'h> {
    start: usize,
    end: usize,
    closes: bool,
    /// Behind the `<` or `</`, up to the `>`.
    text: &'h str,
}

impl<'h> Iterator for Tags<'h> {
    type Item = Tag<'h>;

    fn next(&mut self) -> Option<Tag<'h>> {
        loop {
            let rest = self.html.get(self.at..)?;
            let start = self.at + memchr::memchr(b'<', rest.as_bytes())?;
            let inside = self.html.get(start + 1..)?;
            if inside.starts_with("!--") {
                self.at =
                    start + 4 + memmem::find(inside.as_bytes(), b"-->").map_or(inside.len(), |n| n);
                if self.at > self.html.len() {
                    self.at = self.html.len();
                }
                continue;
            }
            let closes = inside.starts_with('/');
            let named = inside.get(usize::from(closes)..)?;
            if !named.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!' || c == '?') {
                self.at = start + 1;
                continue;
            }
            let length = end_of_tag(named);
            let end = start + 1 + usize::from(closes) + length;
            let tag = Tag {
                start,
                end: (end + 1).min(self.html.len()),
                closes,
                text: named.get(..length)?,
            };
            self.at = tag.end;
            if !closes && matches!(tag.name(), "style" | "script" | "title") {
                let behind = self.html.get(self.at..)?.as_bytes();
                self.at += memmem::find(behind, b"</").unwrap_or(behind.len());
            }
            return Some(tag);
        }
    }
}

/// Octets up to the `>`, which may also stand in quotes.
fn end_of_tag(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    // A quote that is never closed hides nothing.
    memchr::memchr(b'>', text.as_bytes()).unwrap_or(text.len())
}

impl Tag<'_> {
    /// The name, if it is one of those that are looked for.
    fn name(&self) -> &'static str {
        let name = self.text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let known = ["div", "blockquote", "hr", "img", "style", "script", "title"];
        known.into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or_default()
    }

    fn value(&self, wanted: &str) -> Option<Cow<'_, str>> {
        let mut rest = self.text;
        // A tag has a handful of attributes; more are nobody's we know.
        for _ in 0..50 {
            let (_, behind) = rest.split_once(|c: char| c.is_ascii_whitespace())?;
            let behind = behind.trim_start();
            let end =
                behind.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(behind.len());
            let (name, value) = behind.split_at_checked(end)?;
            let value = value.trim_start();
            let Some(value) = value.strip_prefix('=').map(str::trim_start) else {
                rest = behind.get(end.min(behind.len())..)?;
                continue;
            };
            let (value, after) = match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value.get(1..)?.split_once(quote)?,
                _ => {
                    let end = value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len());
                    value.split_at_checked(end)?
                }
            };
            if name.eq_ignore_ascii_case(wanted) {
                return Some(Cow::Borrowed(value));
            }
            rest = after;
        }
        None
    }
}

#[cfg(test)]
mod tests;
