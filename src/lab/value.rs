//! Reading members of what came over the wire, whichever protocol brought it.
//!
//! The query protocol brings every scalar as text, so numbers and flags are read from text too.

use serde_json::{Map, Value};

/// A structure.
pub(super) type Members = Map<String, Value>;

/// A text member.
pub(super) fn text<'a>(of: &'a Value, key: &str) -> Option<&'a str> {
    of.get(key).and_then(Value::as_str)
}

/// A number member.
pub(super) fn number(of: &Value, key: &str) -> Option<f64> {
    match of.get(key)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A whole number member.
pub(super) fn whole(of: &Value, key: &str) -> Option<i64> {
    number(of, key).filter(|number| number.fract() == 0.0).map(|number| number as i64)
}

/// A truth member.
pub(super) fn flag(of: &Value, key: &str) -> Option<bool> {
    match of.get(key)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

/// A list member; a missing one is empty.
pub(super) fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A list of texts; a missing one is empty.
pub(super) fn texts<'a>(of: &'a Value, key: &str) -> Vec<&'a str> {
    list(of, key).iter().filter_map(Value::as_str).collect()
}

/// A moment in milliseconds: seconds as a number, or a date and time as text.
pub(super) fn moment(of: &Value, key: &str) -> Option<u64> {
    let seconds = match of.get(key)? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.parse::<f64>() {
            Ok(seconds) => seconds,
            Err(_) => text.parse::<jiff::Timestamp>().ok()?.as_millisecond() as f64 / 1e3,
        },
        _ => return None,
    };
    Some((seconds * 1e3).max(0.0) as u64)
}

/// Seconds, as the JSON protocols tell a moment.
pub(super) fn seconds(ms: u64) -> Value {
    Value::from(ms as f64 / 1e3)
}

/// Date and time, as the query protocol tells a moment.
pub(super) fn date(ms: u64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms as i64).unwrap_or_default();
    format!("{at:.3}")
}
