//! Message data, cut anywhere: the end is the first CR LF . CR LF and nothing else, nothing
//! that is taken holds a bare CR or LF, and BDAT refuses the same messages.
#![no_main]

use kontor::format::smtp::{BdatChecker, DataDecoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, wire) = input;
    let (mut decoder, mut message, mut used, mut ended) =
        (DataDecoder::new(), Vec::new(), 0, false);
    for piece in wire.chunks(usize::from(cut).max(1)) {
        let fed = decoder.feed(piece, |run| message.extend_from_slice(run));
        used += fed.used;
        ended = fed.ended;
        if ended {
            break;
        }
        assert_eq!(fed.used, piece.len());
    }
    let end = match wire.starts_with(b".\r\n") {
        true => Some(3),
        false => memchr::memmem::find(wire, b"\r\n.\r\n").map(|at| at + 5),
    };
    assert_eq!(ended.then_some(used), end);
    if ended && decoder.flaw().is_none() {
        let mut checker = BdatChecker::new();
        message.chunks(7).for_each(|piece| checker.feed(piece));
        checker.finish();
        assert_eq!(checker.flaw(), None);
        assert!(message.is_empty() || message.ends_with(b"\r\n"));
    }
});
