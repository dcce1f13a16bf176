//! Checks that the gates will get data: alarms, metrics, and the stable slot's past.

use std::time::Duration;

use super::Patient;
use super::check::Check;
use crate::cli::drivers::Reach;
use crate::cloud::Cloud as _;
use crate::domain::clock::span;
use crate::domain::fault::Fault;
use crate::domain::fleet::{AlarmState, AlarmView, Published};
use crate::domain::name::RolloutId;
use crate::engine::Runner;
use crate::gate::compare::Feed;
use crate::gate::{self, Gate, Reading, SAYS_NOTHING_WITHOUT_DATA as NO_DATA};

/// How far back a metric is looked for.
const LOOKED_BACK: Duration = Duration::from_secs(30 * 60);
/// How far back an alarm's history is read.
const RANG_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// A check for each gate, and more for one that asks for several things.
pub(super) async fn checks(patient: &Patient<'_>) -> Vec<Check> {
    let gates = patient.plan.map_or(&patient.spec.gates, |plan| &plan.gates);
    let measured: Vec<&Gate> = gates.iter().filter(|gate| is_measured(gate)).collect();
    let rung: Vec<&Gate> = gates.iter().filter(|gate| matches!(gate.check, gate::Check::Alarm(_))).collect();
    let mut readings = read(patient, &measured, LOOKED_BACK).await.into_iter();
    let mut histories = read(patient, &rung, RANG_WITHIN).await.into_iter();
    let mut checks = Vec::new();
    for gate in gates {
        checks.push(match &gate.check {
            _ if is_measured(gate) => data(gate, readings.next()),
            gate::Check::Alarm(rule) => {
                let found = patient.survey.alarms.iter().find(|one| one.name == rule.alarm);
                alarm(gate, found, histories.next())
            }
            gate::Check::Compare(_) => past(patient, gate),
            gate::Check::Tasks(_) | gate::Check::Split(_) => {
                Check::ok(&gate.name, "asks what ECS and the load balancer say of the slots")
            }
            gate::Check::Probe(_) => Check::unknown(&gate.name, "nothing to probe before the candidate runs"),
            _ => Check::unknown(&gate.name, "not asked before a rollout does"),
        });
    }
    checks
}

fn is_measured(gate: &Gate) -> bool {
    matches!(gate.check, gate::Check::Metric(_) | gate::Check::Burn(_))
}

/// Asks as if the slot that serves were the candidate: the other one has no data yet.
async fn read(patient: &Patient<'_>, gates: &[&Gate], back: Duration) -> Vec<Reading> {
    let (Some(plan), false) = (patient.plan, gates.is_empty()) else { return Vec::new() };
    let mut plan = plan.clone();
    std::mem::swap(&mut plan.target.stable, &mut plan.target.candidate);
    let now = patient.clock.now();
    let id = RolloutId::new(&plan.name, now, 0);
    let context = patient.context;
    let reach = Reach { context, aws: patient.aws, connect_to: context.connect_to() };
    let driver = reach.driver(&plan, Runner::unleased(&id, patient.clock), None);
    driver.readings(gates, now.before(back)).await
}

fn data(gate: &Gate, reading: Option<Reading>) -> Check {
    let name = &gate.name;
    let within = span(LOOKED_BACK);
    let none = || {
        let text = format!("no data of the slot that serves in the last {within}; no data is never a pass");
        let check = if gate.watch { Check::warn(name, text) } else { Check::fail(name, text) };
        check.remedy("see that the metric's name, dimensions and statistic are right, and that there is traffic")
    };
    match reading {
        Some(Reading::Metric(reading)) => match reading.values.last() {
            Some(point) if !point.value.is_finite() => {
                let text =
                    format!("{} at {}: that is no number, and passes nothing", point.value, point.at.time_of_day());
                let check = if gate.watch { Check::warn(name, text) } else { Check::fail(name, text) };
                check.remedy("make the query a number where nothing happened, as `… or vector(0)` does")
            }
            Some(point) => {
                Check::ok(name, format!("{} at {} on the slot that serves", short(point.value), point.at.time_of_day()))
            }
            None => none(),
        },
        Some(Reading::Burn(_)) => Check::ok(name, "the service's error budget can be read"),
        Some(Reading::Unreadable(fault)) => unreadable(name, &fault),
        Some(_) | None => Check::unknown(name, "it is read by a plan, and the plan is refused"),
    }
}

fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn unreadable(name: &str, fault: &Fault) -> Check {
    Check::fault(name, fault, "allow the read to whoever runs rollouts: `tidegate iam-policy SPEC --for runner`")
}

fn alarm(gate: &Gate, found: Option<&AlarmView>, history: Option<Reading>) -> Check {
    let name = &gate.name;
    let Some(alarm) = found else {
        return Check::fail(name, "there is no such alarm").remedy("create it in this region, or name another");
    };
    let rang = match history {
        Some(Reading::Unreadable(fault)) => return unreadable(name, &fault),
        Some(Reading::Alarm(reading)) => reading.rang,
        _ => None,
    };
    match (alarm.state, alarm.actions_enabled) {
        (AlarmState::Alarm, _) => {
            let check = if gate.watch { Check::warn } else { Check::fail };
            check(name, "it is in ALARM").remedy("wait until it is quiet, or say `at_start: wait_for_ok`")
        }
        (AlarmState::InsufficientData, _) => {
            Check::warn(name, "it has no data: as long as that lasts it passes nothing").remedy(NO_DATA)
        }
        (AlarmState::Ok, _) if alarm.published == Published::Nothing => {
            Check::warn(name, "it is OK, and nothing is published of what it looks at: that passes nothing")
                .remedy(NO_DATA)
        }
        (AlarmState::Ok, false) => {
            Check::warn(name, "it is OK, and its actions are disabled: somebody may have silenced it")
                .remedy("`aws cloudwatch enable-alarm-actions --alarm-names` turns them on")
        }
        (AlarmState::Ok, true) => {
            let rang = rang.map_or(String::new(), |at| format!("; it rang within a day, at {}", at.time_of_day()));
            Check::ok(name, format!("OK, actions enabled, looks at {}{rang}", span(alarm.window)))
        }
    }
}

/// What makes a past readable, by who has it and what they said.
fn past_remedy(gate: &Gate, why: &str) -> String {
    match gate.feed() {
        Some(Feed::Prometheus(feed)) => {
            let period = span(feed.period);
            format!("see that the server answers, that each query gives a series, and that {period} holds two scrapes")
        }
        _ if why.contains("reported no requests") => "see that the slot that serves gets requests".to_owned(),
        _ => "allow cloudwatch:GetMetricData".to_owned(),
    }
}

/// What the comparison has to learn from.
fn past(patient: &Patient<'_>, gate: &Gate) -> Check {
    match &patient.survey.past {
        Some(Ok(past)) if past.bins.is_empty() => {
            Check::warn(&gate.name, "the slot that serves has no requests in its past to learn from")
        }
        Some(Ok(_)) => Check::ok(&gate.name, "the stable slot's past can be read"),
        Some(Err(_)) if patient.survey.serving().is_none() => {
            Check::unknown(&gate.name, "no slot has all the weight, so there is no past to read")
        }
        Some(Err(why)) => {
            let check = Check::fail(&gate.name, format!("the stable slot's past cannot be read: {why}"));
            check.remedy(past_remedy(gate, why))
        }
        None => Check::unknown(&gate.name, "the stable slot's past was not asked for"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::gate::compare::PrometheusFeed;
    use crate::gate::{Check as Asks, CompareRule, MetricReading, Point};

    fn gate(feed: Feed) -> Gate {
        let rule = CompareRule { feed, ..CompareRule::default() };
        Gate { name: "compare".into(), check: Asks::Compare(Box::new(rule)), watch: false }
    }

    #[test]
    fn what_is_no_number_is_no_good_metric() {
        for (value, good) in [(0.5, true), (f64::NAN, false), (f64::INFINITY, false)] {
            let values = vec![Point { at: Timestamp::default(), value }];
            let check =
                data(&gate(Feed::LoadBalancer), Some(Reading::Metric(MetricReading { values, samples: vec![] })));
            assert_eq!(check.state == State::Ok, good, "{value}");
        }
    }

    #[test]
    fn a_past_without_series_is_not_a_matter_of_permissions() {
        let prometheus = PrometheusFeed {
            url: String::new(),
            headers: Vec::new(),
            requests: String::new(),
            errors: String::new(),
            slower: None,
            thresholds: Vec::new(),
            period: Duration::from_secs(10),
        };
        let none = "web-blue reported no requests in the last 12h";
        let check = |feed, why, part: &str| assert!(past_remedy(&gate(feed), why).contains(part), "{why}");
        check(Feed::Prometheus(prometheus), none, "10s holds two scrapes");
        check(Feed::LoadBalancer, none, "gets requests");
        check(Feed::LoadBalancer, "GetMetricData: AccessDenied", "cloudwatch:GetMetricData");
    }
}
