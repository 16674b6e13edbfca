//! Commands that are almost right: each is answered, in whole lines, and nobody falls over.
//!
//! The lines of the transcripts, with words lost, doubled, swapped and spoilt. `KONTOR_SEED`
//! and `KONTOR_ROUNDS` play more of them.

use std::path::Path;

use crate::support::imap::Fetched;
use crate::support::net::Conn;
use crate::support::{Account, Dice, Imap, PATIENCE, Server, Smtp, crlf_data, show};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(otherwise)
}

/// What clients say in the transcripts, as far as it is one line without a literal.
fn spoken() -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/imap");
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the transcripts").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("a transcript");
        for line in text.lines().filter(|l| l.starts_with('C')) {
            let Some((_, said)) = line.split_once(": ") else { continue };
            let Some((_, command)) = said.split_once(' ') else { continue };
            let ends = ["LOGOUT", "STARTTLS", "COMPRESS", "AUTHENTICATE", "LOGIN"];
            if !command.contains(['<', '{']) && !ends.iter().any(|e| command.starts_with(e)) {
                lines.push(command.replace("$$", "$"));
            }
        }
    }
    lines.sort();
    lines.dedup();
    lines
}

fn spoil(line: &str, other: &str, dice: &mut Dice) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    let at = dice.roll(words.len());
    let odd = [
        "(",
        ")",
        "\"",
        "*",
        "%",
        "\\",
        "NIL",
        "0",
        "4294967296",
        "18446744073709551616",
        "1:*",
        "*:1",
        "$",
        "[",
        "]",
        "<0.1>",
        "()",
        "(())",
        "\"\"",
        "BODY[",
        "BODY[]<",
        "RETURN",
        "NOT",
        "OR",
        "ALL",
        "\u{e4}",
        "&",
        "&-",
        "~",
        "+",
        "-",
        "31-Feb-2022",
        "CHARSET",
        "UTF8",
        "INBOX",
        "1,,2",
        "1:2:3",
        "HEADER",
        "((((((((((",
        "MODSEQ",
        "PARTIAL 0:0",
        "-1:-1",
        "\t",
        "\u{7f}",
    ];
    match dice.roll(8) {
        0 => drop(words.remove(at)),
        1 => words.insert(at, words[at]),
        2 => words.swap(at, 0),
        3 => words[at] = odd[dice.roll(odd.len())],
        4 => words.insert(at, odd[dice.roll(odd.len())]),
        5 => {
            let others: Vec<&str> = other.split(' ').collect();
            words[at] = others[dice.roll(others.len())];
        }
        6 => words.truncate(at + 1),
        _ => {
            let mut text = line.to_owned().into_bytes();
            let place = dice.roll(text.len().max(1)).min(text.len().saturating_sub(1));
            if let Some(byte) = text.get_mut(place) {
                *byte = b" ()\"\\*%{}[]<>$&~0aZ"[dice.roll(19)];
            }
            return String::from_utf8_lossy(&text).replace('{', "[");
        }
    }
    words.join(" ").replace('{', "[")
}

fn session(server: &Server, account: &Account) -> Imap {
    let mut imap = server.inbox(account);
    imap.ok("ENABLE CONDSTORE");
    imap
}

#[test]
fn commands_that_are_almost_right_are_answered() {
    let server = Server::shared();
    let account = server.account();
    let lines = spoken();
    assert!(lines.len() > 200, "only {} lines", lines.len());
    let mut imap = session(server, &account);
    for file in ["plain.eml", "mixed.eml", "forward.eml", "reply.eml"] {
        imap.append("INBOX", "", &crlf_data(file));
        imap.append("Archive", "", &crlf_data(file));
    }
    let mut dice = Dice::new(number("KONTOR_SEED", 1));
    for round in 0..number("KONTOR_ROUNDS", 3000) {
        let line = &lines[dice.roll(lines.len())];
        let mut spoilt = spoil(line, &lines[dice.roll(lines.len())], &mut dice);
        if dice.roll(3) == 0 {
            spoilt = spoil(&spoilt, line, &mut dice);
        }
        let word = spoilt.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        if ["LOGOUT", "STARTTLS", "COMPRESS"].contains(&word.as_str()) {
            continue;
        }
        let tag = format!("n{round}");
        imap.send(format!("{tag} {spoilt}\r\n").as_bytes());
        loop {
            let response = match imap.try_response(PATIENCE) {
                Ok(Some(response)) => response,
                Ok(None) => panic!("closed without a word after {spoilt:?}"),
                Err(e) => panic!("no answer to {spoilt:?}: {e}"),
            };
            if response.starts_with(format!("{tag} ").as_bytes()) {
                let status = &response[tag.len() + 1..];
                let known = [&b"OK "[..], b"NO ", b"BAD "].iter().any(|s| status.starts_with(s));
                assert!(known, "{spoilt:?}: {}", show(&response));
                break;
            }
            if response.starts_with(b"+") {
                imap.send(b"DONE\r\n");
            } else if response.starts_with(b"* BYE") {
                // Too many mistakes in one session.
                imap = session(server, &account);
                break;
            } else {
                assert!(response.starts_with(b"* "), "{spoilt:?}: {}", show(&response));
                Fetched::parse(&response);
            }
        }
    }
    session(server, &account).ok("NOOP");
    nobody_fell_over(server);
}

#[test]
fn smtp_lines_that_are_almost_right_are_answered() {
    let server = Server::shared();
    let account = server.account();
    let lines = [
        "EHLO client.elsewhere.example".to_owned(),
        "HELO client".to_owned(),
        "MAIL FROM:<anna@elsewhere.example> SIZE=1000 BODY=8BITMIME SMTPUTF8".to_owned(),
        "MAIL FROM:<> RET=HDRS ENVID=abc".to_owned(),
        format!("RCPT TO:<{}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y.example", account.email),
        format!("RCPT TO:<{}>", account.email),
        "RSET".to_owned(),
        "NOOP anything".to_owned(),
        "VRFY <somebody@test.example>".to_owned(),
        "HELP MAIL".to_owned(),
        "AUTH PLAIN AGEAYg==".to_owned(),
        "BDAT 0".to_owned(),
        "EXPN list".to_owned(),
    ];
    let mut dice = Dice::new(number("KONTOR_SEED", 1));
    for port in [server.ports.smtp, server.ports.submission] {
        let mut smtp = Smtp::connect(port);
        for _ in 0..number("KONTOR_ROUNDS", 1500) {
            let line = &lines[dice.roll(lines.len())];
            let spoilt = spoil(line, &lines[dice.roll(lines.len())], &mut dice);
            let word = spoilt.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            if ["DATA", "QUIT", "BDAT", "STARTTLS"].contains(&word.as_str()) {
                continue;
            }
            smtp.send(format!("{spoilt}\r\n").as_bytes());
            let mut reply = smtp.try_reply(PATIENCE);
            if reply.as_ref().is_some_and(|r| r.code == 334) {
                smtp.send(b"*\r\n");
                reply = smtp.try_reply(PATIENCE);
            }
            match reply {
                Some(reply) if reply.code == 421 => smtp = Smtp::connect(port),
                Some(reply) => {
                    assert!((200..600).contains(&reply.code), "{spoilt:?}: {}", reply.text)
                }
                None => smtp = Smtp::connect(port),
            }
        }
    }
    nobody_fell_over(server);
}

/// The server counts what it caught; a connection that fell over would be among it.
fn nobody_fell_over(server: &Server) {
    let metrics = server.http_get("/metrics");
    for line in metrics.lines().filter(|l| l.contains("panic") && !l.starts_with('#')) {
        assert!(line.ends_with(" 0"), "{line}\n{}", server.log_tail());
    }
    drop(Conn::plain(server.ports.imap).expect("still there"));
}
