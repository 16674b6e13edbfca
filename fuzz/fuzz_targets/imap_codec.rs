//! Bytes of a client, before and after log-in, cut into two reads.
#![no_main]

use kontor::imap::codec::decode::{Dialect, append_mailbox, decode};
use kontor::imap::codec::frame::{Event, Framer, Limits};
use kontor::imap::codec::pattern::Matcher;
use kontor::imap::codec::types::{Command, Reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, bool, bool, usize, &[u8])| {
    let (logged_in, utf8, refuses, cut, bytes) = input;
    let limits = if logged_in { Limits::after_login(1 << 20) } else { Limits::before_login() };
    let mut framer = Framer::new(limits);
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    for piece in [first, second] {
        framer.push(piece);
        while let Some(event) = framer.next_event() {
            match event {
                Event::Command(frame) => {
                    if let Ok(request) = decode(&frame, Dialect { utf8, ..Dialect::default() }) {
                        if let Command::List(args) = &request.command {
                            for pattern in &args.patterns {
                                Matcher::new(pattern).matches("INBOX/a");
                            }
                        }
                        let _ = format!("{request:?}");
                    }
                }
                Event::Literal(_) => {
                    let _ =
                        append_mailbox(&framer.pending(), Dialect { utf8, ..Dialect::default() });
                    if refuses {
                        framer.refuse(Reply::no("no"));
                    }
                }
                _ => {}
            }
        }
    }
});
