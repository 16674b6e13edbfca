//! Reads the XML of an Autodiscover request.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use crate::base::limits::XML_DEPTH;

/// Schemas that one request may ask for; real ones name one or two.
const SCHEMAS_MAX: usize = 16;

/// What is asked (MS-OXDSCLI 2.2.3.1).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub email: String,
    /// The client takes answers of any of these.
    pub schemas: Vec<String>,
}

/// Why a body is no request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// What no client sends: a document type, entities of its own, excessive depth. 400.
    Hostile(&'static str),
    /// Not XML. The answer is an Autodiscover error.
    Malformed,
}

impl Request {
    /// Reads a body. Names are compared without namespaces: clients have sent wrong ones.
    pub fn parse(body: &[u8]) -> Result<Self, Refused> {
        let (encoding, _) = Encoding::for_bom(body).unwrap_or((UTF_8, 0));
        let (text, _, _) = encoding.decode(body);
        let mut reader = Reader::from_str(&text);
        let mut found = Self::default();
        let mut path: Vec<String> = Vec::new();
        let mut content = String::new();
        loop {
            match reader.read_event().map_err(|_| Refused::Malformed)? {
                Event::Start(start) => {
                    if path.len() >= XML_DEPTH {
                        return Err(Refused::Hostile("elements too deep within each other"));
                    }
                    path.push(start.local_name().as_ref().to_owned());
                    content.clear();
                }
                Event::End(_) => {
                    found.take(&path, content.trim());
                    path.pop();
                    content.clear();
                }
                Event::Text(text) => content.push_str(&text),
                Event::CData(text) => content.push_str(&text),
                Event::GeneralRef(entity) => content.push_str(&resolve(&entity)?),
                Event::DocType(_) => return Err(Refused::Hostile("a document type")),
                Event::Eof if path.is_empty() => return Ok(found),
                Event::Eof => return Err(Refused::Malformed),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    fn take(&mut self, path: &[String], text: &str) {
        // Deeper ones are of no interest.
        let names: Vec<&str> = path.iter().take(4).map(String::as_str).collect();
        match names.as_slice() {
            ["Autodiscover", "Request", "EMailAddress"] => text.clone_into(&mut self.email),
            ["Autodiscover", "Request", "AcceptableResponseSchema"]
                if self.schemas.len() < SCHEMAS_MAX =>
            {
                self.schemas.push(text.to_owned());
            }
            _ => {}
        }
    }
}

/// The five entities that XML itself has, and characters by number. Others could only come from
/// a document type.
fn resolve(entity: &BytesRef<'_>) -> Result<Cow<'static, str>, Refused> {
    match entity.resolve_char_ref() {
        Ok(Some(c)) => return Ok(Cow::Owned(c.to_string())),
        Ok(None) => {}
        Err(_) => return Err(Refused::Malformed),
    }
    resolve_xml_entity(entity).map(Cow::Borrowed).ok_or(Refused::Hostile("an unknown entity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: &str = r#"<?xml version="1.0" encoding="utf-8"?>
        <Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006">
          <Request>
            <EMailAddress> anna&amp;co@office.example </EMailAddress>
            <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006</AcceptableResponseSchema>
          </Request>
        </Autodiscover>"#;

    #[test]
    fn what_phones_send_is_read() {
        let wanted = Request {
            email: "anna&co@office.example".into(),
            schemas: vec![super::super::pox::MOBILE_SYNC.into()],
        };
        assert_eq!(Request::parse(PHONE.as_bytes()).as_ref(), Ok(&wanted));
        let utf16: Vec<u8> =
            format!("\u{feff}{PHONE}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(Request::parse(&utf16).as_ref(), Ok(&wanted));
        let marked = format!("\u{feff}{PHONE}");
        assert_eq!(Request::parse(marked.as_bytes()), Ok(wanted));
        let prefixed = "<a:Autodiscover xmlns:a='x'><a:Request><a:EMailAddress><![CDATA[b]]>&#x40;c\
                        </a:EMailAddress><a:AcceptableResponseSchema/></a:Request></a:Autodiscover>";
        assert_eq!(Request::parse(prefixed.as_bytes()).unwrap().email, "b@c");
        assert_eq!(Request::parse(b""), Ok(Request::default()));
    }

    #[test]
    fn hostile_documents_are_refused() {
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><x>&b;</x>";
        assert!(matches!(Request::parse(bomb.as_bytes()), Err(Refused::Hostile(_))));
        assert!(matches!(Request::parse(b"<x>&file;</x>"), Err(Refused::Hostile(_))));
        let deep = "<x>".repeat(XML_DEPTH + 1);
        assert!(matches!(Request::parse(deep.as_bytes()), Err(Refused::Hostile(_))));
        for text in ["<x", "<x></y>", "<x>", "</x>", "<x>&#xD800;</x>", "<x>&amp</x>"] {
            assert_eq!(Request::parse(text.as_bytes()), Err(Refused::Malformed), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_cause_a_panic(bytes: Vec<u8>, cut in 0..PHONE.len(), byte: u8) {
            let _ = Request::parse(&bytes);
            let mut changed = PHONE.as_bytes().to_vec();
            changed[cut] = byte;
            let _ = Request::parse(&changed);
            let _ = Request::parse(&PHONE.as_bytes()[..cut]);
        }
    }
}
