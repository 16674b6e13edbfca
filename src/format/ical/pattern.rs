//! Recurrence as Exchange tells it: a type and a handful of numbers. MS-ASCAL 2.2.2.37,
//! MS-ASTASK 2.2.2.20; the same for events, tasks and meeting requests.

use jiff::civil::DateTime;

use super::recurrence::{Day, Frequency, Recurrence, Until, Weekday};

/// The numbers of a Recurrence element. Which of them a type has is told by [`Pattern::fields`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    pub kind: Kind,
    /// At least 1, at most 999.
    pub interval: u32,
    /// Bits, Sunday = 1; 127 is any day.
    pub day_of_week: u8,
    pub day_of_month: u8,
    /// 1 to 4; 5 is the last. Of any day, the days of the month are counted so, and 127 with 5
    /// is its last day (MS-ASCAL 2.2.2.15).
    pub week_of_month: u8,
    pub month_of_year: u8,
    pub occurrences: Option<u32>,
    pub until: Option<Until>,
    /// MS-ASCAL 2.2.2.10; 0 is what the phone's owner uses, 1 Gregorian.
    pub calendar_type: u8,
    pub leap_month: bool,
    pub first_day: Option<Weekday>,
}

/// The Type element. MS-ASCAL 2.2.2.45.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Daily,
    Weekly,
    /// On a day of the month.
    Monthly,
    /// On the n-th of some weekdays in the month.
    MonthlyNth,
    Yearly,
    YearlyNth,
}

/// The elements that a type has beside Interval, in the order of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    DayOfWeek,
    DayOfMonth,
    WeekOfMonth,
    MonthOfYear,
}

/// The largest Interval and Occurrences (MS-ASCAL 2.2.2.25, 2.2.2.32).
const MOST: u32 = 999;
const ANY_DAY: u8 = 127;

/// Calendars whose months are not Gregorian, as RSCALE has them (RFC 7529, CLDR), under the
/// numbers of MS-ASCAL 2.2.2.10.
const SCALES: &[(u8, &str)] = &[
    (6, "ISLAMIC-CIVIL"),
    (8, "HEBREW"),
    (15, "CHINESE"),
    (20, "DANGI"),
    (23, "ISLAMIC-UMALQURA"),
];

impl Kind {
    pub fn number(self) -> u8 {
        match self {
            Kind::Daily => 0,
            Kind::Weekly => 1,
            Kind::Monthly => 2,
            Kind::MonthlyNth => 3,
            Kind::Yearly => 5,
            Kind::YearlyNth => 6,
        }
    }

    /// 4 does not exist.
    pub fn from_number(number: u8) -> Option<Kind> {
        let kinds = [
            Kind::Daily,
            Kind::Weekly,
            Kind::Monthly,
            Kind::MonthlyNth,
            Kind::Yearly,
            Kind::YearlyNth,
        ];
        kinds.into_iter().find(|kind| kind.number() == number)
    }
}

impl Pattern {
    /// The elements of this type; all of them have to be there.
    pub fn fields(&self) -> &'static [Field] {
        match self.kind {
            Kind::Daily => &[],
            Kind::Weekly => &[Field::DayOfWeek],
            Kind::Monthly => &[Field::DayOfMonth],
            Kind::MonthlyNth => &[Field::WeekOfMonth, Field::DayOfWeek],
            Kind::Yearly => &[Field::DayOfMonth, Field::MonthOfYear],
            Kind::YearlyNth => &[Field::WeekOfMonth, Field::DayOfWeek, Field::MonthOfYear],
        }
    }

    /// The pattern that a rule is, for a series with this start. `None` if Exchange has no words
    /// for it (several dates a month, hours, week numbers, …).
    pub fn of(rule: &Recurrence, start: DateTime) -> Option<Pattern> {
        let (scale, leap_month) = scale(rule)?;
        let beyond = rule.interval > MOST
            || rule.count.is_some_and(|count| count > MOST)
            || !rule.by_year_day.is_empty()
            || !rule.by_week_number.is_empty()
            || !only(&rule.by_hour, start.hour())
            || !only(&rule.by_minute, start.minute())
            || !only(&rule.by_second, start.second());
        if beyond {
            return None;
        }
        let mut pattern = Pattern {
            interval: rule.interval,
            occurrences: rule.count,
            until: rule.until.clone(),
            calendar_type: scale,
            leap_month,
            first_day: rule.week_start,
            ..Pattern::default()
        };
        pattern.take_days(rule, start)?;
        Some(pattern)
    }

    fn take_days(&mut self, rule: &Recurrence, start: DateTime) -> Option<()> {
        let plain = rule.by_month.is_empty()
            && rule.by_month_day.is_empty()
            && rule.by_set_position.is_empty();
        match rule.frequency {
            Frequency::Daily if plain && rule.by_day.is_empty() => self.kind = Kind::Daily,
            Frequency::Daily if plain && rule.interval == 1 => {
                (self.kind, self.day_of_week) = (Kind::Weekly, mask(&rule.by_day)?);
            }
            Frequency::Weekly if plain => {
                let own = [Day::every(Weekday::of(start.weekday()))];
                let days = if rule.by_day.is_empty() { &own[..] } else { &rule.by_day };
                (self.kind, self.day_of_week) = (Kind::Weekly, mask(days)?);
            }
            Frequency::Monthly if rule.by_month.is_empty() => self.take_monthly(rule, start)?,
            Frequency::Yearly => {
                let leap = rule
                    .other("BYMONTH")
                    .and_then(|month| month.trim_end_matches('L').parse().ok());
                self.month_of_year = match (rule.by_month.as_slice(), leap) {
                    ([], Some(month)) => month,
                    // A numbered weekday without a month is one of the year.
                    ([], None) if rule.by_day.is_empty() => start.month().unsigned_abs(),
                    ([month], _) => *month,
                    _ => return None,
                };
                self.take_monthly(rule, start)?;
                self.kind = if self.kind == Kind::Monthly { Kind::Yearly } else { Kind::YearlyNth };
            }
            _ => return None,
        }
        Some(())
    }

    /// The day within a month.
    fn take_monthly(&mut self, rule: &Recurrence, start: DateTime) -> Option<()> {
        let last = rule.by_set_position == [-1];
        match (rule.by_day.as_slice(), rule.by_month_day.as_slice()) {
            ([], []) if rule.by_set_position.is_empty() => self.on_day(start.day()),
            ([], [-1]) if rule.by_set_position.is_empty() || last => {
                (self.kind, self.week_of_month, self.day_of_week) = (Kind::MonthlyNth, 5, ANY_DAY);
                Some(())
            }
            ([], [day]) if rule.by_set_position.is_empty() || last => self.on_day(*day),
            // "The 31st, or the last": the day itself means that at Exchange.
            ([], [28, .., day]) if last => self.on_day(*day),
            ([Day { nth: Some(nth), weekday }], []) if rule.by_set_position.is_empty() => {
                self.on_nth(i16::from(*nth), 1 << weekday.number())
            }
            (days, []) => match rule.by_set_position.as_slice() {
                [position] => self.on_nth(*position, mask(days)?),
                _ => None,
            },
            _ => None,
        }
    }

    fn on_day(&mut self, day: i8) -> Option<()> {
        (self.kind, self.day_of_month) = (Kind::Monthly, u8::try_from(day).ok()?);
        Some(())
    }

    fn on_nth(&mut self, nth: i16, days: u8) -> Option<()> {
        self.week_of_month = match nth {
            1..=4 => u8::try_from(nth).ok()?,
            -1 => 5,
            _ => return None,
        };
        (self.kind, self.day_of_week) = (Kind::MonthlyNth, days);
        Some(())
    }

    /// The rule that the pattern is, for a series with this start.
    pub fn to_rule(&self, start: DateTime) -> Recurrence {
        let mut rule = Recurrence::every(match self.kind {
            Kind::Daily if self.days().is_empty() => Frequency::Daily,
            // Every weekday, which is a type of its own in Outlook's dialogue only.
            Kind::Daily if self.interval <= 1 => Frequency::Weekly,
            Kind::Daily => Frequency::Daily,
            Kind::Weekly => Frequency::Weekly,
            Kind::Monthly | Kind::MonthlyNth => Frequency::Monthly,
            Kind::Yearly | Kind::YearlyNth => Frequency::Yearly,
        });
        rule.interval = self.interval.clamp(1, MOST);
        rule.count = self.occurrences.filter(|count| *count > 0);
        rule.until = self.until.clone().filter(|_| rule.count.is_none());
        rule.week_start = self.first_day;
        let own_day = || start.day().unsigned_abs();
        match self.kind {
            Kind::Daily => rule.by_day = self.days(),
            Kind::Weekly if self.day_of_week == 0 => {
                rule.by_day = vec![Day::every(Weekday::of(start.weekday()))];
            }
            Kind::Weekly => rule.by_day = weekdays(self.day_of_week),
            Kind::Monthly | Kind::Yearly => {
                let day = if (1..=31).contains(&self.day_of_month) {
                    self.day_of_month
                } else {
                    own_day()
                };
                rule.by_month_day = vec![day as i8];
            }
            Kind::MonthlyNth | Kind::YearlyNth => self.nth_of(&mut rule),
        }
        if matches!(self.kind, Kind::Yearly | Kind::YearlyNth) {
            let own = start.month().unsigned_abs();
            let month =
                if (1..=12).contains(&self.month_of_year) { self.month_of_year } else { own };
            rule.by_month = vec![month];
        }
        self.scale_of(&mut rule);
        rule
    }

    /// A mask that is not all days.
    fn days(&self) -> Vec<Day> {
        if self.day_of_week & ANY_DAY == ANY_DAY { Vec::new() } else { weekdays(self.day_of_week) }
    }

    fn nth_of(&self, rule: &mut Recurrence) {
        let nth = match self.week_of_month {
            5 => -1,
            n => n.clamp(1, 4) as i8,
        };
        let days = weekdays(self.day_of_week);
        match days.as_slice() {
            [] => rule.by_month_day = vec![nth],
            // The last day; as "the last of any day" it comes back.
            _ if days.len() == 7 && nth < 0 => rule.by_month_day = vec![nth],
            [day] => rule.by_day = vec![Day { nth: Some(nth), weekday: day.weekday }],
            _ => {
                rule.by_day = days;
                rule.by_set_position = vec![i16::from(nth)];
            }
        }
    }

    /// The same series in the plainer type, where there is one: "the second day of the month" is
    /// its day 2.
    pub fn plain(&self) -> Pattern {
        let kind = match self.kind {
            Kind::MonthlyNth => Kind::Monthly,
            Kind::YearlyNth => Kind::Yearly,
            _ => return self.clone(),
        };
        match (self.day_of_week & ANY_DAY, self.week_of_month) {
            (ANY_DAY, day @ 1..=4) => Pattern {
                kind,
                day_of_month: day,
                day_of_week: 0,
                week_of_month: 0,
                ..self.clone()
            },
            _ => self.clone(),
        }
    }

    fn scale_of(&self, rule: &mut Recurrence) {
        let Some((_, scale)) = SCALES.iter().find(|(number, _)| *number == self.calendar_type)
        else {
            return;
        };
        rule.other.push(("RSCALE".into(), (*scale).into()));
        if self.leap_month && !rule.by_month.is_empty() {
            let month = rule.by_month.iter().map(|month| format!("{month}L")).collect();
            rule.other.push(("BYMONTH".into(), month));
            rule.by_month.clear();
        }
    }
}

/// The calendar of a rule as CalendarType, and whether its month is a leap month; `None` if it
/// is none that Exchange knows, or the rule has other parts that change it.
fn scale(rule: &Recurrence) -> Option<(u8, bool)> {
    let (mut number, mut leap) = (0, false);
    for (name, value) in &rule.other {
        match name.as_str() {
            "RSCALE" if value.eq_ignore_ascii_case("GREGORIAN") => {}
            "RSCALE" => {
                let known = SCALES.iter().find(|(_, scale)| scale.eq_ignore_ascii_case(value));
                number = known?.0;
            }
            "BYMONTH" if value.ends_with('L') && !value.contains(',') => leap = true,
            name if name.starts_with("BY") => return None,
            _ => {}
        }
    }
    Some((number, leap))
}

/// Whether a part repeats what the start says.
fn only(list: &[u8], own: i8) -> bool {
    list.is_empty() || list == [own.unsigned_abs()]
}

/// The bits of weekdays without numbers.
fn mask(days: &[Day]) -> Option<u8> {
    let bits = days.iter().map(|day| day.nth.is_none().then(|| 1 << day.weekday.number()));
    bits.collect::<Option<Vec<u8>>>().map(|bits| bits.into_iter().fold(0, |all, bit| all | bit))
}

/// From Monday on, as people write them.
fn weekdays(mask: u8) -> Vec<Day> {
    let monday_first = Weekday::ALL.into_iter().cycle().skip(1).take(7);
    monday_first.filter(|day| mask & (1 << day.number()) != 0).map(Day::every).collect()
}
