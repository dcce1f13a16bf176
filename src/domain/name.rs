//! Names that are parsed once and then trusted: of rollouts, and Amazon resource names.

use std::fmt;

/// What a spec calls its rollouts: 1 to 40 of `a-z 0-9 -`, starting with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RolloutName(String);

impl RolloutName {
    /// The longest name, in characters: an id made of it still fits in an AWS tag or role session.
    pub const MAX: usize = 40;

    /// Parses a name.
    ///
    /// # Errors
    /// Says in words what a name may be made of when `text` is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if starts_well && text.len() <= Self::MAX && text.chars().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("a name is 1 to {} of a-z, 0-9 and '-', starting with a letter", Self::MAX))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RolloutName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One rollout's own name: the spec's name, when it started, and a few random letters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RolloutId(String);

impl RolloutId {
    /// An id from its parts; `salt` keeps two rollouts of one second apart.
    pub fn new(name: &RolloutName, started: crate::domain::clock::Timestamp, salt: u16) -> Self {
        Self(format!("{name}-{}-{salt:04x}", started.compact()))
    }

    /// Parses an id that was written down.
    ///
    /// # Errors
    /// Says in words that `text` is none: it names a folder, so it may hold nothing but name characters.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !text.is_empty() && text.len() <= 80 && text.chars().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("`{}` is not a rollout id", text.escape_debug()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name and the start it was made of.
    fn parts(&self) -> Option<(&str, &str)> {
        let (rest, _salt) = self.0.rsplit_once('-')?;
        let (day, _) = rest.rsplit_once('-')?;
        let (name, _) = day.rsplit_once('-')?;
        Some((name, &rest[name.len() + 1..]))
    }

    /// The rollout's name; the whole id when it is not made as ids are.
    pub fn name(&self) -> &str {
        self.parts().map_or(&self.0, |(name, _)| name)
    }

    /// When it started, as in [`crate::domain::clock::Timestamp::compact`]: later is greater.
    pub fn started(&self) -> Option<&str> {
        self.parts().map(|(_, started)| started)
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An Amazon resource name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// The service: `ecs`, `elasticloadbalancing`.
    pub service: &'a str,
    /// The region.
    pub region: &'a str,
    /// The account.
    pub account: &'a str,
    /// What comes after the account: `service/prod/web`.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes `text` apart, or `None` when it is no ARN.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (arn, partition) = (parts.next()?, parts.next()?);
        let (service, region) = (parts.next()?, parts.next()?);
        let (account, resource) = (parts.next()?, parts.next()?);
        let whole = arn == "arn" && partition.starts_with("aws") && !resource.is_empty();
        whole.then_some(Self { service, region, account, resource })
    }
}

/// What comes last in an ARN: a task definition's `family:revision`, a deployment's or a task's id. What is no ARN is
/// its own last part.
pub fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Whether two names of a task definition, by ARN or by `family:revision`, are one.
pub fn same_definition(one: &str, other: &str) -> bool {
    last_part(one) == last_part(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_escape_a_folder_is_refused() {
        for text in ["", "../x", "Web", "1web", "a b", "web\u{202e}", &"a".repeat(41)] {
            assert!(RolloutName::parse(text).is_err(), "{text:?}");
        }
        assert!(RolloutId::parse("../../etc").is_err());
        assert_eq!(RolloutName::parse("web-2").map(|n| n.to_string()), Ok("web-2".to_owned()));
    }

    #[test]
    fn an_arn_comes_apart() {
        let arn = Arn::parse("arn:aws:ecs:eu-west-1:1234:service/prod/web").unwrap();
        assert_eq!((arn.service, arn.account, arn.resource), ("ecs", "1234", "service/prod/web"));
        assert_eq!(Arn::parse("web"), None);
        assert_eq!(last_part("arn:aws:ecs:eu-west-1:1234:task-definition/web:7"), "web:7");
        assert!(same_definition("arn:aws:ecs:eu-west-1:1234:task-definition/web:7", "web:7"));
        assert!(!same_definition("web:7", "web:8"));
    }
}
