//! Command lines into commands. RFC 5321 §4.1, with SIZE (RFC 1870), 8BITMIME (RFC 6152),
//! SMTPUTF8 (RFC 6531), DSN (RFC 3461), CHUNKING (RFC 3030), AUTH (RFC 4954), STARTTLS
//! (RFC 3207).

use crate::base::address::EmailAddress;
use crate::format::smtp::reply::Reply;
use crate::format::smtp::xtext;

/// One command. LMTP's LHLO is not among them: there is no LMTP here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The name is as the client gave it, cleared of what could not stand in a header field.
    Ehlo(String),
    Helo(String),
    Mail(Mail),
    Rcpt(Rcpt),
    Data,
    Bdat {
        size: u64,
        last: bool,
    },
    Rset,
    Noop,
    Quit,
    Help,
    Vrfy,
    Expn,
    StartTls,
    Auth {
        mechanism: &'a str,
        initial: Option<&'a str>,
    },
}

/// MAIL FROM (RFC 5321 §4.1.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// `None` is the null reverse-path `<>`.
    pub sender: Option<EmailAddress>,
    /// The announced size in octets.
    pub size: Option<u64>,
    pub body: Body,
    pub smtputf8: bool,
    pub ret: Option<Ret>,
    /// The envelope id, decoded.
    pub envid: Option<String>,
}

/// What the client says the body is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    #[default]
    SevenBit,
    EightBit,
}

/// How much of the message a failure report returns (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    Full,
    Headers,
}

/// RCPT TO (RFC 5321 §4.1.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rcpt {
    pub path: RcptPath,
    /// `None`: the sender did not say, so failures are reported (RFC 3461 §4.1).
    pub notify: Option<Notify>,
    pub orcpt: Option<OriginalRecipient>,
    /// Whether the line was not ASCII, which needs SMTPUTF8 in MAIL (RFC 6531 §3.4).
    pub utf8: bool,
}

/// Where a message shall go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RcptPath {
    /// `<Postmaster>` without a domain: this server's (RFC 5321 §4.1.1.3).
    Postmaster,
    Mailbox(EmailAddress),
}

/// When the sender wants a report; all false is NEVER (RFC 3461 §4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    pub success: bool,
    pub failure: bool,
    pub delay: bool,
}

/// ORCPT (RFC 3461 §4.2): the address as the sender first had it, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// `rfc822`, `utf-8` or another registered type, in lower case.
    pub kind: String,
    pub address: String,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// A bare CR or LF, a control character, or bytes that are not UTF-8.
    BadBytes,
    Unknown,
    /// An HTTP request: a browser or a gateway was led here, and the body may hold commands
    /// that somebody else wrote ("cross-protocol scripting"). The conversation ends.
    OtherProtocol,
    /// The command's syntax, for the client's author to read.
    Syntax(&'static str),
    BadSender,
    BadRecipient,
    /// A non-ASCII address without SMTPUTF8.
    NeedsUtf8,
    /// A parameter of MAIL or RCPT that was not offered.
    UnknownParameter,
    BadParameter(&'static str),
}

impl CommandError {
    /// The answer to the client.
    pub fn reply(self) -> Reply {
        match self {
            Self::BadBytes => Reply::new(500, (5, 2), "Line has octets that no command has"),
            Self::OtherProtocol => Reply::new(421, (7, 0), "This is not a web server"),
            Self::Unknown => Reply::new(500, (5, 1), "Command not recognised"),
            Self::Syntax(usage) => Reply::new(501, (5, 4), format!("Syntax: {usage}")),
            Self::BadSender => Reply::new(553, (1, 7), "Sender address is not valid"),
            Self::BadRecipient => Reply::new(553, (1, 3), "Recipient address is not valid"),
            Self::NeedsUtf8 => Reply::new(553, (6, 7), "Non-ASCII address needs SMTPUTF8"),
            Self::UnknownParameter => Reply::new(555, (5, 4), "Parameter not recognised"),
            Self::BadParameter(name) => {
                Reply::new(501, (5, 4), format!("Bad value for parameter {name}"))
            }
        }
    }
}

/// The usage texts, also given by HELP.
const SYNTAX_MAIL: &str = "MAIL FROM:<address> [parameters]";
const SYNTAX_RCPT: &str = "RCPT TO:<address> [parameters]";
const SYNTAX_BDAT: &str = "BDAT size [LAST]";
const SYNTAX_AUTH: &str = "AUTH mechanism [initial-response]";

/// Longest name taken from EHLO.
const HELO_MAX: usize = 255;
/// Longest ENVID and ORCPT, encoded (RFC 3461 §4.4, §4.2).
const ENVID_MAX: usize = 100;
const ORCPT_MAX: usize = 500;

/// Reads one command line, without its CRLF.
pub fn parse(line: &[u8]) -> Result<Command<'_>, CommandError> {
    let line = std::str::from_utf8(line).map_err(|_| CommandError::BadBytes)?;
    if line.chars().any(|c| c.is_control() && c != '\t') {
        return Err(CommandError::BadBytes);
    }
    let line = line.trim_end_matches([' ', '\t']);
    let (verb, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let rest = rest.trim_start_matches([' ', '\t']);
    let bare = |command, usage| {
        if rest.is_empty() { Ok(command) } else { Err(CommandError::Syntax(usage)) }
    };
    let mut buffer = [0; 8];
    match upper(verb, &mut buffer) {
        "EHLO" => helo_name(rest, "EHLO name").map(Command::Ehlo),
        "HELO" => helo_name(rest, "HELO name").map(Command::Helo),
        "MAIL" => parse_mail(rest).map(Command::Mail),
        "RCPT" => parse_rcpt(rest).map(Command::Rcpt),
        "DATA" => bare(Command::Data, "DATA"),
        "BDAT" => parse_bdat(rest),
        "RSET" => bare(Command::Rset, "RSET"),
        "QUIT" => bare(Command::Quit, "QUIT"),
        "STARTTLS" => bare(Command::StartTls, "STARTTLS"),
        "NOOP" => Ok(Command::Noop),
        "HELP" => Ok(Command::Help),
        "VRFY" => Ok(Command::Vrfy),
        "EXPN" => Ok(Command::Expn),
        "AUTH" => parse_auth(rest),
        "GET" | "POST" | "PUT" | "HEAD" | "CONNECT" | "OPTIONS" | "PATCH" | "DELETE" => {
            Err(CommandError::OtherProtocol)
        }
        _ => Err(CommandError::Unknown),
    }
}

/// A keyword in upper case; "" if it is longer than any that is known.
fn upper<'b, const N: usize>(word: &str, buffer: &'b mut [u8; N]) -> &'b str {
    let Some(place) = buffer.get_mut(..word.len()) else { return "" };
    place.copy_from_slice(word.as_bytes());
    place.make_ascii_uppercase();
    std::str::from_utf8(place).unwrap_or("")
}

/// Any name is taken, as real clients send any; characters that could break out of the
/// Received field become `?`.
fn helo_name(rest: &str, usage: &'static str) -> Result<String, CommandError> {
    let name = rest.split([' ', '\t']).next().unwrap_or("");
    if name.is_empty() || name.len() > HELO_MAX {
        return Err(CommandError::Syntax(usage));
    }
    let harmless = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    Ok(name.chars().map(|c| if harmless(c) { c } else { '?' }).collect())
}

fn parse_mail(rest: &str) -> Result<Mail, CommandError> {
    let syntax = CommandError::Syntax(SYNTAX_MAIL);
    let rest = after_keyword(rest, "FROM:").ok_or(syntax)?;
    let (path, parameters) = split_path(rest).ok_or(syntax)?;
    let mut mail = Mail::default();
    if !path.is_empty() {
        let address = EmailAddress::parse_mailbox(strip_source_route(path));
        mail.sender = Some(address.map_err(|_| CommandError::BadSender)?);
    }
    let mut seen = Seen::default();
    for parameter in parameters.split_ascii_whitespace() {
        let (name, value) = split_parameter(parameter);
        let mut buffer = [0; 8];
        match upper(name, &mut buffer) {
            "SIZE" => mail.size = Some(seen.once("SIZE", parse_size(value))?),
            "BODY" => mail.body = seen.once("BODY", parse_body(value))?,
            "SMTPUTF8" => {
                mail.smtputf8 = seen.once("SMTPUTF8", value.is_none().then_some(true))?;
            }
            "RET" => mail.ret = Some(seen.once("RET", parse_ret(value))?),
            "ENVID" => mail.envid = Some(seen.once("ENVID", parse_envid(value))?),
            // Who submitted the message first is not trusted and not used (RFC 4954 §5), but
            // it has to be well formed.
            "AUTH" => seen.once("AUTH", value.and_then(xtext::decode).map(drop))?,
            _ => return Err(CommandError::UnknownParameter),
        }
    }
    if !path.is_ascii() && !mail.smtputf8 {
        return Err(CommandError::NeedsUtf8);
    }
    Ok(mail)
}

fn parse_rcpt(rest: &str) -> Result<Rcpt, CommandError> {
    let syntax = CommandError::Syntax(SYNTAX_RCPT);
    let line = after_keyword(rest, "TO:").ok_or(syntax)?;
    let (path, parameters) = split_path(line).ok_or(syntax)?;
    let path = match strip_source_route(path) {
        name if name.eq_ignore_ascii_case("postmaster") => RcptPath::Postmaster,
        mailbox => {
            let address = EmailAddress::parse_mailbox(mailbox);
            RcptPath::Mailbox(address.map_err(|_| CommandError::BadRecipient)?)
        }
    };
    let mut rcpt = Rcpt { path, notify: None, orcpt: None, utf8: !line.is_ascii() };
    let mut seen = Seen::default();
    for parameter in parameters.split_ascii_whitespace() {
        let (name, value) = split_parameter(parameter);
        let mut buffer = [0; 8];
        match upper(name, &mut buffer) {
            "NOTIFY" => rcpt.notify = Some(seen.once("NOTIFY", parse_notify(value))?),
            "ORCPT" => rcpt.orcpt = Some(seen.once("ORCPT", parse_orcpt(value))?),
            _ => return Err(CommandError::UnknownParameter),
        }
    }
    Ok(rcpt)
}

fn parse_bdat(rest: &str) -> Result<Command<'_>, CommandError> {
    let syntax = CommandError::Syntax(SYNTAX_BDAT);
    let mut words = rest.split_ascii_whitespace();
    let size = parse_size(words.next()).ok_or(syntax)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(syntax),
    };
    if words.next().is_some() { Err(syntax) } else { Ok(Command::Bdat { size, last }) }
}

fn parse_auth(rest: &str) -> Result<Command<'_>, CommandError> {
    let mut words = rest.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => Ok(Command::Auth { mechanism, initial }),
        _ => Err(CommandError::Syntax(SYNTAX_AUTH)),
    }
}

/// What follows `FROM:` or `TO:`. A space after the colon is no syntax, but sent by many.
fn after_keyword<'a>(rest: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, tail) = rest.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then(|| tail.trim_start_matches(' '))
}

/// Splits `<path> parameters`; a `>` inside a quoted local part does not end the path.
fn split_path(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('<')?;
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let (path, rest) = text.split_at_checked(at)?;
                let rest = rest.strip_prefix('>')?;
                let separated = rest.is_empty() || rest.starts_with([' ', '\t']);
                return separated.then_some((path, rest));
            }
            _ => {}
        }
    }
    None
}

/// `@relay1,@relay2:user@host` is read as `user@host` (RFC 5321 appendix F.2).
fn strip_source_route(path: &str) -> &str {
    match path.split_once(':') {
        Some((route, mailbox)) if route.starts_with('@') && !route.contains('"') => mailbox,
        _ => path,
    }
}

fn split_parameter(parameter: &str) -> (&str, Option<&str>) {
    match parameter.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (parameter, None),
    }
}

/// The parameters met so far: each may stand once.
#[derive(Default)]
struct Seen(smallvec::SmallVec<[&'static str; 6]>);

impl Seen {
    fn once<T>(&mut self, name: &'static str, value: Option<T>) -> Result<T, CommandError> {
        if self.0.contains(&name) {
            return Err(CommandError::BadParameter(name));
        }
        self.0.push(name);
        value.ok_or(CommandError::BadParameter(name))
    }
}

/// Up to 20 digits (RFC 1870 §3); what no integer holds is only very large.
fn parse_size(value: Option<&str>) -> Option<u64> {
    let digits = value?;
    let well_formed =
        (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    well_formed.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn parse_body(value: Option<&str>) -> Option<Body> {
    match upper(value?, &mut [0; 8]) {
        "7BIT" => Some(Body::SevenBit),
        "8BITMIME" => Some(Body::EightBit),
        _ => None,
    }
}

fn parse_ret(value: Option<&str>) -> Option<Ret> {
    match upper(value?, &mut [0; 8]) {
        "FULL" => Some(Ret::Full),
        "HDRS" => Some(Ret::Headers),
        _ => None,
    }
}

fn parse_envid(value: Option<&str>) -> Option<String> {
    let value = value.filter(|v| !v.is_empty() && v.len() <= ENVID_MAX)?;
    xtext::decode(value)
}

fn parse_notify(value: Option<&str>) -> Option<Notify> {
    let value = value?;
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(Notify::default());
    }
    let mut notify = Notify::default();
    for word in value.split(',') {
        let flag = match upper(word, &mut [0; 8]) {
            "SUCCESS" => &mut notify.success,
            "FAILURE" => &mut notify.failure,
            "DELAY" => &mut notify.delay,
            _ => return None,
        };
        *flag = true;
    }
    Some(notify)
}

fn parse_orcpt(value: Option<&str>) -> Option<OriginalRecipient> {
    let (kind, address) = value.filter(|v| v.len() <= ORCPT_MAX)?.split_once(';')?;
    let atom = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if kind.is_empty() || !kind.bytes().all(atom) {
        return None;
    }
    let kind = kind.to_ascii_lowercase();
    let address = match kind.as_str() {
        "utf-8" => xtext::decode_utf8_address(address)?,
        _ => xtext::decode(address)?,
    };
    (!address.is_empty()).then_some(OriginalRecipient { kind, address })
}

#[cfg(test)]
mod tests;
