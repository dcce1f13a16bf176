//! What the gates ask, read in as few calls as there are kinds.

use aws_sdk_cloudwatch::types::MetricDataQuery;

use super::AlbDriver;
use super::metrics::{Part, count_query, floor};
use crate::clock::Timestamp;
use crate::cloud::aws::cloudwatch::{self, QUERIES_LIMIT, Series};
use crate::fault::{Fault, FaultKind};
use crate::fleet::{Role, Served};
use crate::gate::{AlarmRule, BurnRule, Check, Gate, MetricRule, Point, Reading};
use crate::traffic::Share;

/// How far back the last minute with requests is looked for.
const OBSERVED_WITHIN: std::time::Duration = std::time::Duration::from_secs(300);

impl AlbDriver {
    pub(super) async fn read_gates(&self, gates: &[&Gate], since: Timestamp) -> Vec<Reading> {
        let mut alarms: Vec<(usize, &AlarmRule)> = Vec::new();
        let mut metrics: Vec<(usize, &MetricRule)> = Vec::new();
        let mut burns: Vec<(usize, &BurnRule)> = Vec::new();
        for (place, gate) in gates.iter().enumerate() {
            match &gate.check {
                Check::Alarm(rule) => alarms.push((place, rule)),
                Check::Metric(rule) => metrics.push((place, rule)),
                Check::Burn(rule) => burns.push((place, rule)),
                _ => {}
            }
        }
        let rules: Vec<&AlarmRule> = alarms.iter().map(|(_, rule)| *rule).collect();
        let client = &self.aws.polling.cloudwatch;
        let (rung, measured, budgets) = tokio::join!(
            self.histories.readings(client, &rules, since),
            self.measure(&metrics, since),
            self.burn(&burns)
        );
        let places = alarms.iter().map(|(place, _)| *place);
        let mut readings: Vec<Reading> = gates.iter().map(|gate| not_read_here(gate)).collect();
        for (place, reading) in places.zip(rung).chain(measured).chain(budgets) {
            readings[place] = reading;
        }
        readings
    }

    async fn measure(&self, rules: &[(usize, &MetricRule)], since: Timestamp) -> Vec<(usize, Reading)> {
        let parts = rules.iter().map(|(place, rule)| Part { rule, place: *place, hollow: Vec::new() });
        let mut readings = Vec::new();
        for batch in batches(parts.collect()) {
            match self.ask(&batch, since).await {
                Ok(series) => readings.extend(self.judge_hollow(batch, series, since).await),
                Err(fault) => {
                    let unreadable = |part: &Part<'_>| (part.place, Reading::Unreadable(fault.clone()));
                    readings.extend(batch.iter().map(unreadable));
                }
            }
        }
        readings
    }

    /// Turns points into readings; gates without a value whose counts were never published are
    /// asked once more, in another way.
    async fn judge_hollow(&self, mut batch: Vec<Part<'_>>, series: Series, since: Timestamp) -> Vec<(usize, Reading)> {
        for part in &mut batch {
            part.hollow = part.hollow_in(&series);
        }
        let (again, done): (Vec<_>, Vec<_>) = batch.into_iter().partition(|part| !part.hollow.is_empty());
        let mut readings: Vec<_> = done.iter().map(|part| (part.place, part.reading(&series, since))).collect();
        if !again.is_empty() {
            match self.ask(&again, since).await {
                Ok(series) => readings.extend(again.iter().map(|part| (part.place, part.reading(&series, since)))),
                Err(fault) => readings.extend(again.iter().map(|p| (p.place, Reading::Unreadable(fault.clone())))),
            }
        }
        readings
    }

    async fn ask(&self, batch: &[Part<'_>], since: Timestamp) -> Result<Series, Fault> {
        let queries: Vec<MetricDataQuery> = batch.iter().flat_map(|part| part.queries(&self.target)).collect();
        let longest = batch.iter().map(|part| part.rule.period.as_secs()).max().unwrap_or(60);
        let stretch = (floor(since, longest), self.clock.now());
        if queries.len() > QUERIES_LIMIT {
            let words = format!("one gate asks for {} metrics, {QUERIES_LIMIT} are possible", queries.len());
            return Err(Fault::new(FaultKind::Permanent, "GetMetricData", words));
        }
        cloudwatch::metric_data(&self.aws.polling.cloudwatch, &queries, stretch).await
    }

    pub(super) async fn count_requests(&self, role: Role, periods: u32, now: Timestamp) -> Result<u64, Fault> {
        let to = floor(now, 60);
        let from = to.before(std::time::Duration::from_secs(60) * periods);
        let queries = [count_query("requests", "RequestCount", &self.target, role)];
        let series = cloudwatch::metric_data(&self.aws.polling.cloudwatch, &queries, (from, to)).await?;
        sum(&series, "requests")
    }

    pub(super) async fn observe_share(&self, now: Timestamp) -> Result<Option<Share>, Fault> {
        let query = |id, role| count_query(id, "RequestCount", &self.target, role);
        let queries = [query("stable", Role::Stable), query("candidate", Role::Candidate)];
        let to = floor(now, 60);
        let stretch = (to.before(OBSERVED_WITHIN), to);
        let series = cloudwatch::metric_data(&self.aws.polling.cloudwatch, &queries, stretch).await?;
        Ok(share_of_last(points(&series, "stable"), points(&series, "candidate")))
    }

    pub(super) async fn count_served(&self, role: Role, since: Timestamp, now: Timestamp) -> Result<Served, Fault> {
        let query = |id, metric| count_query(id, metric, &self.target, role);
        let queries = [
            query("requests", "RequestCount"),
            query("errors", "HTTPCode_Target_5XX_Count"),
            query("refused", "TargetConnectionErrorCount"),
        ];
        let stretch = (floor(since, 60), now);
        let series = cloudwatch::metric_data(&self.aws.polling.cloudwatch, &queries, stretch).await?;
        Ok(Served { requests: sum(&series, "requests")?, failed: sum(&series, "errors")? + sum(&series, "refused")? })
    }
}

/// Parts in batches that fit in one call each; a gate's queries stay together.
fn batches(parts: Vec<Part<'_>>) -> Vec<Vec<Part<'_>>> {
    let mut batches: Vec<Vec<Part<'_>>> = Vec::new();
    let mut room = 0;
    for part in parts {
        let needs = part.rule.inputs.len() + 1;
        if let Some(batch) = batches.last_mut().filter(|_| needs <= room) {
            batch.push(part);
        } else {
            batches.push(vec![part]);
            room = QUERIES_LIMIT.max(needs);
        }
        room -= needs;
    }
    batches
}

fn points<'a>(series: &'a Series, id: &str) -> &'a [Point] {
    match series.get(id) {
        Some(Ok(points)) => points,
        _ => &[],
    }
}

/// The candidate's share of the last minute in which either slot had a request.
fn share_of_last(stable: &[Point], candidate: &[Point]) -> Option<Share> {
    let last = stable.iter().chain(candidate).map(|point| point.at).max()?;
    let of = |points: &[Point]| points.iter().find(|point| point.at == last).map_or(0.0, |point| point.value.max(0.0));
    let (stable, candidate) = (of(stable), of(candidate));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of requests, not negative")]
    Share::of(candidate as u64, (stable + candidate) as u64)
}

fn sum(series: &Series, id: &str) -> Result<u64, Fault> {
    let total = |points: &Vec<Point>| points.iter().map(|point| point.value.max(0.0)).sum::<f64>();
    let total = match series.get(id) {
        Some(Ok(points)) => total(points),
        Some(Err(fault)) => return Err(fault.clone()),
        None => 0.0,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, and no less than zero")]
    Ok(total.round() as u64)
}

fn not_read_here(gate: &Gate) -> Reading {
    Reading::Unreadable(Fault::new(FaultKind::Permanent, "Read", format!("gate {} is not read this way", gate.name)))
}
