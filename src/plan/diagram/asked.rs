//! What AWS is asked for where it moves the weights: its own words for the strategy, its times, its pauses.

use serde_json::{Value, json};

use super::super::Plan;
use crate::clock::span;
use crate::driver::{Driver, Timetable};

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
            fields["pause_seconds"] = super::json::seconds(asked.pause);
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
        fields["share_percent"] = super::json::percent(share);
        fields["every_seconds"] = super::json::seconds(every);
    }
    fields
}
