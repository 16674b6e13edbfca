//! The models: what each sends, and how much it wants.

use kontor::format::wbxml::Element;
use kontor::format::wbxml::tags::air_sync as t;

use super::{body_preference, text};

/// What is particular to a model.
#[derive(Debug)]
pub struct Model {
    pub name: &'static str,
    /// `DeviceType`.
    pub kind: &'static str,
    pub os: &'static str,
    pub agent: &'static str,
    pub version: &'static str,
    /// What its device ids begin with.
    pub id: &'static str,
    /// Puts the query in base64.
    pub base64: bool,
    pub gzip: bool,
    pub window: u32,
    /// `FilterType` of mail and of calendars.
    pub filter: (u8, u8),
    /// Types of bodies with where they are cut.
    pub bodies: &'static [(u8, Option<u32>)],
    pub mime: u8,
    pub heartbeat: u32,
}

pub const WINDOWS_PHONE_8: Model = Model {
    name: "Lumia 920",
    kind: "WP8",
    os: "Windows Phone 8.0.10517",
    agent: "MSFT-WP/8.0.10517",
    version: "14.0",
    id: "9F2D",
    base64: false,
    gzip: true,
    window: 50,
    filter: (3, 4),
    bodies: &[(2, Some(5120)), (1, Some(5120))],
    mime: 0,
    heartbeat: 480,
};

pub const WINDOWS_PHONE_8_1: Model = Model {
    name: "Lumia 930",
    os: "Windows Phone 8.10.14219",
    agent: "MSFT-WP/8.10.14219",
    version: "14.1",
    id: "B4E1",
    base64: true,
    window: 25,
    ..WINDOWS_PHONE_8
};

pub const IPHONE: Model = Model {
    name: "iPhone14C2",
    kind: "iPhone",
    os: "iOS 17.5.1 21F90",
    agent: "Apple-iPhone14C2/2106.90",
    version: "16.1",
    id: "H7QK",
    base64: false,
    gzip: true,
    window: 25,
    filter: (5, 5),
    bodies: &[(1, Some(500)), (2, Some(32_768)), (4, Some(32_768))],
    mime: 1,
    heartbeat: 470,
};

pub const ANDROID: Model = Model {
    name: "Pixel 7",
    kind: "Android",
    os: "Android 14",
    agent: "Android-Mail/2024.05.12",
    version: "14.1",
    id: "android",
    base64: false,
    gzip: true,
    window: 10,
    filter: (3, 4),
    bodies: &[(2, Some(200_000))],
    mime: 2,
    heartbeat: 480,
};

pub const OUTLOOK_MOBILE: Model = Model {
    name: "Outlook for iOS and Android",
    kind: "Outlook",
    os: "OutlookBasicAuth",
    agent: "Outlook-iOS-Android/1.0",
    version: "14.1",
    id: "C0FFEE",
    base64: false,
    gzip: true,
    window: 100,
    filter: (5, 0),
    bodies: &[(2, None)],
    mime: 0,
    heartbeat: 1_140,
};

pub const TBSYNC: Model = Model {
    name: "Computer",
    kind: "TbSync",
    os: "Linux",
    agent: "Thunderbird ActiveSync",
    version: "16.1",
    id: "MZTB",
    base64: false,
    gzip: false,
    window: 25,
    filter: (0, 7),
    bodies: &[(1, None)],
    mime: 0,
    heartbeat: 600,
};

pub const WINDOWS_MOBILE_5: Model = Model {
    name: "Treo 700w",
    kind: "PocketPC",
    os: "Windows CE 5.1",
    agent: "MSFT-PPC/5.1.2301",
    version: "2.5",
    id: "5A1B",
    base64: false,
    gzip: false,
    window: 100,
    filter: (2, 4),
    bodies: &[],
    mime: 0,
    heartbeat: 480,
};

pub const WINDOWS_MOBILE_6: Model = Model {
    name: "HTC Touch",
    os: "Windows CE 5.2.19965",
    agent: "MSFT-PPC/5.2.5082",
    version: "12.0",
    id: "6C2D",
    bodies: &[(1, Some(4_096))],
    ..WINDOWS_MOBILE_5
};

pub const WINDOWS_MOBILE_6_5: Model = Model {
    name: "HTC HD2",
    os: "Windows CE 5.2.21889",
    agent: "MSFT-PPC/5.2.5086",
    version: "12.1",
    base64: true,
    id: "65D3",
    ..WINDOWS_MOBILE_6
};

pub const IPHONE_16_0: Model = Model {
    name: "iPhone9C1",
    os: "iOS 10.3.3 14G60",
    agent: "Apple-iPhone9C1/1407.60",
    version: "16.0",
    id: "ABCD",
    ..IPHONE
};

/// One of each version.
pub static VERSIONS: [Model; 7] = [
    WINDOWS_MOBILE_5,
    WINDOWS_MOBILE_6,
    WINDOWS_MOBILE_6_5,
    WINDOWS_PHONE_8,
    WINDOWS_PHONE_8_1,
    IPHONE_16_0,
    IPHONE,
];

impl Model {
    /// Major and minor number of its protocol version.
    pub fn version(&self) -> (u8, u8) {
        let (major, minor) = self.version.split_once('.').expect("two numbers");
        (major.parse().expect("a number"), minor.parse().expect("a number"))
    }

    /// Whether its version is this one or a later one.
    pub fn since(&self, major: u8, minor: u8) -> bool {
        self.version() >= (major, minor)
    }

    /// Its options for a folder of this class, in the order that the standard has.
    pub fn options(&self, class: &str, filter: (u8, u8)) -> Vec<Element> {
        let mut options = Vec::new();
        match class {
            "Email" => options.push(text(t::FILTER_TYPE, filter.0)),
            "Calendar" => options.push(text(t::FILTER_TYPE, filter.1)),
            _ => {}
        }
        if class == "Email" && !self.since(12, 0) {
            options.push(text(t::TRUNCATION, 4));
        }
        let mail_only = |kind: u8| class != "Email" && kind != 1;
        for (kind, cut) in self.bodies {
            if mail_only(*kind) && self.bodies.len() > 1 {
                continue;
            }
            options.push(body_preference(if mail_only(*kind) { 1 } else { *kind }, *cut));
        }
        if class == "Email" {
            options.push(text(t::MIME_SUPPORT, self.mime));
        }
        options
    }
}
