//! Commands about the session and the account: ID, log-in, ENABLE, quotas, annotations, and those
//! without arguments.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::imap::codec::table::Spec;
use crate::imap::codec::types::*;

use super::lexer::{Cursor, Fail, Result, refuse};

/// Commands that are a word and nothing else.
macro_rules! bare {
    ($($name:ident => $command:ident),+ $(,)?) => {$(
        pub fn $name(_: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
            Ok(Command::$command)
        }
    )+};
}

bare! {
    capability => Capability,
    noop => Noop,
    logout => Logout,
    starttls => StartTls,
    namespace => Namespace,
    idle => Idle,
    check => Check,
    close => Close,
    unselect => Unselect,
    expunge => Expunge,
}

/// The most pairs that RFC 2971 §3.3 allows in ID.
const ID_PAIRS: usize = 30;

pub fn id(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    if cursor.eat_word("NIL") {
        return Ok(Command::Id(None));
    }
    let lossy = |bytes: std::borrow::Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
    let pairs = cursor.list("a list or NIL", |cursor| {
        let name = lossy(cursor.string("a field's name")?);
        cursor.space()?;
        Ok((name, cursor.nstring("a field's value")?.map(lossy)))
    })?;
    if pairs.len() > ID_PAIRS {
        return Err(Fail::Expected("30 fields at most before this"));
    }
    Ok(Command::Id(Some(pairs)))
}

pub fn login(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    // A name that is no UTF-8 is nobody's; it fails as a wrong password does.
    let user = String::from_utf8_lossy(&cursor.astring("a user name")?).into_owned();
    cursor.space()?;
    let password = Secret::new(cursor.astring("a password")?.into_owned());
    Ok(Command::Login(LoginArgs { user, password }))
}

pub fn authenticate(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    let mechanism = cursor.atom("a SASL mechanism")?.to_ascii_uppercase();
    let mut initial = None;
    if !cursor.at_end() {
        cursor.space()?;
        let word = cursor.take_while(|b| b != b' ');
        // RFC 4959 §3: `=` is an empty response, as opposed to none.
        let word = if word == b"=" { b"" } else { word };
        initial = Some(base64_secret(word).ok_or(Fail::Expected("base64 before this"))?);
    }
    Ok(Command::Authenticate(AuthenticateArgs { mechanism, initial }))
}

/// Reads a line of AUTHENTICATE: `Ok(None)` for `*`, by which the client gives up
/// (RFC 9051 §6.2.2).
pub fn sasl_response(line: &[u8]) -> std::result::Result<Option<Secret>, Reply> {
    let line = line.trim_ascii();
    if line == b"*" {
        return Ok(None);
    }
    base64_secret(line).map(Some).ok_or_else(|| Reply::bad("Expected base64"))
}

fn base64_secret(text: &[u8]) -> Option<Secret> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    ENGINE.decode(text).ok().map(Secret::new)
}

pub fn enable(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    let mut features = Vec::new();
    cursor.space()?;
    loop {
        let name = cursor.atom("a capability's name")?;
        let known = Feature::ALL.iter().find(|(_, n)| n.eq_ignore_ascii_case(name));
        if let Some((feature, _)) = known.filter(|(feature, _)| !features.contains(feature)) {
            features.push(*feature);
        }
        if cursor.at_end() {
            return Ok(Command::Enable(features));
        }
        cursor.space()?;
    }
}

pub fn compress(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    match cursor.atom("a compression mechanism")? {
        name if name.eq_ignore_ascii_case("DEFLATE") => Ok(Command::Compress),
        _ => refuse(Reply::no("DEFLATE is the only compression here").with(Code::Cannot)),
    }
}

pub fn cancelupdate(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    const WHAT: &str = "a quoted tag";
    let mut tags = Vec::new();
    cursor.space()?;
    loop {
        tags.push(cursor.text(WHAT)?);
        if cursor.at_end() {
            return Ok(Command::CancelUpdate(tags));
        }
        cursor.space()?;
    }
}

pub fn getquota(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    cursor.text("a quota root").map(Command::GetQuota)
}

pub fn getquotaroot(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    cursor.mailbox().map(Command::GetQuotaRoot)
}

pub fn setquota(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    let root = cursor.text("a quota root")?;
    cursor.space()?;
    let limits = cursor.list("a list of limits", |cursor| {
        let resource = cursor.atom("a resource's name")?.to_ascii_uppercase();
        cursor.space()?;
        Ok((resource, cursor.number64("a limit")?))
    })?;
    Ok(Command::SetQuota(SetQuotaArgs { root, limits }))
}

pub fn getmetadata(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    let (mut max_size, mut depth) = (None, Depth::Zero);
    // The grammar puts the options before the mailbox, the examples of RFC 5464 §4.2.1 behind
    // it; clients do either.
    if cursor.peek() == Some(b'(') {
        metadata_options(cursor, &mut max_size, &mut depth)?;
        cursor.space()?;
    }
    let mailbox = metadata_mailbox(cursor)?;
    cursor.space()?;
    if options_ahead(cursor) {
        metadata_options(cursor, &mut max_size, &mut depth)?;
        cursor.space()?;
    }
    let entries = entry_names(cursor)?;
    Ok(Command::GetMetadata(GetMetadataArgs { mailbox, max_size, depth, entries }))
}

/// True if a list of options follows, and not one of entries, which begin with a slash.
fn options_ahead(cursor: &mut Cursor<'_>) -> bool {
    let mut ahead = cursor.ahead();
    ahead.eat(b'(') && matches!(ahead.peek(), Some(b'A'..=b'Z' | b'a'..=b'z'))
}

fn metadata_options(
    cursor: &mut Cursor<'_>,
    max_size: &mut Option<u64>,
    depth: &mut Depth,
) -> Result<()> {
    cursor.list("options", |cursor| {
        let name = cursor.atom("MAXSIZE or DEPTH")?;
        cursor.space()?;
        if name.eq_ignore_ascii_case("MAXSIZE") {
            *max_size = Some(cursor.number64("a size")?);
        } else if name.eq_ignore_ascii_case("DEPTH") {
            *depth = match cursor.atom("a depth")? {
                "0" => Depth::Zero,
                "1" => Depth::One,
                word if word.eq_ignore_ascii_case("infinity") => Depth::Infinity,
                _ => return Err(Fail::Expected("0, 1 or infinity")),
            };
        } else {
            return Err(Fail::Expected("MAXSIZE or DEPTH"));
        }
        Ok(())
    })?;
    Ok(())
}

/// A mailbox, or the empty string for the server.
fn metadata_mailbox(cursor: &mut Cursor<'_>) -> Result<Option<MailboxName>> {
    let mut ahead = cursor.ahead();
    if ahead.astring("a mailbox name")?.is_empty() {
        *cursor = ahead;
        return Ok(None);
    }
    cursor.mailbox().map(Some)
}

fn entry_name(cursor: &mut Cursor<'_>) -> Result<EntryName> {
    const WHAT: &str = "an entry such as /private/comment";
    EntryName::new(&cursor.text(WHAT)?).ok_or(Fail::Expected(WHAT))
}

/// One entry, or several in parentheses.
pub(super) fn entry_names(cursor: &mut Cursor<'_>) -> Result<Vec<EntryName>> {
    if cursor.peek() == Some(b'(') {
        cursor.list("entries", entry_name)
    } else {
        Ok(vec![entry_name(cursor)?])
    }
}

pub fn setmetadata(cursor: &mut Cursor<'_>, _: &Spec) -> Result<Command> {
    cursor.space()?;
    let mailbox = metadata_mailbox(cursor)?;
    cursor.space()?;
    let entries = cursor.list("a list of entries and values", |cursor| {
        let name = entry_name(cursor)?;
        cursor.space()?;
        Ok((name, cursor.nstring("a value or NIL")?.map(|value| value.into_owned())))
    })?;
    Ok(Command::SetMetadata(SetMetadataArgs { mailbox, entries }))
}
