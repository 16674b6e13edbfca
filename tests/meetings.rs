//! Meetings of people on one server and elsewhere: phones of three ages answer invitations,
//! mail of other systems arrives over SMTP, whoever is away says so, and the server is killed
//! between a change and the mail that follows from it.

mod answers;
mod arrivals;
mod away;
mod emptied;
mod killed;

use base64::Engine as _;
use kontor::format::wbxml::tags::{
    air_sync as t, air_sync_base as b, calendar as c, compose_mail as cm, email as e,
    meeting_response as mr,
};
use kontor::format::wbxml::{self, Element, Value};

use crate::support::eas::{Model, Phone, empty, text, tree};
use crate::support::{Account, PATIENCE, Server, eventually};

/// A phone that has its Inbox and its calendar.
struct Pocket {
    phone: Phone,
    inbox: String,
    calendar: String,
}

/// What a phone says to an invitation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Says {
    Yes = 1,
    Perhaps = 2,
    No = 3,
}

impl Says {
    const ALL: [Says; 3] = [Says::Yes, Says::Perhaps, Says::No];

    fn part_stat(self) -> &'static str {
        match self {
            Says::Yes => "ACCEPTED",
            Says::Perhaps => "TENTATIVE",
            Says::No => "DECLINED",
        }
    }

    /// AttendeeStatus (MS-ASCAL 2.2.2.5).
    fn status(self) -> &'static str {
        match self {
            Says::Yes => "3",
            Says::Perhaps => "2",
            Says::No => "4",
        }
    }

    /// How the subject of an answer begins.
    fn word(self) -> &'static str {
        match self {
            Says::Yes => "Accepted",
            Says::Perhaps => "Tentative",
            Says::No => "Declined",
        }
    }
}

impl Pocket {
    fn new(mut phone: Phone) -> Pocket {
        phone.folder_sync();
        let (inbox, calendar) = (phone.folder(2), phone.folder(8));
        phone.settle(&[&inbox, &calendar]);
        Pocket { phone, inbox, calendar }
    }

    fn quick(server: &Server, model: &'static Model, account: &Account) -> Pocket {
        Pocket::new(Phone::quick(server, model, account))
    }

    fn settle(&mut self) {
        let (inbox, calendar) = (self.inbox.clone(), self.calendar.clone());
        self.phone.settle(&[&inbox, &calendar]);
    }

    /// The mail of this subject and class, once it is there: its id and what it shows.
    fn mail(&mut self, subject: &str, class: &str) -> (String, Element) {
        eventually(&format!("{class} {subject}"), || {
            self.settle();
            let mut items = self.phone.held[&self.inbox].items.iter();
            let found = items.find(|(_, data)| {
                data.text_of(e::SUBJECT) == Some(subject)
                    && data.text_of(e::MESSAGE_CLASS) == Some(class)
            });
            found.map(|(id, data)| (id.clone(), data.clone()))
        })
    }

    /// The event of this subject in the calendar.
    fn event(&self, subject: &str) -> Option<(&String, &Element)> {
        let mut items = self.phone.held[&self.calendar].items.iter();
        items.find(|(_, data)| data.text_of(c::SUBJECT) == Some(subject))
    }

    /// The same, once it satisfies a condition.
    fn event_with(
        &mut self,
        subject: &str,
        what: &str,
        is_it: impl Fn(&Element) -> bool,
    ) -> (String, Element) {
        eventually(&format!("{subject}: {what}"), || {
            self.settle();
            let found = self.event(subject).filter(|(_, data)| is_it(data));
            found.map(|(id, data)| (id.clone(), data.clone()))
        })
    }

    /// Answers something; the Result.
    fn respond(
        &mut self,
        (folder, id): (&str, &str),
        says: Says,
        instance: Option<&str>,
        reply: Option<Element>,
    ) -> Element {
        let request = response(folder, id, says, instance, reply);
        let reply = self.phone.call("MeetingResponse", &request);
        let root = reply.element.expect("an answer");
        root.child(mr::RESULT).expect("a result").clone()
    }

    /// Sends a message as this phone's version does.
    fn send(&mut self, mime: &[u8]) {
        if !self.phone.model.since(14, 0) {
            let http = self.phone.send("SendMail", mime).expect("sent");
            let reply = self.phone.answer("SendMail", http, PATIENCE).expect("an answer");
            assert_eq!((reply.status, reply.http.body.len()), (200, 0));
            return;
        }
        let id = format!("m{}", mime.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        let opaque = bytes::Bytes::copy_from_slice(mime);
        let mime = Element { value: Value::Opaque(opaque), ..Element::new(cm::MIME) };
        let parts = [text(cm::CLIENT_ID, id), empty(cm::SAVE_IN_SENT_ITEMS), mime];
        let reply = self.phone.call("SendMail", &tree(cm::SEND_MAIL, parts));
        assert!(reply.element.is_none(), "{:?}", reply.element);
    }

    /// The answer that a phone up to 14.1 writes itself.
    fn send_reply(&mut self, to: &Account, uid: &str, says: Says, subject: &str, extra: &str) {
        let own = self.phone.account.email.clone();
        let (word, stat) = (says.word(), says.part_stat());
        let mime = format!(
            "From: <{own}>\r\nTo: <{}>\r\nSubject: {word}: {subject}\r\n\
             Date: Tue, 1 Jan 2030 10:00:00 +0000\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/calendar; method=REPLY; charset=utf-8\r\n\r\n\
             BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:phone\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\n\
             UID:{uid}\r\nDTSTAMP:20300101T100000Z\r\nSEQUENCE:0\r\n{extra}\
             ORGANIZER:mailto:{}\r\nATTENDEE;PARTSTAT={stat}:mailto:{own}\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n",
            to.email, to.email
        );
        self.send(mime.as_bytes());
    }
}

/// A MeetingResponse with one answer.
fn response(
    folder: &str,
    id: &str,
    says: Says,
    instance: Option<&str>,
    reply: Option<Element>,
) -> Element {
    let mut parts = vec![
        text(mr::USER_RESPONSE, says as u8),
        text(mr::COLLECTION_ID, folder),
        text(mr::REQUEST_ID, id),
    ];
    parts.extend(instance.map(|at| text(mr::INSTANCE_ID, at)));
    parts.extend(reply);
    tree(mr::MEETING_RESPONSE, [tree(mr::REQUEST, parts)])
}

/// SendResponse with some words.
fn with_words(words: &str) -> Element {
    let body = tree(b::BODY, [text(b::TYPE, 1), text(b::DATA, words)]);
    tree(mr::SEND_RESPONSE, [body])
}

/// An Add of a meeting in 2030, from a phone of 16.x.
fn meeting(client_id: &str, subject: &str, day: u8, weekly: bool, to: &[&Account]) -> Element {
    let mut data = vec![
        text(c::TIMEZONE, utc()),
        text(c::ALL_DAY_EVENT, 0),
        text(c::BUSY_STATUS, 2),
        text(c::END_TIME, format!("203001{day:02}T100000Z")),
        text(c::START_TIME, format!("203001{day:02}T090000Z")),
        text(c::SENSITIVITY, 0),
        text(c::SUBJECT, subject),
        text(c::RESPONSE_REQUESTED, 1),
        text(c::MEETING_STATUS, 1),
    ];
    let people = to.iter().map(|who| {
        let parts = [text(c::EMAIL, &who.email), text(c::NAME, "X"), text(c::ATTENDEE_TYPE, 1)];
        tree(c::ATTENDEE, parts)
    });
    data.push(tree(c::ATTENDEES, people.collect::<Vec<_>>()));
    if weekly {
        let rule = [
            text(c::TYPE, 1),
            text(c::OCCURRENCES, 4),
            text(c::INTERVAL, 1),
            // 7 January 2030 is a Monday.
            text(c::DAY_OF_WEEK, 1 << ((day - 6) % 7)),
        ];
        data.push(tree(c::RECURRENCE, rule));
    }
    let parts = [text(t::CLIENT_ID, client_id), tree(t::APPLICATION_DATA, data)];
    tree(t::ADD, parts)
}

/// UTC as the 172 bytes of a time zone.
fn utc() -> String {
    base64::prelude::BASE64_STANDARD.encode([0; 172])
}

/// What the first attendee has answered, in the organizer's event.
fn answered(event: &Element) -> Option<&str> {
    event.child(c::ATTENDEES)?.child(c::ATTENDEE)?.text_of(c::ATTENDEE_STATUS)
}

/// How many messages of a subject lie in a mailbox.
fn count(server: &Server, account: &Account, mailbox: &str, subject: &str) -> usize {
    let mut imap = server.imap(account);
    imap.ok(&format!("SELECT {mailbox}"));
    imap.ok(&format!("UID SEARCH SUBJECT \"{subject}\"")).search().len()
}

/// A request that may be sent again as it is.
fn octets(request: &Element) -> Vec<u8> {
    wbxml::encode(request)
}
