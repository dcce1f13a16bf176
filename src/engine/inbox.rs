//! Brings a running rollout what comes from outside: signals, and requests that other processes left in the store.

use tokio::sync::{mpsc, oneshot};

use crate::domain::clock::Clock;
use crate::domain::name::RolloutId;
use crate::journal::Record;
use crate::machine::{Event, Left, OperatorRequest};
use crate::store::{LeftRequest, Store, StoreError, WaitingRequest};

/// An event from outside, and who wants to know when it is in the journal.
#[derive(Debug)]
pub struct Inbound {
    /// What happened.
    pub event: Event,
    /// LeftRequest once the event is in the journal; dropped when it never will be.
    pub journaled: Option<oneshot::Sender<()>>,
}

impl From<Event> for Inbound {
    fn from(event: Event) -> Self {
        Self { event, journaled: None }
    }
}

/// Carries requests from the store to the engine, each put away once it is in the journal. Ends when the engine
/// does. `records` is the journal as it was when the runner came up: a request that is on it and was not put
/// away, because the runner before died in between, is not said twice. `odd` hears of files that are no
/// requests, and, once in a row, of a store that fails: it is asked again.
pub async fn carry_words(
    (store, id): (&Store, &RolloutId),
    records: &[Record],
    clock: &Clock,
    inbox: mpsc::Sender<Inbound>,
    mut odd: impl FnMut(&str),
) {
    // Requests that are in the journal, or none, and could not be put away yet: they are not said twice either.
    let mut done: Vec<WaitingRequest> = Vec::new();
    let mut fails = false;
    while !inbox.is_closed() {
        let failed = match store.take_words(id).await {
            Ok(words) => {
                words.set_aside.iter().for_each(|file| odd(&format!("set aside: {file}")));
                for waiting in words.waiting {
                    if done.contains(&waiting) {
                        continue;
                    }
                    let Some(event) = event(&waiting) else {
                        odd(&format!("set aside: `{}` is no word", waiting.told.request.escape_debug()));
                        done.push(waiting);
                        continue;
                    };
                    if !is_journaled(records, &waiting) {
                        let (journaled, on_journal) = oneshot::channel();
                        if inbox.send(Inbound { event, journaled: Some(journaled) }).await.is_err()
                            || on_journal.await.is_err()
                        {
                            return;
                        }
                    }
                    done.push(waiting);
                }
                put_away(store, &mut done).await.err()
            }
            Err(error) => Some(error),
        };
        if let Some(error) = failed.as_ref().filter(|_| !fails) {
            odd(&format!("words of other processes are not heard until the store answers: {error}"));
        }
        fails = failed.is_some();
        clock.sleep_until(clock.now() + store.between_looks().mul_f64(clock.speed())).await;
    }
}

/// Puts requests away until none is left, or one cannot be.
async fn put_away(store: &Store, done: &mut Vec<WaitingRequest>) -> Result<(), StoreError> {
    while let Some(waiting) = done.first() {
        store.request_is_done(waiting).await?;
        done.remove(0);
    }
    Ok(())
}

fn event(waiting: &WaitingRequest) -> Option<Event> {
    let LeftRequest { request, by, reason, approves, at: _ } = waiting.told.clone();
    let left = Some(Left { key: waiting.key().to_owned(), approves });
    Some(Event::Requested { request: OperatorRequest::parse(&request)?, by, reason, left })
}

/// Whether a request that was left is in the journal already: by its key, because two clocks are never compared.
fn is_journaled(records: &[Record], waiting: &WaitingRequest) -> bool {
    let is_it = |record: &Record| {
        let Event::Requested { left: Some(left), .. } = &record.event else { return false };
        left.key == waiting.key()
    };
    records.iter().any(is_it)
}
