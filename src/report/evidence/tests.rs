//! What a verdict rests on, in words and in numbers.

use std::time::Duration;

use serde_json::json;

use super::{evidence, measured};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::Role;
use crate::gate::compare::{BinFlaw, Bounds, Cause, CountsFlaw, Flaw, Margins, Part, Proof};
use crate::gate::{
    AlarmEvidence, Bound, BurnEvidence, BurnRate, BurnSays, Burnt, CompareEvidence, Doubt, DriftEvidence, Evidence,
    MetricEvidence, ReadCount, SplitEvidence, SplitSays, TasksEvidence,
};

const AT: Timestamp = Timestamp::from_millis(1_795_442_709_000);
const MINUTES: fn(u64) -> Duration = |minutes| Duration::from_secs(60 * minutes);

fn burn(says: BurnSays) -> BurnEvidence {
    let rate =
        |rate, minutes, requests, errors| BurnRate { rate, over: MINUTES(minutes), burnt: Burnt { requests, errors } };
    let (short, long) = (rate(60.0, 5, 5_000.0, 300.0), rate(20.0, 60, 60_000.0, 1_200.0));
    BurnEvidence::Rates { short, long, factor: 14.4, says }
}

fn split(candidate: f64, says: SplitSays) -> SplitEvidence {
    let all = 10_000.0;
    SplitEvidence::Requests { stable: all - candidate, candidate, due_least: 900.0, due_most: 1_000.0, says }
}

fn bounded(bounds: (Option<f64>, Option<f64>), proof: Proof) -> CompareEvidence {
    let (errors, slow) = bounds;
    CompareEvidence::Bounded {
        bounds: Bounds { errors, slow, tail: None },
        margins: Margins { errors: 0.003, slow: 0.01 },
        proof,
    }
}

fn slower(quantile: Option<f64>) -> Cause {
    let part = |part, whole| Part { part, whole };
    Cause::Slower { quantile, seconds: 0.23, stable: part(50.0, 1_000.0), candidate: part(10.0, 100.0) }
}

fn counts(slot: Option<Role>, wrong: CountsFlaw) -> Flaw {
    Flaw::Bin { at: AT, what: BinFlaw::Counts { slot, wrong } }
}

fn failing() -> Cause {
    Cause::Failing { stable: Part { part: 23.0, whole: 22_875.0 }, candidate: Part { part: 25.3, whole: 1_203.0 } }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a row for each finding")]
fn every_finding_has_its_words() {
    let reason = || Some("exit code 1".to_owned());
    let rows: Vec<(Evidence, &str)> = vec![
        (AlarmEvidence::Gone("5xx".into()).into(), "alarm 5xx does not exist any more"),
        (AlarmEvidence::Rang(AT).into(), "in ALARM at 14:05:09"),
        (AlarmEvidence::InAlarm(AT).into(), "in ALARM since 14:05:09"),
        (AlarmEvidence::NotYetQuiet.into(), "in ALARM since before the rollout, not yet quiet once"),
        (
            AlarmEvidence::Insufficient { is_breach: true }.into(),
            "INSUFFICIENT_DATA, which this spec counts as a breach",
        ),
        (AlarmEvidence::Insufficient { is_breach: false }.into(), "INSUFFICIENT_DATA"),
        (AlarmEvidence::Quiet(MINUTES(2)).into(), "OK over the last 2m"),
        (
            AlarmEvidence::Unproven(Doubt::Unpublished { alarm: "5xx".into(), until: Some(AT), needs: AT }).into(),
            "OK, but what 5xx looks at is published until 14:05:09, and needed until 14:05:09",
        ),
        (
            AlarmEvidence::Unproven(Doubt::Blind { alarm: "5xx".into(), why: "PARTIAL_DATA".into() }).into(),
            "OK, but 5xx says nothing: PARTIAL_DATA",
        ),
        (
            MetricEvidence::Broken { value: 19.84, bound: Bound::Above(1.0), at: AT }.into(),
            "19.8 against at most 1 at 14:05:09",
        ),
        (MetricEvidence::Within { value: 0.2, bound: Bound::Below(0.1) }.into(), "0.200 against at least 0.1"),
        (MetricEvidence::TooFewPoints { points: 1, of: 3 }.into(), "1 of 3 datapoints so far"),
        (
            MetricEvidence::TooFewSamples { samples: ReadCount(3.0), id: "r".into(), least: 50.0 }.into(),
            "too few samples: 3 r, at least 50 needed",
        ),
        (MetricEvidence::NoData { is_breach: true }.into(), "no data, which this spec counts as a breach"),
        (MetricEvidence::NoData { is_breach: false }.into(), "no data yet"),
        (TasksEvidence::NotAskedFor.into(), "no tasks asked for yet"),
        (
            TasksEvidence::Crashed { failed: 3, breach_at: 3, reason: reason() }.into(),
            "3 tasks stopped by themselves: exit code 1",
        ),
        (
            TasksEvidence::Late { healthy: 2, wanted: 4, within: MINUTES(5), reason: reason() }.into(),
            "2 of 4 tasks healthy after 5m; last stop: exit code 1",
        ),
        (TasksEvidence::Healthy { healthy: 4, wanted: 4 }.into(), "4 of 4 tasks healthy"),
        (CompareEvidence::NoRequests.into(), "no closed bin has requests in both slots yet"),
        (CompareEvidence::NothingFresh.into(), "no data from after the step began yet"),
        (
            CompareEvidence::Unreachable { missed: 180.0, silence: MINUTES(3) }.into(),
            "the candidate cannot be reached: it got none of about 180 requests in 3m",
        ),
        (
            CompareEvidence::Worse { cause: failing(), odds: 100.0, is_sure: true }.into(),
            "the candidate fails more: 2.1 % of its 1,203 requests, stable 0.10 % of 22,875; odds of chance below 1 in 100",
        ),
        (
            CompareEvidence::Worse { cause: slower(Some(0.95)), odds: 100.0, is_sure: true }.into(),
            "p95 of the candidate is slower: 10 % of its requests take longer than 0.23 s, stable 5.0 %; \
             odds of chance below 1 in 100",
        ),
        (
            CompareEvidence::Worse { cause: slower(None), odds: 7.0, is_sure: false }.into(),
            "not yet sure: answers of the candidate are slower: 10 % of its requests take longer than 0.23 s, \
             stable 5.0 %; odds of chance below 1 in 7",
        ),
        (
            bounded((Some(0.001), Some(0.002)), Proof::Given).into(),
            "errors at most +0.10 pp, slow at most +0.20 pp at 95 %",
        ),
        (bounded((Some(0.02), Some(0.002)), Proof::Late).into(), "not proven in time: errors at most +2.00 pp at 95 %"),
        (
            bounded((Some(0.02), Some(1.0)), Proof::Open).into(),
            "errors at most +2.00 pp, slow not bounded yet; 0.30 and 1.00 are to be proven",
        ),
        (bounded((Some(0.02), None), Proof::Open).into(), "errors at most +2.00 pp; 0.30 is to be proven"),
        (DriftEvidence::NoBin.into(), "no minutes to compare with its first ones yet"),
        (DriftEvidence::Same { watched: MINUTES(90) }.into(), "no worse than at first, 1h 30m on"),
        (
            DriftEvidence::Worse { cause: failing(), odds: 1200.0 }.into(),
            "the release fails more than at first: 2.1 % of its 1,203 requests, then 0.10 %; odds of chance below 1 in \
             1,200",
        ),
        (
            DriftEvidence::Worse { cause: slower(Some(0.95)), odds: 1200.0 }.into(),
            "the release is slower than at first: 10 % of its requests take longer than 0.23 s, then 5.0 %; odds of \
             chance below 1 in 1,200",
        ),
        (SplitEvidence::NoBin.into(), "no closed bin lies wholly within the step yet"),
        (
            split(1_000.0, SplitSays::Fits).into(),
            "the rule gives the candidate 9.0 % to 10.0 % of 10,000 requests, it got 10.0 %",
        ),
        (
            split(30.0, SplitSays::Doubtful).into(),
            "not yet sure: the rule gives the candidate 9.0 % to 10.0 % of 10,000 requests, it got 0.3 %",
        ),
        (
            split(30.0, SplitSays::Wrong).into(),
            "the rule gives the candidate 9.0 % to 10.0 % of 10,000 requests, it got 0.3 %; another rule may come first, \
             the candidate may drop them, or clients stick to the stable slot",
        ),
        (
            split(3_000.0, SplitSays::Wrong).into(),
            "the rule gives the candidate 9.0 % to 10.0 % of 10,000 requests, it got 30.0 %; clients may stick to the \
             candidate, or another rule sends it more",
        ),
        (BurnEvidence::NoRequests.into(), "no requests in the closed minutes"),
        (
            burn(BurnSays::Within).into(),
            "60 times the budget over 5m, 20 over 1h: 300 of 5,000 requests failed in the last 5m",
        ),
        (
            burn(BurnSays::BeforeCandidate).into(),
            "60 times the budget over 5m, 20 over 1h: so it was before the candidate had traffic",
        ),
        (burn(BurnSays::ShortAlone).into(), "60 times the budget over 5m, 20 over 1h, where 14.4 is a breach"),
        (
            burn(BurnSays::FewErrors).into(),
            "60 times the budget over 5m, 20 over 1h, but only 1,200 of 60,000 requests failed",
        ),
        (
            burn(BurnSays::Both).into(),
            "60 times the budget over 5m, 20 over 1h, at most 14.4: 1,200 of 60,000 requests failed",
        ),
        (Flaw::ClockBack(MINUTES(8)).into(), "the clock went back by 8m"),
        (Flaw::Bin { at: AT, what: BinFlaw::Future }.into(), "the bin of 14:05:09 cannot be: it lies in the future"),
        (
            counts(Some(Role::Candidate), CountsFlaw::Errors { errors: 2.0, requests: 1.0 }).into(),
            "the bin of 14:05:09 cannot be: candidate: 2 errors in 1 requests",
        ),
        (
            counts(None, CountsFlaw::NoCount { of: "requests", count: ReadCount(f64::NAN) }).into(),
            "the bin of 14:05:09 cannot be: requests is NaN, not a count",
        ),
        (
            counts(None, CountsFlaw::Marks { got: 1, wanted: 2 }).into(),
            "the bin of 14:05:09 cannot be: 1 marks for slow answers where 2 are counted",
        ),
        (
            counts(None, CountsFlaw::Slower { part: 6.0, whole: 5.0 }).into(),
            "the bin of 14:05:09 cannot be: 6 slower answers out of 5",
        ),
        (Evidence::Probed("status 503, expected 200".into()), "status 503, expected 200"),
        (Evidence::Said("because".into()), "because"),
        (Evidence::SaidBefore, "asked before a person said to go on"),
        (
            Fault::new(FaultKind::Transient, "DescribeAlarms", "Rate exceeded").into(),
            "not readable: DescribeAlarms: Rate exceeded",
        ),
        (Evidence::Misfit, "the reading does not fit the gate"),
        (Evidence::NoReading, "no reading"),
    ];
    for (of, words) in rows {
        assert_eq!(evidence(&of), words);
        assert!(words.len() <= 200, "{words}");
    }
}

#[test]
fn programs_get_numbers_as_numbers() {
    let check = |of: Evidence, expected| assert_eq!(measured(&of), expected);
    check(AlarmEvidence::NotYetQuiet.into(), json!({"found": "not_yet_quiet"}));
    check(
        MetricEvidence::Broken { value: 19.84, bound: Bound::Above(1.0), at: AT }.into(),
        json!({
            "found": "bound_broken", "value": 19.84, "at_most": 1.0, "at_least": null, "stable": null,
            "samples": null, "unit": "metric",
        }),
    );
    check(
        CompareEvidence::Worse { cause: slower(None), odds: 100.0, is_sure: true }.into(),
        json!({
            "found": "slower", "value": 0.1, "at_most": null, "at_least": null, "stable": 0.05,
            "samples": 100.0, "unit": "share",
        }),
    );
    check(
        MetricEvidence::TooFewSamples { samples: ReadCount(f64::NAN), id: "r".into(), least: 50.0 }.into(),
        json!({
            "found": "too_few_samples", "value": null, "at_most": null, "at_least": 50.0, "stable": null,
            "samples": null, "unit": "samples",
        }),
    );
}
