//! The table of IAM actions, with who needs them and on which resource, and the policy documents made from it.
//!
//! What has resource-level permissions, and which condition keys there are, is by AWS's Service Authorization
//! Reference, of which `tests/aws/iam_actions.json` has what is needed. Resources are exact: a `*` stands alone only in
//! the statements whose [`On::sid`] says that AWS knows nothing narrower there, or why it would not do.

use serde_json::{Map, Value, json};

use super::scope::{Scope, Store};

/// For whom a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Who {
    /// Who runs `run` and `resume`.
    Runner,
    /// Who runs `rollback`, `abort`, `status`, `pause`, `continue` and `approve`.
    OnCall,
    /// Who runs `guard`.
    Guard,
    /// The role that the dead-man's switch writes the rule as.
    DeadMan,
    /// The role that forward writes of the rule are signed as.
    Writer,
    /// Who runs `plan`, `status` and `history`.
    Plan,
    /// Who runs `doctor`, beside the runner's policy: to ask IAM what policies allow.
    Doctor,
}

impl Who {
    pub(super) const ALL: [Who; 7] =
        [Who::Runner, Who::OnCall, Who::Guard, Who::DeadMan, Who::Writer, Who::Plan, Who::Doctor];

    /// As it is typed.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Who::Runner => "runner",
            Who::OnCall => "on-call",
            Who::Guard => "guard",
            Who::DeadMan => "dead-man",
            Who::Writer => "writer",
            Who::Plan => "plan",
            Who::Doctor => "doctor",
        }
    }
}

/// On what an action is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum On {
    Cluster,
    Services,
    /// The services, where ECS deploys them by itself.
    DeployedServices,
    /// What ECS keeps of its own deployments, and the services that they are of: AWS asks for both.
    Deployments,
    /// The services, where tidegate makes their task sets.
    ServicesOfSets,
    /// Their task sets.
    TaskSets,
    /// The application of CodeDeploy.
    Application,
    /// Every application, to find a group.
    Applications,
    /// Its deployment group.
    DeploymentGroup,
    /// Timetables that are named by their content.
    DeploymentConfigs,
    /// Calls of CodeDeploy for which AWS knows no resource.
    CodeDeploys,
    Tasks,
    Rule,
    Alarms,
    Family,
    TaskRoles,
    ScalableTargets,
    Schedules,
    DeadManRole,
    WriterRole,
    Bucket,
    Objects,
    Words,
    /// The change calendars that must be open.
    Calendars,
    /// The topics that are told how it goes.
    Topics,
    /// The account's users and roles: a policy cannot name whoever it is attached to.
    Callers,
    /// Anything: reads for which AWS knows no resource.
    Reads,
    /// The same where a condition can still name the cluster.
    ReadsOfCluster,
    /// The alarms' states, which are read only when a gate asks. Composite alarms are told only to whoever may read all
    /// (`DescribeAlarms` in the CloudWatch API reference).
    AlarmReads,
    /// Task definitions, by which ECS's deployment of a rollout is known.
    DefinitionReads,
    /// A registration in the family.
    Registrations,
}

use On::{
    AlarmReads, Alarms, Application, Applications, Bucket, Calendars, Callers, Cluster, CodeDeploys, DeadManRole,
    DefinitionReads, DeployedServices, DeploymentConfigs, DeploymentGroup, Deployments, Family, Objects, Reads,
    ReadsOfCluster, Registrations, Rule, ScalableTargets, Schedules, Services, ServicesOfSets, TaskRoles, TaskSets,
    Tasks, Topics, Words, WriterRole,
};

const RUNNER: &[Who] = &[Who::Runner];
/// Who takes traffic back, or may have to.
const BACK: &[Who] = &[Who::Runner, Who::OnCall, Who::Guard];
/// Who finds out what there is.
const SURVEY: &[Who] = &[Who::Runner, Who::Plan];
const RULE_WRITERS: &[Who] = &[Who::Runner, Who::OnCall, Who::Guard, Who::DeadMan, Who::Writer];
/// Who finds a service's rules, and by their tags a rollout without its store.
const FINDERS: &[Who] = &[Who::Runner, Who::Plan, Who::OnCall];
const PEOPLE: &[Who] = &[Who::Runner, Who::OnCall, Who::Guard, Who::Plan];

/// The table. An action whose resources the spec does not have is left out.
const NEEDS: &[(&str, On, &[Who])] = &[
    ("elasticloadbalancing:DescribeListeners", Reads, PEOPLE),
    ("elasticloadbalancing:DescribeLoadBalancers", Reads, SURVEY),
    ("elasticloadbalancing:DescribeRules", Reads, PEOPLE),
    ("elasticloadbalancing:DescribeTags", Reads, FINDERS),
    ("elasticloadbalancing:DescribeTargetGroupAttributes", Reads, SURVEY),
    ("elasticloadbalancing:DescribeTargetGroups", Reads, PEOPLE),
    ("elasticloadbalancing:DescribeTargetHealth", Reads, PEOPLE),
    ("elasticloadbalancing:ModifyRule", Rule, RULE_WRITERS),
    ("elasticloadbalancing:AddTags", Rule, BACK),
    ("elasticloadbalancing:RemoveTags", Rule, BACK),
    ("ecs:DescribeClusters", Cluster, SURVEY),
    ("ecs:ListClusters", Reads, SURVEY),
    ("ecs:DescribeServices", Services, PEOPLE),
    ("ecs:ListServices", ReadsOfCluster, SURVEY),
    ("ecs:UpdateService", Services, BACK),
    ("ecs:ListServiceDeployments", DeployedServices, PEOPLE),
    ("ecs:DescribeServiceDeployments", Deployments, PEOPLE),
    ("ecs:DescribeServiceRevisions", Deployments, PEOPLE),
    ("ecs:ContinueServiceDeployment", Deployments, BACK),
    ("ecs:StopServiceDeployment", Deployments, BACK),
    ("ecs:CreateTaskSet", TaskSets, BACK),
    ("ecs:UpdateTaskSet", TaskSets, BACK),
    ("ecs:DeleteTaskSet", TaskSets, BACK),
    ("ecs:UpdateServicePrimaryTaskSet", ServicesOfSets, BACK),
    ("codedeploy:ListApplications", CodeDeploys, FINDERS),
    ("codedeploy:BatchGetApplications", Applications, FINDERS),
    ("codedeploy:ListDeploymentGroups", Application, FINDERS),
    ("codedeploy:BatchGetDeploymentGroups", DeploymentGroup, FINDERS),
    ("codedeploy:GetDeploymentGroup", DeploymentGroup, RUNNER),
    ("codedeploy:GetApplicationRevision", Application, RUNNER),
    ("codedeploy:RegisterApplicationRevision", Application, RUNNER),
    ("codedeploy:GetDeploymentConfig", DeploymentConfigs, RUNNER),
    ("codedeploy:CreateDeploymentConfig", DeploymentConfigs, RUNNER),
    ("codedeploy:CreateDeployment", DeploymentGroup, RUNNER),
    ("codedeploy:ListDeployments", DeploymentGroup, PEOPLE),
    ("codedeploy:BatchGetDeployments", DeploymentGroup, PEOPLE),
    ("codedeploy:GetDeployment", DeploymentGroup, PEOPLE),
    ("codedeploy:BatchGetDeploymentTargets", CodeDeploys, PEOPLE),
    ("codedeploy:ContinueDeployment", CodeDeploys, BACK),
    ("codedeploy:StopDeployment", CodeDeploys, BACK),
    ("ecs:DescribeTasks", Tasks, PEOPLE),
    ("ecs:ListTasks", ReadsOfCluster, PEOPLE),
    ("ecs:DescribeTaskDefinition", Reads, SURVEY),
    ("ecs:DescribeTaskDefinition", DefinitionReads, &[Who::OnCall, Who::Guard]),
    ("ecs:ListTaskDefinitions", Reads, SURVEY),
    ("ecs:RegisterTaskDefinition", Registrations, RUNNER),
    ("ecs:TagResource", Family, RUNNER),
    ("iam:PassRole", TaskRoles, RUNNER),
    ("cloudwatch:GetMetricData", Reads, PEOPLE),
    ("cloudwatch:DescribeAlarms", AlarmReads, SURVEY),
    ("cloudwatch:DescribeAlarmHistory", Alarms, RUNNER),
    ("application-autoscaling:DescribeScalableTargets", Reads, PEOPLE),
    ("application-autoscaling:RegisterScalableTarget", ScalableTargets, BACK),
    ("scheduler:CreateSchedule", Schedules, RUNNER),
    ("scheduler:UpdateSchedule", Schedules, RUNNER),
    ("scheduler:GetSchedule", Schedules, BACK),
    ("scheduler:DeleteSchedule", Schedules, BACK),
    ("iam:PassRole", DeadManRole, RUNNER),
    ("sts:AssumeRole", WriterRole, RUNNER),
    ("ssm:GetCalendarState", Calendars, RUNNER),
    ("sns:Publish", Topics, BACK),
    ("s3:ListBucket", Bucket, PEOPLE),
    ("s3:GetObject", Objects, PEOPLE),
    ("s3:PutObject", Objects, BACK),
    ("s3:DeleteObject", Words, BACK),
    ("iam:SimulatePrincipalPolicy", Callers, &[Who::Doctor]),
    ("iam:GetRole", Callers, &[Who::Doctor]),
];

impl On {
    /// What the statement is called: letters and digits.
    fn sid(self) -> &'static str {
        match self {
            On::Cluster => "Cluster",
            On::Services => "Services",
            On::DeployedServices => "ServicesThatEcsDeploys",
            On::Deployments => "DeploymentsOfTheServices",
            On::ServicesOfSets => "ServicesOfTaskSets",
            On::TaskSets => "TaskSets",
            On::Application => "CodeDeployApplication",
            On::Applications => "CodeDeployApplicationsOfTheAccount",
            On::DeploymentGroup => "CodeDeployGroup",
            On::DeploymentConfigs => "CodeDeployTimetables",
            On::CodeDeploys => "CodeDeployCallsWithoutResourceLevelSupport",
            On::Tasks => "TasksOfTheCluster",
            On::Rule => "Rule",
            On::Alarms => "Alarms",
            On::Family => "TagsOfTheRegistration",
            On::TaskRoles => "RolesOfTheTasks",
            On::ScalableTargets => "ScalableTargetsHaveNoKnownId",
            On::Schedules => "Schedules",
            On::DeadManRole => "RoleOfTheSwitch",
            On::WriterRole => "RoleOfTheWriter",
            On::Bucket => "Store",
            On::Objects => "StoreObjects",
            On::Words => "StoreWords",
            On::Calendars => "ChangeCalendars",
            On::Topics => "TopicsThatAreTold",
            On::Callers => "UsersAndRolesOfTheAccount",
            On::Reads => "ReadsWithoutResourceLevelSupport",
            On::ReadsOfCluster => "ListsWithoutResourceLevelSupport",
            On::AlarmReads => "AlarmReadsOfWhichCompositeOnesNeedAll",
            On::DefinitionReads => "DefinitionReadsWithoutResourceLevelSupport",
            On::Registrations => "RegistrationsInTheFamily",
        }
    }

    /// Its resources in this scope; none where the spec has no such thing.
    fn resources(self, scope: &Scope) -> Vec<String> {
        let Scope { cluster, .. } = scope;
        let store = |make: &dyn Fn(&Store) -> String| scope.store.iter().map(make).collect();
        match self {
            On::Cluster => vec![scope.cluster_arn()],
            On::Services => {
                scope.services.iter().map(|name| scope.arn("ecs", &format!("service/{cluster}/{name}"))).collect()
            }
            On::DeployedServices if scope.by_ecs => On::Services.resources(scope),
            On::Deployments if scope.by_ecs => {
                let kinds = ["service-deployment", "service-revision"];
                let of = |kind| {
                    let arn = move |name| scope.arn("ecs", &format!("{kind}/{cluster}/{name}/*"));
                    scope.services.iter().map(arn)
                };
                kinds.into_iter().flat_map(of).chain(On::Services.resources(scope)).collect()
            }
            On::ServicesOfSets if scope.by_task_sets => On::Services.resources(scope),
            On::TaskSets if scope.by_task_sets => {
                let arn = |name| scope.arn("ecs", &format!("task-set/{cluster}/{name}/*"));
                scope.services.iter().map(arn).collect()
            }
            On::Application | On::Applications | On::DeploymentGroup | On::DeploymentConfigs | On::CodeDeploys => {
                let found = scope.by_codedeploy.as_ref();
                found.map(|found| self.of_codedeploy(scope, found)).into_iter().collect()
            }
            On::Tasks => vec![scope.arn("ecs", &format!("task/{cluster}/*"))],
            On::Rule => vec![scope.rule.clone()],
            On::Alarms => scope.alarms.iter().map(|name| scope.arn("cloudwatch", &format!("alarm:{name}"))).collect(),
            On::Family | On::Registrations => {
                scope.family.iter().map(|name| scope.arn("ecs", &format!("task-definition/{name}:*"))).collect()
            }
            On::TaskRoles => scope.task_roles.clone(),
            On::ScalableTargets if scope.scales => vec![scope.arn("application-autoscaling", "scalable-target/*")],
            On::ScalableTargets | On::DeployedServices | On::Deployments | On::ServicesOfSets | On::TaskSets => {
                Vec::new()
            }
            On::Schedules => {
                let group = scope.dead_man.iter().map(|switch| &switch.group);
                group.map(|group| scope.arn("scheduler", &format!("schedule/{group}/{}-*", scope.name))).collect()
            }
            On::DeadManRole => scope.dead_man.iter().map(|switch| switch.role.clone()).collect(),
            On::WriterRole => scope.writer_role.iter().cloned().collect(),
            On::Bucket => store(&|store| scope.bucket_arn(store)),
            On::Objects => store(&|store| format!("{}/{}/*", scope.bucket_arn(store), store.root)),
            On::Words => store(&|store| format!("{}/{}/rollouts/*/words/*", scope.bucket_arn(store), store.root)),
            On::Topics => scope.topics.clone(),
            On::Callers => {
                let Scope { partition, account, .. } = scope;
                ["role", "user"].map(|kind| format!("arn:{partition}:iam::{account}:{kind}/*")).to_vec()
            }
            On::Calendars => scope.calendars.clone(),
            On::AlarmReads if scope.alarms.is_empty() => Vec::new(),
            On::DefinitionReads if !scope.by_ecs => Vec::new(),
            On::Reads | On::ReadsOfCluster | On::AlarmReads | On::DefinitionReads => vec!["*".to_owned()],
        }
    }

    fn of_codedeploy(self, scope: &Scope, (application, group): &(String, String)) -> String {
        match self {
            On::Application => scope.arn("codedeploy", &format!("application:{application}")),
            On::Applications => scope.arn("codedeploy", "application:*"),
            On::DeploymentGroup => scope.arn("codedeploy", &format!("deploymentgroup:{application}/{group}")),
            On::DeploymentConfigs => scope.arn("codedeploy", "deploymentconfig:*"),
            _ => "*".to_owned(),
        }
    }

    /// What must hold beside it, where AWS has a key for it.
    fn condition(self, scope: &Scope) -> Option<Value> {
        match self {
            On::Services
            | On::DeployedServices
            | On::ServicesOfSets
            | On::TaskSets
            | On::Tasks
            | On::ReadsOfCluster => Some(json!({"ArnEquals": {"ecs:cluster": scope.cluster_arn()}})),
            On::Family => Some(json!({"StringEquals": {"ecs:CreateAction": "RegisterTaskDefinition"}})),
            On::TaskRoles => Some(json!({"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}})),
            On::DeadManRole => Some(json!({"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}})),
            On::ScalableTargets => Some(json!({"StringEquals": {
                "application-autoscaling:service-namespace": "ecs",
                "application-autoscaling:scalable-dimension": "ecs:service:DesiredCount",
            }})),
            On::Bucket => {
                let store = scope.store.as_ref()?;
                Some(json!({"StringLike": {"s3:prefix": format!("{}/*", store.root)}}))
            }
            _ => None,
        }
    }
}

/// The policy for somebody, as `aws iam put-role-policy --policy-document` takes it.
pub(super) fn policy(who: Who, scope: &Scope) -> Value {
    let mut kinds: Vec<On> = NEEDS.iter().filter(|(_, _, all)| all.contains(&who)).map(|(_, on, _)| *on).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let statements: Vec<Value> = kinds.into_iter().filter_map(|on| statement(who, on, scope)).collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn statement(who: Who, on: On, scope: &Scope) -> Option<Value> {
    let mut resources = on.resources(scope);
    if resources.is_empty() {
        return None;
    }
    resources.sort_unstable();
    resources.dedup();
    let needed = NEEDS.iter().filter(|(_, kind, all)| *kind == on && all.contains(&who));
    let mut actions: Vec<&str> = needed.map(|(action, _, _)| *action).collect();
    actions.sort_unstable();
    let mut statement = Map::new();
    statement.insert("Sid".to_owned(), on.sid().into());
    statement.insert("Effect".to_owned(), "Allow".into());
    statement.insert("Action".to_owned(), actions.into());
    statement.insert("Resource".to_owned(), resources.into());
    if let Some(condition) = on.condition(scope) {
        statement.insert("Condition".to_owned(), condition);
    }
    Some(Value::Object(statement))
}

/// Who may take a role on, for those that are roles.
pub(super) fn trust(who: Who, scope: &Scope) -> Option<Value> {
    let (principal, condition) = match who {
        Who::DeadMan => {
            let group = &scope.dead_man.as_ref()?.group;
            let group = scope.arn("scheduler", &format!("schedule-group/{group}"));
            (
                json!({"Service": "scheduler.amazonaws.com"}),
                json!({"StringEquals": {"aws:SourceAccount": scope.account, "aws:SourceArn": group}}),
            )
        }
        Who::Writer => {
            scope.writer_role.as_ref()?;
            (
                // Whoever of the account has a policy that lets them: the runner's.
                json!({"AWS": format!("arn:{}:iam::{}:root", scope.partition, scope.account)}),
                json!({"StringLike": {"sts:RoleSessionName": format!("{}-*", scope.name)}}),
            )
        }
        Who::Runner | Who::OnCall | Who::Guard | Who::Plan | Who::Doctor => return None,
    };
    Some(json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": principal,
        "Action": "sts:AssumeRole",
        "Condition": condition,
    }]}))
}

#[cfg(test)]
mod tests;
