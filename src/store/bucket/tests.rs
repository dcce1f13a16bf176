//! A bucket whose answers are refused, lost or late: what is tried again, and what is read back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use super::*;
use crate::cloud::aws::fake::{Fake, Reply, Seen};

/// What happens to one call.
#[derive(Clone, Copy)]
enum Trouble {
    /// It is refused with this status and code.
    Refused(u16, &'static str),
    /// It takes effect, and its answer is lost.
    Lost,
}

/// A bucket that knows conditions, and suffers these troubles one after another.
fn bucket(troubles: &[Trouble]) -> (Fake, Bucket) {
    let state = Mutex::new((BTreeMap::<String, Vec<u8>>::new(), VecDeque::from(troubles.to_vec())));
    let fake = Fake::new(move |seen| {
        let mut state = state.lock().unwrap();
        let (objects, troubles) = &mut *state;
        match troubles.pop_front() {
            Some(Trouble::Refused(status, code)) => refusal(status, code),
            Some(Trouble::Lost) => {
                serve(objects, seen);
                Reply::Lost
            }
            None => serve(objects, seen),
        }
    });
    let bucket = Bucket::new(fake.aws().objects("store"), "store", "");
    (fake, bucket)
}

fn refusal(status: u16, code: &str) -> Reply {
    let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    Reply::Body(status, "application/xml", body.into_bytes())
}

fn serve(objects: &mut BTreeMap<String, Vec<u8>>, seen: &Seen) -> Reply {
    if seen.header("if-none-match").is_none() {
        let found = objects.get(&seen.uri).cloned();
        return found.map_or_else(|| refusal(404, "NoSuchKey"), |body| Reply::Body(200, "application/json", body));
    }
    if objects.contains_key(&seen.uri) {
        return refusal(412, "PreconditionFailed");
    }
    objects.insert(seen.uri.clone(), seen.body.clone());
    Reply::Body(200, "application/json", Vec::new())
}

#[tokio::test(start_paused = true)]
async fn a_store_that_keeps_no_lock_is_not_used_to_go_forward() {
    use crate::domain::clock::Timestamp;
    use crate::domain::name::RolloutId;
    use crate::lease::{Owner, Watch};
    use crate::store::Claim;
    let objects = Mutex::new(BTreeMap::<String, Vec<u8>>::new());
    // It takes every write, whatever its condition.
    let fake = Fake::new(move |seen| {
        let mut objects = objects.lock().unwrap();
        if seen.header("content-type").is_none() {
            return objects
                .get(&seen.uri)
                .map_or_else(|| refusal(404, "NoSuchKey"), |body| Reply::Body(200, "application/json", body.clone()));
        }
        objects.insert(seen.uri.clone(), seen.body.clone());
        Reply::Body(200, "application/json", Vec::new())
    });
    let store = crate::store::Store::at(std::sync::Arc::new(Bucket::new(fake.aws().objects("store"), "store", "")));
    let clock = Clock::starting_at(Timestamp::from_millis(1), 1.0);
    let owner = Owner { by: "ana".into(), process: String::new(), since: clock.now() };
    let id = RolloutId::parse("web-1").unwrap();
    let begun = store.begin("arn:rule", &[], Claim { rollout: &id, owner: &owner }, &clock).await.unwrap_err();
    assert!(begun.to_string().contains("cannot keep a lease"), "{begun}");
    let gone_on = store
        .take_over("arn:rule", Claim { rollout: &id, owner: &owner }, &mut Watch::default(), &clock)
        .await
        .unwrap_err();
    assert!(gone_on.to_string().contains("cannot keep a lease"), "{gone_on}");
    assert!(
        store.preempt("arn:rule", Claim { rollout: &id, owner: &owner }, &mut Watch::default(), &clock).await.is_ok(),
        "the way back stays open"
    );
}

async fn append(bucket: &Bucket, line: &[u8]) -> Result<Appended, StoreError> {
    bucket.append("rollouts/web-1", JournalPlace::default(), b"", line.to_vec()).await
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again() {
    let passing =
        [(503, "SlowDown"), (400, "RequestTimeout"), (409, "OperationAborted"), (409, "ConditionalRequestConflict")];
    for (status, code) in passing.into_iter().chain([(429, "TooManyRequests"), (500, "InternalError")]) {
        let (_, bucket) = bucket(&[Trouble::Refused(status, code); 3]);
        assert_eq!(append(&bucket, b"a").await.unwrap(), Appended::Done, "{status} {code}");
    }
    let (fake, bucket) = bucket(&[Trouble::Refused(403, "AccessDenied")]);
    assert_eq!(append(&bucket, b"a").await.unwrap_err().fault().kind, FaultKind::Denied);
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_whose_answer_was_lost_is_read_back_and_ours() {
    let (_, bucket) = bucket(&[Trouble::Lost]);
    assert_eq!(append(&bucket, b"a").await.unwrap(), Appended::Done);
    assert_eq!(append(&bucket, b"b").await.unwrap(), Appended::Taken);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_written_again_long_after_its_answer_was_lost_is_ours_too() {
    let gone = [Trouble::Lost].into_iter().chain([Trouble::Refused(503, "SlowDown"); 3]).collect::<Vec<_>>();
    let (_, bucket) = bucket(&gone);
    assert_eq!(append(&bucket, b"a").await.unwrap_err().fault().kind, FaultKind::Transient);
    assert_eq!(append(&bucket, b"a").await.unwrap(), Appended::Done);
    assert_eq!(append(&bucket, b"b").await.unwrap(), Appended::Taken);
}
