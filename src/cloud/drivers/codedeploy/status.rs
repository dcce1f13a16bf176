//! What CodeDeploy tells of a deployment, in our words: what it is doing, where it is, and why it went back.

use std::time::Duration;

use aws_sdk_codedeploy::types::{
    DeploymentInfo, DeploymentReadyAction, DeploymentStatus, EcsTarget, ErrorCode, LifecycleEvent, LifecycleEventStatus,
};

use crate::cloud::aws::fault::one_line;
use crate::cloud::aws::timestamp;
use crate::domain::clock::Timestamp;
use crate::domain::driver::{Deployment, DeploymentState};

/// What a deployment is doing; `target` is what it does with its service, where that is known.
pub(super) fn told(info: &DeploymentInfo, target: Option<&EcsTarget>) -> Deployment {
    let (doing, stage) = match info.status() {
        Some(DeploymentStatus::Succeeded) => (DeploymentState::Done, "Succeeded".to_owned()),
        Some(over @ (DeploymentStatus::Failed | DeploymentStatus::Stopped)) => {
            (DeploymentState::Failed { why: why(info) }, over.as_str().to_owned())
        }
        Some(DeploymentStatus::Ready) => {
            let until = waits(info, target, ready_wait(info));
            (DeploymentState::Waiting { until }, "READY_WAIT".to_owned())
        }
        Some(DeploymentStatus::InProgress) if target.is_some_and(is_all_done) => {
            let until = waits(info, target, Some(termination_wait(info)));
            (DeploymentState::Waiting { until }, "TERMINATION_WAIT".to_owned())
        }
        other => {
            let word = other.map_or("unknown", DeploymentStatus::as_str);
            (DeploymentState::Moving, at_work(target).unwrap_or(word).to_owned())
        }
    };
    Deployment { id: info.deployment_id().unwrap_or_default().to_owned(), state: doing, stage, held_by: None }
}

/// Whether everything is done but to take the old tasks: every lifecycle event is over.
pub(super) fn is_all_done(target: &EcsTarget) -> bool {
    let over = |event: &LifecycleEvent| {
        matches!(event.status(), Some(LifecycleEventStatus::Succeeded | LifecycleEventStatus::Skipped))
    };
    !target.lifecycle_events().is_empty() && target.lifecycle_events().iter().all(over)
}

/// The lifecycle event that is going on.
fn at_work(target: Option<&EcsTarget>) -> Option<&str> {
    let going = |event: &&LifecycleEvent| event.status() == Some(&LifecycleEventStatus::InProgress);
    target?.lifecycle_events().iter().find(going)?.lifecycle_event_name()
}

/// When a wait of this length is over that began with the end of the last lifecycle event.
fn waits(info: &DeploymentInfo, target: Option<&EcsTarget>, span: Option<Duration>) -> Option<Timestamp> {
    let ends = target.map(EcsTarget::lifecycle_events).unwrap_or_default().iter().filter_map(LifecycleEvent::end_time);
    let began = ends.map(timestamp).max().or_else(|| info.start_time().map(timestamp))?;
    Some(began + span?)
}

/// How long it waits to be told to give the candidate traffic; `None` where it does not wait.
fn ready_wait(info: &DeploymentInfo) -> Option<Duration> {
    let ready = info.blue_green_deployment_configuration()?.deployment_ready_option()?;
    (ready.action_on_timeout() == Some(&DeploymentReadyAction::StopDeployment))
        .then(|| minutes(ready.wait_time_in_minutes))
}

fn termination_wait(info: &DeploymentInfo) -> Duration {
    let option = info.blue_green_deployment_configuration();
    let option = option.and_then(|config| config.terminate_blue_instances_on_deployment_success());
    minutes(option.map_or(0, |option| option.termination_wait_time_in_minutes))
}

/// A span that CodeDeploy counts in minutes.
pub(super) fn minutes(count: i32) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or_default() * 60)
}

/// Why a deployment did not succeed: the alarm by its name, somebody's stop, or CodeDeploy's own words; and what came of
/// it.
pub(super) fn why(info: &DeploymentInfo) -> String {
    let error = info.error_information();
    let message = error.and_then(|error| error.message()).unwrap_or_default();
    let cause = match error.and_then(|error| error.code()) {
        Some(ErrorCode::AlarmActive) => match named(message) {
            Some(names) => format!("alarm {names} rang"),
            None => format!("an alarm rang: {message}"),
        },
        Some(ErrorCode::ManualStop) => "somebody stopped it".to_owned(),
        Some(code) if message.is_empty() => code.as_str().to_owned(),
        Some(code) => format!("{}: {message}", code.as_str()),
        None => format!("it is {}", info.status().map_or("over", DeploymentStatus::as_str)),
    };
    let rollback = info.rollback_info();
    let back = rollback.and_then(|rollback| rollback.rollback_deployment_id());
    let then = match (back, rollback.and_then(|rollback| rollback.rollback_message())) {
        (Some(id), _) => format!("; deployment {id} rolls it back"),
        (None, Some(words)) if !words.is_empty() => format!("; {words}"),
        (None, _) => String::new(),
    };
    one_line(&format!("{cause}{then}"))
}

/// The alarms that a message names: it ends with their names in angle brackets.
fn named(message: &str) -> Option<&str> {
    let (_, names) = message.rsplit_once('<')?;
    names.split_once('>').map(|(names, _)| names).filter(|names| !names.is_empty())
}
