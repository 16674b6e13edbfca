//! Policies: what phones must obey (MS-ASPROV 2.2.2.28), under names, for all or for single
//! accounts. Without one nothing is demanded of any phone.

use crate::base::id::AccountId;
use crate::domain::device::{PolicyMark, access, put_admission, wake_all};
use crate::domain::{Error, Result};
use crate::format::wbxml::{Tag, tags::provision as p};
use crate::store::keys::{self, Kind};
use crate::store::read::collect;
use crate::store::rows::policy::{Admission, PolicyHead};
use crate::store::{Read, Tx};

pub use crate::store::rows::policy::Policy;

/// Policies at most; an office has one or two.
const POLICIES_MAX: usize = 100;
/// Longest name.
const NAME_MAX: usize = 64;
/// Entries of a list of programs.
const LIST_MAX: usize = 200;

/// One thing that a policy can say.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The element's name, which is also the setting's.
    pub name: &'static str,
    pub tag: Tag,
    pub kind: SettingKind,
    /// What holds where a policy does not say it; "" is an empty element.
    pub default: &'static str,
    /// 120 or 121: older phones are not told.
    pub since: u8,
    /// For people.
    pub meaning: &'static str,
}

/// What values a setting has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SettingKind {
    /// 0 or 1.
    Switch,
    /// A number from the first to the second.
    Number(i64, i64),
    /// The same, or nothing.
    NumberOrNone(i64, i64),
    /// One of these numbers.
    OneOf(&'static [i64]),
    /// Texts, each in an element of this name, with commas between them.
    List(Tag),
}

use SettingKind::{List, Number, NumberOrNone, OneOf, Switch};

/// Every setting, in the order of the schema (MS-ASPROV 6.1).
#[rustfmt::skip]
pub const SETTINGS: [Setting; 42] = [
    setting("DevicePasswordEnabled", p::DEVICE_PASSWORD_ENABLED, Switch, "0", 120, "a password (PIN) unlocks the phone"),
    setting("AlphanumericDevicePasswordRequired", p::ALPHANUMERIC_DEVICE_PASSWORD_REQUIRED, Switch, "0", 120, "the password has letters and digits"),
    setting("PasswordRecoveryEnabled", p::PASSWORD_RECOVERY_ENABLED, Switch, "0", 120, "the phone sends the server a password for emergencies"),
    setting("RequireStorageCardEncryption", p::REQUIRE_STORAGE_CARD_ENCRYPTION, Switch, "0", 120, "the memory card is encrypted"),
    setting("AttachmentsEnabled", p::ATTACHMENTS_ENABLED, Switch, "1", 120, "attachments may be loaded"),
    setting("MinDevicePasswordLength", p::MIN_DEVICE_PASSWORD_LENGTH, NumberOrNone(1, 16), "", 120, "characters of the password at least"),
    setting("MaxInactivityTimeDeviceLock", p::MAX_INACTIVITY_TIME_DEVICE_LOCK, NumberOrNone(1, 9_998), "", 120, "seconds after which the phone locks itself"),
    setting("MaxDevicePasswordFailedAttempts", p::MAX_DEVICE_PASSWORD_FAILED_ATTEMPTS, NumberOrNone(4, 16), "", 120, "wrong passwords after which the phone erases itself"),
    setting("MaxAttachmentSize", p::MAX_ATTACHMENT_SIZE, NumberOrNone(0, u32::MAX as i64), "", 120, "octets of an attachment at most"),
    setting("AllowSimpleDevicePassword", p::ALLOW_SIMPLE_DEVICE_PASSWORD, Switch, "1", 120, "passwords such as 1234 may be chosen"),
    setting("DevicePasswordExpiration", p::DEVICE_PASSWORD_EXPIRATION, NumberOrNone(0, 730), "0", 120, "days until another password must be chosen; 0 is never"),
    setting("DevicePasswordHistory", p::DEVICE_PASSWORD_HISTORY, Number(0, 50), "0", 120, "former passwords that may not be chosen again"),
    setting("AllowStorageCard", p::ALLOW_STORAGE_CARD, Switch, "1", 121, "memory cards may be used"),
    setting("AllowCamera", p::ALLOW_CAMERA, Switch, "1", 121, "the camera may be used"),
    setting("RequireDeviceEncryption", p::REQUIRE_DEVICE_ENCRYPTION, Switch, "0", 121, "the phone is encrypted"),
    setting("AllowUnsignedApplications", p::ALLOW_UNSIGNED_APPLICATIONS, Switch, "1", 121, "unsigned programs may run"),
    setting("AllowUnsignedInstallationPackages", p::ALLOW_UNSIGNED_INSTALLATION_PACKAGES, Switch, "1", 121, "unsigned packages may be installed"),
    setting("MinDevicePasswordComplexCharacters", p::MIN_DEVICE_PASSWORD_COMPLEX_CHARACTERS, Number(1, 4), "1", 121, "kinds of characters in the password (a A 1 !)"),
    setting("AllowWiFi", p::ALLOW_WI_FI, Switch, "1", 121, "Wi-Fi may be used"),
    setting("AllowTextMessaging", p::ALLOW_TEXT_MESSAGING, Switch, "1", 121, "text messages may be used"),
    setting("AllowPOPIMAPEmail", p::ALLOW_POPIMAP_EMAIL, Switch, "1", 121, "POP3 and IMAP accounts may be added"),
    setting("AllowBluetooth", p::ALLOW_BLUETOOTH, Number(0, 2), "2", 121, "Bluetooth: 0 not, 1 headsets only, 2 all"),
    setting("AllowIrDA", p::ALLOW_IRDA, Switch, "1", 121, "infrared may be used"),
    setting("RequireManualSyncWhenRoaming", p::REQUIRE_MANUAL_SYNC_WHEN_ROAMING, Switch, "0", 121, "abroad the phone syncs only by hand"),
    setting("AllowDesktopSync", p::ALLOW_DESKTOP_SYNC, Switch, "1", 121, "the phone may sync with a computer"),
    setting("MaxCalendarAgeFilter", p::MAX_CALENDAR_AGE_FILTER, OneOf(&[0, 4, 5, 6, 7]), "0", 121, "past events: 0 all, 4 two weeks, 5 a month, 6 three, 7 six"),
    setting("AllowHTMLEmail", p::ALLOW_HTML_EMAIL, Switch, "1", 121, "mail may be shown with its layout"),
    setting("MaxEmailAgeFilter", p::MAX_EMAIL_AGE_FILTER, Number(0, 5), "0", 121, "mail: 0 all, 1 a day, 2 three days, 3 a week, 4 two, 5 a month"),
    setting("MaxEmailBodyTruncationSize", p::MAX_EMAIL_BODY_TRUNCATION_SIZE, Number(-1, i32::MAX as i64), "-1", 121, "KiB of a plain body at most; -1 all"),
    setting("MaxEmailHTMLBodyTruncationSize", p::MAX_EMAIL_HTML_BODY_TRUNCATION_SIZE, Number(-1, i32::MAX as i64), "-1", 121, "KiB of an HTML body at most; -1 all"),
    setting("RequireSignedSMIMEMessages", p::REQUIRE_SIGNED_SMIME_MESSAGES, Switch, "0", 121, "mail is signed (S/MIME)"),
    setting("RequireEncryptedSMIMEMessages", p::REQUIRE_ENCRYPTED_SMIME_MESSAGES, Switch, "0", 121, "mail is encrypted (S/MIME)"),
    setting("RequireSignedSMIMEAlgorithm", p::REQUIRE_SIGNED_SMIME_ALGORITHM, Number(0, 1), "0", 121, "for signing: 0 SHA-1, 1 MD5"),
    setting("RequireEncryptionSMIMEAlgorithm", p::REQUIRE_ENCRYPTION_SMIME_ALGORITHM, Number(0, 4), "0", 121, "for encryption: 0 3DES, 1 DES, 2 RC2-128, 3 RC2-64, 4 RC2-40"),
    setting("AllowSMIMEEncryptionAlgorithmNegotiation", p::ALLOW_SMIME_ENCRYPTION_ALGORITHM_NEGOTIATION, Number(0, 2), "2", 121, "other algorithms: 0 none, 1 strong ones, 2 any"),
    setting("AllowSMIMESoftCerts", p::ALLOW_SMIME_SOFT_CERTS, Switch, "1", 121, "certificates may be kept on the phone"),
    setting("AllowBrowser", p::ALLOW_BROWSER, Switch, "1", 121, "the browser may be used"),
    setting("AllowConsumerEmail", p::ALLOW_CONSUMER_EMAIL, Switch, "1", 121, "private mail accounts may be added"),
    setting("AllowRemoteDesktop", p::ALLOW_REMOTE_DESKTOP, Switch, "1", 121, "remote desktops may be used"),
    setting("AllowInternetSharing", p::ALLOW_INTERNET_SHARING, Switch, "1", 121, "the phone may be a hotspot"),
    setting("UnapprovedInROMApplicationList", p::UNAPPROVED_IN_ROM_APPLICATION_LIST, List(p::APPLICATION_NAME), "", 121, "programs that may not run"),
    setting("ApprovedApplicationList", p::APPROVED_APPLICATION_LIST, List(p::HASH), "", 121, "SHA-1 of programs that may run"),
];

const fn setting(
    name: &'static str,
    tag: Tag,
    kind: SettingKind,
    default: &'static str,
    since: u8,
    meaning: &'static str,
) -> Setting {
    Setting { name, tag, kind, default, since, meaning }
}

impl Setting {
    /// The setting of this name, in any letter case.
    pub fn named(name: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
    }

    /// The entries of a list's value.
    pub fn entries(value: &str) -> impl Iterator<Item = &str> {
        value.split(',').map(str::trim).filter(|entry| !entry.is_empty())
    }

    /// A kept value as people give it.
    pub fn shown(&self, value: &str) -> String {
        match (self.kind, value) {
            (Switch, "0") => "no".into(),
            (Switch, "1") => "yes".into(),
            (NumberOrNone(..), "") => "none".into(),
            (_, value) => value.into(),
        }
    }

    /// A value as it is kept, or a sentence about what it should be.
    fn checked(&self, value: &str) -> Result<String> {
        let value = value.trim();
        let wrong = |wanted: String| Error::Invalid(format!("{} takes {wanted}", self.name));
        match self.kind {
            Switch => match value.to_ascii_lowercase().as_str() {
                "1" | "yes" | "true" | "on" => Ok("1".into()),
                "0" | "no" | "false" | "off" => Ok("0".into()),
                _ => Err(wrong("yes or no".into())),
            },
            NumberOrNone(..) if value.is_empty() || value.eq_ignore_ascii_case("none") => {
                Ok(String::new())
            }
            Number(least, most) | NumberOrNone(least, most) => {
                let number = value.parse::<i64>().ok().filter(|n| (least..=most).contains(n));
                number
                    .map(|number| number.to_string())
                    .ok_or_else(|| wrong(format!("a number from {least} to {most}")))
            }
            OneOf(numbers) => {
                let number = value.parse::<i64>().ok().filter(|n| numbers.contains(n));
                number.map(|number| number.to_string()).ok_or_else(|| {
                    let all: Vec<String> = numbers.iter().map(i64::to_string).collect();
                    wrong(format!("one of {} ({})", all.join(", "), self.meaning))
                })
            }
            List(_) => {
                let entries: Vec<&str> = Self::entries(value).collect();
                let fine =
                    |entry: &&str| entry.len() <= 256 && !entry.chars().any(char::is_control);
                if entries.len() > LIST_MAX || !entries.iter().all(fine) {
                    return Err(wrong(format!("at most {LIST_MAX} short texts with commas")));
                }
                Ok(entries.join(","))
            }
        }
    }
}

impl Policy {
    /// What it says of a setting.
    pub fn value(&self, setting: &Setting) -> &str {
        let own = self.settings.iter().find(|(name, _)| name == setting.name);
        own.map_or(setting.default, |(_, value)| value)
    }

    /// Names it as it is now.
    pub fn mark(&self) -> PolicyMark {
        PolicyMark { name: self.name.clone(), version: self.version }
    }
}

/// What of a policy the server itself sees to, whatever a phone does about it (MS-ASPROV
/// 2.2.2.28). The default bounds nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bounds {
    /// The widest `FilterType` of calendars; 0 is any.
    pub calendar_age: u8,
    /// The same of mail.
    pub mail_age: u8,
    /// Octets of a plain body.
    pub plain: Option<u32>,
    /// Octets of an HTML body.
    pub html: Option<u32>,
    /// Mail is shown as plain text only.
    pub no_html: bool,
    pub no_attachments: bool,
    /// Octets of an attachment.
    pub attachment: Option<u64>,
}

impl Bounds {
    pub fn of(policy: &Policy) -> Bounds {
        let value = |name: &str| Setting::named(name).map_or("", |setting| policy.value(setting));
        let number = |name: &str| value(name).parse::<i64>().ok();
        let age = |name: &str| number(name).and_then(|n| u8::try_from(n).ok()).unwrap_or(0);
        // In KiB; -1 is all of it.
        let size = |name: &str| {
            let kib = number(name).and_then(|n| u32::try_from(n).ok())?;
            Some(kib.saturating_mul(1024))
        };
        Bounds {
            calendar_age: age("MaxCalendarAgeFilter"),
            mail_age: age("MaxEmailAgeFilter"),
            plain: size("MaxEmailBodyTruncationSize"),
            html: size("MaxEmailHTMLBodyTruncationSize"),
            no_html: value("AllowHTMLEmail") == "0",
            no_attachments: value("AttachmentsEnabled") == "0",
            attachment: number("MaxAttachmentSize").and_then(|n| u64::try_from(n).ok()),
        }
    }

    /// What is fetched one by one: sizes bound only what is sent unasked.
    pub fn of_fetch(self) -> Bounds {
        Bounds { plain: None, html: None, ..self }
    }
}

/// A `FilterType` within the widest one; larger numbers reach farther back, and 0 to all.
pub fn within_age(filter: u8, widest: u8) -> u8 {
    if widest != 0 && (filter == 0 || filter > widest) { widest } else { filter }
}

/// The policy of whom nothing is demanded: every setting at its default, which also takes an
/// earlier policy back.
pub fn undemanding() -> Policy {
    Policy { allow_partial: true, allow_unprovisionable: true, ..Policy::default() }
}

/// The policy of this name.
pub fn find(read: &impl Read, name: &str) -> Result<Option<Policy>> {
    let value = read.get(&keys::policy(name))?;
    Ok(value.map(|value| Policy::decode(&value)).transpose()?)
}

/// The policy that an account's devices must obey.
pub fn of_account(read: &impl Read, account: AccountId) -> Result<Option<Policy>> {
    let admission = access::admission(read)?;
    let name = admission.policy_of(account).map(|head| head.name.clone());
    Ok(name.map(|name| find(read, &name)).transpose()?.flatten())
}

/// All policies, in order of their names.
pub fn list(read: &impl Read) -> Result<Vec<Policy>> {
    Ok(collect(read, &keys::kind(Kind::Policy), |_, value| Policy::decode(value))?)
}

/// What of a policy is to change; `None` stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Change {
    /// Names and values; the value `default` takes one back.
    pub settings: Vec<(String, String)>,
    pub allow_partial: Option<bool>,
    pub allow_unprovisionable: Option<bool>,
}

/// Makes a policy, or changes it. Phones that obey it are asked to take it up anew.
pub fn set(tx: &mut Tx<'_>, name: &str, change: &Change) -> Result<Policy> {
    let name = checked_name(name)?;
    let old = find(tx, &name)?;
    if old.is_none() && list(tx)?.len() >= POLICIES_MAX {
        return Err(Error::TooMany("policies"));
    }
    let mut policy = old.clone().unwrap_or_else(|| Policy { name, ..Policy::default() });
    for (name, value) in &change.settings {
        let setting = Setting::named(name).ok_or_else(|| {
            Error::Invalid(format!("there is no setting {name}; kontor policy show lists them"))
        })?;
        policy.settings.retain(|(each, _)| each != setting.name);
        if !value.trim().eq_ignore_ascii_case("default") {
            policy.settings.push((setting.name.to_owned(), setting.checked(value)?));
        }
    }
    policy.settings.sort();
    policy.allow_partial = change.allow_partial.unwrap_or(policy.allow_partial);
    policy.allow_unprovisionable =
        change.allow_unprovisionable.unwrap_or(policy.allow_unprovisionable);
    if old.as_ref() == Some(&policy) {
        return Ok(policy);
    }
    policy.version = tx.next_number()?;
    policy.changed = tx.now();
    tx.put(keys::policy(&policy.name), policy.encode());
    let mut admission = access::admission(tx)?;
    admission.policies.retain(|head| head.name != policy.name);
    admission.policies.push(PolicyHead {
        name: policy.name.clone(),
        version: policy.version,
        allow_unprovisionable: policy.allow_unprovisionable,
    });
    finish(tx, &admission)?;
    Ok(policy)
}

/// Removes a policy; where it was assigned, nothing is demanded any more.
pub fn remove(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    find(tx, name)?.ok_or(Error::NotFound("policy"))?;
    tx.delete(keys::policy(name));
    let mut admission = access::admission(tx)?;
    admission.policies.retain(|head| head.name != name);
    admission.assigned.retain(|(_, assigned)| assigned != name);
    admission.policy = admission.policy.filter(|policy| policy != name);
    finish(tx, &admission)
}

/// Whom a policy is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whom {
    /// Everybody who has none of their own.
    All,
    One(AccountId),
}

/// What is assigned to somebody of whom nothing is demanded, whatever holds for the others.
pub const NONE: &str = "none";

/// Assigns a policy (or [`NONE`]); `None` takes the assignment back.
pub fn assign(tx: &mut Tx<'_>, whom: Whom, name: Option<&str>) -> Result<()> {
    if let Some(name) = name.filter(|name| *name != NONE) {
        find(tx, name)?.ok_or(Error::NotFound("policy"))?;
    }
    let mut admission = access::admission(tx)?;
    match whom {
        Whom::All => admission.policy = name.filter(|name| *name != NONE).map(str::to_owned),
        Whom::One(account) => {
            admission.assigned.retain(|(of, _)| *of != account);
            admission.assigned.extend(name.map(|name| (account, name.to_owned())));
        }
    }
    finish(tx, &admission)
}

fn finish(tx: &mut Tx<'_>, admission: &Admission) -> Result<()> {
    put_admission(tx, admission)?;
    // Requests that wait end, so that a new policy takes hold in seconds.
    wake_all(tx)
}

fn checked_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(Error::Invalid("a policy's name has 1 to 64 characters".into()));
    }
    if name.eq_ignore_ascii_case(NONE) {
        return Err(Error::Invalid("\"none\" stands for no policy".into()));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_setting() {
        for setting in SETTINGS {
            assert_eq!(setting.checked(setting.default).unwrap(), setting.default, "{setting:?}");
        }
    }

    #[test]
    fn what_bounds_the_server() {
        assert_eq!(Bounds::of(&undemanding()), Bounds::default());
        let settings = [
            ("AllowHTMLEmail", "0"),
            ("MaxAttachmentSize", "1000"),
            ("MaxCalendarAgeFilter", "5"),
            ("MaxEmailAgeFilter", "3"),
            ("MaxEmailBodyTruncationSize", "2"),
            ("MaxEmailHTMLBodyTruncationSize", "0"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let bounds = Bounds::of(&Policy { settings, ..Policy::default() });
        let expected = Bounds {
            calendar_age: 5,
            mail_age: 3,
            plain: Some(2048),
            html: Some(0),
            no_html: true,
            no_attachments: false,
            attachment: Some(1000),
        };
        assert_eq!(bounds, expected);
        let within = |filter| within_age(filter, 3);
        assert_eq!([0, 1, 2, 3, 4, 5].map(within), [3, 1, 2, 3, 3, 3]);
        assert_eq!(within_age(0, 0), 0);
    }

    #[test]
    fn values_are_checked() {
        let checked = |name: &str, value: &str| Setting::named(name).unwrap().checked(value);
        assert_eq!(checked("allowcamera", "No").unwrap(), "0");
        assert_eq!(checked("MinDevicePasswordLength", "none").unwrap(), "");
        assert_eq!(checked("MinDevicePasswordLength", " 6 ").unwrap(), "6");
        assert_eq!(
            checked("UnapprovedInROMApplicationList", "a.exe, b.exe").unwrap(),
            "a.exe,b.exe"
        );
        for (name, value) in
            [("AllowCamera", "2"), ("MinDevicePasswordLength", "17"), ("AllowBluetooth", "")]
        {
            assert!(checked(name, value).is_err(), "{name} {value}");
        }
        // MS-ASPROV 2.2.2.32 has no windows of days for calendars.
        for value in ["0", "4", "5", "6", "7"] {
            assert_eq!(checked("MaxCalendarAgeFilter", value).unwrap(), value);
        }
        for value in ["1", "2", "3", "8", "-1", "", "week"] {
            let error = checked("MaxCalendarAgeFilter", value).unwrap_err().to_string();
            assert!(error.contains("4 two weeks, 5 a month"), "{error}");
        }
    }
}
