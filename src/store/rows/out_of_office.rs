//! What an account answers while its owner is away.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::store::Result;
use crate::store::rows::codec::{Reader, Writer};

/// An account's out-of-office settings; kept also while they are off.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutOfOffice {
    pub state: State,
    /// The time away, for [`State::Timed`]; kept in the other states too.
    pub from: Option<UnixTime>,
    pub until: Option<UnixTime>,
    /// For senders of this server's domains.
    pub internal: Answer,
    /// For senders elsewhere who are in the account's address book.
    pub known: Answer,
    /// For all other senders elsewhere.
    pub unknown: Answer,
}

/// Whether senders are answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    #[default]
    Off,
    On,
    /// Between two moments.
    Timed,
}

/// The answer to one kind of senders.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    pub enabled: bool,
    pub text: String,
    /// Whether the text is HTML.
    pub html: bool,
}

impl OutOfOffice {
    const VERSION: u8 = 1;

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u32(match self.state {
            State::Off => 0,
            State::On => 1,
            State::Timed => 2,
        });
        for time in [self.from, self.until] {
            out.option(time, |out, time| {
                out.i64(time);
            });
        }
        for answer in [&self.internal, &self.known, &self.unknown] {
            out.bool(answer.enabled).str(&answer.text).bool(answer.html);
        }
        out.done()
    }

    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "out of office", Self::VERSION)?;
        let state = match row.u32()? {
            1 => State::On,
            2 => State::Timed,
            _ => State::Off,
        };
        let (from, until) = (row.option(Reader::i64)?, row.option(Reader::i64)?);
        let mut answer = || -> Result<Answer> {
            Ok(Answer { enabled: row.bool()?, text: row.str()?, html: row.bool()? })
        };
        Ok(Self { state, from, until, internal: answer()?, known: answer()?, unknown: answer()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_the_round_trip() {
        let answer = |text: &str| Answer { enabled: true, text: text.into(), html: true };
        let full = OutOfOffice {
            state: State::Timed,
            from: Some(1_700_000_000),
            until: Some(-1),
            internal: answer("Müller vertritt mich"),
            known: answer(""),
            unknown: Answer::default(),
        };
        assert_eq!(OutOfOffice::decode(&full.encode()).unwrap(), full);
    }
}
