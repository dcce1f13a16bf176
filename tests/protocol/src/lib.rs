//! The lease protocol in every state that it can reach: the real `tidegate::lease` decides, in a small world of
//! a listener rule, a journal, a switch, and processes that crash, freeze and come late.
//!
//! Each rule of the protocol is also taken away, and the test is that this is found out: the shortest story that
//! ends badly is told with `--nocapture`. An ordinary run checks more than a million states;
//! `TIDEGATE_STATES=full cargo test --release -p tidegate-protocol -- --nocapture` checks larger casts and a finer clock.
//!
//! What the model says is only as good as what it takes for granted: calls land within `WRITE_WINDOW` of their
//! decision or never, reads of AWS are at most ten seconds old, clocks run apart by less than `MARGIN`, the
//! switch's write is not lost, and a stranger's write after the last look is not ours to see.

#![cfg(test)]
#![allow(missing_docs, unreachable_pub, reason = "a test has no readers of its interface")]
#![allow(clippy::struct_excessive_bools, reason = "a world is many small facts")]

mod code;
mod graph;
mod law;
mod owner;
mod properties;
mod protocol;
mod route;
mod rules;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use graph::Graph;
use properties::{
    BACK_STAYS_BACK, CAPACITY_UNDER_WEIGHT, CAPACITY_UNDER_WRITES, JOURNAL_DECIDES, ONE_END, ONE_FORWARD,
    PROMOTED_STAYS, SWITCH_UNDER_WEIGHT,
};
use protocol::{Bounds, Protocol, Step};
use rules::Rule;
use stateright::{Checker, HasDiscoveries, Model};
use world::Who;

/// The grain of time: every span of the lease is a whole number of these.
const TICK: Duration = Duration::from_secs(15);
/// The finer grain, in which reads are stale for longer than a tick.
const FINE: Duration = Duration::from_secs(5);

/// How many threads check a cast.
const THREADS: usize = 2;
/// The most ticks that anybody need be from the end of a rollout: a lease, and a wait in which a switch may land.
const FARTHEST: u32 = 12;

/// Nobody comes and nothing fails.
const ALONE: Bounds = Bounds { tick: TICK, comers: &[], crashes: 0, strangers: 0, blind: false, leaves: false };

fn with(comers: &'static [Who]) -> Bounds {
    Bounds { comers, ..ALONE }
}

/// Who plays, and what can happen to them.
#[derive(Clone)]
struct Cast {
    name: &'static str,
    bounds: Bounds,
}

/// The casts of an ordinary run; the first alone has more than a million states.
fn usual() -> Vec<Cast> {
    let operator = with(&[Who::Operator]);
    let resumer = with(&[Who::Resumer]);
    vec![
        Cast { name: "an operator and a blind rollback", bounds: Bounds { blind: true, ..operator } },
        Cast { name: "one who resumes, a crash", bounds: Bounds { crashes: 1, leaves: true, ..resumer } },
        Cast { name: "a guard, a crash", bounds: Bounds { crashes: 1, ..with(&[Who::Guard]) } },
        Cast { name: "a stranger and a blind rollback", bounds: Bounds { strangers: 1, blind: true, ..ALONE } },
    ]
}

/// The casts that take minutes.
fn large() -> Vec<Cast> {
    let operator = with(&[Who::Operator]);
    let pair = with(&[Who::Resumer, Who::Guard]);
    let successors = with(&[Who::Resumer, Who::Operator]);
    vec![
        Cast { name: "an operator and a stranger", bounds: Bounds { strangers: 1, ..operator } },
        Cast { name: "one who resumes and a stranger", bounds: Bounds { strangers: 1, ..with(&[Who::Resumer]) } },
        Cast { name: "one who resumes and a guard", bounds: Bounds { crashes: 1, leaves: true, ..pair } },
        Cast { name: "one who resumes and an operator", bounds: successors },
        Cast { name: "an operator, by a finer clock", bounds: Bounds { tick: FINE, ..operator } },
    ]
}

fn is_full() -> bool {
    #[expect(clippy::disallowed_methods, reason = "how much is checked is the tester's to choose")]
    std::env::var("TIDEGATE_STATES").is_ok_and(|states| states == "full")
}

/// Checks a cast to the end: the number of its states, and what was reached.
fn check(cast: &Cast) -> (usize, BTreeSet<&'static str>) {
    let name = cast.name;
    let until = HasDiscoveries::AnyFailures;
    let checker = Protocol::new(cast.bounds, None).checker().finish_when(until).threads(THREADS).spawn_bfs().join();
    let (states, steps, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    println!("{name}: {states} distinct states, {steps} steps, {depth} deep");
    let mut reached = BTreeSet::new();
    for (property, path) in checker.discoveries() {
        let is_failure = checker.model().property(property).expectation.discovery_is_failure();
        assert!(!is_failure, "{name}: not always true: {property}\n{:?}", path.into_actions());
        reached.insert(property);
    }
    (states, reached)
}

#[test]
fn the_protocol_holds_in_more_than_a_million_states() {
    let casts = if is_full() { [usual(), large()].concat() } else { usual() };
    let checked: Vec<_> = casts.iter().map(check).collect();
    let most = checked.iter().map(|(states, _)| *states).max().unwrap();
    assert!(most > 1_000_000, "the largest cast has {most} states");
    println!("{} distinct states in all", checked.iter().map(|(states, _)| states).sum::<usize>());
    let reached: BTreeSet<&str> = checked.into_iter().flat_map(|(_, reached)| reached).collect();
    let missed: Vec<&str> = properties::reached().iter().map(|it| it.name).filter(|it| !reached.contains(it)).collect();
    assert!(missed.is_empty(), "what never happens is not checked: {missed:?}");
}

/// A rule, a cast in which it is missed, and what then does not hold.
fn ablations() -> Vec<(Rule, Bounds, &'static str)> {
    let blind = Bounds { blind: true, ..ALONE };
    let operator = with(&[Who::Operator]);
    let resumer = with(&[Who::Resumer]);
    vec![
        (Rule::LeaseBeforeSending, operator, BACK_STAYS_BACK),
        (Rule::AgeBeforeSending, blind, PROMOTED_STAYS),
        (Rule::Quarantine, operator, BACK_STAYS_BACK),
        (Rule::JournalFence, operator, JOURNAL_DECIDES),
        (Rule::EpochAtRenewal, resumer, ONE_FORWARD),
        (Rule::LeaseRunsOut, resumer, ONE_FORWARD),
        (Rule::TakesWhatItWatched, resumer, ONE_FORWARD),
        (Rule::CommittingPhase, operator, PROMOTED_STAYS),
        (Rule::CommittedTag, blind, PROMOTED_STAYS),
        (Rule::SwitchQuiesced, ALONE, CAPACITY_UNDER_WRITES),
        (Rule::DrainBeforeCommit, blind, PROMOTED_STAYS),
        (Rule::LookBeforeCommit, blind, PROMOTED_STAYS),
        (Rule::LookBeforeBackEnds, operator, BACK_STAYS_BACK),
        (Rule::QuietBeforeStableDown, blind, CAPACITY_UNDER_WEIGHT),
        (Rule::QuietBeforeCandidateDown, operator, CAPACITY_UNDER_WEIGHT),
        (Rule::YoungLeaseToGoBack, resumer, PROMOTED_STAYS),
        (Rule::SwitchFarOff, ALONE, SWITCH_UNDER_WEIGHT),
        (Rule::SwitchUntilCommitting, ALONE, SWITCH_UNDER_WEIGHT),
        (Rule::BackForGood, with(&[Who::Operator, Who::Resumer]), JOURNAL_DECIDES),
        (Rule::ClocksWithinMargin, operator, BACK_STAYS_BACK),
    ]
}

/// The steps after which `broken` does not hold, in the model without the rule; none when it always does.
fn story(rule: Rule, bounds: Bounds, broken: &'static str) -> Option<Vec<Step>> {
    let until = HasDiscoveries::AnyOf(BTreeSet::from([broken]));
    let checker = Protocol::new(bounds, Some(rule)).checker().finish_when(until).spawn_bfs().join();
    let (model, path) = (checker.model(), checker.discovery(broken)?);
    let holds = model.property(broken).condition;
    // What is found may go on after it broke.
    Some(
        path.into_vec().into_iter().take_while(|(world, _)| holds(model, world)).filter_map(|(_, step)| step).collect(),
    )
}

#[test]
fn without_any_one_rule_something_breaks() {
    let mut idle = Vec::new();
    let more = (Rule::JournalFence, Bounds { strangers: 1, ..with(&[Who::Resumer]) }, ONE_END);
    for (rule, bounds, broken) in ablations().into_iter().chain(is_full().then_some(more)) {
        match story(rule, bounds, broken) {
            Some(steps) => println!("without {rule:?}: {} steps to break \"{broken}\": {steps:?}", steps.len()),
            None => idle.push(rule),
        }
    }
    assert!(idle.is_empty(), "nothing shows what these are for: {idle:?}");
}

#[test]
fn a_rollout_can_end_from_everywhere() {
    for Cast { name, bounds } in usual().into_iter().filter(|cast| is_full() || cast.bounds.crashes > 0) {
        let graph = Graph::of(&Protocol::new(bounds, None));
        let farthest = graph.farthest(bounds.comers);
        let ticks = farthest.unwrap_or_else(|world| panic!("{name}: no end can be reached from {world:#?}"));
        println!("{name}: an end lies within {ticks} ticks of each of {} states", graph.len());
        assert!(ticks <= FARTHEST, "{name}: an end can be {ticks} ticks away");
    }
}
