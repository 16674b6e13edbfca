//! Matching mailbox names against LIST's patterns (RFC 9051 §6.3.9): `*` is anything, `%` anything
//! within one level.

use super::types::{ListPattern, MAILBOX_NAME_MAX, starts_with_inbox};

/// A pattern made ready for many names.
///
/// All ways to match are followed at once, as bits: bit j of the state is set when the first j
/// literal bytes have been found, and a wildcard before byte j keeps bit j set. So a name
/// costs the same whatever the wildcards, and no pattern makes it go back.
pub struct Matcher {
    /// How many literal bytes there are.
    literals: usize,
    /// 64 states each.
    words: usize,
    /// By byte value, `words` each: the places where the pattern has this byte.
    places: Vec<u64>,
    /// The states at which `*` stands, and `*` or `%`.
    star: Vec<u64>,
    any: Vec<u64>,
}

impl Matcher {
    pub fn new(pattern: &ListPattern) -> Self {
        let pattern = pattern.as_str().as_bytes();
        let literals = pattern.iter().filter(|b| !matches!(b, b'*' | b'%')).count();
        // More literal bytes than any name has match nothing; the pattern is not even kept.
        let possible = literals <= MAILBOX_NAME_MAX;
        let words = if possible { literals / 64 + 1 } else { 0 };
        let mut matcher = Self {
            literals,
            words,
            places: vec![0; 256 * words],
            star: vec![0; words],
            any: vec![0; words],
        };
        if !possible {
            return matcher;
        }
        let mut state = 0;
        for &b in pattern {
            let (word, bit) = (state / 64, 1 << (state % 64));
            match b {
                b'*' => {
                    matcher.star[word] |= bit;
                    matcher.any[word] |= bit;
                }
                b'%' => matcher.any[word] |= bit,
                _ => {
                    matcher.places[usize::from(b) * words + word] |= bit;
                    state += 1;
                }
            }
        }
        matcher
    }

    /// Whether the pattern fits the whole name. `INBOX` fits in any case.
    pub fn matches(&self, name: &str) -> bool {
        if self.words == 0 {
            return false;
        }
        let mut state = vec![0u64; self.words];
        state[0] = 1;
        let inbox = starts_with_inbox(name.as_bytes());
        for (at, b) in name.bytes().enumerate() {
            let fold = inbox && at < 5;
            let stay = if b == b'/' { &self.star } else { &self.any };
            let (upper, lower) = (self.places_of(b), self.places_of(b.to_ascii_lowercase()));
            let mut carry = 0;
            let mut alive = 0;
            for (word, state) in state.iter_mut().enumerate() {
                let places = if fold { upper[word] | lower[word] } else { upper[word] };
                let moved = *state & places;
                *state = moved << 1 | carry | *state & stay[word];
                carry = moved >> 63;
                alive |= *state;
            }
            if alive == 0 {
                return false;
            }
        }
        state[self.literals / 64] & 1 << (self.literals % 64) != 0
    }

    fn places_of(&self, b: u8) -> &[u64] {
        let at = usize::from(b) * self.words;
        &self.places[at..at + self.words]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        Matcher::new(&ListPattern::new(pattern)).matches(name)
    }

    #[test]
    fn wildcards() {
        for (pattern, name, fit) in [
            ("*", "a/b/c", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("a/%", "a", false),
            ("a/%/c", "a/b/c", true),
            ("a*", "a", true),
            ("%*", "a/b", true),
            ("%/%", "a/b", true),
            ("*/c", "a/b/c", true),
            ("%b*", "ab/c", true),
            ("%c", "a/b/c", false),
            ("inbox", "INBOX", true),
            ("InBo%", "INBOX", true),
            ("inb*", "INBOX/x", true),
            ("inbox", "INBOXES", false),
            ("i%", "Issues", false),
            ("Entw*", "Entwürfe", true),
            ("Entw%rfe", "Entwürfe", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn long_patterns_and_names() {
        let name = "a".repeat(1000);
        assert!(fits(&name, &name));
        assert!(fits(&"a%".repeat(1000), &name));
        assert!(fits(&format!("*{}", "%a".repeat(64)), &name));
        assert!(!fits(&format!("*{}b", "%a".repeat(500)), &name));
        assert!(!fits(&"a".repeat(1001), &name));
        assert!(fits(&"*".repeat(100_000), &name));
    }

    /// The definition, slow.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => (0..=name.len()).any(|n| by_definition(rest, &name[n..])),
            (Some((b'%', rest)), _) => (0..=name.len())
                .take_while(|&n| n == 0 || name[n - 1] != b'/')
                .any(|n| by_definition(rest, &name[n..])),
            (Some((p, rest)), Some((n, name))) => p == n && by_definition(rest, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn fits_as_defined(pattern in "[ab/*%]{0,9}", name in "[ab/]{0,12}") {
            prop_assert_eq!(fits(&pattern, &name), by_definition(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
