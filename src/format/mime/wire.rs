//! IMAP strings (RFC 9051 §4.3): quoted where that is safe for every client, else literals.

use super::header::unfold;

/// Longest text sent as a quoted string: some clients read lines into fixed buffers.
const MAX_QUOTED: usize = 1024;

/// Appends a string. Line ends and NULs, which neither form may carry, are dropped.
pub fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() <= MAX_QUOTED && text.iter().all(|b| matches!(b, b'\t' | b' '..=b'~')) {
        out.push(b'"');
        for &byte in text {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.push(b'"');
        return;
    }
    if text.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        let clean: Vec<u8> =
            text.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n' | 0)).collect();
        return put_string(out, &clean);
    }
    out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
    out.extend_from_slice(text);
}

/// Appends a header value unfolded, or NIL where the field is missing.
pub fn put_value(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => put_string(out, &unfold(value)),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Appends a number.
pub fn put_number(out: &mut Vec<u8>, number: usize) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (left % 10) as u8;
        }
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_or_literal() {
        let written = |text: &[u8]| {
            let mut out = Vec::new();
            put_string(&mut out, text);
            out
        };
        assert_eq!(written(b""), b"\"\"");
        assert_eq!(written(b"a\"\\"), b"\"a\\\"\\\\\"");
        assert_eq!(written(b"\xe4\0\r\n"), b"{1}\r\n\xe4");
        assert_eq!(written(b"\r\na"), b"\"a\"");
        assert!(written(&[b'a'; 2000]).starts_with(b"{2000}\r\na"));
    }

    #[test]
    fn numbers() {
        let mut out = Vec::new();
        [0, 7, 10, 4_294_967_295].iter().for_each(|n| put_number(&mut out, *n));
        assert_eq!(out, b"07104294967295");
    }
}
