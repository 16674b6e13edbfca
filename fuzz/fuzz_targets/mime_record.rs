//! The cold record: any bytes make a record, any bytes may be read as one.
#![no_main]

use kontor::format::mime::{Record, RecordView};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let record = Record::build(b"Return-Path: <>\r\n", raw);
    let view = RecordView::parse(&record).expect("a record that was just built");
    assert_eq!(view.prefix(), b"Return-Path: <>\r\n");
    if let Ok(view) = RecordView::parse(raw) {
        let _ = (view.prefix(), view.message_id().map(str::len), view.references().count());
        let _ = (view.base_subject().len(), view.sent_date());
    }
});
