//! Every calendar of other projects' tests, for every version.

use super::*;
use crate::format::ical::tests::corpus::calendars;

#[test]
fn every_calendar_is_shown_in_every_version() {
    let mut events = 0;
    for (name, bytes) in calendars() {
        let text = String::from_utf8_lossy(&bytes);
        if Series::parse(&text).is_err() {
            continue;
        }
        events += 1;
        for version in VERSIONS {
            with_bodies(version, &[1, 2], |view| {
                let sent = shown(&text, view);
                assert!(sent.has(c::START_TIME) && sent.has(c::END_TIME), "{name}");
                // And comes back unharmed from a phone that says it all again.
                let known = text_of(
                    &Series::parse(&text).unwrap(),
                    &Series::parse(&text).unwrap().zones(view.zone),
                );
                let echo = update(&text, &sent, view, &Supported::Everything);
                let echo = echo.unwrap_or_else(|error| panic!("{name} {version}: {error}"));
                assert_eq!(echo.uid, known.uid, "{name}");
                shown(&echo.text, view);
            });
        }
    }
    println!("{events} events");
}
