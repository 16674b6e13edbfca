//! Reads the XML of an Autodiscover request.

use super::xml::{self, Refused};

/// Schemas that one request may ask for; real ones name one or two.
const SCHEMAS_MAX: usize = 16;

/// What is asked (MS-OXDSCLI 2.2.3.1).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub email: String,
    /// The client takes answers of any of these.
    pub schemas: Vec<String>,
}

impl Request {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, Refused> {
        let mut found = Self::default();
        xml::texts(body, |path, text| found.take(path, text))?;
        Ok(found)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::XML_DEPTH;

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
