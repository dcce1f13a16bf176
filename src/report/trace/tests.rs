//! Traces of rollouts: who is below whom, what is an error, and that another process goes on with the same trace.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};

use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::super::sample::{FOUL, ID, all, at, plan, reasons_of, waits};
use super::*;
use crate::domain::fleet::{Capacity, Fleet, RuleSeen, Served};
use crate::domain::name::RolloutId;
use crate::gate::ProbeReading;
use crate::machine::{Answer, Effect, Observation, OperatorRequest, Stranding};
use crate::plan::diagram::sample::secured;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn origin(parent: Option<&str>) -> Origin {
    let about = About { id: RolloutId::parse(ID).unwrap(), rehearsal: false };
    Origin { about, parent: parent.map(|text| TraceParent::parse(text).unwrap()), here: None, exit: |_| 11 }
}

fn tracer(parent: Option<&str>) -> (Tracer, Receiver<TelemetryItem>) {
    let (sender, told) = channel();
    (Tracer::new(origin(parent), Box::new(move |each| sender.send(each).unwrap())), told)
}

fn spans(told: &Receiver<TelemetryItem>) -> Vec<Span> {
    let spans = told.try_iter().filter_map(|told| match told {
        TelemetryItem::Span(span) => Some(*span),
        TelemetryItem::Measure(_) => None,
    });
    spans.collect()
}

fn said<'a>(attributes: &'a [KeyValue], key: &str) -> &'a Value {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let value = found.unwrap_or_else(|| panic!("no {key} in {attributes:?}"));
    value.value.as_ref().unwrap().value.as_ref().unwrap()
}

fn words(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
}

/// A world in which everything works at once.
fn answer((now, effect): (Timestamp, &Effect), share: &mut Share, plan: &Plan) -> Answer {
    let rule = |share: Share| RuleSeen {
        share: Some(share),
        sticky: false,
        brief: false,
        instead: None,
        shape: plan.before.shape.clone(),
        text: format!("candidate {share}"),
    };
    let healthy = |count, named: &str| Capacity {
        desired: count,
        running: count,
        healthy: count,
        task_definition: named.to_owned(),
        settled: true,
        ..Capacity::default()
    };
    match effect {
        Effect::Register { .. } => Answer::Registered("arn:web:42".to_owned()),
        Effect::Scale { .. } => Answer::Scaled,
        Effect::Route(route) => {
            *share = route.share;
            Answer::Routed(rule(*share))
        }
        Effect::Mark(_) => Answer::Marked,
        Effect::HoldScaling => Answer::ScalingHeld,
        Effect::FreeScaling => Answer::ScalingFreed,
        Effect::Arm { .. } => Answer::Armed,
        Effect::Disarm => Answer::Disarmed,
        Effect::IntendCommit => Answer::CommitIntended,
        Effect::Conclude => Answer::Concluded,
        Effect::Probe(_) => Answer::Probed(ProbeReading { at: now, right: true, text: "200".to_owned() }),
        Effect::Count { .. } => Answer::Counted(Served { requests: 1_204, failed: 238, since_full: None }),
        Effect::Look(look) => Answer::Seen(Box::new(Observation {
            rule: look.rule.then(|| rule(*share)),
            fleet: look.fleet.then(|| Fleet {
                stable: healthy(4, &plan.before.stable_task_definition),
                candidate: healthy(4, "arn:web:42"),
            }),
            stable: look.first_read.map(|_| 4),
            requests: look.quiet.map(|_| 0),
            ..Observation::default()
        })),
    }
}

/// A rollout that a person takes back in its first hold.
fn recorded(plan: &Plan) -> Vec<(Timestamp, Event)> {
    let (mut machine, mut share, mut now, mut recorded) = (Machine::new(plan.clone()), Share::NONE, at(0), Vec::new());
    let mut next = Event::Started { by: "ana@ci".to_owned() };
    for _ in 0..500 {
        recorded.push((now, next.clone()));
        let _ = machine.apply(now, next);
        if machine.outcome().is_some() {
            return recorded;
        }
        let is_held = share == Share::from_permille(250).unwrap() && machine.pending().is_none();
        next = match machine.pending() {
            _ if is_held && !machine.is_retreating() => Event::Requested {
                request: OperatorRequest::Rollback,
                by: "bob@home".to_owned(),
                reason: Some("it is slow".to_owned()),
                left: None,
            },
            Some(issued) => {
                now = now + Duration::from_secs(1);
                Event::Answered { id: issued.id, answer: answer((now, &issued.effect), &mut share, plan) }
            }
            None => {
                now = machine.wake_at().unwrap();
                Event::Woken
            }
        };
    }
    panic!("it does not end: {:?}", machine.progress());
}

#[test]
fn a_rollout_is_a_span_with_its_steps_below_and_what_they_did_below_those() {
    let plan = secured();
    let (mut tracer, told) = tracer(Some(PARENT));
    tracer.replay(&plan, recorded(&plan));
    let spans = spans(&told);
    let root = named(&spans, "rollout");
    let parent = TraceParent::parse(PARENT).unwrap();
    assert_eq!((root.parent_span_id.as_slice(), root.flags), (&parent.span[..], SAMPLED | REMOTE));
    assert!(spans.iter().all(|span| span.trace_id == parent.trace));
    let names: Vec<&str> =
        spans.iter().filter(|span| span.parent_span_id == root.span_id).map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["register", "secure", "prepare", "probe", "shift", "hold", "retreat"], "{spans:#?}");
    let below = |step: &str| {
        let id = &named(&spans, step).span_id;
        spans.iter().filter(|span| span.parent_span_id == *id).map(|span| span.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(below("secure"), ["mark", "hold scaling", "arm"]);
    assert_eq!((below("prepare"), below("hold")), (vec!["scale"], vec![]));
    assert!(below("shift").contains(&"route") && below("retreat").contains(&"route"), "{spans:#?}");
    let written = spans.iter().find(|span| span.name == "route").unwrap();
    assert_eq!(said(&written.attributes, "tidegate.read_back_percent"), &Value::DoubleValue(25.0));
    assert!(written.end_time_unix_nano - written.start_time_unix_nano == 1_000_000_000);
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "an id is of one span");
    let within = |span: &&Span| {
        span.start_time_unix_nano < root.start_time_unix_nano || span.end_time_unix_nano > root.end_time_unix_nano
    };
    assert_eq!(spans.iter().find(within), None);
}

#[test]
fn what_went_back_is_an_error_with_its_reason_and_the_way_back_is_none() {
    let plan = plan();
    let (mut tracer, told) = tracer(None);
    tracer.replay(&plan, recorded(&plan));
    let spans = spans(&told);
    let (root, hold) = (named(&spans, "rollout"), named(&spans, "hold"));
    for span in [root, hold] {
        let status = span.status.as_ref().unwrap();
        assert_eq!(status.code, StatusCode::Error as i32);
        assert!(status.message.contains("bob@home"), "{status:?}");
        assert_eq!(said(&span.attributes, "error.type"), &words("operator"));
        assert_eq!(said(&span.attributes, "cicd.pipeline.task.run.result"), &words("cancellation"));
    }
    for (key, value) in [
        ("deployment.id", words(ID)),
        ("deployment.name", words("web")),
        ("deployment.status", words("failed")),
        ("tidegate.outcome", words("rolled_back")),
        ("tidegate.driver", words("pair")),
        ("tidegate.strategy", words("steps")),
        ("tidegate.exit_code", Value::IntValue(11)),
        ("tidegate.served.failed", Value::IntValue(238)),
        ("tidegate.reason.said", words("it is slow")),
    ] {
        assert_eq!(said(&root.attributes, key), &value, "{key}");
    }
    assert_eq!(named(&spans, "retreat").status, None);
    let events = |span: &Span| span.events.iter().map(|event| event.name.clone()).collect::<Vec<_>>();
    assert_eq!(events(root), ["started", "word", "retreating"]);
    assert!(events(named(&spans, "retreat")).contains(&"traffic_back".to_owned()));
    assert!(root.parent_span_id.is_empty() && root.links.is_empty());
}

#[test]
fn whoever_goes_on_with_a_journal_goes_on_with_its_trace_and_tells_nothing_twice() {
    let plan = plan();
    let recorded = recorded(&plan);
    let (mut one, told) = tracer(None);
    one.replay(&plan, recorded.clone());
    let whole = spans(&told);
    for cut in 1..recorded.len() {
        let (mut first, told) = tracer(None);
        first.replay(&plan, recorded[..cut].to_vec());
        let mut parts = spans(&told);
        let (second, told) = tracer(None);
        let mut second = second.past(&plan, recorded[..cut].to_vec());
        assert_eq!(told.try_iter().next(), None, "the past is not told again");
        let mut machine = Machine::new(plan.clone());
        for (n, (at, event)) in recorded.iter().enumerate() {
            if n >= cut {
                second.hear(*at, event, &machine);
            }
            for notice in machine.apply(*at, event.clone()).notices.iter().filter(|_| n >= cut) {
                second.tell(*at, notice, &machine);
            }
        }
        parts.append(&mut spans(&told));
        assert_eq!(parts, whole, "cut after {cut}");
    }
}

#[test]
fn below_a_trace_that_is_not_kept_no_span_is_sent_and_figures_are() {
    let plan = plan();
    let (mut tracer, told) = tracer(Some(&PARENT.replace("-01", "-00")));
    tracer.replay(&plan, recorded(&plan));
    let told: Vec<TelemetryItem> = told.try_iter().collect();
    assert!(told.iter().all(|told| matches!(told, TelemetryItem::Measure(_))) && !told.is_empty());
}

#[test]
fn another_pipeline_is_linked_and_not_made_the_parent() {
    let plan = plan();
    let (sender, told) = channel();
    let here = TraceParent::parse(&PARENT.replace("00f0", "00f1"));
    let origin = Origin { here, ..origin(Some(PARENT)) };
    let mut tracer = Tracer::new(origin, Box::new(move |each| sender.send(each).unwrap()));
    tracer.replay(&plan, recorded(&plan));
    let spans = spans(&told);
    let links = &named(&spans, "rollout").links;
    assert_eq!(links.iter().map(|link| link.span_id.clone()).collect::<Vec<_>>(), [here.unwrap().span.to_vec()]);
}

#[test]
fn a_stranded_rollout_that_is_taken_back_later_has_a_span_of_its_own_for_that() {
    let plan = plan();
    let (mut tracer, told) = tracer(None);
    let machine = Machine::new(plan.clone());
    let stranded = Outcome::Stranded { reason: None, why: Stranding::Late { last: None } };
    let back = Outcome::RolledBack(Reason::Signal("SIGTERM".to_owned()));
    tracer.hear(at(0), &Event::Started { by: "ana@ci".to_owned() }, &machine);
    tracer.tell(at(9), &Notice::Finished(stranded), &machine);
    let request =
        Event::Requested { request: OperatorRequest::Rollback, by: "bob@home".to_owned(), reason: None, left: None };
    tracer.hear(at(600), &request, &machine);
    tracer.tell(at(610), &Notice::Finished(back), &machine);
    let spans = spans(&told);
    let [first, second] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(second.links[0].span_id, first.span_id);
    assert_ne!(first.span_id, second.span_id);
    let began = |span: &Span| span.start_time_unix_nano;
    assert_eq!((began(first), began(second)), (nanos(at(0)), nanos(at(600))));
}

#[test]
fn figures_have_few_labels_and_never_an_id() {
    let plan = plan();
    let (mut tracer, told) = tracer(None);
    tracer.replay(&plan, recorded(&plan));
    let measures: Vec<Measure> = told
        .try_iter()
        .filter_map(|told| match told {
            TelemetryItem::Measure(measure) => Some(measure),
            TelemetryItem::Span(_) => None,
        })
        .collect();
    let of = |instrument| measures.iter().filter(move |measure| measure.instrument == instrument);
    assert!(measures.iter().flat_map(|measure| &measure.labels).all(|(_, value)| !value.contains(ID)));
    let weights: Vec<f64> = of(Instrument::Weight).map(|measure| measure.value).collect();
    assert_eq!((weights.first(), weights.last()), (Some(&25.0), Some(&0.0)));
    let ended: Vec<_> = of(Instrument::Rollouts).collect();
    assert_eq!(ended.len(), 1);
    assert!(ended[0].labels.contains(&("tidegate.outcome", "rolled_back".to_owned())), "{ended:?}");
    assert!(ended[0].labels.contains(&("tidegate.reason.kind", "operator".to_owned())), "{ended:?}");
    assert!(of(Instrument::RetreatDuration).count() == 1 && of(Instrument::StepDuration).count() == 5);
}

#[test]
fn nothing_foreign_steers_and_nothing_grows_without_end() {
    let plan = plan();
    let machine = Machine::new(plan.clone());
    let (mut tracer, told) = tracer(None);
    tracer.tell(at(0), &Notice::StepStarted(3), &machine);
    for notice in all() {
        tracer.tell(at(1), &notice, &machine);
    }
    for _ in 0..2 * EVENTS {
        tracer.tell(at(2), &waits(&FOUL.repeat(1_000)), &machine);
    }
    for reason in reasons_of(FOUL) {
        tracer.tell(at(3), &Notice::Finished(Outcome::RolledBack(reason)), &machine);
    }
    let mut count = 0;
    for span in spans(&told) {
        assert!(span.events.len() <= EVENTS);
        let texts = span.events.iter().flat_map(|event| &event.attributes).chain(&span.attributes);
        for attribute in texts {
            if let Some(Value::StringValue(text)) = &attribute.value.as_ref().unwrap().value {
                assert!(!text.contains(crate::domain::text::is_hidden) && text.len() < 4_100, "{text}");
                count += 1;
            }
        }
        let message = span.status.map(|status| status.message).unwrap_or_default();
        assert!(!message.contains(crate::domain::text::is_hidden), "{message}");
    }
    assert!(count > 100, "{count}");
}
