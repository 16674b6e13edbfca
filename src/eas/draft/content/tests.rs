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
