//! Birthday and anniversary. RFC 6350 §6.2.5 and §6.2.6.

use jiff::civil::Date;

use super::{ALIKE_MAX, Card, is};
use crate::format::ical::{Property, parse_date};

/// The year of dates that have none, as Apple's and Google's programs write them; a leap year.
pub const NO_YEAR: i16 = 1604;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateField {
    Birthday,
    Anniversary,
}

impl DateField {
    /// Where it may stand; the first is written.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Birthday => &["BDAY"],
            Self::Anniversary => &[
                "ANNIVERSARY",
                "X-ANNIVERSARY",
                "X-MS-ANNIVERSARY",
                "X-EVOLUTION-ANNIVERSARY",
                "X-KADDRESSBOOK-X-ANNIVERSARY",
            ],
        }
    }
}

impl Card {
    /// The day; of the year [`NO_YEAR`] if none is known.
    pub fn date(&self, field: DateField) -> Option<Date> {
        self.dates(field).find_map(|(_, property)| read(&property.value))
    }

    /// Sets or removes a day.
    pub fn set_date(&mut self, field: DateField, date: Option<Date>) {
        let Some(date) = date else {
            let places: Vec<usize> = self.dates(field).map(|(at, _)| at).collect();
            return self.remove_all(&places);
        };
        let place = self.dates(field).find(|(_, property)| read(&property.value).is_some());
        let place = place.or_else(|| self.dates(field).next()).map(|(at, _)| at);
        match place.and_then(|at| self.inner.properties.get_mut(at)) {
            None => {
                let name = field.names().first().copied().unwrap_or_default();
                self.inner.push(Property::new(name, write(date)));
            }
            Some(property) => {
                property.value = write(date);
                property.set_param("VALUE", None);
                property.set_param("CALSCALE", None);
                property.set_param("X-APPLE-OMIT-YEAR", None);
            }
        }
    }

    /// The properties that may hold a day, in the order of their worth.
    fn dates(&self, field: DateField) -> impl Iterator<Item = (usize, &Property)> {
        let all = move || self.inner.properties.iter().enumerate();
        let named = field
            .names()
            .iter()
            .flat_map(move |name| all().filter(move |(_, property)| is(property, name)));
        // Apple's form: X-ABDATE with the label "Anniversary".
        let dates = all().filter(|(_, property)| is(property, "X-ABDATE")).take(ALIKE_MAX);
        let labelled = dates.filter(move |(_, property)| {
            field == DateField::Anniversary
                && self.label(property).is_some_and(|one| one.eq_ignore_ascii_case("anniversary"))
        });
        named.chain(labelled)
    }
}

/// `19800322`, `1980-03-22`, with a time behind it or not; `--0322` and `--03-22`.
fn read(value: &str) -> Option<Date> {
    let day = value.trim().split(['T', 't', ' ']).next().unwrap_or_default();
    match day.strip_prefix("--") {
        Some(rest) => {
            let digits: String = rest.chars().filter(|c| *c != '-').collect();
            (digits.len() == 4).then(|| parse_date(&format!("{NO_YEAR}{digits}"))).flatten()
        }
        None => parse_date(day).filter(|date| date.year() > 0),
    }
}

fn write(date: Date) -> String {
    match date.year() {
        NO_YEAR => format!("--{:02}{:02}", date.month(), date.day()),
        year => format!("{year:04}{:02}{:02}", date.month(), date.day()),
    }
}
