//! Header text for people: RFC 2047 encoded-words and raw UTF-8 (RFC 6532) to a string.

use memchr::memmem;

use super::charset;
use super::cte::{base64, quoted_printable_word};
use super::header::unfold;
use super::param::is_space;

/// Longest charset label (with its RFC 2231 language) that is believed.
const MAX_LABEL: usize = 64;

/// Decodes a header value: unfolds it, decodes encoded-words wherever they stand (also inside
/// quoted strings, where they are not allowed but common), drops the space between two of them.
pub fn decode(value: &[u8]) -> String {
    let value = unfold(value);
    let mut out = String::with_capacity(value.len());
    let mut run: Option<Run<'_>> = None;
    let mut rest: &[u8] = &value;
    while let Some(at) = memmem::find(rest, b"=?") {
        let (before, word) = rest.split_at_checked(at).unwrap_or_default();
        let Some(word) = Word::parse(word) else {
            flush(&mut run, &mut out);
            push_plain(rest.get(..at + 2).unwrap_or_default(), &mut out);
            rest = rest.get(at + 2..).unwrap_or_default();
            continue;
        };
        let adjacent = run.is_some() && before.iter().all(|b| is_space(*b));
        if !adjacent {
            flush(&mut run, &mut out);
            push_plain(before, &mut out);
        }
        // Many senders cut a multi-byte character between two words, so the bytes of a row of
        // words in one charset are decoded together.
        match &mut run {
            Some(run) if run.label.eq_ignore_ascii_case(word.label) && !is_stateful(word.label) => {
                word.decode(&mut run.bytes);
            }
            _ => {
                flush(&mut run, &mut out);
                let mut bytes = Vec::new();
                word.decode(&mut bytes);
                run = Some(Run { label: word.label, bytes });
            }
        }
        rest = rest.get(at + word.length..).unwrap_or_default();
    }
    flush(&mut run, &mut out);
    push_plain(rest, &mut out);
    out
}

/// Charsets whose words begin and end in the same state (RFC 2047 §3): joining them would put two
/// escape sequences in a row, which decoders take for an attack.
fn is_stateful(label: &[u8]) -> bool {
    let starts =
        |with: &[u8]| label.get(..with.len()).is_some_and(|l| l.eq_ignore_ascii_case(with));
    starts(b"iso-2022") || starts(b"utf-7") || starts(b"hz-")
}

/// Encoded-words of one charset in a row.
struct Run<'a> {
    label: &'a [u8],
    bytes: Vec<u8>,
}

fn flush(run: &mut Option<Run<'_>>, out: &mut String) {
    if let Some(run) = run.take() {
        let text = charset::decode_cow(Some(run.label), &run.bytes);
        // A decoded line end would let an encoded word forge another header line downstream.
        out.extend(text.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')));
    }
}

fn push_plain(bytes: &[u8], out: &mut String) {
    out.push_str(&charset::decode_cow(None, bytes));
}

/// `=?charset?encoding?text?=` (RFC 2047 §2).
struct Word<'a> {
    label: &'a [u8],
    base64: bool,
    text: &'a [u8],
    length: usize,
}

impl<'a> Word<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(b"=?")?;
        let label_end = rest.iter().take(MAX_LABEL).position(|b| *b == b'?')?;
        let (label, rest) = rest.split_at_checked(label_end)?;
        if label.is_empty() || label.iter().any(|b| !b.is_ascii_graphic()) {
            return None;
        }
        // RFC 2231 §5: charset*language.
        let label = label.split(|b| *b == b'*').next()?;
        let base64 = match rest.get(1)? {
            b'b' | b'B' => true,
            b'q' | b'Q' => false,
            _ => return None,
        };
        let rest = rest.get(2..)?.strip_prefix(b"?")?;
        let text_end = memchr::memchr(b'?', rest)?;
        let (text, behind) = rest.split_at_checked(text_end)?;
        let behind = behind.strip_prefix(b"?=")?;
        Some(Self { label, base64, text, length: bytes.len() - behind.len() })
    }

    fn decode(&self, out: &mut Vec<u8>) {
        if self.base64 {
            base64(self.text, out);
        } else {
            quoted_printable_word(self.text, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_2047() {
        // RFC 2047 §8.
        assert_eq!(decode(b"=?ISO-8859-1?Q?a?="), "a");
        assert_eq!(decode(b"=?ISO-8859-1?Q?a?= b"), "a b");
        assert_eq!(decode(b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?="), "ab");
        assert_eq!(decode(b"=?ISO-8859-1?Q?a?=\r\n   =?ISO-8859-2?Q?_b?="), "a b");
        assert_eq!(decode(b"=?ISO-8859-1?Q?a_b?="), "a b");
        assert_eq!(
            decode(b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="),
            "If you can read this you understand the example."
        );
        assert_eq!(decode(b"=?US-ASCII*EN?Q?Keith_Moore?="), "Keith Moore");
    }

    #[test]
    fn broken_words_stay_as_written() {
        for text in ["=?", "=?x", "=?utf-8?Q?a", "=?utf-8?X?a?=", "=??Q?a?=", "a =? b", "=?=?=?"] {
            assert_eq!(decode(text.as_bytes()), text);
        }
        assert_eq!(decode(b"=?utf-8?B?w6?= =?utf-8?B?Q=?="), "\u{fffd}@".replace("@", ""));
    }

    #[test]
    fn a_character_cut_between_words_is_joined() {
        assert_eq!(decode(b"=?utf-8?Q?=C3?= =?utf-8?Q?=A4?="), "ä");
    }

    #[test]
    fn words_with_escape_sequences_stand_alone() {
        let word = "=?iso-2022-jp?B?GyRCJCIbKEI=?=";
        assert_eq!(decode(format!("{word}\r\n {word}").as_bytes()), "ああ");
    }

    #[test]
    fn an_encoded_line_end_is_dropped() {
        assert_eq!(decode(b"=?utf-8?Q?a=0D=0ABcc:_x?="), "aBcc: x");
    }

    #[test]
    fn raw_eight_bit_text() {
        assert_eq!(decode("Grüße".as_bytes()), "Grüße");
        assert_eq!(decode(b"Gr\xfc\xdfe"), "Grüße");
    }
}
