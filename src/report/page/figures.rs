//! The figures of a page: the candidate's share, errors and slow answers of both slots, and the values of gates.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Page;
use super::chart::{Chart, Line, Look, Moment};
use crate::domain::clock::Timestamp;
use crate::domain::count::{Bin, Counts};
use crate::domain::traffic::Share;
use crate::gate::compare::{Feed, Threshold};
use crate::gate::{Bound, Check, Gate, MetricRule};
use crate::machine::Notice;

/// How many metric gates are drawn at most.
const DRAWN: usize = 8;
/// The quantile whose mark is drawn, or the nearest to it.
const QUANTILE: f64 = 0.95;

/// What both slots answered.
pub(super) struct Counted<'a> {
    pub(super) bins: &'a BTreeMap<Timestamp, Bin>,
    /// The length of a stretch.
    pub(super) span: Duration,
    /// Where slow answers are counted, and as which of the counts, where they are.
    pub(super) mark: Option<(usize, &'a Threshold)>,
}

impl Page<'_> {
    /// What both slots answered, as far as the journal holds it.
    pub(super) fn counted(&self) -> Option<Counted<'_>> {
        let gates = &self.why.status.plan.gates;
        let (gate, bins) = self.story.counted(gates)?;
        let span = gates.get(gate).and_then(Gate::feed).map_or(Duration::from_secs(60), Feed::span);
        let thresholds = match gates.get(gate).map(|gate| &gate.check) {
            Some(Check::Compare(rule)) => rule.baseline.thresholds.as_slice(),
            _ => &[],
        };
        let far = |threshold: &Threshold| threshold.quantile.map_or(1.0, |quantile| (quantile - QUANTILE).abs());
        let mark = thresholds.iter().enumerate().min_by(|(_, a), (_, b)| far(a).total_cmp(&far(b)));
        Some(Counted { bins, span, mark })
    }

    /// All charts, the most important first.
    pub(super) fn charts(&self) -> Vec<Chart> {
        let mut charts = vec![self.traffic()];
        if let Some(counted) = self.counted() {
            charts.push(self.errors(&counted));
            charts.extend(counted.mark.map(|(mark, threshold)| self.slow(&counted, mark, threshold)));
        }
        let gates = &self.why.status.plan.gates;
        let drawn = self.story.values.iter().filter(|(_, values)| !values.is_empty()).take(DRAWN);
        charts.extend(drawn.filter_map(|(gate, values)| {
            let gate = gates.get(*gate)?;
            let Check::Metric(rule) = &gate.check else { return None };
            Some(self.metric(gate, rule, values))
        }));
        charts
    }

    /// The stretch of time that charts show.
    fn stretch(&self) -> (Timestamp, Timestamp) {
        let status = self.why.status;
        let from = status.summary.started.as_ref().map_or(self.origin.begun, |(at, _)| *at);
        let to = status.summary.finished.as_ref().map_or(self.story.last, |(at, _)| *at);
        (from, to.max(from + Duration::from_secs(1)))
    }

    fn chart(&self, title: String, about: String, unit: &'static str) -> Chart {
        let (from, to) = self.stretch();
        Chart { title, about, unit, from, to, lines: Vec::new(), bound: None, moments: self.moments() }
    }

    /// The moments that matter in every chart.
    fn moments(&self) -> Vec<Moment> {
        let moments = self.story.told.iter().filter_map(|(at, notice)| {
            let what = match notice {
                Notice::Retreating { .. } => "decided to go back",
                Notice::TrafficBack { .. } => "all traffic back, read back",
                Notice::Promoting { .. } => "promoted by a person",
                Notice::Committed => "committed",
                Notice::ForeignWrite { .. } => "somebody else wrote",
                _ => return None,
            };
            Some(Moment { at: *at, what })
        });
        moments.collect()
    }

    fn traffic(&self) -> Chart {
        let about = "The candidate's share of the traffic: what was wanted, what the rule was read to say, and the \
                     share of the requests that the load balancer counted.";
        let mut chart = self.chart("Traffic to the candidate".to_owned(), about.to_owned(), "%");
        let to = chart.to;
        let shares = &self.story.shares;
        let line = |name, look, of: &dyn Fn(&super::story::Shares) -> Option<Share>| {
            let mut points: Vec<(Timestamp, f64)> =
                shares.iter().filter_map(|shares| Some((shares.at, of(shares)?.percent()))).collect();
            points.dedup_by(|later, earlier| later.1 == earlier.1);
            points.extend(points.last().copied().map(|(_, share)| (to, share)));
            Line { name, look, points, apart: None }
        };
        chart.lines = vec![
            line("wanted", Look::Wanted, &|shares| Some(shares.wanted)),
            line("read back from the rule", Look::Steps, &|shares| shares.configured),
            line("of the requests, as counted", Look::Dots, &|shares| shares.observed),
        ];
        chart.lines[2].points.pop();
        chart
    }

    fn errors(&self, counted: &Counted<'_>) -> Chart {
        let about = "The share of each slot's requests that failed: answered with a 5XX, or never connected.";
        let mut chart = self.chart("Errors".to_owned(), about.to_owned(), "%");
        chart.lines = both(counted, &|counts| share(counts.errors, counts.requests));
        chart
    }

    fn slow(&self, counted: &Counted<'_>, mark: usize, threshold: &Threshold) -> Chart {
        let quantile = threshold.quantile.map_or(String::new(), |quantile| {
            format!(", the stable slot's p{} before the rollout", (quantile * 1e4).round() / 1e2)
        });
        let candidate = if threshold.candidate == threshold.stable {
            String::new()
        } else {
            format!("; of the candidate's, than {:.3} s", threshold.candidate)
        };
        let about = format!(
            "The share of each slot's answers that took longer than {:.3} s{quantile}{candidate}.",
            threshold.stable
        );
        let mut chart = self.chart("Slow answers".to_owned(), about, "%");
        chart.lines = both(counted, &|counts| share(*counts.slower.get(mark)?, counts.timed));
        chart
    }

    fn metric(&self, gate: &Gate, rule: &MetricRule, values: &BTreeMap<Timestamp, f64>) -> Chart {
        let about = format!("What the gate read; it expects: {}.", gate.question());
        let mut chart = self.chart(format!("Gate {}", gate.name), about, "");
        let points = values.iter().map(|(at, value)| (*at + rule.period, *value)).collect();
        chart.lines = vec![Line { name: "value", look: Look::Candidate, points, apart: Some(rule.period * 3) }];
        chart.bound = Some(match rule.bound {
            Bound::Above(limit) | Bound::Below(limit) => (limit, rule.bound.to_string()),
        });
        chart
    }
}

/// A line for each slot; a stretch is drawn at its end.
fn both(counted: &Counted<'_>, of: &dyn Fn(&Counts) -> Option<f64>) -> Vec<Line> {
    let line = |name, look, side: &dyn Fn(&Bin) -> Option<&Counts>| {
        let points = counted.bins.iter().filter_map(|(at, bin)| Some((*at + counted.span, of(side(bin)?)?)));
        Line { name, look, points: points.collect(), apart: Some(counted.span * 3) }
    };
    vec![
        line("stable slot", Look::Stable, &|bin| bin.stable.as_ref()),
        line("candidate slot", Look::Candidate, &|bin| bin.candidate.as_ref()),
    ]
}

fn share(part: f64, whole: f64) -> Option<f64> {
    let percent = 100.0 * part / whole;
    (whole > 0.0 && percent.is_finite()).then_some(percent)
}
