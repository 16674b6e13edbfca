//! Rows about who there is: domains, accounts, addresses, and an account's sequences.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::{AccountId, ModSeq};
use crate::store::Result;
use crate::store::rows::codec::{Reader, Writer};

/// A mail domain that is local here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Domain {
    /// Lower-case A-labels.
    pub name: String,
    /// Who gets mail for addresses that nobody has.
    pub catch_all: Option<AccountId>,
}

/// A person's (or a shared) account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub id: AccountId,
    /// The e-mail address, which is also the log-in; canonical.
    pub address: String,
    pub display_name: String,
    pub admin: bool,
    pub enabled: bool,
    /// argon2id hash in PHC form; `None` cannot log in.
    pub password: Option<String>,
    /// SCRAM-SHA-256 keys beside it, as `format::sasl::ScramKeys` encodes them.
    pub scram: Option<Bytes>,
    /// Raised on each change of credentials or rights: cached log-ins of before are void.
    pub credential_version: u64,
    /// Bytes; `None` is unlimited.
    pub quota: Option<u64>,
    pub created: UnixTime,
    /// Not in the address list.
    pub hidden: bool,
    /// The name of the zone that times without one stand in, as in `Europe/Berlin`; `None` is
    /// the office's.
    pub time_zone: Option<String>,
}

/// What mail to an address means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AddressRow {
    /// The account's own address.
    Primary(AccountId),
    /// Another address of the account.
    Alias(AccountId),
    /// A distribution group.
    Group(Group),
}

/// A distribution group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Group {
    pub name: String,
    /// Canonical addresses; local ones only are delivered here, others are queued.
    pub members: Vec<String>,
    /// Whether members may send with the group's address.
    pub members_send: bool,
    /// Not in the address list.
    pub hidden: bool,
}

/// An account's sequences and sums; rewritten by every transaction that changes the account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccountState {
    /// The last modseq given.
    pub modseq: ModSeq,
    /// Tombstones up to here are gone: older tokens must start over.
    pub horizon: ModSeq,
    /// The modseq when the account was last noted for the expiry of its tombstones.
    pub noted: ModSeq,
    pub next_message: u64,
    pub next_mailbox: u32,
    pub next_keyword: u32,
    /// The last UIDVALIDITY given.
    pub uid_validity: u32,
    /// Messages in all mailboxes, and their bytes as counted against the quota.
    pub messages: u64,
    pub bytes: u64,
    /// Tombstones dropped since conversations without a message were last looked for.
    pub forgotten: u64,
}

impl Domain {
    const VERSION: u8 = 1;
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.str(&self.name).option(self.catch_all, |out, id| {
            out.u32(id.0);
        });
        out.done()
    }
    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, _) = Reader::new(value, "domain", Self::VERSION)?;
        Ok(Self { name: row.str()?, catch_all: row.option(|row| Ok(AccountId(row.u32()?)))? })
    }
}

impl Account {
    /// 2 has `hidden`, 3 `time_zone`.
    const VERSION: u8 = 3;
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u32(self.id.0).str(&self.address).str(&self.display_name);
        out.bool(self.admin).bool(self.enabled);
        out.option(self.password.as_deref(), |out, hash| {
            out.str(hash);
        });
        out.option(self.scram.as_ref(), |out, keys| {
            out.bytes(keys);
        });
        out.u64(self.credential_version);
        out.option(self.quota, |out, quota| {
            out.u64(quota);
        });
        out.i64(self.created).bool(self.hidden);
        out.option(self.time_zone.as_deref(), |out, name| {
            out.str(name);
        });
        out.done()
    }
    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, version) = Reader::new(value, "account", Self::VERSION)?;
        Ok(Self {
            id: AccountId(row.u32()?),
            address: row.str()?,
            display_name: row.str()?,
            admin: row.bool()?,
            enabled: row.bool()?,
            password: row.option(Reader::str)?,
            scram: row.option(|row| Ok(Bytes::copy_from_slice(row.bytes()?)))?,
            credential_version: row.u64()?,
            quota: row.option(Reader::u64)?,
            created: row.i64()?,
            hidden: version >= 2 && row.bool()?,
            time_zone: if version < 3 { None } else { row.option(Reader::str)? },
        })
    }
}

impl AddressRow {
    /// 2 has a group's `hidden`.
    const VERSION: u8 = 2;
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        match self {
            Self::Primary(id) => out.u32(0).u32(id.0),
            Self::Alias(id) => out.u32(1).u32(id.0),
            Self::Group(group) => {
                out.u32(2).str(&group.name).bool(group.members_send);
                out.u64(group.members.len() as u64);
                for member in &group.members {
                    out.str(member);
                }
                out.bool(group.hidden)
            }
        };
        out.done()
    }
    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, version) = Reader::new(value, "address", Self::VERSION)?;
        Ok(match row.u32()? {
            0 => Self::Primary(AccountId(row.u32()?)),
            1 => Self::Alias(AccountId(row.u32()?)),
            _ => {
                let (name, members_send) = (row.str()?, row.bool()?);
                let members = (0..row.u64()?).map(|_| row.str()).collect::<Result<_>>()?;
                let hidden = version >= 2 && row.bool()?;
                Self::Group(Group { name, members, members_send, hidden })
            }
        })
    }
}

impl AccountState {
    /// 2 has `forgotten`.
    const VERSION: u8 = 2;
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u64(self.modseq.0).u64(self.horizon.0).u64(self.noted.0).u64(self.next_message);
        out.u32(self.next_mailbox).u32(self.next_keyword).u32(self.uid_validity);
        out.u64(self.messages).u64(self.bytes).u64(self.forgotten).done()
    }
    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, version) = Reader::new(value, "account state", Self::VERSION)?;
        Ok(Self {
            modseq: ModSeq(row.u64()?),
            horizon: ModSeq(row.u64()?),
            noted: ModSeq(row.u64()?),
            next_message: row.u64()?,
            next_mailbox: row.u32()?,
            next_keyword: row.u32()?,
            uid_validity: row.u32()?,
            messages: row.u64()?,
            bytes: row.u64()?,
            forgotten: if version < 2 { 0 } else { row.u64()? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row as an older version wrote it: it ends before what is newer.
    fn of_version(version: u8, row: &Bytes, newer: &[u8]) -> Vec<u8> {
        let mut old = row.strip_suffix(newer).unwrap().to_vec();
        old[0] = version;
        old
    }

    #[test]
    fn who_is_hidden_comes_back_and_in_older_rows_nobody_was() {
        let account = Account {
            id: AccountId(3),
            address: "ben@office.example".into(),
            display_name: "Ben".into(),
            admin: true,
            enabled: true,
            password: Some("hash".into()),
            scram: Some(Bytes::from_static(b"keys")),
            credential_version: 4,
            quota: Some(5),
            created: 6,
            hidden: true,
            time_zone: Some("Asia/Tokyo".into()),
        };
        let row = account.encode();
        assert_eq!(Account::decode(&row).unwrap(), account);
        let account = Account { time_zone: None, ..account };
        let row = account.encode();
        assert_eq!(Account::decode(&of_version(2, &row, &[0])).unwrap(), account);
        let shown = Account { hidden: false, ..account };
        assert_eq!(Account::decode(&of_version(1, &row, &[1, 0])).unwrap(), shown);

        let members = vec!["ben@office.example".into()];
        let group = Group { name: "All".into(), members, members_send: true, hidden: true };
        let row = AddressRow::Group(group.clone()).encode();
        assert_eq!(AddressRow::decode(&row).unwrap(), AddressRow::Group(group.clone()));
        let shown = AddressRow::Group(Group { hidden: false, ..group });
        assert_eq!(AddressRow::decode(&of_version(1, &row, &[1])).unwrap(), shown);
        for row in [AddressRow::Primary(AccountId(7)), AddressRow::Alias(AccountId(8))] {
            assert_eq!(AddressRow::decode(&row.encode()).unwrap(), row);
        }
    }
}
