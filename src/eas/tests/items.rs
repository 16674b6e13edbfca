//! Contacts of two phones, at random, with answers that get lost: no item is ever doubled, lost
//! or echoed.

use super::*;
use crate::base::id::Uid;
use crate::domain::{collection, item};
use crate::store::rows::collection::CollectionKind;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use wbxml::tags::contacts as c;

fn add(client_id: &str, name: &str) -> Element {
    let data = tree(t::APPLICATION_DATA, vec![text(c::FILE_AS, name), text(c::LAST_NAME, name)]);
    tree(t::ADD, vec![text(t::CLIENT_ID, client_id), data])
}

fn change(id: &str, name: &str) -> Element {
    let data = tree(t::APPLICATION_DATA, vec![text(c::FILE_AS, name), text(c::LAST_NAME, name)]);
    tree(t::CHANGE, vec![text(t::SERVER_ID, id), data])
}

fn name_of(data: &Element) -> String {
    data.text_of(c::LAST_NAME).unwrap_or_default().to_owned()
}

impl Phone<'_> {
    /// Takes the ids that the server gave to what the phone added.
    fn take_ids(&mut self, folder: &str, collection: &Element, added: &[(String, String)]) {
        let held = self.folders.get_mut(folder).unwrap();
        for response in collection.child(t::RESPONSES).into_iter().flat_map(|all| all.all(t::ADD)) {
            assert_eq!(response.text_of(t::STATUS), Some("1"));
            let client_id = response.text_of(t::CLIENT_ID).unwrap();
            let (_, name) = added.iter().find(|(id, _)| id == client_id).unwrap();
            let id = response.text_of(t::SERVER_ID).unwrap().to_owned();
            let data = tree(t::APPLICATION_DATA, vec![text(c::LAST_NAME, name)]);
            assert!(held.items.insert(id.clone(), data).is_none(), "{id} came twice");
        }
    }
}

/// One request of a phone, perhaps lost once, with additions, changes and removals.
async fn turn(phone: &mut Phone<'_>, folder: &str, random: &mut StdRng, count: &mut u32) {
    let (mut commands, mut added) = (Vec::new(), Vec::new());
    let mut after = phone.folders.clone();
    if let Some(held) = after.get_mut(folder).filter(|held| !held.key.is_empty()) {
        for id in held.items.keys().cloned().collect::<Vec<_>>() {
            match random.random_range(0..12) {
                0 => {
                    held.items.remove(&id);
                    commands.push(delete(&id));
                }
                1 => {
                    *count += 1;
                    let name = format!("changed {count}");
                    let data = tree(t::APPLICATION_DATA, vec![text(c::LAST_NAME, &name)]);
                    held.items.insert(id.clone(), data);
                    commands.push(change(&id, &name));
                }
                _ => {}
            }
        }
        for _ in 0..random.random_range(0..3) {
            *count += 1;
            let (client_id, name) = (format!("c{count}"), format!("new {count}"));
            commands.push(add(&client_id, &name));
            added.push((client_id, name));
        }
    }
    let window = random.random_range(1..6);
    let request = phone.request(folder, window, 0, &commands);
    phone.folders = after;
    if random.random_range(0..3) == 0 {
        let _lost = phone.call(Command::Sync, Some(&request)).await.unwrap();
        if random.random() {
            elsewhere(phone.office, random, count);
        }
    }
    let Some(answer) = phone.call(Command::Sync, Some(&request)).await.unwrap() else { return };
    let collection = answer.child(t::COLLECTIONS).unwrap().child(t::COLLECTION).unwrap().clone();
    if phone.folders.contains_key(folder) {
        phone.take_ids(folder, &collection, &added);
    }
    phone.take(folder, &answer);
}

/// Somebody changes or removes a contact through another door.
fn elsewhere(office: &Office, random: &mut StdRng, count: &mut u32) {
    let contacts = contacts(office);
    let items = office.store.read().items(contacts).unwrap();
    if items.is_empty() {
        return;
    }
    let uid: Uid = items[random.random_range(0..items.len())].uid;
    *count += 1;
    let name = format!("elsewhere {count}");
    let removes = random.random_range(0..3) == 0;
    office.write(move |tx| {
        if removes {
            return item::remove(tx, contacts, uid).map(drop);
        }
        let old = item::text(tx, contacts, uid)?;
        let key = old.lines().find_map(|line| line.strip_prefix("UID:")).unwrap_or("x").to_owned();
        let text = format!(
            "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{key}\r\nFN:{name}\r\nN:{name};;;;\r\nEND:VCARD\r\n"
        );
        let look = u64::from(rand::random::<u32>());
        let new = item::Text { uid: key, text, look, from: 0, until: i64::MAX };
        item::change(tx, contacts, uid, new).map(drop)
    });
}

fn contacts(office: &Office) -> MailboxId {
    collection::default(&office.store.read(), office.account, CollectionKind::Contacts).unwrap().id
}

async fn play(seed: u64) {
    let office = Office::new();
    let mut random = StdRng::seed_from_u64(seed);
    let mut count = 0;
    let folder = contacts(&office).number.to_string();
    let mut phones = [office.phone("A", Version::V14_1), office.phone("B", Version::V16_1)];
    for phone in &mut phones {
        phone.folder_sync().await;
    }
    for _ in 0..60 {
        match random.random_range(0..6) {
            0 => elsewhere(&office, &mut random, &mut count),
            _ => {
                let which = random.random_range(0..2);
                turn(&mut phones[which], &folder, &mut random, &mut count).await;
            }
        }
    }
    let mut seen = Vec::new();
    for phone in &mut phones {
        phone.settle(&folder, 5, 0).await;
        let held = &phone.folders[&folder].items;
        seen.push(held.iter().map(|(id, data)| (id.clone(), name_of(data))).collect::<Vec<_>>());
    }
    let there = office.store.read().items(contacts(&office)).unwrap();
    let there: Vec<u32> = there.iter().map(|item| item.uid.0).collect();
    assert_eq!(seen[0], seen[1], "seed {seed}, {there:?}");
    assert_eq!(seen[0].len(), there.len(), "seed {seed}");
    let found = crate::store::verify::verify(&office.store, &mut |_, _| {}).unwrap();
    assert!(found.is_empty(), "seed {seed}: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_of_two_phones_end_alike() {
    for seed in 0..60 {
        play(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_somebody_wrote_to_is_offered_again() {
    let office = Office::new();
    let account = office.account;
    let people = |names: &[(&str, &str)]| {
        let one = |(address, name): &(&str, &str)| crate::domain::recipients::Correspondent {
            address: (*address).to_owned(),
            name: (*name).to_owned(),
        };
        names.iter().map(one).collect::<Vec<_>>()
    };
    let mut phone = office.phone("A", Version::V14_1);
    let names = phone.folder_sync().await;
    let (folder, _) = names.iter().find(|(_, name)| *name == "RecipientInfo").unwrap();
    phone.settle(folder, 10, 0).await;
    let first = people(&[("Ben@else.example", "Ben B"), ("x@else.example", "x@else.example")]);
    office.write(move |tx| crate::domain::recipients::note(tx, account, &first));
    let second = people(&[("ben@else.example", "ben@else.example"), ("no address", "")]);
    office.write(move |tx| crate::domain::recipients::note(tx, account, &second));
    phone.settle(folder, 10, 0).await;
    let held = &phone.folders[folder].items;
    let mut shown: Vec<_> = held
        .values()
        .map(|data| {
            let text = |tag| data.text_of(tag).unwrap_or_default().to_owned();
            (text(c::EMAIL1_ADDRESS), text(c::FILE_AS), text(c::WEIGHTED_RANK))
        })
        .collect();
    shown.sort();
    let wanted = [("ben@else.example", "Ben B", "2"), ("x@else.example", "x@else.example", "1")];
    assert_eq!(shown, wanted.map(|(a, b, c)| (a.into(), b.into(), c.into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wins_where_two_have_changed_a_contact() {
    let office = Office::new();
    let mut phone = office.phone("A", Version::V14_1);
    phone.folder_sync().await;
    let folder = contacts(&office).number.to_string();
    phone.settle(&folder, 10, 0).await;
    let three: Vec<Element> = (0..3).map(|n| add(&format!("c{n}"), &format!("new {n}"))).collect();
    let answer = phone.sync(&folder, 10, 0, &three).await.unwrap();
    let names: Vec<(String, String)> =
        (0..3).map(|n| (format!("c{n}"), format!("new {n}"))).collect();
    phone.take_ids(&folder, &answer, &names);
    let ids: Vec<String> = phone.ids(&folder).into_iter().map(str::to_owned).collect();
    let changed_elsewhere = |name: &'static str, numbers: &[u32]| {
        let contacts = contacts(&office);
        for number in numbers.iter().copied() {
            office.write(move |tx| {
                let old = item::text(tx, contacts, Uid(number))?;
                let (before, after) = old.split_once("\r\nN:").unwrap();
                let (_, after) = after.split_once("\r\n").unwrap();
                let text = format!("{before}\r\nN:{name};;;;\r\n{after}");
                let look = u64::from(rand::random::<u32>());
                let key = old.lines().find_map(|line| line.strip_prefix("UID:")).unwrap();
                let uid = key.to_owned();
                let new = item::Text { uid, text, look, from: 0, until: i64::MAX };
                item::change(tx, contacts, Uid(number), new).map(drop)
            });
        }
    };
    let conflicting = |conflict: Option<&str>, phone: &Phone<'_>, commands: &[Element]| {
        let mut request = phone.request(&folder, 10, 0, commands);
        let collection = &mut request.children[0].children[0];
        let options = collection.children.iter_mut().find(|it| it.tag == t::OPTIONS).unwrap();
        options.children.extend(conflict.map(|it| text(t::CONFLICT, it)));
        request
    };
    // The server's wins, unless the phone says otherwise (MS-ASCMD 2.2.3.34): the phone hears
    // 7, and the server's with the same answer. A Delete wins in any case.
    changed_elsewhere("theirs", &[1, 2, 3]);
    let commands = [change(&ids[0], "mine"), delete(&ids[1])];
    let request = conflicting(None, &phone, &commands);
    phone.folders.get_mut(&folder).unwrap().items.remove(&ids[1]);
    let answer = phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    let collection = phone.take(&folder, &answer).unwrap();
    let responses = collection.child(t::RESPONSES).unwrap();
    assert_eq!(responses.children.len(), 1, "{responses:?}");
    assert_eq!(responses.children[0].text_of(t::SERVER_ID), Some(ids[0].as_str()));
    assert_eq!(responses.children[0].text_of(t::STATUS), Some("7"));
    assert_eq!(phone.ids(&folder), [ids[0].as_str(), ids[2].as_str()]);
    let name = |phone: &Phone<'_>| name_of(&phone.folders[&folder].items[&ids[0]]);
    assert_eq!(name(&phone), "theirs");
    assert!(office.store.read().item(contacts(&office), Uid(2)).unwrap().is_none());
    // The phone's wins where it wants so.
    changed_elsewhere("again", &[1]);
    let commands = [change(&ids[0], "mine")];
    let request = conflicting(Some("0"), &phone, &commands);
    let answer = phone.call(Command::Sync, Some(&request)).await.unwrap().unwrap();
    let collection = phone.take(&folder, &answer).unwrap();
    assert!(!collection.has(t::RESPONSES));
    let kept = item::text(&office.store.read(), contacts(&office), Uid(1)).unwrap();
    assert!(kept.contains("N:mine"), "{kept}");
}
