use jiff::civil::Weekday;
use proptest::prelude::*;

use super::*;

fn zone(name: &str) -> TimeZone {
    by_name(name).unwrap_or_else(|| panic!("{name}"))
}

fn change(month: i8, week: i8, weekday: Weekday, time: i32) -> Change {
    Change { month, week, weekday, time }
}

#[test]
fn names_of_all_kinds_are_found() {
    for (name, id) in [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("Eastern Standard Time", "America/New_York"),
        ("/freeassociation.sourceforge.net/Europe/Berlin", "Europe/Berlin"),
        ("/softwarestudio.org/Olson_20011030_5/America/Indiana/Knox", "America/Indiana/Knox"),
        ("/mozilla.org/20050126_1/Asia/Calcutta", "Asia/Calcutta"),
        ("\"Asia/Tokyo\"", "Asia/Tokyo"),
        ("US/Eastern", "US/Eastern"),
    ] {
        assert_eq!(zone(name).iana_name(), Some(id), "{name}");
    }
    for (name, hours) in [("UTC", 0), ("Z", 0), ("GMT+0100", 1), ("UTC-5", -5), ("+02:00", 2)] {
        assert_eq!(Rules::of(&zone(name), 2026).standard, hours * 3600, "{name}");
    }
    for nonsense in ["", "Customized Time Zone", "/", "a/b", "GMT+", "UTC+99999", "é", "posixrules"]
    {
        assert!(by_name(nonsense).is_none(), "{nonsense}");
    }
}

#[test]
fn every_zone_of_windows_exists() {
    for (name, id) in super::windows::WINDOWS {
        let zone = zone(name);
        assert!(zone.iana_name() == Some(id) || *name == "UTC", "{name}");
        assert_eq!(windows_name(&zone, 2026), Some(*name));
    }
    assert_eq!(windows_name(&zone("Europe/Vienna"), 2026), Some("W. Europe Standard Time"));
    assert_eq!(windows_name(&zone("America/Toronto"), 2026), Some("Eastern Standard Time"));
}

#[test]
fn rules_are_those_of_the_zone() {
    let berlin = Rules::of(&zone("Europe/Berlin"), 2026);
    let daylight = Daylight {
        offset: 7200,
        start: change(3, 5, Weekday::Sunday, 7200),
        end: change(10, 5, Weekday::Sunday, 10_800),
    };
    assert_eq!(berlin, Rules { standard: 3600, daylight: Some(daylight) });

    // The second Sunday in March: not the same as "on a Sunday in the second week".
    let york = Rules::of(&zone("America/New_York"), 2026).daylight.unwrap();
    assert_eq!(york.start, change(3, 2, Weekday::Sunday, 7200));
    assert_eq!(york.end, change(11, 1, Weekday::Sunday, 7200));

    // South of the equator summer spans New Year.
    let sydney = Rules::of(&zone("Australia/Sydney"), 2026);
    assert_eq!(sydney.standard, 36_000);
    assert_eq!(sydney.daylight.unwrap().start, change(10, 1, Weekday::Sunday, 7200));
    assert_eq!(sydney.daylight.unwrap().end, change(4, 1, Weekday::Sunday, 10_800));

    // Half an hour only.
    let howe = Rules::of(&zone("Australia/Lord_Howe"), 2026);
    assert_eq!((howe.standard, howe.daylight.unwrap().offset), (37_800, 39_600));

    for (name, offset) in [("Asia/Tokyo", 32_400), ("Asia/Kolkata", 19_800), ("UTC", 0)] {
        assert_eq!(Rules::of(&zone(name), 2026), Rules { standard: offset, daylight: None });
    }
}

/// Windows 11's blob for W. Europe, put together by hand.
fn berlin_blob() -> [u8; 172] {
    let mut blob = [0u8; 172];
    blob[..4].copy_from_slice(&(-60i32).to_le_bytes());
    blob[68..84].copy_from_slice(&[0, 0, 10, 0, 0, 0, 5, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    blob[152..168].copy_from_slice(&[0, 0, 3, 0, 0, 0, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    blob[168..].copy_from_slice(&(-60i32).to_le_bytes());
    blob
}

fn encode(blob: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(blob)
}

#[test]
fn a_blob_is_written_byte_for_byte() {
    let text = write_blob(&Rules::of(&zone("Europe/Berlin"), 2026), "");
    assert_eq!(text, encode(&berlin_blob()));
    assert_eq!(read_blob(&text), Some(Rules::of(&zone("Europe/Berlin"), 2026)));
}

#[test]
fn blobs_are_matched_by_what_they_do() {
    let (berlin, york) = (zone("Europe/Berlin"), zone("America/New_York"));
    let rules = read_blob(&encode(&berlin_blob())).unwrap();
    let id = |zone: TimeZone| zone.iana_name().map(str::to_owned);
    assert_eq!(id(matching(&rules, "", &[], 2026)).as_deref(), Some("Europe/Berlin"));
    // The account's zone is preferred where it does the same, and only there.
    let paris = zone("Europe/Paris");
    assert_eq!(id(matching(&rules, "", &[&york, &paris], 2026)).as_deref(), Some("Europe/Paris"));
    let eastern = Rules::of(&york, 2026);
    assert_eq!(id(matching(&eastern, "", &[&berlin], 2026)).as_deref(), Some("America/New_York"));
    for name in ["Asia/Tokyo", "Asia/Kolkata", "Asia/Shanghai", "Australia/Sydney", "Etc/UTC"] {
        let rules = Rules::of(&zone(name), 2026);
        assert_eq!(id(matching(&rules, "", &[&berlin], 2026)).as_deref(), Some(name));
    }
}

#[test]
fn outdated_tables_of_a_phone_mean_its_owner_s_zone() {
    // A phone that changes a week too late.
    let mut rules = Rules::of(&zone("Europe/Berlin"), 2026);
    rules.daylight.as_mut().unwrap().end.week = 3;
    let found = matching(&rules, "", &[&zone("Europe/Berlin")], 2026);
    assert_eq!(found.iana_name(), Some("Europe/Berlin"));
    // Of nobody's zone, the rules themselves are kept.
    let found = matching(&rules, "", &[], 2026);
    assert_eq!(found.iana_name(), None);
    assert_eq!(Rules::of(&found, 2026), rules);
}

/// What EAS-4-TbSync 5.3 sends for Tokyo: daylight saving time as it was in 1951, and the name.
#[test]
fn rules_of_long_ago_mean_the_zone_that_is_named() {
    let tokyo = Rules {
        standard: 32_400,
        daylight: Some(Daylight {
            offset: 36_000,
            start: change(5, 1, Weekday::Sunday, 0),
            end: change(9, 2, Weekday::Saturday, 3_600),
        }),
    };
    let named = |name: &str, prefer: &[&TimeZone]| {
        let blob = write_blob(&tokyo, name);
        assert_eq!(blob_name(&blob), name);
        let rules = read_blob(&blob).unwrap();
        matching(&rules, &blob_name(&blob), prefer, 2026).iana_name().map(str::to_owned)
    };
    let berlin = zone("Europe/Berlin");
    let found = |name, prefer: &[&TimeZone]| named(name, prefer).unwrap_or_default();
    assert_eq!(found("Tokyo Standard Time", &[&berlin]), "Asia/Tokyo");
    assert_eq!(found("Korea Standard Time", &[]), "Asia/Seoul");
    // One that does the same, and is somebody's own.
    assert_eq!(found("Tokyo Standard Time", &[&berlin, &zone("Asia/Jayapura")]), "Asia/Jayapura");
    // A name with another standard time is wrong, and so may be one that nobody knows.
    assert_eq!(named("W. Europe Standard Time", &[&berlin]), None);
    assert_eq!(named("Tokio (Normalzeit)", &[&berlin]), None);
    // Where several zones do the same, the name decides; rules that fit another zone outweigh it.
    let moscow = Rules { standard: 10_800, daylight: None };
    let by = |name| matching(&moscow, name, &[], 2026).iana_name().map(str::to_owned);
    assert_eq!(by("Turkey Standard Time").as_deref(), Some("Europe/Istanbul"));
    assert_eq!(by("").as_deref(), Some("Europe/Moscow"));
    assert_eq!(by("W. Europe Standard Time").as_deref(), Some("Europe/Moscow"));
}

#[test]
fn fixed_offsets_without_a_place_are_kept() {
    let rules = Rules { standard: 17 * 60, daylight: None };
    assert_eq!(Rules::of(&matching(&rules, "", &[], 2026), 2026), rules);
}

#[test]
fn damaged_blobs_are_refused_or_read_for_what_they_have() {
    for bad in ["", "AAAA", "no base64!", &encode(&[0; 171]), &encode(&[0x7F; 172])] {
        assert_eq!(read_blob(bad), None, "{bad}");
    }
    assert_eq!(read_blob(&encode(&[0; 172])), Some(Rules::UTC));
    // Thirteenth month: no daylight saving, but the offset holds.
    let mut blob = berlin_blob();
    blob[70] = 13;
    assert_eq!(read_blob(&encode(&blob)), Some(Rules { standard: 3600, daylight: None }));
    // A day of one year.
    let mut blob = berlin_blob();
    blob[68..84].copy_from_slice(&[0xEA, 7, 10, 0, 0, 0, 25, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(read_blob(&encode(&blob)), Some(Rules::of(&zone("Europe/Berlin"), 2026)));
    // Wrapped in lines, as some clients do.
    let wrapped = encode(&berlin_blob()).replace("AAAAAAAAAA", "AAAAA\r\nAAAAA");
    assert!(read_blob(&wrapped).is_some());
}

#[test]
fn midnight_of_windows_is_midnight() {
    // Beirut changes at 0:00 on Sunday; older tables say Saturday 23:59:59.999.
    let mut rules = Rules::of(&zone("Asia/Beirut"), 2026);
    let daylight = rules.daylight.as_mut().unwrap();
    assert_eq!(daylight.start, change(3, 5, Weekday::Sunday, 0));
    daylight.start = change(3, 5, Weekday::Saturday, 86_400);
    let again = read_blob(&write_blob(&rules, "x")).unwrap();
    assert_eq!(again, rules);
    assert_eq!(matching(&again, "", &[], 2026).iana_name(), Some("Asia/Beirut"));
}

#[test]
fn every_zone_survives_its_blob() {
    for (_, id) in super::windows::WINDOWS {
        let zone = zone(id);
        let rules = Rules::of(&zone, 2026);
        let again = read_blob(&write_blob(&rules, id)).unwrap();
        let found = matching(&again, "", &[&zone], 2026);
        assert_eq!(found.iana_name(), Some(*id), "{rules:?}");
        // Without a preference it is a zone that does the same.
        let found = matching(&again, "", &[], 2026);
        assert_eq!(Rules::of(&found, 2026).in_year(2026), rules.in_year(2026), "{id}");
        assert_eq!(
            rules.to_zone().map(|zone| Rules::of(&zone, 2026).standard),
            Some(rules.standard)
        );
    }
}

proptest! {
    #[test]
    fn any_blob_is_survived(bytes in prop::collection::vec(any::<u8>(), 172), year in 1900i16..2200) {
        if let Some(rules) = read_blob(&encode(&bytes)) {
            let zone = matching(&rules, &blob_name(&encode(&bytes)), &[], year);
            let _ = Rules::of(&zone, year);
        }
    }

    #[test]
    fn any_rules_come_back(
        bias in -14i32 * 4..=14 * 4, months in (2i8..=6, 7i8..=11), weeks in (1i8..=5, 1i8..=5),
        days in (0i8..=6, 0i8..=6), hours in (0i32..=23, 0i32..=23), south in any::<bool>(),
    ) {
        let day = |n| Weekday::from_sunday_zero_offset(n).unwrap();
        let first = change(months.0, weeks.0, day(days.0), hours.0 * 3600);
        let second = change(months.1, weeks.1, day(days.1), hours.1 * 3600);
        let (start, end) = if south { (second, first) } else { (first, second) };
        let standard = bias * 900;
        let rules =
            Rules { standard, daylight: Some(Daylight { offset: standard + 3600, start, end }) };
        prop_assert_eq!(read_blob(&write_blob(&rules, "name")), Some(rules));
        let zone = rules.to_zone().unwrap();
        prop_assert_eq!(Rules::of(&zone, 2026).in_year(2026), rules.in_year(2026));
    }
}
