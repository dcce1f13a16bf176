//! Names of things that are AWS's own, and ARNs: their grammar, and that they fit together.

use super::Check;
use crate::domain::name::Arn;
use crate::spec::finding::Finding;
use crate::spec::text::{takes_no_room, turns_text};
use crate::spec::tree::Node;
use crate::spec::words;

/// A kind of thing that AWS names.
pub(super) struct Kind {
    /// What it is called: `ECS service`.
    pub(super) word: &'static str,
    /// The service in its ARN.
    pub(super) service: &'static str,
    /// How the resource in its ARN starts; empty when it has no ARN.
    pub(super) resource: &'static str,
    /// The longest name; zero when it has none of its own.
    pub(super) longest: usize,
    /// Whether `_` is allowed. Where it is not, `-` may be neither first nor last.
    pub(super) underscore: bool,
}

pub(super) const CLUSTER: Kind =
    Kind { word: "ECS cluster", service: "ecs", resource: "cluster/", longest: 255, underscore: true };
pub(super) const SERVICE: Kind =
    Kind { word: "ECS service", service: "ecs", resource: "service/", longest: 255, underscore: true };
pub(super) const TARGET_GROUP: Kind = Kind {
    word: "target group",
    service: "elasticloadbalancing",
    resource: "targetgroup/",
    longest: 32,
    underscore: false,
};
pub(super) const LOAD_BALANCER: Kind = Kind {
    word: "Application Load Balancer",
    service: "elasticloadbalancing",
    resource: "loadbalancer/app/",
    longest: 32,
    underscore: false,
};
pub(super) const RULE: Kind = Kind {
    word: "listener rule",
    service: "elasticloadbalancing",
    resource: "listener-rule/app/",
    longest: 0,
    underscore: false,
};
pub(super) const FAMILY: Kind =
    Kind { word: "task definition family", service: "ecs", resource: "", longest: 255, underscore: true };
pub(super) const TASK_DEFINITION: Kind =
    Kind { word: "task definition", service: "ecs", resource: "task-definition/", longest: 0, underscore: true };
pub(super) const ROLE: Kind =
    Kind { word: "IAM role", service: "iam", resource: "role/", longest: 0, underscore: true };
pub(super) const ALARM: Kind =
    Kind { word: "CloudWatch alarm", service: "cloudwatch", resource: "alarm:", longest: 255, underscore: true };

impl Check<'_> {
    /// A thing of AWS's by name or ARN.
    pub(super) fn resource(&mut self, text: &str, at: &Node, kind: &Kind) -> Option<String> {
        if kind.longest == 0 || (text.starts_with("arn:") && !kind.resource.is_empty()) {
            return self.arn(text, at, kind).then(|| text.to_owned());
        }
        if kind.takes(text) {
            return Some(text.to_owned());
        }
        self.wrong(
            at.value(),
            format!("{} is not the name of {}", words::shown(at, text), words::with_article(kind.word)),
            kind.grammar(),
        )
    }

    /// Whether `text` is the ARN of a `kind`, in the target's region when the kind has regions.
    pub(super) fn arn(&mut self, text: &str, at: &Node, kind: &Kind) -> bool {
        let said = words::shown(at, text);
        let Kind { word, service, resource, .. } = kind;
        let global = *service == ROLE.service;
        let region = if global { "" } else { "eu-west-1" };
        let help = format!("such as `arn:aws:{service}:{region}:123456789012:{resource}…`");
        let plain = text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        let Some(arn) = Arn::parse(text).filter(|_| plain) else {
            return self.wrong::<()>(at.value(), format!("{said} is not an ARN"), help).is_some();
        };
        if arn.service != *service || !arn.resource.starts_with(resource) || arn.resource.len() == resource.len() {
            return self
                .wrong::<()>(at.value(), format!("{said} is not the ARN of {}", words::with_article(word)), help)
                .is_some();
        }
        if arn.account.len() != 12 || !arn.account.bytes().all(|b| b.is_ascii_digit()) {
            let wrong = format!("{said} names no account");
            return self.wrong::<()>(at.value(), wrong, "an account is 12 digits").is_some();
        }
        if global && !arn.region.is_empty() {
            return self.wrong::<()>(at.value(), format!("{said} names a region"), help).is_some();
        }
        global || self.same_region(arn.region, at)
    }

    /// Whether `region` is one, and the one that the spec has named before.
    pub(super) fn same_region(&mut self, region: &str, at: &Node) -> bool {
        if !is_region(region) {
            let wrong = format!("{} is not a region", words::shown(at, region));
            return self.wrong::<()>(at.value(), wrong, "such as `eu-west-1`").is_some();
        }
        let Some((known, mark)) = self.region.clone() else {
            self.region = Some((region.to_owned(), at.value()));
            return true;
        };
        if known == region {
            return true;
        }
        let finding = Finding::new(at.value(), "this is in another region than the rest of the target");
        let finding = finding.note(mark, "the region is named here");
        self.add::<()>(finding.help("a rollout stays within one region")).is_some()
    }

    /// Text that people read: 1 to `longest` characters, all of which show.
    pub(super) fn visible(&mut self, text: &str, at: &Node, longest: usize) -> Option<String> {
        let said = words::shown(at, text);
        if text.trim().is_empty() {
            return self.wrong(at.value(), "there is no text here", "write some, or leave the field out");
        }
        if text.chars().nth(longest).is_some() {
            return self.wrong(at.value(), format!("{said} is too long"), format!("at most {longest} characters"));
        }
        let hidden = |c: &char| c.is_control() || turns_text(*c) || takes_no_room(*c);
        match text.chars().find(hidden) {
            Some(c) => {
                let wrong = format!("{said} holds the character {}", c.escape_unicode());
                self.wrong(at.value(), wrong, "remove it: it does not show where the name is read")
            }
            None => Some(text.to_owned()),
        }
    }
}

impl Kind {
    fn takes(&self, text: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || (self.underscore && b == b'_');
        let edges = self.underscore || !(text.starts_with('-') || text.ends_with('-'));
        !text.is_empty() && text.len() <= self.longest && text.bytes().all(allowed) && edges
    }

    fn grammar(&self) -> String {
        let longest = self.longest;
        let arn = if self.resource.is_empty() { "" } else { "; or its ARN" };
        if self.underscore {
            format!("1 to {longest} letters, digits, `-` and `_`{arn}")
        } else {
            format!("1 to {longest} letters, digits and `-`, which is neither first nor last{arn}")
        }
    }

    /// The name of the thing that `text`, a name or an ARN, stands for.
    pub(super) fn name<'t>(&self, text: &'t str) -> &'t str {
        let Some(inner) = Arn::parse(text).and_then(|arn| arn.resource.strip_prefix(self.resource)) else {
            return text;
        };
        match self.resource {
            "service/" => inner.rsplit('/').next().unwrap_or(inner),
            _ => inner.split('/').next().unwrap_or(inner),
        }
    }
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [area, words @ .., number] = parts.as_slice() else { return false };
    let lower = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let sound = lower(area) && !words.is_empty() && words.iter().all(lower);
    sound && text.len() <= 32 && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}
