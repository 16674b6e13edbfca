//! The XML of Autodiscover requests: no panic, and nothing in it that was not in the body.
#![no_main]

use kontor::discover::request::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(request) = Request::parse(input) else { return };
    assert!(request.email.len() <= 4 * input.len() && request.schemas.len() <= 16);
});
