//! Content-Transfer-Encodings (RFC 2045 §6), decoded tolerantly and in one pass.

use std::borrow::Cow;

use super::header::line_end;
use super::param::hex;
use super::scan::first_word;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 7bit, 8bit and binary: the octets as they are.
    Identity,
    Base64,
    QuotedPrintable,
    /// `x-uuencode` of old Unix mail.
    Uuencode,
    Unknown,
}

/// The transfer encoding is not one we can undo (RFC 3516 §4.3, RFC 9051 `UNKNOWN-CTE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown content transfer encoding")]
pub struct UnknownCte;

impl Encoding {
    /// Reads the value of a Content-Transfer-Encoding field; an empty one is 7bit.
    pub fn parse(value: &[u8]) -> Self {
        match first_word(value).to_ascii_lowercase().as_slice() {
            b"" | b"7bit" | b"8bit" | b"binary" | b"7-bit" | b"8-bit" | b"7bits" | b"8bits" => {
                Self::Identity
            }
            b"base64" => Self::Base64,
            b"quoted-printable" => Self::QuotedPrintable,
            b"x-uuencode" | b"x-uue" | b"uuencode" => Self::Uuencode,
            _ => Self::Unknown,
        }
    }
}

/// Undoes the transfer encoding of a part's body.
pub fn decode_part(body: &[u8], encoding: Encoding) -> Result<Cow<'_, [u8]>, UnknownCte> {
    let mut out = Vec::new();
    match encoding {
        Encoding::Identity => return Ok(Cow::Borrowed(body)),
        Encoding::Unknown => return Err(UnknownCte),
        Encoding::Base64 => base64(body, &mut out),
        Encoding::QuotedPrintable => quoted_printable(body, &mut out),
        Encoding::Uuencode => uuencode(body, &mut out),
    }
    Ok(Cow::Owned(out))
}

const SKIP: u8 = 0xff;
const PAD: u8 = 0xfe;

/// The value of each octet in base64; padding and octets to be skipped are marked.
const BASE64: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [SKIP; 256];
    let mut at = 0;
    while at < alphabet.len() {
        table[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    table[b'=' as usize] = PAD;
    table
};

fn base64_value(octet: u8) -> u8 {
    BASE64.get(usize::from(octet)).copied().unwrap_or(SKIP)
}

/// Appends the decoded octets. What is not in the alphabet is skipped (RFC 2045 §6.8); padding
/// ends a group of four, and decoding goes on behind it because some senders join such pieces.
pub(super) fn base64(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() / 4 * 3 + 3);
    let mut rest = text;
    let mut bits = 0u32;
    let mut held = 0u8;
    loop {
        while held == 0
            && let [a, b, c, d, tail @ ..] = rest
        {
            let [a, b, c, d] = [*a, *b, *c, *d].map(base64_value);
            if (a | b | c | d) & 0x80 != 0 {
                break;
            }
            let group = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
            let [_, x, y, z] = group.to_be_bytes();
            out.extend_from_slice(&[x, y, z]);
            rest = tail;
        }
        let Some((&octet, tail)) = rest.split_first() else { break };
        rest = tail;
        match base64_value(octet) {
            SKIP => {}
            PAD => {
                finish_group(&mut bits, &mut held, out);
                if matches!(rest.first(), Some(b' ' | b'\t')) {
                    // A remark, as some lists append: not the next piece.
                    rest = rest.get(line_end(rest, 0)..).unwrap_or_default();
                }
            }
            value => {
                bits = bits << 6 | u32::from(value);
                held += 1;
                if held == 4 {
                    finish_group(&mut bits, &mut held, out);
                }
            }
        }
    }
    finish_group(&mut bits, &mut held, out);
}

fn finish_group(bits: &mut u32, held: &mut u8, out: &mut Vec<u8>) {
    let octets = match held {
        2 => (*bits << 12, 1),
        3 => (*bits << 6, 2),
        4 => (*bits, 3),
        _ => (0, 0),
    };
    out.extend(octets.0.to_be_bytes().iter().skip(1).take(octets.1));
    (*bits, *held) = (0, 0);
}

/// Appends the decoded octets of a quoted-printable body (RFC 2045 §6.7): soft line breaks and
/// white space before line ends go, a `=` that encodes nothing stays.
fn quoted_printable(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len());
    let mut at = 0;
    while at < text.len() {
        let end = line_end(text, at);
        let line = text.get(at..end).unwrap_or_default();
        at = end;
        let content = line.trim_ascii_end();
        let content_len = content.len();
        let break_at = line.len() - line_break(line);
        if let Some(content) = content.strip_suffix(b"=") {
            escapes(content, false, out);
            continue;
        }
        escapes(content, false, out);
        if break_at == line.len() {
            // The last line: its white space has no line end behind it that would make it padding.
            out.extend_from_slice(line.get(content_len..).unwrap_or_default());
        } else {
            out.extend_from_slice(line.get(break_at..).unwrap_or_default());
        }
    }
}

fn line_break(line: &[u8]) -> usize {
    match line {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

/// Appends the decoded octets of an encoded-word in the Q encoding (RFC 2047 §4.2).
pub(super) fn quoted_printable_word(text: &[u8], out: &mut Vec<u8>) {
    escapes(text, true, out);
}

fn escapes(text: &[u8], underscore_is_space: bool, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&octet, tail)) = rest.split_first() {
        rest = tail;
        match (octet, tail) {
            (b'=', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                _ => out.push(b'='),
            },
            (b'_', _) if underscore_is_space => out.push(b' '),
            _ => out.push(octet),
        }
    }
}

/// Appends the decoded octets between the `begin` and `end` lines.
fn uuencode(text: &[u8], out: &mut Vec<u8>) {
    let mut lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end);
    lines.by_ref().find(|line| line.starts_with(b"begin "));
    for line in lines {
        let Some((&count, encoded)) = line.split_first() else { continue };
        if line == b"end" {
            break;
        }
        let mut left = usize::from(count.wrapping_sub(32) & 63);
        for group in encoded.chunks(4) {
            let mut bits = 0u32;
            for at in 0..4 {
                let value = group.get(at).map_or(0, |b| b.wrapping_sub(32) & 63);
                bits = bits << 6 | u32::from(value);
            }
            let take = left.min(3);
            out.extend(bits.to_be_bytes().iter().skip(1).take(take));
            left -= take;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(body: &[u8], encoding: &str) -> Vec<u8> {
        decode_part(body, Encoding::parse(encoding.as_bytes())).unwrap().into_owned()
    }

    #[test]
    fn base64_in_all_conditions() {
        assert_eq!(decoded(b"aGVs\r\nbG8=\r\n", "BASE64"), b"hello");
        assert_eq!(decoded(b"aGVsbG8", "base64"), b"hello");
        assert_eq!(decoded(b"aA==aQ==", "base64"), b"hi");
        assert_eq!(decoded(b"aGV!sb G8=", "base64 "), b"hello");
        assert_eq!(decoded(b"aA== aQ\r\naQ==", "base64"), b"hi");
        assert_eq!(decoded(b"====", "base64"), b"");
        assert_eq!(decoded(b"a", "base64"), b"");
    }

    #[test]
    fn quoted_printable_in_all_conditions() {
        assert_eq!(
            decoded(b"a=20\r\nb  \r\nc=\r\nd=3D=4", "quoted-printable"),
            b"a \r\nb\r\ncd==4"
        );
        assert_eq!(decoded(b"a=  \r\nb=\nc=", "Quoted-Printable"), b"abc");
        assert_eq!(decoded(b"=zz =e4", "quoted-printable"), b"=zz \xe4");
        assert_eq!(decoded(b"a \n\n b\t", "quoted-printable"), b"a\n\n b\t");
    }

    #[test]
    fn others() {
        assert_eq!(decoded(b"a=20\x00", "8bit"), b"a=20\x00");
        assert_eq!(decoded(b"x\nbegin 644 f\n#0V%T\n`\nend\n", "x-uuencode"), b"Cat");
        assert_eq!(decode_part(b"", Encoding::parse(b"x-zip")), Err(UnknownCte));
        assert_eq!(Encoding::parse(b" 7bit; foo"), Encoding::Identity);
    }
}
