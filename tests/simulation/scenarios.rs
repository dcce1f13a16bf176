//! Rollouts that once mattered, by name.

use std::time::Duration;

use tidegate::domain::traffic::Share;
use tidegate::machine::{Notice, Outcome, Reason};

use super::die::Die;
use super::mishaps::{Candidate, Mishaps};
use super::plans::{canary, guarded};
use super::rollout::{Ended, run};

fn ended(mishaps: Mishaps) -> Ended {
    run(&canary(&[5.0, 50.0]), mishaps, &mut Die::new(1))
}

fn highest(ended: &Ended) -> Share {
    ended.world.shares.iter().map(|(_, share)| *share).max().expect("there is a first share")
}

#[test]
fn a_healthy_release_is_promoted() {
    let ended = ended(Mishaps::none(Candidate::Healthy));
    assert_eq!(ended.outcome, Outcome::Promoted);
    assert_eq!((ended.world.stable.desired, ended.world.candidate.desired), (0, 4));
}

#[test]
fn a_failing_release_goes_back_at_its_first_step() {
    let ended = ended(Mishaps::none(Candidate::Failing));
    let Outcome::RolledBack(Reason::Breach { gate, .. }) = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(gate, "errors");
    assert_eq!(highest(&ended), Share::from_percent(5.0).expect("a share"));
    assert_eq!(ended.world.candidate.desired, 0);
}

#[test]
fn tasks_that_never_get_healthy_get_no_request() {
    for candidate in [Candidate::NeverHealthy, Candidate::Crashing] {
        let ended = ended(Mishaps::none(candidate));
        assert!(matches!(&ended.outcome, Outcome::RolledBack(Reason::Breach { gate, .. }) if gate == "tasks"));
        assert_eq!(highest(&ended), Share::NONE);
    }
}

#[test]
fn a_candidate_that_loses_its_tasks_goes_back() {
    let ended = ended(Mishaps::none(Candidate::Sick));
    assert!(matches!(ended.outcome, Outcome::RolledBack(_) | Outcome::Promoted));
    assert_eq!(ended.world.requests_to_nobody, 0);
}

#[test]
fn a_write_that_lands_after_the_retreat_is_written_over() {
    for seed in 0..200 {
        let mishaps = Mishaps { write_late: 0.9, word: 0.05, ..Mishaps::none(Candidate::Healthy) };
        let ended = run(&canary(&[5.0, 50.0]), mishaps, &mut Die::new(seed));
        assert!(!matches!(ended.outcome, Outcome::Stranded { .. }), "seed {seed}: {:?}", ended.outcome);
    }
}

#[test]
fn old_reads_are_not_taken_for_foreign_writes() {
    for seed in 0..200 {
        let mishaps = Mishaps { read_is_stale: 0.3, ..Mishaps::none(Candidate::Healthy) };
        let ended = run(&canary(&[5.0, 50.0]), mishaps, &mut Die::new(seed));
        assert_eq!(ended.outcome, Outcome::Promoted, "seed {seed}");
    }
}

#[test]
fn traffic_is_back_within_fifteen_seconds_of_the_first_working_call() {
    for seed in 0..300 {
        let mishaps =
            Mishaps { write_refused: 0.1, latency: Duration::from_secs(1), ..Mishaps::none(Candidate::Failing) };
        let ended = run(&canary(&[5.0]), mishaps, &mut Die::new(seed));
        let took = ended.notices.iter().find_map(|notice| match notice {
            Notice::TrafficBack { took } => Some(*took),
            _ => None,
        });
        assert!(took.is_some_and(|took| took <= Duration::from_secs(15)), "seed {seed}: {took:?}");
    }
}

#[test]
fn a_runner_told_to_stop_leaves_no_write_that_could_land_behind_it() {
    for seed in 0..500 {
        let mishaps = Mishaps { write_late: 0.5, signal: 0.05, ..Mishaps::none(Candidate::Healthy) };
        let ended = run(&canary(&[5.0, 50.0]), mishaps, &mut Die::new(seed));
        assert!(
            matches!(ended.outcome, Outcome::Promoted | Outcome::RolledBack(_)),
            "seed {seed}: {:?}",
            ended.outcome
        );
    }
}

#[test]
fn credentials_that_end_hold_a_rollout_up_and_do_not_send_it_back() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    for seed in 0..200 {
        let ends = minutes(1 + seed % 15);
        let expired = Some((ends, ends + minutes(1 + seed / 5)));
        let mishaps = Mishaps { expired, read_fails: 0.05, write_refused: 0.1, ..Mishaps::none(Candidate::Healthy) };
        let ended = run(&canary(&[5.0, 50.0]), mishaps, &mut Die::new(seed));
        assert_eq!(ended.outcome, Outcome::Promoted, "seed {seed}");
    }
}

#[test]
fn no_weight_is_given_once_somebody_else_deployed_to_the_stable_slot() {
    let (mut seen, mut noticed) = (0, 0);
    for seed in 0..300 {
        let mishaps = Mishaps { deployments: 1, ..Mishaps::none(Candidate::Healthy) };
        let ended = run(&canary(&[5.0, 50.0]), mishaps, &mut Die::new(seed));
        let Some(deployed) = ended.world.deployed else { continue };
        let given: Vec<_> =
            ended.world.shares.iter().filter(|(at, share)| *at > deployed && *share > Share::NONE).collect();
        assert!(given.is_empty(), "seed {seed}: {given:?} after {deployed}");
        seen += 1;
        noticed += u32::from(matches!(ended.outcome, Outcome::RolledBack(Reason::ForeignWrite { .. })));
    }
    assert!(seen > 200 && noticed > seen / 2, "{noticed} noticed of {seen}");
}

#[test]
fn a_write_of_the_way_back_that_arrives_twice_arrives_before_the_end() {
    for seed in 0..300 {
        let mishaps = Mishaps { write_again: 0.7, signal: 0.03, ..Mishaps::none(Candidate::Failing) };
        let ended = run(&canary(&[5.0, 50.0]), mishaps, &mut Die::new(seed));
        assert!(matches!(ended.outcome, Outcome::RolledBack(_)), "seed {seed}: {:?}", ended.outcome);
    }
}

#[test]
fn a_runner_that_is_dead_for_long_loses_its_traffic_to_the_switch_and_goes_back() {
    let mut fired = 0;
    for seed in 0..300 {
        let mut die = Die::new(seed);
        let plan = guarded(canary(&[5.0, 50.0]), &mut die);
        let outage = Duration::from_secs(900);
        let mishaps = Mishaps { crash: 0.02, outage, ..Mishaps::none(Candidate::Healthy) };
        let ended = run(&plan, mishaps, &mut die);
        if ended.world.safeguard.gave_back {
            fired += 1;
            let reason = format!("{:?}", ended.outcome);
            assert!(matches!(ended.outcome, Outcome::RolledBack(Reason::DeadMan { .. })), "seed {seed}: {reason}");
        }
    }
    assert!(fired > 30, "the switch fired in {fired} of 300 rollouts");
}
