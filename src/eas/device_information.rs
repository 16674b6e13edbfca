//! `DeviceInformation`: what a device tells of itself, in Settings and in Provision (MS-ASCMD
//! 2.2.3.45).

use crate::domain::device::Facts;
use crate::format::wbxml::Element;
use crate::format::wbxml::tags::settings as s;

/// The facts of a request's outermost element, if it sets any.
pub fn find(root: &Element) -> Option<Facts> {
    Some(read(root.child(s::DEVICE_INFORMATION)?.child(s::SET)?))
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
