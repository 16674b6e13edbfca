//! Modified UTF-7, in which rev1 clients write mailbox names (RFC 3501 §5.1.3): `&` opens base64
//! of UTF-16 with `,` for `/`, `-` closes it, `&-` is `&` itself.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// Decodes a name. `None` for base64 that is none, or that holds half a character.
///
/// Taken as well: raw UTF-8, which clients send that were never told of UTF8=ACCEPT, and
/// needlessly encoded characters; encoding the result again gives the one right form.
pub fn decode(name: &[u8]) -> Option<String> {
    let mut rest = std::str::from_utf8(name).ok()?;
    let mut out = String::with_capacity(rest.len());
    while let Some((plain, shifted)) = rest.split_once('&') {
        out.push_str(plain);
        let (base64, after) = shifted.split_once('-')?;
        if base64.is_empty() {
            out.push('&');
        } else {
            decode_shifted(base64.as_bytes(), &mut out)?;
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

fn decode_shifted(base64: &[u8], out: &mut String) -> Option<()> {
    let (mut bits, mut count) = (0u32, 0u32);
    let mut high = None;
    for &b in base64 {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b',' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 16 {
            count -= 16;
            let unit = (bits >> count) as u16;
            bits &= (1 << count) - 1;
            match (high.take(), unit) {
                (None, 0xD800..=0xDBFF) => high = Some(unit),
                (None, _) => out.push(char::from_u32(unit.into())?),
                (Some(first), _) => {
                    out.push(char::decode_utf16([first, unit]).next()?.ok()?);
                }
            }
        }
    }
    // Fewer than six bits are padding and are zero; more would be a lost letter.
    (high.is_none() && count < 6 && bits == 0).then_some(())
}

/// Appends a name in modified UTF-7.
pub fn encode(name: &str, out: &mut Vec<u8>) {
    let (mut bits, mut count, mut shifted) = (0u32, 0u32, false);
    let end_shift = |bits: &mut u32, count: &mut u32, out: &mut Vec<u8>| {
        if *count > 0 {
            out.push(letter(*bits << (6 - *count)));
        }
        (*bits, *count) = (0, 0);
        out.push(b'-');
    };
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            if std::mem::take(&mut shifted) {
                end_shift(&mut bits, &mut count, out);
            }
            out.push(c as u8);
            if c == '&' {
                out.push(b'-');
            }
            continue;
        }
        if !std::mem::replace(&mut shifted, true) {
            out.push(b'&');
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            bits = bits << 16 | u32::from(*unit);
            count += 16;
            while count >= 6 {
                count -= 6;
                out.push(letter(bits >> count));
                bits &= (1 << count) - 1;
            }
        }
    }
    if shifted {
        end_shift(&mut bits, &mut count, out);
    }
}

fn letter(bits: u32) -> u8 {
    ALPHABET[(bits & 63) as usize]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(name: &str) -> String {
        let mut out = Vec::new();
        encode(name, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn samples_in_both_directions() {
        for (plain, utf7) in [
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("R&D", "R&-D"),
            ("&&x", "&-&-x"),
            ("😀", "&2D3eAA-"),
            ("a😀b🎉", "a&2D3eAA-b&2DzfiQ-"),
            ("tab\tx", "tab&AAk-x"),
            ("", ""),
        ] {
            assert_eq!(encoded(plain), utf7);
            assert_eq!(decode(utf7.as_bytes()).as_deref(), Some(plain));
        }
    }

    #[test]
    fn taken_and_refused() {
        assert_eq!(decode("Entwürfe".as_bytes()).as_deref(), Some("Entwürfe"));
        assert_eq!(decode(b"&AGE-b").as_deref(), Some("ab"));
        for wrong in ["R&D", "&", "&A-", "&2D0-", "&3gDYPQ-", "&APx-", "&A*w-", "&AP"] {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(decode(b"\xff"), None);
    }

    proptest! {
        #[test]
        fn round_trip(name in any::<String>()) {
            let utf7 = encoded(&name);
            prop_assert!(utf7.is_ascii());
            prop_assert_eq!(decode(utf7.as_bytes()), Some(name));
        }

        #[test]
        fn never_panics(name in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(plain) = decode(&name) {
                prop_assert_eq!(decode(encoded(&plain).as_bytes()), Some(plain));
            }
        }
    }
}
