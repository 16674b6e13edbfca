//! Replies: a code, an enhanced code, one or more lines of text. RFC 5321 §4.2, RFC 2034.

use std::borrow::Cow;
use std::fmt;

/// An enhanced status code without its class, which the reply code gives (RFC 3463 §2).
pub type Enhanced = (u16, u16);

/// One reply. The text is ours alone; nothing a peer sent is put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// `None` where RFC 2034 §4 leaves it out: greeting, EHLO's answer, 3xx.
    pub enhanced: Option<Enhanced>,
    /// At least one line.
    pub lines: Cow<'static, [Cow<'static, str>]>,
}

impl Reply {
    /// A reply with an enhanced code.
    pub fn new(code: u16, enhanced: Enhanced, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: Some(enhanced), lines: vec![text.into()].into() }
    }

    /// A reply without an enhanced code.
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: None, lines: vec![text.into()].into() }
    }

    /// A reply of several lines without an enhanced code.
    pub fn multi(code: u16, lines: Vec<Cow<'static, str>>) -> Self {
        Self { code, enhanced: None, lines: lines.into() }
    }

    /// Whether it refuses (4xx or 5xx).
    pub fn is_error(&self) -> bool {
        self.code >= 400
    }

    /// Appends the wire form. Control characters in a text become spaces, so that no text
    /// can begin another reply.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_string().as_bytes());
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.lines.len().saturating_sub(1);
        for (number, line) in self.lines.iter().enumerate() {
            let separator = if number == last { ' ' } else { '-' };
            write!(f, "{}{separator}", self.code)?;
            if let Some((subject, detail)) = self.enhanced {
                write!(f, "{}.{subject}.{detail} ", self.code / 100)?;
            }
            if line.chars().any(char::is_control) {
                f.write_str(&line.replace(char::is_control, " "))?;
            } else {
                f.write_str(line)?;
            }
            f.write_str("\r\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_forms() {
        assert_eq!(Reply::new(250, (1, 0), "Sender ok").to_string(), "250 2.1.0 Sender ok\r\n");
        assert_eq!(Reply::plain(354, "Go on").to_string(), "354 Go on\r\n");
        let ehlo = Reply::multi(250, vec!["mx.example".into(), "SIZE 1".into()]);
        assert_eq!(ehlo.to_string(), "250-mx.example\r\n250 SIZE 1\r\n");
    }

    #[test]
    fn a_text_cannot_begin_another_reply() {
        let reply = Reply::new(550, (1, 1), "a\r\n250 b");
        assert_eq!(reply.to_string(), "550 5.1.1 a  250 b\r\n");
    }
}
