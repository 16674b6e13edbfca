//! One entrance for the classes that are standard texts.

use crate::domain::item::Text;
use crate::eas::render::{
    Malformed, Supported, Unrenderable, View, contact, event, note, recipient, task,
};
use crate::format::ical;
use crate::format::wbxml::{Element, Writer};
use crate::store::rows::collection::CollectionKind;

/// Writes the children of `ApplicationData`.
pub fn render(
    kind: CollectionKind,
    out: &mut Writer,
    text: &str,
    view: &View<'_>,
) -> Result<(), Unrenderable> {
    match kind {
        CollectionKind::Calendar => event::render(out, text, view),
        CollectionKind::Contacts => contact::render(out, text, view),
        CollectionKind::Recipients => recipient::render(out, text),
        CollectionKind::Tasks => task::render(out, text, view),
        CollectionKind::Notes => note::render(out, text, view),
    }
}

/// A new item of a phone.
pub fn create(kind: CollectionKind, data: &Element, view: &View<'_>) -> Result<Text, Malformed> {
    match kind {
        CollectionKind::Calendar => event::create(data, view),
        CollectionKind::Contacts => contact::create(data, view),
        CollectionKind::Tasks => task::create(data, view),
        CollectionKind::Notes => note::create(data, view),
        CollectionKind::Recipients => Err(Malformed("the cache is the server's")),
    }
}

/// A phone's change of an item.
pub fn update(
    kind: CollectionKind,
    old: &str,
    data: &Element,
    view: &View<'_>,
    supported: &Supported,
) -> Result<Text, Malformed> {
    match kind {
        CollectionKind::Calendar => event::update(old, data, view, supported),
        CollectionKind::Contacts => contact::update(old, data, view, supported),
        CollectionKind::Tasks => task::update(old, data, view, supported),
        CollectionKind::Notes => note::update(old, data, view, supported),
        CollectionKind::Recipients => Err(Malformed("the cache is the server's")),
    }
}

/// A phone's change, or removal, of one instance of a series (16.0 and later).
pub fn update_instance(
    kind: CollectionKind,
    old: &str,
    instance: &str,
    data: Option<&Element>,
    view: &View<'_>,
) -> Result<Text, Malformed> {
    match kind {
        CollectionKind::Calendar => event::update_instance(old, instance, data, view),
        _ => Err(Malformed("only events have instances")),
    }
}

/// Octets of an item's own text in its stub.
const STUB_TEXT: usize = 30_000;

/// What a phone shows of an item that cannot be rendered: that it is there, why it is not shown,
/// and its text as it is. Without it the folder would stop at this item for ever.
pub fn stub(
    kind: CollectionKind,
    out: &mut Writer,
    text: &str,
    why: &Unrenderable,
    view: &View<'_>,
) {
    let mut cut = STUB_TEXT.min(text.len());
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    let original = text.get(..cut).unwrap_or_default();
    let name = stated(text, &["SUMMARY", "FN"]).unwrap_or_default();
    let title = ical::escape(format!("Cannot be shown: {name}").trim_end_matches([' ', ':']));
    let note = format!("This entry cannot be shown on the phone ({why}). Its text:\n\n{original}");
    let (note, uid) = (ical::escape(&note), stated(text, &["UID"]).unwrap_or("unreadable"));
    let day = jiff::Timestamp::from_second(view.now).unwrap_or_default();
    let day = view.zone.to_datetime(day).strftime("%Y%m%d").to_string();
    let readable = match kind {
        CollectionKind::Calendar => format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
             DTSTART;VALUE=DATE:{day}\r\nSUMMARY:{title}\r\nDESCRIPTION:{note}\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n"
        ),
        CollectionKind::Contacts | CollectionKind::Recipients => format!(
            "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{uid}\r\nFN:{title}\r\nN:{title};;;;\r\n\
             NOTE:{note}\r\nEND:VCARD\r\n"
        ),
        CollectionKind::Tasks => format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTODO\r\nUID:{uid}\r\n\
             SUMMARY:{title}\r\nDESCRIPTION:{note}\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
        ),
        CollectionKind::Notes => format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VJOURNAL\r\nUID:{uid}\r\n\
             SUMMARY:{title}\r\nDESCRIPTION:{note}\r\nEND:VJOURNAL\r\nEND:VCALENDAR\r\n"
        ),
    };
    if let Err(error) = render(kind, out, &readable, view) {
        tracing::error!(%error, "a stub cannot be shown");
    }
}

/// The value of the first line with one of these names, whatever else is wrong with the text.
fn stated<'t>(text: &'t str, names: &[&str]) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let (head, value) = line.split_once(':')?;
        let name = head.split(';').next().unwrap_or(head);
        let named = names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted));
        (named && !value.trim().is_empty()).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eas::render::{Options, Owner};
    use crate::eas::version::Version;
    use crate::format::wbxml;

    #[test]
    fn an_unreadable_item_is_shown_as_a_readable_one() {
        let (options, owner) = (Options::default(), Owner::default());
        let view = View {
            version: Version::V14_1,
            options: &options,
            zone: &jiff::tz::TimeZone::UTC,
            owner: &owner,
            now: 1_700_000_000,
            bounds: Default::default(),
            trips_over_empty: false,
        };
        for kind in CollectionKind::ALL {
            if kind == CollectionKind::Recipients {
                continue;
            }
            let mut out = Writer::new();
            out.open(wbxml::tags::air_sync::APPLICATION_DATA);
            let broken = "BEGIN:NONSENSE\r\nUID:x\r\nSUMMARY:Bring; cake\r\n";
            stub(kind, &mut out, broken, &Unrenderable("it is nonsense".into()), &view);
            out.close();
            let shown = wbxml::dump(&wbxml::decode(&out.finish().into()).unwrap());
            assert!(shown.contains("Cannot be shown: Bring"), "{shown}");
        }
    }
}
