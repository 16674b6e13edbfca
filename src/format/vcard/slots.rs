//! Which of several telephone numbers, addresses and so on is which.
//!
//! A card has any number of them with types, address books have fixed places. Each place is
//! given to the first property that fits it; numbers that fit none but would be missed fill
//! places that stay free. What a phone puts where the order alone would not lead gets a
//! parameter that names its place, so that "Home 2" stays it when "Home" is taken away.

use super::{ALIKE_MAX, Card, has_type, is, preference, types};
use crate::format::ical::Property;

/// The parameter that names a property's place.
pub(super) const PLACE: &str = "X-KONTOR-PLACE";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    Email1,
    Email2,
    Email3,
    Im1,
    Im2,
    Im3,
    HomePhone,
    Home2Phone,
    BusinessPhone,
    Business2Phone,
    MobilePhone,
    Pager,
    RadioPhone,
    CarPhone,
    AssistantPhone,
    CompanyMainPhone,
    HomeFax,
    BusinessFax,
    Mms,
    HomeAddress,
    BusinessAddress,
    OtherAddress,
}

/// Properties that share places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Email,
    Im,
    Phone,
    Address,
}

use Slot as S;

const SLOTS: [(Slot, &str, Family); 22] = [
    (S::Email1, "Email1", Family::Email),
    (S::Email2, "Email2", Family::Email),
    (S::Email3, "Email3", Family::Email),
    (S::Im1, "IM1", Family::Im),
    (S::Im2, "IM2", Family::Im),
    (S::Im3, "IM3", Family::Im),
    (S::HomePhone, "Home", Family::Phone),
    (S::Home2Phone, "Home2", Family::Phone),
    (S::BusinessPhone, "Business", Family::Phone),
    (S::Business2Phone, "Business2", Family::Phone),
    (S::MobilePhone, "Mobile", Family::Phone),
    (S::Pager, "Pager", Family::Phone),
    (S::RadioPhone, "Radio", Family::Phone),
    (S::CarPhone, "Car", Family::Phone),
    (S::AssistantPhone, "Assistant", Family::Phone),
    (S::CompanyMainPhone, "CompanyMain", Family::Phone),
    (S::HomeFax, "HomeFax", Family::Phone),
    (S::BusinessFax, "BusinessFax", Family::Phone),
    (S::Mms, "MMS", Family::Phone),
    (S::HomeAddress, "HomeAddress", Family::Address),
    (S::BusinessAddress, "BusinessAddress", Family::Address),
    (S::OtherAddress, "OtherAddress", Family::Address),
];

/// What is no address of the family's own but holds one for instant messages.
const IM_NAMES: [&str; 11] = [
    "IMPP",
    "X-MS-IMADDRESS",
    "X-JABBER",
    "X-AIM",
    "X-ICQ",
    "X-MSN",
    "X-YAHOO",
    "X-SKYPE",
    "X-GTALK",
    "X-GOOGLE-TALK",
    "X-QQ",
];

impl Slot {
    pub(super) fn family(self) -> Family {
        let found = SLOTS.iter().find(|(slot, ..)| *slot == self);
        found.map_or(Family::Phone, |(.., family)| *family)
    }

    pub(super) fn name(self) -> &'static str {
        SLOTS.iter().find(|(slot, ..)| *slot == self).map_or("", |(_, name, _)| name)
    }

    /// An empty property for this place.
    pub(super) fn property(self) -> Property {
        let (name, kind) = match self {
            S::Email1 | S::Email2 | S::Email3 => ("EMAIL", ""),
            S::Im1 | S::Im2 | S::Im3 => ("X-MS-IMADDRESS", ""),
            S::HomePhone | S::Home2Phone => ("TEL", "home,voice"),
            S::BusinessPhone | S::Business2Phone => ("TEL", "work,voice"),
            S::MobilePhone => ("TEL", "cell"),
            S::Pager => ("TEL", "pager"),
            S::RadioPhone => ("TEL", "x-evolution-radio"),
            S::CarPhone => ("TEL", "car"),
            S::AssistantPhone => ("TEL", "x-evolution-assistant"),
            S::CompanyMainPhone => ("TEL", "x-evolution-company"),
            S::HomeFax => ("TEL", "home,fax"),
            S::BusinessFax => ("TEL", "work,fax"),
            S::Mms => ("TEL", "x-kontor-mms"),
            S::HomeAddress => ("ADR", "home"),
            S::BusinessAddress => ("ADR", "work"),
            S::OtherAddress => ("ADR", ""),
        };
        let value = if self.family() == Family::Address { ";;;;;;" } else { "" };
        let mut property = Property::new(name, value);
        if let (Some(first), mut rest) = split_first(kind) {
            property.set_param("TYPE", Some(first));
            if let Some(param) = property.params.first_mut() {
                param.values.extend(rest.by_ref().map(str::to_owned));
            }
        }
        property
    }
}

fn split_first(kind: &str) -> (Option<&str>, impl Iterator<Item = &str>) {
    let mut all = kind.split(',').filter(|one| !one.is_empty());
    (all.next(), all)
}

impl Family {
    pub(super) const ALL: [Family; 4] = [Self::Email, Self::Im, Self::Phone, Self::Address];

    fn holds(self, property: &Property) -> bool {
        match self {
            Self::Email => is(property, "EMAIL"),
            Self::Phone => is(property, "TEL"),
            Self::Address => is(property, "ADR"),
            Self::Im => IM_NAMES.iter().any(|name| is(property, name)),
        }
    }

    /// The places that fit a property, the best first, and those that it fills if they stay
    /// free.
    fn places(self, property: &Property, label: &str) -> (&'static [Slot], &'static [Slot]) {
        match self {
            Self::Email => (&[S::Email1, S::Email2, S::Email3], &[]),
            Self::Im => (&[S::Im1, S::Im2, S::Im3], &[]),
            Self::Address if has_type(property, "home") => (&[S::HomeAddress], &[S::OtherAddress]),
            Self::Address if has_type(property, "work") => {
                (&[S::BusinessAddress], &[S::OtherAddress])
            }
            Self::Address => (&[S::OtherAddress], &[]),
            Self::Phone => phone_places(property, label),
        }
    }
}

/// For a telephone number, by its types (RFC 6350 §6.4.1, and those that programs added).
fn phone_places(property: &Property, label: &str) -> (&'static [Slot], &'static [Slot]) {
    let any = |names: &[&str]| {
        let of = |one: &str| names.iter().any(|name| one.eq_ignore_ascii_case(name));
        types(property).any(of) || of(label)
    };
    let (home, work) = (any(&["home"]), any(&["work"]));
    if any(&["fax", "homefax", "workfax", "faxhome", "faxwork"]) {
        return match home || any(&["homefax", "faxhome"]) {
            true => (&[S::HomeFax], &[S::BusinessFax]),
            false => (&[S::BusinessFax], &[S::HomeFax]),
        };
    }
    if any(&["x-evolution-assistant", "x-assistant", "assistant", "assistantphone"]) {
        return (&[S::AssistantPhone], &[]);
    }
    if any(&["pager"]) {
        return (&[S::Pager], &[]);
    }
    if any(&["car"]) {
        return (&[S::CarPhone], &[]);
    }
    if any(&["x-evolution-radio", "x-radio", "radio"]) {
        return (&[S::RadioPhone], &[]);
    }
    if any(&["x-kontor-mms"]) {
        return (&[S::Mms], &[]);
    }
    if any(&["x-evolution-company", "x-company", "main", "company"]) {
        return (&[S::CompanyMainPhone], &[]);
    }
    if any(&["cell", "iphone", "mobile"]) {
        return match work {
            true => (&[S::MobilePhone], &[S::Business2Phone, S::BusinessPhone]),
            false => (&[S::MobilePhone], &[S::Home2Phone, S::HomePhone]),
        };
    }
    match (home, work) {
        (true, _) => (&[S::HomePhone, S::Home2Phone], &[]),
        (_, true) => (&[S::BusinessPhone, S::Business2Phone], &[]),
        _ => (
            &[],
            &[S::HomePhone, S::BusinessPhone, S::Home2Phone, S::Business2Phone, S::MobilePhone],
        ),
    }
}

impl Card {
    /// Which property stands in which place.
    pub(super) fn assign(&self, family: Family) -> Vec<(Slot, usize)> {
        let all = self.inner.properties.iter().enumerate();
        let mut left: Vec<(usize, &Property)> =
            all.filter(|(_, p)| family.holds(p) && !blank(p)).take(ALIKE_MAX).collect();
        left.sort_by_key(|(_, property)| preference(property));
        let mut taken: Vec<(Slot, usize)> = Vec::new();
        let place = |taken: &mut Vec<(Slot, usize)>, at: usize, slots: &[Slot]| {
            let free = slots.iter().find(|slot| taken.iter().all(|(other, _)| other != *slot));
            taken.extend(free.map(|slot| (*slot, at)));
            free.is_some()
        };
        left.retain(|(at, property)| {
            let named = property.param(PLACE).unwrap_or_default();
            let slot = SLOTS.iter().find(|(_, name, of)| *of == family && *name == named);
            !slot.is_some_and(|(slot, ..)| place(&mut taken, *at, &[*slot]))
        });
        let label = |property: &Property| self.label(property).unwrap_or_default().to_owned();
        left.retain(|(at, property)| {
            !place(&mut taken, *at, family.places(property, &label(property)).0)
        });
        left.retain(|(at, property)| {
            !place(&mut taken, *at, family.places(property, &label(property)).1)
        });
        taken
    }
}

/// Without anything in it; some programs write empty numbers and addresses.
fn blank(property: &Property) -> bool {
    property.value.chars().all(|c| c.is_whitespace() || c == ';')
}
