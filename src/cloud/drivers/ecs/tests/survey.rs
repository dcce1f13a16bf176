//! What a survey says of a service that ECS deploys by itself.

use aws_sdk_ecs::types::{AdvancedConfiguration, DeploymentConfiguration, DeploymentStrategy, LoadBalancer, Service};

use super::super::survey::{misfits, shifts_by_ecs, stop_under_way, under_way};
use super::*;

const RULE: &str = "arn:rule";

fn service(alternate: Option<&str>, rule: &str) -> Service {
    let advanced = alternate.map(|alternate| {
        AdvancedConfiguration::builder().alternate_target_group_arn(alternate).production_listener_rule(rule).build()
    });
    let way = LoadBalancer::builder().target_group_arn(BLUE).set_advanced_configuration(advanced).build();
    Service::builder().service_name("web").load_balancers(way).build()
}

#[test]
fn a_service_must_shift_between_the_specs_groups_on_the_specs_rule() {
    let check = |service: &Service, words: &str| {
        let found = misfits(service, RULE, [GREEN, BLUE]);
        assert!(found.len() == 1 && found[0].contains(words), "{found:?}");
    };
    assert_eq!(misfits(&service(Some(GREEN), RULE), RULE, [GREEN, BLUE]), Vec::<String>::new());
    check(&service(None, RULE), "names no second target group");
    check(&service(Some("arn:other"), RULE), "the spec names others");
    check(&service(Some(GREEN), "arn:other"), "shifts traffic on rule arn:other");
    let strategy = |word: &str| {
        let how = DeploymentConfiguration::builder().strategy(DeploymentStrategy::from(word)).build();
        shifts_by_ecs(&Service::builder().deployment_configuration(how).build())
    };
    assert_eq!(["BLUE_GREEN", "LINEAR", "CANARY", "ROLLING"].map(strategy), [true, true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_under_way_is_told_with_what_it_brings() {
    let aws = Aws::quiet();
    let clients = aws.fake.aws();
    let at = ("prod", "web");
    assert_eq!(under_way(&clients.reading.ecs, at).await, Ok(None));
    aws.with(|world| world.begin("IN_PROGRESS", "SCALE_UP", 0));
    let found = under_way(&clients.reading.ecs, at).await.unwrap().unwrap();
    assert_eq!(
        (found.id.as_str(), found.task_definition.as_str(), found.stage.as_str()),
        ("arn:deployment/1", NEW, "SCALE_UP")
    );
    let both = (&clients.reading.ecs, &clients.writing.ecs);
    assert_eq!(stop_under_way(both, at).await, Ok(Some(found)));
    assert_eq!(aws.count("StopServiceDeployment"), 1);
}
