//! Phones over real sockets: how each model sets its account up, push, what the statuses say,
//! and what is left after a day of lost answers and crashes.

mod bounds;
mod converge;
mod corpus;
mod people;
mod push;
mod set_up;
mod status;
mod tbsync;
mod zones;

use kontor::format::wbxml::Element;
use kontor::format::wbxml::tags::{air_sync as t, contacts};

use crate::support::eas::{text, tree};

/// An Add of a contact that `id` is told by.
fn contact(client_id: &str, id: &str) -> Element {
    let data = [text(contacts::FIRST_NAME, id), text(contacts::LAST_NAME, "Example")];
    tree(t::ADD, [text(t::CLIENT_ID, client_id), tree(t::APPLICATION_DATA, data)])
}

/// A message in HTML with an attachment.
fn with_attachment() -> Vec<u8> {
    "From: Anna Example <anna@elsewhere.example>\r\n\
     To: Test Person <somebody@test.example>\r\n\
     Subject: Drawings\r\n\
     Date: Tue, 8 Feb 2022 09:00:00 +0100\r\n\
     Message-ID: <drawings@elsewhere.example>\r\n\
     MIME-Version: 1.0\r\n\
     Content-Type: multipart/mixed; boundary=x\r\n\
     \r\n\
     --x\r\n\
     Content-Type: text/html; charset=utf-8\r\n\
     \r\n\
     <html><body><p>Here are the <b>drawings</b>.</p></body></html>\r\n\
     --x\r\n\
     Content-Type: application/pdf; name=house.pdf\r\n\
     Content-Disposition: attachment; filename=house.pdf\r\n\
     Content-Transfer-Encoding: base64\r\n\
     \r\n\
     JVBERi0xLjQK\r\n\
     --x--\r\n"
        .as_bytes()
        .to_owned()
}
