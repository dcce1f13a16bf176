//! A store that fails for a moment while a rollout begins.

use std::sync::Arc;

use super::memory::{Memory, Refusal};
use super::*;
use crate::domain::name::RolloutId;
use crate::engine::{BeginError, Begun, begin, holder};
use crate::journal::{Header, JournalError};
use crate::store::Store;

/// The rollout, its store and its clock.
struct Beginning {
    memory: Arc<Memory>,
    store: Store,
    clock: Clock,
}

impl Beginning {
    /// The store refuses the first lines so.
    fn of(refusals: &[Refusal]) -> Self {
        let clock = Clock::starting_at(START, 1.0);
        let memory = Arc::new(Memory::new(&clock));
        memory.refusals.lock().unwrap().extend(refusals);
        Self { store: Store::at(Arc::<Memory>::clone(&memory)), memory, clock }
    }

    async fn begins(&self) -> Result<Begun, BeginError> {
        let (id, spec) = (RolloutId::parse("web-20261123-140509-0a1b").unwrap(), "web.yaml".to_owned());
        let header = Header { id, program: "0".into(), at: START, spec, spec_digest: None, trace: None, plan: plan() };
        begin(&self.store, &header, "ana@laptop".into(), &self.clock).await
    }

    fn took(&self) -> Duration {
        self.clock.now().since(START)
    }
}

const REFUSED: Refusal = Refusal::Not(FaultKind::Transient);

#[tokio::test(start_paused = true)]
async fn a_first_line_is_written_although_the_store_refuses_it_twice_or_loses_its_answers() {
    for refusals in [vec![REFUSED, REFUSED], vec![Refusal::Lost, Refusal::Lost], vec![REFUSED, Refusal::Lost], vec![]] {
        let beginning = Beginning::of(&refusals);
        beginning.begins().await.unwrap();
        assert_eq!(beginning.memory.lines.lock().unwrap().len(), 1, "{refusals:?}");
        let pauses = [Duration::ZERO, SECOND, SECOND * 5 / 2][refusals.len()];
        assert_eq!(beginning.took(), pauses, "each pause is longer than the one before");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_line_that_is_refused_three_times_or_for_good_leaves_the_rule_free() {
    for (kind, times) in [(FaultKind::Transient, 3), (FaultKind::Denied, 1)] {
        let beginning = Beginning::of(&[Refusal::Not(kind); 8]);
        let refused = beginning.begins().await;
        assert!(matches!(refused, Err(BeginError::Journal(JournalError::Store(_)))), "{refused:?}");
        assert_eq!(8 - beginning.memory.refusals.lock().unwrap().len(), times, "{kind:?}");
        assert!(holder(&beginning.store, "arn:rule", &beginning.clock, |_| ()).await.unwrap().is_none(), "{kind:?}");
        beginning.memory.refusals.lock().unwrap().clear();
        beginning.begins().await.unwrap();
    }
}
