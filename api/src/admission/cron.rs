//! The form of cron expressions: five fields, or six or seven with seconds and years, or a named schedule.

/// Names that stand for whole expressions.
const NAMED: [&str; 12] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@hourly",
    "@always",
    "@5minutes",
    "@10minutes",
    "@15minutes",
    "@30minutes",
    "@everysecond",
];

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One field of an expression.
struct Field {
    min: u32,
    max: u32,
    names: &'static [&'static str],
    /// The number of the first name.
    first: u32,
    /// Whether the last day, the nearest workday or the n-th weekday can be asked for.
    calendar: bool,
}

const fn plain(min: u32, max: u32) -> Field {
    Field { min, max, names: &[], first: 0, calendar: false }
}

const SECOND: Field = plain(0, 59);
const MINUTE: Field = plain(0, 59);
const HOUR: Field = plain(0, 23);
const DAY_OF_MONTH: Field = Field { min: 1, max: 31, names: &[], first: 0, calendar: true };
const MONTH: Field = Field { min: 1, max: 12, names: &MONTHS, first: 1, calendar: false };
const DAY_OF_WEEK: Field = Field { min: 0, max: 7, names: &DAYS, first: 0, calendar: true };
const YEAR: Field = plain(0, 9999);

/// Whether the text is a cron expression.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let upper = text.trim().to_ascii_uppercase();
    if upper.starts_with('@') {
        return NAMED.contains(&upper.to_ascii_lowercase().as_str());
    }
    let parts: Vec<&str> = upper.split_whitespace().collect();
    let standard = [&MINUTE, &HOUR, &DAY_OF_MONTH, &MONTH, &DAY_OF_WEEK];
    let fields: Vec<&Field> = match parts.len() {
        5 => standard.to_vec(),
        // A sixth field is the year when it looks like one, seconds in front otherwise.
        6 if parts[5].len() >= 4 && parts[5].chars().take(4).all(|c| c.is_ascii_digit()) => {
            standard.into_iter().chain([&YEAR]).collect()
        }
        6 => [&SECOND].into_iter().chain(standard).collect(),
        7 => [&SECOND].into_iter().chain(standard).chain([&YEAR]).collect(),
        _ => return false,
    };
    parts.iter().zip(fields).all(|(part, field)| part.split(',').all(|item| field.accepts(item)))
}

impl Field {
    fn accepts(&self, item: &str) -> bool {
        if matches!(item, "*" | "?") {
            return true;
        }
        if self.calendar && self.accepts_calendar(item) {
            return true;
        }
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        if step.is_some_and(|step| step.parse::<u32>().map_or(true, |n| n == 0 || n > self.max.max(1))) {
            return false;
        }
        if range == "*" {
            return true;
        }
        match range.split_once('-') {
            Some((from, to)) => match (self.number(from), self.number(to)) {
                (Some(from), Some(to)) => from <= to,
                _ => false,
            },
            None => self.number(range).is_some(),
        }
    }

    fn number(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| *name == text);
        let number = match named {
            Some(at) => self.first + u32::try_from(at).ok()?,
            None if text.chars().all(|c| c.is_ascii_digit()) => text.parse().ok()?,
            None => return None,
        };
        (self.min..=self.max).contains(&number).then_some(number)
    }

    /// `L` (the last), `5L`, `15W` (the workday nearest to) and `2#3` (the third Tuesday).
    fn accepts_calendar(&self, item: &str) -> bool {
        if item == "L" {
            return true;
        }
        if let Some((day, nth)) = item.split_once('#') {
            return self.number(day).is_some() && nth.parse().is_ok_and(|n: u32| (1..=5).contains(&n));
        }
        item.strip_suffix(['L', 'W']).is_some_and(|day| self.number(day).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn expressions() {
        for good in [
            "0 * * * *",
            "*/5 0-6,22 1,15 JAN-MAR MON-FRI",
            "@daily",
            "@Weekly",
            "0 0 L * 5#2",
            "30 0 0 * * *",
            "0 0 1 1 * 2030",
            "0 0 0 1 1 * 2030-2040",
            "0 0 15W * 7",
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "",
            "x * * * *",
            "60 * * * *",
            "* * * *",
            "@never",
            "5-1 * * * *",
            "*/0 * * * *",
            "* * 32 * *",
            "1, * * * *",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
