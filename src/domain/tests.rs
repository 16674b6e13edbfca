//! The rules of mailboxes, messages and accounts, on a store in memory.

use bytes::Bytes;

use super::*;
use crate::base::address::EmailAddress;
use crate::base::clock::Clock;
use crate::base::id::{AccountId, MailboxId, ModSeq, Uid};
use crate::base::secret::Secret;
use crate::base::uidset::UidSet;
use crate::domain::account::NewAccount;
use crate::domain::auth::{Credentials, Verifier, find_login};
use crate::domain::directory::Recipient;
use crate::domain::message::{FlagChange, FlagNames, FlagOp, Prepared};
use crate::store::rows::account::Group;
use crate::store::rows::collection::CollectionKind;
use crate::store::rows::flags::Flags;
use crate::store::rows::mailbox::SpecialUse;
use crate::store::rows::marks::Marks;
use crate::store::rows::sync::{SyncId, SyncState};
use crate::store::verify::verify;
use crate::store::{Read, Store, Tx};

const NOW: i64 = 1_700_000_000;

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse_human(text).unwrap()
}

fn new(text: &str) -> NewAccount {
    NewAccount {
        address: address(text),
        display_name: "Name".into(),
        admin: false,
        credentials: None,
        quota: None,
    }
}

fn run<T: Send + 'static>(
    store: &Store,
    operation: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    store.write_blocking(operation)
}

/// A store with the accounts anna and ben, and Anna's inbox.
fn office() -> (Store, AccountId, AccountId, MailboxId) {
    let store = Store::in_memory(Clock::fixed(NOW));
    let (anna, ben) = run(&store, |tx| {
        account::add_domain(tx, "office.example")?;
        let anna = account::create(tx, &new("anna@office.example"))?.id;
        Ok((anna, account::create(tx, &new("ben@office.example"))?.id))
    })
    .unwrap();
    let inbox = mailbox::find(&store.read(), anna, "inbox").unwrap().id;
    (store, anna, ben, inbox)
}

fn mail(number: u32) -> Prepared {
    let raw = format!("Message-ID: <{number}@x>\r\nSubject: n\r\n\r\nbody {number}\r\n");
    Prepared::new(b"", Bytes::from(raw))
}

fn fill(store: &Store, mailbox: MailboxId, count: u32) {
    for number in 0..count {
        run(store, move |tx| {
            let stored = message::store_content(tx, mail(number))?;
            message::add(tx, mailbox, &stored, &FlagNames::default(), None)
        })
        .unwrap();
    }
}

fn flag(op: FlagOp, flags: Flags) -> FlagChange {
    FlagChange { op, flags: FlagNames::system(flags), unless_after: None }
}

/// What the counters say must be what is there; an item stands in the log once.
fn consistent(store: &Store, account: AccountId) {
    let read = store.read();
    let state = read.account_state(account).unwrap();
    let (mut messages, mut bytes) = (0, 0);
    for mailbox in read.mailboxes(account).unwrap() {
        let table = store.table(mailbox.id).unwrap().unwrap();
        let fresh = Store::table(&store.clone(), mailbox.id).unwrap().unwrap();
        assert_eq!(table.len(), fresh.len());
        assert_eq!(mailbox.messages as usize, table.len(), "{}", mailbox.name);
        assert_eq!(mailbox.unseen as usize, table.iter().filter(|m| !m.hot.flags.seen()).count());
        assert_eq!(
            mailbox.deleted as usize,
            table.iter().filter(|m| m.hot.flags.deleted()).count()
        );
        assert_eq!(mailbox.bytes, table.iter().map(|m| m.place.size).sum::<u64>());
        let changes = read.changes(mailbox.id, ModSeq(0)).unwrap();
        let present: UidSet = table.iter().map(|m| m.uid).collect();
        assert_eq!(changes.changed, present, "{}", mailbox.name);
        for message in table.iter() {
            assert!(message.hot.modseq <= mailbox.modseq);
            assert!(read.body_row(message.place.content).unwrap().unwrap().sharers > 0);
            let found = read.whereabouts(account, message.place.message).unwrap().unwrap();
            assert_eq!((found.mailbox, found.uid), (mailbox.id, message.uid));
            // Behind its own modseq a message is not reported, before it it is.
            let since = ModSeq(message.hot.modseq.0 - 1);
            assert!(read.changes(mailbox.id, since).unwrap().changed.contains(message.uid.0));
            let later = read.changes(mailbox.id, message.hot.modseq).unwrap();
            assert!(!later.changed.contains(message.uid.0));
        }
        messages += mailbox.messages as u64;
        bytes += mailbox.bytes;
    }
    assert_eq!((state.messages, state.bytes), (messages, bytes));
}

#[test]
fn a_new_account_has_its_mailboxes() {
    let (store, anna, _, _) = office();
    let read = store.read();
    let names: Vec<_> = read.mailboxes(anna).unwrap().into_iter().map(|m| m.name).collect();
    assert_eq!(names, ["INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"]);
    assert_eq!(read.subscriptions(anna).unwrap().len(), 6);
    let trash = mailbox::with_use(&read, anna, SpecialUse::Trash).unwrap().unwrap();
    assert_eq!(trash.name, "Trash");
}

#[test]
fn flags_move_the_log_entry_the_counters_and_the_modseq() {
    let (store, anna, _, inbox) = office();
    fill(&store, inbox, 70);
    consistent(&store, anna);
    let before = store.read().mailbox(inbox).unwrap().unwrap().modseq;

    let done = run(&store, move |tx| {
        message::set_flags(tx, inbox, &UidSet::all(), &flag(FlagOp::Add, Flags::SEEN))
    })
    .unwrap();
    assert_eq!(done.changed.len(), 70);
    assert_eq!(done.modseq, ModSeq(before.0 + 1));
    consistent(&store, anna);

    // Nothing changes: nothing moves.
    let again = run(&store, move |tx| {
        message::set_flags(tx, inbox, &UidSet::range(5, 9), &flag(FlagOp::Add, Flags::SEEN))
    })
    .unwrap();
    assert!(again.changed.is_empty());
    assert_eq!(store.read().mailbox(inbox).unwrap().unwrap().modseq, done.modseq);

    // One of many takes its entry out of the shared one.
    run(&store, move |tx| {
        message::set_flags(tx, inbox, &UidSet::range(33, 33), &flag(FlagOp::Remove, Flags::SEEN))
    })
    .unwrap();
    let changes = store.read().changes(inbox, done.modseq).unwrap();
    assert_eq!(changes.changed.to_string(), "33");
    consistent(&store, anna);
}

#[test]
fn a_conditional_store_refuses_what_changed_since() {
    let (store, _, _, inbox) = office();
    fill(&store, inbox, 3);
    let known = store.read().mailbox(inbox).unwrap().unwrap().modseq;
    run(&store, move |tx| {
        message::set_flags(tx, inbox, &UidSet::range(2, 2), &flag(FlagOp::Add, Flags::FLAGGED))
    })
    .unwrap();
    let change = FlagChange { unless_after: Some(known), ..flag(FlagOp::Add, Flags::SEEN) };
    let done =
        run(&store, move |tx| message::set_flags(tx, inbox, &UidSet::all(), &change)).unwrap();
    assert_eq!(done.refused.to_string(), "2");
    assert_eq!(done.changed.len(), 2);
}

#[test]
fn keywords_are_kept_by_name_and_without_a_small_limit() {
    let (store, anna, _, inbox) = office();
    fill(&store, inbox, 1);
    for number in 0..150 {
        let names = FlagNames { system: Flags::NONE, keywords: vec![format!("Label{number}")] };
        let change = FlagChange { op: FlagOp::Add, flags: names, unless_after: None };
        run(&store, move |tx| message::set_flags(tx, inbox, &UidSet::all(), &change)).unwrap();
    }
    let read = store.read();
    let flags = read.hot(inbox, Uid(1)).unwrap().unwrap().flags;
    assert_eq!(flags.keywords().count(), 150);
    let id = message::keyword(&read, anna, "label149").unwrap().unwrap();
    assert!(flags.has_keyword(id));
    consistent(&store, anna);
}

#[test]
fn copies_share_the_body_and_moves_keep_the_id() {
    let (store, anna, _, inbox) = office();
    fill(&store, inbox, 5);
    let archive = mailbox::find(&store.read(), anna, "Archive").unwrap().id;
    let copied =
        run(&store, move |tx| message::copy(tx, inbox, &UidSet::range(2, 3), archive)).unwrap();
    assert_eq!(copied, [(Uid(2), Uid(1)), (Uid(3), Uid(2))]);
    let read = store.read();
    let original = read.message(inbox, Uid(2)).unwrap().unwrap();
    let copy = read.message(archive, Uid(1)).unwrap().unwrap();
    assert_eq!(original.place.content, copy.place.content);
    assert_ne!(original.place.message, copy.place.message);
    assert_eq!(read.body_row(copy.place.content).unwrap().unwrap().sharers, 2);

    let since = read.mailbox(inbox).unwrap().unwrap().modseq;
    let moved =
        run(&store, move |tx| message::move_to(tx, inbox, &UidSet::range(2, 2), archive)).unwrap();
    assert_eq!(moved, [(Uid(2), Uid(3))]);
    let read = store.read();
    let arrived = read.message(archive, Uid(3)).unwrap().unwrap();
    assert_eq!(arrived.place.message, original.place.message);
    let changes = read.changes(inbox, since).unwrap();
    assert_eq!(changes.gone, [(Uid(2), original.place.message)]);
    consistent(&store, anna);
}

#[test]
fn only_deleted_messages_are_expunged_and_the_last_sharer_frees_the_body() {
    let (store, anna, _, inbox) = office();
    fill(&store, inbox, 130);
    run(&store, move |tx| {
        let uids: UidSet = [1u32, 64, 65, 130].into_iter().collect();
        message::set_flags(tx, inbox, &uids, &flag(FlagOp::Add, Flags::DELETED))
    })
    .unwrap();
    let content = store.read().message(inbox, Uid(65)).unwrap().unwrap().place.content;
    let table = store.table(inbox).unwrap().unwrap();
    let gone =
        run(&store, move |tx| message::expunge(tx, inbox, Some(&UidSet::range(2, u32::MAX))))
            .unwrap();
    assert_eq!(gone.to_string(), "64:65,130");
    assert_eq!(table.len(), 130, "who holds the table still sees what was there");
    assert_eq!(store.table(inbox).unwrap().unwrap().len(), 127);
    assert_eq!(store.read().body_row(content).unwrap().unwrap().sharers, 0);
    consistent(&store, anna);
}

#[test]
fn a_failed_operation_leaves_nothing() {
    let (store, anna, _, inbox) = office();
    fill(&store, inbox, 2);
    let before = store.read().account_state(anna).unwrap();
    let failed = run(&store, move |tx| {
        message::set_flags(tx, inbox, &UidSet::all(), &flag(FlagOp::Add, Flags::SEEN))?;
        mailbox::create(tx, anna, "New", None)?;
        mailbox::delete(tx, anna, "INBOX")
    });
    assert!(matches!(failed, Err(Error::Denied(_))));
    assert_eq!(store.read().account_state(anna).unwrap(), before);
    assert!(mailbox::find(&store.read(), anna, "New").is_err());
    consistent(&store, anna);
}

#[test]
fn renaming_keeps_uids_and_brings_the_levels_below() {
    let (store, anna, _, inbox) = office();
    let deep = run(&store, move |tx| mailbox::create(tx, anna, "a/b/c/", None)).unwrap();
    assert_eq!(deep.name, "a/b/c");
    run(&store, move |tx| mailbox::rename(tx, anna, "a", "x/y")).unwrap();
    let read = store.read();
    let moved = mailbox::find(&read, anna, "x/y/b/c").unwrap();
    assert_eq!((moved.id, moved.uid_validity), (deep.id, deep.uid_validity));
    assert!(mailbox::find(&read, anna, "a/b").is_err());
    assert!(matches!(
        run(&store, move |tx| mailbox::rename(tx, anna, "x", "x/y/z")),
        Err(Error::Invalid(_))
    ));
    assert!(matches!(
        run(&store, move |tx| mailbox::delete(tx, anna, "x")),
        Err(Error::HasChildren)
    ));

    fill(&store, inbox, 3);
    run(&store, move |tx| mailbox::rename(tx, anna, "Inbox", "Old mail")).unwrap();
    let read = store.read();
    assert_eq!(mailbox::find(&read, anna, "INBOX").unwrap().messages, 0);
    assert_eq!(mailbox::find(&read, anna, "Old mail").unwrap().messages, 3);
    consistent(&store, anna);
}

#[test]
fn names_are_normalised_and_bad_ones_refused() {
    assert_eq!(mailbox::normalise_name("iNbOx").unwrap(), "INBOX");
    assert_eq!(mailbox::normalise_name("inbox/Sub").unwrap(), "INBOX/Sub");
    assert_eq!(mailbox::normalise_name("Grüße/").unwrap(), "Grüße");
    for bad in ["", "/", "a//b", "/a", "a\nb", &"x".repeat(2000), &"x/".repeat(40)] {
        assert!(mailbox::normalise_name(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_full_quota_refuses_every_way_in() {
    let (store, anna, _, inbox) = office();
    let size = mail(0).size();
    run(&store, move |tx| account::update(tx, anna, |a| a.quota = Some(size * 2 + 1))).unwrap();
    fill(&store, inbox, 2);
    let third = run(&store, move |tx| {
        let stored = message::store_content(tx, mail(3))?;
        message::add(tx, inbox, &stored, &FlagNames::default(), None)
    });
    assert!(matches!(third, Err(Error::OverQuota)));
    let copy = run(&store, move |tx| message::copy(tx, inbox, &UidSet::all(), inbox));
    assert!(matches!(copy, Err(Error::OverQuota)));
    consistent(&store, anna);
}

#[test]
fn addresses_lead_to_accounts_groups_and_the_catch_all() {
    let (store, anna, ben, _) = office();
    run(&store, move |tx| {
        account::add_alias(tx, &address("info@office.example"), anna)?;
        let members = ["info@office.example", "ben@office.example", "x@else.example"];
        let members: Vec<String> = members.map(str::to_owned).to_vec();
        let all = Group { name: "All".into(), members, members_send: true, hidden: false };
        account::put_group(tx, &address("all@office.example"), &all)?;
        let circle =
            Group { members: vec!["all@office.example".into(), "c@office.example".into()], ..all };
        account::put_group(tx, &address("c@office.example"), &circle)
    })
    .unwrap();
    let read = store.read();
    let to = |text| directory::resolve(&read, &address(text)).unwrap();
    let local = |accounts: &[AccountId]| Recipient::Local {
        accounts: accounts.to_vec(),
        elsewhere: Vec::new(),
    };
    assert_eq!(to("Anna+news@Office.example"), local(&[anna]));
    assert_eq!(to("info@office.example"), local(&[anna]));
    assert_eq!(to("nobody@office.example"), Recipient::Unknown);
    assert_eq!(to("anna@else.example"), Recipient::Elsewhere);
    let group =
        Recipient::Local { accounts: vec![anna, ben], elsewhere: vec![address("x@else.example")] };
    assert_eq!(to("all@office.example"), group);
    assert_eq!(to("c@office.example"), group);

    assert!(directory::may_send_as(&read, anna, &address("info@office.example")).unwrap());
    assert!(directory::may_send_as(&read, ben, &address("all@office.example")).unwrap());
    assert!(!directory::may_send_as(&read, ben, &address("anna@office.example")).unwrap());

    run(&store, move |tx| account::set_catch_all(tx, "office.example", Some(ben))).unwrap();
    let read = store.read();
    let caught = directory::resolve(&read, &address("nobody@office.example")).unwrap();
    assert_eq!(caught, local(&[ben]));
}

#[test]
fn a_changed_password_voids_what_was_remembered() {
    let (store, anna, _, _) = office();
    let set = |text: &str| {
        let credentials = Credentials::of(&Secret::new(text.as_bytes())).unwrap();
        run(&store, move |tx| account::update(tx, anna, |a| credentials.apply(a))).unwrap();
    };
    set("first one");
    let verifier = Verifier::default();
    let password = Secret::new(&b"first one"[..]);
    let login = "Anna@office.example";
    assert!(verifier.remembered(&store.read(), login, &password).unwrap().is_none());
    assert!(verifier.verify(&store.read(), login, &password).unwrap().is_some());
    assert!(verifier.remembered(&store.read(), login, &password).unwrap().is_some());
    assert!(verifier.verify(&store.read(), "anna", &password).unwrap().is_some());
    set("second one");
    assert!(verifier.remembered(&store.read(), login, &password).unwrap().is_none());
    assert!(verifier.verify(&store.read(), login, &password).unwrap().is_none());
    assert!(verifier.verify(&store.read(), "nobody", &password).unwrap().is_none());
}

#[test]
fn log_ins_name_an_account_in_every_usual_way() {
    let (store, anna, ben, _) = office();
    let found = |login: &str| find_login(&store.read(), login).unwrap().map(|one| one.id);
    for login in [
        "anna@office.example",
        " Anna@OFFICE.example ",
        "anna",
        r"OFFICE\anna",
        r"office.example\anna",
        r"\anna",
        r"WORKGROUP\anna",
        r"CORP\anna@office.example",
    ] {
        assert_eq!(found(login), Some(anna), "{login}");
    }
    for login in ["", "\\", r"OFFICE\", r"anna\office", r"A\B\anna", r#""a\"@office.example"#] {
        assert_eq!(found(login), None, "{login:?}");
    }
    run(&store, |tx| account::add_domain(tx, "shop.example").map(drop)).unwrap();
    assert_eq!(found("anna"), None, "there are two domains now");
    assert_eq!(found(r"WORKGROUP\anna"), None);
    assert_eq!(found(r"OFFICE\anna"), Some(anna));
    assert_eq!(found(r"SHOP\ben"), None);
    assert_eq!(found(r"SHOP\ben@office.example"), Some(ben));
}

#[test]
fn replies_join_their_conversation() {
    let (store, _, _, inbox) = office();
    let add = |raw: &'static str| {
        let prepared = Prepared::new(b"", Bytes::from_static(raw.as_bytes()));
        let added = run(&store, move |tx| {
            let stored = message::store_content(tx, prepared)?;
            message::add(tx, inbox, &stored, &FlagNames::default(), None)
        });
        added.unwrap().place.thread
    };
    let first = add("Message-ID: <1@x>\r\nSubject: Plan\r\n\r\n.\r\n");
    let reply = add("Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\nSubject: Re: Plan\r\n\r\n.\r\n");
    let other = add("Message-ID: <3@x>\r\nSubject: Plan\r\n\r\n.\r\n");
    assert_eq!(first, reply);
    assert_ne!(first, other);
}

#[test]
fn removing_an_account_leaves_nothing_of_it() {
    let (store, anna, ben, inbox) = office();
    fill(&store, inbox, 3);
    let calendar = collection::default(&store.read(), anna, CollectionKind::Calendar).unwrap().id;
    run(&store, move |tx| {
        account::add_alias(tx, &address("info@office.example"), anna)?;
        item::add(tx, calendar, entry("a@x", 1, "BEGIN"))?;
        let marks = Marks { categories: vec!["Red".into()], ..Marks::default() };
        tx.put_marks(inbox, Uid(1), &marks)?;
        let sync = SyncId { collection: inbox, device: 7 };
        sync.put(tx, &mut SyncState::default())?;
        account::remove(tx, anna)
    })
    .unwrap();
    let read = store.read();
    // Every kind of row that begins with an account; the log keeps that its folders went.
    let kinds = [(0x20u8..=0x32), (0x34..=0x38), (0x60..=0x60), (0x63..=0x72)];
    for kind in kinds.into_iter().flatten() {
        let mut prefix = vec![kind];
        prefix.extend(anna.0.to_be_bytes());
        read.scan_prefix(&prefix, &mut |key, _| panic!("{key:?} is left")).unwrap();
    }
    assert!(read.mailboxes(anna).unwrap().is_empty());
    assert!(read.address("info@office.example").unwrap().is_none());
    assert!(account::find(&read, &address("anna@office.example")).is_err());
    assert!(account::find(&read, &address("ben@office.example")).is_ok());
    let again = run(&store, |tx| account::create(tx, &new("anna@office.example"))).unwrap();
    assert!(again.id != anna && again.id != ben, "ids are never given twice");
}

fn entry(uid: &str, look: u64, text: &str) -> item::Text {
    item::Text { uid: uid.into(), text: text.into(), look, from: 0, until: i64::MAX }
}

#[test]
fn items_are_logged_counted_and_found_by_the_uid_in_their_text() {
    let (store, anna, _, _) = office();
    let read = store.read();
    let calendar = collection::default(&read, anna, CollectionKind::Calendar).unwrap().id;
    let start = read.account_state(anna).unwrap().modseq;
    let large = "x".repeat(200_000);
    let long = large.clone();
    run(&store, move |tx| {
        item::add(tx, calendar, entry("a@x", 1, "BEGIN"))?;
        item::add(tx, calendar, entry("b@x", 2, &long))
    })
    .unwrap();
    let read = store.read();
    assert_eq!(read.changes(calendar, start).unwrap().changed.to_string(), "1:2");
    assert_eq!(item::text(&read, calendar, Uid(2)).unwrap(), large);
    let found = item::with_uid(&read, anna, CollectionKind::Calendar, "b@x").unwrap();
    assert_eq!(found, [(calendar, Uid(2))]);
    assert!(item::with_uid(&read, anna, CollectionKind::Tasks, "b@x").unwrap().is_empty());

    // A text that looks the same moves the modseq and not what phones go by.
    let before = read.item(calendar, Uid(1)).unwrap().unwrap();
    run(&store, move |tx| item::change(tx, calendar, Uid(1), entry("a@x", 1, "BEGIN:2"))).unwrap();
    let after = store.read().item(calendar, Uid(1)).unwrap().unwrap();
    assert!(after.modseq > before.modseq && after.shown == before.shown);
    // The same text moves nothing.
    run(&store, move |tx| item::change(tx, calendar, Uid(1), entry("a@x", 1, "BEGIN:2"))).unwrap();
    assert_eq!(store.read().item(calendar, Uid(1)).unwrap().unwrap(), after);
    run(&store, move |tx| item::change(tx, calendar, Uid(2), entry("c@x", 3, "short"))).unwrap();
    assert_eq!(item::text(&store.read(), calendar, Uid(2)).unwrap(), "short");
    assert!(verify(&store, &mut |_, _| {}).unwrap().is_empty());

    let other = run(&store, move |tx| {
        let work = collection::create(tx, anna, CollectionKind::Calendar, "Work")?.id;
        item::move_to(tx, calendar, Uid(2), work)?;
        item::remove(tx, calendar, Uid(1))?;
        Ok(work)
    })
    .unwrap();
    let read = store.read();
    let gone = read.changes(calendar, after.modseq).unwrap().gone;
    assert_eq!(gone.iter().map(|(uid, _)| uid.0).collect::<Vec<_>>(), [1, 2]);
    let found = item::with_uid(&read, anna, CollectionKind::Calendar, "c@x").unwrap();
    assert_eq!(found, [(other, Uid(1))]);
    assert!(verify(&store, &mut |_, _| {}).unwrap().is_empty());
    run(&store, move |tx| collection::delete(tx, other)).unwrap();
    assert!(matches!(
        run(&store, move |tx| collection::delete(tx, calendar)),
        Err(Error::Denied(_))
    ));
    assert!(verify(&store, &mut |_, _| {}).unwrap().is_empty());
}

#[test]
fn marks_stay_with_a_message_and_move_its_modseq() {
    let (store, anna, _, inbox) = office();
    fill(&store, inbox, 2);
    let archive = mailbox::find(&store.read(), anna, "Archive").unwrap().id;
    let since = store.read().account_state(anna).unwrap().modseq;
    let marks = Marks { categories: vec!["Red".into()], ..Marks::default() };
    let put = marks.clone();
    run(&store, move |tx| Ok(tx.put_marks(inbox, Uid(1), &put)?)).unwrap();
    assert_eq!(store.read().changes(inbox, since).unwrap().changed.to_string(), "1");
    consistent(&store, anna);
    run(&store, move |tx| {
        message::copy(tx, inbox, &UidSet::range(1, 1), archive)?;
        message::move_to(tx, inbox, &UidSet::range(1, 1), archive)
    })
    .unwrap();
    let read = store.read();
    for uid in [Uid(1), Uid(2)] {
        let place = read.place(archive, uid).unwrap().unwrap();
        assert_eq!(read.marks(anna, place.message).unwrap().unwrap(), marks);
    }
    run(&store, move |tx| message::remove(tx, archive, &UidSet::all())).unwrap();
    assert!(verify(&store, &mut |_, _| {}).unwrap().is_empty());
}
