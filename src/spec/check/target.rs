//! The target: a rule, and two slots that are not the same.

use super::name::{CLUSTER, Kind, LOAD_BALANCER, RULE, SERVICE, TARGET_GROUP};
use super::{Check, optional};
use crate::domain::driver::DriverKind;
use crate::domain::name::Arn;
use crate::spec::document::{Rule, Slot, Target};
use crate::spec::finding::{Finding, Mark};
use crate::spec::model::{DriverSpec, RuleSpec, SlotSpec, TargetSpec};
use crate::spec::tree::Node;
use crate::spec::words;

impl Check<'_> {
    /// The target of the spec at `root`, for a driver of which is known whether one service fills both slots.
    pub(super) fn target(&mut self, target: Target, root: &Node, driver: Option<&DriverSpec>) -> Option<TargetSpec> {
        let at = root.field("target");
        let region_is_sound = target.region.as_ref().is_none_or(|region| self.same_region(region, at.field("region")));
        let cluster = self.resource(&target.cluster, at.field("cluster"), &CLUSTER);
        let rule = self.rule(&target.rule, at.field("rule"));
        let slots = at.field("slots");
        let services = driver.and_then(|driver| self.services(&target, root, driver.kind()));
        let group = |check: &mut Self, slot: &Slot, at: &Node| {
            check.resource(&slot.target_group, at.field("target_group"), &TARGET_GROUP)
        };
        let blue = group(self, &target.slots.blue, slots.field("blue"));
        let green = group(self, &target.slots.green, slots.field("green"));
        self.differ(&TARGET_GROUP, slots, [&target.slots.blue.target_group, &target.slots.green.target_group]);
        self.in_cluster(&target, at);
        let writer_role =
            optional(target.writer_role, |role| self.role(&role, at.field("writer_role")).then_some(role));
        region_is_sound.then_some(())?;
        let (region, writer_role) = (target.region, writer_role.ok()?);
        let [first, second] = services?;
        let blue = SlotSpec { service: first, target_group: blue? };
        let green = SlotSpec { service: second, target_group: green? };
        Some(TargetSpec { region, cluster: cluster?, rule: rule?, blue, green, writer_role })
    }

    /// The services of the blue and of the green slot.
    fn services(&mut self, target: &Target, root: &Node, driver: DriverKind) -> Option<[String; 2]> {
        let at = root.field("target");
        let slots = [("blue", &target.slots.blue), ("green", &target.slots.green)];
        if driver.can().one_service {
            return self.one_service(target, root, driver);
        }
        if target.service.is_some() {
            let finding = Finding::new(key(at, "service"), "with the driver pair each slot has a service of its own");
            let help = "name a `service` in each slot; or, where one service fills both, say `driver: { ecs: {} }`, \
                        `driver: { codedeploy: {} }` or `driver: { task_sets: {} }`";
            return self.add(finding.help(help));
        }
        let [blue, green] = slots.map(|(name, slot)| {
            let place = at.field("slots").field(name);
            let Some(service) = &slot.service else {
                let wrong = format!("{} lacks `service`", words::quoted(name));
                let help = "add it, such as `service: web-blue`; or, where one service fills both slots, name a \
                            `driver` for it";
                return self.wrong(place.head, wrong, help);
            };
            self.resource(service, place.field("service"), &SERVICE)
        });
        if let [Some(blue), Some(green)] = [&slots[0].1.service, &slots[1].1.service] {
            self.differ(&SERVICE, at.field("slots"), [blue, green]);
        }
        Some([blue?, green?])
    }

    /// The one service that fills both slots.
    fn one_service(&mut self, target: &Target, root: &Node, driver: DriverKind) -> Option<[String; 2]> {
        let at = root.field("target");
        let slots = [("blue", &target.slots.blue), ("green", &target.slots.green)];
        let with = |finding: Finding| finding.note(root.field("driver").value(), format!("the driver is {driver}"));
        let before = self.findings.len();
        for (name, _) in slots.iter().filter(|(_, slot)| slot.service.is_some()) {
            let place = key(at.field("slots").field(name), "service");
            let wrong = format!("with the driver {driver} a slot has no service of its own");
            let help = "leave it out; `target.service` names the one service that fills both slots";
            self.add::<()>(with(Finding::new(place, wrong)).help(help));
        }
        let Some(service) = &target.service else {
            let finding = Finding::new(at.head, format!("with the driver {driver} the target lacks `service`"));
            return self.add(with(finding).help("add it, such as `service: web`: the one that fills both slots"));
        };
        let service = self.resource(service, at.field("service"), &SERVICE)?;
        (self.findings.len() == before).then(|| [service.clone(), service])
    }

    /// Two slots do not have the same thing.
    fn differ(&mut self, kind: &Kind, slots: &Node, [blue, green]: [&str; 2]) {
        if kind.name(blue) == kind.name(green) {
            let field = if kind.word == SERVICE.word { "service" } else { "target_group" };
            let [blue, green] = ["blue", "green"].map(|slot| slots.field(slot).field(field).value());
            let finding = Finding::new(green, format!("both slots have the same {}", kind.word));
            let finding = finding.note(blue, "blue has it too");
            self.add::<()>(finding.help(format!("each slot has {} of its own", words::with_article(kind.word))));
        }
    }

    /// A service's ARN names its cluster.
    fn in_cluster(&mut self, target: &Target, at: &Node) {
        let slots = at.field("slots");
        let named = [
            (&target.slots.blue.service, slots.field("blue")),
            (&target.slots.green.service, slots.field("green")),
            (&target.service, at),
        ];
        for (service, place) in named.iter().filter_map(|(service, place)| Some((service.as_deref()?, *place))) {
            let path = Arn::parse(service).and_then(|arn| arn.resource.strip_prefix(SERVICE.resource));
            let Some((cluster, _)) = path.and_then(|path| path.split_once('/')) else { continue };
            if cluster != CLUSTER.name(&target.cluster) {
                let finding = Finding::new(place.field("service").value(), "this service is in another cluster");
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
            let finding = Finding::new(key(at, extra), "the rule is named twice").help(help);
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

/// The place of the key `name` in the mapping at `node`.
fn key(node: &Node, name: &str) -> Mark {
    node.keys().find(|key| key.text == name).map_or(node.head, |key| key.mark)
}
