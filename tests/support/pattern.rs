//! Patterns for answers: `*` stands for anything, `<name=*>` for a word that is remembered.

use std::collections::HashMap;

enum Piece {
    Text(Vec<u8>),
    Any,
    Word(String),
}

/// A parsed pattern. A leading `* ` is IMAP's untagged mark and not a wildcard.
pub struct Pattern(Vec<Piece>);

impl Pattern {
    pub fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        if let Some(after) = rest.strip_prefix("* ") {
            literal.extend_from_slice(b"* ");
            rest = after;
        }
        while let Some(c) = rest.chars().next() {
            let word = rest.strip_prefix('<').and_then(|r| r.split_once("=*>")).filter(|(n, _)| {
                !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            });
            if (c == '*' || word.is_some()) && !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            if let Some((name, after)) = word {
                pieces.push(Piece::Word(name.to_owned()));
                rest = after;
            } else {
                if c == '*' {
                    pieces.push(Piece::Any);
                } else {
                    literal.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                rest = &rest[c.len_utf8()..];
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Pattern(pieces)
    }

    /// Whether all of `text` fits; what `<name=*>` stood for is put into `words`.
    pub fn matches(&self, text: &[u8], words: &mut HashMap<String, String>) -> bool {
        let mut found = Vec::new();
        if !fits(&self.0, text, &mut found) {
            return false;
        }
        for (name, value) in found {
            words.insert(name, value);
        }
        true
    }
}

/// Whether `text` fits `pattern`, remembering nothing.
pub fn matches(pattern: &str, text: &[u8]) -> bool {
    Pattern::new(pattern).matches(text, &mut HashMap::new())
}

fn fits(pieces: &[Piece], text: &[u8], found: &mut Vec<(String, String)>) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
    match first {
        Piece::Text(literal) => {
            text.strip_prefix(literal.as_slice()).is_some_and(|after| fits(rest, after, found))
        }
        Piece::Any => (0..=text.len()).any(|at| fits(rest, &text[at..], found)),
        Piece::Word(name) => {
            let end = text.iter().position(|b| b" )]}>;\"\r\n".contains(b)).unwrap_or(text.len());
            if end == 0 {
                return false;
            }
            let depth = found.len();
            found.push((name.clone(), String::from_utf8_lossy(&text[..end]).into_owned()));
            let ok = fits(rest, &text[end..], found);
            if !ok {
                found.truncate(depth);
            }
            ok
        }
    }
}

#[test]
fn patterns_fit() {
    assert!(matches("* OK *", b"* OK hello"));
    assert!(!matches("* OK *", b"x OK hello"));
    assert!(matches("* FLAGS (*\\Seen*)", b"* FLAGS (\\Answered \\Seen \\Draft)"));
    let mut words = HashMap::new();
    assert!(
        Pattern::new("* OK [UIDVALIDITY <v=*>] *").matches(b"* OK [UIDVALIDITY 12] x", &mut words)
    );
    assert_eq!(words["v"], "12");
}
