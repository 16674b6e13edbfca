//! What a message is, beside mail: an invitation or an answer to one, and something that an
//! absent recipient answers. Read before the transaction that delivers it, and bounded.

use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::delivery::{Message, Refusal};
use crate::domain::out_of_office::{self, Asked};
use crate::domain::scheduling::{Method, arriving, canonical};
use crate::domain::{self, invitation};
use crate::format::mime::{self, RecordView, Submission as Header, calendar_parts};
use crate::store::Tx;

/// What is done for each recipient here, in the transaction of the delivery.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrival {
    calendars: Vec<arriving::Message>,
    asked: Asked,
}

impl Arrival {
    /// Reads a message whose cold record is there.
    pub(super) async fn of(
        message: &Message,
        record: &[u8],
        sender: Option<&EmailAddress>,
    ) -> Result<Self, Refusal> {
        let (calendar, sender) = (may_hold_calendar(record), sender.cloned());
        message.look(move |raw| Self::read(raw, calendar, sender.as_ref())).await
    }

    /// Reads a message; without `calendar` no calendar is looked for.
    pub(super) fn read(raw: &[u8], calendar: bool, sender: Option<&EmailAddress>) -> Self {
        let header = raw.get(..mime::header_len(raw)).unwrap_or_default();
        let mut asked = Asked::read(header, sender);
        let calendars = if calendar { calendars(raw) } else { Vec::new() };
        if calendars.iter().any(|message| message.method != Method::Request) {
            // An answer, a cancellation: nobody waits for words to it.
            asked.silence();
        }
        Self { calendars, asked }
    }

    /// Carries out what the message means for a recipient.
    pub(super) fn deliver(&self, tx: &mut Tx<'_>, to: AccountId) -> domain::Result<()> {
        for message in &self.calendars {
            let done = invitation::arrive(tx, to, message)?;
            tracing::debug!(account = %to, method = message.method.name(), ?done, "invitation");
        }
        match out_of_office::answer(tx, to, &self.asked) {
            Err(domain::Error::Store(error)) => Err(domain::Error::Store(error)),
            // An answer that cannot be written must not keep the mail away.
            Err(error) => {
                tracing::info!(account = %to, %error, "no out-of-office answer");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Carries out what it means for the member who sent it.
    pub(super) fn sent(&self, tx: &mut Tx<'_>, from: AccountId) -> domain::Result<()> {
        for message in &self.calendars {
            match invitation::sent(tx, from, message) {
                Err(domain::Error::Store(error)) => return Err(domain::Error::Store(error)),
                Err(error) => tracing::info!(account = %from, %error, "own invitation not noted"),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// The body structure names every type; where it is too long to be kept, the message is read.
fn may_hold_calendar(record: &[u8]) -> bool {
    let Ok(view) = RecordView::parse(record) else { return false };
    view.bodystructure().is_none_or(|structure| {
        structure.windows(10).any(|window| window.eq_ignore_ascii_case(b"\"calendar\""))
    })
}

fn calendars(raw: &[u8]) -> Vec<arriving::Message> {
    let header = Header::read(raw);
    // Whom a reader would take for the author must be who is meant here.
    if header.from_fields != 1 || header.too_many {
        return Vec::new();
    }
    let senders: Vec<String> =
        header.from.iter().chain(&header.sender).map(|address| canonical(address)).collect();
    let mut found: Vec<arriving::Message> = Vec::new();
    for part in calendar_parts(raw, &mime::scan(raw)) {
        let method = Some(part.method.as_str()).filter(|method| !method.is_empty());
        match arriving::Message::read(part.text.as_bytes(), method, &senders, true) {
            Ok(messages) => found.extend(messages),
            Err(error) => tracing::debug!(%error, "a calendar in a mail cannot be read"),
        }
    }
    found
}
