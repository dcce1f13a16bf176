//! Describes listeners and rules: where they are, and which requests they match, in words.

use aws_sdk_elasticloadbalancingv2::types::{Listener, Rule, RuleCondition};

/// The load balancer's ARN that a rule's ARN names.
pub(super) fn parent(rule: &str) -> Option<String> {
    let (head, path) = rule.split_once(":listener-rule/")?;
    let parts: Vec<&str> = path.split('/').collect();
    let [kind, name, id, _, _] = parts.as_slice() else { return None };
    Some(format!("{head}:loadbalancer/{kind}/{name}/{id}"))
}

/// The port that a listener is on.
pub(super) fn port(listener: &Listener) -> u16 {
    listener.port().and_then(|port| u16::try_from(port).ok()).unwrap_or_default()
}

/// What a rule matches, in words.
pub(super) fn conditions(rule: &Rule) -> String {
    if rule.is_default() == Some(true) {
        return "everything no other rule matches".to_owned();
    }
    rule.conditions().iter().map(condition).collect::<Vec<_>>().join(", ")
}

fn condition(condition: &RuleCondition) -> String {
    let any = |values: &[String], regexes: &[String]| {
        let values = if values.is_empty() && regexes.is_empty() { condition.values() } else { values };
        values.iter().chain(regexes).map(String::as_str).collect::<Vec<_>>().join("|")
    };
    let field = condition.field().unwrap_or_default();
    match field {
        "host-header" => {
            let config = condition.host_header_config();
            format!("host {}", any(config.map_or(&[], |c| c.values()), config.map_or(&[], |c| c.regex_values())))
        }
        "path-pattern" => {
            let config = condition.path_pattern_config();
            format!("path {}", any(config.map_or(&[], |c| c.values()), config.map_or(&[], |c| c.regex_values())))
        }
        "http-header" => {
            let config = condition.http_header_config();
            let name = config.and_then(|config| config.http_header_name()).unwrap_or_default();
            format!(
                "header {name} {}",
                any(config.map_or(&[], |c| c.values()), config.map_or(&[], |c| c.regex_values()))
            )
        }
        "http-request-method" => {
            format!("method {}", any(condition.http_request_method_config().map_or(&[], |c| c.values()), &[]))
        }
        "source-ip" => format!("source {}", any(condition.source_ip_config().map_or(&[], |c| c.values()), &[])),
        "query-string" => {
            let pairs = condition.query_string_config().map_or(&[][..], |config| config.values());
            let pair = |pair: &aws_sdk_elasticloadbalancingv2::types::QueryStringKeyValuePair| match pair.key() {
                Some(key) => format!("{key}={}", pair.value().unwrap_or_default()),
                None => pair.value().unwrap_or_default().to_owned(),
            };
            format!("query {}", pairs.iter().map(pair).collect::<Vec<_>>().join("|"))
        }
        other => format!("{other} {}", any(&[], &[])),
    }
}
