//! What somebody can do to a server with one mail.

use std::time::{Duration, Instant};

use super::*;

/// Debug builds on a busy machine; what is guarded against takes minutes.
const LONG: Duration = Duration::from_secs(5);

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// How long it takes to take up a message, and the same once more.
fn took(name: &str, text: &str) -> Duration {
    let office = Office::new();
    let raw = mail("dora@else.example", text);
    let before = Instant::now();
    let first = office.arrive(office.ben, &raw);
    let again = text.replace("SEQUENCE:1", "SEQUENCE:2");
    let second = office.arrive(office.ben, &mail("dora@else.example", &again));
    let took = before.elapsed();
    println!("{name}: {} octets, {took:?}, {first:?} {second:?}", text.len());
    took
}

const HEAD: &str = "SEQUENCE:1\r\nDTSTAMP:20260801T100000Z\r\nDTSTART:20260811T100000Z\r\n\
    DTEND:20260811T110000Z\r\nORGANIZER:mailto:dora@else.example\r\n\
    ATTENDEE:mailto:ben@office.example\r\n";

#[test]
fn one_mail_does_not_hold_up_the_others() {
    let people = lines(20_000, |n| format!("ATTENDEE:mailto:p{n}@else.example\r\n"));
    let crowd = event("REQUEST", &(HEAD.to_owned() + &people));
    let instances = lines(3_300, |n| {
        format!(
            "BEGIN:VEVENT\r\nUID:plan\r\nRECURRENCE-ID:{}T100000Z\r\n{HEAD}\
             ATTENDEE:mailto:q{n}@else.example\r\nRRULE:FREQ=SECONDLY\r\nEND:VEVENT\r\n",
            20_000_101 + n * 10_000
        )
    });
    let weekly = format!("{HEAD}RRULE:FREQ=MINUTELY;BYSECOND=59;BYMONTH=2;BYMONTHDAY=30\r\n");
    let many =
        event("REQUEST", &weekly).replace("END:VCALENDAR", &format!("{instances}END:VCALENDAR"));
    let ranges = many.replace("RECURRENCE-ID:", "RECURRENCE-ID;RANGE=THISANDFUTURE:");
    let zones = lines(1_000, |n| {
        format!(
            "BEGIN:VTIMEZONE\r\nTZID:Z{n}\r\nBEGIN:STANDARD\r\nDTSTART:19700101T0{}0000\r\n\
             TZOFFSETFROM:+0{}{:02}\r\nTZOFFSETTO:+0{}{:02}\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
            n % 10,
            n % 9,
            n % 60,
            n % 8,
            n % 59
        )
    });
    let zoned = event("REQUEST", HEAD).replace("BEGIN:VEVENT", &format!("{zones}BEGIN:VEVENT"));
    let dates = lines(20_000, |n| format!("EXDATE;TZID=Z{}:20260811T1{:05}\r\n", n % 100, n % 6));
    let excepted = event("REQUEST", &(HEAD.to_owned() + "RRULE:FREQ=DAILY\r\n" + &dates));
    for (name, text) in [
        ("crowd", &crowd),
        ("instances", &many),
        ("ranges", &ranges),
        ("zones", &zoned),
        ("dates", &excepted),
    ] {
        let took = took(name, text);
        assert!(took < LONG, "{name}: {took:?}");
    }
}

#[test]
fn ugly_calendars_harm_nobody() {
    let office = Office::new();
    for text in [
        "",
        "BEGIN:VCALENDAR",
        &event("REQUEST", "ORGANIZER:mailto:dora@else.example\r\n"),
        &event("REQUEST", "ORGANIZER:\r\nATTENDEE:\r\nDTSTART:nonsense\r\n"),
        &event("REPLY", "RECURRENCE-ID:99999999T999999\r\n"),
        &event("CANCEL", "RECURRENCE-ID:-1\r\n").replace("UID:plan\r\n", ""),
    ] {
        office.arrive(office.ben, &mail("dora@else.example", text));
    }
    office.check();
}
