//! Calendars, cards and messages of other programs, brought in by the real program, reach phones
//! of every version through whole Syncs, in each form of body. The files of `tests/data` always;
//! those of `../shared/corpus` (or KONTOR_SHARED) where they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kontor::format::ical::{Component, Piece};

use crate::support::eas::Phone;
use crate::support::eas::model::{Model, VERSIONS};
use crate::support::{Account, Server, data};

/// The forms of bodies that phones ask for; MIME with its own switch.
const BODIES: [&[(u8, Option<u32>)]; 3] = [&[(1, None)], &[(2, None)], &[(4, None)]];

/// Brings a directory in; what was skipped.
fn bring(server: &Server, kind: &str, account: &Account, dir: &Path) -> Vec<String> {
    let path = dir.to_str().expect("a name in UTF-8");
    let output = server.try_cli(&["import", kind, &account.email, path], "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let skipped = said.lines().filter(|line| line.starts_with("skipped"));
    let skipped: Vec<_> = skipped.map(str::to_owned).collect();
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

fn reaches_phones(server: &Server, ics: &Path, vcf: &Path, mail: &Path) {
    let account = server.account();
    for (kind, dir) in [("ics", ics), ("vcf", vcf), ("eml", mail)] {
        for skipped in bring(server, kind, &account, dir) {
            println!("{skipped}");
        }
    }
    let messages = server.inbox(&account).ok("SELECT INBOX").exists() as usize;
    let items = exported(server, &account);
    println!("{messages} messages; events, tasks, notes, contacts: {items:?}");
    assert!(messages > 0 && items[0] > 0 && items[3] > 0, "{items:?}");
    for model in &VERSIONS {
        for (number, bodies) in BODIES.into_iter().enumerate() {
            // 2.5 knows no preferences.
            if number > 0 && !model.since(12, 0) {
                continue;
            }
            let mime = if bodies[0].0 == 4 { 2 } else { 0 };
            // A handful of models for as long as the tests run.
            let model: &'static Model =
                Box::leak(Box::new(Model { filter: (0, 0), window: 100, bodies, mime, ..*model }));
            let mut phone = Phone::quick(server, model, &account).named(&number.to_string());
            phone.folder_sync();
            let kinds =
                [(2, messages), (8, items[0]), (7, items[1]), (10, items[2]), (9, items[3])];
            for (kind, wanted) in kinds {
                // Notes are for 14.0 and later.
                if kind == 10 && !model.since(14, 0) {
                    continue;
                }
                let folder = phone.folder(kind);
                phone.settle(&[&folder]);
                let held = phone.held[&folder].items.len();
                assert_eq!(held, wanted, "{} {bodies:?}, folder of kind {kind}", model.version);
            }
        }
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
    reaches_phones(&server, &data("ics"), &data("vcf"), &mail_of(&server, &data("mime")));
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
            let is_note = path.extension().is_some_and(|ending| ending == "md" || ending == "tsv");
            if path.is_dir() {
                open.push(path);
            } else if !is_note {
                number += 1;
                std::fs::copy(path, to.join(format!("{number}.eml"))).expect("a copy");
            }
        }
    }
    to
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
    reaches_phones(&server, &corpus.join("ics"), &corpus.join("vcf"), &mail);
    let stubs = stubs(&server);
    stubs.iter().for_each(|stub| println!("{stub}"));
    assert_eq!(stubs.len(), 0, "{stubs:#?}");
}
