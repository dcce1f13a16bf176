//! Application Auto Scaling at work: once a lab minute a task more or less, towards the value that is tracked.
//!
//! It is much simpler than AWS's, which counts alarm periods and may add many tasks at once. What matters here is
//! that capacity changes by itself, and not while that is suspended.

use serde_json::Value;

use super::account::{Account, Rollout, ScalableTarget, Service, ServiceStatus, last};
use super::balancer::meter;
use super::metrics::statistic::Statistic;
use super::metrics::store::{Key, Store, Window};
use super::value::{flag, number, text};

/// Policies look at the newest minute that is not older than this, in seconds.
pub(super) const LOOKED_AT: u64 = 300;
/// A task goes only when the others would stay below this part of the target value.
const SCALE_IN_BELOW: f64 = 0.9;

/// What a policy wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    More,
    Same,
    Fewer,
}

/// Adds or removes a task wherever all policies of a scalable target together want it.
pub(super) fn tick(account: &mut Account, store: &Store, now: u64) {
    for place in 0..account.scalable_targets.len() {
        let target = &account.scalable_targets[place];
        let Some(service) = service_of(account, &target.resource) else { continue };
        let policies = account.scaling_policies.iter().filter(|one| one.resource == target.resource);
        let wishes: Vec<Wish> =
            policies.filter_map(|policy| wish(&policy.config, service.desired, store, now)).collect();
        let (arn, desired) = (service.arn.clone(), settle(&wishes, target, service));
        if let Some(service) = account.service_mut(&arn).filter(|service| service.desired != desired) {
            service.desired = desired;
            service.is_steady = false;
        }
    }
}

/// Finds the service that a resource id names, if it is active.
pub(super) fn service_of<'a>(account: &'a Account, resource: &str) -> Option<&'a Service> {
    let (cluster, name) = resource.strip_prefix("service/")?.split_once('/')?;
    let mut active = account.services.iter().filter(|one| one.status == ServiceStatus::Active);
    active.find(|one| one.name == name && last(&one.cluster) == cluster)
}

/// What a policy wants; nothing when it tracks no requests or there is no data.
fn wish(config: &Value, desired: u32, store: &Store, now: u64) -> Option<Wish> {
    let metric = config.get("PredefinedMetricSpecification")?;
    if text(metric, "PredefinedMetricType") != Some("ALBRequestCountPerTarget") {
        return None;
    }
    let (balancer, group) = text(metric, "ResourceLabel")?.split_once("/targetgroup/")?;
    let group = format!("targetgroup/{group}");
    let dimensions = [("LoadBalancer", balancer), ("TargetGroup", group.as_str())];
    let key = Key::new(meter::NAMESPACE, "RequestCountPerTarget", &dimensions);
    let end = now / 1_000;
    let window = Window { start: end.saturating_sub(LOOKED_AT), end, seen_at_ms: now };
    let series = store.read(&key, &Statistic::parse("Sum")?, 60, window);
    let (_, value) = series.into_iter().next_back()?;
    let wanted = number(config, "TargetValue")?;
    let after = if desired > 1 { value * f64::from(desired) / f64::from(desired - 1) } else { f64::INFINITY };
    let keeps = flag(config, "DisableScaleIn").unwrap_or(false);
    Some(match value > wanted {
        true => Wish::More,
        false if after < wanted * SCALE_IN_BELOW && !keeps => Wish::Fewer,
        false => Wish::Same,
    })
}

/// The desired count that follows: one policy is enough for a task more, all must agree to a task less.
///
/// While a deployment runs nothing is taken away, as with ECS.
fn settle(wishes: &[Wish], target: &ScalableTarget, service: &Service) -> u32 {
    let desired = service.desired;
    if wishes.is_empty() {
        return desired;
    }
    let is_short = desired < target.min || (wishes.contains(&Wish::More) && desired < target.max);
    let is_rich = desired > target.max || (wishes.iter().all(|wish| *wish == Wish::Fewer) && desired > target.min);
    let is_deploying = service.deployments.iter().any(|one| one.rollout == Rollout::InProgress);
    if is_short && !target.suspended.scale_out {
        desired + 1
    } else if is_rich && !target.suspended.scale_in && !is_deploying {
        desired - 1
    } else {
        desired
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::account::{ScalingPolicy, Suspended, dimension};
    use super::super::config::LabConfig;
    use super::super::metrics::store::Kind;
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    /// An account whose first service has two tasks, from one to four allowed, 100 requests each a minute wanted.
    fn account(suspended: Suspended) -> Account {
        let mut account = Account::seeded(&LabConfig::default(), NOW);
        let resource = "service/lab/web-blue".to_owned();
        for deployment in account.services.iter_mut().flat_map(|service| &mut service.deployments) {
            deployment.rollout = Rollout::Completed;
        }
        account.scalable_targets.push(ScalableTarget {
            resource: resource.clone(),
            arn: String::new(),
            min: 1,
            max: 4,
            suspended,
            role: String::new(),
            created_at: NOW,
        });
        let [balancer, group] = [&account.load_balancers[0].arn, &account.groups[0].arn].map(|arn| dimension(arn));
        let metric = json!({"PredefinedMetricType": "ALBRequestCountPerTarget",
            "ResourceLabel": format!("{balancer}/{group}")});
        let config = json!({"TargetValue": 100.0, "PredefinedMetricSpecification": metric});
        account.scaling_policies.push(ScalingPolicy {
            name: "track".into(),
            resource,
            arn: String::new(),
            created_at: NOW,
            config,
        });
        account
    }

    /// How many tasks are wanted after so many minutes with so many requests for each task.
    fn after(mut account: Account, minutes: u64, requests: f64) -> u32 {
        let mut store = Store::new(0);
        let label = account.scaling_policies[0].config["PredefinedMetricSpecification"]["ResourceLabel"].clone();
        let (balancer, group) = label.as_str().and_then(|label| label.split_once("/targetgroup/")).expect("a label");
        let group = format!("targetgroup/{group}");
        let dimensions = [("LoadBalancer", balancer), ("TargetGroup", group.as_str())];
        let key = Key::new(meter::NAMESPACE, "RequestCountPerTarget", &dimensions);
        for minute in 1..=minutes {
            let now = NOW + minute * 60_000;
            store.change(&key, now / 1_000 - 60, Kind::Minute, |bucket| bucket.add(requests, 1.0));
            tick(&mut account, &store, now);
        }
        account.services[0].desired
    }

    #[test]
    fn tasks_come_and_go_one_a_minute_between_the_bounds() {
        let free = Suspended::default();
        assert_eq!(after(account(free), 1, 150.0), 3);
        assert_eq!(after(account(free), 9, 150.0), 4);
        assert_eq!(after(account(free), 9, 20.0), 1);
        assert_eq!(after(account(free), 9, 60.0), 2, "one task alone would have more than is wanted");
    }

    #[test]
    fn what_is_suspended_does_not_happen() {
        let no_in = Suspended { scale_in: true, ..Suspended::default() };
        let no_out = Suspended { scale_out: true, ..Suspended::default() };
        assert_eq!((after(account(no_in), 9, 20.0), after(account(no_in), 9, 150.0)), (2, 4));
        assert_eq!((after(account(no_out), 9, 20.0), after(account(no_out), 9, 150.0)), (1, 2));
    }

    #[test]
    fn nothing_is_taken_away_during_a_deployment_and_nothing_changes_without_data() {
        let mut deploying = account(Suspended::default());
        deploying.services[0].deployments[0].rollout = Rollout::InProgress;
        assert_eq!(after(deploying, 9, 20.0), 2);
        let mut silent = account(Suspended::default());
        tick(&mut silent, &Store::new(0), NOW);
        assert_eq!(silent.services[0].desired, 2);
    }
}
