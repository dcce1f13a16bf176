//! What notifications and telemetry share on their way out of the process: a queue that never makes its sender wait,
//! and a few tries for each thing in it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::domain::clock::Clock;

/// How often one thing is sent.
pub(in crate::cloud) const TRIES: u32 = 3;
/// The pause after the first try that failed; it grows fourfold.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that the other side can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Says what was lost, and why, to whoever watches the runner.
pub(in crate::cloud) type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// Why one try failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cloud) struct Undelivered {
    pub(in crate::cloud) why: String,
    /// Whether another try may succeed, and how long the other side asks to wait before it.
    pub(in crate::cloud) again: Option<Duration>,
}

impl Undelivered {
    pub(in crate::cloud) fn for_good(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: None }
    }

    pub(in crate::cloud) fn for_now(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: Some(Duration::ZERO) }
    }
}

/// Why no further try is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cloud) struct GivenUp {
    pub(in crate::cloud) why: String,
    /// How many tries were made.
    pub(in crate::cloud) tried: u32,
}

/// The side of a queue that is filled.
#[derive(Clone, Debug)]
pub(in crate::cloud) struct Queue<T> {
    sender: mpsc::Sender<T>,
}

/// A queue that has no room: what was put into it is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cloud) struct Full {
    most: usize,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} others wait", self.most)
    }
}

/// A queue with room for `most` things.
pub(in crate::cloud) fn queue<T>(most: usize) -> (Queue<T>, mpsc::Receiver<T>) {
    let (sender, receiver) = mpsc::channel(most);
    (Queue { sender }, receiver)
}

impl<T> Queue<T> {
    /// Puts one thing into the queue, at once.
    ///
    /// # Errors
    /// The queue is full, and the thing is lost.
    pub(in crate::cloud) fn put(&self, thing: T) -> Result<(), Full> {
        self.sender.try_send(thing).map_err(|_| Full { most: self.sender.max_capacity() })
    }
}

/// Sends until it arrives, until it cannot any more, or [`TRIES`] times. The answer of the try that arrived.
pub(in crate::cloud) async fn insist<T, F>(clock: &Clock, send: impl Fn() -> F) -> Result<T, GivenUp>
where
    F: Future<Output = Result<T, Undelivered>>,
{
    let mut pause = PAUSE;
    let mut tried = 1;
    loop {
        let Undelivered { why, again } = match send().await {
            Ok(answer) => return Ok(answer),
            Err(undelivered) => undelivered,
        };
        let Some(asked) = again.filter(|_| tried < TRIES) else { return Err(GivenUp { why, tried }) };
        clock.sleep_until(clock.now() + pause.max(asked.min(LONGEST_PAUSE))).await;
        pause *= 4;
        tried += 1;
    }
}

/// Waits until all workers have ended, for `within` at most, in wall time. False where one has not, and is stopped.
pub(in crate::cloud) async fn end_within(mut workers: JoinSet<()>, within: Duration) -> bool {
    let all = async { while workers.join_next().await.is_some() {} };
    tokio::time::timeout(within, all).await.is_ok()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::domain::clock::Timestamp;

    /// What comes of sends that end like this, one after the other; and when each of them was made, in seconds.
    async fn sends(ends: &[Result<u32, Undelivered>]) -> (Result<u32, GivenUp>, Vec<u64>) {
        let clock = Clock::starting_at(Timestamp::default(), 1.0);
        let made = RefCell::new(Vec::new());
        let send = || {
            made.borrow_mut().push(clock.now().as_millis() / 1000);
            std::future::ready(ends[made.borrow().len() - 1].clone())
        };
        let end = insist(&clock, send).await;
        (end, made.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_arrive_later_is_sent_three_times_with_growing_pauses() {
        let late = || Err(Undelivered::for_now("late"));
        let given_up = GivenUp { why: "late".to_owned(), tried: TRIES };
        assert_eq!(sends(&[late(), late(), late()]).await, (Err(given_up), vec![0, 1, 5]));
        assert_eq!(sends(&[late(), Ok(7)]).await, (Ok(7), vec![0, 1]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_for_good_is_sent_once() {
        let given_up = GivenUp { why: "no".to_owned(), tried: 1 };
        assert_eq!(sends(&[Err(Undelivered::for_good("no"))]).await, (Err(given_up), vec![0]));
    }

    #[tokio::test(start_paused = true)]
    async fn the_other_side_can_ask_for_half_a_minute_and_not_more() {
        let asks = |seconds| Err(Undelivered { why: String::new(), again: Some(Duration::from_secs(seconds)) });
        assert_eq!(sends(&[asks(20), asks(3600), Ok(0)]).await, (Ok(0), vec![0, 20, 50]));
    }

    #[tokio::test]
    async fn a_full_queue_loses_what_comes_and_keeps_what_it_has() {
        let (queue, mut receiver) = queue(2);
        let put: Vec<bool> = (1..=3).map(|n| queue.put(n).is_ok()).collect();
        assert_eq!((put, queue.put(4)), (vec![true, true, false], Err(Full { most: 2 })));
        assert_eq!(Full { most: 2 }.to_string(), "2 others wait");
        drop(queue);
        assert_eq!((receiver.recv().await, receiver.recv().await, receiver.recv().await), (Some(1), Some(2), None));
    }

    #[tokio::test(start_paused = true)]
    async fn workers_are_waited_for_no_longer_than_asked() {
        let mut workers = JoinSet::new();
        workers.spawn(std::future::ready(()));
        assert!(end_within(workers, Duration::from_secs(1)).await);
        let mut workers = JoinSet::new();
        workers.spawn(std::future::pending());
        assert!(!end_within(workers, Duration::from_secs(1)).await);
    }
}
