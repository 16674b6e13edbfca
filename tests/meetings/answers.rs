//! MeetingResponse in 12.1, 14.1 and 16.1: the organizer hears of each answer once, from the
//! phone up to 14.1 and from the server since 16.0.

use kontor::format::wbxml::tags::meeting_response as mr;
use kontor::format::wbxml::tags::{air_sync as t, air_sync_base as b, calendar as c, email as e};

use super::*;
use crate::support::eas::model::{IPHONE, WINDOWS_MOBILE_6_5, WINDOWS_PHONE_8_1};

const REQUEST: &str = "IPM.Schedule.Meeting.Request";

/// An organizer with a new iPhone, and somebody with a phone of this model.
fn pair(model: &'static Model) -> (&'static Server, Pocket, Pocket) {
    let server = Server::shared();
    let (anna, ben) = (server.account(), server.account());
    let anna = Pocket::quick(server, &IPHONE, &anna);
    (server, anna, Pocket::new(Phone::new(server, model, &ben)))
}

/// Everything that the server had to send before is sent: the next message has arrived.
fn flush(anna: &mut Pocket, ben: &mut Pocket, name: &str) {
    let calendar = anna.calendar.clone();
    let to = ben.phone.account.clone();
    anna.phone.change(&calendar, vec![meeting(name, name, 28, false, &[&to])]);
    ben.mail(name, REQUEST);
}

fn whole_series(model: &'static Model) {
    let (server, mut anna, mut ben) = pair(model);
    let (organizer, attendee) = (anna.phone.account.clone(), ben.phone.account.clone());
    let (calendar, inbox) = (anna.calendar.clone(), ben.inbox.clone());
    let server_replies = model.since(16, 0);
    for (number, says) in Says::ALL.into_iter().enumerate() {
        let name = format!("series{number}");
        anna.phone.change(&calendar, vec![meeting(&name, &name, 7, true, &[&attendee])]);
        let (mail, shown) = ben.mail(&name, REQUEST);
        let request = shown.child(e::MEETING_REQUEST).expect("a meeting request");
        assert_eq!(request.text_of(e::INSTANCE_TYPE), Some("1"), "{request}");
        assert_eq!(request.text_of(e::START_TIME), Some("2030-01-07T09:00:00.000Z"));
        // It is in the calendar already, open.
        let (event, data) = ben.event_with(&name, "tentative", |_| true);
        assert_eq!(data.text_of(c::BUSY_STATUS), Some("1"), "{data}");
        let uid = data.text_of(c::UID).expect("a UID").to_owned();

        let reply = server_replies.then(|| with_words("See you"));
        let result = ben.respond((&inbox, &mail), says, None, reply);
        assert_eq!(result.text_of(mr::STATUS), Some("1"), "{result}");
        assert_eq!(result.text_of(mr::REQUEST_ID), Some(&*mail));
        let expected = (says != Says::No).then_some(&*event);
        assert_eq!(result.text_of(mr::CALENDAR_ID), expected, "{result}");
        if !server_replies {
            ben.send_reply(&organizer, &uid, says, &name, "");
        }
        // The phone repeats what it got no answer to.
        let again =
            ben.respond((&inbox, &mail), says, None, server_replies.then(|| with_words("See you")));
        assert_eq!(again.text_of(mr::STATUS), Some("1"), "{again}");
        assert_eq!(again.text_of(mr::CALENDAR_ID), expected, "{again}");

        let is = says.status();
        anna.event_with(&name, "the answer", |data| answered(data) == Some(is));
        ben.settle();
        assert!(!ben.phone.held[&inbox].items.contains_key(&mail), "the request is put away");
        match ben.event(&name) {
            None => assert_eq!(says, Says::No),
            Some((_, data)) => {
                let busy = if says == Says::Yes { "2" } else { "1" };
                assert_eq!(data.text_of(c::BUSY_STATUS), Some(busy), "{data}");
                if model.since(14, 0) {
                    assert_eq!(data.text_of(c::RESPONSE_TYPE), Some(is), "{data}");
                }
            }
        }
    }
    flush(&mut anna, &mut ben, "last");
    for (number, says) in Says::ALL.into_iter().enumerate() {
        let subject = format!("{}: series{number}", says.word());
        assert_eq!(count(server, &organizer, "INBOX", &subject), 1, "{subject}");
    }
}

#[test]
fn a_series_is_answered_from_windows_mobile() {
    whole_series(&WINDOWS_MOBILE_6_5);
}

#[test]
fn a_series_is_answered_from_windows_phone() {
    whole_series(&WINDOWS_PHONE_8_1);
}

#[test]
fn a_series_is_answered_from_an_iphone() {
    whole_series(&IPHONE);
}

#[test]
fn nobody_is_told_where_the_phone_does_not_want_it() {
    let (server, mut anna, mut ben) = pair(&IPHONE);
    let (calendar, inbox) = (anna.calendar.clone(), ben.inbox.clone());
    let attendee = ben.phone.account.clone();
    anna.phone.change(&calendar, vec![meeting("quiet", "quiet", 9, false, &[&attendee])]);
    let (mail, _) = ben.mail("quiet", REQUEST);
    let result = ben.respond((&inbox, &mail), Says::Yes, None, None);
    assert_eq!(result.text_of(mr::STATUS), Some("1"));
    flush(&mut anna, &mut ben, "last");
    assert_eq!(count(server, &anna.phone.account, "INBOX", "quiet"), 0);
}

/// The answer in an exception of the organizer's series.
fn answered_at(event: &Element, day: u8) -> Option<String> {
    let start = format!("203001{day:02}T090000Z");
    let exceptions = event.child(c::EXCEPTIONS)?;
    let is_it = |each: &&Element| each.text_of(b::INSTANCE_ID) == Some(&*start);
    answered(exceptions.all(c::EXCEPTION).find(is_it)?).map(str::to_owned)
}

/// One instance, told by the calendar's id and its start (14.1 and later).
fn one_instance(model: &'static Model) {
    let (server, mut anna, mut ben) = pair(model);
    let (organizer, attendee) = (anna.phone.account.clone(), ben.phone.account.clone());
    let (calendar, inbox, own) = (anna.calendar.clone(), ben.inbox.clone(), ben.calendar.clone());
    let server_replies = model.since(16, 0);
    let reply = || server_replies.then(|| with_words("Not this one"));
    anna.phone.change(&calendar, vec![meeting("weekly", "weekly", 7, true, &[&attendee])]);
    let (mail, _) = ben.mail("weekly", REQUEST);
    let (event, data) = ben.event_with("weekly", "there", |_| true);
    let uid = data.text_of(c::UID).expect("a UID").to_owned();
    ben.respond((&inbox, &mail), Says::Yes, None, None);
    for (says, day) in [(Says::Perhaps, 14), (Says::No, 21)] {
        let at = format!("2030-01-{day}T09:00:00.000Z");
        let result = ben.respond((&own, &event), says, Some(&at), reply());
        assert_eq!(result.text_of(mr::STATUS), Some("1"), "{result}");
        assert_eq!(result.text_of(mr::CALENDAR_ID), Some(&*event), "{result}");
        if server_replies {
            assert_eq!(result.text_of(mr::INSTANCE_ID), Some(&*at), "{result}");
        } else {
            let id = format!("RECURRENCE-ID:203001{day}T090000Z\r\n");
            ben.send_reply(&organizer, &uid, says, "weekly", &id);
        }
        let is = says.status();
        anna.event_with("weekly", "the answer", |data| {
            answered_at(data, day).as_deref() == Some(is)
        });
    }
    // None that is none, and none of a single event.
    let result = ben.respond((&own, &event), Says::No, Some("2030-01-15T09:00:00.000Z"), reply());
    assert_eq!(result.text_of(mr::STATUS), Some("2"), "{result}");
    flush(&mut anna, &mut ben, "last");
    let (single, _) = ben.event_with("last", "there", |_| true);
    let result = ben.respond((&own, &single), Says::No, Some("2030-01-28T09:00:00.000Z"), reply());
    assert_eq!(result.text_of(mr::STATUS), Some("146"), "{result}");
    for says in [Says::Perhaps, Says::No] {
        let subject = format!("{}: weekly", says.word());
        assert_eq!(count(server, &organizer, "INBOX", &subject), 1, "{subject}");
    }
}

#[test]
fn an_instance_is_answered_from_windows_phone() {
    one_instance(&WINDOWS_PHONE_8_1);
}

#[test]
fn an_instance_is_answered_from_an_iphone() {
    one_instance(&IPHONE);
}

#[test]
fn an_instance_that_was_moved_is_answered_by_its_mail() {
    for model in [&WINDOWS_MOBILE_6_5, &IPHONE] {
        let (server, mut anna, mut ben) = pair(model);
        let (organizer, attendee) = (anna.phone.account.clone(), ben.phone.account.clone());
        let (calendar, inbox) = (anna.calendar.clone(), ben.inbox.clone());
        anna.phone.change(&calendar, vec![meeting("weekly", "weekly", 7, true, &[&attendee])]);
        let (mail, _) = ben.mail("weekly", REQUEST);
        let (event, data) = ben.event_with("weekly", "there", |_| true);
        let uid = data.text_of(c::UID).expect("a UID").to_owned();
        ben.respond((&inbox, &mail), Says::Yes, None, None);
        ben.settle();
        // Anna moves the second one by two hours.
        let id = anna.phone.held[&calendar].items.keys().next().expect("her event").clone();
        let data = [text(c::START_TIME, "20300114T110000Z"), text(c::END_TIME, "20300114T120000Z")];
        let change = tree(
            t::CHANGE,
            [
                text(t::SERVER_ID, id),
                text(b::INSTANCE_ID, "20300114T090000Z"),
                tree(t::APPLICATION_DATA, data),
            ],
        );
        anna.phone.change(&calendar, vec![change]);
        let (mail, shown) = ben.mail("weekly", REQUEST);
        let request = shown.child(e::MEETING_REQUEST).expect("a meeting request");
        assert_eq!(request.text_of(e::INSTANCE_TYPE), Some("3"), "{request}");
        assert_eq!(request.text_of(e::RECURRENCE_ID), Some("2030-01-14T09:00:00.000Z"));
        let reply = model.since(16, 0).then(|| with_words("Too late for me"));
        let result = ben.respond((&inbox, &mail), Says::No, None, reply);
        assert_eq!(result.text_of(mr::STATUS), Some("1"), "{result}");
        // The series is still there.
        assert_eq!(result.text_of(mr::CALENDAR_ID), Some(&*event), "{result}");
        if !model.since(16, 0) {
            // A phone is never told of SEQUENCE; it answers with the time.
            let extra = "RECURRENCE-ID:20300114T090000Z\r\nDTSTART:20300114T110000Z\r\n\
                DTEND:20300114T120000Z\r\n";
            ben.send_reply(&organizer, &uid, Says::No, "weekly", extra);
        }
        anna.event_with("weekly", "no", |data| answered_at(data, 14).as_deref() == Some("4"));
        flush(&mut anna, &mut ben, "last");
        assert_eq!(count(server, &organizer, "INBOX", "Declined: weekly"), 1);
    }
}

#[test]
fn a_proposed_time_reaches_the_organizers_phone() {
    let (_, mut anna, mut ben) = pair(&IPHONE);
    let (calendar, inbox) = (anna.calendar.clone(), ben.inbox.clone());
    let attendee = ben.phone.account.clone();
    anna.phone.change(&calendar, vec![meeting("plan", "plan", 9, false, &[&attendee])]);
    let (mail, _) = ben.mail("plan", REQUEST);
    let reply = tree(
        mr::SEND_RESPONSE,
        [
            text(mr::PROPOSED_START_TIME, "20300110T130000Z"),
            text(mr::PROPOSED_END_TIME, "20300110T140000Z"),
        ],
    );
    ben.respond((&inbox, &mail), Says::Perhaps, None, Some(reply));
    let (_, event) = anna.event_with("plan", "the answer", |data| answered(data) == Some("2"));
    let who = event.child(c::ATTENDEES).and_then(|all| all.child(c::ATTENDEE)).expect("Ben");
    assert_eq!(who.text_of(mr::PROPOSED_START_TIME), Some("20300110T130000Z"), "{who}");
    assert_eq!(who.text_of(mr::PROPOSED_END_TIME), Some("20300110T140000Z"), "{who}");
    let class = "IPM.Schedule.Meeting.Resp.Tent";
    let (_, mail) = anna.mail("New Time Proposed: plan", class);
    let request = mail.child(e::MEETING_REQUEST).expect("a meeting request");
    assert_eq!(request.text_of(mr::PROPOSED_START_TIME), Some("20300110T130000Z"), "{request}");
    assert_eq!(request.text_of(e::START_TIME), Some("2030-01-09T09:00:00.000Z"), "{request}");
}
