//! The exact AWS calls a person makes when a rollout could not finish by itself.

use std::fmt::Write as _;

use crate::domain::driver::{CodeDeployment, Driver};
use crate::domain::fleet::Role;
use crate::domain::safeguard::{BACK_TAGS, BEACON_TAGS};
use crate::domain::text::{columns, escape, escape_json};
use crate::plan::{Action, Plan};

/// One call with the reason for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// What it does, in a few words.
    pub(super) does: String,
    /// The command's words; those that need it are quoted for a POSIX shell.
    pub(super) words: Vec<String>,
}

impl Call {
    /// The command on one line.
    pub(super) fn one_line(&self) -> String {
        self.words.join(" ")
    }

    /// The command over several lines that are pasted as one, an option and its value never apart. A line can be
    /// wider than the terminal: a command that was cut in the wrong place could not be pasted.
    pub(super) fn lines(&self, indent: usize, width: usize) -> String {
        let first = self.words.iter().position(|word| word.starts_with("--")).unwrap_or(self.words.len());
        let (command, options) = self.words.split_at(first);
        let mut text = " ".repeat(indent) + &command.join(" ");
        let mut used = columns(&text);
        for option in options.chunks(2).map(|option| option.join(" ")) {
            if used + columns(&option) + 3 > width {
                let _ = write!(text, " \\\n{}", " ".repeat(indent + 1));
                used = indent + 1;
            }
            used += 1 + columns(&option);
            let _ = write!(text, " {option}");
        }
        text + "\n"
    }
}

/// The calls, in order: make sure that the stable slot can take the traffic, give it the traffic, clear up. Once
/// `committed`, the traffic belongs to the candidate and nothing here moves it.
pub(super) fn calls(plan: &Plan, id: &str, committed: bool) -> Vec<Call> {
    let target = &plan.target;
    let look = call(plan, "see who gets the traffic", "elbv2 describe-rules", &["--rule-arns", &target.rule]);
    if committed {
        return [vec![look], settled(plan)].concat();
    }
    let health = call(
        plan,
        "see whether the stable slot has healthy targets",
        "elbv2 describe-target-health",
        &["--target-group-arn", &target.stable.target_group],
    );
    let back = back(plan);
    let revive = restore(plan, Role::Stable, "only if it has none: give it its tasks, and wait until they are healthy");
    // A single service has no tasks of the candidate's alone that a count could take.
    let clear = (plan.target.stable.service != plan.target.candidate.service).then(|| {
        restore(plan, Role::Candidate, "once the candidate slot has had no requests for some minutes, set it back")
    });
    // A switch that fires later would turn stickiness off again.
    let disarm = plan.dead_man.as_ref().map(|switch| {
        let words = ["--group-name", &switch.group, "--name", id];
        call(plan, "remove the dead-man's switch, if it is still there", "scheduler delete-schedule", &words)
    });
    // What AWS does by itself would write other weights after those.
    let stop = match &plan.driver {
        Driver::Ecs(_) => Some(stop_deployment(plan)),
        Driver::CodeDeploy(asked) => Some(stop_codedeploy(plan, asked)),
        Driver::Pair | Driver::TaskSets => None,
    };
    let clear = clear.or_else(|| matches!(plan.driver, Driver::TaskSets).then(|| delete_set(plan)));
    let (first, after) = (stop.into_iter().collect(), disarm.into_iter().chain(clear).collect());
    [first, vec![health, revive, back, look], after, settled(plan)].concat()
}

/// Makes ECS take its deployment back, whichever is under way.
fn stop_deployment(plan: &Plan) -> Call {
    let (cluster, service) = (&plan.target.cluster, &plan.target.stable.service);
    let words = ["--cluster", cluster, "--service", service, "--status", "PENDING", "IN_PROGRESS"];
    let list = call(plan, "", "ecs list-service-deployments", &words).one_line();
    let arn = format!("\"$({list} --query 'serviceDeployments[0].serviceDeploymentArn' --output text)\"");
    let mut stop = call(
        plan,
        "make ECS take its deployment back, and wait until it has; what follows is for where it cannot",
        "ecs stop-service-deployment",
        &["--stop-type", "ROLLBACK", "--service-deployment-arn"],
    );
    stop.words.push(arn);
    stop
}

/// Gives all traffic to the stable slot, as the rule stood before the rollout.
pub(super) fn back(plan: &Plan) -> Call {
    rule_as_before(plan, "give all traffic to the stable slot, as the rule stood before")
}

/// Turns stickiness on again, once all traffic is on the stable slot.
pub(super) fn stick(plan: &Plan) -> Call {
    rule_as_before(plan, "turn stickiness on again: this writes the rule's whole action as it stood before the rollout")
}

fn rule_as_before(plan: &Plan, does: &str) -> Call {
    let actions = escape_json(&plan.before.actions_json);
    call(plan, does, "elbv2 modify-rule", &["--rule-arn", &plan.target.rule, "--actions", &actions])
}

/// Makes CodeDeploy take its deployment back, whichever its group has on its way.
fn stop_codedeploy(plan: &Plan, asked: &CodeDeployment) -> Call {
    let words = ["--application-name", &asked.application, "--deployment-group-name", &asked.group];
    let on_its_way = ["--include-only-statuses", "Created", "Queued", "InProgress", "Ready"];
    let list = call(plan, "", "deploy list-deployments", &[&words[..], &on_its_way[..]].concat()).one_line();
    let id = format!("\"$({list} --query 'deployments[0]' --output text)\"");
    let mut stop = call(
        plan,
        "make CodeDeploy take its deployment back, and wait until it has; what follows is for where it cannot",
        "deploy stop-deployment",
        &["--deployment-id"],
    );
    stop.words.extend([id, "--auto-rollback-enabled".to_owned()]);
    stop
}

/// Deletes the task set behind the candidate's target group, which is not the primary one before the commit.
fn delete_set(plan: &Plan) -> Call {
    let (cluster, service) = (&plan.target.cluster, &plan.target.candidate.service);
    let of = ["--cluster", cluster, "--service", service];
    let list = call(plan, "", "ecs describe-task-sets", &of).one_line();
    let group = &plan.target.candidate.target_group;
    let query = format!("taskSets[?loadBalancers[0].targetGroupArn==`{group}`]|[0].id");
    let id = format!("\"$({list} --query '{query}' --output text)\"");
    let mut delete = call(
        plan,
        "once the candidate slot has had no requests for some minutes, delete its task set",
        "ecs delete-task-set",
        &[&of[..], &["--task-set"]].concat(),
    );
    delete.words.extend([id, "--force".to_owned()]);
    delete
}

/// Sets back what the rollout set up beside the traffic.
fn settled(plan: &Plan) -> Vec<Call> {
    if !plan.steps.iter().any(|step| step.action == Action::Secure) {
        return Vec::new();
    }
    let target = &plan.target;
    let free = plan.before.scaling.iter().map(|(role, scaling)| {
        let resource = format!("service/{}/{}", target.cluster, target.place(*role).service);
        let (min, max) = (scaling.min.to_string(), scaling.max.to_string());
        let suspended = format!(
            "DynamicScalingInSuspended={},DynamicScalingOutSuspended={},ScheduledScalingSuspended={}",
            scaling.no_scale_in, scaling.no_scale_out, scaling.no_schedule
        );
        let mut words = vec!["--service-namespace", "ecs", "--resource-id", &resource];
        words.extend(["--scalable-dimension", "ecs:service:DesiredCount", "--min-capacity", &min]);
        words.extend(["--max-capacity", &max, "--suspended-state", &suspended]);
        let does = format!("set autoscaling of the {role} slot back");
        call(plan, &does, "application-autoscaling register-scalable-target", &words)
    });
    let mut words = vec!["--resource-arns", &target.rule, "--tag-keys"];
    words.extend(BEACON_TAGS);
    words.extend(BACK_TAGS);
    let untag = call(plan, "take the rollout's tags off the rule", "elbv2 remove-tags", &words);
    free.chain([untag]).collect()
}

/// Gives a slot the tasks it had before.
fn restore(plan: &Plan, role: Role, does: &str) -> Call {
    let before = &plan.before;
    let count = match role {
        Role::Stable => before.stable_desired,
        Role::Candidate => before.candidate_desired,
    };
    let count = count.to_string();
    let service = &plan.target.place(role).service;
    // A count alone: a task definition may be deregistered by now, and would begin a deployment where ECS moves the weights.
    let words = ["--cluster", &plan.target.cluster, "--service", service, "--desired-count", &count];
    call(plan, does, "ecs update-service", &words)
}

fn call(plan: &Plan, does: &str, operation: &str, arguments: &[&str]) -> Call {
    let mut words: Vec<String> = ["aws"].into_iter().chain(operation.split(' ')).map(str::to_owned).collect();
    words.extend(["--region".to_owned(), quote(&plan.target.region)]);
    words.extend(arguments.iter().map(|word| quote(word)));
    Call { does: does.to_owned(), words }
}

/// Quotes a word for a POSIX shell, when it needs it. Characters that cannot be seen are shown instead: no name
/// in AWS holds any, and what cannot be seen must not be pasted.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", escape(word).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::driver::{EcsDeployment, Timetable};

    #[test]
    fn words_are_quoted_for_a_shell() {
        let check = |word, quoted| assert_eq!(quote(word), quoted);
        check("arn:aws:elb:eu-west-1:1:rule/app", "arn:aws:elb:eu-west-1:1:rule/app");
        check("", "''");
        check("a b", "'a b'");
        check("$(rm -rf /)", "'$(rm -rf /)'");
        check("it's", r"'it'\''s'");
        check("a\u{1b}b", "'a<U+001B>b'");
    }

    #[test]
    fn what_kept_the_way_back_open_is_taken_down_by_hand() {
        let plan = crate::plan::diagram::sample::secured();
        let commands: Vec<String> = calls(&plan, "web-1", false).iter().map(Call::one_line).collect();
        let at = |what: &str| commands.iter().position(|command| command.contains(what)).unwrap();
        let (back, disarm) = (at("modify-rule"), at("delete-schedule"));
        assert!(back < disarm, "traffic comes first: {commands:?}");
        assert!(commands[disarm].ends_with("--group-name default --name web-1"), "{}", commands[disarm]);
        let free = &commands[at("register-scalable-target")];
        let scaling = "--resource-id service/prod/web-blue --scalable-dimension ecs:service:DesiredCount \
                       --min-capacity 2 --max-capacity 9 --suspended-state DynamicScalingInSuspended=false,\
                       DynamicScalingOutSuspended=true,ScheduledScalingSuspended=false";
        assert!(free.ends_with(scaling), "{free}");
        let last = commands.last().unwrap();
        assert!(last.contains("remove-tags") && last.ends_with("tidegate:phase tidegate:by tidegate:reason"), "{last}");
        let after: Vec<String> = calls(&plan, "web-1", true).iter().map(Call::one_line).collect();
        assert_eq!((after.len(), &after[1..]), (3, &commands[commands.len() - 2..]));
    }

    #[test]
    fn ecs_is_made_to_take_its_deployment_back_before_the_rule_is_written() {
        let mut plan = crate::plan::diagram::sample::secured();
        let pause = std::time::Duration::from_secs(1800);
        plan.driver = Driver::Ecs(EcsDeployment { timetable: Timetable::AllAtOnce, pause });
        plan.target.candidate.service = plan.target.stable.service.clone();
        let commands: Vec<String> = calls(&plan, "web-1", false).iter().map(Call::one_line).collect();
        assert_eq!(
            commands[0],
            "aws ecs stop-service-deployment --region eu-west-1 --stop-type ROLLBACK --service-deployment-arn \
             \"$(aws ecs list-service-deployments --region eu-west-1 --cluster prod --service web-blue --status PENDING \
             IN_PROGRESS --query 'serviceDeployments[0].serviceDeploymentArn' --output text)\""
        );
        let taken = |command: &&String| command.contains("update-service");
        let scaled: Vec<&String> = commands.iter().filter(taken).collect();
        assert!(scaled.iter().all(|command| !command.contains("task-definition")), "{scaled:?}");
        assert_eq!(scaled.len(), 1, "a count of nothing is for no service that serves: {scaled:?}");
    }

    #[test]
    fn codedeploy_is_made_to_take_its_deployment_back_and_a_task_set_is_deleted_last() {
        let mut plan = crate::plan::diagram::sample::secured();
        plan.target.candidate.service = plan.target.stable.service.clone();
        let asked = CodeDeployment { application: "app".into(), group: "dgp".into(), timetable: Timetable::AllAtOnce };
        plan.driver = Driver::CodeDeploy(asked);
        let commands: Vec<String> = calls(&plan, "web-1", false).iter().map(Call::one_line).collect();
        assert_eq!(
            commands[0],
            "aws deploy stop-deployment --region eu-west-1 --deployment-id \"$(aws deploy list-deployments --region \
             eu-west-1 --application-name app --deployment-group-name dgp --include-only-statuses Created Queued \
             InProgress Ready --query 'deployments[0]' --output text)\" --auto-rollback-enabled"
        );
        plan.driver = Driver::TaskSets;
        let commands: Vec<String> = calls(&plan, "web-1", false).iter().map(Call::one_line).collect();
        let at = |what: &str| commands.iter().position(|command| command.contains(what)).unwrap();
        assert!(at("modify-rule") < at("delete-task-set"), "{commands:?}");
        let delete = &commands[at("delete-task-set")];
        assert!(delete.ends_with("--output text)\" --force"), "{delete}");
        assert!(commands.iter().all(|command| !command.contains("--task-definition")), "{commands:?}");
    }

    #[test]
    fn once_committed_no_call_moves_traffic() {
        let plan = crate::plan::diagram::sample::plan();
        let commands: Vec<String> = calls(&plan, "web-1", true).iter().map(Call::one_line).collect();
        assert!(commands.iter().all(|command| !command.contains("modify-rule")), "{commands:?}");
        assert!(
            calls(&plan, "web-1", false)[2]
                .one_line()
                .starts_with("aws elbv2 modify-rule --region eu-west-1 --rule-arn")
        );
    }
}
