//! A store in memory, whose calls are slow or refused as a test says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use crate::domain::clock::Clock;
use crate::domain::fault::{Fault, FaultKind};
use crate::store::StoreError;
use crate::store::backend::{Appended, Backend, Document, JournalPlace, Pending, Swapped, Version};

/// What a call for a line comes to where it is not taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// The line is not there.
    Not(FaultKind),
    /// It is there, and the answer is lost.
    Lost,
}

/// Documents, and the lines of one journal; documents are read as slowly as is said, and the next lines are refused so.
#[derive(Debug)]
pub(crate) struct Memory {
    kept: Mutex<BTreeMap<String, (u64, Vec<u8>)>>,
    pub(crate) lines: Mutex<Vec<Vec<u8>>>,
    clock: Clock,
    pub(crate) slow: Mutex<Duration>,
    pub(crate) refusals: Mutex<VecDeque<Refusal>>,
}

impl Memory {
    pub(crate) fn new(clock: &Clock) -> Self {
        let (kept, lines, slow, refusals) = (Mutex::default(), Mutex::default(), Mutex::default(), Mutex::default());
        Self { kept, lines, clock: clock.clone(), slow, refusals }
    }

    fn found(&self, key: &str) -> Option<Document> {
        let kept = self.kept.lock().unwrap();
        kept.get(key).map(|(number, body)| Document { body: body.clone(), version: Version::new(number.to_string()) })
    }
}

impl Backend for Memory {
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

    fn append<'a>(&'a self, _: &'a str, at: JournalPlace, _: &'a [u8], line: Vec<u8>) -> Pending<'a, Appended> {
        Box::pin(async move {
            let refusal = self.refusals.lock().unwrap().pop_front();
            let refused = |kind| {
                let fault = Fault::new(kind, "PutObject", "SlowDown: Please reduce your request rate.");
                Err(StoreError::Bucket { bucket: "store".into(), fault })
            };
            if let Some(Refusal::Not(kind)) = refusal {
                return refused(kind);
            }
            let mut lines = self.lines.lock().unwrap();
            let place = usize::try_from(at.lines).unwrap();
            if lines.get(place).is_some_and(|found| *found != line) {
                return Ok(Appended::Taken);
            }
            lines.truncate(place);
            lines.push(line);
            if refusal.is_some() { refused(FaultKind::Transient) } else { Ok(Appended::Done) }
        })
    }

    fn first_line<'a>(&'a self, _: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async { Ok(self.lines.lock().unwrap().first().cloned()) })
    }

    fn lines<'a>(&'a self, _: &'a str, from: JournalPlace) -> Pending<'a, Vec<u8>> {
        let from = usize::try_from(from.lines).unwrap();
        Box::pin(async move { Ok(self.lines.lock().unwrap()[from..].concat()) })
    }

    fn cut<'a>(&'a self, _: &'a str, _: JournalPlace) -> Pending<'a, ()> {
        unreachable!()
    }

    fn is_cut<'a>(&'a self, _: &'a str) -> Pending<'a, bool> {
        unreachable!()
    }

    fn between_looks(&self) -> Duration {
        Duration::from_secs(1)
    }
}
