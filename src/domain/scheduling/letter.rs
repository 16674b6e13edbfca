//! The mail of a scheduling message. RFC 6047.
//!
//! What people read, as plain text and HTML, and beside it what programs read: the calendar as
//! an alternative, and once more as a file, for programs that look for one.

use jiff::tz::TimeZone;

use super::{Due, Method, Own, Party};
use crate::base::clock::UnixTime;
use crate::base::secret;
use crate::format::ical::{Component, Event, Frequency, Recurrence, Series, Zones};
use crate::format::mime::{Letter, Piece, html_to_text};

/// Octets of a description that are repeated in the text that people read.
const DESCRIPTION_MAX: usize = 64 * 1024;

/// Writes the message. All who are told stand in To: they are the meeting's list anyway.
pub fn write(due: &Due, own: &Own, home: &TimeZone, now: UnixTime) -> Vec<u8> {
    let series = Series { calendar: due.calendar.clone() };
    let zones = series.zones(home);
    let empty = Component::new("VEVENT");
    let event = Event::new(series.master().unwrap_or(&empty), &zones);
    let facts = Facts { due, own, event };
    let method = due.method.name();
    let text = due.calendar.to_string();
    let readable = Piece::multipart(
        "alternative",
        vec![
            Piece::text("text/plain", "", &facts.plain()),
            Piece::text("text/html", "", &facts.html()),
            Piece::text("text/calendar", &format!("; method={method}"), &text),
        ],
    );
    let file = Piece::file(
        &format!("application/ics; method={method}; charset=utf-8"),
        "invite.ics",
        text.as_bytes(),
    );
    let to = due.to.iter().map(|party| (party.name.as_deref(), party.address.as_str()));
    Letter::new(Piece::multipart("mixed", vec![readable, file]))
        .mailboxes("From", [(Some(own.name.as_str()), own.address.as_str())])
        .mailboxes("To", to)
        .text("Subject", &facts.subject())
        .field("Date", &date(now))
        .ids("Message-ID", [new_id(&own.address).as_str()])
        .field("Content-Class", "urn:content-classes:calendarmessage")
        .finish()
}

/// A date as header fields have it (RFC 5322 §3.3), in UTC.
pub fn date(at: UnixTime) -> String {
    let at = jiff::Timestamp::from_second(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// A message id in the domain of an address.
pub fn new_id(address: &str) -> String {
    let domain = address.rsplit('@').next().unwrap_or("localhost");
    format!("{:032x}@{domain}", u128::from_be_bytes(secret::random()))
}

/// The people of an envelope, as text.
pub fn recipients(due: &Due) -> Vec<String> {
    due.to.iter().map(|Party { address, .. }| address.clone()).collect()
}

struct Facts<'a> {
    due: &'a Due,
    own: &'a Own,
    event: Event<'a>,
}

impl Facts<'_> {
    fn summary(&self) -> String {
        let summary = self.event.component.text_of("SUMMARY").unwrap_or_default();
        let summary = summary.split_whitespace().collect::<Vec<_>>().join(" ");
        if summary.is_empty() { "(no subject)".to_owned() } else { summary }
    }

    /// PARTSTAT of the one who answers.
    fn answer(&self) -> &str {
        let line = self.own.line(self.event.component);
        line.and_then(|line| line.param("PARTSTAT")).unwrap_or("NEEDS-ACTION")
    }

    fn subject(&self) -> String {
        let summary = self.summary();
        match self.due.method {
            Method::Cancel => format!("Canceled: {summary}"),
            Method::Counter => format!("New Time Proposed: {summary}"),
            Method::Reply => match self.answer() {
                "ACCEPTED" => format!("Accepted: {summary}"),
                "DECLINED" => format!("Declined: {summary}"),
                _ => format!("Tentative: {summary}"),
            },
            _ => summary,
        }
    }

    fn first_line(&self) -> String {
        let name = if self.own.name.is_empty() { &self.own.address } else { &self.own.name };
        match self.due.method {
            Method::Cancel => format!("{name} has canceled this meeting."),
            Method::Counter => format!("{name} proposes another time for this meeting."),
            Method::Reply => match self.answer() {
                "ACCEPTED" => format!("{name} has accepted this meeting."),
                "DECLINED" => format!("{name} has declined this meeting."),
                _ => format!("{name} may come to this meeting."),
            },
            _ => format!("{name} invites you to a meeting."),
        }
    }

    /// What, when, where, who: a label and its text.
    fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![("What", self.summary())];
        rows.extend(when(&self.event).map(|text| ("When", text)));
        let location = self.event.component.text_of("LOCATION").filter(|l| !l.trim().is_empty());
        rows.extend(location.map(|text| ("Where", text.trim().to_owned())));
        if let Some(organizer) = self.event.organizer() {
            let text = match organizer.name {
                Some(name) => format!("{name} <{}>", organizer.address),
                None => organizer.address,
            };
            rows.push(("Organizer", text));
        }
        rows
    }

    fn description(&self) -> String {
        if !matches!(self.due.method, Method::Request | Method::Cancel) {
            return String::new();
        }
        let mut text = self.event.component.text_of("DESCRIPTION").unwrap_or_default();
        text.truncate(text.floor_char_boundary(DESCRIPTION_MAX));
        text
    }

    fn plain(&self) -> String {
        let mut out = String::new();
        if let Some(comment) = &self.due.comment {
            out.extend([comment.trim(), "\n\n"]);
        }
        out.extend([self.first_line().as_str(), "\n\n"]);
        for (label, text) in self.rows() {
            let label = format!("{label}:");
            out += &format!("{label:<11}{}\n", text.replace('\n', "\n           "));
        }
        let description = self.description();
        if !description.trim().is_empty() {
            out.extend(["\n", description.trim_end(), "\n"]);
        }
        out
    }

    fn html(&self) -> String {
        let mut out = "<html><body>".to_owned();
        if let Some(comment) = &self.due.comment {
            out += &format!("<p>{}</p>", escape(comment.trim()));
        }
        out += &format!("<p>{}</p><table>", escape(&self.first_line()));
        for (label, text) in self.rows() {
            out += &format!("<tr><td><b>{label}</b></td><td>{}</td></tr>\n", escape(&text));
        }
        out += "</table>";
        let description = self.description();
        if !description.trim().is_empty() {
            out += &format!("<p>{}</p>", escape(description.trim_end()));
        }
        out + "</body></html>\n"
    }
}

/// Text within HTML.
pub fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\n', "<br>\n")
}

/// HTML as text, for the readers and programs without it.
pub fn plain_of(html: &str) -> String {
    html_to_text(html, DESCRIPTION_MAX)
}

/// The time in words, in the zone that the meeting was made in.
fn when(event: &Event<'_>) -> Option<String> {
    const DAY: &str = "%A, %-d %B %Y";
    let (start, end) = (event.start()?, event.end()?);
    let mut text = if start.is_date() {
        let last = end.at.date().yesterday().ok()?.max(start.at.date());
        let first = start.at.strftime(DAY).to_string();
        match last == start.at.date() {
            true => first,
            false => format!("{first} to {}", last.strftime(DAY)),
        }
    } else {
        zoned(event.zones, event)?
    };
    if let Some(rule) = event.recurrence() {
        text = format!("{text}, {}", rhythm(&rule));
    }
    Some(text)
}

fn zoned(zones: &Zones, event: &Event<'_>) -> Option<String> {
    let (start, end) = (event.start()?, event.end()?);
    let (zone, _) = event.zone();
    // What is told in UTC was made somewhere: home is the best guess.
    let zone = if start.tzid().is_some() { zone } else { zones.home().clone() };
    let (from, to) = (zone.to_datetime(event.start_at()?), zone.to_datetime(event.end_at()?));
    let name = zone.iana_name().map(|name| format!(" ({name})")).unwrap_or_default();
    let first = from.strftime("%A, %-d %B %Y, %H:%M");
    if start.at == end.at {
        return Some(format!("{first}{name}"));
    }
    let last = match from.date() == to.date() {
        true => to.strftime("%H:%M").to_string(),
        false => to.strftime("%A, %-d %B %Y, %H:%M").to_string(),
    };
    Some(format!("{first} to {last}{name}"))
}

fn rhythm(rule: &Recurrence) -> String {
    let (one, many) = match rule.frequency {
        Frequency::Daily => ("day", "days"),
        Frequency::Weekly => ("week", "weeks"),
        Frequency::Monthly => ("month", "months"),
        Frequency::Yearly => ("year", "years"),
        Frequency::Hourly | Frequency::Minutely | Frequency::Secondly => ("day", "days"),
    };
    match rule.interval {
        1 => format!("every {one}"),
        n => format!("every {n} {many}"),
    }
}
