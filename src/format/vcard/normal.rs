//! Version 4 of cards that were written in version 3 or 2.1.
//!
//! RFC 6350 appendix A lists what changed. Only what this reader looks at is rewritten; a
//! property that nobody here knows keeps its form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{bare, is};
use crate::format::ical::{Component, Param, Property};
use crate::format::mime;

/// Properties that hold a file.
const FILES: [&str; 4] = ["PHOTO", "LOGO", "SOUND", "KEY"];

/// What stands alone as a parameter in 2.1 (`TEL;HOME;VOICE:`) and is no type.
const ENCODINGS: [&str; 4] = ["QUOTED-PRINTABLE", "BASE64", "8BIT", "7BIT"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Old,
    Three,
    Four,
}

pub(super) fn normalise(mut card: Component) -> Component {
    let version = match card.value_of("VERSION").map(str::trim) {
        Some("2.1") => Version::Old,
        Some("4.0") => Version::Four,
        _ => Version::Three,
    };
    // Apple writes VERSION anywhere; it has to stand first.
    card.remove("VERSION");
    card.properties.insert(0, Property::new("VERSION", "4.0"));
    for property in &mut card.properties {
        if version != Version::Four {
            upgrade(property, version);
        }
        // Some call theirs version 4 and write photos as before.
        if FILES.iter().any(|name| is(property, name)) {
            embed_file(property);
        }
    }
    card
}

fn upgrade(property: &mut Property, version: Version) {
    name_types(property);
    decode_quoted_printable(property);
    property.set_param("CHARSET", None);
    join_types(property);
    if version == Version::Old {
        escape_commas(property);
    }
    if is(property, "GEO")
        && let Some((latitude, longitude)) = property.value.split_once(';')
    {
        property.value = format!("geo:{},{}", latitude.trim(), longitude.trim());
    }
}

/// `TEL;HOME;VOICE:` means `TEL;TYPE=HOME;TYPE=VOICE:`.
fn name_types(property: &mut Property) {
    for param in &mut property.params {
        if !param.values.is_empty() {
            continue;
        }
        let name = std::mem::take(&mut param.name);
        let encoding = ENCODINGS.iter().any(|one| one.eq_ignore_ascii_case(&name));
        param.name = if encoding { "ENCODING" } else { "TYPE" }.to_owned();
        param.values.push(name);
    }
}

/// Decodes a quoted-printable value in its character set.
fn decode_quoted_printable(property: &mut Property) {
    let encoding = property.param("ENCODING").unwrap_or_default();
    if !encoding.eq_ignore_ascii_case("QUOTED-PRINTABLE") {
        return;
    }
    let label = property.param("CHARSET").unwrap_or("utf-8").to_owned();
    let bytes = unquote(property.value.as_bytes());
    let text = mime::decode_charset(Some(label.as_bytes()), &bytes);
    // Separators and their escapes are not encoded, so the value is still a raw one; only line
    // ends need the form that they have now.
    let text = text.replace("\r\n", "\\n").replace(['\r', '\n'], "\\n");
    property.value = text.chars().filter(|c| !c.is_control() || *c == '\t').collect();
    property.set_param("ENCODING", None);
}

/// RFC 2045 §6.7 for a value without line ends; what is no code stays.
fn unquote(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.map(|hex| u8::from_str_radix(hex, 16)) {
            Some(Ok(decoded)) if byte == b'=' => {
                out.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

/// One TYPE parameter instead of many; `pref` becomes PREF, `internet` goes without saying.
fn join_types(property: &mut Property) {
    let mut types: Vec<String> = Vec::new();
    let of_type = |param: &Param| param.name.eq_ignore_ascii_case("TYPE");
    let Some(first) = property.params.iter().position(of_type) else { return };
    for param in property.params.iter().filter(|param| of_type(param)) {
        let values = param.values.iter().flat_map(|value| value.split(','));
        types.extend(values.map(|value| value.trim().to_owned()));
    }
    property.params.retain(|param| !of_type(param));
    let preferred = types.iter().any(|one| one.eq_ignore_ascii_case("pref"));
    let internet = is(property, "EMAIL");
    types.retain(|one| {
        let default = internet && one.eq_ignore_ascii_case("internet");
        !one.is_empty() && !default && !one.eq_ignore_ascii_case("pref")
    });
    if !types.is_empty() {
        let param = Param { name: "TYPE".to_owned(), values: types };
        property.params.insert(first.min(property.params.len()), param);
    }
    if preferred && property.param("PREF").is_none() {
        property.set_param("PREF", Some("1"));
    }
}

/// `PHOTO;ENCODING=b;TYPE=JPEG:…` becomes a `data:` URI (RFC 6350 §6.2.4).
fn embed_file(property: &mut Property) {
    let encoding = property.param("ENCODING").unwrap_or_default();
    if !encoding.eq_ignore_ascii_case("b") && !encoding.eq_ignore_ascii_case("base64") {
        return;
    }
    let data: String = property.value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let format = super::types(property).next().unwrap_or_default().to_ascii_lowercase();
    let known = !format.is_empty() && format.bytes().all(|b| b.is_ascii_alphanumeric());
    let media = match bare(property).to_ascii_uppercase().as_str() {
        "SOUND" if known => format!("audio/{format}"),
        "KEY" if format == "pgp" => "application/pgp-keys".to_owned(),
        "KEY" => "application/pkix-cert".to_owned(),
        "PHOTO" | "LOGO" => image_type(&data, &format).to_owned(),
        _ => "application/octet-stream".to_owned(),
    };
    property.value = format!("data:{media};base64,{data}");
    for name in ["ENCODING", "TYPE", "VALUE"] {
        property.set_param(name, None);
    }
}

/// An image's media type by its first bytes, or by what it was called.
fn image_type(data: &str, format: &str) -> &'static str {
    let head = data.get(..16).and_then(|head| STANDARD.decode(head).ok()).unwrap_or_default();
    super::photo::media_type(&head).unwrap_or(match format {
        "png" => "image/png",
        "gif" => "image/gif",
        _ => "image/jpeg",
    })
}

/// A comma had no meaning in 2.1, but for lists of categories.
fn escape_commas(property: &mut Property) {
    let other = ["CATEGORIES"].iter().chain(&FILES).any(|name| is(property, name));
    if other || !property.value.contains(',') {
        return;
    }
    let mut out = String::with_capacity(property.value.len() + 8);
    let mut escaped = false;
    for c in property.value.chars() {
        if c == ',' && !escaped {
            out.push('\\');
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    property.value = out;
}
