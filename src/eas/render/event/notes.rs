//! Body: plain text in DESCRIPTION, and the HTML that a phone or Outlook sent in X-ALT-DESC.
//! MS-ASAIRS 2.2.2.9 and 2.2.2.32.

use super::{Said, said};
use crate::eas::render::{BodyPreference, Supported, View, body};
use crate::eas::version::Version;
use crate::format::ical::{Component, Property};
use crate::format::mime;
use crate::format::wbxml::tags::air_sync_base as b;
use crate::format::wbxml::{Element, Writer};

const HTML: &str = "X-ALT-DESC";
/// Plain text that is made of a phone's HTML.
const TEXT_MAX: usize = 1 << 20;

/// The HTML, if there is any.
fn html(event: &Component) -> Option<&Property> {
    let is_html = |line: &&Property| {
        line.param("FMTTYPE").is_none_or(|kind| kind.eq_ignore_ascii_case("text/html"))
    };
    event.all(HTML).find(is_html).filter(|line| !line.value.trim().is_empty())
}

pub(super) fn write(out: &mut Writer, event: &Component, view: &View<'_>) {
    let preference = view.options.bodies.iter().find(|body| body.kind == 2);
    match (html(event), preference) {
        (Some(html), Some(preference)) if view.version >= Version::V12_0 => {
            write_html(out, &html.to_text(), preference);
        }
        _ => {
            let text = event.text_of("DESCRIPTION").unwrap_or_default();
            body::write_text(out, &text, view, &body::EVENT);
        }
    }
}

fn write_html(out: &mut Writer, html: &str, preference: &BodyPreference) {
    let shown = cut(html, preference);
    let truncated = shown.len() < html.len();
    out.open(b::BODY);
    out.number(b::TYPE, 2);
    out.number(b::ESTIMATED_DATA_SIZE, html.len());
    if truncated {
        out.number(b::TRUNCATED, 1);
    }
    let withheld = truncated && preference.all_or_none;
    if !withheld && !shown.is_empty() {
        out.text(b::DATA, shown);
    }
    out.close();
}

fn cut<'a>(html: &'a str, preference: &BodyPreference) -> &'a str {
    let size = preference.truncation_size.map_or(html.len(), |size| size as usize);
    html.get(..html.floor_char_boundary(size)).unwrap_or(html)
}

/// NativeBodyType: what is kept (MS-ASAIRS 2.2.2.32).
pub(super) fn native_type(event: &Component) -> u8 {
    if html(event).is_some() { 2 } else { 1 }
}

pub(super) fn same(a: &Component, other: &Component) -> bool {
    ["DESCRIPTION", HTML].iter().all(|name| a.value_of(name) == other.value_of(name))
}

pub(super) fn read(event: &mut Component, data: &Element, view: &View<'_>, supported: &Supported) {
    // An empty element deletes; a missing one never does (MS-ASAIRS 3.1.5.4; a phone that shows
    // no notes leaves them out).
    if data.has(b::BODY) && matches!(said(data, b::BODY, supported), Said::Delete) {
        ["DESCRIPTION", HTML].iter().for_each(|name| event.remove(name));
        return;
    }
    if let Some(new) = sent_html(data) {
        return read_html(event, new, view);
    }
    let kept = event.text_of("DESCRIPTION").unwrap_or_default();
    if let Some(text) = body::read_text(data, &kept, view, &body::EVENT) {
        event.set_text("DESCRIPTION", Some(text.trim_end_matches('\n')));
        event.remove(HTML);
    }
}

/// A whole body in HTML.
fn sent_html(data: &Element) -> Option<&str> {
    let body = data.child(b::BODY)?;
    let whole = body.text_of(b::TRUNCATED) != Some("1");
    (body.text_of(b::TYPE) == Some("2") && whole).then(|| body.text_of(b::DATA).unwrap_or_default())
}

fn read_html(event: &mut Component, new: &str, view: &View<'_>) {
    let new = new.replace("\r\n", "\n").replace('\r', "\n");
    if let Some(old) = html(event) {
        let old = old.to_text();
        let preference = view.options.bodies.iter().find(|body| body.kind == 2);
        let shown = preference.map_or(old.as_str(), |preference| cut(&old, preference));
        // What it was shown of a longer text is not a new text.
        if shown.trim_end() == new.trim_end() {
            return;
        }
    }
    let text = mime::html_to_text(&new, TEXT_MAX);
    let text = text.trim_end();
    event.set_text("DESCRIPTION", Some(text));
    match text.is_empty() {
        true => event.remove(HTML),
        false => event.set(Property::text(HTML, &new).with("FMTTYPE", "text/html")),
    }
}
