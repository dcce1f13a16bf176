//! Where a rollout stands, and all it remembers: the fold over its journal.

use std::time::Duration;

use super::effect::{Effect, Issued};
use super::notice::{Glass, Outcome};
use super::safeguard::Safeguard;
use super::why::{Awaited, PausedFor, Reason};
use crate::domain::clock::Timestamp;
use crate::domain::fault::Fault;
use crate::domain::fleet::{Fleet, Served};
use crate::domain::traffic::Share;
use crate::domain::window::CalendarSeen;
use crate::gate::{Drift, Gate, Standing, Verdict};

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

/// Where a rollout stands.
///
/// | state | leaves on | to |
/// |---|---|---|
/// | `Ready` | started, recovered | `Forward` |
/// | `Forward` | step passed | `Forward` with the next step, `Finished` after the last |
/// | `Forward` | breach, limit, foreign write, person, signal, before the commit | `Retreat`; `Draining` while a write is outstanding |
/// | `Draining` | the write's answer | `Retreat` |
/// | `Retreat` | traffic verified, slots restored | `Finished` |
/// | `Finished` | a person's rollback, when stranded | `Retreat` |
/// | `Finished` | somebody who finishes what was left undone | `Retreat`; `Forward` after the commit |
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// Nothing has happened.
    Ready,
    /// On the way forward.
    Forward {
        /// Index of the step.
        step: usize,
        /// When it began; moved on by the time it was paused.
        began: Timestamp,
        /// What it is doing.
        stage: Stage,
    },
    /// Going back, but a write is outstanding: its answer comes first.
    Draining {
        /// Why it goes back.
        reason: Reason,
        /// When that was decided.
        decided: Timestamp,
    },
    /// Going back.
    Retreat {
        /// Why.
        reason: Reason,
        /// When that was decided.
        decided: Timestamp,
        /// How far it is.
        phase: Phase,
        /// How often the present phase was refused.
        refused: u32,
    },
    /// Over.
    Finished(Outcome),
}

/// What a step is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Reading the world before a write.
    Checking,
    /// The step's write is outstanding, or about to be repeated.
    Acting,
    /// Waiting until the world shows what was written.
    Settling,
    /// Probing; so many answers in a row were right.
    Probing(u32),
    /// Holding until then at least.
    Holding(Timestamp),
    /// In a ramp: comparing, and deciding the next share.
    Ramping,
    /// In a ramp: this share is asked for, since then.
    Raising {
        /// The share.
        to: Share,
        /// When it was decided.
        since: Timestamp,
    },
    /// Waiting for a person.
    Asking,
    /// Waiting for the proof that no requests are left.
    Quieting,
    /// Counting what the candidate served.
    Counting(u32),
}

/// How far the way back is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Reading rule and targets.
    Checking,
    /// Giving a stable slot without tasks its tasks back.
    Reviving,
    /// The stable-only write is outstanding.
    Routing,
    /// Reading back until no earlier write can land any more.
    Verifying,
    /// Saying on the rule that the rollout goes back.
    Marking,
    /// Removing the dead-man's switch, and waiting until nothing that it sent can land any more.
    Disarming,
    /// Waiting for the proof that the candidate has no requests left.
    Quieting,
    /// Giving the candidate slot its former tasks.
    Restoring,
    /// Setting autoscaling back.
    Freeing,
    /// Giving the rule its former stickiness.
    Mending,
    /// Taking the beacon off the rule.
    Unmarking,
    /// Counting what the candidate served.
    Counting,
}

/// The one thing that is waited for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wait {
    /// Nothing: the rollout has not begun, or is over.
    Nothing,
    /// The answer to this.
    Answer(Issued),
    /// This moment, when that is asked.
    Until(Timestamp, Effect),
}

/// A write of the rule whose outcome nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsettled {
    /// The share it asked for.
    pub(super) share: Share,
    /// When it cannot take effect any more.
    pub(super) until: Timestamp,
}

/// What the reads of the rule have shown without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steady {
    /// The candidate's share.
    pub(super) share: Share,
    /// Since when.
    pub(super) since: Timestamp,
    /// When it was last seen.
    pub(super) seen: Timestamp,
}

/// Why no step is taken.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Paused {
    pub(super) why: PausedFor,
    pub(super) since: Timestamp,
}

/// A lifecycle hook of the service's own at which AWS's deployment waits for somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) hook: String,
    pub(super) since: Timestamp,
}

/// A journal that does not hold everything that happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Behind {
    /// Since when.
    pub(super) since: Timestamp,
    /// Why.
    pub(super) fault: Fault,
}

/// What a rollout remembers beside its state.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own; all combinations can occur")]
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Memory {
    /// The last event's time; time never goes back.
    pub(super) now: Timestamp,
    pub(super) started: Timestamp,
    /// Data before this are not judged: the start, or the moment a person overruled a breach.
    pub(super) judged_from: Timestamp,
    /// The candidate's share last read back, the one before it, and when it changed.
    pub(super) accepted: Share,
    pub(super) previous: Share,
    pub(super) accepted_at: Timestamp,
    pub(super) unsettled: Option<Unsettled>,
    /// The share that was watched since some moment. What came before it is not known: a slot may have had requests.
    pub(super) steady: Option<Steady>,
    /// When the rule was last read, and the stretches in which it was not.
    pub(super) rule_seen: Timestamp,
    pub(super) unseen: Vec<(Timestamp, Timestamp)>,
    /// Whether a write that gives the candidate weight was ever asked for.
    pub(super) carried: bool,
    /// Whether the candidate was seen to have weight since all traffic was last seen on the stable slot:
    /// one read that shows none may then be old.
    pub(super) weighted: bool,
    /// When the candidate was first seen to have weight.
    pub(super) exposed: Option<Timestamp>,
    /// When the present step was seen to take hold.
    pub(super) step_since: Timestamp,
    /// The release's task definition, once registered.
    pub(super) task_definition: Option<String>,
    /// Tasks asked for, when, and whether all were healthy once.
    pub(super) wanted: u32,
    /// What is everything of which the candidate's share was last given: the tasks that the stable slot had then, if
    /// those were more than are asked for at the start.
    pub(super) whole: u32,
    pub(super) asked: Timestamp,
    pub(super) all_started: bool,
    pub(super) fleet: Option<(Timestamp, Fleet)>,
    /// The candidate's share of the requests, as last counted.
    pub(super) observed: Option<Share>,
    pub(super) verdicts: Vec<Option<Verdict>>,
    /// What each gate remembers of earlier readings.
    pub(super) standings: Vec<Standing>,
    /// The watch for drift, once it has begun.
    pub(super) drift: Option<Drift>,
    /// When the last two looks were asked for that brought counts.
    pub(super) counted_at: [Option<Timestamp>; 2],
    /// The candidate's share since each of these moments.
    pub(super) course: Vec<(Timestamp, Share)>,
    pub(super) paused: Option<Paused>,
    /// Who said that nothing is to be waited for any more.
    pub(super) promoted_by: Option<String>,
    /// Who goes back to the old stable slot after the commit, so that it keeps its tasks.
    pub(super) spared_for: Option<String>,
    /// Who overruled the windows.
    pub(super) glass: Option<Glass>,
    /// What the change calendars said, and when that was asked for.
    pub(super) calendar: Option<(Timestamp, CalendarSeen)>,
    pub(super) blind_since: Option<Timestamp>,
    /// Since when the credentials are at an end, on the way forward.
    pub(super) expired_since: Option<Timestamp>,
    /// That the journal does not hold everything.
    pub(super) behind: Option<Behind>,
    pub(super) short_since: Option<Timestamp>,
    /// In how many looks in a row each slot's service ran something else than it should.
    pub(super) stable_drifts: u32,
    pub(super) candidate_drifts: u32,
    /// Whether the candidate's service was seen to run the release since tasks were asked for.
    pub(super) brought: bool,
    /// In how many looks in a row it was seen to be taken back.
    pub(super) setbacks: u32,
    /// In how many looks in a row the rule said something that AWS's own deployment does not explain.
    pub(super) rule_drifts: u32,
    pub(super) held: Option<Held>,
    /// Whether the old slot was proven quiet before AWS takes its tasks.
    pub(super) quieted: bool,
    /// Whether the stable slot was last read without a healthy target.
    pub(super) barren: bool,
    pub(super) told_fault: Option<Fault>,
    pub(super) told_waiting: Option<Awaited>,
    pub(super) looks: u64,
    pub(super) committed: bool,
    /// When all traffic was read back on the stable slot.
    pub(super) back_at: Option<Timestamp>,
    /// For how long nobody tried to take the traffic back, since that was decided.
    pub(super) slept: Duration,
    pub(super) overwritten: u32,
    /// Whether a write of the way back was read back as something else.
    pub(super) contradicted: bool,
    pub(super) revived: bool,
    pub(super) sticky_suspended: bool,
    /// Whether the rule was last read to bind clients all the same, for a second.
    pub(super) brief: bool,
    /// Whether the rule was last read to bind clients at all.
    pub(super) binds: bool,
    /// What the rule was last read as, where it differs from the recorded one beside its weights; and the ARN of the
    /// one that stands in its place, if it does.
    pub(super) differs: Option<(String, Option<String>)>,
    /// When another runner last took over.
    pub(super) taken_over: Option<Timestamp>,
    /// Whether nobody looked at the rule for a while before somebody took over, or for how long is not known.
    pub(super) unwatched: bool,
    pub(super) safeguard: Safeguard,
    /// The runner must leave: once the traffic is back, the rest is left undone.
    pub(super) hurry: bool,
    pub(super) served: Option<Served>,
    /// Whether something was left undone.
    pub(super) left: bool,
    /// Whether that is being finished, after the end.
    pub(super) tidies: bool,
}

impl Memory {
    pub(super) fn new(gates: &[Gate]) -> Self {
        let zero = Timestamp::default();
        Self {
            now: zero,
            started: zero,
            judged_from: zero,
            accepted: Share::NONE,
            previous: Share::NONE,
            accepted_at: zero,
            unsettled: None,
            steady: None,
            rule_seen: zero,
            unseen: Vec::new(),
            carried: false,
            weighted: false,
            exposed: None,
            step_since: zero,
            task_definition: None,
            wanted: 0,
            whole: 0,
            asked: zero,
            all_started: false,
            fleet: None,
            observed: None,
            verdicts: vec![None; gates.len()],
            standings: gates.iter().map(Standing::new).collect(),
            drift: None,
            counted_at: [None; 2],
            course: Vec::new(),
            paused: None,
            promoted_by: None,
            spared_for: None,
            glass: None,
            calendar: None,
            blind_since: None,
            expired_since: None,
            behind: None,
            short_since: None,
            stable_drifts: 0,
            candidate_drifts: 0,
            brought: false,
            setbacks: 0,
            rule_drifts: 0,
            held: None,
            quieted: false,
            barren: false,
            told_fault: None,
            told_waiting: None,
            looks: 0,
            committed: false,
            back_at: None,
            slept: Duration::ZERO,
            overwritten: 0,
            contradicted: false,
            revived: false,
            sticky_suspended: false,
            brief: false,
            binds: false,
            differs: None,
            taken_over: None,
            unwatched: false,
            safeguard: Safeguard::default(),
            hurry: false,
            served: None,
            left: false,
            tidies: false,
        }
    }
}
