//! What a phone is called, how it is with it, and since when, in words for everybody.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::clock::UnixTime;
use crate::domain::device::own::Act;
use crate::domain::device::{Access, Device, Reason, Wipe, WipeKind, Wiper};

/// Longest text of a phone that is shown, in characters.
const SHOWN_MAX: usize = 80;

/// A phone that was not here for so long may be one that nobody has any more.
const AWAY_SECS: i64 = 30 * 86_400;

/// How a state looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    Good,
    Calm,
    Waits,
    Bad,
}

/// How it is with a phone.
pub struct State {
    pub tone: Tone,
    /// A word or two.
    pub word: &'static str,
    /// What that means, and what to do.
    pub meaning: String,
}

/// Whether a phone is among those that somebody removed and nothing more is known of.
pub fn is_removed(device: &Device) -> bool {
    device.reason == Reason::Removed && device.wipe == Wipe::None
}

/// How it is with a phone, now.
pub fn state(device: &Device, now: UnixTime, zone: &TimeZone) -> State {
    match device.wipe {
        Wipe::None => access(device, now),
        Wipe::Requested { kind, at } => State {
            tone: Tone::Waits,
            word: "To be erased",
            meaning: format!(
                "Erasing was asked for {}. The phone erases {} as soon as it is online, and is not let in \
                 until then. {}",
                ago(at, now, zone),
                extent(kind),
                cancelling(device, "You can still cancel it.")
            ),
        },
        Wipe::Sent { kind, at } => State {
            tone: Tone::Waits,
            word: "Being erased",
            meaning: format!(
                "The phone was told {} to erase {}, and has not confirmed it yet. {}",
                ago(at, now, zone),
                extent(kind),
                cancelling(device, "Cancelling may come too late.")
            ),
        },
        Wipe::Acknowledged { done: true, kind, at } => State {
            tone: Tone::Calm,
            word: if kind == WipeKind::Device { "Erased" } else { "Account erased" },
            meaning: format!(
                "The phone confirmed {} that it has erased {}. It stays out; to use it with your \
                 account again, ask an administrator.",
                ago(at, now, zone),
                extent(kind)
            ),
        },
        Wipe::Acknowledged { done: false, .. } => State {
            tone: Tone::Bad,
            word: "Could not be erased",
            meaning: "The phone answered that it could not do it. It stays out and gets nothing \
                      new, but what it has is still on it. If it is lost, change your password."
                .to_owned(),
        },
    }
}

/// Whether a wipe can still be taken back by the person.
fn cancelling(device: &Device, own: &'static str) -> &'static str {
    match device.wiper {
        Wiper::Owner => own,
        Wiper::Administrator => {
            "An administrator asked for it, and only an administrator can cancel it."
        }
    }
}

fn access(device: &Device, now: UnixTime) -> State {
    let (tone, word, meaning) = match (device.access, device.reason) {
        (Access::Allowed, _) if now - device.last_seen > AWAY_SECS => (
            Tone::Calm,
            "Away",
            "It has not asked for anything for a long time. If you no longer have it, remove it; \
             if it is lost, erase it.",
        ),
        (Access::Allowed, _) => {
            (Tone::Good, "Connected", "It gets your mail, contacts and calendar, as chosen on it.")
        }
        (Access::Quarantined, _) => (
            Tone::Waits,
            "Waiting for approval",
            "The administrators have been told. As soon as one of them approves it, everything \
             comes by itself; you need not touch the phone. If it is not yours, remove it and \
             change your password.",
        ),
        (Access::Blocked, Reason::Removed) => (
            Tone::Calm,
            "Removed",
            "It gets nothing any more. To use it with your account again, ask an administrator.",
        ),
        (Access::Blocked, Reason::Administrator) => (
            Tone::Bad,
            "Blocked",
            "An administrator keeps it out, and it gets nothing. If you need it, ask them.",
        ),
        (
            Access::Blocked,
            Reason::Default | Reason::Rule(_) | Reason::User | Reason::Device | Reason::Wiped,
        ) => (
            Tone::Bad,
            "Blocked",
            "By the office's rules it gets nothing. If you need it, ask an administrator.",
        ),
    };
    State { tone, word, meaning: meaning.to_owned() }
}

fn extent(kind: WipeKind) -> &'static str {
    match kind {
        WipeKind::Device => "everything on it",
        WipeKind::Account => "what it has of this account",
    }
}

/// The button for it.
pub fn button(act: Act) -> &'static str {
    match act {
        Act::Remove => "Remove",
        Act::Wipe(WipeKind::Account) => "Erase only this account",
        Act::Wipe(WipeKind::Device) => "Erase everything on it",
        Act::CancelWipe => "Cancel erasing",
    }
}

/// What it is called: its own name, or else its model or its kind.
pub fn name(device: &Device) -> String {
    let facts = &device.facts;
    let kind = kind(device);
    let names = [facts.friendly_name.as_str(), &facts.model, &kind];
    let name = names.into_iter().find(|name| !name.trim().is_empty());
    shown(name.unwrap_or("Phone without a name"))
}

/// Model, kind, system and phone number, as far as they say more than its name does.
pub fn facts(device: &Device) -> Vec<String> {
    let name = name(device).to_lowercase();
    let (facts, kind) = (&device.facts, kind(device));
    // "Windows Phone 8.10" and "iPhone15C4" say the kind as well.
    let is_kind = |text: &str| text.to_lowercase().starts_with(&kind.to_lowercase());
    let is_told = is_kind(&facts.os) || is_kind(&facts.model);
    let kind = if is_told { String::new() } else { kind };
    let told = [&facts.model, &kind, &facts.os, &facts.phone_number];
    let told = told.into_iter().map(|fact| shown(fact));
    told.filter(|fact| !fact.is_empty() && fact.to_lowercase() != name).collect()
}

/// A phone's kind (`DeviceType`) as people call it.
pub fn kind(device: &Device) -> String {
    const KNOWN: [(&str, &str); 13] = [
        ("wp", "Windows Phone"),
        ("iphone", "iPhone"),
        ("ipad", "iPad"),
        ("ipod", "iPod"),
        ("android", "Android"),
        ("samsung", "Samsung"),
        ("outlook", "Outlook app"),
        ("universaloutlook", "Windows Mail"),
        ("windowsmail", "Windows Mail"),
        ("thunderbird", "Thunderbird"),
        ("tbsync", "Thunderbird"),
        ("blackberry", "BlackBerry"),
        ("pocketpc", "Windows Mobile"),
    ];
    let told = device.kind.to_ascii_lowercase();
    let known = KNOWN.iter().find(|(start, _)| told.starts_with(start));
    known.map_or_else(|| shown(&device.kind), |(_, name)| (*name).to_owned())
}

/// A text of a phone, cut where it is endless.
pub fn shown(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// As people say it. Visits are noted every five minutes, so a shorter time is not known.
pub fn ago(at: UnixTime, now: UnixTime, zone: &TimeZone) -> String {
    let some = |count: i64, one: &str| match count {
        1 => format!("1 {one} ago"),
        _ => format!("{count} {one}s ago"),
    };
    match now - at {
        i64::MIN..600 => "a few minutes ago".to_owned(),
        passed @ 600..3_600 => some(passed / 60, "minute"),
        passed @ 3_600..86_400 => some(passed / 3_600, "hour"),
        passed @ 86_400..604_800 => some(passed / 86_400, "day"),
        _ => format!("on {}", day(at, zone)),
    }
}

/// A day, as "3 March 2025".
pub fn day(at: UnixTime, zone: &TimeZone) -> String {
    written(at, zone, "%-d %B %Y")
}

/// To the minute, as "3 March 2025, 14:05 CET".
pub fn exactly(at: UnixTime, zone: &TimeZone) -> String {
    written(at, zone, "%-d %B %Y, %H:%M %Z")
}

/// For programs (the `datetime` of a `time` element).
pub fn machine(at: UnixTime) -> String {
    written(at, &TimeZone::UTC, "%Y-%m-%dT%H:%MZ")
}

fn written(at: UnixTime, zone: &TimeZone, form: &str) -> String {
    let at = Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned_datetime(zone.clone()).strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::device::Facts;

    const NOW: i64 = 1_700_000_000;

    fn lumia() -> Device {
        Device {
            kind: "WP8".into(),
            last_seen: NOW,
            facts: Facts {
                model: "RM-1045".into(),
                friendly_name: "Ben's Lumia".into(),
                os: "Windows Phone 8.10".into(),
                phone_number: "+49123".into(),
                ..Facts::default()
            },
            ..Device::default()
        }
    }

    #[test]
    fn a_phone_is_called_by_the_best_that_it_tells() {
        let mut device = lumia();
        assert_eq!(name(&device), "Ben's Lumia");
        assert_eq!(facts(&device), ["RM-1045", "Windows Phone 8.10", "+49123"]);
        device.facts.friendly_name = " ".into();
        assert_eq!(name(&device), "RM-1045");
        assert_eq!(facts(&device), ["Windows Phone 8.10", "+49123"]);
        device.facts = Facts::default();
        assert_eq!(name(&device), "Windows Phone");
        assert!(facts(&device).is_empty());
        device.kind = "x".repeat(500);
        assert_eq!(name(&device).chars().count(), SHOWN_MAX + 1);
        device.kind.clear();
        assert_eq!(name(&device), "Phone without a name");
    }

    #[test]
    fn every_state_has_a_word() {
        let utc = TimeZone::UTC;
        let word = |change: fn(&mut Device)| {
            let mut device = lumia();
            change(&mut device);
            state(&device, NOW, &utc).word
        };
        let blocked = |device: &mut Device| device.access = Access::Blocked;
        let kind = WipeKind::Device;
        assert_eq!(word(|_| {}), "Connected");
        assert_eq!(word(|device| device.last_seen = 0), "Away");
        assert_eq!(word(|device| device.access = Access::Quarantined), "Waiting for approval");
        assert_eq!(word(blocked), "Blocked");
        assert_eq!(
            word(|device| {
                device.access = Access::Blocked;
                device.reason = Reason::Removed;
            }),
            "Removed"
        );
        let with = |wipe| state(&Device { wipe, ..lumia() }, NOW, &utc);
        assert_eq!(with(Wipe::Requested { kind, at: NOW }).word, "To be erased");
        assert_eq!(with(Wipe::Sent { kind, at: NOW }).word, "Being erased");
        assert_eq!(with(Wipe::Acknowledged { kind, at: NOW, done: true }).word, "Erased");
        let failed = with(Wipe::Acknowledged { kind, at: NOW, done: false });
        assert_eq!((failed.word, failed.tone), ("Could not be erased", Tone::Bad));
    }

    #[test]
    fn times_are_said_as_people_do() {
        let utc = TimeZone::UTC;
        for (passed, wanted) in [
            (-5, "a few minutes ago"),
            (599, "a few minutes ago"),
            (1_300, "21 minutes ago"),
            (3_700, "1 hour ago"),
            (86_400 * 2, "2 days ago"),
            (86_400 * 7, "on 7 November 2023"),
        ] {
            assert_eq!(ago(NOW - passed, NOW, &utc), wanted);
        }
        assert_eq!(exactly(NOW, &utc), "14 November 2023, 22:13 UTC");
        assert_eq!(machine(NOW), "2023-11-14T22:13Z");
        assert_eq!(day(i64::MAX, &utc), "1 January 1970");
    }
}
