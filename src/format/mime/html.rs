//! HTML to plain text for previews and search: one pass, no tree, stops when it has enough.
//!
//! Not for showing a message: layout, links and lists are lost.

use super::markup::{Piece, Pieces};

/// The text of `html`, block elements on lines of their own, other white space single; about
/// `max_bytes` of it at most.
pub fn to_text(html: &str, max_bytes: usize) -> String {
    let mut writer = Writer { out: String::new(), gap: Gap::None };
    let mut pieces = Pieces::of(html);
    while writer.out.len() < max_bytes
        && let Some(piece) = pieces.next()
    {
        match piece {
            Piece::Text(text) => writer.text(text),
            Piece::Word(word) => writer.word(&word),
            Piece::Blank => writer.due(Gap::Space),
            Piece::Tag(tag) => writer.tag(tag.name()),
        }
    }
    writer.out
}

/// White space that is due before the next text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
}

struct Writer {
    out: String,
    gap: Gap,
}

impl Writer {
    fn text(&mut self, text: &str) {
        let mut words = text.split(|c: char| c.is_ascii_whitespace());
        // What stands before the first and behind the last blank may be half a word.
        if let Some(first) = words.next() {
            self.word(first);
        }
        for word in words {
            self.due(Gap::Space);
            self.word(word);
        }
    }

    fn due(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
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

    fn tag(&mut self, name: &[u8]) {
        match name {
            b"td" | b"th" => self.due(Gap::Space),
            b"br" | b"p" | b"div" | b"tr" | b"table" | b"li" | b"ul" | b"ol" | b"dl" | b"dt"
            | b"dd" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"hr" | b"pre"
            | b"blockquote" | b"section" | b"article" | b"header" | b"footer" | b"center"
            | b"body" | b"option" | b"address" => self.gap = Gap::Line,
            _ => {}
        }
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
