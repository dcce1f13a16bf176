//! The load balancer's own metrics of each slot, made of simulated counts, and metric math over them.

use std::collections::BTreeMap;
use std::time::Duration;

use rand_distr::{Beta, Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;

use super::condition::{Condition, times};
use super::world::START;
use crate::domain::clock::Timestamp;
use crate::domain::count::{Bin, Counts};
use crate::domain::fleet::Role;
use crate::gate::{Bound, CloudWatchMetric, Input, MetricReading, MetricRule, MetricSource, Of, Point};
use tidegate_lab::Formula;

/// What an input counts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Requests,
    Errors,
    Good,
    /// What never happens here: refused connections, errors of the load balancer itself.
    Never,
    Timed,
    Average,
    /// The quantile of response times, 0 to 1.
    Quantile(f64),
}

/// One metric gate's inputs, as far as they have been published.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    asked: CloudWatchMetric,
    period: Duration,
    kinds: Vec<Kind>,
    formula: Option<Formula>,
    series: Vec<BTreeMap<u64, f64>>,
    /// How many periods since the start have been metered.
    metered: usize,
    dice: Pcg64Mcg,
}

impl Meter {
    /// A meter for `rule`; `None` when it asks for something that is not simulated.
    pub(super) fn new(rule: &MetricRule) -> Option<Self> {
        let MetricSource::CloudWatch(asked) = &rule.source else { return None };
        let kinds = asked.inputs.iter().map(kind).collect::<Option<Vec<_>>>()?;
        let formula = asked.expression.as_deref().map(Formula::parse).transpose().ok()?;
        if kinds.is_empty() || rule.period.as_secs() == 0 {
            return None;
        }
        let series = vec![BTreeMap::new(); kinds.len()];
        let mut meter = Self {
            asked: asked.clone(),
            period: rule.period,
            kinds,
            formula,
            series,
            metered: 0,
            dice: Pcg64Mcg::seed_from_u64(0),
        };
        // An expression that cannot be computed over whole series never can.
        for series in &mut meter.series {
            series.insert(0, 1.0);
        }
        meter.values(0).ok()?;
        meter.series.iter_mut().for_each(BTreeMap::clear);
        Some(meter)
    }

    /// Whether it asks for counts alone.
    pub(super) fn only_counts(&self) -> bool {
        !self.kinds.iter().any(|kind| matches!(kind, Kind::Average | Kind::Quantile(_)))
    }

    /// The same, whose chances are those of `seed`.
    pub(super) fn seeded(&self, seed: u64) -> Self {
        Self { dice: Pcg64Mcg::seed_from_u64(seed), ..self.clone() }
    }

    /// What has been published by `closed`, from the period on in which `since` lies.
    pub(super) fn read(
        &mut self,
        drawn: &[(Bin, [Condition; 2])],
        span: Duration,
        since: Timestamp,
        closed: Timestamp,
    ) -> MetricReading {
        let each = times(self.period, span);
        while let Some(bins) = drawn.get(self.metered * each..(self.metered + 1) * each) {
            if bins.last().is_none_or(|(bin, _)| bin.at + span > closed) {
                break;
            }
            self.meter(bins);
            self.metered += 1;
        }
        let period = self.period.as_secs();
        let from = since.as_millis() / 1000 / period * period;
        let points = |series: &BTreeMap<u64, f64>| {
            series
                .range(from..)
                .map(|(at, value)| Point { at: Timestamp::from_millis(at * 1000), value: *value })
                .collect()
        };
        let sampled = self.asked.samples.as_ref().and_then(|(id, _)| {
            self.asked.inputs.iter().position(|input| input.id == *id).map(|index| points(&self.series[index]))
        });
        MetricReading {
            values: self.values(from).map(|values| points(&values)).unwrap_or_default(),
            samples: sampled.unwrap_or_default(),
        }
    }

    /// The value of every period from `from` on in which an input that is not filled with zeros has one.
    fn values(&self, from: u64) -> Result<BTreeMap<u64, f64>, String> {
        let since = |series: &BTreeMap<u64, f64>| series.range(from..).map(|(at, value)| (*at, *value)).collect();
        let anchors: Vec<usize> = (0..self.kinds.len()).filter(|n| !self.asked.inputs[*n].absent_is_zero).collect();
        let mut values: BTreeMap<u64, f64> = match &self.formula {
            None => since(&self.series[0]),
            Some(formula) => {
                let named = self.asked.inputs.iter().zip(&self.series);
                let named = named.map(|(input, series)| (input.id.clone(), since(series)));
                formula.compute(named.collect(), self.period.as_secs())?
            }
        };
        values.retain(|at, _| anchors.is_empty() || anchors.iter().any(|n| self.series[*n].contains_key(at)));
        Ok(values)
    }

    /// Takes in one period.
    fn meter(&mut self, bins: &[(Bin, [Condition; 2])]) {
        let at = bins.first().map_or(START, |(bin, _)| bin.at).as_millis() / 1000;
        for index in 0..self.kinds.len() {
            let input = &self.asked.inputs[index];
            let filled = input.absent_is_zero.then_some(0.0);
            let value = self.value(index, bins).or(filled);
            if let Some(value) = value {
                self.series[index].insert(at, value);
            }
        }
    }

    /// One input's value of a period; `None` where CloudWatch would have no datapoint.
    fn value(&mut self, index: usize, bins: &[(Bin, [Condition; 2])]) -> Option<f64> {
        let of = self.asked.inputs[index].of;
        let total =
            |part: fn(&Counts) -> f64| -> f64 { bins.iter().flat_map(|(bin, _)| counted(bin, of)).map(part).sum() };
        let requests = total(|counts| counts.requests);
        let some = |count: f64| (count > 0.0).then_some(count);
        let timed = total(|counts| counts.timed);
        match self.kinds[index] {
            Kind::Requests => some(requests),
            Kind::Errors => some(total(|counts| counts.errors)),
            Kind::Good => some(requests - total(|counts| counts.errors)),
            Kind::Never => None,
            Kind::Timed => some(timed),
            Kind::Average => {
                let condition = usual(bins, of).filter(|_| timed > 0.0)?;
                let scatter = (condition.sigma.powi(2).exp() - 1.0).sqrt() / timed.sqrt();
                let chance: f64 = StandardNormal.sample(&mut self.dice);
                let mean = (condition.location + condition.sigma.powi(2) / 2.0).exp();
                Some((mean * (1.0 + scatter * chance)).max(0.0))
            }
            Kind::Quantile(part) => {
                // The rank's share of a sample of independent answers has a beta distribution.
                let condition = usual(bins, of).filter(|_| timed > 0.0)?;
                let rank = (part * timed).ceil().clamp(1.0, timed);
                let share = Beta::new(rank, timed + 1.0 - rank).ok()?.sample(&mut self.dice);
                Some((condition.location + condition.sigma * deviate(share)).exp())
            }
        }
    }

    /// Datapoints that keep the bound of `rule`, whatever it is.
    pub(super) fn within(rule: &MetricRule, since: Timestamp, closed: Timestamp) -> MetricReading {
        let period = u64::try_from(rule.period.as_millis()).unwrap_or(u64::MAX).max(1);
        let (first, last) = (since.as_millis() / period, closed.as_millis() / period);
        let series =
            |value: f64| (first..last).map(|n| Point { at: Timestamp::from_millis(n * period), value }).collect();
        let (Bound::Above(limit) | Bound::Below(limit)) = rule.bound;
        let enough = match &rule.source {
            MetricSource::CloudWatch(asked) => asked.samples.as_ref().map(|(_, least)| *least),
            MetricSource::Prometheus(_) => None,
        };
        MetricReading { values: series(limit), samples: enough.map(series).unwrap_or_default() }
    }
}

/// What an input counts, if it is one of the load balancer's own metrics that are simulated.
fn kind(input: &Input) -> Option<Kind> {
    if input.namespace != "AWS/ApplicationELB" || !input.dimensions.is_empty() || input.of == Of::Named {
        return None;
    }
    let quantile = || {
        let percent: f64 = input.statistic.strip_prefix('p')?.parse().ok()?;
        (0.0..100.0).contains(&percent).then_some(Kind::Quantile(percent / 100.0))
    };
    match (input.metric.as_str(), input.statistic.as_str()) {
        ("RequestCount", "Sum") => Some(Kind::Requests),
        ("HTTPCode_Target_5XX_Count", "Sum") => Some(Kind::Errors),
        ("HTTPCode_Target_2XX_Count", "Sum") => Some(Kind::Good),
        ("TargetConnectionErrorCount" | "HTTPCode_ELB_5XX_Count" | "HTTPCode_ELB_502_Count", "Sum") => {
            Some(Kind::Never)
        }
        ("TargetResponseTime", "SampleCount") => Some(Kind::Timed),
        ("TargetResponseTime", "Average") if input.of != Of::LoadBalancer => Some(Kind::Average),
        ("TargetResponseTime", _) if input.of != Of::LoadBalancer => quantile(),
        _ => None,
    }
}

/// The counts of a bin that an input is about.
fn counted(bin: &Bin, of: Of) -> impl Iterator<Item = &Counts> {
    let stable = bin.stable.as_ref().filter(|_| of != Of::Slot(Role::Candidate));
    let candidate = bin.candidate.as_ref().filter(|_| of != Of::Slot(Role::Stable));
    stable.into_iter().chain(candidate)
}

/// What a slot was like over several bins: as in each, by its requests.
fn usual(bins: &[(Bin, [Condition; 2])], of: Of) -> Option<Condition> {
    let mut all = bins.iter().filter_map(|(bin, [stable, candidate])| match of {
        Of::Slot(Role::Stable) => Some((bin.stable.as_ref()?.requests, *stable)),
        _ => Some((bin.candidate.as_ref()?.requests, *candidate)),
    });
    let (mut weight, mut mean) = all.next()?;
    for (requests, condition) in all {
        weight += requests;
        mean.location += (condition.location - mean.location) * requests / weight;
    }
    Some(mean)
}

/// The standard normal deviate that this share lies below, by bisection.
fn deviate(share: f64) -> f64 {
    let (mut low, mut high) = (-9.0_f64, 9.0_f64);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        let below = 0.5 * libm::erfc(-middle * std::f64::consts::FRAC_1_SQRT_2);
        if below < share { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}
