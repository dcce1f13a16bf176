//! A deployment of AWS's own: it is begun, waits to be told to go on, moves the weights, goes back and ends, when it is
//! told to and also by itself.

use std::time::Duration;

use tidegate::domain::clock::Timestamp;
use tidegate::domain::driver;
use tidegate::domain::driver::{DeploymentState, Driver, Timetable};
use tidegate::domain::fault::{Fault, FaultKind};
use tidegate::domain::fleet::Role;
use tidegate::domain::traffic::Share;
use tidegate::gate::Outcome as GateOutcome;
use tidegate::machine::{Answer, Effect, Notice, Reason, Route};
use tidegate::plan::Plan;

use super::die::Die;
use super::points::Point;
use super::world::{BEFORE, MINUTE, START_UP, World};

/// How often AWS looks whether new tasks are healthy, and after how long it gives up.
const HEALTH_EVERY: Duration = Duration::from_secs(15);
const UNHEALTHY_FOR: Duration = Duration::from_secs(300);
/// How long AWS takes to take the tasks of a slot without traffic.
const CLEANS_UP: Duration = Duration::from_secs(30);
/// How long what AWS does may be unseen: a slow answer to an old read.
const UNSEEN_WITHIN: Duration = Duration::from_secs(20);

/// What AWS does of its own accord in one rollout.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    /// Whether it waits to be told.
    pub waits: bool,
    /// How long it waits, before it goes back.
    pub patience: Duration,
    /// How long it takes to write the rule once it has been told.
    pub takes: Duration,
    /// How long it keeps the old tasks, where it does not wait to be told to take them.
    pub keeps: Duration,
    /// How long after its start an alarm rings at which it goes back.
    pub alarm: Option<Duration>,
    /// Whether it fails to go back.
    pub fails_back: bool,
}

impl Ways {
    pub fn throw(die: &mut Die) -> Self {
        let alarm = die.span(Duration::ZERO, MINUTE * 20);
        Self {
            waits: die.chance(0.8),
            patience: MINUTE * u32::try_from(die.one_of(&[5, 30, 60])).unwrap_or_default(),
            takes: die.span(Duration::from_secs(1), Duration::from_secs(45)),
            keeps: MINUTE * u32::try_from(die.one_of(&[5, 15, 60])).unwrap_or_default(),
            alarm: die.chance(0.15).then_some(alarm),
            fails_back: die.chance(0.15),
        }
    }

    /// It waits for as long as anybody needs, and does as it is told.
    pub fn obedient() -> Self {
        let takes = Duration::from_secs(10);
        Self { waits: true, patience: MINUTE * 60, takes, keeps: MINUTE * 60, alarm: None, fails_back: false }
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There is none.
    Absent,
    /// Its tasks come up, since then.
    Starting(Timestamp),
    /// It waits before the share with this index.
    Waiting(usize),
    /// It is about to give the share with this index.
    Shifting(usize),
    /// It keeps that share for a while.
    Keeping(usize),
    /// The candidate has everything, and the old tasks are kept.
    Baking,
    /// It was told that it may end.
    Ending,
    /// It is about to take the traffic back.
    GoingBack,
    /// It has, and takes the new tasks.
    Returning,
    /// The old tasks are gone.
    Done,
    /// It is over, and the new tasks are gone.
    Returned,
    /// It is over where it was: it could not go back.
    Left,
}

impl Stage {
    fn is_forward(self) -> bool {
        use Stage::{Baking, Ending, Keeping, Shifting, Starting, Waiting};
        matches!(self, Starting(_) | Waiting(_) | Shifting(_) | Keeping(_) | Baking | Ending)
    }
}

/// The deployment.
#[derive(Clone, Debug)]
pub struct Deployment {
    ways: Ways,
    shares: Vec<Share>,
    every: Duration,
    /// Whether it waits before every share, and not only before the first.
    always: bool,
    stage: Stage,
    /// When the stage is over by itself.
    due: Option<Timestamp>,
    alarm_at: Option<Timestamp>,
    why: &'static str,
    /// Orders that land later.
    late: Vec<(Timestamp, Effect)>,
    /// When it went back without a word of ours.
    own_way_back: Option<Timestamp>,
    /// Whether it ended without a word of ours.
    pub ended_alone: bool,
    concluded: bool,
}

impl Deployment {
    /// The one that a plan leads to, where AWS moves the weights.
    pub fn of(plan: &Plan, ways: Ways) -> Option<Self> {
        let (timetable, always) = match &plan.driver {
            Driver::Ecs(asked) => (asked.timetable, ways.waits),
            Driver::CodeDeploy(asked) => (asked.timetable, false),
            Driver::Pair | Driver::TaskSets => return None,
        };
        let (mut shares, every) = match timetable {
            Timetable::AllAtOnce => (Vec::new(), Duration::ZERO),
            Timetable::Canary { first, every } => (vec![first], every),
            Timetable::Linear { step, every } => {
                let stride = usize::from(step.permille());
                ((step.permille()..1000).step_by(stride).filter_map(Share::from_permille).collect(), every)
            }
        };
        shares.push(Share::ALL);
        Some(Self {
            ways,
            shares,
            every,
            always,
            stage: Stage::Absent,
            due: None,
            alarm_at: None,
            why: "",
            late: Vec::new(),
            own_way_back: None,
            ended_alone: false,
            concluded: false,
        })
    }

    fn enters(&mut self, stage: Stage, due: Option<Timestamp>) {
        (self.stage, self.due) = (stage, due);
    }

    /// When it next does something by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        let alarm = self.alarm_at.filter(|_| self.stage.is_forward());
        let late = self.late.iter().map(|(at, _)| *at).min();
        [self.due, alarm, late].into_iter().flatten().min()
    }

    /// An order with an unknown answer lands later.
    pub fn lands(&mut self, at: Timestamp, effect: Effect) {
        self.late.push((at, effect));
    }

    /// What it says of itself.
    pub fn told(&self) -> Option<driver::Deployment> {
        let state = match self.stage {
            Stage::Absent => return None,
            Stage::Starting(_) | Stage::Shifting(_) | Stage::Keeping(_) | Stage::Ending => DeploymentState::Moving,
            Stage::Waiting(_) | Stage::Baking => DeploymentState::Waiting { until: self.due },
            Stage::Done => DeploymentState::Done,
            Stage::GoingBack | Stage::Returning | Stage::Returned | Stage::Left => {
                DeploymentState::Failed { why: self.why.to_owned() }
            }
        };
        Some(driver::Deployment {
            id: "arn:deployment".into(),
            state,
            stage: format!("{:?}", self.stage),
            held_by: None,
        })
    }

    /// Whether an order to end would take the old tasks.
    pub fn would_end(&self) -> bool {
        self.stage == Stage::Baking
    }

    /// It waits before the share with this index, or gives it unasked.
    fn before(&mut self, next: usize, now: Timestamp) -> bool {
        let waits = if next == 0 { self.ways.waits } else { self.always };
        if waits {
            self.enters(Stage::Waiting(next), Some(now + self.ways.patience));
        } else if next == 0 {
            self.enters(Stage::Shifting(next), Some(now + self.ways.takes));
        } else {
            self.enters(Stage::Keeping(next - 1), Some(now + self.every));
        }
        waits
    }

    fn goes_back(&mut self, why: &'static str, now: Timestamp) {
        self.why = why;
        self.enters(Stage::GoingBack, Some(now + self.ways.takes));
    }
}

/// What it does by itself.
impl World {
    /// What is due at `at` happens to AWS's own deployment. Whether it was due there.
    pub fn deployment_happens(&mut self, at: Timestamp) -> bool {
        let Some(aws) = self.aws.as_mut().filter(|aws| aws.next_change() == Some(at)) else { return false };
        if let Some(late) = aws.late.iter().position(|(lands, _)| *lands == at) {
            let (_, effect) = aws.late.remove(late);
            self.hits.hit(Point::OrderLanded);
            let _ = self.apply(&effect);
        } else if aws.due == Some(at) {
            self.stage_ends(at);
        } else {
            self.hits.hit(Point::AwsRolledBack);
            aws.own_way_back = Some(at);
            aws.goes_back("alarm web-5xx rang", at);
        }
        true
    }

    fn stage_ends(&mut self, at: Timestamp) {
        let healthy = self.healthy(Role::Candidate) >= self.candidate.desired;
        let Some(aws) = &mut self.aws else { return };
        match aws.stage {
            Stage::Starting(_) if healthy => {
                if aws.before(0, at) {
                    self.hits.hit(Point::AwsWaited);
                }
            }
            Stage::Starting(since) if at.since(since) > UNHEALTHY_FOR => {
                self.hits.hit(Point::CircuitBroken);
                aws.own_way_back = Some(at);
                aws.goes_back("circuit breaker", at);
            }
            Stage::Starting(_) => aws.due = Some(at + HEALTH_EVERY),
            Stage::Baking if !aws.always => {
                self.hits.hit(Point::AwsEnded);
                aws.ended_alone = true;
                self.old_tasks_go();
            }
            Stage::Waiting(_) | Stage::Baking => {
                self.hits.hit(Point::PauseTimedOut);
                aws.own_way_back = Some(at);
                aws.goes_back("nobody answered its pause in time", at);
            }
            Stage::Shifting(to) => self.share_is_given(to, at),
            Stage::Keeping(to) => aws.enters(Stage::Shifting(to + 1), Some(at + aws.ways.takes)),
            Stage::Ending => self.old_tasks_go(),
            Stage::GoingBack if aws.ways.fails_back => {
                self.hits.hit(Point::RollbackFailed);
                aws.enters(Stage::Left, None);
            }
            Stage::GoingBack => {
                aws.enters(Stage::Returning, Some(at + CLEANS_UP));
                self.foreign_rules = false;
                self.set_share(at, Share::NONE);
            }
            Stage::Returning => {
                aws.enters(Stage::Returned, None);
                self.candidate.desired = 0;
                BEFORE.clone_into(&mut self.candidate.task_definition);
            }
            Stage::Absent | Stage::Done | Stage::Returned | Stage::Left => aws.due = None,
        }
    }

    fn share_is_given(&mut self, to: usize, at: Timestamp) {
        let Some(aws) = &mut self.aws else { return };
        let share = aws.shares[to];
        if to + 1 == aws.shares.len() {
            let lasts = if aws.always { aws.ways.patience } else { aws.ways.keeps };
            aws.enters(Stage::Baking, Some(at + lasts));
        } else if aws.before(to + 1, at) {
            self.hits.hit(Point::AwsWaited);
        }
        self.foreign_rules = false;
        self.set_share(at, share);
    }

    fn old_tasks_go(&mut self) {
        let Some(aws) = &mut self.aws else { return };
        aws.enters(Stage::Done, None);
        self.stable.desired = 0;
    }
}

/// What it is told.
impl World {
    /// What AWS's own deployment makes of a write; `None` where the write is none of its business.
    pub fn apply_to_deployment(&mut self, effect: &Effect) -> Option<Answer> {
        let stage = self.aws.as_ref()?.stage;
        match effect {
            Effect::Scale { role: Role::Candidate, count: 0, .. } => Some(self.await_return()),
            Effect::Scale { role: Role::Candidate, count, task_definition } => {
                if stage == Stage::Absent {
                    self.begins(*count, task_definition.as_deref());
                }
                Some(Answer::Scaled)
            }
            // The tasks of the one service that are left are the candidate's.
            Effect::Scale { role: Role::Stable, .. } => (stage == Stage::Done).then_some(Answer::Scaled),
            Effect::Route(route) if route.expected.is_none() => self.is_told_back(),
            Effect::Route(route) => Some(self.is_told_on(route)),
            Effect::Conclude => Some(self.is_told_to_end()),
            _ => None,
        }
    }

    fn begins(&mut self, count: u32, task_definition: Option<&str>) {
        let now = self.now;
        let Some(aws) = &mut self.aws else { return };
        aws.enters(Stage::Starting(now), Some(now + START_UP));
        aws.alarm_at = aws.ways.alarm.map(|after| now + after);
        (self.candidate.desired, self.candidate.since) = (count, now);
        task_definition.unwrap_or(BEFORE).clone_into(&mut self.candidate.task_definition);
    }

    /// Whatever is under way is told to go back, and is waited for.
    fn await_return(&mut self) -> Answer {
        let now = self.now;
        let fault = |kind, words: &str| Answer::Failed(Fault::new(kind, "StopServiceDeployment", words));
        let Some(aws) = &mut self.aws else { return Answer::Scaled };
        match aws.stage {
            Stage::Absent | Stage::Returned => Answer::Scaled,
            Stage::Left | Stage::Done => fault(FaultKind::Permanent, "its deployment is over, and not back"),
            stage => {
                if stage.is_forward() {
                    aws.goes_back("somebody stopped it", now);
                }
                fault(FaultKind::Transient, "it takes its deployment back")
            }
        }
    }

    /// Told to go back; `None` where the rule is to be written.
    fn is_told_back(&mut self) -> Option<Answer> {
        let now = self.now;
        let gone = self.stable.desired == 0;
        let aws = self.aws.as_mut()?;
        match aws.stage {
            Stage::Done if gone => {
                let fault = Fault::new(FaultKind::Permanent, "StopServiceDeployment", "what served before is gone");
                return Some(Answer::Failed(fault));
            }
            Stage::Absent | Stage::Done | Stage::Left | Stage::Returned => return None,
            stage if stage.is_forward() => aws.goes_back("somebody stopped it", now),
            _ => {}
        }
        let seen = self.rule_at(now);
        Some(if self.share() == Share::NONE { Answer::Routed(seen) } else { Answer::Moving(seen) })
    }

    fn is_told_on(&mut self, route: &Route) -> Answer {
        let (now, share, seen) = (self.now, self.share(), self.rule_at(self.now));
        if share == route.share {
            return Answer::Routed(seen);
        }
        let Some(aws) = &mut self.aws else { return Answer::Moving(seen) };
        match aws.stage {
            Stage::Absent => {
                return Answer::Failed(Fault::new(FaultKind::Transient, "ContinueServiceDeployment", "there is none"));
            }
            Stage::Waiting(next) if Some(share) == route.expected && aws.shares[next] <= route.share => {
                self.hits.hit(Point::PauseAnswered);
                aws.enters(Stage::Shifting(next), Some(now + aws.ways.takes));
            }
            _ => {}
        }
        Answer::Moving(seen)
    }

    fn is_told_to_end(&mut self) -> Answer {
        let now = self.now;
        let Some(aws) = &mut self.aws else { return Answer::Concluded };
        match aws.stage {
            Stage::Baking => {
                self.hits.hit(Point::Concluded);
                aws.concluded = true;
                aws.enters(Stage::Ending, Some(now + aws.ways.takes));
                Answer::Concluded
            }
            Stage::Ending | Stage::Done => Answer::Concluded,
            _ => {
                let words = "it is not at its end";
                Answer::Failed(Fault::new(FaultKind::Transient, "ContinueServiceDeployment", words))
            }
        }
    }
}

/// What must hold.
impl World {
    /// The rollout is committed: nothing can give the traffic back, and AWS ends its deployment, or has.
    pub fn may_commit(&self) {
        self.safeguard.cannot_fire();
        let ends = |aws: &Deployment| aws.concluded || aws.ended_alone;
        assert!(self.aws.as_ref().is_none_or(ends), "committed, and AWS was not told to end");
    }

    /// Whether AWS has taken the old tasks: there is nothing to go back to.
    pub fn is_ended_by_aws(&self) -> bool {
        self.aws.as_ref().is_some_and(|aws| aws.stage == Stage::Done)
    }

    /// How long AWS takes until the traffic is back that it was told to take back.
    pub fn aws_takes(&self) -> Duration {
        self.aws.as_ref().map(|aws| aws.ways.takes).unwrap_or_default()
    }

    /// What the machine told agrees with what AWS did.
    pub fn heard(&mut self, notices: &[Notice]) {
        if notices.contains(&Notice::Committed) {
            self.may_commit();
        }
        let Some(aws) = &self.aws else { return };
        for notice in notices {
            match notice {
                Notice::CarriedOn { .. } => self.hits.hit(Point::CarriedOn),
                Notice::Retreating { reason } => {
                    if matches!(reason, Reason::Deployment(_)) {
                        self.hits.hit(Point::AwsExplained);
                    }
                    let known = aws.own_way_back.is_some_and(|at| self.now.since(at) > UNSEEN_WITHIN);
                    let other = matches!(
                        reason,
                        Reason::Breach { outcome: GateOutcome::Fail, .. }
                            | Reason::Capacity { .. }
                            | Reason::ForeignWrite { .. }
                    );
                    assert!(!(known && other), "AWS went back, and that is called {reason:?}");
                }
                Notice::ForeignWrite { .. } => {
                    let nobody = !self.foreign && self.deployed.is_none() && self.mishaps.read_is_stale == 0.0;
                    assert!(!nobody, "what AWS did is taken for a stranger's: {notice:?}");
                }
                _ => {}
            }
        }
    }
}
