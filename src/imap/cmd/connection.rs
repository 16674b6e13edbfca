//! CAPABILITY, LOGOUT, ID, STARTTLS, LOGIN, AUTHENTICATE, ENABLE, COMPRESS: what concerns the
//! connection and who is at its other end. RFC 9051 §6.1, §6.2; RFC 2971, 5161, 4978.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::base::secret::Secret;
use crate::format::sasl::{Exchange, Mechanism, Step};
use crate::imap::codec::decode;
use crate::imap::codec::encode;
use crate::imap::codec::frame::Limits;
use crate::imap::codec::types::{AuthenticateArgs, Code, Feature, LoginArgs, Reply, Tag};
use crate::imap::failure::{Failure, Result};
use crate::imap::session::{LoggedIn, Session};
use crate::imap::sync::Keywords;
use crate::login::{Refused, ScramAttempt};
use crate::store::rows::account::Account;

/// Longest SASL response line: a SCRAM or PLAIN message with the longest names, in base64.
const SASL_LINE: usize = 12_288;

pub(super) fn capability(session: &mut Session) -> Result<Reply> {
    let capabilities = session.capabilities();
    encode::capability(&mut session.wire.out, &capabilities);
    Ok(Reply::ok("CAPABILITY completed"))
}

pub(super) fn logout(session: &mut Session) -> Result<Reply> {
    encode::untagged(&mut session.wire.out, &Reply::bye("Logging out"));
    session.ended = true;
    Ok(Reply::ok("LOGOUT completed"))
}

pub(super) fn id(
    session: &mut Session,
    fields: Option<&[(String, Option<String>)]>,
) -> Result<Reply> {
    for (name, value) in fields.unwrap_or_default() {
        if name.eq_ignore_ascii_case("name") || name.eq_ignore_ascii_case("version") {
            tracing::debug!(connection = session.peer.id, name, value, "IMAP client");
        }
    }
    let version = env!("CARGO_PKG_VERSION");
    encode::id(&mut session.wire.out, &[("name", "Kontor"), ("version", version)]);
    Ok(Reply::ok("ID completed"))
}

/// The OK goes out before the handshake, so it is not returned as a reply.
pub(super) async fn start_tls(session: &mut Session, tag: &Tag) -> Result<Reply> {
    if session.wire.is_tls() {
        return Err(Reply::bad("TLS is on already").into());
    }
    encode::tagged(&mut session.wire.out, tag, &Reply::ok("Begin TLS now"));
    session.wire.flush().await?;
    let tls = session.tls.clone();
    session.wire.start_tls(&tls).await?;
    session.said = true;
    Ok(Reply::ok(""))
}

pub(super) async fn login(session: &mut Session, args: LoginArgs) -> Result<Reply> {
    require_privacy(session)?;
    let doorkeeper = session.front.settings.doorkeeper.clone();
    match doorkeeper.check(session.peer.ip(), &args.user, args.password).await {
        Ok(account) => welcome(session, account),
        Err(refused) => Err(refusal(session, &args.user, refused).into()),
    }
}

pub(super) async fn authenticate(session: &mut Session, args: AuthenticateArgs) -> Result<Reply> {
    let Some(mechanism) = Mechanism::parse(&args.mechanism) else {
        return Err(Reply::no("This mechanism is not supported").with(Code::Cannot).into());
    };
    require_privacy(session)?;
    let mut exchange = Exchange::new(mechanism);
    let mut scram: Option<ScramAttempt> = None;
    let mut step = match args.initial {
        Some(initial) => exchange.respond(initial.expose()),
        None => Step::Challenge(exchange.first().to_vec()),
    };
    loop {
        step = match step {
            Step::Challenge(challenge) => {
                let response = challenge_client(session, &challenge).await?;
                exchange.respond(response.expose())
            }
            Step::Keys { name } => {
                let doorkeeper = session.front.settings.doorkeeper.clone();
                match doorkeeper.scram(session.peer.ip(), &name).await {
                    Ok((keys, attempt)) => {
                        scram = Some(attempt);
                        exchange.keys(keys)
                    }
                    Err(refused) => return Err(refusal(session, &name, refused).into()),
                }
            }
            Step::Password(login) => {
                let (name, password) = (login.name, login.password);
                let doorkeeper = session.front.settings.doorkeeper.clone();
                return match doorkeeper.check(session.peer.ip(), &name, password).await {
                    Ok(account) => welcome(session, account),
                    Err(refused) => Err(refusal(session, &name, refused).into()),
                };
            }
            Step::Proved { name } => {
                let Some(attempt) = scram else {
                    return Err(Reply::no("Authentication failed").into());
                };
                return match attempt.finish() {
                    Ok(account) => welcome(session, account),
                    Err(refused) => Err(refusal(session, &name, refused).into()),
                };
            }
            Step::Failed => return Err(refusal(session, "", Refused::Wrong).into()),
        };
    }
}

/// Sends a challenge and waits for the client's line; `*` gives up (RFC 9051 §6.2.2).
async fn challenge_client(session: &mut Session, challenge: &[u8]) -> Result<Secret> {
    encode::continuation(&mut session.wire.out, &BASE64_STANDARD.encode(challenge));
    session.wire.flush().await?;
    let patience = session.front.settings.limits.imap_login_secs;
    let deadline = tokio::time::sleep(std::time::Duration::from_secs(patience));
    tokio::pin!(deadline);
    loop {
        let line = session.wire.framer.next_line(SASL_LINE);
        let line = line.map_err(|_| Failure::Io(std::io::ErrorKind::InvalidData.into()))?;
        if let Some(line) = line {
            let cancelled = || Reply::bad("Authentication given up");
            return Ok(decode::sasl_response(&line)?.ok_or_else(cancelled)?);
        }
        tokio::select! {
            filled = session.wire.fill() => {
                if !filled? {
                    return Err(Failure::Io(std::io::ErrorKind::UnexpectedEof.into()));
                }
            }
            () = &mut deadline => return Err(Failure::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }
}

fn require_privacy(session: &Session) -> Result<()> {
    if session.may_log_in() {
        return Ok(());
    }
    let text = "Passwords are taken over TLS only: use port 993 or STARTTLS";
    Err(Reply::no(text).with(Code::PrivacyRequired).into())
}

fn refusal(session: &Session, name: &str, refused: Refused) -> Reply {
    tracing::info!(
        connection = session.peer.id,
        address = %session.peer.ip(),
        login = name,
        ?refused,
        "IMAP log-in refused"
    );
    match refused {
        Refused::Wrong => {
            Reply::no("The name or the password is wrong").with(Code::AuthenticationFailed)
        }
        Refused::Throttled => {
            Reply::no("Too many failed log-ins, wait a moment").with(Code::Unavailable)
        }
        Refused::Unavailable => {
            Reply::no("The server has a problem, try again later").with(Code::Unavailable)
        }
    }
}

fn welcome(session: &mut Session, account: Account) -> Result<Reply> {
    // The watch is set before anything is read, so that no change falls between.
    let watch = session.store().hub().watch(account.id);
    let mut keywords = Keywords::default();
    keywords.reload(session.store(), account.id)?;
    session.peer.welcome();
    let limit = session.front.settings.limits.message_size;
    session.wire.framer.set_limits(Limits::after_login(limit));
    tracing::debug!(connection = session.peer.id, account = account.address, "IMAP log-in");
    session.login = Some(LoggedIn { account, watch, keywords });
    let capabilities = session.capabilities();
    Ok(Reply::ok("Logged in").with(Code::Capability(capabilities.into())))
}

/// RFC 5161: answers untagged what is on now because of this command; some clients break
/// without that answer, even an empty one.
pub(super) fn enable(session: &mut Session, features: &[Feature]) -> Result<Reply> {
    if session.view.is_some() && features.contains(&Feature::Utf8Accept) && !session.enabled.utf8 {
        return Err(Reply::bad("UTF8=ACCEPT is to be enabled before SELECT").into());
    }
    for feature in features {
        let enabled = &mut session.enabled;
        match feature {
            Feature::CondStore => enabled.condstore = true,
            Feature::QResync => {
                enabled.qresync = true;
                enabled.condstore = true;
            }
            Feature::Utf8Accept => enabled.utf8 = true,
            Feature::Imap4Rev2 => enabled.rev2 = true,
            Feature::UidOnly => enabled.uid_only = true,
            Feature::Metadata | Feature::MetadataServer => {}
        }
    }
    encode::enabled(&mut session.wire.out, features);
    Ok(Reply::ok("ENABLE completed"))
}

/// The OK is the last that goes out plain.
pub(super) async fn compress(session: &mut Session, tag: &Tag) -> Result<Reply> {
    if session.wire.is_compressed() {
        let text = "DEFLATE is active already";
        return Err(Reply::no(text).with(Code::CompressionActive).into());
    }
    encode::tagged(&mut session.wire.out, tag, &Reply::ok("DEFLATE is active"));
    session.wire.flush().await?;
    session.wire.start_deflate()?;
    session.said = true;
    Ok(Reply::ok(""))
}
