//! Elastic Load Balancing.

use serde_json::Value;

use super::{Row, Subject, reserved, when};
use crate::account::TargetGroup;
use crate::value::{flag, list, text, texts, whole};

const INVALID: &str = "ValidationError";
/// The lab's only network.
const VPC: &str = "vpc-0lab";
/// Values in all conditions of one rule (user guide, "Quotas for your Application Load Balancers").
const VALUES_LIMIT: usize = 5;
/// The codes that a health check may want (API reference, `Matcher`).
const HTTP_CODES: (u32, u32) = (200, 499);
const GRPC_CODES: (u32, u32) = (0, 99);
/// How long a slow start may be, in seconds, besides 0 (user guide, "Slow start mode").
const SLOW_START: std::ops::RangeInclusive<u32> = 30..=900;

const CREATE: &[&str] = &["CreateTargetGroup"];
const CHECKED: &[&str] = &["CreateTargetGroup", "ModifyTargetGroup"];
const ATTRIBUTES: &[&str] = &["ModifyTargetGroupAttributes"];
const SLOW: &str = "slow_start.duration_seconds";
const ALGORITHM: &str = "load_balancing.algorithm.type";

pub(super) const GROUPS: &[Row] = &[
    Row {
        operations: CREATE,
        code: INVALID,
        message: "The target group name '{}' cannot begin or end with a hyphen",
        found: |it| {
            let name = text(it.input, "Name")?;
            (name.starts_with('-') || name.ends_with('-')).then(|| name.to_owned())
        },
    },
    Row {
        operations: CREATE,
        code: INVALID,
        message: "A VPC ID is required",
        found: |it| when(text(it.input, "VpcId").is_none()),
    },
    Row {
        operations: CREATE,
        code: INVALID,
        message: "The VPC ID '{}' is not found",
        found: |it| text(it.input, "VpcId").filter(|vpc| *vpc != VPC).map(str::to_owned),
    },
    Row {
        operations: CHECKED,
        code: INVALID,
        message: "Health check interval must be greater than the timeout.",
        found: |it| {
            let check =
                group(it).map(|group| (group.check.interval_seconds as i64, group.check.timeout_seconds as i64));
            let (interval, timeout) = check.unwrap_or((30, 5));
            let of = |key: &str, usual: i64| whole(it.input, key).unwrap_or(usual);
            when(of("HealthCheckTimeoutSeconds", timeout) >= of("HealthCheckIntervalSeconds", interval))
        },
    },
    Row {
        operations: CHECKED,
        code: INVALID,
        message: "Health check path '{}' must begin with a '/' character",
        found: |it| text(it.input, "HealthCheckPath").filter(|path| !path.starts_with('/')).map(str::to_owned),
    },
    Row {
        operations: CHECKED,
        code: INVALID,
        message: "Health check matcher HTTP code '{}' must be within '200-499' inclusive",
        found: |it| {
            let codes = text(it.input.get("Matcher")?, "HttpCode")?;
            (!are_codes(codes, HTTP_CODES)).then(|| codes.to_owned())
        },
    },
    Row {
        operations: CHECKED,
        code: INVALID,
        message: "Health check matcher GRPC code '{}' must be within '0-99' inclusive",
        found: |it| {
            let codes = text(it.input.get("Matcher")?, "GrpcCode")?;
            (!are_codes(codes, GRPC_CODES)).then(|| codes.to_owned())
        },
    },
    Row {
        operations: CHECKED,
        code: INVALID,
        message: "A health check matcher has a GRPC code if and only if the protocol version is GRPC",
        found: |it| {
            let matcher = it.input.get("Matcher")?;
            let version = group(it).map(|group| group.version.clone());
            let version = version.or_else(|| text(it.input, "ProtocolVersion").map(str::to_owned));
            let key = if version.as_deref() == Some("GRPC") { "HttpCode" } else { "GrpcCode" };
            when(text(matcher, key).is_some())
        },
    },
    Row {
        operations: ATTRIBUTES,
        code: INVALID,
        message: "The value of 'slow_start.duration_seconds' must be 0, or between 30 and 900, inclusive",
        found: |it| {
            let seconds = attribute(it, SLOW).and_then(|value| value.parse::<u32>().ok());
            when(given(it, SLOW).is_some() && !seconds.is_some_and(|one| one == 0 || SLOW_START.contains(&one)))
        },
    },
    Row {
        operations: ATTRIBUTES,
        code: INVALID,
        message: "Slow start cannot be enabled with the load balancing algorithm '{}'",
        found: |it| {
            let slow = attribute(it, SLOW).is_some_and(|seconds| seconds != "0");
            attribute(it, ALGORITHM).filter(|word| slow && word != "round_robin")
        },
    },
];

pub(super) const RULES: &[Row] = &[
    Row {
        operations: &["CreateRule", "ModifyRule"],
        code: INVALID,
        message: "Rules cannot have more than 5 condition values, and this one would have {}",
        found: |it| {
            let values: usize = list(it.input, "Conditions").iter().map(values).sum();
            (values > VALUES_LIMIT).then(|| values.to_string())
        },
    },
    Row {
        operations: &["DescribeRules"],
        code: INVALID,
        message: "You must specify either a listener ARN or rule ARNs, and not both",
        found: |it| when(text(it.input, "ListenerArn").is_some() != texts(it.input, "RuleArns").is_empty()),
    },
    Row {
        operations: &["ModifyRule"],
        code: INVALID,
        message: "Either conditions, actions or transforms must be specified",
        found: |it| {
            let changes = ["Actions", "Conditions", "Transforms"].iter().any(|key| !list(it.input, key).is_empty());
            when(!changes && !flag(it.input, "ResetTransforms").unwrap_or(false))
        },
    },
];

pub(super) const LISTENERS: &[Row] = &[
    Row {
        operations: &["CreateListener"],
        code: INVALID,
        message: "Listener protocol '{}' must be one of 'HTTPS, HTTP'",
        found: |it| text(it.input, "Protocol").filter(|word| !["HTTP", "HTTPS"].contains(word)).map(str::to_owned),
    },
    Row {
        operations: &["CreateListener"],
        code: INVALID,
        message: "A certificate must be specified for HTTPS listeners, and for no others",
        found: |it| {
            let is_secure = text(it.input, "Protocol") == Some("HTTPS");
            when(is_secure == list(it.input, "Certificates").is_empty())
        },
    },
];

const TAGGED: &[&str] = &["AddTags", "CreateListener", "CreateLoadBalancer", "CreateRule", "CreateTargetGroup"];

pub(super) const TAGS: &[Row] = &[
    Row {
        operations: TAGGED,
        code: INVALID,
        message: "Tag keys cannot begin with 'aws:', as '{}' does: such tags are for AWS's own use",
        found: |it| reserved(list(it.input, "Tags"), "Key"),
    },
    Row {
        operations: &["AddTags", "CreateLoadBalancer"],
        code: "DuplicateTagKeys",
        message: "A tag key was specified more than once: '{}'",
        found: repeated,
    },
    Row { operations: TAGGED, code: INVALID, message: "A tag key was specified more than once: '{}'", found: repeated },
];

/// The target group that a call names.
fn group<'a>(it: &Subject<'a>) -> Option<&'a TargetGroup> {
    it.account.group(text(it.input, "TargetGroupArn")?)
}

fn given(it: &Subject<'_>, key: &str) -> Option<String> {
    let pair = list(it.input, "Attributes").iter().rfind(|pair| text(pair, "Key") == Some(key))?;
    text(pair, "Value").map(str::to_owned)
}

/// An attribute as the call would have it.
fn attribute(it: &Subject<'_>, key: &str) -> Option<String> {
    given(it, key).or_else(|| group(it)?.attributes.get(key).cloned())
}

fn repeated(it: &Subject<'_>) -> Option<String> {
    let keys: Vec<&str> = list(it.input, "Tags").iter().filter_map(|tag| text(tag, "Key")).collect();
    let twice = keys.iter().enumerate().find(|(place, key)| keys[..*place].contains(key))?;
    Some((*twice.1).to_owned())
}

/// `200`, `200,202` or `200-299`, all within bounds.
fn are_codes(words: &str, (least, most): (u32, u32)) -> bool {
    let is_code = |word: &str| word.parse::<u32>().is_ok_and(|code| (least..=most).contains(&code));
    words.split(',').all(|word| match word.split_once('-') {
        Some((from, to)) => is_code(from) && is_code(to) && from <= to,
        None => is_code(word),
    })
}

/// How many values a condition has, in whichever member.
fn values(condition: &Value) -> usize {
    let configs = condition.as_object().into_iter().flatten().filter(|(key, _)| key.ends_with("Config"));
    let inner: usize = configs.map(|(_, config)| list(config, "Values").len()).sum();
    inner.max(list(condition, "Values").len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_codes_lists_and_ranges_within_bounds() {
        for right in ["200", "200,202", "200-299", "200-499"] {
            assert!(are_codes(right, HTTP_CODES), "{right}");
        }
        for wrong in ["", "99", "2xx", "200-", "500", "299-200", "200,"] {
            assert!(!are_codes(wrong, HTTP_CODES), "{wrong}");
        }
    }
}
