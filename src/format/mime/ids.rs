//! Message ids in Message-ID, References and In-Reply-To (RFC 5322 §3.6.4, RFC 5256 §3).

use std::borrow::Cow;

use memchr::{memchr, memrchr};

/// Longest id that is believed; some senders pack whole addresses lists between the brackets.
const MAX_ID: usize = 998;

/// The ids of a field's value without their angle brackets, normalised: white space and the
/// quoting of the left part removed (RFC 5256 §3, `THREAD=REFERENCES` step 1).
pub fn message_ids(value: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        loop {
            let open = memchr(b'<', rest)?;
            let inner = rest.get(open + 1..)?;
            let close = memchr(b'>', inner)?;
            rest = inner.get(close + 1..)?;
            let inner = inner.get(..close)?;
            // "<a <b@c>": the last opening bracket counts.
            let inner =
                memrchr(b'<', inner).map_or(inner, |at| inner.get(at + 1..).unwrap_or(inner));
            let id = normalise(inner);
            if !id.is_empty() && id.len() <= MAX_ID {
                return Some(id);
            }
        }
    })
}

/// The id of a Message-ID field, which some programs write without brackets.
pub(super) fn own_id(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    message_ids(value).next().or_else(|| {
        let bare = value.trim_ascii();
        let plain = bare.contains(&b'@') && bare.iter().all(u8::is_ascii_graphic);
        (plain && bare.len() <= MAX_ID).then_some(Cow::Borrowed(bare))
    })
}

fn normalise(id: &[u8]) -> Cow<'_, [u8]> {
    let id = id.trim_ascii();
    if !id.iter().any(|b| b.is_ascii_whitespace() || matches!(b, b'"' | 0)) {
        return Cow::Borrowed(id);
    }
    let mut out = Vec::with_capacity(id.len());
    let mut quoted = false;
    let mut bytes = id.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => out.extend(bytes.next().filter(|b| !matches!(b, b'\r' | b'\n' | 0))),
            b'\r' | b'\n' | 0 => {}
            _ if byte.is_ascii_whitespace() && !quoted => {}
            _ => out.push(byte),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(value: &str) -> Vec<String> {
        message_ids(value.as_bytes()).map(|id| String::from_utf8_lossy(&id).into_owned()).collect()
    }

    #[test]
    fn ids_are_found_and_normalised() {
        assert_eq!(ids(" <a@b>\r\n\t<c@d><e@f> "), ["a@b", "c@d", "e@f"]);
        assert_eq!(ids("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>"), ["01KF8JCEOCBS0045PS@xxx.yyy.com"]);
        assert_eq!(ids("Your message of Monday <a@\r\n b> \"x\""), ["a@b"]);
        assert_eq!(ids("<a <b@c>"), ["b@c"]);
        assert_eq!(ids("<> a@b <"), [""; 0]);
        assert_eq!(own_id(b" a@b \r\n").as_deref(), Some(&b"a@b"[..]));
        assert_eq!(own_id(b" a b@c"), None);
    }
}
