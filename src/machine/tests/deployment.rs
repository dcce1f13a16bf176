//! Where AWS moves the weights in a deployment of its own.

use super::*;
use crate::domain::driver::{EcsDeployment, Timetable};
use crate::lease::QUARANTINE;

const HALF: Share = match Share::from_permille(500) {
    Some(share) => share,
    None => Share::NONE,
};

/// AWS says that its deployment went back.
fn took_back(why: &str) -> Reason {
    Reason::Deployment(Box::new(DeploymentEnd { seen: EndSeen::Said(why.to_owned()), last_stop: None }))
}

/// A tenth, half, everything, as ECS would do it.
fn own() -> Plan {
    let actions = [
        Action::Secure,
        Action::Prepare(FULL),
        TENTH,
        HOLD,
        Action::Shift(HALF),
        HOLD,
        Action::Shift(Share::ALL),
        HOLD,
        Action::Commit,
        Action::Conclude,
        Action::Settle,
    ];
    let mut plan = plan(&actions);
    plan.steps[8].within = plan.limits.shift + plan.limits.drain;
    let timetable = Timetable::Linear { step: HALF, every: MINUTE };
    plan.driver = Driver::Ecs(EcsDeployment { timetable, pause: MINUTE * 30 });
    plan
}

fn waiting() -> DeploymentState {
    DeploymentState::Waiting { until: None }
}

/// A rollout whose deployment waits before the first share.
fn begun() -> Run {
    let mut run = Run::of(own());
    run.until_asked(is_scale);
    run.deployment = Some(waiting());
    run
}

fn carried(share: Share) -> impl Fn(&Notice) -> bool {
    move |notice| *notice == Notice::CarriedOn { share }
}

#[test]
fn a_deployment_that_waits_at_every_step_is_promoted_and_never_carried_on() {
    let mut run = begun();
    assert_eq!(run.end(), Outcome::Promoted);
    assert_eq!(run.share, Share::ALL);
    assert!(!run.is_told(|notice| matches!(notice, Notice::CarriedOn { .. })));
    // AWS takes the old tasks only once they are proven quiet.
    let at = |wanted: &Notice| run.notices.iter().position(|notice| notice == wanted).unwrap();
    assert!(at(&Notice::Quiet { role: Role::Stable }) < at(&Notice::Committed));
    assert!(!run.asked.iter().any(|effect| matches!(effect, Effect::Scale { role: Role::Stable, .. })));
}

#[test]
fn the_lease_and_the_rule_say_that_it_commits_before_aws_is_told_to_end() {
    let mut run = begun();
    run.end();
    let at = |wanted: &Effect| run.asked.iter().position(|effect| effect == wanted).unwrap();
    assert!(at(&Effect::IntendCommit) < at(&Effect::Conclude));
    assert!(at(&Effect::Mark(Beacon::Committed)) < at(&Effect::Conclude));
}

#[test]
fn a_share_that_aws_has_not_given_yet_is_no_foreign_write() {
    let mut run = begun();
    run.until_asked(is_route);
    run.go();
    assert_eq!(run.machine.progress().configured, Some(Share::NONE));
    run.until(|run| run.machine.progress().configured == Share::from_permille(100));
    assert!(run.now.since(START) >= MOVES_WITHIN);
    assert!(!run.is_told(|notice| matches!(notice, Notice::ForeignWrite { .. })));
}

#[test]
fn a_deployment_that_goes_on_by_itself_carries_the_plan_on_and_that_is_told() {
    let mut run = begun();
    run.until_step(3);
    (run.share, run.deployment) = (HALF, Some(DeploymentState::Moving));
    run.until_step(5);
    assert!(run.is_told(carried(HALF)));
    assert_eq!(run.machine.progress().configured, Some(HALF));
    assert!(!run.is_told(|notice| matches!(notice, Notice::ForeignWrite { .. })));
}

#[test]
fn a_share_of_no_step_is_looked_at_twice_and_then_somebody_elses() {
    let mut run = begun();
    run.until_step(3);
    run.share = Share::from_permille(300).unwrap();
    assert!(matches!(reason(run.end()), Reason::ForeignWrite { .. }));

    let mut run = begun();
    run.until_step(3);
    let tenth = std::mem::replace(&mut run.share, Share::from_permille(300).unwrap());
    run.until_asked(|effect| matches!(effect, Effect::Look(look) if look.deployment));
    run.go();
    run.share = tenth;
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_deployment_that_aws_took_back_is_explained_and_not_called_a_foreign_write() {
    let mut run = begun();
    run.until_step(5);
    (run.share, run.deployment) = (Share::NONE, Some(DeploymentState::Failed { why: "alarm web-5xx rang".into() }));
    assert_eq!(reason(run.end()), took_back("alarm web-5xx rang"));
    assert!(!run.is_told(|notice| matches!(notice, Notice::ForeignWrite { .. })));
}

#[test]
fn a_breach_tells_aws_to_go_back_until_the_rule_says_so() {
    let mut run = begun();
    run.until_step(5);
    run.errors = Some(40.0);
    assert!(matches!(reason(run.end()), Reason::Breach { .. }));
    assert_eq!(run.share, Share::NONE);
    let back: Vec<_> = run.routes().into_iter().filter(|share| *share == Share::NONE).collect();
    assert!(back.len() >= 2, "told once and not looked after: {back:?}");
    assert!(!run.is_told(|notice| matches!(notice, Notice::ForeignWrite { .. })));
}

#[test]
fn a_deployment_that_aws_ended_by_itself_is_committed() {
    let mut run = begun();
    run.until_step(5);
    (run.share, run.deployment) = (Share::ALL, Some(DeploymentState::Done));
    run.until(|run| run.machine.is_committed());
    assert!(run.is_told(carried(Share::ALL)));
    run.told(OperatorRequest::Rollback);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_deployment_that_aws_takes_back_after_it_was_told_to_end_is_rolled_back() {
    let mut run = begun();
    run.until_step(9);
    assert!(run.machine.is_committed());
    (run.share, run.deployment) = (Share::NONE, Some(DeploymentState::Failed { why: "alarm".into() }));
    assert_eq!(reason(run.end()), took_back("alarm"));
}

#[test]
fn an_end_that_nobody_knows_of_is_asked_for_again() {
    let mut run = begun();
    run.until_asked(|effect| *effect == Effect::Conclude);
    run.answer(Answer::Failed(fault(FaultKind::Unknown)));
    run.until_asked(|effect| *effect == Effect::Conclude);
    assert!(!run.machine.is_committed());
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_promotion_takes_the_shares_that_aws_gives_on_the_way_for_its_own() {
    let mut run = begun();
    run.until_step(3);
    run.told(OperatorRequest::Promote);
    run.until_asked(is_route);
    assert!(matches!(run.pending(), Some(Effect::Route(route)) if route.share == Share::ALL));
    run.go();
    run.moves = None;
    run.share = HALF;
    run.until(|run| run.machine.progress().configured == Some(HALF));
    assert!(!run.is_told(|notice| matches!(notice, Notice::ForeignWrite { .. })));
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_promotion_takes_them_for_its_own_too_while_a_person_keeps_it_paused() {
    let mut run = begun();
    run.until_step(3);
    run.told(OperatorRequest::Promote);
    run.until_asked(is_route);
    run.go();
    run.moves = None;
    run.told(OperatorRequest::Pause);
    run.pass(WRITE_LANDS_WITHIN * 2);
    run.share = HALF;
    run.until(|run| run.machine.progress().configured == Some(HALF));
    run.pass(MINUTE);
    assert!(!run.is_told(|notice| matches!(notice, Notice::ForeignWrite { .. })));
}

#[test]
fn a_deployment_that_has_given_nothing_yet_is_told_to_go_back_all_the_same() {
    let mut run = begun();
    run.until_asked(is_look);
    run.interrupted();
    let outcome = run.end();
    assert!(matches!(reason(outcome), Reason::Signal(_)));
    assert_eq!(run.routes(), [Share::NONE]);
}

#[test]
fn the_old_slot_is_proven_quiet_anew_once_somebody_gave_it_weight() {
    let mut plan = own();
    plan.policies.on_foreign_write = crate::spec::OnTrouble::Hold;
    let mut run = Run::of(plan);
    run.until_asked(is_scale);
    run.deployment = Some(waiting());
    run.until(|run| run.is_told(|notice| *notice == Notice::Quiet { role: Role::Stable }));
    run.answer(Answer::Failed(fault(FaultKind::Transient)));
    run.share = HALF;
    run.until(|run| run.is_told(|notice| matches!(notice, Notice::Paused { .. })));
    run.share = Share::ALL;
    run.shares.push((run.now, Share::ALL));
    let again = run.now;
    run.told(OperatorRequest::Continue);
    assert_eq!(run.end(), Outcome::Promoted);
    let quiet = run.notices.iter().filter(|notice| **notice == Notice::Quiet { role: Role::Stable }).count();
    assert_eq!(quiet, 2);
    assert!(run.now.since(again) >= crate::plan::QUIET_LEAST);
}

#[test]
fn aws_takes_the_old_tasks_on_minutes_that_are_published() {
    for late in [0, 2, 6] {
        let mut run = begun();
        run.late = MINUTE * late;
        run.until(|run| run.share == Share::ALL);
        let all = run.now;
        run.until_asked(|effect| *effect == Effect::Conclude);
        assert!(run.now.since(all) >= MINUTE * (late + 5), "{late} minutes late: {:?}", run.now.since(all));
    }
}

#[test]
fn aws_is_not_told_to_end_while_something_else_leads_to_the_old_slot() {
    for ends in [true, false] {
        let mut run = begun();
        run.until(|run| run.share == Share::ALL);
        run.entrances = vec!["rule 7 forwards to web-blue too".into()];
        run.until(|run| run.is_told(|notice| matches!(notice, Notice::Waiting { on: Awaited::OldSlotAlone { .. } })));
        if ends {
            run.entrances.clear();
            assert_eq!(run.end(), Outcome::Promoted);
        } else {
            assert!(matches!(reason(run.end()), Reason::TimeLimit { .. }));
            assert_eq!(run.share, Share::NONE);
        }
        assert_eq!(run.asked.contains(&Effect::Conclude), ends);
    }
}

#[test]
fn aws_is_not_told_to_go_on_before_the_candidate_matches_a_stable_slot_that_grew() {
    let mut run = begun();
    run.until(|run| run.share == tenth());
    run.stable = capacity(10, BEFORE);
    run.pass(MINUTE * 3);
    assert_eq!(run.share, tenth());
    run.candidate = capacity(10, RELEASE);
    assert_eq!(run.end(), Outcome::Promoted);
    assert!(!run.asked.iter().any(|effect| matches!(effect, Effect::Scale { count: 10, .. })));
}

#[test]
fn a_beacon_that_may_still_land_is_outlived_before_it_is_taken_off() {
    let mut run = begun();
    run.until_asked(|effect| *effect == Effect::Mark(Beacon::Committed));
    run.answer(Answer::Failed(fault(FaultKind::Unknown)));
    let answered = run.now;
    run.until_asked(|effect| *effect == Effect::Mark(Beacon::Absent));
    assert!(run.now.since(answered) >= WRITE_LANDS_WITHIN, "{:?}", run.now.since(answered));
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_deployment_that_failed_when_it_is_taken_over_is_not_over_while_other_hands_can_still_write() {
    let mut run = begun();
    run.until(|run| matches!(run.pending(), Some(Effect::Look(_))));
    run.recovered();
    let taken = run.now;
    run.deployment = Some(DeploymentState::Failed { why: "circuit breaker".into() });
    run.until(|run| run.machine.is_retreating());
    run.interrupted();
    assert!(matches!(reason(run.end()), Reason::Deployment(_)));
    assert!(run.now.since(taken) >= QUARANTINE, "{:?}", run.now.since(taken));
}

/// A rollout whose deployment is held by a hook of the service's own, with its tasks up.
fn held() -> Run {
    let mut run = Run::of(own());
    run.until_asked(is_scale);
    run.go();
    run.candidate = Capacity { settled: false, ..capacity(FULL, RELEASE) };
    (run.deployment, run.held_by) = (Some(DeploymentState::Moving), Some("ecs-pause-9".into()));
    run
}

#[test]
fn a_wait_at_somebody_elses_hook_is_named_and_takes_no_steps_time() {
    let mut run = held();
    run.pass(MINUTE * 40);
    let named = |notice: &Notice| {
        matches!(notice, Notice::Waiting { on: Awaited::Hook(wait) }
            if wait.stage == "PRE_PRODUCTION_TRAFFIC_SHIFT" && wait.hook == "ecs-pause-9")
    };
    assert_eq!(run.notices.iter().filter(|notice| named(notice)).count(), 1, "told once");
    (run.deployment, run.held_by, run.candidate.settled) = (Some(waiting()), None, true);
    assert_eq!(run.end(), Outcome::Promoted);
}

#[test]
fn a_hook_that_nobody_answers_ends_in_its_own_words() {
    let (hook, stage) = ("ecs-pause-9".to_owned(), "PRE_PRODUCTION_TRAFFIC_SHIFT".to_owned());
    let unanswered = Overdue::Hook { hook, stage, within: MINUTE * 60 };
    assert_eq!(reason(held().end()), Reason::TimeLimit(unanswered));
}
