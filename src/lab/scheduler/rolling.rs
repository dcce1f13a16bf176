//! How a rolling deployment ends: it completes, or its circuit breaker or an alarm gives it up; then the service goes
//! back to the deployment that completed last, if it is told to.

use crate::account::{Account, Rollout, Service, Settings};
use crate::metrics::alarm::Alarm;
use crate::metrics::alarm_state::State;

/// Gives the primary deployment up when too many of its tasks failed, or an alarm rings (`Deployment circuit breaker` and
/// `How CloudWatch alarms detect Amazon ECS deployment failures` in the developer guide).
pub(super) fn watch(account: &mut Account, service: &mut Service, well: usize, now: u64) {
    let Some(primary) = service.deployments.first().filter(|one| one.rollout == Rollout::InProgress) else { return };
    let Ok(settings) = Settings::read(&service.limits.raw) else { return };
    let began = primary.created_at;
    if let Some(alarms) = &settings.alarms
        && rings(account, &alarms.names, began)
    {
        return give_up(account, service, ("alarm detected", alarms.rolls_back), now);
    }
    let (Some(breaker), Some(primary)) = (settings.breaker, service.deployments.first_mut()) else { return };
    if breaker.resets && well > 0 {
        primary.failed_tasks = 0;
    }
    if primary.failed_tasks >= breaker.threshold(service.desired) {
        give_up(account, service, ("tasks failed to start", breaker.rolls_back), now);
    }
}

/// Whether an alarm has rung since a deployment began. Where one rang before, ECS ignores all of them.
fn rings(account: &Account, names: &[String], began: u64) -> bool {
    let rang = |name: &String| account.alarms.iter().find(|one| one.name == *name && one.state == State::Alarm);
    let mut since = names.iter().filter_map(rang).map(|alarm| alarm.updated_at).peekable();
    since.peek().is_some() && since.all(|since| since >= began)
}

/// The primary deployment fails. Its place takes the one that completed last, which may have had no task for long.
fn give_up(account: &mut Account, service: &mut Service, (why, rolls_back): (&str, bool), now: u64) {
    let Some(primary) = service.deployments.first_mut() else { return };
    primary.rollout = Rollout::Failed;
    let by = if why == "alarm detected" { "ECS deployment" } else { "ECS deployment circuit breaker" };
    primary.rollout_reason = format!("{by}: {why}.");
    primary.updated_at = now;
    let (id, name, failed) = (primary.id.clone(), service.name.clone(), primary.definition.clone());
    service.tell(now, format!("(service {name}) (deployment {id}) deployment failed: {why}."));
    let Some((before, definition)) = service.completed.clone().filter(|(_, before)| rolls_back && *before != failed)
    else {
        return;
    };
    match service.deployments.iter().position(|one| one.id == before) {
        Some(place) => service.deployments[..=place].rotate_right(1),
        None => service.deploy(&definition, now, account.next()),
    }
    definition.clone_into(&mut service.definition);
    service.is_steady = false;
    let primary = &mut service.deployments[0];
    (primary.rollout, primary.updated_at) = (Rollout::InProgress, now);
    primary.rollout_reason = format!("{by}: rolling back to deploymentId {before}.");
    service.tell(now, format!("(service {name}) rolling back to deployment {before}."));
}

/// Whether the primary deployment is a success before it is all there: so many percent of the desired tasks are healthy,
/// and with BLOCKING clean-up those of before are gone (DeploymentEarlySuccessCriteria in ECS's service model of 2026).
pub(super) fn ends_early(service: &Service, well: usize, is_alone: bool) -> bool {
    let Some(criteria) = service.limits.raw.get("earlySuccessCriteria").filter(|one| one["enable"] == true) else {
        return false;
    };
    let percent = criteria["healthyPercent"].as_u64().unwrap_or(100);
    let is_there = well as u64 * 100 >= u64::from(service.desired) * percent && service.desired > 0;
    is_there && (is_alone || criteria["sourceServiceRevisionCleanup"] == "DEFERRED")
}

/// Completes the primary deployment, once its alarms have been watched for as long as they take. Whether it has.
pub(super) fn complete(account: &Account, service: &mut Service, now: u64) -> bool {
    let settings = Settings::read(&service.limits.raw).ok();
    let names = settings.and_then(|settings| settings.alarms).map_or(Vec::new(), |alarms| alarms.names);
    let bake = names.iter().filter_map(|name| account.alarms.iter().find(|one| one.name == *name));
    let bake = bake.map(Alarm::window_ms).max().unwrap_or(0);
    let Some(primary) = service.deployments.first_mut() else { return false };
    if now < *primary.bakes_since.get_or_insert(now) + bake {
        return false;
    }
    let (id, definition) = (primary.id.clone(), primary.definition.clone());
    primary.rollout = Rollout::Completed;
    primary.rollout_reason = format!("ECS deployment {id} completed.");
    primary.updated_at = now;
    let name = service.name.clone();
    service.tell(now, format!("(service {name}) (deployment {id}) deployment completed."));
    service.completed = Some((id, definition));
    true
}
