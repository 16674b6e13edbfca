//! A search program made ready: what the table in memory and the index can answer is settled
//! for all messages at once; what remains is asked of single messages.
//!
//! Each condition says of each message yes, no or "read it". They are combined in Kleene's
//! three-valued logic, so that only messages are read whose reading decides something.

use crate::base::uidset::UidSet;
use crate::domain::{Error, Result, message};
use crate::format::mime::FieldSet;
use crate::imap::codec::types::{DateField, DateOrder, Day, Flag, Numbers, SearchKey, SequenceSet};
use crate::imap::search::bits::Bits;
use crate::imap::search::{Rows, Scope};
use crate::store::Message;
use crate::store::rows::flags::Flags;
use crate::store::rows::message::Place;
use crate::store::search::{Field, Needle};
use crate::store::table::Contents;

/// Conditions on texts in one search. Mail programs make chains of hundreds (one for each address
/// of an address book); each costs a walk through the index.
const MAX_TEXTS: usize = 1_000;
/// What the verdicts on all texts may take in memory.
const MAX_VERDICTS: usize = 32 << 20;

/// What it takes to answer a condition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Cost {
    /// The table in memory has it.
    Table,
    /// The records of some messages.
    Records,
    /// The index, and the text of some messages.
    Texts,
}

/// The day on which a message was received, in the zone in which that is told: a search goes by
/// what a client is shown (RFC 9051 §6.4.4, "disregarding time and timezone").
pub(super) fn received_on(place: &Place) -> Day {
    Day::of(place.internal_date.saturating_add(i64::from(place.zone) * 60))
}

pub(super) fn cost(key: &SearchKey) -> Cost {
    let mut cost = Cost::Table;
    key.any(&mut |key| {
        cost = cost.max(match key {
            SearchKey::Header { .. } | SearchKey::Body(_) | SearchKey::Text(_) => Cost::Texts,
            SearchKey::Date { field: DateField::Sent, .. } => Cost::Records,
            _ => Cost::Table,
        });
        false
    });
    cost
}

/// A condition on single messages.
#[derive(Clone, Debug)]
pub(super) enum Check {
    /// The sender's day.
    Sent {
        order: DateOrder,
        day: Day,
    },
    /// A field has the text; for the empty text, it is there.
    Field {
        name: String,
        set: FieldSet,
        needle: Needle,
    },
    Body(Needle),
    Text(Needle),
}

/// A search program made ready. What it says holds for the messages that its neighbours in an
/// AND, or the one it is an alternative to, leave open.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    Known(Bits),
    And(Vec<Plan>),
    Or(Vec<Plan>),
    Not(Box<Plan>),
    Open { verdicts: Verdicts, check: Box<Check> },
}

/// What is known of messages; of those in neither set that they do not match.
#[derive(Clone, Debug)]
pub(super) struct Verdicts {
    pub sure: Bits,
    pub maybe: Bits,
}

impl Plan {
    /// What can be said of all messages without reading any.
    pub fn verdicts(&self, len: usize) -> Verdicts {
        match self {
            Plan::Known(bits) => Verdicts { sure: bits.clone(), maybe: Bits::none(len) },
            Plan::Open { verdicts, .. } => verdicts.clone(),
            Plan::Not(plan) => {
                let Verdicts { mut sure, maybe } = plan.verdicts(len);
                sure.union(&maybe);
                sure.invert();
                Verdicts { sure, maybe }
            }
            Plan::And(plans) => {
                let all = (Bits::all(len), Bits::all(len));
                let (sure, mut maybe) = plans.iter().fold(all, |(mut sure, mut possible), plan| {
                    let mut next = plan.verdicts(len);
                    sure.intersect(&next.sure);
                    next.maybe.union(&next.sure);
                    possible.intersect(&next.maybe);
                    (sure, possible)
                });
                maybe.subtract(&sure);
                Verdicts { sure, maybe }
            }
            Plan::Or(plans) => {
                let mut all = Verdicts { sure: Bits::none(len), maybe: Bits::none(len) };
                for next in plans.iter().map(|plan| plan.verdicts(len)) {
                    all.sure.union(&next.sure);
                    all.maybe.union(&next.maybe);
                }
                all.maybe.subtract(&all.sure);
                all
            }
        }
    }

    /// Whether the message at this place matches, where `check` answers what must be read.
    pub fn holds(&self, at: usize, check: &mut impl FnMut(&Check) -> Result<bool>) -> Result<bool> {
        match self {
            Plan::Known(bits) => Ok(bits.contains(at)),
            Plan::Open { verdicts, check: what } => {
                Ok(verdicts.sure.contains(at) || verdicts.maybe.contains(at) && check(what)?)
            }
            Plan::Not(plan) => Ok(!plan.holds(at, check)?),
            Plan::And(plans) => {
                for plan in plans {
                    if !plan.holds(at, check)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Plan::Or(plans) => {
                for plan in plans {
                    if plan.holds(at, check)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

/// Settles what can be settled without reading messages.
pub(super) fn compile(scope: &Scope<'_>, rows: &Rows<'_>, key: &SearchKey) -> Result<Plan> {
    let mut compiler = Compiler { scope, rows, texts: 0, contents: None };
    compiler.compile(key, &Bits::all(rows.len()))
}

struct Compiler<'a> {
    scope: &'a Scope<'a>,
    rows: &'a Rows<'a>,
    texts: usize,
    contents: Option<Contents>,
}

impl Compiler<'_> {
    /// `within` are the messages of which an answer is wanted. The depth of keys is bounded by the
    /// decoder.
    fn compile(&mut self, key: &SearchKey, within: &Bits) -> Result<Plan> {
        self.scope.progress.check()?;
        match key {
            SearchKey::And(keys) => self.and(keys, within),
            SearchKey::Or(keys) => self.or(keys, within),
            SearchKey::Not(key) => Ok(match self.compile(key, within)? {
                Plan::Known(mut bits) => {
                    bits.invert();
                    Plan::Known(bits)
                }
                plan => Plan::Not(Box::new(plan)),
            }),
            SearchKey::Header { name, text } => self.field(name, text, within),
            SearchKey::Body(text) => {
                let needle = Needle::new(text);
                let verdicts = self.look_up(Field::Body, &needle, within)?;
                Ok(open(verdicts, Check::Body(needle)))
            }
            SearchKey::Text(text) => {
                let needle = Needle::new(text);
                let verdicts = self.look_up(Field::Text, &needle, within)?;
                Ok(open(verdicts, Check::Text(needle)))
            }
            SearchKey::Date { field: DateField::Sent, order, day } => {
                Ok(open(self.sent(*order, *day), Check::Sent { order: *order, day: *day }))
            }
            key => Ok(Plan::Known(self.table(key)?)),
        }
    }

    fn and(&mut self, keys: &[SearchKey], within: &Bits) -> Result<Plan> {
        let mut known = within.clone();
        let mut plans = Vec::new();
        for key in by_cost(keys) {
            match self.compile(key, &known)? {
                Plan::Known(bits) => known.intersect(&bits),
                plan => plans.push(plan),
            }
            if known.is_empty() {
                return Ok(Plan::Known(known));
            }
        }
        if plans.is_empty() {
            return Ok(Plan::Known(known));
        }
        // First, because it decides most and costs nothing.
        plans.insert(0, Plan::Known(known));
        Ok(Plan::And(plans))
    }

    fn or(&mut self, keys: &[SearchKey], within: &Bits) -> Result<Plan> {
        let mut known = Bits::none(self.rows.len());
        let mut open = within.clone();
        let mut plans = Vec::new();
        for key in by_cost(keys) {
            if open.is_empty() {
                break;
            }
            match self.compile(key, &open)? {
                Plan::Known(bits) => {
                    known.union(&bits);
                    open.subtract(&bits);
                }
                plan => plans.push(plan),
            }
        }
        if plans.is_empty() {
            return Ok(Plan::Known(known));
        }
        plans.insert(0, Plan::Known(known));
        Ok(Plan::Or(plans))
    }

    /// Conditions that the table answers.
    fn table(&self, key: &SearchKey) -> Result<Bits> {
        let Self { scope, rows, .. } = self;
        let len = rows.len();
        Ok(match key {
            SearchKey::All | SearchKey::SaveDateSupported => Bits::all(len),
            SearchKey::Seq(SequenceSet::Saved) | SearchKey::Uid(SequenceSet::Saved) => {
                rows.with_uids(scope.saved)
            }
            SearchKey::Seq(SequenceSet::Numbers(numbers)) => {
                rows.with_numbers(&self.resolve(numbers, scope.view.len() as u32))
            }
            SearchKey::Uid(SequenceSet::Numbers(numbers)) => {
                rows.with_uids(&self.resolve(numbers, scope.view.last().copied().unwrap_or(0)))
            }
            SearchKey::Flag(flag) => match self.flag(flag)? {
                Some(flag) => self.pick(|message| message.hot.flags.contains(&flag)),
                None => Bits::none(len),
            },
            SearchKey::Recent => rows.with_uids(scope.recent),
            SearchKey::Larger(size) => self.pick(|message| message.place.size > *size),
            SearchKey::Smaller(size) => self.pick(|message| message.place.size < *size),
            SearchKey::Date { field: DateField::Saved, order, day } => {
                self.pick(|message| order.holds(Day::of(message.place.saved), *day))
            }
            SearchKey::Date { order, day, .. } => {
                self.pick(|message| order.holds(received_on(&message.place), *day))
            }
            // RFC 5032 §3: the two are each other's opposite.
            SearchKey::Younger(secs) => {
                let since = scope.now.saturating_sub((*secs).into());
                self.pick(|message| message.place.internal_date >= since)
            }
            SearchKey::Older(secs) => {
                let before = scope.now.saturating_sub((*secs).into());
                self.pick(|message| message.place.internal_date < before)
            }
            SearchKey::ModSeq(modseq) => self.pick(|message| message.hot.modseq.0 >= *modseq),
            SearchKey::EmailId(id) => match number_of(id, 'E') {
                Some(id) => self.pick(|message| message.place.message.0 == id),
                None => Bits::none(len),
            },
            SearchKey::ThreadId(id) => match number_of(id, 'T') {
                Some(id) => self.pick(|message| message.place.thread.0 == id),
                None => Bits::none(len),
            },
            SearchKey::And(_)
            | SearchKey::Or(_)
            | SearchKey::Not(_)
            | SearchKey::Header { .. }
            | SearchKey::Body(_)
            | SearchKey::Text(_) => Bits::none(len), // never here, see `compile`
        })
    }

    fn pick(&self, test: impl Fn(&Message) -> bool) -> Bits {
        Bits::of(&self.rows.messages, |message| test(message))
    }

    /// Numbers beyond the last one name nothing (RFC 9051 §6.4.4 asks for no error).
    fn resolve(&self, numbers: &Numbers, max: u32) -> UidSet {
        numbers.resolve(max)
    }

    /// The flag as the table has it; none for a keyword that no message ever had.
    fn flag(&self, flag: &Flag) -> Result<Option<Flags>> {
        Ok(Some(match flag {
            Flag::Answered => Flags::ANSWERED,
            Flag::Flagged => Flags::FLAGGED,
            Flag::Deleted => Flags::DELETED,
            Flag::Seen => Flags::SEEN,
            Flag::Draft => Flags::DRAFT,
            Flag::Keyword(keyword) => {
                let account = self.scope.table.mailbox.id.account;
                let read = self.scope.store.read();
                let Some(id) = message::keyword(&read, account, keyword.as_str())? else {
                    return Ok(None);
                };
                let mut flags = Flags::NONE;
                flags.insert_keyword(id);
                flags
            }
        }))
    }

    /// The table has the moment of sending, the record the sender's zone: only messages whose
    /// moment is within a day of the borders have to be looked at. A message without a Date field
    /// has the day of its arrival, as when sorting (RFC 5256 §2.2).
    fn sent(&self, order: DateOrder, day: Day) -> Verdicts {
        const DAY: i64 = 86_400;
        let holds = |message: &Message| {
            let sent = message.place.sent;
            let days = [-DAY, 0, DAY].map(|zone| Day::of(sent.saturating_add(zone)));
            days.map(|date| order.holds(date, day))
        };
        let sure = self.pick(|message| holds(message) == [true; 3]);
        let mut maybe = self.pick(|message| holds(message) != [false; 3]);
        maybe.subtract(&sure);
        Verdicts { sure, maybe }
    }

    fn field(&mut self, name: &str, text: &str, within: &Bits) -> Result<Plan> {
        let needle = Needle::new(text);
        let known = [
            ("subject", Field::Subject),
            ("from", Field::From),
            ("to", Field::To),
            ("cc", Field::Cc),
            ("bcc", Field::Bcc),
        ];
        let known = known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let verdicts = match known {
            Some((_, field)) if !text.is_empty() => self.look_up(field, &needle, within)?,
            _ => {
                // In any field is not yet in this one. Of a field that is only to be there, the
                // index has the name.
                let anywhere = match text {
                    "" => &Needle::new(&format!("{name}:")),
                    _ => &needle,
                };
                let Verdicts { sure, mut maybe } =
                    self.look_up(Field::Headers, anywhere, within)?;
                maybe.union(&sure);
                Verdicts { sure: Bits::none(self.rows.len()), maybe }
            }
        };
        let set = FieldSet::new([name]);
        Ok(open(verdicts, Check::Field { name: name.to_owned(), set, needle }))
    }

    /// Asks the index.
    fn look_up(&mut self, field: Field, needle: &Needle, within: &Bits) -> Result<Verdicts> {
        let len = self.rows.len();
        self.texts += 1;
        if self.texts > MAX_TEXTS || self.texts.saturating_mul(len / 4) > MAX_VERDICTS {
            return Err(Error::TooMany("conditions on texts in one search"));
        }
        let account = self.scope.table.mailbox.id.account;
        let found = match self.scope.store.search().find(account, field, needle) {
            Ok(found) => found,
            Err(error) => {
                // Slower, but as true.
                tracing::warn!(%account, %error, "the search index cannot be read");
                let none = Bits::none(len);
                return Ok(Verdicts { sure: none, maybe: within.clone() });
            }
        };
        let Some(covered) = found.covered() else {
            return Ok(Verdicts { sure: within.clone(), maybe: Bits::none(len) });
        };
        let contents = match self.rows.are_whole() {
            true => self.scope.table.contents(),
            false => self.contents.get_or_insert_with(|| {
                Contents::of(self.rows.messages.iter().map(|message| message.place.content))
            }),
        };
        let (mut sure, mut maybe) = (Bits::none(len), Bits::none(len));
        contents.outside(covered, |at| maybe.insert(at as usize));
        contents.inside(found.possible(), |at| maybe.insert(at as usize));
        contents.inside(found.sure(), |at| sure.insert(at as usize));
        let mut verdicts = Verdicts { sure, maybe };
        verdicts.sure.intersect(within);
        verdicts.maybe.intersect(within);
        Ok(verdicts)
    }
}

/// Settled at once where nothing is left to read.
fn open(verdicts: Verdicts, check: Check) -> Plan {
    if verdicts.maybe.is_empty() {
        Plan::Known(verdicts.sure)
    } else {
        Plan::Open { verdicts, check: Box::new(check) }
    }
}

fn by_cost(keys: &[SearchKey]) -> Vec<&SearchKey> {
    let mut keys: Vec<_> = keys.iter().map(|key| (cost(key), key)).collect();
    keys.sort_by_key(|(cost, _)| *cost);
    keys.into_iter().map(|(_, key)| key).collect()
}

/// The number in an object id as FETCH writes it (RFC 8474): a letter and digits.
fn number_of(id: &str, letter: char) -> Option<u64> {
    let digits = id.strip_prefix(letter)?;
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    digits.parse().ok().filter(|_| canonical)
}
