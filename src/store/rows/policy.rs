//! Rows about all phones: what they must obey, and which may come in.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::AccountId;
use crate::store::rows::codec::{Reader, Writer};
use crate::store::rows::device::Access;
use crate::store::{Error, Result};

/// A named policy: what phones must obey (MS-ASPROV 2.2.2.28).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    pub name: String,
    /// Another one after each change.
    pub version: u64,
    pub changed: UnixTime,
    /// Phones that obey only a part of it come in.
    pub allow_partial: bool,
    /// Phones that do not know of policies come in.
    pub allow_unprovisionable: bool,
    /// What differs from the defaults, by the element's name.
    pub settings: Vec<(String, String)>,
}

impl Policy {
    const VERSION: u8 = 1;

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.str(&self.name).u64(self.version).i64(self.changed);
        out.bool(self.allow_partial).bool(self.allow_unprovisionable);
        out.u64(self.settings.len() as u64);
        for (name, value) in &self.settings {
            out.str(name).str(value);
        }
        out.done()
    }

    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "policy", Self::VERSION)?;
        Ok(Self {
            name: row.str()?,
            version: row.u64()?,
            changed: row.i64()?,
            allow_partial: row.bool()?,
            allow_unprovisionable: row.bool()?,
            settings: list(&mut row, |row| Ok((row.str()?, row.str()?)))?,
        })
    }
}

/// Which phones may come in, and which policy is for whom: one row for the server, read with
/// every request of a phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admission {
    /// For phones that nothing else speaks of.
    pub default: Access,
    /// Devices an account may have; 0 is without limit.
    pub max_devices: u32,
    pub rules: Vec<Rule>,
    pub exceptions: Vec<Exception>,
    /// The policy for accounts that have none of their own; `None` demands nothing.
    pub policy: Option<String>,
    /// Policies of single accounts.
    pub assigned: Vec<(AccountId, String)>,
    /// What a request has to be checked against, for every policy that there is.
    pub policies: Vec<PolicyHead>,
}

/// Exchange's figure too. A person has a phone, a tablet, and what they had before.
const MAX_DEVICES: u32 = 100;

impl Default for Admission {
    fn default() -> Self {
        Self {
            default: Access::Allowed,
            max_devices: MAX_DEVICES,
            rules: Vec::new(),
            exceptions: Vec::new(),
            policy: None,
            assigned: Vec::new(),
            policies: Vec::new(),
        }
    }
}

/// What of a policy the gate has to know.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PolicyHead {
    pub name: String,
    pub version: u64,
    pub allow_unprovisionable: bool,
}

/// Which of a device's facts a rule looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Characteristic {
    /// `DeviceType` of its requests.
    Type = 0,
    Model = 1,
    Os = 2,
    UserAgent = 3,
}

impl Characteristic {
    pub fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Model => "model",
            Self::Os => "os",
            Self::UserAgent => "user-agent",
        }
    }
}

/// A rule about a kind of device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Given once; rules are asked in this order.
    pub number: u32,
    pub characteristic: Characteristic,
    /// Compared without regard to case; `*` at either end stands for anything.
    pub pattern: String,
    pub access: Access,
}

/// What goes before all rules, for one person's devices or one device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exception {
    pub account: AccountId,
    /// In lower case; `None`: all devices of the account.
    pub device: Option<String>,
    pub access: Access,
}

impl Admission {
    const VERSION: u8 = 1;

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u32(self.default as u32).u32(self.max_devices);
        out.u64(self.rules.len() as u64);
        for rule in &self.rules {
            out.u32(rule.number).u32(rule.characteristic as u32).str(&rule.pattern);
            out.u32(rule.access as u32);
        }
        out.u64(self.exceptions.len() as u64);
        for exception in &self.exceptions {
            out.u32(exception.account.0);
            out.option(exception.device.as_deref(), |out, device| {
                out.str(device);
            });
            out.u32(exception.access as u32);
        }
        out.option(self.policy.as_deref(), |out, policy| {
            out.str(policy);
        });
        out.u64(self.assigned.len() as u64);
        for (account, policy) in &self.assigned {
            out.u32(account.0).str(policy);
        }
        out.u64(self.policies.len() as u64);
        for head in &self.policies {
            out.str(&head.name).u64(head.version).bool(head.allow_unprovisionable);
        }
        out.done()
    }

    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "admission of phones", Self::VERSION)?;
        Ok(Self {
            default: Access::from_number(row.u32()?)?,
            max_devices: row.u32()?,
            rules: list(&mut row, Rule::read)?,
            exceptions: list(&mut row, |row| {
                Ok(Exception {
                    account: AccountId(row.u32()?),
                    device: row.option(Reader::str)?,
                    access: Access::from_number(row.u32()?)?,
                })
            })?,
            policy: row.option(Reader::str)?,
            assigned: list(&mut row, |row| Ok((AccountId(row.u32()?), row.str()?)))?,
            policies: list(&mut row, |row| {
                Ok(PolicyHead {
                    name: row.str()?,
                    version: row.u64()?,
                    allow_unprovisionable: row.bool()?,
                })
            })?,
        })
    }

    /// The policy that an account's devices must obey.
    pub fn policy_of(&self, account: AccountId) -> Option<&PolicyHead> {
        let own = self.assigned.iter().find(|(of, _)| *of == account).map(|(_, name)| name);
        let name = own.or(self.policy.as_ref())?;
        self.policies.iter().find(|head| head.name == *name)
    }
}

impl Rule {
    fn read(row: &mut Reader<'_>) -> Result<Self> {
        let number = row.u32()?;
        let characteristic = match row.u32()? {
            0 => Characteristic::Type,
            1 => Characteristic::Model,
            2 => Characteristic::Os,
            3 => Characteristic::UserAgent,
            other => return Err(Error::Damaged(format!("access rule: characteristic {other}"))),
        };
        let (pattern, access) = (row.str()?, Access::from_number(row.u32()?)?);
        Ok(Self { number, characteristic, pattern, access })
    }
}

fn list<T>(
    row: &mut Reader<'_>,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = row.u64()?;
    (0..count).map(|_| read(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_rows_come_back() {
        let policy = Policy {
            name: "field".into(),
            version: 4,
            changed: 5,
            allow_partial: true,
            allow_unprovisionable: false,
            settings: vec![("AllowCamera".into(), "0".into())],
        };
        assert_eq!(Policy::decode(&policy.encode()).unwrap(), policy);
        let admission = Admission {
            default: Access::Quarantined,
            max_devices: 3,
            rules: vec![Rule {
                number: 2,
                characteristic: Characteristic::UserAgent,
                pattern: "Apple-*".into(),
                access: Access::Blocked,
            }],
            exceptions: vec![Exception {
                account: AccountId(5),
                device: Some("abc".into()),
                access: Access::Allowed,
            }],
            policy: Some("field".into()),
            assigned: vec![(AccountId(5), "office".into())],
            policies: vec![PolicyHead {
                name: "office".into(),
                version: 9,
                allow_unprovisionable: true,
            }],
        };
        assert_eq!(Admission::decode(&admission.encode()).unwrap(), admission);
        assert_eq!(admission.policy_of(AccountId(5)).unwrap().version, 9);
        // Its policy was removed meanwhile.
        assert_eq!(admission.policy_of(AccountId(6)), None);
    }
}
