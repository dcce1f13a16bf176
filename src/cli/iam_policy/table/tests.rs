//! The policies against the calls that the code makes, and against what they must not allow.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::domain::safeguard::DeadMan;

const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/01/02/03";

/// Writes for which AWS knows no resource.
const NAMELESS: [&str; 2] = ["codedeploy:ContinueDeployment", "codedeploy:StopDeployment"];
/// Reads that are allowed on everything although AWS knows a resource: composite alarms are told to nobody who may read
/// less, and tasks are listed by the cluster's name, which the condition says.
const WIDE: [&str; 2] = ["cloudwatch:DescribeAlarms", "ecs:ListTasks"];

/// A spec with everything.
fn full() -> Scope {
    Scope {
        partition: "aws".into(),
        region: "eu-west-1".into(),
        account: "123456789012".into(),
        name: "web".into(),
        cluster: "prod".into(),
        services: ["web-blue".into(), "web-green".into()],
        by_ecs: true,
        rule: RULE.into(),
        alarms: vec!["web-5xx".into()],
        family: Some("web".into()),
        task_roles: vec!["arn:aws:iam::123456789012:role/task".into()],
        scales: true,
        dead_man: Some(DeadMan {
            role: "arn:aws:iam::123456789012:role/dead-man".into(),
            after: std::time::Duration::from_secs(300),
            group: "default".into(),
        }),
        by_task_sets: true,
        by_codedeploy: Some(("app".into(), "dgp".into())),
        writer_role: Some("arn:aws:iam::123456789012:role/writer".into()),
        calendars: vec!["arn:aws:ssm:eu-west-1:123456789012:document/freeze".into()],
        topics: vec!["arn:aws:sns:eu-west-1:123456789012:deployments".into()],
        store: Some(Store { bucket: "releases".into(), root: "tidegate/v1".into() }),
    }
}

/// A spec with nothing that it could do without.
fn bare() -> Scope {
    Scope {
        alarms: Vec::new(),
        family: None,
        task_roles: Vec::new(),
        scales: false,
        dead_man: None,
        topics: Vec::new(),
        calendars: Vec::new(),
        by_ecs: false,
        by_task_sets: false,
        by_codedeploy: None,
        writer_role: None,
        store: None,
        ..full()
    }
}

fn statements(who: Who, scope: &Scope) -> Vec<Value> {
    policy(who, scope)["Statement"].as_array().unwrap().clone()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

fn actions(who: Who, scope: &Scope) -> BTreeSet<String> {
    statements(who, scope).iter().flat_map(|statement| words(&statement["Action"])).collect()
}

/// The resources on which somebody may do something, and the condition.
fn allowed(who: Who, action: &str, scope: &Scope) -> Vec<(String, Value)> {
    let all =
        statements(who, scope).into_iter().filter(|statement| words(&statement["Action"]).contains(&action.into()));
    all.flat_map(|one| words(&one["Resource"]).into_iter().map(move |on| (on, one["Condition"].clone()))).collect()
}

/// The operations that a source file calls, as it names them in its requests and faults.
fn called(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let starts = ["fault::read(\"", "fault::write(\"", "OPERATION: &str = \"", "request(\"", "ordering(\""];
    let names = starts.iter().flat_map(|start| text.split(start).skip(1)).filter_map(|rest| rest.split('"').next());
    names.map(ToOwned::to_owned).collect()
}

/// Every action that the code asks of AWS.
fn asked() -> BTreeSet<String> {
    let services = [
        ("src/cloud/aws/autoscaling.rs", "application-autoscaling"),
        ("src/cloud/aws/cloudwatch.rs", "cloudwatch"),
        ("src/cloud/aws/codedeploy.rs", "codedeploy"),
        ("src/cloud/aws/ecs.rs", "ecs"),
        ("src/cloud/aws/service_deployments.rs", "ecs"),
        ("src/cloud/aws/task_sets.rs", "ecs"),
        ("src/cloud/aws/elbv2.rs", "elasticloadbalancing"),
        ("src/cloud/aws/scheduler.rs", "scheduler"),
        ("src/cloud/aws/sts.rs", "sts"),
        ("src/cloud/aws/s3.rs", "s3"),
    ];
    let of = |(path, service): &(&str, &'static str)| {
        let (found, service) = (called(path), *service);
        assert!(!found.is_empty(), "{path} calls nothing");
        found.into_iter().map(move |operation| match operation.as_str() {
            "ListObjectsV2" => "s3:ListBucket".to_owned(),
            _ => format!("{service}:{operation}"),
        })
    };
    // Nobody needs leave to ask who they are (API reference of `GetCallerIdentity`).
    services.iter().flat_map(of).filter(|action| action != "sts:GetCallerIdentity").collect()
}

/// The calls that are signed without a client of their own.
fn signed() -> BTreeSet<String> {
    let of = |(path, call): (&str, &str)| {
        let text = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let (service, operation) = call.split_once(':').unwrap();
        assert!(
            text.contains(&format!("service: \"{service}\"")) && text.contains(&format!("\"{operation}\"")),
            "{path}"
        );
        call.to_owned()
    };
    [
        ("src/cloud/aws/sns.rs", "sns:Publish"),
        ("src/cloud/aws/ssm.rs", "ssm:GetCalendarState"),
        ("src/cloud/aws/iam.rs", "iam:SimulatePrincipalPolicy"),
        ("src/cloud/aws/iam.rs", "iam:GetRole"),
    ]
    .map(of)
    .into()
}

#[test]
fn the_policies_allow_what_the_code_calls_and_nothing_else() {
    // What AWS asks for beside a call: roles that are handed on, tags that come with a registration, and the
    // revision that comes with a deployment.
    let beside = ["iam:PassRole", "ecs:TagResource", "codedeploy:RegisterApplicationRevision"].map(ToOwned::to_owned);
    let all: BTreeSet<String> = Who::ALL.into_iter().flat_map(|who| actions(who, &full())).collect();
    let asked: BTreeSet<String> = asked().into_iter().chain(beside).chain(signed()).collect();
    assert_eq!(all, asked);
    let runner: BTreeSet<String> = actions(Who::Runner, &full());
    let others: BTreeSet<String> = asked.difference(&runner).cloned().collect();
    assert_eq!(others, actions(Who::Doctor, &bare()), "the runner makes every other call");
}

#[test]
fn a_star_stands_alone_only_where_aws_knows_nothing_narrower() {
    for scope in [full(), bare()] {
        for who in Who::ALL {
            for statement in statements(who, &scope) {
                let wild = words(&statement["Resource"]).iter().any(|resource| resource == "*");
                let sid = statement["Sid"].as_str().unwrap();
                let says = sid.ends_with("WithoutResourceLevelSupport") || sid.ends_with("NeedAll");
                assert_eq!(wild, says, "{}: {statement}", who.as_str());
                assert!(sid.bytes().all(|b| b.is_ascii_alphanumeric()), "{sid}");
                for action in words(&statement["Action"]) {
                    let reads = [":Describe", ":List", ":GetMetric", ":GetDeployment", ":BatchGet"];
                    let reads = reads.iter().any(|verb| action.contains(verb));
                    assert!(!wild || reads || NAMELESS.contains(&action.as_str()), "{action} on everything");
                    assert!(!action.contains('*'), "{action}");
                }
            }
        }
    }
}

/// What AWS's Service Authorization Reference says of each action: `tests/aws/iam_actions.py` makes it.
const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws/iam_actions.json");

/// Whether an ARN of ours, with its own wildcards, is one of this pattern.
fn is_of(pattern: &str, arn: &str) -> bool {
    let fixed = |text: &str| text.split(':').nth(2).unwrap_or_default().to_owned();
    let kind = |text: &str| {
        let rest = text.splitn(6, ':').nth(5).unwrap_or_default().to_owned();
        rest.split(['/', ':']).next().unwrap_or_default().to_owned()
    };
    let by_variable = kind(pattern).starts_with('$');
    fixed(pattern) == fixed(arn) && (by_variable || kind(pattern) == kind(arn))
}

#[test]
fn every_statement_is_what_the_service_authorization_reference_asks_for() {
    let reference: Value = serde_json::from_str(&std::fs::read_to_string(REFERENCE).unwrap()).unwrap();
    let mut wrong = BTreeSet::new();
    for who in Who::ALL {
        for statement in statements(who, &full()) {
            let on = words(&statement["Resource"]);
            for action in words(&statement["Action"]) {
                let known = &reference["actions"][&action];
                let types = known["types"].as_object().unwrap_or_else(|| panic!("{action} is not in {REFERENCE}"));
                let wild = on == ["*"];
                if wild != types.is_empty() && !WIDE.contains(&action.as_str()) {
                    wrong.insert(format!("{action}: {on:?}, and AWS knows {:?}", types.keys()));
                }
                // A rule is an application load balancer's: of alternatives one is enough, of different things each is needed.
                let required = words(&known["required"]);
                let met = |kind: &String| on.iter().any(|arn| is_of(types[kind].as_str().unwrap(), arn));
                if !wild && !required.iter().all(met) {
                    wrong.insert(format!("{action} is asked of each of {required:?}, and allowed on {on:?}"));
                }
                let keys = words(&known["keys"]);
                let said = statement["Condition"].as_object().into_iter().flatten();
                let said = said.flat_map(|(_, all)| all.as_object().unwrap().keys());
                for key in said.filter(|key| !keys.contains(*key)) {
                    wrong.insert(format!("{action} knows no condition key {key}, so its statement never applies"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn resources_are_those_of_the_spec() {
    let on = |who, action| allowed(who, action, &full()).into_iter().map(|(on, _)| on).collect::<Vec<_>>();
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:eu-west-1:123456789012:{rest}");
    for who in [Who::Runner, Who::OnCall, Who::Guard, Who::DeadMan, Who::Writer] {
        assert_eq!(on(who, "elasticloadbalancing:ModifyRule"), [RULE]);
    }
    let services = [arn("ecs", "service/prod/web-blue"), arn("ecs", "service/prod/web-green")];
    assert_eq!(on(Who::OnCall, "ecs:UpdateService"), services);
    assert_eq!(on(Who::OnCall, "ecs:ListServiceDeployments"), services);
    let of = |kind: &str, name: &str| arn("ecs", &format!("{kind}/prod/{name}/*"));
    let [blue, green] = ["web-blue", "web-green"].map(|name| of("service-deployment", name));
    let revisions = ["web-blue", "web-green"].map(|name| of("service-revision", name));
    let [first, second] = revisions;
    let [one, other] = services;
    assert_eq!(on(Who::OnCall, "ecs:StopServiceDeployment"), [blue, green, first, second, one, other]);
    assert_eq!(on(Who::Runner, "cloudwatch:DescribeAlarmHistory"), [arn("cloudwatch", "alarm:web-5xx")]);
    assert_eq!(on(Who::Runner, "scheduler:CreateSchedule"), [arn("scheduler", "schedule/default/web-*")]);
    assert_eq!(on(Who::Runner, "sts:AssumeRole"), ["arn:aws:iam::123456789012:role/writer"]);
    assert_eq!(on(Who::Plan, "s3:GetObject"), ["arn:aws:s3:::releases/tidegate/v1/*"]);
    assert_eq!(on(Who::Runner, "s3:DeleteObject"), ["arn:aws:s3:::releases/tidegate/v1/rollouts/*/words/*"]);
}

#[test]
fn conditions_narrow_what_resources_cannot() {
    let condition =
        |who, action| allowed(who, action, &full()).into_iter().map(|(_, condition)| condition).collect::<Vec<_>>();
    let cluster = json!({"ArnEquals": {"ecs:cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/prod"}});
    assert_eq!(condition(Who::OnCall, "ecs:ListTasks"), std::slice::from_ref(&cluster));
    assert_eq!(condition(Who::Runner, "ecs:UpdateService"), [cluster.clone(), cluster]);
    let passed = |service: &str| json!({"StringEquals": {"iam:PassedToService": service}});
    assert_eq!(
        condition(Who::Runner, "iam:PassRole"),
        [passed("ecs-tasks.amazonaws.com"), passed("scheduler.amazonaws.com")]
    );
    let prefix = json!({"StringLike": {"s3:prefix": "tidegate/v1/*"}});
    assert_eq!(condition(Who::Guard, "s3:ListBucket"), [prefix]);
}

#[test]
fn what_the_spec_does_not_have_is_not_allowed() {
    let runner = actions(Who::Runner, &bare());
    let without = [
        "ServiceDeployment",
        "ServiceRevision",
        "scheduler:",
        "s3:",
        "sts:",
        "iam:",
        "RegisterTaskDefinition",
        "RegisterScalableTarget",
        "Alarm",
    ];
    for part in without {
        assert!(runner.iter().all(|action| !action.contains(part)), "{part}: {runner:?}");
    }
    assert_eq!((trust(Who::DeadMan, &bare()), trust(Who::Writer, &bare())), (None, None));
}

#[test]
fn who_only_looks_writes_nothing_and_who_goes_back_brings_nothing_new() {
    let reads = |action: &String| {
        ["Describe", "List", "Get", "BatchGet"].iter().any(|verb| action.contains(&format!(":{verb}")))
    };
    assert!(actions(Who::Plan, &full()).iter().all(reads));
    for who in [Who::OnCall, Who::Guard] {
        let back = actions(who, &full());
        for action in ["ecs:RegisterTaskDefinition", "iam:PassRole", "scheduler:CreateSchedule", "sts:AssumeRole"] {
            assert!(!back.contains(action), "{action}");
        }
    }
    for who in [Who::DeadMan, Who::Writer] {
        assert_eq!(actions(who, &full()).into_iter().collect::<Vec<_>>(), ["elasticloadbalancing:ModifyRule"]);
    }
}

#[test]
fn who_is_on_call_can_make_every_call_of_a_way_back_that_begins_with_a_service() {
    let calls = [
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:RegisterScalableTarget",
        "cloudwatch:GetMetricData",
        "codedeploy:BatchGetApplications",
        "codedeploy:BatchGetDeploymentGroups",
        "codedeploy:BatchGetDeploymentTargets",
        "codedeploy:BatchGetDeployments",
        "codedeploy:ContinueDeployment",
        "codedeploy:GetDeployment",
        "codedeploy:ListApplications",
        "codedeploy:ListDeploymentGroups",
        "codedeploy:ListDeployments",
        "codedeploy:StopDeployment",
        "ecs:ContinueServiceDeployment",
        "ecs:CreateTaskSet",
        "ecs:DeleteTaskSet",
        "ecs:DescribeServiceDeployments",
        "ecs:DescribeServiceRevisions",
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:DescribeTasks",
        "ecs:ListServiceDeployments",
        "ecs:ListTasks",
        "ecs:StopServiceDeployment",
        "ecs:UpdateService",
        "ecs:UpdateServicePrimaryTaskSet",
        "ecs:UpdateTaskSet",
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
        "elasticloadbalancing:ModifyRule",
        "elasticloadbalancing:RemoveTags",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "scheduler:DeleteSchedule",
        "scheduler:GetSchedule",
        "sns:Publish",
    ];
    assert_eq!(actions(Who::OnCall, &full()).into_iter().collect::<Vec<_>>(), calls);
    let guard = actions(Who::Guard, &full());
    let finds = [
        "BatchGetApplications",
        "BatchGetDeploymentGroups",
        "ListApplications",
        "ListDeploymentGroups",
        "DescribeTags",
    ];
    let found: Vec<_> =
        calls.iter().filter(|call| !guard.contains(**call)).map(|call| call.split_once(':').unwrap().1).collect();
    assert_eq!(found, finds);
}

#[test]
fn roles_trust_who_takes_them_on_and_nobody_else() {
    let dead_man = trust(Who::DeadMan, &full()).unwrap();
    let statement = &dead_man["Statement"][0];
    assert_eq!(statement["Principal"], json!({"Service": "scheduler.amazonaws.com"}));
    let group = "arn:aws:scheduler:eu-west-1:123456789012:schedule-group/default";
    let condition = json!({"StringEquals": {"aws:SourceAccount": "123456789012", "aws:SourceArn": group}});
    assert_eq!(statement["Condition"], condition);
    let writer = trust(Who::Writer, &full()).unwrap();
    assert_eq!(writer["Statement"][0]["Condition"], json!({"StringLike": {"sts:RoleSessionName": "web-*"}}));
    assert_eq!(
        (&writer["Version"], &writer["Statement"][0]["Action"]),
        (&json!("2012-10-17"), &json!("sts:AssumeRole"))
    );
}

#[test]
fn a_document_is_short_enough_for_a_role_and_always_the_same() {
    for who in Who::ALL {
        let text = policy(who, &full()).to_string();
        // The limit of a role's inline policies, in characters (IAM quotas).
        assert!(text.len() < 10_240, "{}: {}", who.as_str(), text.len());
        assert_eq!(text, policy(who, &full()).to_string());
        for statement in statements(who, &full()) {
            for list in ["Action", "Resource"].map(|list| words(&statement[list])) {
                assert!(list.is_sorted(), "{list:?}");
            }
        }
    }
}
