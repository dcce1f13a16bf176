//! What holds in every world, and what is reached in some.

use stateright::Property;
use tidegate::lease::Phase;

use crate::protocol::Protocol;
use crate::route::Share;
use crate::world::{Actor, Blind, Effect, End, Hand, Stage, Switch, Tag, Who, World};

/// A rollout that went back has given the candidate its last request.
pub const BACK_STAYS_BACK: &str = "what was rolled back stays without weight";
/// A promoted candidate has everything.
pub const PROMOTED_STAYS: &str = "what was promoted keeps all the weight";
/// Capacity is there where weight is.
pub const CAPACITY_UNDER_WEIGHT: &str = "a slot with weight keeps its capacity";
/// Capacity is there where weight could come.
pub const CAPACITY_UNDER_WRITES: &str = "a slot that could still get weight keeps its capacity";
/// One owner may send forward.
pub const ONE_FORWARD: &str = "no two may send forward";
/// Nobody decides forward once the journal is another's, or the way back is on it.
pub const JOURNAL_DECIDES: &str = "only the journal's last writer decides forward, and not after the way back";
/// One end is written.
pub const ONE_END: &str = "a rollout ends once";
/// The switch is armed while the candidate has weight.
pub const SWITCH_UNDER_WEIGHT: &str = "the switch is armed under every weight before the commit";

fn stays(world: &World, end: End, share: Share) -> bool {
    world.recorded.end != Some(end) || world.route.share == share || world.route.foreign
}

fn capacity_under_weight(world: &World) -> bool {
    let all_is = |share| world.route.share == share || world.route.foreign;
    (world.stable_up || all_is(Share::All)) && (world.candidate_up || all_is(Share::Nothing))
}

fn capacity_under_writes(world: &World) -> bool {
    let stable_could = world.switch != Switch::Absent || world.in_flight(Effect::gives_stable);
    let candidate_could = world.in_flight(|effect| matches!(effect, Effect::Give(_)));
    (world.stable_up || !stable_could) && (world.candidate_up || !candidate_could)
}

fn one_forward(model: &Protocol, world: &World) -> bool {
    let forward = |actor: &&Actor| actor.stage == Stage::In && actor.phase == Phase::Active && !actor.back;
    let likely: Vec<&Actor> = world.actors.iter().filter(forward).collect();
    likely.len() < 2 || likely.iter().filter(|actor| model.law.may_send(actor)).count() < 2
}

fn switch_under_weight(world: &World) -> bool {
    let weighs = world.route.share != Share::Nothing && !world.route.foreign;
    !weighs || world.document.phase != Phase::Active || world.switch != Switch::Absent
}

fn rolled_back_by(world: &World, who: Who) -> bool {
    world.recorded.end == Some(End::RolledBack) && world.recorded.writer == who && world.document.phase == Phase::Over
}

fn promoted_by(world: &World, who: Who) -> bool {
    world.recorded.end == Some(End::Committed)
        && world.recorded.writer == who
        && world.document.phase == Phase::Over
        && !world.stable_up
}

fn some(world: &World, is: impl Fn(&Actor) -> bool) -> bool {
    world.actors.iter().any(is)
}

/// All of them.
pub fn all() -> Vec<Property<Protocol>> {
    let mut all = safety();
    all.extend(reached());
    all
}

/// What holds always.
fn safety() -> Vec<Property<Protocol>> {
    vec![
        Property::always(BACK_STAYS_BACK, |_, world: &World| stays(world, End::RolledBack, Share::Nothing)),
        Property::always(PROMOTED_STAYS, |_, world: &World| stays(world, End::Committed, Share::All)),
        Property::always(CAPACITY_UNDER_WEIGHT, |_, world: &World| capacity_under_weight(world)),
        Property::always(CAPACITY_UNDER_WRITES, |_, world: &World| capacity_under_writes(world)),
        Property::always(ONE_FORWARD, one_forward),
        Property::always(JOURNAL_DECIDES, |_, world: &World| !world.trespass),
        Property::always(ONE_END, |_, world: &World| !world.two_ends),
        Property::always(SWITCH_UNDER_WEIGHT, |_, world: &World| switch_under_weight(world)),
    ]
}

/// What happens, so that nothing holds for want of cases.
pub fn reached() -> Vec<Property<Protocol>> {
    vec![
        Property::sometimes("the runner promotes", |_, world: &World| promoted_by(world, Who::Runner)),
        Property::sometimes("one who resumed promotes", |_, world: &World| promoted_by(world, Who::Resumer)),
        Property::sometimes("a guard ends a commit", |_, world: &World| promoted_by(world, Who::Guard)),
        Property::sometimes("the runner rolls back", |_, world: &World| rolled_back_by(world, Who::Runner)),
        Property::sometimes("one who resumed rolls back", |_, world: &World| rolled_back_by(world, Who::Resumer)),
        Property::sometimes("the operator rolls back", |_, world: &World| rolled_back_by(world, Who::Operator)),
        Property::sometimes("the guard rolls back", |_, world: &World| rolled_back_by(world, Who::Guard)),
        Property::sometimes("the switch fires under weight", |_, world: &World| {
            matches!(world.switch, Switch::Flying(_)) && world.route.share != Share::Nothing
        }),
        Property::sometimes("a blind rollback lands in a commit", |model, world: &World| {
            let landed = model.bounds.blind && world.blind == Blind::Done && world.route.share == Share::Nothing;
            landed && world.tag != Tag::Open && !world.route.foreign
        }),
        Property::sometimes("a runner is fenced", |_, world: &World| world.actor(Who::Runner).stage == Stage::Fenced),
        Property::sometimes("a write is refused", |_, world: &World| some(world, |actor| actor.hand == Hand::Refused)),
        Property::sometimes("a look misleads", |_, world: &World| some(world, |actor| actor.misled)),
        Property::sometimes("a stranger's write is rolled back", |model, world: &World| {
            world.strangers < model.bounds.strangers && world.recorded.end == Some(End::RolledBack)
        }),
        Property::sometimes("a commit turns back", |_, world: &World| {
            world.document.phase == Phase::Committing && world.recorded.back
        }),
    ]
}
