//! What a message is, beside mail: an invitation or an answer to one, and something that an
//! absent recipient answers. Read before the transaction that delivers it, and bounded.

use crate::base::address::EmailAddress;
use crate::base::id::AccountId;
use crate::delivery::{Message, Refusal};
use crate::domain::out_of_office::{self, Asked};
use crate::domain::scheduling::{Method, arriving, canonical};
use crate::domain::{self, directory, invitation};
use crate::format::mime::{self, RecordView, Submission as Header, calendar_parts};
use crate::store::{Read, Tx};

/// Octets of calendars that cost next to nothing.
const SMALL: usize = 32 * 1024;
/// Octets beyond that in one delivery: a huge calendar to everybody must not hold up all other
/// mail. Who gets no event any more has the mail, and by it the event once it is answered.
const LARGE_MAX: usize = 4 << 20;

/// What is done for each recipient here, in the transaction of the delivery.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrival {
    calendars: Vec<arriving::Message>,
    /// What each recipient's part of [`LARGE_MAX`] is, and how much of it is left.
    large: usize,
    left: usize,
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
        let (calendars, octets) = if calendar { calendars(raw) } else { (Vec::new(), 0) };
        if calendars.iter().any(|message| message.method != Method::Request) {
            // An answer, a cancellation: nobody waits for words to it.
            asked.silence();
        }
        let (large, left) = (octets.saturating_sub(SMALL), LARGE_MAX);
        Self { calendars, large, left, asked }
    }

    /// The same for mail that came from outside: members of this server's domains log in to
    /// send, so whoever writes in their name from there is not believed to be them. The mail is
    /// delivered like any other, and a meeting in it can be answered.
    pub(super) fn of_outsiders(mut self, read: &impl Read) -> domain::Result<Self> {
        for message in &mut self.calendars {
            let mut believed = Vec::new();
            for sender in std::mem::take(&mut message.senders) {
                let domain = sender.rsplit('@').next().unwrap_or_default();
                if !directory::is_local_domain(read, domain)? {
                    believed.push(sender);
                }
            }
            message.senders = believed;
        }
        Ok(self)
    }

    /// Carries out what the message means for a recipient.
    pub(super) fn deliver(&mut self, tx: &mut Tx<'_>, to: AccountId) -> domain::Result<()> {
        let left = self.left.checked_sub(self.large);
        self.left = left.unwrap_or(0);
        let calendars = self.calendars.iter().filter(|_| left.is_some());
        for message in calendars {
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

/// The calendars' messages, and their octets.
fn calendars(raw: &[u8]) -> (Vec<arriving::Message>, usize) {
    let header = Header::read(raw);
    // Whom a reader would take for the author must be who is meant here.
    if header.from_fields != 1 || header.too_many {
        return (Vec::new(), 0);
    }
    let senders: Vec<String> =
        header.from.iter().chain(&header.sender).map(|address| canonical(address)).collect();
    let (mut found, mut octets) = (Vec::new(), 0usize);
    for part in calendar_parts(raw, &mime::scan(raw)) {
        octets = octets.saturating_add(part.text.len());
        let method = Some(part.method.as_str()).filter(|method| !method.is_empty());
        match arriving::Message::read(part.text.as_bytes(), method, &senders, true) {
            Ok(messages) => found.extend(messages),
            Err(error) => tracing::debug!(%error, "a calendar in a mail cannot be read"),
        }
    }
    (found, octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::domain::account::{self, NewAccount};
    use crate::domain::collection;
    use crate::store::Store;
    use crate::store::rows::collection::CollectionKind;

    #[test]
    fn a_huge_calendar_to_everybody_is_an_event_for_some() {
        let store = Store::in_memory(Clock::fixed(1_785_585_600));
        let deliver = |octets: usize| {
            let raw = format!(
                "From: <dora@else.example>\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\n\
                 BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:{octets}\r\n\
                 DTSTART:20300101T100000Z\r\nORGANIZER:mailto:dora@else.example\r\n\
                 DESCRIPTION:{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
                "x".repeat(octets)
            );
            Arrival::read(raw.as_bytes(), true, None)
        };
        let (mut small, mut large) = (deliver(20_000), deliver(1_000_000));
        let count = store.write_blocking(move |tx| {
            account::add_domain(tx, "office.example")?;
            let mut events = (0, 0);
            for number in 0..10 {
                let new = NewAccount {
                    address: format!("p{number}@office.example").parse().unwrap(),
                    display_name: "P".into(),
                    admin: false,
                    credentials: None,
                    quota: None,
                };
                let to = account::create(tx, &new)?.id;
                let calendar = collection::default(tx, to, CollectionKind::Calendar)?.id;
                let mut arrived = |arrival: &mut Arrival| -> domain::Result<usize> {
                    let before = tx.collection(calendar)?.unwrap().items;
                    arrival.deliver(tx, to)?;
                    Ok((tx.collection(calendar)?.unwrap().items - before) as usize)
                };
                events.0 += arrived(&mut small)?;
                events.1 += arrived(&mut large)?;
            }
            Ok::<_, domain::Error>(events)
        });
        assert_eq!(count.unwrap(), (10, 4));
    }
}
