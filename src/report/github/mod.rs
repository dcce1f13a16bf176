//! The rollout as GitHub Actions shows it besides the log: annotations, the step's outputs, and its summary page.
//!
//! A step that is killed can say nothing more, and GitHub reads outputs and summary only when it is over. So both
//! are written from the start, and again with everything that happens.

mod command;
mod page;

use std::io::Write;

pub use command::{AnnotationPlace, Level, annotation, group, harmless};

use super::fields::outcome_word;
use super::{Output, Report, Summary};
use super::{reasons, sentence};
use crate::domain::clock::Timestamp;
use crate::domain::traffic::Share;
use crate::machine::{Machine, Notice, Outcome};
use crate::plan::{Plan, ReleasePlan};
use page::Page;

/// How many annotations of a kind GitHub shows of a step; it leaves out the rest without a word.
pub const SHOWN: usize = 10;

/// Where outputs and page go.
pub trait Desk: Send {
    /// Sets an output of the step; what is set later counts.
    fn output(&mut self, name: &str, value: &str);

    /// Puts this in place of the page so far.
    fn page(&mut self, text: &str);
}

/// Tells GitHub.
pub struct Github {
    log: Output,
    desk: Box<dyn Desk>,
    summary: Summary,
    page: Page,
    warned: usize,
    begun: bool,
}

impl Github {
    /// Annotates in `log`, and fills the `desk`: for the rollout `id`.
    pub fn new(log: Box<dyn Write + Send>, desk: Box<dyn Desk>, id: impl Into<String>) -> Self {
        let page = Page::new(id.into());
        Self { log: Output::new(log), desk, summary: Summary::new(), page, warned: 0, begun: false }
    }

    /// Adds what earlier runners told: the page is of the whole rollout.
    pub fn after(self, summary: Summary) -> Self {
        Self { summary, ..self }
    }

    fn begin(&mut self, plan: &Plan) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        self.desk.output("run-id", self.page.id());
        self.desk.output("stable-task-definition", &plan.before.stable_task_definition);
        if let ReleasePlan::Registered(name) = &plan.release {
            self.desk.output("candidate-task-definition", name);
        }
        self.desk.output("weight", &weight(Share::NONE));
        for warning in &plan.warnings {
            self.warn(plan, warning);
        }
    }

    fn warn(&mut self, plan: &Plan, text: &str) {
        self.warned += 1;
        if self.warned <= SHOWN {
            self.log.write(&annotation(Level::Warning, plan.name.as_str(), None, text));
        }
    }

    fn outputs(&mut self, notice: &Notice) {
        match notice {
            Notice::Registered(arn) => self.desk.output("candidate-task-definition", arn),
            Notice::Shifted { share, .. } | Notice::CarriedOn { share } => self.desk.output("weight", &weight(*share)),
            Notice::TrafficBack { .. } => self.desk.output("weight", &weight(Share::NONE)),
            Notice::Retreating { reason } => self.desk.output("reason", &reasons::reason(reason)),
            Notice::Finished(outcome) => {
                self.desk.output("outcome", outcome_word(outcome));
                match outcome {
                    Outcome::Promoted => {}
                    Outcome::RolledBack(reason) => self.desk.output("reason", &reasons::reason(reason)),
                    Outcome::Stranded { why, .. } => self.desk.output("reason", &reasons::stranding(why)),
                }
            }
            Notice::HandedOver { why } => {
                self.desk.output("outcome", "handed_over");
                self.desk.output("reason", &reasons::leaving(why));
            }
            _ => {}
        }
    }

    fn annotate(&mut self, notice: &Notice, plan: &Plan) {
        let (level, text) = match notice {
            Notice::Finished(Outcome::Promoted) => (Level::Notice, None),
            Notice::Finished(Outcome::RolledBack(reason)) => (Level::Error, Some(reasons::reason(reason))),
            Notice::Finished(Outcome::Stranded { why, .. }) => (Level::Error, Some(reasons::stranding(why))),
            Notice::HandedOver { why } => (Level::Warning, Some(reasons::leaving(why))),
            Notice::RuleDiffers { .. }
            | Notice::BackDenied { .. }
            | Notice::LeftUndone { .. }
            | Notice::StickinessOff { .. } => {
                return self.warn(plan, &sentence::words(notice, plan));
            }
            Notice::StillLed { until } => return self.warn(plan, &sentence::still_led(*until, plan)),
            _ => return,
        };
        let (_, head) = self.summary.headline(plan);
        self.log.write(&annotation(level, &head, None, text.as_deref().unwrap_or(&head)));
    }
}

impl Report for Github {
    fn tell(&mut self, at: Timestamp, notice: &Notice, machine: &Machine) {
        let plan = machine.plan();
        self.begin(plan);
        self.summary.take(at, notice);
        self.page.take(notice);
        self.outputs(notice);
        self.annotate(notice, plan);
        let text = self.page.text(&self.summary, &machine.progress(), plan);
        self.desk.page(&text);
    }
}

/// The candidate's share in percent.
fn weight(share: Share) -> String {
    super::fields::percent(share).to_string()
}

#[cfg(test)]
mod tests;
