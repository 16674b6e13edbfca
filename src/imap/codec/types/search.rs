//! What SEARCH, SORT and THREAD ask for.

use super::*;

/// A search program as a tree. At most 50 levels deep, so walking it by recursion is safe.
///
/// The decoder writes opposites as [`SearchKey::Not`] (UNSEEN, UNKEYWORD, OLD) and flattens
/// nested ORs, of which clients build chains of hundreds.
#[derive(Clone, PartialEq, Debug)]
pub enum SearchKey {
    All,
    And(Vec<SearchKey>),
    Or(Vec<SearchKey>),
    Not(Box<SearchKey>),
    /// Message numbers, or `$`.
    Seq(SequenceSet),
    Uid(SequenceSet),
    Flag(Flag),
    Recent,
    /// A header field (its name in lower case, so FROM is `from`) has the text in it; an empty
    /// text asks whether the field is there.
    Header {
        name: String,
        text: String,
    },
    /// BODY: anywhere in the body, the headers of inner parts included.
    Body(String),
    /// TEXT: anywhere.
    Text(String),
    Larger(u64),
    Smaller(u64),
    Date {
        field: DateField,
        order: DateOrder,
        day: Day,
    },
    /// Younger than this many seconds (RFC 5032).
    Younger(u32),
    Older(u32),
    /// Changed at or after (RFC 7162 §3.1.5).
    ModSeq(u64),
    /// RFC 8474 §6
    EmailId(String),
    ThreadId(String),
    SaveDateSupported,
}

impl SearchKey {
    /// True if some part of the tree satisfies the test.
    pub fn any(&self, test: &mut impl FnMut(&Self) -> bool) -> bool {
        test(self)
            || match self {
                Self::And(keys) | Self::Or(keys) => keys.iter().any(|key| key.any(test)),
                Self::Not(key) => key.any(test),
                _ => false,
            }
    }

    /// True if MODSEQ is asked about, so that the answer tells the highest one found
    /// (RFC 7162 §3.1.5) and CONDSTORE is switched on.
    pub fn uses_modseq(&self) -> bool {
        self.any(&mut |key| matches!(key, Self::ModSeq(_)))
    }
}

/// Which of a message's dates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateField {
    /// INTERNALDATE
    Internal,
    /// The Date field, its zone ignored (RFC 9051 §6.4.4)
    Sent,
    /// RFC 8514
    Saved,
}

/// How it is to lie to the day named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateOrder {
    /// Earlier than the day
    Before,
    /// Within the day
    On,
    /// Within the day or later
    Since,
}

/// A day of the calendar, as days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Day(pub i32);

impl Day {
    /// The day in which a moment lies, in UTC.
    pub fn of(time: crate::base::clock::UnixTime) -> Self {
        let day = time.div_euclid(86_400);
        Self(day.clamp(i32::MIN.into(), i32::MAX.into()) as i32)
    }
}

impl DateOrder {
    /// Whether a date on `date` is as asked, relative to `day`.
    pub fn holds(self, date: Day, day: Day) -> bool {
        match self {
            Self::Before => date < day,
            Self::On => date == day,
            Self::Since => date >= day,
        }
    }
}

/// `RETURN (…)` (RFC 9051 §6.4.4, RFC 5267, RFC 9394). `RETURN ()` has become ALL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SearchReturn {
    pub min: bool,
    pub max: bool,
    pub all: bool,
    pub count: bool,
    pub save: bool,
    pub partial: Option<PartialRange>,
    /// UPDATE: tell changes of the result as they happen.
    pub update: bool,
    /// CONTEXT: a hint that more will be asked about the same result.
    pub context: bool,
}

/// A page of a result: `1:500` from the start, `-1:-500` from the end (RFC 9394 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartialRange {
    pub from: Side,
    /// 1 is the first; never above `last`.
    first: u32,
    last: u32,
}

/// Where counting starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Start,
    End,
}

impl PartialRange {
    /// The page between two places in either order; none of them 0.
    pub fn new(from: Side, a: u32, b: u32) -> Option<Self> {
        (a > 0 && b > 0).then(|| Self { from, first: a.min(b), last: a.max(b) })
    }

    /// Its places in a result of `len`, as a range of indices; empty when it lies outside.
    pub fn of(self, len: usize) -> std::ops::Range<usize> {
        let first = (self.first as usize - 1).min(len);
        let last = (self.last as usize).min(len);
        match self.from {
            Side::Start => first..last,
            Side::End => len - last..len - first,
        }
    }

    /// The two places, as asked for and as the answer repeats them.
    pub fn places(self) -> (Side, u32, u32) {
        (self.from, self.first, self.last)
    }
}

/// One key of SORT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SortCriterion {
    pub reverse: bool,
    pub key: SortKey,
}

/// RFC 5256 §3; the two DISPLAY ones are RFC 5957.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SortKey {
    Arrival,
    Cc,
    Date,
    From,
    Size,
    Subject,
    To,
    DisplayFrom,
    DisplayTo,
}

/// RFC 5256 §3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThreadAlgorithm {
    OrderedSubject,
    References,
}
