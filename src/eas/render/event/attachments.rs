//! Attachments of events, from 16.0 on. MS-ASAIRS 2.2.2.2, 2.2.2.7, 2.2.2.8, 2.2.2.16.
//!
//! A FileReference names the event's UID and the content by their hashes, so it needs no memory
//! and never means another file.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use twox_hash::XxHash3_64;

use crate::domain::item;
use crate::eas::render::View;
use crate::eas::version::Version;
use crate::format::ical::{Component, Property, Series};
use crate::format::wbxml::tags::air_sync_base as b;
use crate::format::wbxml::{Element, Tag, Writer};

/// Files that one event may have.
const FILES_MAX: usize = 100;
const FILE: &str = "event";
/// How a file is attached, where that is not as a file of its own (MS-ASAIRS 2.2.2.31).
const METHOD: &str = "X-KONTOR-METHOD";

/// What a body in HTML knows a file by (MS-ASAIRS 2.2.2.13, 2.2.2.14, 2.2.2.28).
const BESIDE: [(Tag, &str); 3] = [
    (b::CONTENT_ID, "X-KONTOR-CONTENT-ID"),
    (b::CONTENT_LOCATION, "X-KONTOR-CONTENT-LOCATION"),
    (b::IS_INLINE, "X-KONTOR-INLINE"),
];

/// A file that stands in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub name: String,
    pub kind: String,
    pub size: usize,
    /// FileReference, for [`attachment`].
    pub reference: String,
}

/// The files of an event, its changed instances' too.
pub fn attachments(text: &str) -> Vec<Attachment> {
    let Ok(series) = Series::parse(text) else { return Vec::new() };
    let uid = series.uid();
    let events = series.calendar.children("VEVENT");
    events
        .flat_map(|event| lines(event).map(|line| describe(line, &uid)).collect::<Vec<_>>())
        .collect()
}

/// What the files that a request adds are called here: its ClientId and the FileReference of
/// each (MS-ASAIRS 2.2.2.16), from the text that holds them now.
pub fn references(text: &str, data: &Element) -> Vec<(String, String)> {
    let Some(files) = data.child(b::ATTACHMENTS) else { return Vec::new() };
    let Ok(series) = Series::parse(text) else { return Vec::new() };
    let uid = series.uid();
    let reference = |file: &Element| {
        let id = file.text_of(b::CLIENT_ID).filter(|id| !id.is_empty())?;
        let mut lines = series.calendar.children("VEVENT").flat_map(lines);
        let line = lines.find(|line| line.param("X-KONTOR-CLIENT-ID") == Some(id))?;
        Some((id.to_owned(), mark(&uid, line)))
    };
    files.all(b::ADD).take(FILES_MAX).filter_map(reference).collect()
}

/// The content of a file, with its kind. `None` if the event has no such file (any more).
pub fn attachment(text: &str, reference: &str) -> Option<(Bytes, String)> {
    let series = Series::parse(text).ok()?;
    let uid = series.uid();
    let mut files = series.calendar.children("VEVENT").flat_map(lines);
    let line = files.find(|line| mark(&uid, line) == reference)?;
    Some((decode(line)?.into(), kind(line)))
}

/// Whether a FileReference is one of an event, and the key of that event's UID
/// (`Read::items_with_key`).
pub fn parse_reference(reference: &str) -> Option<u64> {
    let mut parts = reference.split('-');
    let hex = |part: &str| u64::from_str_radix(part, 16).ok().filter(|_| part.len() == 16);
    let (FILE, Some(key), Some(_), None) =
        (parts.next()?, hex(parts.next()?), hex(parts.next()?), parts.next())
    else {
        return None;
    };
    Some(key)
}

/// The ATTACH lines that hold a file.
fn lines(event: &Component) -> impl Iterator<Item = &Property> {
    let inline = |line: &&Property| {
        line.param("ENCODING").is_some_and(|how| how.eq_ignore_ascii_case("BASE64"))
            || line.param("VALUE").is_some_and(|kind| kind.eq_ignore_ascii_case("BINARY"))
    };
    event.all("ATTACH").filter(inline).take(FILES_MAX)
}

fn mark(uid: &str, line: &Property) -> String {
    let content = XxHash3_64::oneshot(line.value.as_bytes());
    // The same file twice under two names is two files.
    let file = content ^ XxHash3_64::oneshot(name(line).as_bytes()).rotate_left(1);
    format!("{FILE}-{:016x}-{file:016x}", item::key(uid))
}

fn name(line: &Property) -> String {
    // RFC 8607 has FILENAME; Outlook and Apple had their own before.
    let names = ["FILENAME", "X-FILENAME", "X-APPLE-FILENAME", "X-ORACLE-FILENAME"];
    let found = names.iter().find_map(|name| line.param(name)).unwrap_or("file");
    found.rsplit(['/', '\\']).next().unwrap_or("file").to_owned()
}

fn kind(line: &Property) -> String {
    line.param("FMTTYPE").unwrap_or("application/octet-stream").to_owned()
}

fn decode(line: &Property) -> Option<Vec<u8>> {
    let text: String = line.value.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

fn describe(line: &Property, uid: &str) -> Attachment {
    let digits = line.value.trim_end_matches('=').len();
    Attachment {
        name: name(line),
        kind: kind(line),
        size: digits / 4 * 3 + (digits % 4).saturating_sub(1),
        reference: mark(uid, line),
    }
}

pub(super) fn write(out: &mut Writer, event: &Component, uid: &str, view: &View<'_>) {
    if view.version >= Version::V16_0 {
        write_files(out, event, uid);
    }
}

/// Writes Attachments, if an event has any.
pub fn write_files(out: &mut Writer, event: &Component, uid: &str) {
    if lines(event).next().is_none() {
        return;
    }
    out.open(b::ATTACHMENTS);
    for line in lines(event) {
        let file = describe(line, uid);
        out.open(b::ATTACHMENT);
        out.text(b::DISPLAY_NAME, &file.name);
        out.text(b::FILE_REFERENCE, &file.reference);
        if let Some(id) = line.param("X-KONTOR-CLIENT-ID") {
            out.text(b::CLIENT_ID, id);
        }
        out.number(b::METHOD, line.param(METHOD).filter(|method| is_method(method)).unwrap_or("1"));
        out.number(b::ESTIMATED_DATA_SIZE, file.size);
        for (tag, param) in BESIDE {
            if let Some(text) = line.param(param) {
                out.text(tag, text);
            }
        }
        out.close();
    }
    out.close();
}

pub(super) fn same(a: &Component, b: &Component) -> bool {
    lines(a).eq(lines(b))
}

/// Reads Attachments with its Add and Delete elements. What is not named stays.
pub(super) fn read(event: &mut Component, data: &Element, uid: &str, view: &View<'_>) {
    let Some(files) = data.child(b::ATTACHMENTS) else { return };
    if view.version < Version::V16_0 {
        return;
    }
    let gone: Vec<&str> =
        files.all(b::DELETE).filter_map(|file| file.text_of(b::FILE_REFERENCE)).collect();
    if !gone.is_empty() {
        let stays =
            |line: &Property| !line.is("ATTACH") || !gone.contains(&mark(uid, line).as_str());
        event.properties.retain(stays);
    }
    for file in files.all(b::ADD) {
        // A phone that repeats itself means the same file.
        let id = file.text_of(b::CLIENT_ID).filter(|id| !id.is_empty());
        let known =
            id.is_some_and(|id| lines(event).any(|l| l.param("X-KONTOR-CLIENT-ID") == Some(id)));
        if known || lines(event).count() >= FILES_MAX {
            continue;
        }
        if let Some(mut line) = added(file) {
            line.set_param("X-KONTOR-CLIENT-ID", id);
            event.push(line);
        }
    }
}

/// 5 is another message, 6 an object of a program.
fn is_method(text: &str) -> bool {
    matches!(text, "1" | "5" | "6")
}

fn added(file: &Element) -> Option<Property> {
    let content = file.child(b::CONTENT)?;
    let bytes = content.bytes();
    // Opaque it is the file; as text it is base64 (MS-ASAIRS 2.2.2.15).
    let text = match &content.value {
        crate::format::wbxml::Value::Opaque(bytes) => STANDARD.encode(bytes),
        _ => {
            let text: String =
                String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_whitespace()).collect();
            STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
            text
        }
    };
    let name = file.text_of(b::DISPLAY_NAME).map(str::trim).filter(|name| !name.is_empty());
    let kind = file.text_of(b::CONTENT_TYPE).map(str::trim).filter(|kind| kind.contains('/'));
    let mut line = Property::new("ATTACH", text).with("VALUE", "BINARY").with("ENCODING", "BASE64");
    line.set_param("FMTTYPE", kind);
    line.set_param("FILENAME", Some(name.unwrap_or("file")));
    for (tag, param) in BESIDE {
        line.set_param(param, file.text_of(tag).map(str::trim).filter(|text| !text.is_empty()));
    }
    let method = file.text_of(b::METHOD).map(str::trim);
    line.set_param(METHOD, method.filter(|method| *method != "1" && is_method(method)));
    Some(line)
}
