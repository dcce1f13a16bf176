//! The dead-man's switch: a role that can be one, a time that can be kept, a group's name.

use super::Check;
use super::name::ROLE;
use super::units::{HOUR, MINUTE};
use crate::domain::name::Arn;
use crate::domain::safeguard::DeadMan;
use crate::spec::document::DeadMan as Written;
use crate::spec::tree::Node;
use crate::spec::words;

/// The longest name of a role or of a schedule group, in characters.
const LONGEST: usize = 64;

impl Check<'_> {
    pub(super) fn dead_man(&mut self, dead_man: &Written, at: &Node) -> Option<DeadMan> {
        let role = self.role(&dead_man.role, at.field("role")).then(|| dead_man.role.clone());
        // A push comes every minute, and a switch fires within a minute of its time.
        let after = self.time(&dead_man.after, at.field("after"), 2 * MINUTE..=HOUR);
        let group = self.group(&dead_man.group, at.field("group"));
        Some(DeadMan { role: role?, after: after?, group: group? })
    }

    /// Whether `text` is the ARN of an IAM role.
    pub(super) fn role(&mut self, text: &str, at: &Node) -> bool {
        if !self.arn(text, at, &ROLE) {
            return false;
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
        let path = Arn::parse(text).and_then(|arn| arn.resource.strip_prefix(ROLE.resource)).unwrap_or_default();
        let sound = |part: &str| !part.is_empty() && part.len() <= LONGEST && part.bytes().all(allowed);
        if path.split('/').all(sound) {
            return true;
        }
        let wrong = format!("{} is not the ARN of an IAM role", words::shown(at, text));
        let help = format!("a role's name is 1 to {LONGEST} letters, digits and `+=,.@_-`");
        self.wrong::<()>(at.value(), wrong, help).is_some()
    }

    fn group(&mut self, text: &str, at: &Node) -> Option<String> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if !text.is_empty() && text.len() <= LONGEST && text.bytes().all(allowed) {
            return Some(text.to_owned());
        }
        let wrong = format!("{} is not the name of a schedule group", words::shown(at, text));
        self.wrong(at.value(), wrong, format!("1 to {LONGEST} letters, digits, `-`, `_` and `.`"))
    }
}
