//! Changes of a card that touch nothing but what they name.

use super::field::{BOX, EXTENDED, FILE_AS, FIRST, Home, LAST, MIDDLE, PREFIX, STREET, SUFFIX};
use super::read::{ADDRESS_NAME, is_empty_address, shown};
use super::slots::{Family, PLACE, Slot};
use super::{Card, Field, is, set_part};
use crate::format::ical::{self, Property};

/// A field and its new text, or none.
pub type Change = (Field, Option<String>);

/// The changes of one property: parts and their texts.
type Parts = Vec<(usize, Option<String>)>;

impl Card {
    /// Sets one field; see [`Card::edit`].
    pub fn set(&mut self, field: Field, text: Option<&str>) {
        self.edit(vec![(field, text.map(str::to_owned))]);
    }

    /// Applies changes that belong together. A text that is shown already changes nothing.
    pub fn edit(&mut self, changes: Vec<Change>) {
        let mut slots: Vec<(Slot, Parts)> = Vec::new();
        let (mut names, mut file_as) = (false, None);
        let known = self.formatted_name().unwrap_or_default();
        let substitute = !self.has_name() && self.is_substitute(&known);
        for (field, text) in changes {
            let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
            if text == self.get(field) {
                continue;
            }
            match field.home() {
                Home::FileAs => file_as = Some(text),
                Home::Name(at) => {
                    self.set_name_part(at, text.as_deref().unwrap_or_default());
                    names = true;
                }
                Home::Org(at) => self.set_org(at, text.as_deref().unwrap_or_default()),
                Home::Text(of) => self.set_text(of, text.as_deref(), ical::escape),
                Home::Uri(of) => self.set_text(of, text.as_deref(), escape_uri),
                Home::Person(of, role) => self.set_person(of, role, text.as_deref()),
                Home::Slot(slot, at) => match slots.iter_mut().find(|(other, _)| *other == slot) {
                    Some((_, parts)) => parts.push((at, text)),
                    None => slots.push((slot, vec![(at, text)])),
                },
                Home::Note => self.set_note(text.as_deref()),
            }
        }
        for family in Family::ALL {
            let of_family = |(slot, _): &&(Slot, Parts)| slot.family() == family;
            let changes: Vec<_> = slots.iter().filter(of_family).cloned().collect();
            if !changes.is_empty() {
                self.edit_slots(family, changes);
            }
        }
        if let Some(text) = file_as {
            self.set_file_as(text.as_deref());
        }
        if names || substitute {
            let name = match self.has_name() {
                true => self.composed_name(),
                false => self.substitute_name(),
            };
            self.set_formatted_name(&name);
        }
        self.forget_plain_names();
    }

    /// A name beside an address that is the card's own, or the address once more, says nothing:
    /// some programs send one with every address, and it would not follow the card's name.
    fn forget_plain_names(&mut self) {
        let name = self.formatted_name().unwrap_or_default();
        for property in &mut self.inner.properties {
            let plain = property.param(ADDRESS_NAME).is_some_and(|beside| {
                beside == name || beside.eq_ignore_ascii_case(property.to_text().trim())
            });
            if plain && is(property, "EMAIL") {
                property.set_param(ADDRESS_NAME, None);
            }
        }
    }

    /// What would be shown anyway is not kept, so that it follows the name.
    fn set_file_as(&mut self, text: Option<&str>) {
        let derived = |text: &&str| !self.has_name() || *text != self.derived_file_as();
        let text = text.filter(derived);
        self.set_text(FILE_AS, text, ical::escape);
    }

    fn composed_name(&self) -> String {
        let parts = [PREFIX, FIRST, MIDDLE, LAST, SUFFIX].map(|at| self.name_part(at));
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// FN stands in every card (RFC 6350 §6.2.1), even with nothing in it.
    fn set_formatted_name(&mut self, name: &str) {
        match self.at("FN") {
            Some(at) => self.rewrite(at, name),
            None => self
                .inner
                .properties
                .insert(self.inner.properties.len().min(1), Property::text("FN", name)),
        }
    }

    fn set_name_part(&mut self, at: usize, text: &str) {
        // Where there was no N, what the formatted name suggested becomes one.
        let all = [LAST, FIRST, MIDDLE, PREFIX, SUFFIX].map(|at| self.name_part(at));
        let value = all.map(|part| ical::escape(&part)).join(";");
        let filled = self.full_name_at();
        let place = match filled.or_else(|| self.at("N")) {
            Some(place) => place,
            None => {
                self.inner.push(Property::new("N", ""));
                self.inner.properties.len().saturating_sub(1)
            }
        };
        if let Some(name) = self.inner.properties.get_mut(place) {
            let old = if filled.is_some() { &name.value } else { &value };
            name.value = set_part(old, at, text);
            name.set_param("SORT-AS", None);
        }
    }

    fn set_org(&mut self, at: usize, text: &str) {
        match self.at("ORG") {
            None => self.inner.push(Property::new("ORG", set_part("", at, text))),
            Some(place) => {
                let Some(org) = self.inner.properties.get_mut(place) else { return };
                org.value = set_part(&org.value, at, text);
                org.set_param("SORT-AS", None);
                if is_empty_address(&org.value) {
                    self.remove_all(&[place]);
                }
            }
        }
    }

    /// Sets what is shown of these names where it stands, or removes all of them.
    fn set_text(&mut self, names: &[&str], text: Option<&str>, escape: fn(&str) -> String) {
        let filled = |property: &Property| !property.value.trim().is_empty();
        let place = names.iter().find_map(|name| {
            let mut all = self.inner.properties.iter();
            all.position(|property| is(property, name) && filled(property))
        });
        match (text, place) {
            (Some(text), Some(at)) => {
                self.rewrite(at, text);
                if let Some(property) = self.inner.properties.get_mut(at) {
                    property.value = Property::new("", escape(text)).value;
                }
            }
            (Some(text), None) => {
                let name = names.first().copied().unwrap_or_default();
                self.inner.push(Property::new(name, escape(text)));
            }
            // Web pages and the like: a phone shows the first only, and took away that one.
            (None, Some(at)) if names.len() == 1 => self.remove_all(&[at]),
            (None, _) => {
                let all = self.inner.properties.iter().enumerate();
                let of = |property: &Property| names.iter().any(|name| is(property, name));
                let places: Vec<usize> =
                    all.filter(|(_, property)| of(property)).map(|(at, _)| at).collect();
                self.remove_all(&places);
            }
        }
    }

    /// All notes are shown as one, so a new text takes the place of all.
    fn set_note(&mut self, text: Option<&str>) {
        let all = self.inner.properties.iter().enumerate();
        let mut places: Vec<usize> =
            all.filter(|(_, property)| is(property, "NOTE")).map(|(at, _)| at).collect();
        match text {
            Some(text) if places.is_empty() => self.inner.push(Property::text("NOTE", text)),
            Some(text) => self.rewrite(places.remove(0), text),
            None => {}
        }
        self.remove_all(&places);
    }

    /// Replaces the categories.
    pub fn set_categories(&mut self, categories: &[String]) {
        let old = self.categories();
        if old.len() == categories.len() && old.iter().all(|one| categories.contains(one)) {
            return;
        }
        let escaped: Vec<String> = categories.iter().map(|one| ical::escape(one)).collect();
        let all = self.inner.properties.iter().enumerate();
        let mut places: Vec<usize> =
            all.filter(|(_, property)| is(property, "CATEGORIES")).map(|(at, _)| at).collect();
        if !escaped.is_empty() {
            let value = escaped.join(",");
            match places.is_empty() {
                true => self.inner.push(Property::new("CATEGORIES", value)),
                false => {
                    let at = places.remove(0);
                    if let Some(property) = self.inner.properties.get_mut(at) {
                        property.value = value;
                    }
                }
            }
        }
        self.remove_all(&places);
    }

    /// Changes properties in their places; what the changes leave elsewhere keeps its place.
    fn edit_slots(&mut self, family: Family, changes: Vec<(Slot, Parts)>) {
        let mut places = self.assign(family);
        let mut gone: Vec<usize> = Vec::new();
        let changed: Vec<Slot> = changes.iter().map(|(slot, _)| *slot).collect();
        for (slot, parts) in changes {
            let found = places.iter().find(|(other, _)| *other == slot).map(|(_, at)| *at);
            let at = found.unwrap_or(self.inner.properties.len());
            if found.is_none() {
                self.inner.push(slot.property());
                places.push((slot, at));
            }
            let Some(property) = self.inner.properties.get_mut(at) else { continue };
            if !write(slot, property, &parts) {
                places.retain(|(other, _)| *other != slot);
                gone.push(at);
            }
        }
        self.settle(family, &places, &changed, &gone);
    }

    /// Removes what is gone, and names places where the order does not lead to the rest any
    /// more: those that were changed, and if that is not enough all.
    fn settle(
        &mut self,
        family: Family,
        places: &[(Slot, usize)],
        changed: &[Slot],
        gone: &[usize],
    ) {
        let before = self.clone();
        for named in 0..3 {
            for (slot, at) in places.iter().filter(|(slot, _)| match named {
                0 => false,
                1 => changed.contains(slot),
                _ => true,
            }) {
                if let Some(property) = self.inner.properties.get_mut(*at) {
                    property.set_param(PLACE, Some(slot.name()));
                }
            }
            // Properties move when others are removed, so they are compared as they are.
            let intended: Vec<(Slot, Property)> = places
                .iter()
                .filter_map(|(slot, at)| Some((*slot, self.inner.properties.get(*at)?.clone())))
                .collect();
            self.remove_all(gone);
            if self.stands(family, &intended) {
                return;
            }
            if named < 2 {
                *self = before.clone();
            }
        }
    }

    /// Whether each place holds what it should.
    fn stands(&self, family: Family, intended: &[(Slot, Property)]) -> bool {
        let places = self.assign(family);
        intended.iter().all(|(slot, property)| {
            let at = places.iter().find(|(other, _)| other == slot).map(|(_, at)| *at);
            at.and_then(|at| self.inner.properties.get(at)) == Some(property)
        })
    }
}

/// A URI is not escaped (RFC 6350 §4.2), but for what would be read as an escape.
fn escape_uri(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

/// Writes new texts into a property; false if nothing is left of it.
fn write(slot: Slot, property: &mut Property, parts: &[(usize, Option<String>)]) -> bool {
    if slot.family() == Family::Address {
        return write_address(slot, property, parts);
    }
    let Some((_, Some(text))) = parts.last() else { return false };
    if shown(slot, property, 0) == *text {
        return true;
    }
    let (name, value) = match slot.family() {
        Family::Email => split_address(text),
        _ => (None, text.as_str()),
    };
    let scheme = property.value.split_once(':').map(|(scheme, _)| scheme.to_owned());
    property.value = match scheme {
        Some(scheme) if is(property, "IMPP") => {
            Property::new("", format!("{scheme}:{value}")).value
        }
        _ => ical::escape(value),
    };
    property.set_param("VALUE", None);
    property.set_param(ADDRESS_NAME, name.as_deref());
    true
}

fn write_address(slot: Slot, property: &mut Property, parts: &[(usize, Option<String>)]) -> bool {
    for (at, text) in parts {
        let text = text.as_deref().unwrap_or_default();
        if *at == STREET {
            // The street as shown had these in it.
            property.value = set_part(&property.value, BOX, "");
            if slot != Slot::BusinessAddress {
                property.value = set_part(&property.value, EXTENDED, "");
            }
        }
        property.value = set_part(&property.value, *at, text);
    }
    // They told where the old address is, and how it looks on a letter (RFC 6350 §6.3.1). The
    // finer parts of RFC 9554 do so too.
    property.set_param("GEO", None);
    property.set_param("LABEL", None);
    let finer = super::parts(&property.value).get(..7).map(|seven| seven.join(";"));
    property.value = finer.unwrap_or_else(|| property.value.clone());
    !is_empty_address(&property.value)
}

/// `"Name" <address>`, `Name <address>` or an address alone, as phones send it.
pub fn split_address(text: &str) -> (Option<String>, &str) {
    let text = text.trim();
    let whole = (None, text);
    let Some(inner) = text.strip_suffix('>') else { return whole };
    let Some((name, address)) = inner.rsplit_once('<') else { return whole };
    let name = name.trim();
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    let mut plain = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    let address = address.trim();
    let same = plain.trim().eq_ignore_ascii_case(address) || plain.trim().is_empty();
    ((!same).then(|| plain.trim().to_owned()), address)
}
