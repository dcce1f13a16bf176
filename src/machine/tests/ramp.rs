//! The ramp: what it asks, when it raises, and what interrupts it.

use super::*;
use crate::gate::compare::{Baseline, CustomFeed, Feed, RampRule};
use crate::gate::{CompareRule, Outcome as GateOutcome, SplitRule};

/// Places in [`ramp`].
const COMPARE: usize = 0;
const RAMP: usize = 1;

fn share(percent: f64) -> Share {
    Share::from_percent(percent).unwrap()
}

/// A ramp to a half within 30 minutes, a holdback, and everything.
fn ramp(feed: &Feed) -> Plan {
    let rule = RampRule {
        budget: 50.0,
        floor: share(0.1),
        ceiling: share(50.0),
        blind: feed.span() + feed.delay() + Duration::from_secs(10),
    };
    let action = Action::Ramp { gate: COMPARE, rule };
    let rest = [Action::Shift(share(95.0)), HOLD, Action::Shift(Share::ALL), HOLD, Action::Commit, Action::Retire];
    let mut plan = plan(&[&[Action::Prepare(FULL), action], rest.as_slice()].concat());
    plan.steps[RAMP].within = MINUTE * 30;
    let baseline = Baseline { bins: 1440, rate: RATE, errors: 0.001, ..Baseline::default() };
    let compare = CompareRule { feed: feed.clone(), baseline, ..CompareRule::default() };
    let split = SplitRule { feed: feed.clone(), ..SplitRule::default() };
    let gate = |name: &str, check, watch| Gate { name: name.into(), check, watch };
    plan.gates = vec![
        gate("compare", Check::Compare(Box::new(compare)), false),
        gate("tasks", Check::Tasks(TasksRule::default()), false),
        gate("split", Check::Split(split), true),
    ];
    plan
}

fn by_the_minute() -> Plan {
    ramp(&Feed::LoadBalancer)
}

fn every_ten_seconds() -> Plan {
    ramp(&Feed::Custom(CustomFeed {
        namespace: "Web".into(),
        dimensions: vec![("service".into(), "<service>".into())],
        requests: "Requests".into(),
        errors: "Errors".into(),
        latency: None,
        period: Duration::from_secs(10),
    }))
}

/// The looks that were asked for.
fn looks(run: &Run) -> impl Iterator<Item = &Look> {
    run.asked.iter().filter_map(|effect| if let Effect::Look(look) = effect { Some(look) } else { None })
}

fn is_raising(run: &Run) -> bool {
    run.pending().is_some_and(is_route)
}

#[test]
fn a_good_release_gets_rising_shares_up_to_the_ceiling_and_then_all_but_the_holdback() {
    let mut run = Run::of(by_the_minute());
    assert_eq!(run.end(), Outcome::Promoted);
    let routes = run.routes();
    assert!(routes.is_sorted(), "{routes:?}");
    assert!(routes[0] < share(1.0), "{routes:?}");
    let [.., before, most, all] = routes.as_slice() else { panic!("{routes:?}") };
    assert!(*before <= share(50.0), "{routes:?}");
    assert_eq!((*most, *all), (share(95.0), Share::ALL));
    assert!(run.notices.contains(&Notice::StepStarted(RAMP + 2)));
}

/// Which gates let each step pass undecided, of those steps that some did.
fn undecided(run: &Run) -> Vec<(usize, Vec<String>)> {
    let undecided = |notice: &Notice| match notice {
        Notice::StepPassed { step, undecided, .. } if !undecided.is_empty() => Some((*step, undecided.clone())),
        _ => None,
    };
    run.notices.iter().filter_map(undecided).collect()
}

#[test]
fn a_ramp_and_a_hold_that_prove_nothing_in_time_pass_undecided() {
    let mut run = Run::of(by_the_minute());
    assert_eq!(run.end(), Outcome::Promoted);
    assert_eq!(undecided(&run), []);
    let mut plan = by_the_minute();
    let Check::Compare(rule) = &mut plan.gates[COMPARE].check else { panic!("it compares") };
    rule.margins.errors = 1e-6;
    let mut run = Run::of(plan);
    assert_eq!(run.end(), Outcome::Promoted);
    let compare = || vec!["compare".to_owned()];
    assert_eq!(undecided(&run), [(RAMP, compare()), (RAMP + 2, compare())]);
}

#[test]
fn a_bad_release_goes_back_from_the_ramp() {
    let mut run = Run::of(by_the_minute());
    run.errors = Some(30.0);
    let Reason::Breach { gate, outcome, .. } = reason(run.end()) else { panic!("{:?}", run.notices) };
    assert_eq!((gate.as_str(), outcome), ("compare", GateOutcome::Fail));
    assert!(run.routes().iter().all(|given| *given < share(2.0)), "{:?}", run.routes());
}

#[test]
fn counts_are_asked_for_once_and_only_while_there_are_any() {
    let mut run = Run::of(by_the_minute());
    assert_eq!(run.end(), Outcome::Promoted);
    let asked: Vec<&Look> = looks(&run).filter(|look| !look.gates.is_empty()).collect();
    assert!(asked.iter().all(|look| look.gates == [COMPARE]), "a split gate has the counts of its feed");
    assert!(asked.iter().all(|look| !look.observed), "counts say what share is observed");
    let first = run.asked.iter().position(is_route).unwrap();
    let before = |effect: &Effect| matches!(effect, Effect::Look(look) if !look.gates.is_empty());
    assert!(!run.asked[..first].iter().any(before), "before any traffic");
    assert_eq!(run.machine.progress().observed, Some(Share::ALL));
}

#[test]
fn a_split_gate_alone_is_asked_when_the_tasks_are() {
    let mut plan = canary();
    let split = Gate { name: "split".into(), check: Check::Split(SplitRule::default()), watch: true };
    plan.gates.push(split);
    let mut run = Run::of(plan);
    assert_eq!(run.end(), Outcome::Promoted);
    assert!(looks(&run).any(|look| look.gates.contains(&3)));
    assert!(looks(&run).all(|look| look.fleet || !look.gates.contains(&3)));
}

#[test]
fn bins_of_ten_seconds_are_looked_at_every_ten_seconds() {
    let pace = |plan| {
        let mut run = Run::of(plan);
        run.until_asked(is_route);
        run.go();
        run.machine.wake_at().unwrap().since(run.now)
    };
    assert_eq!(pace(by_the_minute()), POLL);
    assert_eq!(pace(every_ten_seconds()), FAST_POLL);
}

#[test]
fn after_an_outage_of_reads_nothing_is_missing() {
    let mut run = Run::of(by_the_minute());
    run.until(|run| run.machine.progress().observed.is_some());
    run.pass(MINUTE * 2);
    run.counts_fail = true;
    let failed = run.now;
    run.pass(MINUTE * 15);
    let last = looks(&run).last().unwrap();
    assert!(last.counted <= failed && last.since <= failed, "{last:?}");
    run.counts_fail = false;
    run.pass(MINUTE);
    let last = looks(&run).last().unwrap();
    assert!(last.counted > failed, "{last:?}");
}

#[test]
fn a_raise_waits_for_the_tasks_it_needs() {
    let mut run = Run::of(by_the_minute());
    run.until(|run| run.share > Share::NONE);
    // One of four tasks is enough for a quarter.
    run.candidate.healthy = 1;
    run.pass(MINUTE * 25);
    assert!(run.share <= share(25.0), "{:?}", run.routes());
    assert!(
        run.is_told(|notice| matches!(notice, Notice::Waiting { on: Awaited::Lack(Lack::Tasks(Role::Candidate, _)) }))
    );
    run.candidate.healthy = FULL;
    run.until(|run| run.share > share(25.0));
}

#[test]
fn a_raise_whose_answer_is_lost_is_read_back_and_told_once() {
    for landed in [true, false] {
        let mut run = Run::of(by_the_minute());
        run.until(|run| run.share > Share::NONE && is_raising(run));
        let Some(Effect::Route(route)) = run.pending().cloned() else { panic!("no raise") };
        if landed {
            run.route(&route);
        }
        run.answer(Answer::Failed(fault(FaultKind::Unknown)));
        run.until(|run| run.is_told(|notice| matches!(notice, Notice::Shifted { share, .. } if *share == route.share)));
        let told = run.notices.iter().filter(|notice| matches!(notice, Notice::Shifted { .. })).count();
        assert_eq!(told, run.shares.len(), "landed: {landed}");
    }
}

#[test]
fn a_runner_lost_in_a_raise_is_followed_by_one_that_looks_first() {
    let mut run = Run::of(by_the_minute());
    run.until(|run| run.share > Share::NONE && is_raising(run));
    let had = run.share;
    run.recovered();
    assert!(run.pending().is_some_and(|effect| matches!(effect, Effect::Look(look) if look.fleet)));
    assert_eq!(run.machine.progress().step, RAMP);
    run.until(|run| run.share > had);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn nothing_is_raised_while_a_person_keeps_it_paused_and_what_is_known_stays_known() {
    let mut run = Run::of(by_the_minute());
    run.until(|run| run.share > share(1.0));
    run.told(OperatorRequest::Pause);
    let (had, writes) = (run.share, run.routes().len());
    run.pass(MINUTE * 20);
    assert_eq!((run.share, run.routes().len()), (had, writes));
    run.told(OperatorRequest::Continue);
    let continued = run.now;
    run.until(|run| run.share > had);
    assert!(run.now.since(continued) <= MINUTE, "it had to learn again: {:?}", run.notices);
}

#[test]
fn a_breach_that_a_person_overrules_begins_the_comparison_anew() {
    let mut plan = by_the_minute();
    plan.policies.on_breach = OnTrouble::Hold;
    let mut run = Run::of(plan);
    run.errors = Some(30.0);
    run.until(|run| run.machine.progress().paused.is_some());
    run.errors = Some(0.1);
    run.pass(MINUTE * 3);
    run.told(OperatorRequest::Continue);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_foreign_write_in_a_ramp_goes_back() {
    let mut run = Run::of(by_the_minute());
    run.until(|run| run.share > share(1.0));
    run.pass(MINUTE * 2);
    run.share = share(77.0);
    assert!(matches!(reason(run.end()), Reason::ForeignWrite { .. }));
    assert_eq!(run.share, Share::NONE);
}

#[test]
fn a_ramp_without_data_goes_back_when_its_time_is_over() {
    let mut run = Run::of(by_the_minute());
    run.counts_fail = true;
    let Reason::Breach { gate, outcome, .. } = reason(run.end()) else { panic!("{:?}", run.notices) };
    assert_eq!((gate.as_str(), outcome), ("compare", GateOutcome::Inconclusive));
    assert_eq!(run.routes().len(), 2, "the first share, and back: {:?}", run.routes());
}

#[test]
fn a_gate_that_only_watches_is_told_and_ends_nothing() {
    let mut plan = canary();
    plan.gates[0].watch = true;
    let mut run = Run::of(plan);
    run.errors = Some(30.0);
    assert_eq!(run.end(), Outcome::Promoted);
    let fails = |notice: &Notice| match notice {
        Notice::Judged { gate, verdict } => gate == "errors" && verdict.outcome == GateOutcome::Fail,
        _ => false,
    };
    assert!(run.is_told(fails));
}
