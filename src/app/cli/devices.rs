//! `kontor device` and `kontor policy`.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::Listing;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  kontor device list
  kontor device approve F04016EDD8F2DD3BD6A9DA5137583C5A
  kontor device wipe ApplDNPQ1234 --user ben@office.example")]
pub enum Device {
    /// List the phones of all people, or of one.
    List {
        /// The account; without it, all accounts.
        email: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show all that is known of a phone, with the state of its folders.
    Show {
        #[command(flatten)]
        device: Named,
        #[command(flatten)]
        listing: Listing,
    },
    /// Let a phone in, whatever the rules say; also one that was blocked, wiped or removed.
    Approve(Named),
    /// Keep a phone out, whatever the rules say.
    Block(Named),
    /// Have a phone erase itself with its next request.
    #[command(after_help = "\
Without --account-only a phone erases everything on it, also what is private: it is as new
afterwards. It stays out until it is approved again.")]
    Wipe {
        #[command(flatten)]
        device: Named,
        /// Only what came from this account; phones can do that from version 16.1 on.
        #[arg(long)]
        account_only: bool,
    },
    /// Take a wipe back that the phone has not confirmed yet.
    CancelWipe(Named),
    /// Have a phone load everything anew.
    Resync(Named),
    /// Forget a phone and keep it out until it is approved again.
    Remove(Named),
    /// The protocol log of one phone: what it asks and what it is answered.
    #[command(after_help = "\
It is on for an hour and keeps the last 200 requests. Texts, pictures and attachments are left
out unless they are asked for, passwords always.

Examples:
  kontor device log ApplDNPQ1234 --on
  kontor device log ApplDNPQ1234 --show")]
    #[command(group(ArgGroup::new("what").required(true).args(["on", "off", "show"])))]
    Log {
        #[command(flatten)]
        device: Named,
        /// Switch it on for an hour.
        #[arg(long)]
        on: bool,
        /// With what people wrote.
        #[arg(long, requires = "on")]
        bodies: bool,
        /// Switch it off and drop it.
        #[arg(long)]
        off: bool,
        /// Print it.
        #[arg(long)]
        show: bool,
        #[command(flatten)]
        listing: Listing,
    },
}

/// A phone.
#[derive(Args, Clone, Debug)]
pub struct Named {
    /// The phone's id, as the listing has it.
    pub id: String,
    /// Whose phone, where several people have one with this id.
    #[arg(long, value_name = "EMAIL")]
    pub user: Option<String>,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Without a policy nothing is demanded of any phone.

Examples:
  kontor policy set field DevicePasswordEnabled=yes MinDevicePasswordLength=6
  kontor policy assign field ben@office.example
  kontor policy access default quarantine")]
pub enum Policy {
    /// List the policies and whom they are for.
    List(Listing),
    /// Show what a policy demands, or everything that one can demand.
    Show {
        /// The policy; without it, every setting with its meaning.
        name: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Make a policy or change it; phones take the change up at once.
    Set {
        /// The policy.
        name: String,
        /// As NAME=VALUE; `default` takes one back. `kontor policy show` explains them.
        settings: Vec<String>,
        /// Let in phones that obey only a part of it.
        #[arg(long, value_name = "YES|NO")]
        allow_partial: Option<YesNo>,
        /// Let in phones that do not know of policies.
        #[arg(long, value_name = "YES|NO")]
        allow_non_provisionable: Option<YesNo>,
    },
    /// Remove a policy; where it was assigned, nothing is demanded any more.
    Remove {
        /// The policy.
        name: String,
    },
    /// Assign a policy to people, or to everybody who has none; `none` demands nothing of them.
    Assign {
        /// The policy, or `none`.
        name: String,
        /// Accounts; without any, all.
        emails: Vec<String>,
    },
    /// Take an assignment back: for these people it is as for all; without any, for all.
    Unassign {
        /// Accounts; without any, all.
        emails: Vec<String>,
    },
    /// Which phones may come in.
    #[command(subcommand)]
    Access(Access),
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
A phone is asked for in this order: what was decided about it (kontor device approve, block),
exceptions for it, exceptions for its person, rules in their order, the default.

Examples:
  kontor policy access default quarantine
  kontor policy access rule user-agent 'Apple-iPhone*' allow
  kontor policy access exception ben@office.example allow")]
pub enum Access {
    /// Show the default, the rules and the exceptions.
    Show(Listing),
    /// What holds for phones that nothing else speaks of.
    Default {
        /// What becomes of them.
        access: AccessArg,
    },
    /// Add a rule about a kind of phone.
    Rule {
        /// What of the phone is looked at.
        what: What,
        /// The text; * at either end stands for anything.
        pattern: String,
        /// What becomes of such phones.
        access: AccessArg,
    },
    /// Remove a rule by its number.
    RemoveRule {
        /// The number, as `kontor policy access show` has it.
        number: u32,
    },
    /// Make an exception for a person's phones, or for one that may not have come yet.
    Exception {
        /// The account.
        email: String,
        /// Only for the phone with this id.
        #[arg(long, value_name = "ID")]
        device: Option<String>,
        /// What becomes of these phones.
        access: ExceptionArg,
    },
    /// How many phones a person may have; 0 is without limit.
    MaxDevices {
        /// Phones.
        number: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessArg {
    /// It comes in.
    Allow,
    /// It waits until an administrator approves it.
    Quarantine,
    /// It stays out.
    Block,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExceptionArg {
    /// They come in.
    Allow,
    /// They wait until an administrator approves them.
    Quarantine,
    /// They stay out.
    Block,
    /// The exception goes.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// The kind it says it is (WP8, iPhone, Android, Outlook).
    Type,
    /// Its model.
    Model,
    /// Its system.
    Os,
    /// The program.
    UserAgent,
}
