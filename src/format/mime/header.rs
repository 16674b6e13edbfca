//! Header fields as they stand in the bytes: where each begins and ends, its name, its value.
//!
//! Nothing is decoded here. Lines that are no field (an mbox `From ` line, 8-bit junk) stay part
//! of the header but give no field; only an empty line ends a header (RFC 5322 §2.1, §2.2).

use std::borrow::Cow;

use memchr::memchr;

use super::Span;

/// One header field.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// As written, without white space before the colon (obsolete syntax, RFC 5322 §4.5).
    pub name: &'a [u8],
    /// Everything behind the colon, folding and line end included.
    pub value: &'a [u8],
    /// The whole field with its line end, relative to the bytes iterated over.
    pub span: Span,
}

impl<'a> Field<'a> {
    /// Whether this field is called `name`, in any letter case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of a header, in order, up to its empty line. One pass, no allocation.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Iterates over the fields at the start of `bytes`.
pub fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields { bytes, at: 0 }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            let start = self.at;
            if start >= self.bytes.len() || is_blank(self.bytes, start) {
                self.at = self.bytes.len();
                return None;
            }
            let first_line = line_end(self.bytes, start);
            let mut end = first_line;
            while matches!(self.bytes.get(end), Some(b' ' | b'\t')) {
                end = line_end(self.bytes, end);
            }
            self.at = end;
            let span = Span { start, end };
            let field = span.of(self.bytes);
            let Some(colon) = memchr(b':', Span { start, end: first_line }.of(self.bytes)) else {
                continue;
            };
            let (name, value) = field.split_at_checked(colon).unwrap_or_default();
            let name = name.trim_ascii_end();
            if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
                continue;
            }
            return Some(Field { name, value: value.get(1..).unwrap_or_default(), span });
        }
    }
}

/// The length of the header at the start of `raw`, its empty line included.
pub fn header_len(raw: &[u8]) -> usize {
    let mut at = 0;
    while at < raw.len() {
        let blank = is_blank(raw, at);
        at = line_end(raw, at);
        if blank {
            break;
        }
    }
    at
}

/// The position behind the line that starts at `start`.
pub(super) fn line_end(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    memchr(b'\n', rest).map_or(bytes.len(), |at| start + at + 1)
}

/// Whether an empty line starts at `start`.
pub(super) fn is_blank(bytes: &[u8], start: usize) -> bool {
    let rest = bytes.get(start..).unwrap_or_default();
    matches!(rest, [b'\n', ..] | [b'\r', b'\n', ..])
}

/// A field's value on one line: line ends and NULs dropped, white space around it trimmed
/// (RFC 5322 §2.2.3: unfolding removes the line ends only).
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        Cow::Owned(value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n' | 0)).collect())
    } else {
        Cow::Borrowed(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(bytes: &[u8]) -> Vec<String> {
        fields(bytes).map(|f| String::from_utf8_lossy(f.name).into_owned()).collect()
    }

    #[test]
    fn fields_keep_order_and_skip_what_is_no_field() {
        let raw = b"From john@x Mon Jan 1 10:00:00 2020\r\nA: 1\r\n \r\n\tx\r\njunk\n B\xe9: 2\nc : 3\n\nd: 4\n";
        assert_eq!(names(raw), ["A", "c"]);
        assert_eq!(fields(raw).next().unwrap().value, b" 1\r\n \r\n\tx\r\n");
        assert_eq!(raw.len() - header_len(raw), 5);
    }

    #[test]
    fn a_header_without_an_empty_line_is_all_header() {
        assert_eq!(header_len(b"A: 1\r\nB: 2"), 10);
        assert_eq!(names(b"A: 1\r\nB: 2"), ["A", "B"]);
        assert_eq!(header_len(b""), 0);
        assert_eq!(header_len(b"\r\nbody"), 2);
    }

    #[test]
    fn unfolding_drops_line_ends_only() {
        assert_eq!(&*unfold(b" a\r\n b\n\tc \r\n"), b"a b\tc");
        assert_eq!(&*unfold(b" a\0b "), b"ab");
    }
}
