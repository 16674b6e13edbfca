//! The office's time zone: the one of times that name none.

use std::sync::OnceLock;

use jiff::tz::TimeZone;

static OFFICE: OnceLock<TimeZone> = OnceLock::new();

/// Sets the office's zone, once at the program's start.
pub fn set_office(zone: TimeZone) {
    // A second call could only come from a second start in one process.
    let _ = OFFICE.set(zone);
}

/// The office's zone; where none was set, the machine's.
pub fn office() -> TimeZone {
    OFFICE.get().cloned().unwrap_or_else(TimeZone::system)
}
