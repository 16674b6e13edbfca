//! What senders hear of mail that waits, and how the waiting ends.

use super::*;
use crate::base::id::Uid;
use crate::delivery::submit;
use crate::format::smtp::{Notify, OriginalRecipient, Ret};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
const LETTER: &str = "From: <anna@office.example>\r\nTo: <all@office.example>\r\n\
    Subject: The new plan\r\nMessage-ID: <plan@office.example>\r\n\r\nHere it is.\r\n";

impl Office {
    /// Anna writes to everybody; Ben has no room.
    async fn anna_writes(&self, change: impl FnOnce(&mut Envelope)) {
        let (mut envelope, message) =
            self.mail("anna@office.example", "all@office.example", LETTER).await;
        change(&mut envelope);
        let trace = Trace::new(Via::own("mail.x"), self.clock.now());
        submit::submit(&self.store, self.anna, envelope, message, trace).await.unwrap();
        // Her own copy, as a member.
        assert!(self.inbox(self.anna).iter().any(|text| text == LETTER));
    }

    /// Time goes by, and the server looks for room as often as it does.
    async fn pass(&self, seconds: i64) {
        let (mut now, end) = (self.clock.now(), self.clock.now() + seconds);
        while now < end {
            now = end.min(now + 600);
            self.clock.set(now);
            self.look().await.unwrap();
        }
    }

    /// The messages of an inbox as they are shown.
    fn inbox(&self, of: AccountId) -> Vec<String> {
        let read = self.store.read();
        let inbox = mailbox::find(&read, of, "INBOX").unwrap();
        let place = |uid| read.place(inbox.id, Uid(uid)).unwrap();
        let all = (1..inbox.uid_next.0).filter_map(place);
        all.map(|place| {
            let body = read.body_row(place.content).unwrap().unwrap();
            read.with_body(&body.at, |raw| String::from_utf8_lossy(raw).into_owned()).unwrap()
        })
        .collect()
    }

    /// What Anna was told.
    fn reports(&self) -> Vec<String> {
        self.inbox(self.anna).into_iter().filter(|text| text.contains("multipart/report")).collect()
    }

    fn waiting(&self) -> usize {
        queue::list(&self.store.read()).unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_is_told_after_four_hours_and_gets_it_back_after_seven_days() {
    let office = Office::new().await;
    office.anna_writes(|_| ()).await;
    office.pass(4 * HOUR - 1).await;
    assert!(office.reports().is_empty());
    office.pass(HOUR).await;
    let reports = office.reports();
    let [delayed] = reports.as_slice() else { panic!("{reports:?}") };
    for part in [
        "Subject: Your message has not been delivered yet\r\n",
        "To: <anna@office.example>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "Your message \"The new plan\" of Saturday, 1 August 2026, ",
        "  <ben@office.example>: the mailbox is full\r\n",
        "it is tried until Saturday, 8 August 2026, ",
        "Arrival-Date: Sat, 01 Aug 2026 12:00:00 +0000\r\n",
        "Original-Recipient: rfc822; all@office.example\r\n\
         Final-Recipient: rfc822; ben@office.example\r\nAction: delayed\r\nStatus: 4.2.2\r\n",
        "Will-Retry-Until: Sat, 08 Aug 2026 12:00:00 +0000\r\n",
        "Content-Type: text/rfc822-headers\r\n",
        "\r\nMessage-ID: <plan@office.example>\r\n",
    ] {
        assert!(delayed.contains(part), "{part}\n\nin\n\n{delayed}");
    }
    assert!(!delayed.contains("Here it is."), "{delayed}");

    office.pass(7 * DAY - 5 * HOUR - 1).await;
    assert_eq!((office.reports().len(), office.waiting()), (1, 1));
    office.pass(HOUR).await;
    let reports = office.reports();
    let [_, failed] = reports.as_slice() else { panic!("{reports:?}") };
    for part in [
        "Subject: Your message was not delivered\r\n",
        "could not be delivered for seven days",
        "  <ben@office.example>: the mailbox is full\r\n",
        "Action: failed\r\nStatus: 5.2.2\r\n",
        "\r\nSubject: The new plan\r\n",
    ] {
        assert!(failed.contains(part), "{part}\n\nin\n\n{failed}");
    }
    assert!(!failed.contains("Will-Retry-Until"), "{failed}");
    assert_eq!((office.waiting(), office.inbox(office.ben).len()), (0, 0));
    office.pass(DAY).await;
    assert_eq!(office.reports().len(), 2);
    office.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_room_in_time_is_reported_only_to_who_asked() {
    let office = Office::new().await;
    let success = |envelope: &mut Envelope| {
        envelope.recipients[0].notify = Some(Notify { success: true, failure: true, delay: false });
    };
    office.anna_writes(success).await;
    // That the group's mail was spread was told at once.
    assert!(office.reports()[0].contains("Action: expanded\r\n"));
    office.pass(DAY).await;
    office.limit(None).await;
    office.pass(HOUR).await;
    assert_eq!((office.reports().len(), office.waiting()), (1, 0));
    assert_eq!(office.inbox(office.ben).len(), 1);
    office.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn wishes_about_reports_are_honoured() {
    let never = Notify::default();
    let cases = [
        (Some(never), (0, 0, 1)),
        (Some(Notify { failure: true, ..never }), (0, 1, 0)),
        // No report on a failure is wanted: what would be lost unheard is delivered.
        (Some(Notify { delay: true, ..never }), (1, 1, 1)),
        (None, (1, 2, 0)),
    ];
    for (notify, (after_a_day, after_all, delivered)) in cases {
        let office = Office::new().await;
        office.anna_writes(|envelope| envelope.recipients[0].notify = notify).await;
        office.pass(DAY).await;
        assert_eq!(office.reports().len(), after_a_day, "{notify:?}");
        office.pass(7 * DAY).await;
        let end = (office.reports().len(), office.inbox(office.ben).len(), office.waiting());
        assert_eq!(end, (after_all, delivered, 0), "{notify:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_says_by_what_the_sender_knows_the_message() {
    let office = Office::new().await;
    let change = |envelope: &mut Envelope| {
        envelope.mail.envid = Some("E1".into());
        envelope.mail.ret = Some(Ret::Full);
        let kind = "rfc822".into();
        envelope.recipients[0].orcpt = Some(OriginalRecipient { kind, address: "a@x.y".into() });
    };
    office.anna_writes(change).await;
    office.pass(8 * DAY).await;
    let reports = office.reports();
    let [delayed, failed] = reports.as_slice() else { panic!("{reports:?}") };
    for report in &reports {
        assert!(report.contains("Original-Envelope-Id: E1\r\n"), "{report}");
        assert!(report.contains("Original-Recipient: rfc822; a@x.y\r\n"), "{report}");
    }
    // The whole message is asked for where it failed only (RFC 3461 §4.3).
    assert!(delayed.contains("text/rfc822-headers") && !delayed.contains("Here it is."));
    assert!(
        failed.contains("Content-Type: message/rfc822\r\n\r\nReceived: ")
            || failed.contains("Content-Type: message/rfc822\r\n\r\nFrom: "),
        "{failed}"
    );
    assert!(failed.contains("\r\n\r\nHere it is.\r\n"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_without_room_is_told_all_the_same() {
    let office = Office::new().await;
    office.anna_writes(|_| ()).await;
    let anna = office.anna;
    let full = office.store.write(move |tx| {
        let row = tx.account(anna)?.unwrap();
        tx.put_account(&Account { quota: Some(10), ..row });
        Ok::<_, crate::store::Error>(())
    });
    full.await.unwrap();
    office.pass(8 * DAY).await;
    assert_eq!((office.reports().len(), office.waiting()), (2, 0));
    office.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_from_outside_is_delivered_in_the_end_and_nobody_is_told() {
    let office = Office::new().await;
    office.receive("all@office.example", LETTER).await;
    // Also what claims to be Anna's, and what has a null sender.
    for sender in ["anna@office.example", ""] {
        let (envelope, message) = office.mail(sender, "all@office.example", LETTER).await;
        let trace = Trace::new(Via::own("mail.x"), NOW);
        receive::receive(&office.store, envelope, message, trace).await.unwrap();
    }
    office.pass(7 * DAY - 1).await;
    assert_eq!((office.inbox(office.ben).len(), office.waiting()), (0, 3));
    office.pass(HOUR).await;
    assert_eq!((office.inbox(office.ben).len(), office.waiting()), (3, 0));
    assert_eq!((office.reports().len(), office.inbox(office.anna).len()), (0, 3));
    office.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_brings_no_reports_and_loses_nothing() {
    let office = Office::new().await;
    office.anna_writes(|_| ()).await;
    office.pass(HOUR).await;
    // Ten years on, a day back, and where it was.
    for jump in [3_650 * DAY, 3_649 * DAY, HOUR] {
        office.clock.set(NOW + jump);
        office.look().await.unwrap();
        office.pass(600).await;
        assert_eq!((office.reports().len(), office.waiting()), (0, 1));
    }
    // It is looked at as often as ever, and there is no second day of waiting for it.
    office.limit(None).await;
    office.pass(HOUR).await;
    assert_eq!((office.inbox(office.ben).len(), office.waiting()), (1, 0));
    office.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_looks_at_once_write_one_report() {
    let office = Office::new().await;
    office.anna_writes(|_| ()).await;
    office.pass(4 * HOUR - 1).await;
    office.clock.set(NOW + 5 * HOUR);
    let number = queue::list(&office.store.read()).unwrap()[0].0;
    let look = || take_up(&office.store, "mail.x", number);
    let (first, second) = tokio::join!(look(), look());
    assert_eq!((first.unwrap(), second.unwrap()), (0, 0));
    assert_eq!(office.reports().len(), 1);
    office.check();
}
