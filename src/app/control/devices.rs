//! What is asked and answered about phones.

use serde::{Deserialize, Serialize};

use crate::base::clock::UnixTime;

/// A phone by its id, and by its person where the id alone does not say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceName {
    pub id: String,
    pub user: Option<String>,
}

/// What can be asked about phones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum DeviceRequest {
    List { email: Option<String> },
    Show { device: DeviceName },
    Approve { device: DeviceName },
    Block { device: DeviceName },
    Wipe { device: DeviceName, account_only: bool },
    CancelWipe { device: DeviceName },
    Resync { device: DeviceName },
    Remove { device: DeviceName },
    LogOn { device: DeviceName, bodies: bool },
    LogOff { device: DeviceName },
    LogShow { device: DeviceName },
}

/// What can be asked about policies and access rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum PolicyRequest {
    List,
    /// Without a name: what a policy can say.
    Show {
        name: Option<String>,
    },
    Set {
        name: String,
        settings: Vec<(String, String)>,
        allow_partial: Option<bool>,
        allow_non_provisionable: Option<bool>,
    },
    Remove {
        name: String,
    },
    /// `None` takes assignments back; no addresses are all people.
    Assign {
        name: Option<String>,
        emails: Vec<String>,
    },
    Access,
    AccessDefault {
        access: AccessWord,
    },
    AddRule {
        what: String,
        pattern: String,
        access: AccessWord,
    },
    RemoveRule {
        number: u32,
    },
    /// `None` takes the exception back.
    Exception {
        email: String,
        device: Option<String>,
        access: Option<AccessWord>,
    },
    MaxDevices {
        number: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessWord {
    Allow,
    Quarantine,
    Block,
}

/// A phone in a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLine {
    pub id: String,
    pub email: String,
    /// As its owner calls it, or its kind.
    pub name: String,
    pub model: String,
    pub os: String,
    pub phone_number: String,
    pub version: String,
    /// allowed, quarantined or blocked.
    pub access: String,
    /// What that was decided by.
    pub reason: String,
    /// How far a wipe is; empty if there is none.
    pub wipe: String,
    pub first_seen: UnixTime,
    pub last_seen: UnixTime,
    pub last_error: Option<ErrorLine>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorLine {
    pub at: UnixTime,
    pub text: String,
}

/// All that is known of a phone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDetail {
    #[serde(flatten)]
    pub line: DeviceLine,
    pub kind: String,
    pub user_agent: String,
    pub imei: String,
    pub os_language: String,
    pub mobile_operator: String,
    /// The policy that it has to obey.
    pub policy: Option<String>,
    /// The one that it has said to obey.
    pub acknowledged: Option<String>,
    pub policy_is_current: bool,
    pub obeys_partly: bool,
    pub recovery_password: Option<String>,
    pub log_until: Option<UnixTime>,
    pub folders: Vec<FolderLine>,
}

/// What a phone has of one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderLine {
    pub name: String,
    /// Items that it holds.
    pub items: u64,
    /// Items that are still to be told.
    pub pending: u64,
    /// Whether something has changed since it last asked.
    pub behind: bool,
    /// `FilterType`: how far back it wants to see.
    pub filter: u8,
    pub sync_key: u64,
}

/// One request of a protocol log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub at: UnixTime,
    pub head: String,
    pub request: String,
    pub answer: String,
    pub micros: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyLine {
    pub name: String,
    pub changed: UnixTime,
    pub allow_partial: bool,
    pub allow_non_provisionable: bool,
    /// Whether it is for all who have none of their own.
    pub for_all: bool,
    /// Whose own it is.
    pub people: Vec<String>,
    /// What it says that is not the default.
    pub settings: Vec<SettingLine>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingLine {
    pub name: String,
    pub value: String,
    pub meaning: String,
}

/// Which phones may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessDetail {
    pub default: String,
    pub max_devices: u32,
    pub rules: Vec<RuleLine>,
    pub exceptions: Vec<ExceptionLine>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleLine {
    pub number: u32,
    pub what: String,
    pub pattern: String,
    pub access: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionLine {
    pub email: String,
    pub device: Option<String>,
    pub access: String,
}
