//! What a plan's reader wants to know that the plan itself does not say: what the gates would answer now, what is
//! released, what both slots at once cost, what may end or be refused.

use std::time::Duration;

use serde_json::{Map, Value};

use super::difference::{Difference, units};
use super::foreseen::Foreseen;
use super::step::{Action, Plan, ReleasePlan};

/// What was found out beside a plan; what is absent was not asked, or not answered in time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// What differs between what serves and what is released; in words why that is not known.
    pub release: Option<Result<Vec<Difference>, String>>,
    /// What the gates answer at this moment, by their index in the plan.
    pub now: Vec<(usize, String)>,
    /// Requests a second that the service has now.
    pub rate: Option<f64>,
    /// Until when the credentials hold, in words.
    pub credentials: Option<String>,
    /// What the survey was not allowed to read.
    pub denied: Vec<String>,
    /// What one task of the release takes.
    pub size: Option<Size>,
    /// What that costs, where it was said.
    pub price: Option<Price>,
    /// What a simulation says of this spec in this service; in words why there is none.
    pub foreseen: Option<Result<Foreseen, String>>,
}

impl Facts {
    /// Whether the stable slot serves already what would be released.
    pub fn is_nothing_to_do(&self, plan: &Plan) -> bool {
        match &plan.release {
            ReleasePlan::Registered(arn) => *arn == plan.before.stable_task_definition,
            ReleasePlan::Register { .. } => matches!(&self.release, Some(Ok(found)) if found.is_empty()),
        }
    }
}

/// What one task takes of the machines it runs on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Virtual processors.
    pub vcpu: f64,
    /// Memory, in GiB.
    pub gib: f64,
}

/// What an hour costs, in dollars, as a person said it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// An hour of a virtual processor.
    pub vcpu: f64,
    /// An hour of a GiB of memory.
    pub gib: f64,
}

/// What runs beside the tasks that serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubling {
    /// How many tasks.
    pub tasks: u32,
    /// How long at least.
    pub least: Duration,
    /// How long at most.
    pub most: Duration,
}

/// How long both slots run at once: from the first candidate task until the old ones are taken.
pub fn doubling(plan: &Plan) -> Option<Doubling> {
    let from = plan.steps.iter().position(|step| matches!(step.action, Action::Prepare(_)))?;
    let Action::Prepare(tasks) = plan.steps[from].action else { return None };
    let ends = |action: &Action| matches!(action, Action::Retire | Action::Conclude);
    let until = plan.steps.iter().rposition(|step| ends(&step.action)).unwrap_or(plan.steps.len() - 1);
    let both = plan.steps.get(from..=until)?;
    let (least, most) = (both.iter().map(|step| plan.least(step)).sum(), both.iter().map(|step| step.within).sum());
    Some(Doubling { tasks, least, most })
}

impl Size {
    /// What a task definition says, or its containers where it says nothing, as RegisterTaskDefinition takes it.
    pub fn of(definition: &Map<String, Value>) -> Option<Self> {
        let whole = |field: &str| definition.get(field).and_then(units);
        let parts = |fields: &[&str]| {
            let containers = definition.get("containerDefinitions")?.as_array()?;
            let one = |container: &Value| fields.iter().find_map(|field| units(&container[*field])).unwrap_or(0.0);
            Some(containers.iter().map(one).sum::<f64>()).filter(|sum| *sum > 0.0)
        };
        let cpu = whole("cpu").or_else(|| parts(&["cpu"]))?;
        let memory = whole("memory").or_else(|| parts(&["memory", "memoryReservation"]))?;
        Some(Self { vcpu: cpu / 1024.0, gib: memory / 1024.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::diagram::sample::plan;
    use serde_json::json;

    fn size(definition: &Value) -> Option<(f64, f64)> {
        Size::of(definition.as_object().unwrap()).map(|size| (size.vcpu, size.gib))
    }

    #[test]
    fn a_task_s_size_is_read_in_every_way_of_writing_it() {
        assert_eq!(size(&json!({ "cpu": "512", "memory": "1024" })), Some((0.5, 1.0)));
        assert_eq!(size(&json!({ "cpu": "1 vCPU", "memory": "3GB" })), Some((1.0, 3.0)));
        let parts = json!({ "containerDefinitions": [{ "cpu": 256, "memory": 512 }, { "cpu": 256, "memoryReservation": 512 }] });
        assert_eq!(size(&parts), Some((0.5, 1.0)));
        assert_eq!(size(&json!({ "containerDefinitions": [{ "cpu": 0 }] })), None);
    }

    #[test]
    fn both_slots_run_from_the_first_candidate_task_until_the_old_ones_are_taken() {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let found = doubling(&plan()).unwrap();
        let steps: Duration = plan().steps[1..].iter().map(|step| step.within).sum();
        assert_eq!((found.tasks, found.most), (4, steps));
        assert!(found.least >= minutes(15) && found.least < found.most, "{found:?}");
    }

    #[test]
    fn nothing_is_to_do_when_what_serves_is_what_is_released() {
        let mut plan = plan();
        let facts = |release| Facts { release, ..Facts::default() };
        assert!(!facts(None).is_nothing_to_do(&plan), "what is not known may differ");
        assert!(!facts(Some(Err("denied".into()))).is_nothing_to_do(&plan));
        assert!(facts(Some(Ok(Vec::new()))).is_nothing_to_do(&plan));
        plan.release = ReleasePlan::Registered(plan.before.stable_task_definition.clone());
        assert!(facts(None).is_nothing_to_do(&plan));
    }
}
