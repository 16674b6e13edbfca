//! A phone's row: what it says of itself, whether it may come in, what it was told to obey.

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::store::rows::codec::{Reader, Writer};
use crate::store::{Error, Result};

/// A device of an account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Device {
    /// Names it in keys; never given twice.
    pub number: u32,
    /// As it calls itself (`DeviceId`).
    pub id: String,
    /// As it calls its kind (`DeviceType`).
    pub kind: String,
    pub user_agent: String,
    /// The protocol version it spoke last.
    pub version: String,
    pub first_seen: UnixTime,
    pub last_seen: UnixTime,
    pub facts: Facts,
    pub access: Access,
    /// What `access` was decided by.
    pub reason: Reason,
    /// What was decided about this very device; goes before every rule.
    pub decision: Option<Access>,
    /// The administrators were told that it waits for approval.
    pub announced: bool,
    /// Raised when what it was told is forgotten: it starts over, also in a request that waits.
    pub epoch: u32,
    pub provision: Provision,
    pub wipe: Wipe,
    /// Who asked for the wipe, where there is one.
    pub wiper: Wiper,
    /// Its unlock password as the phone gave it away for an emergency (`DevicePassword`).
    pub recovery_password: Option<String>,
    pub last_error: Option<LastError>,
    pub log: Option<LogSwitch>,
}

/// What a device tells of itself (`DeviceInformation`, MS-ASCMD 2.2.3.45). Empty: not told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    pub model: String,
    pub imei: String,
    pub friendly_name: String,
    pub os: String,
    pub os_language: String,
    pub phone_number: String,
    pub mobile_operator: String,
    pub user_agent: String,
    pub outbound_sms: bool,
}

impl Facts {
    /// Whether the device has told anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a device may come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[repr(u8)]
pub enum Access {
    #[default]
    Allowed = 0,
    /// It connects, and sees that an administrator has to approve it.
    Quarantined = 1,
    Blocked = 2,
}

impl Access {
    /// From its number in a row.
    pub fn from_number(number: u32) -> Result<Self> {
        match number {
            0 => Ok(Self::Allowed),
            1 => Ok(Self::Quarantined),
            2 => Ok(Self::Blocked),
            other => Err(Error::Damaged(format!("device: access {other}"))),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Quarantined => "quarantined",
            Self::Blocked => "blocked",
        }
    }
}

/// Why a device's access is what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reason {
    /// Nothing else speaks of it.
    #[default]
    Default,
    /// The rule with this number.
    Rule(u32),
    /// An exception for its user.
    User,
    /// An exception that was made for it before it came.
    Device,
    /// An administrator approved, blocked or quarantined it.
    Administrator,
    /// It was wiped, or is about to be, and stays out until it is approved.
    Wiped,
    /// It was removed, and stays out until it is approved.
    Removed,
}

/// What a device was told to obey, and said about it (MS-ASPROV 3.2.5.1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Provision {
    /// The policy that it has acknowledged.
    pub acknowledged: Option<PolicyMark>,
    /// The key that every request of it carries since; 0 is none.
    pub key: u32,
    pub phase: Phase,
    /// It obeys only a part of it.
    pub partial: bool,
}

/// Where a device is between the two phases.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Phase {
    #[default]
    Idle,
    /// It was sent a policy with a temporary key; `None` demands nothing, and
    /// lifts an earlier one.
    Offered { temporary: u32, mark: Option<PolicyMark> },
    /// It has acknowledged that. Asked once more, because the answer was lost, it gets the
    /// same one.
    Done { temporary: u32 },
}

/// A policy as it was at some time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PolicyMark {
    pub name: String,
    pub version: u64,
}

/// How much is erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WipeKind {
    /// Everything on the device.
    Device,
    /// What came from this account (from 16.1 on).
    Account,
}

impl WipeKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Account => "account only",
        }
    }
}

/// How far a remote wipe is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wipe {
    #[default]
    None,
    /// The device has not come since.
    Requested { kind: WipeKind, at: UnixTime },
    /// The device was told.
    Sent { kind: WipeKind, at: UnixTime },
    /// The device said that it did it, or that it could not.
    Acknowledged { kind: WipeKind, at: UnixTime, done: bool },
}

impl Wipe {
    /// The kind of a wipe that the device has not acknowledged.
    pub fn pending(self) -> Option<WipeKind> {
        match self {
            Self::Requested { kind, .. } | Self::Sent { kind, .. } => Some(kind),
            Self::None | Self::Acknowledged { .. } => None,
        }
    }
}

/// Who wants a device to be wiped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wiper {
    /// Also where it was not written down: then nobody else takes it back.
    #[default]
    Administrator,
    /// The person whose device it is.
    Owner,
}

/// The last request that was refused.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LastError {
    pub at: UnixTime,
    pub text: String,
}

/// A protocol log that is switched on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogSwitch {
    pub until: UnixTime,
    /// Whether what people wrote stands in it.
    pub bodies: bool,
}

impl Device {
    const VERSION: u8 = 3;

    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new(Self::VERSION);
        out.u32(self.number).str(&self.id).str(&self.kind).str(&self.user_agent);
        out.str(&self.version).i64(self.first_seen).i64(self.last_seen);
        self.facts.write(&mut out);
        out.u32(self.access as u32);
        self.reason.write(&mut out);
        out.option(self.decision, |out, access| {
            out.u32(access as u32);
        });
        out.bool(self.announced).u32(self.epoch);
        self.provision.write(&mut out);
        self.wipe.write(&mut out);
        out.option(self.recovery_password.as_deref(), |out, password| {
            out.str(password);
        });
        out.option(self.last_error.as_ref(), |out, error| {
            out.i64(error.at).str(&error.text);
        });
        out.option(self.log, |out, log| {
            out.i64(log.until).bool(log.bodies);
        });
        out.bool(self.wiper == Wiper::Owner);
        out.done()
    }

    pub fn decode(value: &[u8]) -> Result<Self> {
        let (mut row, version) = Reader::new(value, "device", Self::VERSION)?;
        let mut device = Self {
            number: row.u32()?,
            id: row.str()?,
            kind: row.str()?,
            user_agent: row.str()?,
            version: row.str()?,
            first_seen: row.i64()?,
            last_seen: row.i64()?,
            ..Self::default()
        };
        if version < 2 {
            return Ok(device);
        }
        device.facts = Facts::read(&mut row)?;
        device.access = Access::from_number(row.u32()?)?;
        device.reason = Reason::read(&mut row)?;
        device.decision = row.option(|row| Access::from_number(row.u32()?))?;
        device.announced = row.bool()?;
        device.epoch = row.u32()?;
        device.provision = Provision::read(&mut row)?;
        device.wipe = Wipe::read(&mut row)?;
        device.recovery_password = row.option(Reader::str)?;
        device.last_error = row.option(|row| Ok(LastError { at: row.i64()?, text: row.str()? }))?;
        device.log = row.option(|row| Ok(LogSwitch { until: row.i64()?, bodies: row.bool()? }))?;
        if version >= 3 && row.bool()? {
            device.wiper = Wiper::Owner;
        }
        Ok(device)
    }
}

impl Facts {
    fn write(&self, out: &mut Writer) {
        out.str(&self.model).str(&self.imei).str(&self.friendly_name).str(&self.os);
        out.str(&self.os_language).str(&self.phone_number).str(&self.mobile_operator);
        out.str(&self.user_agent).bool(self.outbound_sms);
    }

    fn read(row: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            model: row.str()?,
            imei: row.str()?,
            friendly_name: row.str()?,
            os: row.str()?,
            os_language: row.str()?,
            phone_number: row.str()?,
            mobile_operator: row.str()?,
            user_agent: row.str()?,
            outbound_sms: row.bool()?,
        })
    }
}

impl Reason {
    fn write(self, out: &mut Writer) {
        match self {
            Self::Default => out.u32(0),
            Self::Rule(number) => out.u32(1).u32(number),
            Self::User => out.u32(2),
            Self::Device => out.u32(3),
            Self::Administrator => out.u32(4),
            Self::Wiped => out.u32(5),
            Self::Removed => out.u32(6),
        };
    }

    fn read(row: &mut Reader<'_>) -> Result<Self> {
        Ok(match row.u32()? {
            0 => Self::Default,
            1 => Self::Rule(row.u32()?),
            2 => Self::User,
            3 => Self::Device,
            4 => Self::Administrator,
            5 => Self::Wiped,
            6 => Self::Removed,
            other => return Err(Error::Damaged(format!("device: reason {other}"))),
        })
    }
}

impl Provision {
    fn write(&self, out: &mut Writer) {
        let mark = |out: &mut Writer, mark: &PolicyMark| {
            out.str(&mark.name).u64(mark.version);
        };
        out.option(self.acknowledged.as_ref(), mark).u32(self.key).bool(self.partial);
        match &self.phase {
            Phase::Idle => out.u32(0),
            Phase::Offered { temporary, mark: offered } => {
                out.u32(1).u32(*temporary).option(offered.as_ref(), mark)
            }
            Phase::Done { temporary } => out.u32(2).u32(*temporary),
        };
    }

    fn read(row: &mut Reader<'_>) -> Result<Self> {
        let mark = |row: &mut Reader<'_>| {
            row.option(|row| Ok(PolicyMark { name: row.str()?, version: row.u64()? }))
        };
        Ok(Self {
            acknowledged: mark(row)?,
            key: row.u32()?,
            partial: row.bool()?,
            phase: match row.u32()? {
                0 => Phase::Idle,
                1 => Phase::Offered { temporary: row.u32()?, mark: mark(row)? },
                2 => Phase::Done { temporary: row.u32()? },
                other => return Err(Error::Damaged(format!("device: phase {other}"))),
            },
        })
    }
}

impl Wipe {
    fn write(self, out: &mut Writer) {
        let (state, kind, at, done) = match self {
            Self::None => {
                out.u32(0);
                return;
            }
            Self::Requested { kind, at } => (1, kind, at, false),
            Self::Sent { kind, at } => (2, kind, at, false),
            Self::Acknowledged { kind, at, done } => (3, kind, at, done),
        };
        out.u32(state).bool(kind == WipeKind::Account).i64(at).bool(done);
    }

    fn read(row: &mut Reader<'_>) -> Result<Self> {
        let state = row.u32()?;
        if state == 0 {
            return Ok(Self::None);
        }
        let kind = if row.bool()? { WipeKind::Account } else { WipeKind::Device };
        let (at, done) = (row.i64()?, row.bool()?);
        Ok(match state {
            1 => Self::Requested { kind, at },
            2 => Self::Sent { kind, at },
            3 => Self::Acknowledged { kind, at, done },
            other => return Err(Error::Damaged(format!("device: wipe {other}"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_back() {
        let mark = |version| PolicyMark { name: "field".into(), version };
        let facts = Facts { model: "RM-1045".into(), outbound_sms: true, ..Facts::default() };
        for wipe in [
            Wipe::None,
            Wipe::Requested { kind: WipeKind::Account, at: 5 },
            Wipe::Sent { kind: WipeKind::Device, at: 6 },
            Wipe::Acknowledged { kind: WipeKind::Device, at: 7, done: true },
        ] {
            let device = Device {
                number: 7,
                id: "ABC".into(),
                kind: "WP8".into(),
                facts: facts.clone(),
                access: Access::Quarantined,
                reason: Reason::Rule(9),
                decision: Some(Access::Blocked),
                announced: true,
                epoch: 3,
                provision: Provision {
                    acknowledged: Some(mark(3)),
                    key: 17,
                    phase: Phase::Offered { temporary: 18, mark: Some(mark(4)) },
                    partial: true,
                },
                wipe,
                wiper: Wiper::Owner,
                recovery_password: Some("1234".into()),
                last_error: Some(LastError { at: 8, text: "129".into() }),
                log: Some(LogSwitch { until: 9, bodies: true }),
                ..Device::default()
            };
            assert_eq!(Device::decode(&device.encode()).unwrap(), device);
        }
    }

    /// Version 2 did not say who asked for a wipe; its rows end before that.
    #[test]
    fn a_row_of_version_2_is_read() {
        let wipe = Wipe::Requested { kind: WipeKind::Device, at: 5 };
        let device = Device { number: 7, id: "ABC".into(), wipe, ..Device::default() };
        let mut old = device.encode().to_vec();
        old.pop();
        old[0] = 2;
        assert_eq!(Device::decode(&old).unwrap(), device);
        assert_eq!(device.wiper, Wiper::Administrator);
    }
}
