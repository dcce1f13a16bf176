//! CloudWatch: what was measured, statistics and mathematics over it, and the alarms that look at it.

pub(super) mod alarm;
pub(super) mod alarm_rule;
pub(super) mod alarm_state;
pub(super) mod bucket;
pub(super) mod cell;
pub(super) mod composite;
pub(super) mod expression;
pub(super) mod formula;
pub(super) mod math;
pub(super) mod publication;
pub(super) mod query;
pub(super) mod sketch;
pub(super) mod statistic;
pub(super) mod store;

use std::collections::BTreeMap;

/// Values by the second their period starts at.
pub(super) type Series = BTreeMap<u64, f64>;
