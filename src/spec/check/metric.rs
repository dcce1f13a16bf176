//! The metric gate: a source, inputs that exist in CloudWatch's grammar, an expression over them, one bound.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Check;
use super::units::{HOUR, SECOND};
use crate::domain::fleet::Role;
use crate::gate::{Bound, CloudWatchMetric, Input, MetricRule, MetricSource, MissingData, Of};
use crate::spec::document::{self, Absent, Metric};
use crate::spec::finding::Finding;
use crate::spec::tree::Node;
use crate::spec::words;

/// The longest a breach may look back, in datapoints.
const MAX_DATAPOINTS: u32 = 100;

/// Inputs as written, by id.
type Inputs = BTreeMap<String, document::Input>;

impl Check<'_> {
    pub(super) fn metric(&mut self, metric: &Metric, at: &Node) -> Option<MetricRule> {
        let before = self.findings.len();
        let source = match (&metric.inputs, &metric.prometheus) {
            (Some(inputs), None) => Some(MetricSource::CloudWatch(self.cloudwatch(metric, inputs, at))),
            (None, Some(prometheus)) => {
                self.only_cloudwatch(metric, at);
                self.prometheus(prometheus, at.field("prometheus")).map(MetricSource::Prometheus)
            }
            (None, None) => {
                let help = "add `inputs: …` for CloudWatch, or `prometheus: …`";
                self.wrong(at.head, "nothing says where the metric is read", help)
            }
            (Some(_), Some(_)) => {
                let finding = Finding::new(at.field("prometheus").head, "the metric is read from two places");
                let finding = finding.note(at.field("inputs").head, "the first");
                self.add(finding.help("keep one of them, and write a second gate for the other"))
            }
        };
        let bound = self.bound(metric, at);
        let period = self.period(metric, at);
        let breaching = self.breaching(&metric.breaching, at.field("breaching"));
        let missing_data = match metric.missing_data {
            document::MissingData::Inconclusive => MissingData::Inconclusive,
            document::MissingData::Fail => MissingData::Fail,
        };
        let (breaching, of) = breaching?;
        let (source, bound, period) = (source?, bound?, period?);
        (self.findings.len() == before).then_some(MetricRule { source, bound, period, breaching, of, missing_data })
    }

    fn cloudwatch(&mut self, metric: &Metric, written: &Inputs, at: &Node) -> CloudWatchMetric {
        let inputs = self.inputs(written, at.field("inputs"));
        self.expression(metric, written, at);
        self.samples(metric, written, at);
        self.silent(written, at);
        let samples = metric.samples.as_ref().map(|samples| (samples.input.clone(), samples.at_least));
        CloudWatchMetric { inputs, expression: metric.expression.clone(), samples }
    }

    /// What PromQL says in the query itself.
    fn only_cloudwatch(&mut self, metric: &Metric, at: &Node) {
        let written = [("expression", metric.expression.is_some()), ("samples", metric.samples.is_some())];
        for (name, _) in written.into_iter().filter(|(_, is_written)| *is_written) {
            let wrong = format!("{} goes with the inputs of CloudWatch", words::quoted(name));
            self.wrong::<()>(at.field(name).head, wrong, "say it in the query: PromQL computes and compares by itself");
        }
    }

    fn inputs(&mut self, written: &Inputs, at: &Node) -> Vec<Input> {
        let mut inputs = Vec::with_capacity(written.len());
        for (id, input) in written {
            if !is_id(id) {
                let key = at.keys().find(|key| key.text == *id).map_or(at.head, |key| key.mark);
                let help = "a lower-case letter, then letters, digits and `_`; at most 255";
                self.wrong::<()>(key, format!("{} cannot be an input's id", words::quoted(id)), help);
            }
            self.input(input, at.field(id));
            inputs.push(Input {
                id: id.clone(),
                namespace: input.namespace.clone(),
                metric: input.metric.clone(),
                statistic: input.statistic.clone(),
                of: match input.of {
                    Some(document::Of::Candidate) => Of::Slot(Role::Candidate),
                    Some(document::Of::Stable) => Of::Slot(Role::Stable),
                    Some(document::Of::LoadBalancer) => Of::LoadBalancer,
                    None => Of::Named,
                },
                dimensions: input.dimensions.clone().into_iter().collect(),
                absent_is_zero: matches!(input.absent, Some(Absent::Zero)),
            });
        }
        inputs
    }

    fn input(&mut self, input: &document::Input, at: &Node) {
        let namespace = &input.namespace;
        self.namespace(namespace, at.field("namespace"));
        self.printable(&input.metric, at.field("metric"), "metric", 255);
        for (name, value) in &input.dimensions {
            let places = at.field("dimensions");
            self.printable(name, places.field(name), "dimension", 255);
            self.printable(value, places.field(name), "dimension", 1024);
        }
        if !is_statistic(&input.statistic) {
            let known = ["Sum", "Average", "Minimum", "Maximum", "SampleCount", "IQM"];
            let place = at.field("statistic");
            let wrong = format!("{} is not a statistic", words::shown(place, &input.statistic));
            let help = match words::closest(&input.statistic, &known) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("{}, `p95` or `TC(0.3:)`", known.map(words::quoted).join(", ")),
            };
            self.wrong::<()>(place.value(), wrong, help);
        }
        if namespace == "AWS/ApplicationELB" && input.of.is_none() && input.dimensions.is_empty() {
            let help = "add `of: candidate`, `of: stable` or `of: load_balancer`";
            self.wrong::<()>(at.head, "nobody has this metric: it has no dimensions", help);
        }
    }

    pub(super) fn namespace(&mut self, namespace: &str, at: &Node) {
        let is_namespace = |b: u8| b.is_ascii_alphanumeric() || b"._/#:- ".contains(&b);
        if namespace.is_empty() || namespace.len() > 255 || !namespace.bytes().all(is_namespace) {
            let wrong = format!("{} is not a namespace", words::shown(at, namespace));
            self.wrong::<()>(at.value(), wrong, "such as `AWS/ApplicationELB`");
        }
    }

    pub(super) fn printable(&mut self, text: &str, at: &Node, word: &str, longest: usize) {
        let printable = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if text.trim().is_empty() || text.len() > longest || !printable || text.starts_with(':') {
            let wrong = format!("{} cannot be a {word}", words::shown(at, text));
            self.wrong::<()>(at.value(), wrong, format!("1 to {longest} printable ASCII characters"));
        }
    }

    fn expression(&mut self, metric: &Metric, inputs: &Inputs, at: &Node) {
        let ids: Vec<&str> = inputs.keys().map(String::as_str).collect();
        let Some(expression) = &metric.expression else {
            if ids.len() > 1 {
                let help = format!("add an `expression` over {}", words::listed(&ids));
                self.wrong::<()>(at.field("inputs").head, "several inputs and no expression", help);
            }
            return;
        };
        let place = at.field("expression");
        let used = match ids_in(expression) {
            Ok(used) => used,
            Err(wrong) => {
                let help = "CloudWatch metric math, such as `100 * errors / requests`";
                self.wrong::<()>(place.value(), wrong, help);
                return;
            }
        };
        for id in &used {
            if !ids.contains(id) {
                let finding =
                    Finding::new(self.within(place, id), format!("no input is called {}", words::shown(place, id)));
                let finding = finding.note(at.field("inputs").head, "the inputs");
                self.add::<()>(finding.help(words::did_you_mean(words::closest(id, &ids), &ids)));
            }
        }
        for part in parts_of_all(expression).into_iter().filter(|part| !ids.iter().any(|id| id.contains(part))) {
            let wrong = format!("no input has {} in its id", words::quoted(part));
            self.wrong::<()>(place.value(), wrong, "name a part of an input's id in METRICS, or none");
        }
        if used.iter().all(|id| ids.contains(id)) {
            self.unused(metric, inputs, at, &used);
        }
    }

    /// An input that nothing reads is a mistake, and is paid for.
    fn unused(&mut self, metric: &Metric, inputs: &Inputs, at: &Node, used: &[&str]) {
        let all_at_once = metric.expression.as_ref().is_some_and(|expression| !parts_of_all(expression).is_empty());
        for id in inputs.keys().filter(|_| !all_at_once) {
            let counts = metric.samples.as_ref().is_some_and(|samples| samples.input == *id);
            if !counts && !used.contains(&id.as_str()) {
                let wrong = format!("nothing uses the input {}", words::quoted(id));
                self.wrong::<()>(at.field("inputs").field(id).head, wrong, "use it in `expression`, or remove it");
            }
        }
    }

    fn bound(&mut self, metric: &Metric, at: &Node) -> Option<Bound> {
        match (metric.above, metric.below) {
            (Some(limit), None) => Some(Bound::Above(limit)),
            (None, Some(limit)) => Some(Bound::Below(limit)),
            (None, None) => self.wrong(at.head, "the metric has no bound", "add `above: …` or `below: …`"),
            (Some(_), Some(_)) => {
                let finding = Finding::new(at.field("below").head, "the metric has two bounds");
                let finding = finding.note(at.field("above").head, "the first");
                self.add(finding.help("keep one of them, and write a second gate for the other"))
            }
        }
    }

    fn period(&mut self, metric: &Metric, at: &Node) -> Option<Duration> {
        let place = at.field("period");
        let period = self.time(&metric.period, place, 10 * SECOND..=HOUR)?;
        let seconds = period.as_secs();
        let Some(inputs) = &metric.inputs else { return Some(period) };
        let said = words::shown(place, &metric.period.0);
        if !matches!(seconds, 10 | 30) && !seconds.is_multiple_of(60) {
            return self.wrong(
                place.value(),
                format!("{said} is not a period of CloudWatch"),
                "10s, 30s or whole minutes",
            );
        }
        let owned = inputs.values().any(|input| input.namespace.starts_with("AWS/"));
        if seconds < 60 && owned {
            let help = "AWS's own metrics come once a minute: `period: 1m`";
            return self.wrong(place.value(), format!("{said} is shorter than the metric's own period"), help);
        }
        Some(period)
    }

    fn breaching(&mut self, text: &str, at: &Node) -> Option<(u32, u32)> {
        let parse = |part: &str| part.trim().parse::<u32>().ok();
        let counts = text.split_once(" of ").and_then(|(m, n)| Some((parse(m)?, parse(n)?)));
        match counts {
            Some((m, n)) if m >= 1 && m <= n && n <= MAX_DATAPOINTS => Some((m, n)),
            Some((m, n)) if m > n => {
                let wrong = format!("{} can never be", words::shown(at, text));
                self.wrong(at.value(), wrong, "the first number is at most the second: `2 of 3`")
            }
            _ => {
                let help = format!("such as `2 of 3`, from `1 of 1` up to {MAX_DATAPOINTS} datapoints");
                self.wrong(at.value(), format!("{} is not a number of datapoints", words::shown(at, text)), help)
            }
        }
    }

    /// Where every absent datapoint counts as zero, silence and health look the same.
    fn silent(&mut self, inputs: &Inputs, at: &Node) {
        let zero = |input: &document::Input| matches!(input.absent, Some(Absent::Zero));
        let Some(id) = inputs.keys().next().filter(|_| inputs.values().all(zero)) else { return };
        let place = at.field("inputs").field(id).field("absent").value();
        let wrong =
            "no input tells silence from zero: every absent datapoint counts as zero, and no data is never a pass";
        let help =
            "add the requests as an input, `{ metric: RequestCount, statistic: Sum, … }`, and name it in `samples`";
        self.wrong::<()>(place, wrong.to_owned(), help);
    }

    fn samples(&mut self, metric: &Metric, inputs: &Inputs, at: &Node) {
        let Some(samples) = &metric.samples else { return };
        let place = at.field("samples").field("input");
        let ids: Vec<&str> = inputs.keys().map(String::as_str).collect();
        let said = words::shown(place, &samples.input);
        let Some(input) = inputs.get(&samples.input) else {
            let finding = Finding::new(place.value(), format!("no input is called {said}"));
            let finding = finding.note(at.field("inputs").head, "the inputs");
            self.add::<()>(finding.help(words::did_you_mean(words::closest(&samples.input, &ids), &ids)));
            return;
        };
        let counts = ["Sum", "SampleCount"].contains(&input.statistic.as_str()) || input.statistic.starts_with("TC(");
        if !counts && is_statistic(&input.statistic) {
            let finding = Finding::new(place.value(), format!("{said} does not count anything"));
            let finding =
                finding.note(at.field("inputs").field(&samples.input).field("statistic").value(), "its statistic");
            self.add::<()>(finding.help("samples are counted with `Sum` or `SampleCount`"));
        }
    }
}

fn is_id(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    text.len() <= 255 && plain && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// The ids in a metric-math expression: words that start with a lower-case letter. Functions and
/// their options are upper-case, and texts are in quotes.
fn ids_in(expression: &str) -> Result<Vec<&str>, String> {
    if expression.trim().is_empty() || expression.len() > 1024 {
        return Err("an expression has 1 to 1024 characters".to_owned());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+-*/^()[],.:'\"<>=!&|% \t\n".contains(c);
    let (mut ids, mut open, mut rest) = (Vec::new(), Vec::new(), expression);
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' | '\'' => match rest[1..].find(c) {
                Some(end) => end + 2,
                None => return Err("the expression ends inside a quoted text".to_owned()),
            },
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
                if c.is_ascii_lowercase() {
                    ids.push(&rest[..length]);
                }
                length
            }
            c if !allowed(c) => {
                return Err(format!("{} does not belong in an expression", words::quoted(&c.to_string())));
            }
            c => {
                brackets(c, &mut open)?;
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    if open.is_empty() { Ok(ids) } else { Err("the expression has a bracket that is not closed".to_owned()) }
}

/// What each `METRICS(…)` of an expression says of the ids that it means; nothing where it means all.
fn parts_of_all(expression: &str) -> Vec<&str> {
    let after = expression.split("METRICS").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('('));
    after.map(|rest| rest.split(')').next().unwrap_or_default().trim().trim_matches(['"', '\''])).collect()
}

fn brackets(c: char, open: &mut Vec<char>) -> Result<(), String> {
    let opener = match c {
        '(' | '[' => {
            open.push(c);
            return Ok(());
        }
        ')' => '(',
        ']' => '[',
        _ => return Ok(()),
    };
    if open.pop() == Some(opener) { Ok(()) } else { Err("the expression closes a bracket that is not open".to_owned()) }
}

/// A statistic as CloudWatch names it: a word, `p95`, or a range such as `TC(0.3:)` and `TM(10%:90%)`.
fn is_statistic(text: &str) -> bool {
    if ["Sum", "Average", "Minimum", "Maximum", "SampleCount", "IQM"].contains(&text) {
        return true;
    }
    let number =
        |text: &str| !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if let Some(inner) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let (name, Some((low, high))) = (inner.0, inner.1.split_once(':')) else { return false };
        let known = ["TM", "WM", "PR", "TC", "TS"].contains(&name);
        let side = |side: &str| side.is_empty() || number(side.strip_suffix('%').unwrap_or(side));
        return known && side(low) && side(high) && !(low.is_empty() && high.is_empty());
    }
    let percentile = ["p", "tm", "wm", "tc", "ts"].iter().find_map(|prefix| text.strip_prefix(prefix));
    percentile.is_some_and(|n| number(n) && n.parse::<f64>().is_ok_and(|n| n <= 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_name_their_inputs() {
        let check = |text, ids: Option<&[&str]>| assert_eq!(ids_in(text).ok().as_deref(), ids, "{text}");
        check("100 * errors / requests", Some(&["errors", "requests"]));
        check("IF(r > 1e3, FILL(e, REPEAT), 0)", Some(&["r", "e"]));
        check("SUM(METRICS(\"err\"))", Some(&[]));
        assert_eq!(parts_of_all("SUM(METRICS(\"err\")) / AVG(METRICS ( ))"), ["err", ""]);
        check("", None);
        check("(a", None);
        check("a)", None);
        check("(a]", None);
        check("a; b", None);
        check("\"a", None);
    }

    #[test]
    fn statistics_are_those_of_cloudwatch() {
        for text in ["Sum", "p95", "p99.9", "tm90", "TC(0.3:)", "PR(:0.2)", "TM(10%:90%)", "IQM"] {
            assert!(is_statistic(text), "{text}");
        }
        for text in ["sum", "p", "p101", "TC()", "TC(:)", "XX(1:2)", "p95;", "", "TC(a:b)"] {
            assert!(!is_statistic(text), "{text}");
        }
    }
}
