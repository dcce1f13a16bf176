//! What an owner does: goes forward, commits, goes back; each deed one step of the model.

use std::time::Duration;

use tidegate::lease::{Life, Phase};

use crate::protocol::Protocol;
use crate::route::Share;
use crate::rules::Rule;
use crate::world::{Actor, Document, Effect, End, Hand, Stage, Switch, Tag, Who, World};

/// What an owner can do in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Writes the document again, in the phase that it is in by now.
    Renew,
    /// Gives the document back before the rollout is over.
    Leave,
    /// Dies.
    Crash,
    /// Decides an effect, which stands in the journal from here on if it goes forward.
    Decide(Effect),
    /// Sends what it decided, or is refused.
    Send,
    /// Pushes the switch forward.
    Push,
    /// Disarms the switch before the commit began; only without the rule against it.
    DisarmEarly,
    /// Writes into the document that the commit begins.
    BeginCommit,
    /// Disarms the switch and sets the tag.
    Bar,
    /// Takes the tag back, because the commit is held.
    Reopen,
    /// Decides to go back.
    Turn,
    /// Appends that it goes back.
    TellBack,
    /// Looks at the rule for the last time before the end.
    Verify,
    /// Appends the end.
    End,
}

impl Deed {
    /// All that an owner can do.
    pub const ALL: [Self; 19] = [
        Self::Renew,
        Self::Leave,
        Self::Crash,
        Self::Decide(Effect::Arm),
        Self::Decide(Effect::Give(Share::Half)),
        Self::Decide(Effect::Give(Share::All)),
        Self::Decide(Effect::GiveBack),
        Self::Decide(Effect::StableDown),
        Self::Decide(Effect::CandidateDown),
        Self::Send,
        Self::Push,
        Self::DisarmEarly,
        Self::BeginCommit,
        Self::Bar,
        Self::Reopen,
        Self::Turn,
        Self::TellBack,
        Self::Verify,
        Self::End,
    ];
}

impl Protocol {
    /// The world after an owner's deed; nothing where it cannot be done.
    pub fn owner_does(&self, world: &World, who: Who, deed: Deed) -> Option<World> {
        match deed {
            Deed::Renew => self.renew(world, who),
            Deed::Leave => self.leave(world, who),
            Deed::Crash => {
                let mut next = World { crashes: world.crashes.checked_sub(1)?, ..*world };
                *next.actor_mut(who) = Actor::retired(Stage::Ended);
                Some(next)
            }
            Deed::Decide(effect) => self.decide(world, who, effect),
            Deed::Send => self.send(world, who),
            Deed::Push | Deed::DisarmEarly => self.touch_switch(world, who, deed),
            Deed::BeginCommit => self.begin_commit(world, who),
            Deed::Bar => self.bar(world, who),
            Deed::Reopen => self.reopen(world, who),
            Deed::Turn => Self::turn(world, who),
            Deed::TellBack => self.tell_back(world, who),
            Deed::Verify => self.verify(world, who),
            Deed::End => self.end(world, who),
        }
    }

    /// Whether an append would succeed: nobody else has appended since this one did.
    fn appends(&self, world: &World, who: Who) -> bool {
        world.actor(who).joined && (world.recorded.writer == who || !self.keeps(Rule::JournalFence))
    }

    /// Whether it is on its way forward.
    fn goes_forward(&self, world: &World, who: Who) -> bool {
        let actor = world.actor(who);
        actor.phase == Phase::Active && !actor.back && self.appends(world, who)
    }

    fn renew(&self, world: &World, who: Who) -> Option<World> {
        let actor = world.actor(who);
        let is_down = !world.stable_up || !world.candidate_up;
        let finished = world.recorded.end.is_some() && is_down && self.appends(world, who);
        let turned = actor.back && actor.phase != Phase::Aborting;
        let outdated = actor.renewed > 0 || actor.epoch != world.document.epoch;
        if !(finished || turned || outdated || actor.hand == Hand::Refused || world.is_watched()) {
            return None;
        }
        // A heartbeat knows of no commit: that the phase does not slip back is the lease's business.
        let wanted = match (finished, turned) {
            (true, _) => Phase::Over,
            (_, true) => Phase::Aborting,
            _ => Phase::Active,
        };
        let mut next = *world;
        if !self.writes(world, who) {
            *next.actor_mut(who) = Actor::retired(Stage::Fenced);
            return Some(next);
        }
        let document = self.law.renewed(actor, wanted);
        self.swap(&mut next, document);
        let renewed = next.actor_mut(who);
        if document.phase == Phase::Over {
            *renewed = Actor::retired(Stage::Ended);
            return Some(next);
        }
        if document.phase != actor.phase {
            *renewed = Actor { waited: 0, barred: false, fired: false, verified: false, ..*renewed };
        }
        let hand = if actor.hand == Hand::Refused { Hand::Empty } else { actor.hand };
        *renewed = Actor { phase: document.phase, renewed: 0, hand, ..*renewed };
        Some(next)
    }

    /// Writes the document.
    pub fn swap(&self, world: &mut World, document: Document) {
        let sticks = !self.keeps(Rule::TakesWhatItWatched);
        let before = world.document;
        let is_gone = |actor: &Actor| self.law.life(before, actor.watched, Duration::ZERO) == Life::Gone;
        world.write(document, |actor| sticks && is_gone(actor));
    }

    /// Whether a write of the document succeeds: by compare-and-swap, and after a lost one by what is found.
    fn writes(&self, world: &World, who: Who) -> bool {
        !self.law.is_fenced(world.actor(who), world.document) || !self.keeps(Rule::EpochAtRenewal)
    }

    fn leave(&self, world: &World, who: Who) -> Option<World> {
        let actor = world.actor(who);
        let idle = self.goes_forward(world, who) && actor.hand == Hand::Empty;
        if !self.bounds.leaves || !idle || !self.writes(world, who) {
            return None;
        }
        let mut next = *world;
        self.swap(&mut next, self.law.left(actor));
        *next.actor_mut(who) = Actor::retired(Stage::Ended);
        Some(next)
    }

    fn decide(&self, world: &World, who: Who, effect: Effect) -> Option<World> {
        let actor = world.actor(who);
        let allowed = match effect {
            Effect::Arm => self.may_arm(world, who),
            Effect::Give(share) => self.may_give(world, who, share),
            Effect::GiveBack => self.may_give_back(world, who),
            Effect::StableDown => self.may_take_stable(world, who),
            Effect::CandidateDown => self.may_take_candidate(world, who),
        };
        if !allowed || actor.hand != Hand::Empty || world.in_flight(|other| other == effect) {
            return None;
        }
        let mut next = *world;
        if let Effect::Give(share) = effect {
            next.trespass |= world.recorded.writer != who || world.recorded.back;
            next.recorded.level = share;
            let needed = if share == Share::Half { Share::Nothing } else { Share::Half };
            next.actor_mut(who).misled = world.route.share != needed;
        }
        next.actor_mut(who).hand = Hand::Holds(effect, 0);
        Some(next)
    }

    fn may_arm(&self, world: &World, who: Who) -> bool {
        self.goes_forward(world, who) && world.recorded.level == Share::Nothing && world.switch == Switch::Absent
    }

    fn may_give(&self, world: &World, who: Who, share: Share) -> bool {
        let before = if share == Share::Half { Share::Nothing } else { Share::Half };
        let far = matches!(world.switch, Switch::Armed(left) if left > self.law.window);
        self.goes_forward(world, who)
            && world.recorded.level == before
            && world.route.may_show(before)
            && (far || !self.keeps(Rule::SwitchFarOff))
    }

    /// The way back asks neither journal nor document, once either says it; before, its lease must not be old.
    fn may_give_back(&self, world: &World, who: Who) -> bool {
        let actor = world.actor(who);
        let told = actor.phase == Phase::Aborting;
        (told || actor.back)
            && world.route.may_show_other(Share::Nothing)
            && (told || !self.keeps(Rule::YoungLeaseToGoBack) || !self.law.is_old(actor))
    }

    fn may_take_stable(&self, world: &World, who: Who) -> bool {
        let actor = world.actor(who);
        let committed = world.recorded.end == Some(End::Committed) || !self.keeps(Rule::QuietBeforeStableDown);
        self.appends(world, who)
            && actor.phase == Phase::Committing
            && !actor.back
            && world.stable_up
            && committed
            && world.route.may_show(Share::All)
    }

    fn may_take_candidate(&self, world: &World, who: Who) -> bool {
        let ended = world.recorded.end == Some(End::RolledBack) || !self.keeps(Rule::QuietBeforeCandidateDown);
        self.appends(world, who)
            && world.actor(who).phase == Phase::Aborting
            && world.candidate_up
            && ended
            && world.route.may_show(Share::Nothing)
    }

    fn send(&self, world: &World, who: Who) -> Option<World> {
        let actor = world.actor(who);
        let Hand::Holds(effect, age) = actor.hand else { return None };
        let young = !self.keeps(Rule::AgeBeforeSending) || self.law.is_young(age);
        let leased = !effect.is_forward() || !self.keeps(Rule::LeaseBeforeSending) || self.law.may_send(actor);
        let mut next = *world;
        next.actor_mut(who).hand = if young && leased || !effect.is_forward() { Hand::Empty } else { Hand::Refused };
        if young && leased {
            next.send(effect, self.law.lands)?;
        }
        Some(next)
    }

    fn touch_switch(&self, world: &World, who: Who, deed: Deed) -> Option<World> {
        let Switch::Armed(left) = world.switch else { return None };
        if !self.goes_forward(world, who) {
            return None;
        }
        let early = !self.keeps(Rule::SwitchUntilCommitting) && world.recorded.level == Share::All;
        let switch = match deed {
            Deed::Push if left < self.law.armed => Switch::Armed(self.law.armed),
            Deed::DisarmEarly if early && world.route.may_show(Share::All) => Switch::Absent,
            _ => return None,
        };
        Some(World { switch, ..*world })
    }

    fn begin_commit(&self, world: &World, who: Who) -> Option<World> {
        let actor = world.actor(who);
        let ready = world.recorded.level == Share::All && world.route.may_show(Share::All);
        if !ready || actor.hand != Hand::Empty || !self.goes_forward(world, who) {
            return None;
        }
        let mut next = *world;
        if !self.keeps(Rule::CommittingPhase) {
            next.actor_mut(who).phase = Phase::Committing;
            return Some(next);
        }
        if !self.writes(world, who) {
            *next.actor_mut(who) = Actor::retired(Stage::Fenced);
            return Some(next);
        }
        let document = self.law.renewed(actor, Phase::Committing);
        self.swap(&mut next, document);
        let misled = world.route.share != Share::All;
        *next.actor_mut(who) = Actor { phase: document.phase, renewed: 0, misled, ..*actor };
        Some(next)
    }

    fn bar(&self, world: &World, who: Who) -> Option<World> {
        let actor = world.actor(who);
        let committing = actor.phase == Phase::Committing && !actor.back && world.recorded.end.is_none();
        if !committing || actor.barred || !self.appends(world, who) {
            return None;
        }
        let mut next = *world;
        let surely_armed = matches!(world.switch, Switch::Armed(left) if left > 0);
        if let Switch::Armed(_) = world.switch {
            next.switch = Switch::Absent;
        }
        if world.tag == Tag::Open {
            next.tag = Tag::Committed(0);
        }
        let fired = !surely_armed && self.keeps(Rule::SwitchQuiesced);
        *next.actor_mut(who) = Actor { barred: true, fired, waited: 0, ..*actor };
        Some(next)
    }

    /// The commit is held by a pause or a breach: until it goes on, the way back is open to the blind too.
    fn reopen(&self, world: &World, who: Who) -> Option<World> {
        let actor = world.actor(who);
        let held = actor.phase == Phase::Committing && actor.barred && !actor.back && !actor.verified;
        if !held || world.recorded.end.is_some() || !self.appends(world, who) {
            return None;
        }
        let mut next = World { tag: Tag::Open, ..*world };
        *next.actor_mut(who) = Actor { barred: false, fired: false, waited: 0, ..*actor };
        Some(next)
    }

    /// A breach, a person's word, or a rule that is not as it should be. None of them counts after the last look before
    /// the commit.
    fn turn(world: &World, who: Who) -> Option<World> {
        let actor = world.actor(who);
        let ended = world.recorded.end.is_some() && world.recorded.writer == who;
        let reason = match actor.phase {
            Phase::Active => true,
            Phase::Committing => !actor.verified,
            Phase::Aborting | Phase::Over => false,
        };
        if !actor.joined || actor.back || ended || !reason {
            return None;
        }
        let mut next = *world;
        let hand = if actor.hand == Hand::Refused { Hand::Refused } else { Hand::Empty };
        *next.actor_mut(who) =
            Actor { back: true, misled: false, barred: false, fired: false, waited: 0, hand, ..*actor };
        Some(next)
    }

    fn tell_back(&self, world: &World, who: Who) -> Option<World> {
        if !world.actor(who).back || world.recorded.back || world.recorded.end.is_some() || !self.appends(world, who) {
            return None;
        }
        let mut next = *world;
        next.recorded.back = true;
        next.tag = Tag::Open;
        Some(next)
    }

    fn verify(&self, world: &World, who: Who) -> Option<World> {
        let actor = world.actor(who);
        if actor.verified || actor.hand != Hand::Empty || world.recorded.end.is_some() || !self.appends(world, who) {
            return None;
        }
        let (share, waited, look) = match actor.phase {
            Phase::Committing if actor.barred => {
                let drain = if self.keeps(Rule::DrainBeforeCommit) { self.law.quarantine } else { 0 };
                let wait = if actor.fired { self.law.quiet } else { drain };
                (Share::All, wait, self.keeps(Rule::LookBeforeCommit))
            }
            Phase::Aborting if world.recorded.back => {
                let gained = if self.keeps(Rule::ClocksWithinMargin) { 0 } else { self.law.margin };
                let wait = if self.keeps(Rule::Quarantine) { self.law.quarantine - gained } else { 0 };
                (Share::Nothing, wait, self.keeps(Rule::LookBeforeBackEnds))
            }
            _ => return None,
        };
        if actor.waited < waited || (look && !world.route.may_show(share)) {
            return None;
        }
        let mut next = *world;
        let misled = world.route.share != share;
        *next.actor_mut(who) = Actor { verified: true, misled, ..*actor };
        Some(next)
    }

    fn end(&self, world: &World, who: Who) -> Option<World> {
        let actor = world.actor(who);
        if !actor.verified || !self.appends(world, who) {
            return None;
        }
        let end = if actor.phase == Phase::Committing { End::Committed } else { End::RolledBack };
        if world.recorded.end == Some(end) {
            return None;
        }
        let mut next = *world;
        next.two_ends |= world.recorded.end.is_some();
        next.recorded.end = Some(end);
        if let (End::RolledBack, Switch::Armed(_)) = (end, world.switch) {
            next.switch = Switch::Absent;
        }
        let done = Actor { verified: false, barred: false, fired: false, misled: false, waited: 0, ..*actor };
        *next.actor_mut(who) = done;
        Some(next)
    }
}
