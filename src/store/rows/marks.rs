//! What phones keep with a message beside its flags: follow-up dates, categories, what was done
//! with it last.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::store::Result;
use crate::store::rows::codec::{Reader, Writer};

/// Marks of one message; they stay with it when it moves.
#[derive(Clone, PartialEq, Eq, Debug, Default, Hash)]
pub struct Marks {
    pub follow_up: Option<FollowUp>,
    /// As people named them.
    pub categories: Vec<String>,
    /// What was done last (MS-ASEMAIL 2.2.2.43: 1 reply, 2 reply to all, 3 forward), and when.
    pub last_verb: Option<(u8, UnixTime)>,
    /// Identifies the conversation to phones, where a phone gave it.
    pub conversation_index: Option<Vec<u8>>,
}

/// The details of a flag (MS-ASEMAIL 2.2.2.34). Times are as the phone gave them, since local
/// and UTC forms are a pair that must come back as it was.
#[derive(Clone, PartialEq, Eq, Debug, Default, Hash)]
pub struct FollowUp {
    pub complete: bool,
    pub kind: String,
    pub subject: String,
    pub start: Option<String>,
    pub utc_start: Option<String>,
    pub due: Option<String>,
    pub utc_due: Option<String>,
    pub reminder_set: bool,
    pub reminder: Option<String>,
    pub completed: Option<String>,
    pub date_completed: Option<String>,
    pub ordinal: Option<String>,
    pub sub_ordinal: Option<String>,
}

impl FollowUp {
    /// In the row's order.
    fn times(&self) -> [&Option<String>; 9] {
        [
            &self.start,
            &self.utc_start,
            &self.due,
            &self.utc_due,
            &self.reminder,
            &self.completed,
            &self.date_completed,
            &self.ordinal,
            &self.sub_ordinal,
        ]
    }
}

impl Marks {
    const VERSION: u8 = 1;

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.option(self.follow_up.as_ref(), |out, flag| {
            out.bool(flag.complete).str(&flag.kind).str(&flag.subject).bool(flag.reminder_set);
            for time in flag.times() {
                out.option(time.as_deref(), |out, time| {
                    out.str(time);
                });
            }
        });
        out.u64(self.categories.len() as u64);
        for category in &self.categories {
            out.str(category);
        }
        out.option(self.last_verb, |out, (verb, at)| {
            out.u32(verb.into()).i64(at);
        });
        out.option(self.conversation_index.as_deref(), |out, index| {
            out.bytes(index);
        });
        out.done()
    }

    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "marks", Self::VERSION)?;
        let follow_up = row.option(|row| {
            let (complete, kind, subject) = (row.bool()?, row.str()?, row.str()?);
            let reminder_set = row.bool()?;
            let mut time = || row.option(Reader::str);
            Ok(FollowUp {
                complete,
                kind,
                subject,
                reminder_set,
                start: time()?,
                utc_start: time()?,
                due: time()?,
                utc_due: time()?,
                reminder: time()?,
                completed: time()?,
                date_completed: time()?,
                ordinal: time()?,
                sub_ordinal: time()?,
            })
        })?;
        let categories = (0..row.u64()?).map(|_| row.str()).collect::<Result<_>>()?;
        let last_verb = row.option(|row| Ok((row.u32()? as u8, row.i64()?)))?;
        let conversation_index = row.option(|row| Ok(row.bytes()?.to_vec()))?;
        Ok(Self { follow_up, categories, last_verb, conversation_index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_survive_the_round_trip() {
        let full = Marks {
            follow_up: Some(FollowUp {
                complete: true,
                kind: "Follow up".into(),
                subject: "Ümlaut".into(),
                due: Some("2026-01-31T00:00:00.000Z".into()),
                sub_ordinal: Some("5".into()),
                reminder_set: true,
                ..FollowUp::default()
            }),
            categories: vec!["Red".into(), "Two words".into()],
            last_verb: Some((2, 1_700_000_000)),
            conversation_index: Some(vec![1, 2, 3]),
        };
        assert_eq!(Marks::decode(&full.encode()).unwrap(), full);
        assert!(Marks::decode(&Marks::default().encode()).unwrap().is_empty());
    }
}
