//! A store in an S3 bucket, which everybody with credentials shares.
//!
//! ```text
//! <prefix>/v1/control/<hash>.json                      a document
//! <prefix>/v1/rollouts/<id>/journal/00000042.json      a line of a journal; 0 is its header
//! <prefix>/v1/rollouts/<id>/words/<name>.json          what others left for the runner
//! ```
//! Documents are swapped with `If-Match`, and created, like lines, with `If-None-Match: *`. S3 is strongly
//! consistent: a read shows the latest write (Amazon S3 User Guide, "Amazon S3 data consistency model").

use std::time::Duration;

use tokio::task::JoinSet;

use super::StoreError;
use super::backend::{Appended, Backend, Document, JournalPlace, Pending, Swapped, Version};
use crate::cloud::{Failed, ListRequest, Listing, Objects};
use crate::domain::clock::Clock;
use crate::domain::fault::{Fault, FaultKind};

/// How often a call is made before it counts as failed: within a second, because whoever asked may have something
/// better to do than to wait. What must not be given up is asked for again there. Each has a time-out of its own.
const TRIES: u32 = 4;
/// The time before the second try; it doubles with each.
const PAUSE: Duration = Duration::from_millis(100);
/// How many lines are read at once.
const ABREAST: usize = 32;
/// How many pages of names are read; no folder of ours has more, and one that has is not taken for what was read of it.
const PAGES: usize = 200;
/// The wall time between two looks for news.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// The layout of keys.
const LAYOUT: &str = "v1";

/// The bucket, and where in it the store is.
#[derive(Clone, Debug)]
pub struct Bucket {
    objects: Objects,
    name: String,
    prefix: String,
}

/// What all keys of the store below `prefix` begin with, before a `/`.
pub fn root(prefix: &str) -> String {
    let prefix = prefix.trim_matches('/');
    if prefix.is_empty() { LAYOUT.to_owned() } else { format!("{prefix}/{LAYOUT}") }
}

/// What became of one conditional write.
enum Written {
    Done(Version),
    Refused,
}

impl Bucket {
    /// The store below `prefix` in the bucket called `name`. The client must make one attempt a call, within a
    /// few seconds. Sends nothing yet.
    pub fn new(objects: Objects, name: &str, prefix: &str) -> Self {
        Self { objects, name: name.to_owned(), prefix: root(prefix) }
    }

    fn key(&self, key: &str) -> String {
        format!("{}/{key}", self.prefix)
    }

    fn line_key(&self, recorded: &str, number: u64) -> String {
        format!("{}/{recorded}/journal/{number:08}.json", self.prefix)
    }

    async fn read(&self, key: &str) -> Result<Option<Document>, StoreError> {
        let mut fault = None;
        for pause in pauses() {
            rest(pause).await;
            match self.objects.get(key).await {
                Ok(object) => return Ok(Some(Document { body: object.body, version: Version(object.tag) })),
                Err(failed) if failed.code.as_deref() == Some("NoSuchKey") => return Ok(None),
                Err(failed) => fault = Some(self.passing(failed)?),
            }
        }
        Err(self.gave_up("GetObject", fault))
    }

    /// A conditional write. What is not known to have worked is read back: only our own body counts as done.
    async fn write(&self, key: &str, body: &[u8], over: Option<&Version>) -> Result<Written, StoreError> {
        let mut fault = None;
        for pause in pauses() {
            rest(pause).await;
            match self.objects.put(key, body, over.map(|version| version.0.as_str())).await {
                Ok(tag) => return Ok(Written::Done(Version(tag))),
                Err(failed) if is_conflict(&failed) => {
                    let found = self.read(key).await?;
                    let ours = found.filter(|found| found.body == body);
                    return Ok(ours.map_or(Written::Refused, |found| Written::Done(found.version)));
                }
                Err(failed) => fault = Some(self.passing(failed)?),
            }
        }
        Err(self.gave_up("PutObject", fault))
    }

    async fn names(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let folder = format!("{}/", self.key(folder));
        let (keys, folders) = self.pages(&folder, None, true).await?;
        let own = |key: &String| key.strip_prefix(&folder).map(|name| name.trim_end_matches('/').to_owned());
        let mut names: Vec<String> = keys.iter().chain(&folders).filter_map(own).collect();
        names.retain(|name| !name.is_empty());
        names.sort();
        Ok(names)
    }

    /// All keys with a prefix, and, with `flat`, the folders directly below it.
    async fn pages(
        &self,
        prefix: &str,
        after: Option<&str>,
        flat: bool,
    ) -> Result<(Vec<String>, Vec<String>), StoreError> {
        let (mut keys, mut folders) = (Vec::new(), Vec::new());
        let mut next = None;
        for _ in 0..PAGES {
            let page = self.page(ListRequest { prefix, after, flat, page: next.as_deref() }).await?;
            keys.extend(page.keys);
            folders.extend(page.folders);
            next = page.next;
            if next.is_none() {
                return Ok((keys, folders));
            }
        }
        let words = format!("there are more than {PAGES} pages of names below {prefix}");
        Err(self.refused(Fault::new(FaultKind::Permanent, "ListObjectsV2", words)))
    }

    async fn page(&self, asked: ListRequest<'_>) -> Result<Listing, StoreError> {
        let mut fault = None;
        for pause in pauses() {
            rest(pause).await;
            match self.objects.list(asked).await {
                Ok(page) => return Ok(page),
                Err(failed) => fault = Some(self.passing(failed)?),
            }
        }
        Err(self.gave_up("ListObjectsV2", fault))
    }

    /// The lines of a journal from a place on, read many at once, in order. Where one is missing, those after it follow
    /// all the same, and do not fit to what comes before.
    async fn read_lines(&self, recorded: &str, from: JournalPlace) -> Result<Vec<u8>, StoreError> {
        let folder = format!("{}/", self.key(&format!("{recorded}/journal")));
        let after = from.lines.checked_sub(1).map(|last| self.line_key(recorded, last));
        let (keys, _) = self.pages(&folder, after.as_deref(), false).await?;
        let number = |key: &String| key.strip_prefix(&folder)?.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<u64> = keys.iter().filter_map(number).filter(|number| *number >= from.lines).collect();
        numbers.sort_unstable();
        let mut text = Vec::new();
        for part in numbers.chunks(ABREAST) {
            let mut reads = JoinSet::new();
            for number in part {
                let (bucket, key, number) = (self.clone(), self.line_key(recorded, *number), *number);
                reads.spawn(async move { (number, bucket.read(&key).await) });
            }
            let mut lines = reads.join_all().await;
            lines.sort_by_key(|(number, _)| *number);
            for (_, line) in lines {
                text.extend(line?.map(|line| line.body).unwrap_or_default());
            }
        }
        Ok(text)
    }

    /// A failure that may pass; one that will not is returned as the end.
    fn passing(&self, failed: Failed) -> Result<Fault, StoreError> {
        let Failed { fault, .. } = failed;
        if fault.kind == FaultKind::Transient { Ok(fault) } else { Err(self.refused(fault)) }
    }

    fn gave_up(&self, operation: &str, fault: Option<Fault>) -> StoreError {
        self.refused(fault.unwrap_or_else(|| Fault::new(FaultKind::Transient, operation, "no answer")))
    }

    fn refused(&self, fault: Fault) -> StoreError {
        StoreError::Bucket { bucket: self.name.clone(), fault }
    }
}

fn is_conflict(failed: &Failed) -> bool {
    // A document that is to be replaced and is not there was never ours to replace.
    matches!(failed.code.as_deref(), Some("PreconditionFailed" | "NoSuchKey"))
}

/// The pause before each try.
fn pauses() -> impl Iterator<Item = Duration> {
    (0..TRIES).map(|tried| if tried == 0 { Duration::ZERO } else { PAUSE * 2_u32.pow(tried - 1) })
}

async fn rest(span: Duration) {
    if !span.is_zero() {
        let clock = Clock::wall();
        clock.sleep_until(clock.now() + span).await;
    }
}

impl Backend for Bucket {
    fn place(&self) -> String {
        let prefix = self.prefix.strip_suffix(LAYOUT).unwrap_or(&self.prefix);
        format!("s3://{}/{prefix}", self.name).trim_end_matches('/').to_owned()
    }

    fn document<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Document>> {
        Box::pin(async move { self.read(&format!("{}.json", self.key(key))).await })
    }

    fn swap<'a>(&'a self, key: &'a str, body: Vec<u8>, over: Option<&'a Version>) -> Pending<'a, Swapped> {
        Box::pin(async move {
            let key = format!("{}.json", self.key(key));
            Ok(match self.write(&key, &body, over).await? {
                Written::Done(version) => Swapped::Done(version),
                Written::Refused => Swapped::Taken,
            })
        })
    }

    fn put<'a>(&'a self, key: &'a str, body: Vec<u8>) -> Pending<'a, ()> {
        Box::pin(async move { self.write(&self.key(key), &body, None).await.map(drop) })
    }

    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move { Ok(self.read(&self.key(key)).await?.map(|found| found.body)) })
    }

    fn remove<'a>(&'a self, key: &'a str) -> Pending<'a, ()> {
        Box::pin(async move {
            let key = self.key(key);
            let mut fault = None;
            for pause in pauses() {
                rest(pause).await;
                match self.objects.delete(&key).await {
                    Ok(()) => return Ok(()),
                    Err(failed) => fault = Some(self.passing(failed)?),
                }
            }
            Err(self.gave_up("DeleteObject", fault))
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> Pending<'a, Vec<String>> {
        Box::pin(self.names(folder))
    }

    fn append<'a>(
        &'a self,
        recorded: &'a str,
        at: JournalPlace,
        _after: &'a [u8],
        line: Vec<u8>,
    ) -> Pending<'a, Appended> {
        Box::pin(async move {
            Ok(match self.write(&self.line_key(recorded, at.lines), &line, None).await? {
                Written::Done(_) => Appended::Done,
                Written::Refused => Appended::Taken,
            })
        })
    }

    fn first_line<'a>(&'a self, recorded: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move { Ok(self.read(&self.line_key(recorded, 0)).await?.map(|line| line.body)) })
    }

    fn lines<'a>(&'a self, recorded: &'a str, from: JournalPlace) -> Pending<'a, Vec<u8>> {
        Box::pin(self.read_lines(recorded, from))
    }

    fn cut<'a>(&'a self, recorded: &'a str, _at: JournalPlace) -> Pending<'a, ()> {
        Box::pin(async move {
            let words = format!("lines of {recorded} are written once, and a damaged one stays");
            Err(self.refused(Fault::new(FaultKind::Permanent, "PutObject", words)))
        })
    }

    fn is_cut<'a>(&'a self, _journal: &'a str) -> Pending<'a, bool> {
        Box::pin(async { Ok(false) })
    }

    fn between_looks(&self) -> Duration {
        BETWEEN_LOOKS
    }
}

#[cfg(test)]
mod tests;
