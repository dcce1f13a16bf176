//! What keeps the way back open: the rule's beacon, the services' scalable targets, the dead-man's switch.

use std::time::Duration;

use serde_json::{Value, json};

use super::actions::{BRIEF, Binding};
use super::beacon::{self, tag_value};
use super::slots::Slots;
use super::{AlbDriver, drill};
use crate::cloud::Arming;
use crate::cloud::aws::{autoscaling, elbv2, scheduler};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::Role;
use crate::domain::name::RolloutId;
use crate::domain::safeguard::{BACK_TAGS, BEACON_TAGS, Beacon, DeadMan, Scaling, TakenBack};

/// How often it is looked whether a removed schedule is gone: reads may lag behind writes.
const LOOKS: u32 = 3;
/// How long to wait between two such looks.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl AlbDriver {
    pub(in crate::cloud) async fn write_beacon(&self, beacon: Beacon) -> Result<(), Fault> {
        self.fence.decide(matches!(beacon, Beacon::Active | Beacon::Committed));
        let (client, rule) = (&self.aws.writing.elb, &self.target.rule);
        let phase = match beacon {
            Beacon::Active => "active",
            Beacon::Aborting => "aborting",
            Beacon::Committed => "committed",
            Beacon::Absent => {
                return match elbv2::untag(client, rule, &[&BEACON_TAGS[..], &BACK_TAGS].concat()).await {
                    // A rule that is there no more carries no tags.
                    Err(fault) if fault.kind == FaultKind::Missing => Ok(()),
                    answer => answer,
                };
            }
        };
        let tags = BEACON_TAGS.into_iter().zip(self.beacon(phase)?);
        let Some(TakenBack { by, reason }) = self.back.as_ref().filter(|_| beacon == Beacon::Aborting) else {
            return elbv2::tag(client, rule, tags).await;
        };
        let words = [tag_value(by), tag_value(reason.as_deref().unwrap_or_default())];
        match elbv2::tag(client, rule, tags.clone().chain(BACK_TAGS.into_iter().zip(words))).await {
            // Where AWS does not take the words, it goes without them.
            Err(fault) if fault.kind == FaultKind::Permanent => elbv2::tag(client, rule, tags).await,
            marked => marked,
        }
    }

    fn beacon(&self, phase: &str) -> Result<[String; 5], Fault> {
        let (id, epoch) = self.rollout("AddTags")?;
        let group = |role| self.target.place(role).target_group_name.clone();
        let (stable, candidate) = (group(Role::Stable), group(Role::Candidate));
        Ok([id.to_string(), epoch.to_string(), stable, candidate, phase.to_owned()])
    }

    /// Who took the rollout back with nothing but the rule. Their tags come right after their weights.
    pub(in crate::cloud) async fn who_went_back(&self) -> Option<TakenBack> {
        let (id, _) = self.rollout("DescribeTags").ok()?;
        for look in 1..=LOOKS {
            match beacon::taken_back(&self.aws, &self.target.rule, id.as_str()).await {
                Ok(None) | Err(_) if look < LOOKS => {
                    let pause = LOOK_AGAIN.mul_f64(self.clock.speed());
                    self.clock.sleep_until(self.clock.now() + pause).await;
                }
                found => return found.ok().flatten(),
            }
        }
        None
    }

    /// One after the other, each until the first that fails. What somebody else changed meanwhile stays. A hold goes forward: one that landed behind a takeover
    /// would be freed by nobody.
    pub(in crate::cloud) async fn write_scaling(&self, targets: &[(Role, Scaling)]) -> Result<(), Fault> {
        for (role, scaling) in targets {
            let service = &self.target.place(*role).service;
            let holds = *scaling == scaling.held();
            let read = autoscaling::targets(&self.aws.reading.autoscaling, &self.target.cluster, &[service]).await;
            let wanted = match read {
                Ok(found) => {
                    found.into_iter().next().flatten().map(|now| if holds { now.held() } else { now.freed(*scaling) })
                }
                // Who may not read them sets them as they were recorded.
                Err(fault) if fault.kind == FaultKind::Denied => Some(*scaling),
                Err(fault) => return Err(fault),
            };
            // One that is there no more, somebody removed.
            let Some(wanted) = wanted else { continue };
            self.fence.decide(holds);
            autoscaling::set(&self.aws.writing.autoscaling, &self.target.cluster, service, wanted).await?;
        }
        Ok(())
    }

    /// Only a rollout's first `create`s: a push that finds nothing has come too late.
    pub(in crate::cloud) async fn write_switch(
        &self,
        switch: &DeadMan,
        at: Timestamp,
        create: bool,
    ) -> Result<Arming, Fault> {
        self.fence.decide(true);
        let (id, _) = self.rollout("UpdateSchedule")?;
        let name = scheduler::Name { group: &switch.group, name: id.as_str() };
        let frees = self.frees(create).await?;
        let actions = stable_only(&self.recorded.actions_json, &self.slots, frees)
            .map_err(|why| Fault::new(FaultKind::Permanent, "UpdateSchedule", why))?;
        let input = json!({ "RuleArn": self.target.rule, "Actions": actions }).to_string();
        let order = scheduler::Order { at, role: &switch.role, input: &input };
        let client = &self.aws.writing.scheduler;
        match scheduler::update(client, name, order).await {
            Err(fault) if fault.kind == FaultKind::Missing && create => {
                scheduler::create(client, name, order).await.map(|()| Arming::Armed)
            }
            Err(fault) if fault.kind == FaultKind::Missing => Ok(Arming::Gone),
            answer => answer.map(|()| Arming::Armed),
        }
    }

    pub(in crate::cloud) async fn remove_switch(&self, switch: &DeadMan) -> Result<(), Fault> {
        self.fence.decide(false);
        let (id, _) = self.rollout("DeleteSchedule")?;
        let name = scheduler::Name { group: &switch.group, name: id.as_str() };
        match scheduler::delete(&self.aws.writing.scheduler, name).await {
            Err(fault) if fault.kind != FaultKind::Missing => return Err(fault),
            Ok(()) | Err(_) => {}
        }
        for look in 1..=LOOKS {
            if !scheduler::exists(&self.aws.reading.scheduler, name).await? {
                return Ok(());
            }
            if look < LOOKS {
                self.clock.sleep_until(self.clock.now() + LOOK_AGAIN).await;
            }
        }
        Err(Fault::new(FaultKind::Transient, "DeleteSchedule", format!("{id} is still there")))
    }

    /// What the switch can write of stickiness. Nobody looks when it fires, so nothing could follow a refusal: whether
    /// a target group has become sticky is asked each time, and has to be known before the first.
    async fn frees(&self, first: bool) -> Result<Binding, Fault> {
        let mut sticky = !self.recorded.sticky_groups.is_empty();
        let asked = self.recorded.stickiness.is_some() && !sticky;
        for (group, _) in self.recorded.weights.iter().filter(|_| asked) {
            match elbv2::attributes(&self.aws.polling.elb, group).await {
                Ok(attributes) => sticky |= drill::is_sticky(&attributes),
                Err(fault) if first => return Err(fault),
                Err(_) => {}
            }
        }
        Ok(if sticky { Binding::Brief } else { Binding::Off })
    }

    fn rollout(&self, operation: &str) -> Result<(&RolloutId, u64), Fault> {
        let rollout = self.rollout.as_ref().map(|(id, epoch)| (id, *epoch));
        rollout.ok_or_else(|| Fault::new(FaultKind::Permanent, operation, "this driver serves no rollout"))
    }
}

/// The recorded actions with everything on the stable slot and clients freed as far as can be, as ModifyRule takes them.
///
/// # Errors
/// Says in words why the record gives no such list.
pub(super) fn stable_only(actions_json: &str, slots: &Slots, frees: Binding) -> Result<Value, String> {
    let mut actions: Value =
        serde_json::from_str(actions_json).map_err(|error| format!("the recorded actions cannot be read: {error}"))?;
    let list = actions.as_array_mut().ok_or("the recorded actions are no list")?;
    let forward = list.iter_mut().find(|action| action["Type"] == "forward");
    let config = forward.map(|action| &mut action["ForwardConfig"]).filter(|config| config.is_object());
    let config = config.ok_or("the recorded actions do not forward to weighted groups")?;
    let mut served = false;
    for group in config["TargetGroups"].as_array_mut().into_iter().flatten() {
        match group["TargetGroupArn"].as_str() {
            Some(arn) if arn == slots.candidate => group["Weight"] = json!(0),
            Some(arn) if arn == slots.stable => served = group["Weight"].as_u64() > Some(0),
            _ => {}
        }
    }
    if !served {
        return Err("the recorded actions give the stable slot nothing".to_owned());
    }
    let sticky = &mut config["TargetGroupStickinessConfig"];
    match frees {
        Binding::Brief => *sticky = json!({ "Enabled": true, "DurationSeconds": BRIEF.as_secs() }),
        Binding::Off | Binding::On => sticky["Enabled"] = json!(false),
    }
    Ok(actions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> Slots {
        Slots { stable: "blue".into(), candidate: "green".into() }
    }

    fn forwarding(weights: [u16; 3], sticky: &Value) -> Value {
        let group = |(arn, weight): (&str, u16)| json!({ "TargetGroupArn": arn, "Weight": weight });
        let groups: Vec<Value> = ["blue", "green", "other"].into_iter().zip(weights).map(group).collect();
        json!({ "Type": "forward", "Order": 2, "ForwardConfig": {
            "TargetGroups": groups, "TargetGroupStickinessConfig": sticky
        } })
    }

    #[test]
    fn the_switch_writes_the_record_with_stickiness_off() {
        let login = json!({ "Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {
            "ClientId": "me", "UseExistingClientSecret": true
        } });
        let before = forwarding([100, 0, 7], &json!({ "Enabled": true, "DurationSeconds": 600 }));
        let after = forwarding([100, 0, 7], &json!({ "Enabled": false, "DurationSeconds": 600 }));
        let written = stable_only(&json!([login, before]).to_string(), &slots(), Binding::Off);
        assert_eq!(written, Ok(json!([login, after])));
        let after = forwarding([100, 0, 7], &json!({ "Enabled": true, "DurationSeconds": 1 }));
        let written = stable_only(&json!([login, before]).to_string(), &slots(), Binding::Brief);
        assert_eq!(written, Ok(json!([login, after])));
    }

    #[test]
    fn a_record_that_serves_nobody_arms_nothing() {
        for list in [json!({}), json!([]), json!([forwarding([0, 0, 1], &Value::Null)])] {
            assert!(stable_only(&list.to_string(), &slots(), Binding::Off).is_err(), "{list}");
        }
        let plain = json!([{ "Type": "forward", "TargetGroupArn": "blue" }]);
        assert!(stable_only(&plain.to_string(), &slots(), Binding::Off).is_err());
    }
}
