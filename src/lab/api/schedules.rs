//! EventBridge Scheduler: schedules that change a rule once, at a time.

use serde_json::{Map, Value, json};

use super::operation::{Call, OperationResult, Paging, Refusal, with_token};
use crate::account::{DEFAULT_GROUP, Firing, RetryPolicy, Schedule, ScheduleGroup};
use crate::value::{list, seconds, text, whole};

/// How EventBridge Scheduler pages its lists.
const PAGING: Paging = Paging { token: "NextToken", size: "MaxResults", limit: 100, code: "ValidationException" };
/// The one target the lab plays: the universal target that calls ModifyRule.
const TARGET: &str = "arn:aws:scheduler:::aws-sdk:elasticloadbalancingv2:modifyRule";
/// Schedules and groups in the account.
const SCHEDULES_LIMIT: usize = 10_000;
const GROUPS_LIMIT: usize = 500;
/// The longest name.
const NAME_LIMIT: usize = 64;
/// The age of an event that is still delivered, in seconds, and the attempts after the first: what may be said,
/// and what holds when nothing is.
const AGE_SECONDS: (i64, i64, i64) = (60, 86_400, 86_400);
const ATTEMPTS: (i64, i64, i64) = (0, 185, 185);
/// Members that are kept as they were given.
const KEPT: [&str; 6] =
    ["ScheduleExpression", "Description", "StartDate", "EndDate", "KmsKeyArn", "FlexibleTimeWindow"];

/// Performs an operation, if it is one of these.
pub(super) fn perform(call: &mut Call<'_>, operation: &str) -> Option<OperationResult> {
    Some(match operation {
        "CreateSchedule" => create(call),
        "UpdateSchedule" => update(call),
        "GetSchedule" => get(call),
        "DeleteSchedule" => delete(call),
        "ListSchedules" => list_schedules(call),
        "CreateScheduleGroup" => create_group(call),
        "GetScheduleGroup" => get_group(call),
        _ => return None,
    })
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("ValidationException", message)
}

fn conflict(message: impl Into<String>) -> Refusal {
    Refusal { status: 409, ..Refusal::new("ConflictException", message) }
}

fn not_found(message: impl Into<String>) -> Refusal {
    Refusal { status: 404, ..Refusal::new("ResourceNotFoundException", message) }
}

fn full(what: &str) -> Refusal {
    let message = format!("The quota of {what} is reached.");
    Refusal { status: 402, ..Refusal::new("ServiceQuotaExceededException", message) }
}

/// The name and the group of a schedule that an input names; the group must be there.
fn names(call: &Call<'_>) -> Result<(String, String), Refusal> {
    let name = name_of(call.input)?;
    let group = text(call.input, "GroupName").unwrap_or(DEFAULT_GROUP);
    if !call.account.schedule_groups.iter().any(|one| one.name == group) {
        return Err(not_found(format!("Schedule group {group} does not exist.")));
    }
    Ok((name.to_owned(), group.to_owned()))
}

fn name_of(input: &Value) -> Result<&str, Refusal> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = text(input, "Name").unwrap_or_default();
    if (1..=NAME_LIMIT).contains(&name.len()) && name.chars().all(is_fine) {
        return Ok(name);
    }
    Err(invalid(format!("'{name}' is not a name: it must satisfy [0-9a-zA-Z-_.]+ and be at most {NAME_LIMIT} long")))
}

fn place(call: &Call<'_>, name: &str, group: &str) -> Option<usize> {
    call.account.schedules.iter().position(|one| one.name == name && one.group == group)
}

fn existing(call: &Call<'_>) -> Result<usize, Refusal> {
    let (name, group) = names(call)?;
    place(call, &name, &group).ok_or_else(|| not_found(format!("Schedule {name} does not exist.")))
}

fn arn(call: &Call<'_>, of: &Schedule) -> String {
    call.account.names.arn("scheduler", &format!("schedule/{}/{}", of.group, of.name))
}

fn create(call: &mut Call<'_>) -> OperationResult {
    let (name, group) = names(call)?;
    let schedule = read(call, &name, &group)?;
    if let Some(place) = place(call, &name, &group) {
        let there = &call.account.schedules[place];
        // The same call again, whose first answer was lost.
        if there.token.is_some() && there.token == schedule.token {
            return Ok(json!({"ScheduleArn": arn(call, there)}));
        }
        return Err(conflict(format!("Schedule {name} already exists.")));
    }
    if call.account.schedules.len() >= SCHEDULES_LIMIT {
        return Err(full("schedules"));
    }
    let arn = arn(call, &schedule);
    call.account.schedules.push(schedule);
    Ok(json!({"ScheduleArn": arn}))
}

/// Replaces the whole schedule: what is not given is as if it never had been.
fn update(call: &mut Call<'_>) -> OperationResult {
    let place = existing(call)?;
    let (name, group) = names(call)?;
    let schedule = read(call, &name, &group)?;
    let arn = arn(call, &schedule);
    let there = &mut call.account.schedules[place];
    *there = Schedule { created_at: there.created_at, token: there.token.take(), ..schedule };
    Ok(json!({"ScheduleArn": arn}))
}

fn delete(call: &mut Call<'_>) -> OperationResult {
    let place = existing(call)?;
    call.account.schedules.remove(place);
    Ok(json!({}))
}

fn get(call: &Call<'_>) -> OperationResult {
    let schedule = &call.account.schedules[existing(call)?];
    let mut shown = schedule.body.clone();
    shown.extend(told(call, schedule));
    Ok(Value::Object(shown))
}

/// What lists and descriptions tell alike.
fn told(call: &Call<'_>, of: &Schedule) -> Map<String, Value> {
    let members = [
        ("Arn", json!(arn(call, of))),
        ("Name", json!(of.name)),
        ("GroupName", json!(of.group)),
        ("State", json!(if of.is_enabled { "ENABLED" } else { "DISABLED" })),
        ("CreationDate", seconds(of.created_at)),
        ("LastModificationDate", seconds(of.changed_at)),
    ];
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn list_schedules(call: &Call<'_>) -> OperationResult {
    let given = |member: &str| text(call.input, member);
    let is_asked_for = |one: &&Schedule| {
        given("GroupName").is_none_or(|group| group == one.group)
            && given("NamePrefix").is_none_or(|prefix| one.name.starts_with(prefix))
            && given("State").is_none_or(|state| (state == "ENABLED") == one.is_enabled)
    };
    let all = call.account.schedules.iter().filter(is_asked_for);
    let (page, next) = PAGING.cut(call.input, all.collect())?;
    let show = |one: &Schedule| {
        let mut shown = told(call, one);
        shown.insert("Target".to_owned(), json!({"Arn": one.body["Target"]["Arn"]}));
        Value::Object(shown)
    };
    let shown: Vec<Value> = page.into_iter().map(show).collect();
    Ok(with_token(json!({"Schedules": shown}), "NextToken", next))
}

fn group_arn(call: &Call<'_>, name: &str) -> String {
    call.account.names.arn("scheduler", &format!("schedule-group/{name}"))
}

fn create_group(call: &mut Call<'_>) -> OperationResult {
    let name = name_of(call.input)?.to_owned();
    let groups = &mut call.account.schedule_groups;
    if groups.iter().any(|one| one.name == name) {
        return Err(conflict(format!("Schedule group {name} already exists.")));
    }
    if groups.len() >= GROUPS_LIMIT {
        return Err(full("schedule groups"));
    }
    groups.push(ScheduleGroup { name: name.clone(), created_at: call.now });
    Ok(json!({"ScheduleGroupArn": group_arn(call, &name)}))
}

fn get_group(call: &Call<'_>) -> OperationResult {
    let name = name_of(call.input)?;
    let group = call.account.schedule_groups.iter().find(|one| one.name == name);
    let group = group.ok_or_else(|| not_found(format!("Schedule group {name} does not exist.")))?;
    Ok(json!({"Arn": group_arn(call, name), "Name": name, "State": "ACTIVE",
        "CreationDate": seconds(group.created_at), "LastModificationDate": seconds(group.created_at)}))
}

/// Reads what a schedule is to do, and refuses what the lab could not play.
fn read(call: &mut Call<'_>, name: &str, group: &str) -> Result<Schedule, Refusal> {
    let (input, now) = (call.input, call.now);
    let given = |member: &str| text(input, member);
    let zone = given("ScheduleExpressionTimezone").unwrap_or("UTC");
    let at = time_of(given("ScheduleExpression").unwrap_or_default(), zone)?;
    if text(&input["FlexibleTimeWindow"], "Mode") != Some("OFF") {
        return Err(Refusal::not_played("FlexibleTimeWindow: the lab plays only Mode OFF"));
    }
    let word = |member: &str, words: [&'static str; 2]| {
        let found = given(member).unwrap_or(words[0]);
        let found = words.into_iter().find(|word| *word == found);
        found.ok_or_else(|| invalid(format!("{member} must be {} or {}", words[0], words[1])))
    };
    let (state, after) = (word("State", ["ENABLED", "DISABLED"])?, word("ActionAfterCompletion", ["NONE", "DELETE"])?);
    let (target, retry) = (&input["Target"], retry_of(&input["Target"])?);
    let kept = KEPT.iter().filter_map(|member| Some(((*member).to_owned(), input.get(*member)?.clone())));
    let mut body: Map<String, Value> = kept.collect();
    body.insert("ScheduleExpressionTimezone".to_owned(), json!(zone));
    body.insert("ActionAfterCompletion".to_owned(), json!(after));
    body.insert("Target".to_owned(), target.clone());
    body["Target"]["RetryPolicy"] =
        json!({"MaximumEventAgeInSeconds": retry.age_ms / 1_000, "MaximumRetryAttempts": retry.attempts});
    Ok(Schedule {
        name: name.to_owned(),
        group: group.to_owned(),
        body,
        token: given("ClientToken").map(str::to_owned),
        created_at: now,
        changed_at: now,
        is_enabled: state == "ENABLED",
        is_deleted_after: after == "DELETE",
        at,
        input: input_of(target)?,
        retry,
        firing: Firing::Waits,
        version: call.account.next(),
    })
}

/// The moment of `at(yyyy-mm-ddThh:mm:ss)`, in milliseconds.
fn time_of(expression: &str, zone: &str) -> Result<u64, Refusal> {
    let moment = || {
        let time = expression.strip_prefix("at(")?.strip_suffix(')')?;
        let is_whole = time.len() == "yyyy-mm-ddThh:mm:ss".len();
        let time: jiff::Timestamp = format!("{time}Z").parse().ok().filter(|_| is_whole)?;
        u64::try_from(time.as_millisecond()).ok()
    };
    if zone != "UTC" {
        return Err(Refusal::not_played(format!("ScheduleExpressionTimezone {zone}: the lab plays only UTC")));
    }
    moment().ok_or_else(|| match expression.split_once('(') {
        Some(("rate" | "cron", _)) => {
            let message = format!("Schedule Expression {expression}: the lab plays only at(yyyy-mm-ddThh:mm:ss)");
            Refusal::not_played(message)
        }
        _ => invalid(format!("Invalid Schedule Expression {expression}.")),
    })
}

fn retry_of(target: &Value) -> Result<RetryPolicy, Refusal> {
    let policy = target.get("RetryPolicy").cloned().unwrap_or_default();
    let within = |member: &str, (least, most, usual): (i64, i64, i64)| {
        let value = if policy.get(member).is_none() { Some(usual) } else { whole(&policy, member) };
        let value = value.filter(|value| (least..=most).contains(value));
        value.ok_or_else(|| invalid(format!("RetryPolicy: {member} must be between {least} and {most}")))
    };
    let age_ms = within("MaximumEventAgeInSeconds", AGE_SECONDS)? as u64 * 1_000;
    Ok(RetryPolicy { age_ms, attempts: within("MaximumRetryAttempts", ATTEMPTS)? as u32 })
}

/// What the target is to be given, which must be something that it can do.
fn input_of(target: &Value) -> Result<Value, Refusal> {
    let arn = text(target, "Arn").unwrap_or_default();
    if arn != TARGET {
        return Err(Refusal::not_played(format!("Target: Arn {arn}: the lab plays only {TARGET}")));
    }
    text(target, "RoleArn").ok_or_else(|| invalid("Target: RoleArn must be specified"))?;
    let input: Option<Value> = text(target, "Input").and_then(|input| serde_json::from_str(input).ok());
    let is_a_change = |input: &Value| text(input, "RuleArn").is_some() && !list(input, "Actions").is_empty();
    input.filter(is_a_change).ok_or_else(|| invalid("Target: Input must be a JSON object with RuleArn and Actions"))
}

#[cfg(test)]
mod tests {
    use super::super::operation::NOT_PLAYED;
    use super::*;

    #[test]
    fn times_are_read_as_utc_and_all_else_is_refused() {
        assert_eq!(time_of("at(1970-01-01T00:10:00)", "UTC"), Ok(600_000));
        let refused = [
            ("at(1970-01-01T00:10:00)", "Europe/Berlin", NOT_PLAYED),
            ("at(1970-01-01T00:10:00Z)", "UTC", "ValidationException"),
            ("at(1970-01-01)", "UTC", "ValidationException"),
            ("rate(5 minutes)", "UTC", NOT_PLAYED),
            ("cron(0 10 * * ? *)", "UTC", NOT_PLAYED),
            ("", "UTC", "ValidationException"),
        ];
        for (expression, zone, code) in refused {
            let refusal = time_of(expression, zone).expect_err("it is refused");
            assert_eq!(refusal.code, code, "{expression}: {}", refusal.message);
        }
    }

    #[test]
    fn retry_policies_have_bounds_and_defaults() {
        assert_eq!(retry_of(&json!({})), Ok(RetryPolicy { age_ms: 86_400_000, attempts: 185 }));
        let given = json!({"RetryPolicy": {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}});
        assert_eq!(retry_of(&given), Ok(RetryPolicy { age_ms: 60_000, attempts: 0 }));
        for wrong in [json!({"MaximumEventAgeInSeconds": 59}), json!({"MaximumRetryAttempts": 186})] {
            assert!(retry_of(&json!({"RetryPolicy": wrong})).is_err());
        }
    }

    #[test]
    fn only_a_change_of_a_rule_is_a_target() {
        let target = |arn: &str, input: &str| json!({"Arn": arn, "RoleArn": "r", "Input": input});
        assert!(input_of(&target(TARGET, r#"{"RuleArn": "r", "Actions": [{}]}"#)).is_ok());
        assert!(input_of(&target(TARGET, r#"{"RuleArn": "r"}"#)).is_err());
        assert!(input_of(&target(TARGET, "{")).is_err());
        assert!(input_of(&target("arn:aws:lambda:eu-west-1:1:function:f", "{}")).is_err());
    }
}
