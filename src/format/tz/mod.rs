//! Time zones: their names here and at Microsoft's, and their rules.
//!
//! A zone is a jiff [`TimeZone`] out of the bundled tz database, so that all machines agree. What
//! arrives is matched by what it *does* ([`Rules`]: offsets and the days they change), because
//! the names that programs send are rarely of use. VTIMEZONE is read and written in `format::ical`.

mod blob;
mod find;
mod rules;
mod windows;

#[cfg(test)]
mod tests;

pub use blob::{blob_lacks_days, blob_name, read_blob, write_blob};
pub use find::{by_name, matching, meant_by_name, windows_name};
pub use rules::{Change, Daylight, Rules};
pub(crate) use rules::{Turn, turns};

pub use jiff::tz::TimeZone;
