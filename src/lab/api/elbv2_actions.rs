//! ELBv2: actions and conditions as they come in, checked and completed as AWS answers them.

use serde_json::{Map, Value, json};

use super::operation::Refusal;
use crate::account::{Account, TargetGroup};
use crate::value::{flag, list, text, texts, whole};

/// Target groups in one action.
const GROUPS_LIMIT: usize = 5;
/// The greatest weight.
const WEIGHT_LIMIT: i64 = 999;
/// The longest stickiness, in seconds.
const STICKINESS_LIMIT: i64 = 604_800;

/// What ELBv2 calls a validation error.
pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("ValidationError", message)
}

fn bad_action(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidLoadBalancerAction", message)
}

/// Reads a whole list of actions; `before` is what it replaces.
pub(super) fn read_actions(account: &Account, given: &[Value], before: &[Value]) -> Result<Vec<Value>, Refusal> {
    if given.is_empty() {
        return Err(invalid("At least one action must be specified"));
    }
    let mut actions = Vec::with_capacity(given.len());
    for action in given {
        actions.push(read_action(account, action, before)?);
    }
    actions.sort_by_key(|action| action.get("Order").and_then(Value::as_i64).unwrap_or(50_000));
    let is_last = |action: &&Value| matches!(text(action, "Type"), Some("forward" | "redirect" | "fixed-response"));
    if actions.iter().filter(is_last).count() != 1 || !actions.last().is_some_and(|a| is_last(&a)) {
        return Err(bad_action(
            "Exactly one of the actions must be forward, redirect or fixed-response, and it must be \
             the last one",
        ));
    }
    Ok(actions)
}

fn read_action(account: &Account, given: &Value, before: &[Value]) -> Result<Value, Refusal> {
    let kind = text(given, "Type").unwrap_or_default();
    let mut action = Map::new();
    action.insert("Type".to_owned(), json!(kind));
    if let Some(order) = whole(given, "Order") {
        if !(1..=50_000).contains(&order) {
            return Err(invalid("The action order must be between 1 and 50000"));
        }
        action.insert("Order".to_owned(), json!(order));
    }
    match kind {
        "forward" => read_forward(account, given, &mut action)?,
        "redirect" => {
            let config = given.get("RedirectConfig").cloned().unwrap_or_default();
            let status = text(&config, "StatusCode").unwrap_or_default();
            if !matches!(status, "HTTP_301" | "HTTP_302") {
                return Err(invalid("The redirect status code must be HTTP_301 or HTTP_302"));
            }
            action.insert("RedirectConfig".to_owned(), redirect(&config));
        }
        "fixed-response" => {
            let config = given.get("FixedResponseConfig").cloned().unwrap_or_default();
            let status = text(&config, "StatusCode").unwrap_or_default();
            if !(status.len() == 3 && status.starts_with(['2', '4', '5'])) {
                return Err(invalid("The fixed response status code must be 2XX, 4XX or 5XX"));
            }
            action.insert("FixedResponseConfig".to_owned(), config);
        }
        "authenticate-oidc" => {
            action.insert("AuthenticateOidcConfig".to_owned(), read_oidc(given, before)?);
        }
        "authenticate-cognito" => {
            let config = given.get("AuthenticateCognitoConfig").cloned().unwrap_or_default();
            for key in ["UserPoolArn", "UserPoolClientId", "UserPoolDomain"] {
                text(&config, key).ok_or_else(|| bad_action(format!("{key} must be specified")))?;
            }
            action.insert("AuthenticateCognitoConfig".to_owned(), completed(config));
        }
        other => {
            return Err(invalid(format!(
                "Action type '{other}' must be one of 'redirect,fixed-response,forward,authenticate-oidc,authenticate-cognito'"
            )));
        }
    }
    Ok(Value::Object(action))
}

fn redirect(config: &Value) -> Value {
    let or = |key: &str, usual: &str| text(config, key).unwrap_or(usual).to_owned();
    json!({"Protocol": or("Protocol", "#{protocol}"), "Port": or("Port", "#{port}"),
        "Host": or("Host", "#{host}"), "Path": or("Path", "/#{path}"),
        "Query": or("Query", "#{query}"), "StatusCode": or("StatusCode", "")})
}

/// AWS never answers the client's secret; a change brings it again, or says to keep it.
fn read_oidc(given: &Value, before: &[Value]) -> Result<Value, Refusal> {
    let config = given.get("AuthenticateOidcConfig").cloned().unwrap_or_default();
    let keys = ["Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint", "ClientId"];
    for key in keys {
        text(&config, key).ok_or_else(|| bad_action(format!("{key} must be specified")))?;
    }
    let has_secret = text(&config, "ClientSecret").is_some();
    let keeps = flag(&config, "UseExistingClientSecret").unwrap_or(false);
    if has_secret && keeps {
        return Err(bad_action("You cannot both specify a client secret and set UseExistingClientSecret to true"));
    }
    let has_before = before.iter().any(|action| text(action, "Type") == Some("authenticate-oidc"));
    let is_kept = keeps && has_before;
    if !has_secret && !is_kept {
        return Err(bad_action("You must either specify a client secret or set UseExistingClientSecret to true"));
    }
    let mut config = completed(config);
    if let Some(members) = config.as_object_mut() {
        members.shift_remove("ClientSecret");
        members.shift_remove("UseExistingClientSecret");
    }
    Ok(config)
}

/// What both ways of authentication are completed with.
fn completed(mut config: Value) -> Value {
    if let Some(members) = config.as_object_mut() {
        let usual = [
            ("SessionCookieName", "AWSELBAuthSessionCookie"),
            ("Scope", "openid"),
            ("SessionTimeout", "604800"),
            ("OnUnauthenticatedRequest", "authenticate"),
        ];
        for (key, value) in usual {
            members.entry(key).or_insert_with(|| json!(value));
        }
    }
    config
}

fn read_forward(account: &Account, given: &Value, action: &mut Map<String, Value>) -> Result<(), Refusal> {
    let config = given.get("ForwardConfig").cloned().unwrap_or_default();
    let single = text(given, "TargetGroupArn");
    let mut groups: Vec<Value> = list(&config, "TargetGroups").to_vec();
    if let (true, Some(arn)) = (groups.is_empty(), single) {
        groups.push(json!({"TargetGroupArn": arn}));
    }
    if groups.is_empty() {
        return Err(invalid("A target group must be specified for a forward action"));
    }
    if groups.len() > GROUPS_LIMIT {
        return Err(Refusal::new(
            "TooManyTargetGroups",
            format!("A forward action can have at most {GROUPS_LIMIT} target groups"),
        ));
    }
    let mut read: Vec<Value> = Vec::new();
    for group in &groups {
        let arn = text(group, "TargetGroupArn").unwrap_or_default();
        if account.group(arn).is_none() {
            return Err(group_not_found());
        }
        let usual = (groups.len() == 1).then_some(1);
        let weight = whole(group, "Weight").or(usual).filter(|w| (0..=WEIGHT_LIMIT).contains(w));
        let weight =
            weight.ok_or_else(|| invalid("The weight for each target group must be between 0 and 999, inclusive"))?;
        if read.iter().any(|other| text(other, "TargetGroupArn") == Some(arn)) {
            return Err(invalid("A target group must be specified only once in an action"));
        }
        read.push(json!({"TargetGroupArn": arn, "Weight": weight}));
    }
    let first = text(&read[0], "TargetGroupArn").map(str::to_owned);
    if single.is_some_and(|arn| read.len() > 1 || Some(arn) != first.as_deref()) {
        return Err(invalid("TargetGroupArn and ForwardConfig must name the same single target group"));
    }
    if read.len() == 1 {
        action.insert("TargetGroupArn".to_owned(), json!(first));
    }
    let stickiness = read_stickiness(config.get("TargetGroupStickinessConfig"))?;
    let is_sticky = |group: &Value| account.group(text(group, "TargetGroupArn").unwrap_or_default());
    let any_sticky = read.iter().filter_map(is_sticky).any(TargetGroup::is_sticky);
    if read.len() > 1 && any_sticky && stickiness["Enabled"] != true {
        return Err(bad_action(
            "You must enable group stickiness on a rule if you enabled stickiness on one of its target groups",
        ));
    }
    action.insert("ForwardConfig".to_owned(), json!({"TargetGroups": read, "TargetGroupStickinessConfig": stickiness}));
    Ok(())
}

fn read_stickiness(config: Option<&Value>) -> Result<Value, Refusal> {
    let Some(config) = config else { return Ok(json!({"Enabled": false})) };
    let enabled = flag(config, "Enabled").unwrap_or(false);
    let seconds = whole(config, "DurationSeconds");
    let is_valid = |seconds: i64| (1..=STICKINESS_LIMIT).contains(&seconds);
    if seconds.is_some_and(|s| !is_valid(s)) || (enabled && seconds.is_none()) {
        return Err(invalid("The target group stickiness duration must be between 1 and 604800 seconds, inclusive"));
    }
    Ok(match seconds {
        Some(seconds) => json!({"Enabled": enabled, "DurationSeconds": seconds}),
        None => json!({"Enabled": enabled}),
    })
}

/// The refusal of a target group that is not there.
pub(super) fn group_not_found() -> Refusal {
    Refusal::new("TargetGroupNotFound", "One or more target groups not found")
}

/// Fields of conditions, with the member that holds their configuration.
const FIELDS: [(&str, &str); 6] = [
    ("host-header", "HostHeaderConfig"),
    ("path-pattern", "PathPatternConfig"),
    ("http-header", "HttpHeaderConfig"),
    ("query-string", "QueryStringConfig"),
    ("http-request-method", "HttpRequestMethodConfig"),
    ("source-ip", "SourceIpConfig"),
];

/// Reads a whole list of conditions.
pub(super) fn read_conditions(given: &[Value]) -> Result<Vec<Value>, Refusal> {
    given.iter().map(read_condition).collect()
}

fn read_condition(given: &Value) -> Result<Value, Refusal> {
    let field = text(given, "Field").unwrap_or_default();
    let Some((field, member)) = FIELDS.iter().find(|(name, _)| *name == field) else {
        return Err(invalid(format!(
            "Condition field '{field}' must be one of '[path-pattern, host-header, http-header, \
             query-string, http-request-method, source-ip]'"
        )));
    };
    let mut config = given.get(*member).cloned().unwrap_or_default();
    let plain = texts(given, "Values");
    if !plain.is_empty() && list(&config, "Values").is_empty() {
        config = json!({"Values": plain});
    }
    if list(&config, "Values").is_empty() {
        return Err(invalid("A condition value must be specified"));
    }
    let mut condition = json!({"Field": field});
    if matches!(*field, "host-header" | "path-pattern") {
        condition["Values"] = config["Values"].clone();
    }
    condition[*member] = config;
    Ok(condition)
}
