//! What phones must obey, and which may come in.

use super::super::control::{
    AccessDetail, AccessWord, ExceptionLine, Failure, PolicyLine, PolicyRequest, Reply, RuleLine,
    SettingLine,
};
use super::super::output::counted;
use super::{account_of, named};
use crate::base::id::AccountId;
use crate::domain;
use crate::domain::device::{Access, access};
use crate::domain::policy::{self, Policy, SETTINGS, Setting, SettingKind, Whom};
use crate::store::rows::policy::{Admission, Characteristic};
use crate::store::{Read, Store};

pub(super) fn run(store: &Store, request: PolicyRequest) -> Result<Reply, Failure> {
    use PolicyRequest as R;
    match request {
        R::List => list(store),
        R::Show { name: None } => Ok(Reply::Settings(SETTINGS.iter().map(explained).collect())),
        R::Show { name: Some(name) } => show(store, &name),
        R::Set { name, settings, allow_partial, allow_non_provisionable } => {
            let allow_unprovisionable = allow_non_provisionable;
            let change = policy::Change { settings, allow_partial, allow_unprovisionable };
            let policy = store.write_blocking(move |tx| policy::set(tx, &name, &change))?;
            Ok(Reply::Done(format!(
                "The policy {} is set; phones that it is for take it up with their next request.",
                policy.name
            )))
        }
        R::Remove { name } => {
            let shown = name.clone();
            let removed = store.write_blocking(move |tx| policy::remove(tx, &name));
            removed.map_err(|error| named(error, &shown))?;
            Ok(Reply::Done(format!("Removed the policy {shown}.")))
        }
        R::Assign { name, emails } => assign(store, name, &emails),
        R::Access => show_access(store),
        R::AccessDefault { access } => set_default(store, access),
        R::AddRule { what, pattern, access } => add_rule(store, &what, pattern, access),
        R::RemoveRule { number } => {
            let removed = store.write_blocking(move |tx| access::remove_rule(tx, number));
            removed.map_err(|error| named(error, &number.to_string()))?;
            Ok(Reply::Done(format!("Removed rule {number}.")))
        }
        R::Exception { email, device, access } => set_exception(store, &email, device, access),
        R::MaxDevices { number } => {
            store.write_blocking(move |tx| {
                access::change(tx, |admission| {
                    admission.max_devices = number;
                    Ok(())
                })
            })?;
            Ok(Reply::Done(match number {
                0 => "A person may have any number of phones.".into(),
                number => format!("A person may have {}.", counted(number, "phone", "phones")),
            }))
        }
    }
}

fn access_of(word: AccessWord) -> Access {
    match word {
        AccessWord::Allow => Access::Allowed,
        AccessWord::Quarantine => Access::Quarantined,
        AccessWord::Block => Access::Blocked,
    }
}

fn email_of(read: &impl Read, id: AccountId) -> Result<String, Failure> {
    Ok(read.account(id)?.map(|account| account.address).unwrap_or_default())
}

fn list(store: &Store) -> Result<Reply, Failure> {
    let read = store.read();
    let admission = access::admission(&read)?;
    let policies = policy::list(&read)?.into_iter();
    let lines: Result<_, Failure> = policies.map(|each| line(&read, &admission, &each)).collect();
    Ok(Reply::Policies(lines?))
}

fn show(store: &Store, name: &str) -> Result<Reply, Failure> {
    let read = store.read();
    let policy = policy::find(&read, name)?.ok_or(domain::Error::NotFound("policy"));
    let policy = policy.map_err(|error| named(error, name))?;
    Ok(Reply::Policies(vec![line(&read, &access::admission(&read)?, &policy)?]))
}

fn line(read: &impl Read, admission: &Admission, policy: &Policy) -> Result<PolicyLine, Failure> {
    let mine = admission.assigned.iter().filter(|(_, name)| *name == policy.name);
    let people: Result<_, Failure> = mine.map(|(id, _)| email_of(read, *id)).collect();
    let settings = policy.settings.iter().map(|(name, value)| {
        let setting = Setting::named(name);
        SettingLine {
            name: name.clone(),
            value: setting.map_or_else(|| value.clone(), |setting| setting.shown(value)),
            meaning: setting.map_or("", |setting| setting.meaning).into(),
        }
    });
    Ok(PolicyLine {
        name: policy.name.clone(),
        changed: policy.changed,
        allow_partial: policy.allow_partial,
        allow_non_provisionable: policy.allow_unprovisionable,
        for_all: admission.policy.as_ref() == Some(&policy.name),
        people: people?,
        settings: settings.collect(),
    })
}

/// A setting with its values and its meaning.
fn explained(setting: &Setting) -> SettingLine {
    let values = match setting.kind {
        SettingKind::Switch if setting.default == "1" => "yes, no (yes)".into(),
        SettingKind::Switch => "yes, no (no)".into(),
        SettingKind::Number(least, most) => format!("{least} to {most} ({})", setting.default),
        SettingKind::NumberOrNone(least, most) => format!("{least} to {most}, none (none)"),
        SettingKind::OneOf(numbers) => {
            let numbers: Vec<_> = numbers.iter().map(i64::to_string).collect();
            format!("{} ({})", numbers.join(", "), setting.default)
        }
        SettingKind::List(_) => "texts with commas".into(),
    };
    SettingLine { name: setting.name.into(), value: values, meaning: setting.meaning.into() }
}

fn assign(store: &Store, name: Option<String>, emails: &[String]) -> Result<Reply, Failure> {
    let read = store.read();
    let mut whom = Vec::new();
    for email in emails {
        whom.push(Whom::One(account_of(&read, email)?.id));
    }
    if whom.is_empty() {
        whom.push(Whom::All);
    }
    let (count, policy) = (emails.len(), name.clone());
    let assigned = store.write_blocking(move |tx| {
        whom.into_iter().try_for_each(|whom| policy::assign(tx, whom, policy.as_deref()))
    });
    let shown = name.clone().unwrap_or_default();
    assigned.map_err(|error| named(error, &shown))?;
    let who = match count {
        0 => "all who have none of their own".into(),
        1 => emails.concat(),
        count => format!("{count} people"),
    };
    Ok(Reply::Done(match name.as_deref() {
        Some(policy::NONE) => format!("Nothing is demanded of the phones of {who}."),
        Some(name) => format!("The policy {name} is for {who}."),
        None if count == 0 => "No policy is for all any more.".into(),
        None => format!("For {who} holds what holds for all."),
    }))
}

fn show_access(store: &Store) -> Result<Reply, Failure> {
    let read = store.read();
    let admission = access::admission(&read)?;
    let mut exceptions = Vec::new();
    for each in admission.exceptions {
        exceptions.push(ExceptionLine {
            email: email_of(&read, each.account)?,
            device: each.device,
            access: each.access.name().into(),
        });
    }
    let rules = admission.rules.into_iter().map(|rule| RuleLine {
        number: rule.number,
        what: rule.characteristic.name().into(),
        pattern: rule.pattern,
        access: rule.access.name().into(),
    });
    Ok(Reply::Access(AccessDetail {
        default: admission.default.name().into(),
        max_devices: admission.max_devices,
        rules: rules.collect(),
        exceptions,
    }))
}

fn set_default(store: &Store, word: AccessWord) -> Result<Reply, Failure> {
    store.write_blocking(move |tx| {
        access::change(tx, |admission| {
            admission.default = access_of(word);
            Ok(())
        })
    })?;
    Ok(Reply::Done(match word {
        AccessWord::Allow => "New phones come in.".into(),
        AccessWord::Quarantine => {
            "New phones wait until an administrator approves them (kontor device approve).".into()
        }
        AccessWord::Block => "New phones stay out.".into(),
    }))
}

fn add_rule(
    store: &Store,
    what: &str,
    pattern: String,
    access: AccessWord,
) -> Result<Reply, Failure> {
    use Characteristic::{Model, Os, Type, UserAgent};
    let known = [Type, Model, Os, UserAgent].into_iter().find(|each| each.name() == what);
    let what = known.ok_or_else(|| Failure(format!("no rule can look at \"{what}\"")))?;
    let rule =
        store.write_blocking(move |tx| access::add_rule(tx, what, &pattern, access_of(access)))?;
    Ok(Reply::Done(format!("Added rule {}.", rule.number)))
}

fn set_exception(
    store: &Store,
    email: &str,
    device: Option<String>,
    access: Option<AccessWord>,
) -> Result<Reply, Failure> {
    let account = account_of(&store.read(), email)?;
    let (id, access) = (account.id, access.map(access_of));
    let phones = match &device {
        Some(device) => format!("{}, phone {device}", account.address),
        None => account.address,
    };
    store.write_blocking(move |tx| access::set_exception(tx, id, device.as_deref(), access))?;
    Ok(Reply::Done(match access {
        Some(access) => format!("{phones}: {}.", access.name()),
        None => format!("{phones}: no exception any more."),
    }))
}
