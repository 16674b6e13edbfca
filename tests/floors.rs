//! The floors of the house: a module imports only from rooms below its own, and no two rooms
//! of one floor import each other in a circle.
//!
//! The floors are read from `src/lib.rs`, so that this test and the map there cannot differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Imports of a room on the same floor that are wanted: the base of a floor's other rooms.
const WITHIN_FLOOR: &[(&str, &str)] = &[];

/// Who may name which foreign crate; everybody else goes through them.
const KEEPERS: &[(&str, &[&str])] = &[
    ("redb", &["store"]),
    ("rustls", &["net", "app"]),
    ("tokio_rustls", &["net", "app"]),
    ("webpki", &["net"]),
    ("hickory_resolver", &["net"]),
    ("mail_parser", &["format"]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Room -> floor, from the `// floor N` comments of `lib.rs`.
fn floors() -> BTreeMap<String, u32> {
    let text = std::fs::read_to_string(source().join("lib.rs")).unwrap();
    let (mut floor, mut rooms) = (None, BTreeMap::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("// floor ") {
            let digits: String = comment.chars().take_while(char::is_ascii_digit).collect();
            floor = Some(digits.parse().unwrap());
        } else if let Some(room) = line.strip_prefix("pub mod ").and_then(|l| l.strip_suffix(';')) {
            let floor = floor.unwrap_or_else(|| panic!("{room} stands on no floor in lib.rs"));
            rooms.insert(room.to_owned(), floor);
        }
    }
    assert!(rooms.len() > 5, "lib.rs is not read rightly: {rooms:?}");
    rooms
}

fn rust_files(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
}

/// Every room's files: `src/room.rs` and those below `src/room/`, without their comments.
fn files() -> Vec<(String, PathBuf, String)> {
    let mut paths = Vec::new();
    rust_files(&source(), &mut paths);
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(source()).unwrap().to_owned();
        let room = inside.iter().next()?.to_str()?.trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        Some((room, inside, code.collect::<Vec<_>>().join("\n")))
    };
    paths.into_iter().filter_map(read).collect()
}

/// The rooms that a file names with `crate::room`, also in `use crate::{a, b::c}`.
fn named(code: &str, rooms: &BTreeMap<String, u32>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(top_level(list).split(',').map(identifier)),
            None => drop(found.insert(identifier(rest))),
        }
    }
    found.retain(|room| rooms.contains_key(room));
    found
}

/// What stands before the closing brace, without the braces within it.
fn top_level(list: &str) -> String {
    let (mut depth, mut text) = (0, String::new());
    for c in list.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            c if depth == 0 => text.push(c),
            _ => {}
        }
    }
    text
}

fn identifier(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_are_read_in_every_form() {
    let rooms = ["a", "b", "c"].map(|room| (room.to_owned(), 0)).into_iter().collect();
    let code = "use crate::a::x; use crate::{b::{c, d}, e};\nlet c = mycrate::c::y;";
    assert_eq!(named(code, &rooms).into_iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn nothing_imports_upwards() {
    let rooms = floors();
    let mut wrong = Vec::new();
    for (room, path, code) in files() {
        let Some(floor) = rooms.get(&room) else { continue };
        for other in named(&code, &rooms) {
            if other != room && rooms[&other] > *floor {
                wrong.push(format!("{}: crate::{other} is above {room}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that go upwards:\n{}", wrong.join("\n"));
}

#[test]
fn fronts_do_not_import_each_other_and_no_floor_has_a_circle() {
    let rooms = floors();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (room, _, code) in files() {
        let Some(floor) = rooms.get(&room) else { continue };
        for other in named(&code, &rooms) {
            if other != room && rooms[&other] == *floor {
                edges.entry(room.clone()).or_default().insert(other);
            }
        }
    }
    for (room, others) in &edges {
        for other in others {
            let wanted = WITHIN_FLOOR.contains(&(room.as_str(), other.as_str()));
            assert!(rooms[room] != 5 || wanted, "the front {room} imports the front {other}");
            assert!(
                !reaches(&edges, other, room),
                "{room} and {other} import each other, directly or around"
            );
        }
    }
}

fn reaches(edges: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(room) = left.pop() {
        if room == to {
            return true;
        }
        if seen.insert(room) {
            left.extend(edges.get(room).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

#[test]
fn foreign_crates_stay_with_their_keepers() {
    let mut wrong = Vec::new();
    for (room, path, code) in files() {
        // Tests play the client.
        if path.to_string_lossy().contains("tests") {
            continue;
        }
        for (name, keepers) in KEEPERS {
            let used = code.match_indices(&format!("{name}::")).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                // A module of our own of the same name is reached through a path.
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if used && !keepers.contains(&room.as_str()) {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "only their keepers name these crates:\n{}", wrong.join("\n"));
}

#[test]
fn domain_and_format_are_not_async() {
    for (room, path, code) in files() {
        if room == "domain" || room == "format" {
            let asynchronous = code.contains("async fn") || code.contains(".await");
            assert!(!asynchronous, "{} is async", path.display());
        }
    }
}
