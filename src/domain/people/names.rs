//! How typed words and people's names are compared: without case, accents and the ways to write
//! an umlaut.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::store::search::normalise;

/// A name as it is compared: lower case, no accents, `ß` as `ss`.
pub fn fold(text: &str) -> String {
    folded(text, false)
}

/// The same with umlauts in two letters; `None` where there are none.
pub fn spelled_out(text: &str) -> Option<String> {
    let is_umlaut =
        |c: char| matches!(c, 'ä' | 'ö' | 'ü' | 'å' | 'ø' | 'Ä' | 'Ö' | 'Ü' | 'Å' | 'Ø');
    text.nfc().any(is_umlaut).then(|| folded(text, true))
}

fn folded(text: &str, in_two_letters: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in normalise(text).nfc() {
        match (c, in_two_letters) {
            ('ä', true) => out.push_str("ae"),
            ('ö' | 'ø', true) => out.push_str("oe"),
            ('ü', true) => out.push_str("ue"),
            ('å', true) => out.push_str("aa"),
            ('ß', _) => out.push_str("ss"),
            ('æ', _) => out.push_str("ae"),
            ('œ', _) => out.push_str("oe"),
            ('þ', _) => out.push_str("th"),
            ('ø', _) => out.push('o'),
            ('đ' | 'ð', _) => out.push('d'),
            ('ł', _) => out.push('l'),
            ('ı', _) => out.push('i'),
            _ => out.extend(std::iter::once(c).nfd().filter(|c| !is_combining_mark(*c))),
        }
    }
    out
}

/// The words of a folded text, without hyphens and other signs.
pub fn parts(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty())
}

/// A folded word in the form in which spellings are compared: `muller` of `muller` (Muller,
/// Müller) and of `mueller`.
pub fn collapse(word: &str) -> String {
    Collapsed::of(word).collect()
}

/// Whether a folded word is another way to spell what `collapsed` is the compared form of.
pub fn is_spelling(word: &str, collapsed: &str) -> bool {
    Collapsed::of(word).eq(collapsed.chars())
}

/// The characters of a folded word, with one letter for `ae`, `oe`, `ue` and `aa`.
///
/// Not at the end (Sue, Joe, Renae) nor before an `l` or `la` there (Michael is not Michal,
/// Manuela), and not after another vowel or a `q`, where the two are no umlaut (Bauer, Quentin).
struct Collapsed<'w> {
    rest: std::str::Chars<'w>,
    before: Option<char>,
}

impl<'w> Collapsed<'w> {
    fn of(word: &'w str) -> Self {
        Self { rest: word.chars(), before: None }
    }
}

impl Iterator for Collapsed<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let first = self.rest.next()?;
        let (before, text) = (self.before.replace(first), self.rest.as_str());
        let second = text.chars().next();
        let is_pair = matches!((first, second), ('a' | 'o' | 'u', Some('e')) | ('a', Some('a')));
        let is_umlaut = is_pair
            && !matches!(before, Some('a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'q'))
            && !matches!(text.get(1..), Some("" | "l" | "la"));
        if is_umlaut {
            self.before = second;
            self.rest.next();
        }
        Some(first)
    }
}

/// The digits of a telephone number, without the zeros that lead into a country or a town: so
/// `0221 123` is found in `+49 221 123`. `None` for what is none.
pub fn digits(text: &str) -> Option<String> {
    let part = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '+' | '-' | '/' | '(' | ')' | '.');
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= 3 && text.chars().all(part)).then(|| digits.trim_start_matches('0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_however_they_are_typed() {
        for (text, wanted) in [
            ("MÜLLER", "muller"),
            ("Mu\u{308}ller", "muller"),
            ("Straße", "strasse"),
            ("Óscar Núñez", "oscar nunez"),
            ("Søren Ærø", "soren aero"),
            ("Łukasz", "lukasz"),
            ("Ｍｅｉ", "mei"),
            ("田中", "田中"),
        ] {
            assert_eq!(fold(text), wanted);
        }
        assert_eq!(spelled_out("Jörg Müller").as_deref(), Some("joerg mueller"));
        assert_eq!(spelled_out("Jorg"), None);
    }

    #[test]
    fn an_umlaut_is_the_same_in_each_of_its_spellings() {
        for spellings in [
            ["Muller", "Mueller", "Müller"],
            ["Soren", "Soeren", "Søren"],
            ["Gothe", "Goethe", "Göthe"],
            ["Agard", "Aagaard", "Ågård"],
            ["Bar", "Baer", "Bär"],
            ["Kjar", "Kjaer", "Kjær"],
            ["Gunther", "Guenther", "Günther"],
            ["Uberall", "Ueberall", "Überall"],
        ] {
            let forms = spellings.map(|name| collapse(&fold(name)));
            assert!(forms.iter().all(|form| *form == forms[0]), "{forms:?}");
            assert!(spellings.iter().all(|name| is_spelling(&fold(name), &forms[0])));
        }
    }

    #[test]
    fn two_vowels_are_not_always_an_umlaut() {
        for name in [
            "sue", "joe", "neue", "renae", "quelle", "quentin", "bauer", "meyer", "sauer",
            "michael", "manuel", "manuela", "noel", "rafael", "joaquin", "e", "", "q", "田中",
        ] {
            assert_eq!(collapse(name), name);
        }
        assert_eq!(parts("weiss-mueller & co.").collect::<Vec<_>>(), ["weiss", "mueller", "co"]);
    }

    #[test]
    fn telephone_numbers_are_their_digits() {
        assert_eq!(digits("0221 / 12-3").as_deref(), Some("221123"));
        assert_eq!(digits("+49 (221) 123").as_deref(), Some("49221123"));
        assert_eq!((digits("12"), digits("Anna 123")), (None, None));
    }
}
