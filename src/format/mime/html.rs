//! HTML to plain text for previews and search: one pass, no tree, stops when it has enough.
//!
//! Not for showing a message: layout, links and lists are lost.

use mail_parser::decoders::html::add_html_token;
use memchr::{memchr, memchr2, memmem};

/// Longest entity, e.g. `&CounterClockwiseContourIntegral;`.
const MAX_ENTITY: usize = 40;

/// The text of `html`, block elements on lines of their own, other white space single; about
/// `max_bytes` of it at most.
pub fn to_text(html: &str, max_bytes: usize) -> String {
    let mut reader = Reader { html, at: 0, out: String::new(), gap: Gap::None, quotes_fail: false };
    while reader.out.len() < max_bytes && reader.step() {}
    reader.out
}

/// White space that is due before the next text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
}

struct Reader<'a> {
    html: &'a str,
    at: usize,
    out: String,
    gap: Gap,
    /// A quote in some tag is never closed: quotes no longer hide a `>`.
    quotes_fail: bool,
}

impl Reader<'_> {
    /// Reads up to and over the next tag or entity; false at the end.
    fn step(&mut self) -> bool {
        let Some(rest) = self.html.get(self.at..) else { return false };
        if rest.is_empty() {
            return false;
        }
        let plain = memchr2(b'<', b'&', rest.as_bytes()).unwrap_or(rest.len());
        let (text, markup) = rest.split_at_checked(plain).unwrap_or((rest, ""));
        self.text(text);
        self.at += text.len();
        if markup.starts_with('&') {
            self.entity(markup);
        } else if !markup.is_empty() {
            self.markup(markup);
        }
        true
    }

    fn text(&mut self, text: &str) {
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

    fn word(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        if !self.out.is_empty() {
            match self.gap {
                Gap::None => {}
                Gap::Space => self.out.push(' '),
                Gap::Line => self.out.push('\n'),
            }
        }
        self.gap = Gap::None;
        self.out.push_str(word);
    }

    fn entity(&mut self, markup: &str) {
        let head = markup.as_bytes();
        let head = head.get(..MAX_ENTITY).unwrap_or(head);
        let name = match memchr(b';', head).and_then(|end| head.get(..=end)) {
            Some(name)
                if name.iter().skip(1).all(|b| b.is_ascii_alphanumeric() || b"#;".contains(b)) =>
            {
                name
            }
            _ => {
                self.word("&");
                self.at += 1;
                return;
            }
        };
        self.at += name.len();
        let mut decoded = String::new();
        add_html_token(&mut decoded, name, false);
        if decoded.chars().all(char::is_whitespace) {
            self.gap = self.gap.max(Gap::Space);
        } else {
            self.word(&decoded);
        }
    }

    fn markup(&mut self, markup: &str) {
        let bytes = markup.as_bytes();
        match bytes.get(1) {
            Some(b'!') if markup.starts_with("<!--") => {
                let end = memmem::find(bytes, b"-->").map_or(bytes.len(), |end| end + 3);
                self.at += end;
            }
            Some(b'!' | b'?') => self.at += memchr(b'>', bytes).map_or(bytes.len(), |end| end + 1),
            Some(b'/' | b'a'..=b'z' | b'A'..=b'Z') => self.tag(markup),
            _ => {
                self.word("<");
                self.at += 1;
            }
        }
    }

    fn tag(&mut self, markup: &str) {
        let bytes = markup.as_bytes();
        let end = self.tag_end(bytes);
        self.at += end;
        let (closing, name) = match bytes.get(1..end).unwrap_or_default() {
            [b'/', name @ ..] => (true, name),
            name => (false, name),
        };
        let length = name.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(name.len());
        let mut lowered = [0u8; 10];
        let Some(lower) = lowered.get_mut(..length) else { return };
        lower.copy_from_slice(name.get(..length).unwrap_or_default());
        lower.make_ascii_lowercase();
        match &*lower {
            name @ (b"script" | b"style" | b"title" | b"template") if !closing => {
                self.skip_element(name)
            }
            b"td" | b"th" => self.gap = self.gap.max(Gap::Space),
            b"br" | b"p" | b"div" | b"tr" | b"table" | b"li" | b"ul" | b"ol" | b"dl" | b"dt"
            | b"dd" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"hr" | b"pre"
            | b"blockquote" | b"section" | b"article" | b"header" | b"footer" | b"center"
            | b"body" | b"option" | b"address" => self.gap = Gap::Line,
            _ => {}
        }
    }

    /// The length of a tag. Quotes hide a `>` until one is never closed; after that, so that
    /// time stays linear, they do not.
    fn tag_end(&mut self, bytes: &[u8]) -> usize {
        if !self.quotes_fail {
            let mut quote = None;
            for (at, &byte) in bytes.iter().enumerate() {
                match (byte, quote) {
                    (b'>', None) => return at + 1,
                    (b'"' | b'\'', None) => quote = Some(byte),
                    (_, Some(open)) if byte == open => quote = None,
                    _ => {}
                }
            }
            self.quotes_fail = true;
        }
        memchr(b'>', bytes).map_or(bytes.len(), |end| end + 1)
    }

    /// Skips to behind the closing tag; an element that is never closed ends the text.
    fn skip_element(&mut self, name: &[u8]) {
        let bytes = self.html.as_bytes();
        while let Some(rest) = bytes.get(self.at..)
            && let Some(found) = memmem::find(rest, b"</")
        {
            self.at += found + 2;
            let tag = bytes.get(self.at..self.at + name.len()).unwrap_or_default();
            if tag.eq_ignore_ascii_case(name) {
                let rest = bytes.get(self.at..).unwrap_or_default();
                self.at += memchr(b'>', rest).map_or(rest.len(), |end| end + 1);
                return;
            }
        }
        self.at = bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(html: &str) -> String {
        to_text(html, usize::MAX)
    }

    #[test]
    fn text_is_what_a_reader_sees() {
        assert_eq!(
            text(
                "<html><head><title>t</title><style>p{}</style></head><body><p>Hello <b>W</b>orld</p> <p>x</p>"
            ),
            "Hello World\nx"
        );
        assert_eq!(text("a&amp;b&nbsp;c &lt;d&#8364; &#xe4; &nosuch; &"), "a&b c <d€ ä &nosuch; &");
        assert_eq!(text("a<!-- x > -->b<script>if (a</b) {}</SCRIPT >c"), "abc");
        assert_eq!(text("1 < 2 <a title=\"x > y\">l</a>"), "1 < 2 l");
        assert_eq!(text("a<br>b<td>c"), "a\nb c");
    }

    #[test]
    fn broken_html_ends() {
        assert_eq!(text("a<b \"x>c"), "ac");
        assert_eq!(text("a<style>never"), "a");
        assert_eq!(text("a<!-- never"), "a");
        assert_eq!(text("a<"), "a<");
        assert_eq!(text("ü<ü&ü;"), "ü<ü&ü;");
    }

    #[test]
    fn floods_are_linear() {
        let length = 300_000;
        for flood in ["<a \"", "<!-", "&", "<", "<style>", "</", "<a '>\""] {
            text(&flood.repeat(length));
        }
    }
}
