//! Asks judges outside of AWS, webhooks and commands, each in its own time.
//!
//! A question is asked in a task of its own. The look that asks it waits [`PATIENCE`] for the answer; one that
//! takes longer is handed to the next look that names the gate. So a slow judge holds back nobody else's
//! breach, and none is asked twice at a time. Whatever goes wrong is inconclusive, with the reason.

mod answer;
mod command;
mod process_group;
mod question;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use question::About;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::fleet::Target;
use crate::gate::{Check, Gate, Reading, SaidReading};
use answer::SaidVerdict;
use process_group::ProcessGroup;
use question::Question;
use webhook::Caller;

/// How long a look waits for answers, in wall time. It is what a look may take longer because of them.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks for one rollout.
pub(in crate::cloud) struct Outside {
    clock: Clock,
    asker: Arc<Asker>,
    errands: Mutex<BTreeMap<usize, Errand>>,
}

/// What every question is asked with.
struct Asker {
    about: About,
    target: Target,
    environment: BTreeMap<String, String>,
    caller: Caller,
}

/// One question that is under way; it ends with this.
struct Errand {
    asked: Timestamp,
    answer: watch::Receiver<Option<SaidReading>>,
    task: JoinHandle<()>,
    process_group: ProcessGroup,
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.process_group.cut();
        self.task.abort();
    }
}

/// The questions of one rollout that are under way, for who must end them from outside.
#[derive(Clone, Default)]
pub struct Errands(Weak<Outside>);

impl Errands {
    /// Ends them all, with every process that was started: for a runner that leaves at once.
    pub fn end(&self) {
        if let Some(outside) = self.0.upgrade() {
            outside.errands().clear();
        }
    }
}

impl Outside {
    /// Asks nothing yet. `environment` is what `${VAR}` is filled in from.
    pub(in crate::cloud) fn new(
        clock: Clock,
        about: About,
        target: Target,
        environment: BTreeMap<String, String>,
    ) -> Arc<Self> {
        let asker = Asker { about, target, environment, caller: Caller::default() };
        Arc::new(Self { clock, asker: Arc::new(asker), errands: Mutex::default() })
    }

    pub(in crate::cloud) fn under_way(self: &Arc<Self>) -> Errands {
        Errands(Arc::downgrade(self))
    }

    /// Asks the gates that are not being asked, and hands out the answers that are there.
    pub(in crate::cloud) async fn said(&self, gates: &[(usize, &Gate)], since: Timestamp) -> Vec<(usize, Reading)> {
        let mut answers = self.ask(gates, since);
        let all = async {
            for answer in &mut answers {
                // An error means that the task is gone: there is no answer to wait for.
                let _ = answer.wait_for(Option::is_some).await;
            }
        };
        // Who is late is asked for again in a later look.
        let _ = tokio::time::timeout(PATIENCE, all).await;
        let mut errands = self.errands();
        let collected = gates.iter().filter_map(|(index, _)| Some((*index, collect(&mut errands, *index)?)));
        collected.map(|(index, said)| (index, Reading::Said(said))).collect()
    }

    fn ask(&self, gates: &[(usize, &Gate)], since: Timestamp) -> Vec<watch::Receiver<Option<SaidReading>>> {
        let mut errands = self.errands();
        let ask = |(index, gate): &(usize, &Gate)| {
            errands.entry(*index).or_insert_with(|| self.send(gate, since)).answer.clone()
        };
        gates.iter().map(ask).collect()
    }

    fn send(&self, gate: &Gate, since: Timestamp) -> Errand {
        let asked = self.clock.now();
        let (sender, answer) = watch::channel(None);
        let (by, gate, process_group) = (self.asker.clone(), gate.clone(), ProcessGroup::default());
        let held = process_group.clone();
        let task = tokio::spawn(async move {
            let said = by.ask(&gate, (asked, since), &held).await;
            let SaidVerdict { outcome, text } = said.unwrap_or_else(SaidVerdict::none);
            // Nobody may be left to hear it.
            let _ = sender.send(Some(SaidReading { asked, outcome, text }));
        });
        Errand { asked, answer, task, process_group }
    }

    fn errands(&self) -> MutexGuard<'_, BTreeMap<usize, Errand>> {
        self.errands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asker {
    async fn ask(
        &self,
        gate: &Gate,
        (at, since): (Timestamp, Timestamp),
        process_group: &ProcessGroup,
    ) -> Result<SaidVerdict, String> {
        let question = Question { gate: &gate.name, at, since, about: &self.about, target: &self.target };
        match &gate.check {
            Check::Webhook(rule) => self.caller.ask(rule, &self.environment, question.text()).await,
            Check::Command(rule) => command::ask(rule, &self.environment, &question, process_group).await,
            _ => Err("it is no question for others".to_owned()),
        }
    }
}

/// Takes an answer that has come.
fn collect(errands: &mut BTreeMap<usize, Errand>, index: usize) -> Option<SaidReading> {
    let errand = errands.get(&index)?;
    // In this order: an answer may come in between.
    let is_lost = errand.answer.has_changed().is_err();
    let said = errand.answer.borrow().clone();
    let lost = SaidVerdict::none("the question was lost on its way");
    let lost = SaidReading { asked: errand.asked, outcome: lost.outcome, text: lost.text };
    let said = said.or(is_lost.then_some(lost))?;
    errands.remove(&index);
    Some(said)
}
