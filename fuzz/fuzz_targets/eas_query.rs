//! What a phone puts into its address, plain and in base64: no panic, and names that can be kept.
#![no_main]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kontor::eas::request::Query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let plain = String::from_utf8_lossy(input);
    // As it stands, and as what the base64 form holds.
    for query in [plain.as_ref(), &BASE64_STANDARD.encode(input)] {
        if let Ok(query) = Query::parse(query) {
            assert!(query.device_id.len() <= 64 && !query.device_id.contains(char::is_control));
            assert!(query.device_type.len() <= 64);
        }
    }
});
