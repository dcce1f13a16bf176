//! A world as two numbers, so that a million of them are told apart quickly.

use std::hash::{Hash, Hasher};

use tidegate::lease::Phase;

use crate::world::{Actor, Blind, Effect, End, Flight, Hand, Switch, Tag, World};

/// Small numbers side by side.
#[derive(Default)]
struct Code(u128);

impl Code {
    /// Adds a number that fits into so many bits.
    fn put(&mut self, number: u8, bits: u32) {
        assert!(u32::from(number) < 1 << bits, "{number} takes more than {bits} bits");
        self.0 = self.0 << bits | u128::from(number);
    }

    fn put_all(&mut self, flags: &[bool]) {
        for flag in flags {
            self.put(u8::from(*flag), 1);
        }
    }

    fn put_actor(&mut self, actor: &Actor) {
        let (hand, age) = match actor.hand {
            Hand::Empty => (0, 0),
            Hand::Refused => (1, 0),
            Hand::Holds(effect, age) => (2 + kind(effect), age),
        };
        self.put(actor.stage as u8, 2);
        self.put(actor.epoch, 3);
        self.put(place(actor.phase), 2);
        self.put(actor.renewed, 4);
        self.put_all(&[actor.joined, actor.back, actor.barred, actor.fired, actor.verified, actor.misled]);
        self.put(actor.waited, 4);
        self.put(hand, 4);
        self.put(age, 3);
        self.put(actor.watched.map_or(0, |age| age + 1), 4);
    }
}

fn place(phase: Phase) -> u8 {
    match phase {
        Phase::Active => 0,
        Phase::Aborting => 1,
        Phase::Committing => 2,
        Phase::Over => 3,
    }
}

fn kind(effect: Effect) -> u8 {
    match effect {
        Effect::Arm => 0,
        Effect::Give(share) => 1 + share as u8,
        Effect::GiveBack => 4,
        Effect::StableDown => 5,
        Effect::CandidateDown => 6,
    }
}

fn scene(world: &World) -> u128 {
    let mut code = Code::default();
    code.put(world.document.epoch, 3);
    code.put(place(world.document.phase), 2);
    code.put(world.recorded.writer as u8, 2);
    code.put(world.recorded.epoch, 3);
    code.put(world.recorded.level as u8, 2);
    code.put(world.recorded.end.map_or(0, |end| if end == End::Committed { 1 } else { 2 }), 2);
    code.put(world.route.share as u8, 2);
    for shown in world.route.shown {
        code.put(shown, 3);
    }
    for flight in world.flights {
        let (effect, left) = flight.map_or((0, 0), |Flight { effect, left }| (1 + kind(effect), left));
        code.put(effect, 3);
        code.put(left, 3);
    }
    let (switch, left) = match world.switch {
        Switch::Absent => (0, 0),
        Switch::Armed(left) => (1, left),
        Switch::Flying(left) => (2, left),
    };
    code.put(switch, 2);
    code.put(left, 4);
    code.put(if let Tag::Committed(age) = world.tag { age + 1 } else { 0 }, 3);
    let blind = match world.blind {
        Blind::Possible => 0,
        Blind::Done => 1,
        Blind::Decided(age) => 2 + age,
    };
    code.put(blind, 3);
    code.put(world.strangers, 2);
    code.put(world.crashes, 2);
    code.put_all(&[world.document.owned, world.recorded.back, world.route.foreign]);
    code.put_all(&[world.stable_up, world.candidate_up, world.trespass, world.two_ends]);
    code.0
}

fn cast(world: &World) -> u128 {
    let mut code = Code::default();
    for actor in &world.actors {
        code.put_actor(actor);
    }
    code.0
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(scene(self));
        state.write_u128(cast(self));
    }
}
