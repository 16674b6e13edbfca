//! What tasks and notes have in common: a calendar text with one component, simple texts,
//! categories, and what a phone says of a property.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::domain::contact;
use crate::domain::item::Text;
use crate::eas::render::{Malformed, Supported, Unrenderable, View};
use crate::format::ical::{self, Component, Property, parse_date_time};
use crate::format::wbxml::{Element, Tag, Writer};

/// Categories that are read of one item (MS-ASTASK 2.2.2.5).
const CATEGORIES_MAX: usize = 300;

/// What a phone says of a property.
pub enum Said<'e> {
    /// Nothing: it stays.
    Nothing,
    Delete,
    Value(&'e str),
}

/// Reads one property of a phone's item.
pub fn said<'e>(data: &'e Element, tag: Tag, supported: &Supported) -> Said<'e> {
    match data.child(tag) {
        None if supported.manages(tag) => Said::Delete,
        None => Said::Nothing,
        Some(element) => match element.text().trim() {
            "" => Said::Delete,
            value => Said::Value(value),
        },
    }
}

/// A calendar with one empty component.
pub fn new(name: &str) -> Component {
    let mut calendar = Component::new("VCALENDAR");
    calendar.push(Property::new("VERSION", "2.0"));
    calendar.push(Property::new("PRODID", ical::PRODUCT));
    let mut component = Component::new(name);
    component.push(Property::text("UID", &contact::new_uid()));
    calendar.components.push(component);
    calendar
}

/// Reads a text that was kept.
pub fn open(text: &str) -> Result<Component, Unrenderable> {
    Component::parse(text).map_err(|error| Unrenderable(error.to_string()))
}

/// The component that is meant, of a calendar.
pub fn inside<'c>(calendar: &'c Component, name: &str) -> Result<&'c Component, Unrenderable> {
    calendar.child(name).ok_or_else(|| Unrenderable(format!("there is no {name} in it")))
}

/// The same, to be changed.
pub fn inside_mut<'c>(
    calendar: &'c mut Component,
    name: &str,
) -> Result<&'c mut Component, Malformed> {
    calendar.children_mut(name).next().ok_or(Malformed("the item is damaged"))
}

/// What the store wants to know of a text; `until` is the end of its extent.
pub fn finish(mut calendar: Component, name: &str, until: i64, view: &View<'_>) -> Text {
    let now = compact(Timestamp::from_second(view.now).unwrap_or_default());
    let mut uid = String::new();
    if let Some(component) = calendar.children_mut(name).next() {
        component.set_value("DTSTAMP", Some(&now));
        component.set_value("LAST-MODIFIED", Some(&now));
        uid = component.text_of("UID").unwrap_or_default();
    }
    let look = ical::look(&calendar);
    Text { uid, text: calendar.to_string(), look, from: 0, until }
}

pub fn write_text(out: &mut Writer, tag: Tag, component: &Component, name: &str) {
    if let Some(text) = component.text_of(name).filter(|text| !text.is_empty()) {
        out.text(tag, &text);
    }
}

pub fn read_text(
    component: &mut Component,
    name: &str,
    data: &Element,
    tag: Tag,
    supported: &Supported,
) {
    match said(data, tag, supported) {
        Said::Nothing => {}
        Said::Delete => component.remove(name),
        Said::Value(text) => component.set_text(name, Some(text)),
    }
}

pub fn categories(component: &Component) -> Vec<String> {
    component
        .all("CATEGORIES")
        .flat_map(Property::to_list)
        .filter(|name| !name.is_empty())
        .collect()
}

pub fn write_categories(out: &mut Writer, outer: Tag, inner: Tag, component: &Component) {
    let names = categories(component);
    if !names.is_empty() {
        out.open(outer);
        names.iter().take(CATEGORIES_MAX).for_each(|name| out.text(inner, name));
        out.close();
    }
}

pub fn read_categories(
    component: &mut Component,
    data: &Element,
    outer: Tag,
    inner: Tag,
    supported: &Supported,
) {
    let new: Vec<String> = match data.child(outer) {
        None if !supported.manages(outer) => return,
        None => Vec::new(),
        Some(list) => {
            let names = list.all(inner).map(|name| name.text().trim().to_owned());
            names.filter(|name| !name.is_empty()).take(CATEGORIES_MAX).collect()
        }
    };
    if new != categories(component) {
        component.remove("CATEGORIES");
        if !new.is_empty() {
            let list: Vec<String> = new.iter().map(|name| ical::escape(name)).collect();
            component.push(Property::new("CATEGORIES", list.join(",")));
        }
    }
}

/// Either form of a date and time (MS-ASDTYPE 2.7); what it means is the caller's.
pub fn read_time(text: &str) -> Option<DateTime> {
    let text = text.trim();
    let whole = text.split('.').next().unwrap_or(text);
    let compact: String = whole.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    Some(parse_date_time(compact.trim_end_matches('Z'))?.0)
}

/// `2026-01-31T12:00:00.000Z`.
pub fn long(at: DateTime) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// `20260131T120000Z`.
pub fn compact(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}
