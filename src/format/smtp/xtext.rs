//! xtext: how ENVID, ORCPT and AUTH carry arbitrary text. RFC 3461 §4, RFC 6533 §3.

use std::fmt::Write;

/// Decodes xtext; `None` if it is malformed or decodes to control characters.
pub fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => {
                let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
                out.push(high << 4 | low);
            }
            b'=' => return None,
            0x21..=0x7e => out.push(byte),
            _ => return None,
        }
    }
    let text = String::from_utf8(out).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

/// Encodes as xtext.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' => _ = write!(out, "+{byte:02X}"),
            0x21..=0x7e => out.push(char::from(byte)),
            _ => _ = write!(out, "+{byte:02X}"),
        }
    }
    out
}

/// Decodes `utf-8-addr-xtext` and `utf-8-addr-unitext` (RFC 6533 §3): UTF-8 as it is, and
/// `\x{HEX}` for what could not be.
pub fn decode_utf8_address(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x{") {
        out.push_str(before);
        let (digits, after) = after.split_once('}')?;
        if !(2..=6).contains(&digits.len()) {
            return None;
        }
        out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        rest = after;
    }
    out.push_str(rest);
    let clean = !out.chars().any(|c| c.is_control() || c == ' ');
    clean.then_some(out)
}

/// Hex digits are upper case by the standard; lower case is sent too and harmless.
fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for (plain, coded) in [("QQ314159", "QQ314159"), ("a+b=c d", "a+2Bb+3Dc+20d")] {
            assert_eq!(encode(plain), coded);
            assert_eq!(decode(coded).as_deref(), Some(plain));
        }
        assert_eq!(decode_utf8_address("us\\x{E9}r@x.org").as_deref(), Some("usér@x.org"));
        assert_eq!(decode_utf8_address("usér@x.org").as_deref(), Some("usér@x.org"));
    }

    #[test]
    fn malformed_or_dangerous_text_is_refused() {
        for bad in ["a+", "a+2", "a+GG", "a=b", "a b", "a+0D+0AX", "+FF", "é"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        for bad in ["\\x{110000}", "\\x{D800}", "\\x{}", "\\x{41", "\\x{0A}", "a b"] {
            assert_eq!(decode_utf8_address(bad), None, "{bad}");
        }
    }
}
