use super::*;
use crate::format::mime::{Content, Outline, scan};

fn data(children: Vec<Element>) -> Element {
    Element::with_children(tags::air_sync::APPLICATION_DATA, children)
}

fn attach(client_id: &str, name: &str, inline: bool) -> Element {
    let mut children = vec![
        Element::with_text(b::CLIENT_ID, client_id),
        Element::with_text(b::CONTENT, STANDARD.encode(client_id)),
        Element::with_text(b::DISPLAY_NAME, name),
        Element::with_text(b::METHOD, "1"),
    ];
    if inline {
        children.push(Element::with_text(b::CONTENT_ID, format!("{client_id}@phone")));
        children.push(Element::with_text(b::IS_INLINE, "1"));
    }
    Element::with_children(b::ADD, children)
}

#[test]
fn attachments_are_found_where_they_went() {
    let mut draft = Draft::default();
    let body = Element::with_children(
        b::BODY,
        vec![Element::with_text(b::TYPE, "2"), Element::with_text(b::DATA, "<p>Grüße</p>")],
    );
    let files = Element::with_children(
        b::ATTACHMENTS,
        vec![attach("one", "a.pdf", false), attach("two", "b.png", true), attach("3", "c", false)],
    );
    let added = draft.apply(&data(vec![body, files])).unwrap();
    let raw = body_of(draft.body, draft.attachments).under(Vec::new()).concat();
    let content = match Content::read(&Outline::of_tree(&scan(&raw)), &raw[..]) {
        Ok(content) => content,
        Err(never) => match never {},
    };
    assert_eq!(content.html_text(&raw[..]).unwrap().trim(), "<p>Grüße</p>");
    assert_eq!(content.plain_text(&raw[..]).unwrap().trim(), "Grüße");
    for added in added {
        let part = &content.parts[content.attachments[added.place]];
        let body = part.outline.body.of(&raw);
        let decoded = mime::decode_part(body, part.outline.encoding).unwrap();
        assert_eq!(decoded, added.client_id.as_bytes(), "{}", part.name);
    }
}

#[test]
fn a_message_of_the_phone_s_own_making_stays_as_it_is() {
    let inner = "Content-Type: multipart/signed; boundary=s\r\n";
    let body = "--s\r\n\r\nsigned  \r\n--s\r\nContent-Type: application/pkcs7-signature\r\n\r\nMIIB\r\n--s--\r\n";
    let whole = format!("Subject: Inner\r\nTo: a@x.example\r\nX-Mine: 1\r\n{inner}\r\n{body}");
    let mime = Element::with_children(
        b::BODY,
        vec![Element::with_text(b::TYPE, "4"), Element::with_text(b::DATA, whole)],
    );
    let mut draft = Draft { subject: "Old".into(), cc: "c@x.example".into(), ..Draft::default() };
    let file = Element::with_children(b::ATTACHMENTS, vec![attach("one", "a.pdf", false)]);
    let to = Element::with_text(e::TO, "b@x.example");
    let added = draft.apply(&data(vec![to, mime.clone(), file])).unwrap();
    assert_eq!((draft.subject.as_str(), draft.to.as_str()), ("Inner", "b@x.example"));
    assert!(draft.cc.is_empty() && draft.others.starts_with(b"X-Mine: 1\r\n"));
    let raw = body_of(draft.body, draft.attachments).under(Vec::new()).concat();
    assert!(String::from_utf8_lossy(&raw).contains(&format!("{inner}\r\n{body}")));
    let content = match Content::read(&Outline::of_tree(&scan(&raw)), &raw[..]) {
        Ok(content) => content,
        Err(never) => match never {},
    };
    let part = &content.parts[content.attachments[added[0].place]];
    assert_eq!(part.name, "a.pdf");
    let mut alone = Draft::default();
    alone.apply(&data(vec![mime])).unwrap();
    let raw = body_of(alone.body, alone.attachments).under(Vec::new()).concat();
    assert!(raw.ends_with(body.as_bytes()));
    let nothing = Element::with_children(b::BODY, vec![Element::with_text(b::TYPE, "4")]);
    assert!(matches!(
        Draft::default().apply(&data(vec![nothing])),
        Err(Refused::Status(MALFORMED))
    ));
}

#[test]
fn addresses_are_taken_as_people_type_them() {
    let list = commas("Ann \"x; y\" <a@x.example>; b@x.example;\"Doe, J\" <j@x.example>, nobody");
    let all = mailboxes(&list);
    let addresses: Vec<&str> = all.iter().map(|(_, address)| address.as_str()).collect();
    assert_eq!(addresses, ["a@x.example", "b@x.example", "j@x.example", "nobody"]);
    assert_eq!(all[2].0, "Doe, J");
}

#[test]
fn what_cannot_be_taken_away_is_said() {
    let mut draft = Draft::default();
    let delete =
        Element::with_children(b::DELETE, vec![Element::with_text(b::FILE_REFERENCE, "a.5.2")]);
    let changes = data(vec![Element::with_children(b::ATTACHMENTS, vec![delete])]);
    assert!(matches!(draft.apply(&changes), Err(Refused::Status(NOT_FOUND))));
}
