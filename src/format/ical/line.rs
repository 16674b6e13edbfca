//! Content lines: name, parameters, value. RFC 5545 §3.1 and §3.2, RFC 6868.

use super::text;

/// One property as it stood in the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Property {
    /// As it was written; compared without regard to case.
    pub name: String,
    pub params: Vec<Param>,
    /// The raw value: unfolded, still escaped.
    pub value: String,
}

/// A parameter with its values, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Param {
    pub name: String,
    pub values: Vec<String>,
}

impl Property {
    /// A property whose value is already in its wire form.
    pub fn new(name: &str, value: impl Into<String>) -> Property {
        Property { name: name.to_owned(), params: Vec::new(), value: clean(value.into()) }
    }

    /// A property with a TEXT value.
    pub fn text(name: &str, value: &str) -> Property {
        Property::new(name, text::escape(value))
    }

    /// The same with one parameter more.
    pub fn with(mut self, param: &str, value: &str) -> Property {
        self.set_param(param, Some(value));
        self
    }

    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value as TEXT.
    pub fn to_text(&self) -> String {
        text::unescape(&self.value)
    }

    /// The values of a TEXT list, unescaped, without empty ones.
    pub fn to_list(&self) -> Vec<String> {
        let parts = text::split_list(&self.value).into_iter();
        parts.map(|part| text::unescape(part.trim())).filter(|part| !part.is_empty()).collect()
    }

    /// The first value of a parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.param_values(name).next()
    }

    pub fn param_values(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.params.iter().find(|param| param.name.eq_ignore_ascii_case(name));
        found.into_iter().flat_map(|param| param.values.iter().map(String::as_str))
    }

    /// Sets a parameter to one value, or removes it.
    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        let at = self.params.iter().position(|param| param.name.eq_ignore_ascii_case(name));
        match (at, value) {
            (Some(at), Some(value)) => self.params[at].values = vec![value.to_owned()],
            (None, Some(value)) => {
                self.params.push(Param { name: name.to_owned(), values: vec![value.to_owned()] });
            }
            (Some(at), None) => drop(self.params.remove(at)),
            (None, None) => {}
        }
    }

    /// Reads an unfolded line; `None` if it is none (no colon, or a name that cannot be one).
    pub(super) fn parse(line: &str) -> Option<Property> {
        let end = line.find([';', ':'])?;
        let name = line[..end].trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            return None;
        }
        let (params, value) = params(&line[end..])?;
        let value = value.strip_prefix(':')?;
        Some(Property { name: name.to_owned(), params, value: clean(value.to_owned()) })
    }

    /// Appends the line, folded at 75 octets between characters.
    pub(super) fn write(&self, out: &mut String) {
        let from = out.len();
        out.push_str(&self.name);
        for param in &self.params {
            out.push(';');
            out.push_str(&param.name);
            for (n, value) in param.values.iter().enumerate() {
                out.push(if n == 0 { '=' } else { ',' });
                write_param_value(out, value);
            }
        }
        out.push(':');
        out.push_str(&self.value);
        fold(out, from);
    }
}

/// A raw value cannot hold line ends: they would begin another property.
fn clean(mut value: String) -> String {
    if value.contains(['\r', '\n', '\0']) {
        value.retain(|c| !matches!(c, '\r' | '\n' | '\0'));
    }
    value
}

/// `;NAME=value,"value";NAME=…` up to the colon; the rest is returned.
fn params(mut rest: &str) -> Option<(Vec<Param>, &str)> {
    let mut params = Vec::new();
    while let Some(after) = rest.strip_prefix(';') {
        let end = after.find(['=', ';', ':'])?;
        let mut param = Param { name: after[..end].trim().to_owned(), values: Vec::new() };
        rest = &after[end..];
        let mut mark = '=';
        while let Some(after) = rest.strip_prefix(mark) {
            let (value, left) = param_value(after)?;
            param.values.push(value);
            (rest, mark) = (left, ',');
        }
        if !param.name.is_empty() {
            params.push(param);
        }
    }
    Some((params, rest))
}

/// One parameter value and what follows it. A quote that is never closed is taken for a
/// character, as Outlook writes names with a single one.
fn param_value(from: &str) -> Option<(String, &str)> {
    if let Some(quoted) = from.strip_prefix('"')
        && let Some(end) = quoted.find('"')
    {
        let rest = &quoted[end + 1..];
        // Whatever stands between the quote and the next mark belongs to no grammar.
        let mark = rest.find([',', ';', ':'])?;
        return Some((decode_param(&quoted[..end]), &rest[mark..]));
    }
    let end = from.find([',', ';', ':'])?;
    Some((decode_param(&from[..end]), &from[end..]))
}

/// RFC 6868 §3: `^n`, `^'` and `^^`. Control characters, which no grammar allows, are left out.
fn decode_param(value: &str) -> String {
    if !value.contains(|c: char| c == '^' || control(c)) {
        return value.to_owned();
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        let meant = match (c, chars.peek()) {
            ('^', Some('n')) => '\n',
            ('^', Some('\'')) => '"',
            ('^', Some('^')) => '^',
            _ => {
                out.extend(Some(c).filter(|c| !control(*c)));
                continue;
            }
        };
        chars.next();
        out.push(meant);
    }
    out
}

fn control(c: char) -> bool {
    c.is_control() && c != '\t'
}

fn write_param_value(out: &mut String, value: &str) {
    // What is left out counts as nothing: `TYPE=` alone would be read and written differently.
    let quote = value.contains([',', ';', ':']) || value.chars().all(control);
    if quote {
        out.push('"');
    }
    for c in value.chars() {
        match c {
            '\n' => out.push_str("^n"),
            '"' => out.push_str("^'"),
            '^' => out.push_str("^^"),
            c if control(c) => {}
            c => out.push(c),
        }
    }
    if quote {
        out.push('"');
    }
}

/// Folds what `out` holds from `from` on, and ends the line.
fn fold(out: &mut String, from: usize) {
    const WIDTH: usize = 75;
    if out.len() - from > WIDTH {
        let line = out.split_off(from);
        let (mut rest, mut room) = (line.as_str(), WIDTH);
        while rest.len() > room {
            let cut = rest.floor_char_boundary(room);
            out.push_str(&rest[..cut]);
            out.push_str("\r\n ");
            (rest, room) = (&rest[cut..], WIDTH - 1);
        }
        out.push_str(rest);
    }
    out.push_str("\r\n");
}
