//! Who may write for an organizer: assistants, and the servers that send in somebody's name.
//!
//! Everybody may claim to. An event of somebody of this office is taken from that person, or
//! from a colleague whom it names (SENT-BY). A stranger's first invitation is taken from
//! whoever sends it, as Exchange and Google do (their own servers send from other addresses);
//! from then on only the organizer and who sent the first one change it, and the organizer's own
//! word replaces what others said before.

use super::arriving::Message;
use super::{Own, canonical};
use crate::format::ical::{Component, Property, Series, address};

/// Who wrote a message about an event, of those that are believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Writer {
    Organizer,
    /// Whom the event names as writing for the organizer.
    Agent,
    /// Who sent the first message, by whatever right.
    Sender,
}

/// Who writes for the organizer, as SENT-BY said once: addresses with spaces between them.
const AGENTS: &str = "X-KONTOR-AGENTS";
/// Who sent the first message, if the event did not say so itself.
const SENDER: &str = "X-KONTOR-SENDER";
/// Assistants of one organizer that are remembered.
const AGENTS_MAX: usize = 5;

/// Who wrote the first message about an event; `None` if it is not to be believed.
pub(super) fn of_first(message: &Message, event: &Component, own: &Own) -> Option<Writer> {
    let organizer = event.first("ORGANIZER")?;
    let named = address(organizer);
    if named.is_empty() {
        return None;
    }
    if message.is_from(&named) {
        return Some(Writer::Organizer);
    }
    let agent = sent_by(organizer).filter(|agent| message.is_from(agent));
    if own.is_colleague(&named) {
        return agent.filter(|agent| own.is_colleague(agent)).map(|_| Writer::Agent);
    }
    match agent {
        Some(_) => Some(Writer::Agent),
        // In somebody else's name only to people that are asked by name.
        None => own.line(event).map(|_| Writer::Sender),
    }
}

/// Who wrote a message about a known event; `None` if that is nobody who may change it.
pub(super) fn of_stored(message: &Message, stored: &Component, own: &Own) -> Option<Writer> {
    let organizer = stored.first("ORGANIZER")?;
    let named = address(organizer);
    if message.is_from(&named) {
        return Some(Writer::Organizer);
    }
    // The event may be one that somebody accepted although it was not believed.
    let colleague = own.is_colleague(&named);
    let agents = agents(organizer);
    let mut agents = agents.iter().filter(|agent| !colleague || own.is_colleague(agent));
    if agents.any(|agent| message.is_from(agent)) {
        return Some(Writer::Agent);
    }
    organizer.param(SENDER).filter(|sender| message.is_from(sender)).map(|_| Writer::Sender)
}

/// Whether all that is known of an event was said by somebody else than its organizer.
pub(super) fn is_hearsay(stored: &Component) -> bool {
    stored.first("ORGANIZER").is_some_and(|organizer| organizer.param(SENDER).is_some())
}

/// Remembers who sent the first message.
pub(super) fn note_first(series: &mut Series, message: &Message, writer: Writer) {
    if writer == Writer::Sender {
        let sender = message.senders.first().map(String::as_str);
        each_organizer(series, |organizer| organizer.set_param(SENDER, sender));
    }
}

/// Carries over who may write for the organizer; what the organizer says ends what was hearsay.
pub(super) fn note_update(series: &mut Series, stored: &Component, writer: Writer) {
    let Some(old) = stored.first("ORGANIZER") else { return };
    let known = agents(old).join(" ");
    let sender = old.param(SENDER).filter(|_| writer != Writer::Organizer);
    each_organizer(series, |organizer| {
        organizer.set_param(AGENTS, Some(known.as_str()).filter(|known| !known.is_empty()));
        organizer.set_param(SENDER, sender);
    });
}

fn each_organizer(series: &mut Series, mut change: impl FnMut(&mut Property)) {
    for event in series.calendar.children_mut("VEVENT") {
        if let Some(organizer) = event.first_mut("ORGANIZER") {
            change(organizer);
        }
    }
}

/// The organizer and who writes for him, as the event itself says.
pub(super) fn named(organizer: &Property) -> impl Iterator<Item = String> {
    std::iter::once(address(organizer)).chain(agents(organizer))
}

fn agents(organizer: &Property) -> Vec<String> {
    let known = organizer.param(AGENTS).unwrap_or_default().split(' ').map(str::to_owned);
    let mut all: Vec<String> = sent_by(organizer).into_iter().chain(known).collect();
    all.retain(|agent| !agent.is_empty());
    all.dedup();
    all.truncate(AGENTS_MAX);
    all
}

/// The address of SENT-BY (RFC 5545 §3.2.18).
fn sent_by(organizer: &Property) -> Option<String> {
    let uri = organizer.param("SENT-BY")?.trim();
    let mail = uri.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
    let text = mail.map_or(uri, |_| uri.get(7..).unwrap_or_default());
    let plain = text.contains('@') && !text.contains(char::is_whitespace);
    plain.then(|| canonical(text))
}
