//! The one message that a phone gets while it waits for approval.

use jiff::Timestamp;

use crate::domain::device::Device;
use crate::eas::render::Options;
use crate::eas::session::Session;
use crate::eas::version::Version;
use crate::format::wbxml::Writer;
use crate::format::wbxml::tags::{air_sync_base as b, email as e, email2 as e2};

const SUBJECT: &str = "Your phone has to be approved";

/// The message's id: no item of the inbox can ever have it.
pub(super) fn id(inbox: &str) -> String {
    format!("{inbox}:0")
}

/// Writes it as children of `ApplicationData`.
pub(super) fn write(out: &mut Writer, session: &Session, options: &Options) {
    let (device, version) = (&session.device, session.version);
    let address = &session.account.address;
    let domain = address.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let text = text(device, address);
    out.text(e::TO, address);
    out.text(e::FROM, &format!("\"Kontor\" <postmaster@{domain}>"));
    out.text(e::SUBJECT, SUBJECT);
    out.text(e::DATE_RECEIVED, &date(device.first_seen));
    out.text(e::DISPLAY_TO, address);
    out.text(e::THREAD_TOPIC, SUBJECT);
    out.number(e::IMPORTANCE, 2);
    out.number(e::READ, 0);
    if version < Version::V12_0 {
        out.number(e::BODY_TRUNCATED, 0);
        out.text(e::BODY, &text);
    } else {
        body(out, &text, options);
    }
    out.text(e::MESSAGE_CLASS, "IPM.Note");
    out.number(e::INTERNET_CPID, 65001);
    if version >= Version::V12_0 {
        out.text(e::CONTENT_CLASS, "urn:content-classes:message");
        out.number(b::NATIVE_BODY_TYPE, 1);
    }
    if version >= Version::V14_0 {
        out.opaque(e2::CONVERSATION_ID, b"kontor-quarantin");
        out.opaque(e2::CONVERSATION_INDEX, &device.first_seen.to_be_bytes()[3..]);
    }
}

/// Plain text, or HTML for those who show nothing else. It is short, so it is never cut.
fn body(out: &mut Writer, text: &str, options: &Options) {
    let only_html = options.bodies.iter().any(|body| body.kind == 2)
        && !options.bodies.iter().any(|body| body.kind == 1);
    let html;
    let (kind, data) = match only_html {
        false => (1, text),
        true => {
            html = as_html(text);
            (2, html.as_str())
        }
    };
    out.open(b::BODY);
    out.number(b::TYPE, kind);
    out.number(b::ESTIMATED_DATA_SIZE, data.len());
    out.number(b::TRUNCATED, 0);
    out.text(b::DATA, data);
    out.close();
}

fn text(device: &Device, address: &str) -> String {
    let facts = &device.facts;
    let all = [
        ("Account", address),
        ("Name", &facts.friendly_name),
        ("Model", &facts.model),
        ("System", &facts.os),
        ("Phone number", &facts.phone_number),
        ("Type", &device.kind),
        ("Program", &device.user_agent),
        ("Id", &device.id),
    ];
    let told = all.into_iter().filter(|(_, value)| !value.is_empty());
    let facts: String = told.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "This phone is connected to your account, but an administrator has to approve it \
         before your mail, contacts, calendar and tasks come to it.\r\n\r\n\
         The administrators have been told. You need not do anything: once the phone is \
         approved, everything comes by itself and this message goes away.\r\n\r\n\
         If you ask for it, these are the phone's details:\r\n\r\n{facts}"
    )
}

fn as_html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<html><body><p>{}</p></body></html>", escaped.replace("\r\n", "<br>\r\n"))
}

fn date(at: i64) -> String {
    let at = Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}
