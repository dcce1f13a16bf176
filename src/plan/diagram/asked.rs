//! What AWS is asked for where it moves the weights: its own words for the strategy, its times, its pauses.

use serde_json::{Value, json};

use super::super::Plan;
use super::units::{percent, seconds};
use crate::domain::clock::span;
use crate::domain::driver::{Driver, Timetable};

/// Who moves the weights, and by what, in one sentence.
pub(super) fn sentence(plan: &Plan) -> String {
    let kind = plan.driver.kind();
    match &plan.driver {
        Driver::Pair => format!("{kind}: tidegate writes the rule, between two services"),
        Driver::TaskSets => format!("{kind}: tidegate writes the rule, between two task sets of one service"),
        Driver::Ecs(asked) => format!(
            "{kind}: ECS is asked for {} with a pause before every shift and one after the last, of {} each; tidegate \
             answers them",
            ecs_words(asked.timetable),
            span(asked.pause)
        ),
        Driver::CodeDeploy(asked) => format!(
            "{kind}: CodeDeploy ({}, group {}) is asked for {}; tidegate ends its waits, and stops it",
            asked.application,
            asked.group,
            code_deploy_words(asked.timetable)
        ),
    }
}

/// By `DeploymentStrategy` of the ECS API.
fn ecs_strategy(timetable: Timetable) -> &'static str {
    match timetable {
        Timetable::AllAtOnce => "BLUE_GREEN",
        Timetable::Canary { .. } => "CANARY",
        Timetable::Linear { .. } => "LINEAR",
    }
}

fn ecs_words(timetable: Timetable) -> String {
    let strategy = ecs_strategy(timetable);
    match timetable {
        Timetable::AllAtOnce => strategy.to_owned(),
        Timetable::Canary { first, every } => format!("{strategy}, {first} first, bake {}", span(every)),
        Timetable::Linear { step, every } => format!("{strategy}, steps of {step}, bake {}", span(every)),
    }
}

/// By `TrafficRoutingType` of the CodeDeploy API.
fn code_deploy_type(timetable: Timetable) -> &'static str {
    match timetable {
        Timetable::AllAtOnce => "AllAtOnce",
        Timetable::Canary { .. } => "TimeBasedCanary",
        Timetable::Linear { .. } => "TimeBasedLinear",
    }
}

fn code_deploy_words(timetable: Timetable) -> String {
    let kind = code_deploy_type(timetable);
    match timetable {
        Timetable::AllAtOnce => kind.to_owned(),
        Timetable::Canary { first, every } => format!("{kind}, {first} first, all after {}", span(every)),
        Timetable::Linear { step, every } => format!("{kind}, {step} every {}", span(every)),
    }
}

/// The same for programs.
pub(super) fn json(plan: &Plan) -> Value {
    let mut fields = json!({"kind": plan.driver.kind().word(), "mover": plan.driver.mover()});
    let timetable = match &plan.driver {
        Driver::Pair | Driver::TaskSets => return fields,
        Driver::Ecs(asked) => {
            fields["strategy"] = json!(ecs_strategy(asked.timetable));
            fields["pause_seconds"] = seconds(asked.pause);
            asked.timetable
        }
        Driver::CodeDeploy(asked) => {
            fields["strategy"] = json!(code_deploy_type(asked.timetable));
            fields["application"] = json!(asked.application);
            fields["group"] = json!(asked.group);
            asked.timetable
        }
    };
    if let Timetable::Canary { first: share, every } | Timetable::Linear { step: share, every } = timetable {
        fields["share_percent"] = percent(share);
        fields["every_seconds"] = seconds(every);
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::driver::{CodeDeployment, EcsDeployment};
    use crate::plan::diagram::{self, Page, sample};

    fn plans() -> [Plan; 2] {
        let every = Duration::from_secs(300);
        let timetable = Timetable::Canary { first: sample::share(5), every };
        let ecs = Driver::Ecs(EcsDeployment { timetable, pause: Duration::from_secs(1800) });
        let timetable = Timetable::Linear { step: sample::share(25), every };
        let (application, group) = ("shop".to_owned(), "web".to_owned());
        let code_deploy = Driver::CodeDeploy(CodeDeployment { application, group, timetable });
        [ecs, code_deploy].map(|driver| {
            let mut plan = Plan { driver, ..sample::plan() };
            plan.before.stickiness = Some(every);
            plan
        })
    }

    const ECS: &str = "
  driver     ecs: ECS is asked for CANARY, 5% first, bake 5m with a pause before
             every shift and one after the last, of 30m each; tidegate answers
             them

";
    const CODE_DEPLOY: &str = "
  driver     codedeploy: CodeDeploy (shop, group web) is asked for
             TimeBasedLinear, 25% every 5m; tidegate ends its waits, and stops
             it

";

    #[test]
    fn a_page_says_what_aws_is_asked_for_and_how_it_goes_back() {
        let [ecs, code_deploy] = plans().map(|plan| diagram::text(&plan, Page { width: 80, unicode: false }));
        assert!(ecs.contains(ECS), "{ecs}");
        assert!(code_deploy.contains(CODE_DEPLOY), "{code_deploy}");
        for (page, call) in [(&ecs, "StopServiceDeployment, ROLLBACK"), (&code_deploy, "StopDeployment with its")] {
            assert!(page.contains(call) && !page.contains("stickiness"), "{page}");
            assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        }
    }

    #[test]
    fn programs_and_pictures_are_told_it_too() {
        let [ecs, code_deploy] = plans();
        let expected = json!({
            "kind": "ecs", "mover": "ECS", "strategy": "CANARY", "pause_seconds": 1800, "share_percent": 5,
            "every_seconds": 300,
        });
        assert_eq!(diagram::json(&ecs)["driver"], expected);
        let expected = json!({
            "kind": "codedeploy", "mover": "CodeDeploy", "strategy": "TimeBasedLinear", "application": "shop",
            "group": "web", "share_percent": 25, "every_seconds": 300,
        });
        assert_eq!(diagram::json(&code_deploy)["driver"], expected);
        let picture = diagram::mermaid(&ecs);
        assert!(picture.contains("    note right of s1: ecs#58; ECS is asked for CANARY, 5% first"), "{picture}");
    }
}
