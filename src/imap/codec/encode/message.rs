//! What is told about messages: FETCH (RFC 9051 §7.5.2), counts, removals.

use super::*;
use crate::imap::codec::types::{FetchItem, PartPath, Partial, Section, SectionText};

/// `* 23 EXISTS`
pub fn exists(out: &mut Vec<u8>, count: u32) {
    numbered(out, count, b" EXISTS\r\n");
}

/// `* 5 RECENT`
pub fn recent(out: &mut Vec<u8>, count: u32) {
    numbered(out, count, b" RECENT\r\n");
}

/// `* 44 EXPUNGE`
pub fn expunge(out: &mut Vec<u8>, number: u32) {
    numbered(out, number, b" EXPUNGE\r\n");
}

/// `* 12 FETCH (`; the items follow with spaces between, then [`fetch_end`].
pub fn fetch_begin(out: &mut Vec<u8>, number: u32) {
    numbered(out, number, b" FETCH (");
}

/// `* 25996 UIDFETCH (`: the same for UIDONLY, by UID (RFC 9586 §3.3).
pub fn uidfetch_begin(out: &mut Vec<u8>, uid: u32) {
    numbered(out, uid, b" UIDFETCH (");
}

pub fn fetch_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b")\r\n");
}

fn numbered(out: &mut Vec<u8>, value: u32, what: &[u8]) {
    out.extend_from_slice(b"* ");
    number(out, value);
    out.extend_from_slice(what);
}

/// `* VANISHED 405,407` (RFC 7162 §3.2.10); nothing for an empty set.
pub fn vanished(out: &mut Vec<u8>, uids: &UidSet) {
    if !uids.is_empty() {
        out.extend_from_slice(b"* VANISHED ");
        sequence_set(out, uids);
        crlf(out);
    }
}

/// `* VANISHED (EARLIER) 41,43:116`: gone before, in answer to QRESYNC and VANISHED.
pub fn vanished_earlier(out: &mut Vec<u8>, uids: &UidSet) {
    if !uids.is_empty() {
        out.extend_from_slice(b"* VANISHED (EARLIER) ");
        sequence_set(out, uids);
        crlf(out);
    }
}

/// `* FLAGS (…)`: the flags that this mailbox may have.
pub fn flags<'a>(out: &mut Vec<u8>, flags: impl IntoIterator<Item = &'a str>) {
    out.extend_from_slice(b"* FLAGS ");
    flag_list(out, flags);
    crlf(out);
}

/// The name of an item in the answer, up to the space before its value: `BODY[1.MIME]<0>`.
/// It is the same for every message of a FETCH and can be kept.
pub fn item_name(out: &mut Vec<u8>, item: &FetchItem) {
    let name: &[u8] = match item {
        FetchItem::Flags => b"FLAGS",
        FetchItem::Uid => b"UID",
        FetchItem::InternalDate => b"INTERNALDATE",
        FetchItem::Rfc822Size => b"RFC822.SIZE",
        FetchItem::Envelope => b"ENVELOPE",
        FetchItem::Body => b"BODY",
        FetchItem::BodyStructure => b"BODYSTRUCTURE",
        FetchItem::ModSeq => b"MODSEQ",
        FetchItem::EmailId => b"EMAILID",
        FetchItem::ThreadId => b"THREADID",
        FetchItem::SaveDate => b"SAVEDATE",
        FetchItem::Preview { .. } => b"PREVIEW",
        FetchItem::Rfc822 => b"RFC822",
        FetchItem::Rfc822Header => b"RFC822.HEADER",
        FetchItem::Rfc822Text => b"RFC822.TEXT",
        FetchItem::Section { section, partial, .. } => {
            out.extend_from_slice(b"BODY[");
            section_spec(out, section);
            out.push(b']');
            return origin(out, *partial);
        }
        FetchItem::Binary { part, partial, .. } => {
            out.extend_from_slice(b"BINARY[");
            part_path(out, part);
            out.push(b']');
            return origin(out, *partial);
        }
        FetchItem::BinarySize(part) => {
            out.extend_from_slice(b"BINARY.SIZE[");
            part_path(out, part);
            return out.push(b']');
        }
    };
    out.extend_from_slice(name);
}

/// `<0>`: the answer tells the offset only.
fn origin(out: &mut Vec<u8>, partial: Option<Partial>) {
    if let Some(partial) = partial {
        out.push(b'<');
        number(out, partial.offset);
        out.push(b'>');
    }
}

fn part_path(out: &mut Vec<u8>, part: &PartPath) {
    for (at, &each) in part.numbers().iter().enumerate() {
        if at > 0 {
            out.push(b'.');
        }
        number(out, each);
    }
}

fn section_spec(out: &mut Vec<u8>, section: &Section) {
    part_path(out, &section.part);
    if !section.part.is_root() && section.text != SectionText::All {
        out.push(b'.');
    }
    match &section.text {
        SectionText::All => {}
        SectionText::Header => out.extend_from_slice(b"HEADER"),
        SectionText::Text => out.extend_from_slice(b"TEXT"),
        SectionText::Mime => out.extend_from_slice(b"MIME"),
        SectionText::HeaderFields(names) | SectionText::HeaderFieldsNot(names) => {
            let not = matches!(section.text, SectionText::HeaderFieldsNot(_));
            out.extend_from_slice(if not { b"HEADER.FIELDS.NOT " } else { b"HEADER.FIELDS " });
            list(out, names, |out, name| astring(out, name.as_str().as_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let mut out = Vec::new();
        exists(&mut out, 23);
        expunge(&mut out, 44);
        vanished(&mut out, &[405u32, 407, 408].into_iter().collect());
        vanished_earlier(&mut out, &[41u32].into_iter().collect());
        vanished(&mut out, &UidSet::new());
        flags(&mut out, ["\\Answered", "x"]);
        fetch_begin(&mut out, 12);
        fetch_end(&mut out);
        uidfetch_begin(&mut out, 25_996);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "* 23 EXISTS\r\n* 44 EXPUNGE\r\n* VANISHED 405,407:408\r\n* VANISHED (EARLIER) 41\r\n* FLAGS (\\Answered x)\r\n* 12 FETCH ()\r\n* 25996 UIDFETCH ("
        );
    }

    #[test]
    fn names_of_items() {
        use crate::imap::codec::tests::fetch_items;
        for (asked, told) in [
            ("BODY.PEEK[HEADER.FIELDS (From \"to\")]", "BODY[HEADER.FIELDS (From to)]"),
            ("body[1.2.mime]<5.10>", "BODY[1.2.MIME]<5>"),
            ("BODY[]", "BODY[]"),
            ("BODY[3.HEADER.FIELDS.NOT (a)]", "BODY[3.HEADER.FIELDS.NOT (a)]"),
            ("BODY[TEXT]", "BODY[TEXT]"),
            ("BODY[4]", "BODY[4]"),
            ("BODY", "BODY"),
            ("BINARY.PEEK[1.2]<0.10>", "BINARY[1.2]<0>"),
            ("BINARY.SIZE[2]", "BINARY.SIZE[2]"),
            ("RFC822.HEADER", "RFC822.HEADER"),
            ("PREVIEW (LAZY)", "PREVIEW"),
        ] {
            let mut out = Vec::new();
            item_name(&mut out, &fetch_items(asked)[0]);
            assert_eq!(String::from_utf8(out).unwrap(), told);
        }
    }
}
