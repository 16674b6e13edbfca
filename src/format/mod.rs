//! Pure codecs: bytes to values and back. Nothing here knows a socket, a clock or the store.

pub mod ical;
pub mod mime;
pub mod sasl;
pub mod smtp;
pub mod tz;
pub mod vcard;
pub mod wbxml;
