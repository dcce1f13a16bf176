//! A deployment on its way: install, wait for leave, shift, keep the original for a while, or go back.

use serde_json::json;

use super::Revision;
use super::route::{self, Split};
use crate::account::codedeploy::{Deployment, EVENTS, Event, Rollback, Rules, Stage, Status, deployment_id};
use crate::account::routing::{ALL_AT_ONCE, Routing};
use crate::account::{Account, Controller, Service, ServiceStatus, TaskSet};
use crate::metrics::alarm_state::State;

/// A deployment begins so long after it was created.
const BEGIN_MS: u64 = 2_000;
/// A lifecycle event may take so long (CodeDeploy quotas: 3,600 seconds).
const INSTALL_LIMIT_MS: u64 = 3_600_000;
/// A rollback says that it is done after so long; its traffic is back before.
const ROLLBACK_MS: u64 = 5_000;
/// Steps a deployment can take at one moment: more than it has stages.
const STEPS_LIMIT: usize = 8;
/// Places in [`EVENTS`].
const BEFORE_INSTALL: usize = 0;
const INSTALL: usize = 1;
const AFTER_INSTALL: usize = 2;
const ALLOW_TEST_TRAFFIC: usize = 3;
const AFTER_ALLOW_TEST_TRAFFIC: usize = 4;
const BEFORE_ALLOW_TRAFFIC: usize = 5;
const ALLOW_TRAFFIC: usize = 6;
const AFTER_ALLOW_TRAFFIC: usize = 7;

/// An end before the end.
struct End {
    status: Status,
    code: &'static str,
    message: String,
    rolls_back: bool,
}

impl End {
    fn failed(deployment: &Deployment, code: &'static str, message: String) -> End {
        End { status: Status::Failed, code, message, rolls_back: deployment.rules.on_failure }
    }
}

/// Brings every deployment to where it is at a moment.
pub(crate) fn tick(account: &mut Account, now: u64) {
    let mut deployments = std::mem::take(&mut account.deploy.deployments);
    let mut rollbacks = Vec::new();
    for deployment in deployments.iter_mut().filter(|one| !one.status.is_over()) {
        if let Some(end) = interrupted(account, deployment, now) {
            rollbacks.extend(conclude(account, deployment, end, now));
            continue;
        }
        for _ in 0..STEPS_LIMIT {
            let before = deployment.stage;
            if let Err(end) = step(account, deployment, now) {
                rollbacks.extend(conclude(account, deployment, end, now));
            }
            if deployment.status.is_over() || deployment.stage == before {
                break;
            }
        }
    }
    deployments.extend(rollbacks);
    account.deploy.deployments = deployments;
}

/// What ends a deployment wherever it is: a person, or an alarm.
fn interrupted(account: &Account, deployment: &Deployment, now: u64) -> Option<End> {
    if let Some(rolls_back) = deployment.stop {
        let message = "The deployment was stopped by a user.".to_owned();
        return Some(End { status: Status::Stopped, code: "MANUAL_STOP", message, rolls_back });
    }
    if now < deployment.created_at + BEGIN_MS {
        return None;
    }
    let is_active = |name: &&String| {
        let mut alarms = account.alarms.iter();
        alarms.any(|alarm| alarm.state == State::Alarm && (alarm.name == **name || alarm.arn == **name))
    };
    let active: Vec<&str> = deployment.rules.alarms.iter().filter(is_active).map(String::as_str).collect();
    if active.is_empty() {
        return None;
    }
    let message = format!(
        "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the \
         affected deployments have been stopped. Activated alarms: <{}>",
        active.join(", ")
    );
    let rolls_back = deployment.rules.on_alarm;
    Some(End { status: Status::Stopped, code: "ALARM_ACTIVE", message, rolls_back })
}

/// One step, if it is time for one.
fn step(account: &mut Account, deployment: &mut Deployment, now: u64) -> Result<(), End> {
    match deployment.stage {
        Stage::Created if now >= deployment.created_at + BEGIN_MS => begin(account, deployment, now)?,
        Stage::Installing => install(account, deployment, now)?,
        Stage::Ready { .. } if deployment.is_let_on => shift(account, deployment, now),
        Stage::Ready { until } if now >= until => {
            let message = "The deployment timed out while waiting for leave to reroute traffic.".to_owned();
            let rolls_back = deployment.rules.on_failure || deployment.rules.on_request;
            return Err(End { status: Status::Stopped, code: "TIMEOUT", message, rolls_back });
        }
        Stage::Shifting { since } => {
            let percent = deployment.routing.percent_after(now.saturating_sub(since));
            give(account, deployment, percent, now);
            if percent == 100 {
                keep(account, deployment, now);
            }
        }
        Stage::Terminating { until } if now >= until || deployment.is_let_on => {
            let blue = deployment.blue.clone().unwrap_or_default();
            if let Some(set) = service_of(account, deployment).and_then(|service| service.set_mut(&blue)) {
                set.drain(now);
            }
            succeed(deployment, now);
        }
        Stage::RollingBack { until } if now >= until => {
            deployment.events = [ended("Succeeded", deployment.started_at, now); 8];
            succeed(deployment, now);
        }
        _ => {}
    }
    Ok(())
}

fn ended(status: &'static str, started_at: Option<u64>, now: u64) -> Event {
    Event { status: Some(status), started_at, ended_at: Some(now) }
}

fn service_of<'a>(account: &'a mut Account, deployment: &Deployment) -> Option<&'a mut Service> {
    account.service_mut(&deployment.target.arn)
}

fn succeed(deployment: &mut Deployment, now: u64) {
    deployment.status = Status::Succeeded;
    (deployment.completed_at, deployment.updated_at) = (Some(now), now);
}

fn begun(deployment: &mut Deployment, event: usize, now: u64) {
    deployment.events[event] = Event { status: Some("InProgress"), started_at: Some(now), ended_at: None };
    deployment.updated_at = now;
}

/// An event is over; one that never began took no time.
fn done(deployment: &mut Deployment, event: usize, now: u64) {
    let started_at = deployment.events[event].started_at.or(Some(now));
    deployment.events[event] = ended("Succeeded", started_at, now);
    deployment.updated_at = now;
}

/// The target groups of the original and the replacement.
fn groups(deployment: &Deployment, account: &Account) -> Option<(String, String)> {
    let service = account.services.iter().find(|one| one.arn == deployment.target.arn)?;
    let blue = &service.set(deployment.blue.as_deref()?)?.attachments.first()?.group;
    let green = deployment.pair.groups.iter().find(|group| *group != blue)?;
    deployment.pair.groups.contains(blue).then(|| (blue.clone(), green.clone()))
}

/// Gives the replacement a percentage of production traffic, if it does not have it already.
fn give(account: &mut Account, deployment: &mut Deployment, percent: u32, now: u64) {
    let Some((blue, green)) = groups(deployment, account) else { return };
    if deployment.percent != percent {
        route::write(account, &deployment.pair.production, &Split { blue: &blue, green: &green, percent });
        (deployment.percent, deployment.updated_at) = (percent, now);
    }
}

/// Makes the replacement task set, behind the other target group and without traffic.
fn begin(account: &mut Account, deployment: &mut Deployment, now: u64) -> Result<(), End> {
    deployment.status = Status::InProgress;
    deployment.started_at = Some(now);
    done(deployment, BEFORE_INSTALL, now);
    begun(deployment, INSTALL, now);
    deployment.stage = Stage::Installing;
    let number = account.next();
    let service = account.services.iter().find(|one| one.arn == deployment.target.arn);
    let is_fine = |one: &&Service| one.status == ServiceStatus::Active && one.controller == Controller::CodeDeploy;
    let Some(primary) = service.filter(is_fine).and_then(Service::primary).cloned() else {
        let message = "The ECS service is not active, or CodeDeploy does not deploy it.".to_owned();
        return Err(End::failed(deployment, "INVALID_ECS_SERVICE", message));
    };
    deployment.blue = Some(primary.id.clone());
    let production = deployment.pair.production.clone();
    let split = groups(deployment, account);
    let split = split.as_ref().map(|(blue, green)| Split { blue, green, percent: 0 });
    let Some(split) = split.filter(|split| route::is_behind(account, &production, split)) else {
        let message = format!(
            "The ELB could not be updated due to the following error: Primary taskset target group must be behind \
             listener {production}"
        );
        return Err(End::failed(deployment, "ELASTIC_LOAD_BALANCING_INVALID", message));
    };
    let definition = account.definition(&deployment.revision.definition).filter(|one| one.is_active);
    let Some(definition) = definition.map(|one| one.arn.clone()) else {
        let message = "The ECS service cannot be updated due to the following error: TaskDefinition not found.";
        return Err(End::failed(deployment, "ECS_UPDATE_ERROR", message.to_owned()));
    };
    route::write(account, &production, &split);
    let mut places = primary.attachments.clone();
    places.truncate(1);
    for place in &mut places {
        split.green.clone_into(&mut place.group);
        place.container.clone_from(&deployment.revision.container);
        place.port = deployment.revision.port;
    }
    let Some(service) = service_of(account, deployment) else { return Ok(()) };
    // What an earlier deployment left behind without rolling back is in the way.
    for set in service.sets.iter_mut().filter(|set| set.id != primary.id && !set.is_draining) {
        set.drain(now);
    }
    let mut set = TaskSet {
        external_id: Some(deployment.id.clone()),
        is_codedeploys: true,
        extra: primary.extra.clone(),
        ..TaskSet::new(service, &definition, places, now)
    };
    if deployment.revision.extra.contains_key("capacityProviderStrategy") {
        set.extra.shift_remove("launchType");
    }
    set.extra.extend(deployment.revision.extra.clone());
    deployment.green = Some(service.add_set(set, number));
    Ok(())
}

/// Waits for the replacement; then test traffic goes to it, and production traffic if nobody is to be asked.
fn install(account: &mut Account, deployment: &mut Deployment, now: u64) -> Result<(), End> {
    let green = deployment.green.clone().unwrap_or_default();
    let is_steady = service_of(account, deployment).and_then(|service| service.set(&green)).map(|set| set.is_steady);
    if is_steady != Some(true) {
        let since = deployment.events[INSTALL].started_at.unwrap_or(now);
        if now >= since + INSTALL_LIMIT_MS {
            let message = "The deployment timed out while waiting for the replacement task set to become healthy. \
                           This time out period is 60 minutes.";
            return Err(End::failed(deployment, "TIMEOUT", message.to_owned()));
        }
        return Ok(());
    }
    done(deployment, INSTALL, now);
    done(deployment, AFTER_INSTALL, now);
    match (deployment.pair.test.clone(), groups(deployment, account)) {
        (Some(test), Some((blue, green))) => {
            route::write(account, &test, &Split { blue: &blue, green: &green, percent: 100 });
            done(deployment, ALLOW_TEST_TRAFFIC, now);
            done(deployment, AFTER_ALLOW_TEST_TRAFFIC, now);
        }
        _ => {
            for event in [ALLOW_TEST_TRAFFIC, AFTER_ALLOW_TEST_TRAFFIC] {
                deployment.events[event].status = Some("Skipped");
            }
        }
    }
    if let Some(wait) = deployment.rules.ready_wait_ms {
        deployment.status = Status::Ready;
        deployment.stage = Stage::Ready { until: now + wait };
    } else {
        shift(account, deployment, now);
    }
    Ok(())
}

/// Begins to shift production traffic.
fn shift(account: &mut Account, deployment: &mut Deployment, now: u64) {
    (deployment.status, deployment.is_let_on) = (Status::InProgress, false);
    done(deployment, BEFORE_ALLOW_TRAFFIC, now);
    begun(deployment, ALLOW_TRAFFIC, now);
    deployment.stage = Stage::Shifting { since: now };
    let percent = deployment.routing.percent_after(0);
    give(account, deployment, percent, now);
}

/// All traffic is shifted: the replacement is the primary one, and the original is kept for a while.
fn keep(account: &mut Account, deployment: &mut Deployment, now: u64) {
    let green = deployment.green.clone().unwrap_or_default();
    if let Some(service) = service_of(account, deployment) {
        service.promote(&green, now);
    }
    done(deployment, ALLOW_TRAFFIC, now);
    done(deployment, AFTER_ALLOW_TRAFFIC, now);
    deployment.stage = Stage::Terminating { until: now + deployment.rules.termination_wait_ms };
}

/// Ends a deployment before its end; gives the deployment that rolls it back, if one does.
///
/// Without a rollback everything stays as it is.
fn conclude(account: &mut Account, deployment: &mut Deployment, end: End, now: u64) -> Option<Deployment> {
    for event in &mut deployment.events {
        match event.status {
            Some("InProgress") => *event = ended("Failed", event.started_at, now),
            None => event.status = Some("Skipped"),
            _ => {}
        }
    }
    deployment.status = end.status;
    deployment.error = Some((end.code, end.message));
    (deployment.completed_at, deployment.updated_at) = (Some(now), now);
    if !end.rolls_back || deployment.rollback.as_ref().is_some_and(|rollback| rollback.is_it) {
        return None;
    }
    deployment.green.as_ref()?;
    back(account, deployment, now)?;
    let made = rollback_of(account, deployment, now);
    let message = format!(
        "Deployment {} terminated. Automatic rollback is triggered with a DeploymentId {}.",
        deployment.id, made.id
    );
    deployment.rollback = Some(Rollback { other: made.id.clone(), is_it: false, message });
    Some(made)
}

/// Gives all traffic back to the original task set, and lets the replacement go.
fn back(account: &mut Account, deployment: &mut Deployment, now: u64) -> Option<()> {
    let (blue, green) = groups(deployment, account)?;
    let split = Split { blue: &blue, green: &green, percent: 0 };
    for listener in std::iter::once(&deployment.pair.production).chain(&deployment.pair.test) {
        route::write(account, listener, &split);
    }
    deployment.percent = 0;
    let (first, second) = (deployment.blue.clone()?, deployment.green.clone()?);
    let service = service_of(account, deployment)?;
    if service.primary_set.as_ref() != Some(&first) {
        service.promote(&first, now);
    }
    if let Some(set) = service.set_mut(&second) {
        set.drain(now);
    }
    Some(())
}

/// The deployment that tells of a rollback.
fn rollback_of(account: &mut Account, of: &Deployment, now: u64) -> Deployment {
    let number = account.next();
    let id = deployment_id(&format!("{} rollback {number}", of.id));
    let service = account.services.iter().find(|one| one.arn == of.target.arn);
    let primary = service.and_then(Service::primary);
    let place = primary.and_then(|set| Some((set, set.attachments.first()?)));
    let revision = match place {
        Some((set, place)) => Revision::of(&set.definition, &place.container, place.port),
        None => of.revision.clone(),
    };
    let message = format!("Deployment {id} is triggered to roll back deployment {}.", of.id);
    let mut body = of.body.clone();
    body.insert("deploymentConfigName".to_owned(), json!(ALL_AT_ONCE));
    Deployment {
        creator: "codeDeployRollback",
        description: None,
        config: ALL_AT_ONCE.to_owned(),
        routing: Routing::AllAtOnce,
        revision,
        body,
        // Nothing stops a rollback, least of all the alarm that caused it.
        rules: Rules::default(),
        status: Status::InProgress,
        stage: Stage::RollingBack { until: now + ROLLBACK_MS },
        events: [Event::default(); EVENTS.len()],
        percent: 0,
        error: None,
        rollback: Some(Rollback { other: of.id.clone(), is_it: true, message }),
        is_let_on: false,
        stop: None,
        created_at: now,
        started_at: Some(now),
        completed_at: None,
        updated_at: now,
        id,
        ..of.clone()
    }
}
