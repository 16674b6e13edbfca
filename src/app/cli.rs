//! The command line. It is a contract: others script against it.

mod devices;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};
use clap_complete::Shell;

pub use devices::{Access, AccessArg, Device, ExceptionArg, Named, Policy, What, YesNo};

use crate::base::limits::parse_size;
use crate::discover::check::Override;

/// Mail for a small office in one program and one directory.
#[derive(Debug, Parser)]
#[command(name = "kontor", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(propagate_version = false, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// The data directory; without it, `data` below the working directory.
    #[arg(long, global = true, env = "KONTOR_DATA", value_name = "DIR", help_heading = EVERYWHERE)]
    pub data: Option<PathBuf>,
    /// The file with the settings.
    #[arg(long, global = true, env = "KONTOR_CONFIG", value_name = "FILE", help_heading = EVERYWHERE)]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

/// Apart from a command's own options, which would otherwise stand between these.
const EVERYWHERE: &str = "Options of every command";

const EXAMPLES: &str = "\
Examples:
  kontor demo                           try it: a filled sample office on high ports
  echo 'a long password' | kontor init --domain office.example \\
      --hostname mail.office.example --admin ada@office.example --password-stdin
  kontor serve                          run it
  kontor user add ben@office.example --name 'Ben Brandt' --password-stdin
  kontor import maildir ben@office.example ~/Maildir

Commands that change data talk to a running server through the socket kontor.sock in the
data directory, and open the data themselves when none runs.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    #[command(after_long_help = super::config::describe())]
    Serve,
    /// Set up an empty data directory: domain, name and the first administrator.
    #[command(after_help = "\
Example:
  echo 'a long password' | kontor init --domain office.example \\
      --hostname mail.office.example --admin ada@office.example --password-stdin")]
    Init(Init),
    /// Run a filled sample office on unprivileged ports and print its log-ins.
    #[command(after_help = "\
Without --data it lies in a temporary directory, and nothing of it remains after Ctrl-C.
With it, the office is kept, and the next start goes on with it.")]
    Demo,
    /// Accounts: people who log in.
    #[command(subcommand)]
    User(User),
    /// Further addresses of accounts.
    #[command(subcommand)]
    Alias(Alias),
    /// Addresses that pass mail on to several.
    #[command(subcommand)]
    Group(Group),
    /// The office's address book: people outside whom everybody finds.
    #[command(subcommand)]
    Book(Book),
    /// Domains that mail is taken for.
    #[command(subcommand)]
    Domain(Domain),
    /// Phones: approve, block, wipe.
    #[command(subcommand)]
    Device(Device),
    /// What phones must obey, and which may come in.
    #[command(subcommand)]
    Policy(Policy),
    /// Mail that waits to leave.
    #[command(subcommand)]
    Queue(Queue),
    /// Bring mail, calendars and contacts in from files.
    #[command(subcommand)]
    Import(Import),
    /// Write all that an account has: mail as maildirs, calendars as .ics, contacts as .vcf.
    #[command(after_help = "\
The directory gets one maildir for each mailbox; kontor import maildir reads it back.

Examples:
  kontor export ben@office.example /tmp/ben
  kontor export office /tmp/office")]
    Export {
        /// The account; `office` is the office's address book.
        email: String,
        /// A directory that does not exist yet, or is empty.
        dir: PathBuf,
    },
    /// Write all data into one file, consistent also while serving.
    #[command(after_help = "Example:\n  kontor backup /mnt/backup/kontor-$(date +%F).backup")]
    Backup {
        /// The file; `-` is the standard output.
        file: PathBuf,
    },
    /// Make a data directory from a backup; the server must not run on it.
    #[command(after_help = "\
Example:
  kontor --data /var/lib/kontor-new restore /mnt/backup/kontor.backup

The directory has to be empty, or not there yet.")]
    Restore {
        /// The file; `-` is the standard input.
        file: PathBuf,
    },
    /// Check that all stored data is whole, or that phones find the server; exit 1 if anything
    /// is wrong.
    Check(Check),
    /// Build the search index anew from the messages.
    Reindex,
    /// Print completions for a shell.
    #[command(after_help = "Example:\n  kontor completions bash > /etc/bash_completion.d/kontor")]
    Completions {
        /// The shell that they are for.
        shell: Shell,
    },
}

/// How a listing is printed.
#[derive(Args, Clone, Copy, Debug)]
pub struct Listing {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Check {
    #[command(subcommand)]
    pub what: Option<CheckWhat>,
    #[command(flatten)]
    pub listing: Listing,
}

#[derive(Debug, Subcommand)]
pub enum CheckWhat {
    /// Play the steps of a phone that is given an address, and say which record, port or
    /// certificate is missing.
    #[command(after_help = "\
Example:
  kontor check autodiscover ben@office.example
  echo 'the password' | kontor check autodiscover ben@office.example --password-stdin

It asks the DNS and the servers that it names, as a phone would from where it is run; run it
outside of the office too. Exit 1 if a phone would not find the server.")]
    Autodiscover(Autodiscover),
}

#[derive(Args, Debug)]
pub struct Autodiscover {
    /// The address that is typed into the phone.
    pub email: String,
    #[command(flatten)]
    pub listing: Listing,
    /// Read the password from the standard input and log in too.
    #[arg(long)]
    pub password_stdin: bool,
    /// Where a name leads, instead of asking the DNS (may be given several times; other names
    /// then do not exist): NAME[:PORT]=ADDRESS:PORT, or for a service record _NAME=HOST:PORT.
    #[arg(long, value_name = "NAME=ADDRESS")]
    pub connect: Vec<Override>,
    /// A PEM file with a certificate or authority that the phones have been given.
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
}

/// Where a password comes from. Never from the command line: others could read it there.
#[derive(Args, Clone, Copy, Debug)]
pub struct PasswordSource {
    /// Read the password from the standard input (its first line) instead of asking for it.
    #[arg(long)]
    pub password_stdin: bool,
}

#[derive(Args, Debug)]
pub struct Init {
    /// The first domain, the part of addresses behind the @.
    #[arg(long)]
    pub domain: String,
    /// The server's own name in the DNS.
    #[arg(long)]
    pub hostname: String,
    /// The first administrator's address.
    #[arg(long, value_name = "EMAIL")]
    pub admin: String,
    /// The first administrator's name.
    #[arg(long, default_value = "Administrator")]
    pub name: String,
    /// Let no phone in before an administrator has approved it.
    #[arg(long)]
    pub approve_phones: bool,
    #[command(flatten)]
    pub password: PasswordSource,
}

#[derive(Debug, Subcommand)]
pub enum User {
    /// Add an account.
    #[command(after_help = "\
Example:
  echo secret-word | kontor user add ben@office.example --name 'Ben Brandt' --password-stdin")]
    Add {
        /// The address, which is the log-in too.
        email: String,
        /// The name that others see.
        #[arg(long)]
        name: String,
        /// May administer the server.
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Change the name that others see, whether they find the account in the address list, the
    /// room for mail, the time zone, or who administers the server.
    #[command(group(ArgGroup::new("what").required(true).multiple(true)
        .args(["name", "hidden", "quota", "time_zone", "admin"])))]
    #[command(after_help = "\
Examples:
  kontor user set ben@office.example --name 'Ben Brandt-Lang'
  kontor user set scanner@office.example --hidden yes
  kontor user set chris@office.example --time-zone Asia/Tokyo
  kontor user set ben@office.example --quota 20G --admin yes

Phones see names with their next search. What they have of times that name no zone stays as it
is until it changes; kontor device resync brings it anew.")]
    Set {
        /// The account.
        email: String,
        /// The name that others see.
        #[arg(long)]
        name: Option<String>,
        /// Keep it out of the address list; who types the whole address reaches it all the same.
        #[arg(long, value_name = "YES|NO")]
        hidden: Option<YesNo>,
        /// How much mail the account may hold, such as 500M or 20G; 0 is no limit.
        #[arg(long, value_name = "SIZE", value_parser = parse_size)]
        quota: Option<u64>,
        /// Whether the account administers the server.
        #[arg(long, value_name = "YES|NO")]
        admin: Option<YesNo>,
        /// The zone of times that name none; `office` is the office's.
        #[arg(long, value_name = "ZONE")]
        time_zone: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
    /// List the accounts.
    List(Listing),
    /// Set a new password.
    Passwd {
        /// The account.
        email: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Keep an account's mail and go on receiving, but let nobody log in.
    Disable {
        /// The account.
        email: String,
    },
    /// Undo disable.
    Enable {
        /// The account.
        email: String,
    },
    /// Remove an account with all of its mail.
    Remove {
        /// The account.
        email: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Alias {
    /// Give an account a further address.
    #[command(after_help = "Example:\n  kontor alias add info@office.example ben@office.example")]
    Add {
        /// The further address, of a domain of this server.
        alias: String,
        /// The account.
        email: String,
    },
    /// List the aliases.
    List(Listing),
    /// Remove an alias.
    Remove {
        /// The further address.
        alias: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Group {
    /// Add a group, or members to it.
    #[command(after_help = "\
Example:
  kontor group add team@office.example ada@office.example ben@office.example")]
    Add {
        /// The group's address.
        group: String,
        /// Addresses of members.
        #[arg(required = true)]
        members: Vec<String>,
    },
    /// Change the name that others see, or whether they find the group in the address list.
    #[command(group(ArgGroup::new("what").required(true).multiple(true).args(["name", "hidden"])))]
    #[command(after_help = "\
Examples:
  kontor group set team@office.example --name 'The team'
  kontor group set alarms@office.example --hidden yes")]
    Set {
        /// The group's address.
        group: String,
        /// The name that others see; an empty one shows the address instead.
        #[arg(long)]
        name: Option<String>,
        /// Keep it out of the address list; who types the whole address reaches it all the same.
        #[arg(long, value_name = "YES|NO")]
        hidden: Option<YesNo>,
        #[command(flatten)]
        listing: Listing,
    },
    /// List the groups and their members.
    List(Listing),
    /// Remove a group, or only the named members from it.
    Remove {
        /// The group's address.
        group: String,
        /// Addresses of members; without any, the group itself goes.
        members: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Phones and programs find these people when a name or address is typed. A card with the address
of an account adds to it what the account lacks: telephone, title, office, picture.

Examples:
  kontor import vcf office suppliers.vcf        # a UID that is there already is replaced
  kontor book list lang
  kontor book remove b.lang@papier-lang.example
  kontor export office /tmp/office")]
pub enum Book {
    /// List the entries.
    List {
        /// Only those that fit this, as people type it.
        text: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Remove the cards that have this address, or else this name.
    Remove {
        /// Address or name.
        who: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Domain {
    /// Take mail for a domain.
    #[command(
        after_help = "Example:\n  kontor domain add office.test --catch-all ada@office.example"
    )]
    Add {
        /// The part of addresses behind the @.
        domain: String,
        /// The account that gets mail for unknown addresses of the domain.
        #[arg(long, value_name = "EMAIL")]
        catch_all: Option<String>,
    },
    /// List the domains.
    List(Listing),
    /// Take no more mail for a domain that no account, alias or group uses.
    Remove {
        /// The part of addresses behind the @.
        domain: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Queue {
    /// List the mail that waits.
    List(Listing),
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  kontor import mbox ben@office.example old.mbox --into Archive/2019
  kontor import maildir ben@office.example ~/Maildir
  kontor import eml ben@office.example saved-messages/
  kontor import ics ben@office.example calendar.ics
  kontor import vcf ben@office.example contacts.vcf --into Customers
  kontor import vcf office suppliers.vcf

What cannot be read is skipped and told. Messages that are imported twice are there twice;
events, tasks, notes and contacts replace those with the same UID.")]
pub enum Import {
    /// A file in the mbox format (also mboxrd, and with Content-Length).
    Mbox(Source),
    /// A maildir, with its subfolders (Maildir++ and nested directories) and flags.
    Maildir(Source),
    /// An .eml file, or Apple Mail's .emlx, or all of a directory and those below it.
    Eml(Source),
    /// An .ics file, or all of a directory: events, tasks and notes. A UID that is there already
    /// is replaced.
    Ics(Source),
    /// A .vcf file, or all of a directory: contacts. A UID that is there already is replaced.
    Vcf(Source),
}

#[derive(Args, Clone, Debug)]
pub struct Source {
    /// The account; with vcf, `office` is the office's address book.
    pub email: String,
    /// The file or directory.
    pub path: PathBuf,
    /// The mailbox (levels separated by /), calendar or address book; made if it is missing.
    /// Default: INBOX, and the account's own calendar, tasks, notes and contacts.
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_says_what_it_is() {
        fn look(command: &clap::Command, silent: &mut Vec<String>) {
            let name = command.get_name();
            if command.get_about().is_none() {
                silent.push(name.to_owned());
            }
            for argument in command.get_arguments().filter(|each| each.get_help().is_none()) {
                silent.push(format!("{name} {}", argument.get_id()));
            }
            for argument in command.get_arguments() {
                // Where some values are explained, none is left without a word.
                let values = argument.get_possible_values();
                if values.iter().any(|value| value.get_help().is_some()) {
                    let mute = values.iter().filter(|value| value.get_help().is_none());
                    silent.extend(mute.map(|value| format!("{name} {}", value.get_name())));
                }
            }
            command.get_subcommands().for_each(|each| look(each, silent));
        }
        let mut silent = Vec::new();
        look(&Cli::command(), &mut silent);
        assert_eq!(silent, [""; 0]);
    }

    #[test]
    fn what_others_script_is_understood() {
        for line in [
            "kontor serve",
            "kontor init --domain d.example --hostname h --admin a@d.example --password-stdin",
            "kontor demo --data x",
            "kontor user add a@d.example --name N --password-stdin --admin",
            "kontor user list --json",
            "kontor user set a@d.example --name N --hidden yes --json",
            "kontor user set a@d.example --hidden no",
            "kontor user set a@d.example --time-zone Europe/Berlin",
            "kontor user set a@d.example --quota 2G --admin yes",
            "kontor user passwd a@d.example --password-stdin",
            "kontor user disable a@d.example",
            "kontor user enable a@d.example",
            "kontor user remove a@d.example",
            "kontor alias add b@d.example a@d.example",
            "kontor alias list --json",
            "kontor alias remove b@d.example",
            "kontor group add g@d.example a@d.example",
            "kontor group list",
            "kontor group set g@d.example --name N --hidden no --json",
            "kontor group remove g@d.example",
            "kontor domain add d.example",
            "kontor domain list --json",
            "kontor domain remove d.example",
            "kontor queue list --json",
            "kontor init --domain d.example --hostname h --admin a@d.example --approve-phones",
            "kontor device list --json",
            "kontor device list a@d.example",
            "kontor device show X --json",
            "kontor device approve X --user a@d.example",
            "kontor device block X",
            "kontor device wipe X --account-only",
            "kontor device cancel-wipe X",
            "kontor device resync X",
            "kontor device remove X",
            "kontor device log X --on --bodies",
            "kontor device log X --show --json",
            "kontor device log X --off",
            "kontor policy list --json",
            "kontor policy show",
            "kontor policy show field --json",
            "kontor policy set field AllowCamera=no --allow-partial yes",
            "kontor policy remove field",
            "kontor policy assign field",
            "kontor policy assign field a@d.example b@d.example",
            "kontor policy unassign a@d.example",
            "kontor policy access show --json",
            "kontor policy access default quarantine",
            "kontor policy access rule user-agent Apple-* block",
            "kontor policy access remove-rule 7",
            "kontor policy access exception a@d.example --device X none",
            "kontor policy access max-devices 3",
            "kontor import mbox a@d.example f --into X/Y",
            "kontor import maildir a@d.example f",
            "kontor import eml a@d.example f",
            "kontor export a@d.example dir",
            "kontor --data d backup f",
            "kontor restore f --data d --config c",
            "kontor check",
            "kontor check --json",
            "kontor check autodiscover a@d.example --json --password-stdin",
            "kontor check autodiscover a@d.example --connect d.example:443=127.0.0.1:1 --trust f",
            "kontor reindex",
            "kontor completions zsh",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}
