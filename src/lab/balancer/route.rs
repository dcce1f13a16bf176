//! Finds the rule that a request matches and the target group that it goes to. Pure: random numbers come from outside.

use std::net::IpAddr;

use hyper::HeaderMap;
use serde_json::Value;

use crate::account::{Account, groups_of, hex_id};

/// The rules of one listener, by priority, the default rule last.
#[derive(Debug, Clone, Default)]
pub(super) struct Routes {
    /// The ARN of the load balancer.
    pub balancer: String,
    rules: Vec<Compiled>,
}

#[derive(Debug, Clone)]
struct Compiled {
    conditions: Vec<Condition>,
    action: Action,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// It goes to one of these groups.
    Forward(Forward),
    /// It is sent elsewhere.
    Redirect(Redirect),
    /// It is answered here.
    Fixed {
        /// The status code.
        status: u16,
        /// The content type.
        content_type: String,
        /// The body.
        body: String,
    },
}

/// A weighted choice.
#[derive(Debug, Clone)]
pub(super) struct Forward {
    /// Groups by ARN, with their weights.
    pub groups: Vec<(String, u64)>,
    /// How long a client stays with its group, in seconds.
    pub stickiness: Option<u64>,
}

/// Where a redirect leads.
#[derive(Debug, Clone)]
pub(super) struct Redirect {
    status: u16,
    protocol: String,
    host: String,
    port: String,
    path: String,
    query: String,
}

#[derive(Debug, Clone)]
enum Condition {
    Host(Vec<String>),
    Path(Vec<String>),
    Header(String, Vec<String>),
    Query(Vec<(Option<String>, String)>),
    Method(Vec<String>),
    Source(Vec<String>),
    Unknown,
}

/// What the rules look at.
pub(super) struct RequestView<'a> {
    /// The Host header without its port.
    pub host: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: &'a str,
    /// The method.
    pub method: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// Where the request comes from.
    pub source: IpAddr,
}

impl Routes {
    /// Compiles the rules of a listener.
    pub(crate) fn compile(account: &Account, listener: &str, balancer: &str) -> Routes {
        let mut rules: Vec<_> = account.rules.iter().filter(|rule| rule.listener == listener).collect();
        rules.sort_by_key(|rule| rule.priority.unwrap_or(u32::MAX));
        let compiled = rules.into_iter().map(|rule| Compiled {
            conditions: rule.conditions.iter().map(condition).collect(),
            action: action(&rule.actions),
        });
        Routes { balancer: balancer.to_owned(), rules: compiled.collect() }
    }

    /// The action of the first rule whose conditions all hold.
    pub(crate) fn find(&self, asked: &RequestView<'_>) -> Option<&Action> {
        let meets = |rule: &&Compiled| rule.conditions.iter().all(|one| one.holds(asked));
        self.rules.iter().find(meets).map(|rule| &rule.action)
    }
}

impl Condition {
    fn holds(&self, asked: &RequestView<'_>) -> bool {
        match self {
            Condition::Host(hosts) => hosts.iter().any(|host| matches_fold(host, asked.host)),
            Condition::Path(paths) => paths.iter().any(|path| matches(path, asked.path)),
            Condition::Header(name, values) => asked.headers.get_all(name).iter().any(|header| {
                let header = header.to_str().unwrap_or_default();
                values.iter().any(|value| matches_fold(value, header))
            }),
            Condition::Query(pairs) => {
                let given: Vec<_> = form_urlencoded::parse(asked.query.as_bytes()).collect();
                pairs.iter().any(|(key, value)| {
                    given.iter().any(|(is_key, is_value)| {
                        key.as_ref().is_none_or(|key| matches_fold(key, is_key)) && matches_fold(value, is_value)
                    })
                })
            }
            Condition::Method(methods) => methods.iter().any(|method| method == asked.method),
            Condition::Source(blocks) => blocks.iter().any(|block| contains(block, asked.source)),
            Condition::Unknown => false,
        }
    }
}

/// Whether a text matches a pattern with `*` and `?`.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == b'?' || (pattern[p] == text[t] && pattern[p] != b'*')) {
            (p, t) = (p + 1, t + 1);
        } else if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

fn matches_fold(pattern: &str, text: &str) -> bool {
    matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
}

fn contains(block: &str, address: IpAddr) -> bool {
    let Some((network, bits)) = block.split_once('/') else { return false };
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
            u128::from(network) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

fn condition(value: &Value) -> Condition {
    let texts = |pointer: &str| -> Vec<String> {
        let list = value.pointer(pointer).and_then(Value::as_array);
        let texts = list.map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned));
        texts.map(Iterator::collect).unwrap_or_default()
    };
    match value.get("Field").and_then(Value::as_str) {
        Some("host-header") => Condition::Host(texts("/HostHeaderConfig/Values")),
        Some("path-pattern") => Condition::Path(texts("/PathPatternConfig/Values")),
        Some("http-header") => {
            let name = value.pointer("/HttpHeaderConfig/HttpHeaderName").and_then(Value::as_str);
            let name = name.unwrap_or_default().to_ascii_lowercase();
            Condition::Header(name, texts("/HttpHeaderConfig/Values"))
        }
        Some("query-string") => {
            let list = value.pointer("/QueryStringConfig/Values").and_then(Value::as_array);
            let text = |pair: &Value, key| pair.get(key)?.as_str().map(str::to_owned);
            let pair = |pair| (text(pair, "Key"), text(pair, "Value").unwrap_or_default());
            Condition::Query(list.map(|list| list.iter().map(pair).collect()).unwrap_or_default())
        }
        Some("http-request-method") => Condition::Method(texts("/HttpRequestMethodConfig/Values")),
        Some("source-ip") => Condition::Source(texts("/SourceIpConfig/Values")),
        _ => Condition::Unknown,
    }
}

/// The last action decides; authentication before it is passed through.
fn action(actions: &[Value]) -> Action {
    let text = |value: &Value, key: &str, or: &str| value.get(key).and_then(Value::as_str).unwrap_or(or).to_owned();
    let kinds = ["forward", "redirect", "fixed-response"];
    let last = actions
        .iter()
        .rev()
        .find(|action| action.get("Type").and_then(Value::as_str).is_some_and(|kind| kinds.contains(&kind)));
    let none = || Action::Forward(Forward { groups: Vec::new(), stickiness: None });
    let Some(last) = last else { return none() };
    if let Some(config) = last.get("RedirectConfig") {
        let status = if text(config, "StatusCode", "") == "HTTP_301" { 301 } else { 302 };
        return Action::Redirect(Redirect {
            status,
            protocol: text(config, "Protocol", "#{protocol}"),
            host: text(config, "Host", "#{host}"),
            port: text(config, "Port", "#{port}"),
            path: text(config, "Path", "/#{path}"),
            query: text(config, "Query", "#{query}"),
        });
    }
    if let Some(config) = last.get("FixedResponseConfig") {
        return Action::Fixed {
            status: text(config, "StatusCode", "").parse().unwrap_or(503),
            content_type: text(config, "ContentType", "text/plain"),
            body: text(config, "MessageBody", ""),
        };
    }
    let weights = last.pointer("/ForwardConfig/TargetGroups").and_then(Value::as_array);
    let weights = weights.into_iter().flatten().map(|group| group.get("Weight").and_then(Value::as_u64).unwrap_or(1));
    let groups = groups_of(last).map(str::to_owned).zip(weights).collect();
    let sticky = last.pointer("/ForwardConfig/TargetGroupStickinessConfig");
    let stickiness = sticky
        .filter(|sticky| sticky.get("Enabled") == Some(&Value::Bool(true)))
        .and_then(|sticky| sticky.get("DurationSeconds")?.as_u64());
    Action::Forward(Forward { groups, stickiness })
}

/// The cookie that binds a client to a target group.
pub(super) const STICKY_COOKIE: &str = "AWSALBTG";

impl Forward {
    /// Chooses a group by weight; `roll` is from 0 to 1. Nothing when all weights are zero.
    pub(crate) fn choose(&self, roll: f64) -> Option<&str> {
        let total: u64 = self.groups.iter().map(|(_, weight)| weight).sum();
        let mut left = (roll * total as f64) as u64;
        for (group, weight) in &self.groups {
            if left < *weight {
                return Some(group);
            }
            left -= weight;
        }
        None
    }

    /// The group a cookie binds to, if the action still names it and the time is not over.
    pub(crate) fn bound(&self, cookie: &str, now_ms: u64) -> Option<&str> {
        self.stickiness?;
        let (group, until) = cookie.split_once('.')?;
        let until = u64::from_str_radix(until, 16).ok()?;
        let is_it = |(arn, _): &&(String, u64)| hex_id(arn, 32) == group;
        self.groups.iter().find(is_it).filter(|_| now_ms < until).map(|(arn, _)| arn.as_str())
    }

    /// The cookie value that binds a client to a group.
    pub(crate) fn bind(&self, group: &str, now_ms: u64) -> Option<(String, u64)> {
        let until = now_ms + self.stickiness? * 1_000;
        Some((format!("{}.{until:x}", hex_id(group, 32)), until))
    }
}

impl Redirect {
    /// The status code and the place.
    pub(crate) fn place(&self, asked: &RequestView<'_>) -> (u16, String) {
        let fill = |template: &str| {
            template
                .replace("#{protocol}", "http")
                .replace("#{host}", asked.host)
                .replace("#{port}", "80")
                .replace("#{path}", asked.path.trim_start_matches('/'))
                .replace("#{query}", asked.query)
        };
        let protocol = fill(&self.protocol).to_ascii_lowercase();
        let port = fill(&self.port);
        let is_usual = matches!((protocol.as_str(), port.as_str()), ("http", "80") | ("https", "443"));
        let port = if is_usual { String::new() } else { format!(":{port}") };
        let query = fill(&self.query);
        let query = if query.is_empty() { query } else { format!("?{query}") };
        let (host, path) = (fill(&self.host), fill(&self.path));
        (self.status, format!("{protocol}://{host}{port}{path}{query}"))
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use serde_json::json;

    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }

    #[test]
    fn patterns_match_with_stars_and_question_marks() {
        check("/*", "/", true);
        check("/api/*", "/api/v1/x", true);
        check("/api/*", "/ap", false);
        check("/a?c", "/abc", true);
        check("*.example.com", "www.example.com", true);
        check("*.example.com", "example.com", false);
        check("/a*b*c", "/axxbyyc", true);
        check("/a*b*c", "/axxbyy", false);
    }

    fn forward(weights: &[u64]) -> Forward {
        let groups = weights.iter().enumerate().map(|(i, w)| (format!("g{i}"), *w)).collect();
        Forward { groups, stickiness: Some(60) }
    }

    #[test]
    fn weights_divide_the_die() {
        let forward = forward(&[90, 0, 10]);
        assert_eq!(forward.choose(0.0), Some("g0"));
        assert_eq!(forward.choose(0.899), Some("g0"));
        assert_eq!(forward.choose(0.9), Some("g2"));
        assert_eq!(forward.choose(0.999), Some("g2"));
    }

    #[test]
    fn all_weights_zero_choose_nothing() {
        assert_eq!(forward(&[0, 0]).choose(0.5), None);
    }

    #[test]
    fn a_cookie_binds_until_its_time_and_only_to_groups_of_the_action() {
        let forward = forward(&[1, 0]);
        let (cookie, until) = forward.bind("g1", 1_000).expect("stickiness is on");
        assert_eq!(forward.bound(&cookie, 1_001), Some("g1"));
        assert_eq!(forward.bound(&cookie, until), None);
        let other = Forward { groups: vec![("g9".into(), 1)], stickiness: Some(60) };
        assert_eq!(other.bound(&cookie, 1_001), None);
    }

    #[test]
    fn a_request_meets_the_first_rule_whose_conditions_all_hold() {
        let config = crate::LabConfig::default();
        let mut account = Account::seeded(&config, 0);
        let (listener, balancer) = (account.listeners[0].arn.clone(), account.load_balancers[0].arn.clone());
        let mut rule = account.rules.iter().find(|rule| rule.priority.is_some()).cloned().expect("one is seeded");
        rule.priority = Some(1);
        rule.conditions = vec![
            json!({"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Tide", "Values": ["high"]}}),
            json!({"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2*"}]}}),
            json!({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}}),
        ];
        rule.actions = vec![json!({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "418"}})];
        account.rules.push(rule);
        let routes = Routes::compile(&account, &listener, &balancer);
        let meets = |header: &'static str, query: &str, method: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-tide", HeaderValue::from_static(header));
            let source = IpAddr::from([127, 0, 0, 1]);
            let asked = RequestView { host: "lab", path: "/", query, method, headers: &headers, source };
            matches!(routes.find(&asked), Some(Action::Fixed { status: 418, .. }))
        };
        assert!(meets("HIGH", "v=21", "GET"));
        assert!(!meets("low", "v=21", "GET"));
        assert!(!meets("high", "v=12", "GET"));
        assert!(!meets("high", "v=21", "PUT"));
    }

    #[test]
    fn addresses_lie_in_blocks() {
        assert!(contains("10.0.0.0/8", IpAddr::from([10, 1, 2, 3])));
        assert!(!contains("10.0.0.0/8", IpAddr::from([11, 1, 2, 3])));
        assert!(contains("0.0.0.0/0", IpAddr::from([11, 1, 2, 3])));
    }
}
