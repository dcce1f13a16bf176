//! One line of a recording, read and checked.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::{MARKS_LIMIT, Wrong};
use crate::domain::clock::Timestamp;
use crate::domain::count::Counts;
use crate::domain::fleet::Role;
use crate::domain::traffic::Share;

/// The fields, as they are written.
const FIELDS: [&str; 8] = ["at", "slot", "requests", "errors_4xx", "errors_5xx", "slower_than", "timed", "share"];
/// How much alike two names are when one is taken for the other misspelt, from 0 to 1.
const ALIKE: f64 = 0.8;
/// The last moment that is taken, in seconds: the year 5138. What lies beyond is milliseconds.
const LAST: f64 = 1e11;
/// More requests than a bin can have.
const COUNT_LIMIT: f64 = 1e12;
/// The longest time that slow answers are counted at, in seconds.
const MARK_LIMIT: f64 = 4000.0;
/// By how much interpolated counts may break a rule that whole ones keep.
const ROUNDING: f64 = 1e-6;

/// What one line says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) role: Role,
    pub(super) counts: Counts,
    pub(super) share: Option<Share>,
}

/// Reads lines, and remembers at which times each slot counts slow answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    stable: Option<Vec<f64>>,
    candidate: Option<Vec<f64>>,
}

impl Reader {
    /// The times of a slot, once a line with requests has said them.
    pub(super) fn marks(&self, role: Role) -> Option<&[f64]> {
        match role {
            Role::Stable => self.stable.as_deref(),
            Role::Candidate => self.candidate.as_deref(),
        }
    }

    /// Says what a slot's times must be.
    pub(super) fn expect(&mut self, role: Role, marks: Vec<f64>) {
        match role {
            Role::Stable => self.stable = Some(marks),
            Role::Candidate => self.candidate = Some(marks),
        }
    }

    /// Reads one line without its line break.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Line, Wrong> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Wrong::new(format!("byte {} of the line is not UTF-8", error.valid_up_to() + 1))
                .right("a line is a JSON object in UTF-8")
        })?;
        let fields = fields(text)?;
        let at = moment(fields.get("at")?)?;
        let role = role(fields.get("slot")?)?;
        let requests = count("requests", fields.get("requests")?)?;
        let errors = count("errors_5xx", fields.get("errors_5xx")?)?;
        let refused =
            fields.maybe("errors_4xx").map(|value| count("errors_4xx", value)).transpose()?.unwrap_or_default();
        no_more("errors_4xx", refused, "requests", requests)?;
        let timed = fields.maybe("timed").map(|value| count("timed", value)).transpose()?;
        no_more("errors_5xx", errors, "requests", requests)?;
        no_more("timed", timed.unwrap_or_default(), "requests", requests)?;
        let (marks, slower) = slower(fields.maybe("slower_than"), timed.unwrap_or(requests))?;
        if requests > 0.0 {
            self.agree(role, marks)?;
        }
        let share = fields.maybe("share").map(|value| share(role, value)).transpose()?;
        let timed = if slower.is_empty() { 0.0 } else { timed.unwrap_or(requests) };
        Ok(Line { at, role, counts: Counts { requests, errors, refused, timed, slower }, share })
    }

    /// Every line of a slot counts at the same times.
    fn agree(&mut self, role: Role, marks: Vec<f64>) -> Result<(), Wrong> {
        let known = match role {
            Role::Stable => &mut self.stable,
            Role::Candidate => &mut self.candidate,
        };
        match known {
            Some(known) if *known == marks => Ok(()),
            Some(known) => {
                let (here, before) = (listed(&marks), listed(known));
                Err(Wrong::new(format!("slower_than counts at {here} here, and at {before} before"))
                    .right(format!("every line of the {role} slot counts at the same times")))
            }
            None => {
                *known = Some(marks);
                Ok(())
            }
        }
    }
}

/// Times, as they are told.
pub(in crate::cli) fn listed(marks: &[f64]) -> String {
    if marks.is_empty() {
        return "no time".to_owned();
    }
    marks.iter().map(|mark| format!("{mark} s")).collect::<Vec<_>>().join(", ")
}

/// The known fields of an object, in the order of [`FIELDS`].
#[derive(Default)]
struct Fields([Option<Value>; FIELDS.len()]);

impl Fields {
    fn maybe(&self, name: &str) -> Option<&Value> {
        FIELDS.iter().position(|field| *field == name).and_then(|index| self.0[index].as_ref())
    }

    fn get(&self, name: &str) -> Result<&Value, Wrong> {
        let example = match name {
            "slot" => "\"slot\": \"stable\", or \"candidate\"".to_owned(),
            "errors_5xx" => "\"errors_5xx\": 0 where nothing failed".to_owned(),
            "at" => "\"at\": the bin's start in seconds since the Unix epoch".to_owned(),
            _ => format!("\"{name}\": and a count"),
        };
        self.maybe(name).ok_or_else(|| Wrong::new(format!("there is no {name}")).right(example))
    }
}

fn fields(text: &str) -> Result<Fields, Wrong> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let fields = reader.deserialize_map(Object).and_then(|fields| reader.end().map(|()| fields));
    fields.map_err(|error| {
        let said = error.to_string();
        let said = said.split(" at line ").next().unwrap_or(&said);
        if error.is_data() && said.starts_with("field ") {
            let (what, right) = said.trim_start_matches("field ").split_once("; ").unwrap_or((said, ""));
            return Wrong::new(what).right(right);
        }
        let special = ["NaN", "Infinity", "nan", "inf"].iter().find(|word| text.contains(**word));
        match special {
            Some(word) if error.is_syntax() => {
                Wrong::new(format!("{word} is not a number")).right("leave out a line without data")
            }
            _ => Wrong::new(format!("it is not a JSON object: {said} at column {}", error.column()))
                .right("{\"at\": seconds, \"slot\": \"stable\", \"requests\": n, \"errors_5xx\": n}"),
        }
    })
}

/// Takes the known fields out of an object.
struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key::<String>()? {
            let Some(index) = FIELDS.iter().position(|field| *field == name) else {
                if let Some(meant) = misspelt(&name) {
                    return Err(A::Error::custom(format_args!("field {name} is not a field; did you mean {meant}?")));
                }
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            };
            if fields.0[index].is_some() {
                return Err(A::Error::custom(format_args!("field {name} is there twice; once is right")));
            }
            fields.0[index] = Some(map.next_value()?);
        }
        Ok(fields)
    }
}

/// The known field that an unknown one looks like.
fn misspelt(name: &str) -> Option<&'static str> {
    let plain = name.to_ascii_lowercase().replace('-', "_");
    let alike = |field: &&str| strsim::normalized_damerau_levenshtein(field, &plain);
    let (meant, alike) = FIELDS.iter().map(|field| (*field, alike(field))).max_by(|a, b| a.1.total_cmp(&b.1))?;
    (alike >= ALIKE || FIELDS.iter().any(|field| field.starts_with(&plain) && plain.len() > 2)).then_some(meant)
}

fn moment(value: &Value) -> Result<Timestamp, Wrong> {
    let right = "at is the bin's start in seconds since the Unix epoch, such as 1795442700";
    let seconds = value.as_f64().ok_or_else(|| Wrong::new(format!("at is {value}")).right(right))?;
    if (LAST..LAST * 1000.0).contains(&seconds) {
        return Err(Wrong::new(format!("at is {value}, which looks like milliseconds")).right(right));
    }
    if !(0.0..LAST).contains(&seconds) {
        return Err(Wrong::new(format!("at is {value}")).right(right));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and LAST, checked above")]
    Ok(Timestamp::from_millis((seconds * 1000.0).round() as u64))
}

fn role(value: &Value) -> Result<Role, Wrong> {
    match value.as_str() {
        Some("stable") => Ok(Role::Stable),
        Some("candidate") => Ok(Role::Candidate),
        _ => Err(Wrong::new(format!("slot is {value}")).right("slot is \"stable\" or \"candidate\"")),
    }
}

fn count(name: &str, value: &Value) -> Result<f64, Wrong> {
    let wrong = || Wrong::new(format!("{name} is {value}")).right(format!("{name} is a count, from 0 on"));
    let count = value.as_f64().ok_or_else(wrong)?;
    if (0.0..=COUNT_LIMIT).contains(&count) { Ok(count) } else { Err(wrong()) }
}

fn no_more(part: &str, of: f64, whole: &str, all: f64) -> Result<(), Wrong> {
    if of <= all * (1.0 + ROUNDING) {
        return Ok(());
    }
    Err(Wrong::new(format!("{part} is {of}, more than the {all} {whole}"))
        .right(format!("{part} counts a part of the {whole}")))
}

/// Times and counts of slow answers, by rising time.
fn slower(value: Option<&Value>, timed: f64) -> Result<(Vec<f64>, Vec<f64>), Wrong> {
    let Some(value) = value else { return Ok((Vec::new(), Vec::new())) };
    let right = "slower_than is {\"0.2\": n, …}: a count for each time in seconds";
    let object = value.as_object().ok_or_else(|| Wrong::new(format!("slower_than is {value}")).right(right))?;
    if object.len() > MARKS_LIMIT {
        return Err(
            Wrong::new(format!("slower_than has {} times", object.len())).right(format!("{MARKS_LIMIT} at most"))
        );
    }
    let mut pairs = Vec::with_capacity(object.len());
    for (key, value) in object {
        let mark = key.parse().ok().filter(|mark: &f64| *mark > 0.0 && *mark <= MARK_LIMIT);
        let mark = mark.ok_or_else(|| Wrong::new(format!("slower_than has the time `{key}`")).right(right))?;
        pairs.push((mark, count("slower_than", value)?));
    }
    pairs.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    for (mark, slow) in &pairs {
        no_more(&format!("slower_than {mark} s"), *slow, "timed requests", timed)?;
    }
    for pair in pairs.windows(2) {
        let [(lower, more), (higher, less)] = [pair[0], pair[1]];
        if lower == higher {
            return Err(Wrong::new(format!("slower_than has the time {lower} s twice")).right(right));
        }
        if less > more + ROUNDING * timed {
            let what = format!("{less} requests are slower than {higher} s, and only {more} than {lower} s");
            return Err(
                Wrong::new(what).right("what is slower than the greater time is slower than the smaller one too")
            );
        }
    }
    Ok(pairs.into_iter().unzip())
}

fn share(role: Role, value: &Value) -> Result<Share, Wrong> {
    if role == Role::Stable {
        return Err(Wrong::new("share is on a line of the stable slot").right("it is the candidate's share"));
    }
    let right = "share is the candidate's share in percent, such as 5 or 0.5";
    let percent = value.as_f64().ok_or_else(|| Wrong::new(format!("share is {value}")).right(right))?;
    Share::from_percent(percent).map_err(|why| Wrong::new(why).right(right))
}
