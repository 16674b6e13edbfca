//! `Oof`: the out-of-office answers (MS-ASCMD 2.2.3.119).

use jiff::Timestamp;

use crate::base::clock::UnixTime;
use crate::domain::Error;
use crate::domain::out_of_office::{self, Answer, OutOfOffice, State};
use crate::eas::answer::Failure;
use crate::eas::cmd::settings::{CONFLICT, INVALID, PROTOCOL_ERROR, SUCCESS};
use crate::eas::session::Session;
use crate::format::mime::html_to_text;
use crate::format::wbxml::tags::settings as s;
use crate::format::wbxml::{Element, Tag, Writer};

/// The three kinds of senders.
const AUDIENCES: [Tag; 3] =
    [s::APPLIES_TO_INTERNAL, s::APPLIES_TO_EXTERNAL_KNOWN, s::APPLIES_TO_EXTERNAL_UNKNOWN];

pub(super) async fn answer(
    out: &mut Writer,
    session: &Session,
    part: &Element,
) -> Result<(), Failure> {
    let account = session.account.id;
    if let Some(get) = part.child(s::GET) {
        let settings = out_of_office::get(&session.read(), account)?;
        let html = get.text_of(s::BODY_TYPE).is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
        write(out, &settings, html);
        return Ok(());
    }
    let Some(set) = part.child(s::SET) else {
        out.number(s::STATUS, PROTOCOL_ERROR);
        return Ok(());
    };
    let before = out_of_office::get(&session.read(), account)?;
    let status = match changed(before, set) {
        None => INVALID,
        Some(new) => match session.write(move |tx| out_of_office::set(tx, account, &new)).await {
            Ok(()) => SUCCESS,
            Err(Error::TooLarge) => INVALID,
            Err(Error::Invalid(_)) => CONFLICT,
            Err(other) => return Err(other.into()),
        },
    };
    out.number(s::STATUS, status);
    Ok(())
}

fn write(out: &mut Writer, settings: &OutOfOffice, html: bool) {
    out.number(s::STATUS, SUCCESS);
    out.open(s::GET);
    out.number(
        s::OOF_STATE,
        match settings.state {
            State::Off => 0,
            State::On => 1,
            State::Timed => 2,
        },
    );
    if let (Some(from), Some(until)) = (settings.from, settings.until) {
        out.text(s::START_TIME, &date(from));
        out.text(s::END_TIME, &date(until));
    }
    let answers = [&settings.internal, &settings.known, &settings.unknown];
    for (audience, answer) in AUDIENCES.into_iter().zip(answers) {
        out.open(s::OOF_MESSAGE);
        out.empty(audience);
        out.number(s::ENABLED, u8::from(answer.enabled));
        if !answer.text.is_empty() {
            out.text(s::REPLY_MESSAGE, &text_of(answer, html));
            out.text(s::BODY_TYPE, if html { "HTML" } else { "Text" });
        }
        out.close();
    }
    out.close();
}

/// The settings after a `Set`; `None` if it cannot be understood. What it leaves out stays.
fn changed(mut settings: OutOfOffice, set: &Element) -> Option<OutOfOffice> {
    settings.state = match set.text_of(s::OOF_STATE).map(str::trim) {
        None => settings.state,
        Some("0") => State::Off,
        Some("1") => State::On,
        Some("2") => State::Timed,
        Some(_) => return None,
    };
    for (tag, time) in [(s::START_TIME, &mut settings.from), (s::END_TIME, &mut settings.until)] {
        if let Some(text) = set.text_of(tag) {
            *time = Some(instant(text)?);
        }
    }
    for message in set.all(s::OOF_MESSAGE) {
        let said = Answer {
            enabled: message.text_of(s::ENABLED).map(str::trim) == Some("1"),
            text: message.text_of(s::REPLY_MESSAGE).unwrap_or_default().to_owned(),
            html: message
                .text_of(s::BODY_TYPE)
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("html")),
        };
        let answers = [&mut settings.internal, &mut settings.known, &mut settings.unknown];
        for (audience, answer) in AUDIENCES.into_iter().zip(answers) {
            if !message.has(audience) {
                continue;
            }
            answer.enabled = said.enabled;
            // A message that is switched off comes without its text, which is kept.
            if message.has(s::REPLY_MESSAGE) {
                (answer.text, answer.html) = (said.text.clone(), said.html);
            }
        }
    }
    Some(settings)
}

/// An answer's text in the form that was asked for.
fn text_of(answer: &Answer, html: bool) -> String {
    match (answer.html, html) {
        (true, false) => html_to_text(&answer.text, out_of_office::TEXT_MAX),
        (false, true) => {
            let escaped = answer.text.replace('&', "&amp;").replace('<', "&lt;");
            let lines =
                escaped.replace('>', "&gt;").replace("\r\n", "\n").replace('\n', "<br>\r\n");
            format!("<html><body>{lines}</body></html>")
        }
        (true, true) | (false, false) => answer.text.clone(),
    }
}

fn date(at: UnixTime) -> String {
    let at = Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// Reads both spellings: `2026-01-31T12:00:00.000Z` and `20260131T120000Z`.
fn instant(text: &str) -> Option<UnixTime> {
    text.trim().parse::<Timestamp>().ok().map(Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_time_are_read() {
        assert_eq!(instant("2026-01-31T12:00:00.000Z"), Some(1_769_860_800));
        assert_eq!(instant(" 20260131T120000Z "), Some(1_769_860_800));
        assert_eq!(instant("tomorrow"), None);
    }

    #[test]
    fn a_set_changes_what_it_names() {
        let before = OutOfOffice {
            internal: Answer { enabled: true, text: "away".into(), html: false },
            known: Answer { enabled: true, text: "gone".into(), html: false },
            ..OutOfOffice::default()
        };
        let message = Element::with_children(
            s::OOF_MESSAGE,
            vec![
                Element::new(s::APPLIES_TO_EXTERNAL_KNOWN),
                Element::new(s::APPLIES_TO_EXTERNAL_UNKNOWN),
                Element::with_text(s::ENABLED, "0"),
            ],
        );
        let set =
            Element::with_children(s::SET, vec![Element::with_text(s::OOF_STATE, "1"), message]);
        let after = changed(before.clone(), &set).unwrap();
        assert_eq!(after.state, State::On);
        assert_eq!(after.internal, before.internal);
        assert_eq!((after.known.enabled, after.known.text.as_str()), (false, "gone"));
    }

    #[test]
    fn texts_are_given_in_the_form_that_was_asked_for() {
        let plain = Answer { enabled: true, text: "a < b\r\nc".into(), html: false };
        assert_eq!(text_of(&plain, true), "<html><body>a &lt; b<br>\r\nc</body></html>");
        let html = Answer { enabled: true, text: "<p>Hello</p>".into(), html: true };
        assert_eq!(text_of(&html, false).trim(), "Hello");
    }
}
