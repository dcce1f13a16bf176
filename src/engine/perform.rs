//! Effect -> calls on the cloud -> Answer: the one file that knows both the machine and the cloud.
//! It decides nothing.

use std::time::Duration;

use super::LeaseKeeper;
use crate::cloud::{Arming, Cloud, RouteOrder, Routed};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::Role;
use crate::gate::{Check, Gate, Reading};
use crate::machine::{Answer, Effect, Look, Observation, Route, Stickiness};
use crate::plan::{Plan, QUIET_PERIODS};

/// How long one effect may take, in wall time. Every call has time-outs of its own, well below this: it
/// only keeps a call that lost its way from holding the rollout for ever.
const GUARD: Duration = Duration::from_secs(60);

/// Does what is asked and says what became of it.
pub(super) async fn perform<C: Cloud>(
    cloud: &C,
    clock: &Clock,
    (plan, keeper): (&Plan, Option<&LeaseKeeper>),
    effect: Effect,
) -> Answer {
    let late = late(&effect);
    let guard = clock.now() + GUARD.mul_f64(clock.speed());
    tokio::select! {
        biased;
        answer = ask(cloud, clock, (plan, keeper), effect) => answer,
        () = clock.sleep_until(guard) => Answer::Failed(late),
    }
}

/// What an effect becomes that is not answered: nobody knows what a write did.
fn late(effect: &Effect) -> Fault {
    let kind = if effect.is_write() { FaultKind::Unknown } else { FaultKind::Transient };
    let operation = match effect {
        Effect::Register { .. } => "RegisterTaskDefinition",
        Effect::Scale { .. } => "UpdateService",
        Effect::Route(_) => "ModifyRule",
        Effect::Mark(_) => "AddTags",
        Effect::HoldScaling | Effect::FreeScaling => "RegisterScalableTarget",
        Effect::Arm { .. } => "UpdateSchedule",
        Effect::Disarm => "DeleteSchedule",
        Effect::IntendCommit => "renew the lease",
        Effect::Conclude => "end the deployment",
        Effect::Look(_) => "look",
        Effect::Probe(_) => "probe",
        Effect::Count { .. } => "GetMetricData",
    };
    Fault::new(kind, operation, format!("no answer within {}", crate::domain::clock::span(GUARD)))
}

async fn ask<C: Cloud>(
    cloud: &C,
    clock: &Clock,
    (plan, keeper): (&Plan, Option<&LeaseKeeper>),
    effect: Effect,
) -> Answer {
    let answer = match effect {
        Effect::Register { digest } => cloud.register(&digest).await.map(Answer::Registered),
        Effect::Scale { role, count, task_definition } => {
            cloud.scale(role, count, task_definition.as_deref()).await.map(|()| Answer::Scaled)
        }
        Effect::Route(route) => cloud.route(order(&route, plan)).await.map(|routed| match routed {
            Routed::Written(seen) => Answer::Routed(seen),
            Routed::Unsettled(seen) => Answer::Unsettled(seen),
            Routed::Moving(seen) => Answer::Moving(seen),
            Routed::Foreign(seen) => Answer::Foreign(seen),
        }),
        Effect::Mark(beacon) => cloud.mark(beacon).await.map(|()| Answer::Marked),
        Effect::HoldScaling => {
            let held: Vec<_> = plan.before.scaling.iter().map(|(role, scaling)| (*role, scaling.held())).collect();
            cloud.set_scaling(&held).await.map(|()| Answer::ScalingHeld)
        }
        Effect::FreeScaling => cloud.set_scaling(&plan.before.scaling).await.map(|()| Answer::ScalingFreed),
        Effect::Arm { at, create } => match &plan.dead_man {
            Some(switch) => cloud.arm(switch, at, create).await.map(|arming| match arming {
                Arming::Armed => Answer::Armed,
                Arming::Gone => Answer::Gone,
            }),
            None => Err(no_switch()),
        },
        Effect::Disarm => match &plan.dead_man {
            Some(switch) => cloud.disarm(switch).await.map(|()| Answer::Disarmed),
            None => Err(no_switch()),
        },
        Effect::IntendCommit => match keeper {
            Some(keeper) => keeper.commits().await.map(|()| Answer::CommitIntended),
            None => Ok(Answer::CommitIntended),
        },
        Effect::Conclude => cloud.conclude().await.map(|()| Answer::Concluded),
        Effect::Look(look) => Ok(Answer::Seen(Box::new(observe(cloud, clock, plan, look).await))),
        Effect::Probe(index) => match plan.gates.get(index).map(|gate| &gate.check) {
            Some(Check::Probe(rule)) => Ok(Answer::Probed(cloud.probe(rule, clock.now()).await)),
            _ => Err(Fault::new(FaultKind::Permanent, "probe", format!("the plan's gate {index} is no probe"))),
        },
        Effect::Count { since, full } => {
            cloud.served(Role::Candidate, (since, full), clock.now()).await.map(Answer::Counted)
        }
    };
    answer.unwrap_or_else(Answer::Failed)
}

fn no_switch() -> Fault {
    Fault::new(FaultKind::Permanent, "dead-man's switch", "the plan has none")
}

fn order(route: &Route, plan: &Plan) -> RouteOrder {
    let sticky = match route.stickiness {
        Stickiness::Keep => None,
        Stickiness::Suspend => Some(false),
        Stickiness::Restore => Some(plan.before.stickiness.is_some()),
    };
    RouteOrder { share: route.share, expected: route.expected, sticky, by: route.by }
}

/// Reads all that is asked for at once; what cannot be read is among the faults.
async fn observe<C: Cloud>(cloud: &C, clock: &Clock, plan: &Plan, look: Look) -> Observation {
    let (outside, asked): (Vec<_>, Vec<_>) =
        gates(plan, &look.gates).into_iter().partition(|(_, gate)| gate.is_outside());
    let questions: Vec<&Gate> = asked.iter().map(|(_, gate)| *gate).collect();
    if let Some(within) = look.first_read {
        return first_read(cloud, clock, within).await;
    }
    let rule = async { if look.rule { Some(cloud.rule().await) } else { None } };
    let deployment = async { if look.deployment { Some(cloud.deployment().await) } else { None } };
    let calendar = async {
        let windows = plan.windows.as_ref().filter(|_| look.calendar)?;
        Some(cloud.calendars(&windows.calendars).await)
    };
    let fleet = async { if look.fleet { Some(cloud.fleet().await) } else { None } };
    let readings =
        async { if questions.is_empty() { Vec::new() } else { cloud.readings(&questions, look.since).await } };
    let said = async { if outside.is_empty() { Vec::new() } else { cloud.said(&outside, look.since).await } };
    let requests = async {
        let slot = look.quiet?;
        Some(cloud.requests(slot, QUIET_PERIODS, clock.now()).await)
    };
    let reached = async {
        let slot = look.quiet.filter(|_| look.reached)?;
        Some(cloud.entrances(slot).await)
    };
    let observed = async { if look.observed { Some(cloud.observed(clock.now()).await) } else { None } };
    // What AWS's own deployment says is read before the rule: where it went back meanwhile, the rule is not older.
    let (rule, deployment, fleet, readings, said, requests, reached, observed, calendar) =
        tokio::join!(rule, deployment, fleet, readings, said, requests, reached, observed, calendar);
    let matter = |reading| match reading {
        Reading::Counts(mut bins) => {
            bins.retain(|bin| bin.at >= look.counted);
            Reading::Counts(bins)
        }
        other => other,
    };
    let readings = readings.into_iter().map(matter);
    let mut faults = Vec::new();
    let counted = kept(requests, &mut faults);
    Observation {
        rule: kept(rule, &mut faults),
        fleet: kept(fleet, &mut faults),
        deployment: kept(deployment, &mut faults).flatten(),
        stable: None,
        calendar: kept(calendar, &mut faults),
        readings: asked.iter().map(|(index, _)| *index).zip(readings).chain(said).collect(),
        requests: counted.map(|counted| counted.requests),
        published: counted.map(|counted| counted.until),
        reached: kept(reached, &mut faults),
        observed: kept(observed, &mut faults).flatten(),
        faults,
    }
}

/// Reads only what the way back begins with, at once, and waits no longer than `within`.
async fn first_read<C: Cloud>(cloud: &C, clock: &Clock, within: Duration) -> Observation {
    let until = clock.now() + within.mul_f64(clock.speed());
    let rule = in_time(clock, until, ("DescribeRules", within), cloud.rule_at_once());
    let stable = in_time(clock, until, ("DescribeTargetHealth", within), cloud.healthy_at_once(Role::Stable));
    let (rule, stable) = tokio::join!(rule, stable);
    let mut faults = Vec::new();
    let (rule, stable) = (kept(Some(rule), &mut faults), kept(Some(stable), &mut faults));
    Observation { rule, stable, faults, ..Observation::default() }
}

/// What a read says, or a fault once it is `until`.
async fn in_time<T>(
    clock: &Clock,
    until: Timestamp,
    (operation, within): (&str, Duration),
    read: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::select! {
        biased;
        answer = read => answer,
        () = clock.sleep_until(until) => {
            let words = format!("no answer within {:.1}s", within.as_secs_f64());
            Err(Fault::new(FaultKind::Transient, operation, words))
        }
    }
}

/// The gates with these indices that the world can answer: the machine reads `tasks` gates out of the
/// fleet, and probes are effects of their own.
fn gates<'a>(plan: &'a Plan, indices: &[usize]) -> Vec<(usize, &'a Gate)> {
    let gate = |index: &usize| plan.gates.get(*index).map(|gate| (*index, gate));
    indices.iter().filter_map(gate).filter(|(_, gate)| gate.is_read()).collect()
}

fn kept<T>(answer: Option<Result<T, Fault>>, faults: &mut Vec<Fault>) -> Option<T> {
    answer?.map_err(|fault| faults.push(fault)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::traffic::Share;
    use crate::engine::tests::plan;
    use crate::gate::{AlarmRule, AtStart, Insufficient, TasksRule};

    #[test]
    fn only_gates_that_the_world_answers_are_read() {
        let alarm =
            AlarmRule { alarm: "5xx".into(), at_start: AtStart::Refuse, insufficient_data: Insufficient::Inconclusive };
        let checks = [Check::Tasks(TasksRule::default()), Check::Alarm(alarm)];
        let gates = checks.map(|check| Gate { name: "g".into(), check, watch: false }).to_vec();
        let plan = Plan { gates, ..plan() };
        let read: Vec<usize> = super::gates(&plan, &[0, 1, 7]).iter().map(|(index, _)| *index).collect();
        assert_eq!(read, [1]);
    }

    #[test]
    fn stickiness_is_restored_to_what_it_was() {
        let check = |was: Option<Duration>, stickiness, sticky| {
            let mut plan = plan();
            plan.before.stickiness = was;
            let route = Route { share: Share::NONE, expected: Some(Share::ALL), stickiness, by: None };
            let wanted = RouteOrder { share: Share::NONE, expected: Some(Share::ALL), sticky, by: None };
            assert_eq!(order(&route, &plan), wanted);
        };
        check(Some(GUARD), Stickiness::Keep, None);
        check(Some(GUARD), Stickiness::Suspend, Some(false));
        check(Some(GUARD), Stickiness::Restore, Some(true));
        check(None, Stickiness::Restore, Some(false));
    }

    #[test]
    fn what_cannot_be_read_is_a_fault() {
        let mut faults = Vec::new();
        let fault = Fault::new(FaultKind::Denied, "DescribeRules", "no");
        assert_eq!(kept(Some(Err::<(), _>(fault.clone())), &mut faults), None);
        assert_eq!(kept(Some(Ok(1)), &mut faults), Some(1));
        assert_eq!(kept(None::<Result<(), _>>, &mut faults), None);
        assert_eq!(faults, [fault]);
    }
}
