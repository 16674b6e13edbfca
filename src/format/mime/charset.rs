//! Bytes of a named character set to UTF-8; never fails, what cannot be read becomes U+FFFD.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

/// Decodes `bytes`. Without a usable label they are UTF-8 if they can be, else Windows-1252,
/// which is what unlabelled 8-bit mail nearly always is.
pub fn decode(label: Option<&[u8]>, bytes: &[u8]) -> String {
    decode_cow(label, bytes).into_owned()
}

/// As [`decode`], without a copy where the bytes are UTF-8 already.
pub(super) fn decode_cow<'a>(label: Option<&[u8]>, bytes: &'a [u8]) -> Cow<'a, str> {
    let label = label.unwrap_or_default().trim_ascii();
    if label.is_empty()
        || label.eq_ignore_ascii_case(b"us-ascii")
        || label.eq_ignore_ascii_case(b"ascii")
        || label.eq_ignore_ascii_case(b"utf-8")
    {
        return guess(bytes, label.eq_ignore_ascii_case(b"utf-8"));
    }
    match Encoding::for_label_no_replacement(label) {
        Some(encoding) => encoding.decode_without_bom_handling(bytes).0,
        // UTF-7, code page 850 and many spellings that browsers do not know.
        None => match charset_decoder(label) {
            Some(decoder) => Cow::Owned(decoder(bytes)),
            None => guess(bytes, false),
        },
    }
}

fn guess(bytes: &[u8], utf8: bool) -> Cow<'_, str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) if utf8 => UTF_8.decode_without_bom_handling(bytes).0,
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_all_kinds() {
        assert_eq!(decode(Some(b"ISO-8859-1"), b"\xe4"), "ä");
        assert_eq!(decode(Some(b"utf-8"), "ä".as_bytes()), "ä");
        assert_eq!(decode(Some(b"us-ascii"), "ä".as_bytes()), "ä");
        assert_eq!(decode(None, b"\xe4"), "ä");
        assert_eq!(decode(Some(b"utf-7"), b"+AOQ-"), "ä");
        assert_eq!(decode(Some(b"no-such-thing"), b"a"), "a");
        assert_eq!(decode(Some(b"iso-2022-jp"), b"\x1b$B$\"\x1b(B"), "あ");
        assert_eq!(decode(Some(b"utf-8"), b"a\xff"), "a\u{fffd}");
    }
}
