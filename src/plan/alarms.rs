//! What a plan knows beforehand of its alarms: those that ring, and those whose OK would never pass a step, or too late.

use super::step::{Action, Step};
use crate::domain::clock::span;
use crate::domain::fleet::{AlarmView, Published, Survey};
use crate::gate::{Check, SAYS_NOTHING_WITHOUT_DATA, heard_after};
use crate::spec::Spec;

/// What is said of the alarms that the gates ask about.
pub(super) fn warnings(spec: &Spec, survey: &Survey, steps: &[Step]) -> Vec<String> {
    let mut said = Vec::new();
    for gate in &spec.gates {
        let Check::Alarm(rule) = &gate.check else { continue };
        let Some(alarm) = survey.alarms.iter().find(|alarm| alarm.name == rule.alarm) else { continue };
        if !gate.watch {
            said.extend(never(alarm).or_else(|| late(alarm, survey, steps)));
        }
    }
    said
}

/// An alarm on what is published of nothing now.
fn never(alarm: &AlarmView) -> Option<String> {
    (alarm.published == Published::Nothing).then(|| {
        let name = &alarm.name;
        format!(
            "nothing is published of what alarm {name} looks at, and its OK passes no step: {SAYS_NOTHING_WITHOUT_DATA}"
        )
    })
}

/// An alarm whose OK comes after the shortest hold has ended.
fn late(alarm: &AlarmView, survey: &Survey, steps: &[Step]) -> Option<String> {
    let delay = match alarm.published {
        Published::Until(until) => Some(survey.at.since(until)),
        Published::Unknown | Published::Nothing => None,
    };
    let needs = heard_after(alarm.window, alarm.every, delay);
    let holds = steps.iter().filter(|step| matches!(step.action, Action::Hold(_)));
    let shortest = holds.min_by_key(|step| step.within).filter(|step| step.within < needs)?;
    let more = needs.saturating_sub(shortest.within).as_secs() / 60 + 1;
    Some(format!(
        "alarm {} looks at {}, and its OK is about a step only {} after it; the shortest hold ends after {}: raise \
         limits.verdict by {more}m, or shorten the alarm's periods",
        alarm.name,
        span(alarm.window),
        span(needs),
        span(shortest.within),
    ))
}
