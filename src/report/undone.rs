//! What a rollout leaves undone: in words for people, and by a word for programs.

use crate::domain::clock::span;
use crate::domain::fault::Fault;
use crate::domain::safeguard::Beacon;
use crate::machine::{Kept, StaysOff, Undone};

/// What was left undone, with foreign text as it came.
pub fn undone(what: &Undone) -> String {
    match what {
        Undone::OldSlot(why) => keeps("the old stable slot", why),
        Undone::Candidate(why) => keeps("the candidate slot", why),
        Undone::CandidateLate => "the candidate slot, which could not be restored within the limit".to_owned(),
        Undone::StableTasks(fault) => {
            format!("the stable slot, which serves with fewer tasks than before, gets no more: {fault}")
        }
        Undone::Revision { service, refused, fault } => {
            format!("{service} keeps the revision that it has, because {refused} is refused: {fault}")
        }
        Undone::Deployment(mover) => format!("{mover} has not ended its deployment in time"),
        Undone::Switch { fires, fault } => {
            let at = fires.map_or(String::new(), |at| format!(" at {}", at.time_of_day()));
            let words = format!("the dead-man's switch stays armed, and gives all traffic to the stable slot{at}");
            refused(&words, fault.as_ref())
        }
        Undone::Scaling(fault) => refused("autoscaling stays held: no scale-in, no scheduled scaling", fault.as_ref()),
        Undone::Beacon(beacon, fault) => refused(unmarked(*beacon), fault.as_ref()),
        Undone::Rest => "the rest, because somebody else moved the traffic meanwhile".to_owned(),
    }
}

fn refused(words: &str, fault: Option<&Fault>) -> String {
    fault.map_or_else(|| words.to_owned(), |fault| format!("{words}: {fault}"))
}

fn keeps(slot: &str, why: &Kept) -> String {
    let why = match why {
        Kept::Unanswered(limit) => format!(": nobody said how to go on within {}", span(*limit)),
        Kept::Unproven => ": no proof that its requests have ended".to_owned(),
        Kept::Entrances(there) => format!(": {}", there.join("; ")),
        Kept::EntrancesUnread => ": no proof of what else leads to it".to_owned(),
        Kept::Cookies(until) => format!(": clients may hold cookies of the candidate until {}", until.in_full()),
        Kept::Refused(fault) => format!(": {fault}"),
        Kept::RunnerStopped => ", because the runner was told to stop".to_owned(),
        Kept::SparedFor(by) => format!(": {by} goes back to them"),
    };
    format!("{slot} keeps its tasks{why}")
}

/// What is missing when a beacon could not be written.
fn unmarked(beacon: Beacon) -> &'static str {
    match beacon {
        Beacon::Active => "the rule carries no beacon: a rollback that finds only the rule knows less",
        Beacon::Aborting => "the rule's beacon does not say that the rollout goes back",
        Beacon::Committed => "the rule's beacon does not say that the rollout is committed",
        Beacon::Absent => "the rule keeps its tidegate tags",
    }
}

/// That the rule's stickiness was not put back, with foreign text as it came.
pub(super) fn unstuck(why: &StaysOff) -> String {
    let why = match why {
        StaysOff::Cookies(until) => format!("clients may hold cookies of the candidate until {}", until.in_full()),
        StaysOff::Foreign { found } => format!("somebody else changed the rule ({found})"),
        StaysOff::Refused(fault) => fault.to_string(),
        StaysOff::Switch => "the dead-man's switch may turn it off once more".to_owned(),
        StaysOff::NoTime => "the way back had no time left to put it back".to_owned(),
    };
    format!("stickiness of the rule stays off: {why}")
}

/// The one word programs know by what was left undone.
pub(super) fn kind(what: &Undone) -> &'static str {
    match what {
        Undone::OldSlot(_) => "old_slot",
        Undone::Candidate(_) | Undone::CandidateLate => "candidate",
        Undone::StableTasks(_) => "stable_tasks",
        Undone::Revision { .. } => "revision",
        Undone::Deployment(_) => "deployment",
        Undone::Switch { .. } => "switch",
        Undone::Scaling(_) => "scaling",
        Undone::Beacon(..) => "beacon",
        Undone::Rest => "rest",
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{stays_off_of, undone_of};
    use super::*;

    #[test]
    fn everything_left_undone_has_its_words() {
        let words: Vec<String> = undone_of("x").iter().map(undone).collect();
        let expected = [
            "the old stable slot keeps its tasks: nobody said how to go on within 1h",
            "the old stable slot keeps its tasks: no proof that its requests have ended",
            "the old stable slot keeps its tasks: x",
            "the old stable slot keeps its tasks: no proof of what else leads to it",
            "the old stable slot keeps its tasks: x: x",
            "the old stable slot keeps its tasks: x goes back to them",
            "the candidate slot keeps its tasks: clients may hold cookies of the candidate until 2026-11-23T14:15:09Z",
            "the candidate slot keeps its tasks, because the runner was told to stop",
            "the candidate slot, which could not be restored within the limit",
            "the stable slot, which serves with fewer tasks than before, gets no more: x: x",
            "x keeps the revision that it has, because x is refused: x: x",
            "ECS has not ended its deployment in time",
            "the dead-man's switch stays armed, and gives all traffic to the stable slot at 14:15:09",
            "the dead-man's switch stays armed, and gives all traffic to the stable slot: x: x",
            "autoscaling stays held: no scale-in, no scheduled scaling",
            "autoscaling stays held: no scale-in, no scheduled scaling: x: x",
            "the rule carries no beacon: a rollback that finds only the rule knows less: x: x",
            "the rule's beacon does not say that the rollout goes back",
            "the rule's beacon does not say that the rollout is committed",
            "the rule keeps its tidegate tags",
            "the rest, because somebody else moved the traffic meanwhile",
        ];
        assert_eq!(words, expected);
        let words: Vec<String> = stays_off_of("x").iter().map(unstuck).collect();
        let off = |why: &str| format!("stickiness of the rule stays off: {why}");
        let expected = [
            "clients may hold cookies of the candidate until 2026-11-23T14:15:09Z",
            "somebody else changed the rule (x)",
            "x: x",
            "the dead-man's switch may turn it off once more",
            "the way back had no time left to put it back",
        ];
        assert_eq!(words, expected.map(off));
    }
}
