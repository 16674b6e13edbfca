//! What others think of the server's answers: Debian's `wbxml2xml`, which has a decoder and
//! code pages of its own, and Microsoft's schemas, where they are there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kontor::format::wbxml::{Element, Value, tags};

use super::Model;
use crate::support::PATIENCE;
use crate::support::program::{installed, succeed};

/// Answers that were heard, with what was read in them.
pub struct Opinions {
    /// The schemas describe 14.0 and later.
    schemas: bool,
    heard: Vec<(String, Vec<u8>, Element)>,
}

impl Opinions {
    pub fn new(model: &Model) -> Opinions {
        Opinions { schemas: model.since(14, 0), heard: Vec::new() }
    }

    pub fn hear(&mut self, command: &str, bytes: &[u8], element: &Element) {
        // Another page with items tells nothing new.
        if self.heard.iter().filter(|(known, ..)| known == command).count() < 12 {
            self.heard.push((command.to_owned(), bytes.to_owned(), element.clone()));
        }
    }

    fn ask(&self) {
        let own = tempfile::tempdir().expect("a directory");
        if installed("wbxml2xml") {
            self.heard.iter().for_each(|(command, bytes, element)| {
                other_decoder(own.path(), command, bytes, element);
            });
        }
        let Some(schema) = schema().filter(|_| self.schemas && !self.heard.is_empty()) else {
            return;
        };
        let mut command = Command::new("xmllint");
        command.arg("--noout").arg("--schema").arg(schema);
        for (number, (name, _, element)) in self.heard.iter().enumerate() {
            let file = own.path().join(format!("{number}-{name}.xml"));
            let mut xml = String::new();
            write_xml(&mut xml, element, "");
            std::fs::write(&file, xml).expect("our directory");
            command.arg(file);
        }
        let outcome = crate::support::program::run(&mut command, PATIENCE);
        let complaints: Vec<_> = outcome
            .output
            .lines()
            .filter(|line| line.contains("error"))
            .map(|line| line.rsplit_once('/').map_or(line, |(_, rest)| rest))
            .filter(|line| !is_known(line))
            .collect();
        let all: Vec<_> =
            self.heard.iter().map(|(name, _, element)| format!("{name}\n{element}")).collect();
        assert!(complaints.is_empty(), "{complaints:#?}\n{}", all.join("\n"));
    }
}

/// Where the schemas are wrong and the standard's text is right.
fn is_known(complaint: &str) -> bool {
    let _ = complaint;
    false
}

impl Drop for Opinions {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.ask();
        }
    }
}

/// Names that it has from older versions of the standard.
const OTHER_NAMES: [(&str, &str); 5] = [
    ("SmtpAddress", "SMTPAddress"),
    ("DeviceEncryptionEnabled", "RequireStorageCardEncryption"),
    ("DTStamp", "DtStamp"),
    ("TimeZone", "Timezone"),
    ("Reply-To", "ReplyTo"),
];

/// Whether a name of its is one of ours. Those of the calendar's page it writes with what they
/// belong to: `Organizer_Name`, `Recurrence_Type`.
fn is_name(theirs: &str, ours: &str) -> bool {
    let within = theirs.split_once('_').map(|(_, name)| name);
    theirs == ours
        || theirs == "unknown"
        || OTHER_NAMES.contains(&(theirs, ours))
        || within.is_some_and(|name| name == ours || theirs.replace('_', "") == ours)
}

/// Both decoders must read the same names in the same order; those that the other does not
/// know it calls "unknown".
fn other_decoder(dir: &Path, command: &str, bytes: &[u8], element: &Element) {
    let (input, output) = (dir.join("in.wbxml"), dir.join("out.xml"));
    std::fs::write(&input, bytes).expect("our directory");
    let mut program = Command::new("wbxml2xml");
    program.args(["-m", "0", "-l", "ACTIVESYNC", "-o"]).arg(&output).arg(&input);
    succeed(&mut program, PATIENCE);
    let xml = std::fs::read(&output).expect("its output");
    let theirs = names(&String::from_utf8_lossy(&xml));
    let mut ours = Vec::new();
    flatten(element, &mut ours);
    let same = theirs.len() == ours.len()
        && theirs.iter().zip(&ours).all(|(theirs, ours)| is_name(theirs, ours));
    assert!(same, "{command}: wbxml2xml reads\n{theirs:?}\nand we read\n{ours:?}");
}

fn flatten(element: &Element, names: &mut Vec<String>) {
    names.push(tags::name(element.tag).unwrap_or("unknown").to_owned());
    element.children.iter().for_each(|child| flatten(child, names));
}

/// The names of a document's elements, in their order.
fn names(xml: &str) -> Vec<String> {
    let starts = xml.split('<').skip(1);
    starts
        .filter(|tag| tag.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(|tag| tag.split([' ', '>', '/']).next().unwrap_or_default().to_owned())
        .collect()
}

fn write_xml(out: &mut String, element: &Element, above: &str) {
    let page = tags::page_name(element.tag.page()).unwrap_or("Unknown");
    // Its schema writes it so.
    let page = if page == "Gal" { "GAL" } else { page };
    let name = tags::name(element.tag).unwrap_or("Unknown");
    let _ = match page == above {
        true => write!(out, "<{name}>"),
        false => write!(out, "<{name} xmlns=\"{page}\">"),
    };
    match &element.value {
        Value::None => {}
        Value::Text(text) => out.push_str(&escaped(text)),
        Value::Opaque(bytes) => out.push_str(&BASE64_STANDARD.encode(bytes)),
    }
    element.children.iter().for_each(|child| write_xml(out, child, page));
    let _ = write!(out, "</{name}>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One schema that has them all, or `None` where they, or xmllint, are missing. The files name
/// each other's namespaces without saying where they are.
fn schema() -> Option<&'static Path> {
    static MADE: OnceLock<Option<(PathBuf, tempfile::TempDir)>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/eas-xsd");
        if !dir.is_dir() || !installed("xmllint") {
            return None;
        }
        let own = tempfile::tempdir().expect("a directory");
        let mut files: Vec<(String, String, String)> = Vec::new();
        for entry in std::fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !name.ends_with(".xsd") || name.starts_with("Autodiscover") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a schema");
            if let Some(space) = attribute(&text, "targetNamespace") {
                files.push((space, name, text));
            }
        }
        files.sort();
        let mut spaces: Vec<String> = files.iter().map(|(space, ..)| space.clone()).collect();
        spaces.dedup();
        for (space, name, text) in &files {
            std::fs::write(own.path().join(name), joined(text, space, &spaces)).expect("ours");
        }
        let wrapped = |target: &str, inside: &str| {
            format!("<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\"{target}>{inside}</xs:schema>")
        };
        for space in &spaces {
            let of_it = files.iter().filter(|(each, ..)| each == space);
            let all: String = of_it
                .map(|(_, name, _)| format!("<xs:include schemaLocation=\"{name}\"/>"))
                .collect();
            let target = format!(" targetNamespace=\"{space}\"");
            let file = own.path().join(format!("_{space}.xsd"));
            std::fs::write(file, wrapped(&target, &all)).expect("ours");
        }
        let all: String = spaces.iter().map(|space| import(space)).collect();
        let path = own.path().join("_all.xsd");
        std::fs::write(&path, wrapped("", &all)).expect("ours");
        Some((path, own))
    });
    made.as_ref().map(|(path, _)| path.as_path())
}

fn import(space: &str) -> String {
    format!("<xs:import namespace=\"{space}\" schemaLocation=\"_{space}.xsd\"/>")
}

/// A schema's text with the imports that it lacks.
fn joined(text: &str, own: &str, spaces: &[String]) -> String {
    let start = text.find("<xs:schema").expect("a schema");
    let end = start + text[start..].find('>').expect("its end") + 1;
    let head = &text[start..end];
    let quoted = |space: &&String| head.contains(&format!("\"{space}\""));
    let named = spaces.iter().filter(|space| *space != own).filter(quoted);
    let imports: String = named.map(|space| import(space)).collect();
    format!("{}{imports}{}", &text[..end], &text[end..])
}

fn attribute(text: &str, name: &str) -> Option<String> {
    let rest = text.split_once(name)?.1.trim_start().strip_prefix('=')?;
    let rest = rest.trim_start().strip_prefix('"')?;
    Some(rest.split_once('"')?.0.to_owned())
}
