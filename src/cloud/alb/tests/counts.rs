//! Counts for the gates that compare, and the past they are compared with.

use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::cloud::aws::fake::{Reply, Seen};
use crate::cloud::prometheus::tests::{matrix, server};
use crate::domain::count::{Bin, Counts};
use crate::gate::compare::{Baseline, CustomFeed, Feed, PrometheusFeed, Threshold};
use crate::gate::{Check, CompareRule, MetricRule, MetricSource, MissingData, PrometheusMetric, SplitRule};

const MINUTE: Duration = Duration::from_secs(60);

/// One query of a GetMetricData call; an expression has an id alone.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricQuery {
    pub id: String,
    metric: String,
    statistic: String,
    period: i64,
    dimensions: Vec<(String, String)>,
}

pub(super) fn field<'a>(value: &'a ciborium::Value, name: &str) -> Option<&'a ciborium::Value> {
    value.as_map()?.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
}

fn text(value: Option<&ciborium::Value>) -> String {
    value.and_then(ciborium::Value::as_text).unwrap_or_default().to_owned()
}

pub(super) fn asked(seen: &Seen) -> Vec<MetricQuery> {
    let body = seen.cbor();
    let queries = field(&body, "MetricDataQueries").and_then(ciborium::Value::as_array).unwrap();
    let query = |query: &ciborium::Value| {
        let (id, stat) = (text(field(query, "Id")), field(query, "MetricStat"));
        let Some((stat, metric)) = stat.and_then(|stat| Some((stat, field(stat, "Metric")?))) else {
            return MetricQuery { id, ..MetricQuery::default() };
        };
        let dimensions = field(metric, "Dimensions").and_then(ciborium::Value::as_array).unwrap();
        let pair = |one: &ciborium::Value| (text(field(one, "Name")), text(field(one, "Value")));
        MetricQuery {
            id,
            metric: text(field(metric, "MetricName")),
            statistic: text(field(stat, "Stat")),
            period: field(stat, "Period").and_then(ciborium::Value::as_integer).unwrap().try_into().unwrap(),
            dimensions: dimensions.iter().map(pair).collect(),
        }
    };
    queries.iter().map(query).collect()
}

/// A result of a query: moments in seconds from now, and values.
pub(super) fn result(id: &str, points: &[(i64, f64)]) -> serde_json::Value {
    let now = (NOW.as_millis() / 1000).cast_signed();
    let times: Vec<String> = points.iter().map(|(at, _)| format!("@{}", now + at)).collect();
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    json!({ "Id": id, "Timestamps": times, "Values": values, "StatusCode": "Complete" })
}

/// CloudWatch with these points by id; the others have none.
fn cloudwatch(points: &'static [(&'static str, &'static [(i64, f64)])]) -> Fake {
    let points: HashMap<_, _> = points.iter().copied().collect();
    Fake::new(move |seen| {
        let ids = asked(seen).into_iter().map(|asked| asked.id);
        let results = ids.map(|id| result(&id, points.get(id.as_str()).copied().unwrap_or_default()));
        Reply::cbor(&json!({ "MetricDataResults": results.collect::<Vec<_>>() }))
    })
}

fn threshold(stable: f64, candidate: f64) -> Threshold {
    Threshold { quantile: None, stable, candidate, odds: 1.0, share: 0.05, noise: 0.0, jitter: 0.0 }
}

fn rule(feed: Feed) -> CompareRule {
    let thresholds = vec![threshold(0.1, 0.1 * 1.03), threshold(0.235, 0.235 * 1.03)];
    CompareRule { feed, baseline: Baseline { thresholds, ..Baseline::default() }, ..CompareRule::default() }
}

pub(super) fn compare(feed: Feed) -> Gate {
    Gate { name: "compare".into(), check: Check::Compare(Box::new(rule(feed))), watch: false }
}

pub(super) fn split(feed: Feed) -> Gate {
    Gate { name: "split".into(), check: Check::Split(SplitRule { feed, ..SplitRule::default() }), watch: false }
}

fn counts(requests: f64, errors: f64, timed: f64, slower: &[f64]) -> Counts {
    Counts { requests, errors, timed, slower: slower.to_vec(), ..Counts::default() }
}

fn ago(seconds: u64) -> Timestamp {
    NOW.before(Duration::from_secs(seconds))
}

#[tokio::test(start_paused = true)]
async fn everything_that_cloudwatch_measures_is_read_in_one_call() {
    let fake = cloudwatch(&[
        ("c0_stable_requests", &[(-180, 900.0), (-120, 950.0), (-60, 910.0)]),
        ("c0_stable_errors0", &[(-120, 3.0)]),
        ("c0_stable_errors1", &[(-120, 2.0)]),
        ("c0_stable_timed", &[(-180, 899.0), (-120, 950.0), (-60, 910.0)]),
        ("c0_stable_slower0", &[(-180, 450.25), (-60, 911.0)]),
        ("c0_candidate_requests", &[(-120, 10.0), (0, 4.0)]),
        ("c0_candidate_errors1", &[(-120, 12.0)]),
        ("c0_candidate_timed", &[(-120, 10.0)]),
        ("c0_candidate_slower1", &[(-120, 1.5)]),
        ("g2_r", &[(-120, 10.0)]),
        ("g2__value", &[(-120, 0.5)]),
    ]);
    let gates = [compare(Feed::LoadBalancer), split(Feed::LoadBalancer), super::readings::error_rate()];
    let gates: Vec<&Gate> = gates.iter().collect();
    let readings = driver_with(&fake, no_record()).readings(&gates, ago(170)).await;
    let bins = [
        Bin { at: ago(180), stable: Some(counts(900.0, 0.0, 899.0, &[450.25, 0.0])), candidate: None },
        Bin {
            at: ago(120),
            stable: Some(counts(950.0, 5.0, 950.0, &[0.0, 0.0])),
            candidate: Some(counts(10.0, 10.0, 10.0, &[0.0, 1.5])),
        },
        Bin { at: ago(60), stable: Some(counts(910.0, 0.0, 910.0, &[910.0, 0.0])), candidate: None },
    ];
    assert_eq!(readings[0], Reading::Counts(bins.to_vec()));
    let Reading::Counts(plain) = &readings[1] else { panic!("{readings:?}") };
    assert_eq!((plain[1].stable.clone(), plain.len()), (Some(counts(950.0, 5.0, 0.0, &[])), 3));
    assert!(matches!(&readings[2], Reading::Metric(reading) if reading.values.len() == 1));
    assert_eq!(fake.operations(), ["GetMetricData"]);
    let sent = asked(&fake.seen()[0]);
    let find = |id: &str| sent.iter().find(|asked| asked.id == id).unwrap();
    assert_eq!(sent.len(), 17);
    assert_eq!(find("c0_stable_slower1").statistic, "TC(0.235:)");
    assert_eq!(find("c0_candidate_slower1").statistic, "TC(0.24205:)");
    let errors = find("c0_candidate_errors1");
    assert_eq!((errors.metric.as_str(), errors.statistic.as_str()), ("TargetConnectionErrorCount", "Sum"));
    let dimensions = [("TargetGroup", "targetgroup/web-green/02"), ("LoadBalancer", "app/web/03")];
    assert_eq!(errors.dimensions, dimensions.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_count_that_cannot_be_read_makes_the_gate_unreadable_and_no_other() {
    let fake = Fake::new(|seen| {
        let results = asked(seen).into_iter().map(|asked| {
            let mut one = result(&asked.id, &[(-120, 10.0)]);
            match asked.id.as_str() {
                "c0_candidate_errors0" => one["StatusCode"] = json!("Forbidden"),
                "c1_stable_requests" => one["StatusCode"] = json!("PartialData"),
                _ => {}
            }
            one
        });
        Reply::cbor(&json!({ "MetricDataResults": results.collect::<Vec<_>>() }))
    });
    let other = |name: &str| {
        Feed::Custom(CustomFeed {
            namespace: name.to_owned(),
            dimensions: vec![("Service".into(), "<service>".into()), ("Group".into(), "tg-<target_group>".into())],
            requests: "Requests".into(),
            errors: "Errors".into(),
            latency: Some("Latency".into()),
            period: Duration::from_secs(10),
        })
    };
    let gates = [compare(Feed::LoadBalancer), compare(other("One")), compare(other("Two"))];
    let gates: Vec<&Gate> = gates.iter().collect();
    let readings = driver_with(&fake, no_record()).readings(&gates, ago(300)).await;
    assert!(matches!(&readings[0], Reading::Unreadable(fault) if fault.kind == FaultKind::Denied));
    assert!(matches!(&readings[1], Reading::Unreadable(fault) if fault.kind == FaultKind::Transient));
    let Reading::Counts(bins) = &readings[2] else { panic!("{readings:?}") };
    assert_eq!(bins[0].candidate, Some(counts(10.0, 10.0, 10.0, &[10.0, 10.0])));
    let sent = asked(&fake.seen()[0]);
    let custom = sent.iter().find(|asked| asked.id == "c2_candidate_slower0").unwrap();
    assert_eq!((custom.metric.as_str(), custom.period), ("Latency", 10));
    let dimensions = [("Service", "web-green"), ("Group", "tg-web-green")];
    assert_eq!(custom.dimensions, dimensions.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_makes_every_gate_of_it_unreadable() {
    let fake = Fake::new(|_| Reply::Lost);
    let gates = [compare(Feed::LoadBalancer), split(Feed::LoadBalancer)];
    let gates: Vec<&Gate> = gates.iter().collect();
    let readings = driver_with(&fake, no_record()).readings(&gates, ago(300)).await;
    assert!(readings.iter().all(|one| matches!(one, Reading::Unreadable(fault) if fault.kind == FaultKind::Transient)));
}

fn prometheus() -> PrometheusFeed {
    PrometheusFeed {
        url: "http://prometheus:9090".into(),
        headers: Vec::new(),
        requests: "requests{s=\"<service>\"}[<window>]".into(),
        errors: "errors{t=\"<target_group>\"}[<window>]".into(),
        slower: Some("requests - bucket{s=\"<service>\",le=\"<threshold>\"}[<window>]".into()),
        thresholds: vec![0.25, 0.1],
        period: Duration::from_secs(10),
    }
}

fn driver_at(address: SocketAddr) -> AlbDriver {
    let fake = Fake::new(|seen| panic!("{} is not expected", seen.operation));
    let mut driver = driver_with(&fake, no_record());
    driver.http = Http::new(BTreeMap::new(), vec![("prometheus:9090".to_owned(), address)]);
    driver
}

fn seconds(ago: u64) -> u64 {
    NOW.as_millis() / 1000 - ago
}

#[tokio::test]
async fn a_point_of_prometheus_is_the_bin_that_ends_there() {
    let (address, heard) = server(|path| {
        let points: &[(u64, &str)] = match path {
            _ if path.contains("errors") => &[(10, "2")],
            _ if path.contains("bucket") && path.contains("web-blue") => &[(20, "7.5")],
            _ if path.contains("bucket") => &[],
            _ if path.contains("web-blue") => &[(20, "50"), (10, "40"), (0, "NaN")],
            _ => &[(20, "0"), (10, "5")],
        };
        Some((200, matrix(&points.iter().map(|(ago, value)| (seconds(*ago), *value)).collect::<Vec<_>>())))
    })
    .await;
    let gates = [compare(Feed::Prometheus(prometheus()))];
    let readings = driver_at(address).readings(&[&gates[0]], ago(30)).await;
    let Reading::Counts(bins) = &readings[0] else { panic!("{readings:?}") };
    let first = Bin { at: ago(30), stable: Some(counts(50.0, 0.0, 50.0, &[7.5, 7.5])), candidate: None };
    assert_eq!(bins[0], first);
    assert_eq!(bins[1].stable, Some(counts(40.0, 2.0, 0.0, &[0.0, 0.0])));
    assert_eq!(bins[1].candidate, Some(counts(5.0, 2.0, 0.0, &[0.0, 0.0])));
    assert!(bins[2].stable.as_ref().is_some_and(|counts| counts.requests.is_nan()));
    let heard = heard.lock().unwrap().join("\n");
    assert_eq!(heard.matches("GET ").count(), 8);
    assert!(heard.contains("le%3D%220.24205%22%7D%5B10s%5D"), "{heard}");
    let range = format!("start={}.000&end={}.000&step=10", seconds(20), seconds(0));
    assert_eq!(heard.matches(&range).count(), 8, "{heard}");
}

#[tokio::test]
async fn a_metric_gate_reads_one_series_of_prometheus() {
    let (address, _) = server(|path| {
        let body = if path.contains("several") {
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"values":[]},{"values":[]}]}}"#.to_owned()
        } else {
            assert!(path.contains("web-green") && path.contains("60s"), "{path}");
            matrix(&[(seconds(0), "0.4")])
        };
        Some((200, body))
    })
    .await;
    let gate = |query: &str| {
        let metric =
            PrometheusMetric { url: "http://prometheus:9090".into(), headers: Vec::new(), query: query.into() };
        let rule = MetricRule {
            source: MetricSource::Prometheus(metric),
            bound: crate::gate::Bound::Above(1.0),
            period: MINUTE,
            breaching: 1,
            of: 1,
            missing_data: MissingData::Inconclusive,
        };
        Gate { name: "p".into(), check: Check::Metric(rule), watch: false }
    };
    let (one, several) = (gate("rate(e{s=\"<service>\"}[<window>])"), gate("several"));
    let readings = driver_at(address).readings(&[&several, &one], ago(120)).await;
    let words = "the query gives 2 series; aggregate them";
    assert_eq!(readings[0], Reading::Unreadable(Fault::new(FaultKind::Permanent, "query_range", words)));
    let Reading::Metric(reading) = &readings[1] else { panic!("{readings:?}") };
    assert_eq!(reading.values.iter().map(|point| (point.at, point.value)).collect::<Vec<_>>(), [(ago(60), 0.4)]);
}

mod past {
    use super::super::survey::{account, request};
    use super::*;
    use crate::cloud::{SurveyRequest, Surveyor as _};
    use crate::domain::count::{Mark, Past};
    use crate::domain::fleet::Survey;

    async fn surveyed(fake: &Fake, feed: Feed, connect_to: Vec<(String, SocketAddr)>) -> Survey {
        let compare = CompareRule { feed, ..CompareRule::default() };
        let request = SurveyRequest { compare: Some(compare), ..request("web-green", 10) };
        let clock = Clock::starting_at(NOW + Duration::from_secs(30), 1.0);
        AlbSurveyor::new(fake.aws(), clock, BTreeMap::new(), connect_to).survey(&request).await.unwrap()
    }

    /// An account whose CloudWatch answers each query with what `points` says.
    fn with_metrics(points: impl Fn(&MetricQuery) -> Vec<(i64, f64)> + Send + Sync + 'static) -> Fake {
        Fake::new(move |seen| match seen.operation.as_str() {
            "GetMetricData" => {
                let results = asked(seen).into_iter().map(|asked| result(&asked.id, &points(&asked)));
                Reply::cbor(&json!({ "MetricDataResults": results.collect::<Vec<_>>() }))
            }
            _ => account(seen),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn the_slot_that_serves_tells_its_quantiles_and_its_bins() {
        let fake = with_metrics(|asked| {
            assert!(asked.dimensions[0].1.contains("web-blue"), "{asked:?}");
            match (asked.metric.as_str(), asked.statistic.as_str()) {
                ("TargetResponseTime", "SampleCount") if asked.period == 3600 => vec![(-3660, 20.0), (-60, 4000.0)],
                ("TargetResponseTime", "p50") => vec![(-3660, 9.0), (-60, 0.100_04)],
                ("TargetResponseTime", "p75") => vec![(-60, 0.1001)],
                ("TargetResponseTime", "p95") => vec![(-60, 0.2349)],
                ("TargetResponseTime", "TC(0.1:)") => vec![(-180, 300.0)],
                ("TargetResponseTime", "TC(0.103:)") => vec![(-180, 290.0)],
                ("TargetResponseTime", "SampleCount") | ("RequestCount", _) => vec![(-180, 600.0), (-120, 610.0)],
                ("TargetConnectionErrorCount", _) => vec![(-120, 1.0)],
                _ => Vec::new(),
            }
        });
        let survey = surveyed(&fake, Feed::LoadBalancer, Vec::new()).await;
        let mark = |quantile, seconds| Mark { quantile: Some(quantile), seconds };
        let counts = |requests, errors, slower: &[f64]| counts(requests, errors, requests, slower);
        let expected = Past {
            span: MINUTE,
            marks: vec![mark(0.5, 0.1), mark(0.95, 0.235)],
            resolves: true,
            bins: vec![(ago(180), counts(600.0, 0.0, &[300.0, 0.0])), (ago(120), counts(610.0, 1.0, &[0.0, 0.0]))],
        };
        assert_eq!(survey.past, Some(Ok(expected)));
        let calls = fake.seen().into_iter().filter(|seen| seen.operation == "GetMetricData").count();
        assert_eq!(calls, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_counts_in_buckets_resolves_nothing() {
        let fake = with_metrics(|asked| match asked.statistic.as_str() {
            "p95" => vec![(-60, 0.2)],
            _ if asked.period == 3600 && asked.statistic != "SampleCount" => Vec::new(),
            _ => vec![(-60, 500.0)],
        });
        let survey = surveyed(&fake, Feed::LoadBalancer, Vec::new()).await;
        assert!(matches!(survey.past, Some(Ok(Past { resolves: false, .. }))), "{:?}", survey.past);
    }

    #[tokio::test(start_paused = true)]
    async fn a_past_that_cannot_be_read_is_told_in_words_and_the_survey_stands() {
        let fake = Fake::new(|seen| match seen.operation.as_str() {
            "GetMetricData" => Reply::Lost,
            _ => account(seen),
        });
        let survey = surveyed(&fake, Feed::LoadBalancer, Vec::new()).await;
        assert!(matches!(&survey.past, Some(Err(words)) if words.starts_with("GetMetricData: ")), "{:?}", survey.past);
        let quiet = with_metrics(|_| Vec::new());
        let survey = surveyed(&quiet, Feed::LoadBalancer, Vec::new()).await;
        assert_eq!(survey.past, Some(Err("web-blue reported no requests in the last 12h".to_owned())));
    }

    #[tokio::test]
    async fn an_edge_that_the_server_writes_otherwise_is_told() {
        let (address, _) = server(|path| {
            let points: &[(u64, &str)] = if path.contains("%220.25%22") { &[] } else { &[(seconds(0), "3")] };
            Some((200, matrix(points)))
        })
        .await;
        let connect_to = vec![("prometheus:9090".to_owned(), address)];
        let survey = surveyed(&Fake::new(account), Feed::Prometheus(prometheus()), connect_to).await;
        let Some(Err(words)) = survey.past else { panic!("{:?}", survey.past) };
        assert!(words.starts_with("query_range: the query of slow answers gives no series at 0.25; "), "{words}");
    }

    #[tokio::test]
    async fn prometheus_tells_the_past_at_its_own_buckets() {
        let (address, heard) = server(|path| {
            let value = if path.contains("bucket") { "3" } else { "80" };
            Some((200, matrix(&[(seconds(0), value)])))
        })
        .await;
        let fake = Fake::new(account);
        let connect_to = vec![("prometheus:9090".to_owned(), address)];
        let survey = surveyed(&fake, Feed::Prometheus(prometheus()), connect_to).await;
        let Some(Ok(past)) = survey.past else { panic!("{:?}", survey.past) };
        let marks: Vec<f64> = past.marks.iter().map(|mark| mark.seconds).collect();
        assert_eq!((marks, past.resolves, past.span), (vec![0.1, 0.25], false, Duration::from_secs(10)));
        assert_eq!(past.bins, [(ago(10), counts(80.0, 80.0, 80.0, &[3.0, 3.0]))]);
        let heard = heard.lock().unwrap()[0].clone();
        let range = format!("start={}.000&end={}.000", seconds(12 * 3600 - 30), NOW.as_millis() / 1000 + 20);
        assert!(heard.contains(&range), "{heard}");
    }
}
