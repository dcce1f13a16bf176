//! What a comparison needs of the account, and what it cannot see at the traffic there is.

use std::time::Duration;

use super::refused::PlanRefusal;
use super::step::{Action, Plan, Step};
use crate::domain::clock::span;
use crate::domain::fleet::Survey;
use crate::domain::text::count;
use crate::domain::traffic::Share;
use crate::gate::compare::{Baseline, Unproven};
use crate::gate::{Check, CompareRule, Gate};
use crate::spec::{Spec, Strategy};

/// So many requests of the candidate, divided by a margin, prove that margin when nothing fails: log(6 / 0.05),
/// for six tilts of a bound at 95 %.
const PROOF: f64 = 4.8;

/// The same for a ramp, in requests that its ceiling would have brought all the while.
const RAMP_PROOF: f64 = 7.0;

/// A rise of errors from here on is not worth a figure.
const LEAST_SEEN: f64 = 0.5;

/// How much of the past it takes to learn how counts scatter over twenty minutes, which is the longest that is
/// looked at: thirty stretches of that.
const PAST_ENOUGH: Duration = Duration::from_secs(10 * 60 * 60);

/// The gate that compares, if there is one.
fn compare(gates: &[Gate]) -> Option<(&Gate, &CompareRule)> {
    gates.iter().find_map(|gate| match &gate.check {
        Check::Compare(rule) => Some((gate, &**rule)),
        _ => None,
    })
}

/// Why nothing could be compared, or ramped, on this account.
pub(super) fn refusals(spec: &Spec, survey: &Survey) -> Vec<PlanRefusal> {
    let mut found = Vec::new();
    let compared = compare(&spec.gates);
    // Where none or both serve there is no past to read, and that is refused by itself.
    if let (Some((gate, _)), Some(Err(why)), true) = (compared, &survey.past, survey.serving().is_some()) {
        found.push(PlanRefusal {
            wrong: format!("gate {} cannot read the stable slot's past: {why}", gate.name),
            help: Some("allow it, or name the gates to judge by without `compare`".to_owned()),
        });
    }
    if !matches!(spec.strategy, Strategy::HarmBudget { .. }) {
        return found;
    }
    if compared.is_none() {
        let help = Some("add `- compare: {}` to the gates".to_owned());
        found.push(PlanRefusal { wrong: "a harm budget needs a gate that compares".to_owned(), help });
    }
    let slots = [&survey.blue, &survey.green].map(|slot| &slot.place.target_group);
    if survey.rule.weights.iter().any(|(group, weight)| *weight > 0 && !slots.contains(&group)) {
        found.push(PlanRefusal {
            wrong: "other target groups of the rule carry weight, and a ramp needs tenths of a percent".to_owned(),
            help: Some("use a canary with steps that the slots' weights can say".to_owned()),
        });
    }
    found
}

/// What the plan's reader should know of its comparison; `gates` know the past.
pub(super) fn warnings(spec: &Spec, survey: &Survey, gates: &[Gate], steps: &[Step]) -> Vec<String> {
    let Some((gate, rule)) = compare(gates) else { return Vec::new() };
    let mut said = Vec::new();
    if matches!(spec.strategy, Strategy::BlueGreen { .. }) {
        said.push(format!(
            "gate {} never sees both slots at once: everything moves at once; `harm_budget` or a canary would let it compare",
            gate.name
        ));
        return said;
    }
    said.extend(unlearned(&gate.name, rule));
    if survey.rule.stickiness.is_some() {
        said.push(format!(
            "gate {} counts on requests that are independent of each other, and the rule is sticky: one client's trouble counts many times, so a good release may be sent back more often than alpha says",
            gate.name
        ));
    }
    said.extend(low_traffic(rule, gates, steps));
    said
}

/// What is assumed because the past does not say it.
fn unlearned(name: &str, rule: &CompareRule) -> Vec<String> {
    let Baseline { bins, thresholds, .. } = &rule.baseline;
    let covers = rule.feed.span() * u32::try_from(*bins).unwrap_or(u32::MAX);
    let mut said = Vec::new();
    if *bins == 0 {
        said.push(format!(
            "gate {name} knows nothing of the stable slot's past: it assumes that counts scatter by chance alone"
        ));
    } else if covers < PAST_ENOUGH {
        said.push(format!(
            "gate {name} learned from only {} of the stable slot's past: how much counts scatter is a guess below {}",
            span(covers),
            span(PAST_ENOUGH)
        ));
    }
    if thresholds.is_empty() && rule.latency.weight > 0.0 {
        said.push(format!(
            "gate {name} does not compare response times: nothing says how fast the stable slot answers"
        ));
    }
    said
}

/// A step that ends before the comparison has proven its margin.
struct Short {
    /// Which: its title.
    title: String,
    /// How long it lasts at most.
    lasts: Duration,
    /// How many requests the candidate gets until then.
    requests: f64,
    /// How many it would take, times the margin.
    proof: f64,
    /// The margin at its share.
    margin: f64,
}

/// At this traffic, what the comparison cannot prove in time, and what would help.
fn low_traffic(rule: &CompareRule, gates: &[Gate], steps: &[Step]) -> Option<String> {
    let Baseline { bins, rate, .. } = &rule.baseline;
    if *bins == 0 || rule.errors.weight <= 0.0 {
        return None;
    }
    if *rate <= 0.0 {
        return Some("the stable slot had no requests lately: nothing can be compared without any".to_owned());
    }
    let Short { title, lasts, requests, proof, margin } = first_short(rule, gates, steps)?;
    let (needed, seen) = (proof / margin, proof / requests);
    let ends = match rule.unproven {
        Unproven::Pass => "passes all the same",
        Unproven::Fail => "the rollout goes back",
    };
    let longer = Duration::from_secs(60 * whole(lasts.as_secs_f64() * needed / requests / 60.0));
    let (what, wider) = if seen < LEAST_SEEN {
        // Margins are written for half of the traffic; at a smaller share they are wider.
        let wider = percent(seen * rule.margins.errors / margin);
        (format!("by less than {}", percent(seen)), format!("`margins: {{ errors: {wider} }}`, "))
    } else {
        ("at all".to_owned(), String::new())
    };
    Some(format!(
        "at {} this spec cannot see errors rise {what} in {}: by the end of step \"{title}\" the candidate has had \
         about {} requests, and a margin of {} takes {}; then {ends}. Options: {wider}{} instead of {}, or more traffic",
        per_second(*rate),
        span(lasts),
        count(whole(requests)),
        percent(margin),
        count(whole(needed)),
        span(longer),
        span(lasts),
    ))
}

/// The first step that asks for a margin and ends before it can be proven.
fn first_short(rule: &CompareRule, gates: &[Gate], steps: &[Step]) -> Option<Short> {
    let (mut share, mut requests) = (Share::NONE, 0.0);
    for step in steps {
        let (given, proof, margin) = match &step.action {
            Action::Shift(to) => {
                share = *to;
                continue;
            }
            Action::Ramp { rule: ramp, .. } => (ramp.ceiling, RAMP_PROOF, rule.margins.errors),
            Action::Hold(_) if share < Share::ALL => (share, PROOF, rule.margins.at(share).errors),
            _ => continue,
        };
        requests += rule.baseline.rate * given.percent() / 100.0 * step.within.as_secs_f64();
        if requests < proof / margin {
            return Some(Short { title: step.title(gates), lasts: step.within, requests, proof, margin });
        }
    }
    None
}

/// With how many requests of the candidate the comparison has proven its margin, and by which step at this rate.
pub(super) fn proven(rule: &CompareRule, rate: f64, plan: &Plan) -> Option<String> {
    if rule.errors.weight <= 0.0 {
        return None;
    }
    let (mut share, mut requests, mut needed) = (Share::NONE, 0.0, None);
    for (n, step) in plan.steps.iter().enumerate() {
        let (given, proof, margin) = match &step.action {
            Action::Shift(to) => {
                share = *to;
                continue;
            }
            Action::Ramp { rule: ramp, .. } => (ramp.ceiling, RAMP_PROOF, rule.margins.errors),
            Action::Hold(_) if share > Share::NONE && share < Share::ALL => {
                (share, PROOF, rule.margins.at(share).errors)
            }
            _ => continue,
        };
        let least = needed.get_or_insert((proof / margin, margin));
        requests += rate * given.percent() / 100.0 * step.within.as_secs_f64();
        if requests >= proof / margin {
            let (least, margin) = (count(whole(least.0)), percent(least.1));
            return Some(format!(
                "about {least} requests of the candidate prove that errors rose by less than {margin}; at {} that is by \
                 the end of step {} at the latest",
                per_second(rate),
                n + 1
            ));
        }
    }
    let (least, margin) = needed?;
    let (least, margin) = (count(whole(least)), percent(margin));
    Some(format!(
        "about {least} requests of the candidate would prove a margin of {margin}; {} do not bring them",
        per_second(rate)
    ))
}

/// A positive number rounded up.
fn whole(number: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and it saturates")]
    let whole = number.ceil() as u64;
    whole
}

/// A part in percent with two digits that count, rounded up.
pub(super) fn percent(part: f64) -> String {
    let percent = part * 100.0;
    let unit = 10_f64.powf(percent.log10().floor() - 1.0);
    let digits = if unit < 1.0 { usize::try_from(whole(-unit.log10())).unwrap_or(0) } else { 0 };
    let text = format!("{:.digits$}", (percent / unit - 1e-9).ceil() * unit);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

fn per_second(rate: f64) -> String {
    match rate {
        rate if rate >= 10.0 => format!("{} requests a second", count(whole(rate))),
        rate if rate >= 0.2 => format!("{rate:.1} requests a second"),
        rate => format!("{:.1} requests a minute", rate * 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_said_with_two_digits() {
        let check = |part: f64, said| assert_eq!(percent(part), said, "{part}");
        check(0.003, "0.3%");
        check(0.0031, "0.31%");
        check(0.003_123, "0.32%");
        check(0.0003, "0.03%");
        check(0.01, "1%");
        check(0.0123, "1.3%");
        check(0.2, "20%");
        check(0.2345, "24%");
    }

    #[test]
    fn rates_are_said_as_people_say_them() {
        let check = |rate, said| assert_eq!(per_second(rate), said);
        check(1234.0, "1,234 requests a second");
        check(3.0, "3.0 requests a second");
        check(0.05, "3.0 requests a minute");
    }
}
