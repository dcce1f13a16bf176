//! Brings letters to those who are told of a rollout, in tasks of its own: a recipient that is slow, gone or hostile
//! delays neither the rollout nor another recipient.
//!
//! Each recipient has a queue of [`QUEUE`] letters. A letter is sent [`TRIES`] times at most. What could not be told
//! is said once, and at the end the rest is waited for as long as the runner allows.

mod address;
mod http;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::aws::{Aws, sns};
use crate::domain::clock::Clock;
use crate::domain::fault::FaultKind;
use crate::domain::notify::{Channel, Letter, Occasion, Recipient};
use http::{Post, Undelivered, known};

/// How many letters may wait for one recipient.
const QUEUE: usize = 32;
/// How often one is sent.
const TRIES: u32 = 3;
/// How long one sending may take, in wall time.
const WITHIN: Duration = Duration::from_secs(5);
/// The pause after the first sending that failed; it grows fourfold.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a recipient can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Says what is no letter: who was not told of what, and why.
type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// The tasks that bring letters.
pub struct Courier {
    rounds: JoinSet<()>,
    waiting: Arc<AtomicUsize>,
    say: Say,
}

/// Where letters are put. Nothing waits here.
pub struct Outbox {
    slots: Vec<Slot>,
    waiting: Arc<AtomicUsize>,
    say: Say,
}

/// One recipient's queue.
struct Slot {
    word: String,
    on: Vec<Occasion>,
    queue: mpsc::Sender<Arc<Letter>>,
}

impl fmt::Debug for Courier {
    /// Without those it knows: their addresses are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// What became of one letter to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// What the recipient is called.
    pub to: String,
    /// What came back, or why it was not told.
    pub said: Result<String, String>,
}

/// One recipient, with the variables filled in.
struct Door {
    place: Place,
    post: Post,
    aws: Aws,
}

enum Place {
    Slack { url: String },
    Webhook { url: String, secret: String, allow_private: bool },
    Sns { topic: String },
}

impl Courier {
    /// Opens a queue for every recipient that can be reached with `environment`, and says which cannot.
    pub fn open(
        recipients: &[Recipient],
        environment: &BTreeMap<String, String>,
        aws: &Aws,
        say: impl Fn(&str) + Send + Sync + 'static,
    ) -> (Courier, Outbox) {
        let say: Say = Arc::new(say);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (mut rounds, mut slots) = (JoinSet::new(), Vec::new());
        for (recipient, word) in recipients.iter().zip(names(recipients)) {
            let door = match Door::of(&recipient.channel, environment, aws) {
                Ok(door) => door,
                Err(why) => {
                    say(&format!("notify: {word} is told nothing: {why}"));
                    continue;
                }
            };
            let (queue, letters) = mpsc::channel(QUEUE);
            slots.push(Slot { word: word.clone(), on: recipient.on.clone(), queue });
            rounds.spawn(round((word, door), letters, (waiting.clone(), say.clone())));
        }
        let outbox = Outbox { slots, waiting: waiting.clone(), say: say.clone() };
        (Courier { rounds, waiting, say }, outbox)
    }

    /// Waits until every letter is told or given up, for `within` at most, in wall time. The outbox is gone by then.
    pub async fn close(mut self, within: Duration) {
        let all = async { while self.rounds.join_next().await.is_some() {} };
        if tokio::time::timeout(within, all).await.is_err() {
            let left = self.waiting.load(Ordering::Relaxed);
            (self.say)(&format!(
                "notify: {} not told: the runner leaves",
                crate::domain::text::many(left as u64, "message")
            ));
        }
    }

    /// Sends a letter once to everybody, whatever they want to hear of; what came of it, in their order.
    pub async fn try_each(
        recipients: &[Recipient],
        environment: &BTreeMap<String, String>,
        aws: &Aws,
        letter: &Letter,
    ) -> Vec<Tried> {
        let mut tried = Vec::new();
        for (recipient, to) in recipients.iter().zip(names(recipients)) {
            let said = match Door::of(&recipient.channel, environment, aws) {
                Ok(door) => door.bring(letter).await.map_err(|undelivered| undelivered.why),
                Err(why) => Err(why),
            };
            tried.push(Tried { to, said });
        }
        tried
    }
}

impl Outbox {
    /// Whether nobody is told anything.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Puts a letter into the queue of everybody who wants to hear of it. One that is full loses it.
    pub fn put(&self, letter: Letter) {
        let letter = Arc::new(letter);
        for slot in self.slots.iter().filter(|slot| slot.on.contains(&letter.on)) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            if slot.queue.try_send(letter.clone()).is_err() {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                let (word, on) = (&slot.word, letter.on.as_str());
                (self.say)(&format!("notify: {word} was not told of `{on}`: {QUEUE} others wait"));
            }
        }
    }
}

/// One recipient's letters, in their order, until the outbox is gone.
async fn round(
    (word, door): (String, Door),
    mut letters: mpsc::Receiver<Arc<Letter>>,
    (waiting, say): (Arc<AtomicUsize>, Say),
) {
    while let Some(letter) = letters.recv().await {
        if let Err(why) = door.insist(&letter).await {
            let on = letter.on.as_str();
            say(&format!("notify: {word} was not told of `{on}`: {}", crate::domain::text::escape(&why)));
        }
        waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What recipients are called in messages: never by where they are. Of several of a kind each has its number.
fn names(recipients: &[Recipient]) -> Vec<String> {
    let words: Vec<&str> = recipients.iter().map(|recipient| recipient.channel.word()).collect();
    let of = |until: usize, word: &str| words[..until].iter().filter(|other| **other == word).count();
    let name = |(n, word): (usize, &&str)| match of(words.len(), word) {
        1 => (*word).to_owned(),
        _ => format!("{word} {}", of(n, word) + 1),
    };
    words.iter().enumerate().map(name).collect()
}

impl Door {
    /// # Errors
    /// Names the variable that is missing.
    fn of(channel: &Channel, environment: &BTreeMap<String, String>, aws: &Aws) -> Result<Door, String> {
        let known = |what: &str, text: &str| {
            let name = text.trim_start_matches("${").trim_end_matches('}').trim_end_matches(":-");
            known(text, environment)?.ok_or_else(|| format!("its {what} is empty here: set {name}"))
        };
        let place = match channel {
            Channel::Slack { url } => Place::Slack { url: known("url", url)? },
            Channel::Webhook { url, secret, allow_private } => Place::Webhook {
                url: known("url", url)?,
                secret: known("secret", secret)?,
                allow_private: *allow_private,
            },
            Channel::Sns { topic } => Place::Sns { topic: topic.clone() },
        };
        Ok(Door { place, post: Post::new(environment), aws: aws.clone() })
    }

    /// Sends a letter until it arrives, or until it will not.
    async fn insist(&self, letter: &Letter) -> Result<(), String> {
        let clock = Clock::wall();
        let mut pause = PAUSE;
        let mut tried = 1;
        loop {
            let Err(undelivered) = self.bring(letter).await else { return Ok(()) };
            let Some(asked) = undelivered.again.filter(|_| tried < TRIES) else {
                return Err(format!("{}, at try {tried} of {TRIES} at most", undelivered.why));
            };
            clock.sleep_until(clock.now() + pause.max(asked.min(LONGEST_PAUSE))).await;
            pause *= 4;
            tried += 1;
        }
    }

    /// Sends a letter once; what came back.
    async fn bring(&self, letter: &Letter) -> Result<String, Undelivered> {
        let brought = async {
            match &self.place {
                Place::Slack { url } => self.post.slack(url, letter).await,
                Place::Webhook { url, secret, allow_private } => {
                    self.post.webhook(url, (secret, *allow_private), letter).await
                }
                Place::Sns { topic } => match sns::publish(&self.aws, topic, letter).await {
                    Ok(()) => Ok("published".to_owned()),
                    Err(fault) if matches!(fault.kind, FaultKind::Transient | FaultKind::Unknown) => {
                        Err(Undelivered::for_now(fault.to_string()))
                    }
                    Err(fault) => Err(Undelivered::for_good(fault.to_string())),
                },
            }
        };
        let late = |_| Undelivered::for_now(format!("no answer within {}", crate::domain::clock::span(WITHIN)));
        tokio::time::timeout(WITHIN, brought).await.map_err(late)?
    }
}
