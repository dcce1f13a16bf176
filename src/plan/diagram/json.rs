//! The plan for programs: everything in it, under names that stay. Durations are in seconds, shares in percent.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::units::{percent, seconds};
use super::{Entry, asked, learned, needs, retreat, review, timeline, weights_before};
use crate::domain::fleet::Place;
use crate::domain::notify::Recipient;
use crate::domain::traffic::Share;
use crate::domain::window::{Frozen, Interval, WhenClosed, Windows};
use crate::gate::compare::{Feed, Unproven};
use crate::gate::{
    AtStart, Bound, Check, CloudWatchMetric, CompareRule, Gate, Insufficient, MetricRule, MetricSource, MissingData, Of,
};
use crate::plan::{
    Action, Difference, Doubling, Facts, Foreseen, Plan, Release, ReleasePlan, assumed, calls, doubling,
};
use crate::spec::OnTrouble;

/// The version of the format; within it fields are only ever added.
const FORMAT: u32 = 1;

/// The plan as one object.
pub fn json(plan: &Plan) -> Value {
    let (least, most) = plan.duration();
    let target = &plan.target;
    json!({
        "type": "plan",
        "format": FORMAT,
        "name": plan.name.as_str(),
        "driver": asked::json(plan),
        "target": {
            "region": target.region,
            "account": target.account,
            "cluster": target.cluster,
            "rule": target.rule,
            "load_balancer": target.load_balancer_dimension,
            "dns_name": target.dns_name,
            "stable": place(&target.stable),
            "candidate": place(&target.candidate),
        },
        "before": before(plan),
        "release": match &plan.release {
            ReleasePlan::Registered(arn) => json!({"task_definition": arn}),
            ReleasePlan::Register { source, digest } => json!({"source": source, "digest": digest}),
        },
        "steps": timeline(plan).iter().enumerate().map(|(n, entry)| step(n, entry, plan)).collect::<Vec<_>>(),
        "gates": plan.gates.iter().map(gate).collect::<Vec<_>>(),
        "policies": {
            "on_breach": policy(plan.policies.on_breach, "rollback"),
            "on_interrupt": policy(plan.policies.on_interrupt, "rollback"),
            "on_foreign_write": policy(plan.policies.on_foreign_write, "abort"),
        },
        "limits": limits(plan),
        "dead_man": plan.dead_man.as_ref().map(|switch| json!({
            "role": switch.role,
            "group": switch.group,
            "after_seconds": seconds(switch.after),
        })),
        "writer_role": plan.writer_role,
        "windows": plan.windows.as_ref().map(windows),
        "notify": plan.notify.iter().map(recipient).collect::<Vec<_>>(),
        "retreat": {
            "acts": retreat(plan),
            "within_seconds": seconds(plan.limits.retreat),
            "from": review::back_from(plan).iter().map(|from| {
                json!({"first": from.first, "last": from.last, "does": from.does})
            }).collect::<Vec<_>>(),
        },
        "duration": {"least_seconds": seconds(least), "most_seconds": seconds(most)},
        "warnings": plan.warnings,
    })
}

/// The plan with what was found out beside it, as one object.
pub fn reviewed_json(plan: &Plan, facts: &Facts) -> Value {
    let mut value = json(plan);
    value["nothing_to_do"] = json!(facts.is_nothing_to_do(plan));
    match &facts.release {
        None => {}
        Some(Err(why)) => value["release"]["changes_unknown"] = json!(why),
        Some(Ok(found)) => {
            let one = |one: &Difference| json!({"part": one.part, "live": one.live, "released": one.released});
            value["release"]["changes"] = found.iter().map(one).collect();
        }
    }
    for (index, now) in &facts.now {
        value["gates"][*index]["now"] = json!(now);
    }
    for index in 0..plan.gates.len() {
        value["gates"][index]["traffic"] = json!(review::traffic(plan, index, facts));
    }
    value["calls"] = json!({
        "writes": calls::writes(plan).iter().map(|call| {
            json!({"operation": call.operation, "times": call.times, "at_most": call.at_most})
        }).collect::<Vec<_>>(),
        "reads_a_minute": calls::reads_a_minute(plan),
    });
    value["capacity"] = capacity(plan, facts);
    value["requests_per_second"] = json!(facts.rate);
    value["credentials"] = json!(facts.credentials);
    value["denied"] = json!(facts.denied);
    foresee(&mut value, plan, facts);
    value
}

/// Which releases it finds in this service, and what it takes for granted.
fn foresee(value: &mut Value, plan: &Plan, facts: &Facts) {
    value["foreseen"] = match &facts.foreseen {
        None => Value::Null,
        Some(Err(why)) => json!(why),
        Some(Ok(foreseen)) => json!(foreseen.missed()),
    };
    let release = |release: &Release| {
        let (least, most) = release.within;
        json!({
            "release": release.does,
            "is_bad": release.is_bad,
            "rolled_back": {"share": release.back, "least": least, "most": most},
            "found_seconds": release.found.map(seconds),
            "promoted_seconds": release.promoted.map(seconds),
            "harmed_requests": release.harmed,
        })
    };
    if let Some(Ok(Foreseen { rate, runs, releases, command })) = &facts.foreseen {
        let releases: Vec<Value> = releases.iter().map(release).collect();
        value["finds"] = json!({"requests_per_second": rate, "runs": runs, "releases": releases, "command": command});
    }
    value["assumes"] = assumed(plan).into_iter().map(|(what, said)| (what.to_owned(), json!(said))).collect();
}

fn capacity(plan: &Plan, facts: &Facts) -> Value {
    let Some(Doubling { tasks, least, most }) = doubling(plan) else { return Value::Null };
    let hours = |unit: f64| {
        let of = |time: Duration| f64::from(tasks) * unit * time.as_secs_f64() / 3600.0;
        json!({"least": of(least), "most": of(most)})
    };
    json!({
        "tasks": tasks,
        "least_seconds": seconds(least),
        "most_seconds": seconds(most),
        "vcpu_hours": facts.size.map(|size| hours(size.vcpu)),
        "gib_hours": facts.size.map(|size| hours(size.gib)),
        "price": facts.price.map(|price| json!({"vcpu_hour": price.vcpu, "gib_hour": price.gib})),
    })
}

/// When it may go forward, as far as is known.
fn windows(windows: &Windows) -> Value {
    let interval = |one: &Interval| json!({"from": one.from.to_string(), "to": one.to.to_string()});
    let frozen = |one: &Frozen| json!({"when": interval(&one.when), "reason": one.reason});
    json!({
        "open": windows.open.iter().map(interval).collect::<Vec<_>>(),
        "frozen": windows.frozen.iter().map(frozen).collect::<Vec<_>>(),
        "calendars": windows.calendars,
        "when_closed": if windows.when_closed == WhenClosed::Hold { "hold" } else { "finish" },
        "known_until": windows.known_until.to_string(),
    })
}

/// Who is told of what: never where they are.
fn recipient(recipient: &Recipient) -> Value {
    let on: Vec<&str> = recipient.on.iter().map(|occasion| occasion.as_str()).collect();
    json!({"to": recipient.channel.word(), "on": on})
}

fn weights(candidate: Share) -> Value {
    json!({"stable_percent": percent(candidate.rest()), "candidate_percent": percent(candidate)})
}

fn place(place: &Place) -> Value {
    json!({
        "slot": place.slot.to_string(),
        "service": place.service,
        "target_group": place.target_group_name,
        "target_group_arn": place.target_group,
    })
}

fn before(plan: &Plan) -> Value {
    let before = &plan.before;
    let names = weights_before(plan);
    let weights = before
        .weights
        .iter()
        .zip(names)
        .map(|((arn, weight), (name, _))| json!({"target_group": name, "target_group_arn": arn, "weight": weight}));
    json!({
        "at": before.at.to_string(),
        "weights": weights.collect::<Vec<_>>(),
        "stickiness_seconds": before.stickiness.map(seconds),
        "actions": before.actions_json,
        "stable": {"desired": before.stable_desired, "task_definition": before.stable_task_definition},
        "candidate": {"desired": before.candidate_desired, "task_definition": before.candidate_task_definition},
        "scaling": before.scaling.iter().map(|(role, scaling)| json!({
            "role": role.to_string(),
            "min": scaling.min,
            "max": scaling.max,
            "suspended": {
                "scale_in": scaling.no_scale_in,
                "scale_out": scaling.no_scale_out,
                "scheduled": scaling.no_schedule,
            },
        })).collect::<Vec<_>>(),
    })
}

fn step(n: usize, entry: &Entry, plan: &Plan) -> Value {
    let mut fields = json!({
        "step": n + 1,
        "title": entry.title,
        "earliest_seconds": seconds(entry.earliest),
        "latest_seconds": seconds(entry.latest),
        "least_seconds": seconds(plan.least(entry.step)),
        "within_seconds": seconds(entry.step.within),
        "before": weights(entry.before),
        "after": weights(entry.after),
    });
    let gate_name = |index: &usize| plan.gates.get(*index).map(|gate| gate.name.as_str());
    let (action, key, value) = match &entry.step.action {
        Action::Register => ("register", None, Value::Null),
        Action::Secure => ("secure", None, Value::Null),
        Action::Prepare(count) => ("prepare", Some("tasks"), json!(count)),
        Action::Probe(index) => ("probe", Some("gate"), json!(gate_name(index))),
        Action::Shift(share) => ("shift", Some("share_percent"), percent(*share)),
        Action::Hold(span) => ("hold", Some("hold_seconds"), seconds(*span)),
        Action::Watch(span) => ("watch", Some("watch_seconds"), seconds(*span)),
        Action::Ramp { gate, rule } => {
            fields["gate"] = json!(gate_name(gate));
            fields["ceiling_percent"] = percent(rule.ceiling);
            fields["blind_seconds"] = seconds(rule.blind);
            ("ramp", Some("budget_requests"), json!(rule.budget))
        }
        Action::Approve(message) => ("approve", Some("message"), json!(message)),
        Action::Commit => ("commit", None, Value::Null),
        Action::Retire => ("retire", None, Value::Null),
        Action::Conclude => ("conclude", None, Value::Null),
        Action::Settle => ("settle", None, Value::Null),
    };
    fields["action"] = json!(action);
    if let Some(key) = key {
        fields[key] = value;
    }
    fields
}

fn policy(policy: OnTrouble, back: &str) -> Value {
    match policy {
        OnTrouble::Rollback => json!(back),
        OnTrouble::Hold => json!("hold"),
    }
}

fn limits(plan: &Plan) -> Value {
    let limits = &plan.limits;
    json!({
        "prepare_seconds": seconds(limits.prepare),
        "shift_seconds": seconds(limits.shift),
        "verdict_seconds": seconds(limits.verdict),
        "pause_seconds": seconds(limits.pause),
        "blind_seconds": seconds(limits.blind),
        "drain_seconds": seconds(limits.drain),
        "retreat_seconds": seconds(limits.retreat),
    })
}

fn gate(gate: &Gate) -> Value {
    let (kind, check) = match &gate.check {
        Check::Alarm(rule) => {
            let at_start = match rule.at_start {
                AtStart::Refuse => "refuse",
                AtStart::WaitForOk => "wait_for_ok",
            };
            let insufficient = match rule.insufficient_data {
                Insufficient::Inconclusive => "inconclusive",
                Insufficient::Fail => "fail",
            };
            ("alarm", json!({"alarm": rule.alarm, "at_start": at_start, "insufficient_data": insufficient}))
        }
        Check::Metric(rule) => ("metric", metric(rule)),
        Check::Probe(rule) => {
            let check = json!({
                "url": rule.url,
                "headers": names(&rule.headers),
                "status": rule.status,
                "contains": rule.contains,
                "times": rule.times,
                "timeout_seconds": seconds(rule.timeout),
                "within_seconds": seconds(rule.within),
            });
            ("probe", check)
        }
        Check::Tasks(rule) => {
            ("tasks", json!({"crashes": rule.crashes, "start_within_seconds": seconds(rule.start_within)}))
        }
        Check::Compare(rule) => ("compare", compare(rule)),
        Check::Split(rule) => ("split", json!({"alpha": rule.alpha, "odds": rule.odds, "feed": feed(&rule.feed)})),
        Check::Burn(rule) => {
            let (long, short) = (seconds(rule.long), seconds(rule.short));
            (
                "burn_rate",
                json!({"objective": rule.objective, "factor": rule.factor, "long_seconds": long, "short_seconds": short}),
            )
        }
        Check::Webhook(rule) => {
            let check = json!({"url": rule.url, "headers": names(&rule.headers)});
            ("webhook", with_times(check, rule.timeout, rule.every))
        }
        Check::Command(rule) => ("command", with_times(json!({"command": rule.command}), rule.timeout, rule.every)),
    };
    json!({
        "name": gate.name,
        "kind": kind,
        "watch": gate.watch,
        "question": gate.question(),
        "needs": needs(gate),
        "learned": learned(gate),
        "least_data_seconds": seconds(gate.least_data()),
        "check": check,
    })
}

/// Parts are of 1, as everything that is not a share of the traffic.
fn compare(rule: &CompareRule) -> Value {
    let (errors, latency, margins, learned) = (rule.errors, rule.latency, rule.margins, &rule.baseline);
    let thresholds = learned.thresholds.iter().map(|mark| {
        json!({
            "quantile": mark.quantile,
            "stable_seconds": mark.stable,
            "candidate_seconds": mark.candidate,
            "odds": mark.odds,
            "share": mark.share,
            "noise": mark.noise,
        })
    });
    json!({
        "alpha": rule.alpha,
        "errors": {"ratio": errors.ratio, "excess": errors.excess, "weight": errors.weight},
        "latency": {"slower": latency.slower, "odds": latency.odds, "weight": latency.weight},
        "margins": {"errors": margins.errors, "slow": margins.slow},
        "unproven": match rule.unproven {
            Unproven::Pass => "pass",
            Unproven::Fail => "fail",
        },
        "warm_up_seconds": seconds(rule.warm_up),
        "feed": feed(&rule.feed),
        "baseline": {
            "bins": learned.bins,
            "requests_per_second": learned.rate,
            "errors": learned.errors,
            "error_noise": learned.error_noise,
            "thresholds": thresholds.collect::<Vec<_>>(),
        },
    })
}

fn feed(feed: &Feed) -> Value {
    let kind = match feed {
        Feed::LoadBalancer => "load_balancer",
        Feed::Custom(_) => "custom",
        Feed::Prometheus(_) => "prometheus",
    };
    json!({"kind": kind, "period_seconds": seconds(feed.span()), "delay_seconds": seconds(feed.delay())})
}

/// The names of headers. A value may be a secret that someone wrote out; the name is enough to know it is sent.
fn names(headers: &[(String, String)]) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

fn with_times(mut check: Value, timeout: Duration, every: Duration) -> Value {
    check["timeout_seconds"] = seconds(timeout);
    check["every_seconds"] = seconds(every);
    check
}

fn metric(asked: &MetricRule) -> Value {
    let mut fields = match &asked.source {
        MetricSource::CloudWatch(metric) => cloudwatch(metric),
        MetricSource::Prometheus(metric) => {
            let headers: Vec<&str> = metric.headers.iter().map(|(name, _)| name.as_str()).collect();
            json!({"prometheus": {"url": metric.url, "headers": headers, "query": metric.query}})
        }
    };
    let (bound, value) = match asked.bound {
        Bound::Above(limit) => ("fail_above", limit),
        Bound::Below(limit) => ("fail_below", limit),
    };
    fields[bound] = json!(value);
    fields["period_seconds"] = seconds(asked.period);
    fields["breaching"] = json!(asked.breaching);
    fields["of"] = json!(asked.of);
    fields["missing_data"] = json!(match asked.missing_data {
        MissingData::Inconclusive => "inconclusive",
        MissingData::Fail => "fail",
    });
    fields
}

fn cloudwatch(metric: &CloudWatchMetric) -> Value {
    let inputs = metric.inputs.iter().map(|input| {
        let whose = match input.of {
            Of::Slot(role) => role.to_string(),
            Of::LoadBalancer => "load_balancer".to_owned(),
            Of::Named => "named".to_owned(),
        };
        let dimensions = input.dimensions.iter().map(|(name, value)| (name.clone(), json!(value)));
        json!({
            "id": input.id,
            "namespace": input.namespace,
            "metric": input.metric,
            "statistic": input.statistic,
            "of": whose,
            "dimensions": Value::Object(dimensions.collect::<Map<_, _>>()),
            "absent_is_zero": input.absent_is_zero,
        })
    });
    json!({
        "inputs": inputs.collect::<Vec<_>>(),
        "expression": metric.expression,
        "samples": metric.samples.as_ref().map(|(id, least)| json!({"input": id, "at_least": least})),
    })
}

#[cfg(test)]
mod tests;
