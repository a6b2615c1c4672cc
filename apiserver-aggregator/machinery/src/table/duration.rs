//! Ages as kubectl users know them: `5s`, `3m20s`, `4d3h`.

use jiff::Timestamp;
use serde_json::Value;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY_HOURS: i64 = 24;
const YEAR_HOURS: i64 = 365 * DAY_HOURS;

/// A duration in seconds, with the two largest units that matter.
pub fn human_duration(seconds: i64) -> String {
    let two = |large: i64, large_unit: char, small: i64, small_unit: char| {
        if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
    };
    // Clocks differ a little; anything more is a mistake.
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let (minutes, hours) = (seconds / MINUTE, seconds / HOUR);
    let days = hours / DAY_HOURS;
    if seconds < 2 * MINUTE {
        format!("{seconds}s")
    } else if minutes < 10 {
        two(minutes, 'm', seconds % MINUTE, 's')
    } else if minutes < 3 * MINUTE {
        format!("{minutes}m")
    } else if hours < 8 {
        two(hours, 'h', minutes % MINUTE, 'm')
    } else if hours < 2 * DAY_HOURS {
        format!("{hours}h")
    } else if hours < 8 * DAY_HOURS {
        two(days, 'd', hours % DAY_HOURS, 'h')
    } else if hours < 2 * YEAR_HOURS {
        format!("{days}d")
    } else if hours < 8 * YEAR_HOURS {
        two(hours / YEAR_HOURS, 'y', days % 365, 'd')
    } else {
        format!("{}y", hours / YEAR_HOURS)
    }
}

/// How long ago a timestamp of an object was; `<unknown>` if there is none.
pub fn age_of(time: Option<&Value>, now: Timestamp) -> String {
    match time.and_then(Value::as_str).filter(|text| !text.is_empty()) {
        None => "<unknown>".to_owned(),
        Some(text) => match text.parse::<Timestamp>() {
            Ok(then) => human_duration(whole_seconds(then, now)),
            Err(_) => "<invalid>".to_owned(),
        },
    }
}

/// Whole seconds between two times, towards zero.
pub(super) fn whole_seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs()
}
