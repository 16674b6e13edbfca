//! `kill -9` between a change of a meeting and the mail that follows from it: every participant
//! hears of it exactly once.

use std::time::Duration;

use kontor::format::wbxml::Element;
use kontor::format::wbxml::tags::{air_sync as t, meeting_response as mr};

use super::*;
use crate::support::Dice;
use crate::support::eas::delete;
use crate::support::eas::model::IPHONE;

/// Makes a request, kills the server some moments later, and makes it again if its answer did
/// not come.
fn through_a_kill(
    server: &mut Server,
    phone: &mut Phone,
    command: &str,
    request: &Element,
    dice: &mut Dice,
) -> crate::support::eas::Reply {
    let http = phone.send(command, &octets(request)).expect("the server runs");
    std::thread::sleep(Duration::from_micros(dice.roll(6_000) as u64));
    server.kill();
    let answer = phone.answer(command, http, PATIENCE);
    phone.hang_up();
    server.start();
    answer.unwrap_or_else(|_| phone.call(command, request))
}

#[test]
fn each_message_is_sent_once_whenever_the_server_is_killed() {
    let mut server = Server::start_new();
    let (organizer, attendee) = (server.account(), server.account());
    let mut anna = Pocket::quick(&server, &IPHONE, &organizer);
    let mut ben = Pocket::quick(&server, &IPHONE, &attendee);
    let mut dice = Dice::new(std::process::id().into());
    let (calendar, inbox) = (anna.calendar.clone(), ben.inbox.clone());
    let names = ["north", "south", "west", "east"];
    for (number, name) in names.into_iter().enumerate() {
        // Invited.
        let add = meeting(name, name, 7 + number as u8, false, &[&attendee]);
        let request = sync(&anna.phone, &calendar, add);
        let reply = through_a_kill(&mut server, &mut anna.phone, "Sync", &request, &mut dice);
        anna.phone.take(&reply).expect("added");
        ben.phone.hang_up();
        let (mail, _) = ben.mail(name, "IPM.Schedule.Meeting.Request");
        // Answered.
        let request = response(&inbox, &mail, Says::Yes, None, Some(with_words("Fine")));
        let phone = &mut ben.phone;
        let reply = through_a_kill(&mut server, phone, "MeetingResponse", &request, &mut dice);
        assert_eq!(reply.at(&[mr::RESULT, mr::STATUS]), Some("1"), "{:?}", reply.element);
        anna.phone.hang_up();
        let (id, _) = anna.event_with(name, "yes", |data| answered(data) == Some("3"));
        // Cancelled.
        let request = sync(&anna.phone, &calendar, delete(&id));
        let reply = through_a_kill(&mut server, &mut anna.phone, "Sync", &request, &mut dice);
        anna.phone.held.get_mut(&calendar).expect("the calendar").items.remove(&id);
        anna.phone.take(&reply).expect("removed");
        ben.phone.hang_up();
        ben.mail(&format!("Canceled: {name}"), "IPM.Schedule.Meeting.Canceled");
    }
    // One that shows that nothing is left to be sent.
    anna.phone.change(&calendar, vec![meeting("last", "last", 28, false, &[&attendee])]);
    ben.mail("last", "IPM.Schedule.Meeting.Request");
    for name in names {
        let in_both = |subject: &str| {
            count(&server, &attendee, "INBOX", subject)
                + count(&server, &attendee, "Trash", subject)
        };
        let cancelled = in_both(&format!("Canceled: {name}"));
        assert_eq!((in_both(name) - cancelled, cancelled), (1, 1), "{name}");
        assert_eq!(count(&server, &organizer, "INBOX", &format!("Accepted: {name}")), 1);
        assert_eq!(count(&server, &organizer, "Sent", name), 2, "{name}: request and cancellation");
        assert_eq!(count(&server, &attendee, "Sent", &format!("Accepted: {name}")), 1);
    }
    server.stop();
    assert!(server.cli(&["check"]).contains("are whole"));
}

fn sync(phone: &Phone, folder: &str, command: Element) -> Element {
    tree(t::SYNC, [tree(t::COLLECTIONS, [phone.collection(folder, vec![command])])])
}
