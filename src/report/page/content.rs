//! What a page says, before it is HTML or Markdown: facts and tables, of foreign text as it came.

use super::super::fields::verdict_word;
use super::super::{doing, evidence, sentence};
use super::Page;
use super::story::End;
use crate::domain::clock::span;
use crate::plan::ReleasePlan;

/// A table of plain words. A row's first cell names it.
pub(super) struct Table {
    pub(super) title: &'static str,
    pub(super) head: &'static [&'static str],
    pub(super) rows: Vec<Vec<String>>,
    /// What is said in its place when it has no rows.
    pub(super) empty: &'static str,
}

impl Page<'_> {
    /// Who, when, what and where.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let status = self.why.status;
        let (plan, summary) = (status.plan, status.summary);
        let about = status.about();
        let mut facts = vec![("release", about.release()), ("where", about.place()), ("rollout", status.id.to_owned())];
        if let Some((at, by)) = &summary.started {
            facts.push(("started", format!("{at}, by {by}")));
        }
        if let Some((at, _)) = &summary.finished {
            let took = summary
                .started
                .as_ref()
                .map_or(String::new(), |(from, _)| format!(", after {}", span(at.since(*from))));
            facts.push(("finished", format!("{at}{took}")));
        } else {
            facts.push(("doing", doing::words(status.progress.doing).to_owned()));
            facts.push(("next", self.why.next()));
            facts.push(("driver", self.why.owner()));
        }
        facts.extend(self.exit.map(|(code, meaning)| ("exit code", format!("{code}: {meaning}"))));
        let known = ["traffic", "candidate", "promoted", "left undone"];
        facts.extend(summary.rows(plan).into_iter().filter(|(label, _)| known.contains(label)));
        facts.push(("task definition", self.release()));
        facts.push(("before it", plan.before.stable_task_definition.clone()));
        let (target, slots) = (&plan.target, [&plan.target.stable, &plan.target.candidate]);
        let slots = slots.map(|place| format!("{} ({})", place.service, place.target_group_name));
        facts.push(("slots", format!("stable {}, candidate {}", slots[0], slots[1])));
        facts.push(("rule", target.rule.clone()));
        let digest =
            self.origin.digest.map_or("its fingerprint is not in the journal".to_owned(), |d| format!("SHA-256 {d}"));
        facts.push(("spec", format!("{}, {digest}", self.origin.spec)));
        let (begun, program) = (self.origin.begun, self.origin.program);
        facts.push(("journal", format!("{}, begun {begun} by tidegate {program}", status.store)));
        facts
    }

    fn release(&self) -> String {
        let registered = self.story.registered.as_deref().map(sentence::task_definition);
        match (&self.why.status.plan.release, registered) {
            (ReleasePlan::Registered(arn), _) => sentence::task_definition(arn).to_owned(),
            (ReleasePlan::Register { source, digest }, Some(arn)) => format!("{arn}, of {source}, SHA-256 {digest}"),
            (ReleasePlan::Register { source, digest }, None) => {
                format!("{source}, SHA-256 {digest}; not registered")
            }
        }
    }

    /// What each gate said last.
    pub(super) fn gates(&self) -> Table {
        let status = self.why.status;
        let rows = status.plan.gates.iter().enumerate().map(|(n, gate)| {
            let verdict = status.progress.verdicts.get(n).and_then(Option::as_ref);
            let says = verdict.map_or("not asked", |verdict| verdict_word(verdict.outcome));
            let says = if gate.watch { format!("{says} (only watches)") } else { says.to_owned() };
            let evidence = verdict.map_or(String::new(), |verdict| evidence(&verdict.evidence));
            vec![gate.name.clone(), says, evidence, gate.question()]
        });
        Table {
            title: "Gates",
            head: &["gate", "last verdict", "found", "expected"],
            rows: rows.collect(),
            empty: "The plan has no gates.",
        }
    }

    /// How each step went.
    pub(super) fn steps(&self) -> Table {
        let status = self.why.status;
        let (plan, turned) = (status.plan, status.progress.reason.is_some());
        let rows = plan.steps.iter().enumerate().map(|(n, step)| {
            let went = self.story.steps.get(&n);
            let began = went.map_or(String::new(), |went| went.began.time_of_day());
            let how = match went.map(|went| &went.end) {
                None => "not reached".to_owned(),
                Some(End::Passed(took)) => format!("passed after {}", span(*took)),
                Some(End::Undecided(took, gates)) => {
                    format!("passed after {}, undecided by {}", span(*took), gates.join(", "))
                }
                Some(End::Skipped(by)) => format!("skipped on {by}'s word"),
                Some(End::Open) if turned => "turned back here".to_owned(),
                Some(End::Open) if status.summary.finished.is_some() => "not passed".to_owned(),
                Some(End::Open) => "under way".to_owned(),
            };
            vec![(n + 1).to_string(), step.title(&plan.gates), began, how]
        });
        Table {
            title: "Steps",
            head: &["step", "what", "began (UTC)", "how it went"],
            rows: rows.collect(),
            empty: "The plan has no steps.",
        }
    }

    /// What people and signals said.
    pub(super) fn people(&self) -> Table {
        let rows = self.story.said.iter().map(|said| {
            let refused = said.refused.as_ref().map_or(String::new(), |why| format!("changed nothing: {why}"));
            vec![said.at.to_string(), said.by.clone(), said.what.clone(), said.why.clone().unwrap_or_default(), refused]
        });
        Table {
            title: "People",
            head: &["when", "who", "word", "reason", "answer"],
            rows: rows.collect(),
            empty: "Nobody said anything.",
        }
    }

    /// Each change of a verdict.
    pub(super) fn verdicts(&self) -> Table {
        let judged = self.story.told.iter().filter_map(|(at, notice)| match notice {
            crate::machine::Notice::Judged { gate, verdict } => Some((at, gate, verdict)),
            _ => None,
        });
        let rows = judged.map(|(at, gate, verdict)| {
            let word = verdict_word(verdict.outcome).to_owned();
            vec![at.to_string(), gate.clone(), word, evidence(&verdict.evidence)]
        });
        Table {
            title: "Verdicts",
            head: &["when", "gate", "verdict", "evidence"],
            rows: rows.collect(),
            empty: "No gate has said anything.",
        }
    }

    /// Everything that was told.
    pub(super) fn told(&self) -> Table {
        let plan = self.why.status.plan;
        let told = self.story.told.iter();
        let rows = told.map(|(at, notice)| vec![at.to_string(), sentence::words(notice, plan)]);
        Table {
            title: "What happened",
            head: &["when", "what"],
            rows: rows.collect(),
            empty: "Nothing has happened yet.",
        }
    }

    /// Where the journal ends early, in whole sentences.
    pub(super) fn flawed(&self) -> Vec<String> {
        let sentence = |flaw: &String| format!("This page goes as far as the journal can be read: {flaw}.");
        self.flaws.iter().map(sentence).collect()
    }

    /// What the journal does not hold, in whole sentences.
    pub(super) fn lacks(&self) -> Vec<String> {
        let status = self.why.status;
        let mut lacks = Vec::new();
        match self.counted() {
            None => lacks.push(
                "The journal holds no counts of what the slots answered: only gates that compare them read those."
                    .to_owned(),
            ),
            Some(counted) if counted.mark.is_none() => lacks.push(
                "The journal holds no response times of the slots: only a gate that compares them reads those."
                    .to_owned(),
            ),
            Some(_) => {}
        }
        let asked = status.plan.gates.len();
        let silent = status.progress.verdicts.iter().filter(|verdict| verdict.is_none()).count();
        if asked > 0 && silent == asked {
            lacks.push("No gate has been asked in the present step.".to_owned());
        }
        lacks
    }
}
