//! What leads to a slot's tasks beside the rollout's rule, as AWS tells it.

use super::survey::account;
use super::*;
use crate::cloud::aws::fake::{Reply, Seen};

const INNER: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/inner-blue/06";
const INNER_BALANCER: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/net/inner/07";

/// The account, where the blue service registers behind an internal balancer too.
fn with_inner(seen: &Seen) -> Reply {
    let entry = |arn: &str| json!({ "targetGroupArn": arn, "containerName": "app", "containerPort": 80 });
    let asks = |name: &str, value: &str| seen.param(name).as_deref() == Some(value);
    match seen.operation.as_str() {
        "DescribeServices" => {
            let mut blue = service("web-blue", 4, 0);
            blue["loadBalancers"] = json!([entry(BLUE), entry(INNER)]);
            Reply::json(&json!({ "services": [blue] }))
        }
        "DescribeTargetGroups" if asks("TargetGroupArns.member.1", INNER) => Reply::xml(
            "DescribeTargetGroups",
            &format!(
                "<TargetGroups><member><TargetGroupArn>{INNER}</TargetGroupArn><LoadBalancerArns>\
                 <member>{INNER_BALANCER}</member></LoadBalancerArns></member></TargetGroups>"
            ),
        ),
        "DescribeListeners" if asks("LoadBalancerArn", INNER_BALANCER) => Reply::xml(
            "DescribeListeners",
            &format!(
                "<Listeners><member><ListenerArn>inner</ListenerArn><Port>90</Port><DefaultActions><member>\
                 <Type>forward</Type><TargetGroupArn>{INNER}</TargetGroupArn></member></DefaultActions></member>\
                 </Listeners>"
            ),
        ),
        "DescribeRules" => {
            assert!(!asks("ListenerArn", "inner"), "a network load balancer has no rules");
            account(seen)
        }
        _ => account(seen),
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_of_another_balancer_leads_to_a_service_that_registers_there() {
    let driver = driver_with(&Fake::new(with_inner), no_record());
    let expected = "service web-blue registers its tasks in inner-blue too, to which port 90 of inner forwards";
    assert_eq!(driver.entrances(Role::Stable).await, Ok(vec![expected.to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_default_action_leads_to_the_slot_that_it_forwards_to_unless_only_tests_come_by_it() {
    let fake = Fake::new(account);
    let mut driver = driver_with(&fake, no_record());
    assert_eq!(driver.entrances(Role::Stable).await, Ok(Vec::new()));
    let expected = "other (port 80, everything no other rule matches) forwards to web-green too";
    assert_eq!(driver.entrances(Role::Candidate).await, Ok(vec![expected.to_owned()]));
    driver.test_rules = vec!["other".to_owned()];
    assert_eq!(driver.entrances(Role::Candidate).await, Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_of_any_balancer_is_a_fault() {
    for lost in ["DescribeServices", "DescribeTargetGroups", "DescribeListeners", "DescribeRules"] {
        let fake = Fake::new(move |seen| if seen.operation == lost { Reply::Lost } else { with_inner(seen) });
        let driver = driver_with(&fake, no_record());
        assert!(driver.entrances(Role::Stable).await.is_err_and(|fault| fault.operation == lost), "{lost}");
    }
}
