//! Strategies lowered to absolute, bounded steps: after this there is no canary and no blue-green.

use std::time::Duration;

use super::step::{Action, ReleasePlan, Step};
use crate::domain::safeguard::SWITCH_LANDS_WITHIN;
use crate::domain::traffic::Share;
use crate::gate::Check;
use crate::gate::compare::RampRule;
use crate::spec::{Limits, Spec, StepSpec, Strategy};

/// How long a registration may take, refusals repeated.
const REGISTER_WITHIN: Duration = Duration::from_secs(120);

/// How long it may take to set up what keeps the way back open: less than a switch lasts, refusals repeated.
const SECURE_WITHIN: Duration = Duration::from_secs(120);

/// How long it may take to take that down again.
const SETTLE_WITHIN: Duration = Duration::from_secs(120);

/// How long it takes from a verdict until the load balancer's nodes follow the weight that answers it.
const ACTUATION: Duration = Duration::from_secs(10);

/// What is asked of a person when the spec says nothing.
const APPROVAL: &str = "go on?";

/// The steps of a spec, for a stable slot of `full` tasks.
pub(super) fn steps(spec: &Spec, release: &ReleasePlan, full: u32) -> Vec<Step> {
    let limits = &spec.limits;
    let mut steps = Vec::new();
    if matches!(release, ReleasePlan::Register { .. }) {
        steps.push(Step { action: Action::Register, within: REGISTER_WITHIN });
    }
    steps.push(Step { action: Action::Secure, within: SECURE_WITHIN });
    steps.push(Step { action: Action::Prepare(full), within: limits.prepare });
    steps.extend(spec.gates.iter().enumerate().filter_map(|(index, gate)| match &gate.check {
        Check::Probe(rule) => Some(Step { action: Action::Probe(index), within: rule.within }),
        _ => None,
    }));
    let warm = match &spec.strategy {
        Strategy::Canary { steps: asked, warm } => {
            steps.extend(asked.iter().map(|step| canary(step, limits)));
            *warm
        }
        Strategy::Linear { step, every, warm } => {
            steps.extend(linear(*step, *every, limits));
            *warm
        }
        Strategy::HarmBudget { warm, .. } => {
            steps.extend(harm_budget(spec));
            *warm
        }
        Strategy::BlueGreen { warm } => *warm,
    };
    let everything = steps.iter().any(|step| step.action == Action::Shift(Share::ALL));
    if !everything {
        steps.push(shift(Share::ALL, limits));
    }
    steps.push(hold(warm, limits));
    steps.extend(spec.watch_for.map(|span| Step { action: Action::Watch(span), within: span + limits.verdict }));
    let quiesce = if spec.dead_man.is_some() { SWITCH_LANDS_WITHIN } else { Duration::ZERO };
    if spec.driver.is_aws() {
        // The old slot is proven quiet before the commit: AWS takes its tasks right after.
        steps.push(Step { action: Action::Commit, within: limits.shift + limits.drain });
        steps.push(Step { action: Action::Conclude, within: limits.drain });
    } else {
        steps.push(Step { action: Action::Commit, within: limits.shift + quiesce });
        steps.push(Step { action: Action::Retire, within: limits.drain });
    }
    steps.push(Step { action: Action::Settle, within: SETTLE_WITHIN });
    steps
}

fn canary(step: &StepSpec, limits: &Limits) -> Step {
    match step {
        StepSpec::Shift(share) => shift(*share, limits),
        StepSpec::Hold(span) => hold(*span, limits),
        StepSpec::Approve { message, within } => {
            let message = message.clone().unwrap_or_else(|| APPROVAL.to_owned());
            Step { action: Action::Approve(message), within: *within }
        }
    }
}

/// The ramp, then everything but the holdback, which is kept for comparison.
fn harm_budget(spec: &Spec) -> Vec<Step> {
    let Strategy::HarmBudget { budget, ceiling, within, holdback, bake, .. } = &spec.strategy else {
        return Vec::new();
    };
    let compare = spec.gates.iter().enumerate().find_map(|(index, gate)| match &gate.check {
        Check::Compare(rule) => Some((index, rule)),
        _ => None,
    });
    let Some((gate, compare)) = compare else { return Vec::new() };
    let floor = Share::from_permille(1).unwrap_or(Share::ALL);
    let blind = compare.feed.span() + compare.feed.delay() + ACTUATION;
    let rule = RampRule { budget: *budget, floor, ceiling: *ceiling, blind };
    let ramp = Step { action: Action::Ramp { gate, rule }, within: *within };
    vec![ramp, shift(holdback.rest(), &spec.limits), hold(*bake, &spec.limits)]
}

/// Equal steps below everything, each held.
fn linear(step: Share, every: Duration, limits: &Limits) -> Vec<Step> {
    let stride = usize::from(step.permille().max(1));
    let shares = (step.permille()..1000).step_by(stride).filter_map(Share::from_permille);
    shares.flat_map(|share| [shift(share, limits), hold(every, limits)]).collect()
}

fn shift(share: Share, limits: &Limits) -> Step {
    Step { action: Action::Shift(share), within: limits.shift }
}

fn hold(span: Duration, limits: &Limits) -> Step {
    Step { action: Action::Hold(span), within: span + limits.verdict }
}
