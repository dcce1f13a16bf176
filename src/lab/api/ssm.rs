//! AWS Systems Manager: the state of change calendars.

use serde_json::{Value, json};

use super::operation::{OperationResult, Refusal};
use super::wire_call::ApiRequest;
use crate::lock::lock;
use crate::value::{date, texts};
use crate::world::World;

/// Performs an operation.
pub(super) fn perform(world: &World, asked: &ApiRequest, now: u64) -> Option<OperationResult> {
    match asked.operation.as_str() {
        "GetCalendarState" => Some(told(world, &asked.input, now)),
        _ => None,
    }
}

/// Open when all are (`GetCalendarState` in the API reference). Only the present moment is known.
fn told(world: &World, input: &Value, now: u64) -> OperationResult {
    let names: Vec<&str> = texts(input, "CalendarNames");
    if names.is_empty() {
        return Err(Refusal::new("ValidationException", "Value at 'calendarNames' failed to satisfy constraint"));
    }
    let notices = lock(&world.notices);
    let mut open = true;
    let mut next: Option<u64> = None;
    for name in names {
        let missing = || Refusal::new("InvalidDocument", format!("Document with name {name} does not exist."));
        let calendar = notices.calendar(name, now).ok_or_else(missing)?;
        open &= calendar.open;
        next = [next, calendar.until].into_iter().flatten().min();
    }
    let state = if open { "OPEN" } else { "CLOSED" };
    let mut told = json!({"State": state, "AtTime": date(now)});
    if let Some(next) = next {
        told["NextTransitionTime"] = json!(date(next));
    }
    Ok(told)
}
