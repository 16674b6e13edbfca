//! Where the body of an event, a task or a note is kept: plain text in DESCRIPTION, and the HTML
//! that a phone or Outlook wrote in X-ALT-DESC.

use crate::eas::render::body::Kept;
use crate::format::ical::{Component, Property};

pub const TEXT: &str = "DESCRIPTION";
pub const HTML: &str = "X-ALT-DESC";

/// The HTML, if there is any.
pub fn html(component: &Component) -> Option<&Property> {
    let is_html = |line: &&Property| {
        line.param("FMTTYPE").is_none_or(|kind| kind.eq_ignore_ascii_case("text/html"))
    };
    component.all(HTML).find(is_html).filter(|line| !line.value.trim().is_empty())
}

pub fn kept(component: &Component) -> Kept {
    Kept {
        text: component.text_of(TEXT).unwrap_or_default(),
        html: html(component).map(Property::to_text),
    }
}

pub fn keep(component: &mut Component, new: &Kept) {
    component.set_text(TEXT, Some(&new.text));
    match &new.html {
        Some(html) => component.set(Property::text(HTML, html).with("FMTTYPE", "text/html")),
        None => component.remove(HTML),
    }
}
