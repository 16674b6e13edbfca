//! SASL responses in any order: no panic, and nobody proves a password that is not known.
#![no_main]

use kontor::base::secret::Secret;
use kontor::format::sasl::{Exchange, Mechanism, ScramKeys, Step};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|responses: Vec<&[u8]>| {
    let key = Secret::from("key");
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256] {
        let mut exchange = Exchange::new(mechanism);
        for response in &responses {
            match exchange.respond(response) {
                Step::Keys { name } => drop(exchange.keys(ScramKeys::decoy(&key, &name))),
                Step::Proved { .. } => panic!("proved against keys that nobody has"),
                Step::Challenge(_) | Step::Password(_) | Step::Failed => {}
            }
        }
    }
});
