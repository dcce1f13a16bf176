//! The protocol as a model: who can do what in a world, and what must hold in every one.

use std::time::Duration;

use stateright::{Model, Property};
use tidegate::lease::{Life, Phase};

use crate::law::Law;
use crate::owner::Deed;
use crate::route::Share;
use crate::rules::Rule;
use crate::world::{Actor, Blind, Effect, Stage, Switch, Tag, Who, World};

/// What the model leaves out, so that it ends.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long a tick is.
    pub tick: Duration,
    /// Who may come, besides the runner.
    pub comers: &'static [Who],
    /// Crashes.
    pub crashes: u8,
    /// Strangers' writes to the rule.
    pub strangers: u8,
    /// Whether there is a rollback without the store.
    pub blind: bool,
    /// Whether owners may leave.
    pub leaves: bool,
}

/// The protocol, whole or without one rule.
pub struct Protocol {
    pub bounds: Bounds,
    pub law: Law,
    without: Option<Rule>,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Time passes.
    Tick,
    /// The call under way at this place takes effect.
    Land(u8),
    /// The switch fires.
    Fire,
    /// The switch's write takes effect.
    SwitchLands,
    /// The blind rollback reads the tag, and decides.
    BlindReads,
    /// The blind rollback sends its write, or is too late.
    BlindSends,
    /// A stranger changes the rule.
    Stranger(Share),
    /// One who looks on sees the document for the first time.
    Look(Who),
    /// Somebody takes the document.
    Take(Who),
    /// Who took the document reads the journal and appends to it.
    Join(Who),
    /// An owner's deed.
    By(Who, Deed),
}

impl Protocol {
    pub fn new(bounds: Bounds, without: Option<Rule>) -> Self {
        Self { bounds, law: Law::new(bounds.tick), without }
    }

    pub fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    fn look(world: &World, who: Who) -> Option<World> {
        let fresh = world.actor(who).watched.is_none() && world.document.phase != Phase::Over;
        let mut next = *world;
        next.actor_mut(who).watched = Some(0);
        (fresh && who != Who::Operator).then_some(next)
    }

    fn take(&self, world: &World, who: Who) -> Option<World> {
        let actor = world.actor(who);
        let gained = if self.keeps(Rule::ClocksWithinMargin) { Duration::ZERO } else { Law::beyond_margin() };
        let life = match who {
            Who::Operator => Life::Possible,
            _ if !self.keeps(Rule::LeaseRunsOut) => Life::Gone,
            _ => self.law.life(world.document, actor.watched, gained),
        };
        let mut taken = match who {
            Who::Resumer => self.law.take_over(world.document, life),
            Who::Operator => self.law.preempt(world.document, life),
            Who::Guard if life == Life::Gone || !world.document.owned => self.law.preempt(world.document, life),
            Who::Guard | Who::Runner => None,
        }?;
        if !self.keeps(Rule::BackForGood) && who == Who::Resumer && taken.phase == Phase::Aborting {
            taken.phase = Phase::Active;
        }
        let mut next = *world;
        self.swap(&mut next, taken);
        let back = taken.phase == Phase::Aborting;
        *next.actor_mut(who) = Actor { stage: Stage::In, epoch: taken.epoch, phase: taken.phase, back, ..Actor::OUT };
        Some(next)
    }

    fn join(&self, world: &World, who: Who) -> Option<World> {
        let actor = world.actor(who);
        let mut next = *world;
        if actor.joined {
            return None;
        }
        if world.recorded.epoch > actor.epoch {
            *next.actor_mut(who) = Actor::retired(Stage::Fenced);
            return Some(next);
        }
        let back = actor.back || (world.recorded.back && self.keeps(Rule::BackForGood));
        *next.actor_mut(who) = Actor { joined: true, back, ..*actor };
        next.recorded.writer = who;
        if self.keeps(Rule::JournalFence) {
            next.forget_looks(who, world.recorded.writer);
        }
        next.recorded.epoch = actor.epoch;
        next.recorded.back |= actor.phase == Phase::Aborting;
        Some(next)
    }

    fn blind_reads(&self, world: &World) -> Option<World> {
        let open = match world.tag {
            Tag::Open => true,
            Tag::Committed(age) => age <= self.law.ages.stale,
        };
        let decides = world.blind == Blind::Possible && (open || !self.keeps(Rule::CommittedTag));
        decides.then_some(World { blind: Blind::Decided(0), ..*world })
    }

    fn blind_sends(&self, world: &World) -> Option<World> {
        let Blind::Decided(age) = world.blind else { return None };
        let mut next = World { blind: Blind::Done, ..*world };
        if self.law.is_young(age) || !self.keeps(Rule::AgeBeforeSending) {
            next.send(Effect::GiveBack, self.law.lands)?;
        }
        Some(next)
    }

    fn stranger(world: &World, share: Share) -> Option<World> {
        if world.route.share == share || world.is_ending() {
            return None;
        }
        let mut next = World { strangers: world.strangers.checked_sub(1)?, ..*world };
        next.route.overwrite(share);
        Some(next)
    }

    fn by_itself(&self, world: &World, step: Step) -> Option<World> {
        let mut next = *world;
        match (step, world.switch) {
            (Step::Tick, _) => next.tick(self.law.ages),
            (Step::Land(at), _) => next.land(usize::from(at), self.law.armed)?,
            (Step::Fire, Switch::Armed(0)) => next.switch = Switch::Flying(self.law.ages.flying),
            (Step::SwitchLands, Switch::Flying(_)) => next.switch_lands(),
            _ => return None,
        }
        Some(next)
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let blind = if self.bounds.blind { Blind::Possible } else { Blind::Done };
        vec![World::begun(self.law.begin(), blind, self.bounds.strangers, self.bounds.crashes)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        steps.push(Step::Tick);
        let flying = (0u8..).zip(&world.flights).filter(|(_, flight)| flight.is_some());
        steps.extend(flying.map(|(at, _)| Step::Land(at)));
        match world.switch {
            Switch::Armed(0) => steps.push(Step::Fire),
            Switch::Flying(_) => steps.push(Step::SwitchLands),
            _ => {}
        }
        match world.blind {
            Blind::Possible => steps.push(Step::BlindReads),
            Blind::Decided(_) => steps.push(Step::BlindSends),
            Blind::Done => {}
        }
        if world.strangers > 0 {
            steps.extend([Share::Nothing, Share::Half, Share::All].map(Step::Stranger));
        }
        for who in Who::ALL {
            match world.actor(who).stage {
                Stage::Out if self.bounds.comers.contains(&who) => steps.extend([Step::Look(who), Step::Take(who)]),
                Stage::In if !world.actor(who).joined => {
                    steps.push(Step::Join(who));
                    steps.extend(Deed::ALL.map(|deed| Step::By(who, deed)));
                }
                Stage::In => steps.extend(Deed::ALL.map(|deed| Step::By(who, deed))),
                Stage::Out | Stage::Fenced | Stage::Ended => {}
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        match step {
            Step::Tick | Step::Land(_) | Step::Fire | Step::SwitchLands => self.by_itself(world, step),
            Step::BlindReads => self.blind_reads(world),
            Step::BlindSends => self.blind_sends(world),
            Step::Stranger(share) => Self::stranger(world, share),
            Step::Look(who) => Self::look(world, who),
            Step::Take(who) => self.take(world, who),
            Step::Join(who) => self.join(world, who),
            Step::By(who, deed) => self.owner_does(world, who, deed),
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        crate::properties::all()
    }
}
