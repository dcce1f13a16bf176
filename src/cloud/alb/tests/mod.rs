//! The driver against AWS as a function: what is sent, how often, and what comes of each answer.

mod back;
mod burn;
mod containers;
mod counts;
mod entrances;
mod metric_data;
mod place;
mod readings;
mod route;
mod safeguard;
mod survey;
mod way;
mod writer;

use serde_json::json;

use super::*;
use crate::cloud::aws::fake::Fake;
use crate::cloud::{Arming, Cloud, RouteOrder, Routed};
use crate::domain::clock::Timestamp;
use crate::domain::fleet::{Place, Role, Slot};
use crate::domain::safeguard::{Beacon, DeadMan, Scaling};
use crate::domain::traffic::Share;
use crate::gate::{Gate, Reading};

pub(in crate::cloud) const BLUE: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web-blue/01";
pub(in crate::cloud) const GREEN: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web-green/02";
pub(super) const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/web/03/04/05";
/// 2026-11-23T14:00:00Z.
pub(in crate::cloud) const NOW: Timestamp = Timestamp::from_millis(1_795_442_400_000);

pub(super) fn place(slot: Slot, arn: &str) -> Place {
    Place {
        slot,
        service: format!("web-{slot}"),
        target_group: arn.to_owned(),
        target_group_name: format!("web-{slot}"),
        target_group_dimension: arn.rsplit(':').next().unwrap_or_default().to_owned(),
    }
}

pub(in crate::cloud) fn target() -> Target {
    Target {
        region: "eu-west-1".into(),
        account: "1".into(),
        cluster: "prod".into(),
        rule: RULE.into(),
        load_balancer_dimension: "app/web/03".into(),
        dns_name: "web.example.com".into(),
        stable: place(Slot::Blue, BLUE),
        candidate: place(Slot::Green, GREEN),
    }
}

/// A rule with OIDC before the forward, as DescribeRules answers.
pub(in crate::cloud) fn rule_xml(weights: (u16, u16)) -> String {
    sticky_rule_xml(weights, (true, 600))
}

pub(super) fn sticky_rule_xml(weights: (u16, u16), (on, seconds): (bool, u32)) -> String {
    let tuple = |arn: &str, weight: u16| {
        format!("<member><TargetGroupArn>{arn}</TargetGroupArn><Weight>{weight}</Weight></member>")
    };
    format!(
        "<Rules><member><RuleArn>{RULE}</RuleArn><Priority>10</Priority><IsDefault>false</IsDefault>\
         <Conditions><member><Field>host-header</Field><HostHeaderConfig><Values><member>web.example.com</member>\
         </Values></HostHeaderConfig></member></Conditions><Actions>\
         <member><Type>authenticate-oidc</Type><Order>1</Order><AuthenticateOidcConfig><Issuer>https://id</Issuer>\
         <ClientId>me</ClientId></AuthenticateOidcConfig></member>\
         <member><Type>forward</Type><Order>2</Order><ForwardConfig><TargetGroups>{}{}</TargetGroups>\
         <TargetGroupStickinessConfig><Enabled>{on}</Enabled><DurationSeconds>{seconds}</DurationSeconds>\
         </TargetGroupStickinessConfig></ForwardConfig></member></Actions></member></Rules>",
        tuple(BLUE, weights.0),
        tuple(GREEN, weights.1),
    )
}

pub(in crate::cloud) fn no_record() -> Recorded {
    let (shape, actions_json) = (String::new(), String::new());
    Recorded { weights: Vec::new(), stickiness: None, sticky_groups: Vec::new(), priority: None, shape, actions_json }
}

pub(super) fn driver_with(fake: &Fake, recorded: Recorded) -> AlbDriver {
    AlbDriver::new(&fake.aws(), Clock::starting_at(NOW, 1.0), setup(recorded))
}

pub(in crate::cloud) fn setup(recorded: Recorded) -> AlbSetup {
    AlbSetup {
        rollout: RolloutId::parse("web-20261123-140000-beef").ok().map(|id| (id, 2)),
        target: target(),
        driver: Driver::Pair,
        ours: Ours::default(),
        recorded,
        test_rules: Vec::new(),
        release: None,
        about: About::default(),
        environment: BTreeMap::new(),
        connect_to: Vec::new(),
        fence: Fence::default(),
        writer_role: None,
    }
}

pub(super) fn service(name: &str, running: u32, failed: u32) -> serde_json::Value {
    json!({
        "serviceName": name, "status": "ACTIVE", "desiredCount": 4, "runningCount": running, "pendingCount": 0,
        "taskDefinition": "arn:web:8",
        "deployments": [{ "id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": "arn:web:8", "desiredCount": 4,
            "runningCount": running, "pendingCount": 0, "failedTasks": failed, "rolloutState": "COMPLETED" }],
    })
}
