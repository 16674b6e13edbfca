//! What can be changed about a message: read or not, follow-up, categories, the last verb.

use std::hash::{Hash, Hasher};

use twox_hash::XxHash3_64;

use crate::base::id::{AccountId, KeywordId, MailboxId, Uid};
use crate::base::uidset::UidSet;
use crate::domain;
use crate::domain::message::{self, FlagChange, FlagNames, FlagOp};
use crate::eas::version::Version;
use crate::format::wbxml::{Element, Tag, Writer, tags};
use crate::store::rows::flags::Flags;
use crate::store::rows::marks::{FollowUp, Marks};
use crate::store::{self, Message, Read, Tx};

use tags::{email as e, email2 as e2, tasks as t};

/// Categories of one message (MS-ASEMAIL 2.2.2.16).
const CATEGORIES_MAX: usize = 300;
/// Longest text of a flag or category.
const TEXT_MAX: usize = 1024;
/// What Outlook calls a flag without further words.
const FOLLOW_UP: &str = "Flag for follow up";

/// The numbers of keywords that mean something to phones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// `$Forwarded` (RFC 9051 §2.3.2).
    forwarded: Option<KeywordId>,
}

impl Known {
    fn read(read: &impl Read, account: AccountId) -> store::Result<Known> {
        let all = read.keywords(account)?;
        let of = |name: &str| {
            let mut all = all.iter();
            all.find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(id, _)| *id)
        };
        Ok(Known { forwarded: of("$Forwarded").or_else(|| of("Forwarded")) })
    }

    /// The same, without a look where the message has no keywords at all.
    pub(super) fn of_message(
        read: &impl Read,
        account: AccountId,
        flags: &Flags,
    ) -> store::Result<Known> {
        match flags.keywords().next() {
            Some(_) => Known::read(read, account),
            None => Ok(Known::default()),
        }
    }

    fn is_forwarded(&self, flags: &Flags) -> bool {
        self.forwarded.is_some_and(|keyword| flags.has_keyword(keyword))
    }
}

/// How a message is flagged.
enum Followed<'a> {
    No,
    /// By a mail program, which has no more to say.
    Plainly,
    With(&'a FollowUp),
    Complete(&'a FollowUp),
}

fn followed<'a>(flags: &Flags, marks: Option<&'a Marks>) -> Followed<'a> {
    let details = marks.and_then(|marks| marks.follow_up.as_ref());
    match (flags.contains(&Flags::FLAGGED), details) {
        (true, Some(details)) if !details.complete => Followed::With(details),
        (true, _) => Followed::Plainly,
        (false, Some(details)) if details.complete => Followed::Complete(details),
        // A mail program took the flag away; the dates are not shown without it.
        (false, _) => Followed::No,
    }
}

/// A hash of everything about a message that can change except whether it was read; 0 if it has
/// nothing of the kind. The sync state keeps it for each message.
pub fn look(read: &impl Read, account: AccountId, message: &Message) -> store::Result<u32> {
    let known = Known::of_message(read, account, &message.hot.flags)?;
    let marks = read.marks(account, message.place.message)?;
    Ok(look_of(&message.hot.flags, marks.as_ref(), &known))
}

fn look_of(flags: &Flags, marks: Option<&Marks>, known: &Known) -> u32 {
    let verb = last_verb(flags, marks, known);
    let categories = marks.map_or(&[][..], |marks| &marks.categories);
    let followed = followed(flags, marks);
    if matches!(followed, Followed::No) && verb.is_none() && categories.is_empty() {
        return 0;
    }
    let mut hasher = XxHash3_64::new();
    match followed {
        Followed::No => 0u8.hash(&mut hasher),
        Followed::Plainly => 1u8.hash(&mut hasher),
        Followed::With(details) => (2u8, details).hash(&mut hasher),
        Followed::Complete(details) => (3u8, details).hash(&mut hasher),
    }
    (categories, verb).hash(&mut hasher);
    (hasher.finish() as u32).max(1)
}

/// What was done with the message last, and when, if that is known.
fn last_verb(flags: &Flags, marks: Option<&Marks>, known: &Known) -> Option<(u8, Option<i64>)> {
    if let Some((verb, at)) = marks.and_then(|marks| marks.last_verb) {
        return Some((verb, Some(at)));
    }
    if flags.contains(&Flags::ANSWERED) {
        return Some((1, None));
    }
    known.is_forwarded(flags).then_some((3, None))
}

/// Flag, Categories, LastVerbExecuted and its time, as far as the version has them.
pub(super) fn write(
    out: &mut Writer,
    flags: &Flags,
    marks: Option<&Marks>,
    known: &Known,
    version: Version,
) {
    if version >= Version::V12_0 {
        write_flag(out, flags, marks);
    }
    if version < Version::V14_0 {
        return;
    }
    // Always there, so that a Change takes away the last category.
    out.open(e::CATEGORIES);
    for category in marks.iter().flat_map(|marks| &marks.categories) {
        out.text(e::CATEGORY, category);
    }
    out.close();
    if let Some((verb, at)) = last_verb(flags, marks, known) {
        out.number(e2::LAST_VERB_EXECUTED, verb);
        if let Some(at) = at {
            out.text(e2::LAST_VERB_EXECUTION_TIME, &super::date_time(at));
        }
    }
}

fn write_flag(out: &mut Writer, flags: &Flags, marks: Option<&Marks>) {
    let (status, details) = match followed(flags, marks) {
        Followed::No => return out.empty(e::FLAG),
        Followed::Plainly => (2, None),
        Followed::With(details) => (2, Some(details)),
        Followed::Complete(details) => (1, Some(details)),
    };
    out.open(e::FLAG);
    out.number(e::STATUS, status);
    match details.map(|details| details.kind.as_str()).filter(|kind| !kind.is_empty()) {
        Some(kind) => out.text(e::FLAG_TYPE, kind),
        None => out.text(e::FLAG_TYPE, FOLLOW_UP),
    }
    if let Some(details) = details {
        let mut put = |tag: Tag, text: Option<&str>| {
            if let Some(text) = text {
                out.text(tag, text);
            }
        };
        put(t::SUBJECT, Some(&details.subject).filter(|text| !text.is_empty()).map(|t| &**t));
        put(t::START_DATE, details.start.as_deref());
        put(t::UTC_START_DATE, details.utc_start.as_deref());
        put(t::DUE_DATE, details.due.as_deref());
        put(t::UTC_DUE_DATE, details.utc_due.as_deref());
        put(t::REMINDER_TIME, details.reminder.as_deref());
        put(t::ORDINAL_DATE, details.ordinal.as_deref());
        put(t::SUB_ORDINAL_DATE, details.sub_ordinal.as_deref());
        put(e::COMPLETE_TIME, details.completed.as_deref());
        put(t::DATE_COMPLETED, details.date_completed.as_deref());
        if details.reminder_set || details.reminder.is_some() {
            out.number(t::REMINDER_SET, u8::from(details.reminder_set));
        }
    }
    out.close();
}

/// Makes a phone's change of a message that is no draft: Read, Flag, Categories, and the last
/// verb where one is given. All else about received mail cannot be changed and is passed over
/// (MS-ASEMAIL 3.1.5.3). Fails with `NotFound` if the message is gone, and with `Invalid` for what
/// cannot be (Status 6).
pub fn apply(tx: &mut Tx<'_>, mailbox: MailboxId, uid: Uid, data: &Element) -> domain::Result<()> {
    let Some(found) = tx.message(mailbox, uid)? else {
        return Err(domain::Error::NotFound("message"));
    };
    let old = tx.marks(mailbox.account, found.place.message)?.unwrap_or_default();
    let mut marks = old.clone();
    let mut change = Change::default();
    if let Some(read) = data.text_of(e::READ) {
        change.set(Flags::SEEN, yes_or_no(read)?);
    }
    if let Some(flag) = data.child(e::FLAG) {
        marks.follow_up = read_flag(flag, tx.now())?;
        let active = marks.follow_up.as_ref().is_some_and(|details| !details.complete);
        change.set(Flags::FLAGGED, active);
    }
    if let Some(categories) = data.child(e::CATEGORIES) {
        marks.categories = read_categories(categories)?;
    }
    if let Some(verb) = data.parse_of::<u8>(e2::LAST_VERB_EXECUTED) {
        let at = data.text_of(e2::LAST_VERB_EXECUTION_TIME).and_then(instant);
        let verb = (1..=3).contains(&verb).then_some(verb);
        marks.last_verb = verb.map(|verb| (verb, at.unwrap_or(tx.now())));
    }
    let uids = UidSet::range(uid.0, uid.0);
    for (op, flags) in [(FlagOp::Add, change.add), (FlagOp::Remove, change.remove)] {
        if !flags.is_empty() {
            let change = FlagChange { op, flags: FlagNames::system(flags), unless_after: None };
            message::set_flags(tx, mailbox, &uids, &change)?;
        }
    }
    if marks != old {
        tx.put_marks(mailbox, uid, &marks)?;
    }
    Ok(())
}

/// Whether [`apply`] would take what a phone says, for who has more to write with it.
pub fn check(data: &Element, now: i64) -> domain::Result<()> {
    data.text_of(e::READ).map(yes_or_no).transpose()?;
    data.child(e::FLAG).map(|flag| read_flag(flag, now)).transpose()?;
    data.child(e::CATEGORIES).map(read_categories).transpose()?;
    Ok(())
}

#[derive(Default)]
struct Change {
    add: Flags,
    remove: Flags,
}

impl Change {
    fn set(&mut self, flag: Flags, on: bool) {
        let list = if on { &mut self.add } else { &mut self.remove };
        list.add(&flag);
    }
}

fn yes_or_no(text: &str) -> domain::Result<bool> {
    match text.trim() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(domain::Error::Invalid("Read is neither 0 nor 1".into())),
    }
}

/// A whole Flag element (MS-ASEMAIL 2.2.2.34): what is not in it is no longer so.
fn read_flag(flag: &Element, now: i64) -> domain::Result<Option<FollowUp>> {
    if flag.children.is_empty() {
        return Ok(None);
    }
    let complete = match flag.text_of(e::STATUS).map(str::trim) {
        Some("0") => return Ok(None),
        Some("1") => true,
        Some("2") => false,
        // Windows Phone leaves it out when it changes a date.
        None => false,
        Some(_) => return Err(domain::Error::Invalid("a flag's Status is 0, 1 or 2".into())),
    };
    let short = |tag: Tag| -> domain::Result<String> {
        let text = flag.text_of(tag).unwrap_or_default();
        match text.len() <= TEXT_MAX {
            true => Ok(text.to_owned()),
            false => Err(domain::Error::Invalid("a flag's text is too long".into())),
        }
    };
    let time = |tag: Tag| -> domain::Result<Option<String>> {
        match flag.text_of(tag).map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) if instant(text).is_some() => Ok(Some(text.to_owned())),
            Some(_) => Err(domain::Error::Invalid("a flag's date is none".into())),
        }
    };
    let completed = time(e::COMPLETE_TIME)?;
    let date_completed = time(t::DATE_COMPLETED)?;
    let filled = |time: Option<String>| match complete {
        true => time.or_else(|| Some(super::date_time(now))),
        false => time,
    };
    let sub_ordinal = short(t::SUB_ORDINAL_DATE)?;
    Ok(Some(FollowUp {
        complete,
        kind: short(e::FLAG_TYPE)?,
        subject: short(t::SUBJECT)?,
        start: time(t::START_DATE)?,
        utc_start: time(t::UTC_START_DATE)?,
        due: time(t::DUE_DATE)?,
        utc_due: time(t::UTC_DUE_DATE)?,
        reminder_set: flag.text_of(t::REMINDER_SET).is_some_and(|text| text.trim() == "1"),
        reminder: time(t::REMINDER_TIME)?,
        completed: filled(completed),
        date_completed: filled(date_completed),
        ordinal: time(t::ORDINAL_DATE)?,
        sub_ordinal: Some(sub_ordinal).filter(|text| !text.is_empty()),
    }))
}

fn read_categories(categories: &Element) -> domain::Result<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    for category in categories.all(e::CATEGORY) {
        let text = category.text().trim();
        if text.len() > TEXT_MAX {
            return Err(domain::Error::Invalid("a category's name is too long".into()));
        }
        if !text.is_empty() && !all.iter().any(|known| known == text) {
            all.push(text.to_owned());
        }
        if all.len() > CATEGORIES_MAX {
            return Err(domain::Error::Invalid("a message has 300 categories at most".into()));
        }
    }
    Ok(all)
}

/// An instant in one of ActiveSync's two forms.
pub fn instant(text: &str) -> Option<i64> {
    let (at, _) = crate::format::ical::parse_date_time(text)?;
    let at = jiff::tz::TimeZone::UTC.to_ambiguous_timestamp(at).compatible().ok()?;
    Some(at.as_second())
}
