//! The program: settings, command line, start and stop, and what the command line does.

mod autodiscover;
mod backup;
mod bring;
mod cli;
mod config;
mod control;
mod demo;
mod devices;
mod execute;
mod import;
mod open;
mod output;
mod password;
mod ports;
mod serve;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use cli::{
    Alias, Book, Check, CheckWhat, Cli, Command, Domain, Group, Import, Init, Queue, User, YesNo,
};
use config::Config;
use control::{Door, Failure, Reply, Request, UserChange};
use import::entries::EntryKind;
use output::Terminal;

/// Runs the command line and says how it went.
pub fn main() -> ExitCode {
    // Mail, keys and everything made from them are for their owner alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // A server's heap is many small things far apart: pages of 2 MB would hold a third more
    // memory, and zeroing each one is a pause of its own. Where the kernel does not know this, it
    // does not matter.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let cli = Cli::parse();
    if let Command::Completions { shell } = cli.command {
        // Into memory first: the generator panics where its reader (`| head`) goes early.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "kontor", &mut script);
        output::say(&String::from_utf8_lossy(&script));
        return ExitCode::SUCCESS;
    }
    // Its place, for a report; the sentence for people follows. The server's log has its own hook.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    match execute::survive(|| run(cli)) {
        Ok(code) => code,
        Err(Failure(text)) => {
            eprintln!("kontor: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let config = Config::load(cli.config.as_deref(), environment)
        .map_err(|error| Failure(error.to_string()))?;
    if let Some(zone) = config.time_zone.clone() {
        crate::base::zone::set_office(zone);
    }
    crate::net::tls::install_provider();
    let dir = open::directory(cli.data.clone());
    match cli.command {
        Command::Serve => {
            output::start_log(&config.log);
            serve::run(&dir, &config)?;
        }
        Command::Demo => {
            output::start_log(if config.log == "info" { "warn" } else { &config.log });
            demo::run(cli.data, config)?;
        }
        Command::Init(asked) => return init(asked, &dir, &config),
        Command::Import(import) => return bring(import, Door::open(&dir, &config)?),
        Command::Export { email, dir: target } => {
            return bring::take_out(Door::open(&dir, &config)?, email, &target);
        }
        Command::Backup { file } => return backup::backup(Door::open(&dir, &config)?, &file),
        Command::Restore { file } => return backup::restore(&dir, &file),
        Command::Check(Check { what: Some(CheckWhat::Autodiscover(asked)), .. }) => {
            return autodiscover::check(asked, &dir, &config);
        }
        Command::Completions { .. } => {}
        other => {
            let (request, json) = request(other)?;
            return ask(Door::open(&dir, &config)?, request, json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `kontor init`.
fn init(init: Init, dir: &Path, config: &Config) -> Result<ExitCode, Failure> {
    let password = password::read(init.password)?;
    // Before a directory is made for nothing.
    execute::require_strong(&password)?;
    let request = Request::Init {
        domain: init.domain,
        hostname: init.hostname,
        admin: init.admin,
        name: init.name,
        password,
        approve_phones: init.approve_phones,
    };
    let served = control::is_served(dir);
    let code = ask(Door::open_or_make(dir, config)?, request, false)?;
    output::say(&match served {
        true => "Start the server anew, so that it uses the name.\n".to_owned(),
        false => format!("Run it with: kontor --data {} serve\n", dir.display()),
    });
    Ok(code)
}

/// `kontor import`.
fn bring(import: Import, door: Door) -> Result<ExitCode, Failure> {
    match import {
        Import::Mbox(source) => bring::bring(door, import::Kind::Mbox, &source),
        Import::Maildir(source) => bring::bring(door, import::Kind::Maildir, &source),
        Import::Eml(source) => bring::bring(door, import::Kind::Eml, &source),
        Import::Ics(source) => bring::bring_entries(door, EntryKind::Ics, &source),
        Import::Vcf(source) => bring::bring_entries(door, EntryKind::Vcf, &source),
    }
}

/// The request of a command that is one question and one answer, and whether JSON is wanted.
fn request(command: Command) -> Result<(Request, bool), Failure> {
    let request = match command {
        Command::User(User::Add { email, name, admin, password }) => {
            Request::UserAdd { email, name, admin, password: password::read(password)? }
        }
        Command::User(User::List(listing)) => return Ok((Request::UserList, listing.json)),
        Command::User(User::Set { email, name, hidden, quota, admin, time_zone, listing }) => {
            let is_yes = |answer: Option<YesNo>| answer.map(|answer| answer == YesNo::Yes);
            let (hidden, admin) = (is_yes(hidden), is_yes(admin));
            let change = UserChange { name, hidden, quota, admin, time_zone };
            return Ok((Request::UserSet { email, change }, listing.json));
        }
        Command::User(User::Passwd { email, password }) => {
            Request::UserPasswd { email, password: password::read(password)? }
        }
        Command::User(User::Disable { email }) => Request::UserEnable { email, enabled: false },
        Command::User(User::Enable { email }) => Request::UserEnable { email, enabled: true },
        Command::User(User::Remove { email }) => Request::UserRemove { email },
        Command::Alias(Alias::Add { alias, email }) => Request::AliasAdd { alias, email },
        Command::Alias(Alias::List(listing)) => return Ok((Request::AliasList, listing.json)),
        Command::Alias(Alias::Remove { alias }) => Request::AliasRemove { alias },
        Command::Group(Group::Add { group, members }) => Request::GroupAdd { group, members },
        Command::Group(Group::List(listing)) => return Ok((Request::GroupList, listing.json)),
        Command::Group(Group::Set { group, name, hidden, listing }) => {
            let hidden = hidden.map(|hidden| hidden == YesNo::Yes);
            return Ok((Request::GroupSet { group, name, hidden }, listing.json));
        }
        Command::Group(Group::Remove { group, members }) => Request::GroupRemove { group, members },
        Command::Book(Book::List { text, listing }) => {
            return Ok((Request::BookList { text }, listing.json));
        }
        Command::Book(Book::Remove { who }) => Request::BookRemove { who },
        Command::Domain(Domain::Add { domain, catch_all }) => {
            Request::DomainAdd { domain, catch_all }
        }
        Command::Domain(Domain::List(listing)) => return Ok((Request::DomainList, listing.json)),
        Command::Domain(Domain::Remove { domain }) => Request::DomainRemove { domain },
        Command::Device(device) => return Ok(devices::device(device)),
        Command::Policy(policy) => return devices::policy(policy),
        Command::Queue(Queue::List(listing)) => return Ok((Request::QueueList, listing.json)),
        Command::Check(check) => return Ok((Request::Check, check.listing.json)),
        Command::Reindex => Request::Reindex,
        _ => return Err(Failure("this command has its own way".into())),
    };
    Ok((request, false))
}

/// Asks, prints the answer, and says with the exit code whether all is well.
fn ask(mut door: Door, request: Request, json: bool) -> Result<ExitCode, Failure> {
    let reply = door.run(request, Vec::new(), &mut Terminal)?;
    output::print(&reply, json)?;
    let wrong = matches!(&reply, Reply::Checked(lines) if lines.iter().any(|line| !line.ok));
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
