//! The target: a rule, and two slots that are not the same.

use super::name::{CLUSTER, Kind, LOAD_BALANCER, RULE, SERVICE, TARGET_GROUP};
use super::{Check, optional};
use crate::name::Arn;
use crate::spec::document::{Rule, Slot, Slots, Target};
use crate::spec::model::{RuleSpec, SlotSpec, TargetSpec};
use crate::spec::problem::Finding;
use crate::spec::tree::Node;
use crate::spec::words;

impl Check<'_> {
    pub(super) fn target(&mut self, target: Target, at: &Node) -> Option<TargetSpec> {
        let region_is_sound = target.region.as_ref().is_none_or(|region| self.same_region(region, at.field("region")));
        let cluster = self.resource(&target.cluster, at.field("cluster"), &CLUSTER);
        let rule = self.rule(&target.rule, at.field("rule"));
        let slots = at.field("slots");
        let blue = self.slot(&target.slots.blue, slots.field("blue"));
        let green = self.slot(&target.slots.green, slots.field("green"));
        self.two_slots(&target.slots, slots);
        self.in_cluster(&target, at);
        let writer_role =
            optional(target.writer_role, |role| self.role(&role, at.field("writer_role")).then_some(role));
        region_is_sound.then_some(())?;
        let (region, writer_role) = (target.region, writer_role.ok()?);
        Some(TargetSpec { region, cluster: cluster?, rule: rule?, blue: blue?, green: green?, writer_role })
    }

    fn slot(&mut self, slot: &Slot, at: &Node) -> Option<SlotSpec> {
        let service = self.resource(&slot.service, at.field("service"), &SERVICE);
        let target_group = self.resource(&slot.target_group, at.field("target_group"), &TARGET_GROUP);
        Some(SlotSpec { service: service?, target_group: target_group? })
    }

    fn two_slots(&mut self, slots: &Slots, at: &Node) {
        let (blue, green) = (at.field("blue"), at.field("green"));
        let mut differ = |kind: &Kind, field: &str, a: &str, b: &str| {
            if kind.name(a) == kind.name(b) {
                let wrong = format!("both slots have the same {}", kind.word);
                let finding = Finding::new(green.field(field).value(), wrong);
                let finding = finding.note(blue.field(field).value(), "blue has it too");
                self.add::<()>(finding.help(format!("each slot has {} of its own", words::with_article(kind.word))));
            }
        };
        differ(&SERVICE, "service", &slots.blue.service, &slots.green.service);
        differ(&TARGET_GROUP, "target_group", &slots.blue.target_group, &slots.green.target_group);
    }

    /// A service's ARN names its cluster.
    fn in_cluster(&mut self, target: &Target, at: &Node) {
        let slots = at.field("slots");
        for (slot, name) in [(&target.slots.blue, "blue"), (&target.slots.green, "green")] {
            let path = Arn::parse(&slot.service).and_then(|arn| arn.resource.strip_prefix(SERVICE.resource));
            let Some((cluster, _)) = path.and_then(|path| path.split_once('/')) else { continue };
            if cluster != CLUSTER.name(&target.cluster) {
                let place = slots.field(name).field("service");
                let finding = Finding::new(place.value(), "this service is in another cluster");
                let finding = finding.note(at.field("cluster").value(), "the target's cluster");
                self.add::<()>(finding.help("both slots are in the target's cluster"));
            }
        }
    }

    fn rule(&mut self, rule: &Rule, at: &Node) -> Option<RuleSpec> {
        let place = [
            ("load_balancer", rule.load_balancer.is_some()),
            ("port", rule.port.is_some()),
            ("priority", rule.priority.is_some()),
        ];
        let help = "either `arn`, or `load_balancer`, `port` and `priority`";
        if let Some(arn) = &rule.arn {
            let Some((extra, _)) = place.iter().find(|(_, given)| *given) else {
                return self.resource(arn, at.field("arn"), &RULE).map(RuleSpec::Arn);
            };
            let extra = at.keys().find(|key| key.text == *extra).map_or(at.head, |key| key.mark);
            let finding = Finding::new(extra, "the rule is named twice").help(help);
            return self.add(finding.note(at.field("arn").head, "its ARN says all"));
        }
        let load_balancer = match &rule.load_balancer {
            Some(name) => self.resource(name, at.field("load_balancer"), &LOAD_BALANCER),
            None => None,
        };
        if let (Some(_), Some(port), Some(priority)) = (&rule.load_balancer, rule.port, rule.priority) {
            return Some(RuleSpec::Place { load_balancer: load_balancer?, port, priority });
        }
        let missing: Vec<&str> = place.iter().filter(|(_, given)| !given).map(|(name, _)| *name).collect();
        let lacks = if missing.len() == place.len() {
            "the rule is not named".to_owned()
        } else {
            format!("the rule lacks {}", words::listed(&missing))
        };
        self.wrong(at.head, lacks, help)
    }
}
