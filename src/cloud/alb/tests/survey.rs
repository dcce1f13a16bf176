//! Surveys.

use std::time::Duration;

use super::*;
use crate::cloud::aws::fake::{Reply, Seen};
use crate::cloud::{RuleRequest, SurveyError, SurveyRequest, Surveyor as _};
use crate::domain::fleet::{Entrance, OtherRule};

/// An account for a survey: two listeners, rules on two pages.
pub(super) fn account(seen: &Seen) -> Reply {
    let group = |name: &str, arn: &str| {
        format!("<member><TargetGroupArn>{arn}</TargetGroupArn><TargetGroupName>{name}</TargetGroupName></member>")
    };
    match seen.operation.as_str() {
        "DescribeClusters" => Reply::json(&json!({ "clusters": [{ "clusterName": "prod", "status": "ACTIVE" }] })),
        "DescribeServices" => {
            Reply::json(&json!({ "services": [service("web-blue", 4, 0), service("web-green", 0, 0)] }))
        }
        "ListTasks" => Reply::json(&json!({ "taskArns": ["arn:task/1"] })),
        "DescribeTasks" => Reply::json(&json!({ "tasks": [{ "taskDefinitionArn": "arn:web:8" }] })),
        "ListServices" => Reply::json(&json!({ "serviceArns": ["arn:aws:ecs:eu-west-1:1:service/prod/web-green"] })),
        "DescribeLoadBalancers" => Reply::xml(
            "DescribeLoadBalancers",
            "<LoadBalancers><member><LoadBalancerArn>arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/web/03\
             </LoadBalancerArn><LoadBalancerName>web</LoadBalancerName><DNSName>web.example.com</DNSName></member>\
             </LoadBalancers>",
        ),
        "DescribeListeners" => Reply::xml(
            "DescribeListeners",
            "<Listeners><member><ListenerArn>l80</ListenerArn><Port>80</Port></member></Listeners>",
        ),
        "DescribeRules" => match seen.param("Marker") {
            None => Reply::xml(
                "DescribeRules",
                &format!(
                    "<Rules><member><RuleArn>other</RuleArn><Priority>default</Priority><IsDefault>true</IsDefault>\
                     <Actions><member><Type>forward</Type><TargetGroupArn>{GREEN}</TargetGroupArn></member></Actions>\
                     </member></Rules><NextMarker>2</NextMarker>"
                ),
            ),
            Some(_) => Reply::xml("DescribeRules", &rule_xml((100, 0))),
        },
        "DescribeTargetGroups" => match seen.param("Names.member.1").as_deref() {
            Some("web-blue") => {
                Reply::xml("DescribeTargetGroups", &format!("<TargetGroups>{}</TargetGroups>", group("web-blue", BLUE)))
            }
            Some("web-gren") => Reply::xml_error(400, "TargetGroupNotFound"),
            _ => Reply::xml(
                "DescribeTargetGroups",
                &format!("<TargetGroups>{}</TargetGroups>", group("web-green", GREEN)),
            ),
        },
        "DescribeTargetGroupAttributes" => Reply::xml(
            "DescribeTargetGroupAttributes",
            "<Attributes><member><Key>deregistration_delay.timeout_seconds</Key><Value>30</Value></member></Attributes>",
        ),
        "DescribeTargetHealth" => {
            Reply::xml("DescribeTargetHealth", "<TargetHealthDescriptions></TargetHealthDescriptions>")
        }
        "DescribeScalableTargets" => Reply::json(&json!({ "ScalableTargets": [{
            "ServiceNamespace": "ecs", "ResourceId": "service/prod/web-blue", "RoleARN": "arn:role",
            "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 2, "MaxCapacity": 9, "CreationTime": 0,
            "SuspendedState": { "DynamicScalingOutSuspended": true },
        }] })),
        "DescribeAlarms" => Reply::cbor(&json!({ "MetricAlarms": [], "CompositeAlarms": [] })),
        other => panic!("{other} is not expected"),
    }
}

fn surveyor(fake: &Fake) -> AlbSurveyor {
    AlbSurveyor::new(fake.aws(), Clock::starting_at(NOW, 1.0), BTreeMap::new(), Vec::new())
}

pub(super) fn request(green: &str, priority: u32) -> SurveyRequest {
    SurveyRequest {
        cluster: "prod".into(),
        rule: RuleRequest::Place("web".into(), 80, priority),
        blue: ("web-blue".into(), "web-blue".into()),
        green: ("web-green".into(), green.into()),
        code_deploy: None,
        alarms: vec!["5xx".into()],
        compare: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_survey_resolves_every_name() {
    let fake = Fake::new(account);
    let survey = surveyor(&fake).survey(&request("web-green", 10)).await;
    let survey = survey.unwrap();
    assert_eq!((survey.account.as_str(), survey.load_balancer_dimension.as_str()), ("1", "app/web/03"));
    assert_eq!((survey.rule.priority, survey.rule.port), (Some(10), 80));
    assert_eq!(survey.rule.conditions, "host web.example.com");
    assert_eq!(survey.rule.weights, [(BLUE.to_owned(), 100), (GREEN.to_owned(), 0)]);
    assert_eq!(survey.rule.other_actions, ["authenticate-oidc"]);
    assert_eq!(survey.rule.stickiness, Some(Duration::from_secs(600)));
    assert!(survey.rule.actions_json.contains("\"UseExistingClientSecret\":true"), "{}", survey.rule.actions_json);
    let other = OtherRule { rule: "other".into(), port: 80, target_group: GREEN.into(), ..OtherRule::default() };
    let what = "other (port 80, everything no other rule matches) forwards to web-green too".into();
    assert_eq!(survey.entrances, [Entrance { what, rule: Some(other), tolerated: false }]);
    assert_eq!(survey.green.place.target_group_dimension, "targetgroup/web-green/02");
    assert_eq!(survey.green.deregistration_delay, Duration::from_secs(30));
    let scaling = Scaling { min: 2, max: 9, no_scale_in: false, no_scale_out: true, no_schedule: false };
    assert_eq!(survey.scaling, Ok(vec![(Slot::Blue, scaling)]));
}

#[tokio::test(start_paused = true)]
async fn who_may_not_read_autoscaling_surveys_all_the_same() {
    let fake = Fake::new(|seen| match seen.operation.as_str() {
        "DescribeScalableTargets" => Reply::status(400, &json!({ "__type": "AccessDeniedException", "message": "no" })),
        _ => account(seen),
    });
    let survey = surveyor(&fake).survey(&request("web-green", 10)).await.unwrap();
    assert_eq!(survey.scaling, Err("DescribeScalableTargets: AccessDeniedException: no".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_survey_tells_all_that_is_missing_at_once() {
    let fake = Fake::new(account);
    let surveyor = surveyor(&fake);
    let missing = surveyor.survey(&request("web-gren", 11)).await;
    let expected = [
        "port 80 of web has no rule with priority 11; there are default, 10",
        "there is no target group `web-gren`; did you mean `web-green`? there are web-green",
    ];
    let Err(SurveyError::NotFound(lines)) = missing else { panic!("{missing:?}") };
    assert_eq!(lines, expected);
}

#[tokio::test(start_paused = true)]
async fn a_survey_tells_which_groups_are_sticky_themselves() {
    let fake = Fake::new(|seen| match (seen.operation.as_str(), seen.param("TargetGroupArn").as_deref()) {
        ("DescribeTargetGroupAttributes", Some(GREEN)) => Reply::xml("DescribeTargetGroupAttributes", STICKY),
        _ => account(seen),
    });
    let survey = surveyor(&fake).survey(&request("web-green", 10)).await.unwrap();
    assert_eq!(survey.rule.sticky_groups, [GREEN]);
    let fake = Fake::new(account);
    assert!(surveyor(&fake).survey(&request("web-green", 10)).await.unwrap().rule.sticky_groups.is_empty());
}

pub(super) const STICKY: &str =
    "<Attributes><member><Key>stickiness.enabled</Key><Value>true</Value></member></Attributes>";

#[tokio::test(start_paused = true)]
async fn a_slot_with_tasks_of_before_holds_no_proven_release() {
    let said = |of: &'static str, early: bool, reads: bool| async move {
        let fake = Fake::new(move |seen| match seen.operation.as_str() {
            "DescribeServices" => {
                let mut blue = service("web-blue", 4, 0);
                let criteria =
                    json!({ "enable": early, "healthyPercent": 50, "sourceServiceRevisionCleanup": "DEFERRED" });
                blue["deploymentConfiguration"] = json!({ "earlySuccessCriteria": criteria });
                let mut green = service("web-green", 0, 0);
                green["desiredCount"] = json!(0);
                Reply::json(&json!({ "services": [blue, green] }))
            }
            "ListTasks" if !reads => Reply::status(400, &json!({ "__type": "AccessDeniedException", "message": "no" })),
            "DescribeTasks" => Reply::json(&json!({ "tasks": [{ "taskDefinitionArn": of }] })),
            _ => account(seen),
        });
        surveyor(&fake).survey(&request("web-green", 10)).await.unwrap().blue.unproven
    };
    assert_eq!(said("arn:web:8", true, true).await, None);
    assert_eq!(said("arn:web:7", false, true).await, Some("1 task of arn:web:7 still run".to_owned()));
    assert_eq!(said("arn:web:7", false, false).await, None);
    let unread = said("arn:web:8", true, false).await;
    assert!(unread.as_ref().is_some_and(|why| why.contains("AccessDeniedException")), "{unread:?}");
}
