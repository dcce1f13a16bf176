//! EventBridge Scheduler: one schedule that fires once and is gone. Its REST calls in JSON are those of the API reference
//! of version 2021-06-30.

use serde_json::{Value, json};

use super::fault;
use super::service::{Api, Paths, Request, Service, ServiceAnswer, encoded, json_refusal};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::safeguard::EVENT_LIVES;

/// The call that a schedule makes: the universal target of Elastic Load Balancing's ModifyRule, see the EventBridge
/// Scheduler user guide on universal targets.
const MODIFY_RULE: &str = "arn:aws:scheduler:::aws-sdk:elasticloadbalancingv2:modifyRule";
/// How often the scheduler tries again.
const ATTEMPTS: i32 = 5;

/// A schedule by its name.
#[derive(Clone, Copy, Debug)]
pub(in crate::cloud) struct Name<'a> {
    pub group: &'a str,
    pub name: &'a str,
}

/// What a schedule does, and when.
#[derive(Clone, Copy, Debug)]
pub(in crate::cloud) struct Order<'a> {
    /// To the second; what is below is cut off.
    pub at: Timestamp,
    /// The role's ARN.
    pub role: &'a str,
    /// What ModifyRule is called with, in JSON.
    pub input: &'a str,
}

impl Order<'_> {
    fn expression(&self) -> String {
        format!("at({})", self.at.to_string().trim_end_matches('Z'))
    }

    /// The order as a request says it, in a group.
    fn body(&self, group: &str) -> Value {
        json!({
            "ActionAfterCompletion": "DELETE",
            "ClientToken": token(),
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "GroupName": group,
            "ScheduleExpression": self.expression(),
            "ScheduleExpressionTimezone": "UTC",
            "Target": {
                "Arn": MODIFY_RULE,
                "Input": self.input,
                "RetryPolicy": { "MaximumEventAgeInSeconds": EVENT_LIVES.as_secs(), "MaximumRetryAttempts": ATTEMPTS },
                "RoleArn": self.role,
            },
        })
    }
}

/// What tells the scheduler that a call is the same as one before; each of ours is another.
fn token() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// What the scheduler is called.
pub(super) const API: Api =
    Api { id: "Scheduler", signing: "scheduler", paths: Paths::Normalized, refusal: json_refusal };

/// A call about a schedule.
fn request(operation: &'static str, method: &'static str, name: Name<'_>) -> Request {
    let path = format!("/schedules/{}", encoded(name.name, false));
    Request { operation, method, path, headers: Vec::new(), body: None }
}

/// A call that says what a schedule does.
fn ordering(operation: &'static str, method: &'static str, name: Name<'_>, body: &Value) -> Request {
    let headers = vec![("content-type", "application/json".to_owned())];
    Request { headers, body: Some(body.to_string().into_bytes()), ..request(operation, method, name) }
}

async fn write(client: &Service, request: Request) -> Result<(), Fault> {
    let operation = request.operation;
    client.call(request).await.map(|_: ServiceAnswer| ()).map_err(|error| fault::write(operation, &error))
}

/// Changes a schedule that is there; [`FaultKind::Missing`] when it is not.
pub(in crate::cloud) async fn update(client: &Service, name: Name<'_>, order: Order<'_>) -> Result<(), Fault> {
    write(client, ordering("UpdateSchedule", "PUT", name, &order.body(name.group))).await
}

/// Makes a schedule; refused when it is there.
pub(in crate::cloud) async fn create(client: &Service, name: Name<'_>, order: Order<'_>) -> Result<(), Fault> {
    make(client, name, order, "ENABLED").await
}

/// Makes a schedule that never fires.
pub(in crate::cloud) async fn create_disabled(client: &Service, name: Name<'_>, order: Order<'_>) -> Result<(), Fault> {
    make(client, name, order, "DISABLED").await
}

async fn make(client: &Service, name: Name<'_>, order: Order<'_>, state: &str) -> Result<(), Fault> {
    let mut body = order.body(name.group);
    body["State"] = json!(state);
    write(client, ordering("CreateSchedule", "POST", name, &body)).await
}

/// Removes a schedule; [`FaultKind::Missing`] when it is not there.
pub(in crate::cloud) async fn delete(client: &Service, name: Name<'_>) -> Result<(), Fault> {
    let request = request("DeleteSchedule", "DELETE", name);
    let path = format!("{}?groupName={}&clientToken={}", request.path, encoded(name.group, false), token());
    write(client, Request { path, ..request }).await
}

/// Whether a schedule is there.
pub(in crate::cloud) async fn exists(client: &Service, name: Name<'_>) -> Result<bool, Fault> {
    let request = request("GetSchedule", "GET", name);
    let path = format!("{}?groupName={}", request.path, encoded(name.group, false));
    match client.call(Request { path, ..request }).await.map_err(|error| fault::read("GetSchedule", &error)) {
        Ok(_) => Ok(true),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(false),
        Err(fault) => Err(fault),
    }
}
