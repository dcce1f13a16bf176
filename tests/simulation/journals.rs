//! Simulated rollouts written to real journals: every prefix read back is the machine that was there.

use tidegate::domain::name::RolloutId;
use tidegate::journal::{Header, Journal, JournalEnd, read};
use tidegate::machine::Machine;
use tidegate::store::Store;

use super::die::Die;
use super::mishaps::Mishaps;
use super::{plans, rollout};

#[tokio::test]
async fn every_prefix_of_a_written_journal_is_the_live_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::in_folder(folder.path().to_owned()).expect("a store");
    for seed in 0..12 {
        let mut die = Die::new(seed);
        let plan = plans::watched(plans::throw(&mut die), &mut Die::new(!seed));
        let mishaps = Mishaps::throw(&mut die);
        let ended = rollout::run(&plan, mishaps, &mut die);
        let events = &ended.recorded[..ended.recorded.len().min(150)];
        let header = Header {
            id: RolloutId::parse(&format!("web-{seed}")).expect("an id"),
            program: "0".into(),
            at: events[0].0,
            spec: "rollout.yaml".into(),
            spec_digest: None,
            trace: None,
            plan: plan.clone(),
        };
        let mut journal = Journal::create(&store, &header).await.expect("a journal");
        for (at, event) in events {
            journal.append(*at, event).await.expect("a line");
        }
        let recorded = read(&store, &header.id).await.expect("it reads back");
        assert_eq!((recorded.end, recorded.records.len()), (JournalEnd::Clean, events.len()));
        assert_eq!(recorded.header.plan, plan);
        let (mut live, mut replayed) = (Machine::new(plan.clone()), Machine::new(recorded.header.plan));
        for ((at, event), record) in events.iter().zip(recorded.records) {
            let reaction = live.apply(*at, event.clone());
            assert_eq!(reaction, replayed.apply(record.at, record.event), "seed {seed}");
            assert_eq!(live, replayed, "seed {seed}");
        }
    }
}
