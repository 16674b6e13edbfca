//! The page that asks whether something is meant, with what follows from it.

use jiff::tz::TimeZone;

use super::words;
use crate::base::clock::UnixTime;
use crate::domain::device::own::Act;
use crate::domain::device::{Device, WipeKind};
use crate::webui::html::{Html, html, icon};

/// Where a form goes, and how it is known again.
pub struct Form<'a> {
    pub action: &'a str,
    pub token: &'a str,
    /// It was sent already, and was too old.
    pub again: bool,
}

/// The page's title.
pub fn title(act: Act) -> &'static str {
    match act {
        Act::Remove => "Remove a phone",
        Act::Wipe(WipeKind::Account) => "Erase only this account",
        Act::Wipe(WipeKind::Device) => "Erase a phone",
        Act::CancelWipe => "Cancel erasing",
    }
}

/// The button under the question.
fn answer(act: Act) -> &'static str {
    match act {
        Act::Remove => "Remove",
        Act::Wipe(WipeKind::Account) => "Erase this account",
        Act::Wipe(WipeKind::Device) => "Erase everything",
        Act::CancelWipe => "Cancel erasing",
    }
}

pub fn body(device: &Device, act: Act, form: &Form<'_>, now: UnixTime, zone: &TimeZone) -> Html {
    let mut out = Html::default();
    let out = &mut out;
    html!(out, "<section class=\"dialog\" aria-labelledby=\"question\">");
    if form.again {
        html!(out, "<div class=\"banner warn\" role=\"alert\">");
        icon(out, "triangle-alert", "");
        html!(
            out,
            "<span>The page was too old, and nothing was done. Please answer once more.\
            </span></div>"
        );
    }
    html!(out, "<h1 id=\"question\">");
    let (before, after) = around(act);
    html!(out, {before} "<bdi>" {words::name(device)} "</bdi>" {after} "</h1>\n");
    consequences(out, act);
    facts(out, device, now, zone);
    let look = match act {
        Act::Remove | Act::Wipe(_) => "danger",
        Act::CancelWipe => "primary",
    };
    let way = if act == Act::CancelWipe { "Leave it" } else { "Cancel" };
    // The harmless one has the focus.
    html!(out, "<form method=\"post\" action=\"" {form.action} "\">\
        <input type=\"hidden\" name=\"token\" value=\"" {form.token} "\">\
        <a class=\"btn\" href=\"/phones#phone-" {device.number} "\" autofocus>" {way} "</a>\
        <button class=\"btn " {look} "\">" {answer(act)} "</button></form></section>\n");
    std::mem::take(out)
}

/// The question around the phone's name.
fn around(act: Act) -> (&'static str, &'static str) {
    match act {
        Act::Remove => ("Remove ", "?"),
        Act::Wipe(WipeKind::Account) => ("Erase this account on ", "?"),
        Act::Wipe(WipeKind::Device) => ("Erase everything on ", "?"),
        Act::CancelWipe => ("Let ", " keep what it has?"),
    }
}

/// What follows.
fn consequences(out: &mut Html, act: Act) {
    match act {
        Act::Remove => html!(
            out,
            "<p>It gets nothing new from now on, and is forgotten here. It \
            cannot come back by itself: an administrator has to let it in again.</p>\n\
            <p>What is on the phone already stays there. If it is lost, erase it instead.</p>\n"
        ),
        Act::Wipe(WipeKind::Account) => html!(
            out,
            "<p>The mail, contacts, calendar, tasks and \
            notes of this account go from the phone as soon as it is online. Photos and \
            everything else that is private stay. Here on the server nothing is lost.</p>\n"
        ),
        Act::Wipe(WipeKind::Device) => html!(
            out,
            "<p><b>Everything on the phone goes</b>, also \
            photos and whatever else is private, as when it was new. It happens as soon as the \
            phone is online, and nobody can bring it back. Here on the server nothing is lost.\
            </p>\n"
        ),
        Act::CancelWipe => html!(
            out,
            "<p>If the phone has not begun yet, it keeps everything, and \
            connects as it did before.</p>\n"
        ),
    }
    if let Act::Wipe(_) = act {
        html!(
            out,
            "<p>Until then it is not let in, and you can cancel. Afterwards an \
            administrator has to let it in again.</p>\n<p>The phone hears of it when it logs in \
            with your password. <b>Change your password only when it is done</b>; with a new one \
            the phone cannot be reached.</p>\n"
        );
    }
}

/// Which phone it is, for those who have two alike.
fn facts(out: &mut Html, device: &Device, now: UnixTime, zone: &TimeZone) {
    let told = &device.facts;
    let all = [
        ("Model", words::shown(&told.model)),
        ("Kind", words::kind(device)),
        ("System", words::shown(&told.os)),
        ("Phone number", words::shown(&told.phone_number)),
        ("Here since", words::exactly(device.first_seen, zone)),
        ("Last seen", words::ago(device.last_seen, now, zone)),
        ("Id", words::shown(&device.id)),
    ];
    html!(out, "<dl>\n");
    for (name, value) in all.iter().filter(|(_, value)| !value.is_empty()) {
        html!(out, "<div><dt>" {*name} "</dt><dd><bdi>" {value} "</bdi></dd></div>\n");
    }
    html!(out, "</dl>\n");
}
