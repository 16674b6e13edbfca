//! What kind of message it is: a note, a signed or encrypted one, a meeting message, a report
//! (MS-ASEMAIL 2.2.2.49).

use crate::eas::render::Unrenderable;
use crate::eas::render::email::source::Opened;
use crate::format::ical::{Component, Series};
use crate::format::mime::{PartInfo, Span};

/// Longest calendar text that makes a meeting message, still encoded. Longer ones are plain mail
/// with an attachment.
const CALENDAR_MAX: usize = 1024 * 1024;
/// Of a delivery report this much is looked at.
const REPORT_MAX: usize = 16 * 1024;

pub struct Class {
    name: &'static str,
    content_class: &'static str,
    meeting: Option<Series>,
    secure: bool,
}

impl Class {
    pub fn of(opened: &Opened<'_>) -> Result<Class, Unrenderable> {
        let content = &opened.content;
        if let Some(root) = content.root()
            && let Some(class) = Class::secure(root)
        {
            return Ok(class);
        }
        if let Some(part) = content.parts.iter().find(|part| is_meeting_part(part)) {
            let body = opened.octets(part.outline.body)?;
            if let Some(calendar) = Component::parse(&part.text(&body)).ok()
                && let Some(name) = meeting_class(&calendar)
            {
                let content_class = "urn:content-classes:calendarmessage";
                let meeting = Some(Series { calendar });
                return Ok(Class { name, content_class, meeting, secure: false });
            }
        }
        if let Some(name) = report_class(opened)? {
            let content_class = match name.ends_with("NRN") {
                true => "urn:content-classes:mdn",
                false => "urn:content-classes:dsn",
            };
            return Ok(Class { name, content_class, meeting: None, secure: false });
        }
        Ok(Class::note("IPM.Note", false))
    }

    fn note(name: &'static str, secure: bool) -> Class {
        Class { name, content_class: "urn:content-classes:message", meeting: None, secure }
    }

    /// Messages that only their exact bytes say what they mean.
    fn secure(root: &PartInfo) -> Option<Class> {
        Some(match &*root.media {
            "multipart/signed" => Class::note("IPM.Note.SMIME.MultipartSigned", true),
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
                Class::note("IPM.Note.SMIME", true)
            }
            // PGP (RFC 3156 §4): no class of its own, but only its MIME form can be opened.
            "multipart/encrypted" => Class::note("IPM.Note", true),
            _ => return None,
        })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn content_class(&self) -> &'static str {
        self.content_class
    }

    /// Signed or encrypted: MIME is sent with `MIMESupport` 1.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    pub fn is_meeting(&self) -> bool {
        self.meeting.is_some()
    }

    /// The calendar of a meeting message.
    pub fn meeting(&self) -> Option<&Series> {
        self.meeting.as_ref()
    }
}

/// Whether a part is what makes a message a meeting message, and so no attachment of it: iMIP's
/// inline text (RFC 6047 §2.4).
pub fn is_meeting_part(part: &PartInfo) -> bool {
    part.media == "text/calendar"
        && part.param("method").is_some()
        && part.outline.body.len() <= CALENDAR_MAX
}

fn meeting_class(calendar: &Component) -> Option<&'static str> {
    let event = calendar.child("VEVENT")?;
    let method = calendar.value_of("METHOD")?.trim().to_ascii_uppercase();
    Some(match &*method {
        "REQUEST" => "IPM.Schedule.Meeting.Request",
        "CANCEL" => "IPM.Schedule.Meeting.Canceled",
        "COUNTER" => "IPM.Schedule.Meeting.Resp.Tent",
        "REPLY" => {
            let attendee = event.first("ATTENDEE")?;
            let answer = attendee.param("PARTSTAT").unwrap_or_default().to_ascii_uppercase();
            match &*answer {
                "ACCEPTED" => "IPM.Schedule.Meeting.Resp.Pos",
                "DECLINED" => "IPM.Schedule.Meeting.Resp.Neg",
                _ => "IPM.Schedule.Meeting.Resp.Tent",
            }
        }
        _ => return None,
    })
}

/// Delivery reports (RFC 3464) and read receipts (RFC 8098).
fn report_class(opened: &Opened<'_>) -> Result<Option<&'static str>, Unrenderable> {
    let content = &opened.content;
    let Some(root) = content.root().filter(|root| root.media == "multipart/report") else {
        return Ok(None);
    };
    let _ = root;
    for part in &content.parts {
        let of = part.outline.body;
        let head = Span { start: of.start, end: of.end.min(of.start + REPORT_MAX) };
        match &*part.media {
            "message/delivery-status" | "message/global-delivery-status" => {
                let body = opened.octets(head)?;
                let text = part.text(&body).to_ascii_lowercase();
                let actions = text.lines().filter_map(|line| line.strip_prefix("action:"));
                let mut actions = actions.map(str::trim).collect::<Vec<_>>();
                actions.sort_unstable();
                let has = |action: &str| actions.iter().any(|each| each.starts_with(action));
                return Ok(Some(match () {
                    () if has("failed") => "REPORT.IPM.Note.NDR",
                    () if has("delayed") => "REPORT.IPM.Note.DELAYED",
                    () if actions.is_empty() => "REPORT.IPM.Note.NDR",
                    () => "REPORT.IPM.Note.DR",
                }));
            }
            "message/disposition-notification" => {
                let body = opened.octets(head)?;
                let text = part.text(&body).to_ascii_lowercase();
                let disposition = text.lines().find_map(|line| line.strip_prefix("disposition:"));
                return Ok(Some(match disposition {
                    Some(text) if text.contains("deleted") => "REPORT.IPM.Note.IPNNRN",
                    _ => "REPORT.IPM.Note.IPNRN",
                }));
            }
            _ => {}
        }
    }
    Ok(None)
}
