//! AWS is gone in the middle of a rollout.

use crate::support::{Lab, Place, Process, until};

#[test]
fn without_aws_a_rollout_goes_blind_and_ends_with_the_calls_that_a_person_makes() {
    let place = Place::new();
    let spec = place.spec("limits: { blind: 30s, retreat: 5m }\n");
    let lab = Lab::start(&place, &spec);
    let arguments = ["run", spec.to_str().expect("temporary paths are UTF-8"), "--yes"];
    let runner = Process::start(&mut lab.tidegate(&place, arguments));
    until("the candidate has a share", || runner.errors().contains("10% on the candidate").then_some(()));
    lab.end();
    let ended = runner.end();
    ended.ends(
        12,
        &["stranded", "the rule could not be read for too long", "aws elbv2 modify-rule", "--rule-arn arn:aws:"],
    );
    ended.ends(12, &["aws elbv2 describe-rules", "aws ecs update-service", r#""Weight":100"#]);
    place.run(["status"]).ends(0, &["stranded", "aws elbv2 modify-rule", "tidegate rollback web-"]);
}
