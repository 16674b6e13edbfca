//! SEARCH, SORT and THREAD (RFC 9051 §6.4.4, RFC 5256). The tree of keys is built with a stack of
//! its own, so that nesting costs no call stack.

use encoding_rs::Encoding;

use crate::base::limits::IMAP_DEPTH;
use crate::imap::codec::date::parse_date;
use crate::imap::codec::table::Spec;
use crate::imap::codec::types::*;

use super::fetch::partial_range;
use super::lexer::{Cursor, Fail, Result, refuse};

const KEY: &str = "a search key";

/// What `[BADCHARSET …]` offers.
const CHARSETS: &[&str] = &["US-ASCII", "UTF-8"];

pub fn search(cursor: &mut Cursor<'_>, spec: &Spec) -> Result<Command> {
    let returns = returns(cursor)?;
    let key = program(cursor)?;
    Ok(Command::Search(SearchArgs { by: spec.by, returns, key }))
}

pub fn sort(cursor: &mut Cursor<'_>, spec: &Spec) -> Result<Command> {
    let returns = returns(cursor)?;
    cursor.space()?;
    let criteria = sort_criteria(cursor)?;
    let charset = charset(cursor)?;
    let key = keys(cursor, charset)?;
    Ok(Command::Sort(SortArgs { by: spec.by, returns, criteria, key }))
}

pub fn thread(cursor: &mut Cursor<'_>, spec: &Spec) -> Result<Command> {
    cursor.space()?;
    let algorithm = match cursor.atom("a threading algorithm")? {
        name if name.eq_ignore_ascii_case("REFERENCES") => ThreadAlgorithm::References,
        name if name.eq_ignore_ascii_case("ORDEREDSUBJECT") => ThreadAlgorithm::OrderedSubject,
        _ => return Err(Fail::Expected("REFERENCES or ORDEREDSUBJECT before this")),
    };
    let charset = charset(cursor)?;
    let key = keys(cursor, charset)?;
    Ok(Command::Thread(ThreadArgs { by: spec.by, algorithm, key }))
}

fn sort_criteria(cursor: &mut Cursor<'_>) -> Result<Vec<SortCriterion>> {
    const WHAT: &str = "a sort key";
    let criteria = cursor.list("a list of sort keys", |cursor| {
        let mut name = cursor.atom(WHAT)?;
        let reverse = name.eq_ignore_ascii_case("REVERSE");
        if reverse {
            cursor.space()?;
            name = cursor.atom(WHAT)?;
        }
        let key = match name.to_ascii_uppercase().as_str() {
            "ARRIVAL" => SortKey::Arrival,
            "CC" => SortKey::Cc,
            "DATE" => SortKey::Date,
            "FROM" => SortKey::From,
            "SIZE" => SortKey::Size,
            "SUBJECT" => SortKey::Subject,
            "TO" => SortKey::To,
            "DISPLAYFROM" => SortKey::DisplayFrom,
            "DISPLAYTO" => SortKey::DisplayTo,
            _ => return Err(Fail::Expected("a sort key before this")),
        };
        Ok(SortCriterion { reverse, key })
    })?;
    // Each key decides once; a list of thousands is no order.
    if criteria.is_empty() || criteria.len() > 20 {
        return Err(Fail::Expected("1 to 20 sort keys before this"));
    }
    Ok(criteria)
}

/// `SP RETURN (…)`, or nothing.
pub(super) fn returns(cursor: &mut Cursor<'_>) -> Result<Option<SearchReturn>> {
    let mut ahead = cursor.ahead();
    if !ahead.spaces() || !ahead.eat_word("RETURN") {
        return Ok(None);
    }
    *cursor = ahead;
    cursor.space()?;
    let mut returns = SearchReturn::default();
    cursor.list("return options", |cursor| {
        match cursor.atom("a return option")?.to_ascii_uppercase().as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => returns.save = true,
            "UPDATE" => returns.update = true,
            "CONTEXT" => returns.context = true,
            "PARTIAL" => {
                cursor.space()?;
                returns.partial = Some(partial_range(cursor)?);
            }
            _ => return Err(Fail::Expected("a return option before this")),
        }
        Ok(())
    })?;
    // RFC 9394 §3.1: a page and the whole exclude each other.
    if returns.all && returns.partial.is_some() {
        return Err(Fail::Expected("either ALL or PARTIAL before this"));
    }
    let result = returns.min || returns.max || returns.count || returns.partial.is_some();
    // `RETURN ()` asks for ALL (RFC 9051 §6.4.4); SAVE alone asks for no answer.
    returns.all |= !result && !returns.save;
    Ok(Some(returns))
}

/// In which charset the texts of a search are.
#[derive(Clone, Copy)]
enum Charset {
    /// UTF-8, of which US-ASCII is a part.
    Utf8,
    Other(&'static Encoding),
}

fn charset(cursor: &mut Cursor<'_>) -> Result<Charset> {
    cursor.space()?;
    let name = cursor.astring("a charset")?;
    if name.eq_ignore_ascii_case(b"US-ASCII") || name.eq_ignore_ascii_case(b"UTF-8") {
        return Ok(Charset::Utf8);
    }
    match Encoding::for_label_no_replacement(&name) {
        Some(encoding) if encoding == encoding_rs::UTF_8 => Ok(Charset::Utf8),
        Some(encoding) => Ok(Charset::Other(encoding)),
        None => refuse(Reply::no("The charset is not known").with(Code::BadCharset(CHARSETS))),
    }
}

/// `search-program`: a charset or none, then keys.
pub(super) fn program(cursor: &mut Cursor<'_>) -> Result<SearchKey> {
    let mut ahead = cursor.ahead();
    if ahead.spaces() && ahead.eat_word("CHARSET") {
        if cursor.dialect.utf8_accept {
            return Err(Fail::Expected("no CHARSET with UTF8=ACCEPT"));
        }
        *cursor = ahead;
        let charset = charset(cursor)?;
        return keys(cursor, charset);
    }
    keys(cursor, Charset::Utf8)
}

/// A key that is not complete.
enum Open {
    /// The whole program, or a list in parentheses.
    And(Vec<SearchKey>),
    /// Waits for so many more keys; an OR within an OR just adds its two to them.
    Or {
        keys: Vec<SearchKey>,
        missing: usize,
    },
    Not,
}

/// Keys up to the end of the command.
fn keys(cursor: &mut Cursor<'_>, charset: Charset) -> Result<SearchKey> {
    cursor.space()?;
    let mut stack = Stack { open: vec![Open::And(Vec::new())] };
    loop {
        if cursor.at_end() {
            return stack.finish();
        }
        cursor.spaces();
        if cursor.eat(b'(') {
            stack.open(Open::And(Vec::new()))?;
        } else if cursor.eat(b')') {
            stack.close()?;
        } else if cursor.eat_word("NOT") {
            stack.not()?;
        } else if cursor.eat_word("OR") {
            stack.or()?;
        } else {
            stack.complete(leaf(cursor, charset)?);
        }
    }
}

struct Stack {
    /// The first is the program's own And.
    open: Vec<Open>,
}

impl Stack {
    fn open(&mut self, level: Open) -> Result<()> {
        if self.open.len() >= IMAP_DEPTH {
            return refuse(Reply::bad("The search is nested too deeply").with(Code::Limit));
        }
        self.open.push(level);
        Ok(())
    }

    fn not(&mut self) -> Result<()> {
        // Twice is not at all.
        if let Some(Open::Not) = self.open.last() {
            self.open.pop();
            return Ok(());
        }
        self.open(Open::Not)
    }

    fn or(&mut self) -> Result<()> {
        if let Some(Open::Or { missing, .. }) = self.open.last_mut() {
            *missing += 1;
            return Ok(());
        }
        self.open(Open::Or { keys: Vec::new(), missing: 2 })
    }

    /// A closing parenthesis.
    fn close(&mut self) -> Result<()> {
        if self.open.len() < 2 {
            return Err(Fail::Expected(KEY));
        }
        match self.open.pop() {
            Some(Open::And(keys)) => {
                self.complete(and(keys));
                Ok(())
            }
            _ => Err(Fail::Expected(KEY)),
        }
    }

    /// A key is there: puts it where it belongs, and what becomes complete by it as well.
    fn complete(&mut self, mut key: SearchKey) {
        loop {
            match self.open.last_mut() {
                Some(Open::And(keys)) => return keys.push(key),
                Some(Open::Or { keys, missing }) => {
                    // `OR a (OR b c)` and `OR (OR a b) c` are one as well.
                    match key {
                        SearchKey::Or(inner) => keys.extend(inner),
                        other => keys.push(other),
                    }
                    *missing -= 1;
                    if *missing > 0 {
                        return;
                    }
                    key = SearchKey::Or(std::mem::take(keys));
                }
                Some(Open::Not) => {
                    key = match key {
                        SearchKey::Not(inner) => *inner,
                        other => SearchKey::Not(Box::new(other)),
                    };
                }
                // The program's own level is never taken off before the end.
                None => return,
            }
            self.open.pop();
        }
    }

    fn finish(mut self) -> Result<SearchKey> {
        match (self.open.pop(), self.open.is_empty()) {
            (Some(Open::And(keys)), true) if !keys.is_empty() => Ok(and(keys)),
            _ => Err(Fail::Expected("a search key or a closing parenthesis")),
        }
    }
}

fn and(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.len() {
        0 => SearchKey::All,
        1 => keys.swap_remove(0),
        _ => SearchKey::And(keys),
    }
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

/// Keys that are a word and nothing else.
fn bare(name: &str) -> Option<SearchKey> {
    use SearchKey::{All, And, Recent, SaveDateSupported};
    let has = SearchKey::Flag;
    Some(match name {
        "ALL" => All,
        "ANSWERED" => has(Flag::Answered),
        "DELETED" => has(Flag::Deleted),
        "DRAFT" => has(Flag::Draft),
        "FLAGGED" => has(Flag::Flagged),
        "SEEN" => has(Flag::Seen),
        "UNANSWERED" => not(has(Flag::Answered)),
        "UNDELETED" => not(has(Flag::Deleted)),
        "UNDRAFT" => not(has(Flag::Draft)),
        "UNFLAGGED" => not(has(Flag::Flagged)),
        "UNSEEN" => not(has(Flag::Seen)),
        "RECENT" => Recent,
        "NEW" => And(vec![Recent, not(has(Flag::Seen))]),
        "OLD" => not(Recent),
        "SAVEDATESUPPORTED" => SaveDateSupported,
        _ => return None,
    })
}

/// The date keys: which date, and how it lies to the day.
const DATES: &[(&str, DateField, DateOrder)] = &[
    ("BEFORE", DateField::Internal, DateOrder::Before),
    ("ON", DateField::Internal, DateOrder::On),
    ("SINCE", DateField::Internal, DateOrder::Since),
    ("SENTBEFORE", DateField::Sent, DateOrder::Before),
    ("SENTON", DateField::Sent, DateOrder::On),
    ("SENTSINCE", DateField::Sent, DateOrder::Since),
    ("SAVEDBEFORE", DateField::Saved, DateOrder::Before),
    ("SAVEDON", DateField::Saved, DateOrder::On),
    ("SAVEDSINCE", DateField::Saved, DateOrder::Since),
];

/// A key that holds no other key.
fn leaf(cursor: &mut Cursor<'_>, charset: Charset) -> Result<SearchKey> {
    if matches!(cursor.peek(), Some(b'0'..=b'9' | b'*' | b'$')) {
        return cursor.sequence_set().map(SearchKey::Seq);
    }
    let name = cursor.atom(KEY)?.to_ascii_uppercase();
    if let Some(key) = bare(&name) {
        return Ok(key);
    }
    cursor.space()?;
    if let Some(&(_, field, order)) = DATES.iter().find(|(date, ..)| *date == name) {
        return date(cursor).map(|day| SearchKey::Date { field, order, day });
    }
    Ok(match name.as_str() {
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => {
            SearchKey::Header { name: name.to_ascii_lowercase(), text: text(cursor, charset)? }
        }
        "HEADER" => header(cursor, charset)?,
        "BODY" => SearchKey::Body(text(cursor, charset)?),
        "TEXT" => SearchKey::Text(text(cursor, charset)?),
        "KEYWORD" => keyword(cursor)?,
        "UNKEYWORD" => not(keyword(cursor)?),
        "LARGER" => SearchKey::Larger(cursor.number64("a size")?),
        "SMALLER" => SearchKey::Smaller(cursor.number64("a size")?),
        "UID" => SearchKey::Uid(cursor.sequence_set()?),
        "OLDER" => SearchKey::Older(cursor.nonzero("an age in seconds")?.get()),
        "YOUNGER" => SearchKey::Younger(cursor.nonzero("an age in seconds")?.get()),
        "MODSEQ" => modseq(cursor)?,
        "EMAILID" => SearchKey::EmailId(cursor.text("an EMAILID")?),
        "THREADID" => SearchKey::ThreadId(cursor.text("a THREADID")?),
        _ => return Err(Fail::Expected("a search key before this")),
    })
}

fn date(cursor: &mut Cursor<'_>) -> Result<Day> {
    const WHAT: &str = "a date such as 1-Feb-1994";
    parse_date(&cursor.astring(WHAT)?).ok_or(Fail::Expected(WHAT))
}

/// A text, in Unicode.
fn text(cursor: &mut Cursor<'_>, charset: Charset) -> Result<String> {
    const WHAT: &str = "a text in the charset given before this";
    let bytes = cursor.astring("a text to search for")?;
    match charset {
        Charset::Utf8 => String::from_utf8(bytes.into_owned()).map_err(|_| Fail::Expected(WHAT)),
        Charset::Other(encoding) => encoding
            .decode_without_bom_handling_and_without_replacement(&bytes)
            .map(|text| text.into_owned())
            .ok_or(Fail::Expected(WHAT)),
    }
}

fn header(cursor: &mut Cursor<'_>, charset: Charset) -> Result<SearchKey> {
    const WHAT: &str = "a header field's name";
    let name = cursor.astring(WHAT)?;
    // Some write the colon as well.
    let name = FieldName::new(name.strip_suffix(b":").unwrap_or(&name));
    let name = name.ok_or(Fail::Expected(WHAT))?.as_str().to_ascii_lowercase();
    cursor.space()?;
    Ok(SearchKey::Header { name, text: text(cursor, charset)? })
}

/// Behind KEYWORD: an atom. Clients ask for `\Seen` and the like there too.
fn keyword(cursor: &mut Cursor<'_>) -> Result<SearchKey> {
    Ok(cursor.flag()?.map_or(SearchKey::Recent, SearchKey::Flag))
}

/// `MODSEQ ["/flags/\\Seen" all] n` (RFC 7162 §3.1.5). There is one modseq for a message, so
/// which flag is asked about makes no difference.
fn modseq(cursor: &mut Cursor<'_>) -> Result<SearchKey> {
    if cursor.peek() == Some(b'"') {
        cursor.string("a flag's entry")?;
        cursor.space()?;
        let scope = cursor.atom("priv, shared or all")?;
        if !["priv", "shared", "all"].iter().any(|s| s.eq_ignore_ascii_case(scope)) {
            return Err(Fail::Expected("priv, shared or all before this"));
        }
        cursor.space()?;
    }
    cursor.number64("a modification sequence").map(SearchKey::ModSeq)
}
