//! What SNS and the change calendars of Systems Manager keep: topics with what was published, calendars with a state.

use std::collections::{BTreeMap, VecDeque};

/// How many messages are kept of a topic, newest last.
const KEPT: usize = 200;

/// A message that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Its id.
    pub id: String,
    /// When, in lab time.
    pub at: u64,
    /// Its subject.
    pub subject: Option<String>,
    /// Its text: what `default` says where each protocol has its own.
    pub text: String,
}

/// A change calendar's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Calendar {
    /// Whether it is open.
    pub open: bool,
    /// When that changes, in lab time.
    pub until: Option<u64>,
}

/// Topics and calendars.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// Messages by the topic's ARN.
    pub topics: BTreeMap<String, VecDeque<Message>>,
    /// States by the calendar's name.
    pub calendars: BTreeMap<String, Calendar>,
}

impl Notices {
    /// Topics by their ARNs, and open calendars by name or ARN.
    pub(crate) fn seeded(topics: &[String], calendars: &[String]) -> Notices {
        let open = Calendar { open: true, until: None };
        Notices {
            topics: topics.iter().map(|arn| (arn.clone(), VecDeque::new())).collect(),
            calendars: calendars.iter().map(|name| (name_of(name).to_owned(), open)).collect(),
        }
    }

    /// Keeps a message; false when there is no such topic.
    pub(crate) fn publish(&mut self, topic: &str, message: Message) -> bool {
        let Some(messages) = self.topics.get_mut(topic) else { return false };
        messages.push_back(message);
        if messages.len() > KEPT {
            messages.pop_front();
        }
        true
    }

    /// The state of a calendar, by name or ARN, at this moment.
    pub(crate) fn calendar(&self, name: &str, now: u64) -> Option<Calendar> {
        let calendar = *self.calendars.get(name_of(name))?;
        match calendar.until {
            Some(until) if now >= until => Some(Calendar { open: !calendar.open, until: None }),
            _ => Some(calendar),
        }
    }
}

/// A calendar's name, of its ARN too.
pub(super) fn name_of(name: &str) -> &str {
    name.rsplit_once(":document/").map_or(name, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_turns_at_its_time() {
        let mut notices = Notices::seeded(&[], &["arn:aws:ssm:eu-west-1:1:document/freeze".to_owned()]);
        notices.calendars.insert("freeze".into(), Calendar { open: false, until: Some(10) });
        let open = |now| notices.calendar("freeze", now).map(|calendar| calendar.open);
        assert_eq!((open(9), open(10)), (Some(false), Some(true)));
        assert_eq!(notices.calendar("other", 0), None);
    }

    #[test]
    fn a_topic_keeps_its_newest_messages() {
        let mut notices = Notices::seeded(&["t".to_owned()], &[]);
        for n in 0..=KEPT {
            let message = Message { id: n.to_string(), at: 0, subject: None, text: String::new() };
            assert!(notices.publish("t", message.clone()));
            assert!(!notices.publish("u", message));
        }
        assert_eq!(notices.topics["t"].len(), KEPT);
        assert_eq!(notices.topics["t"][0].id, "1");
    }
}
