//! The way forward: stage after stage, held by pause hooks, ended by alarms, by the breaker and by time.
//!
//! The stages and what each is for are those of `ServiceDeployment.lifecycleStage` in the ECS API reference. A
//! service's first deployment has nothing to shift away from: it scales up and takes all traffic, without hooks
//! and without a bake.

use super::traffic::{self, Kind};
use super::{SHIFT_MS, STAGE_LIMIT_MS, has_tasks, well};
use crate::account::{
    ALL, Account, DeploymentStatus, HookRun, HookStatus, Pause, Rollout, Service, ServiceDeployment, Stage, hex_id,
};
use crate::config::ShiftPauses;
use crate::metrics::alarm_state::State;

/// PENDING → IN_PROGRESS.
///
/// Alarms that are in ALARM when a deployment begins make ECS ignore the alarms of that deployment (`How CloudWatch
/// alarms detect Amazon ECS deployment failures` in the developer guide).
pub(super) fn start(account: &mut Account, service: &mut Service, deployment: &mut ServiceDeployment, now: u64) {
    deployment.status = DeploymentStatus::InProgress;
    deployment.started_at = Some(now);
    deployment.heeds_alarms = deployment.settings.alarms.is_some() && ringing(account, deployment).is_empty();
    let first = match deployment.sources.len() {
        0 => Stage::ScaleUp,
        1 => Stage::PreScaleUp,
        _ => Stage::ReconcileService,
    };
    enter(account, service, deployment, first, now);
}

/// IN_PROGRESS: fails, waits, or goes to the next stage.
pub(super) fn advance(account: &mut Account, service: &mut Service, deployment: &mut ServiceDeployment, now: u64) {
    let Some(stage) = deployment.stage else { return };
    if let Some((reason, rolls_back)) = trouble(account, service, deployment, now) {
        return deployment.fail(reason, rolls_back, now);
    }
    if let Some(reason) = expire(deployment, now) {
        return deployment.fail(reason, true, now);
    }
    if deployment.is_paused() || !is_done(account, service, deployment, now) {
        return;
    }
    match next(deployment, stage) {
        Some(stage) => enter(account, service, deployment, stage, now),
        None => succeed(service, deployment, now),
    }
}

/// The stage after one.
fn next(deployment: &ServiceDeployment, stage: Stage) -> Option<Stage> {
    let is_first = deployment.sources.is_empty();
    Some(match stage {
        Stage::ReconcileService => Stage::PreScaleUp,
        Stage::PreScaleUp => Stage::ScaleUp,
        Stage::ScaleUp if is_first => Stage::ProductionTrafficShift,
        Stage::ScaleUp => Stage::PostScaleUp,
        Stage::PostScaleUp => Stage::TestTrafficShift,
        Stage::TestTrafficShift => Stage::PostTestTrafficShift,
        Stage::PostTestTrafficShift => Stage::PreProductionTrafficShift,
        Stage::PreProductionTrafficShift => Stage::ProductionTrafficShift,
        Stage::ProductionTrafficShift if deployment.shifts < steps(deployment).len() => {
            Stage::PreProductionTrafficShift
        }
        Stage::ProductionTrafficShift if is_first => return None,
        Stage::ProductionTrafficShift => Stage::PostProductionTrafficShift,
        Stage::PostProductionTrafficShift => Stage::BakeTime,
        Stage::BakeTime => Stage::CleanUp,
        Stage::CleanUp => return None,
    })
}

/// The production shifts of a deployment.
fn steps(deployment: &ServiceDeployment) -> Vec<(u32, u64)> {
    let mut steps = deployment.settings.strategy.steps();
    if deployment.sources.is_empty() {
        steps.drain(..steps.len() - 1);
    }
    steps
}

/// Begins a stage: its hooks hold from now on, and what traffic it moves is moved.
fn enter(account: &mut Account, service: &Service, deployment: &mut ServiceDeployment, stage: Stage, now: u64) {
    deployment.stage = Some(stage);
    (deployment.stage_since, deployment.updated_at) = (now, now);
    deployment.hooks = hooks(account, deployment, stage, now);
    let moved = match stage {
        // The new revision's group is in the rule from now on, so that its tasks are checked.
        Stage::ReconcileService | Stage::PreScaleUp => {
            traffic::shift(account, service, deployment, Kind::Production, 0)
        }
        Stage::ScaleUp if deployment.sources.is_empty() => {
            traffic::shift(account, service, deployment, Kind::Production, 0)
        }
        Stage::TestTrafficShift => traffic::shift(account, service, deployment, Kind::Test, ALL),
        Stage::ProductionTrafficShift => {
            let share = steps(deployment).get(deployment.shifts).map_or(ALL, |step| step.0);
            deployment.shifts += 1;
            traffic::shift(account, service, deployment, Kind::Production, share)
        }
        _ => Ok(()),
    };
    if let Err(reason) = moved {
        let reason = format!("Service deployment rolled back because traffic could not be shifted. {reason}");
        deployment.fail(reason, true, now);
    }
}

/// The pause hooks that a stage raises.
fn hooks(account: &Account, deployment: &ServiceDeployment, stage: Stage, now: u64) -> Vec<HookRun> {
    let is_repeated = stage == Stage::PreProductionTrafficShift && deployment.shifts > 0;
    let is_silent = is_repeated && account.shift_pauses == ShiftPauses::First;
    if is_silent || deployment.sources.is_empty() {
        return Vec::new();
    }
    let pauses = deployment.settings.pauses.iter().enumerate().filter(|(_, pause)| pause.stages.contains(&stage));
    let run = |(number, pause): (usize, &Pause)| {
        let of = format!("{} {} {} {number}", deployment.arn, stage.word(), deployment.shifts);
        HookRun {
            id: format!("ecs-pause-{}", hex_id(&of, 43)),
            status: HookStatus::AwaitingAction,
            expires_at: now + pause.timeout,
            goes_on: pause.goes_on,
        }
    };
    pauses.map(run).collect()
}

/// Times out hooks whose time has come; gives why the deployment goes back, if one of them says so.
fn expire(deployment: &mut ServiceDeployment, now: u64) -> Option<String> {
    let stage = deployment.stage.map_or("", Stage::word);
    let mut reason = None;
    for hook in &mut deployment.hooks {
        if hook.status != HookStatus::AwaitingAction || now < hook.expires_at {
            continue;
        }
        hook.status = HookStatus::TimedOut;
        deployment.updated_at = now;
        if !hook.goes_on {
            let id = &hook.id;
            reason = Some(format!(
                "Service deployment rolled back because the lifecycle hook {id} timed out at the {stage} stage."
            ));
        }
    }
    reason
}

/// Whether what a stage does is done.
fn is_done(account: &Account, service: &Service, deployment: &ServiceDeployment, now: u64) -> bool {
    let age = now - deployment.stage_since;
    let is_gone = |id: &str| !has_tasks(account, id);
    match deployment.stage {
        Some(Stage::ReconcileService) => {
            age >= SHIFT_MS && deployment.sources.iter().skip(1).all(|source| is_gone(&source.deployment))
        }
        Some(Stage::ScaleUp) => well(account, service, &deployment.target.deployment) >= service.desired as usize,
        Some(Stage::TestTrafficShift) => {
            let places = service.attachments_of(&deployment.target.deployment);
            let has_test = places.iter().filter_map(|place| place.advanced.as_ref()).any(|it| it.test_rule.is_some());
            !has_test || age >= SHIFT_MS
        }
        Some(Stage::ProductionTrafficShift) => {
            let bake = deployment.shifts.checked_sub(1).and_then(|made| steps(deployment).get(made).copied());
            age >= SHIFT_MS + bake.map_or(0, |step| step.1)
        }
        Some(Stage::BakeTime) => age >= deployment.settings.bake,
        Some(Stage::CleanUp) => deployment.sources.iter().all(|source| is_gone(&source.deployment)),
        _ => true,
    }
}

/// Why a deployment fails, and whether it then goes back.
fn trouble(
    account: &Account,
    service: &mut Service,
    deployment: &mut ServiceDeployment,
    now: u64,
) -> Option<(String, bool)> {
    let verb = |rolls_back: bool| if rolls_back { "rolled back" } else { "stopped" };
    if deployment.heeds_alarms && deployment.stage < Some(Stage::CleanUp) {
        let ringing = ringing(account, deployment);
        if !ringing.is_empty() {
            let rolls_back = deployment.settings.alarms.as_ref().is_some_and(|alarms| alarms.rolls_back);
            let names = ringing.join(", ");
            deployment.triggered = ringing;
            let reason = format!("Service deployment {} because alarms are in ALARM: {names}.", verb(rolls_back));
            return Some((reason, rolls_back));
        }
    }
    if let Some(breaker) = deployment.settings.breaker.clone() {
        let id = deployment.target.deployment.clone();
        let is_up = breaker.resets && well(account, service, &id) > 0;
        let limit = breaker.threshold(service.desired);
        let target = service.deployment_mut(&id)?;
        if is_up {
            target.failed_tasks = 0;
        }
        if target.failed_tasks >= limit {
            target.rollout = Rollout::Failed;
            deployment.is_broken = true;
            let verb = verb(breaker.rolls_back);
            let reason = format!("Service deployment {verb} because the circuit breaker threshold was exceeded.");
            return Some((reason, breaker.rolls_back));
        }
    }
    let is_bounded = matches!(deployment.stage, Some(Stage::ScaleUp | Stage::ReconcileService));
    (is_bounded && now >= deployment.stage_since + STAGE_LIMIT_MS).then(|| {
        let stage = deployment.stage.map_or("", Stage::word);
        (format!("Service deployment rolled back because the {stage} stage took more than 24 hours."), true)
    })
}

/// The alarms of a deployment that are in ALARM.
fn ringing(account: &Account, deployment: &ServiceDeployment) -> Vec<String> {
    let names = deployment.settings.alarms.as_ref().map_or(&[][..], |alarms| &alarms.names);
    let rings = |name: &&String| account.alarms.iter().any(|one| one.name == **name && one.state == State::Alarm);
    names.iter().filter(rings).cloned().collect()
}

/// The new revision is all there is.
fn succeed(service: &mut Service, deployment: &mut ServiceDeployment, now: u64) {
    let id = deployment.target.deployment.clone();
    let name = service.name.clone();
    if let Some(target) = service.deployment_mut(&id) {
        target.rollout = Rollout::Completed;
        target.rollout_reason = format!("ECS deployment {id} completed.");
        target.updated_at = now;
    }
    service.deployments.retain(|one| one.id == id);
    service.tell(now, format!("(service {name}) (deployment {id}) deployment completed."));
    deployment.end(DeploymentStatus::Successful, now);
}
