//! EventBridge Scheduler at work: which schedules are due, and what came of an attempt.

use serde_json::Value;

use super::account::{Account, Firing, Schedule};

/// A schedule fires within so long after its time: EventBridge Scheduler has a precision of 60 seconds.
const PRECISION_MS: f64 = 60_000.0;
/// The pause after the first failed attempt, which doubles with each one, up to the longest.
const PAUSE_MS: (u64, u64) = (1_000, 60_000);

/// An attempt to make.
#[derive(Debug)]
pub(super) struct Attempt {
    /// What the target is given.
    pub input: Value,
    version: u64,
}

#[cfg(test)]
impl Attempt {
    /// An attempt of no schedule.
    pub(crate) fn new(input: Value) -> Attempt {
        Attempt { input, version: 0 }
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// The target did it.
    Done,
    /// The target refused it, and would again.
    Refused,
    /// The target was busy or broken, or nothing was heard.
    Failed,
}

/// The attempts that are due; `roll` gives a number from 0 to 1 for a schedule whose time has just come.
pub(super) fn due(account: &mut Account, now: u64, mut roll: impl FnMut() -> f64) -> Vec<Attempt> {
    let mut attempts_due = Vec::new();
    for schedule in account.schedules.iter_mut().filter(|one| one.is_enabled) {
        if schedule.firing == Firing::Waits && now >= schedule.at {
            // A time that was past when it was given has come with the giving.
            let since = schedule.at.max(schedule.changed_at) + (roll() * PRECISION_MS) as u64;
            schedule.firing = Firing::Due { since, next_at: since, attempts: 0 };
        }
        if let Firing::Due { since, next_at, attempts } = schedule.firing
            && now >= next_at
        {
            schedule.firing = Firing::Asks { since, attempts: attempts + 1 };
            attempts_due.push(Attempt { input: schedule.input.clone(), version: schedule.version });
        }
    }
    attempts_due
}

/// Takes in what came of an attempt, unless the schedule was changed or deleted meanwhile.
pub(super) fn note(account: &mut Account, attempt: &Attempt, finding: Finding, now: u64) {
    let mut schedules = account.schedules.iter_mut();
    let Some(schedule) = schedules.find(|one| one.version == attempt.version) else { return };
    schedule.firing = match finding {
        Finding::Failed => again(schedule, now),
        Finding::Done | Finding::Refused => Firing::Over,
    };
    if schedule.firing == Firing::Over {
        account.schedules.retain(|one| one.version != attempt.version || !one.is_deleted_after);
    }
}

/// The next attempt, if the retry policy leaves one.
fn again(schedule: &Schedule, now: u64) -> Firing {
    let Firing::Asks { since, attempts } = schedule.firing else { return schedule.firing };
    let doublings = attempts.saturating_sub(1).min(10);
    let next_at = now + (PAUSE_MS.0 << doublings).min(PAUSE_MS.1);
    let is_left = attempts <= schedule.retry.attempts && next_at <= since + schedule.retry.age_ms;
    if is_left { Firing::Due { since, next_at, attempts } } else { Firing::Over }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Map, json};

    use super::super::account::{Names, RetryPolicy};
    use super::*;

    const AT: u64 = 600_000;

    fn account(retry: RetryPolicy, is_deleted_after: bool) -> Account {
        let names = Names { region: "eu-west-1".into(), account: "1".into() };
        let mut account = Account::empty(names, Duration::ZERO);
        account.schedules.push(Schedule {
            name: "dead-man".into(),
            group: "default".into(),
            body: Map::new(),
            token: None,
            created_at: 0,
            changed_at: 0,
            is_enabled: true,
            is_deleted_after,
            at: AT,
            input: json!({"RuleArn": "r"}),
            retry,
            firing: Firing::Waits,
            version: 1,
        });
        account
    }

    const PATIENT: RetryPolicy = RetryPolicy { age_ms: 86_400_000, attempts: 185 };

    fn one(account: &mut Account, now: u64) -> Option<Attempt> {
        due(account, now, || 0.5).pop()
    }

    #[test]
    fn a_schedule_fires_once_within_a_minute_after_its_time() {
        let mut account = account(PATIENT, false);
        assert!(one(&mut account, AT - 1).is_none());
        assert!(one(&mut account, AT).is_none(), "its minute has come, its second has not");
        let attempt = one(&mut account, AT + 30_000).expect("it is due");
        assert!(one(&mut account, AT + 30_001).is_none(), "it is under way");
        note(&mut account, &attempt, Finding::Done, AT + 31_000);
        assert!(one(&mut account, AT * 2).is_none());
        assert_eq!(account.schedules.len(), 1);
    }

    #[test]
    fn a_failed_attempt_is_repeated_until_the_policy_ends_it() {
        let mut few = account(RetryPolicy { attempts: 2, ..PATIENT }, true);
        let mut short = account(RetryPolicy { age_ms: 60_000, ..PATIENT }, true);
        for (account, expected) in [(&mut few, 3), (&mut short, 6)] {
            let mut attempts = 0;
            for now in (AT..AT + 600_000).step_by(500) {
                let Some(attempt) = one(account, now) else { continue };
                attempts += 1;
                note(account, &attempt, Finding::Failed, now);
            }
            assert_eq!((attempts, account.schedules.len()), (expected, 0));
        }
    }

    #[test]
    fn a_refusal_is_not_repeated_and_ends_the_schedule() {
        let mut account = account(PATIENT, true);
        one(&mut account, AT);
        let attempt = one(&mut account, AT + 30_000).expect("it is due");
        note(&mut account, &attempt, Finding::Refused, AT + 30_000);
        assert!(account.schedules.is_empty());
    }

    #[test]
    fn what_is_heard_of_a_schedule_that_was_changed_counts_no_more() {
        let mut account = account(PATIENT, true);
        one(&mut account, AT);
        let attempt = one(&mut account, AT + 30_000).expect("it is due");
        let schedule = &mut account.schedules[0];
        (schedule.version, schedule.at, schedule.firing) = (2, AT * 2, Firing::Waits);
        note(&mut account, &attempt, Finding::Done, AT + 31_000);
        assert_eq!(account.schedules[0].firing, Firing::Waits);
    }
}
