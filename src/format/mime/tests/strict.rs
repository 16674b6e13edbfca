//! A client that takes RFC 9051's formal syntax at its word: one octet off and it panics.

use super::Form;

struct Reader<'a> {
    rest: &'a [u8],
    parts: Vec<(Vec<u32>, usize)>,
}

/// Reads a BODY or BODYSTRUCTURE; returns the section number and size of every single part.
pub fn body(text: &[u8], form: Form) -> Vec<(Vec<u32>, usize)> {
    let mut reader = Reader { rest: text, parts: Vec::new() };
    reader.body(form, &[], true);
    assert_eq!(reader.rest, b"");
    reader.parts
}

/// Reads an ENVELOPE.
pub fn envelope(text: &[u8]) {
    let mut reader = Reader { rest: text, parts: Vec::new() };
    reader.envelope();
    assert_eq!(reader.rest, b"");
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        self.rest[0]
    }

    fn expect(&mut self, text: &str) {
        assert!(
            self.rest.starts_with(text.as_bytes()),
            "{text:?} expected before {:?}",
            self.around()
        );
        self.rest = &self.rest[text.len()..];
    }

    fn around(&self) -> String {
        String::from_utf8_lossy(&self.rest[..self.rest.len().min(60)]).into_owned()
    }

    fn number(&mut self) -> usize {
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        std::str::from_utf8(number).unwrap().parse().unwrap()
    }

    fn string(&mut self) -> Vec<u8> {
        if self.peek() == b'{' {
            self.expect("{");
            let length = self.number();
            self.expect("}\r\n");
            let (text, rest) = self.rest.split_at(length);
            self.rest = rest;
            assert!(!text.contains(&0));
            return text.to_vec();
        }
        self.expect("\"");
        let mut out = Vec::new();
        loop {
            let byte = self.peek();
            self.rest = &self.rest[1..];
            match byte {
                b'"' => return out,
                b'\\' => {
                    assert!(matches!(self.peek(), b'"' | b'\\'));
                    out.push(self.peek());
                    self.rest = &self.rest[1..];
                }
                _ => {
                    assert!(byte.is_ascii() && !matches!(byte, 0 | b'\r' | b'\n'));
                    out.push(byte);
                }
            }
        }
    }

    fn nstring(&mut self) -> Option<Vec<u8>> {
        if self.rest.starts_with(b"NIL") {
            self.expect("NIL");
            return None;
        }
        Some(self.string())
    }

    /// `body`: at `path`; `message` if it is the body of a message rather than a part of one.
    fn body(&mut self, form: Form, path: &[u32], message: bool) {
        self.expect("(");
        if self.peek() == b'(' {
            let mut number = 0;
            while self.peek() == b'(' {
                number += 1;
                let path: Vec<u32> = path.iter().copied().chain([number]).collect();
                self.body(form, &path, false);
            }
            self.expect(" ");
            assert!(!self.string().is_empty());
            if form == Form::Extended {
                self.expect(" ");
                self.params();
                self.extension();
            }
        } else {
            let path: Vec<u32> = path.iter().copied().chain(message.then_some(1)).collect();
            self.single(form, &path);
        }
        self.expect(")");
    }

    fn single(&mut self, form: Form, path: &[u32]) {
        let main = self.string().to_ascii_lowercase();
        self.expect(" ");
        let sub = self.string().to_ascii_lowercase();
        assert!(!main.is_empty() && !sub.is_empty() && main != b"multipart");
        self.expect(" ");
        self.params();
        self.expect(" ");
        self.nstring();
        self.expect(" ");
        self.nstring();
        self.expect(" ");
        assert!(!self.string().is_empty());
        self.expect(" ");
        let size = self.number();
        self.parts.push((path.to_vec(), size));
        if main == b"text" {
            self.expect(" ");
            self.number();
        } else if main == b"message" && (sub == b"rfc822" || sub == b"global") {
            self.expect(" ");
            self.envelope();
            self.expect(" ");
            self.body(form, path, true);
            self.expect(" ");
            self.number();
        }
        if form == Form::Extended {
            self.expect(" ");
            self.nstring();
            self.extension();
        }
    }

    fn params(&mut self) {
        if self.peek() == b'N' {
            return self.expect("NIL");
        }
        self.expect("(");
        loop {
            assert!(!self.string().is_empty());
            self.expect(" ");
            self.string();
            if self.peek() == b')' {
                return self.expect(")");
            }
            self.expect(" ");
        }
    }

    /// Disposition, language, location.
    fn extension(&mut self) {
        self.expect(" ");
        if self.peek() == b'(' {
            self.expect("(");
            assert!(!self.string().is_empty());
            self.expect(" ");
            self.params();
            self.expect(")");
        } else {
            self.expect("NIL");
        }
        self.expect(" ");
        if self.peek() == b'(' {
            self.expect("(");
            self.string();
            while self.peek() == b' ' {
                self.expect(" ");
                self.string();
            }
            self.expect(")");
        } else {
            self.nstring();
        }
        self.expect(" ");
        self.nstring();
    }

    fn envelope(&mut self) {
        self.expect("(");
        self.nstring();
        self.expect(" ");
        self.nstring();
        for _ in 0..6 {
            self.expect(" ");
            self.addresses();
        }
        self.expect(" ");
        self.nstring();
        self.expect(" ");
        self.nstring();
        self.expect(")");
    }

    /// An address list, whose groups are opened and closed in turn.
    fn addresses(&mut self) {
        if self.peek() == b'N' {
            return self.expect("NIL");
        }
        self.expect("(");
        let mut in_group = false;
        let mut count = 0;
        while self.peek() == b'(' {
            self.expect("(");
            let name = self.nstring();
            self.expect(" ");
            assert_eq!(self.nstring(), None);
            self.expect(" ");
            let mailbox = self.nstring();
            self.expect(" ");
            let host = self.nstring();
            self.expect(")");
            count += 1;
            match (&mailbox, &host) {
                (None, None) => {
                    assert!(in_group && name.is_none());
                    in_group = false;
                }
                (Some(_), None) => {
                    assert!(!in_group && name.is_none());
                    in_group = true;
                }
                (mailbox, _) => assert!(mailbox.is_some()),
            }
        }
        assert!(!in_group && count > 0);
        self.expect(")");
    }
}
