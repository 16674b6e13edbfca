//! Every element has a home (issue 3 §2): what a phone of one version writes, a phone of another
//! is shown, as far as its version knows it, and the first still has all of it after the other
//! has changed something else.
//!
//! Each class has a table of all elements of its code pages, with values that are usual, and
//! values that go wrong elsewhere. What no phone may write stands in the table too, with the
//! section that says so.

mod calendar;
mod chance;
mod contacts;
mod mail;
mod notes;
mod tasks;

use super::*;
use crate::domain::collection;
use crate::format::wbxml::tags;
use crate::format::wbxml::tags::air_sync_base as b;
use crate::store::rows::collection::CollectionKind;

/// The versions that phones speak.
const VERSIONS: [Version; 7] = [
    Version::V2_5,
    Version::V12_0,
    Version::V12_1,
    Version::V14_0,
    Version::V14_1,
    Version::V16_0,
    Version::V16_1,
];

/// Characters that one of WBXML, vCard, iCalendar, MIME or HTML writes in another way.
const UGLY: &str = "Žoë 🦀 \u{1F468}\u{200D}\u{1F469} <b>&amp;\" 'q'; a, b\\n c:d=e^f % {} ﷽";

/// Commands of one request (CMD_R5646).
const AT_ONCE: usize = 200;

/// One item of a table: what it is about, and what a phone writes of it.
#[derive(Clone, Default)]
struct Case {
    about: String,
    data: Vec<Element>,
    /// Of a series the instances that differ, by their original start. Up to 14.1 a phone writes
    /// them within the item.
    instances: Vec<(String, Vec<Element>)>,
    /// Everything at once, which phones of all versions then change.
    whole: bool,
}

/// An item that is there: all that phones are to show of it.
struct Item {
    id: String,
    case: Case,
}

/// What there is to be known of a class.
struct Class {
    kind: CollectionKind,
    versions: &'static [Version],
    cases: fn(Version) -> Vec<Case>,
    /// How what a phone of a version is shown differs from what it should be.
    differences: fn(&Case, &Element, Version) -> Vec<String>,
    /// The change that another phone makes.
    edit: fn(usize) -> Element,
    /// What a phone of a version sends of an item that it was shown so, with this change.
    sends: fn(&Element, Version, Element) -> Vec<Element>,
}

impl Class {
    /// From every version to every version, and again after each has changed something.
    async fn goes_round(&self) {
        let mut faults = Vec::new();
        let office = Office::new();
        let folder = collection::default(&office.store.read(), office.account, self.kind);
        let folder = folder.unwrap().id.number.to_string();
        let mut fleet = Fleet::of(&office, &folder, self.versions).await;
        for (writer, from) in self.versions.iter().enumerate() {
            // These write what the version behind them writes, or less: they read and change.
            if [Version::V12_0, Version::V14_0].contains(from) {
                continue;
            }
            let mut items = fleet.add(writer, (self.cases)(*from)).await;
            for reader in &mut fleet.readers {
                reader.pull(&folder).await;
                self.look(
                    &items.iter().collect::<Vec<_>>(),
                    reader,
                    &from.to_string(),
                    &mut faults,
                );
            }
            for editor in 0..self.versions.len() {
                let by = self.versions[editor];
                let next = editor == (writer + 1) % self.versions.len();
                let mut some: Vec<&mut Item> =
                    items.iter_mut().filter(|item| item.case.whole || next).collect();
                let edit = (self.edit)(writer + editor);
                let reader = &mut fleet.readers[editor];
                reader.pull(&folder).await;
                let change = |item: &&mut Item| {
                    let data = (self.sends)(&reader.shown[&item.id], by, edit.clone());
                    (item.id.clone(), data)
                };
                let changes: Vec<_> = some.iter().map(change).collect();
                reader.change(&folder, changes).await;
                for item in &mut some {
                    // DtStamp tells of the last change (MS-ASCAL 2.2.2.18).
                    let moved = [edit.tag, tags::calendar::DT_STAMP];
                    item.case.data.retain(|each| !moved.contains(&each.tag));
                    item.case.data.push(edit.clone());
                }
                let some: Vec<&Item> = some.iter().map(|item| &**item).collect();
                // One of the first phone's version; of another where it is that one's own change.
                let other = (writer + usize::from(writer == editor)) % self.versions.len();
                let reader = &mut fleet.readers[other];
                reader.pull(&folder).await;
                self.look(&some, reader, &format!("{from}, {by}"), &mut faults);
            }
        }
        none(faults);
    }

    fn look(&self, items: &[&Item], reader: &Reader<'_>, way: &str, faults: &mut Vec<String>) {
        let version = reader.version();
        for item in items {
            let Some(shown) = reader.shown.get(&item.id) else {
                faults.push(format!("{way} to {version}: {} is not there", item.case.about));
                continue;
            };
            for difference in (self.differences)(&item.case, shown, version) {
                faults.push(format!("{way} to {version}: {}: {difference}", item.case.about));
            }
        }
    }
}

/// Items with everything, and items with one thing each, for each of the three kinds of values.
fn whole_and_single(elements: impl Fn(usize) -> Vec<Element>) -> Vec<Case> {
    let mut cases = Vec::new();
    for which in 0..3 {
        let all = elements(which);
        for one in &all {
            let about = format!("{} {which} alone", one.tag);
            cases.push(Case { about, data: vec![one.clone()], ..Case::default() });
        }
        let about = format!("everything {which}");
        cases.push(Case { about, data: all, whole: true, ..Case::default() });
    }
    cases
}

/// All faults at once, the same one once: one by one it would take a day.
fn none(faults: Vec<String>) {
    let mut kinds: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for fault in &faults {
        let (way, what) = fault.split_once(": ").unwrap_or(("", fault));
        kinds.entry(what).or_insert((way, 0)).1 += 1;
    }
    let line = |(what, (way, count)): (&&str, &(&str, usize))| {
        format!("{what} ({count} times, first {way})").chars().take(400).collect::<String>()
    };
    let some: Vec<String> = kinds.iter().map(line).take(100).collect();
    assert!(some.is_empty(), "{} faults:\n{}", faults.len(), some.join("\n"));
}

/// One element that is not what it was.
fn differs(tag: Tag, wanted: &str, found: Option<&str>) -> Option<String> {
    // Lines may end in either way outside of bodies.
    let (wanted, found) = (wanted.replace("\r\n", "\n"), found.map(|it| it.replace("\r\n", "\n")));
    if found.as_ref() == Some(&wanted) {
        return None;
    }
    let Some(found) = found else { return Some(format!("{tag} is lost")) };
    let same = wanted.chars().zip(found.chars()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| text.chars().skip(same.saturating_sub(10)).take(60).collect::<String>();
    let (wanted, found) = (from(&wanted), from(&found));
    Some(format!("{tag} is {found:?} where it was {wanted:?}, from {same} on"))
}

/// The texts of an element's children, or its own.
fn flat(element: &Element) -> String {
    match element.children.is_empty() {
        true => element.text().to_owned(),
        false => element.children.iter().map(flat).collect::<Vec<_>>().join("|"),
    }
}

/// The words of a body of any version.
fn words(element: &Element) -> &str {
    if element.tag == b::BODY {
        element.text_of(b::DATA).unwrap_or_default()
    } else {
        element.text()
    }
}

fn body_of(version: Version, old: Tag, words: &str) -> Element {
    match version {
        Version::V2_5 => text(old, words),
        _ => tree(b::BODY, vec![text(b::TYPE, "1"), text(b::DATA, words)]),
    }
}

fn bodies() -> [String; 3] {
    let ugly = format!("{UGLY}\r\n\r\n \t{UGLY}\r\n--\r\n.x\r\nEND:VEVENT\r\n last");
    ["One\r\ntwo".into(), ugly, "Zoë ".repeat(14_000) + "."]
}

/// Names in Categories: usual ones, one of odd characters, and as many as there may be.
fn name_lists() -> [Vec<String>; 3] {
    let many = (0..300).map(|n| format!("{n} {}", "ü".repeat(40)));
    [vec!["Work".into(), "Two, three; four".into()], vec![UGLY.into()], many.collect()]
}

fn list(outer: Tag, inner: Tag, names: &[String]) -> Element {
    tree(outer, names.iter().map(|name| text(inner, name)).collect())
}

/// Of every version a phone that writes and one that reads.
struct Fleet<'o> {
    folder: String,
    writers: Vec<Phone<'o>>,
    readers: Vec<Reader<'o>>,
}

/// A phone that replaces what it has of an item by what it is told of it.
struct Reader<'o> {
    phone: Phone<'o>,
    shown: BTreeMap<String, Element>,
}

impl<'o> Fleet<'o> {
    async fn of(office: &'o Office, folder: &str, versions: &[Version]) -> Fleet<'o> {
        let (mut writers, mut readers) = (Vec::new(), Vec::new());
        for version in versions {
            let mut writer = office.phone(&format!("writer{version}"), *version);
            let mut reader = office.phone(&format!("reader{version}"), *version);
            for phone in [&mut writer, &mut reader] {
                phone.folder_sync().await;
                exchange(phone, folder, &[]).await;
            }
            writers.push(writer);
            readers.push(Reader { phone: reader, shown: BTreeMap::new() });
        }
        Fleet { folder: folder.to_owned(), writers, readers }
    }

    /// The writer of a version adds the cases.
    async fn add(&mut self, writer: usize, cases: Vec<Case>) -> Vec<Item> {
        let phone = &mut self.writers[writer];
        let mut items: Vec<Item> = Vec::new();
        for (round, some) in cases.chunks(AT_ONCE).enumerate() {
            let add = |(at, case): (usize, &Case)| {
                let data = tree(t::APPLICATION_DATA, case.data.clone());
                tree(t::ADD, vec![text(t::CLIENT_ID, &format!("{writer}-{round}-{at}")), data])
            };
            let adds: Vec<Element> = some.iter().enumerate().map(add).collect();
            let answer = exchange(phone, &self.folder, &adds).await.unwrap();
            let added: Vec<&Element> = answer.child(t::RESPONSES).unwrap().all(t::ADD).collect();
            assert_eq!(added.len(), some.len());
            for (case, added) in some.iter().zip(added) {
                assert_eq!(added.text_of(t::STATUS), Some("1"), "{}", case.about);
                let id = added.text_of(t::SERVER_ID).unwrap().to_owned();
                items.push(Item { id, case: case.clone() });
            }
        }
        if phone.version >= Version::V16_0 {
            let of = |item: &Item| {
                let change = |(start, data): &(String, Vec<Element>)| {
                    let data = tree(t::APPLICATION_DATA, data.clone());
                    let id = text(t::SERVER_ID, &item.id);
                    tree(t::CHANGE, vec![id, text(b::INSTANCE_ID, start), data])
                };
                item.case.instances.iter().map(change).collect::<Vec<_>>()
            };
            let changes: Vec<Element> = items.iter().flat_map(of).collect();
            commit(phone, &self.folder, &changes).await;
        }
        items
    }
}

impl Reader<'_> {
    fn version(&self) -> Version {
        self.phone.version
    }

    /// Takes everything that there is to be told.
    async fn pull(&mut self, folder: &str) {
        while let Some(answer) = exchange(&mut self.phone, folder, &[]).await {
            let Some(commands) = answer.child(t::COMMANDS) else { return };
            for each in &commands.children {
                let id = each.text_of(t::SERVER_ID).unwrap().to_owned();
                match each.child(t::APPLICATION_DATA) {
                    Some(data) => drop(self.shown.insert(id, data.clone())),
                    None => drop(self.shown.remove(&id)),
                }
            }
        }
    }

    /// Changes items, and is told of no failure.
    async fn change(&mut self, folder: &str, changes: Vec<(String, Vec<Element>)>) {
        let change = |(id, data): (String, Vec<Element>)| {
            tree(t::CHANGE, vec![text(t::SERVER_ID, &id), tree(t::APPLICATION_DATA, data)])
        };
        let changes: Vec<Element> = changes.into_iter().map(change).collect();
        commit(&mut self.phone, folder, &changes).await;
    }
}

/// Sends changes, of which none may fail, and none may be answered by another.
async fn commit(phone: &mut Phone<'_>, folder: &str, commands: &[Element]) {
    for some in commands.chunks(AT_ONCE) {
        let answer = exchange(phone, folder, some).await.unwrap();
        for each in answer.child(t::RESPONSES).into_iter().flat_map(|all| &all.children) {
            assert_eq!(each.text_of(t::STATUS), Some("1"), "{each:?}");
        }
        assert!(!answer.has(t::COMMANDS), "{answer:?}");
    }
}

/// One Sync of a phone; `None`: nothing is new.
async fn exchange(phone: &mut Phone<'_>, folder: &str, commands: &[Element]) -> Option<Element> {
    let request = phone.request(folder, 512, 0, commands);
    let answer = phone.call(Command::Sync, Some(&request)).await.unwrap()?;
    let collection = answer.child(t::COLLECTIONS)?.child(t::COLLECTION)?.clone();
    assert_eq!(collection.text_of(t::STATUS), Some("1"), "{collection:?}");
    let key = collection.text_of(t::SYNC_KEY).unwrap().to_owned();
    phone.folders.entry(folder.to_owned()).or_default().key = key;
    Some(collection)
}

/// All elements of a code page.
fn page(page: u8) -> impl Iterator<Item = Tag> {
    (5..0x40).map(move |token| Tag::new(page, token)).filter(|tag| tags::name(*tag).is_some())
}
