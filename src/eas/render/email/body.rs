//! Bodies in the form that a phone asks for (MS-ASAIRS 2.2.2.9, 2.2.2.12), cut to the byte.

use std::borrow::Cow;

use bytes::Bytes;

use crate::eas::render::email::Sink;
use crate::eas::render::email::class::Class;
use crate::eas::render::email::own_part;
use crate::eas::render::email::source::Opened;
use crate::eas::render::{BodyPreference, Unrenderable, View};
use crate::eas::version::Version;
use crate::format::mime::html_to_readable;
use crate::format::wbxml::{Writer, is_clean_text, retain_clean, tags};

use tags::{air_sync_base as b, email as e, item_operations as io};

const PLAIN: u8 = 1;
const HTML: u8 = 2;
const MIME: u8 = 4;
/// Characters of the record's preview; where more are wanted, the text itself is looked at.
const RECORD_PREVIEW: usize = 200;

/// A body in one form, cut as asked.
struct Shown {
    kind: u8,
    /// `None`: no data goes out.
    data: Option<Vec<u8>>,
    /// Bytes of the whole in this form.
    full: u64,
    cut: bool,
}

/// The body elements of 12.0 and later: Body, and from 14.1 BodyPart.
pub fn write(
    out: &mut Writer,
    view: &View<'_>,
    opened: &Opened<'_>,
    class: &Class,
    sink: &mut Sink<'_>,
) -> Result<(), Unrenderable> {
    let options = view.options;
    let shown = choose(view, opened, takes_mime(view, class))?;
    let preview = options.bodies.iter().find(|each| each.kind == shown.kind);
    let preview = preview.or(options.bodies.first()).and_then(|each| each.preview);
    out.open(b::BODY);
    out.number(b::TYPE, shown.kind);
    shown.write(out, sink);
    write_preview(out, view, opened, preview)?;
    if let (Sink::Parts(parts), Some(data)) = (sink, shown.data) {
        parts.push(Bytes::from(data));
        out.number(io::PART, parts.len());
    }
    out.close();
    match options.body_parts.first() {
        Some(part) if view.version >= Version::V14_1 => write_part(out, view, opened, part),
        _ => Ok(()),
    }
}

/// The message's own part of a conversation, without what it quotes (MS-ASCON 3.1.4.10, MS-ASAIRS
/// 2.2.2.10); the whole where that cannot be told with certainty.
fn write_part(
    out: &mut Writer,
    view: &View<'_>,
    opened: &Opened<'_>,
    wanted: &BodyPreference,
) -> Result<(), Unrenderable> {
    let kind = if wanted.kind == PLAIN || view.bounds.no_html { PLAIN } else { HTML };
    let text = own_part::of(opened, kind == HTML).map_err(super::failed)?;
    let characters = wanted.preview.unwrap_or(0).min(255) as usize;
    let preview = match kind {
        _ if characters == 0 => String::new(),
        HTML => first(&html_to_readable(&text), characters),
        _ => first(&text, characters),
    };
    let mut shown = Shown::of(text, kind, within(view, kind, wanted.truncation_size));
    if shown.cut && wanted.all_or_none {
        shown.data = None;
    }
    out.open(b::BODY_PART);
    out.number(b::STATUS, 1);
    out.number(b::TYPE, kind);
    shown.write(out, &mut Sink::Inline);
    if !preview.is_empty() {
        out.text(b::PREVIEW, &preview);
    }
    out.close();
    Ok(())
}

/// The first characters of a text, on one line.
fn first(text: &str, characters: usize) -> String {
    let words = text.split_whitespace().take(characters).collect::<Vec<_>>().join(" ");
    let start: String = words.chars().take(characters).collect();
    start.trim_end().to_owned()
}

/// A size that was asked for, within what the policy lets out.
fn within(view: &View<'_>, kind: u8, asked: Option<u32>) -> Option<u32> {
    let most = if kind == HTML { view.bounds.html } else { view.bounds.plain };
    asked.into_iter().chain(most).min()
}

/// Whether the message goes out as it is. Where a policy keeps HTML or files from phones, only
/// what could not be read otherwise does.
fn takes_mime(view: &View<'_>, class: &Class) -> bool {
    let secure = class.is_secure();
    let kept_back = view.bounds.no_html || view.bounds.no_attachments;
    match view.options.mime_support {
        1 => secure,
        2 => secure || !kept_back,
        _ => false,
    }
}

/// The form that goes out: MIME if it is wanted and allowed, else the first preference for the
/// native form, else the first that can be made. `AllOrNone` passes over a form that would be
/// cut; where nothing is left, the form is named and its data left out.
fn choose(view: &View<'_>, opened: &Opened<'_>, mime: bool) -> Result<Shown, Unrenderable> {
    let options = view.options;
    let mime = options.bodies.iter().filter(|each| mime && each.kind == MIME);
    let no_html = view.bounds.no_html;
    let native = if opened.content.is_html() && !no_html { HTML } else { PLAIN };
    let texts = || {
        let some = options.bodies.iter();
        some.filter(|each| each.kind == PLAIN || each.kind == HTML && !no_html)
    };
    let native_first =
        texts().filter(|each| each.kind == native).chain(texts().filter(|e| e.kind != native));
    let mut refused = None;
    for wanted in mime.chain(native_first) {
        let mut size = wanted.truncation_size;
        if wanted.kind == MIME && size.is_none() {
            size = options.mime_truncation.and_then(mime_truncation);
        }
        let mut shown = match wanted.kind {
            MIME => Shown::mime(opened, size)?,
            kind => Shown::text(view, opened, kind, size)?,
        };
        if !(shown.cut && wanted.all_or_none && wanted.truncation_size.is_some()) {
            return Ok(shown);
        }
        shown.data = None;
        refused.get_or_insert(shown);
    }
    match refused {
        Some(shown) => Ok(shown),
        // RTF alone, what the policy keeps back, MIME without permission, or nothing was asked for.
        None => {
            let first = options.bodies.first();
            // Who takes MIME shows HTML too.
            let kind = first.map_or(PLAIN, |each| if each.kind == MIME { native } else { PLAIN });
            Shown::text(view, opened, kind, first.and_then(|each| each.truncation_size))
        }
    }
}

impl Shown {
    fn text(
        view: &View<'_>,
        opened: &Opened<'_>,
        kind: u8,
        limit: Option<u32>,
    ) -> Result<Shown, Unrenderable> {
        let text = match kind {
            HTML => opened.content.html_text(&opened.source),
            _ => opened.content.plain_text(&opened.source),
        };
        Ok(Shown::of(text.map_err(super::failed)?, kind, within(view, kind, limit)))
    }

    fn of(mut text: String, kind: u8, limit: Option<u32>) -> Shown {
        retain_clean(&mut text);
        let full = text.len();
        let end = limit.map_or(full, |limit| text.floor_char_boundary(limit as usize));
        text.truncate(end);
        let cut = end < full;
        Shown { kind, data: (end > 0).then(|| text.into_bytes()), full: full as u64, cut }
    }

    fn mime(opened: &Opened<'_>, limit: Option<u32>) -> Result<Shown, Unrenderable> {
        let full = opened.record.size();
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        let mut data = opened.whole(limit)?;
        if (data.len() as u64) < full && std::str::from_utf8(&data).is_err() {
            // Not within a character, where the message has such.
            let start = data.len().saturating_sub(4);
            let valid = |end: &usize| data.get(start..*end).is_some_and(ends_whole);
            if let Some(end) = (start..=data.len()).rev().find(valid) {
                data.truncate(end);
            }
        }
        let cut = (data.len() as u64) < full;
        Ok(Shown { kind: MIME, data: (!data.is_empty()).then_some(data), full, cut })
    }

    /// EstimatedDataSize, Truncated and, unless it goes into a part of its own, Data.
    fn write(&self, out: &mut Writer, sink: &mut Sink<'_>) {
        out.number(b::ESTIMATED_DATA_SIZE, self.full);
        if self.cut {
            out.number(b::TRUNCATED, 1);
        }
        if let (Sink::Inline, Some(data)) = (sink, &self.data) {
            write_data(out, b::DATA, data);
        }
    }
}

/// Whether a few octets do not end within a UTF-8 character.
fn ends_whole(tail: &[u8]) -> bool {
    let lead = tail.iter().rposition(|byte| byte & 0xC0 != 0x80);
    let Some(at) = lead else { return tail.is_empty() };
    let needed = match tail.get(at) {
        Some(0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF7) => 4,
        _ => 1,
    };
    tail.len() - at >= needed
}

/// Text as text; what no string can hold unchanged (8-bit MIME) as bytes.
fn write_data(out: &mut Writer, tag: crate::format::wbxml::Tag, data: &[u8]) {
    match std::str::from_utf8(data) {
        Ok(text) if is_clean_text(text) => out.text(tag, text),
        _ => out.opaque(tag, data),
    }
}

fn write_preview(
    out: &mut Writer,
    view: &View<'_>,
    opened: &Opened<'_>,
    characters: Option<u32>,
) -> Result<(), Unrenderable> {
    let characters = characters.unwrap_or(0).min(255) as usize;
    if characters == 0 || view.version < Version::V14_0 {
        return Ok(());
    }
    let kept = opened.record.preview();
    // One less: a blank at its end is not kept.
    let enough = characters <= RECORD_PREVIEW || kept.chars().count() + 1 < RECORD_PREVIEW;
    let text: Cow<'_, str> = if enough {
        Cow::Borrowed(kept)
    } else {
        let text = opened.content.plain_text(&opened.source).map_err(super::failed)?;
        let words = text.split_whitespace().take(characters);
        Cow::Owned(words.collect::<Vec<_>>().join(" "))
    };
    let end = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    let preview = text.get(..end).unwrap_or_default().trim_end();
    if !preview.is_empty() {
        out.text(b::PREVIEW, preview);
    }
    Ok(())
}

/// The body elements of 2.5: Body with its size, or the whole MIME.
pub fn write_old(
    out: &mut Writer,
    view: &View<'_>,
    opened: &Opened<'_>,
    class: &Class,
) -> Result<(), Unrenderable> {
    let options = view.options;
    if takes_mime(view, class) {
        let limit = options.mime_truncation.and_then(mime_truncation);
        let shown = Shown::mime(opened, limit)?;
        out.number(e::MIME_TRUNCATED, u8::from(shown.cut));
        if let Some(data) = &shown.data {
            write_data(out, e::MIME_DATA, data);
        }
        out.number(e::MIME_SIZE, shown.full);
        return Ok(());
    }
    let shown = Shown::text(view, opened, PLAIN, options.truncation.and_then(truncation))?;
    out.number(e::BODY_TRUNCATED, u8::from(shown.cut));
    if let Some(data) = &shown.data {
        write_data(out, e::BODY, data);
    }
    out.number(e::BODY_SIZE, shown.full);
    Ok(())
}

/// `Truncation` of 2.5 in bytes; `None` is all (MS-ASCMD 2.2.3.190).
fn truncation(code: u8) -> Option<u32> {
    const SIZES: [u32; 9] = [0, 512, 1_024, 2_048, 5_120, 10_240, 20_480, 51_200, 102_400];
    SIZES.get(usize::from(code)).copied()
}

/// `MIMETruncation` in bytes; `None` is all (MS-ASCMD 2.2.3.111).
fn mime_truncation(code: u8) -> Option<u32> {
    const SIZES: [u32; 8] = [0, 4_096, 5_120, 7_168, 10_240, 20_480, 51_200, 102_400];
    SIZES.get(usize::from(code)).copied()
}
