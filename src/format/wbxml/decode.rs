//! Bytes to a tree of elements.

use bytes::{Buf, Bytes};

use super::{ATTRIBUTES, CONTENT, END, Element, OPAQUE, STR_I, SWITCH_PAGE, TOKEN, Tag, Value};
use crate::base::limits::{WBXML_DEPTH, WBXML_ELEMENTS};

/// The last byte of an integer has no such bit.
const MORE: u8 = 0x80;
/// Character sets that are, or may be taken for, UTF-8: not given, US-ASCII, UTF-8 (the IANA's
/// MIBenum numbers).
const CHARSETS: [u32; 3] = [0, 3, 106];
/// Tokens below this one are not tags, on every page.
const FIRST_TAG: u8 = 0x05;

/// Why bytes are not a document of ActiveSync's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("ends in the middle")]
    Truncated,
    #[error("WBXML 1.1 to 1.3 expected, not version byte {0:#04x}")]
    Version(u8),
    #[error("UTF-8 expected, not character set {0}")]
    Charset(u32),
    #[error("a string table, which ActiveSync does not have")]
    StringTable,
    #[error("an integer of more than 32 bits at byte {at}")]
    Integer { at: usize },
    #[error("token {token:#04x} at byte {at}, which ActiveSync does not have")]
    Token { token: u8, at: usize },
    #[error("text outside of an element at byte {at}")]
    Outside { at: usize },
    #[error("bytes beside other content in {tag} at byte {at}")]
    Mixed { tag: Tag, at: usize },
    #[error("more than {WBXML_DEPTH} elements within each other")]
    TooDeep,
    #[error("more than {WBXML_ELEMENTS} elements")]
    TooMany,
}

type Result<T> = std::result::Result<T, DecodeError>;

/// Reads a document (MS-ASWBXML 2.1). Opaque values are slices of `input`, not copies.
///
/// Lenient where no harm is in it, because phones differ: bytes behind the document are passed
/// over, text that is not UTF-8 gets replacement characters, unknown pages and tokens are kept.
/// The caller bounds the size of `input`; the tree takes some 70 bytes an element beside it.
pub fn decode(input: &Bytes) -> Result<Element> {
    let mut cursor = Cursor { rest: input.clone(), len: input.len() };
    read_header(&mut cursor)?;
    read_element(&mut cursor)
}

fn read_header(cursor: &mut Cursor) -> Result<()> {
    let version = cursor.byte()?;
    if !(0x01..=0x03).contains(&version) {
        return Err(DecodeError::Version(version));
    }
    // 1 is "unknown", what ActiveSync sends. 0 stands before an index into the string table.
    if cursor.integer()? == 0 {
        cursor.integer()?;
    }
    let charset = cursor.integer()?;
    if !CHARSETS.contains(&charset) {
        return Err(DecodeError::Charset(charset));
    }
    if cursor.integer()? != 0 {
        return Err(DecodeError::StringTable);
    }
    Ok(())
}

/// Reads the root with all that is in it. The page is a state of the whole document: it does
/// not revert at the end of an element.
fn read_element(cursor: &mut Cursor) -> Result<Element> {
    let (mut page, mut elements) = (0, 0);
    let mut open: Vec<Element> = Vec::new();
    loop {
        let at = cursor.at();
        let token = cursor.byte()?;
        let complete = match token {
            SWITCH_PAGE => {
                page = cursor.byte()?;
                None
            }
            STR_I => {
                let element = open.last_mut().ok_or(DecodeError::Outside { at })?;
                add_text(element, &cursor.string()?, at)?;
                None
            }
            OPAQUE => {
                let element = open.last_mut().ok_or(DecodeError::Outside { at })?;
                add_bytes(element, cursor.opaque()?, at)?;
                None
            }
            END => Some(open.pop().ok_or(DecodeError::Token { token, at })?),
            tag if tag & ATTRIBUTES == 0 && tag & TOKEN >= FIRST_TAG => {
                elements += 1;
                if elements > WBXML_ELEMENTS {
                    return Err(DecodeError::TooMany);
                }
                if open.len() >= WBXML_DEPTH {
                    return Err(DecodeError::TooDeep);
                }
                let element = Element::new(Tag::new(page, tag & TOKEN));
                if tag & CONTENT != 0 {
                    open.push(element);
                    None
                } else {
                    Some(element)
                }
            }
            // ENTITY, LITERAL*, EXT*, PI, STR_T, and tags with attributes (MS-ASWBXML 2.1.2).
            _ => return Err(DecodeError::Token { token, at }),
        };
        if let Some(element) = complete {
            match open.last_mut() {
                Some(parent) => parent.children.push(element),
                None => return Ok(element),
            }
        }
    }
}

/// Several strings in a row are one text: some encoders cut a long one.
fn add_text(element: &mut Element, text: &[u8], at: usize) -> Result<()> {
    let text = String::from_utf8_lossy(text);
    match &mut element.value {
        _ if text.is_empty() => {}
        Value::Text(before) => before.push_str(&text),
        value @ Value::None => *value = Value::Text(text.into_owned()),
        Value::Opaque(_) => return Err(DecodeError::Mixed { tag: element.tag, at }),
    }
    Ok(())
}

fn add_bytes(element: &mut Element, bytes: Bytes, at: usize) -> Result<()> {
    match &mut element.value {
        _ if bytes.is_empty() => {}
        value @ Value::None => *value = Value::Opaque(bytes),
        _ => return Err(DecodeError::Mixed { tag: element.tag, at }),
    }
    Ok(())
}

/// What is still unread.
struct Cursor {
    rest: Bytes,
    len: usize,
}

impl Cursor {
    /// How many bytes have been read.
    fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    fn byte(&mut self) -> Result<u8> {
        self.rest.try_get_u8().map_err(|_| DecodeError::Truncated)
    }

    /// An `mb_u_int32`: seven bits a byte, the highest first, at most five bytes (WAP-192 5.1).
    fn integer(&mut self) -> Result<u32> {
        let at = self.at();
        let mut number = 0_u64;
        for _ in 0..5 {
            let byte = self.byte()?;
            number = number << 7 | u64::from(byte & !MORE);
            if byte & MORE == 0 {
                return u32::try_from(number).map_err(|_| DecodeError::Integer { at });
            }
        }
        Err(DecodeError::Integer { at })
    }

    /// The bytes up to the next NUL, which is read too.
    fn string(&mut self) -> Result<Bytes> {
        let end = memchr::memchr(0, &self.rest).ok_or(DecodeError::Truncated)?;
        let text = self.rest.split_to(end);
        self.rest.advance(1);
        Ok(text)
    }

    fn opaque(&mut self) -> Result<Bytes> {
        let length = usize::try_from(self.integer()?).map_err(|_| DecodeError::Truncated)?;
        if length > self.rest.len() {
            return Err(DecodeError::Truncated);
        }
        Ok(self.rest.split_to(length))
    }
}
