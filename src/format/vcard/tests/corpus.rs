//! Cards of real programs: those in tests/data, and all of ../shared/corpus where it is there.

use std::path::Path;

use super::{ALL, Card, Field};

/// Every card of the corpus, if there is one.
fn cards() -> Vec<(String, Card)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cards = Vec::new();
    for dir in ["tests/data/vcf", "../shared/corpus/vcf"] {
        let Ok(files) = std::fs::read_dir(here.join(dir)) else { continue };
        for file in files {
            let path = file.unwrap().path();
            let Ok(all) = Card::parse_all(&std::fs::read(&path).unwrap()) else { continue };
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            cards.extend(all.into_iter().map(|card| (name.clone(), card)));
        }
    }
    assert!(!cards.is_empty());
    cards
}

#[test]
fn writing_loses_nothing() {
    for (name, card) in cards() {
        let again = Card::parse(&card.to_string()).unwrap();
        assert_eq!(again, card, "{name}");
    }
}

/// One field changed at a time: nothing else is gone, and nothing else looks different.
#[test]
fn an_edit_leaves_everything_else() {
    for (name, card) in cards() {
        for field in ALL {
            let mut after = card.clone();
            after.set(field, Some("changed"));
            assert_eq!(after.get(field).as_deref(), Some("changed"), "{name} {field:?}");
            for other in ALL.into_iter().filter(|other| *other != field) {
                let same = after.get(other) == card.get(other) || other == Field::FileAs;
                assert!(same, "{name}: {field:?} changed {other:?}");
            }
            let gone = card.properties().iter().filter(|old| !after.properties().contains(old));
            let gone: Vec<_> = gone.map(|old| (old.name.as_str(), old.value.as_str())).collect();
            // The property itself, and the formatted name with a part of the name.
            assert!(gone.len() <= 2, "{name} {field:?}: {gone:?}");
        }
    }
}

#[test]
fn an_edit_of_what_is_shown_is_none() {
    for (name, card) in cards() {
        let mut after = card.clone();
        let reading = card.reading();
        after.edit(ALL.iter().map(|field| (*field, reading.get(*field))).collect());
        after.set_children(&card.children());
        after.set_categories(&card.categories());
        // FN is put in where it was missing.
        let same = after.properties().iter().filter(|one| one.name != "FN");
        assert!(same.eq(card.properties().iter().filter(|one| one.name != "FN")), "{name}");
    }
}
