//! iCalendar (RFC 5545, 7986, 6868) as a tree that keeps what it does not understand, and
//! typed views on it.
//!
//! [`Component`] is the lossless layer: every property with its parameters in the order they
//! came, values as they stood. What knows a meaning ([`Recurrence`], [`Time`], events, tasks,
//! notes) reads from it and writes back only what was changed, so that a phone's edit takes
//! nothing away that only another client knows. No scheduling rules (RFC 5546) here.

mod component;
mod event;
mod expand;
mod line;
mod look;
mod pattern;
mod recurrence;
mod starts;
mod text;
mod time;
mod zones;

#[cfg(test)]
pub(crate) mod tests;

pub use component::{Component, DecodeError, Piece};
pub use event::{Attendee, Busy, Event, PRODUCT, PartStat, Role, Series, address, same};
pub use expand::{
    BusyTime, Expansion, INSTANCES, Instance, busy_times, expand, extent, merged_free_busy,
    override_at,
};
pub use line::{Param, Property};
pub use look::{component_look, look};
pub use pattern::{Field, Kind, Pattern};
pub use recurrence::{Day, Frequency, Recurrence, Until, UntilKind, Weekday};
pub use text::{escape, split, split_list, unescape};
pub use time::{Time, TimeKind, parse_date, parse_date_time, parse_duration, write_duration};
pub use zones::{Zones, read_vtimezone, write_vtimezone};
