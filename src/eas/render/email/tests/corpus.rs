//! Every message that is at hand reaches every phone.

use std::path::{Path, PathBuf};

use super::*;

#[test]
fn every_message_renders_in_every_version_and_form() {
    let office = Office::new();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mime");
    let shared = std::env::var_os("KONTOR_SHARED").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let corpus = shared.unwrap_or_else(beside).join("corpus");
    for folder in [own, corpus.join("mime"), corpus.join("tnef")] {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ext| ext == "eml") {
                println!("{}", path.display());
                check(&office, &std::fs::read(&path).unwrap());
            }
        }
    }
}

fn check(office: &Office, raw: &[u8]) {
    let message = office.add(raw);
    for version in VERSIONS {
        for kind in [1, 2, 4] {
            let full = office.show(&message, version, &body(kind, None));
            let (data, size) = data_of(&full);
            assert_eq!(data.len(), size, "{kind}");
            for limit in [0, 1, 2, 3, 500, size.saturating_sub(1), size, size + 1] {
                let shown = office.show(&message, version, &body(kind, Some(limit as u32)));
                if version == Version::V2_5 {
                    continue;
                }
                let (part, full_size) = data_of(&shown);
                assert_eq!(full_size, size);
                assert!(part.len() <= limit && data.starts_with(&part));
                assert!(limit.min(size) - part.len() < 4);
                if kind != 4 {
                    assert!(std::str::from_utf8(&part).is_ok());
                }
                let cut = shown.child(b::BODY).unwrap().has(b::TRUNCATED);
                assert_eq!(cut, part.len() < size);
            }
        }
    }
    fetch_all(office, &message);
}

fn fetch_all(office: &Office, message: &Message) {
    let shown = office.show(message, Version::V14_1, &body(1, None));
    for file in shown.child(b::ATTACHMENTS).iter().flat_map(|list| &list.children) {
        let reference = file.text_of(b::FILE_REFERENCE).unwrap();
        let read = office.store.read();
        let found = attachment(&read, office.inbox.account, reference).unwrap().unwrap();
        assert!(!found.name.is_empty() && file.text_of(b::DISPLAY_NAME).is_some());
    }
}

fn data_of(shown: &Element) -> (Bytes, usize) {
    let number = |text: Option<&str>| text.unwrap_or("0").parse().unwrap();
    if let Some(body) = shown.child(b::BODY) {
        let data = body.child(b::DATA).map(Element::bytes).unwrap_or_default();
        return (data, number(body.text_of(b::ESTIMATED_DATA_SIZE)));
    }
    let (data, size) = match shown.has(e::MIME_SIZE) {
        true => (e::MIME_DATA, e::MIME_SIZE),
        false => (e::BODY, e::BODY_SIZE),
    };
    (shown.child(data).map(Element::bytes).unwrap_or_default(), number(shown.text_of(size)))
}
