//! What of a text a client could see, as one number: it changes when a client has to be told.

use twox_hash::XxHash3_64;

use super::component::Component;
use super::line::Property;

/// Properties that change without anything to see: time stamps, counters, who wrote it.
const NOISE: &[&str] = &[
    "DTSTAMP",
    "LAST-MODIFIED",
    "CREATED",
    "SEQUENCE",
    "PRODID",
    "VERSION",
    "CALSCALE",
    "METHOD",
    "X-MOZ-GENERATION",
    "X-LIC-ERROR",
    // Of vCards.
    "REV",
];

/// Hash of everything a client could see. The order of properties and components does not
/// matter, nor how names are written; zone definitions are what TZIDs already say.
pub fn look(calendar: &Component) -> u64 {
    let mut sum = 0u64;
    for component in calendar.components.iter().filter(|part| !part.is("VTIMEZONE")) {
        sum = sum.wrapping_add(component_look(component));
    }
    sum
}

/// Hash of one component; of a vCard too.
pub fn component_look(component: &Component) -> u64 {
    let mut sum = XxHash3_64::oneshot(component.name.to_ascii_uppercase().as_bytes());
    let noise = |property: &&Property| NOISE.iter().any(|name| property.is(name));
    for property in component.properties.iter().filter(|property| !noise(property)) {
        let mut text = String::with_capacity(property.value.len() + 64);
        text.push_str(&property.name.to_ascii_uppercase());
        let mut params: Vec<_> = property.params.iter().collect();
        params.sort_by(|a, b| a.name.cmp(&b.name));
        for param in params {
            text.extend(["\n", &param.name.to_ascii_uppercase(), "="]);
            param.values.iter().for_each(|value| text.extend([value, ","]));
        }
        text.extend(["\r", &property.value]);
        sum = sum.wrapping_add(XxHash3_64::oneshot(text.as_bytes()));
    }
    for inner in &component.components {
        // Turned, so that a property of an alarm is not one of its event.
        sum = sum.wrapping_add(component_look(inner).rotate_left(17));
    }
    XxHash3_64::oneshot(&sum.to_le_bytes())
}
