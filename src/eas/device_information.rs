//! `DeviceInformation`: what a device tells of itself, in Settings and in Provision (MS-ASCMD
//! 2.2.3.45).

use crate::domain::device::{self, Access, Facts};
use crate::eas::answer::{Failure, common};
use crate::eas::session::Session;
use crate::format::wbxml::Element;
use crate::format::wbxml::tags::settings as s;

/// The facts of a request's outermost element, if it sets any.
pub fn find(root: &Element) -> Option<Facts> {
    Some(read(root.child(s::DEVICE_INFORMATION)?.child(s::SET)?))
}

/// Keeps what the session's device tells of itself, which may be what a rule waits for.
pub async fn keep(session: &Session, facts: Facts) -> Result<(), Failure> {
    if facts == session.device.facts {
        return Ok(());
    }
    let (account, id) = (session.account.id, session.device.id.clone());
    let kept = session.write(move |tx| device::set_facts(tx, account, &id, facts)).await?;
    match kept.access {
        Access::Blocked => Err(Failure::Common(common::DEVICE_BLOCKED)),
        Access::Allowed | Access::Quarantined => Ok(()),
    }
}

/// Reads a `Set` element. What it leaves out is not known any more.
fn read(set: &Element) -> Facts {
    let text = |tag| set.text_of(tag).unwrap_or_default().to_owned();
    Facts {
        model: text(s::MODEL),
        imei: text(s::IMEI),
        friendly_name: text(s::FRIENDLY_NAME),
        os: text(s::OS),
        os_language: text(s::OS_LANGUAGE),
        phone_number: text(s::PHONE_NUMBER),
        mobile_operator: text(s::MOBILE_OPERATOR),
        user_agent: text(s::USER_AGENT),
        outbound_sms: set.text_of(s::ENABLE_OUTBOUND_SMS) == Some("1"),
    }
}
