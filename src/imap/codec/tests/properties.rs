//! What holds for any input: nothing panics, and what is written is read again.

use proptest::prelude::*;

use super::*;
use crate::imap::codec::encode;

/// Commands put together from the words of the grammar, mostly wrongly.
fn nonsense() -> impl Strategy<Value = String> {
    let words = [
        "UID",
        "FETCH",
        "STORE",
        "SEARCH",
        "SORT",
        "THREAD",
        "APPEND",
        "REPLACE",
        "LIST",
        "NOTIFY",
        "ESEARCH",
        "SELECT",
        "STATUS",
        "GETMETADATA",
        "SETMETADATA",
        "CREATE",
        "1:*",
        "$",
        "*",
        "7",
        "0",
        "(",
        ")",
        "()",
        "\"",
        "\"a b\"",
        "{2+}\r\nab",
        "~{3+}\r\n\0\0\0",
        "BODY[",
        "BODY.PEEK[",
        "]",
        "<0.1>",
        "HEADER.FIELDS",
        "1.2.MIME",
        "BINARY[",
        "PREVIEW",
        "(LAZY)",
        "FLAGS",
        "+FLAGS",
        "\\Seen",
        "\\",
        "OR",
        "NOT",
        "SUBJECT",
        "HEADER",
        "CHARSET",
        "UTF-8",
        "RETURN",
        "PARTIAL",
        "-1:-5",
        "SAVE",
        "(CHANGEDSINCE 5)",
        "(QRESYNC (1 2",
        "CATENATE",
        "TEXT",
        "URL",
        "UTF8",
        "&ZeVnLIqe-",
        "&",
        "%",
        "INBOX",
        "SET",
        "selected",
        "MessageNew",
        "MODSEQ",
        "1-Feb-1994",
        "NIL",
        "/private/x",
        "REFERENCES",
        "IN",
        "mailboxes",
    ];
    let word = prop::sample::select(words.to_vec()).prop_map(str::to_owned);
    let space = prop_oneof![4 => Just(" "), 1 => Just("")];
    prop::collection::vec((word, space), 0..20).prop_map(|words| {
        words.into_iter().flat_map(|(word, space)| [word, space.to_owned()]).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nonsense_is_refused(line in nonsense(), utf8: bool) {
        let mut framer = Framer::new(Limits::after_login(1 << 20));
        framer.push(format!("A1 {line}\r\nB NOOP\r\n").as_bytes());
        let mut last = None;
        while let Some(event) = framer.next_event() {
            if let Event::Command(frame) = event {
                last = decode(&frame, Dialect { utf8, ..Dialect::default() }).ok();
            }
        }
        prop_assert_eq!(last.map(|request| request.command), Some(Command::Noop));
    }
}

proptest! {
    #[test]
    fn names_written_are_read(text in any::<String>(), utf8: bool) {
        if let Some(name) = MailboxName::new(&text) {
            let mut line = b"A DELETE ".to_vec();
            encode::mailbox(&mut line, name.as_str(), utf8);
            line.extend_from_slice(b"\r\n");
            let request = decode(&frame(&line), Dialect { utf8, ..Dialect::default() });
            prop_assert_eq!(request.unwrap().command, Command::Delete(name));
        }
    }

    #[test]
    fn strings_written_are_read(text in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut line = b"A LOGIN x ".to_vec();
        encode::astring(&mut line, &text);
        line.extend_from_slice(b"\r\n");
        let request = decode(&frame(&line), Dialect::default());
        let Command::Login(args) = request.unwrap().command else { unreachable!() };
        prop_assert_eq!(args.password.expose(), &text[..]);
    }

    #[test]
    fn sets_written_are_read(numbers in prop::collection::btree_set(1u32..200, 1..40)) {
        let set: crate::base::uidset::UidSet = numbers.into_iter().collect();
        let mut line = b"A UID EXPUNGE ".to_vec();
        encode::sequence_set(&mut line, &set);
        line.extend_from_slice(b"\r\n");
        let request = decode(&frame(&line), Dialect::default());
        prop_assert_eq!(request.unwrap().command, Command::UidExpunge(SequenceSet::of(set)));
    }

    #[test]
    fn urls_never_panic(text in "[/;A-Za-z=%0-9.:]{0,40}|/[a-z%]{0,5};uid(validity)?=[0-9]{0,3}/;UID=[0-9]{0,3}/?(;section=[A-Z0-9.]{0,8})?") {
        let line = format!("APPEND x CATENATE (URL \"{text}\")");
        let _ = decoded(&line, false);
    }
}
