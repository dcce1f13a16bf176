//! A rule that is not what it was: somebody added to it, made it anew, or deleted it.

use super::*;

fn told_back() -> Run {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.pass(Duration::from_secs(30));
    run.told(OperatorRequest::Rollback);
    run
}

fn differs(run: &Run) -> Vec<Option<&str>> {
    let notices = run.notices.iter();
    notices
        .filter_map(
            |notice| if let Notice::RuleDiffers { instead, .. } = notice { Some(instead.as_deref()) } else { None },
        )
        .collect()
}

/// Somebody deletes the rule and makes one with the same place and priority.
fn made_anew(run: &mut Run, share: Share) {
    (run.instead, run.shape, run.share) = (Some("arn:rule/new".into()), "ours of arn:rule/new", share);
    run.shares.push((run.now, share));
}

#[test]
fn what_somebody_added_to_the_rule_is_told_when_the_traffic_is_back() {
    let mut run = told_back();
    run.shape = "with a login";
    assert!(matches!(run.end(), Outcome::RolledBack(_)));
    assert_eq!(differs(&run), [None]);
    let mut run = told_back();
    run.end();
    assert_eq!(differs(&run), []);
}

#[test]
fn a_rule_made_anew_that_gives_the_candidate_nothing_has_the_traffic_back_and_is_never_written() {
    for late in [false, true] {
        let mut run = told_back();
        if late {
            run.until_asked(is_route);
        }
        made_anew(&mut run, Share::NONE);
        let routes = run.routes().len();
        assert!(matches!(run.end(), Outcome::RolledBack(_)));
        assert_eq!((run.routes().len(), differs(&run)), (routes, vec![Some("arn:rule/new")]));
        assert_eq!(run.candidate, capacity(1, BEFORE), "what comes after the traffic is done all the same");
    }
}

#[test]
fn a_rule_made_anew_that_gives_the_candidate_weight_is_left_to_a_person_at_once() {
    for late in [false, true] {
        let mut run = told_back();
        if late {
            run.until_asked(is_route);
        }
        let decided = run.now;
        made_anew(&mut run, tenth());
        let routes = run.routes().len();
        let why = stranded(run.end());
        assert_eq!(why, Stranding::Replaced { by: "arn:rule/new".into(), found: "green 10%".into() });
        assert!(run.now.since(decided) < Duration::from_secs(5) && run.routes().len() == routes, "{:?}", run.now);
    }
}

#[test]
fn a_deleted_rule_is_left_to_a_person_at_once_whatever_its_targets_say() {
    let mut run = told_back();
    run.rule_fault = Some(Fault::new(FaultKind::Missing, "DescribeRules", "the listener has none with priority 10"));
    run.stable.healthy = 0;
    let decided = run.now;
    let why = stranded(run.end());
    assert!(matches!(why, Stranding::Refused(_)), "{why:?}");
    assert!(run.now.since(decided) < Duration::from_secs(5));
}

#[test]
fn a_rule_deleted_right_before_the_write_is_left_to_a_person_at_once() {
    let mut run = told_back();
    run.until_asked(is_route);
    run.answer(Answer::Failed(Fault::new(FaultKind::Missing, "ModifyRule", "it is not there")));
    stranded(run.machine.outcome().cloned().expect("it is over"));
}

#[test]
fn a_rule_made_anew_on_the_way_forward_ends_it() {
    let mut run = Run::of(canary());
    run.until_step(2);
    made_anew(&mut run, Share::NONE);
    assert!(matches!(reason(run.end()), Reason::ForeignWrite { .. }));
    assert_eq!(run.routes(), [tenth()]);
}

#[test]
fn a_rollback_of_what_was_stranded_while_it_was_tidied_takes_the_traffic_back() {
    let mut run = Run::of(canary());
    run.until_step(2);
    run.interrupted();
    run.end();
    assert!(run.machine.has_left());
    made_anew(&mut run, tenth());
    run.recovered();
    stranded(run.end());
    (run.instead, run.shape) = (None, "ours");
    run.told(OperatorRequest::Rollback);
    assert!(matches!(run.end(), Outcome::RolledBack(_)));
    assert_eq!(run.share, Share::NONE);
}
