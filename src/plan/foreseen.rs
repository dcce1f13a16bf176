//! What a spec would find in this service, as simulated rollouts say, and what its comparison takes for granted.

use std::time::Duration;

use super::compared::percent;
use super::step::{Action, Plan};
use crate::domain::clock::span;
use crate::domain::text::many;
use crate::gate::{Check, CompareRule};

/// What simulated rollouts of a spec came to, of a service like the one that it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreseen {
    /// Requests a second.
    pub rate: f64,
    /// How often each release was rolled out.
    pub runs: u64,
    /// What became of each kind of release.
    pub releases: Vec<Release>,
    /// The command that simulates others.
    pub command: String,
}

/// A kind of release, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// What it does: `fails 1 %`.
    pub does: &'static str,
    /// Whether something is wrong with it.
    pub is_bad: bool,
    /// The share of its rollouts that went back on a verdict.
    pub back: f64,
    /// Between which shares the truth lies with 95 % confidence.
    pub within: (f64, f64),
    /// The median from its first request to the decision to go back.
    pub found: Option<Duration>,
    /// The median from its first request to 95 % of them, of those that were promoted.
    pub promoted: Option<Duration>,
    /// Requests harmed within the hour, on average.
    pub harmed: f64,
}

/// From this share of the rollouts on a bad release counts as found.
const FOUND: f64 = 0.95;

impl Foreseen {
    /// In a sentence, which bad releases it does not find for sure.
    pub fn missed(&self) -> String {
        let missed = self.releases.iter().filter(|release| release.is_bad && release.back < FOUND);
        let missed: Vec<&str> = missed.map(|release| release.does).collect();
        if missed.is_empty() {
            "It finds each of these at least 95 times of 100.".to_owned()
        } else {
            format!("Do not rely on it to find a release that {}.", missed.join(", or one that "))
        }
    }
}

/// What the comparison takes for granted, and why, each by a word.
pub fn assumed(plan: &Plan) -> Vec<(&'static str, String)> {
    let compare = plan.gates.iter().find_map(|gate| match &gate.check {
        Check::Compare(rule) => Some(rule),
        _ => None,
    });
    let Some(rule) = compare.filter(|_| sees_both(plan)) else { return Vec::new() };
    let mut said = vec![("judged", judged(rule))];
    if rule.latency.weight > 0.0 && !rule.baseline.thresholds.is_empty() {
        said.push(("warm-up", warm_up(rule)));
        said.push(("hosts", hosts(rule)));
    }
    said.push(("noise", noise(rule)));
    said
}

/// Whether both slots have requests at the same time.
fn sees_both(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| match &step.action {
        Action::Ramp { .. } => true,
        Action::Shift(share) => *share < crate::domain::traffic::Share::ALL,
        _ => false,
    })
}

/// What is judged, and how often at most a release that is no worse goes back for it.
fn judged(rule: &CompareRule) -> String {
    let CompareRule { errors, refused, latency, alpha, .. } = rule;
    let timed = if rule.baseline.thresholds.is_empty() { 0.0 } else { latency.weight };
    let measures = [("failures", errors.weight), ("refusals", refused.weight), ("response times", timed)];
    let of = |(what, weight): &(&str, f64)| format!("{what} {}", percent(weight * alpha));
    let said: Vec<String> = measures.iter().filter(|(_, weight)| *weight > 0.0).map(of).collect();
    format!("{}: so often at most a release that is no worse goes back for it", said.join(", "))
}

fn warm_up(rule: &CompareRule) -> String {
    if rule.warm_up.is_zero() {
        return "none, as the spec says: response times count from the first request".to_owned();
    }
    let by_use = match rule.budget {
        Some(_) => "one that needs thousands of requests to get warm goes back, so send it those before users come",
        None => "up to its first 4,000 answers, 22m at most, while it gets faster",
    };
    format!(
        "response times do not count for {}; if the release is slow, for 2m to 5m; {by_use}. Errors count from the first \
         request. Nothing is learned from earlier rollouts",
        span(rule.warm_up)
    )
}

fn hosts(rule: &CompareRule) -> String {
    let (luck, tolerated) = (rule.by_hosts(), rule.latency.slower);
    let slower = percent(luck.max(tolerated));
    match rule.hosts.map(|hosts| many(hosts.into(), "task")) {
        None => format!("how many tasks a slot has is not known, so above {slower} slower is worse"),
        Some(tasks) if luck > tolerated => format!(
            "{tasks} a slot are few: their hosts may be faster or slower by 4% each, so only above {slower} slower is worse"
        ),
        Some(tasks) => format!("{tasks} a slot are many: their hosts even out, so above {slower} slower is worse"),
    }
}

fn noise(rule: &CompareRule) -> String {
    let learned = rule.baseline.bins > 0;
    let speed = rule.wander().map_or(String::new(), |wander| format!(", speed by {:.1}% a minute", 100.0 * wander));
    let why = if learned { "as in the stable slot's past" } else { "a guess, as there is no past" };
    format!(
        "failures scatter {:.1} times as much as chance{speed}: {why}. Where the rollout's own minutes scatter more, \
         those count",
        rule.baseline.error_noise
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use crate::gate::compare::{Baseline, Threshold};
    use crate::plan::diagram::sample::plan;

    /// What is assumed of a plan that compares by this rule.
    fn said(rule: CompareRule) -> Vec<String> {
        let threshold = |share: f64, stable| {
            let (quantile, candidate) = (Some(1.0 - share), stable);
            Threshold { quantile, stable, candidate, odds: 1.0, share, noise: 0.01, jitter: 0.0 }
        };
        let thresholds = vec![threshold(0.5, 0.1), threshold(0.25, 0.14)];
        let baseline = Baseline { bins: 720, error_noise: 7.0, thresholds, ..Baseline::default() };
        let check = Check::Compare(Box::new(CompareRule { baseline, ..rule }));
        let mut plan = plan();
        plan.gates = vec![Gate { name: "compare".to_owned(), check, watch: false }];
        assumed(&plan).into_iter().map(|(what, said)| format!("{what}: {said}")).collect()
    }

    #[test]
    fn what_is_assumed_is_what_the_rule_says() {
        let [judged, warm, hosts, noise] = &said(CompareRule::default())[..] else { panic!("four are said") };
        assert!(judged.starts_with("judged: failures 0.45%, refusals 0.05%, response times 0.45%:"), "{judged}");
        assert!(warm.contains("do not count for 1m;") && warm.contains("first 4,000 answers"), "{warm}");
        assert!(hosts.contains("not known") && hosts.contains("above 3% slower"), "{hosts}");
        assert!(noise.contains("7.0 times as much as chance, speed by 3.1% a minute: as in"), "{noise}");
        let few = said(CompareRule { hosts: Some(2), budget: Some(50.0), ..CompareRule::default() });
        assert!(few[2].contains("2 tasks a slot are few") && few[2].contains("above 9.4% slower"), "{few:?}");
        assert!(few[1].contains("before users come"), "{few:?}");
        let many = said(CompareRule { hosts: Some(40), warm_up: Duration::ZERO, ..CompareRule::default() });
        assert!(many[2].contains("40 tasks a slot are many") && many[2].contains("above 3% slower"), "{many:?}");
        assert!(many[1].starts_with("warm-up: none"), "{many:?}");
    }

    #[test]
    fn bad_releases_that_are_not_found_for_sure_are_named() {
        let release = |does, is_bad, back| {
            let (within, found, promoted, harmed) = ((0.0, 1.0), None, None, 0.0);
            Release { does, is_bad, back, within, found, promoted, harmed }
        };
        let of = |releases| Foreseen { rate: 20.0, runs: 20, releases, command: String::new() };
        let sure = || vec![release("is no worse", false, 0.0), release("fails 1 %", true, 0.95)];
        assert_eq!(of(sure()).missed(), "It finds each of these at least 95 times of 100.");
        let more = [sure(), vec![release("fails 0.5 %", true, 0.94), release("leaks", true, 0.1)]].concat();
        assert_eq!(of(more).missed(), "Do not rely on it to find a release that fails 0.5 %, or one that leaks.");
    }
}
