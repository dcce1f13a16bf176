//! Every bound of the machine, each with its reason: between two looks, for one wait, for one count. What a spec can set
//! is in [`crate::spec::Limits`].

use std::time::Duration;

/// Between two looks while nothing is asked of people or tasks. Four a minute keep an idle rollout
/// within its budget of calls, and show a breaching datapoint within 15 s.
pub const POLL: Duration = Duration::from_secs(15);
/// Between two looks while tasks start, a probe fails, or a write is read back.
pub(super) const BRISK_POLL: Duration = Duration::from_secs(5);
/// Before something refused is asked for again.
pub(super) const RETRY: Duration = Duration::from_secs(2);
/// Before a refused write of the way back is asked for again, the first times; after them [`RETRY`].
pub(super) const PROMPT_RETRIES: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];
/// Before a denied write of the way back is asked for again after those, the first time; twice as long each time after
/// it, up to the second. Whoever can allow it is told at once.
pub(super) const DENIED_RETRIES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(30)];
/// How long the first read of the way back may take, in wall time: a call of a second, and the same call once
/// more beside it. What is not read by then does not stop the write.
pub const FIRST_READ_WITHIN: Duration = Duration::from_millis(1500);
/// How long the journal may be behind before the rollout goes back: most trouble of S3 is over by then, and a candidate
/// that nobody may take further or commit should not serve for much longer.
pub const BEHIND_WITHIN: Duration = Duration::from_secs(10 * 60);
/// How long after it was asked for a write with an unknown outcome can still take effect: the call's
/// own time-out of 15 s, and as much again for what AWS does after it accepted a call.
pub const WRITE_LANDS_WITHIN: Duration = Duration::from_secs(30);
/// How long a read may show the world as it was before our last write.
pub(super) const STALE_WITHIN: Duration = Duration::from_secs(60);
/// How long the journal of a runner that looks at the rule stands still at most, from one look to the next.
pub(super) const LOOKS_WITHIN: Duration = Duration::from_secs(20);
/// How long no read may have come for the rule to count as watched: what lasts for less than that may be missed, as
/// while reads fail.
pub(super) const WATCHED_WITHIN: Duration = Duration::from_secs(60);
/// How old a read of healthy targets may be when weight is given on it.
pub const FRESH: Duration = Duration::from_secs(10);
/// How long the candidate may have fewer healthy targets than its share needs.
pub(super) const SHORT_WITHIN: Duration = Duration::from_secs(45);
/// In how many looks in a row a service must run something else before that is somebody else's deployment: one
/// read may be old.
pub(super) const DRIFTS: u32 = 2;
/// How often a foreign write is answered with ours while going back, before a person is called.
pub const REASSERTIONS: u32 = 5;
/// How often something is tried that does not touch the traffic, or that is refused for good.
pub const ATTEMPTS: u32 = 5;
/// Between two looks while a gate compares by bins shorter than [`POLL`] and the candidate has traffic.
pub const FAST_POLL: Duration = Duration::from_secs(10);
/// How long before a step's time is over a gate may say that it passes unproven: four looks.
pub const LAST_CALL: Duration = Duration::from_secs(60);
/// How much data a look asks for beyond what the slowest gate needs: enough for late and revised
/// datapoints, and not more with every hour that a rollout lasts.
pub(super) const LOOK_BACK: Duration = Duration::from_secs(30 * 60);
/// How far before the last counts the next are read, for late and revised ones: the five minutes in which
/// CloudWatch revises, and as much for a bin, its delay, and a few reads that failed. A look writes at most
/// 12 bins to the journal, of about 400 bytes with both slots and five marks: 19 KB a minute, a megabyte an hour.
pub(super) const COUNT_BACK: Duration = Duration::from_secs(10 * 60);
/// The same for bins shorter than [`POLL`], which are published sooner: at most 32 bins of 10 s, 77 KB a minute.
pub(super) const FAST_COUNT_BACK: Duration = Duration::from_secs(5 * 60);
/// How far back counts are read at most, after an outage of reads. CloudWatch keeps what is finer than a
/// minute for three hours.
pub(super) const COUNT_FURTHEST: Duration = Duration::from_secs(3 * 60 * 60);
/// How often the tasks are read too, while nothing is waited for.
pub(super) const FLEET_EVERY: Duration = Duration::from_secs(60);
/// The least raise of a share in a ramp, in tenths of a percent: one less is the rounding of weights.
pub(super) const RAISE_LEAST: u16 = 2;
/// Between two pushes of the dead-man's switch: half of the least time in which it fires.
pub const PUSH_EVERY: Duration = Duration::from_secs(60);
/// How often a runner that must leave tries to take one thing down: twice, in case the first answer is lost.
pub(super) const HURRIED_ATTEMPTS: u32 = 2;
/// How often change calendars are read. They change for hours.
pub(super) const CALENDAR_EVERY: Duration = Duration::from_secs(60);
/// The age at which what was read of them says nothing any more: one read may fail in between.
pub(super) const CALENDAR_FRESH: Duration = Duration::from_secs(90);
/// How many stretches without a read of the rule are remembered; the oldest are forgotten first.
pub(super) const UNSEEN_LIMIT: usize = 100;
