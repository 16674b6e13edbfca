//! Notes (MS-ASNOTE), kept as VJOURNAL. Phones have them from 14.0 on.

use jiff::Timestamp;

use crate::domain::item::Text;
use crate::eas::render::{Malformed, Supported, Unrenderable, View, body, description, journal};
use crate::format::ical::Component;
use crate::format::wbxml::tags::{air_sync_base as b, notes as n};
use crate::format::wbxml::{Element, Writer};

const NOTE: &str = "VJOURNAL";
const MESSAGE_CLASS: &str = "X-KONTOR-MESSAGE-CLASS";
const STICKY: &str = "IPM.StickyNote";

/// Writes the children of `ApplicationData`.
pub fn render(out: &mut Writer, text: &str, view: &View<'_>) -> Result<(), Unrenderable> {
    let calendar = journal::open(text)?;
    let note = journal::inside(&calendar, NOTE)?;
    journal::write_text(out, n::SUBJECT, note, "SUMMARY");
    body::write(out, &description::kept(note), view, &body::TASK);
    let class = note.text_of(MESSAGE_CLASS).unwrap_or_else(|| STICKY.to_owned());
    out.text(n::MESSAGE_CLASS, &class);
    out.text(n::LAST_MODIFIED_DATE, &modified(note, view));
    journal::write_categories(out, n::CATEGORIES, n::CATEGORY, note);
    Ok(())
}

/// MS-ASNOTE 2.2.2.4 wants one.
fn modified(note: &Component, view: &View<'_>) -> String {
    let kept = ["LAST-MODIFIED", "DTSTAMP", "CREATED"].iter().find_map(|name| note.value_of(name));
    let at = kept.and_then(journal::read_time).map(|at| at.strftime("%Y%m%dT%H%M%SZ").to_string());
    at.unwrap_or_else(|| journal::compact(Timestamp::from_second(view.now).unwrap_or_default()))
}

/// A new note of a phone.
pub fn create(data: &Element, view: &View<'_>) -> Result<Text, Malformed> {
    read(journal::new(NOTE), data, view, &Supported::Nothing)
}

/// A phone's change of a note.
pub fn update(
    old: &str,
    data: &Element,
    view: &View<'_>,
    supported: &Supported,
) -> Result<Text, Malformed> {
    let calendar = journal::open(old).map_err(|_| Malformed("the note is damaged"))?;
    read(calendar, data, view, &supported.of_change(data, &[n::SUBJECT, b::BODY]))
}

fn read(
    mut calendar: Component,
    data: &Element,
    view: &View<'_>,
    supported: &Supported,
) -> Result<Text, Malformed> {
    let note = journal::inside_mut(&mut calendar, NOTE)?;
    // Left out, title and text stay, other than the categories (MS-ASNOTE 3.2.5.3).
    journal::read_text(note, "SUMMARY", data, n::SUBJECT, &Supported::Nothing);
    if let Some(class) = data.text_of(n::MESSAGE_CLASS) {
        // Only notes and their kin (MS-ASNOTE 2.2.2.5).
        if class != STICKY && !class.starts_with("IPM.StickyNote.") {
            return Err(Malformed("the message class is no note's"));
        }
        note.set_text(MESSAGE_CLASS, Some(class).filter(|class| *class != STICKY));
    }
    journal::read_categories(note, data, n::CATEGORIES, n::CATEGORY, supported);
    if data.child(b::BODY).is_some()
        && let Some(new) = body::read(data, &description::kept(note), view, &body::TASK)
    {
        description::keep(note, &new);
    }
    Ok(journal::finish(calendar, NOTE, i64::MAX, view))
}
