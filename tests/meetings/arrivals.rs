//! Invitations, updates, cancellations and answers as other systems mail them, over SMTP to a
//! phone.

use base64::Engine as _;
use kontor::format::wbxml::tags::{air_sync as t, calendar as c, email as e};

use super::*;
use crate::support::eas::model::{IPHONE, WINDOWS_MOBILE_6_5, WINDOWS_PHONE_8_1};
use crate::support::{crlf_data, data};

/// A system and how it mails a calendar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    Exchange,
    Google,
    Apple,
}

impl Origin {
    const ALL: [Origin; 3] = [Origin::Exchange, Origin::Google, Origin::Apple];

    fn name(self) -> &'static str {
        match self {
            Origin::Exchange => "exchange",
            Origin::Google => "google",
            Origin::Apple => "apple",
        }
    }

    fn organizer(self) -> String {
        format!("dora@{}.example", self.name())
    }

    fn invitation(self, to: &Account) -> String {
        let path = format!("itip/{}.ics", self.name());
        let text = String::from_utf8(crlf_data(&path)).expect("text");
        // Lines are folded in the files as the systems fold them.
        text.replace("\r\n ", "").replace("@USER@", &to.email)
    }

    /// When the meeting begins, in UTC.
    fn start(self) -> &'static str {
        match self {
            Origin::Exchange | Origin::Google | Origin::Apple => "20300108T170000Z",
        }
    }

    /// The mail around a calendar.
    fn mail(self, to: &Account, subject: &str, calendar: &str) -> Vec<u8> {
        let method = calendar.lines().find_map(|line| line.strip_prefix("METHOD:"));
        let (method, from) = (method.expect("a method"), self.organizer());
        let packed = base64::prelude::BASE64_STANDARD.encode(calendar);
        let packed: Vec<_> =
            packed.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line)).collect();
        let packed = packed.join("\r\n");
        let head = format!(
            "To: <{}>\r\nSubject: {subject}\r\nDate: Sat, 1 Dec 2029 08:00:00 +0000\r\n\
             MIME-Version: 1.0\r\n",
            to.email
        );
        let text = "--a\r\nContent-Type: text/plain; charset=\"utf-8\"\r\n\r\nYou are invited.\r\n\
            --a\r\nContent-Type: text/html; charset=\"utf-8\"\r\n\r\n<p>You are invited.</p>\r\n";
        match self {
            Origin::Exchange => format!(
                "From: Dora Muster <{from}>\r\n{head}Thread-Topic: {subject}\r\n\
                 Content-Language: en-US\r\nX-MS-Has-Attach:\r\n\
                 Content-Type: multipart/alternative;\r\n\tboundary=\"a\"\r\n\r\n{text}\
                 --a\r\nContent-Type: text/calendar; charset=\"utf-8\"; method={method}\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{packed}\r\n--a--\r\n"
            ),
            Origin::Google => format!(
                "Reply-To: Dora Muster <{from}>\r\n\
                 Sender: Google Calendar <calendar-notification@google.example>\r\n\
                 From: Dora Muster <{from}>\r\n{head}\
                 Content-Type: multipart/mixed; boundary=\"m\"\r\n\r\n--m\r\n\
                 Content-Type: multipart/alternative; boundary=\"a\"\r\n\r\n{text}\
                 --a\r\nContent-Type: text/calendar; charset=\"UTF-8\"; method={method}\r\n\
                 Content-Transfer-Encoding: 7bit\r\n\r\n{calendar}\r\n--a--\r\n--m\r\n\
                 Content-Type: application/ics; name=\"invite.ics\"\r\n\
                 Content-Disposition: attachment; filename=\"invite.ics\"\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{packed}\r\n--m--\r\n"
            ),
            Origin::Apple => format!(
                "From: Dora Muster <{from}>\r\n{head}\
                 Content-Type: multipart/alternative;\r\n boundary=a\r\n\r\n{text}\
                 --a\r\nContent-Type: text/calendar; method={method}; charset=utf-8\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{packed}\r\n--a--\r\n"
            ),
        }
        .into_bytes()
    }

    fn deliver(self, server: &Server, to: &Account, subject: &str, calendar: &str) {
        let sender = match self {
            Origin::Google => "3abc@calendar-server.bounces.google.example".to_owned(),
            Origin::Exchange | Origin::Apple => self.organizer(),
        };
        server.smtp().deliver(&sender, &[&to.email], &self.mail(to, subject, calendar));
    }
}

fn newer(calendar: &str, number: u32) -> String {
    calendar
        .replace("SEQUENCE:0", &format!("SEQUENCE:{number}"))
        .replace("DTSTAMP:20291201T08", &format!("DTSTAMP:20291201T0{}", 8 + number))
}

fn life_of_an_invitation(origin: Origin, model: &'static Model) {
    let server = Server::shared();
    let account = server.account();
    let mut ben = Pocket::new(Phone::new(server, model, &account));
    let invitation = origin.invitation(&account);
    let name = "Quarterly review";
    origin.deliver(server, &account, name, &invitation);
    let (first, shown) = ben.mail(name, "IPM.Schedule.Meeting.Request");
    let request = shown.child(e::MEETING_REQUEST).expect("a meeting request");
    assert_eq!(request.text_of(e::START_TIME), Some("2030-01-08T17:00:00.000Z"), "{request}");
    assert_eq!(request.text_of(e::RESPONSE_REQUESTED), Some("1"), "{request}");
    let (series, busy) = if origin == Origin::Exchange { ("1", "3") } else { ("0", "2") };
    assert_eq!(request.text_of(e::INSTANCE_TYPE), Some(series), "{request}");
    assert_eq!(request.text_of(e::BUSY_STATUS), Some(busy), "{request}");
    let (id, event) = ben.event_with(name, "tentative", |_| true);
    assert_eq!(event.text_of(c::START_TIME), Some(origin.start()), "{event}");
    assert_eq!(event.text_of(c::BUSY_STATUS), Some("1"), "{event}");
    if model.since(14, 0) {
        assert_eq!(event.text_of(c::RESPONSE_TYPE), Some("5"), "{event}");
    }

    // Another room; then the same mail once more, and an older one, which change nothing.
    let update = newer(&invitation, 1).replace("Room 1", "Room 2");
    origin.deliver(server, &account, "Updated: Quarterly review", &update);
    let room = |room: &'static str| {
        move |data: &Element| {
            let place = data.child(b::LOCATION).and_then(|all| all.text_of(b::DISPLAY_NAME));
            place.or(data.text_of(c::LOCATION)) == Some(room)
        }
    };
    let (same, _) = ben.event_with(name, "another room", room("Room 2"));
    assert_eq!(same, id);
    origin.deliver(server, &account, "Updated: Quarterly review", &update);
    origin.deliver(server, &account, "Old", &invitation);
    ben.mail("Old", "IPM.Schedule.Meeting.Request");
    assert!(ben.event(name).is_some_and(|(_, data)| room("Room 2")(data)));
    // Somebody else who writes in the organizer's name.
    let forged = newer(&invitation, 1).replace("SEQUENCE:1", "SEQUENCE:99");
    let from = origin.organizer();
    let mail = String::from_utf8(origin.mail(&account, "Forged", &forged)).expect("text");
    let mail = mail.replace(&format!("<{from}>"), "<spy@elsewhere.example>");
    server.smtp().deliver("spy@elsewhere.example", &[&account.email], mail.as_bytes());
    ben.mail("Forged", "IPM.Schedule.Meeting.Request");
    assert!(ben.event(name).is_some_and(|(_, data)| room("Room 2")(data)));

    // Declined, and the same again.
    let inbox = ben.inbox.clone();
    let result = ben.respond((&inbox, &first), Says::No, None, None);
    assert_eq!(result.text_of(mr::STATUS), Some("1"), "{result}");
    ben.settle();
    assert!(ben.event(name).is_none());
    origin.deliver(server, &account, "Again", &update);
    ben.mail("Again", "IPM.Schedule.Meeting.Request");
    assert!(ben.event(name).is_none(), "declined is declined");
    // A new version asks again; and is cancelled.
    origin.deliver(
        server,
        &account,
        "New",
        &newer(&invitation, 1).replace("SEQUENCE:1", "SEQUENCE:2"),
    );
    ben.event_with(name, "back", |_| true);
    let cancel = invitation
        .replace("METHOD:REQUEST", "METHOD:CANCEL")
        .replace("SEQUENCE:0", "SEQUENCE:3")
        .replace("STATUS:CONFIRMED", "STATUS:CANCELLED")
        .replace("DTSTAMP:2029", "DTSTAMP:2031");
    origin.deliver(server, &account, "Canceled: Quarterly review", &cancel);
    let (_, mail) = ben.mail("Canceled: Quarterly review", "IPM.Schedule.Meeting.Canceled");
    let request = mail.child(e::MEETING_REQUEST).expect("a meeting request");
    assert_eq!(request.text_of(e::BUSY_STATUS), Some("0"), "{request}");
    let (_, event) =
        ben.event_with(name, "cancelled", |data| data.text_of(c::MEETING_STATUS) == Some("7"));
    assert_eq!(event.text_of(c::BUSY_STATUS), Some("0"), "{event}");
}

#[test]
fn exchange_invites() {
    life_of_an_invitation(Origin::Exchange, &WINDOWS_PHONE_8_1);
}

#[test]
fn google_invites() {
    life_of_an_invitation(Origin::Google, &IPHONE);
}

#[test]
fn apple_invites() {
    life_of_an_invitation(Origin::Apple, &WINDOWS_MOBILE_6_5);
}

#[test]
fn answers_of_all_systems_reach_the_organizer() {
    let server = Server::shared();
    let account = server.account();
    let mut anna = Pocket::quick(server, &IPHONE, &account);
    let calendar = anna.calendar.clone();
    for origin in Origin::ALL {
        let guest = Account { email: origin.organizer(), password: String::new() };
        let name = origin.name();
        let add = meeting(name, name, 9, false, &[&guest]);
        let done = anna.phone.change(&calendar, vec![add]);
        let added = done.child(t::RESPONSES).and_then(|all| all.child(t::ADD)).expect("added");
        let uid = added.child(t::APPLICATION_DATA).and_then(|data| data.text_of(c::UID));
        let (uid, id) =
            (uid.expect("a UID").to_owned(), added.text_of(t::SERVER_ID).expect("an id"));
        // The phone knows its own event.
        let own = tree(t::APPLICATION_DATA, [text(c::SUBJECT, name)]);
        let held = anna.phone.held.get_mut(&calendar).expect("the calendar");
        held.items.insert(id.to_owned(), own);
        // What each repeats of the event, and how it writes the answer's line.
        let own = &guest.email;
        let (product, line) = match origin {
            Origin::Exchange => (
                "Microsoft Exchange Server 2010",
                format!("ATTENDEE;PARTSTAT=ACCEPTED;CN=Dora Muster:mailto:{own}"),
            ),
            Origin::Google => (
                "-//Google Inc//Google Calendar 70.9054//EN",
                format!(
                    "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;CN={own};\
                     X-NUM-GUESTS=0:mailto:{own}"
                ),
            ),
            Origin::Apple => (
                "-//Apple Inc.//macOS 14.5//EN",
                format!(
                    "ATTENDEE;CN=\"Dora Muster\";CUTYPE=INDIVIDUAL;PARTSTAT=ACCEPTED:MAILTO:{own}"
                ),
            ),
        };
        let reply = format!(
            "BEGIN:VCALENDAR\r\nPRODID:{product}\r\nVERSION:2.0\r\nMETHOD:REPLY\r\n\
             BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20291202T080000Z\r\nSEQUENCE:0\r\n\
             DTSTART:20300109T090000Z\r\nDTEND:20300109T100000Z\r\n\
             ORGANIZER;CN=X:mailto:{}\r\n{line}\r\nSUMMARY:Accepted: {name}\r\nEND:VEVENT\r\n\
             END:VCALENDAR\r\n",
            account.email
        );
        origin.deliver(server, &account, &format!("Accepted: {name}"), &reply);
        anna.event_with(name, "the answer", |data| answered(data) == Some("3"));
        anna.mail(&format!("Accepted: {name}"), "IPM.Schedule.Meeting.Resp.Pos");
    }
}

#[test]
fn nobody_writes_for_a_member_from_outside() {
    let server = Server::shared();
    let (anna, ben) = (server.account(), server.account());
    let mut organizer = Pocket::quick(server, &IPHONE, &anna);
    let mut guest = Pocket::quick(server, &WINDOWS_PHONE_8_1, &ben);
    let calendar = organizer.calendar.clone();
    organizer.phone.change(&calendar, vec![meeting("plan", "plan", 9, false, &[&ben])]);
    guest.mail("plan", "IPM.Schedule.Meeting.Request");
    let (_, event) = guest.event_with("plan", "there", |_| true);
    let uid = event.text_of(c::UID).expect("a UID").to_owned();
    let forge = |method: &str, from: &Account, to: &Account, subject: &str, uid: &str| {
        let mail = format!(
            "From: <{}>\r\nTo: <{}>\r\nSubject: {subject}\r\n\
             Content-Type: text/calendar; method={method}; charset=utf-8\r\n\r\n\
             BEGIN:VCALENDAR\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nSEQUENCE:9\r\n\
             DTSTAMP:20300101T000000Z\r\nDTSTART:20300115T090000Z\r\nSUMMARY:forged\r\n\
             ORGANIZER:mailto:{}\r\nATTENDEE;PARTSTAT=DECLINED:mailto:{}\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n",
            from.email, to.email, anna.email, ben.email
        );
        server.smtp().deliver("spy@elsewhere.example", &[&to.email], mail.as_bytes());
    };
    forge("CANCEL", &anna, &ben, "cancelled", &uid);
    forge("REQUEST", &anna, &ben, "moved", &uid);
    forge("REQUEST", &anna, &ben, "new", "another");
    forge("REPLY", &ben, &anna, "no", &uid);
    guest.mail("new", "IPM.Schedule.Meeting.Request");
    organizer.mail("no", "IPM.Schedule.Meeting.Resp.Neg");
    let (_, event) = guest.event("plan").expect("the event is as it was");
    assert_eq!(event.text_of(c::MEETING_STATUS), Some("3"), "{event}");
    assert_eq!(guest.phone.held[&guest.calendar].items.len(), 1);
    // The real answer is taken.
    let (inbox, id) = (guest.inbox.clone(), guest.mail("plan", "IPM.Schedule.Meeting.Request").0);
    guest.respond((&inbox, &id), Says::Yes, None, None);
    guest.send_reply(&anna, &uid, Says::Yes, "plan", "");
    organizer.event_with("plan", "yes", |data| answered(data) == Some("3"));
}

/// Every message of the corpus' scheduling examples is taken and shown, in every version.
#[test]
fn the_standards_own_examples_arrive() {
    let server = Server::shared();
    let account = server.account();
    let text = std::fs::read_to_string(data("itip/rfc2446.ics")).expect("a file");
    let text = text.replace("\r\n", "\n");
    let mut smtp = server.smtp();
    let mut sent = 0;
    for calendar in text.split("BEGIN:VCALENDAR").skip(1) {
        let method = calendar.lines().find_map(|line| line.strip_prefix("METHOD:"));
        let Some(method) = method.map(str::trim) else { continue };
        sent += 1;
        let body = format!("BEGIN:VCALENDAR{calendar}").replace('\n', "\r\n");
        let mail = format!(
            "From: <a@example.com>\r\nTo: <{}>\r\nSubject: example {sent}\r\n\
             Content-Type: text/calendar; method={method}; charset=utf-8\r\n\r\n{body}",
            account.email
        );
        smtp.deliver("a@example.com", &[&account.email], mail.as_bytes());
    }
    assert!(sent > 40, "{sent} examples");
    for model in [&WINDOWS_MOBILE_6_5, &WINDOWS_PHONE_8_1, &IPHONE] {
        let model: &'static Model = model;
        let mut phone = Phone::new(server, model, &account);
        phone.folder_sync();
        let inbox = phone.folder(2);
        phone.settle(&[&inbox]);
        let items = &phone.held[&inbox].items;
        assert_eq!(items.len(), sent, "{}", model.name);
        let class = |data: &&Element| data.text_of(e::MESSAGE_CLASS) != Some("IPM.Note");
        assert!(items.values().filter(class).count() > 25, "{}", model.name);
        for data in items.values() {
            assert!(data.has(e::SUBJECT) && !data.has(t::STATUS), "{data}");
        }
    }
}
