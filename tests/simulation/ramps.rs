//! Rollouts on a budget of harm: what they do to a good release, to a bad one, and to a killed runner.

use std::time::Duration;

use tidegate::domain::traffic::Share;
use tidegate::gate::Check;
use tidegate::gate::Outcome as GateOutcome;
use tidegate::gate::compare::Unproven;
use tidegate::machine::{Notice, Outcome, Reason};
use tidegate::plan::{Action, Plan};

use super::die::Die;
use super::mishaps::{Candidate, Mishaps};
use super::plans::ramp;
use super::rollout::{Ended, run};
use super::traffic::harmed;

/// The place of the ramp among the plan's steps.
const RAMP: usize = 2;

fn ended(plan: &Plan, candidate: Candidate) -> Ended {
    run(plan, Mishaps::none(candidate), &mut Die::new(1))
}

fn ramp_took(ended: &Ended) -> Duration {
    let took = |notice: &Notice| match notice {
        Notice::StepPassed { step: RAMP, took, .. } => Some(*took),
        _ => None,
    };
    ended.notices.iter().find_map(took).expect("the ramp passed")
}

#[test]
fn a_good_release_is_promoted_in_rising_shares() {
    for (rate, within) in [(20.0, 29), (200.0, 15), (2000.0, 15)] {
        let plan = ramp(rate);
        assert!(matches!(plan.steps[RAMP].action, Action::Ramp { .. }));
        let ended = ended(&plan, Candidate::Healthy);
        assert_eq!(ended.outcome, Outcome::Promoted, "{rate}");
        let shares: Vec<Share> = ended.world.shares.iter().map(|(_, share)| *share).collect();
        assert!(shares.is_sorted(), "{shares:?}");
        assert_eq!(shares.last(), Some(&Share::ALL));
        let took = ramp_took(&ended);
        println!("{rate} requests a second: the ramp took {took:?} in {} shares", shares.len() - 3);
        assert!(took < Duration::from_secs(within * 60), "{took:?}");
    }
}

#[test]
fn a_failing_release_harms_no_more_than_the_budget_allows() {
    for rate in [2.0, 20.0, 200.0, 2000.0] {
        let ended = ended(&ramp(rate), Candidate::Failing);
        let Outcome::RolledBack(Reason::Breach { gate, evidence, .. }) = &ended.outcome else {
            panic!("{:?}", ended.outcome)
        };
        assert_eq!(gate, "compare");
        let harm = harmed(&ended.world);
        println!("{rate} requests a second: {harm:.0} harmed: {}", tidegate::report::evidence(evidence));
        assert!(harm < 125.0, "{rate}: {harm} harmed");
    }
}

#[test]
fn what_cannot_be_proven_in_time_passes_or_goes_back_as_the_spec_says() {
    let mut plan = ramp(0.5);
    let passed = ended(&plan, Candidate::Healthy);
    assert_eq!(passed.outcome, Outcome::Promoted);
    let took = ramp_took(&passed);
    assert!(took > Duration::from_secs(28 * 60) && took <= Duration::from_secs(30 * 60), "{took:?}");
    if let Check::Compare(rule) = &mut plan.gates[0].check {
        rule.unproven = Unproven::Fail;
    }
    let Outcome::RolledBack(Reason::Breach { gate, outcome, .. }) = ended(&plan, Candidate::Healthy).outcome else {
        panic!("it passed");
    };
    assert_eq!((gate.as_str(), outcome), ("compare", GateOutcome::Inconclusive));
}

#[test]
fn runners_that_die_and_answers_that_are_lost_change_no_ramps_end() {
    for seed in 0..30 {
        let lost = Mishaps { answer_lost: 0.2, write_late: 0.2, crash: 0.02, ..Mishaps::none(Candidate::Healthy) };
        let outage = Duration::from_secs(20);
        let good = run(&ramp(200.0), Mishaps { outage, ..lost.clone() }, &mut Die::new(seed));
        assert_eq!(good.outcome, Outcome::Promoted, "seed {seed}");
        let bad = Mishaps { outage, candidate: Candidate::Failing, ..lost };
        let bad = run(&ramp(200.0), bad, &mut Die::new(seed));
        assert!(matches!(bad.outcome, Outcome::RolledBack(_)), "seed {seed}: {:?}", bad.outcome);
    }
}

#[test]
fn a_ramp_without_trouble_ends_within_its_plans_bound() {
    for (rate, candidate) in [(0.5, Candidate::Healthy), (20.0, Candidate::Sick), (2000.0, Candidate::Healthy)] {
        let plan = ramp(rate);
        let ended = ended(&plan, candidate);
        let (first, last) = (ended.recorded.first().expect("it began").0, ended.recorded.last().expect("it ended").0);
        assert!(last.since(first) <= plan.duration().1 + plan.limits.retreat, "{rate}");
    }
}

#[test]
fn a_ramps_journal_stays_small() {
    let ended = ended(&ramp(20.0), Candidate::Healthy);
    let bins = ended.recorded.iter().map(|(_, event)| format!("{event:?}").matches("Bin {").count());
    let most = bins.max().expect("there are events");
    assert!(most <= 12, "{most} bins in one look");
}
