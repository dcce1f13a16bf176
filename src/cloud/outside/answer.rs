//! What others may say: `{"verdict": "pass" | "fail" | "inconclusive", "reason": "…"}`, and nothing else.

use serde_json::Value;

use crate::gate::Outcome;

/// The most that is read of an answer, in bytes.
pub(super) const LIMIT: usize = 64 * 1024;

/// The longest reason that is kept, in characters.
const REASON_LIMIT: usize = 200;

/// A verdict with its reason in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SaidVerdict {
    pub(super) outcome: Outcome,
    pub(super) text: String,
}

impl SaidVerdict {
    pub(super) fn new(outcome: Outcome, reason: &str) -> Self {
        Self { outcome, text: brief(reason) }
    }

    /// No answer, or none that can be understood.
    pub(super) fn none(why: impl AsRef<str>) -> Self {
        Self::new(Outcome::Inconclusive, why.as_ref())
    }

    /// Reads a whole answer. Fields beside the two do not matter.
    ///
    /// # Errors
    /// In words when it is none.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LIMIT {
            return Err(format!("the answer is longer than {} KiB", LIMIT / 1024));
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("the answer is no JSON: {error}"))?;
        let outcome = match value.get("verdict") {
            Some(Value::String(word)) if word == "pass" => Outcome::Pass,
            Some(Value::String(word)) if word == "fail" => Outcome::Fail,
            Some(Value::String(word)) if word == "inconclusive" => Outcome::Inconclusive,
            Some(_) => return Err("the answer's `verdict` is none of `pass`, `fail` and `inconclusive`".to_owned()),
            None => return Err("the answer has no `verdict`".to_owned()),
        };
        match value.get("reason") {
            Some(Value::String(reason)) if !reason.trim().is_empty() => Ok(Self::new(outcome, reason)),
            Some(Value::String(_) | Value::Null) | None => Ok(Self::new(outcome, "no reason is given")),
            Some(_) => Err("the answer's `reason` is no text".to_owned()),
        }
    }
}

/// `text` in one line of bounded length.
pub(super) fn brief(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(REASON_LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_verdict_and_a_reason() {
        let check = |json: &str, outcome, text: &str| {
            assert_eq!(SaidVerdict::read(json.as_bytes()), Ok(SaidVerdict { outcome, text: text.into() }), "{json}");
        };
        check(r#"{"verdict": "pass", "reason": "all\n well"}"#, Outcome::Pass, "all well");
        check(r#" {"reason": "no", "verdict": "fail", "more": [1]} "#, Outcome::Fail, "no");
        check(r#"{"verdict": "inconclusive"}"#, Outcome::Inconclusive, "no reason is given");
        check(r#"{"verdict": "fail", "reason": "\u001b[31m"}"#, Outcome::Fail, "\u{1b}[31m");
    }

    #[test]
    fn anything_else_is_no_answer() {
        let deep = "[".repeat(20_000);
        let wrong: [&[u8]; 11] = [
            b"",
            b"pass",
            b"\"pass\"",
            b"{}",
            b"[]",
            br#"{"verdict": true}"#,
            br#"{"verdict": "PASS"}"#,
            br#"{"verdict": "pass", "reason": 1}"#,
            br#"{"verdict": "pass"} and more"#,
            b"{\"verdict\": \"pass\", \"reason\": \"\xff\xfe\"}",
            deep.as_bytes(),
        ];
        for bytes in wrong {
            assert!(SaidVerdict::read(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn size_is_bounded() {
        let answer = |length| format!(r#"{{"verdict": "pass", "reason": "{}"}}"#, "x".repeat(length));
        assert!(SaidVerdict::read(answer(LIMIT).as_bytes()).is_err());
        let Ok(read) = SaidVerdict::read(answer(LIMIT / 2).as_bytes()) else { panic!("not read") };
        assert_eq!(read.text.chars().count(), REASON_LIMIT + 1);
    }
}
