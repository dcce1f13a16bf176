//! Gates that only watch, and gates that somebody else answers in their own time.

use super::*;
use crate::gate::{CommandRule, Outcome as GateOutcome, SaidReading, Verdict};

const TASKS: usize = 1;
const JUDGE: usize = 3;

/// The canary with one gate more, which somebody else answers every so often.
fn judged(every: Duration) -> Plan {
    let mut plan = canary();
    let command = vec!["./judge".to_owned()];
    let check =
        Check::Command(CommandRule { command, environment: Vec::new(), timeout: Duration::from_secs(10), every });
    plan.gates.push(Gate { name: "judge".into(), check, watch: false });
    plan
}

/// A canary in which these gates only watch.
fn watching(gates: &[usize]) -> Plan {
    let mut plan = canary();
    for gate in gates {
        plan.gates[*gate].watch = true;
    }
    plan
}

fn said(run: &Run, outcome: GateOutcome) -> Reading {
    Reading::Said(SaidReading { asked: run.now, outcome, text: "so they say".into() })
}

/// Moves on to the next look and answers it, with what the judge says if it is asked. Whether it was.
fn look(run: &mut Run, says: Option<GateOutcome>) -> bool {
    run.until_asked(is_look);
    let Some(Effect::Look(look)) = run.pending().cloned() else { panic!("no look") };
    let asked = look.gates.contains(&JUDGE);
    let mut seen = run.seen(&look);
    seen.readings.retain(|(index, _)| *index != JUDGE);
    seen.readings.extend(says.filter(|_| asked).map(|outcome| (JUDGE, said(run, outcome))));
    run.answer(Answer::Seen(Box::new(seen)));
    asked
}

/// Moves on for so long, and gives the moments at which the judge was asked.
fn asked_within(run: &mut Run, span: Duration, says: Option<GateOutcome>) -> Vec<Timestamp> {
    let then = run.now + span;
    let mut asked = Vec::new();
    while run.now < then && run.machine.outcome().is_none() {
        if run.pending().is_some_and(is_look) {
            if look(run, says) {
                asked.push(run.now);
            }
        } else {
            run.go();
        }
    }
    asked
}

fn verdicts(run: &Run) -> Vec<(&str, GateOutcome)> {
    let told = run.notices.iter().filter_map(|notice| match notice {
        Notice::Judged { gate, verdict: Verdict { outcome, .. } } => Some((gate.as_str(), *outcome)),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_gate_that_only_watches_ends_no_rollout() {
    let mut run = Run::of(watching(&[0]));
    run.errors = Some(9.0);
    assert_eq!(run.end(), Outcome::Promoted);
    assert_eq!(verdicts(&run).iter().filter(|told| **told == ("errors", GateOutcome::Fail)).count(), 1);
}

#[test]
fn a_gate_that_only_watches_stops_no_step() {
    let mut run = Run::of(watching(&[0]));
    run.errors = None;
    assert_eq!(run.end(), Outcome::Promoted);
    assert!(!run.is_told(|notice| matches!(notice, Notice::Waiting { on: Awaited::Gate { .. } })));
}

#[test]
fn every_change_of_a_watching_gates_mind_is_news_once() {
    let mut run = Run::of(watching(&[0]));
    run.until_step(2);
    run.errors = Some(9.0);
    run.pass(MINUTE * 3);
    assert_eq!(verdicts(&run).iter().filter(|(gate, _)| *gate == "errors").count(), 1);
}

#[test]
fn tasks_that_are_only_watched_may_crash() {
    let crash = |watched: &[usize]| {
        let mut run = Run::of(watching(watched));
        run.until_step(1);
        run.candidate.failed = 9;
        run.end()
    };
    assert!(matches!(reason(crash(&[])), Reason::Breach { gate, .. } if gate == "tasks"));
    assert_eq!(crash(&[TASKS]), Outcome::Promoted);
}

#[test]
fn a_probe_that_only_watches_is_tried_and_then_passed() {
    let mut plan = plan(&[Action::Prepare(FULL), Action::Probe(PROBE), TENTH]);
    plan.gates[PROBE].watch = true;
    let mut run = Run::not_begun(plan);
    run.probe_is_right = false;
    run.feed(Event::Started { by: "ann".into() });
    run.until_step(2);
    assert_eq!(verdicts(&run).last(), Some(&("home", GateOutcome::Fail)));
}

#[test]
fn somebody_else_is_asked_in_every_step_and_then_once_in_their_time() {
    let mut run = Run::of(judged(MINUTE));
    while !run.pending().is_some_and(is_route) {
        if run.pending().is_some_and(is_look) {
            look(&mut run, Some(GateOutcome::Pass));
        } else {
            run.go();
        }
    }
    run.now = run.now + Duration::from_secs(1);
    let step = run.now;
    let asked = asked_within(&mut run, MINUTE * 2, Some(GateOutcome::Pass));
    let seconds: Vec<u64> = asked.iter().map(|asked| asked.since(step).as_secs()).collect();
    assert_eq!(seconds, [15, 75]);
}

#[test]
fn who_has_not_answered_yet_is_asked_at_every_look() {
    let mut run = Run::of(judged(MINUTE * 30));
    assert!((0..5).all(|_| look(&mut run, None)));
    assert!(look(&mut run, Some(GateOutcome::Inconclusive)));
    assert!(!look(&mut run, None));
}

#[test]
fn no_answer_is_never_a_pass() {
    for says in [None, Some(GateOutcome::Inconclusive)] {
        let mut run = Run::of(judged(MINUTE));
        asked_within(&mut run, MINUTE * 60, says);
        let Some(outcome) = run.machine.outcome().cloned() else { panic!("it has not ended") };
        let breach = reason(outcome);
        assert!(matches!(breach, Reason::Breach { gate, outcome: GateOutcome::Inconclusive, .. } if gate == "judge"));
    }
}

#[test]
fn somebody_elses_no_sends_the_rollout_back() {
    let mut run = Run::of(judged(MINUTE));
    asked_within(&mut run, MINUTE * 60, Some(GateOutcome::Fail));
    let outcome = run.machine.outcome().cloned().unwrap();
    assert!(
        matches!(reason(outcome), Reason::Breach { gate, evidence: Evidence::Said(said), .. } if gate == "judge" && said == "so they say")
    );
}

#[test]
fn after_the_commit_nobody_is_asked() {
    let mut run = Run::of(judged(MINUTE));
    let mut last = None;
    while run.machine.outcome().is_none() {
        if run.pending().is_some_and(is_look) {
            let committed = run.machine.progress().committed;
            let asked = look(&mut run, Some(GateOutcome::Pass));
            assert!(!(asked && committed));
            last = Some(committed);
        } else {
            run.go();
        }
    }
    assert_eq!((last, run.machine.outcome()), (Some(true), Some(&Outcome::Promoted)));
}
