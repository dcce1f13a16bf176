//! Systems Manager: `GetCalendarState`, in the JSON 1.1 protocol of its API reference.

use serde_json::{Value, json};

use super::Aws;
use super::fault::one_line;
use super::signed::{BODY, Call};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::window::CalendarSeen;

/// The operation.
const OPERATION: &str = "GetCalendarState";

/// What these calendars say together: AWS calls them open when all are.
///
/// # Errors
/// When one cannot be read.
pub async fn calendars(aws: &Aws, names: &[String]) -> Result<CalendarSeen, Fault> {
    let call = Call {
        id: "SSM",
        service: "ssm",
        operation: OPERATION,
        region: None,
        host: None,
        headers: &[(BODY, "application/x-amz-json-1.1".to_owned()), ("x-amz-target", format!("AmazonSSM.{OPERATION}"))],
        body: json!({"CalendarNames": names}).to_string(),
    };
    let answered = aws.call(call).await?;
    let said: Value = serde_json::from_str(&answered.body).unwrap_or_default();
    if answered.status != 200 {
        let code = said["__type"].as_str().and_then(|code| code.rsplit('#').next()).unwrap_or_default();
        let words = said["message"].as_str().or_else(|| said["Message"].as_str()).unwrap_or_default();
        let words = format!("status {}: {code}: {words}", answered.status);
        let kind = FaultKind::of_refusal(answered.status, code, FaultKind::Transient);
        return Err(Fault::new(kind, OPERATION, one_line(&words)));
    }
    seen(&said).ok_or_else(|| Fault::new(FaultKind::Transient, OPERATION, "the answer says no state"))
}

/// `State` is `OPEN` or `CLOSED`; anything else is none. `NextTransitionTime` is a moment in ISO 8601.
fn seen(said: &Value) -> Option<CalendarSeen> {
    let open = match said["State"].as_str()? {
        "OPEN" => true,
        "CLOSED" => false,
        _ => return None,
    };
    let next = said["NextTransitionTime"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let next = next.and_then(|at| u64::try_from(at.as_millisecond()).ok()).map(Timestamp::from_millis);
    Some(CalendarSeen { open, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_state_that_is_known_is_one() {
        let next = Some(Timestamp::from_millis(1_795_442_400_000));
        let check = |said: Value, wanted: Option<CalendarSeen>| assert_eq!(seen(&said), wanted, "{said}");
        check(json!({"State": "OPEN"}), Some(CalendarSeen { open: true, next: None }));
        let closed = json!({"State": "CLOSED", "NextTransitionTime": "2026-11-23T14:00:00Z"});
        check(closed, Some(CalendarSeen { open: false, next }));
        check(json!({"State": "open"}), None);
        check(json!({}), None);
        check(json!([]), None);
    }
}
