//! TEXT values: escaping and lists. RFC 5545 §3.3.11.

/// Makes a TEXT value: backslash, comma, semicolon and line ends are escaped. Control
/// characters other than the tab are left out, because no reader takes them.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' | ',' | ';' => out.extend(['\\', c]),
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push_str("\\n");
            }
            '\n' => out.push_str("\\n"),
            c if c.is_control() && c != '\t' => {}
            c => out.push(c),
        }
    }
    out
}

/// The text that a TEXT value stands for. A backslash before any other character is dropped,
/// as Outlook's and Google's escaped colons and quotes want it.
pub fn unescape(value: &str) -> String {
    if !value.contains('\\') {
        return value.to_owned();
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => out.push('\n'),
                Some(c) => out.push(c),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}

/// The parts of a list value such as CATEGORIES, each still escaped.
pub fn split_list(value: &str) -> Vec<&str> {
    split(value, b',')
}

/// Splits at a separator that no backslash stands before.
pub fn split(value: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut from, mut escaped) = (Vec::new(), 0, false);
    for (at, byte) in value.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if byte == b'\\' {
            escaped = true;
        } else if byte == separator {
            parts.push(value.get(from..at).unwrap_or_default());
            from = at + 1;
        }
    }
    parts.push(value.get(from..).unwrap_or_default());
    parts
}
