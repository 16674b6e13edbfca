//! Text for people in the other form: HTML as plain text that keeps paragraphs, lists, links and
//! quotations, plain text as HTML. One pass, no tree, so that time and memory are those of the
//! input whatever it nests.

use std::borrow::Cow;

use mail_parser::decoders::html::add_html_token;
use memchr::memmem;

use super::markup::{MAX_ENTITY, Piece, Pieces, Tag};

/// Quotations deeper than this are not indented further.
const MAX_QUOTES: usize = 8;
/// Longest address that is written behind a link's text; tracking links are longer.
const MAX_LINK: usize = 300;
/// Links within links: only the innermost few count.
const MAX_LINKS: usize = 4;

/// The text of an HTML document for reading: lines end with CRLF, blocks stand apart, list items
/// have a dash, links their address behind them, quotations `> ` in front.
pub fn html_to_readable(html: &str) -> String {
    let mut writer = Writer {
        out: String::with_capacity(html.len() / 4),
        gap: Gap::None,
        quotes: 0,
        preformatted: 0,
        line_start: true,
        links: Vec::new(),
    };
    for piece in Pieces::of(html) {
        match piece {
            Piece::Text(text) => writer.text(text),
            Piece::Word(word) => writer.word(&word),
            Piece::Blank => writer.gap = writer.gap.max(Gap::Space),
            Piece::Tag(tag) => writer.tag(&tag),
        }
    }
    writer.out
}

/// Plain text as an HTML document that looks the same.
pub fn text_to_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8 + 200);
    out.push_str("<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head><body>\r\n");
    for line in text.lines() {
        let mut blank = true;
        for c in line.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '\t' => out.push_str("&nbsp;&nbsp;&nbsp; "),
                // Every second blank of a run must hold its place.
                ' ' if blank => out.push_str("&nbsp;"),
                c => out.push(c),
            }
            blank = c == ' ' && !blank;
        }
        out.push_str("<br>\r\n");
    }
    out.push_str("</body></html>\r\n");
    out
}

/// An HTML document whose own word for its character set is true after decoding.
pub(super) fn in_utf8(html: &str) -> Cow<'_, str> {
    let head = html.get(..html.floor_char_boundary(2048)).unwrap_or(html);
    let Some(at) = memmem::find(head.to_ascii_lowercase().as_bytes(), b"charset=") else {
        return Cow::Borrowed(html);
    };
    let start = at + b"charset=".len();
    let rest = head.get(start..).unwrap_or_default();
    let quoted = rest.len() - rest.trim_start_matches(['"', '\'']).len();
    let label = rest.get(quoted..).unwrap_or_default();
    let end = label.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.:".contains(c));
    let label = label.get(..end.unwrap_or(label.len())).unwrap_or_default();
    if label.is_empty() || label.eq_ignore_ascii_case("utf-8") {
        return Cow::Borrowed(html);
    }
    let (before, behind) = (start + quoted, start + quoted + label.len());
    let piece = |range: std::ops::Range<usize>| html.get(range).unwrap_or_default();
    Cow::Owned([piece(0..before), "utf-8", piece(behind..html.len())].concat())
}

/// Undoes `format=flowed` (RFC 3676 §4.4): lines that end with a blank go on in the next one of
/// the same quotation.
pub fn unflowed(text: &str, delsp: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let depth = line.len() - line.trim_start_matches('>').len();
        let content = line.get(depth..).unwrap_or_default();
        let content = content.strip_prefix(' ').unwrap_or(content);
        let signature = content == "-- ";
        if open.take().is_some_and(|before| before != depth || signature) {
            out.push_str("\r\n");
        }
        let begins = out.is_empty() || out.ends_with('\n');
        if begins && depth > 0 {
            (0..depth.min(MAX_QUOTES)).for_each(|_| out.push('>'));
            out.push(' ');
        }
        if content.ends_with(' ') && !signature {
            let kept = content.len() - usize::from(delsp);
            out.push_str(content.get(..kept).unwrap_or_default());
            open = Some(depth);
        } else {
            out.push_str(content);
            out.push_str("\r\n");
        }
    }
    out
}

/// White space that is due before the next text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

struct Writer<'a> {
    out: String,
    gap: Gap,
    quotes: usize,
    preformatted: usize,
    line_start: bool,
    /// The open links: address, and where their text begins.
    links: Vec<(&'a str, usize)>,
}

impl<'a> Writer<'a> {
    fn text(&mut self, text: &str) {
        if self.preformatted > 0 {
            let mut lines = text.split('\n');
            if let Some(first) = lines.next() {
                self.word(first.trim_end_matches('\r'));
            }
            for line in lines {
                self.break_line();
                self.word(line.trim_end_matches('\r'));
            }
            return;
        }
        let mut words = text.split(|c: char| c.is_ascii_whitespace());
        // What stands before the first and behind the last blank may be half a word.
        if let Some(first) = words.next() {
            self.word(first);
        }
        for word in words {
            self.gap = self.gap.max(Gap::Space);
            self.word(word);
        }
    }

    /// `<br>`: one line end, and another for each further one.
    fn break_line(&mut self) {
        if self.gap == Gap::Line || self.gap == Gap::Paragraph {
            self.end_line();
        }
        self.gap = Gap::Line;
    }

    fn end_line(&mut self) {
        if !self.out.is_empty() {
            self.out.push_str("\r\n");
            self.line_start = true;
        }
    }

    fn word(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        match std::mem::replace(&mut self.gap, Gap::None) {
            Gap::None => {}
            Gap::Space if self.line_start => {}
            Gap::Space => self.out.push(' '),
            Gap::Line => self.end_line(),
            Gap::Paragraph => {
                self.end_line();
                self.end_line();
            }
        }
        if self.line_start {
            self.line_start = false;
            (0..self.quotes.min(MAX_QUOTES)).for_each(|_| self.out.push_str("> "));
        }
        self.out.push_str(word);
    }

    fn tag(&mut self, tag: &Tag<'a>) {
        let closing = tag.closing;
        match tag.name() {
            b"br" => self.break_line(),
            b"td" | b"th" => self.gap = self.gap.max(Gap::Space),
            b"p" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"ul" | b"ol" | b"dl"
            | b"table" => self.block(Gap::Paragraph),
            b"li" if !closing => {
                self.block(Gap::Line);
                self.word("-");
                self.gap = Gap::Space;
            }
            b"pre" => {
                self.block(Gap::Paragraph);
                match closing {
                    true => self.preformatted = self.preformatted.saturating_sub(1),
                    false => self.preformatted += 1,
                }
            }
            b"blockquote" => {
                self.block(Gap::Paragraph);
                match closing {
                    true => self.quotes = self.quotes.saturating_sub(1),
                    false => self.quotes += 1,
                }
            }
            b"hr" if !closing => {
                self.block(Gap::Line);
                self.word("________________________________");
                self.gap = Gap::Line;
            }
            b"a" => self.link(closing, tag.whole),
            b"div" | b"tr" | b"li" | b"dt" | b"dd" | b"section" | b"article" | b"header"
            | b"footer" | b"center" | b"body" | b"option" | b"address" => self.block(Gap::Line),
            _ => {}
        }
    }

    /// The begin or end of something that stands on lines of its own.
    fn block(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
        if self.out.is_empty() {
            self.gap = Gap::None;
        }
    }

    /// Writes a link's address behind its text, where the text is something else.
    fn link(&mut self, closing: bool, tag: &'a str) {
        if !closing {
            if self.links.len() < MAX_LINKS {
                self.links.push((attribute(tag, "href").unwrap_or_default(), self.out.len()));
            }
            return;
        }
        let Some((href, start)) = self.links.pop() else { return };
        let shown = self.out.get(start..).unwrap_or_default().trim();
        let web = ["http://", "https://"].iter().any(|scheme| starts_with(href, scheme));
        let bare = |text: &str| {
            let text = text.split_once("//").map_or(text, |(_, rest)| rest);
            text.trim_end_matches('/').to_owned()
        };
        if !web || href.len() > MAX_LINK || shown.is_empty() || bare(shown) == bare(href) {
            return;
        }
        let mut decoded = String::from(" <");
        decode_entities(href, &mut decoded);
        decoded.push('>');
        self.gap = Gap::None;
        self.word(&decoded);
    }
}

fn starts_with(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// The value of an attribute, as written.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = tag;
    while let Some(at) = rest.find('=') {
        let (before, behind) = rest.split_at_checked(at)?;
        let behind = behind.get(1..)?.trim_start();
        let (value, after) = match behind.as_bytes().first()? {
            quote @ (b'"' | b'\'') => {
                behind.get(1..)?.split_once(char::from(*quote)).unwrap_or((behind.get(1..)?, ""))
            }
            _ => {
                let end = behind.find(|c: char| c.is_ascii_whitespace() || c == '>');
                behind.split_at_checked(end.unwrap_or(behind.len()))?
            }
        };
        let own = before.trim_end();
        let own = own.rsplit(|c: char| c.is_ascii_whitespace()).next()?;
        if own.eq_ignore_ascii_case(name) {
            return Some(value.trim());
        }
        rest = after;
    }
    None
}

fn decode_entities(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, markup) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let end = markup.bytes().take(MAX_ENTITY).position(|b| b == b';');
        match end.and_then(|end| markup.split_at_checked(end + 1)) {
            Some((entity, after)) if entity.is_ascii() => {
                add_html_token(out, entity.as_bytes(), false);
                rest = after;
            }
            _ => {
                out.push('&');
                rest = markup.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(html: &str) -> String {
        html_to_readable(html).replace("\r\n", "|")
    }

    #[test]
    fn layout_is_kept() {
        assert_eq!(
            text(
                "<title>t</title><h1>Head</h1><p>One <b>t</b>wo</p>\n<p>Three<br>four<br><br>five</p>"
            ),
            "Head||One two||Three|four||five"
        );
        assert_eq!(text("a<ul><li>x<li>y</ul>b"), "a||- x|- y||b");
        assert_eq!(text("<div>a</div><div>b</div><hr>c"), "a|b|________________________________|c");
        assert_eq!(text("<pre>a  b\n c</pre>"), "a  b| c");
        assert_eq!(text("x<blockquote>q<br>r</blockquote>y"), "x||> q|> r||y");
        assert_eq!(
            text("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>"),
            "1 2|3"
        );
    }

    #[test]
    fn links_show_where_they_lead() {
        assert_eq!(
            text("<a href=\"https://a.test/?x=1&amp;y=2\">here</a>."),
            "here <https://a.test/?x=1&y=2>."
        );
        assert_eq!(text("<a href=https://a.test/>a.test</a>"), "a.test");
        assert_eq!(text("<a href='mailto:b@c.test'>b@c.test</a>"), "b@c.test");
        assert_eq!(text("<a href='https://a.test'><img src=x></a>"), "");
    }

    #[test]
    fn plain_text_looks_the_same_in_html() {
        let html = text_to_html("a <b> & c\n  d\n\ne");
        assert!(
            html.contains("a &lt;b&gt; &amp; c<br>\r\n&nbsp; d<br>\r\n<br>\r\ne<br>"),
            "{html}"
        );
        assert_eq!(text(&html), "a <b> & c|d||e");
    }

    #[test]
    fn the_charset_label_becomes_true() {
        assert_eq!(in_utf8("<meta charset=\"latin1\">ä"), "<meta charset=\"utf-8\">ä");
        assert_eq!(
            in_utf8("<META content='text/html; CHARSET=windows-1252'>"),
            "<META content='text/html; CHARSET=utf-8'>"
        );
        for same in ["<p>", "<meta charset=utf-8>", "charset=", "charset=\""] {
            assert_eq!(in_utf8(same), same);
        }
    }

    #[test]
    fn flowed_lines_are_joined() {
        let text = unflowed("a \r\nb\r\n\r\n> q \r\n> r\r\n x\r\n-- \r\nme", false);
        assert_eq!(text, "a b\r\n\r\n> q r\r\nx\r\n-- \r\nme\r\n");
        assert_eq!(unflowed("a \nb", true), "ab\r\n");
        assert_eq!(unflowed("a \n> b", false), "a \r\n> b\r\n");
    }

    #[test]
    fn floods_are_linear() {
        let length = 300_000;
        for flood in
            ["<a \"", "<!-", "&", "<", "<style>", "</", "<a '>\"", "<br>", "<a href=x>a</a>"]
        {
            html_to_readable(&flood.repeat(length));
        }
        unflowed(&"> \n".repeat(length), true);
    }
}
