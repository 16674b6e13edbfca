//! A phone that lies on the table for a day: as many requests as its heartbeat says.

use std::pin::pin;
use std::time::Duration;

use super::*;
use crate::base::id::Uid;
use crate::domain::{collection, item};
use crate::format::ical;
use crate::jobs::{index, upkeep};
use crate::store::rows::collection::CollectionKind;
use wbxml::tags::{email as e, ping as p};

const DAY: i64 = 86_400;
/// Seconds from one look at everybody to the next.
const STEP: i64 = 20;

/// What goes on in the office beside the phone.
struct Others<'o> {
    office: &'o Office,
    /// Somebody else.
    ben: MailboxId,
    archive: MailboxId,
    calendar: MailboxId,
    meeting: Uid,
}

impl Others<'_> {
    fn new(office: &Office) -> Others<'_> {
        let account = office.account;
        let (ben, calendar, meeting) = office.write(move |tx| {
            let new = account::NewAccount {
                address: "ben@office.example".parse().unwrap(),
                display_name: "Ben".into(),
                admin: false,
                credentials: None,
                quota: None,
            };
            let ben = account::create(tx, &new)?.id;
            let calendar = collection::default(tx, account, CollectionKind::Calendar)?.id;
            let meeting = item::add(tx, calendar, meeting(0))?.uid;
            Ok((mailbox::find(tx, ben, "INBOX")?.id, calendar, meeting))
        });
        let archive = mailbox::find(&office.store.read(), account, "Archive").unwrap().id;
        Others { office, ben, archive, calendar, meeting }
    }

    fn deliver(&self, to: MailboxId, now: i64) {
        let raw = format!("Subject: at {now}\r\nFrom: x@else.example\r\n\r\nbody\r\n");
        self.office.write(move |tx| {
            let stored = message::store_content(tx, Prepared::new(b"", Bytes::from(raw)))?;
            message::add(tx, to, &stored, &FlagNames::default(), Some(now))
        });
    }

    /// What happens at this second of the day.
    fn act(&self, second: i64) {
        let now = NOW + second;
        if second % 1_200 == 0 {
            self.deliver(self.ben, now);
        }
        // A filter sorts a newsletter into a folder that the phone does not watch.
        if second % 3_000 == 0 {
            self.deliver(self.archive, now);
        }
        if second % 3_600 == 1_800 {
            // The same calendar once more, with the time of the import as its stamp.
            let (calendar, uid) = (self.calendar, self.meeting);
            self.office.write(move |tx| item::change(tx, calendar, uid, meeting(second)));
            let store = self.office.store.clone();
            blocking(|| upkeep::run_due(&store, now)).unwrap();
        }
        // What no phone shows.
        if second % 7_200 == 600 {
            self.office.flag(1, Flags::DELETED, second % 14_400 == 600);
        }
    }
}

fn meeting(second: i64) -> item::Text {
    let stamp = jiff::Timestamp::from_second(NOW + second).unwrap().strftime("%Y%m%dT%H%M%SZ");
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y\r\nBEGIN:VEVENT\r\nUID:m1\r\n\
         DTSTAMP:{stamp}\r\nDTSTART:20231120T100000Z\r\nDTEND:20231120T110000Z\r\n\
         SUMMARY:Meeting\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    let look = ical::look(&ical::Component::parse(&text).unwrap());
    item::Text { uid: "m1".into(), text, look, from: NOW, until: NOW + 30 * DAY }
}

/// A day; the number of Pings, and that none of them rang for nothing.
async fn day(heartbeat: i64) -> i64 {
    let office = Office::new();
    for number in 0..20 {
        office.deliver(&number.to_string(), 0);
    }
    let others = Others::new(&office);
    let _index = index::Indexer::start(office.store.clone()).unwrap();
    let calendar = others.calendar.number.to_string();
    let mut phone = office.phone("Idle", Version::V14_1);
    phone.folder_sync().await;
    for folder in ["1", &calendar] {
        phone.settle(folder, 100, 0).await;
    }
    let watched: Vec<Element> = [("1", "Email"), (&calendar, "Calendar")]
        .into_iter()
        .map(|(id, class)| tree(p::FOLDER, vec![text(p::ID, id), text(p::CLASS, class)]))
        .collect();
    let beat = text(p::HEARTBEAT_INTERVAL, &heartbeat.to_string());
    let request = tree(p::PING, vec![beat, tree(p::FOLDERS, watched)]);
    let (mut second, mut count, mut read) = (0, 0, 1);
    while second < DAY {
        count += 1;
        // Now and then the person reads something; the phone says so and waits again.
        if count % 20 == 0 && read <= 20 {
            let id = format!("1:{read}");
            let said = phone.sync("1", 100, 0, &[mark_read(&id, true)]).await.unwrap();
            assert!(!said.has(t::COMMANDS), "its own mark came back: {said}");
            let data = phone.folders.get_mut("1").unwrap().items.get_mut(&id).unwrap();
            data.children.retain(|child| child.tag != e::READ);
            read += 1;
        }
        let mut waiting = pin!(phone.call(Command::Ping, Some(&request)));
        // The gate may write something of its own first.
        let mut begun = None;
        for _ in 0..4 {
            begun = begun.or(looked_at(&mut waiting).await);
        }
        assert!(begun.is_none(), "after {second} s: {begun:?}");
        let answer = loop {
            if let Some(answer) = looked_at(&mut waiting).await {
                break answer.unwrap().unwrap();
            }
            // A timer rings a moment behind its time.
            tokio::time::advance(Duration::from_millis(STEP.unsigned_abs() * 1_000 + 1)).await;
            second += STEP;
            office.store.clock().set(NOW + second);
            others.act(second);
        };
        assert_eq!(answer.text_of(p::STATUS), Some("1"), "after {second} s: {answer}");
    }
    for folder in ["1", &calendar] {
        assert_eq!(phone.settle(folder, 100, 0).await, 1, "there was something to tell");
    }
    count
}

/// The answer, if there is one once everybody has had their turn.
async fn looked_at<F: Future>(waiting: &mut std::pin::Pin<&mut F>) -> Option<F::Output> {
    for _ in 0..3 {
        for _ in 0..10 {
            tokio::select! {
                biased;
                answer = waiting.as_mut() => return Some(answer),
                () = tokio::task::yield_now() => {}
            }
        }
        // The store's own threads.
        std::thread::sleep(Duration::from_micros(50));
    }
    None
}

#[test]
fn an_idle_phone_asks_as_often_as_its_heartbeat_says() {
    for heartbeat in [60, 480, 3_540] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let count = runtime.block_on(async move {
            tokio::time::pause();
            // While this runs, the clock moves by our hand alone.
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let held = tokio::task::spawn_blocking(move || ended.recv());
            let count = day(heartbeat).await;
            drop(end);
            let _ = held.await;
            count
        });
        let wanted = DAY / heartbeat;
        // Where the machine is so busy that a Ping begins a step late, there are fewer.
        let fewest = wanted - 1 - wanted / 20;
        assert!((fewest..=wanted + 1).contains(&count), "{heartbeat}: {count} of {wanted}");
    }
}
