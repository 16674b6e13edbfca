//! `kontor demo`: a filled sample office that a stranger can look at with any mail program.

mod attachments;
mod compose;
mod groupware;
mod letters;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::config::Config;
use super::control::Failure;
use super::serve::{self, Server, Signals};
use super::{open, output};
use crate::base::address::EmailAddress;
use crate::base::clock::UnixTime;
use crate::base::id::AccountId;
use crate::base::secret::Secret;
use crate::domain::account::{self, NewAccount};
use crate::domain::auth::Credentials;
use crate::domain::message::{self, FlagNames, Prepared};
use crate::domain::{self, mailbox, server};
use crate::store::rows::account::Group;
use crate::store::rows::flags::Flags;
use crate::store::rows::mailbox::SpecialUse;
use crate::store::{Read, Store, Tx};
use compose::Context;
use letters::Letter;

/// The office's domain; `.example` never leads anywhere (RFC 2606).
const DOMAIN: &str = "office.example";
/// Everybody's password: nothing here is worth guessing.
const PASSWORD: &str = "sample-office";

/// Older letters have been read.
const READ_AFTER_DAYS: i64 = 3;

struct Person {
    login: &'static str,
    name: &'static str,
    admin: bool,
}

const PEOPLE: [Person; 5] = [
    Person { login: "ines", name: "Ines Brandt", admin: true },
    Person { login: "ruth", name: "Ruth Keßler", admin: false },
    Person { login: "tomasz", name: "Tomasz Nowak", admin: false },
    Person { login: "claire", name: "Claire Moreau", admin: false },
    Person { login: "jonas", name: "Jonas Weber", admin: false },
];

/// Further addresses, and whose they are.
const ALIASES: [(&str, &str); 4] =
    [("info", "ruth"), ("invoices", "claire"), ("ines.brandt", "ines"), ("postmaster", "ines")];

/// Everybody's address.
const GROUP: &str = "team";

/// Runs the sample office until Ctrl-C.
pub fn run(data: Option<PathBuf>, mut config: Config) -> Result<(), Failure> {
    let temporary = data.is_none();
    let dir = data.unwrap_or_else(|| {
        std::env::temp_dir().join(format!("kontor-demo-{}", std::process::id()))
    });
    choose_ports(&mut config);
    config.hostname.get_or_insert_with(|| format!("mail.{DOMAIN}"));
    let result = fill_directory(&dir, &config).and_then(|()| {
        serve::block_on(async {
            let signals = Signals::listen()?;
            let server = Server::start(&dir, &config).await?;
            output::say(&describe(&server, &config, &dir, temporary));
            server.until_told(signals).await
        })
    });
    if temporary {
        let _ = std::fs::remove_dir_all(&dir);
    }
    result
}

/// Where a setting says nothing: unprivileged ports on this machine alone, and others where
/// those are taken.
fn choose_ports(config: &mut Config) {
    let default = Config::default_listen();
    let wanted = &mut config.listen;
    for (addresses, usual, port) in [
        (&mut wanted.smtp, default.smtp, 1025),
        (&mut wanted.submission, default.submission, 1587),
        (&mut wanted.submissions, default.submissions, 1465),
        (&mut wanted.imap, default.imap, 1143),
        (&mut wanted.imaps, default.imaps, 1993),
        (&mut wanted.http, default.http, 8080),
        (&mut wanted.https, default.https, 8443),
    ] {
        if *addresses == usual {
            let free = (port..port + 20).find(|port| is_free(*port)).unwrap_or(0);
            *addresses = vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), free)];
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn describe(server: &Server, config: &Config, dir: &Path, temporary: bool) -> String {
    use std::fmt::Write as _;
    let port = |name: &str| server.up.iter().find(|up| up.name == name).map(|up| up.address);
    let mut text = String::from("\nThe sample office is open.\n\n");
    for (what, name, note) in [
        ("IMAP", "imap", "STARTTLS, or none on this machine"),
        ("IMAP", "imaps", "TLS"),
        ("Submission", "submission", "STARTTLS, or none on this machine"),
        ("Submission", "submissions", "TLS"),
        ("SMTP", "smtp", "mail from elsewhere"),
        ("ActiveSync", "https", "phones: this server, TLS"),
    ] {
        if let Some(address) = port(name) {
            let _ = writeln!(text, "  {what:<11} {address:<21} {note}");
        }
    }
    for (scheme, name) in [("http", "http"), ("https", "https")] {
        if let Some(address) = port(name) {
            let _ = writeln!(text, "  Web         {scheme}://{address}/");
        }
    }
    let _ = writeln!(text, "\n  {:<25} {:<15} Password", "Log-in", "Name");
    for person in &PEOPLE {
        let login = format!("{}@{DOMAIN}", person.login);
        let admin = if person.admin { "   (administrator)" } else { "" };
        let _ = writeln!(text, "  {login:<25} {:<15} {PASSWORD}{admin}", person.name);
    }
    let _ = writeln!(
        text,
        "\n  {GROUP}@{DOMAIN} reaches all five. TLS uses {}.\n  \
         Try:  curl -s --user ines@{DOMAIN}:{PASSWORD} 'imap://{}/INBOX?ALL'",
        certificate(config),
        port("imap").map_or_else(|| "-".into(), |address| address.to_string())
    );
    let kept = if temporary { "is removed at the end" } else { "is kept" };
    let _ = writeln!(text, "  Data in {}, which {kept}. Ctrl-C ends it.\n", dir.display());
    text
}

fn certificate(config: &Config) -> String {
    match &config.tls {
        Some(own) => format!("the certificate {}", own.certificate.display()),
        None => "a self-signed certificate".into(),
    }
}

/// Fills a directory that holds nothing yet; one from an earlier run is taken as it is.
fn fill_directory(dir: &Path, config: &Config) -> Result<(), Failure> {
    let store = open::context(dir, config)?.store;
    let read = store.read();
    // By its people: who tries commands out uses the same domain.
    let first = PEOPLE.iter().map(|person| local(person.login)).next().transpose()?;
    if first.is_some_and(|first| account::find(&read, &first).is_ok()) {
        return Ok(());
    }
    if !read.domains()?.is_empty() {
        let reason = "holds another office's data; name an empty directory with --data";
        return Err(Failure(format!("{} {reason}", dir.display())));
    }
    drop(read);
    fill(&store, jiff::Timestamp::now().as_second())?;
    store.checkpoint()?;
    Ok(())
}

/// Makes the people and delivers the letters.
fn fill(store: &Store, now: UnixTime) -> Result<(), Failure> {
    let people = make_people(store)?;
    for person in &PEOPLE {
        let Some(id) = people.get(&local(person.login)?.canonical()).copied() else { continue };
        store.write_blocking(move |tx| groupware::fill(tx, id, person, now))?;
    }
    store.write_blocking(groupware::fill_office)?;
    let letters = letters::all().map_err(Failure)?;
    let midnight = now - now.rem_euclid(86_400);
    let sent_at = |letter: &Letter| {
        // Written in the office's time, one hour east; what would lie ahead was just now.
        let at = midnight - letter.days * 86_400 + letter.minute * 60 - 3_600;
        at.min(now - 120)
    };
    let by_id: HashMap<&str, &Letter> = letters.iter().map(|l| (l.id.as_str(), l)).collect();
    let mut order: Vec<&Letter> = letters.iter().collect();
    order.sort_by_key(|letter| sent_at(letter));
    for letter in order {
        let mut thread = Vec::new();
        let mut parent = letter.reply.as_deref();
        while let Some(found) = parent.and_then(|id| by_id.get(id)).filter(|_| thread.len() < 50) {
            thread.insert(0, (*found, sent_at(found)));
            parent = found.reply.as_deref();
        }
        let context = Context { letter, sent: sent_at(letter), thread };
        let answered_by: Vec<String> = letters
            .iter()
            .filter(|other| other.reply.as_deref() == Some(letter.id.as_str()))
            .map(|other| compose::address(&other.from).to_owned())
            .collect();
        deliver(store, &people, &context, &answered_by)?;
    }
    Ok(())
}

fn make_people(store: &Store) -> Result<HashMap<String, AccountId>, Failure> {
    // One hash for all: it is the same password, and argon2 takes its time.
    let credentials = Credentials::of(&Secret::new(PASSWORD))?;
    let people = store.write_blocking(move |tx| {
        server::set_hostname(tx, &format!("mail.{DOMAIN}"))?;
        account::add_domain(tx, DOMAIN)?;
        let mut people = HashMap::new();
        for person in &PEOPLE {
            let address = local(person.login)?;
            let new = NewAccount {
                address: address.clone(),
                display_name: person.name.into(),
                admin: person.admin,
                credentials: Some(credentials.clone()),
                quota: None,
            };
            people.insert(address.canonical(), account::create(tx, &new)?.id);
        }
        for (alias, owner) in ALIASES {
            if let Some(id) = people.get(&local(owner)?.canonical()).copied() {
                account::add_alias(tx, &local(alias)?, id)?;
                people.insert(local(alias)?.canonical(), id);
            }
        }
        let members = PEOPLE.iter().map(|person| format!("{}@{DOMAIN}", person.login)).collect();
        let group = Group { name: "Everybody".into(), members, members_send: true, hidden: false };
        account::put_group(tx, &local(GROUP)?, &group)?;
        Ok::<_, domain::Error>(people)
    })?;
    Ok(people)
}

fn local(login: &str) -> Result<EmailAddress, domain::Error> {
    EmailAddress::new(login, DOMAIN).map_err(|error| domain::Error::Invalid(error.to_string()))
}

/// Puts a letter where it belongs: its author's Sent or Drafts, its readers' mailboxes.
fn deliver(
    store: &Store,
    people: &HashMap<String, AccountId>,
    context: &Context<'_>,
    answered_by: &[String],
) -> Result<(), Failure> {
    let letter = context.letter;
    let author = people.get(compose::address(&letter.from)).copied();
    let mut copies: Vec<(AccountId, Place, Flags)> = Vec::new();
    if let Some(author) = author {
        let (place, flags) = match letter.draft {
            true => (Place::Use(SpecialUse::Drafts), Flags::DRAFT),
            false => (Place::Use(SpecialUse::Sent), Flags::SEEN),
        };
        copies.push((author, place, union(flags, Flags::SEEN)));
    }
    if !letter.draft {
        for (login, reader) in readers(letter, people) {
            if Some(reader) == author {
                continue;
            }
            let mut flags = Flags::NONE;
            let answered = answered_by.contains(&login);
            if letter.days > READ_AFTER_DAYS || answered || letter.mailbox.is_some() {
                flags = union(flags, Flags::SEEN);
            }
            if answered {
                flags = union(flags, Flags::ANSWERED);
            }
            if letter.star.iter().any(|star| login.starts_with(star.as_str())) {
                flags = union(flags, Flags::FLAGGED);
            }
            let name = letter.mailbox.clone().unwrap_or_else(|| mailbox::INBOX.into());
            copies.push((reader, Place::Named(name), flags));
        }
    }
    let prepared = Prepared::new(&[], Bytes::from(compose::message(context)));
    let received = context.sent + 7;
    store.write_blocking(move |tx| {
        let stored = message::store_content(tx, prepared)?;
        for (account, place, flags) in copies {
            let target = place.find(tx, account)?;
            message::add(tx, target, &stored, &FlagNames::system(flags), Some(received))?;
        }
        Ok::<_, domain::Error>(())
    })?;
    Ok(())
}

fn union(mut flags: Flags, more: Flags) -> Flags {
    flags.add(&more);
    flags
}

/// Everybody in the office who gets a letter, once, with the login.
fn readers(letter: &Letter, people: &HashMap<String, AccountId>) -> Vec<(String, AccountId)> {
    let mut found: Vec<(String, AccountId)> = Vec::new();
    let group = format!("{GROUP}@{DOMAIN}");
    for person in letter.to.iter().chain(&letter.cc) {
        let address = compose::address(person);
        let each: Vec<String> = match address == group {
            true => PEOPLE.iter().map(|person| format!("{}@{DOMAIN}", person.login)).collect(),
            false => vec![address.to_owned()],
        };
        for address in each {
            if let Some(id) = people.get(&address).copied()
                && !found.iter().any(|(_, known)| *known == id)
            {
                found.push((address, id));
            }
        }
    }
    found
}

enum Place {
    Use(SpecialUse),
    Named(String),
}

impl Place {
    fn find(
        &self,
        tx: &mut Tx<'_>,
        account: AccountId,
    ) -> Result<crate::base::id::MailboxId, domain::Error> {
        let name = match self {
            Self::Use(wanted) => match mailbox::with_use(tx, account, *wanted)? {
                Some(found) => return Ok(found.id),
                None => mailbox::INBOX,
            },
            Self::Named(name) => name,
        };
        match mailbox::find(tx, account, name) {
            Ok(found) => Ok(found.id),
            Err(_) => {
                let made = mailbox::create(tx, account, name, None)?;
                let mut above = Some(made.name.as_str());
                while let Some(name) = above {
                    mailbox::set_subscribed(tx, account, name, true)?;
                    above = mailbox::parent_name(name);
                }
                Ok(made.id)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::store::rows::collection::CollectionKind;

    #[test]
    fn the_certificate_that_is_used_is_told() {
        let mut config = Config::default();
        assert_eq!(certificate(&config), "a self-signed certificate");
        let own = crate::app::config::Files { certificate: "a.pem".into(), key: "b.pem".into() };
        config.tls = Some(own);
        assert_eq!(certificate(&config), "the certificate a.pem");
    }

    #[test]
    fn everybody_finds_a_filled_mailbox() {
        let now = 1_739_430_720;
        let store = Store::in_memory(Clock::fixed(now));
        fill(&store, now).unwrap();
        let read = store.read();
        let mut all = 0;
        for account in read.accounts().unwrap() {
            let inbox = mailbox::find(&read, account.id, "INBOX").unwrap();
            assert!(inbox.messages >= 5, "{} has {}", account.address, inbox.messages);
            assert!(inbox.unseen >= 1, "{} has read everything", account.address);
            let sent = mailbox::find(&read, account.id, "Sent").unwrap();
            assert!(sent.messages >= 1, "{} wrote nothing", account.address);
            all += read.account_state(account.id).unwrap().messages;
            for collection in read.collections(account.id).unwrap() {
                let filled = collection.items >= 3 || collection.kind == CollectionKind::Recipients;
                assert!(filled, "{} has {}", account.address, collection.name);
            }
        }
        assert!(all > 80, "{all}");
    }
}
