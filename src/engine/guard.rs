//! Watches the leases of a store for rollouts whose owner fell silent.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use super::Taken;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::name::RolloutId;
use crate::journal;
use crate::lease::{Control, Life, Owner, Phase, Watch};
use crate::machine::{Machine, Outcome, Stranding};
use crate::store::{Claim, LeaseError, Sighted, Store, StoreError, this_owner};

/// How often one guard takes the same rollout, whose way back fails again and again; then a person must.
const TAKES: u32 = 60;
/// How long after it took a rollout it takes that again: twice as long after each time, and never longer than this.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What a rule's document has been seen to do.
#[derive(Debug, Default)]
struct Seen {
    watch: Watch,
    first: Option<u64>,
    renewed: bool,
    /// The document under which its rollout was found stranded: that stays so until somebody writes another.
    stranded: Option<u64>,
}

/// Watches over a store's rollouts.
#[derive(Debug)]
pub struct Guard {
    store: Store,
    clock: Clock,
    watches: BTreeMap<String, Seen>,
    /// How often this guard took the rollout that is not over on a rule, and when it may do so again.
    takes: BTreeMap<String, (u32, Timestamp)>,
}

/// What one look found.
#[derive(Debug)]
pub struct Look {
    /// Whether each rollout that is not over has a runner that lives, or needs none.
    pub is_settled: bool,
    /// The rollouts whose owner is gone.
    pub lost: Vec<Lost>,
    /// The rollouts that this look was the first to find stranded. They wait for a person, and nobody else writes.
    pub stranded: Vec<StrandedRollout>,
    /// The rollouts that this guard took so often in vain that it leaves them to a person from this look on.
    pub given_up: Vec<RolloutId>,
}

/// A rollout that waits for a person.
#[derive(Debug, PartialEq)]
pub struct StrandedRollout {
    /// The rollout.
    pub rollout: RolloutId,
    /// Why.
    pub why: Stranding,
}

/// A rollout whose owner is gone, or left before it was over on the way back.
#[derive(Debug)]
pub struct Lost {
    /// Its rule.
    pub rule: String,
    control: Control,
    /// Whether its journal says that it goes back.
    goes_back: bool,
    /// Whether its journal says how it ended: only its lease is left to be given back.
    has_ended: bool,
}

impl Lost {
    /// The rollout.
    pub fn rollout(&self) -> &RolloutId {
        &self.control.rollout
    }

    /// Whether nothing is left of it but its lease.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Who drove it.
    pub fn owner(&self) -> &str {
        self.control.owner.as_ref().map_or("nobody", |owner| &owner.by)
    }
}

impl Guard {
    /// A guard that has seen nothing yet.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, watches: BTreeMap::new(), takes: BTreeMap::new() }
    }

    /// One look at all leases but those of rules that the guard itself has `in_hand`: when it was frozen or suspended,
    /// its own lease looks silent to it too.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn look(&mut self, in_hand: impl Fn(&str) -> bool) -> Result<Look, StoreError> {
        let mut look = Look { is_settled: true, lost: Vec::new(), stranded: Vec::new(), given_up: Vec::new() };
        for Sighted { rule, control, looked } in self.store.standings(&self.clock).await? {
            if control.phase == Phase::Over || (control.owner.is_none() && control.phase == Phase::Active) {
                self.watches.remove(&rule);
                self.takes.remove(&rule);
                continue;
            }
            if in_hand(&rule) {
                look.is_settled = false;
                continue;
            }
            let seen = self.watches.entry(rule.clone()).or_default();
            seen.renewed |= *seen.first.get_or_insert(control.nonce) != control.nonce;
            let known = control.owner.as_ref().is_none_or(Owner::is_gone);
            let gone = known || seen.watch.look(&control, looked) == Life::Gone;
            if seen.stranded == Some(control.nonce) {
                continue;
            }
            if !gone {
                look.is_settled &= seen.renewed;
                continue;
            }
            let machine = journaled(&self.store, &control.rollout).await;
            if let Some(Outcome::Stranded { why, .. }) = machine.as_ref().and_then(Machine::outcome) {
                seen.stranded = Some(control.nonce);
                look.stranded.push(StrandedRollout { rollout: control.rollout, why: why.clone() });
                continue;
            }
            let (takes, next) = self.takes.get(&rule).copied().unwrap_or_default();
            if takes >= TAKES {
                seen.stranded = Some(control.nonce);
                look.given_up.push(control.rollout);
                continue;
            }
            look.is_settled = false;
            if self.clock.now() < next {
                continue;
            }
            let goes_back = machine.as_ref().is_some_and(Machine::is_retreating);
            let has_ended = machine.is_some_and(|machine| machine.outcome().is_some());
            look.lost.push(Lost { rule, control, goes_back, has_ended });
        }
        Ok(look)
    }

    /// Takes the lease of a rollout whose owner is gone, for the way back. One that was on its way back is not written
    /// before the journal: the rule may be somebody else's by now, and its re-assertions are counted.
    ///
    /// # Errors
    /// When somebody wrote its document since the look.
    pub async fn take(&mut self, lost: &Lost, by: String) -> Result<Taken, LeaseError> {
        let owner = this_owner(by, &self.clock);
        let who = Claim { rollout: &lost.control.rollout, owner: &owner };
        let lease = self.store.rescue(&lost.rule, who, lost.control.nonce, &self.clock).await?;
        self.watches.remove(&lost.rule);
        let (takes, next) = self.takes.entry(lost.rule.clone()).or_default();
        *next = self.clock.now() + PAUSE.saturating_mul(1 << (*takes).min(16)).min(LONGEST_PAUSE);
        *takes += 1;
        Ok(Taken { lease, is_written: lost.goes_back, tidies: false })
    }

    /// Leaves a rollout to a person, once its traffic is back by the rule's tags: its journal means nothing, so nobody else
    /// can finish it. It is looked at again when somebody has written its document.
    pub fn leaves(&mut self, rule: String, nonce: u64) {
        self.watches.entry(rule).or_default().stranded = Some(nonce);
    }
}

/// Where a rollout stands by its journal, if that can be read.
async fn journaled(store: &Store, rollout: &RolloutId) -> Option<Machine> {
    let recorded = journal::read(store, rollout).await.ok()?;
    Some(journal::replay(recorded.header.plan, &recorded.records))
}
