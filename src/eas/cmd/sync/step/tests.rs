//! What a request cannot know: others are at work between the look at a collection and its step.

use jiff::tz::TimeZone;

use super::*;
use crate::base::clock::Clock;
use crate::domain::account::{self, NewAccount};
use crate::domain::collection;
use crate::eas::cmd::sync::request::Command;
use crate::eas::render::Owner;
use crate::eas::version::Version;
use crate::format::wbxml::{Element, tags};
use crate::store::Store;
use crate::store::rows::collection::CollectionKind;

#[test]
fn an_addition_to_a_folder_that_was_just_removed_asks_for_a_folder_sync() {
    let store = Store::in_memory(Clock::fixed(1_700_000_000));
    let (account, book) = store
        .write_blocking(|tx| {
            account::add_domain(tx, "office.example")?;
            let new = NewAccount {
                address: "anna@office.example".parse().unwrap(),
                display_name: "Anna".into(),
                admin: false,
                credentials: None,
                quota: None,
            };
            let account = account::create(tx, &new)?.id;
            let book = collection::create(tx, account, CollectionKind::Contacts, "Club")?.id;
            Ok::<_, domain::Error>((account, book))
        })
        .unwrap();
    let author = || Author {
        version: Version::V14_1,
        zone: TimeZone::UTC,
        owner: Owner::default(),
        now: 1_700_000_000,
    };
    let content = Content::Items(CollectionKind::Contacts);
    let step = |key: u64, commands: Vec<Command>| Step {
        wanted: Wanted {
            server_id: book.number.to_string(),
            folder: Some((book, content)),
            key: Some(key),
            get_changes: key != 0,
            window: 100,
            deletes_as_moves: true,
            options: None,
            supported: None,
            commands,
        },
        id: book,
        content,
        choice: None,
        drafts: Vec::new(),
    };
    let told = |step: Step| {
        let told = store.write_blocking(move |tx| {
            run(tx, account, 1, (&author(), &|_| false), vec![step], 100)
        });
        told.unwrap().remove(0).unwrap()
    };
    let key = told(step(0, Vec::new())).key;
    let choice = state::choose(&store, book, content, 0).unwrap();
    store.write_blocking(move |tx| collection::delete(tx, book)).unwrap();
    let name = Element::with_text(tags::contacts::LAST_NAME, "Ann");
    let data = Element::with_children(tags::air_sync::APPLICATION_DATA, vec![name]);
    let add = Command::Add { client_id: "1".into(), data, send: false };
    let answer = told(Step { choice: Some((choice, 0, 0)), ..step(key, vec![add]) });
    assert_eq!((answer.status, answer.outcomes), (HIERARCHY_CHANGED, Vec::new()));
}
