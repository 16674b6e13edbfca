//! What address books show of a card, and where each piece has its home in it.

use super::slots::Slot;

/// One text of a contact. The names are those of MS-ASCNTC; calendars of days
/// ([`super::DateField`]), lists and the photo have entrances of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    FileAs,
    FirstName,
    MiddleName,
    LastName,
    Title,
    Suffix,
    NickName,
    YomiFirstName,
    YomiLastName,
    YomiCompanyName,
    CompanyName,
    Department,
    OfficeLocation,
    JobTitle,
    ManagerName,
    AssistantName,
    Spouse,
    WebPage,
    Email1Address,
    Email2Address,
    Email3Address,
    ImAddress,
    ImAddress2,
    ImAddress3,
    HomePhone,
    Home2Phone,
    BusinessPhone,
    Business2Phone,
    MobilePhone,
    Pager,
    RadioPhone,
    CarPhone,
    AssistantPhone,
    CompanyMainPhone,
    HomeFax,
    BusinessFax,
    Mms,
    HomeStreet,
    HomeCity,
    HomeState,
    HomePostalCode,
    HomeCountry,
    BusinessStreet,
    BusinessCity,
    BusinessState,
    BusinessPostalCode,
    BusinessCountry,
    OtherStreet,
    OtherCity,
    OtherState,
    OtherPostalCode,
    OtherCountry,
    CustomerId,
    GovernmentId,
    AccountName,
    Alias,
    WeightedRank,
    Note,
}

/// Where a field stands.
#[derive(Clone, Copy)]
pub(super) enum Home {
    /// Derived from the name unless it is given.
    FileAs,
    /// A part of N (RFC 6350 §6.2.2).
    Name(usize),
    /// A part of ORG (RFC 6350 §6.6.4).
    Org(usize),
    /// Properties that hold it as a text: the first is written, all are read.
    Text(&'static [&'static str]),
    /// The same for what is a URI.
    Uri(&'static [&'static str]),
    /// The same for another person, who may also be a RELATED of this type, or stand under
    /// Apple's label.
    Person(&'static [&'static str], &'static str),
    /// One of several alike (telephone numbers, addresses), and which part of it.
    Slot(Slot, usize),
    /// All NOTEs.
    Note,
}

/// Parts of N.
pub(super) const LAST: usize = 0;
pub(super) const FIRST: usize = 1;
pub(super) const MIDDLE: usize = 2;
pub(super) const PREFIX: usize = 3;
pub(super) const SUFFIX: usize = 4;

/// Parts of ADR (RFC 6350 §6.3.1).
pub(super) const BOX: usize = 0;
pub(super) const EXTENDED: usize = 1;
pub(super) const STREET: usize = 2;
const CITY: usize = 3;
const STATE: usize = 4;
const CODE: usize = 5;
const COUNTRY: usize = 6;

pub(super) const MANAGER: &[&str] =
    &["X-MANAGER", "X-MS-MANAGER", "X-EVOLUTION-MANAGER", "X-KADDRESSBOOK-X-MANAGERSNAME"];
pub(super) const ASSISTANT: &[&str] =
    &["X-ASSISTANT", "X-MS-ASSISTANT", "X-EVOLUTION-ASSISTANT", "X-KADDRESSBOOK-X-ASSISTANTSNAME"];
pub(super) const SPOUSE: &[&str] =
    &["X-SPOUSE", "X-MS-SPOUSE", "X-EVOLUTION-SPOUSE", "X-KADDRESSBOOK-X-SPOUSENAME"];
pub(super) const FILE_AS: &[&str] = &["X-EVOLUTION-FILE-AS", "X-FILE-AS"];

impl Field {
    #[rustfmt::skip]
    pub(super) fn home(self) -> Home {
        use Home::{Name, Org, Person, Text, Uri};
        use Slot as S;
        match self {
            Self::FileAs => Home::FileAs,
            Self::FirstName => Name(FIRST),
            Self::MiddleName => Name(MIDDLE),
            Self::LastName => Name(LAST),
            Self::Title => Name(PREFIX),
            Self::Suffix => Name(SUFFIX),
            Self::NickName => Text(&["NICKNAME"]),
            Self::YomiFirstName => Text(&["X-PHONETIC-FIRST-NAME"]),
            Self::YomiLastName => Text(&["X-PHONETIC-LAST-NAME"]),
            Self::YomiCompanyName => Text(&["X-PHONETIC-ORG"]),
            Self::CompanyName => Org(0),
            Self::Department => Org(1),
            // Where Outlook's own vCards and Thunderbird have it.
            Self::OfficeLocation => Home::Slot(S::BusinessAddress, EXTENDED),
            Self::JobTitle => Text(&["TITLE"]),
            Self::ManagerName => Person(MANAGER, "manager"),
            Self::AssistantName => Person(ASSISTANT, "assistant"),
            Self::Spouse => Person(SPOUSE, "spouse"),
            Self::WebPage => Uri(&["URL"]),
            Self::Email1Address => Home::Slot(S::Email1, 0),
            Self::Email2Address => Home::Slot(S::Email2, 0),
            Self::Email3Address => Home::Slot(S::Email3, 0),
            Self::ImAddress => Home::Slot(S::Im1, 0),
            Self::ImAddress2 => Home::Slot(S::Im2, 0),
            Self::ImAddress3 => Home::Slot(S::Im3, 0),
            Self::HomePhone => Home::Slot(S::HomePhone, 0),
            Self::Home2Phone => Home::Slot(S::Home2Phone, 0),
            Self::BusinessPhone => Home::Slot(S::BusinessPhone, 0),
            Self::Business2Phone => Home::Slot(S::Business2Phone, 0),
            Self::MobilePhone => Home::Slot(S::MobilePhone, 0),
            Self::Pager => Home::Slot(S::Pager, 0),
            Self::RadioPhone => Home::Slot(S::RadioPhone, 0),
            Self::CarPhone => Home::Slot(S::CarPhone, 0),
            Self::AssistantPhone => Home::Slot(S::AssistantPhone, 0),
            Self::CompanyMainPhone => Home::Slot(S::CompanyMainPhone, 0),
            Self::HomeFax => Home::Slot(S::HomeFax, 0),
            Self::BusinessFax => Home::Slot(S::BusinessFax, 0),
            Self::Mms => Home::Slot(S::Mms, 0),
            Self::HomeStreet => Home::Slot(S::HomeAddress, STREET),
            Self::HomeCity => Home::Slot(S::HomeAddress, CITY),
            Self::HomeState => Home::Slot(S::HomeAddress, STATE),
            Self::HomePostalCode => Home::Slot(S::HomeAddress, CODE),
            Self::HomeCountry => Home::Slot(S::HomeAddress, COUNTRY),
            Self::BusinessStreet => Home::Slot(S::BusinessAddress, STREET),
            Self::BusinessCity => Home::Slot(S::BusinessAddress, CITY),
            Self::BusinessState => Home::Slot(S::BusinessAddress, STATE),
            Self::BusinessPostalCode => Home::Slot(S::BusinessAddress, CODE),
            Self::BusinessCountry => Home::Slot(S::BusinessAddress, COUNTRY),
            Self::OtherStreet => Home::Slot(S::OtherAddress, STREET),
            Self::OtherCity => Home::Slot(S::OtherAddress, CITY),
            Self::OtherState => Home::Slot(S::OtherAddress, STATE),
            Self::OtherPostalCode => Home::Slot(S::OtherAddress, CODE),
            Self::OtherCountry => Home::Slot(S::OtherAddress, COUNTRY),
            Self::CustomerId => Text(&["X-KONTOR-CUSTOMER-ID"]),
            Self::GovernmentId => Text(&["X-KONTOR-GOVERNMENT-ID"]),
            Self::AccountName => Text(&["X-KONTOR-ACCOUNT-NAME"]),
            Self::Alias => Text(&["X-KONTOR-ALIAS"]),
            Self::WeightedRank => Text(&["X-KONTOR-WEIGHTED-RANK"]),
            Self::Note => Home::Note,
        }
    }
}
