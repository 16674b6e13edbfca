//! Other people in a card: manager, assistant, spouse, children.

use super::{ALIKE_MAX, Card, has_type, is};
use crate::format::ical::Property;

/// Where children stand; the first is written.
const CHILDREN: &[&str] = &["X-MS-CHILD", "X-EVOLUTION-CHILD", "X-CHILDREN", "X-CHILD"];

/// People of one role that are read: MS-ASCNTC 2.2.2.22 lets a contact have 300 children.
const PEOPLE_MAX: usize = 300;

impl Card {
    /// The first of these people who has a name.
    pub(super) fn person(&self, names: &[&str], role: &str) -> Option<String> {
        self.people(names, role).into_iter().map(|(_, name)| name).next()
    }

    /// Sets or removes a person: in the place where one stands, else under the first name.
    pub(super) fn set_person(&mut self, names: &[&str], role: &str, name: Option<&str>) {
        let found = self.people(names, role);
        match (name, found.first()) {
            (None, _) => {
                let places: Vec<usize> = found.into_iter().map(|(at, _)| at).collect();
                self.remove_all(&places);
            }
            (Some(name), Some((at, _))) => self.rewrite(*at, name),
            (Some(name), None) => {
                let property = names.first().copied().unwrap_or_default();
                self.inner.push(Property::text(property, name));
            }
        }
    }

    /// The children's names in their order.
    pub fn children(&self) -> Vec<String> {
        self.people(CHILDREN, "child").into_iter().map(|(_, name)| name).collect()
    }

    /// Replaces the children; who stays keeps the property that names him or her.
    pub fn set_children(&mut self, names: &[String]) {
        let found = self.people(CHILDREN, "child");
        let gone = found.iter().filter(|(_, name)| !names.contains(name));
        let gone: Vec<usize> = gone.map(|(at, _)| *at).collect();
        self.remove_all(&gone);
        let name = CHILDREN.first().copied().unwrap_or_default();
        for new in names.iter().filter(|new| found.iter().all(|(_, old)| old != *new)) {
            self.inner.push(Property::text(name, new));
        }
    }

    /// Everybody of a role, with the place of the property.
    fn people(&self, names: &[&str], role: &str) -> Vec<(usize, String)> {
        let mut labels = 0;
        let all = self.inner.properties.iter().enumerate();
        let found = all.filter(|(_, property)| {
            let named = names.iter().any(|name| is(property, name));
            let related = is(property, "RELATED") && has_type(property, role) && !uri(property);
            let labelled = is(property, "X-ABRELATEDNAMES") && {
                labels += 1;
                labels <= ALIKE_MAX && self.is_labelled(property, role)
            };
            named || related || labelled
        });
        let texts = found.map(|(at, property)| (at, property.to_text().trim().to_owned()));
        texts.filter(|(_, name)| !name.is_empty()).take(PEOPLE_MAX).collect()
    }

    /// Of Apple's `X-ABRELATEDNAMES`.
    fn is_labelled(&self, property: &Property, role: &str) -> bool {
        self.label(property).is_some_and(|label| label.eq_ignore_ascii_case(role))
    }

    /// Gives a property another text; what told the old one in another way goes.
    pub(super) fn rewrite(&mut self, at: usize, text: &str) {
        let Some(property) = self.inner.properties.get_mut(at) else { return };
        property.value = crate::format::ical::escape(text);
        for name in ["ENCODING", "ALTREP"] {
            property.set_param(name, None);
        }
    }
}

/// A RELATED that points to another card (RFC 6350 §6.6.6: a URI unless VALUE says text).
fn uri(property: &Property) -> bool {
    let value = property.param("VALUE").unwrap_or_default();
    let scheme = property.value.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.starts_with(' ') && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    });
    !value.eq_ignore_ascii_case("text") && scheme
}
