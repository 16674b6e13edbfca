//! Due work on a store in memory, with the clock set by hand.

use crate::base::clock::Clock;
use crate::base::id::{AccountId, MailboxId, MessageId, ThreadId, Uid};
use crate::base::uidset::UidSet;
use crate::domain::message::{self, FlagNames, Prepared};
use crate::domain::{account, mailbox};
use crate::jobs::upkeep::{HORIZON_DAYS, arm_daily, run_due};
use crate::store::keys::{self, Kind};
use crate::store::rows::work::Work;
use crate::store::verify::verify;
use crate::store::{Error, Read, Store};

const NOW: i64 = 1_700_000_000;
const DAY: i64 = 86_400;

fn office() -> (Store, Clock, AccountId, MailboxId) {
    let clock = Clock::fixed(NOW);
    let store = Store::in_memory(clock.clone());
    let id = store.write_blocking(|tx| {
        account::add_domain(tx, "office.example")?;
        let new = account::NewAccount {
            address: "anna@office.example".parse().unwrap(),
            display_name: "Anna".into(),
            admin: false,
            credentials: None,
            quota: None,
        };
        account::create(tx, &new).map(|account| account.id)
    });
    let id = id.unwrap();
    let inbox = mailbox::find(&store.read(), id, "INBOX").unwrap().id;
    (store, clock, id, inbox)
}

fn add(store: &Store, inbox: MailboxId) -> crate::store::Message {
    add_text(store, inbox, "Subject: x\r\n\r\n.".into())
}

fn add_text(store: &Store, mailbox: MailboxId, text: String) -> crate::store::Message {
    let prepared = Prepared::new(b"", text.into());
    let added = store.write_blocking(move |tx| {
        let stored = message::store_content(tx, prepared)?;
        message::add(tx, mailbox, &stored, &FlagNames::default(), None)
    });
    added.unwrap_or_else(|error: crate::domain::Error| panic!("{error}"))
}

fn remove(store: &Store, inbox: MailboxId, uid: Uid) {
    let uids = UidSet::range(uid.0, uid.0);
    store.write_blocking(move |tx| message::remove(tx, inbox, &uids)).unwrap();
}

#[test]
fn a_body_goes_an_hour_after_its_last_message_and_not_before() {
    let (store, _, _, inbox) = office();
    let message = add(&store, inbox);
    remove(&store, inbox, message.uid);
    run_due(&store, NOW + 3_599).unwrap();
    assert!(store.read().body_row(message.place.content).unwrap().is_some());
    run_due(&store, NOW + 3_601).unwrap();
    assert!(store.read().body_row(message.place.content).unwrap().is_none());
    assert!(store.read().content(message.place.content).unwrap().is_none());
    assert_eq!(verify(&store, &mut |_, _| ()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_token_from_before_the_horizon_must_start_over() {
    let (store, clock, anna, inbox) = office();
    let message = add(&store, inbox);
    let known = store.read().mailbox(inbox).unwrap().unwrap().modseq;
    remove(&store, inbox, message.uid);
    arm_daily(&store).unwrap();
    clock.set(NOW + DAY + 1);
    run_due(&store, clock.now()).unwrap();
    let kept = add(&store, inbox);
    assert_eq!(store.read().changes(inbox, known).unwrap().gone.len(), 1);

    clock.set(NOW + (HORIZON_DAYS + 2) * DAY);
    run_due(&store, clock.now()).unwrap();
    assert!(matches!(store.read().changes(inbox, known), Err(Error::Stale)));
    let horizon = store.read().account_state(anna).unwrap().horizon;
    let changes = store.read().changes(inbox, horizon).unwrap();
    assert!(changes.gone.is_empty());
    assert!(changes.changed.contains(kept.uid.0));
    assert_eq!(verify(&store, &mut |_, _| ()).unwrap(), Vec::<String>::new());
}

#[test]
fn a_backup_restores_to_the_same() {
    let (store, _, anna, inbox) = office();
    for _ in 0..20 {
        add(&store, inbox);
    }
    let mut file = Vec::new();
    let written = {
        let files = vec![("tls/x.pem".to_owned(), b"pem".to_vec())];
        crate::store::backup::backup(&store, &files, &mut file, &mut |_| ())
    }
    .unwrap();
    assert_eq!(written.bodies, 20);
    let again = Store::in_memory(Clock::fixed(NOW));
    let (_, files) = crate::store::backup::restore(&again, &file[..], &mut |_| ()).unwrap();
    assert_eq!(files, [("tls/x.pem".to_owned(), b"pem".to_vec())]);
    assert_eq!(verify(&again, &mut |_, _| ()).unwrap(), Vec::<String>::new());
    assert_eq!(
        again.read().mailbox(inbox).unwrap().unwrap(),
        store.read().mailbox(inbox).unwrap().unwrap()
    );
    let place = again.read().place(inbox, Uid(7)).unwrap().unwrap();
    let body = again.read().body_row(place.content).unwrap().unwrap().at;
    let whole = again.read().with_body(&body, <[u8]>::to_vec).unwrap();
    assert_eq!(whole, b"Subject: x\r\n\r\n.");
    assert_ne!(place.thread, ThreadId(0));
    assert_eq!(again.read().account(anna).unwrap().unwrap().address, "anna@office.example");

    // A file that was cut, or changed anywhere, is refused.
    for cut in [file.len() - 1, file.len() / 2, 9] {
        let empty = Store::in_memory(Clock::fixed(NOW));
        assert!(crate::store::backup::restore(&empty, &file[..cut], &mut |_| ()).is_err());
    }
    let at = file.len() / 3;
    file[at] ^= 1;
    let empty = Store::in_memory(Clock::fixed(NOW));
    assert!(crate::store::backup::restore(&empty, &file[..], &mut |_| ()).is_err());
}

fn rows(store: &Store, prefix: &[u8]) -> usize {
    let mut count = 0;
    let mut add = |_: &[u8], _: &[u8]| {
        count += 1;
        Ok(std::ops::ControlFlow::Continue(()))
    };
    store.read().scan_prefix(prefix, &mut add).unwrap();
    count
}

#[test]
fn a_large_mailbox_goes_at_once_and_its_rows_afterwards() {
    let (store, _, anna, _) = office();
    let many = mailbox::REMOVED_AT_ONCE + 1;
    let fill = move |tx: &mut crate::store::Tx<'_>| {
        let big = mailbox::create(tx, anna, "Big", None)?;
        let prepared = Prepared::new(b"", "Subject: x\r\n\r\n.".into());
        let stored = message::store_content(tx, prepared)?;
        for _ in 0..many {
            message::add(tx, big.id, &stored, &FlagNames::default(), None)?;
        }
        Ok::<_, crate::domain::Error>((big, stored.content()))
    };
    let (big, content) = store.write_blocking(fill).unwrap();
    let delete = move |tx: &mut crate::store::Tx<'_>| mailbox::delete(tx, anna, "Big");
    store.write_blocking(delete).unwrap();

    // For everybody it is gone, for the quota too; nothing is half there.
    let read = store.read();
    assert!(read.mailbox(big.id).unwrap().is_none());
    assert!(mailbox::find(&read, anna, "Big").is_err());
    assert!(store.table(big.id).unwrap().is_none());
    assert_eq!(read.account_state(anna).unwrap().messages, 0);
    assert_eq!(read.whereabouts(anna, MessageId(1)).unwrap(), None);
    assert_eq!(verify(&store, &mut |_, _| ()).unwrap(), Vec::<String>::new());
    assert_eq!(rows(&store, &keys::of_mailbox(Kind::Place, big.id)), many as usize);

    // A crash in the middle of the work: it goes on where it was.
    assert!(!store.write_blocking(move |tx| tx.drain(big.id, 300)).unwrap());
    assert_eq!(verify(&store, &mut |_, _| ()).unwrap(), Vec::<String>::new());
    let again = move |tx: &mut crate::store::Tx<'_>| mailbox::create(tx, anna, "Big", None);
    let again = store.write_blocking(again).unwrap();
    assert!(again.uid_validity > big.uid_validity);
    run_due(&store, NOW).unwrap();
    for kind in [Kind::Place, Kind::Flags, Kind::Log] {
        assert_eq!(rows(&store, &keys::of_mailbox(kind, big.id)), 0, "{kind:?}");
    }
    assert_eq!(rows(&store, &keys::of_account(Kind::Message, anna)), 0);
    assert_eq!(verify(&store, &mut |_, _| ()).unwrap(), Vec::<String>::new());
    run_due(&store, NOW + 3_601).unwrap();
    assert!(store.read().body_row(content).unwrap().is_none());
}

#[test]
fn conversations_of_messages_long_gone_are_forgotten() {
    let (store, clock, anna, inbox) = office();
    let text = |id: usize| format!("Subject: x\r\nMessage-ID: <{id}@a.example>\r\n\r\n.");
    let first = add_text(&store, inbox, text(0));
    let others = (1..=1_200).map(|id| Prepared::new(b"", text(id).into()));
    let others: Vec<_> = others.collect();
    let add_all = move |tx: &mut crate::store::Tx<'_>| {
        for prepared in others {
            let stored = message::store_content(tx, prepared)?;
            message::add(tx, inbox, &stored, &FlagNames::default(), None)?;
        }
        Ok::<_, crate::domain::Error>(())
    };
    store.write_blocking(add_all).unwrap();
    let threads = keys::of_account(Kind::Thread, anna);
    assert_eq!(rows(&store, &threads), 1_201);
    let most = UidSet::range(2, 1_200);
    store.write_blocking(move |tx| message::remove(tx, inbox, &most)).unwrap();
    arm_daily(&store).unwrap();
    clock.set(NOW + DAY + 1);
    run_due(&store, clock.now()).unwrap();
    assert_eq!(rows(&store, &threads), 1_201, "an answer may still come");

    clock.set(NOW + (HORIZON_DAYS + 2) * DAY);
    run_due(&store, clock.now()).unwrap();
    assert_eq!(rows(&store, &threads), 2);
    assert_eq!(store.read().account_state(anna).unwrap().forgotten, 0);
    let answer = "Subject: Re: x\r\nIn-Reply-To: <0@a.example>\r\n\r\n.";
    let answer = add_text(&store, inbox, answer.into());
    assert_eq!(answer.place.thread, first.place.thread);
}

#[test]
fn a_mailbox_that_goes_is_work_that_survives() {
    let work = Work::Drain(MailboxId::new(AccountId(7), 300));
    assert_eq!(Work::decode(&work.encode()).unwrap(), work);
}
