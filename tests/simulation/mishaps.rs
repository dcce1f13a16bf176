//! What goes wrong in one rollout, thrown once from its seed. Each kind is off in most rollouts, so
//! that their combinations differ.

use std::time::Duration;

use super::deployment::Ways;
use tidegate::domain::fleet::Role;

use super::die::Die;
use super::measures::Publishes;
use super::safeguard::Denied;

/// How the new release behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    Healthy,
    /// A fifth of its requests fail.
    Failing,
    /// Its tasks never pass a health check.
    NeverHealthy,
    /// Its tasks stop by themselves.
    Crashing,
    /// It is good, and loses tasks while it serves.
    Sick,
}

/// The mishaps of one rollout.
#[derive(Clone, Debug)]
pub struct Mishaps {
    pub candidate: Candidate,
    /// Probability that a read fails.
    pub read_fails: f64,
    /// Probability that a read shows the rule as it was a few seconds ago.
    pub read_is_stale: f64,
    /// Probability that a write is refused without effect.
    pub write_refused: f64,
    /// Probability that a write's answer is lost after it took effect.
    pub answer_lost: f64,
    /// Probability that a write times out and lands later.
    pub write_late: f64,
    /// Probability that a write times out and never lands.
    pub write_lost: f64,
    /// Answers take up to this long.
    pub latency: Duration,
    /// Probability, at each event, that the runner dies.
    pub crash: f64,
    /// How long a dead runner stays dead, at most.
    pub outage: Duration,
    /// Probability, at each event, that a person says something.
    pub word: f64,
    /// Probability, at each event, that the runner is told to stop.
    pub signal: f64,
    /// How many times somebody else writes the rule.
    pub foreign_writes: u32,
    /// Probability that a minute's metrics are missing.
    pub silence: f64,
    /// How late CloudWatch publishes.
    pub publishes: Publishes,
    /// When after the start the stable slot grows to twice its tasks, by somebody else's hand.
    pub grows: Option<Duration>,
    /// Which slot something beside the rule leads to, and since when after the start.
    pub entrance: Option<(Role, Duration)>,
    /// Since when after the start, and until when, AWS takes no credentials.
    pub expired: Option<(Duration, Duration)>,
    /// Probability that a write of the way back is sent more than once, and once more arrives later.
    pub write_again: f64,
    /// How many times somebody else deploys to the stable slot.
    pub deployments: u32,
    /// Probability, at each look, that the stable slot loses some tasks, or all, or gets them back.
    pub stable_ails: f64,
    /// What is not allowed of what keeps the way back open.
    pub denied: Option<Denied>,
    /// How long after its time the dead-man's switch writes.
    pub fires_after: Duration,
    /// Whether ECS takes a release back whose tasks do not come up, where it does not move the weights.
    pub breaker: bool,
    /// What AWS does of its own accord, where it moves the weights.
    pub aws: Ways,
}

impl Mishaps {
    pub fn throw(die: &mut Die) -> Self {
        let mut maybe = |probability: f64, value: f64| if die.chance(probability) { value } else { 0.0 };
        let (read_fails, read_is_stale) = (maybe(0.4, 0.15), maybe(0.3, 0.15));
        let (write_refused, answer_lost) = (maybe(0.4, 0.3), maybe(0.4, 0.3));
        let (write_late, write_lost) = (maybe(0.4, 0.3), maybe(0.3, 0.2));
        let (crash, silence) = (maybe(0.5, 0.03), maybe(0.2, 0.2));
        let (word, signal) = (maybe(0.3, 0.01), maybe(0.1, 0.01));
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let ends = minutes(die.between(0, 20));
        let expired = (ends, ends + minutes(die.one_of(&[1, 8, 50])));
        let expired = die.chance(0.1).then_some(expired);
        let kinds =
            [Candidate::Healthy, Candidate::Failing, Candidate::NeverHealthy, Candidate::Crashing, Candidate::Sick];
        let mishaps = Self {
            candidate: die.one_of(&kinds),
            read_fails,
            read_is_stale,
            write_refused,
            answer_lost,
            write_late,
            write_lost,
            latency: Duration::from_secs(die.one_of(&[0, 1, 3, 9])),
            crash,
            outage: Duration::from_secs(die.one_of(&[1, 20, 600, 2400])),
            word,
            signal,
            foreign_writes: u32::from(die.chance(0.1)),
            silence,
            expired,
            denied: Denied::throw(die),
            fires_after: Duration::from_secs(die.one_of(&[0, 30, 59, 170])),
            ..Self::none(Candidate::Healthy)
        };
        let write_again = if die.chance(0.4) { 0.3 } else { 0.0 };
        let stable_ails = if die.chance(0.1) { 0.05 } else { 0.0 };
        let deployments = u32::from(die.chance(0.1));
        let breaker = die.chance(0.5);
        let publishes = Publishes::throw(die);
        let after = minutes(die.between(0, 40));
        let entrance = (die.one_of(&[Role::Stable, Role::Candidate]), after);
        let grows = minutes(die.between(0, 20));
        let grows = die.chance(0.15).then_some(grows);
        let entrance = die.chance(0.15).then_some(entrance);
        let aws = Ways::throw(die);
        let slots = Self { grows, entrance, ..mishaps };
        Self { publishes, write_again, deployments, stable_ails, breaker, aws, ..slots }
    }

    /// Nothing goes wrong, and the release is good.
    pub fn none(candidate: Candidate) -> Self {
        Self {
            candidate,
            read_fails: 0.0,
            read_is_stale: 0.0,
            write_refused: 0.0,
            answer_lost: 0.0,
            write_late: 0.0,
            write_lost: 0.0,
            latency: Duration::ZERO,
            crash: 0.0,
            outage: Duration::ZERO,
            word: 0.0,
            signal: 0.0,
            foreign_writes: 0,
            silence: 0.0,
            publishes: Publishes::steadily(),
            entrance: None,
            grows: None,
            expired: None,
            write_again: 0.0,
            deployments: 0,
            stable_ails: 0.0,
            denied: None,
            fires_after: Duration::from_secs(30),
            breaker: false,
            aws: Ways::obedient(),
        }
    }
}
