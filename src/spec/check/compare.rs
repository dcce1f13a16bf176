//! The gates that compare the two slots: tolerances, margins and chances within their bounds.

use std::ops::RangeInclusive;

use super::Check;
use super::units::HOUR;
use crate::gate::compare;
use crate::gate::{CompareRule, SplitRule};
use crate::spec::document::{Compare, Errors, Judge, Latency, Margins, Percentage, Split, Unproven};
use crate::spec::finding::Finding;
use crate::spec::tree::Node;
use crate::spec::words;

/// Chances of a false alarm that make sense, in percent.
const CHANCE: RangeInclusive<f64> = 0.01..=10.0;

/// How much of the evidence errors and response times may share, in percent. The rest is never staked, so that
/// what is lost in quiet times can be won back.
const MOST_WEIGHT: f64 = 95.0;

impl Check<'_> {
    pub(super) fn compare(&mut self, gate: Compare, at: &Node) -> Option<CompareRule> {
        let alpha = self.percentage(&gate.alpha, at.field("alpha"), CHANCE);
        let weights = match &gate.judge {
            Some(judge) => self.judged(judge, at),
            None => self.weights(&gate, at),
        };
        let errors = self.error_tolerance(&gate.errors, at.field("errors"));
        let latency = self.latency_tolerance(&gate.latency, at.field("latency"));
        let margins = self.margins(&gate.margins, at.field("margins"));
        let warm_up = self.time(&gate.warm_up, at.field("warm_up"), 0..=HOUR);
        let feed = self.feed(gate.feed, at.field("feed"));
        let unproven = match gate.unproven {
            Unproven::Pass => compare::Unproven::Pass,
            Unproven::Fail => compare::Unproven::Fail,
        };
        let [for_errors, for_refused, for_latency] = weights?;
        Some(CompareRule {
            feed: feed?,
            errors: compare::ErrorTolerance { weight: for_errors, ..errors? },
            refused: compare::ErrorTolerance { weight: for_refused, ..CompareRule::default().refused },
            latency: compare::LatencyTolerance { weight: for_latency, ..latency? },
            alpha: alpha?,
            margins: margins?,
            unproven,
            warm_up: warm_up?,
            ..CompareRule::default()
        })
    }

    pub(super) fn split(&mut self, gate: &Split, at: &Node) -> Option<SplitRule> {
        let alpha = self.percentage(&gate.alpha, at.field("alpha"), CHANCE)?;
        Some(SplitRule { alpha, odds: gate.odds, ..SplitRule::default() })
    }

    /// The parts of the evidence that `judge` gives to errors, refusals and response times.
    fn judged(&mut self, judge: &Judge, at: &Node) -> Option<[f64; 3]> {
        let twice = ["errors", "latency"].into_iter().find_map(|of| at.field(of).get("weight"));
        if let Some(twice) = twice {
            let wrong = "`judge` says already how much of the evidence that has";
            return self.wrong(twice.value(), wrong, "leave the weight out, or leave `judge` out");
        }
        let at = at.field("judge");
        let mut part = |written: &Option<Percentage>, of| match written {
            Some(written) => self.percentage(written, at.field(of), 0.0..=MOST_WEIGHT),
            None => Some(0.0),
        };
        let (errors, latency) = (part(&judge.errors, "errors"), part(&judge.latency, "latency"));
        let parts = [errors?, part(&judge.refused, "refused")?, latency?];
        let all = 100.0 * parts.iter().sum::<f64>();
        // The ramp and the steps rest on what is proven of errors or of response times.
        if parts[0] + parts[2] == 0.0 {
            let wrong = "neither errors nor response times are judged, and nothing else can be proven";
            return self.wrong(at.value(), wrong, "give errors or response times some of the evidence, or both");
        }
        if all > MOST_WEIGHT + 1e-9 {
            let wrong = format!("what is judged adds up to {all:.0}%");
            return self.wrong(at.value(), wrong, format!("at most {MOST_WEIGHT}% together"));
        }
        Some(parts)
    }

    /// The parts of the evidence that are looked for in errors, refusals and response times where nothing chooses.
    fn weights(&mut self, gate: &Compare, at: &Node) -> Option<[f64; 3]> {
        let [errors, latency] = [at.field("errors").field("weight"), at.field("latency").field("weight")];
        let for_errors = self.percentage(&gate.errors.weight, errors, 0.0..=MOST_WEIGHT);
        let for_latency = self.percentage(&gate.latency.weight, latency, 0.0..=MOST_WEIGHT);
        let (for_errors, for_latency) = (for_errors?, for_latency?);
        // The one that is written is the one to point at.
        let place = if at.field("latency").get("weight").is_some() { latency } else { errors };
        let all = 100.0 * (for_errors + for_latency);
        if all == 0.0 {
            let wrong = "nothing is compared: both weights are nothing";
            return self.wrong(place.value(), wrong, "give errors or response times some weight, or both");
        }
        // The sum of two decimal fractions is not exact.
        if all > MOST_WEIGHT + 1e-9 {
            let wrong = format!("the weights of errors and latency add up to {all:.0}%");
            return self.wrong(place.value(), wrong, format!("at most {MOST_WEIGHT}% together"));
        }
        Some([for_errors, CompareRule::default().refused.weight, for_latency])
    }

    fn error_tolerance(&mut self, errors: &Errors, at: &Node) -> Option<compare::ErrorTolerance> {
        let excess = self.percentage(&errors.excess, at.field("excess"), 0.0..=10.0)?;
        Some(compare::ErrorTolerance { ratio: errors.ratio, excess, weight: 0.0 })
    }

    fn latency_tolerance(&mut self, latency: &Latency, at: &Node) -> Option<compare::LatencyTolerance> {
        let slower = self.percentage(&latency.slower, at.field("slower"), 0.0..=100.0)?;
        Some(compare::LatencyTolerance { slower, odds: latency.odds, weight: 0.0 })
    }

    fn margins(&mut self, margins: &Margins, at: &Node) -> Option<compare::Margins> {
        let errors = self.percentage(&margins.errors, at.field("errors"), 0.01..=50.0);
        let slow = self.percentage(&margins.slow, at.field("slow"), 0.1..=50.0);
        Some(compare::Margins { errors: errors?, slow: slow? })
    }

    /// A part of 1, written in percent, within `percent`.
    fn percentage(&mut self, written: &Percentage, at: &Node, percent: RangeInclusive<f64>) -> Option<f64> {
        let said = words::shown(at, &written.0);
        let number = written.0.trim().strip_suffix('%').map(str::trim_end);
        let plain = |text: &&str| text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let Some(number) = number.filter(plain).and_then(|text| text.parse::<f64>().ok()) else {
            let help = "a number with its sign, such as `1%` or `0.03%`";
            return self.wrong(at.value(), format!("{said} is not a percentage"), help);
        };
        if percent.contains(&number) {
            return Some(number / 100.0);
        }
        let side = if number < *percent.start() { "little" } else { "much" };
        let help = format!("from {}% to {}%", percent.start(), percent.end());
        self.add(Finding::new(at.value(), format!("{said} is too {side}")).help(help))
    }
}
