//! What a phone sends: SendMail, SmartReply, SmartForward.

use super::*;
use crate::base::id::Uid;
use crate::delivery::queue;
use crate::domain::account::NewAccount;
use crate::store::rows::mailbox::Mailbox;
use wbxml::tags::compose_mail as c;

impl Office {
    /// Another account, next to Anna's.
    fn ben(&self) -> AccountId {
        self.write(|tx| {
            let new = NewAccount {
                address: "ben@office.example".parse().unwrap(),
                display_name: "Ben".into(),
                admin: false,
                credentials: None,
                quota: None,
            };
            account::create(tx, &new).map(|account| account.id)
        })
    }

    pub(super) fn mailbox(&self, account: AccountId, name: &str) -> Mailbox {
        mailbox::find(&self.store.read(), account, name).unwrap()
    }

    /// The messages of a mailbox, as clients see them.
    fn messages(&self, account: AccountId, name: &str) -> Vec<String> {
        let (read, mailbox) = (self.store.read(), self.mailbox(account, name));
        let place = |uid| read.place(mailbox.id, Uid(uid)).unwrap();
        let all = (1..mailbox.uid_next.0).filter_map(place);
        all.map(|place| {
            let record = read.content(place.content).unwrap().unwrap();
            let prefix = mime::RecordView::parse(&record).unwrap().prefix().to_vec();
            let body = read.body_row(place.content).unwrap().unwrap();
            let raw = read.with_body(&body.at, <[u8]>::to_vec).unwrap();
            String::from_utf8([prefix, raw].concat()).unwrap()
        })
        .collect()
    }
}

use crate::format::mime;

impl Phone<'_> {
    /// A command with a message in it, as the phone's version has it; empty is success.
    pub(super) async fn post(
        &self,
        command: Command,
        mime: &str,
        more: Vec<Element>,
    ) -> Result<(), Failure> {
        if self.version >= Version::V14_0 {
            let root = match command {
                Command::SmartReply => c::SMART_REPLY,
                Command::SmartForward => c::SMART_FORWARD,
                _ => c::SEND_MAIL,
            };
            let mut children = more;
            let value = wbxml::Value::Opaque(Bytes::from(mime.to_owned()));
            children.push(Element { tag: c::MIME, value, children: Vec::new() });
            let answer = self.call(command, Some(&tree(root, children))).await?;
            assert_eq!(answer, None);
            return Ok(());
        }
        let source = more.iter().find_map(|each| each.text_of(c::ITEM_ID).map(str::to_owned));
        let query = Query {
            command: Some(command),
            device_id: self.id.clone(),
            device_type: "Test".into(),
            save_in_sent: true,
            item_id: source,
            ..Query::default()
        };
        let account = self.office.store.read().account(self.office.account).unwrap().unwrap();
        let (front, body) = (self.office.front.clone(), Bytes::from(mime.to_owned()));
        let session = Session::new(front, account, query, self.version, &HeaderMap::new(), body);
        let session = gate::identify(Box::new(session), command).await?;
        let session = gate::admit(session, command)?;
        assert!(matches!(cmd::run(command, session).await?, Answer::Empty));
        Ok(())
    }
}

fn client_id(id: &str) -> Vec<Element> {
    vec![text(c::CLIENT_ID, id), Element::new(c::SAVE_IN_SENT_ITEMS)]
}

fn of(item: &str) -> Element {
    tree(c::SOURCE, vec![text(c::FOLDER_ID, "1"), text(c::ITEM_ID, item)])
}

const LETTER: &str = "From: Anna <anna@office.example>\nTo: ben@office.example\n\
    Bcc: pat@else.example\nSubject: Hallo\n\nGrüße\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_everybody_and_is_kept_with_its_bcc() {
    let office = Office::new();
    let ben = office.ben();
    let phone = office.phone("A", Version::V14_1);
    phone.post(Command::SendMail, LETTER, client_id("1")).await.unwrap();
    let got = office.messages(ben, "INBOX");
    assert_eq!(got.len(), 1);
    assert!(got[0].starts_with("Return-Path: <anna@office.example>\r\nReceived: "), "{}", got[0]);
    assert!(got[0].contains("\r\nDate: ") && got[0].contains("\r\nMessage-ID: <"), "{}", got[0]);
    assert!(got[0].ends_with("\r\nSubject: Hallo\r\n\r\nGrüße\r\n"), "{}", got[0]);
    assert!(!got[0].contains("pat@"), "{}", got[0]);
    let kept = office.messages(office.account, "Sent");
    assert!(kept.len() == 1 && kept[0].contains("\r\nBcc: pat@else.example\r\n"), "{kept:?}");
    let id = |text: &str| {
        text.lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned).unwrap()
    };
    assert_eq!(id(&kept[0]), id(&got[0]));
    let sent = office.mailbox(office.account, "Sent");
    assert_eq!((sent.messages, sent.unseen), (1, 0));
    let waiting = queue::list(&office.store.read()).unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].1.recipients[0].address, "pat@else.example");
    assert!(waiting[0].1.eight_bit && !waiting[0].1.smtputf8);
    // Without the wish no copy.
    let mut other = client_id("2");
    other.pop();
    phone.post(Command::SendMail, LETTER, other).await.unwrap();
    assert_eq!(office.messages(office.account, "Sent").len(), 1);
    assert_eq!(office.messages(ben, "INBOX").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_message_is_sent_once() {
    let office = Office::new();
    let ben = office.ben();
    let phone = office.phone("A", Version::V16_1);
    let both = tokio::join!(
        phone.post(Command::SendMail, LETTER, client_id("1")),
        phone.post(Command::SendMail, LETTER, client_id("1")),
    );
    assert_eq!(both, (Ok(()), Ok(())));
    phone.post(Command::SendMail, LETTER, client_id("1")).await.unwrap();
    assert_eq!(office.messages(ben, "INBOX").len(), 1);
    // Another message, and another device with the same name for it.
    phone.post(Command::SendMail, LETTER, client_id("2")).await.unwrap();
    let other = office.phone("B", Version::V16_1);
    other.post(Command::SendMail, LETTER, client_id("1")).await.unwrap();
    assert_eq!(office.messages(ben, "INBOX").len(), 3);
    assert_eq!(office.messages(office.account, "Sent").len(), 3);
    // The first versions have no names: what has a date is known by its octets.
    let old = office.phone("C", Version::V12_1);
    let dated = format!("Date: Tue, 14 Nov 2023 22:13:20 +0000\n{LETTER}");
    for letter in [LETTER, LETTER, &dated, &dated] {
        old.post(Command::SendMail, letter, Vec::new()).await.unwrap();
    }
    assert_eq!(office.messages(ben, "INBOX").len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_reached_is_reported_and_the_others_get_it() {
    let office = Office::new();
    let ben = office.ben();
    let phone = office.phone("A", Version::V14_1);
    let letter = "To: ben@office.example, nobody@office.example, Carl\n\nHallo";
    phone.post(Command::SendMail, letter, client_id("1")).await.unwrap();
    assert_eq!(office.messages(ben, "INBOX").len(), 1);
    let reports = office.messages(office.account, "INBOX");
    assert_eq!(reports.len(), 1);
    let report = &reports[0];
    assert!(report.starts_with("Return-Path: <>\r\n"), "{report}");
    assert!(report.contains("  <nobody@office.example>: there is nobody"), "{report}");
    assert!(report.contains("  <Carl>: this is not an e-mail address"), "{report}");
    assert!(report.contains("Action: failed\r\nStatus: 5.1.1\r\n"), "{report}");
    assert!(report.contains("\r\nTo: ben@office.example, nobody@office.example, Carl"));
    assert_eq!(office.messages(office.account, "Sent").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_refused() {
    let office = Office::new();
    office.ben();
    let phone = office.phone("A", Version::V14_1);
    for (letter, status) in [
        ("Subject: to nobody\n\nx", 119),
        ("From: boss@office.example\nTo: ben@office.example\n\nx", 120),
        ("From: a@x.example\nFrom: b@x.example\nTo: ben@office.example\n\nx", 107),
        ("", 107),
    ] {
        let refused = phone.post(Command::SendMail, letter, client_id("1")).await;
        assert_eq!(refused, Err(Failure::Common(status)), "{letter}");
    }
    let account = office.account;
    office.write(move |tx| {
        let row = tx.account(account)?.unwrap();
        tx.put_account(&crate::store::rows::account::Account { quota: Some(10), ..row });
        Ok(())
    });
    let refused = phone.post(Command::SendMail, LETTER, client_id("1")).await;
    assert_eq!(refused, Err(Failure::Common(115)));
    assert_eq!(office.messages(account, "Sent").len(), 0);
    assert_eq!(queue::list(&office.store.read()).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_quotes_its_original_and_marks_it() {
    let office = Office::new();
    let ben = office.ben();
    office.deliver("Frage", 0);
    for (version, number) in [(Version::V14_1, "1"), (Version::V2_5, "2")] {
        let phone = office.phone(number, version);
        let mut more = client_id(number);
        more.push(of("1:1"));
        let answer = "To: ben@office.example\nSubject: Re: Frage\n\nJa\n";
        phone.post(Command::SmartReply, answer, more).await.unwrap();
        let got = office.messages(ben, "INBOX").pop().unwrap();
        assert!(got.contains("\r\nJa\r\n\r\n____"), "{got}");
        assert!(got.contains("\r\nSubject: Frage\r\n\r\n> body of Frage\r\n"), "{got}");
    }
    let read = office.store.read();
    let message = read.message(office.inbox, Uid(1)).unwrap().unwrap();
    assert!(message.hot.flags.contains(&Flags::ANSWERED));
    let marks = read.marks(office.account, message.place.message).unwrap().unwrap();
    assert_eq!(marks.last_verb, Some((1, NOW)));
    // The phone has quoted it itself; to several.
    let phone = office.phone("1", Version::V14_1);
    let mut more = client_id("3");
    more.extend([Element::new(c::REPLACE_MIME), of("1:1")]);
    let answer = "To: ben@office.example, ann@else.example\nSubject: Re: Frage\n\nJa\n";
    phone.post(Command::SmartReply, answer, more).await.unwrap();
    assert!(!office.messages(ben, "INBOX").pop().unwrap().contains("body of"));
    let marks = office.store.read().marks(office.account, message.place.message).unwrap();
    assert_eq!(marks.unwrap().last_verb, Some((2, NOW)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forward_brings_the_files_and_needs_its_original() {
    let office = Office::new();
    let ben = office.ben();
    let inbox = office.inbox;
    let raw = "Message-ID: <x@y>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n\
        --b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nPDF\r\n--b--\r\n";
    office.write(move |tx| {
        let stored = message::store_content(tx, Prepared::new(b"", Bytes::from(raw)))?;
        message::add(tx, inbox, &stored, &FlagNames::default(), None).map(drop)
    });
    let phone = office.phone("A", Version::V16_0);
    let letter = "To: ben@office.example\nSubject: Fw\n\nlook\n";
    let mut more = client_id("1");
    more.push(of("1:1"));
    phone.post(Command::SmartForward, letter, more).await.unwrap();
    let got = office.messages(ben, "INBOX").pop().unwrap();
    assert!(got.contains("Content-Type: application/pdf; name=a.pdf\r\n\r\nPDF\r\n--="), "{got}");
    assert!(got.contains("\r\nReferences: <x@y>\r\n") && got.contains("\r\ntext\r\n"), "{got}");
    let read = office.store.read();
    let message = read.message(inbox, Uid(1)).unwrap().unwrap();
    let forwarded = message::keyword(&read, office.account, "$Forwarded").unwrap().unwrap();
    assert!(message.hot.flags.has_keyword(forwarded));
    // Somebody moves it, and then removes it.
    let archive = office.mailbox(office.account, "Archive").id;
    let only = crate::base::uidset::UidSet::range(1, 1);
    let (from, to) = (inbox, only.clone());
    office.write(move |tx| message::move_to(tx, from, &to, archive));
    let mut more = client_id("3");
    more.push(of("1:1"));
    phone.post(Command::SmartForward, letter, more.clone()).await.unwrap();
    assert!(office.messages(ben, "INBOX").pop().unwrap().contains("PDF"));
    office.write(move |tx| message::remove(tx, archive, &only));
    // Sent before is sent, whatever has become of the original.
    phone.post(Command::SmartForward, letter, more).await.unwrap();
    let mut more = client_id("2");
    more.push(of("1:1"));
    let refused = phone.post(Command::SmartForward, letter, more.clone()).await;
    assert_eq!(refused, Err(Failure::Common(150)));
    let old = office.phone("B", Version::V12_1);
    old.post(Command::SmartForward, letter, more).await.unwrap();
    assert!(office.messages(ben, "INBOX").pop().unwrap().ends_with("\r\n\r\nlook\r\n"));
}

/// Messages of other projects' tests, where they have been fetched: KONTOR_SHARED, or `../shared`.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let shared = std::env::var_os("KONTOR_SHARED").map(std::path::PathBuf::from);
    let beside = || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let mut all = Vec::new();
    for half in ["mime", "mbox", "tnef"] {
        let folder = shared.clone().unwrap_or_else(beside).join("corpus").join(half);
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_of_the_corpus_is_answered_and_forwarded() {
    let office = Office::new();
    let ben = office.ben();
    let phone = office.phone("A", Version::V14_1);
    let inbox = office.inbox;
    for (count, (name, raw)) in corpus().into_iter().enumerate() {
        let kept = Bytes::from(raw.clone());
        let uid = office.write(move |tx| {
            let stored = message::store_content(tx, Prepared::new(b"", kept))?;
            Ok(message::add(tx, inbox, &stored, &FlagNames::default(), None)?.uid)
        });
        let html = "To: ben@office.example\nContent-Type: text/html\n\n<p>my own words</p>\n";
        let plain = "To: ben@office.example\n\nmy own words\n";
        for (number, command, own) in [
            (1, Command::SmartReply, html),
            (2, Command::SmartReply, plain),
            (3, Command::SmartForward, html),
            (4, Command::SmartForward, plain),
        ] {
            let mut more = client_id(&format!("{count} {number}"));
            more.push(of(&format!("1:{uid}")));
            let sent = phone.post(command, own, more).await;
            assert_eq!(sent, Ok(()), "{name} {number}");
            let read = office.store.read();
            let row = mailbox::find(&read, ben, "INBOX").unwrap();
            let place = read.place(row.id, Uid(row.uid_next.0 - 1)).unwrap().unwrap();
            let record = read.content(place.content).unwrap().unwrap();
            let preview = mime::RecordView::parse(&record).unwrap().preview().to_owned();
            assert!(preview.starts_with("my own words"), "{name} {number}: {preview}");
        }
        // As if a phone had written it.
        let own = ["To: ben@office.example\n".as_bytes(), &raw].concat();
        let own = String::from_utf8_lossy(&own).into_owned();
        let mut more = client_id(&format!("{count} 5"));
        more.push(of(&format!("1:{uid}")));
        match phone.post(Command::SmartReply, &own, more).await {
            Ok(()) | Err(Failure::Common(107 | 120)) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_goes_through() {
    let office = Office::new();
    let ben = office.ben();
    let phone = office.phone("A", Version::V14_1);
    let line = format!("{}\n", "x".repeat(75));
    let letter = format!(
        "To: ben@office.example\nBcc: anna@office.example\n\n{}",
        line.repeat(40 * 1024 * 1024 / 77)
    );
    phone.post(Command::SendMail, &letter, client_id("1")).await.unwrap();
    let row = office.mailbox(ben, "INBOX");
    assert!(row.bytes > 39 * 1024 * 1024, "{}", row.bytes);
    let mut more = client_id("2");
    more.push(of("1:1"));
    let small = "To: ben@office.example\n\nsee below\n";
    phone.post(Command::SmartForward, small, more).await.unwrap();
    assert_eq!(office.messages(ben, "INBOX").len(), 2);
    let larger = letter.repeat(2);
    let refused = phone.post(Command::SendMail, &larger, client_id("3")).await;
    assert_eq!(refused, Err(Failure::Common(120)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_without_an_address_is_the_phones_owner() {
    let office = Office::new();
    let ben = office.ben();
    let phone = office.phone("A", Version::V14_1);
    for (number, from) in ["", "From: Anna\n", "From: \"x\" <>\n"].into_iter().enumerate() {
        let letter = format!("{from}To: ben@office.example\nSubject: x\n\nbody\n");
        phone.post(Command::SendMail, &letter, client_id(&number.to_string())).await.unwrap();
        let got = office.messages(ben, "INBOX").pop().unwrap();
        let authors =
            mime::field_values(&got.as_bytes()[..mime::header_len(got.as_bytes())], "From");
        assert_eq!(authors, ["\"Anna\" <anna@office.example>"]);
        assert!(got.ends_with("\r\nSubject: x\r\n\r\nbody\r\n"), "{got}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_forwarded_as_text_and_file() {
    use crate::domain::{collection, item};
    let office = Office::new();
    let ben = office.ben();
    let account = office.account;
    let id = office.write(move |tx| {
        let kind = crate::store::rows::collection::CollectionKind::Calendar;
        let calendar = collection::default(tx, account, kind)?.id;
        let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:e\r\nSUMMARY:Planning\r\n\
            DTSTART:20231114T100000Z\r\nDTEND:20231114T110000Z\r\nLOCATION:Room 1\r\n\
            DESCRIPTION:Bring ideas\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let event = item::Text { uid: "e".into(), text: text.into(), look: 1, from: 0, until: 1 };
        Ok(format!("{}:{}", calendar.number, item::add(tx, calendar, event)?.uid))
    });
    let phone = office.phone("A", Version::V16_1);
    let mut more = client_id("1");
    let forwardee =
        vec![text(c::FORWARDEE_NAME, "Ben"), text(c::FORWARDEE_EMAIL, "ben@office.example")];
    let forwardees = tree(c::FORWARDEES, vec![tree(c::FORWARDEE, forwardee)]);
    more.extend([tree(c::SOURCE, vec![text(c::ITEM_ID, &id)]), forwardees]);
    phone.post(Command::SmartForward, "Subject: Fw: Planning\n\nsee\n", more).await.unwrap();
    let got = office.messages(ben, "INBOX").pop().unwrap();
    assert!(
        got.contains("\r\nWhen: Tuesday, 14 November 2023 11:00\r\nWhere: Room 1\r\n"),
        "{got}"
    );
    assert!(got.contains("\r\nBring ideas\r\n") && got.contains("filename=\"event.ics\""), "{got}");
    assert!(got.contains("\r\nTo: \"Ben\" <ben@office.example>\r\n"), "{got}");
}
