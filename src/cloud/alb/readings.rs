//! Reads the data of all gates, in as few calls as there are kinds of gates.

use std::time::Duration;

use super::ask::{Bundle, ask, floor, points};
use super::counts::{Question, questions};
use super::metrics::{Part, balancer_query, count_query};
use super::{AlbDriver, promql};
use crate::cloud::aws::cloudwatch::{self, Series};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::{Counted, Role, Served};
use crate::domain::traffic::Share;
use crate::gate::{AlarmRule, BurnRule, Check, Gate, MetricSource, Point, PrometheusMetric, Reading};

/// The length of the load balancer's own datapoints.
const MINUTE: Duration = Duration::from_secs(60);
/// How far back a minute is looked for that proves what is published: more than CloudWatch has been seen to be late.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(15 * 60);
/// How far back the last minute with requests is looked for.
const OBSERVED_WITHIN: Duration = Duration::from_secs(300);

/// What one look asks, sorted by who answers; each with its gate's place.
#[derive(Debug, Default)]
struct LookParts<'a> {
    alarms: Vec<(usize, &'a AlarmRule)>,
    metrics: Vec<Part<'a>>,
    counts: Vec<Question<'a>>,
    burns: Vec<(usize, &'a BurnRule)>,
    /// Of servers other than CloudWatch.
    scraped: (Vec<Question<'a>>, Vec<(usize, &'a PrometheusMetric, Duration)>),
}

impl<'a> LookParts<'a> {
    fn new(gates: &[&'a Gate]) -> Self {
        let (counts, elsewhere) = questions(gates).into_iter().partition(Question::is_measured);
        let mut asked = LookParts { counts, scraped: (elsewhere, Vec::new()), ..LookParts::default() };
        for (place, gate) in gates.iter().enumerate() {
            match &gate.check {
                Check::Alarm(rule) => asked.alarms.push((place, rule)),
                Check::Burn(rule) => asked.burns.push((place, rule)),
                Check::Metric(rule) => match &rule.source {
                    MetricSource::CloudWatch(metric) => {
                        asked.metrics.push(Part { metric, period: rule.period, place, hollow: Vec::new() });
                    }
                    MetricSource::Prometheus(metric) => asked.scraped.1.push((place, metric, rule.period)),
                },
                _ => {}
            }
        }
        asked
    }
}

impl AlbDriver {
    pub(in crate::cloud) async fn read_gates(&self, gates: &[&Gate], since: Timestamp) -> Vec<Reading> {
        let LookParts { alarms, metrics, counts, burns, scraped } = LookParts::new(gates);
        let rules: Vec<&AlarmRule> = alarms.iter().map(|(_, rule)| *rule).collect();
        let (rung, measured, budgets, scraped) = tokio::join!(
            self.histories.readings(&self.aws.polling.cloudwatch, &rules, (since, self.clock.now())),
            self.measure(metrics, &counts, since),
            self.burn(&burns),
            self.scrape(&scraped.0, &scraped.1, since),
        );
        let places = alarms.iter().map(|(place, _)| *place);
        let mut readings: Vec<Reading> = gates.iter().map(|gate| not_read_here(gate)).collect();
        for (place, reading) in places.zip(rung).chain(measured).chain(budgets).chain(scraped) {
            readings[place] = reading;
        }
        readings
    }

    /// Everything that CloudWatch measures in one call; gates without a value whose counts were never
    /// published are asked once more, in another way.
    async fn measure(
        &self,
        mut parts: Vec<Part<'_>>,
        counts: &[Question<'_>],
        since: Timestamp,
    ) -> Vec<(usize, Reading)> {
        let now = self.clock.now();
        let bundles = parts.iter().map(|part| part.queries(&self.target));
        let bundles: Vec<Bundle> = bundles.chain(counts.iter().map(|question| question.queries(self))).collect();
        let spans = parts.iter().map(|part| part.period).chain(counts.iter().map(Question::span));
        let stretch = (floor(since, spans.max().unwrap_or(MINUTE)), now);
        let series = ask(&self.aws.polling.cloudwatch, bundles, stretch).await;
        let mut readings = Vec::new();
        for question in counts {
            readings.extend(question.measured(self, &series, (since, now)));
        }
        for part in &mut parts {
            part.hollow = part.hollow_in(&series);
        }
        let (again, done): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| !part.hollow.is_empty());
        readings.extend(done.iter().map(|part| (part.place, part.reading(&series, since))));
        let bundles = again.iter().map(|part| part.queries(&self.target)).collect();
        let series = ask(&self.aws.polling.cloudwatch, bundles, stretch).await;
        readings.extend(again.iter().map(|part| (part.place, part.reading(&series, since))));
        readings
    }

    /// What other servers than CloudWatch measure, all at once.
    async fn scrape(
        &self,
        counts: &[Question<'_>],
        metrics: &[(usize, &PrometheusMetric, Duration)],
        since: Timestamp,
    ) -> Vec<(usize, Reading)> {
        let stretch = (since, self.clock.now());
        let place = self.target.place(Role::Candidate);
        let metric = |(at, metric, period)| async move {
            (at, promql::metric(&self.http, metric, place, period, stretch).await)
        };
        let counts = promql::all(counts.iter().map(|question| question.scraped(self, stretch)));
        let (counts, metrics) = tokio::join!(counts, promql::all(metrics.iter().copied().map(metric)));
        counts.into_iter().flatten().chain(metrics).collect()
    }

    /// A minute counts as published where another begins no earlier that can be read: of the other slot, of the load
    /// balancer. How late CloudWatch is just now does not matter then.
    pub(in crate::cloud) async fn count_requests(
        &self,
        role: Role,
        periods: u32,
        now: Timestamp,
    ) -> Result<Counted, Fault> {
        let to = floor(now, MINUTE);
        let from = to.before(MINUTE * periods + PUBLISHED_WITHIN);
        let target = &self.target;
        let queries = [
            count_query("requests", "RequestCount", target, role),
            count_query("beside", "RequestCount", target, role.other()),
            balancer_query("balancer", "RequestCount", target),
            count_query("hosts", "HealthyHostCount", target, role),
            count_query("hosts_beside", "HealthyHostCount", target, role.other()),
        ];
        let series = cloudwatch::metric_data(&self.aws.polling.cloudwatch, &queries, (from, to)).await?;
        let newest = |id| points(&series, id).map(|points| points.last().map(|point| point.at));
        let counted = [newest("beside")?, newest("balancer")?].into_iter().flatten().min();
        // Where nobody had a request for so long, only what is measured without requests shows what is published.
        let until = counted.or(newest("hosts")?).or(newest("hosts_beside")?).unwrap_or(from);
        let first = until.before(MINUTE * periods);
        let counted = points(&series, "requests")?.iter().filter(|point| point.at >= first);
        Ok(Counted { requests: whole(counted), until })
    }

    pub(in crate::cloud) async fn observe_share(&self, now: Timestamp) -> Result<Option<Share>, Fault> {
        let query = |id, role| count_query(id, "RequestCount", &self.target, role);
        let queries = [query("stable", Role::Stable), query("candidate", Role::Candidate)];
        let to = floor(now, MINUTE);
        let stretch = (to.before(OBSERVED_WITHIN), to);
        let series = cloudwatch::metric_data(&self.aws.polling.cloudwatch, &queries, stretch).await?;
        Ok(share_of_last(points(&series, "stable")?, points(&series, "candidate")?))
    }

    pub(in crate::cloud) async fn count_served(
        &self,
        role: Role,
        (since, full): (Timestamp, Option<Timestamp>),
        now: Timestamp,
    ) -> Result<Served, Fault> {
        let query = |id, metric| count_query(id, metric, &self.target, role);
        let queries = [
            query("requests", "RequestCount"),
            query("errors", "HTTPCode_Target_5XX_Count"),
            query("refused", "TargetConnectionErrorCount"),
        ];
        let stretch = (floor(since, MINUTE), now);
        let series = cloudwatch::metric_data(&self.aws.polling.cloudwatch, &queries, stretch).await?;
        let requests = points(&series, "requests")?;
        let after = |full: Timestamp| whole(requests.iter().filter(|point| point.at >= full));
        Ok(Served {
            requests: whole(requests.iter()),
            failed: sum(&series, "errors")? + sum(&series, "refused")?,
            since_full: full.map(after),
        })
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
    points(series, id).map(|points| whole(points.iter()))
}

fn whole<'a>(points: impl Iterator<Item = &'a Point>) -> u64 {
    let total: f64 = points.map(|point| point.value.max(0.0)).sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, and no less than zero")]
    let total = total.round() as u64;
    total
}

fn not_read_here(gate: &Gate) -> Reading {
    Reading::Unreadable(Fault::new(FaultKind::Permanent, "Read", format!("gate {} is not read this way", gate.name)))
}
