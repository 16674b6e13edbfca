//! Messages as every version shows them.

mod corpus;
mod flags;

use bytes::Bytes;
use jiff::tz::TimeZone;

use super::*;
use crate::base::address::EmailAddress;
use crate::base::clock::Clock;
use crate::base::id::{AccountId, Uid};
use crate::domain::message::{FlagNames, Prepared};
use crate::domain::policy::Bounds;
use crate::domain::{account, mailbox, message};
use crate::eas::render::{BodyPreference, Options, Owner};
use crate::format::wbxml::{self, Element, Tag};
use crate::store::Store;

const VERSIONS: [Version; 7] = [
    Version::V2_5,
    Version::V12_0,
    Version::V12_1,
    Version::V14_0,
    Version::V14_1,
    Version::V16_0,
    Version::V16_1,
];

/// An account with one mailbox, and messages put into it.
struct Office {
    store: Store,
    inbox: MailboxId,
    zone: TimeZone,
    owner: Owner,
}

impl Office {
    fn new() -> Office {
        let store = Store::in_memory(Clock::fixed(1_700_000_000));
        let anna = account::NewAccount {
            address: EmailAddress::parse_human("anna@example.test").unwrap(),
            display_name: "Anna".into(),
            admin: false,
            credentials: None,
            quota: None,
        };
        let inbox = store
            .write_blocking(move |tx| {
                account::add_domain(tx, "example.test")?;
                let anna = account::create(tx, &anna)?.id;
                Ok::<_, crate::domain::Error>(mailbox::find(tx, anna, "INBOX")?.id)
            })
            .unwrap();
        Office { store, inbox, zone: TimeZone::UTC, owner: Owner::default() }
    }

    fn add(&self, raw: &[u8]) -> Message {
        let raw = Bytes::copy_from_slice(raw);
        let inbox = self.inbox;
        self.store
            .write_blocking(move |tx| {
                let prepared = Prepared::new(b"Return-Path: <a@b.test>\r\n", raw.clone());
                let stored = message::store_content(tx, prepared)?;
                message::add(tx, inbox, &stored, &FlagNames::default(), None)
            })
            .unwrap()
    }

    fn message(&self, uid: Uid) -> Message {
        self.store.read().message(self.inbox, uid).unwrap().unwrap()
    }

    fn view<'a>(&'a self, version: Version, options: &'a Options) -> View<'a> {
        View {
            version,
            options,
            zone: &self.zone,
            owner: &self.owner,
            now: 1_700_000_000,
            bounds: Default::default(),
            trips_over_empty: false,
        }
    }

    fn show(&self, message: &Message, version: Version, options: &Options) -> Element {
        let mut out = Writer::new();
        out.open(tags::air_sync::APPLICATION_DATA);
        let view = self.view(version, options);
        render(&mut out, &self.store.read(), self.inbox, message, &view).unwrap();
        out.close();
        wbxml::decode(&Bytes::from(out.finish())).unwrap()
    }
}

fn body(kind: u8, truncation_size: Option<u32>) -> Options {
    let preference = BodyPreference { kind, truncation_size, ..BodyPreference::default() };
    let mime_support = if kind == 4 { 2 } else { 0 };
    Options { bodies: vec![preference], mime_support, ..Options::default() }
}

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn text_of<'e>(element: &'e Element, path: &[Tag]) -> &'e str {
    let found = path.iter().try_fold(element, |at, tag| at.child(*tag));
    found.map_or("", Element::text)
}

const LETTER: &str = "From: =?utf-8?Q?J=C3=B6rg?= <joerg@example.test>\n\
    To: \"Muster, Anna\" <anna@example.test>, bob@example.test\n\
    Cc: Team: carl@example.test;\n\
    Reply-To: office@example.test\n\
    Sender: Desk <desk@example.test>\n\
    Subject: Re: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\n\
    Importance: high\n\
    Message-ID: <1@example.test>\n\
    Content-Type: text/plain; charset=utf-8\n\
    Content-Transfer-Encoding: 8bit\n\
    \n\
    Hällo Wörld €\n";

#[test]
fn headers_are_as_phones_read_them() {
    let office = Office::new();
    let message = office.add(&crlf(LETTER));
    let shown = office.show(&message, Version::V16_1, &body(1, None));
    let text = |tag| shown.text_of(tag).unwrap_or("(none)");
    assert_eq!(text(e::FROM), "\"Jörg\" <joerg@example.test>");
    assert_eq!(text(e::TO), "\"Muster, Anna\" <anna@example.test>, bob@example.test");
    assert_eq!(text(e::CC), "carl@example.test");
    assert_eq!(text(e::REPLY_TO), "office@example.test");
    assert_eq!(text(e::DISPLAY_TO), "Muster, Anna; bob@example.test");
    assert_eq!(text(e::SUBJECT), "Re: Grüße");
    assert_eq!(text(e::THREAD_TOPIC), "Grüße");
    assert_eq!(text(e::IMPORTANCE), "2");
    assert_eq!(text(e::READ), "0");
    assert_eq!(text(e::DATE_RECEIVED), "2023-11-14T22:13:20.000Z");
    assert_eq!(text(e::MESSAGE_CLASS), "IPM.Note");
    assert_eq!(text(e::INTERNET_CPID), "65001");
    assert_eq!(text(e2::SENDER), "\"Desk\" <desk@example.test>");
    assert_eq!(text(e2::IS_DRAFT), "0");
    assert_eq!(text(b::NATIVE_BODY_TYPE), "1");
    let id = shown.child(e2::CONVERSATION_ID).unwrap().bytes();
    assert_eq!(thread_of(office.inbox.account, &id), Some(message.place.thread));
    assert_eq!(thread_of(AccountId(77), &id), None);
    assert_eq!(shown.child(e2::CONVERSATION_INDEX).unwrap().bytes().len(), 5);
}

#[test]
fn texts_are_cut_to_the_byte_and_never_within_a_character() {
    let office = Office::new();
    let message = office.add(&crlf(LETTER));
    let full = "Hällo Wörld €\r\n";
    for size in 0..=full.len() + 3 {
        let shown = office.show(&message, Version::V14_1, &body(1, Some(size as u32)));
        let body = shown.child(b::BODY).unwrap();
        assert_eq!(body.text_of(b::ESTIMATED_DATA_SIZE), Some(&*full.len().to_string()));
        let kept = &full[..full.floor_char_boundary(size)];
        assert_eq!(body.text_of(b::DATA).unwrap_or(""), kept, "{size}");
        assert_eq!(body.has(b::DATA), !kept.is_empty());
        assert_eq!(body.has(b::TRUNCATED), size < full.len(), "{size}");
    }
    // The sizes of 2.5 are bytes too.
    let options = Options { truncation: Some(0), ..Options::default() };
    let shown = office.show(&message, Version::V2_5, &options);
    assert_eq!(shown.text_of(e::BODY_TRUNCATED), Some("1"));
    assert_eq!(shown.text_of(e::BODY_SIZE), Some(&*full.len().to_string()));
    assert!(!shown.has(e::BODY) && !shown.has(b::BODY) && !shown.has(e::FLAG));
    let shown = office.show(&message, Version::V2_5, &Options::default());
    assert_eq!(shown.text_of(e::BODY), Some(full));
}

#[test]
fn mime_is_the_message_to_the_byte() {
    let office = Office::new();
    let raw = crlf(LETTER);
    let message = office.add(&raw);
    let whole = [&b"Return-Path: <a@b.test>\r\n"[..], &raw].concat();
    let shown = office.show(&message, Version::V12_1, &body(4, None));
    assert_eq!(shown.child(b::BODY).unwrap().child(b::DATA).unwrap().bytes(), whole);
    assert_eq!(text_of(&shown, &[b::BODY, b::TYPE]), "4");
    for size in whole.len() - 20..=whole.len() {
        let shown = office.show(&message, Version::V12_1, &body(4, Some(size as u32)));
        let body = shown.child(b::BODY).unwrap();
        let data = body.child(b::DATA).unwrap().bytes();
        assert!(data.len() <= size && size - data.len() < 4 && whole.starts_with(&data));
        assert!(std::str::from_utf8(&data).is_ok());
        assert_eq!(body.has(b::TRUNCATED), size < whole.len());
    }
    // Eight bits that are no UTF-8 go out as they are.
    let message = office.add(b"Subject: x\r\n\r\nGr\xfc\xdfe\r\n\0\x01");
    let shown = office.show(&message, Version::V12_1, &body(4, None));
    let data = shown.child(b::BODY).unwrap().child(b::DATA).unwrap().bytes();
    assert!(data.ends_with(b"Gr\xfc\xdfe\r\n\0\x01"));
    // Without MIMESupport there is no MIME.
    let options = Options { mime_support: 0, ..body(4, None) };
    assert_eq!(text_of(&office.show(&message, Version::V12_1, &options), &[b::BODY, b::TYPE]), "1");
}

const HTML_LETTER: &str = "Subject: s\nMIME-Version: 1.0\n\
    Content-Type: multipart/mixed; boundary=m\n\n--m\n\
    Content-Type: multipart/related; boundary=r\n\n--r\n\
    Content-Type: text/html; charset=utf-8\n\n<p>Hello <b>you</b><img src=\"cid:p@x\"></p>\n--r\n\
    Content-Type: image/png\nContent-ID: <p@x>\nContent-Transfer-Encoding: base64\n\niVBORw==\n\
    --r--\n--m\n\
    Content-Type: application/pdf; name=\"Plan.pdf\"\nContent-Disposition: attachment\n\
    Content-Transfer-Encoding: base64\n\nJVBERi0xLjQK\n--m\n\
    Content-Type: message/rfc822\n\nSubject: Inner\n\ntext\n--m--\n";

#[test]
fn html_is_converted_when_a_phone_wants_text() {
    let office = Office::new();
    let message = office.add(&crlf(HTML_LETTER));
    let plain = office.show(&message, Version::V14_1, &body(1, None));
    assert_eq!(text_of(&plain, &[b::BODY, b::DATA]), "Hello you");
    assert_eq!(plain.text_of(b::NATIVE_BODY_TYPE), Some("2"));
    let html = office.show(&message, Version::V14_1, &body(2, None));
    assert!(text_of(&html, &[b::BODY, b::DATA]).starts_with("<p>Hello <b>you</b>"));
    // The native form wins over the order; all-or-none passes it over.
    let preference = |kind, size, all| BodyPreference {
        kind,
        truncation_size: size,
        all_or_none: all,
        preview: None,
    };
    let both = |size, all| Options {
        bodies: vec![preference(1, Some(5), false), preference(2, size, all)],
        ..Options::default()
    };
    let kind = |options: &Options| {
        text_of(&office.show(&message, Version::V14_1, options), &[b::BODY, b::TYPE]).to_owned()
    };
    assert_eq!(kind(&both(Some(10), false)), "2");
    assert_eq!(kind(&both(Some(10), true)), "1");
    let only = Options { bodies: vec![preference(2, Some(10), true)], ..Options::default() };
    let shown = office.show(&message, Version::V14_1, &only);
    let body = shown.child(b::BODY).unwrap();
    assert_eq!((body.text_of(b::TYPE), body.text_of(b::TRUNCATED)), (Some("2"), Some("1")));
    assert!(!body.has(b::DATA));
    // Where MIME is not allowed, who asked for it gets the native form; RTF never.
    assert_eq!(kind(&Options { mime_support: 1, ..super::tests::body(4, None) }), "2");
    assert_eq!(kind(&super::tests::body(3, None)), "1");
}

#[test]
fn attachments_are_listed_and_fetched() {
    let office = Office::new();
    let message = office.add(&crlf(HTML_LETTER));
    let shown = office.show(&message, Version::V12_0, &body(2, None));
    let list = shown.child(b::ATTACHMENTS).unwrap();
    let of = |at: usize, tag: Tag| list.children[at].text_of(tag).unwrap_or("");
    assert_eq!(list.children.len(), 3);
    assert_eq!((of(0, b::CONTENT_ID), of(0, b::IS_INLINE)), ("p@x", "1"));
    assert_eq!((of(1, b::DISPLAY_NAME), of(1, b::IS_INLINE)), ("Plan.pdf", ""));
    assert_eq!((of(2, b::DISPLAY_NAME), of(2, b::METHOD)), ("Inner.eml", "5"));
    let reference = of(1, b::FILE_REFERENCE).to_owned();
    assert!(reference.len() <= 64);
    let account = office.inbox.account;
    let get = |reference: &str| attachment(&office.store.read(), account, reference).unwrap();
    let pdf = get(&reference).unwrap();
    assert_eq!((&*pdf.content_type, &*pdf.bytes), ("application/pdf", &b"%PDF-1.4\n"[..]));
    assert_eq!(&*get(of(2, b::FILE_REFERENCE)).unwrap().bytes, b"Subject: Inner\r\n\r\ntext");
    let whole = get(&attachments::whole_reference(message.place.message)).unwrap();
    assert_eq!(whole.bytes.len() as u64, message.place.size);
    for wrong in ["", "a.1", "a.999.1", "a.x.1", "b.1.1", "a.1.99"] {
        assert!(get(wrong).is_none(), "{wrong}");
    }
    assert!(attachment(&office.store.read(), AccountId(99), &reference).unwrap().is_none());
    // In 2.5 they are Email's own.
    let old = office.show(&message, Version::V2_5, &Options::default());
    let first = &old.child(e::ATTACHMENTS).unwrap().children[1];
    assert_eq!(first.text_of(e::ATT_NAME), Some(&*reference));
    // A reference goes with the message when it moves.
    let (inbox, uid) = (office.inbox, message.uid);
    office
        .store
        .write_blocking(move |tx| {
            let to = mailbox::create(tx, inbox.account, "Elsewhere", None)?.id;
            message::move_to(tx, inbox, &crate::base::uidset::UidSet::range(uid.0, uid.0), to)
        })
        .unwrap();
    assert!(get(&reference).is_some());
}

#[test]
fn previews_count_characters() {
    let office = Office::new();
    let words = "ä€x ".repeat(200);
    let message = office.add(format!("Subject: s\r\n\r\n{words}").as_bytes());
    let preview = |version, length| {
        let mut options = body(1, Some(0));
        options.bodies[0].preview = Some(length);
        let shown = office.show(&message, version, &options);
        text_of(&shown, &[b::BODY, b::PREVIEW]).to_owned()
    };
    assert_eq!(preview(Version::V14_0, 5), "ä€x ä");
    assert_eq!(preview(Version::V14_0, 230).chars().count(), 230);
    assert_eq!(preview(Version::V12_1, 5), "");
}

#[test]
fn a_part_of_a_conversation_is_without_what_it_quotes() {
    let office = Office::new();
    let mail = |head: &str| {
        let text = "Yes, Tuesday.\n\nOn 2026-08-03 Ben <ben@x.example> wrote:\n> When?\n";
        office.add(&crlf(&format!("{head}Content-Type: text/plain\n\n{text}")))
    };
    let part = |kind, preview, size| {
        let wanted = BodyPreference { kind, preview, truncation_size: size, all_or_none: false };
        Options { body_parts: vec![wanted], ..body(1, None) }
    };
    let answer = mail("Subject: Re: Day\nIn-Reply-To: <1@x.example>\n");
    let shown = office.show(&answer, Version::V14_1, &part(1, Some(5), None));
    let of = |shown: &Element, tag| text_of(shown, &[b::BODY_PART, tag]).to_owned();
    assert_eq!(of(&shown, b::DATA).trim_end(), "Yes, Tuesday.");
    assert_eq!((of(&shown, b::PREVIEW), of(&shown, b::STATUS)), ("Yes,".into(), "1".into()));
    assert!(text_of(&shown, &[b::BODY, b::DATA]).contains("When?"), "the body is whole");
    let cut = office.show(&answer, Version::V16_1, &part(1, None, Some(3)));
    assert_eq!((of(&cut, b::DATA), of(&cut, b::TRUNCATED)), ("Yes".into(), "1".into()));
    assert_eq!(of(&cut, b::ESTIMATED_DATA_SIZE), "13");
    // What is forwarded is the message, and so is what answers nothing.
    for head in ["Subject: Fwd: Day\nIn-Reply-To: <1@x.example>\n", "Subject: Day\n"] {
        let shown = office.show(&mail(head), Version::V14_1, &part(2, None, None));
        assert!(of(&shown, b::DATA).contains("When?"), "{head}");
    }
}

#[test]
fn a_policy_bounds_what_is_shown() {
    let office = Office::new();
    let message = office.add(&crlf(HTML_LETTER));
    let show = |version, options: &Options, bounds: Bounds| {
        let mut out = Writer::new();
        out.open(tags::air_sync::APPLICATION_DATA);
        let view = View { bounds, ..office.view(version, options) };
        render(&mut out, &office.store.read(), office.inbox, &message, &view).unwrap();
        out.close();
        wbxml::decode(&Bytes::from(out.finish())).unwrap()
    };
    let of = |shown: &Element, tag| text_of(shown, &[b::BODY, tag]).to_owned();
    let text_only = Bounds { no_html: true, ..Bounds::default() };
    for kind in [2, 4] {
        let shown = show(Version::V14_1, &body(kind, None), text_only);
        assert_eq!((of(&shown, b::TYPE), of(&shown, b::DATA)), ("1".into(), "Hello you".into()));
    }
    let old = Options { mime_support: 2, ..Options::default() };
    assert!(!show(Version::V2_5, &old, text_only).has(e::MIME_DATA));
    let small = Bounds { plain: Some(4), html: Some(8), ..Bounds::default() };
    for (kind, asked, data) in
        [(1, None, "Hell"), (1, Some(2), "He"), (2, Some(100), "<p>Hello"), (2, Some(3), "<p>")]
    {
        let shown = show(Version::V12_1, &body(kind, asked), small);
        assert_eq!((of(&shown, b::DATA).as_str(), of(&shown, b::TRUNCATED).as_str()), (data, "1"));
    }
    // Files are listed, but no longer slip out with the whole message.
    let without = Bounds { no_attachments: true, ..Bounds::default() };
    let shown = show(Version::V14_1, &body(4, None), without);
    assert_eq!(of(&shown, b::TYPE), "2");
    assert_eq!(shown.child(b::ATTACHMENTS).unwrap().children.len(), 3);
}

#[test]
fn signed_and_encrypted_mail_goes_out_as_it_is() {
    let office = Office::new();
    let signed = crlf(
        "Subject: s\nContent-Type: multipart/signed; boundary=s; \
         protocol=\"application/pkcs7-signature\"\n\n--s\n\nsigned  \n--s\n\
         Content-Type: application/pkcs7-signature; name=smime.p7s\n\nMIIB\n--s--\n",
    );
    let message = office.add(&signed);
    let options = Options { mime_support: 1, ..body(4, None) };
    let shown = office.show(&message, Version::V14_1, &options);
    assert_eq!(shown.text_of(e::MESSAGE_CLASS), Some("IPM.Note.SMIME.MultipartSigned"));
    assert!(shown.child(b::BODY).unwrap().child(b::DATA).unwrap().bytes().ends_with(&signed));
    let plain = office.add(&crlf(LETTER));
    let shown = office.show(&plain, Version::V14_1, &options);
    assert_eq!(text_of(&shown, &[b::BODY, b::TYPE]), "1");
    let sealed = "Content-Type: application/pkcs7-mime; name=smime.p7m\n\nMIIB\n";
    let shown = office.show(&office.add(&crlf(sealed)), Version::V2_5, &options);
    assert_eq!(shown.text_of(e::MESSAGE_CLASS), Some("IPM.Note.SMIME"));
    assert!(shown.text_of(e::MIME_DATA).unwrap().ends_with("MIIB\r\n"));
}

#[test]
fn invitations_and_reports_have_their_class() {
    let office = Office::new();
    let invitation = crlf(
        "Subject: Meet\nContent-Type: multipart/alternative; boundary=a\n\n--a\n\ntext\n--a\n\
         Content-Type: text/calendar; method=REQUEST; charset=utf-8\n\nBEGIN:VCALENDAR\n\
         METHOD:REQUEST\nBEGIN:VEVENT\nUID:u@x\nDTSTAMP:20260101T000000Z\n\
         DTSTART;TZID=Europe/Berlin:20260131T100000\nDURATION:PT1H\nLOCATION:Room\n\
         ORGANIZER;CN=Bob:mailto:bob@example.test\nATTENDEE;RSVP=TRUE:mailto:anna@example.test\n\
         RRULE:FREQ=WEEKLY;COUNT=3\nEND:VEVENT\nEND:VCALENDAR\n--a--\n",
    );
    let message = office.add(&invitation);
    let shown = office.show(&message, Version::V14_1, &body(1, None));
    assert_eq!(shown.text_of(e::MESSAGE_CLASS), Some("IPM.Schedule.Meeting.Request"));
    assert!(!shown.has(b::ATTACHMENTS));
    let request = shown.child(e::MEETING_REQUEST).unwrap();
    let text = |tag| request.text_of(tag).unwrap_or("(none)");
    assert_eq!(text(e::START_TIME), "2026-01-31T09:00:00.000Z");
    assert_eq!(text(e::END_TIME), "2026-01-31T10:00:00.000Z");
    assert_eq!(text(e::ORGANIZER), "\"Bob\" <bob@example.test>");
    assert_eq!((text(e::LOCATION), text(e::RESPONSE_REQUESTED)), ("Room", "1"));
    assert_eq!((text(e::INSTANCE_TYPE), text(e2::MEETING_MESSAGE_TYPE)), ("1", "1"));
    let series = request.child(e::RECURRENCES).unwrap().child(e::RECURRENCE).unwrap();
    assert_eq!(series.text_of(e::DAY_OF_WEEK), Some("64"));
    let newest = office.show(&message, Version::V16_1, &body(1, None));
    let request = newest.child(e::MEETING_REQUEST).unwrap();
    assert_eq!(request.text_of(tags::calendar::UID), Some("u@x"));
    assert!(!request.has(e::GLOBAL_OBJ_ID) && !request.has(e::LOCATION));
    let report = crlf(
        "Subject: Failed\nContent-Type: multipart/report; report-type=delivery-status; \
         boundary=r\n\n--r\n\nsorry\n--r\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b\nAction: failed\n--r--\n",
    );
    let shown = office.show(&office.add(&report), Version::V14_1, &body(1, None));
    assert_eq!(shown.text_of(e::MESSAGE_CLASS), Some("REPORT.IPM.Note.NDR"));
}

#[test]
fn a_stub_leads_to_the_original() {
    let office = Office::new();
    let message = office.add(&crlf(LETTER));
    for version in VERSIONS {
        let options = Options::default();
        let mut out = Writer::new();
        out.open(tags::air_sync::APPLICATION_DATA);
        let why = Unrenderable("of a test".into());
        let view = office.view(version, &options);
        stub(&mut out, &office.store.read(), office.inbox, &message, &why, &view);
        let shown = wbxml::decode(&Bytes::from(out.finish())).unwrap();
        assert_eq!(shown.text_of(e::SUBJECT), Some("Re: Grüße"));
        let list = shown.child(b::ATTACHMENTS).or(shown.child(e::ATTACHMENTS)).unwrap();
        let of = &list.children[0];
        let reference = of.text_of(b::FILE_REFERENCE).or(of.text_of(e::ATT_NAME)).unwrap();
        let found = attachment(&office.store.read(), office.inbox.account, reference).unwrap();
        assert_eq!(found.unwrap().bytes.len() as u64, message.place.size);
    }
}
