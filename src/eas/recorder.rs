//! Writes a phone's requests and answers down while its protocol log is switched on
//! (`domain::device::log`). For all other phones there is no recorder.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::base::clock::UnixTime;
use crate::base::id::AccountId;
use crate::domain;
use crate::domain::device::log::{self, Entry};
use crate::eas::answer::{Answer, Failure};
use crate::eas::session::Session;
use crate::eas::version::Command;
use crate::format::wbxml::{self, Dump};
use crate::store::Store;

/// Octets of a message or an attachment that are shown where bodies are.
const RAW_MAX: usize = 4 * 1024;

/// One request that is written down.
pub struct Recorder {
    account: AccountId,
    device: u32,
    bodies: bool,
    at: UnixTime,
    head: String,
    body: Bytes,
}

impl Recorder {
    /// For a request of a device whose log is on.
    pub fn of(session: &Session, command: Command) -> Option<Recorder> {
        let on = log::is_on(&session.device, session.now())?;
        let mut head = format!("{} in version {}", command.name(), session.version);
        if let Some(key) = session.policy_key {
            let _ = write!(head, ", policy key {key}");
        }
        if !session.content_type.is_empty() {
            let _ = write!(head, ", {}", session.content_type);
        }
        for (name, value) in [
            ("collection", &session.query.collection_id),
            ("item", &session.query.item_id),
            ("attachment", &session.query.attachment_name),
        ] {
            if let Some(value) = value {
                let _ = write!(head, ", {name} {value}");
            }
        }
        Some(Recorder {
            account: session.account.id,
            device: session.device.number,
            bodies: on.bodies,
            at: session.now(),
            head,
            body: session.body.clone(),
        })
    }

    /// Adds the entry. Nobody waits for it: the operation is queued by the call.
    pub fn note(self, store: &Store, outcome: &Result<Answer, Failure>, micros: u64) {
        let entry = Entry {
            at: self.at,
            request: self.shown(&self.body),
            answer: self.answer(outcome),
            head: self.head,
            micros,
        };
        let (account, device) = (self.account, self.device);
        drop(store.write(move |tx| {
            log::add(tx, account, device, entry)?;
            Ok::<_, domain::Error>(())
        }));
    }

    fn answer(&self, outcome: &Result<Answer, Failure>) -> String {
        match outcome {
            Ok(Answer::Empty) => "(empty)\n".into(),
            Ok(Answer::Wbxml(bytes)) => self.shown(&Bytes::copy_from_slice(bytes)),
            Ok(Answer::Raw { content_type, bytes }) => {
                format!("({content_type}, {} octets)\n", bytes.len())
            }
            Ok(Answer::Multipart(parts)) => {
                let mut parts = parts.iter();
                let mut text = parts.next().map(|first| self.shown(first)).unwrap_or_default();
                for part in parts {
                    let _ = writeln!(text, "(a part of {} octets)", part.len());
                }
                text
            }
            Err(Failure::Common(status)) => format!("(refused: status {status})\n"),
            Err(Failure::Status(status)) => format!("(the command's status {status})\n"),
            Err(Failure::Http(status)) => format!("(HTTP {})\n", status.as_u16()),
            Err(Failure::LogIn) => "(HTTP 401)\n".into(),
            Err(Failure::Busy(seconds)) => format!("(HTTP 503, again in {seconds} s)\n"),
        }
    }

    /// A document as text; what is none by its size.
    fn shown(&self, bytes: &Bytes) -> String {
        if bytes.is_empty() {
            return "(empty)\n".into();
        }
        match wbxml::decode(bytes) {
            Ok(element) if self.bodies => Dump::new(&element).to_string(),
            Ok(element) => Dump::without_bodies(&element).to_string(),
            Err(_) if self.bodies => {
                let start = bytes.get(..RAW_MAX.min(bytes.len())).unwrap_or_default();
                format!("({} octets)\n{}\n", bytes.len(), String::from_utf8_lossy(start))
            }
            Err(_) => format!("({} octets)\n", bytes.len()),
        }
    }
}
