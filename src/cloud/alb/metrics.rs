//! Metric gates as CloudWatch queries, and CloudWatch's points as readings.
//!
//! Every input is asked for as it is, so that zero-filling never invents a point: a value counts
//! only where an input that is not zero-filled has one.

use std::time::Duration;

use aws_sdk_cloudwatch::types::MetricDataQuery;

use super::ask::{Bundle, floor, is_select, points, query};
use crate::cloud::aws::cloudwatch::Series;
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::fleet::{Role, Target};
use crate::gate::{CloudWatchMetric, Input, MetricReading, Of, Point, Reading};

/// One metric gate's part of a call: its queries carry a prefix of its own.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    pub metric: &'a CloudWatchMetric,
    /// The length of a datapoint.
    pub period: Duration,
    /// Where the reading goes.
    pub place: usize,
    /// Zero-filled inputs of which CloudWatch knows no point at all.
    pub hollow: Vec<String>,
}

impl Part<'_> {
    fn id(&self, input: &str) -> String {
        format!("g{}_{input}", self.place)
    }

    /// The id of the value; no input's id begins with `_`.
    fn value(&self) -> String {
        self.id("_value")
    }

    fn anchors(&self) -> Vec<&Input> {
        self.metric.inputs.iter().filter(|input| !input.absent_is_zero).collect()
    }

    /// What is computed for the value; `None` when it is the first input as it is.
    fn expression(&self) -> Option<String> {
        let first = self.metric.inputs.first()?;
        let filled = first.absent_is_zero && !self.anchors().is_empty();
        let text = match &self.metric.expression {
            Some(expression) => expression.as_str(),
            None if filled => first.id.as_str(),
            None => return None,
        };
        let ids: Vec<&str> = self.metric.inputs.iter().map(|input| input.id.as_str()).collect();
        Some(rewritten(text, &ids, |id| self.term(id)))
    }

    /// What stands for an id of the rule. An input without a single point may have nothing that
    /// FILL could fill, so it becomes nought times an input that has points.
    fn term(&self, id: &str) -> Option<String> {
        let input = self.metric.inputs.iter().find(|input| input.id == id)?;
        let own = self.id(id);
        if !input.absent_is_zero {
            return Some(own);
        }
        match self.anchors().first().filter(|_| self.hollow.contains(&input.id)) {
            Some(anchor) => Some(format!("(0*{})", self.id(&anchor.id))),
            None => Some(format!("FILL({own},0)")),
        }
    }

    pub(super) fn queries(&self, target: &Target) -> Bundle {
        let raw = self.metric.inputs.iter().map(|input| {
            let metric = (input.namespace.as_str(), input.metric.as_str());
            query(self.id(&input.id), metric, dimensions(input, target), (&input.statistic, self.period))
        });
        let value = self
            .expression()
            .map(|text| MetricDataQuery::builder().id(self.value()).expression(text).return_data(true).build());
        raw.chain(value).collect()
    }

    /// Zero-filled inputs that must be asked for in another way: there is no value although there
    /// are requests, and these inputs have never been published.
    pub(super) fn hollow_in(&self, series: &Series) -> Vec<String> {
        let empty = |id: &str| points(series, id).is_ok_and(<[Point]>::is_empty);
        let anchored = self.anchors().iter().any(|input| !empty(&self.id(&input.id)));
        if !anchored || self.expression().is_none() || !empty(&self.value()) {
            return Vec::new();
        }
        let zero = self.metric.inputs.iter().filter(|input| input.absent_is_zero && empty(&self.id(&input.id)));
        zero.map(|input| input.id.clone()).collect()
    }

    pub(super) fn reading(&self, series: &Series, since: Timestamp) -> Reading {
        match self.read(series, since) {
            Ok(reading) => Reading::Metric(reading),
            Err(fault) => Reading::Unreadable(fault),
        }
    }

    fn read(&self, series: &Series, since: Timestamp) -> Result<MetricReading, Fault> {
        let from = floor(since, self.period);
        let value = match (self.expression(), self.metric.inputs.first()) {
            (Some(_), _) => points(series, &self.value())?,
            (None, Some(input)) => points(series, &self.id(&input.id))?,
            (None, None) => &[],
        };
        let anchors = self.anchors();
        let real = if anchors.is_empty() { self.metric.inputs.iter().collect() } else { anchors };
        // What is filled or computed rests on every input, so each must have been answered.
        for input in &self.metric.inputs {
            points(series, &self.id(&input.id))?;
        }
        let mut moments = Vec::new();
        for input in real {
            moments.extend(points(series, &self.id(&input.id))?.iter().map(|point| point.at));
        }
        let samples = match &self.metric.samples {
            Some((id, _)) => points(series, &self.id(id))?,
            None => &[],
        };
        let late = |point: &&Point| point.at >= from;
        Ok(MetricReading {
            values: value.iter().filter(late).filter(|point| moments.contains(&point.at)).copied().collect(),
            samples: samples.iter().filter(late).copied().collect(),
        })
    }
}

/// The dimensions of an input: those of its owner, then those that are written out.
fn dimensions(input: &Input, target: &Target) -> Vec<(String, String)> {
    let mut pairs = match input.of {
        Of::Slot(role) => slot_dimensions(target, role),
        Of::LoadBalancer => vec![("LoadBalancer".to_owned(), target.load_balancer_dimension.clone())],
        Of::Named => Vec::new(),
    };
    pairs.extend(input.dimensions.iter().cloned());
    pairs
}

fn slot_dimensions(target: &Target, role: Role) -> Vec<(String, String)> {
    vec![
        ("TargetGroup".to_owned(), target.place(role).target_group_dimension.clone()),
        ("LoadBalancer".to_owned(), target.load_balancer_dimension.clone()),
    ]
}

/// A sum over whole minutes of one of the load balancer's own counts for a slot.
pub(super) fn count_query(id: &str, metric: &str, target: &Target, role: Role) -> MetricDataQuery {
    let minute = Duration::from_secs(60);
    query(id, ("AWS/ApplicationELB", metric), slot_dimensions(target, role), ("Sum", minute))
}

/// The same of everything behind the load balancer.
pub(super) fn balancer_query(id: &str, metric: &str, target: &Target) -> MetricDataQuery {
    let balancer = ("LoadBalancer".to_owned(), target.load_balancer_dimension.clone());
    query(id, ("AWS/ApplicationELB", metric), [balancer], ("Sum", Duration::from_secs(60)))
}

/// `expression` with every identifier for which `term` has something replaced by it. Numbers such as `1e3`, longer names and
/// quoted text stay as they are. `METRICS(…)` becomes the list of those of `ids` that it means: CloudWatch would take it for
/// all metrics of the call, those of other gates among them. A query by SELECT names no ids.
pub(super) fn rewritten(expression: &str, ids: &[&str], term: impl Fn(&str) -> Option<String>) -> String {
    if is_select(expression) {
        return expression.to_owned();
    }
    let mut out = String::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let length = match first {
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            c if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, tail) = rest.split_at(length);
        if let Some((part, after)) = Some(tail).filter(|_| token == "METRICS").and_then(meant) {
            let all = ids.iter().filter(|id| id.contains(part)).filter_map(|id| term(id));
            out.extend(["[", &all.collect::<Vec<_>>().join(","), "]"]);
            rest = after;
            continue;
        }
        out.push_str(&term(token).unwrap_or_else(|| token.to_owned()));
        rest = tail;
    }
    out
}

/// What stands in quotes between the parentheses of `METRICS`, or nothing, and what follows them.
fn meant(tail: &str) -> Option<(&str, &str)> {
    let inside = tail.trim_start().strip_prefix('(')?.trim_start();
    match inside.chars().next()? {
        ')' => Some(("", &inside[1..])),
        quote @ ('"' | '\'') => {
            let (part, after) = inside[1..].split_once(quote)?;
            Some((part, after.trim_start().strip_prefix(')')?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(id: &str, absent_is_zero: bool) -> Input {
        Input {
            id: id.to_owned(),
            namespace: "AWS/ApplicationELB".to_owned(),
            metric: id.to_owned(),
            statistic: "Sum".to_owned(),
            of: Of::Slot(Role::Candidate),
            dimensions: Vec::new(),
            absent_is_zero,
        }
    }

    fn metric(inputs: Vec<Input>, expression: Option<&str>) -> CloudWatchMetric {
        CloudWatchMetric { inputs, expression: expression.map(ToOwned::to_owned), samples: None }
    }

    fn part(metric: &CloudWatchMetric, place: usize) -> Part<'_> {
        Part { metric, period: Duration::from_secs(60), place, hollow: Vec::new() }
    }

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    /// A whole answer: what is not named has no points.
    fn series(all: &[(&str, &[(u64, f64)])]) -> Series {
        let points = |list: &[(u64, f64)]| list.iter().map(|(m, value)| Point { at: at(*m), value: *value }).collect();
        let none = ["g0_e", "g0_r", "g0__value"].map(|id| (id, [].as_slice()));
        none.iter().chain(all).map(|(id, list)| ((*id).to_owned(), Ok(points(list)))).collect()
    }

    #[test]
    fn ids_are_rewritten_as_whole_words() {
        let term = |id: &str| ["e", "r"].contains(&id).then(|| format!("g0_{id}"));
        let check = |text, expected| assert_eq!(rewritten(text, &[], term), expected);
        check("100*e/r", "100*g0_e/g0_r");
        check("1e3 * e + er - e_r", "1e3 * g0_e + er - e_r");
        check("IF(r>1.5e-3,e,'e')", "IF(g0_r>1.5e-3,g0_e,'e')");
        check("e", "g0_e");
        check("\"e", "\"e");
    }

    #[test]
    fn what_may_be_absent_is_filled_in_the_expression_only() {
        let metric = metric(vec![input("e", true), input("r", false)], Some("100*e/r"));
        let part = part(&metric, 3);
        assert_eq!(part.expression().as_deref(), Some("100*FILL(g3_e,0)/g3_r"));
        let part = Part { hollow: vec!["e".into()], ..part };
        assert_eq!(part.expression().as_deref(), Some("100*(0*g3_r)/g3_r"));
    }

    #[test]
    fn a_filled_point_counts_only_where_requests_flowed() {
        let metric = CloudWatchMetric {
            samples: Some(("r".into(), 1.0)),
            ..metric(vec![input("e", true), input("r", false)], Some("100*e/r"))
        };
        let part = part(&metric, 0);
        let series = series(&[
            ("g0__value", &[(1, 0.0), (2, 5.0), (3, 0.0), (4, 0.0)]),
            ("g0_e", &[(2, 1.0)]),
            ("g0_r", &[(1, 9.0), (2, 20.0), (4, 7.0)]),
        ]);
        let Reading::Metric(reading) = part.reading(&series, at(2) + Duration::from_secs(30)) else { panic!() };
        let values: Vec<_> = reading.values.iter().map(|point| (point.at, point.value)).collect();
        assert_eq!(values, [(at(2), 5.0), (at(4), 0.0)]);
        assert_eq!(reading.samples.len(), 2);
    }

    #[test]
    fn counts_alone_invent_no_zero() {
        let metric = metric(vec![input("e", true)], None);
        let part = part(&metric, 0);
        assert_eq!(part.expression(), None);
        let Reading::Metric(reading) = part.reading(&series(&[("g0_e", &[(2, 1.0)])]), at(0)) else { panic!() };
        assert_eq!(reading.values.len(), 1);
    }

    #[test]
    fn an_expression_over_all_metrics_sees_those_of_its_own_gate() {
        let metric =
            |text| metric(vec![input("errors_a", true), input("r", false), input("errors_b", true)], Some(text));
        let check = |text, expected: &str| {
            let metric = metric(text);
            let mut part = part(&metric, 3);
            assert_eq!(part.expression().as_deref(), Some(expected));
            part.hollow = vec!["errors_b".to_owned()];
            let hollow = expected.replace("FILL(g3_errors_b,0)", "(0*g3_r)");
            assert_eq!(part.expression(), Some(hollow));
        };
        check("100 * SUM(METRICS(\"errors\")) / r", "100 * SUM([FILL(g3_errors_a,0),FILL(g3_errors_b,0)]) / g3_r");
        check("MAX(METRICS( ))", "MAX([FILL(g3_errors_a,0),g3_r,FILL(g3_errors_b,0)])");
        check("SUM(METRICS ('_b'))", "SUM([FILL(g3_errors_b,0)])");
        check("SUM(SEARCH('{App} METRICS()', 'Sum', 60)) + r", "SUM(SEARCH('{App} METRICS()', 'Sum', 60)) + g3_r");
        check("SELECT SUM(r) FROM App", "SELECT SUM(r) FROM App");
    }

    #[test]
    fn an_input_that_was_never_published_is_asked_for_again() {
        let metric = metric(vec![input("e", true), input("r", false)], Some("100*e/r"));
        let part = part(&metric, 0);
        let check = |all: &[(&str, &[(u64, f64)])], expected: &[&str]| {
            assert_eq!(part.hollow_in(&series(all)), expected);
        };
        check(&[("g0_r", &[(1, 9.0)])], &["e"]);
        check(&[], &[]);
        check(&[("g0_r", &[(1, 9.0)]), ("g0__value", &[(1, 0.0)])], &[]);
        check(&[("g0_r", &[(1, 9.0)]), ("g0_e", &[(2, 1.0)])], &[]);
    }

    #[test]
    fn a_query_that_failed_makes_the_gate_unreadable() {
        let metric = metric(vec![input("e", false)], None);
        let part = part(&metric, 0);
        let fault = Fault::new(crate::domain::fault::FaultKind::Denied, "GetMetricData", "no");
        let series = Series::from([("g0_e".to_owned(), Err(fault.clone()))]);
        assert_eq!(part.reading(&series, at(0)), Reading::Unreadable(fault));
    }
}
