//! Settings: what a phone tells of itself, and its person's settings (MS-ASCMD 2.2.1.18).
//!
//! Each part of a request is answered by a status of its own.

mod oof;

use crate::base::id::AccountId;
use crate::domain::device;
use crate::domain::policy::{self, Setting};
use crate::eas::answer::{Answer, Failure};
use crate::eas::device_information;
use crate::eas::session::Session;
use crate::eas::version::Version;
use crate::format::wbxml::tags::{rights_management, settings as s};
use crate::format::wbxml::{Element, Writer};
use crate::store::Read;
use crate::store::rows::account::AddressRow;

/// Statuses (MS-ASCMD 2.2.3.177.14).
const SUCCESS: u16 = 1;
const PROTOCOL_ERROR: u16 = 2;
const INVALID: u16 = 5;
const CONFLICT: u16 = 6;
const DENIED_BY_POLICY: u16 = 7;
/// Rights management is not offered here (MS-ASCMD 2.2.2, from 14.1 on).
const IRM_DISABLED: u16 = 168;

/// Longest password (MS-ASCMD 6.34).
const PASSWORD_MAX: usize = 255;

pub(super) async fn run(session: Session) -> Result<Answer, Failure> {
    let root = session.required_element()?;
    if root.tag != s::SETTINGS || root.children.is_empty() {
        return Err(Failure::Status(PROTOCOL_ERROR));
    }
    let mut out = Writer::new();
    out.open(s::SETTINGS);
    out.number(s::STATUS, SUCCESS);
    for part in &root.children {
        out.open(part.tag);
        match part.tag {
            s::OOF => oof::answer(&mut out, &session, part).await?,
            s::DEVICE_INFORMATION => device_information(&mut out, &session, &root).await?,
            s::DEVICE_PASSWORD => device_password(&mut out, &session, part).await?,
            s::USER_INFORMATION => user_information(&mut out, &session, part)?,
            s::RIGHTS_MANAGEMENT_INFORMATION => rights_management(&mut out),
            _ => return Err(Failure::Status(PROTOCOL_ERROR)),
        }
        out.close();
    }
    out.close();
    Ok(out.into())
}

/// `DeviceInformation`/`Set` (MS-ASCMD 2.2.3.45).
async fn device_information(
    out: &mut Writer,
    session: &Session,
    root: &Element,
) -> Result<(), Failure> {
    let Some(facts) = device_information::find(root) else {
        out.number(s::STATUS, PROTOCOL_ERROR);
        return Ok(());
    };
    device_information::keep(session, facts).await?;
    out.number(s::STATUS, SUCCESS);
    Ok(())
}

/// `DevicePassword`/`Set`: a password that unlocks the phone should its owner forget the PIN
/// (MS-ASCMD 2.2.3.46). Kept where the policy asks for it, for administrators only.
async fn device_password(
    out: &mut Writer,
    session: &Session,
    part: &Element,
) -> Result<(), Failure> {
    let password = part.child(s::SET).and_then(|set| set.text_of(s::PASSWORD));
    let Some(password) = password else {
        out.number(s::STATUS, PROTOCOL_ERROR);
        return Ok(());
    };
    if password.is_empty() || password.chars().count() > PASSWORD_MAX {
        out.number(s::STATUS, INVALID);
        return Ok(());
    }
    let account = session.account.id;
    if !wants_passwords(&session.read(), account)? {
        out.number(s::STATUS, DENIED_BY_POLICY);
        return Ok(());
    }
    let (id, password) = (session.device.id.clone(), password.to_owned());
    session
        .write(move |tx| {
            device::update(tx, account, &id, |device| device.recovery_password = Some(password))
        })
        .await?;
    out.number(s::STATUS, SUCCESS);
    Ok(())
}

fn wants_passwords(read: &impl Read, account: AccountId) -> Result<bool, Failure> {
    let policy = policy::of_account(read, account)?;
    let setting = Setting::named("PasswordRecoveryEnabled");
    Ok(policy.zip(setting).is_some_and(|(policy, setting)| policy.value(setting) == "1"))
}

/// `UserInformation`/`Get`: the person's addresses (MS-ASCMD 2.2.3.196). From 14.1 on they
/// stand in an account.
fn user_information(out: &mut Writer, session: &Session, part: &Element) -> Result<(), Failure> {
    if !part.has(s::GET) {
        out.number(s::STATUS, PROTOCOL_ERROR);
        return Ok(());
    }
    let account = &session.account;
    let mut addresses = vec![account.address.clone()];
    for (address, row) in session.read().addresses()? {
        if matches!(row, AddressRow::Alias(of) if of == account.id) {
            addresses.push(address);
        }
    }
    out.number(s::STATUS, SUCCESS);
    out.open(s::GET);
    let modern = session.version >= Version::V14_1;
    if modern {
        out.open(s::ACCOUNTS);
        out.open(s::ACCOUNT);
        out.text(s::USER_DISPLAY_NAME, &account.display_name);
    }
    out.open(s::EMAIL_ADDRESSES);
    addresses.iter().for_each(|address| out.text(s::SMTP_ADDRESS, address));
    if modern {
        out.text(s::PRIMARY_SMTP_ADDRESS, &account.address);
    }
    out.close();
    if modern {
        out.close();
        out.close();
    }
    out.close();
    Ok(())
}

/// `RightsManagementInformation`/`Get` (MS-ASRM 3.2.5.1): there is none, and phones hide what
/// belongs to it.
fn rights_management(out: &mut Writer) {
    out.number(s::STATUS, IRM_DISABLED);
    out.open(s::GET);
    out.empty(rights_management::RIGHTS_MANAGEMENT_TEMPLATES);
    out.close();
}
