//! Whether every rollout can still end: the whole graph of a small cast, searched backwards from its ends.

use std::collections::{HashMap, VecDeque};

use stateright::Model;
use tidegate::lease::Phase;

use crate::protocol::{Protocol, Step};
use crate::world::{Stage, Who, World};

/// All worlds of a model, and which steps lead to each.
pub struct Graph {
    worlds: Vec<World>,
    /// For each world, those from which a step leads to it, and whether that is a tick.
    before: Vec<Vec<(u32, bool)>>,
}

impl Graph {
    /// Explores the whole model.
    pub fn of(model: &Protocol) -> Self {
        let mut graph = Self { worlds: Vec::new(), before: Vec::new() };
        let mut known = HashMap::new();
        for world in model.init_states() {
            graph.place(&mut known, world);
        }
        let mut steps = Vec::new();
        let mut from = 0;
        while from < graph.worlds.len() {
            let world = graph.worlds[from];
            model.actions(&world, &mut steps);
            for step in steps.drain(..) {
                let Some(next) = model.next_state(&world, step) else { continue };
                let to = graph.place(&mut known, next);
                graph.before[to].push((u32::try_from(from).expect("fewer worlds than numbers"), step == Step::Tick));
            }
            from += 1;
        }
        graph
    }

    fn place(&mut self, known: &mut HashMap<World, usize>, world: World) -> usize {
        *known.entry(world).or_insert_with(|| {
            self.worlds.push(world);
            self.before.push(Vec::new());
            self.worlds.len() - 1
        })
    }

    pub fn len(&self) -> usize {
        self.worlds.len()
    }

    /// For each world, the fewest ticks after which the rollout can be over.
    fn ticks_to_end(&self) -> Vec<Option<u32>> {
        let mut ticks = vec![None; self.worlds.len()];
        let mut queue = VecDeque::new();
        for (at, world) in self.worlds.iter().enumerate() {
            if world.document.phase == Phase::Over {
                queue.push_back((at, 0));
            }
        }
        while let Some((at, spent)) = queue.pop_front() {
            if ticks[at].is_some() {
                continue;
            }
            ticks[at] = Some(spent);
            for (from, is_tick) in &self.before[at] {
                let from = *from as usize;
                match is_tick {
                    true => queue.push_back((from, spent + 1)),
                    false => queue.push_front((from, spent)),
                }
            }
        }
        ticks
    }

    /// The most ticks that a world with somebody alive is from the end of its rollout.
    ///
    /// # Errors
    /// A world with somebody alive in which the rollout can never end.
    pub fn farthest(&self, comers: &[Who]) -> Result<u32, World> {
        let mut most = 0;
        for (world, ticks) in self.worlds.iter().zip(self.ticks_to_end()) {
            match ticks {
                Some(ticks) => most = most.max(ticks),
                None if somebody_lives(world, comers) => return Err(*world),
                None => {}
            }
        }
        Ok(most)
    }
}

/// Whether the owner lives, or somebody who can take over from a silent one.
fn somebody_lives(world: &World, comers: &[Who]) -> bool {
    let owns = |who: Who| {
        let actor = world.actor(who);
        actor.stage == Stage::In && actor.epoch == world.document.epoch
    };
    let can_come = |who: &Who| *who != Who::Operator && world.actor(*who).stage == Stage::Out;
    Who::ALL.into_iter().any(owns) || comers.iter().any(can_come)
}
