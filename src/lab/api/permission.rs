//! Decides whether a call is allowed: it refuses only calls that are signed with a key of the lab's own.
//!
//! A role's own policies allow everything here; what narrows a call is the policy that its role was assumed with.

use serde_json::Value;

use super::iam;
use super::operation::Refusal;
use super::wire_call::{ApiRequest, Service};
use crate::account::{DEFAULT_GROUP, Names, last};
use crate::keys::{self, Key, Keys};
use crate::notices::name_of;
use crate::policy::Ruling;
use crate::value::{list, text, texts};

/// The key that a call is signed with, if it is one of ours; one that holds no more is refused.
pub(super) fn key_of<'a>(keys: &'a Keys, asked: &ApiRequest, now: u64) -> Result<Option<&'a Key>, Refusal> {
    let Some(id) = asked.signer.as_deref().filter(|id| id.starts_with(keys::PREFIX)) else { return Ok(None) };
    keys.get(id, now).map(Some).ok_or_else(|| expired(asked.service))
}

/// Refuses a call that the policy of its key does not allow.
pub(super) fn check(key: Option<&Key>, asked: &ApiRequest, names: &Names, now: u64) -> Result<(), Refusal> {
    let Some((key, policy)) = key.and_then(|key| Some((key, key.policy.as_ref()?))) else { return Ok(()) };
    // Nobody can be kept from asking who they are.
    if asked.operation == "GetCallerIdentity" {
        return Ok(());
    }
    let action = action(asked);
    for resource in resources(asked, names) {
        let why = match policy.rule(&action, &resource, now) {
            Ruling::Allowed => continue,
            Ruling::NotAllowed => format!("because no session policy allows the {action} action"),
            Ruling::Denied => "with an explicit deny in a session policy".to_owned(),
        };
        let message = format!("User: {} is not authorized to perform: {action} on resource: {resource} {why}", key.arn);
        return Err(denied(asked.service, message));
    }
    Ok(())
}

fn denied(service: Service, message: String) -> Refusal {
    match service {
        Service::Ecs | Service::AutoScaling | Service::CodeDeploy => Refusal::new("AccessDeniedException", message),
        Service::Scheduler => Refusal { status: 403, ..Refusal::new("AccessDeniedException", message) },
        _ => Refusal { status: 403, ..Refusal::new("AccessDenied", message) },
    }
}

fn expired(service: Service) -> Refusal {
    match service {
        Service::Ecs | Service::AutoScaling | Service::CodeDeploy => {
            Refusal::new("ExpiredTokenException", "The security token included in the request is expired")
        }
        Service::S3 => Refusal::new("ExpiredToken", "The provided token has expired."),
        Service::Scheduler => Refusal {
            status: 403,
            ..Refusal::new("ExpiredTokenException", "The security token included in the request is expired")
        },
        _ => Refusal {
            status: 403,
            ..Refusal::new("ExpiredToken", "The security token included in the request is expired")
        },
    }
}

/// The action as policies name it, which for S3 is not always the operation.
fn action(asked: &ApiRequest) -> String {
    let service = match asked.service {
        Service::Elbv2 => "elasticloadbalancing",
        other => other.word(),
    };
    let operation = match (asked.service, asked.operation.as_str()) {
        (Service::S3, "ListBuckets") => "ListAllMyBuckets",
        (Service::S3, "HeadBucket" | "ListObjectsV2") => "ListBucket",
        (Service::S3, "HeadObject") => "GetObject",
        (_, operation) => operation,
    };
    format!("{service}:{operation}")
}

/// The ARNs that must all be allowed; `*` for an action without resources of its own.
fn resources(asked: &ApiRequest, names: &Names) -> Vec<String> {
    let input = &asked.input;
    let given = |member: &str| text(input, member).unwrap_or_default();
    let found = match asked.service {
        Service::S3 => match (given("Bucket"), given("Key")) {
            ("", _) => Vec::new(),
            (bucket, "") => vec![format!("arn:aws:s3:::{bucket}")],
            (bucket, key) => vec![format!("arn:aws:s3:::{bucket}/{key}")],
        },
        Service::Elbv2 if asked.operation.starts_with("Describe") => Vec::new(),
        Service::Elbv2 => balanced(input),
        Service::Ecs => match asked.operation.as_str() {
            "CreateTaskSet" | "DescribeTaskSets" | "UpdateTaskSet" | "DeleteTaskSet" => task_sets(input, names),
            _ => services(input, names),
        },
        Service::Scheduler => match (given("Name"), asked.operation.ends_with("Group")) {
            ("", _) => Vec::new(),
            (name, true) => vec![names.arn("scheduler", &format!("schedule-group/{name}"))],
            (name, false) => {
                let group = text(input, "GroupName").unwrap_or(DEFAULT_GROUP);
                vec![names.arn("scheduler", &format!("schedule/{group}/{name}"))]
            }
        },
        Service::Sts => text(input, "RoleArn").map(str::to_owned).into_iter().collect(),
        Service::Iam => {
            let role = text(input, "RoleName").map(|name| iam::role(names, name));
            text(input, "PolicySourceArn").map(str::to_owned).or(role).into_iter().collect()
        }
        Service::CodeDeploy => deployed(input, names),
        Service::Sns => text(input, "TopicArn").map(str::to_owned).into_iter().collect(),
        Service::Ssm => {
            let document = |name| names.arn("ssm", &format!("document/{}", name_of(name)));
            texts(input, "CalendarNames").into_iter().map(document).collect()
        }
        Service::CloudWatch | Service::AutoScaling => Vec::new(),
    };
    if found.is_empty() { vec!["*".to_owned()] } else { found }
}

/// What a change of load balancing is about: the first of these that it names.
fn balanced(input: &Value) -> Vec<String> {
    let one = ["RuleArn", "ListenerArn", "TargetGroupArn", "LoadBalancerArn"].iter().find_map(|it| text(input, it));
    let pairs = list(input, "RulePriorities").iter().filter_map(|pair| text(pair, "RuleArn"));
    one.into_iter().chain(texts(input, "ResourceArns")).chain(pairs).map(str::to_owned).collect()
}

/// What a call of CodeDeploy names: a deployment group, an application or a configuration. One that names a
/// deployment is about everything, as `StopDeployment` is (Service Authorization Reference).
fn deployed(input: &Value, names: &Names) -> Vec<String> {
    let given = |member: &str| text(input, member).unwrap_or_default();
    let group = text(input, "deploymentGroupName").or(text(input, "currentDeploymentGroupName"));
    let rest = match (given("applicationName"), group, given("deploymentConfigName")) {
        ("", _, "") => return Vec::new(),
        ("", _, config) => format!("deploymentconfig:{config}"),
        (application, Some(group), _) => format!("deploymentgroup:{application}/{group}"),
        (application, None, _) => format!("application:{application}"),
    };
    vec![names.arn("codedeploy", &rest)]
}

/// The task sets that a call is about, or all of the service that it names (Service Authorization Reference,
/// "Resource types defined by Amazon ECS").
fn task_sets(input: &Value, names: &Names) -> Vec<String> {
    let all: Vec<String> =
        services(input, names).iter().map(|arn| format!("{}/*", arn.replace(":service/", ":task-set/"))).collect();
    let sets: Vec<&str> = text(input, "taskSet").into_iter().chain(texts(input, "taskSets")).collect();
    if sets.is_empty() {
        return all;
    }
    let arn = |name: &str| {
        let here = |of: &String| of.trim_end_matches('*').to_owned() + name;
        if name.starts_with("arn:") { vec![name.to_owned()] } else { all.iter().map(here).collect() }
    };
    sets.into_iter().flat_map(arn).collect()
}

/// The ECS services, service deployments and service revisions that a call is about; other resources of ECS are
/// not told apart.
fn services(input: &Value, names: &Names) -> Vec<String> {
    let cluster = last(text(input, "cluster").unwrap_or("default"));
    let of_name = |name: &str| names.ecs(&format!("service/{cluster}/{name}"));
    let arn = |name: &str| if name.starts_with("arn:") { name.to_owned() } else { of_name(name) };
    let one = ["service", "serviceName"].iter().find_map(|member| text(input, member));
    let arns = ["resourceArn", "serviceDeploymentArn"].iter().filter_map(|member| text(input, member));
    let lists = ["services", "serviceDeploymentArns", "serviceRevisionArns"].iter();
    let lists = lists.flat_map(|member| texts(input, member));
    one.into_iter().chain(lists).chain(arns).map(arn).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::wire_call::Protocol;
    use super::*;
    use crate::policy::Policy;

    fn asked(service: Service, operation: &str, input: Value) -> ApiRequest {
        ApiRequest::new(service, Protocol::Query, operation, input)
    }

    fn names() -> Names {
        Names { region: "eu-west-1".into(), account: "1".into() }
    }

    #[test]
    fn calls_are_about_what_they_name() {
        let check = |service, operation: &str, input: Value, expected: [&str; 2]| {
            let asked = asked(service, operation, input);
            assert_eq!([action(&asked), resources(&asked, &names()).join(" ")], expected);
        };
        let put = json!({"Bucket": "b", "Key": "k/1"});
        check(Service::S3, "PutObject", put, ["s3:PutObject", "arn:aws:s3:::b/k/1"]);
        let head = json!({"Bucket": "b", "Key": ""});
        check(Service::S3, "ListObjectsV2", head, ["s3:ListBucket", "arn:aws:s3:::b"]);
        let modify = json!({"RuleArn": "r", "Actions": [{"TargetGroupArn": "t"}]});
        check(Service::Elbv2, "ModifyRule", modify, ["elasticloadbalancing:ModifyRule", "r"]);
        let describe = json!({"RuleArns": {"member": "r"}, "ListenerArn": "l"});
        check(Service::Elbv2, "DescribeRules", describe, ["elasticloadbalancing:DescribeRules", "*"]);
        let tags = json!({"ResourceArns": ["r", "l"]});
        check(Service::Elbv2, "AddTags", tags, ["elasticloadbalancing:AddTags", "r l"]);
        let update = json!({"cluster": "arn:aws:ecs:eu-west-1:1:cluster/web", "service": "blue"});
        let service = "arn:aws:ecs:eu-west-1:1:service/web/blue";
        check(Service::Ecs, "UpdateService", update, ["ecs:UpdateService", service]);
        let deployment = "arn:aws:ecs:eu-west-1:1:service-deployment/web/blue/1";
        let stop = json!({"serviceDeploymentArn": deployment});
        check(Service::Ecs, "StopServiceDeployment", stop, ["ecs:StopServiceDeployment", deployment]);
        let set = json!({"cluster": "web", "service": "blue", "taskSet": "ecs-svc/7"});
        let arn = "arn:aws:ecs:eu-west-1:1:task-set/web/blue/ecs-svc/7";
        check(Service::Ecs, "DeleteTaskSet", set, ["ecs:DeleteTaskSet", arn]);
        let deploy = json!({"applicationName": "a", "deploymentGroupName": "g", "deploymentConfigName": "c"});
        let group = "arn:aws:codedeploy:eu-west-1:1:deploymentgroup:a/g";
        check(Service::CodeDeploy, "CreateDeployment", deploy, ["codedeploy:CreateDeployment", group]);
        let stop = json!({"deploymentId": "d-1"});
        check(Service::CodeDeploy, "StopDeployment", stop, ["codedeploy:StopDeployment", "*"]);
        let schedule = "arn:aws:scheduler:eu-west-1:1:schedule/default/s";
        check(Service::Scheduler, "GetSchedule", json!({"Name": "s"}), ["scheduler:GetSchedule", schedule]);
    }

    #[test]
    fn only_a_key_of_ours_with_a_policy_is_held_to_it() {
        let policy = json!({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}).to_string();
        let policy = Policy::parse(&policy).expect("it is a policy");
        let key = |policy| Key { arn: "a".into(), role: "r".into(), user_id: "u".into(), policy, expires_at: 10 };
        let call = asked(Service::Elbv2, "ModifyRule", json!({"RuleArn": "r"}));
        let code = |key: Option<&Key>| check(key, &call, &names(), 0).err().map(|refusal| refusal.code);
        assert_eq!((code(None), code(Some(&key(None)))), (None, None));
        assert_eq!(code(Some(&key(Some(policy.clone())))), Some("AccessDenied"));
        let mut keys = Keys::default();
        keys.add(format!("{}1", keys::PREFIX), key(Some(policy)));
        let signed =
            |id: &str| ApiRequest { signer: Some(id.to_owned()), ..asked(Service::Sts, "AssumeRole", json!({})) };
        assert!(key_of(&keys, &signed("AKIDEXAMPLE"), 0).is_ok_and(|key| key.is_none()));
        assert!(key_of(&keys, &signed("ASIALABS1"), 9).is_ok_and(|key| key.is_some()));
        for (id, now) in [("ASIALABS1", 10), ("ASIALABS2", 0)] {
            assert_eq!(key_of(&keys, &signed(id), now).err().map(|refusal| refusal.code), Some("ExpiredToken"));
        }
    }
}
