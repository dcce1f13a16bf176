//! What CodeDeploy has when the lab starts: what the ECS console makes with a service.

use std::time::Duration;

use serde_json::{Value, json};

use crate::account::codedeploy::{Application, Group, Pair, Target};
use crate::account::routing::ALL_AT_ONCE;
use crate::account::{Account, Service, last, uuid};

/// The console keeps the original task set for an hour.
const TERMINATION_WAIT_MINUTES: u32 = 60;

/// Adds the application and the deployment group of a service: `AppECS-CLUSTER-SERVICE` and `DgpECS-CLUSTER-SERVICE`,
/// on the first listener, with the second one for test traffic if there is one. It waits so long for leave to shift.
pub(crate) fn seed(account: &mut Account, service: &Service, ready_wait: Duration, now: u64) {
    let minutes = ready_wait.as_secs() / 60;
    let on_timeout = if minutes > 0 { "STOP_DEPLOYMENT" } else { "CONTINUE_DEPLOYMENT" };
    let cluster = last(&service.cluster).to_owned();
    let name = |prefix: &str| format!("{prefix}ECS-{cluster}-{}", service.name);
    let (application, group) = (name("App"), name("Dgp"));
    let [blue, green] = &account.groups[..] else { return };
    let mut listeners = account.listeners.iter().map(|listener| listener.arn.clone());
    let (production, test) = (listeners.next().unwrap_or_default(), listeners.next());
    let mut pair = json!({"targetGroups": [{"name": blue.name}, {"name": green.name}],
        "prodTrafficRoute": {"listenerArns": [production]}});
    if let Some(test) = &test {
        pair["testTrafficRoute"] = json!({"listenerArns": [test]});
    }
    let body = json!({
        "serviceRoleArn": format!("arn:aws:iam::{}:role/ecsCodeDeployRole", account.names.account),
        "deploymentConfigName": ALL_AT_ONCE,
        "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        "blueGreenDeploymentConfiguration": {
            "deploymentReadyOption": {"actionOnTimeout": on_timeout, "waitTimeInMinutes": minutes},
            "terminateBlueInstancesOnDeploymentSuccess":
                {"action": "TERMINATE", "terminationWaitTimeInMinutes": TERMINATION_WAIT_MINUTES}},
        "loadBalancerInfo": {"targetGroupPairInfoList": [pair]},
        "ecsServices": [{"clusterName": cluster, "serviceName": service.name}],
        "alarmConfiguration": {"enabled": false, "ignorePollAlarmFailure": false, "alarms": []},
        "autoRollbackConfiguration": {"enabled": true, "events": ["DEPLOYMENT_FAILURE"]},
        "triggerConfigurations": [],
    });
    let Value::Object(body) = body else { unreachable!("the literal above is an object") };
    let made = Group {
        id: uuid(&group),
        application: application.clone(),
        name: group,
        body,
        target: Target { cluster, service: service.name.clone(), arn: service.arn.clone() },
        pair: Pair { groups: [blue.arn.clone(), green.arn.clone()], production, test },
    };
    account.deploy.groups.push(made);
    account.deploy.applications.push(Application { id: uuid(&application), name: application, created_at: now });
}
