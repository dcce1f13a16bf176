//! The written form of an event, with everything the world can answer.

use super::{Moment, Number, Permille, Span, Written, written};
use crate::domain::{approval, count, driver, fault, fleet, window};
use crate::{gate, machine};

written! {
    enum Event = machine::Event {
        Started { by: String },
        Answered { id: u64, answer: Answer },
        Woken,
        #[serde(rename = "told")]
        Requested {
            #[serde(rename = "word")]
            request: OperatorRequest,
            by: String,
            reason: Option<String>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            left: Option<Left>,
        },
        Interrupted { signal: String },
        JournalBehind { fault: Fault },
        JournalCaughtUp,
        Recovered { by: String, epoch: u64 },
    }

    struct Left = machine::Left {
        key: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approves: Option<Approval>,
    }

    struct Approval = approval::Approval {
        step: usize,
        release: String,
        #[serde(default)]
        undecided: Vec<String>,
    }

    enum OperatorRequest = machine::OperatorRequest { Rollback, Abort, Pause, Continue, Approve, Promote, BreakGlass, Spare }

    enum Answer = machine::Answer {
        Registered(arn: String),
        Scaled,
        Marked,
        ScalingHeld,
        ScalingFreed,
        Armed,
        Gone,
        Disarmed,
        #[serde(rename = "pledged")]
        CommitIntended,
        Concluded,
        Routed(seen: RuleSeen),
        Unsettled(seen: RuleSeen),
        Moving(seen: RuleSeen),
        Foreign(seen: RuleSeen),
        Seen(observation: Box<Observation>),
        Probed(reading: ProbeReading),
        Counted(served: Served),
        Failed(fault: Fault),
    }

    struct Observation = machine::Observation {
        rule: Option<RuleSeen>,
        fleet: Option<Fleet>,
        stable: Option<u32>,
        deployment: Option<Deployment>,
        calendar: Option<CalendarSeen>,
        readings: Vec<(usize, Reading)>,
        requests: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        published: Option<Moment>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reached: Option<Vec<String>>,
        observed: Option<Permille>,
        faults: Vec<Fault>,
    }

    struct Deployment = driver::Deployment {
        id: String,
        state: DeploymentState,
        stage: String,
        #[serde(default)]
        held_by: Option<String>,
    }

    enum DeploymentState = driver::DeploymentState { Moving, Waiting { until: Option<Moment> }, Done, Failed { why: String } }

    struct CalendarSeen = window::CalendarSeen { open: bool, next: Option<Moment> }

    struct RuleSeen = fleet::RuleSeen {
        share: Option<Permille>,
        sticky: bool,
        #[serde(default)]
        brief: bool,
        instead: Option<String>,
        shape: String,
        text: String,
    }

    struct Fleet = fleet::Fleet { stable: Capacity, candidate: Capacity }

    struct Capacity = fleet::Capacity {
        desired: u32,
        running: u32,
        healthy: u32,
        task_definition: String,
        settled: bool,
        failed: u32,
        stopped: Vec<Stopped>,
        #[serde(default)]
        given_up: Option<GivenUp>,
    }

    struct GivenUp = fleet::GivenUp { task_definition: String, why: String }

    struct Stopped = fleet::Stopped {
        task: String,
        at: Moment,
        reason: String,
        #[serde(default)]
        task_definition: String,
    }

    struct Served = fleet::Served {
        requests: u64,
        failed: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_full: Option<u64>,
    }

    enum Slot = fleet::Slot { Blue, Green }

    enum Role = fleet::Role { Stable, Candidate }

    enum AlarmState = fleet::AlarmState { Ok, Alarm, InsufficientData }

    enum Reading = gate::Reading {
        Alarm(reading: AlarmReading),
        Metric(reading: MetricReading),
        Tasks(reading: TasksReading),
        Counts(bins: Vec<Bin>),
        Burn(reading: BurnReading),
        Said(reading: SaidReading),
        Unreadable(fault: Fault),
    }

    struct AlarmReading = gate::AlarmReading {
        state: Option<AlarmState>,
        changed: Moment,
        rang: Option<Moment>,
        window: Span,
        #[serde(default = "never")]
        read: Moment,
        #[serde(default)]
        watched: Vec<Watched>,
    }

    struct Watched = gate::Watched { alarm: String, window: Span, every: Span, data: AlarmData }

    enum AlarmData = gate::AlarmData {
        Read { until: Option<Moment>, broken: Option<Moment> },
        Hidden,
        Rings,
        Blind(why: String),
    }

    struct MetricReading = gate::MetricReading { values: Vec<Point>, samples: Vec<Point> }

    struct Point = gate::Point { at: Moment, value: Number }

    struct TasksReading = gate::TasksReading { capacity: Capacity, wanted: u32, asked: Moment, started: bool }

    struct Bin = count::Bin { at: Moment, stable: Option<Counts>, candidate: Option<Counts> }

    struct Counts = count::Counts {
        requests: Number,
        errors: Number,
        #[serde(default)]
        refused: Number,
        timed: Number,
        slower: Vec<Number>,
    }

    struct BurnReading = gate::BurnReading { until: Moment, long: Burnt, short: Burnt }

    struct Burnt = gate::Burnt { requests: Number, errors: Number }

    struct SaidReading = gate::SaidReading { asked: Moment, outcome: Outcome, text: String }

    enum Outcome = gate::Outcome { Pass, Fail, Inconclusive }

    struct ProbeReading = gate::ProbeReading { at: Moment, right: bool, text: String }

    struct Fault = fault::Fault { kind: FaultKind, operation: String, message: String }

    enum FaultKind = fault::FaultKind { Transient, Unknown, Missing, Denied, Expired, Permanent }
}

/// Journals from before alarms' data were read do not say when that was.
fn never() -> Moment {
    Written::write(&crate::domain::clock::Timestamp::default())
}
