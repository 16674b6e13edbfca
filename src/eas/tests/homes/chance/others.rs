//! Tasks, contacts and notes: elements that come, change and go.

use super::*;
use crate::eas::tests::homes::{contacts, notes, tasks};
use tags::{contacts as p, notes as n, tasks as k};

const ITEMS: usize = 16;
const ROUNDS: usize = 8;

/// An item: under the name of its first element each group of elements that are told together.
type Thing = BTreeMap<String, Vec<Element>>;

/// What there is to be known of a class.
struct Sort {
    kind: CollectionKind,
    versions: &'static [Version],
    knows: fn(Version, Tag) -> bool,
    differences: fn(&Case, &Element, Version) -> Vec<String>,
    body: Tag,
    /// A Change with one of these is of the whole item (MS-ASCMD 2.2.3.179).
    whole: &'static [Tag],
    /// What every item has; without it another value is said of it.
    always: &'static [Tag],
    /// What is kept where it is left out, and so goes only if that is said.
    stays: &'static [Tag],
}

fn name(group: &[Element]) -> String {
    match group[0].tag {
        k::BODY | p::BODY => b::BODY.to_string(),
        tag => tag.to_string(),
    }
}

/// A group as a phone of a version writes it.
fn told(group: &[Element], version: Version, body: Tag) -> Vec<Element> {
    let one = |each: &Element| match each.tag {
        k::BODY | p::BODY | b::BODY => body_of(version, body, words(each)),
        _ => each.clone(),
    };
    group.iter().map(one).collect()
}

/// A group that says that there is nothing of it any more.
fn nothing(group: &[Element], version: Version, body: Tag) -> Vec<Element> {
    match group[0].tag {
        k::REMINDER_SET => vec![text(k::REMINDER_SET, "0")],
        k::BODY | p::BODY | b::BODY => vec![body_of(version, body, "")],
        _ => group.iter().map(|each| Element::new(each.tag)).collect(),
    }
}

impl Sort {
    /// Changes a thing; returns what a phone of the version sends.
    fn edit(&self, thing: &mut Thing, version: Version, dice: &mut Dice) -> Vec<Element> {
        let groups = groups(self.kind, version, dice);
        let (mut part, mut gone) = (Vec::new(), Vec::new());
        for _ in 0..dice.number(1..4) {
            let group = dice.of(&groups).clone();
            let key = name(&group);
            let goes = !self.always.contains(&group[0].tag) && dice.chance(3);
            part.retain(|(other, _)| *other != key);
            gone.retain(|(other, _)| *other != key);
            if goes {
                if let Some(old) = thing.remove(&key) {
                    gone.push((key, nothing(&old, version, self.body)));
                }
            } else {
                thing.insert(key.clone(), group.clone());
                part.push((key, group));
            }
        }
        let changed = || part.iter().chain(&gone).flat_map(|(_, group)| group.iter());
        if !changed().any(|each| self.whole.contains(&each.tag)) && dice.chance(2) {
            return changed().cloned().collect();
        }
        let known = thing.values().filter(|group| (self.knows)(version, group[0].tag));
        let mut all: Vec<Element> =
            known.flat_map(|group| told(group, version, self.body)).collect();
        for (_, group) in &gone {
            if self.stays.contains(&group[0].tag) || dice.chance(2) {
                all.extend(group.iter().cloned());
            }
        }
        // An item that tells nothing of what makes it whole would be a part of one.
        if let Some(tag) =
            self.whole.first().filter(|_| !all.iter().any(|each| self.whole.contains(&each.tag)))
        {
            all.push(Element::new(*tag));
        }
        all
    }

    fn look(&self, thing: &Thing, shown: &Element, version: Version) -> Vec<String> {
        let data = thing.values().flatten().cloned().collect();
        let case = Case { data, ..Case::default() };
        let mut all = (self.differences)(&case, shown, version);
        for each in shown.children.iter().filter(|each| each.tag.page() != 17) {
            let said = thing.values().flatten().any(|one| one.tag == each.tag);
            let body = each.tag == self.body && thing.contains_key(&b::BODY.to_string());
            if !said && !body && !flat(each).is_empty() && !self.always.contains(&each.tag) {
                all.push(format!("{} is there again", each.tag));
            }
        }
        all
    }

    async fn play(&self, seed: u64) -> Vec<String> {
        let office = Office::new();
        let folder = collection::default(&office.store.read(), office.account, self.kind);
        let folder = folder.unwrap().id.number.to_string();
        let mut fleet = Fleet::of(&office, &folder, self.versions).await;
        let mut dice = Dice::new(seed);
        let writer = dice.number(0..self.versions.len());
        let by = self.versions[writer];
        let mut things: Vec<Thing> = Vec::new();
        let mut cases = Vec::new();
        for _ in 0..ITEMS {
            let groups = groups(self.kind, by, &mut dice);
            let some = groups
                .into_iter()
                .filter(|group| self.always.contains(&group[0].tag) || dice.chance(3));
            let thing: Thing = some.map(|group| (name(&group), group)).collect();
            let data = thing.values().flatten().cloned().collect();
            cases.push(Case { data, ..Case::default() });
            things.push(thing);
        }
        let items = fleet.add(writer, cases).await;
        let mut faults = Vec::new();
        let mut way = by.to_string();
        for round in 0..=ROUNDS {
            for reader in &mut fleet.readers {
                reader.pull(&folder).await;
                let version = reader.version();
                for (item, thing) in items.iter().zip(&things) {
                    for fault in self.look(thing, &reader.shown[&item.id], version) {
                        let about = format!("{:?} {seed} {} {way}", self.kind, item.id);
                        faults.push(format!("{about} to {version}: {fault}"));
                    }
                }
            }
            if !faults.is_empty() || round == ROUNDS {
                break;
            }
            let editor = dice.number(0..self.versions.len());
            let by = self.versions[editor];
            let phone = &mut fleet.writers[editor];
            catch_up(phone, &folder).await;
            let change = |(item, thing): (&Item, &mut Thing)| {
                let data = self.edit(thing, by, &mut dice);
                let id = text(t::SERVER_ID, &item.id);
                tree(t::CHANGE, vec![id, tree(t::APPLICATION_DATA, data)])
            };
            let commands: Vec<Element> = items.iter().zip(&mut things).map(change).collect();
            commit(phone, &folder, &commands).await;
            let echo = exchange(phone, &folder, &[]).await;
            let told = echo.is_some_and(|echo| echo.has(t::COMMANDS));
            assert!(!told, "{:?} {seed} {by} hears of its own changes", self.kind);
            way = format!("by {by}");
        }
        faults
    }
}

/// Of three lists of elements one that has of each of them the value of one.
fn mixed(all: impl Fn(usize) -> Vec<Vec<Element>>, dice: &mut Dice) -> Vec<Vec<Element>> {
    let kinds = [all(0), all(1), all(2)];
    let longest = kinds.iter().map(Vec::len).max().unwrap();
    (0..longest).map(|at| kinds[dice.number(0..3)][at].clone()).collect()
}

fn single(all: Vec<Element>) -> Vec<Vec<Element>> {
    all.into_iter().map(|each| vec![each]).collect()
}

const CONTACT_NAMES: [Tag; 7] = [
    p::FILE_AS,
    p::FIRST_NAME,
    p::MIDDLE_NAME,
    p::LAST_NAME,
    p::COMPANY_NAME,
    p::YOMI_FIRST_NAME,
    p::YOMI_LAST_NAME,
];

/// What a phone of a version may write of an item, each class in its own way.
pub(super) fn groups(kind: CollectionKind, version: Version, dice: &mut Dice) -> Vec<Vec<Element>> {
    match kind {
        CollectionKind::Contacts => mixed(|which| single(contacts::elements(version, which)), dice),
        CollectionKind::Tasks => {
            let mut all = mixed(|which| tasks::parts(version, which), dice);
            all.push(vec![dice.of(&tasks::recurrences(version)).clone()]);
            all.push(vec![text(k::IMPORTANCE, ["0", "1", "2"][dice.number(0..3)])]);
            all
        }
        CollectionKind::Calendar => vec![super::events::some(version, dice)],
        _ => mixed(|which| single(notes::elements(version, which)), dice),
    }
}

async fn games(sort: Sort) {
    let mut faults = Vec::new();
    for seed in seeds(1) {
        faults.extend(sort.play(seed).await);
    }
    none(faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_the_same_to_everybody() {
    games(Sort {
        kind: CollectionKind::Contacts,
        versions: &VERSIONS,

        knows: contacts::knows,
        differences: contacts::differences,
        body: p::BODY,
        whole: &CONTACT_NAMES,
        // The server says how it is filed, and what it is called.
        always: &[p::FILE_AS, p::ALIAS, p::WEIGHTED_RANK],
        stays: &[p::PICTURE, p::BODY, b::BODY],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_the_same_to_everybody() {
    games(Sort {
        kind: CollectionKind::Tasks,
        versions: &VERSIONS,
        knows: tasks::knows,
        differences: tasks::differences,
        body: k::BODY,
        whole: &[k::SUBJECT],
        always: &[
            k::SUBJECT,
            k::COMPLETE,
            k::DATE_COMPLETED,
            k::IMPORTANCE,
            k::SENSITIVITY,
            k::REMINDER_SET,
        ],
        stays: &[k::BODY, b::BODY],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_are_the_same_to_everybody() {
    games(Sort {
        kind: CollectionKind::Notes,
        versions: &notes::NOTE_VERSIONS,

        knows: |_, _| true,
        differences: notes::differences,
        body: n::SUBJECT,
        whole: &[n::SUBJECT, b::BODY],
        always: &[n::MESSAGE_CLASS, n::LAST_MODIFIED_DATE],
        stays: &[n::SUBJECT, b::BODY],
    })
    .await;
}
