//! Calendars: no panic, a bounded expansion, and what was written is read as the same.
#![no_main]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kontor::eas::render::{event, task};
use kontor::format::ical::{Component, Series, busy_times, look};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(calendars) = Component::parse_all(input) else { return };
    for calendar in &calendars {
        look(calendar);
        let written = calendar.to_string();
        let again = Component::parse(&written).expect("what was written is a component");
        // The first writing mends what was broken; from then on nothing changes.
        assert_eq!(again.to_string(), written);
        if let Some(todo) = calendar.child("VTODO") {
            task::until(todo);
        }
        if let Ok(series) = Series::parse(&written) {
            let zones = series.zones(&TimeZone::UTC);
            event::text_of(&series, &zones);
        }
        let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(4_000_000_000).unwrap());
        busy_times(&written, &TimeZone::UTC, from, to);
    }
});
