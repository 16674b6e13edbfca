//! IMAP's nested lists, read strictly: what a client's parser would stumble over is an error.

/// One value of a response.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Nil,
    Atom(String),
    Text(Vec<u8>),
    List(Vec<Value>),
}

impl Value {
    #[track_caller]
    pub fn text(&self) -> String {
        match self {
            Value::Atom(text) => text.clone(),
            Value::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("not a word: {other:?}"),
        }
    }

    /// The bytes of a string; NIL has none.
    #[track_caller]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Value::Text(bytes) => bytes,
            Value::Nil => &[],
            other => panic!("not a string: {other:?}"),
        }
    }

    #[track_caller]
    pub fn list(&self) -> &[Value] {
        match self {
            Value::List(list) => list,
            other => panic!("not a list: {other:?}"),
        }
    }
}

/// Parses values separated by one space each; body structures may stand side by side without.
pub fn parse(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let mut stack: Vec<Vec<Value>> = vec![Vec::new()];
    let mut at = 0;
    // A space is due after every value but the last of a list.
    let mut space_due = false;
    while at < bytes.len() {
        let depth = stack.len();
        let top = stack.last_mut().expect("the outermost list stays");
        match bytes[at] {
            b' ' => {
                if !space_due {
                    return Err(format!("a space too many at {at}"));
                }
                space_due = false;
                at += 1;
                if matches!(bytes.get(at), None | Some(b')')) {
                    return Err(format!("a space before the end at {at}"));
                }
            }
            b'(' => {
                if space_due && !matches!(top.last(), Some(Value::List(_))) {
                    return Err(format!("no space before the list at {at}"));
                }
                stack.push(Vec::new());
                space_due = false;
                at += 1;
            }
            b')' => {
                if depth == 1 {
                    return Err(format!("a closing bracket too many at {at}"));
                }
                let list = stack.pop().expect("depth is above one");
                stack.last_mut().expect("depth was above one").push(Value::List(list));
                space_due = true;
                at += 1;
            }
            _ if space_due => return Err(format!("no space between values at {at}")),
            b'"' => {
                let (text, end) = quoted(bytes, at + 1)?;
                top.push(Value::Text(text));
                space_due = true;
                at = end;
            }
            b'{' => {
                let (text, end) = literal(bytes, at + 1)?;
                top.push(Value::Text(text));
                space_due = true;
                at = end;
            }
            b'~' if bytes.get(at + 1) == Some(&b'{') => {
                let (text, end) = literal(bytes, at + 2)?;
                top.push(Value::Text(text));
                space_due = true;
                at = end;
            }
            _ => {
                let end = atom_end(bytes, at)?;
                let word = String::from_utf8_lossy(&bytes[at..end]).into_owned();
                let nil = word.eq_ignore_ascii_case("NIL");
                top.push(if nil { Value::Nil } else { Value::Atom(word) });
                space_due = true;
                at = end;
            }
        }
    }
    if stack.len() > 1 {
        return Err(format!("{} lists are not closed", stack.len() - 1));
    }
    Ok(stack.pop().expect("the outermost list stays"))
}

fn quoted(bytes: &[u8], mut at: usize) -> Result<(Vec<u8>, usize), String> {
    let mut text = Vec::new();
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok((text, at + 1)),
            Some(b'\\') => match bytes.get(at + 1) {
                Some(&c @ (b'"' | b'\\')) => {
                    text.push(c);
                    at += 2;
                }
                other => return Err(format!("an escape of {other:?} at {at}")),
            },
            Some(b'\r' | b'\n' | 0) => return Err(format!("a control in a quoted string at {at}")),
            Some(&c) => {
                text.push(c);
                at += 1;
            }
            None => return Err("a quoted string without end".to_owned()),
        }
    }
}

fn literal(bytes: &[u8], at: usize) -> Result<(Vec<u8>, usize), String> {
    let close = bytes[at..].iter().position(|&b| b == b'}').ok_or("a literal without }")? + at;
    let count: usize = std::str::from_utf8(&bytes[at..close])
        .ok()
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| format!("a literal's count at {at}"))?;
    let start = close + 3;
    if bytes.get(close + 1..start) != Some(b"\r\n") || bytes.len() < start + count {
        return Err(format!("a literal cut short at {at}"));
    }
    Ok((bytes[start..start + count].to_vec(), start + count))
}

/// An atom; `BODY[HEADER.FIELDS (A B)]<0>` is one, brackets and all.
fn atom_end(bytes: &[u8], start: usize) -> Result<usize, String> {
    let mut at = start;
    // Within `[…]`, where names of header fields may hold `[` and, in quotes, anything.
    let (mut section, mut quoted) = (false, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            0..0x20 | 0x7f.. => return Err(format!("byte {byte:#x} in an atom at {at}")),
            b'\\' if quoted => at += 1,
            b'"' if section => quoted = !quoted,
            b'[' => section = true,
            b']' if !quoted => section = false,
            b'(' | b')' | b' ' | b'"' if !section => break,
            _ => {}
        }
        at += 1;
    }
    if at == start { Err(format!("nothing at {at}")) } else { Ok(at) }
}

#[test]
fn lists_parse() {
    let parsed =
        parse(b"(UID 1 BODY[HEADER.FIELDS (A B)] {2}\r\nab FLAGS (\\Seen) X NIL)").unwrap();
    assert_eq!(parsed[0].list().len(), 8);
    assert!(parse(b"(A  B)").is_err());
    assert!(parse(b"(A B").is_err());
    assert!(parse(b"(\"a\r\nb\")").is_err());
    assert!(parse(b"((\"a\")(\"b\") \"mixed\")").is_ok());
}
