//! Whoever reads metric data, and each way in which an answer may lack a part of what was asked. No data is zero only
//! in an answer that is whole.

use std::time::Duration;

use super::counts::{asked, compare, field, result, split};
use super::survey::{account, request};
use super::*;
use crate::cloud::aws::fake::{Reply, Seen};
use crate::cloud::{SurveyRequest, Surveyor as _};
use crate::gate::compare::{CustomFeed, Feed};
use crate::gate::{BurnRule, Check, CompareRule, MetricRule, MetricSource};

/// What is wrong with one query's part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// Nothing: it has no points, which is an answer.
    Nothing,
    IdMissing,
    PartialData,
    InternalError,
    Forbidden,
    /// More moments than values.
    Torn,
    /// There is one page more, which cannot be read.
    PageLost,
    /// There is one page more, and it does not hold the query either.
    PageWithoutId,
    /// There is always one page more.
    PagesWithoutEnd,
}

const WRONGS: [Wrong; 8] = [
    Wrong::IdMissing,
    Wrong::PartialData,
    Wrong::InternalError,
    Wrong::Forbidden,
    Wrong::Torn,
    Wrong::PageLost,
    Wrong::PageWithoutId,
    Wrong::PagesWithoutEnd,
];

/// An account whose CloudWatch answers every query with a point, and the one with `id` wrongly.
fn with(id: String, wrong: Wrong) -> Fake {
    Fake::new(move |seen| match seen.operation.as_str() {
        "GetMetricData" => answer(seen, &id, wrong),
        _ => account(seen),
    })
}

fn answer(seen: &Seen, id: &str, wrong: Wrong) -> Reply {
    let asked: Vec<String> = asked(seen).into_iter().map(|asked| asked.id).collect();
    let affected = asked.iter().any(|asked| asked == id);
    let further = field(&seen.cbor(), "NextToken").is_some();
    if further && wrong == Wrong::PageLost {
        return Reply::Lost;
    }
    let points: &[(i64, f64)] = if further { &[] } else { &[(-120, 8.0)] };
    let mut results = Vec::new();
    for asked in asked {
        let mut one = result(&asked, points);
        if asked == id {
            match wrong {
                Wrong::Nothing => one = result(&asked, &[]),
                Wrong::PartialData => one["StatusCode"] = json!("PartialData"),
                Wrong::InternalError => one["StatusCode"] = json!("InternalError"),
                Wrong::Forbidden => one["StatusCode"] = json!("Forbidden"),
                Wrong::Torn => one["Values"] = json!([]),
                Wrong::IdMissing | Wrong::PageWithoutId | Wrong::PageLost => continue,
                Wrong::PagesWithoutEnd => {}
            }
        }
        results.push(one);
    }
    let pages = match wrong {
        Wrong::PageLost | Wrong::PageWithoutId => !further,
        other => other == Wrong::PagesWithoutEnd,
    };
    if pages && affected {
        return Reply::cbor(&json!({ "MetricDataResults": results, "NextToken": "more" }));
    }
    Reply::cbor(&json!({ "MetricDataResults": results }))
}

const READERS: [&str; 11] = [
    "count",
    "expression",
    "compare",
    "compare without times",
    "split",
    "burn",
    "requests",
    "observed",
    "served",
    "past",
    "past without times",
];

/// Counts of the service's own, which takes no times.
fn untimed() -> Feed {
    Feed::Custom(CustomFeed {
        namespace: "Web".to_owned(),
        dimensions: vec![("Service".into(), "<service>".into())],
        requests: "Requests".into(),
        errors: "Errors".into(),
        latency: None,
        period: Duration::from_secs(60),
    })
}

fn burn() -> Gate {
    let minute = Duration::from_secs(60);
    let rule = BurnRule { objective: 0.999, factor: 14.4, long: minute * 60, short: minute * 5 };
    Gate { name: "budget".into(), check: Check::Burn(rule), watch: false }
}

/// One count as it is.
fn count() -> Gate {
    let mut gate = super::readings::error_rate();
    if let Check::Metric(MetricRule { source: MetricSource::CloudWatch(metric), .. }) = &mut gate.check {
        metric.inputs.truncate(1);
        (metric.expression, metric.samples) = (None, None);
    }
    gate
}

/// What the reader makes of it: an answer, or why there is none.
async fn read(reader: &str, fake: &Fake) -> Result<(), String> {
    let driver = driver_with(fake, no_record());
    let gate = match reader {
        "requests" => return driver.requests(Role::Stable, 3, NOW).await.map(drop).map_err(|fault| fault.to_string()),
        "observed" => return driver.observed(NOW).await.map(drop).map_err(|fault| fault.to_string()),
        "served" => {
            let since = NOW.before(Duration::from_secs(300));
            return driver
                .served(Role::Candidate, (since, None), NOW)
                .await
                .map(drop)
                .map_err(|fault| fault.to_string());
        }
        "past" | "past without times" => {
            let feed = if reader == "past" { Feed::LoadBalancer } else { untimed() };
            let compare = Some(CompareRule { feed, ..CompareRule::default() });
            let request = SurveyRequest { compare, ..request("web-green", 10) };
            let clock = Clock::starting_at(NOW + Duration::from_secs(30), 1.0);
            let surveyor = AlbSurveyor::new(fake.aws(), clock, BTreeMap::new(), Vec::new());
            return surveyor.survey(&request).await.unwrap().past.unwrap().map(drop);
        }
        "count" => count(),
        "expression" => super::readings::error_rate(),
        "compare" => compare(Feed::LoadBalancer),
        "compare without times" => compare(untimed()),
        "split" => split(Feed::LoadBalancer),
        _ => burn(),
    };
    let since = NOW.before(Duration::from_secs(300));
    match driver.readings(&[&gate], since).await.remove(0) {
        Reading::Unreadable(fault) => Err(fault.to_string()),
        _ => Ok(()),
    }
}

fn is_fault(said: &Result<(), String>) -> bool {
    said.as_ref().is_err_and(|words| words.starts_with("GetMetricData: "))
}

/// The ids of all that a reader asks for.
async fn ids(reader: &str) -> Vec<String> {
    let fake = with(String::new(), Wrong::Nothing);
    assert_eq!(read(reader, &fake).await, Ok(()), "{reader}");
    let calls = fake.seen().into_iter().filter(|seen| seen.operation == "GetMetricData");
    calls.flat_map(|seen| asked(&seen)).map(|asked| asked.id).collect()
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_lacks_a_part_of_any_query_is_a_fault_in_every_reader() {
    for reader in READERS {
        let ids = ids(reader).await;
        assert!(!ids.is_empty(), "{reader}");
        for id in ids {
            for wrong in WRONGS {
                let said = read(reader, &with(id.clone(), wrong)).await;
                assert!(is_fault(&said), "{reader}, {id}, {wrong:?}: {said:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_any_result_is_a_fault_in_every_reader() {
    for reader in READERS {
        let fake = Fake::new(|seen| match seen.operation.as_str() {
            "GetMetricData" => Reply::cbor(&json!({ "MetricDataResults": [] })),
            _ => account(seen),
        });
        let said = read(reader, &fake).await;
        assert!(is_fault(&said), "{reader}: {said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_answered_with_no_points_is_answered() {
    for reader in READERS {
        for id in ids(reader).await {
            let said = read(reader, &with(id.clone(), Wrong::Nothing)).await;
            assert!(!is_fault(&said), "{reader}, {id}: {said:?}");
        }
    }
}
