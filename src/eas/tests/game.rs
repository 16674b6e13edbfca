//! Two phones and somebody else on one mailbox, at random, with answers that get lost.

use super::*;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// One random life of a mailbox; afterwards everybody has the same.
async fn play(seed: u64) {
    let office = Office::new();
    let mut random = StdRng::seed_from_u64(seed);
    for number in 0..random.random_range(0..30) {
        office.deliver(&number.to_string(), 0);
    }
    let mut phones = [office.phone("A", Version::V14_1), office.phone("B", Version::V12_1)];
    for phone in &mut phones {
        phone.folder_sync().await;
    }
    for _ in 0..120 {
        match random.random_range(0..8) {
            0 | 1 => {
                office.deliver("more", 0);
            }
            2 => elsewhere(&office, &mut random),
            _ => {
                let which = random.random_range(0..2);
                turn(&mut phones[which], &mut random).await;
            }
        }
    }
    let table = office.store.table(office.inbox).unwrap().unwrap();
    let wanted: Vec<(String, bool)> =
        table.iter().map(|m| (format!("1:{}", m.uid), m.hot.flags.seen())).collect();
    for phone in &mut phones {
        phone.settle("1", 7, 0).await;
        let mut held: Vec<(String, bool)> = phone.folders["1"]
            .items
            .iter()
            .map(|(id, data)| {
                let read = data.text_of(wbxml::tags::email::READ) == Some("1");
                (id.clone(), read)
            })
            .collect();
        held.sort_by_key(|(id, _)| id[2..].parse::<u32>().unwrap());
        assert_eq!(held, wanted, "seed {seed}, phone {}", phone.id);
    }
}

fn elsewhere(office: &Office, random: &mut StdRng) {
    let table = office.store.table(office.inbox).unwrap().unwrap();
    let uids: Vec<u32> = table.iter().map(|message| message.uid.0).collect();
    if uids.is_empty() {
        return;
    }
    let uid = uids[random.random_range(0..uids.len())];
    match random.random_range(0..4) {
        0 => office.remove(uid),
        1 => office.flag(uid, Flags::FLAGGED, random.random()),
        _ => office.flag(uid, Flags::SEEN, random.random()),
    }
}

/// One request of a phone, perhaps twice because the first answer got lost.
async fn turn(phone: &mut Phone<'_>, random: &mut StdRng) {
    let mut commands = Vec::new();
    let mut after = phone.folders.clone();
    if let Some(held) = after.get_mut("1").filter(|held| !held.key.is_empty()) {
        let ids: Vec<String> = held.items.keys().cloned().collect();
        for id in ids {
            match random.random_range(0..20) {
                0 => {
                    held.items.remove(&id);
                    commands.push(delete(&id));
                }
                1 | 2 => {
                    let read = random.random();
                    let data = held.items.get_mut(&id).unwrap();
                    data.children.retain(|each| each.tag != wbxml::tags::email::READ);
                    let flag = if read { "1" } else { "0" };
                    data.children.push(text(wbxml::tags::email::READ, flag));
                    commands.push(mark_read(&id, read));
                }
                _ => {}
            }
        }
    }
    let window = random.random_range(1..12);
    let mut request = phone.request("1", window, 0, &commands);
    if random.random_range(0..3) == 0 {
        let _lost = phone.call(Command::Sync, Some(&request)).await.unwrap();
        if random.random() {
            phone.office.deliver("between", 0);
            elsewhere(phone.office, random);
        }
        // The person goes on meanwhile: the request that is sent again says something else.
        let marked = commands.iter_mut().find(|command| command.tag == t::CHANGE);
        if let Some(marked) = marked.filter(|_| random.random()) {
            let id = marked.text_of(t::SERVER_ID).unwrap().to_owned();
            let data = after.get_mut("1").unwrap().items.get_mut(&id).unwrap();
            let read = data.text_of(wbxml::tags::email::READ) != Some("1");
            data.children.retain(|each| each.tag != wbxml::tags::email::READ);
            data.children.push(text(wbxml::tags::email::READ, if read { "1" } else { "0" }));
            *marked = mark_read(&id, read);
            request = phone.request("1", window, 0, &commands);
        }
    }
    phone.folders = after;
    if let Some(answer) = phone.call(Command::Sync, Some(&request)).await.unwrap() {
        phone.take("1", &answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_phones_and_others_end_with_the_same() {
    for seed in 0..100 {
        play(seed).await;
    }
}
