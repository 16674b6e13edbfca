//! The text that goes with a contact, an event, a task or a note: `AirSyncBase:Body` from 12.0
//! on (MS-ASAIRS 2.2.2.9), the class's own `Body` before.
//!
//! What is kept is plain text with `\n`, and the HTML that it was made of beside it; on the wire
//! lines end in CRLF, as Exchange's do.

use std::borrow::Cow;

use crate::eas::render::{BodyPreference, View};
use crate::eas::version::Version;
use crate::format::mime;
use crate::format::wbxml::tags::{air_sync_base as base, calendar, contacts, tasks};
use crate::format::wbxml::{Element, Tag, Writer};

/// Octets of text that are made of a phone's HTML.
pub const HTML_TEXT_MAX: usize = 1 << 20;
/// Octets of HTML that are kept beside it.
const HTML_MAX: usize = 1 << 20;

/// MS-ASAIRS 2.2.2.41.1.
const PLAIN: u8 = 1;
const HTML: u8 = 2;

/// The elements that a class had for its body in 2.5.
#[derive(Clone, Copy, Debug)]
pub struct OldTags {
    pub body: Tag,
    /// Only beside a body that was cut (MS-ASCNTC 2.2.2.8); calendars have none.
    pub size: Option<Tag>,
    pub truncated: Tag,
}

pub const CONTACT: OldTags = OldTags {
    body: contacts::BODY,
    size: Some(contacts::BODY_SIZE),
    truncated: contacts::BODY_TRUNCATED,
};
pub const EVENT: OldTags =
    OldTags { body: calendar::BODY, size: None, truncated: calendar::BODY_TRUNCATED };
pub const TASK: OldTags =
    OldTags { body: tasks::BODY, size: Some(tasks::BODY_SIZE), truncated: tasks::BODY_TRUNCATED };

/// What is kept of a body: plain text, and the HTML that it was made of, where somebody wrote it
/// so. `Default` is none at all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kept {
    pub text: String,
    pub html: Option<String>,
}

/// Writes the body of an item: as HTML where there is some and the phone lists that type. An
/// empty one is written too: it tells a phone that holds an older text that there is none any
/// more.
pub fn write(out: &mut Writer, kept: &Kept, view: &View<'_>, old: &OldTags) {
    let text = wire(&kept.text);
    if view.version < Version::V12_0 {
        return write_old(out, &text, view, old);
    }
    let (text, preference) = full(kept, view);
    let shown = shown(&text, &preference);
    out.open(base::BODY);
    out.number(base::TYPE, preference.kind);
    out.number(base::ESTIMATED_DATA_SIZE, text.len());
    if shown.len() < text.len() {
        out.number(base::TRUNCATED, 1);
    }
    if !shown.is_empty() {
        out.text(base::DATA, shown);
    }
    out.close();
}

/// Reads the body that a phone sent beside an item of which this was `kept` so far. `None`: it
/// stays as it is.
///
/// It stays where the phone sent no body at all (MS-ASCNTC 3.1.5.4: it must not be deleted),
/// where it says that it has only a part, and where it sends back what it was shown of a text
/// that had been cut. Plain text takes the place of both; of HTML that says the same in another
/// dress, the plain text stays.
pub fn read(data: &Element, kept: &Kept, view: &View<'_>, old: &OldTags) -> Option<Kept> {
    let (sent, kind) = received(data, view, old)?;
    let sent = local(sent);
    let text = match kind {
        HTML => local(&mime::html_to_text(&sent, HTML_TEXT_MAX)),
        _ => sent.clone(),
    };
    let seen = seen(kept, view);
    let same = [&seen.text, &seen.plain].iter().any(|seen| seen.trim_end() == text.trim_end());
    if kind != HTML {
        return (!same).then_some(Kept { text, html: None });
    }
    if same && (seen.cut || seen.html.as_deref().map(str::trim_end) == Some(sent.trim_end())) {
        return None;
    }
    let html = Some(sent).filter(|html| !text.trim().is_empty() && html.len() <= HTML_MAX);
    Some(Kept { text: if same { kept.text.clone() } else { text }, html })
}

/// What a phone with these options was shown.
struct Seen {
    /// As plain text.
    text: String,
    /// The same of the kept text.
    plain: String,
    html: Option<String>,
    cut: bool,
}

fn seen(kept: &Kept, view: &View<'_>) -> Seen {
    if view.version < Version::V12_0 {
        let text = local(cut(&wire(&kept.text), old_limit(view)));
        return Seen { plain: text.clone(), cut: false, html: None, text };
    }
    let (full, preference) = full(kept, view);
    let part = shown(&full, &preference);
    let plain = local(shown(&wire(&kept.text), &preference));
    let cut = part.len() < full.len();
    match preference.kind {
        HTML => Seen {
            text: local(&mime::html_to_text(part, HTML_TEXT_MAX)),
            plain,
            html: Some(local(part)),
            cut,
        },
        _ => Seen { text: local(part), plain, html: None, cut },
    }
}

/// The body in the type that a phone takes, and how much it wants of it.
fn full<'k>(kept: &'k Kept, view: &View<'_>) -> (Cow<'k, str>, BodyPreference) {
    let of = |kind| view.options.bodies.iter().find(|body| body.kind == kind).copied();
    match (&kept.html, of(PLAIN), of(HTML)) {
        (Some(html), _, Some(preference)) => (wire(html), preference),
        (None, None, Some(preference)) => (Cow::Owned(to_html(&wire(&kept.text))), preference),
        (_, preference, _) => {
            let any = BodyPreference { kind: PLAIN, ..BodyPreference::default() };
            (wire(&kept.text), preference.unwrap_or(any))
        }
    }
}

/// The text and type that stand in a request; `None` if there is nothing to be taken over.
fn received<'a>(data: &'a Element, view: &View<'_>, old: &OldTags) -> Option<(&'a str, u8)> {
    // Phones of any version are understood in either form: some keep the old one.
    if let Some(body) = data.child(base::BODY) {
        if body.text_of(base::TRUNCATED) == Some("1") {
            return None;
        }
        let kind = body.parse_of(base::TYPE).unwrap_or(PLAIN);
        // RTF and MIME are no types of these items; better the old text than none.
        return matches!(kind, PLAIN | HTML)
            .then(|| (body.text_of(base::DATA).unwrap_or_default(), kind));
    }
    let body = data.child(old.body).filter(|_| view.version < Version::V14_0)?;
    if data.text_of(old.truncated) == Some("1") {
        return None;
    }
    Some((body.text(), PLAIN))
}

fn write_old(out: &mut Writer, text: &str, view: &View<'_>, old: &OldTags) {
    let shown = cut(text, old_limit(view));
    if shown.len() < text.len() {
        if let Some(size) = old.size {
            out.number(size, text.chars().count());
        }
        out.number(old.truncated, 1);
    }
    out.text(old.body, shown);
}

/// Bytes that `Truncation` of 2.5 lets through (MS-ASCMD 2.2.3.185). It counts characters;
/// as many bytes are never more.
fn old_limit(view: &View<'_>) -> Option<usize> {
    const LIMITS: [usize; 9] = [0, 512, 1024, 2048, 5120, 10_240, 20_480, 51_200, 102_400];
    LIMITS.get(usize::from(view.options.truncation?)).copied()
}

/// As much of a text as a preference wants: all, a part, or rather nothing than a part.
fn shown<'a>(text: &'a str, preference: &BodyPreference) -> &'a str {
    let part = cut(text, preference.truncation_size.map(|size| size as usize));
    if part.len() < text.len() && preference.all_or_none { "" } else { part }
}

/// The beginning of a text in so many bytes, cut between characters.
fn cut(text: &str, limit: Option<usize>) -> &str {
    match limit {
        Some(limit) if limit < text.len() => {
            text.get(..text.floor_char_boundary(limit)).unwrap_or_default()
        }
        _ => text,
    }
}

/// With the line ends of the wire.
fn wire(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '\r']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(local(text).replace('\n', "\r\n"))
}

/// With the line ends that are kept.
fn local(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// A plain text in HTML, for phones that know nothing else.
fn to_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    out.push_str("<html><body>");
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => {}
            '\n' => out.push_str("<br>\r\n"),
            c => out.push(c),
        }
    }
    out.push_str("</body></html>");
    out
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::eas::render::{Options, Owner};
    use crate::format::wbxml::{decode, tags};

    fn with<T>(version: Version, options: &Options, run: impl FnOnce(&View<'_>) -> T) -> T {
        let (zone, owner) = (TimeZone::UTC, Owner::default());
        run(&View {
            version,
            options,
            zone: &zone,
            owner: &owner,
            now: 0,
            bounds: Default::default(),
            trips_over_empty: false,
        })
    }

    fn plain_text(text: &str) -> Kept {
        Kept { text: text.into(), html: None }
    }

    fn written(text: &str, version: Version, options: &Options) -> Element {
        let mut out = Writer::new();
        out.open(tags::air_sync::APPLICATION_DATA);
        with(version, options, |view| write(&mut out, &plain_text(text), view, &CONTACT));
        decode(&out.finish().into()).unwrap()
    }

    fn plain(size: Option<u32>, all_or_none: bool) -> Options {
        let body = BodyPreference { kind: 1, truncation_size: size, all_or_none, preview: None };
        Options { bodies: vec![body], ..Default::default() }
    }

    #[test]
    fn whole_texts_have_crlf_and_their_size() {
        let data = written("Zwei\nZeilen", Version::V14_1, &Options::default());
        let body = data.child(base::BODY).unwrap();
        assert_eq!(body.text_of(base::TYPE), Some("1"));
        assert_eq!(body.text_of(base::ESTIMATED_DATA_SIZE), Some("12"));
        assert_eq!(body.text_of(base::DATA), Some("Zwei\r\nZeilen"));
        assert!(!body.has(base::TRUNCATED));
    }

    #[test]
    fn cut_between_characters_and_only_then_truncated() {
        for (size, data) in [(0, None), (1, Some("a")), (2, Some("a")), (3, Some("aé"))] {
            let element = written("aéo", Version::V12_0, &plain(Some(size), false));
            let body = element.child(base::BODY).unwrap();
            assert_eq!(body.text_of(base::DATA), data, "{size}");
            assert_eq!(body.text_of(base::TRUNCATED), Some("1"), "{size}");
            assert_eq!(body.text_of(base::ESTIMATED_DATA_SIZE), Some("4"));
        }
        let element = written("aéo", Version::V12_0, &plain(Some(4), true));
        assert!(!element.child(base::BODY).unwrap().has(base::TRUNCATED));
        let element = written("aéo", Version::V12_0, &plain(Some(3), true));
        assert!(!element.child(base::BODY).unwrap().has(base::DATA));
        let element = written("", Version::V12_0, &plain(Some(0), true));
        assert!(!element.child(base::BODY).unwrap().has(base::TRUNCATED));
    }

    #[test]
    fn version_2_5_has_the_class_own_elements() {
        let options = Options { truncation: Some(0), ..Default::default() };
        let data = written("text", Version::V2_5, &options);
        assert_eq!(data.text_of(contacts::BODY), Some(""));
        assert_eq!(data.text_of(contacts::BODY_SIZE), Some("4"));
        assert_eq!(data.text_of(contacts::BODY_TRUNCATED), Some("1"));
        let data = written("text", Version::V2_5, &Options::default());
        assert_eq!(data.text_of(contacts::BODY), Some("text"));
        assert!(!data.has(contacts::BODY_TRUNCATED));
    }

    fn sent(kind: &str, text: Option<&str>, truncated: bool) -> Element {
        let mut body = vec![Element::with_text(base::TYPE, kind)];
        body.extend(truncated.then(|| Element::with_text(base::TRUNCATED, "1")));
        body.extend(text.map(|text| Element::with_text(base::DATA, text)));
        let body = Element::with_children(base::BODY, body);
        Element::with_children(tags::air_sync::APPLICATION_DATA, vec![body])
    }

    fn read(data: &Element, kept: &str, version: Version, options: &Options) -> Option<String> {
        let new =
            with(version, options, |view| super::read(data, &plain_text(kept), view, &CONTACT));
        new.map(|new| new.text)
    }

    #[test]
    fn a_new_text_is_taken_over_and_an_empty_one_deletes() {
        let options = plain(Some(10), false);
        let take = |data: &Element| read(data, "old", Version::V14_0, &options);
        assert_eq!(take(&sent("1", Some("new\r\ntext"), false)).as_deref(), Some("new\ntext"));
        assert_eq!(take(&sent("1", Some(""), false)).as_deref(), Some(""));
        assert_eq!(take(&sent("1", None, false)).as_deref(), Some(""));
        let html = sent("2", Some("<p>one &amp; two</p>"), false);
        assert_eq!(take(&html).as_deref().map(str::trim), Some("one & two"));
    }

    #[test]
    fn what_was_cut_is_not_lost() {
        let options = plain(Some(4), false);
        let keep = |data: &Element| read(data, "a long\nnote", Version::V14_0, &options);
        assert_eq!(keep(&Element::new(tags::air_sync::APPLICATION_DATA)), None);
        assert_eq!(keep(&sent("1", Some("a lo"), false)), None, "as it was shown");
        assert_eq!(keep(&sent("1", Some("a l"), true)), None, "a part");
        assert_eq!(keep(&sent("3", Some("rtf"), false)), None);
        assert_eq!(keep(&sent("1", Some("b lo"), false)).as_deref(), Some("b lo"));
        let options = plain(Some(4), true);
        let nothing = sent("1", Some(""), false);
        assert_eq!(read(&nothing, "a long note", Version::V14_0, &options), None);
    }

    #[test]
    fn html_is_kept_as_long_as_the_text_is_its_own() {
        let body = |kind| BodyPreference { kind, ..Default::default() };
        let of = |kinds: &[u8]| Options {
            bodies: kinds.iter().map(|kind| body(*kind)).collect(),
            ..Default::default()
        };
        let read = |data: &Element, kept: &Kept, kinds: &[u8]| {
            with(Version::V14_1, &of(kinds), |view| super::read(data, kept, view, &TASK))
        };
        let new = read(&sent("2", Some("<p><b>One</b></p>\r\n"), false), &Kept::default(), &[1, 2]);
        let kept = new.unwrap();
        assert_eq!(
            (kept.text.trim_end(), kept.html.as_deref()),
            ("One", Some("<p><b>One</b></p>\n"))
        );
        let shown = |kinds: &[u8]| {
            let mut out = Writer::new();
            out.open(tags::air_sync::APPLICATION_DATA);
            with(Version::V14_1, &of(kinds), |view| write(&mut out, &kept, view, &TASK));
            let data = decode(&out.finish().into()).unwrap();
            let body = data.child(base::BODY).unwrap();
            [base::TYPE, base::DATA].map(|tag| body.text_of(tag).unwrap().trim_end().to_owned())
        };
        assert_eq!(shown(&[1, 2]), ["2", "<p><b>One</b></p>"]);
        assert_eq!(shown(&[2]), ["2", "<p><b>One</b></p>"]);
        assert_eq!((shown(&[1]), shown(&[])), (["1", "One"].map(String::from), shown(&[1])));
        // What was shown is no change, in either type; another dress is one of the HTML alone.
        assert_eq!(read(&sent("2", Some("<p><b>One</b></p>"), false), &kept, &[1, 2]), None);
        assert_eq!(read(&sent("1", Some("One"), false), &kept, &[1]), None);
        let italic = read(&sent("2", Some("<i>One</i>"), false), &kept, &[2]).unwrap();
        assert_eq!((italic.text, italic.html), (kept.text.clone(), Some("<i>One</i>".into())));
        // Another text in plain words, and none at all.
        let two = read(&sent("1", Some("Two"), false), &kept, &[1]).unwrap();
        assert_eq!((two.text, two.html), ("Two".into(), None));
        let none = read(&sent("2", Some("<p></p>"), false), &kept, &[1, 2]).unwrap();
        assert_eq!((none.text.trim(), none.html), ("", None));
        let long = format!("<p>{}</p>", "<b></b>x".repeat(HTML_MAX / 8));
        assert_eq!(read(&sent("2", Some(&long), false), &kept, &[2]).unwrap().html, None);
    }
}
