//! What a guard takes for silent, and what it leaves alone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::domain::clock::Timestamp;
use crate::store::backend::{Appended, Backend, Document, JournalPlace, Pending, Swapped, Version};

const START: Timestamp = Timestamp::from_millis(1_795_442_709_000);
const SECOND: Duration = Duration::from_secs(1);

/// Documents alone, in memory; reads take as long as is said.
#[derive(Debug)]
struct Documents {
    kept: Mutex<BTreeMap<String, (u64, Vec<u8>)>>,
    clock: Clock,
    slow: Mutex<Duration>,
}

impl Documents {
    fn found(&self, key: &str) -> Option<Document> {
        let kept = self.kept.lock().unwrap();
        kept.get(key).map(|(number, body)| Document { body: body.clone(), version: Version::new(number.to_string()) })
    }
}

impl Backend for Documents {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn document<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Document>> {
        Box::pin(async move {
            let slow = *self.slow.lock().unwrap();
            self.clock.sleep_until(self.clock.now() + slow).await;
            Ok(self.found(key))
        })
    }

    fn swap<'a>(&'a self, key: &'a str, body: Vec<u8>, over: Option<&'a Version>) -> Pending<'a, Swapped> {
        Box::pin(async move {
            let found = self.found(key).map(|found| found.version);
            if found.as_ref() != over {
                return Ok(Swapped::Taken);
            }
            let mut kept = self.kept.lock().unwrap();
            let number = kept.get(key).map_or(1, |(number, _)| number + 1);
            kept.insert(key.to_owned(), (number, body));
            Ok(Swapped::Done(Version::new(number.to_string())))
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> Pending<'a, Vec<String>> {
        let kept = self.kept.lock().unwrap();
        let names = kept.keys().filter_map(|key| key.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned));
        let names = names.collect();
        Box::pin(async move { Ok(names) })
    }

    fn put<'a>(&'a self, _: &'a str, _: Vec<u8>) -> Pending<'a, ()> {
        unreachable!()
    }

    fn get<'a>(&'a self, _: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        unreachable!()
    }

    fn remove<'a>(&'a self, _: &'a str) -> Pending<'a, ()> {
        unreachable!()
    }

    fn append<'a>(&'a self, _: &'a str, _: JournalPlace, _: &'a [u8], _: Vec<u8>) -> Pending<'a, Appended> {
        unreachable!()
    }

    fn first_line<'a>(&'a self, _: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        unreachable!()
    }

    fn lines<'a>(&'a self, _: &'a str, _: JournalPlace) -> Pending<'a, Vec<u8>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn cut<'a>(&'a self, _: &'a str, _: JournalPlace) -> Pending<'a, ()> {
        unreachable!()
    }

    fn is_cut<'a>(&'a self, _: &'a str) -> Pending<'a, bool> {
        unreachable!()
    }

    fn between_looks(&self) -> Duration {
        SECOND
    }
}

#[tokio::test(start_paused = true)]
async fn no_slow_look_takes_a_living_runner_for_silent() {
    let clock = Clock::starting_at(START, 1.0);
    let (kept, slow) = (Mutex::default(), Mutex::default());
    let documents = Arc::new(Documents { kept, clock: clock.clone(), slow });
    let store = Store::at(Arc::<Documents>::clone(&documents));
    let mut leases = Vec::new();
    for name in ["one-1", "two-1"] {
        let (id, by) = (RolloutId::parse(name).unwrap(), name.to_owned());
        let owner = Owner { by, process: String::new(), since: START };
        leases.push(
            store.begin(&format!("arn:{name}"), &[], Claim { rollout: &id, owner: &owner }, &clock).await.unwrap(),
        );
    }
    let mut guard = Guard::new(store, clock.clone());
    // Each renews every 43 s, which no lease is over in.
    let renewing = async {
        for seconds in (43..).step_by(43) {
            clock.sleep_until(START + SECOND * seconds).await;
            for lease in &mut leases {
                lease.renew(Phase::Active).await.unwrap();
            }
        }
    };
    let looking = async {
        for slow in [0, 22, 0, 30, 1, 44, 3, 60, 0, 10] {
            *documents.slow.lock().unwrap() = SECOND * slow;
            let look = guard.look(|_| false).await.unwrap();
            assert!(look.lost.is_empty(), "at a look of {slow} s: {look:?}");
            clock.sleep_until(clock.now() + SECOND * 5).await;
        }
    };
    tokio::select! {
        () = looking => {}
        () = renewing => unreachable!("it never ends"),
    }
}
