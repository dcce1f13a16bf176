//! A rollout's journal as it grows, with what the store says of its driver; a store that fails is asked again later.

use std::time::Duration;

use crate::cli::Failure;
use crate::cli::context::{Context, Found};
use crate::cli::follow::owner;
use crate::cli::present::flaw;
use crate::domain::clock::Timestamp;
use crate::domain::fault::FaultKind;
use crate::journal::{JournalEnd, JournalError, Tail};
use crate::lease::{Owner, Watch};
use crate::machine::{Machine, Notice, Progress};
use crate::report::view::LATELY;
use crate::report::{Status, Summary, View, Why};
use crate::store::{LeaseError, StoreError};

/// The longest that is waited between two reads of a store that does not answer, in wall time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at who drives it, in wall time.
const OWNER_EVERY: Duration = Duration::from_secs(5);

/// A rollout that is followed.
pub(super) struct Course<'a> {
    found: &'a Found,
    store: String,
    tail: Tail,
    machine: Machine,
    progress: Progress,
    summary: Summary,
    past: Vec<(Timestamp, Notice)>,
    lately: Vec<(Timestamp, Notice)>,
    driver: Driver,
    next: Timestamp,
    failing: Option<Failing>,
    flaw: Option<String>,
}

/// Who drives it, as last told.
#[derive(Default)]
struct Driver {
    owner: Option<Owner>,
    watch: Watch,
    asked: Option<Timestamp>,
    alone: Option<Timestamp>,
}

/// A store that does not answer.
struct Failing {
    since: Timestamp,
    pause: Duration,
    why: String,
}

impl<'a> Course<'a> {
    /// Reads what is in the journal.
    pub(super) async fn open(found: &'a Found) -> Result<Self, Failure> {
        let (tail, recorded) = Tail::open(&found.store, &found.id).await?;
        let machine = Machine::new(recorded.header.plan.clone());
        let progress = machine.progress();
        let mut course = Self {
            found,
            store: found.store.place(),
            tail,
            machine,
            progress,
            summary: Summary::new(),
            past: Vec::new(),
            lately: Vec::new(),
            driver: Driver::default(),
            next: Timestamp::default(),
            failing: None,
            flaw: damage(&recorded.end),
        };
        let past = recorded.records.into_iter().flat_map(|record| course.take(record.at, record.event)).collect();
        course.past = past;
        Ok(course)
    }

    /// What had happened before it was opened; once.
    pub(super) fn past(&mut self) -> Vec<(Timestamp, Notice)> {
        std::mem::take(&mut self.past)
    }

    /// Whether the store is to be asked again.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.next
    }

    /// Asks the store for news; fails only where asking again would not help.
    pub(super) async fn look(
        &mut self,
        context: &Context,
        now: Timestamp,
    ) -> Result<Vec<(Timestamp, Notice)>, Failure> {
        // Who drives it is asked first, so that a runner's last words are seen before it is called gone.
        let mut result = self.look_at_driver(context, now).await;
        let mut news = Vec::new();
        match self.tail.news(&self.found.store, &self.found.id).await {
            Ok(records) => {
                news.extend(records.into_iter().flat_map(|record| self.take(record.at, record.event)));
                self.flaw = damage(self.tail.end());
            }
            Err(error) => result = result.and(Err(trouble(error)?)),
        }
        self.next = match result {
            Ok(()) => {
                self.failing = None;
                now + self.found.store.between_looks()
            }
            Err(why) => now + self.failed(why, now),
        };
        Ok(news)
    }

    /// Remembers that the store failed, and says how long it is left alone.
    fn failed(&mut self, why: String, now: Timestamp) -> Duration {
        let pause = self.failing.as_ref().map_or(self.found.store.between_looks(), |failing| failing.pause * 2);
        let since = self.failing.as_ref().map_or(now, |failing| failing.since);
        let pause = pause.min(PATIENCE);
        self.failing = Some(Failing { since, pause, why });
        pause
    }

    async fn look_at_driver(&mut self, context: &Context, now: Timestamp) -> Result<(), String> {
        let driver = &mut self.driver;
        if driver.asked.is_some_and(|asked| now.since(asked) < OWNER_EVERY) {
            return Ok(());
        }
        let rule = &self.machine.plan().target.rule;
        driver.owner = match owner(self.found, rule, (&mut driver.watch, &context.clock())).await {
            Ok(owner) => owner,
            Err(LeaseError::Store(error)) => return Err(error.to_string()),
            // What cannot be read says nothing of whether anybody lives.
            Err(_) => None,
        };
        driver.asked = Some(now);
        driver.alone = if driver.owner.is_some() { None } else { driver.alone.or(Some(now)) };
        Ok(())
    }

    fn take(&mut self, at: Timestamp, event: crate::machine::Event) -> Vec<(Timestamp, Notice)> {
        let reaction = self.machine.apply(at, event);
        for notice in &reaction.notices {
            self.summary.take(at, notice);
            self.lately.push((at, notice.clone()));
        }
        let old = self.lately.len().saturating_sub(LATELY);
        self.lately.drain(..old);
        self.progress = self.machine.progress();
        reaction.notices.into_iter().map(|notice| (at, notice)).collect()
    }

    /// The rollout's id.
    pub(super) fn id(&self) -> &str {
        self.found.id.as_str()
    }

    /// Whether its lab lives in the runner's own process.
    pub(super) fn is_lab(&self) -> bool {
        self.found.is_lab
    }

    /// Since when nobody has driven it, in wall time.
    pub(super) fn undriven_since(&self) -> Option<Timestamp> {
        self.driver.alone
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(super) fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What keeps the watcher from seeing more.
    pub(super) fn trouble(&self, now: Timestamp) -> Option<String> {
        let failing = self.failing.as_ref().map(|failing| {
            let long = crate::domain::clock::span(Duration::from_secs(now.since(failing.since).as_secs()));
            format!("the store has not answered for {long}: {}; it is asked again", failing.why)
        });
        failing.or_else(|| self.flaw.clone())
    }

    /// The store's trouble in words that stay the same while it lasts.
    pub(super) fn complaint(&self) -> Option<&str> {
        self.failing.as_ref().map(|failing| failing.why.as_str()).or(self.flaw.as_deref())
    }

    /// The screen at a moment of the rollout's time.
    pub(super) fn view<'v>(&'v self, at: Timestamp, trouble: Option<&'v str>) -> View<'v> {
        let Self { machine, progress, summary, store, .. } = self;
        let (id, plan, is_lab) = (self.id(), machine.plan(), self.is_lab());
        let status = Status { id, at, plan, progress, summary, store, is_lab };
        let driver = self.driver.owner.as_ref().map(|owner| (owner.by.as_str(), owner.since));
        View { why: Why { status, driver, last: self.machine.now() }, lately: &self.lately, trouble }
    }

    /// The present moment in the rollout's own time.
    pub(super) fn at(&self, context: &Context) -> Timestamp {
        self.found.now(context, &self.machine)
    }
}

/// What is wrong with the journal for good; a line that is not whole yet is only waited for.
fn damage(end: &JournalEnd) -> Option<String> {
    flaw(end).filter(|_| matches!(end, JournalEnd::Damaged { .. }))
}

/// What is told of an error that may pass; any other ends the watching.
fn trouble(error: JournalError) -> Result<String, Failure> {
    let passes = |error: &StoreError| {
        let kind = error.fault().kind;
        matches!(error, StoreError::Io { .. }) || !(kind.is_lasting() || kind == FaultKind::Expired)
    };
    if matches!(&error, JournalError::Store(error) if passes(error)) {
        Ok(error.to_string())
    } else {
        Err(error.into())
    }
}
