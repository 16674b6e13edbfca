//! The bytes on the socket: a line of JSON, then as many bytes as it announces.

use std::io::{self, BufRead, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Item, Reply, Request};
use crate::base::limits;

/// What one request may carry: a batch of an import, and a message that is larger than one.
const PAYLOAD: usize = 512 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    pub payload: usize,
    pub request: Request,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Item {
        #[serde(default)]
        payload: usize,
        #[serde(flatten)]
        item: Item,
    },
    Done(Reply),
    Failed(String),
}

impl Answer {
    fn payload(&self) -> usize {
        match self {
            Self::Item { payload, .. } => *payload,
            _ => 0,
        }
    }
}

pub(super) fn write(out: &mut impl Write, line: &impl Serialize, payload: &[u8]) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    out.write_all(&text)?;
    out.write_all(payload)?;
    out.flush()
}

/// Reads a request; `None` at the end.
pub(super) fn read_ask(from: &mut impl BufRead) -> io::Result<Option<(Request, Vec<u8>)>> {
    let Some(ask) = read_line::<Ask>(from)? else { return Ok(None) };
    let payload = read_payload(from, ask.payload)?;
    Ok(Some((ask.request, payload)))
}

pub(super) fn read_answer(from: &mut impl BufRead) -> io::Result<(Answer, Vec<u8>)> {
    let answer: Answer = read_line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let payload = read_payload(from, answer.payload())?;
    Ok((answer, payload))
}

fn read_line<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.take(limits::CONTROL_LINE as u64).read_until(b'\n', &mut line)?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(serde_json::from_slice(&line)?)),
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the line is cut or too long")),
    }
}

fn read_payload(from: &mut impl BufRead, size: usize) -> io::Result<Vec<u8>> {
    if size > PAYLOAD {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too much at once"));
    }
    // Grows as the bytes come: an announced size alone takes no memory.
    let mut payload = Vec::new();
    from.take(size as u64).read_to_end(&mut payload)?;
    if payload.len() == size { Ok(payload) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        let request = Request::AliasAdd { alias: "a".into(), email: "b".into() };
        write(&mut bytes, &Ask { payload: 3, request }, b"x\ny").unwrap();
        write(&mut bytes, &Ask { payload: 0, request: Request::UserList }, b"").unwrap();
        let mut from = bytes.as_slice();
        let (request, payload) = read_ask(&mut from).unwrap().unwrap();
        assert!(matches!(request, Request::AliasAdd { alias, .. } if alias == "a"));
        assert_eq!(payload, b"x\ny");
        assert!(matches!(read_ask(&mut from).unwrap(), Some((Request::UserList, _))));
        assert!(read_ask(&mut from).unwrap().is_none());

        let mut bytes = Vec::new();
        let item = Item::Message { flags: vec!["\\Seen".into()], received: 7 };
        write(&mut bytes, &Answer::Item { payload: 2, item: item.clone() }, b"ab").unwrap();
        write(&mut bytes, &Answer::Done(Reply::Done("ok".into())), b"").unwrap();
        write(&mut bytes, &Answer::Failed("no".into()), b"").unwrap();
        let mut from = bytes.as_slice();
        let (answer, payload) = read_answer(&mut from).unwrap();
        assert!(matches!(answer, Answer::Item { item: got, .. } if got == item));
        assert_eq!(payload, b"ab");
        assert!(matches!(read_answer(&mut from).unwrap().0, Answer::Done(Reply::Done(_))));
        assert!(matches!(read_answer(&mut from).unwrap().0, Answer::Failed(_)));
        assert!(read_answer(&mut from).is_err());
    }

    #[test]
    fn nonsense_is_an_error_and_takes_no_memory() {
        for bytes in [
            &b"{}\n"[..],
            b"nonsense\n",
            b"{\"request\":{\"command\":\"user-list\"}",
            b"{\"payload\":99999999999,\"request\":{\"command\":\"user-list\"}}\nx",
            b"{\"payload\":9,\"request\":{\"command\":\"user-list\"}}\nx",
            b"{\"payload\":0,\"request\":{\"command\":\"reboot\"}}\n",
        ] {
            assert!(read_ask(&mut &bytes[..]).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
