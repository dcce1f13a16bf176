//! Watches the leases of a store for rollouts whose owner fell silent.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::Taken;
use crate::domain::clock::Clock;
use crate::domain::name::RolloutId;
use crate::lease::{Control, Life, Owner, Phase, Watch};
use crate::store::{LeaseError, Sighted, Store, StoreError, this_owner};

/// What a rule's document has been seen to do.
#[derive(Debug, Default)]
struct Seen {
    watch: Watch,
    first: Option<u64>,
    renewed: bool,
}

/// Watches over a store's rollouts.
#[derive(Debug)]
pub struct Guard {
    store: Store,
    clock: Clock,
    watches: BTreeMap<String, Seen>,
}

/// What one look found.
#[derive(Debug)]
pub struct Look {
    /// Whether each rollout that is not over has a runner that lives, or needs none.
    pub is_settled: bool,
    /// The rollouts whose owner is gone.
    pub lost: Vec<Lost>,
}

/// A rollout whose owner is gone, or left before it was over on the way back.
#[derive(Debug)]
pub struct Lost {
    /// Its rule.
    pub rule: String,
    control: Control,
}

impl Lost {
    /// The rollout.
    pub fn rollout(&self) -> &RolloutId {
        &self.control.rollout
    }

    /// Who drove it.
    pub fn owner(&self) -> &str {
        self.control.owner.as_ref().map_or("nobody", |owner| &owner.by)
    }
}

impl Guard {
    /// A guard that has seen nothing yet.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, watches: BTreeMap::new() }
    }

    /// One look at all leases but those of rules that the guard itself has `in_hand`: when it was frozen or suspended,
    /// its own lease looks silent to it too.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn look(&mut self, in_hand: impl Fn(&str) -> bool) -> Result<Look, StoreError> {
        let mut look = Look { is_settled: true, lost: Vec::new() };
        for Sighted { rule, control, looked } in self.store.standings(&self.clock).await? {
            if control.phase == Phase::Over || (control.owner.is_none() && control.phase == Phase::Active) {
                self.watches.remove(&rule);
                continue;
            }
            if in_hand(&rule) {
                look.is_settled = false;
                continue;
            }
            let seen = self.watches.entry(rule.clone()).or_default();
            seen.renewed |= *seen.first.get_or_insert(control.nonce) != control.nonce;
            let known = control.owner.as_ref().is_none_or(Owner::is_gone);
            if known || seen.watch.look(&control, looked) == Life::Gone {
                look.is_settled = false;
                look.lost.push(Lost { rule, control });
            } else {
                look.is_settled &= seen.renewed;
            }
        }
        Ok(look)
    }

    /// Takes the lease of a rollout whose owner is gone, for the way back.
    ///
    /// # Errors
    /// When somebody wrote its document since the look.
    pub async fn take(&mut self, lost: &Lost, by: String) -> Result<Taken, LeaseError> {
        let owner = this_owner(by, &self.clock);
        let who = (&lost.control.rollout, &owner);
        let lease = self.store.rescue(&lost.rule, who, lost.control.nonce, &self.clock).await?;
        self.watches.remove(&lost.rule);
        Ok(Taken { lease, is_written: false })
    }
}
