//! Calendars of other projects' tests: some kept in `tests/data/ics`, all of them where they
//! have been fetched (KONTOR_SHARED, or `../shared`).

use std::path::{Path, PathBuf};

use super::*;

/// Name and bytes of each calendar at hand.
pub(crate) fn calendars() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("KONTOR_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| root.join("../shared")).join("corpus/ics");
    let mut all = Vec::new();
    for directory in [root.join("tests/data/ics"), shared] {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "ics") {
                all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    all
}

fn count(tree: &Component) -> usize {
    tree.properties.len() + tree.components.iter().map(count).sum::<usize>()
}

#[test]
fn every_calendar_comes_back_whole() {
    for (name, bytes) in calendars() {
        let Ok(trees) = Component::parse_all(&bytes) else { continue };
        for tree in trees {
            let again = Component::parse(&tree.to_string()).unwrap();
            assert_eq!(count(&again), count(&tree), "{name}");
            assert!(again == tree, "{name}");
        }
    }
}

#[test]
fn cut_calendars_are_survived() {
    for (_, bytes) in calendars() {
        for cut in [bytes.len() / 3, bytes.len() / 2, bytes.len().saturating_sub(5)] {
            let _ = Component::parse_all(&bytes[..cut]);
        }
    }
}
