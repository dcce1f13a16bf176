//! What a verdict rests on: in words for people, and in numbers for programs.

mod compare;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::domain::clock::span;
use crate::domain::text::{count, many};
use crate::gate::{
    AlarmEvidence, Bound, BurnEvidence, BurnRate, BurnSays, Doubt, DriftEvidence, Evidence, Measure, MetricEvidence,
    SplitEvidence, SplitSays, TasksEvidence, Unit,
};
use compare::whole;

/// Evidence in one line, with foreign text as it came.
pub fn evidence(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Alarm(evidence) => alarm(evidence),
        Evidence::Metric(evidence) => metric(evidence),
        Evidence::Tasks(evidence) => tasks(evidence),
        Evidence::Compare(evidence) => compare::words(evidence),
        Evidence::Drift(evidence) => compare::drift(evidence),
        Evidence::Split(evidence) => split(evidence),
        Evidence::Burn(evidence) => burn(evidence),
        Evidence::Flawed(flaw) => compare::flaw(flaw),
        Evidence::Probed(said) | Evidence::Said(said) => said.clone(),
        Evidence::SaidBefore => "asked before a person said to go on".to_owned(),
        Evidence::Unreadable(fault) => format!("not readable: {fault}"),
        Evidence::Misfit => "the reading does not fit the gate".to_owned(),
        Evidence::NoReading => "no reading".to_owned(),
    }
}

/// Why an alarm's OK says nothing of the step.
fn unproven(doubt: &Doubt) -> String {
    match doubt {
        Doubt::NothingWatched => "but no alarm is known that could ring it".to_owned(),
        Doubt::Blind { alarm, why } => format!("but {alarm} says nothing: {why}"),
        Doubt::Unpublished { alarm, until: None, .. } => format!("but what {alarm} looks at has no data"),
        Doubt::Unpublished { alarm, until: Some(until), needs } => {
            let (until, needs) = (until.time_of_day(), needs.time_of_day());
            format!("but what {alarm} looks at is published until {until}, and needed until {needs}")
        }
        Doubt::Contradicted { alarm, at } => {
            format!("but the data of {alarm} break its threshold at {}", at.time_of_day())
        }
        Doubt::Unevaluated { alarm, by } => {
            format!("and {alarm} is sure to have seen the data of this step by {}", by.time_of_day())
        }
        Doubt::Early { alarm, by } => {
            format!("but nobody can read what {alarm} looks at; its word counts from {}", by.time_of_day())
        }
    }
}

fn alarm(evidence: &AlarmEvidence) -> String {
    match evidence {
        AlarmEvidence::Gone(name) => format!("alarm {name} does not exist any more"),
        AlarmEvidence::Rang(at) => format!("in ALARM at {}", at.time_of_day()),
        AlarmEvidence::InAlarm(since) => format!("in ALARM since {}", since.time_of_day()),
        AlarmEvidence::NotYetQuiet => "in ALARM since before the rollout, not yet quiet once".to_owned(),
        AlarmEvidence::Insufficient { is_breach } => format!("INSUFFICIENT_DATA{}", breach(*is_breach)),
        AlarmEvidence::Quiet(over) => format!("OK over the last {}", span(*over)),
        AlarmEvidence::Unproven(doubt) => format!("OK, {}", unproven(doubt)),
    }
}

fn breach(is_breach: bool) -> &'static str {
    if is_breach { ", which this spec counts as a breach" } else { "" }
}

fn metric(evidence: &MetricEvidence) -> String {
    match evidence {
        MetricEvidence::Broken { value, bound, at } => {
            format!("{} against {bound} at {}", number(*value), at.time_of_day())
        }
        MetricEvidence::Within { value, bound } => format!("{} against {bound}", number(*value)),
        MetricEvidence::TooFewPoints { points, of } => format!("{points} of {of} datapoints so far"),
        MetricEvidence::TooFewSamples { samples, id, least } => {
            format!("too few samples: {} {id}, at least {least} needed", number(samples.0))
        }
        MetricEvidence::NoData { is_breach: true } => format!("no data{}", breach(true)),
        MetricEvidence::NoData { is_breach: false } => "no data yet".to_owned(),
    }
}

fn tasks(evidence: &TasksEvidence) -> String {
    let healthy = |healthy: &u32, wanted: &u32| format!("{healthy} of {wanted} tasks healthy");
    match evidence {
        TasksEvidence::NotAskedFor => "no tasks asked for yet".to_owned(),
        TasksEvidence::Crashed { failed, reason, .. } => {
            let reason = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
            format!("{failed} tasks stopped by themselves{reason}")
        }
        TasksEvidence::Late { healthy: of, wanted, within, reason } => {
            let reason = reason.as_ref().map_or(String::new(), |reason| format!("; last stop: {reason}"));
            format!("{} after {}{reason}", healthy(of, wanted), span(*within))
        }
        TasksEvidence::Healthy { healthy: of, wanted } => healthy(of, wanted),
    }
}

fn split(evidence: &SplitEvidence) -> String {
    let SplitEvidence::Requests { stable, candidate, due_least, due_most, says } = evidence else {
        return "no closed bin lies wholly within the step yet".to_owned();
    };
    let all = stable + candidate;
    let percent = |part: f64| format!("{:.1} %", 100.0 * part / all.max(1.0));
    let (least, most, got) = (percent(*due_least), percent(*due_most), percent(*candidate));
    let given = if least == most { most } else { format!("{least} to {most}") };
    let said = format!("the rule gives the candidate {given} of {} requests, it got {got}", whole(all));
    match says {
        SplitSays::Fits => said,
        SplitSays::Doubtful => format!("not yet sure: {said}"),
        SplitSays::Wrong if candidate < due_least => format!(
            "{said}; another rule may come first, the candidate may drop them, or clients stick to the stable slot"
        ),
        SplitSays::Wrong => format!("{said}; clients may stick to the candidate, or another rule sends it more"),
    }
}

fn burn(evidence: &BurnEvidence) -> String {
    let BurnEvidence::Rates { short, long, factor, says } = evidence else {
        return "no requests in the closed minutes".to_owned();
    };
    let rate = |burn: f64| if burn >= 10.0 { format!("{burn:.0}") } else { format!("{burn:.1}") };
    let rates = format!("{} times the budget over {}", rate(short.rate), span(short.over));
    let rates = format!("{rates}, {} over {}", rate(long.rate), span(long.over));
    let failed = |BurnRate { burnt, .. }: &BurnRate| {
        format!(
            "{} of {} failed",
            count(compare::rounded(burnt.errors)),
            many(compare::rounded(burnt.requests), "request")
        )
    };
    match says {
        BurnSays::Within => format!("{rates}: {} in the last {}", failed(short), span(short.over)),
        BurnSays::SeenOnce => format!("{rates}: seen once so far"),
        BurnSays::BeforeCandidate => format!("{rates}: so it was before the candidate had traffic"),
        BurnSays::ShortAlone => format!("{rates}, where {factor} is a breach"),
        BurnSays::FewErrors => format!("{rates}, but only {}", failed(long)),
        BurnSays::Both => format!("{rates}, at most {factor}: {}", failed(long)),
    }
}

/// A value with as many digits as tell something.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// What a verdict rests on, for programs: the word for it, and the number that the verdict turns on.
pub(super) fn measured(evidence: &Evidence) -> Value {
    let found = found(evidence);
    let Some(Measure { value, bound, stable, samples, unit }) = evidence.measure() else {
        return json!({"found": found});
    };
    let (at_most, at_least) = match bound {
        Some(Bound::Above(limit)) => (Some(limit), None),
        Some(Bound::Below(limit)) => (None, Some(limit)),
        None => (None, None),
    };
    json!({
        "found": found,
        "value": value,
        "at_most": at_most,
        "at_least": at_least,
        "stable": stable,
        "samples": samples,
        "unit": unit_word(unit),
    })
}

/// The one word programs know evidence by.
fn found(evidence: &Evidence) -> &'static str {
    match evidence {
        Evidence::Alarm(evidence) => match evidence {
            AlarmEvidence::Gone(_) => "alarm_gone",
            AlarmEvidence::Rang(_) => "alarm_rang",
            AlarmEvidence::InAlarm(_) => "in_alarm",
            AlarmEvidence::NotYetQuiet => "not_yet_quiet",
            AlarmEvidence::Insufficient { .. } => "insufficient_data",
            AlarmEvidence::Quiet(_) => "quiet",
            AlarmEvidence::Unproven(_) => "unproven",
        },
        Evidence::Metric(evidence) => match evidence {
            MetricEvidence::Broken { .. } => "bound_broken",
            MetricEvidence::Within { .. } => "within_bound",
            MetricEvidence::TooFewPoints { .. } => "too_few_datapoints",
            MetricEvidence::TooFewSamples { .. } => "too_few_samples",
            MetricEvidence::NoData { .. } => "no_data",
        },
        Evidence::Tasks(evidence) => match evidence {
            TasksEvidence::NotAskedFor => "no_tasks_wanted",
            TasksEvidence::Crashed { .. } => "tasks_crashed",
            TasksEvidence::Late { .. } => "tasks_late",
            TasksEvidence::Healthy { .. } => "tasks_healthy",
        },
        Evidence::Compare(evidence) => compare::found(evidence),
        Evidence::Drift(evidence) => match evidence {
            DriftEvidence::NoBin => "no_data",
            DriftEvidence::Same { .. } => "no_drift",
            DriftEvidence::Worse { .. } => "drifts",
        },
        Evidence::Split(evidence) => match evidence {
            SplitEvidence::NoBin => "no_data",
            SplitEvidence::Requests { says: SplitSays::Fits, .. } => "split_fits",
            SplitEvidence::Requests { says: SplitSays::Doubtful, .. } => "split_doubtful",
            SplitEvidence::Requests { says: SplitSays::Wrong, .. } => "split_wrong",
        },
        Evidence::Burn(evidence) => match evidence {
            BurnEvidence::NoRequests => "no_data",
            BurnEvidence::Rates { says, .. } => match says {
                BurnSays::Within => "within_budget",
                BurnSays::SeenOnce => "seen_once",
                BurnSays::BeforeCandidate => "burned_before",
                BurnSays::ShortAlone => "short_window_burns",
                BurnSays::FewErrors => "too_few_errors",
                BurnSays::Both => "budget_burns",
            },
        },
        Evidence::Flawed(_) => "counts_impossible",
        Evidence::Probed(_) => "probed",
        Evidence::Said(_) => "said",
        Evidence::SaidBefore => "said_before",
        Evidence::Unreadable(_) => "unreadable",
        Evidence::Misfit => "misfit",
        Evidence::NoReading => "no_reading",
    }
}

fn unit_word(unit: Unit) -> &'static str {
    match unit {
        Unit::Metric => "metric",
        Unit::Datapoints => "datapoints",
        Unit::Samples => "samples",
        Unit::Tasks => "tasks",
        Unit::Requests => "requests",
        Unit::Share => "share",
        Unit::BudgetRate => "budget_rate",
    }
}
