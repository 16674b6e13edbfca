//! Bodies of contacts, tasks and notes that somebody wrote as HTML, and who is shown what.

use super::*;
use crate::domain::collection;
use crate::store::rows::collection::CollectionKind;
use wbxml::tags::{air_sync_base as b, contacts as c, notes as n, tasks as k};

const HTML: &str = "<html><body><p>One <b>bold</b> word</p></body></html>";

fn body(kind: &str, words: &str) -> Element {
    tree(b::BODY, vec![text(b::TYPE, kind), text(b::DATA, words)])
}

/// A phone that takes bodies of one type.
struct Reader<'o> {
    phone: Phone<'o>,
    folder: String,
    kind: &'static str,
}

impl<'o> Reader<'o> {
    async fn new(office: &'o Office, id: &str, folder: &str, kind: &'static str) -> Reader<'o> {
        let mut phone = office.phone(id, Version::V14_1);
        phone.folder_sync().await;
        let mut reader = Reader { phone, folder: folder.to_owned(), kind };
        reader.sync(&[]).await;
        reader
    }

    async fn sync(&mut self, commands: &[Element]) -> Option<Element> {
        let mut request = self.phone.request(&self.folder, 10, 0, commands);
        let collection = &mut request.children[0].children[0];
        let options = collection.children.iter_mut().find(|each| each.tag == t::OPTIONS).unwrap();
        options.children = vec![tree(b::BODY_PREFERENCE, vec![text(b::TYPE, self.kind)])];
        let answer = self.phone.call(Command::Sync, Some(&request)).await.unwrap()?;
        self.phone.take(&self.folder, &answer)
    }

    /// Type and words of the one item's body.
    async fn shows(&mut self) -> (String, String) {
        while self.sync(&[]).await.is_some() {}
        let item = self.phone.folders[&self.folder].items.values().next().unwrap();
        let body = item.child(b::BODY).unwrap();
        let of = |tag| body.text_of(tag).unwrap_or_default().trim_end().to_owned();
        (of(b::TYPE), of(b::DATA))
    }

    async fn change(&mut self, data: Vec<Element>) {
        let id = self.phone.ids(&self.folder)[0].to_owned();
        let data = tree(t::APPLICATION_DATA, data);
        self.sync(&[tree(t::CHANGE, vec![text(t::SERVER_ID, &id), data])]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn html_stays_until_somebody_writes_plain_words() {
    for (kind, title) in [
        (CollectionKind::Contacts, c::LAST_NAME),
        (CollectionKind::Tasks, k::SUBJECT),
        (CollectionKind::Notes, n::SUBJECT),
    ] {
        let office = Office::new();
        let folder = collection::default(&office.store.read(), office.account, kind);
        let folder = folder.unwrap().id.number.to_string();
        let mut writer = Reader::new(&office, "A", &folder, "2").await;
        let mut plain = Reader::new(&office, "B", &folder, "1").await;
        let mut other = Reader::new(&office, "C", &folder, "2").await;
        let data = tree(t::APPLICATION_DATA, vec![text(title, "x"), body("2", HTML)]);
        writer.sync(&[tree(t::ADD, vec![text(t::CLIENT_ID, "1"), data])]).await;
        let formatted = ("2".to_owned(), HTML.to_owned());
        assert_eq!(other.shows().await, formatted, "{kind:?}");
        assert_eq!(plain.shows().await, ("1".into(), "One bold word".into()), "{kind:?}");
        // Something else is changed, and the words go along as they were shown.
        plain.change(vec![text(title, "y"), body("1", "One bold word")]).await;
        assert_eq!(other.shows().await, formatted, "{kind:?}");
        // The same words in another dress.
        let italic = HTML.replace("b>", "i>");
        other.change(vec![text(title, "z"), body("2", &italic)]).await;
        let mut late = Reader::new(&office, "D", &folder, "2").await;
        assert_eq!(late.shows().await.1, italic, "{kind:?}");
        assert_eq!(plain.shows().await.1, "One bold word", "{kind:?}");
        plain.change(vec![text(title, "z"), body("1", "Two words")]).await;
        let told = late.shows().await;
        assert!(told.0 == "2" && told.1.contains("Two words"), "{kind:?}: {told:?}");
        assert!(!told.1.contains("bold"), "{kind:?}: {told:?}");
    }
}
