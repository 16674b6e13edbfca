//! A request's address: who asks for what, in the plain or in the base64 form (MS-ASHTTP 2.2.1.1.1).

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::eas::version::{Command, Version};

/// Longest device id and type; phones use up to 32.
const NAME_MAX: usize = 64;

/// Phones pad or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What stands in a request's query and headers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query {
    pub command: Option<Command>,
    /// `None`: the header `MS-ASProtocolVersion` says it.
    pub version: Option<Version>,
    pub device_id: String,
    pub device_type: String,
    pub user: Option<String>,
    pub policy_key: Option<u32>,
    pub attachment_name: Option<String>,
    pub collection_id: Option<String>,
    pub item_id: Option<String>,
    pub long_id: Option<String>,
    pub occurrence: Option<String>,
    pub save_in_sent: bool,
    pub accept_multipart: bool,
}

/// Why a query cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadQuery {
    /// No such command.
    Command,
    /// No such version.
    Version,
    DeviceId,
    DeviceType,
    /// The base64 form ends early or is none.
    Form,
}

impl Query {
    /// Reads either form. An empty query is one without a command (OPTIONS has one).
    pub fn parse(query: &str) -> Result<Query, BadQuery> {
        // The plain form has a `=` behind a name; the base64 form at most at its end.
        let trimmed = query.trim_end_matches('=');
        if query.is_empty() || trimmed.contains('=') || trimmed.contains('&') {
            return Self::plain(query);
        }
        let decoded = percent_decoded(query);
        let bytes = BASE64.decode(decoded.as_bytes()).map_err(|_| BadQuery::Form)?;
        Self::binary(&bytes)
    }

    fn plain(text: &str) -> Result<Query, BadQuery> {
        let mut query = Query::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let value = value.into_owned();
            match name.to_ascii_lowercase().as_str() {
                "cmd" => query.command = Some(Command::parse(&value).ok_or(BadQuery::Command)?),
                "user" => query.user = Some(value),
                "deviceid" => query.device_id = checked(value, BadQuery::DeviceId)?,
                "devicetype" => query.device_type = checked(value, BadQuery::DeviceType)?,
                "attachmentname" => query.attachment_name = Some(value),
                "collectionid" => query.collection_id = Some(value),
                "itemid" => query.item_id = Some(value),
                "longid" => query.long_id = Some(value),
                "occurrence" => query.occurrence = Some(value),
                "saveinsent" => query.save_in_sent = value.eq_ignore_ascii_case("t"),
                _ => {}
            }
        }
        Ok(query)
    }

    fn binary(bytes: &[u8]) -> Result<Query, BadQuery> {
        let mut rest = Bytes(bytes);
        let version = Version::from_byte(rest.byte()?).ok_or(BadQuery::Version)?;
        let command = Command::from_code(rest.byte()?).ok_or(BadQuery::Command)?;
        let _locale = rest.take(2)?;
        let device_id = rest.counted()?;
        let policy_key = rest.counted()?;
        let device_type = text(rest.counted()?);
        let mut query = Query {
            command: Some(command),
            version: Some(version),
            device_id: checked(device_name(device_id), BadQuery::DeviceId)?,
            device_type: checked(device_type, BadQuery::DeviceType)?,
            policy_key: policy_key.try_into().ok().map(u32::from_le_bytes),
            ..Query::default()
        };
        while !rest.0.is_empty() {
            let tag = rest.byte()?;
            let value = rest.counted()?;
            match tag {
                0 => query.attachment_name = Some(text(value)),
                1 => query.collection_id = Some(text(value)),
                3 => query.item_id = Some(text(value)),
                4 => query.long_id = Some(text(value)),
                6 => query.occurrence = Some(text(value)),
                7 => {
                    let options = value.first().copied().unwrap_or(0);
                    query.save_in_sent = options & 1 != 0;
                    query.accept_multipart = options & 2 != 0;
                }
                8 => query.user = Some(text(value)),
                _ => {}
            }
        }
        Ok(query)
    }
}

/// Windows Phone sends 16 raw bytes, others text.
fn device_name(bytes: &[u8]) -> String {
    if !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic) {
        return text(bytes);
    }
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn checked(name: String, bad: BadQuery) -> Result<String, BadQuery> {
    let fine = !name.is_empty() && name.len() <= NAME_MAX && !name.chars().any(char::is_control);
    if fine { Ok(name) } else { Err(bad) }
}

/// Base64 in a query: some clients write `+` and `/` as `%2B` and `%2F`.
fn percent_decoded(query: &str) -> String {
    if !query.contains('%') {
        return query.to_owned();
    }
    query
        .replace("%2B", "+")
        .replace("%2b", "+")
        .replace("%2F", "/")
        .replace("%2f", "/")
        .replace("%3D", "=")
        .replace("%3d", "=")
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], BadQuery> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(BadQuery::Form)?;
        self.0 = rest;
        Ok(head)
    }
    fn byte(&mut self) -> Result<u8, BadQuery> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }
    fn counted(&mut self) -> Result<&'a [u8], BadQuery> {
        let count = self.byte()?;
        self.take(count.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_form_is_read_in_any_order_and_case() {
        let query = Query::parse("User=a%40b.example&deviceId=X1&DeviceType=WP8&Cmd=foldersync");
        let query = query.unwrap();
        assert_eq!(query.command, Some(Command::FolderSync));
        assert_eq!((query.device_id.as_str(), query.device_type.as_str()), ("X1", "WP8"));
        assert_eq!(query.user.as_deref(), Some("a@b.example"));
        assert_eq!(Query::parse("Cmd=Fly&DeviceId=x"), Err(BadQuery::Command));
    }

    #[test]
    fn the_base64_form_of_a_windows_phone_is_read() {
        let mut bytes = vec![141, 17, 0x09, 0x04, 16];
        bytes.extend((0..16).map(|n| n * 16 + 1));
        bytes.extend([4, 1, 2, 3, 4, 3]);
        bytes.extend(b"WP8");
        bytes.extend([7, 1, 3, 1, 2, b'1', b'2']);
        let query = Query::parse(&base64::engine::general_purpose::STANDARD.encode(&bytes));
        let query = query.unwrap();
        assert_eq!(query.command, Some(Command::Settings));
        assert_eq!(query.version, Some(Version::V14_1));
        assert_eq!(query.device_id, "0111213141516171819 1A1B1C1D1E1F1".replace(' ', ""));
        assert_eq!(query.policy_key, Some(0x0403_0201));
        assert!(query.save_in_sent && query.accept_multipart);
        assert_eq!(query.collection_id.as_deref(), Some("12"));
    }

    #[test]
    fn a_base64_form_that_ends_early_is_an_error() {
        for bytes in [&[141u8][..], &[141, 17, 0], &[141, 17, 0, 0, 200, 1], &[99, 0, 0, 0]] {
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            assert!(Query::parse(&text).is_err());
        }
    }
}
