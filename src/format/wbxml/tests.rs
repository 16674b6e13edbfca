//! Samples in both directions, hostile bytes, and what a log shows.

use bytes::Bytes;
use proptest::prelude::*;

use super::tags::{air_sync, air_sync_base, compose_mail, contacts, email, item_operations, ping};
use super::*;
use crate::base::limits;

fn read(bytes: impl Into<Vec<u8>>) -> Result<Element, DecodeError> {
    decode(&Bytes::from(bytes.into()))
}

/// Behind the usual header.
fn body(bytes: &[u8]) -> Result<Element, DecodeError> {
    read([&[0x03, 0x01, 0x6A, 0x00], bytes].concat())
}

fn both_ways(bytes: &[u8], wanted: &Element) {
    assert_eq!(read(bytes).as_ref(), Ok(wanted));
    assert_eq!(encode(wanted), bytes);
}

/// The first phase of a contact's synchronisation, as MS-ASWBXML 3 shows one.
#[test]
fn a_sync_in_both_directions() {
    let bytes = b"\x03\x01\x6A\x00\
        \x45\x5C\x4F\
        \x4B\x032\0\x01\
        \x52\x03c1\0\x01\
        \x4E\x031\0\x01\
        \x56\x47\
        \x4D\x03c1:7\0\x01\
        \x5D\
        \x00\x11\x4A\x46\x031\0\x01\x4C\x030\0\x01\x4D\x030\0\x01\x01\
        \x00\x01\x5E\x03Funk, Don\0\x01\
        \x69\x03Funk\0\x01\
        \x01\x01\x01\x01\x01\x01";
    let text = Element::with_text;
    let all = Element::with_children;
    let data = vec![
        all(
            air_sync_base::BODY,
            vec![
                text(air_sync_base::TYPE, "1"),
                text(air_sync_base::ESTIMATED_DATA_SIZE, "0"),
                text(air_sync_base::TRUNCATED, "0"),
            ],
        ),
        text(contacts::FILE_AS, "Funk, Don"),
        text(contacts::LAST_NAME, "Funk"),
    ];
    let add = all(
        air_sync::ADD,
        vec![text(air_sync::SERVER_ID, "c1:7"), all(air_sync::APPLICATION_DATA, data)],
    );
    let collection = vec![
        text(air_sync::SYNC_KEY, "2"),
        text(air_sync::COLLECTION_ID, "c1"),
        text(air_sync::STATUS, "1"),
        all(air_sync::COMMANDS, vec![add]),
    ];
    let collections = all(air_sync::COLLECTIONS, vec![all(air_sync::COLLECTION, collection)]);
    both_ways(bytes, &all(air_sync::SYNC, vec![collections]));
}

#[test]
fn a_page_lasts_beyond_the_end_of_its_element() {
    // Ping's page is set within Sync, and Ping:Folders after the END needs no switch.
    let bytes = b"\x03\x01\x6A\x00\x45\x00\x0D\x48\x01\x09\x00\x00\x0E\x01";
    let tree = read(&bytes[..]).unwrap();
    let tags: Vec<Tag> = tree.children.iter().map(|child| child.tag).collect();
    assert_eq!(tags, [ping::HEARTBEAT_INTERVAL, ping::FOLDERS, air_sync::STATUS]);
    // A switch may stand anywhere: twice in a row, and before an END.
    let odd = body(b"\x00\x0D\x00\x00\x45\x00\x0D\x01").unwrap();
    assert_eq!(odd, Element::new(air_sync::SYNC));
}

#[test]
fn empty_elements_have_one_form_to_write_and_three_to_read() {
    let tree = Element::new(air_sync::SYNC);
    both_ways(b"\x03\x01\x6A\x00\x05", &tree);
    assert_eq!(body(b"\x45\x01"), Ok(tree.clone()));
    assert_eq!(body(b"\x45\x03\0\x01"), Ok(tree.clone()));
    assert_eq!(body(b"\x45\xC3\x00\x01"), Ok(tree));
    let mut out = Writer::new();
    out.open(air_sync::SYNC);
    out.text(air_sync::SYNC_KEY, "\0");
    out.opaque(air_sync::STATUS, b"");
    out.open(air_sync::COLLECTIONS);
    out.close();
    out.empty(air_sync::COMMANDS);
    out.close();
    assert_eq!(out.finish()[4..], [0x45, 0x0B, 0x0E, 0x1C, 0x16, 0x01]);
}

#[test]
fn opaque_bytes_are_a_slice_of_the_input() {
    let mime = vec![b'x'; 300];
    let mut bytes = b"\x03\x01\x6A\x00\x00\x15\x45\x50\xC3\x82\x2C".to_vec();
    bytes.extend(&mime);
    bytes.extend(b"\x01\x01");
    let input = Bytes::from(bytes);
    let tree = decode(&input).unwrap();
    let found = tree.child(compose_mail::MIME).unwrap();
    assert_eq!(found.bytes(), mime);
    assert!(input.as_ptr_range().contains(&found.bytes().as_ptr()), "copied");
    assert_eq!(found.text(), std::str::from_utf8(&mime).unwrap());
    assert_eq!(encode(&tree), input);
}

#[test]
fn strings_in_a_row_are_one_text() {
    let tree = body(b"\x45\x4B\x03ab\0\x03\0\x03cd\0\x01\x01").unwrap();
    assert_eq!(tree.text_of(air_sync::SYNC_KEY), Some("abcd"));
    assert!(matches!(body(b"\x45\x03a\0\xC3\x01b\x01"), Err(DecodeError::Mixed { .. })));
    // Not UTF-8: readable as far as it goes.
    assert_eq!(body(b"\x45\x03a\xFFb\0\x01").unwrap().text(), "a\u{FFFD}b");
}

#[test]
fn other_headers_are_taken_where_they_mean_the_same() {
    for header in [
        &b"\x01\x01\x6A\x00"[..],
        b"\x02\x01\x6A\x00",
        b"\x03\x01\x00\x00",
        b"\x03\x01\x03\x00",
        b"\x03\x00\x00\x6A\x00",
        b"\x03\x9F\x45\x6A\x00",
    ] {
        assert_eq!(read([header, b"\x05"].concat()), Ok(Element::new(air_sync::SYNC)));
    }
    for (header, wanted) in [
        (&b"\x00\x01\x6A\x00"[..], DecodeError::Version(0)),
        (b"\x04\x01\x6A\x00", DecodeError::Version(4)),
        (b"<?xml", DecodeError::Version(b'<')),
        (b"\x03\x01\x04\x00", DecodeError::Charset(4)),
        (b"\x03\x01\x6A\x05AB\0C\0", DecodeError::StringTable),
        (b"\x03\x01\x6A", DecodeError::Truncated),
        (b"\x03\x81\x81\x81\x81\x81\x01\x6A\x00", DecodeError::Integer { at: 1 }),
        (b"\x03\x01\xFF\xFF\xFF\xFF\x7F\x00", DecodeError::Integer { at: 2 }),
        (b"", DecodeError::Truncated),
    ] {
        assert_eq!(read(header), Err(wanted));
    }
}

#[test]
fn what_activesync_does_not_have_is_refused() {
    let outside = [0x02, 0x04, 0x40, 0x41, 0x42, 0x43, 0x44, 0x80, 0x81, 0x82, 0x83, 0x84];
    let more = [0xC0, 0xC1, 0xC2, 0xC4, 0x85, 0xC5, 0xFF];
    for token in outside.into_iter().chain(more) {
        let found = body(&[0x45, token, 0x00, 0x01, 0x01]);
        assert_eq!(found, Err(DecodeError::Token { token, at: 5 }));
        assert_eq!(body(&[token, 0x00]), Err(DecodeError::Token { token, at: 4 }));
    }
    assert_eq!(body(b"\x01"), Err(DecodeError::Token { token: 1, at: 4 }));
    assert_eq!(body(b"\x03a\0\x05"), Err(DecodeError::Outside { at: 4 }));
    assert_eq!(body(b"\xC3\x01a\x05"), Err(DecodeError::Outside { at: 4 }));
    for cut in [&b"\x45"[..], b"\x45\x03abc", b"\x45\xC3\x05abc", b"\x45\x4B\x01", b"\x00", b""] {
        assert_eq!(body(cut), Err(DecodeError::Truncated), "{cut:?}");
    }
    // A length far beyond the input reserves nothing.
    assert_eq!(body(b"\x45\xC3\x8F\xFF\xFF\xFF\x7Fabc"), Err(DecodeError::Truncated));
}

#[test]
fn unknown_names_are_kept() {
    let tree = body(b"\x00\x63\x45\x46\x03x\0\x01\x00\x00\x3F\x01").unwrap();
    assert_eq!(tree.tag, Tag(0x6305));
    assert_eq!(tree.text_of(Tag::new(0x63, 6)), Some("x"));
    assert!(tree.has(Tag(0x3F)));
    assert_eq!(tree.tag.to_string(), "Page99:0x05");
    assert_eq!(Tag(0x003F).to_string(), "AirSync:0x3F");
    assert_eq!(air_sync_base::BODY.to_string(), "AirSyncBase:Body");
}

#[test]
fn depth_and_number_are_limited() {
    let nested = |depth: usize| [vec![0x45; depth], vec![0x01; depth]].concat();
    assert!(body(&nested(limits::WBXML_DEPTH)).is_ok());
    assert_eq!(body(&nested(limits::WBXML_DEPTH + 1)), Err(DecodeError::TooDeep));
    assert_eq!(body(&vec![0x45; 1 << 20]), Err(DecodeError::TooDeep));
    let wide = |count: usize| [vec![0x45], vec![0x06; count - 1], vec![0x01]].concat();
    let whole = body(&wide(limits::WBXML_ELEMENTS)).unwrap();
    assert_eq!(whole.children.len(), limits::WBXML_ELEMENTS - 1);
    assert_eq!(body(&wide(limits::WBXML_ELEMENTS + 1)), Err(DecodeError::TooMany));
}

#[test]
fn texts_are_written_without_what_clients_choke_on() {
    let dirty = "a\0b\u{1}\t\r\n\u{b}\u{1f}\u{fffe}\u{ffff}\u{fffd}\u{ef}ä𝄞";
    let tree = read(encode(&Element::with_text(air_sync::SYNC, dirty))).unwrap();
    assert_eq!(tree.text(), "ab\t\r\n\u{fffd}\u{ef}ä𝄞");
    let long = "x".repeat(1000) + "\0";
    let tree = read(encode(&Element::with_text(air_sync::SYNC, long))).unwrap();
    assert_eq!(tree.text().len(), 1000);
}

#[test]
fn the_writer_goes_back_to_a_mark() {
    let mut out = Writer::new();
    out.open(air_sync::SYNC);
    let empty = out.mark();
    out.open(air_sync::COLLECTIONS);
    out.text(contacts::FILE_AS, "x");
    out.rewind(empty);
    let mut short = out.clone();
    short.close();
    assert_eq!(short.finish()[4..], [0x05]);
    out.number(air_sync::STATUS, 1);
    let one = out.mark();
    out.text(email::SUBJECT, "gone");
    assert!(out.len() > one_len(&out, one));
    out.rewind(one);
    out.number(air_sync::WINDOW_SIZE, 512_u16);
    // What is open at the end is closed.
    assert_eq!(out.finish()[4..], *b"\x45\x4E\x031\0\x01\x55\x03512\0\x01\x01");
}

fn one_len(out: &Writer, mark: Mark) -> usize {
    let mut out = out.clone();
    out.rewind(mark);
    out.len()
}

#[test]
fn lengths_take_as_many_bytes_as_they_need() {
    for length in [1, 0x7F, 0x80, 0x3FFF, 0x4000, 0x1F_FFFF, 0x20_0000] {
        let tree = Element {
            tag: air_sync::SYNC,
            value: Value::Opaque(Bytes::from(vec![7; length])),
            children: Vec::new(),
        };
        assert_eq!(read(encode(&tree)), Ok(tree));
    }
}

#[test]
fn fields_are_read_by_name() {
    let tree = Element::with_children(
        air_sync::COLLECTION,
        vec![
            Element::with_text(air_sync::WINDOW_SIZE, " 25 "),
            Element::with_text(air_sync::SYNC_KEY, "a"),
            Element::with_text(air_sync::SYNC_KEY, "b"),
            Element::new(air_sync::SUPPORTED),
        ],
    );
    assert_eq!(tree.parse_of::<u32>(air_sync::WINDOW_SIZE), Some(25));
    assert_eq!(tree.parse_of::<u32>(air_sync::SYNC_KEY), None);
    assert_eq!(tree.text_of(air_sync::SUPPORTED), Some(""));
    assert_eq!(tree.text_of(air_sync::STATUS), None);
    assert_eq!(tree.all(air_sync::SYNC_KEY).map(Element::text).collect::<String>(), "ab");
    assert_eq!(tree.bytes(), Bytes::new());
}

#[test]
fn the_table_of_names_is_whole() {
    assert_eq!(tags::ALL.len(), 655);
    let mut seen = std::collections::HashSet::new();
    for &tag in tags::ALL {
        assert!(seen.insert(tag), "{tag} stands twice");
        assert!(tag.page() <= 25 && (0x05..=0x3F).contains(&tag.token()), "{tag:?}");
        assert!(tags::name(tag).is_some() && tags::page_name(tag.page()).is_some());
    }
}

#[test]
fn a_log_shows_names_and_hides_bodies() {
    let body = Element::with_children(
        air_sync_base::BODY,
        vec![
            Element::with_text(air_sync_base::TYPE, "1"),
            Element::with_text(air_sync_base::DATA, "Dear <Ben>,\r\nforged line"),
        ],
    );
    let mime = Element {
        tag: compose_mail::MIME,
        value: Value::Opaque(Bytes::from(vec![0xAB; 30])),
        children: Vec::new(),
    };
    let tree = Element::with_children(
        air_sync::SYNC,
        vec![
            Element::with_text(air_sync::SYNC_KEY, "x".repeat(300)),
            body,
            mime,
            Element::with_text(item_operations::PASSWORD, "hunter2"),
            Element::new(Tag(0x1B05)),
        ],
    );
    let key = "x".repeat(200);
    let head = format!("<AirSync:Sync>\n  <SyncKey>{key}… (300 bytes)</SyncKey>\n");
    let hex = "ab".repeat(24);
    let tail = "  <ItemOperations:Password>(secret)</ItemOperations:Password>\n  \
                <Page27:0x05/>\n</AirSync:Sync>\n";
    let whole = format!(
        "{head}  <AirSyncBase:Body>\n    <Type>1</Type>\n    \
         <Data>Dear &lt;Ben&gt;,\\r\\nforged line</Data>\n  </AirSyncBase:Body>\n  \
         <ComposeMail:Mime>(30 bytes, opaque: {hex}…)</ComposeMail:Mime>\n{tail}"
    );
    assert_eq!(dump(&tree), whole);
    let short = format!(
        "{head}  <AirSyncBase:Body>\n    <Type>1</Type>\n    \
         <Data>(24 bytes)</Data>\n  </AirSyncBase:Body>\n  \
         <ComposeMail:Mime>(30 bytes, opaque)</ComposeMail:Mime>\n{tail}"
    );
    assert_eq!(Dump::without_bodies(&tree).to_string(), short);
}

fn value() -> impl Strategy<Value = Value> {
    let text = "[a-zäß𝄞\\t\\r\\n\u{ef}-\u{fff}]{1,80}";
    prop_oneof![
        2 => Just(Value::None),
        3 => text.prop_map(Value::Text),
        1 => prop::collection::vec(any::<u8>(), 1..300)
            .prop_map(|bytes| Value::Opaque(Bytes::from(bytes))),
    ]
}

fn element() -> impl Strategy<Value = Element> {
    let tag = || (0_u8..28, 0x05_u8..0x40).prop_map(|(page, token)| Tag::new(page, token));
    let leaf = (tag(), value()).prop_map(|(tag, value)| Element { tag, value, children: vec![] });
    leaf.prop_recursive(6, 100, 8, move |inner| {
        (tag(), value(), prop::collection::vec(inner, 0..8))
            .prop_map(|(tag, value, children)| Element { tag, value, children })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_the_same(tree in element()) {
        let bytes = encode(&tree);
        prop_assert_eq!(read(bytes.clone()), Ok(tree.clone()));
        // Whatever is cut off or changed: an answer, no panic.
        for end in 0..bytes.len() {
            prop_assert!(read(&bytes[..end]).is_err());
        }
        drop(dump(&tree));
    }

    #[test]
    fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(bytes.clone());
        if let Ok(tree) = body(&bytes) {
            let again = read(encode(&tree)).unwrap();
            prop_assert_eq!(read(encode(&again)), Ok(again));
        }
    }

    #[test]
    fn changed_documents_cause_no_panic(tree in element(), at: usize, byte: u8) {
        let mut bytes = encode(&tree);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = read(bytes).map(|tree| dump(&tree));
    }
}
