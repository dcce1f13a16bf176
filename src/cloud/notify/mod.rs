//! Brings messages to those who are told of a rollout, in tasks of its own: a recipient that is slow, gone or hostile
//! delays neither the rollout nor another recipient.
//!
//! Each recipient has a queue of [`QUEUE`] messages. A message is sent [`TRIES`] times at most. What could not be told
//! is said once, and at the end the rest is waited for as long as the runner allows.

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
use super::delivery::{self, GivenUp, Queue, Say, TRIES, Undelivered};
use crate::domain::clock::Clock;
use crate::domain::fault::FaultKind;
use crate::domain::notify::{Channel, Message, Occasion, Recipient};
use http::{Post, known};

/// How many messages may wait for one recipient.
const QUEUE: usize = 32;
/// How long one sending may take, in wall time.
const WITHIN: Duration = Duration::from_secs(5);

/// The tasks that bring messages.
pub struct Delivery {
    workers: JoinSet<()>,
    waiting: Arc<AtomicUsize>,
    say: Say,
}

/// Where messages are put. Nothing waits here.
pub struct MessageQueue {
    slots: Vec<Slot>,
    waiting: Arc<AtomicUsize>,
    say: Say,
}

/// One recipient's queue.
struct Slot {
    word: String,
    on: Vec<Occasion>,
    queue: Queue<Arc<Message>>,
}

impl fmt::Debug for Delivery {
    /// Without those it knows: their addresses are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// What became of one message to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// What the recipient is called.
    pub to: String,
    /// What came back, or why it was not told.
    pub said: Result<String, String>,
}

/// One recipient, with the variables filled in.
struct Sender {
    place: Destination,
    post: Post,
    aws: Aws,
}

enum Destination {
    Slack { url: String },
    Webhook { url: String, secret: String, allow_private: bool },
    Sns { topic: String },
}

impl Delivery {
    /// Opens a queue for every recipient that can be reached with `environment`, and says which cannot.
    pub fn open(
        recipients: &[Recipient],
        environment: &BTreeMap<String, String>,
        aws: &Aws,
        say: impl Fn(&str) + Send + Sync + 'static,
    ) -> (Delivery, MessageQueue) {
        let say: Say = Arc::new(say);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (mut workers, mut slots) = (JoinSet::new(), Vec::new());
        for (recipient, word) in recipients.iter().zip(names(recipients)) {
            let sender = match Sender::of(&recipient.channel, environment, aws) {
                Ok(sender) => sender,
                Err(why) => {
                    say(&format!("notify: {word} is told nothing: {why}"));
                    continue;
                }
            };
            let (queue, messages) = delivery::queue(QUEUE);
            slots.push(Slot { word: word.clone(), on: recipient.on.clone(), queue });
            workers.spawn(worker((word, sender), messages, (waiting.clone(), say.clone())));
        }
        let queue = MessageQueue { slots, waiting: waiting.clone(), say: say.clone() };
        (Delivery { workers, waiting, say }, queue)
    }

    /// Waits until every message is told or given up, for `within` at most, in wall time. The queue is gone by then.
    pub async fn close(self, within: Duration) {
        if !delivery::end_within(self.workers, within).await {
            let left = self.waiting.load(Ordering::Relaxed);
            (self.say)(&format!(
                "notify: {} not told: the runner leaves",
                crate::domain::text::many(left as u64, "message")
            ));
        }
    }

    /// Sends a message once to everybody, whatever they want to hear of; what came of it, in their order.
    pub async fn try_each(
        recipients: &[Recipient],
        environment: &BTreeMap<String, String>,
        aws: &Aws,
        message: &Message,
    ) -> Vec<Tried> {
        let mut tried = Vec::new();
        for (recipient, to) in recipients.iter().zip(names(recipients)) {
            let said = match Sender::of(&recipient.channel, environment, aws) {
                Ok(sender) => sender.bring(message).await.map_err(|undelivered| undelivered.why),
                Err(why) => Err(why),
            };
            tried.push(Tried { to, said });
        }
        tried
    }
}

impl MessageQueue {
    /// Whether nobody is told anything.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Puts a message into the queue of everybody who wants to hear of it. One that is full loses it.
    pub fn put(&self, message: Message) {
        let message = Arc::new(message);
        for slot in self.slots.iter().filter(|slot| slot.on.contains(&message.on)) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            if let Err(full) = slot.queue.put(message.clone()) {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                let (word, on) = (&slot.word, message.on.as_str());
                (self.say)(&format!("notify: {word} was not told of `{on}`: {full}"));
            }
        }
    }
}

/// One recipient's messages, in their order, until the queue is gone.
async fn worker(
    (word, sender): (String, Sender),
    mut messages: mpsc::Receiver<Arc<Message>>,
    (waiting, say): (Arc<AtomicUsize>, Say),
) {
    let clock = Clock::wall();
    while let Some(message) = messages.recv().await {
        if let Err(GivenUp { why, tried }) = delivery::insist(&clock, || sender.bring(&message)).await {
            let (on, why) = (message.on.as_str(), crate::domain::text::escape(&why));
            say(&format!("notify: {word} was not told of `{on}`: {why}, at try {tried} of {TRIES} at most"));
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

impl Sender {
    /// # Errors
    /// Names the variable that is missing.
    fn of(channel: &Channel, environment: &BTreeMap<String, String>, aws: &Aws) -> Result<Sender, String> {
        let known = |what: &str, text: &str| {
            let name = text.trim_start_matches("${").trim_end_matches('}').trim_end_matches(":-");
            known(text, environment)?.ok_or_else(|| format!("its {what} is empty here: set {name}"))
        };
        let place = match channel {
            Channel::Slack { url } => Destination::Slack { url: known("url", url)? },
            Channel::Webhook { url, secret, allow_private } => Destination::Webhook {
                url: known("url", url)?,
                secret: known("secret", secret)?,
                allow_private: *allow_private,
            },
            Channel::Sns { topic } => Destination::Sns { topic: topic.clone() },
        };
        Ok(Sender { place, post: Post::new(environment), aws: aws.clone() })
    }

    /// Sends a message once; what came back.
    async fn bring(&self, message: &Message) -> Result<String, Undelivered> {
        let brought = async {
            match &self.place {
                Destination::Slack { url } => self.post.slack(url, message).await,
                Destination::Webhook { url, secret, allow_private } => {
                    self.post.webhook(url, (secret, *allow_private), message).await
                }
                Destination::Sns { topic } => match sns::publish(&self.aws, topic, message).await {
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
