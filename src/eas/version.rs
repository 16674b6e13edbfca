//! Protocol versions and commands (MS-ASHTTP 2.2.1.1.2, MS-ASCMD 2.2.1).

use std::fmt;

use crate::format::wbxml::{Tag, tags};

/// A protocol version that is spoken here, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Version {
    V2_5,
    V12_0,
    V12_1,
    V14_0,
    V14_1,
    V16_0,
    V16_1,
}

/// As `MS-ASProtocolVersions` lists them.
pub const VERSIONS: &str = "2.5,12.0,12.1,14.0,14.1,16.0,16.1";

impl Version {
    const ALL: [(Version, &'static str, u8); 7] = [
        (Self::V2_5, "2.5", 25),
        (Self::V12_0, "12.0", 120),
        (Self::V12_1, "12.1", 121),
        (Self::V14_0, "14.0", 140),
        (Self::V14_1, "14.1", 141),
        (Self::V16_0, "16.0", 160),
        (Self::V16_1, "16.1", 161),
    ];

    /// From `MS-ASProtocolVersion`.
    pub fn parse(text: &str) -> Option<Version> {
        Self::ALL.iter().find(|(_, name, _)| *name == text.trim()).map(|(version, ..)| *version)
    }

    /// From the first byte of a base64 query.
    pub fn from_byte(byte: u8) -> Option<Version> {
        Self::ALL.iter().find(|(.., number)| *number == byte).map(|(version, ..)| *version)
    }

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(version, ..)| *version == self).map_or("", |(_, name, _)| name)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a phone asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Command {
    Sync,
    SendMail,
    SmartForward,
    SmartReply,
    GetAttachment,
    FolderSync,
    FolderCreate,
    FolderDelete,
    FolderUpdate,
    MoveItems,
    GetItemEstimate,
    MeetingResponse,
    Search,
    Settings,
    Ping,
    ItemOperations,
    Provision,
    ResolveRecipients,
    ValidateCert,
    Find,
}

/// What is the same for every command but its name: one row each.
struct Row {
    command: Command,
    name: &'static str,
    /// In a base64 query (MS-ASHTTP 2.2.1.1.1.1.2).
    code: u8,
    since: Version,
    /// The answer's outermost element, and the one for its status.
    root: Tag,
    status: Tag,
}

use Command as C;
use Version as V;

#[rustfmt::skip]
const COMMANDS: [Row; 20] = [
    row(C::Sync, "Sync", 0, V::V2_5, tags::air_sync::SYNC, tags::air_sync::STATUS),
    row(C::SendMail, "SendMail", 1, V::V2_5, tags::compose_mail::SEND_MAIL, tags::compose_mail::STATUS),
    row(C::SmartForward, "SmartForward", 2, V::V2_5, tags::compose_mail::SMART_FORWARD, tags::compose_mail::STATUS),
    row(C::SmartReply, "SmartReply", 3, V::V2_5, tags::compose_mail::SMART_REPLY, tags::compose_mail::STATUS),
    row(C::GetAttachment, "GetAttachment", 4, V::V2_5, tags::compose_mail::SEND_MAIL, tags::compose_mail::STATUS),
    row(C::FolderSync, "FolderSync", 9, V::V2_5, tags::folder_hierarchy::FOLDER_SYNC, tags::folder_hierarchy::STATUS),
    row(C::FolderCreate, "FolderCreate", 10, V::V2_5, tags::folder_hierarchy::FOLDER_CREATE, tags::folder_hierarchy::STATUS),
    row(C::FolderDelete, "FolderDelete", 11, V::V2_5, tags::folder_hierarchy::FOLDER_DELETE, tags::folder_hierarchy::STATUS),
    row(C::FolderUpdate, "FolderUpdate", 12, V::V2_5, tags::folder_hierarchy::FOLDER_UPDATE, tags::folder_hierarchy::STATUS),
    row(C::MoveItems, "MoveItems", 13, V::V2_5, tags::move_items::MOVE_ITEMS, tags::move_items::STATUS),
    row(C::GetItemEstimate, "GetItemEstimate", 14, V::V2_5, tags::get_item_estimate::GET_ITEM_ESTIMATE, tags::get_item_estimate::STATUS),
    row(C::MeetingResponse, "MeetingResponse", 15, V::V2_5, tags::meeting_response::MEETING_RESPONSE, tags::meeting_response::STATUS),
    row(C::Search, "Search", 16, V::V2_5, tags::search::SEARCH, tags::search::STATUS),
    row(C::Settings, "Settings", 17, V::V12_0, tags::settings::SETTINGS, tags::settings::STATUS),
    row(C::Ping, "Ping", 18, V::V2_5, tags::ping::PING, tags::ping::STATUS),
    row(C::ItemOperations, "ItemOperations", 19, V::V12_0, tags::item_operations::ITEM_OPERATIONS, tags::item_operations::STATUS),
    row(C::Provision, "Provision", 20, V::V2_5, tags::provision::PROVISION, tags::provision::STATUS),
    row(C::ResolveRecipients, "ResolveRecipients", 21, V::V2_5, tags::resolve_recipients::RESOLVE_RECIPIENTS, tags::resolve_recipients::STATUS),
    row(C::ValidateCert, "ValidateCert", 22, V::V2_5, tags::validate_cert::VALIDATE_CERT, tags::validate_cert::STATUS),
    row(C::Find, "Find", 23, V::V16_1, tags::find::FIND, tags::find::STATUS),
];

const fn row(
    command: Command,
    name: &'static str,
    code: u8,
    since: Version,
    root: Tag,
    status: Tag,
) -> Row {
    Row { command, name, code, since, root, status }
}

/// As `MS-ASProtocolCommands` lists them.
pub fn command_list() -> String {
    COMMANDS.iter().map(|row| row.name).collect::<Vec<_>>().join(",")
}

impl Command {
    fn row(self) -> &'static Row {
        let found = COMMANDS.iter().find(|row| row.command == self);
        found.unwrap_or(&COMMANDS[0])
    }

    /// From `Cmd` of a plain query; any letter case.
    pub fn parse(name: &str) -> Option<Command> {
        COMMANDS.iter().find(|row| row.name.eq_ignore_ascii_case(name)).map(|row| row.command)
    }

    pub fn from_code(code: u8) -> Option<Command> {
        COMMANDS.iter().find(|row| row.code == code).map(|row| row.command)
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether a version has it. GetAttachment ended with 14.0 (MS-ASCMD 2.2.1.7).
    pub fn is_in(self, version: Version) -> bool {
        version >= self.row().since && (self != Self::GetAttachment || version < Version::V14_0)
    }

    pub fn root(self) -> Tag {
        self.row().root
    }

    pub fn status(self) -> Tag {
        self.row().status
    }
}
