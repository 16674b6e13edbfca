//! Small XML documents from strangers, read as texts with the path that leads to each.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use crate::base::limits::XML_DEPTH;

/// Why something cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// What no client sends: a document type, entities of its own, excessive depth.
    Hostile(&'static str),
    /// Not XML.
    Malformed,
}

/// Calls `take` for each element at its end, with the names from the root down to it and the
/// text in it. Namespaces are not looked at: clients have sent wrong ones.
pub(super) fn texts(body: &[u8], mut take: impl FnMut(&[String], &str)) -> Result<(), Refused> {
    let (encoding, _) = Encoding::for_bom(body).unwrap_or((UTF_8, 0));
    let (text, _, _) = encoding.decode(body);
    let mut reader = Reader::from_str(&text);
    let mut path: Vec<String> = Vec::new();
    let mut content = String::new();
    loop {
        match reader.read_event().map_err(|_| Refused::Malformed)? {
            Event::Start(start) => {
                if path.len() >= XML_DEPTH {
                    return Err(Refused::Hostile("so many elements within each other"));
                }
                path.push(start.local_name().as_ref().to_owned());
                content.clear();
            }
            Event::End(_) => {
                take(&path, content.trim());
                path.pop();
                content.clear();
            }
            Event::Text(text) => content.push_str(&text),
            Event::CData(text) => content.push_str(&text),
            Event::GeneralRef(entity) => content.push_str(&resolve(&entity)?),
            Event::DocType(_) => return Err(Refused::Hostile("a document type")),
            Event::Eof if path.is_empty() => return Ok(()),
            Event::Eof => return Err(Refused::Malformed),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
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
