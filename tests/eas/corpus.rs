//! Calendars, cards and messages of other programs, brought in by the real program, reach phones
//! of every version through whole Syncs, in each form of body; and so do messages that a mail
//! program puts there octet by octet. The files of `tests/data` always; those of
//! `../shared/corpus` (or KONTOR_SHARED) where they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kontor::format::ical::{Component, Piece};

use crate::support::eas::Phone;
use crate::support::eas::model::{Model, VERSIONS};
use crate::support::{Account, Server, data};

/// The forms of bodies that phones ask for; MIME with its own switch.
const BODIES: [&[(u8, Option<u32>)]; 3] = [&[(1, None)], &[(2, None)], &[(4, None)]];

/// Where files come from, and what of them brings nothing.
struct Source {
    ics: PathBuf,
    vcf: PathBuf,
    mail: PathBuf,
    /// `name: reason`, as the import tells them.
    skipped: BTreeSet<String>,
}

/// Brings a directory in; what was skipped.
fn bring(server: &Server, kind: &str, account: &Account, dir: &Path) -> Vec<String> {
    let path = dir.to_str().expect("a name in UTF-8");
    let output = server.try_cli(&["import", kind, &account.email, path], "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let skipped = said.lines().filter_map(|line| line.strip_prefix("skipped "));
    let skipped: Vec<_> = skipped.map(|line| line.replace(&format!("{path}/"), "")).collect();
    assert!(output.status.success() || !skipped.is_empty(), "{said}");
    skipped
}

/// What the account has by its export: events, tasks, notes, contacts.
fn exported(server: &Server, account: &Account) -> [usize; 4] {
    let dir = server.data.with_file_name(format!("export-{}", account.email));
    server.cli(&["export", &account.email, dir.to_str().expect("UTF-8")]);
    let count = |name: &str| {
        let Ok(bytes) = std::fs::read(dir.join(name)) else { return 0 };
        let mut uids = BTreeSet::new();
        let outer = if name.ends_with("ics") { "VCALENDAR" } else { "" };
        Component::pieces(&bytes, outer, |piece| {
            if let Piece::Inner(Ok(part)) = piece
                && !part.is("VTIMEZONE")
            {
                uids.insert(part.text_of("UID"));
            }
        });
        uids.len()
    };
    ["Calendar.ics", "Tasks.ics", "Notes.ics", "Contacts.vcf"].map(count)
}

fn reaches_phones(server: &Server, source: &Source) {
    let account = server.account();
    let all = [("ics", &source.ics), ("vcf", &source.vcf), ("eml", &source.mail)];
    let skipped: BTreeSet<_> =
        all.into_iter().flat_map(|(kind, dir)| bring(server, kind, &account, dir)).collect();
    assert_eq!(skipped, source.skipped);
    let messages = files(&source.mail).len();
    let items = exported(server, &account);
    println!("{messages} messages; events, tasks, notes, contacts: {items:?}");
    assert!(messages > 0 && items[0] > 0 && items[3] > 0, "{items:?}");
    for model in &VERSIONS {
        for (number, bodies) in BODIES.into_iter().enumerate() {
            // 2.5 knows no preferences.
            if number > 0 && !model.since(12, 0) {
                continue;
            }
            let mut phone = phone(server, &account, model, bodies).named(&number.to_string());
            phone.folder_sync();
            let kinds =
                [(2, messages), (8, items[0]), (7, items[1]), (10, items[2]), (9, items[3])];
            for (kind, wanted) in kinds {
                // Notes are for 14.0 and later.
                if kind == 10 && !model.since(14, 0) {
                    continue;
                }
                holds(&mut phone, kind, wanted);
            }
        }
    }
}

/// A phone of this model that wants everything in this form.
fn phone(
    server: &Server,
    account: &Account,
    model: &Model,
    bodies: &'static [(u8, Option<u32>)],
) -> Phone {
    let mime = if bodies[0].0 == 4 { 2 } else { 0 };
    let model = Model { filter: (0, 0), window: 100, bodies, mime, ..*model };
    // A handful of models for as long as the tests run.
    Phone::quick(server, Box::leak(Box::new(model)), account)
}

#[track_caller]
fn holds(phone: &mut Phone, kind: u8, wanted: usize) {
    let folder = phone.folder(kind);
    phone.settle(&[&folder]);
    let held = phone.held[&folder].items.len();
    let (version, bodies) = (phone.model.version, phone.model.bodies);
    assert_eq!(held, wanted, "{version} {bodies:?}, folder of kind {kind}");
}

/// Puts every message into the inbox as it is, as a mail program does that copies them there.
fn appended_reach_phones(server: &Server, mail: &Path) {
    let account = server.account();
    let mut imap = server.imap(&account);
    let files = files(mail);
    for path in &files {
        let bytes = std::fs::read(path).expect("a readable file");
        // A literal8, where there are NULs (RFC 3516 §4.4).
        let mark = if bytes.contains(&0) { "~" } else { "" };
        let answer = imap.with_literal(&format!("APPEND INBOX {mark}"), &bytes, "");
        assert!(answer.is_ok(), "{}: {answer}", path.display());
    }
    for (number, model) in VERSIONS.iter().enumerate() {
        let bodies = BODIES[if model.since(12, 0) { number % BODIES.len() } else { 0 }];
        let mut phone = phone(server, &account, model, bodies);
        phone.folder_sync();
        holds(&mut phone, 2, files.len());
    }
}

fn stubs(server: &Server) -> BTreeSet<String> {
    let stubs = server.log_lines("a stub went out");
    stubs
        .iter()
        .filter_map(|line| line.split_once(" WARN "))
        .map(|(_, text)| text.to_owned())
        .collect()
}

#[test]
fn files_of_other_programs_reach_every_phone() {
    let server = Server::start_new();
    let mail = mail_of(&server, &data("mime"));
    let skipped = ["pyicalendar__calendars_empty_RDATE.ics"].map(nothing_in);
    let source = Source { ics: data("ics"), vcf: data("vcf"), mail, skipped: skipped.into() };
    reaches_phones(&server, &source);
    appended_reach_phones(&server, &source.mail);
    assert_eq!(stubs(&server), BTreeSet::new());
}

/// `kontor import eml` wants names that say so.
fn mail_of(server: &Server, from: &Path) -> PathBuf {
    let to = server.data.with_file_name("mail");
    std::fs::create_dir_all(&to).expect("a directory");
    let mut open = vec![from.to_owned()];
    let mut number = 0;
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
            let path = entry.path();
            let is_note = path.extension().is_none_or(|ending| ending == "md" || ending == "tsv");
            if path.is_dir() {
                open.push(path);
            } else if !is_note {
                number += 1;
                let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
                std::fs::copy(path, to.join(format!("{number}-{name}.eml"))).expect("a copy");
            }
        }
    }
    to
}

fn files(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).expect("a directory").flatten().map(|entry| entry.path()).collect()
}

/// Files of the corpus that have nothing for a phone, by why; the import names each.
const NOTHING_IN_IT: [(&str, &[&str]); 5] = [
    (
        "when somebody is busy or can be reached, and no event",
        &[
            "libical__test-data_5.ics",
            "pyicalendar__availabilities_rfc_7953_1.ics",
            "pyicalendar__availabilities_rfc_7953_2.ics",
            "pyicalendar__calendars_issue_1081_freebusy_comma_separated.ics",
            "pyicalendar__calendars_issue_1633_freebusy_with_dates.ics",
            "pyicalendar__calendars_issue_27_multiple_periods_in_freebusy_multiple_freebusies.ics",
            "pyicalendar__calendars_issue_27_multiple_periods_in_freebusy_one_freebusy.ics",
            "pyicalendar__calendars_issue_798_freebusy.ics",
            "pyicalendar__calendars_rfc_7953_3.ics",
            "pyicalendar__freebusy_example.ics",
        ],
    ),
    (
        "a time zone by itself, or a piece of one",
        &[
            "libical__test-data_caltime.ics",
            "pyicalendar__calendars_empty_RDATE.ics",
            "pyicalendar__calendars_fuzz_testcase_vtimezone_lone_cr.ics",
            "pyicalendar__timezones_issue_237_brazilia_standard.ics",
            "pyicalendar__timezones_issue_53_tzid_parsed_properly.ics",
            "pyicalendar__timezones_issue_55_parse_error_on_utc_offset_with_seconds.ics",
            "pyicalendar__timezones_pacific_fiji.ics",
        ],
    ),
    (
        "an alarm without what it rings for",
        &[
            "pyicalendar__alarms_example.ics",
            "pyicalendar__alarms_rfc_5545_absolute_alarm_example.ics",
            "pyicalendar__alarms_rfc_5545_end.ics",
            "pyicalendar__alarms_start_date.ics",
        ],
    ),
    (
        "a component that nobody knows, once with an event's name for a part of it",
        &[
            "pyicalendar__calendars_issue_178_component_with_invalid_name_represented.ics",
            "pyicalendar__calendars_issue_178_custom_component_contains_other.ics",
            "pyicalendar__calendars_issue_178_custom_component_inside_other.ics",
        ],
    ),
    (
        "octets of a fuzzer that begin no component with a name",
        &[
            "libical__test-data_issue250.ics",
            "libical__test-data_issue251.ics",
            "libical__test-data_issue253.ics",
            "pyicalendar__calendars_fuzz_testcase_0_char_in_component_name.ics",
            "pyicalendar__calendars_fuzz_testcase_invalid_month.ics",
        ],
    ),
];

/// A card that is called a calendar, and a calendar that is called a card.
const OTHERWISE: [&str; 2] = [
    "libical__test-data_issue339.ics: it holds contacts; bring it in with kontor import vcf",
    "libical__test-data_user-cal.vcf: it is a calendar; bring it in with kontor import ics",
];

/// A fuzzer's components that never end and so lie in each other, more than eight deep; what
/// stands beside them in the file comes in.
const TOO_DEEP: [&str; 2] =
    ["libical__test-data_get_char_test.ics", "libical__test-data_malloc.ics"];

fn nothing_in(name: &str) -> String {
    format!("{name}: there is no event, task or note in it")
}

fn nothing_for_a_phone() -> BTreeSet<String> {
    let none = NOTHING_IN_IT.into_iter().flat_map(|(_, files)| files);
    let none = none.map(|name| nothing_in(name));
    let deep =
        TOO_DEEP.map(|name| format!("{name}, entry 1: components within components are too deep"));
    none.chain(deep).chain(OTHERWISE.map(str::to_owned)).collect()
}

#[test]
fn the_whole_corpus_reaches_every_phone() {
    let shared = std::env::var_os("KONTOR_SHARED").map(PathBuf::from);
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let corpus = shared.unwrap_or_else(beside).join("corpus");
    if !corpus.is_dir() {
        println!("skipped: {} is not there", corpus.display());
        return;
    }
    let server = Server::start_new();
    let mail = mail_of(&server, &corpus.join("mime"));
    let (ics, vcf) = (corpus.join("ics"), corpus.join("vcf"));
    let source = Source { ics, vcf, mail, skipped: nothing_for_a_phone() };
    reaches_phones(&server, &source);
    appended_reach_phones(&server, &source.mail);
    let stubs = stubs(&server);
    stubs.iter().for_each(|stub| println!("{stub}"));
    assert_eq!(stubs.len(), 0, "{stubs:#?}");
}
