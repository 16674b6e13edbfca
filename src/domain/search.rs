//! Finding things by what people type into a search field: phones and the web ask here.
//!
//! All words must be there, in what a person reads of a message: subject, people, text, names of
//! attachments. Not in other header fields, in which words would be found that nobody sees. IMAP
//! has questions of its own (`imap::search`), on the same index.

use std::time::Instant;

use crate::base::clock::UnixTime;
use crate::base::id::{ContentId, MailboxId, ThreadId};
use crate::domain::Result;
use crate::format::mime::{RecordView, SearchText, search_text};
use crate::store::search::{Field, Matches, Needle, Verdict};
use crate::store::{self, Message, Read, Snapshot, Store};

/// Words of one question.
const TERMS_MAX: usize = 30;
/// Longest word or phrase in bytes.
const TERM_MAX: usize = 500;
/// Messages read from one snapshot, so that none is held for long.
const SNAPSHOT: usize = 32;

/// A word or phrase, and where it is looked for.
#[derive(Clone, Debug)]
pub struct Term {
    needle: Needle,
    fields: &'static [Field],
}

const ANYWHERE: [Field; 6] =
    [Field::Subject, Field::From, Field::To, Field::Cc, Field::Bcc, Field::Body];

/// The prefixes of Microsoft's keyword queries (`from:anna`) that make sense for mail.
const PREFIXES: [(&str, &[Field]); 8] = [
    ("subject", &[Field::Subject]),
    ("from", &[Field::From]),
    ("to", &[Field::To]),
    ("cc", &[Field::Cc]),
    ("bcc", &[Field::Bcc]),
    ("participants", &[Field::From, Field::To, Field::Cc, Field::Bcc]),
    ("recipients", &[Field::To, Field::Cc, Field::Bcc]),
    ("body", &[Field::Body]),
];

/// Reads what was typed: words, phrases in quotation marks, and either behind a prefix. A `*` at
/// a word's end and the word AND say what is meant anyway.
pub fn terms(typed: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut rest = typed.trim_start();
    while !rest.is_empty() && terms.len() < TERMS_MAX {
        let (fields, behind) = prefix(rest);
        let (text, after) = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => {
                let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
                behind.split_at_checked(end).unwrap_or((behind, ""))
            }
        };
        rest = after.trim_start();
        let text = text.trim().trim_end_matches('*');
        let text = text.get(..text.floor_char_boundary(TERM_MAX)).unwrap_or_default();
        if !text.is_empty() && text != "AND" {
            terms.push(Term { needle: Needle::new(text), fields });
        }
    }
    terms
}

fn prefix(text: &str) -> (&'static [Field], &str) {
    for (name, fields) in PREFIXES {
        let start = text.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name));
        if let Some(behind) = start.and_then(|_| text.get(name.len()..)?.strip_prefix(':'))
            && !behind.is_empty()
        {
            return (fields, behind);
        }
    }
    (&ANYWHERE, text)
}

/// Which messages are wanted; all conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub terms: Vec<Term>,
    pub thread: Option<ThreadId>,
    /// Received at this time or later.
    pub since: Option<UnixTime>,
    /// Received before this time.
    pub before: Option<UnixTime>,
}

/// Messages that were found, the newest first.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub messages: Vec<(MailboxId, Message)>,
    /// False if the time did not suffice to read all that might have been it.
    pub complete: bool,
}

/// Finds messages of one account. Blocks: nearly always for some milliseconds, but messages that
/// are not in the index yet are read, until `deadline`.
pub fn mail(
    store: &Store,
    mailboxes: &[MailboxId],
    wanted: &Wanted,
    deadline: Instant,
) -> Result<Found> {
    let Some(account) = mailboxes.first().map(|mailbox| mailbox.account) else {
        return Ok(Found { complete: true, ..Found::default() });
    };
    let answers = wanted.terms.iter().map(|term| {
        let find = |field: &Field| match store.search().find(account, *field, &term.needle) {
            Ok(matches) => Some(matches),
            Err(error) => {
                // Slower, but as true.
                tracing::warn!(%account, %error, "the search index cannot be read");
                None
            }
        };
        term.fields.iter().map(find).collect::<Vec<_>>()
    });
    let answers = answers.collect::<Vec<_>>();
    let mut open = Vec::new();
    for mailbox in mailboxes.iter().filter(|mailbox| mailbox.account == account) {
        let Some(table) = store.table(*mailbox)? else { continue };
        for message in table.iter().filter(|message| wanted.is_in_range(message)) {
            let verdict = verdict(&answers, message.place.content);
            if verdict != Verdict::No {
                open.push((verdict, *mailbox, message.clone()));
            }
        }
    }
    open.sort_by_key(|(_, _, message)| {
        std::cmp::Reverse((message.place.internal_date, message.place.message))
    });
    settle(store, open, wanted, deadline)
}

impl Wanted {
    fn is_in_range(&self, message: &Message) -> bool {
        let at = message.place.internal_date;
        self.thread.is_none_or(|thread| message.place.thread == thread)
            && self.since.is_none_or(|since| at >= since)
            && self.before.is_none_or(|before| at < before)
    }
}

/// What the index says of a content for all terms together.
fn verdict(answers: &[Vec<Option<Matches>>], content: ContentId) -> Verdict {
    let mut all = Verdict::Yes;
    for fields in answers {
        let mut one = Verdict::No;
        for matches in fields {
            match matches.as_ref().map_or(Verdict::Maybe, |found| found.verdict(content)) {
                Verdict::Yes => {
                    one = Verdict::Yes;
                    break;
                }
                Verdict::Maybe => one = Verdict::Maybe,
                Verdict::No => {}
            }
        }
        match one {
            Verdict::No => return Verdict::No,
            Verdict::Maybe => all = Verdict::Maybe,
            Verdict::Yes => {}
        }
    }
    all
}

/// Reads those of which the index does not know.
fn settle(
    store: &Store,
    open: Vec<(Verdict, MailboxId, Message)>,
    wanted: &Wanted,
    deadline: Instant,
) -> Result<Found> {
    let mut found = Found { complete: true, ..Found::default() };
    let (mut read, mut left) = (store.read(), SNAPSHOT);
    for (verdict, mailbox, message) in open {
        if verdict == Verdict::Maybe {
            if Instant::now() >= deadline {
                found.complete = false;
                continue;
            }
            if left == 0 {
                (read, left) = (store.read(), SNAPSHOT);
            }
            left -= 1;
            if !has_all(&read, &message, &wanted.terms)? {
                continue;
            }
        }
        found.messages.push((mailbox, message));
    }
    Ok(found)
}

fn has_all(read: &Snapshot, message: &Message, terms: &[Term]) -> Result<bool> {
    let record = read.content(message.place.content)?.unwrap_or_default();
    let text = text_of(read, message.place.content, &record)?;
    Ok(terms.iter().all(|term| term.is_in(&text)))
}

impl Term {
    fn is_in(&self, text: &SearchText) -> bool {
        self.fields.iter().any(|field| {
            let name = match field {
                Field::Subject => "Subject",
                Field::From => "From",
                Field::To => "To",
                Field::Cc => "Cc",
                Field::Bcc => "Bcc",
                Field::Body | Field::Text | Field::Headers => return self.needle.is_in(&text.body),
            };
            let fields = text.headers.lines().filter_map(|line| line.split_once(": "));
            fields
                .filter(|(own, _)| own.eq_ignore_ascii_case(name))
                .any(|(_, value)| self.needle.is_in(value))
        })
    }

    /// Whether the term is in a text that has no fields.
    pub fn is_in_text(&self, text: &str) -> bool {
        self.needle.is_in(text)
    }
}

/// Everything of a message that a search should find; nothing of one that was removed meanwhile,
/// or that is damaged: one such must not make its mailbox unsearchable for good.
pub fn text_of(read: &Snapshot, content: ContentId, record: &[u8]) -> store::Result<SearchText> {
    let Some(body) = read.body_row(content)? else { return Ok(SearchText::default()) };
    let prefix = RecordView::parse(record).map_or(&[][..], |record| record.prefix());
    match read.with_body(&body.at, |raw| search_text(prefix, raw)) {
        Ok(text) => Ok(text),
        Err(store::Error::Damaged(what)) => {
            tracing::error!(%content, %what, "a message cannot be read by a search");
            Ok(SearchText::default())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(typed: &str) -> Vec<(String, usize)> {
        let of = |term: &Term| (term.needle.as_str().to_owned(), term.fields.len());
        terms(typed).iter().map(of).collect()
    }

    #[test]
    fn what_is_typed_becomes_words_and_phrases() {
        let pair = |text: &str, fields| (text.to_owned(), fields);
        assert_eq!(texts(" Report  2026 "), [pair("report", 6), pair("2026", 6)]);
        assert_eq!(
            texts("\"two words\" from:Anna subject:\"The plan\""),
            [pair("two words", 6), pair("anna", 1), pair("the plan", 1)]
        );
        assert_eq!(texts("meet* AND \"open"), [pair("meet", 6), pair("open", 6)]);
        assert_eq!(texts("12:30 from:"), [pair("12:30", 6), pair("from:", 6)]);
        assert!(terms("  * ").is_empty());
        assert_eq!(terms(&"x ".repeat(1_000)).len(), TERMS_MAX);
    }
}
