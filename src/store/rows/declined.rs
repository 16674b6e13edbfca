//! An invitation that an account has declined, and which has left its calendar.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::store::Result;
use crate::store::rows::codec::{Reader, Writer};

/// What was declined, so that the same invitation does not come back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Declined {
    /// The event's UID, perhaps cut.
    pub uid: String,
    /// SEQUENCE and DTSTAMP of what was declined.
    pub sequence: u32,
    pub stamp: i64,
    /// Hash of when it was to take place; `None` where anything newer brings it back.
    pub times: Option<u64>,
    /// The original starts of the instances that were all of it; empty for the whole event.
    pub about: Vec<UnixTime>,
    /// When this may be forgotten.
    pub until: UnixTime,
}

impl Declined {
    const VERSION: u8 = 1;

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.str(&self.uid).u32(self.sequence).fixed(self.stamp as u64);
        out.option(self.times, |out, times| {
            out.fixed(times);
        });
        out.u64(self.about.len() as u64);
        for start in &self.about {
            out.i64(*start);
        }
        out.i64(self.until).done()
    }

    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "declined invitation", Self::VERSION)?;
        Ok(Self {
            uid: row.str()?,
            sequence: row.u32()?,
            stamp: row.fixed()? as i64,
            times: row.option(Reader::fixed)?,
            about: (0..row.u64()?).map(|_| row.i64()).collect::<Result<_>>()?,
            until: row.i64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_the_round_trip() {
        let whole = Declined {
            uid: "plan@x".into(),
            sequence: 3,
            stamp: i64::MIN,
            times: Some(u64::MAX),
            about: Vec::new(),
            until: 1_800_000_000,
        };
        assert_eq!(Declined::decode(&whole.encode()).unwrap(), whole);
        let some = Declined { times: None, about: vec![-1, 1_785_585_600], ..whole };
        assert_eq!(Declined::decode(&some.encode()).unwrap(), some);
    }
}
