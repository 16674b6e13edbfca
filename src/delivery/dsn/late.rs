//! Reports on mail that waits for room, for members who sent it.

use crate::base::clock::UnixTime;
use crate::base::zone;
use crate::delivery::Trace;
use crate::delivery::dsn::report::{Fate, Report, Returned};
use crate::delivery::dsn::returned_header;
use crate::domain::message::Prepared;
use crate::format::mime::{self, RecordView};
use crate::format::smtp::Ret;
use crate::store::rows::queue::{QueueEntry, QueueRecipient};

/// Octets of a message that a report gives back whole if it is asked to (RFC 3461 §4.3 leaves
/// a larger one's content out).
const WHOLE_MAX: usize = 256 * 1024;
/// Letters of a subject that a text repeats.
const SUBJECT: usize = 150;

/// What there is to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::delivery) enum News {
    /// It has not arrived yet and is tried until then.
    Delayed(UnixTime),
    /// It is given up.
    Failed,
    /// It has arrived after all, and the sender wanted to hear of it.
    Delivered,
}

/// The message as reports speak of it.
pub(in crate::delivery) struct Original {
    subject: String,
    header: Returned,
    /// Only where the sender asked to get it back.
    whole: Option<Returned>,
}

impl Original {
    pub fn of(entry: &QueueEntry, record: &[u8], raw: &[u8]) -> Self {
        let subject = RecordView::parse(record).map(|view| view.subject()).unwrap_or_default();
        let clean = subject.chars().map(|c| if c.is_control() { ' ' } else { c });
        let wanted = entry.ret == Some(Ret::Full) && raw.len() <= WHOLE_MAX;
        Self {
            subject: clean.take(SUBJECT).collect(),
            header: Returned::Header(returned_header(raw, mime::header_len(raw))),
            whole: wanted.then(|| Returned::Whole(raw.to_vec())),
        }
    }

    /// RET speaks of failures only (RFC 3461 §4.3); the other reports give back the header.
    fn returned(&self, news: News) -> &Returned {
        match (news, &self.whole) {
            (News::Failed, Some(whole)) => whole,
            _ => &self.header,
        }
    }
}

/// The report on these recipients. `sender` is the envelope's, `trace` the report's own.
pub(in crate::delivery) fn report(
    entry: &QueueEntry,
    sender: &str,
    recipients: &[QueueRecipient],
    news: News,
    original: &Original,
    trace: &Trace,
) -> Prepared {
    let (intro, outro) = words(entry, news, &original.subject);
    let report = Report {
        to: sender.to_owned(),
        domain: sender.rsplit('@').next().unwrap_or_default(),
        subject: match news {
            News::Delayed(_) => "Your message has not been delivered yet",
            News::Failed => "Your message was not delivered",
            News::Delivered => "Your message was delivered",
        },
        intro: &intro,
        fates: recipients.iter().map(|recipient| fate(recipient, news, trace.at)).collect(),
        outro: &outro,
        envid: entry.envid.as_deref(),
        arrived: entry.accepted,
        trace,
        returned: original.returned(news),
    };
    report.prepared()
}

fn fate(recipient: &QueueRecipient, news: News, now: UnixTime) -> Fate<'_> {
    // "Mailbox full" (RFC 3463 §3.3): for now, and for good.
    let (action, status, why, until) = match news {
        News::Delayed(until) => ("delayed", "4.2.2", "the mailbox is full", Some(until)),
        News::Failed => ("failed", "5.2.2", "the mailbox is full", None),
        News::Delivered => ("delivered", "2.0.0", "", None),
    };
    Fate {
        address: recipient.address.clone(),
        original: recipient.orcpt.as_ref(),
        action,
        status,
        why,
        tried: Some(now),
        until,
    }
}

/// What stands above the addresses and below them.
fn words(entry: &QueueEntry, news: News, subject: &str) -> (String, String) {
    let message = match subject {
        "" => format!("Your message without a subject of {}", day(entry.accepted)),
        _ => format!("Your message \"{subject}\" of {}", day(entry.accepted)),
    };
    match news {
        News::Delayed(until) => (
            format!("{message}\r\nhas not been delivered yet to:"),
            format!(
                "You need not send it again: it is tried until {},\r\n\
                 and arrives as soon as there is room. If it cannot be delivered by then, you\r\n\
                 will get another report.\r\n\r\n\
                 If it is urgent, reach them another way, or ask them to delete mail that they\r\n\
                 no longer need and to empty the trash.",
                day(until)
            ),
        ),
        News::Failed => (
            format!(
                "{message}\r\ncould not be delivered for seven days and is not tried any more. It \
                 has not\r\nreached:"
            ),
            "Ask them to delete mail that they no longer need and to empty the trash, or an\r\n\
             administrator to allow the mailbox more. Then send the message again."
                .to_owned(),
        ),
        News::Delivered => (format!("{message}\r\nhas arrived in the mailbox of:"), String::new()),
    }
}

/// A time as people in the office read it.
fn day(at: UnixTime) -> String {
    let at = jiff::Timestamp::from_second(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    zone::office().to_datetime(at).strftime("%A, %-d %B %Y, %H:%M").to_string()
}
