//! Real messages from elsewhere: delivered, appended, listed, searched, and back byte for byte.

use std::path::{Path, PathBuf};

use crate::support::sexp::Value;
use crate::support::{Server, show, to_crlf};

/// A leaf of a body structure: where it is and how large it says it is.
pub struct Part {
    pub path: String,
    pub octets: u64,
    pub encoding: String,
}

/// Checks that an ENVELOPE is what a strict client expects (RFC 9051 §7.5.2).
#[track_caller]
pub fn check_envelope(envelope: &Value, what: &str) {
    let fields = envelope.list();
    assert_eq!(fields.len(), 10, "{what}: {fields:?}");
    for at in [0, 1, 8, 9] {
        assert!(matches!(fields[at], Value::Nil | Value::Text(_)), "{what}: field {at} {fields:?}");
    }
    for (at, field) in fields.iter().enumerate().take(8).skip(2) {
        let addresses = match field {
            Value::Nil => continue,
            Value::List(list) => list,
            other => panic!("{what}: field {at} is {other:?}"),
        };
        assert!(!addresses.is_empty(), "{what}: an empty list of addresses");
        for address in addresses {
            let parts = address.list();
            assert_eq!(parts.len(), 4, "{what}: {address:?}");
            assert!(
                parts.iter().all(|p| matches!(p, Value::Nil | Value::Text(_))),
                "{what}: {address:?}"
            );
        }
    }
}

/// Checks a BODYSTRUCTURE and lists its leaves and enclosed messages.
#[track_caller]
pub fn check_structure(structure: &Value, what: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    // Not recursive: the message may be as deep as somebody made it.
    let mut open = vec![(structure.clone(), String::new(), false)];
    while let Some((body, path, in_message)) = open.pop() {
        let fields = body.list();
        assert!(!fields.is_empty(), "{what}: an empty body at {path:?}");
        if let Value::List(_) = fields[0] {
            let children = fields.iter().take_while(|f| matches!(f, Value::List(_))).count();
            assert!(
                matches!(fields.get(children), Some(Value::Text(_))),
                "{what}: a multipart without subtype at {path:?}"
            );
            for (at, child) in fields[..children].iter().enumerate() {
                open.push((child.clone(), join(&path, at + 1), false));
            }
            continue;
        }
        // A message that is not a multipart has its only part as number 1.
        let path = if path.is_empty() || in_message { join(&path, 1) } else { path };
        assert!(fields.len() >= 7, "{what}: {path}: {fields:?}");
        assert!(
            matches!(fields[0], Value::Text(_)) && matches!(fields[1], Value::Text(_)),
            "{what}"
        );
        match &fields[2] {
            Value::Nil => {}
            Value::List(list) => {
                assert!(!list.is_empty() && list.len() % 2 == 0, "{what}: {path}: {list:?}");
            }
            other => panic!("{what}: {path}: parameters {other:?}"),
        }
        let encoding = fields[5].text().to_ascii_lowercase();
        let octets = fields[6].text().parse().unwrap_or_else(|_| panic!("{what}: {fields:?}"));
        let kind = fields[0].text().to_ascii_lowercase();
        let subtype = fields[1].text().to_ascii_lowercase();
        if kind == "message" && (subtype == "rfc822" || subtype == "global") {
            assert!(fields.len() >= 10, "{what}: {path}: {fields:?}");
            check_envelope(&fields[7], what);
            open.push((fields[8].clone(), path.clone(), true));
            lines(&fields[9], what);
        } else if kind == "text" {
            assert!(fields.len() >= 8, "{what}: {path}: {fields:?}");
            lines(&fields[7], what);
        }
        parts.push(Part { path, octets, encoding });
    }
    parts.reverse();
    parts
}

#[track_caller]
fn lines(value: &Value, what: &str) {
    assert!(value.text().parse::<u64>().is_ok(), "{what}: lines {value:?}");
}

fn join(path: &str, number: usize) -> String {
    if path.is_empty() { number.to_string() } else { format!("{path}.{number}") }
}

/// The collection, if this machine has it.
fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("KONTOR_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let dir = shared.join("corpus");
    if dir.is_dir() {
        return Some(dir);
    }
    eprintln!("skipped: no collection of messages (set KONTOR_SHARED)");
    None
}

/// Name and bytes of every message; a mailbox file counts as its messages.
fn messages(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for kind in ["mime", "mbox"] {
        let Ok(entries) = std::fs::read_dir(dir.join(kind)) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let bytes = std::fs::read(entry.path()).expect("a readable file");
            if kind == "mime" {
                all.push((name, bytes));
                continue;
            }
            let starts: Vec<usize> = memchr::memmem::find_iter(&bytes, b"From ")
                .filter(|&at| at == 0 || bytes[at - 1] == b'\n')
                .collect();
            for (number, &start) in starts.iter().enumerate() {
                let end = starts.get(number + 1).copied().unwrap_or(bytes.len());
                let text = &bytes[start..end];
                let skip = memchr::memchr(b'\n', text).map_or(text.len(), |at| at + 1);
                all.push((format!("{name}#{number}"), text[skip..].to_vec()));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn every_message_comes_back_byte_for_byte() {
    let Some(dir) = corpus() else { return };
    let server = Server::shared();
    let (by_smtp, by_imap) = (server.account(), server.account());
    let all = messages(&dir);
    assert!(all.len() > 200, "only {} messages in {}", all.len(), dir.display());
    let mut smtp = server.smtp();
    let mut imap = server.imap(&by_imap);
    // SMTP carries lines that end in CRLF; IMAP may keep what it likes, so NUL apart
    // everything is appended as found.
    let mut delivered = Vec::new();
    let mut appended = Vec::new();
    for (name, bytes) in &all {
        let mut wire = to_crlf(bytes);
        if !wire.ends_with(b"\r\n") {
            wire.extend_from_slice(b"\r\n");
        }
        let reply = smtp.try_deliver("anna@elsewhere.example", &[&by_smtp.email], &wire);
        assert_eq!(reply.code, 250, "{name}: {}", reply.text);
        delivered.push((name, wire));
        if bytes.contains(&0) {
            continue;
        }
        let answer = imap.with_literal("APPEND INBOX ", bytes, "");
        assert!(answer.is_ok(), "{name}: {answer}");
        appended.push((name, bytes.clone()));
    }

    let mut imap = server.inbox(&by_smtp);
    look_at(&mut imap, &delivered, true);
    let mut imap = server.inbox(&by_imap);
    look_at(&mut imap, &appended, false);
}

/// Lists everything about the messages and compares; `traced` ones have lines put in front.
fn look_at(imap: &mut crate::support::Imap, sent: &[(&String, Vec<u8>)], traced: bool) {
    let answer = imap
        .ok("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE PREVIEW)");
    let listed = answer.fetches();
    assert_eq!(listed.len(), sent.len());
    for (item, (name, bytes)) in listed.iter().zip(sent) {
        check_envelope(item.value("ENVELOPE"), name);
        let parts = check_structure(item.value("BODYSTRUCTURE"), name);
        let uid = item.uid();
        let whole = imap.body(uid);
        let size: usize = item.value("RFC822.SIZE").text().parse().expect("a number");
        assert_eq!(whole.len(), size, "{name}: RFC822.SIZE");
        if traced {
            assert!(whole.ends_with(bytes), "{name}: not the bytes that were sent");
            let front = &whole[..whole.len() - bytes.len()];
            assert!(front.starts_with(b"Return-Path: <"), "{name}: {}", show(front));
        } else {
            assert!(whole == *bytes, "{name}: not the bytes that were appended");
        }
        let answer = imap.ok(&format!("UID FETCH {uid} (BODY.PEEK[HEADER] BODY.PEEK[TEXT])"));
        let items = answer.fetches();
        let both = [items[0].value("BODY[HEADER]").bytes(), items[0].value("BODY[TEXT]").bytes()];
        assert!(both.concat() == whole, "{name}: header and text are not the whole");
        for chunk in parts.chunks(50) {
            let wanted: Vec<_> = chunk
                .iter()
                .map(|p| format!("BODY.PEEK[{0}] BODY.PEEK[{0}.MIME]", p.path))
                .collect();
            let answer = imap.ok(&format!("UID FETCH {uid} ({})", wanted.join(" ")));
            let items = answer.fetches();
            for part in chunk {
                let body = items[0].value(&format!("BODY[{}]", part.path)).bytes();
                assert_eq!(body.len() as u64, part.octets, "{name}: part {}", part.path);
                assert!(
                    body.is_empty() || memchr::memmem::find(&whole, body).is_some(),
                    "{name}: part {} is not in the message",
                    part.path
                );
            }
        }
        for part in
            parts.iter().filter(|p| p.encoding == "base64" || p.encoding == "quoted-printable")
        {
            let answer = imap
                .cmd(&format!("UID FETCH {uid} (BINARY.SIZE[{0}] BINARY.PEEK[{0}])", part.path));
            if !answer.is_ok() {
                // Content that is not what its encoding says.
                assert!(answer.status.starts_with("NO "), "{name}: {answer}");
                continue;
            }
            let items = answer.fetches();
            let size = items[0].value(&format!("BINARY.SIZE[{}]", part.path)).text();
            let body = items[0].value(&format!("BINARY[{}]", part.path)).bytes();
            assert_eq!(body.len().to_string(), size, "{name}: part {}", part.path);
        }
        // What the header says can be found by it.
        if let Value::Text(id) = &item.value("ENVELOPE").list()[9] {
            let id = String::from_utf8_lossy(id);
            if id.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\') {
                let answer = imap.ok(&format!("UID SEARCH HEADER Message-ID \"{id}\""));
                assert!(answer.search().contains(&uid), "{name}: {answer}");
            }
        }
    }
    // Words of a plain body are found, wherever they are.
    let found = imap.ok("SEARCH TEXT the").search();
    assert!(found.len() > sent.len() / 10, "only {} hits", found.len());
    imap.ok("SORT (DATE) UTF-8 ALL");
    imap.ok("THREAD REFERENCES UTF-8 ALL");
}
