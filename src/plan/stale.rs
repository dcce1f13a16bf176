//! Says in words what has changed since a plan was reviewed, in everything that it was compiled from.

use std::fmt::Display;

use super::step::{Before, Plan};
use crate::domain::clock::span;
use crate::domain::fleet::{Place, Role, Target};
use crate::domain::name::{Arn, last_part};
use crate::domain::safeguard::Scaling;
use crate::gate::{Check, Gate};

/// The reviewed plan as it may be followed from now on: all as reviewed, but what stood before was read at this moment,
/// from which on deployments are told apart.
pub fn renewed(reviewed: &Plan, now: &Plan) -> Plan {
    let before = Before { at: now.before.at, ..reviewed.before.clone() };
    Plan { before, rules: now.rules, ..reviewed.clone() }
}

/// What would be another plan if it were made now; empty when it is the same. What a gate learned of the past may
/// differ: the plan keeps what it had learned.
pub fn changes(reviewed: &Plan, now: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    // Taken apart, so that nothing is added to a plan without deciding whether it binds.
    let Plan {
        name,
        driver,
        target,
        before,
        release,
        // What is released is known by its name or fingerprint.
        images: _,
        steps,
        gates,
        policies,
        limits,
        dead_man,
        writer_role,
        notify,
        // The same text, worked out from a later moment on.
        windows: _,
        undoes: _,
        // What was not begun is judged as this build judges.
        rules: _,
        warnings: _,
    } = reviewed;
    found.extend(targets(target, &now.target));
    if target.stable == now.target.stable && target.candidate == now.target.candidate {
        found.extend(stood(before, &now.before, &now.target));
    }
    if *release != now.release {
        found.push(format!("the release is not the one that was reviewed: {} then", released(reviewed)));
    }
    let parts = [
        ("the name", *name != now.name),
        ("the driver, or what it asks AWS for", *driver != now.driver),
        ("the policies", *policies != now.policies),
        ("the limits", *limits != now.limits),
        ("the dead-man's switch", *dead_man != now.dead_man),
        ("the writer's role", *writer_role != now.writer_role),
        ("who else is told", *notify != now.notify),
    ];
    found.extend(parts.iter().filter(|(_, differs)| *differs).map(|(what, _)| format!("{what} would be another")));
    if *steps != now.steps {
        let differs = steps.iter().zip(&now.steps).position(|(then, now)| then != now);
        let at = differs.unwrap_or(steps.len().min(now.steps.len()));
        let title = |plan: &Plan| plan.steps.get(at).map_or("nothing".to_owned(), |step| step.title(&plan.gates));
        found.push(changed(&format!("step {}", at + 1), &title(reviewed), &title(now)));
    }
    let named = |gates: &[Gate]| gates.iter().map(unlearned).collect::<Vec<_>>();
    if named(gates) != named(&now.gates) {
        found.push("the gates would be others".to_owned());
    }
    found
}

fn changed(what: &str, then: &(impl Display + ?Sized), now: &(impl Display + ?Sized)) -> String {
    format!("{what}: then {then}, now {now}")
}

fn released(plan: &Plan) -> String {
    match &plan.release {
        super::ReleasePlan::Registered(arn) => last_part(arn).to_owned(),
        super::ReleasePlan::Register { source, digest } => {
            format!("{source}, fingerprint {}", digest.get(..12).unwrap_or(digest))
        }
    }
}

/// A gate without what it learned.
fn unlearned(gate: &Gate) -> Gate {
    let mut gate = gate.clone();
    if let Check::Compare(rule) = &mut gate.check {
        rule.baseline = crate::gate::compare::Baseline::default();
    }
    gate
}

fn targets(then: &Target, now: &Target) -> Vec<String> {
    let Target { region, account, cluster, rule, load_balancer_dimension, dns_name, stable, candidate } = then;
    let mut found = Vec::new();
    let mut check = |what: &str, then: &str, now: &str| {
        if then != now {
            found.push(changed(what, then, now));
        }
    };
    check("the region", region, &now.region);
    check("the account", account, &now.account);
    check("the cluster", cluster, &now.cluster);
    check("the rule", rule, &now.rule);
    check("the load balancer", load_balancer_dimension, &now.load_balancer_dimension);
    check("the load balancer's address", dns_name, &now.dns_name);
    for (role, then, now) in [(Role::Stable, stable, &now.stable), (Role::Candidate, candidate, &now.candidate)] {
        if then != now {
            found.push(changed(&format!("the {role} slot"), &slot(then), &slot(now)));
        }
    }
    found
}

fn slot(place: &Place) -> String {
    let Place { slot, service, target_group_name, .. } = place;
    format!("{slot} ({service}, target group {target_group_name})")
}

fn stood(then: &Before, now: &Before, target: &Target) -> Vec<String> {
    let Before {
        at: _,
        weights,
        stickiness,
        sticky_groups,
        priority: _,
        shape,
        actions_json: _,
        stable_desired,
        candidate_desired,
        stable_task_definition,
        candidate_task_definition,
        scaling,
        test_rules: _,
        deployment_configuration,
    } = then;
    let mut found = Vec::new();
    if *weights != now.weights {
        found.push(changed("the rule's weights", &weighed(weights), &weighed(&now.weights)));
    }
    let sticky = |for_: Option<std::time::Duration>| for_.map_or("off".to_owned(), span);
    if *stickiness != now.stickiness {
        found.push(changed("the rule's stickiness", &sticky(*stickiness), &sticky(now.stickiness)));
    } else if *shape != now.shape {
        found.push("the rule's actions changed beside the weights".to_owned());
    }
    if *sticky_groups != now.sticky_groups {
        found.push("a target group of the rule became sticky itself, or is so no longer".to_owned());
    }
    let services = [
        (
            &target.stable.service,
            *stable_desired,
            now.stable_desired,
            stable_task_definition,
            &now.stable_task_definition,
        ),
        (
            &target.candidate.service,
            *candidate_desired,
            now.candidate_desired,
            candidate_task_definition,
            &now.candidate_task_definition,
        ),
    ];
    for (service, tasks, tasks_now, runs, runs_now) in services {
        if runs != runs_now {
            found.push(changed(&format!("the task definition of {service}"), last_part(runs), last_part(runs_now)));
        }
        if tasks != tasks_now {
            found.push(changed(&format!("the number of tasks of {service}"), &tasks, &tasks_now));
        }
    }
    if *deployment_configuration != now.deployment_configuration {
        let service = &target.stable.service;
        found.push(format!("how ECS deploys {service}: its `deploymentConfiguration` changed"));
    }
    if *scaling != now.scaling {
        found.push(changed("autoscaling", &scaled(scaling), &scaled(&now.scaling)));
    }
    found
}

fn weighed(weights: &[(String, u16)]) -> String {
    let name = |arn: &str| Arn::parse(arn).and_then(|arn| arn.resource.split('/').nth(1)).unwrap_or(arn).to_owned();
    let said: Vec<String> = weights.iter().map(|(arn, weight)| format!("{} {weight}", name(arn))).collect();
    said.join(", ")
}

fn scaled(scaling: &[(Role, Scaling)]) -> String {
    let one = |(role, scaling): &(Role, Scaling)| {
        let held =
            if scaling.no_scale_in || scaling.no_scale_out || scaling.no_schedule { ", suspended in part" } else { "" };
        format!("{role} {} to {}{held}", scaling.min, scaling.max)
    };
    match scaling {
        [] => "none".to_owned(),
        scaling => scaling.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::diagram::sample::secured as plan;

    /// What is told of a plan after `change`.
    fn told(change: impl FnOnce(&mut Plan)) -> Vec<String> {
        let mut now = plan();
        change(&mut now);
        changes(&plan(), &now)
    }

    #[test]
    fn a_plan_that_would_be_the_same_has_not_changed() {
        let later = |plan: &mut Plan| {
            plan.before.at = plan.before.at + std::time::Duration::from_secs(60);
            plan.warnings.push("the stable slot is slow today".to_owned());
        };
        assert!(told(later).is_empty());
    }

    #[test]
    fn every_part_that_binds_is_named_with_then_and_now() {
        let check = |change: &dyn Fn(&mut Plan), said: &str| {
            let found = told(change);
            assert!(found.len() == 1 && found[0].contains(said), "{said}: {found:?}");
        };
        check(&|plan| plan.target.account = "1".into(), "the account: then 123456789012, now 1");
        check(&|plan| plan.target.region = "eu-north-1".into(), "now eu-north-1");
        check(
            &|plan| plan.before.weights[0].1 = 7,
            "the rule's weights: then web-blue 100, web-green 0, now web-blue 7",
        );
        check(&|plan| plan.before.shape = "other".into(), "the rule's actions changed beside the weights");
        check(&|plan| plan.before.stable_desired = 9, "the number of tasks of web-blue: then 4, now 9");
        check(
            &|plan| plan.before.stable_task_definition = "a/web:9".into(),
            "the task definition of web-blue: then web:41, now web:9",
        );
        check(&|plan| plan.before.scaling.clear(), "now none");
        check(&|plan| plan.release = super::super::ReleasePlan::Registered("x".into()), "the release is not the one");
        check(
            &|plan| plan.steps[4].action = crate::plan::Action::Commit,
            "step 5: then shift 25% to the candidate, now commit",
        );
        check(&|plan| plan.gates.truncate(1), "the gates would be others");
        check(&|plan| plan.dead_man = None, "the dead-man's switch would be another");
        check(&|plan| plan.limits.retreat *= 2, "the limits would be another");
    }

    #[test]
    fn a_reviewed_plan_keeps_all_but_the_moment_it_starts_from() {
        let mut now = plan();
        now.before.at = now.before.at + std::time::Duration::from_secs(60);
        now.warnings.push("new".to_owned());
        let renewed = renewed(&plan(), &now);
        assert_eq!(renewed.before.at, now.before.at);
        assert_eq!(Plan { before: plan().before, ..renewed }, plan());
    }
}
