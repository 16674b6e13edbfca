//! What "contains" means for a search: one normal form for texts and needles, and how both fall
//! into terms.
//!
//! IMAP wants substrings regardless of case (RFC 9051 §6.4.4). Both sides are brought to NFKC and
//! lower case, invisible characters are dropped and each run of white space (a folded header, a
//! wrapped line) becomes one space; then bytes are compared. Accents stay: "resume" is not "résumé".

use memchr::memmem;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// The form in which texts and needles are compared: NFKC, lower case, no soft hyphens or
/// zero-width spaces, one space for each run of white space.
///
/// NFKC rather than NFC, so that full-width letters, ligatures, half-width kana and no-break
/// spaces are found by what is typed on a keyboard. Lower-casing is full but knows no language
/// and no position in the word: every sigma is `σ`, and `İ` is `i`.
pub fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let has_doubles = memmem::find(text.as_bytes(), DOUBLE.as_bytes()).is_some();
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, after) = rest.split_at(ascii_len(rest));
        push_ascii(&mut out, plain, has_doubles);
        let other = after.bytes().position(|byte| byte.is_ascii()).unwrap_or(after.len());
        let (other, after) = after.split_at(other);
        push_other(&mut out, other);
        rest = after;
    }
    // All at once is faster than word by word, and other characters are lower case already.
    out.make_ascii_lowercase();
    out
}

/// Two spaces in a row.
const DOUBLE: &str = "  ";

/// How many bytes of ASCII a text begins with.
fn ascii_len(text: &str) -> usize {
    // Eight at a time: one by one, this took longer than all the rest.
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let high = u64::from_le_bytes(*word) & HIGH;
        if high != 0 {
            return at * 8 + high.trailing_zeros() as usize / 8;
        }
    }
    let tail = rest.iter().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
    words.len() * 8 + tail
}

/// Appends ASCII text, white space folded; `has_doubles` if there may be two spaces in a row. A
/// text may always be cut in front of an ASCII character: it never joins what precedes.
fn push_ascii(out: &mut String, mut text: &str, has_doubles: bool) {
    // Runs between line ends and tabs are copied whole unless they hold two spaces in a row.
    while let Some(at) = memchr::memchr3(b'\r', b'\n', b'\t', text.as_bytes()) {
        push_line(out, &text[..at], has_doubles);
        push_space(out);
        text = &text[at + 1..];
    }
    push_line(out, text, has_doubles);
}

fn push_line(out: &mut String, line: &str, has_doubles: bool) {
    if line.starts_with(' ') && out.ends_with(' ') || has_doubles && line.contains(DOUBLE) {
        for (at, word) in line.split(' ').enumerate() {
            if at > 0 {
                push_space(out);
            }
            out.push_str(word);
        }
    } else {
        out.push_str(line);
    }
}

fn push_space(out: &mut String) {
    if !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Appends text that holds no ASCII.
fn push_other(out: &mut String, text: &str) {
    let start = out.len();
    for c in text.chars() {
        match simple_lowercase(c) {
            Some(lower) => out.push(lower),
            None => {
                out.truncate(start);
                return push_composed(out, text);
            }
        }
    }
}

/// The lower case of a letter of common scripts that is its own normal form and joins no other
/// letter; `None` for all other characters.
fn simple_lowercase(c: char) -> Option<char> {
    match c {
        'À'..='Þ' if c != '×' => char::from_u32(c as u32 + 0x20),
        'ß'..='ÿ' | 'а'..='џ' => Some(c),
        'А'..='Я' => char::from_u32(c as u32 + 0x20),
        'Ѐ'..='Џ' => char::from_u32(c as u32 + 0x50),
        // Kana, Chinese characters, Hangul syllables: no case. A voicing mark or a Hangul letter
        // that would join is not among them.
        'ぁ'..='ゖ' | 'ァ'..='ヺ' | '一'..='\u{9fff}' | '가'..='힣' => Some(c),
        '、'..='〇' => Some(c),
        _ => None,
    }
}

/// Appends text that may need to be composed, also with the letter before it.
fn push_composed(out: &mut String, text: &str) {
    let before = out.pop().filter(|c| {
        let joins = c.is_ascii() && *c != ' ';
        if !joins {
            out.push(*c);
        }
        joins
    });
    let chars = before.into_iter().chain(text.chars());
    let lower = chars.filter(|&c| !is_invisible(c)).flat_map(lowercase);
    if is_nfkc_quick(lower.clone()) == IsNormalized::Yes {
        lower.for_each(|c| push_char(out, c));
    } else {
        // Lower case first, because some letters compose with an accent only then (`ǰ`); again
        // after, because compatibility forms hide capitals (`ℌ`), which then may compose too.
        lower.nfkc().flat_map(lowercase).nfkc().for_each(|c| push_char(out, c));
    }
}

fn push_char(out: &mut String, c: char) {
    if is_space(c) {
        push_space(out);
    } else {
        out.push(c);
    }
}

/// White space; of ASCII's only what occurs in text, so that one scan finds it.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n') || !c.is_ascii() && c.is_whitespace()
}

/// Soft hyphen, zero-width space, word joiner, byte order mark: newsletters sprinkle words with
/// them. The zero-width (non-)joiners stay, they make a difference in Persian and Indic words.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

fn lowercase(c: char) -> impl Iterator<Item = char> + Clone {
    let c = match c {
        'İ' => 'i', // lower case would be two characters, `i` and a dot above
        'ς' => 'σ',
        other => other,
    };
    c.to_lowercase()
}

/// What is searched for.
#[derive(Clone, Debug)]
pub struct Needle {
    text: String,
    finder: memmem::Finder<'static>,
}

impl Needle {
    pub fn new(text: &str) -> Self {
        let text = normalise(text);
        let finder = memmem::Finder::new(text.as_bytes()).into_owned();
        Self { text, finder }
    }

    /// Whether `text`, as it came, contains the needle. The empty needle is in every text.
    pub fn is_in(&self, text: &str) -> bool {
        self.is_in_normalised(&normalise(text))
    }

    /// The same for a text that went through [`normalise`] already.
    pub fn is_in_normalised(&self, text: &str) -> bool {
        self.finder.find(text.as_bytes()).is_some()
    }

    /// The needle in normal form.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Longest word in bytes that is a term as it stands: links and lines of base64 still are. Of longer
/// ones (whole files in a link), and of scripts without spaces between words, every three characters
/// in a row are a term.
pub(super) const MAX_WORD: usize = 512;

/// Characters in a gram.
pub(super) const GRAM: usize = 3;

/// How the index keeps words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Whole,
    Grams,
    /// Two neighbours with a space between, see [`pair`].
    Pairs,
}

/// Of the words in a pair so many bytes are kept, next to the space between them.
const MAX_HALF: usize = 32;

/// What is kept of two neighbours: the end of the one and the beginning of the other.
pub(super) fn pair<'a>(left: &'a str, right: &'a str) -> (&'a str, &'a str) {
    let cut = left.len().saturating_sub(MAX_HALF);
    (&left[left.ceil_char_boundary(cut)..], &right[..right.floor_char_boundary(MAX_HALF)])
}

/// The form of a word that stands between two spaces of a normalised text: whole or grams.
pub(super) fn form(word: &str) -> Form {
    if word.len() <= GRAM {
        return Form::Whole;
    }
    if word.len() <= MAX_WORD && (word.is_ascii() || !word.chars().any(is_unspaced)) {
        return Form::Whole;
    }
    match word.chars().nth(GRAM) {
        Some(_) => Form::Grams,
        None => Form::Whole,
    }
}

/// Scripts that are written without spaces between words: Chinese, Japanese, Thai, Lao, Khmer,
/// Burmese, Tibetan.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// Every three characters in a row; nothing for a shorter word.
pub(super) fn grams(word: &str) -> impl Iterator<Item = &str> {
    let starts = word.char_indices().map(|(at, _)| at);
    let ends = word.char_indices().skip(GRAM - 1).map(|(at, c)| at + c.len_utf8());
    starts.zip(ends).map(|(start, end)| &word[start..end])
}

/// A stretch of a needle without spaces, and whether it must begin or end a word there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Piece<'a> {
    pub text: &'a str,
    pub begins: bool,
    pub ends: bool,
}

/// Cuts a normalised needle at its spaces. Empty pieces are left out: they ask for nothing.
pub(super) fn pieces(needle: &str) -> Vec<Piece<'_>> {
    let last = needle.matches(' ').count();
    needle
        .split(' ')
        .enumerate()
        .map(|(at, text)| Piece { text, begins: at > 0, ends: at < last })
        .filter(|piece| !piece.text.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folds_case_width_and_white_space() {
        assert_eq!(normalise("Straßen\r\n\t BAHN  Übergang"), "straßen bahn übergang");
        assert_eq!(normalise("ﬁne Ｆｕｌｌ\u{a0}ｶﾞ"), "fine full ガ");
        assert_eq!(normalise("e\u{301}É"), "éé");
        assert_eq!(normalise("ΟΔΟΣ οδός"), "οδοσ οδόσ");
        assert_eq!(normalise("İSTANBUL news\u{ad}let\u{200b}ter"), "istanbul newsletter");
        assert_eq!(normalise("J\u{30c} ǰ"), "ǰ ǰ");
        assert_eq!(normalise("ПРИВЕТ Ёж Ђ ÀÞ×÷ か\u{3099}"), "привет ёж ђ àþ×÷ が");
        assert_eq!(normalise("a \u{301}b\n\u{301}"), "a \u{301}b \u{301}");
        assert_eq!(normalise(" \r\n "), " ");
        assert_eq!(normalise(""), "");
    }

    #[test]
    fn plain_text_ends_where_the_first_other_letter_is() {
        for at in 0..40 {
            let before = "x".repeat(at);
            assert_eq!(ascii_len(&before), at);
            assert_eq!(ascii_len(&format!("{before}é and ü")), at);
            assert_eq!(normalise(&format!("{before}É  A")), format!("{before}é a"));
        }
    }

    #[test]
    fn cuts_needles_at_spaces() {
        let piece = |text, begins, ends| Piece { text, begins, ends };
        assert_eq!(pieces("ledger"), [piece("ledger", false, false)]);
        assert_eq!(
            pieces("the big house"),
            [piece("the", false, true), piece("big", true, true), piece("house", true, false)]
        );
        assert_eq!(pieces(" end"), [piece("end", true, false)]);
        assert_eq!(pieces("start "), [piece("start", false, true)]);
        assert_eq!(pieces(" "), []);
    }

    #[test]
    fn words_of_unspaced_scripts_and_long_ones_become_grams() {
        assert_eq!(form("übergang"), Form::Whole);
        assert_eq!(form("会議"), Form::Whole);
        assert_eq!(form("株式会社"), Form::Grams);
        assert_eq!(form(&"x".repeat(MAX_WORD + 1)), Form::Grams);
        assert_eq!(grams("株式会社").collect::<Vec<_>>(), ["株式会", "式会社"]);
        assert_eq!(grams("ab").count(), 0);
    }

    proptest! {
        #[test]
        fn normal_form_is_stable(text in "\\PC{0,40}") {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }

        #[test]
        fn cutting_off_ascii_changes_nothing(parts in prop::collection::vec("[a-zA-Z \r\n]{0,4}|[äÉ\u{301}\u{30c}ﬁﾞｶ\u{a0}각]{0,3}", 0..8)) {
            let text = parts.concat();
            let mut slow = String::new();
            push_composed(&mut slow, &text);
            prop_assert_eq!(normalise(&text), slow);
        }
    }
}
