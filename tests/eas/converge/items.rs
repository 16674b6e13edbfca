//! The items of the game: what each is, whoever looks at it, and what may change about it.

use base64::Engine as _;
use kontor::format::wbxml::tags::{
    air_sync as t, air_sync_base as b, calendar, contacts, email, notes, tasks,
};
use kontor::format::wbxml::{Element, Tag};

use crate::support::eas::{text, tree};

/// A whole item but mail. `modern` phones leave to the server what it names.
pub fn item(class: &str, identity: &str, place: &str, modern: bool) -> Element {
    let subject = format!("{identity} {place}");
    let data = match class {
        "Contacts" => vec![
            text(contacts::FIRST_NAME, identity),
            text(contacts::LAST_NAME, "Example"),
            text(contacts::JOB_TITLE, place),
        ],
        "Tasks" => {
            let done = place.ends_with(['1', '3', '5', '7', '9']);
            let mut data = vec![
                text(tasks::SUBJECT, subject),
                text(tasks::IMPORTANCE, 1),
                text(tasks::SENSITIVITY, 0),
                text(tasks::REMINDER_SET, 0),
                text(tasks::COMPLETE, u8::from(done)),
            ];
            if done {
                data.push(text(tasks::DATE_COMPLETED, "2026-01-31T12:00:00.000Z"));
            }
            data
        }
        "Notes" => vec![
            text(notes::SUBJECT, subject),
            text(notes::MESSAGE_CLASS, "IPM.StickyNote"),
            body(place),
        ],
        _ => {
            let mut data = Vec::new();
            if !modern {
                data.push(text(calendar::TIMEZONE, utc()));
                data.push(text(calendar::DT_STAMP, "20200101T000000Z"));
            }
            data.push(text(calendar::START_TIME, "20200131T120000Z"));
            data.push(text(calendar::END_TIME, "20200131T130000Z"));
            data.push(text(calendar::SUBJECT, subject));
            if !modern {
                data.push(text(calendar::UID, identity));
            }
            data.push(text(calendar::SENSITIVITY, 0));
            data.push(text(calendar::BUSY_STATUS, 2));
            data.push(text(calendar::ALL_DAY_EVENT, 0));
            data.push(text(calendar::MEETING_STATUS, 0));
            data
        }
    };
    tree(t::APPLICATION_DATA, data)
}

/// A draft as a phone writes it.
pub fn draft(identity: &str, place: &str, to: &str) -> Element {
    let subject = format!("{identity} {place}");
    tree(t::APPLICATION_DATA, [text(email::TO, to), text(email::SUBJECT, subject), body(place)])
}

fn body(words: &str) -> Element {
    tree(b::BODY, [text(b::TYPE, 1), text(b::DATA, words)])
}

/// UTC as the 172 bytes of a time zone.
fn utc() -> String {
    base64::prelude::BASE64_STANDARD.encode([0; 172])
}

pub fn flag(active: bool) -> Element {
    if !active {
        return Element::new(email::FLAG);
    }
    let parts = [
        text(email::STATUS, 2),
        text(email::FLAG_TYPE, "for Follow Up"),
        text(tasks::START_DATE, "2026-01-31T12:00:00.000Z"),
        text(tasks::UTC_START_DATE, "2026-01-31T12:00:00.000Z"),
        text(tasks::DUE_DATE, "2026-02-01T12:00:00.000Z"),
        text(tasks::UTC_DUE_DATE, "2026-02-01T12:00:00.000Z"),
    ];
    tree(email::FLAG, parts)
}

/// What an item is, whoever looks at it.
pub fn identity(class: &str, data: &Element) -> String {
    let of = |tag: Tag| data.text_of(tag).unwrap_or_else(|| panic!("no {tag}: {data}"));
    let text = match class {
        "Email" => of(email::SUBJECT),
        "Contacts" => of(contacts::FIRST_NAME),
        "Tasks" => of(tasks::SUBJECT),
        "Notes" => of(notes::SUBJECT),
        _ => of(calendar::SUBJECT),
    };
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// What may change about it.
pub fn look(class: &str, data: &Element) -> String {
    let of = |tag: Tag| data.text_of(tag).unwrap_or_default().to_owned();
    match class {
        "Email" => {
            let read = data.text_of(email::READ) == Some("1");
            let flag = data.child(email::FLAG).and_then(|flag| flag.text_of(email::STATUS));
            mail_look(&of(email::SUBJECT), read, flag == Some("2"))
        }
        "Contacts" => of(contacts::JOB_TITLE),
        "Tasks" => format!("{}, done {}", of(tasks::SUBJECT), of(tasks::COMPLETE)),
        "Notes" => {
            let words = data.child(b::BODY).and_then(|body| body.text_of(b::DATA));
            format!("{}: {}", of(notes::SUBJECT), words.unwrap_or_default().trim())
        }
        _ => of(calendar::SUBJECT),
    }
}

/// As the desk sees it, too.
pub fn mail_look(subject: &str, seen: bool, flagged: bool) -> String {
    format!("{subject}: seen {seen}, flagged {flagged}")
}
