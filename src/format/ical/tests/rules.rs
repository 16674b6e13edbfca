//! Recurrence: RFC 5545's own examples, a second opinion (the rrule crate), and bombs.

use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;
use crate::format::ical::starts::Starts;

fn at(text: &str) -> DateTime {
    parse_date_time(text).unwrap().0
}

/// The first starts, as `MMDD` or `MMDDTHHMM` of rules below days.
fn starts(rule: &str, start: &str, most: usize) -> Vec<String> {
    let rule = Recurrence::parse(rule).unwrap();
    let long = rule.frequency < Frequency::Daily;
    let show = |at: DateTime| match long {
        true => at.strftime("%m%dT%H%M").to_string(),
        false => at.strftime("%m%d").to_string(),
    };
    Starts::new(&rule, at(start), at(start)).take(most).map(show).collect()
}

#[test]
fn examples_of_the_standard() {
    for (start, rule, expected) in [
        ("19970902T090000", "FREQ=DAILY;COUNT=3", "0902 0903 0904"),
        ("19970902T090000", "FREQ=DAILY;INTERVAL=10;COUNT=5", "0902 0912 0922 1002 1012"),
        ("19970902T090000", "FREQ=WEEKLY;INTERVAL=2;WKST=SU", "0902 0916 0930 1014 1028 1111"),
        ("19970902T090000", "FREQ=WEEKLY;COUNT=4;WKST=SU;BYDAY=TU,TH", "0902 0904 0909 0911"),
        (
            "19970805T090000",
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
            "0805 0810 0819 0824",
        ),
        (
            "19970805T090000",
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            "0805 0817 0819 0831",
        ),
        ("19970905T090000", "FREQ=MONTHLY;COUNT=4;BYDAY=1FR", "0905 1003 1107 1205"),
        (
            "19970907T090000",
            "FREQ=MONTHLY;INTERVAL=2;COUNT=6;BYDAY=1SU,-1SU",
            "0907 0928 1102 1130 0104 0125",
        ),
        ("19970922T090000", "FREQ=MONTHLY;COUNT=3;BYDAY=-2MO", "0922 1020 1117"),
        ("19970928T090000", "FREQ=MONTHLY;BYMONTHDAY=-3", "0928 1029 1128 1229 0129 0226"),
        ("19970930T090000", "FREQ=MONTHLY;COUNT=5;BYMONTHDAY=1,-1", "0930 1001 1031 1101 1130"),
        ("19970610T090000", "FREQ=YEARLY;COUNT=4;BYMONTH=6,7", "0610 0710 0610 0710"),
        (
            "19970101T090000",
            "FREQ=YEARLY;INTERVAL=3;COUNT=4;BYYEARDAY=1,100,200",
            "0101 0410 0719 0101",
        ),
        ("19970519T090000", "FREQ=YEARLY;BYDAY=20MO;COUNT=3", "0519 0518 0517"),
        ("19970512T090000", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;COUNT=3", "0512 0511 0517"),
        ("19970313T090000", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH;COUNT=4", "0313 0320 0327 0305"),
        ("19970902T090000", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=4", "0902 0213 0313 1113"),
        (
            "19961105T090000",
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8;COUNT=3",
            "1105 1107 1102",
        ),
        ("19970904T090000", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "0904 1007 1106"),
        (
            "19970929T090000",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=4",
            "0929 1030 1127 1230",
        ),
        ("19970902T090000", "FREQ=HOURLY;INTERVAL=3;COUNT=3", "0902T0900 0902T1200 0902T1500"),
        ("19970902T090000", "FREQ=MINUTELY;INTERVAL=90;COUNT=3", "0902T0900 0902T1030 0902T1200"),
        ("20070115T090000", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "0115 0130 0215 0315 0330"),
        // February 29th and the 31st only where there is one.
        ("20240229T090000", "FREQ=YEARLY;COUNT=3", "0229 0229 0229"),
        ("20260131T090000", "FREQ=MONTHLY;COUNT=4", "0131 0331 0531 0731"),
        // The start counts even where the rule would not have it.
        ("20260601T090000", "FREQ=WEEKLY;BYDAY=WE;COUNT=3", "0601 0603 0610"),
    ] {
        let expected: Vec<&str> = expected.split(' ').collect();
        assert_eq!(starts(rule, start, expected.len()), expected, "{rule}");
        let counted = Recurrence::parse(rule).unwrap().count;
        if let Some(count) = counted {
            assert_eq!(starts(rule, start, 1000).len(), count as usize, "{rule}");
        }
    }
}

#[test]
fn patterns_of_exchange_and_back() {
    let start = at("20260131T090000"); // the last Saturday of January
    for (rule, kind, days, day, week, month) in [
        ("FREQ=DAILY", 0, 0, 0, 0, 0),
        ("FREQ=DAILY;INTERVAL=3;COUNT=5", 0, 0, 0, 0, 0),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", 1, 62, 0, 0, 0),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU", 1, 1, 0, 0, 0),
        ("FREQ=MONTHLY;BYMONTHDAY=31", 2, 0, 31, 0, 0),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", 3, 127, 0, 5, 0),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=2", 3, 127, 0, 2, 0),
        ("FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYMONTH=3;BYSETPOS=1", 6, 127, 0, 1, 3),
        ("FREQ=YEARLY;BYMONTHDAY=-1;BYMONTH=2", 6, 127, 0, 5, 2),
        ("FREQ=MONTHLY;BYDAY=2TU", 3, 4, 0, 2, 0),
        ("FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20270101T000000Z", 3, 32, 0, 5, 0),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", 3, 62, 0, 5, 0),
        ("FREQ=YEARLY;BYMONTHDAY=24;BYMONTH=12", 5, 0, 24, 0, 12),
        ("FREQ=YEARLY;BYDAY=4TH;BYMONTH=11", 6, 16, 0, 4, 11),
        ("FREQ=YEARLY;BYDAY=SU,SA;BYMONTH=11;BYSETPOS=1", 6, 65, 0, 1, 11),
        ("RSCALE=CHINESE;FREQ=YEARLY;BYMONTHDAY=1;BYMONTH=5L", 5, 0, 1, 0, 5),
        ("RSCALE=HEBREW;FREQ=YEARLY;BYMONTHDAY=1;BYMONTH=5", 5, 0, 1, 0, 5),
    ] {
        let read = Recurrence::parse(rule).unwrap();
        let pattern = Pattern::of(&read, start).unwrap_or_else(|| panic!("{rule}"));
        let numbers = (
            pattern.kind.number(),
            pattern.day_of_week,
            pattern.day_of_month,
            pattern.week_of_month,
            pattern.month_of_year,
        );
        assert_eq!(numbers, (kind, days, day, week, month), "{rule}");
        let again = pattern.to_rule(start);
        assert_eq!(Pattern::of(&again, start), Some(pattern), "{rule}");
        if !rule.contains("=SU,SA") {
            assert_eq!(again.to_string(), Recurrence::parse(rule).unwrap().to_string());
        }
    }
    // What the rule leaves to the start.
    for (rule, full) in [
        ("FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=SA"),
        ("FREQ=MONTHLY", "FREQ=MONTHLY;BYMONTHDAY=31"),
        ("FREQ=YEARLY", "FREQ=YEARLY;BYMONTHDAY=31;BYMONTH=1"),
        ("FREQ=YEARLY;BYMONTH=3", "FREQ=YEARLY;BYMONTHDAY=31;BYMONTH=3"),
        ("FREQ=DAILY;BYDAY=MO,TU", "FREQ=WEEKLY;BYDAY=MO,TU"),
        ("FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1", "FREQ=MONTHLY;BYMONTHDAY=30"),
        ("FREQ=DAILY;BYHOUR=9", "FREQ=DAILY"),
    ] {
        let pattern = Pattern::of(&Recurrence::parse(rule).unwrap(), start).unwrap();
        assert_eq!(pattern.to_rule(start).to_string(), full);
    }
    for beyond in [
        "FREQ=HOURLY",
        "FREQ=MONTHLY;BYMONTHDAY=1,15",
        "FREQ=YEARLY;BYWEEKNO=3",
        "FREQ=YEARLY;BYYEARDAY=100",
        "FREQ=MONTHLY;BYDAY=1MO,3MO",
        "FREQ=MONTHLY;BYDAY=5MO",
        "FREQ=YEARLY;BYMONTH=1,7",
        "FREQ=YEARLY;BYDAY=20MO",
        "FREQ=DAILY;BYHOUR=9,15",
        "FREQ=DAILY;COUNT=1000",
        "FREQ=DAILY;INTERVAL=1000",
        "FREQ=MONTHLY;BYMONTHDAY=-2",
        "FREQ=WEEKLY;BYSETPOS=1",
        "FREQ=DAILY;INTERVAL=2;BYDAY=MO",
        "FREQ=YEARLY;RSCALE=ETHIOPIC",
        "FREQ=DAILY;BYMONTH=13",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
    ] {
        assert_eq!(Pattern::of(&Recurrence::parse(beyond).unwrap(), start), None, "{beyond}");
    }
}

#[test]
fn bombs_cost_little() {
    for rule in [
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;COUNT=4000000000",
        "FREQ=SECONDLY;INTERVAL=999999999",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYHOUR=3;BYMINUTE=61",
        "FREQ=HOURLY;BYSETPOS=20;BYMINUTE=1",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31",
        "FREQ=YEARLY;INTERVAL=999999999",
        "FREQ=MONTHLY;INTERVAL=999999999;BYDAY=5MO",
        "FREQ=WEEKLY;INTERVAL=999999999",
        "FREQ=YEARLY;BYSETPOS=366;BYDAY=MO",
        "FREQ=YEARLY;RSCALE=CHINESE;BYMONTH=5L",
    ] {
        let every = |n: u32| (0..n).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let full = format!("{rule};BYSECOND={};BYMINUTE={}", every(60), every(60));
        for rule in [rule, &full] {
            let rule = Recurrence::parse(rule).unwrap();
            let before = std::time::Instant::now();
            let n = Starts::new(&rule, at("19000101T000000"), at("20260101T000000"))
                .take(2_000)
                .count();
            assert!(n >= 1);
            // Tens of milliseconds with optimisation; this is a debug build under load.
            assert!(before.elapsed().as_secs() < 5, "{rule} {:?}", before.elapsed());
        }
    }
}

#[test]
fn long_past_starts_are_skipped_in_step() {
    for rule in [
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR,SU",
        "FREQ=MONTHLY;INTERVAL=5;BYDAY=-1SU",
        "FREQ=YEARLY;INTERVAL=3;BYMONTH=2,8",
        "FREQ=HOURLY;INTERVAL=7",
        "FREQ=MONTHLY",
        "FREQ=YEARLY",
    ] {
        let rule = Recurrence::parse(rule).unwrap();
        let (start, near) = (at("20190531T100000"), at("20260101T000000"));
        let all = Starts::new(&rule, start, start).filter(|at| *at >= near).take(20);
        let skipping = Starts::new(&rule, start, near).filter(|at| *at >= near).take(20);
        assert_eq!(all.collect::<Vec<_>>(), skipping.collect::<Vec<_>>(), "{rule}");
    }
}

/// The rrule crate's answer, on a clock without zones.
fn second_opinion(rule: &str, start: &str, most: u16) -> Option<Vec<String>> {
    let text = format!("DTSTART:{start}Z\nRRULE:{rule}");
    let set: rrule::RRuleSet = text.parse().ok()?;
    let found = set.all(most).dates;
    Some(found.iter().map(|at| at.format("%Y%m%dT%H%M%S").to_string()).collect())
}

fn list(of: &[i32], name: &str) -> String {
    if of.is_empty() {
        return String::new();
    }
    let list: Vec<String> = of.iter().map(i32::to_string).collect();
    format!(";{name}={}", list.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn others_agree(
        frequency in prop::sample::select(vec!["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"]),
        interval in 1u32..5,
        months in prop::collection::vec(1i32..=12, 0..3),
        month_days in prop::collection::vec(prop::sample::select(vec![-1, -7, 1, 13, 29, 31]), 0..3),
        // One number for all: the crate lets "every" and "the first" of a weekday exclude each
        // other.
        nth in prop::sample::select(vec!["", "", "", "1", "-1", "2", "5"]),
        days in prop::collection::vec(0usize..7, 0..3),
        positions in prop::collection::vec(prop::sample::select(vec![1, 2, -1]), 0..2),
        hours in prop::collection::vec(0i32..24, 0..2),
        week_start in prop::sample::select(vec!["MO", "SU", "TH"]),
        start in prop::sample::select(vec!["20240229T103000", "20251231T000000", "20260105T235959"]),
    ) {
        let numbered = frequency == "YEARLY" || frequency == "MONTHLY";
        let days: Vec<String> = days.iter().map(|day| {
            format!("{}{}", if numbered { nth } else { "" }, Weekday::ALL[*day].name())
        }).collect();
        let month_days = if frequency == "WEEKLY" { vec![] } else { month_days };
        let by_day = if days.is_empty() { String::new() } else { format!(";BYDAY={}", days.join(",")) };
        // Alone it stands for nothing, and the crate refuses it.
        let positions = if by_day.is_empty() { vec![] } else { positions };
        let rule = format!(
            "FREQ={frequency};INTERVAL={interval};WKST={week_start}{}{}{by_day}{}{}",
            list(&months, "BYMONTH"), list(&month_days, "BYMONTHDAY"), list(&hours, "BYHOUR"),
            list(&positions, "BYSETPOS"),
        );
        let ours: Vec<String> = Starts::new(&Recurrence::parse(&rule).unwrap(), at(start), at(start))
            .map(|at| at.strftime("%Y%m%dT%H%M%S").to_string())
            .take(31)
            .collect();
        if let Some(theirs) = second_opinion(&rule, start, 30) {
            // There the start does not count unless the rule has it; and far instances are
            // looked for longer than is worth while.
            let ours: Vec<String> = ours.into_iter().filter(|at| theirs.contains(at) || at != start).collect();
            let common = ours.len().min(theirs.len());
            prop_assert_eq!(&ours[..common], &theirs[..common], "{}", rule);
            if common < 30 {
                let missing = theirs.get(common).is_some_and(|at| at.as_str() < "2200");
                prop_assert!(!missing, "{}", rule);
            }
        }
    }
}
