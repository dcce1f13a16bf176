//! The temporary credentials that the lab has minted, and what calls signed with them may do.

use std::collections::BTreeMap;

use super::policy::Policy;

/// Credentials that are remembered; of more, those that expire first are forgotten, and count as expired.
const KEYS_LIMIT: usize = 10_000;
/// What the ids of the lab's own temporary keys begin with, so that a forgotten one is still known as such.
pub(super) const PREFIX: &str = "ASIALABS";

/// The credentials of an assumed role.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// The ARN that calls are told to come from.
    pub arn: String,
    /// The ARN of the role, with its path.
    pub role: String,
    /// The id that calls are told to come from.
    pub user_id: String,
    /// What calls may do; without a policy, everything.
    pub policy: Option<Policy>,
    /// When they end, in milliseconds of lab time.
    pub expires_at: u64,
}

/// All of them, by access key id.
#[derive(Debug, Default)]
pub(super) struct Keys {
    all: BTreeMap<String, Key>,
}

impl Keys {
    /// The ARNs of the roles that somebody has credentials of.
    pub(crate) fn roles(&self, now: u64) -> Vec<String> {
        self.all.values().filter(|key| key.expires_at > now).map(|key| key.role.clone()).collect()
    }

    /// Remembers new credentials.
    pub(crate) fn add(&mut self, id: String, key: Key) {
        if self.all.len() >= KEYS_LIMIT {
            let first = self.all.iter().min_by_key(|(_, key)| key.expires_at).map(|(id, _)| id.clone());
            first.and_then(|id| self.all.remove(&id));
        }
        self.all.insert(id, key);
    }

    /// The credentials with an id, as long as they hold.
    pub(crate) fn get(&self, id: &str, now: u64) -> Option<&Key> {
        self.all.get(id).filter(|key| now < key.expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_until_they_expire_and_the_oldest_are_forgotten() {
        let mut keys = Keys::default();
        for number in 0..=KEYS_LIMIT as u64 {
            let key = Key {
                arn: String::new(),
                role: String::new(),
                user_id: String::new(),
                policy: None,
                expires_at: 100 + number,
            };
            keys.add(format!("{PREFIX}{number}"), key);
        }
        let holds = |number: u64, now| keys.get(&format!("{PREFIX}{number}"), now).is_some();
        assert!(holds(1, 100) && !holds(1, 101));
        assert!(!holds(0, 0), "it was the first to expire, and one too many");
    }
}
