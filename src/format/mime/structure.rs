//! BODY and BODYSTRUCTURE (RFC 9051 §7.5.2) of a scanned message, written without recursion.

use memchr::memchr_iter;

use super::Span;
use super::envelope::gather;
use super::header::unfold;
use super::param::{MediaType, Param, Structured, join_continuations};
use super::scan::{Entity, EntityId, Kind, Tree, first_word, scan};
use super::wire::{put_number, put_string, put_value};

/// Which of the two forms of a body structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `BODY`: without extension data.
    Basic,
    /// `BODYSTRUCTURE`: with MD5, disposition, language and location.
    Extended,
}

/// BODY or BODYSTRUCTURE of `raw`, by scanning it.
///
/// Only for messages whose record does not hold it; see [`super::RecordView::bodystructure`].
pub fn body_structure(raw: &[u8], form: Form) -> Vec<u8> {
    let mut out = Vec::new();
    let extensions = write(raw, &scan(raw), &mut out);
    match form {
        Form::Extended => out,
        Form::Basic => without(&out, &extensions),
    }
}

/// `bytes` without the given places, which are in order.
pub(super) fn without(bytes: &[u8], cuts: &[Span]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for cut in cuts {
        out.extend_from_slice(Span { start: from, end: cut.start }.of(bytes));
        from = cut.end;
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    out
}

/// Appends the BODYSTRUCTURE to the empty `out`; returns where the extension data stands in it,
/// without which it is the BODY.
pub(super) fn write(raw: &[u8], tree: &Tree, out: &mut Vec<u8>) -> Vec<Span> {
    let mut writer = Writer { raw, tree, out, extensions: Vec::new() };
    // Entities to write, and what is written behind the children of one that is open.
    let mut work = vec![Step::Open(0)];
    while let Some(step) = work.pop() {
        match step {
            Step::Open(id) => writer.open(id, &mut work),
            Step::Close(id) => writer.close(id),
        }
    }
    writer.extensions
}

enum Step {
    Open(EntityId),
    Close(EntityId),
}

struct Writer<'a, 'o> {
    raw: &'a [u8],
    tree: &'a Tree,
    out: &'o mut Vec<u8>,
    extensions: Vec<Span>,
}

impl Writer<'_, '_> {
    fn open(&mut self, id: EntityId, work: &mut Vec<Step>) {
        let Some(entity) = self.tree.get(id) else { return };
        self.out.push(b'(');
        work.push(Step::Close(id));
        match entity.kind {
            Kind::Multipart => {
                work.extend(entity.children.iter().rev().map(|child| Step::Open(*child)));
            }
            Kind::Message => {
                self.single(entity, &self.tree.media_type(self.raw, id));
                self.out.push(b' ');
                let nested = entity.children.first().copied().unwrap_or_default();
                if let Some(message) = self.tree.get(nested) {
                    gather([message.header.of(self.raw), b""]).write(self.out);
                }
                self.out.push(b' ');
                work.push(Step::Open(nested));
            }
            Kind::Leaf => {
                let media = self.tree.media_type(self.raw, id);
                self.single(entity, &media);
                if media.is("text", "") {
                    self.lines(entity);
                }
            }
            // The type that the message gives would promise parts that are not there.
            Kind::BrokenMultipart => {
                self.single(entity, &MediaType::default());
                self.lines(entity);
            }
            Kind::Opaque => {
                let media = MediaType {
                    main: b"application",
                    sub: b"octet-stream",
                    ..MediaType::default()
                };
                self.single(entity, &media);
            }
        }
    }

    fn close(&mut self, id: EntityId) {
        let Some(entity) = self.tree.get(id) else { return };
        if entity.kind == Kind::Multipart {
            let media = self.tree.media_type(self.raw, id);
            self.out.push(b' ');
            put_string(self.out, media.sub);
            let start = self.out.len();
            self.out.push(b' ');
            self.params(&media.params);
            self.extension(entity, start);
        } else {
            if entity.kind == Kind::Message {
                self.lines(entity);
            }
            let start = self.out.len();
            self.out.push(b' ');
            put_value(self.out, entity.mime.md5.map(|v| v.of(self.raw)));
            self.extension(entity, start);
        }
        self.out.push(b')');
    }

    /// Type, parameters, id, description, encoding and size: what every single part has.
    fn single(&mut self, entity: &Entity, media: &MediaType<'_>) {
        put_string(self.out, media.main);
        self.out.push(b' ');
        put_string(self.out, media.sub);
        self.out.push(b' ');
        if media.defaulted && media.params.is_empty() && media.is("text", "plain") {
            // RFC 2045 §5.2: what a message without the field means.
            self.out.extend_from_slice(b"(\"charset\" \"us-ascii\")");
        } else {
            self.params(&media.params);
        }
        for value in [entity.mime.id, entity.mime.description] {
            self.out.push(b' ');
            put_value(self.out, value.map(|v| v.of(self.raw)));
        }
        self.out.push(b' ');
        let encoding = entity.mime.encoding.map(|v| first_word(v.of(self.raw))).unwrap_or_default();
        put_string(self.out, if encoding.is_empty() { b"7bit" } else { encoding });
        self.out.push(b' ');
        put_number(self.out, entity.body.len());
    }

    fn lines(&mut self, entity: &Entity) {
        self.out.push(b' ');
        put_number(self.out, memchr_iter(b'\n', entity.body.of(self.raw)).count());
    }

    /// Disposition, language and location, and the note where the extension data began.
    fn extension(&mut self, entity: &Entity, start: usize) {
        self.out.push(b' ');
        let disposition = entity.mime.disposition.map(|v| Structured::parse(v.of(self.raw)));
        match disposition.filter(|d| !d.head.is_empty()) {
            Some(disposition) => {
                self.out.push(b'(');
                put_string(self.out, disposition.head);
                self.out.push(b' ');
                self.params(&disposition.params);
                self.out.push(b')');
            }
            None => self.out.extend_from_slice(b"NIL"),
        }
        self.out.push(b' ');
        self.language(entity.mime.language.map(|v| v.of(self.raw)).unwrap_or_default());
        self.out.push(b' ');
        put_value(self.out, entity.mime.location.map(|v| v.of(self.raw)));
        self.extensions.push(Span { start, end: self.out.len() });
    }

    /// Content-Language is a list of tags (RFC 3282). In brackets even if it is one: other
    /// servers do so, and clients have been tested against them.
    fn language(&mut self, value: &[u8]) {
        let value = unfold(value);
        let tags =
            value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|tag| !tag.is_empty());
        let mut before = b'(';
        for tag in tags.take(super::MAX_PARAMETERS) {
            self.out.push(before);
            put_string(self.out, tag);
            before = b' ';
        }
        self.out.extend_from_slice(if before == b'(' { b"NIL" } else { b")" });
    }

    fn params(&mut self, params: &[Param<'_>]) {
        if params.is_empty() {
            self.out.extend_from_slice(b"NIL");
            return;
        }
        for (at, param) in join_continuations(params).iter().enumerate() {
            self.out.push(if at == 0 { b'(' } else { b' ' });
            put_string(self.out, &param.name);
            self.out.push(b' ');
            put_string(self.out, &param.value);
        }
        self.out.push(b')');
    }
}
