//! EventBridge Scheduler: one schedule that fires once and is gone.

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, ScheduleState, Target,
};

use super::fault;
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

    fn target(&self) -> Result<Target, Fault> {
        let lives = i32::try_from(EVENT_LIVES.as_secs()).unwrap_or(i32::MAX);
        let retries = RetryPolicy::builder().maximum_event_age_in_seconds(lives).maximum_retry_attempts(ATTEMPTS);
        let target = Target::builder().arn(MODIFY_RULE).role_arn(self.role).input(self.input);
        target.retry_policy(retries.build()).build().map_err(|error| unmade(&error.to_string()))
    }
}

fn exactly() -> Result<FlexibleTimeWindow, Fault> {
    let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off);
    window.build().map_err(|error| unmade(&error.to_string()))
}

fn unmade(why: &str) -> Fault {
    Fault::new(FaultKind::Permanent, "UpdateSchedule", why)
}

/// Changes a schedule that is there; [`FaultKind::Missing`] when it is not.
pub(in crate::cloud) async fn update(client: &Client, name: Name<'_>, order: Order<'_>) -> Result<(), Fault> {
    let call = client
        .update_schedule()
        .group_name(name.group)
        .name(name.name)
        .schedule_expression(order.expression())
        .schedule_expression_timezone("UTC")
        .flexible_time_window(exactly()?)
        .action_after_completion(ActionAfterCompletion::Delete)
        .target(order.target()?);
    call.send().await.map(drop).map_err(|error| fault::write("UpdateSchedule", &error))
}

/// Makes a schedule; refused when it is there.
pub(in crate::cloud) async fn create(client: &Client, name: Name<'_>, order: Order<'_>) -> Result<(), Fault> {
    make(client, name, order, ScheduleState::Enabled).await
}

/// Makes a schedule that never fires.
pub(in crate::cloud) async fn create_disabled(client: &Client, name: Name<'_>, order: Order<'_>) -> Result<(), Fault> {
    make(client, name, order, ScheduleState::Disabled).await
}

async fn make(client: &Client, name: Name<'_>, order: Order<'_>, state: ScheduleState) -> Result<(), Fault> {
    let call = client
        .create_schedule()
        .group_name(name.group)
        .name(name.name)
        .schedule_expression(order.expression())
        .schedule_expression_timezone("UTC")
        .flexible_time_window(exactly()?)
        .action_after_completion(ActionAfterCompletion::Delete)
        .state(state)
        .target(order.target()?);
    call.send().await.map(drop).map_err(|error| fault::write("CreateSchedule", &error))
}

/// Removes a schedule; [`FaultKind::Missing`] when it is not there.
pub(in crate::cloud) async fn delete(client: &Client, name: Name<'_>) -> Result<(), Fault> {
    let call = client.delete_schedule().group_name(name.group).name(name.name).send().await;
    call.map(drop).map_err(|error| fault::write("DeleteSchedule", &error))
}

/// Whether a schedule is there.
pub(in crate::cloud) async fn exists(client: &Client, name: Name<'_>) -> Result<bool, Fault> {
    let call = client.get_schedule().group_name(name.group).name(name.name).send().await;
    match call.map_err(|error| fault::read("GetSchedule", &error)) {
        Ok(_) => Ok(true),
        Err(fault) if fault.kind == FaultKind::Missing => Ok(false),
        Err(fault) => Err(fault),
    }
}
