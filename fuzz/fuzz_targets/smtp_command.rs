//! SMTP command lines: no panic, and what an address is written as reads as the same address.
#![no_main]

use kontor::base::address::EmailAddress;
use kontor::format::smtp::command::{Command, RcptPath, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    match parse(line) {
        Ok(Command::Mail(mail)) => mail.sender.iter().for_each(reads_as_itself),
        Ok(Command::Rcpt(rcpt)) => {
            if let RcptPath::Mailbox(address) = &rcpt.path {
                reads_as_itself(address);
            }
        }
        Ok(_) => {}
        Err(error) => assert!(error.reply().is_error()),
    }
});

fn reads_as_itself(address: &EmailAddress) {
    let wire = address.to_string();
    assert!(!wire.contains(['\r', '\n', '\0']));
    assert_eq!(EmailAddress::parse_mailbox(&wire).as_ref(), Ok(address));
}
