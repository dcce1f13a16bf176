//! The alarm gate: a CloudWatch alarm, metric or composite, by name.

use std::time::Duration;

use super::{Verdict, Window};
use crate::domain::clock::Timestamp;
use crate::domain::fleet::AlarmState;

/// An alarm that must be quiet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmRule {
    /// The alarm's name.
    pub alarm: String,
    /// What it means that the alarm is in ALARM before the rollout starts.
    pub at_start: AtStart,
    /// What INSUFFICIENT_DATA means.
    pub insufficient_data: Insufficient,
}

/// What it means that an alarm is in ALARM before the rollout starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtStart {
    /// The rollout is refused.
    Refuse,
    /// The rollout starts; the alarm says nothing until it has been quiet once.
    WaitForOk,
}

/// What INSUFFICIENT_DATA means. There is no word for "pass": no data is never a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insufficient {
    /// Nothing yet: the step waits for a state that says something.
    Inconclusive,
    /// A breach.
    Fail,
}

/// An alarm as one look saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmReading {
    /// Its state, or `None` when no such alarm exists any more.
    pub state: Option<AlarmState>,
    /// When it last changed state.
    pub changed: Timestamp,
    /// When it last went into ALARM since the rollout started, from its history: an alarm that
    /// rang between two looks rang all the same.
    pub rang: Option<Timestamp>,
    /// How much time of data one evaluation looks at.
    pub window: Duration,
}

/// What an alarm's verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlarmEvidence {
    /// No alarm of this name exists any more.
    Gone(String),
    /// It went into ALARM then, and may have left it since.
    Rang(Timestamp),
    /// It is in ALARM since then.
    InAlarm(Timestamp),
    /// It is in ALARM since before the rollout, and has not been quiet once.
    NotYetQuiet,
    /// INSUFFICIENT_DATA.
    Insufficient {
        /// Whether the rule counts that as a breach.
        is_breach: bool,
    },
    /// OK over this much data.
    Quiet(Duration),
}

pub(super) fn judge(rule: &AlarmRule, reading: &AlarmReading, window: Window<'_>) -> Verdict {
    let Some(state) = reading.state else {
        return Verdict::fail(AlarmEvidence::Gone(rule.alarm.clone()));
    };
    if let Some(rang) = reading.rang.filter(|rang| *rang >= window.rollout) {
        return Verdict::fail(AlarmEvidence::Rang(rang));
    }
    match state {
        AlarmState::Alarm if reading.changed < window.rollout && rule.at_start == AtStart::WaitForOk => {
            Verdict::inconclusive(AlarmEvidence::NotYetQuiet)
        }
        AlarmState::Alarm => Verdict::fail(AlarmEvidence::InAlarm(reading.changed)),
        AlarmState::InsufficientData if rule.insufficient_data == Insufficient::Fail => {
            Verdict::fail(AlarmEvidence::Insufficient { is_breach: true })
        }
        AlarmState::InsufficientData => Verdict::inconclusive(AlarmEvidence::Insufficient { is_breach: false }),
        AlarmState::Ok => quiet(reading, window),
    }
}

/// An alarm is quiet for a step once its whole window of data lies after the step took hold.
fn quiet(reading: &AlarmReading, window: Window<'_>) -> Verdict {
    let from = window.now.before(reading.window);
    Verdict::pass(AlarmEvidence::Quiet(reading.window), from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Outcome;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn verdict(state: Option<AlarmState>, changed: i64, rang: Option<u64>, rule: (AtStart, Insufficient)) -> Verdict {
        let at = |offset: i64| Timestamp::from_millis(1_000_000_u64.saturating_add_signed(offset * 1000));
        let rule = AlarmRule { alarm: "5xx".into(), at_start: rule.0, insufficient_data: rule.1 };
        let reading = AlarmReading {
            state,
            changed: at(changed),
            rang: rang.map(|s| at(s.cast_signed())),
            window: Duration::from_secs(120),
        };
        let window = Window {
            rollout: START,
            exposed: None,
            step: at(100),
            deadline: Timestamp::default(),
            course: &[],
            now: at(300),
        };
        judge(&rule, &reading, window)
    }

    #[test]
    fn every_state_has_its_rule() {
        let strict = (AtStart::Refuse, Insufficient::Inconclusive);
        let patient = (AtStart::WaitForOk, Insufficient::Fail);
        let check = |state, changed, rang, rule, outcome| {
            assert_eq!(verdict(state, changed, rang, rule).outcome, outcome, "{state:?} {changed} {rang:?}");
        };
        check(Some(AlarmState::Ok), -50, None, strict, Outcome::Pass);
        check(Some(AlarmState::Alarm), 150, None, strict, Outcome::Fail);
        check(Some(AlarmState::Alarm), -50, None, strict, Outcome::Fail);
        check(Some(AlarmState::Alarm), -50, None, patient, Outcome::Inconclusive);
        check(Some(AlarmState::Alarm), 50, None, patient, Outcome::Fail);
        check(Some(AlarmState::InsufficientData), 0, None, strict, Outcome::Inconclusive);
        check(Some(AlarmState::InsufficientData), 0, None, patient, Outcome::Fail);
        check(None, 0, None, strict, Outcome::Fail);
    }

    #[test]
    fn an_alarm_that_rang_between_two_looks_fails() {
        let rule = (AtStart::Refuse, Insufficient::Inconclusive);
        assert_eq!(verdict(Some(AlarmState::Ok), 200, Some(150), rule).outcome, Outcome::Fail);
    }

    #[test]
    fn quiet_counts_only_once_its_window_lies_after_the_step() {
        let verdict = verdict(Some(AlarmState::Ok), -50, None, (AtStart::Refuse, Insufficient::Inconclusive));
        assert!(verdict.passes(START + Duration::from_secs(100)));
        assert!(!verdict.passes(START + Duration::from_secs(200)));
    }
}
