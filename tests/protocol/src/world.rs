//! The world of the model: what AWS, the store and the processes are at one moment, all times as ages in ticks.

use tidegate::lease::Phase;

use crate::route::{Route, Share};

/// The processes that can own the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Began the rollout.
    Runner,
    /// Goes on with it once its owner is silent or left.
    Resumer,
    /// Takes it back without waiting.
    Operator,
    /// Takes it back once its owner is silent.
    Guard,
}

impl Who {
    /// All of them, as [`World::actors`] has them.
    pub const ALL: [Self; 4] = [Self::Runner, Self::Resumer, Self::Operator, Self::Guard];
}

/// What somebody does to AWS, by a call that lands later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Creates the switch.
    Arm,
    /// Gives the candidate a share.
    Give(Share),
    /// Gives the stable slot everything.
    GiveBack,
    /// Takes the stable slot's capacity.
    StableDown,
    /// Takes the candidate slot's capacity.
    CandidateDown,
}

impl Effect {
    /// Whether it goes forward: only the owner of a young lease may send it.
    pub fn is_forward(self) -> bool {
        !matches!(self, Self::GiveBack | Self::CandidateDown)
    }

    /// Whether it gives the stable slot weight.
    pub fn gives_stable(self) -> bool {
        matches!(self, Self::Give(Share::Half) | Self::GiveBack)
    }
}

/// A call under way: it lands within `left` ticks, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flight {
    pub effect: Effect,
    pub left: u8,
}

/// The most calls under way at once.
pub const FLIGHTS: usize = 3;

/// The control document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document {
    pub epoch: u8,
    pub phase: Phase,
    pub owned: bool,
}

/// How a rollout ended, as its journal has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Committed,
    RolledBack,
}

/// What stands in the journal, as far as others act upon it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Who appended last: nobody else knows its end.
    pub writer: Who,
    pub epoch: u8,
    /// The greatest share that was decided.
    pub level: Share,
    /// Whether the way back was decided.
    pub back: bool,
    pub end: Option<End>,
}

/// The dead-man's switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    Absent,
    /// Fires in so many ticks; at none it may fire now and will within a tick.
    Armed(u8),
    /// Has fired; its write lands within so many ticks.
    Flying(u8),
}

/// The rule's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    Open,
    /// It says committed, for so many ticks.
    Committed(u8),
}

/// A rollback by the rule's tags alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blind {
    Possible,
    /// It read the tag so many ticks ago and will send.
    Decided(u8),
    Done,
}

/// How far a process is with the rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Has nothing to do with it yet.
    Out,
    /// Owns it, as far as it knows.
    In,
    /// Learnt that somebody else does.
    Fenced,
    /// Crashed, left or finished.
    Ended,
}

/// What a process decided and has not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    Empty,
    /// Decided so many ticks ago.
    Holds(Effect, u8),
    /// The check before sending refused it; the document is to be asked.
    Refused,
}

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    pub stage: Stage,
    /// The document as it last wrote it.
    pub epoch: u8,
    pub phase: Phase,
    /// Ticks since it began that write.
    pub renewed: u8,
    /// Whether it has read the journal and appended to it.
    pub joined: bool,
    /// Whether it decided to go back.
    pub back: bool,
    /// Whether the switch is disarmed and the tag set.
    pub barred: bool,
    /// Whether the switch could have fired.
    pub fired: bool,
    /// Whether its last look allows it to call the rollout finished.
    pub verified: bool,
    /// Whether its last look showed what was no longer true.
    pub misled: bool,
    /// Ticks since the way back stands in the document, or since the tag was set.
    pub waited: u8,
    pub hand: Hand,
    /// While it looks on: ticks since it first saw the document as it is.
    pub watched: Option<u8>,
}

impl Actor {
    /// One that knows nothing.
    pub const OUT: Self = Self {
        stage: Stage::Out,
        epoch: 0,
        phase: Phase::Active,
        renewed: 0,
        joined: false,
        back: false,
        barred: false,
        fired: false,
        verified: false,
        misled: false,
        waited: 0,
        hand: Hand::Empty,
        watched: None,
    };

    /// One that has nothing more to do.
    pub const fn retired(stage: Stage) -> Self {
        Self { stage, ..Self::OUT }
    }
}

/// Everything at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    pub document: Document,
    pub recorded: Recorded,
    pub route: Route,
    pub flights: [Option<Flight>; FLIGHTS],
    pub switch: Switch,
    pub tag: Tag,
    pub stable_up: bool,
    pub candidate_up: bool,
    pub actors: [Actor; 4],
    pub blind: Blind,
    /// Strangers' writes to come.
    pub strangers: u8,
    /// Crashes to come.
    pub crashes: u8,
    /// Whether somebody decided forward after a successor stood in the journal, or after the way back did.
    pub trespass: bool,
    /// Whether a second end was written.
    pub two_ends: bool,
}

impl World {
    /// The moment after the runner began: the candidate is up and has no traffic.
    pub fn begun(document: Document, blind: Blind, strangers: u8, crashes: u8) -> Self {
        let recorded =
            Recorded { writer: Who::Runner, epoch: document.epoch, level: Share::Nothing, back: false, end: None };
        let mut actors = [Actor::OUT; 4];
        actors[0] = Actor { stage: Stage::In, epoch: document.epoch, joined: true, ..Actor::OUT };
        Self {
            document,
            recorded,
            route: Route::now(Share::Nothing),
            flights: [None; FLIGHTS],
            switch: Switch::Absent,
            tag: Tag::Open,
            stable_up: true,
            candidate_up: true,
            actors,
            blind,
            strangers,
            crashes,
            trespass: false,
            two_ends: false,
        }
    }

    pub fn actor(&self, who: Who) -> &Actor {
        &self.actors[who as usize]
    }

    pub fn actor_mut(&mut self, who: Who) -> &mut Actor {
        &mut self.actors[who as usize]
    }

    /// Whether anybody looks on.
    pub fn is_watched(&self) -> bool {
        self.actors.iter().any(|actor| actor.watched.is_some())
    }

    /// Whether such a call is under way.
    pub fn in_flight(&self, is: impl Fn(Effect) -> bool) -> bool {
        self.flights.iter().flatten().any(|flight| is(flight.effect))
    }

    /// Whether somebody is about to take capacity, or just has to write the end.
    pub fn is_ending(&self) -> bool {
        let takes = |effect| matches!(effect, Effect::StableDown | Effect::CandidateDown);
        let holds = |actor: &Actor| matches!(actor.hand, Hand::Holds(effect, _) if takes(effect));
        let verified = self.actor(self.recorded.writer).verified;
        self.recorded.end.is_some() || verified || self.in_flight(takes) || self.actors.iter().any(holds)
    }

    /// Sends a call, if another can be under way.
    pub fn send(&mut self, effect: Effect, left: u8) -> Option<()> {
        let free = self.flights.iter().position(Option::is_none)?;
        self.flights[free] = Some(Flight { effect, left });
        self.flights.sort_unstable();
        Some(())
    }

    /// The document was written: whoever watches sees another, but for those who remember what was.
    pub fn write(&mut self, document: Document, remembers: impl Fn(&Actor) -> bool) {
        self.document = document;
        for actor in self.actors.iter_mut().filter(|actor| !remembers(actor)) {
            actor.watched = None;
        }
    }

    /// What all but one have seen is of no use any more, since they cannot append. Whoever wrote the end, as `before` may
    /// have, still knows it.
    pub fn forget_looks(&mut self, but: Who, before: Who) {
        let ended = self.recorded.end.is_some();
        for who in Who::ALL.into_iter().filter(|who| *who != but) {
            let actor = self.actor_mut(who);
            if actor.joined {
                let verified = ended && (actor.verified || who == before);
                *actor = Actor { barred: false, fired: false, verified, misled: false, waited: 0, ..*actor };
            }
        }
    }

    /// A call takes effect.
    pub fn land(&mut self, at: usize, armed_for: u8) -> Option<()> {
        let flight = self.flights[at].take()?;
        self.flights.sort_unstable();
        match flight.effect {
            Effect::Arm if self.switch == Switch::Absent => self.switch = Switch::Armed(armed_for),
            Effect::Arm => {}
            Effect::Give(share) => self.route.land(share),
            Effect::GiveBack => self.route.land(Share::Nothing),
            Effect::StableDown => self.stable_up = false,
            Effect::CandidateDown => self.candidate_up = false,
        }
        Some(())
    }

    /// The switch's write takes effect.
    pub fn switch_lands(&mut self) {
        self.switch = Switch::Absent;
        self.route.land(Share::Nothing);
    }
}

/// How many ticks are told apart, by what is measured: the last stands for all beyond.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    pub lease: u8,
    pub decided: u8,
    pub waited: u8,
    pub stale: u8,
    pub flying: u8,
}

impl World {
    /// A tick passes.
    pub fn tick(&mut self, most: Ages) {
        let older = |age: &mut u8, most: u8| *age = (*age + 1).min(most);
        match self.switch {
            Switch::Absent => {}
            Switch::Armed(0) => self.switch = Switch::Flying(most.flying),
            Switch::Armed(left) => self.switch = Switch::Armed(left - 1),
            Switch::Flying(0) => self.switch_lands(),
            Switch::Flying(left) => self.switch = Switch::Flying(left - 1),
        }
        for flight in &mut self.flights {
            *flight = flight.and_then(|it| Some(Flight { left: it.left.checked_sub(1)?, ..it }));
        }
        self.flights.sort_unstable();
        self.route.tick(most.stale);
        if let Tag::Committed(age) = &mut self.tag {
            older(age, most.stale + 1);
        }
        if let Blind::Decided(age) = &mut self.blind {
            older(age, most.decided);
        }
        for (who, actor) in Who::ALL.into_iter().zip(&mut self.actors) {
            if let Some(age) = &mut actor.watched {
                older(age, most.lease);
            }
            if actor.stage != Stage::In {
                continue;
            }
            // One that goes back is asked for its lease by nobody.
            if actor.phase != Phase::Aborting {
                older(&mut actor.renewed, most.lease);
            }
            let waits = self.recorded.writer == who || !actor.joined;
            if actor.barred || (waits && actor.phase == Phase::Aborting && self.recorded.end.is_none()) {
                older(&mut actor.waited, most.waited);
            }
            if let Hand::Holds(_, age) = &mut actor.hand {
                older(age, most.decided);
            }
        }
    }
}
