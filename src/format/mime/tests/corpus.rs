//! Messages of other projects' tests, where they have been fetched: KONTOR_SHARED, or `../shared`.

use std::path::PathBuf;

use super::*;

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("KONTOR_SHARED").map(PathBuf::from);
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let corpus = shared.unwrap_or_else(beside).join("corpus");
    corpus.is_dir().then_some(corpus)
}

#[test]
fn every_message_of_the_corpus_holds() {
    let Some(corpus) = corpus() else { return };
    for half in ["mime", "mbox", "tnef"] {
        for entry in std::fs::read_dir(corpus.join(half)).into_iter().flatten() {
            let path = entry.unwrap().path();
            let raw = std::fs::read(&path).unwrap();
            println!("{}", path.display());
            check(b"Return-Path: <a@b.test>\r\n", &raw);
            // The same with the other line ends, and cut short at some places.
            let bare: Vec<u8> = raw.iter().copied().filter(|b| *b != b'\r').collect();
            check(b"", &bare);
            for cut in [raw.len() / 3, raw.len() / 2, raw.len().saturating_sub(7)] {
                check(b"", &raw[..cut]);
            }
        }
    }
}
