//! The page with all phones of a person.

use jiff::tz::TimeZone;

use super::words::{self, Tone};
use super::{address, icon};
use crate::base::clock::UnixTime;
use crate::domain::device::own::{self, Act};
use crate::domain::device::{Access, Device, Wipe};
use crate::store::rows::account::Account;
use crate::webui::html::{Html, html};

/// The list: who waits or went wrong first, then the last one seen; removed ones below.
pub fn body(
    mut devices: Vec<Device>,
    account: &Account,
    hostname: &str,
    now: UnixTime,
    zone: &TimeZone,
) -> Html {
    devices.sort_by_key(|device| {
        let calm = matches!(words::state(device, now, zone).tone, Tone::Good | Tone::Calm);
        (calm, std::cmp::Reverse(device.last_seen), device.number)
    });
    let (removed, present): (Vec<_>, Vec<_>) = devices.into_iter().partition(words::is_removed);
    let mut out = Html::default();
    html!(
        out,
        "<div class=\"page-h\"><h1>My phones</h1><p>Phones and tablets that get your mail, \
        contacts and calendar. A lost one can be erased from here.</p></div>\n"
    );
    if present.is_empty() {
        html!(out, "<section class=\"card\"><div class=\"empty\"><span class=\"art\">");
        icon(&mut out, "smartphone", "");
        html!(
            out,
            "</span><h2>No phone connected</h2><p>Address and password are enough; it takes \
            about two minutes.</p><a class=\"btn primary\" href=\"#connect\">How to connect one</a>\
            </div></section>\n"
        );
    } else {
        html!(out, "<h2 class=\"sr\">Phones</h2>\n<ul class=\"card phones\">\n");
        for device in &present {
            phone(&mut out, device, now, zone);
        }
        html!(out, "</ul>\n");
    }
    connect(&mut out, account, hostname, present.is_empty());
    if !removed.is_empty() {
        html!(out, "<section><h2 class=\"section\">Removed</h2>\n<ul class=\"card phones\">\n");
        for device in &removed {
            phone(&mut out, device, now, zone);
        }
        html!(out, "</ul></section>\n");
    }
    html!(out, "<p class=\"foot\">To log out here, close all windows of this browser.</p>\n");
    out
}

fn phone(out: &mut Html, device: &Device, now: UnixTime, zone: &TimeZone) {
    let (state, name) = (words::state(device, now, zone), words::name(device));
    let ground = match state.tone {
        Tone::Waits => "on-warn",
        // A blocked one is refused, but nothing is at stake.
        Tone::Bad if device.wipe != Wipe::None => "on-danger",
        Tone::Good | Tone::Calm | Tone::Bad => "",
    };
    html!(out, "<li class=\"ph " {ground} "\" id=\"phone-" {device.number} "\">\
        <span class=\"dev\">");
    let waits = device.access == Access::Quarantined || device.wipe.pending().is_some();
    icon(out, if waits { "hourglass" } else { "smartphone" }, "l");
    html!(out, "</span><div class=\"what\"><div class=\"title\"><h3><bdi>" {&name} "</bdi></h3>");
    badge(out, state.tone, state.word);
    html!(out, "</div>\n<p class=\"muted\">");
    let facts = words::facts(device);
    for (place, fact) in facts.iter().enumerate() {
        if place > 0 {
            html!(out, ", ");
        }
        html!(out, "<bdi>" {fact} "</bdi>");
    }
    if !facts.is_empty() {
        html!(out, "<br>");
    }
    html!(out, "Here since ");
    time(out, device.first_seen, &words::day(device.first_seen, zone), zone);
    html!(out, ", last seen ");
    time(out, device.last_seen, &words::ago(device.last_seen, now, zone), zone);
    html!(out, "</p>\n<p>" {&state.meaning} "</p></div>\n");
    buttons(out, device, &name);
    html!(out, "</li>\n");
}

/// What can be done with it; where that is nothing, no empty row stands below it.
fn buttons(out: &mut Html, device: &Device, name: &str) {
    let acts = own::acts(device);
    if acts.is_empty() {
        return;
    }
    html!(out, "<div class=\"acts\">");
    for act in acts {
        let danger = matches!(act, Act::Wipe(_));
        let look = if danger { "danger-ghost" } else { "" };
        html!(out, "<a class=\"btn sm " {look} "\" href=\"" {address(device.number, act)} "\">"
            {words::button(act)} "<span class=\"sr\">, <bdi>" {name} "</bdi></span></a>");
    }
    html!(out, "</div>");
}

fn badge(out: &mut Html, tone: Tone, word: &'static str) {
    let (look, picture) = match tone {
        Tone::Good => ("ok", "circle-check"),
        Tone::Calm => ("", "circle-slash"),
        Tone::Waits => ("warn", "clock"),
        Tone::Bad => ("danger", "circle-x"),
    };
    html!(out, "<span class=\"badge " {look} "\">");
    icon(out, picture, "xs");
    html!(out, {word} "</span>");
}

/// A time as people say it, with the exact one for programs and on hover.
fn time(out: &mut Html, at: UnixTime, said: &str, zone: &TimeZone) {
    html!(out, "<time datetime=\"" {words::machine(at)} "\" title=\"" {words::exactly(at, zone)}
        "\">" {said} "</time>");
}

/// How a phone is connected.
fn connect(out: &mut Html, account: &Account, hostname: &str, first: bool) {
    let title = if first { "Connect a phone" } else { "Connect another phone" };
    html!(out, "<section class=\"card steps\" id=\"connect\"><h2>" {title} "</h2>\n<ol>\n\
        <li><span>On the phone, open <b>Settings</b>, then <b>Accounts</b> or <b>Mail</b>, then \
        <b>Add account</b>, and choose <b>Exchange</b>. Windows Phone 8 calls it <b>Outlook</b>, \
        an iPhone <b>Microsoft Exchange</b>.</span></li>\n\
        <li><span>Give the address <bdi class=\"copy\">" {&account.address} "</bdi> and its \
        password, the one that you opened this page with.</span></li>\n\
        <li><span>If it asks for a server: <span class=\"copy\">" {hostname} "</span>. The user \
        name is your address again, a domain stays empty, encryption (SSL) is on.</span></li>\n\
        <li><span>Choose what comes to the phone and how far back. <b>Push</b> or <b>as items \
        arrive</b> brings everything at once.</span></li>\n</ol></section>\n");
}
