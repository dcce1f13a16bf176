//! What reaches a running rollout from outside: signals, and words left in the store by other processes.

use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::journal::Record;
use crate::machine::{Event, Word};
use crate::name::RolloutId;
use crate::store::{Store, StoreError, Told};

/// An event from outside, and who wants to know when it is on the tape.
#[derive(Debug)]
pub struct Inbound {
    /// What happened.
    pub event: Event,
    /// Told once the event is on the tape; dropped when it never will be.
    pub taped: Option<oneshot::Sender<()>>,
}

impl From<Event> for Inbound {
    fn from(event: Event) -> Self {
        Self { event, taped: None }
    }
}

/// Carries words from the store to the engine, each put away once it is on the tape. Ends when the engine
/// does. `records` is the tape as it was when the runner came up: a word that is on it and was not put
/// away, because the runner before died in between, is not said twice. `odd` hears of files that are no
/// words.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn carry_words(
    (store, id): (&Store, &RolloutId),
    records: &[Record],
    clock: &Clock,
    inbox: mpsc::Sender<Inbound>,
    mut odd: impl FnMut(&str),
) -> Result<(), StoreError> {
    while !inbox.is_closed() {
        let words = store.take_words(id).await?;
        words.set_aside.iter().for_each(|file| odd(file));
        for waiting in words.waiting {
            let Some(event) = event(&waiting.told) else {
                odd(&format!("`{}` is no word", waiting.told.word.escape_debug()));
                store.word_is_done(&waiting).await?;
                continue;
            };
            if !is_taped(records, &waiting.told) {
                let (taped, on_tape) = oneshot::channel();
                if inbox.send(Inbound { event, taped: Some(taped) }).await.is_err() || on_tape.await.is_err() {
                    return Ok(());
                }
            }
            store.word_is_done(&waiting).await?;
        }
        clock.sleep_until(clock.now() + store.between_looks().mul_f64(clock.speed())).await;
    }
    Ok(())
}

fn event(told: &Told) -> Option<Event> {
    let word = Word::parse(&told.word)?;
    Some(Event::Told { word, by: told.by.clone(), reason: told.reason.clone() })
}

/// Whether a word that was left is on the tape already.
pub fn is_taped(records: &[Record], told: &Told) -> bool {
    let Some(event) = event(told) else { return false };
    records.iter().any(|record| record.at >= told.at && record.event == event)
}
