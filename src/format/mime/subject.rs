//! The base subject, by which messages are sorted and threaded (RFC 5256 §2.1).

/// A subject without the marks of replies and forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseSubject<'a> {
    pub text: &'a str,
    /// Such a mark was there: the message says it answers or forwards another.
    pub is_reply: bool,
}

/// Finds the base subject of a decoded subject whose white space is single blanks.
pub fn base_subject(subject: &str) -> BaseSubject<'_> {
    let mut text = subject.trim();
    let mut is_reply = false;
    loop {
        // Step 2: trailers.
        while let Some(shorter) = strip_suffix(text, "(fwd)") {
            text = shorter.trim_end();
            is_reply = true;
        }
        // Steps 3 to 5: leaders and blobs, as often as they come.
        loop {
            text = text.trim_start();
            if let Some(rest) = strip_leader(text) {
                text = rest;
                is_reply = true;
                continue;
            }
            match strip_blob(text) {
                Some(rest) if !rest.trim().is_empty() => text = rest,
                _ => break,
            }
        }
        // Step 6: "[fwd: ...]" around all of it.
        match strip_prefix(text, "[fwd:").and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => {
                text = inner.trim();
                is_reply = true;
            }
            None => return BaseSubject { text: text.trim(), is_reply },
        }
    }
}

/// `*subj-blob subj-refwd`: what stands behind "Re:", "Fwd[2]:" and the like.
fn strip_leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(shorter) = strip_blob(rest) {
        rest = shorter;
    }
    let rest = strip_prefix(rest, "re")
        .or_else(|| strip_prefix(rest, "fwd"))
        .or_else(|| strip_prefix(rest, "fw"))?
        .trim_start_matches(' ');
    strip_blob(rest).unwrap_or(rest).strip_prefix(':')
}

/// `"[" *BLOBCHAR "]" *WSP`.
fn strip_blob(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    Some(inner.get(end..)?.strip_prefix(']')?.trim_start_matches(' '))
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn strip_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (rest, end) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    end.eq_ignore_ascii_case(suffix).then_some(rest)
}

/// White space runs as single blanks, nothing around: the form in which subjects are kept.
pub(super) fn collapse(text: &str, max_bytes: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_bytes));
    for word in text.split(|c: char| c.is_ascii_whitespace()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > max_bytes {
            out.truncate(out.floor_char_boundary(max_bytes));
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_stripped() {
        let cases = [
            ("Re: a", "a", true),
            ("re[2]: [list] Fwd: a b (fwd) (FWD)", "a b", true),
            ("[list] a", "a", false),
            ("[list]", "[list]", false),
            ("[fwd: Re: a]", "a", true),
            ("[Fwd: [list] a] (fwd)", "a", true),
            ("Re : a", "a", true),
            ("Re [x]: a", "a", true),
            ("report: a", "report: a", false),
            ("[a][b] re: c", "c", true),
            ("Re:", "", true),
            ("", "", false),
            ("Fwd: Fw: RE: über", "über", true),
            ("[fwd: a", "[fwd: a", false),
        ];
        for (subject, text, is_reply) in cases {
            assert_eq!(base_subject(subject), BaseSubject { text, is_reply }, "{subject}");
        }
    }

    #[test]
    fn white_space_collapses() {
        assert_eq!(collapse(" a \t b\r\n ", 100), "a b");
        assert_eq!(collapse("äöü", 3), "ä");
    }
}
