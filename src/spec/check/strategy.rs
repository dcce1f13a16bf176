//! The strategy: shares go up, and every share is judged before the next.

use std::time::Duration;

use super::Check;
use super::units::{DAY, MINUTE, SECOND};
use crate::domain::traffic::Share;
use crate::spec::document::{Approve, Canary, HarmBudget, Linear, Step, Strategy as Written, Time};
use crate::spec::finding::{Finding, Mark};
use crate::spec::model::{StepSpec, Strategy};
use crate::spec::tree::Node;

/// The most steps that a rollout may have.
const MAX_STEPS: u16 = 100;

/// The most that a holdback may be.
const HALF: Share = match Share::from_permille(500) {
    Some(half) => half,
    None => Share::NONE,
};

/// The last shift, and whether it has been judged since.
#[derive(Clone, Copy)]
struct Last {
    share: Share,
    mark: Mark,
    is_judged: bool,
}

impl Check<'_> {
    pub(super) fn strategy(&mut self, strategy: Written, at: &Node) -> Option<Strategy> {
        match strategy {
            Written::HarmBudget(budget) => self.harm_budget(&budget, at.field("harm_budget")),
            Written::Canary(canary) => self.canary(canary, at.field("canary")),
            Written::Linear(linear) => self.linear(&linear, at.field("linear")),
            Written::BlueGreen(all) => {
                let warm = self.warm(&all.warm, at.field("blue_green"))?;
                Some(Strategy::BlueGreen { warm })
            }
        }
    }

    fn warm(&mut self, warm: &Time, at: &Node) -> Option<Duration> {
        self.time(warm, at.field("warm"), MINUTE..=DAY)
    }

    fn harm_budget(&mut self, budget: &HarmBudget, at: &Node) -> Option<Strategy> {
        let ceiling = self.share(&budget.ceiling, at.field("ceiling"));
        let holdback = self.share(&budget.holdback, at.field("holdback")).and_then(|holdback| {
            if holdback <= HALF {
                return Some(holdback);
            }
            let wrong = format!("a holdback of {holdback} is no holdback");
            self.wrong(at.field("holdback").value(), wrong, "from 0.1% to 50%")
        });
        let within = self.time(&budget.within, at.field("within"), 5 * MINUTE..=DAY);
        let bake = self.time(&budget.bake, at.field("bake"), MINUTE..=DAY);
        let warm = self.warm(&budget.warm, at);
        let (ceiling, holdback) = (ceiling?, holdback?);
        if ceiling > holdback.rest() {
            let place = if at.get("ceiling").is_some() { "ceiling" } else { "holdback" };
            let wrong = format!("the ceiling of {ceiling} leaves less than the holdback of {holdback}");
            let help = format!("a ceiling of at most {}", holdback.rest());
            return self.wrong(at.field(place).value(), wrong, help);
        }
        let budget = f64::from(budget.requests);
        Some(Strategy::HarmBudget { budget, ceiling, within: within?, holdback, bake: bake?, warm: warm? })
    }

    fn linear(&mut self, linear: &Linear, at: &Node) -> Option<Strategy> {
        let step = self.share(&linear.step, at.field("step")).and_then(|step| {
            if step.permille() * MAX_STEPS >= Share::ALL.permille() {
                return Some(step);
            }
            let wrong = format!("steps of {step} are more than {MAX_STEPS} steps");
            self.wrong(at.field("step").value(), wrong, "take steps of 1% or more")
        });
        let every = self.time(&linear.every, at.field("every"), 10 * SECOND..=DAY);
        let warm = self.warm(&linear.warm, at);
        Some(Strategy::Linear { step: step?, every: every?, warm: warm? })
    }

    fn canary(&mut self, canary: Canary, at: &Node) -> Option<Strategy> {
        let before = self.findings.len();
        let places = at.field("steps");
        let mut steps = Vec::with_capacity(canary.steps.len() + 1);
        let mut last: Option<Last> = None;
        let is_shift = |step: &Step| matches!(step, Step::Shift(_));
        if !canary.steps.iter().any(is_shift) {
            self.wrong::<()>(places.head, "no step shifts any traffic", "start with a step such as `- shift: 5%`");
        } else if !canary.steps.first().is_some_and(is_shift) {
            let wrong = "a canary starts with a shift";
            self.wrong::<()>(places.item(0).head, wrong, "before the first shift there is nothing to judge");
        }
        for (index, step) in canary.steps.into_iter().enumerate() {
            let place = places.item(index);
            steps.extend(self.step(step, place, &mut last));
        }
        self.ends_judged(last, &steps);
        let warm = self.warm(&canary.warm, at);
        if last.is_some_and(|last| last.share < Share::ALL) {
            steps.push(StepSpec::Shift(Share::ALL));
        }
        (self.findings.len() == before).then_some(())?;
        Some(Strategy::Canary { steps, warm: warm? })
    }

    fn step(&mut self, step: Step, at: &Node, last: &mut Option<Last>) -> Option<StepSpec> {
        if let Some(all) = last.filter(|last| last.share == Share::ALL) {
            let finding = Finding::new(at.head, "a step after everything has been shifted");
            self.add::<()>(
                finding
                    .note(all.mark, "from here on there is nothing left to shift")
                    .help("a shift to 100% is the last step; `warm` says how long both slots stay after it"),
            );
            return None;
        }
        match step {
            Step::Shift(percent) => {
                let share = self.share(&percent, at.field("shift"))?;
                self.shift(share, at.field("shift").value(), *last);
                *last = Some(Last { share, mark: at.field("shift").value(), is_judged: false });
                Some(StepSpec::Shift(share))
            }
            Step::Hold(time) => {
                *last = last.map(|last| Last { is_judged: true, ..last });
                self.time(&time, at.field("hold"), 10 * SECOND..=7 * DAY).map(StepSpec::Hold)
            }
            Step::Approve(approve) => {
                *last = last.map(|last| Last { is_judged: true, ..last });
                self.approve(&approve, at.field("approve"))
            }
        }
    }

    /// A shift goes up from one that has been judged.
    fn shift(&mut self, share: Share, mark: Mark, last: Option<Last>) {
        let Some(last) = last else { return };
        if share <= last.share {
            let way = if share == last.share { "repeats the" } else { "is less than the" };
            let finding = Finding::new(mark, format!("{share} {way} shift before it"));
            let finding = finding.note(last.mark, format!("{} here", last.share));
            self.add::<()>(finding.help("shares go up; a gate that fails is what brings them down"));
        } else if !last.is_judged {
            let finding = Finding::new(mark, format!("{} is never judged", last.share));
            let finding = finding.note(last.mark, "shifted here");
            self.add::<()>(finding.help("put a `- hold: 5m` or an `- approve: {}` between the two shifts"));
        }
    }

    /// After the last step comes everything.
    fn ends_judged(&mut self, last: Option<Last>, steps: &[StepSpec]) {
        match last {
            Some(Last { share: Share::ALL, mark, .. }) if steps.len() == 1 => {
                let help = "that is `blue_green: {}`; a canary starts with a smaller share";
                self.wrong::<()>(mark, "the only shift is to 100%", help);
            }
            Some(Last { share, mark, is_judged: false }) if share < Share::ALL => {
                let help = "put a `- hold: 5m` after it; then everything is shifted";
                self.wrong::<()>(mark, format!("{share} is never judged"), help);
            }
            _ => {}
        }
    }

    fn approve(&mut self, approve: &Approve, at: &Node) -> Option<StepSpec> {
        let message = match &approve.message {
            Some(text) => Some(self.visible(text, at.field("message"), 200)?),
            None => None,
        };
        let within = self.time(&approve.within, at.field("within"), MINUTE..=7 * DAY)?;
        Some(StepSpec::Approve { message, within })
    }
}
