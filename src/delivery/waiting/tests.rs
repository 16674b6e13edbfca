//! An office in which one mailbox is full.

mod reports;

use bytes::Bytes;

use super::*;
use crate::base::clock::Clock;
use crate::base::id::MailboxId;
use crate::delivery::{Envelope, Incoming, Message, Recipient, outbox, queue, receive, recipient};
use crate::domain::calendar::{self, Sends};
use crate::domain::message::{FlagNames, Prepared};
use crate::domain::scheduling::seal;
use crate::domain::{account, collection, mailbox};
use crate::format::ical::Series;
use crate::format::smtp::{Mail, Rcpt, RcptPath};
use crate::store::rows::account::{Account, Group};
use crate::store::rows::collection::CollectionKind;
use crate::store::verify::verify;

/// Saturday, 1 August 2026.
const NOW: i64 = 1_785_585_600;

const MEETING: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:plan\r\n\
    DTSTAMP:20260801T100000Z\r\nSUMMARY:Plan\r\nDTSTART:20260810T100000Z\r\n\
    DTEND:20260810T110000Z\r\nORGANIZER:mailto:anna@office.example\r\n\
    ATTENDEE:mailto:ben@office.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

struct Office {
    store: Store,
    clock: Clock,
    anna: AccountId,
    ben: AccountId,
}

impl Office {
    /// Ben's mailbox is full.
    async fn new() -> Office {
        let clock = Clock::fixed(NOW);
        let store = Store::in_memory(clock.clone());
        let made = store.write(|tx| {
            account::add_domain(tx, "office.example")?;
            let mut person = |name: &str| {
                let new = account::NewAccount {
                    address: format!("{name}@office.example").parse().unwrap(),
                    display_name: name.into(),
                    admin: false,
                    credentials: None,
                    quota: None,
                };
                account::create(tx, &new).map(|account| account.id)
            };
            let people = (person("anna")?, person("ben")?);
            let members = vec!["anna@office.example".into(), "ben@office.example".into()];
            let all = Group { name: "All".into(), members, members_send: true, hidden: false };
            account::put_group(tx, &"all@office.example".parse().unwrap(), &all)?;
            Ok::<_, crate::domain::Error>(people)
        });
        let (anna, ben) = made.await.unwrap();
        let office = Office { store, clock, anna, ben };
        office.limit(Some(10)).await;
        office
    }

    async fn limit(&self, quota: Option<u64>) {
        let ben = self.ben;
        let done = self.store.write(move |tx| {
            let row = tx.account(ben)?.unwrap();
            tx.put_account(&Account { quota, ..row });
            Ok::<_, crate::store::Error>(())
        });
        done.await.unwrap();
    }

    async fn look(&self) -> std::result::Result<usize, Refusal> {
        deliver(&self.store, "mail.office.example").await
    }

    fn calendar(&self, of: AccountId) -> MailboxId {
        collection::default(&self.store.read(), of, CollectionKind::Calendar).unwrap().id
    }

    /// Messages in an inbox, events in the calendar.
    fn has(&self, of: AccountId) -> (u32, usize) {
        let read = self.store.read();
        let inbox = mailbox::find(&read, of, "INBOX").unwrap();
        (inbox.messages, read.items(self.calendar(of)).unwrap().len())
    }

    fn check(&self) {
        let found = tokio::task::block_in_place(|| verify(&self.store, &mut |_, _| ()).unwrap());
        assert_eq!(found, Vec::<String>::new());
    }

    /// A message from elsewhere.
    async fn receive(&self, to: &str, raw: &str) {
        let (envelope, message) = self.mail("dora@else.example", to, raw).await;
        let trace = Trace::new(Via::own("mail.x"), self.clock.now());
        receive::receive(&self.store, envelope, message, trace).await.unwrap();
    }

    /// A message as a session has taken it; an empty sender is the null sender.
    async fn mail(&self, sender: &str, to: &str, raw: &str) -> (Envelope, Message) {
        let rcpt = Rcpt {
            path: RcptPath::Mailbox(to.parse().unwrap()),
            notify: None,
            orcpt: None,
            utf8: false,
        };
        let asker = recipient::Asker::Stranger;
        let read = self.store.read();
        let to: Recipient = recipient::resolve(&read, rcpt, asker, 0, "mail.x").unwrap();
        let sender = (!sender.is_empty()).then(|| sender.parse().unwrap());
        let mail = Mail { sender, ..Mail::default() };
        let envelope = Envelope { mail, recipients: vec![to] };
        let mut incoming = Incoming::new(self.store.clone(), 1 << 20);
        incoming.push(raw.as_bytes());
        (envelope, incoming.finish().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_waits_for_room_and_arrives_once() {
    let office = Office::new().await;
    let (to, home) = (office.calendar(office.anna), jiff::tz::TimeZone::UTC);
    let text = seal(Series::parse(MEETING).unwrap(), &home).unwrap();
    office.store.write(move |tx| calendar::add(tx, to, text, Sends::Server)).await.unwrap();
    outbox::flush(&office.store, "mail.office.example").await.unwrap();
    assert_eq!(office.has(office.ben), (0, 0));
    assert_eq!(queue::list(&office.store.read()).unwrap().len(), 1);
    // No room yet, and none looked for before it is time.
    assert_eq!(office.look().await.unwrap(), 0);
    office.limit(None).await;
    assert_eq!(office.look().await.unwrap(), 0);
    office.clock.set(NOW + 61);
    assert_eq!(office.look().await.unwrap(), 1);
    assert_eq!(office.has(office.ben), (1, 1));
    assert_eq!(queue::list(&office.store.read()).unwrap(), []);
    assert_eq!(office.look().await.unwrap(), 0);
    assert_eq!(office.has(office.ben), (1, 1));
    office.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_to_a_group_waits_for_the_one_who_is_full() {
    let office = Office::new().await;
    let raw = format!(
        "From: <dora@else.example>\r\nTo: <all@office.example>\r\nContent-Type: text/calendar; \
         method=REQUEST\r\n\r\n{}",
        MEETING
            .replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST")
            .replace("anna@office", "dora@else")
            .replace("ben@office.example", "all@office.example")
    );
    office.receive("all@office.example", &raw).await;
    assert_eq!((office.has(office.anna), office.has(office.ben)), ((1, 1), (0, 0)));
    let before = queue::list(&office.store.read()).unwrap();
    assert_eq!(before[0].1.recipients[0].address, "ben@office.example");
    office.limit(None).await;
    assert_eq!(office.look().await.unwrap(), 1);
    assert_eq!((office.has(office.anna), office.has(office.ben)), ((1, 1), (1, 1)));
    // Two that would deliver the same row at once: the second finds nothing.
    let (number, trace) = (before[0].0, Trace::new(Via::own("mail.x"), NOW));
    let done = office.store.write(move |tx| hand_over(tx, number, None, &trace));
    assert_eq!(done.await.unwrap(), 0);
    office.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_others_stays_where_it_is() {
    let office = Office::new().await;
    let (ben, anna) = (office.ben, office.anna);
    let queued = office.store.write(move |tx| {
        let raw = Bytes::from_static(b"Subject: x\r\n\r\ny\r\n");
        let stored = message::store_content(tx, Prepared::new(b"", raw))?;
        let inbox = mailbox::find(tx, anna, "INBOX")?;
        message::add(tx, inbox.id, &stored, &FlagNames::default(), None)?;
        let to = ["x@else.example", "gone@office.example", "ben@office.example"];
        let wishes: Vec<_> = to.iter().filter_map(|to| recipient::Wish::plain(to)).collect();
        let (envelope, trace) = (Envelope::default(), Trace::new(Via::own("mail.x"), NOW));
        let outgoing = queue::Outgoing {
            envelope: &envelope,
            trace: &trace,
            account: None,
            prefix: &Bytes::new(),
            body_size: 1,
        };
        queue::put(tx, &outgoing, &stored, &wishes)?;
        Ok::<_, crate::domain::Error>(())
    });
    queued.await.unwrap();
    office.limit(None).await;
    assert_eq!(office.look().await.unwrap(), 1);
    assert_eq!(office.has(ben).0, 1);
    let left = queue::list(&office.store.read()).unwrap();
    let left: Vec<_> = left[0].1.recipients.iter().map(|r| r.address.as_str()).collect();
    assert_eq!(left, ["x@else.example"]);
    office.check();
}
