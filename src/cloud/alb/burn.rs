//! How much of its error budget the whole service used: the load balancer's own counts of both slots, by the minute.

use std::time::Duration;

use aws_sdk_cloudwatch::types::MetricDataQuery;

use super::AlbDriver;
use super::ask::{floor, points};
use super::metrics::count_query;
use crate::cloud::aws::cloudwatch::{self, Series};
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::fleet::{Role, Target};
use crate::gate::{BurnReading, BurnRule, Burnt, Point, Reading};

/// How long before now the last closed minute with requests is looked for: what the load balancer publishes is
/// a minute or two old.
const LATE: Duration = Duration::from_secs(300);

const MINUTE: Duration = Duration::from_secs(60);

/// The counts, and whether each is of requests or of failures.
const METRICS: [(&str, &str); 3] =
    [("requests", "RequestCount"), ("errors", "HTTPCode_Target_5XX_Count"), ("refused", "TargetConnectionErrorCount")];

const ROLES: [Role; 2] = [Role::Stable, Role::Candidate];

impl AlbDriver {
    /// Reads all burn-rate gates in one call.
    pub(super) async fn burn(&self, rules: &[(usize, &BurnRule)]) -> Vec<(usize, Reading)> {
        let Some(longest) = rules.iter().map(|(_, rule)| rule.long).max() else { return Vec::new() };
        let to = floor(self.clock.now(), MINUTE);
        let stretch = (to.before(longest + LATE), to);
        let series = cloudwatch::metric_data(&self.aws.polling.cloudwatch, &queries(&self.target), stretch).await;
        let reading = |rule: &BurnRule| match series.as_ref().map_err(Clone::clone).and_then(|all| read(all, rule, to))
        {
            Ok(reading) => Reading::Burn(reading),
            Err(fault) => Reading::Unreadable(fault),
        };
        rules.iter().map(|(place, rule)| (*place, reading(rule))).collect()
    }
}

fn queries(target: &Target) -> Vec<MetricDataQuery> {
    let of = |role| METRICS.map(|(id, metric)| count_query(&name(id, role), metric, target, role));
    ROLES.into_iter().flat_map(of).collect()
}

fn name(id: &str, role: Role) -> String {
    format!("burn_{role}_{id}")
}

/// Both windows, which end with the last minute before `to` that has requests. A minute without failures has
/// no point for them.
fn read(series: &Series, rule: &BurnRule, to: Timestamp) -> Result<BurnReading, Fault> {
    let mut counted = [Vec::new(), Vec::new(), Vec::new()];
    for (all, (id, _)) in counted.iter_mut().zip(METRICS) {
        for role in ROLES {
            all.extend(points(series, &name(id, role))?.iter().filter(|point| point.at + MINUTE <= to));
        }
    }
    let [requests, errors, refused] = counted;
    let until = requests.iter().map(|point: &Point| point.at + MINUTE).max().unwrap_or_default();
    let burnt = |window: Duration| {
        let within = |point: &&Point| point.at >= until.before(window) && point.at < until;
        // An empty sum of floats is -0.
        let sum = |points: &[Point]| points.iter().filter(within).fold(0.0, |sum, point| sum + point.value);
        Burnt { requests: sum(&requests), errors: sum(&errors) + sum(&refused) }
    };
    Ok(BurnReading { until, long: burnt(rule.long), short: burnt(rule.short) })
}
